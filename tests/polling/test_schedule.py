"""When what is due, tested without waiting."""

from collections.abc import Callable
from dataclasses import replace
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.limits.budget import Budget, per_minute
from exporter.limits.circuit_breaker import CircuitBreaker
from exporter.limits.rate_limiter import Limiter
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.sharding import shard_of
from exporter.model.snapshot import Snapshot, State
from exporter.polling import schedule
from exporter.polling.schedule import Pace, ScheduleQueue
from exporter.services.registry import load_services

ADAPTERS = load_services()
PACE = Pace(interval=30, idle_interval=300, stale_after=600)
MakeJob = Callable[..., Job]


def _open() -> CircuitBreaker:
    circuit = CircuitBreaker()
    circuit.accepted(circuit.enter(), "one")
    return circuit


GATE = _open()
"""Of one whom the cloud knows."""


def record(job: Job, state: State | None = None, **fields: object) -> Record:
    snapshot = None if state is None else Snapshot(state)
    return replace(Record(job), snapshot=snapshot, **fields)  # type: ignore[arg-type]


def failing(job: Job, reason: Reason, times: int, state: State | None = None) -> Record:
    return record(job, state, fault=Fault(reason, 0, "no"), failing=times)


@pytest.mark.parametrize(
    ("service", "state", "seconds"),
    [
        ("dli", None, 30),
        ("dli", State.RUNNING, 30),
        ("dli", State.UNKNOWN, 30),
        ("dli", State.PENDING, 300),
        ("dli", State.SUCCEEDED, 30),
        ("cdm", State.SUCCEEDED, 300),
        ("cdm", State.PENDING, 300),
        ("cdm", State.RUNNING, 30),
    ],
)
def test_the_interval_follows_the_state(service: str, state: State | None, seconds: float, job: MakeJob) -> None:
    assert schedule.interval_for_state(record(job(service), state), PACE, ADAPTERS[service]) == seconds


def test_a_job_with_its_own_interval_uses_it_while_it_runs(job: MakeJob) -> None:
    quick, slow = job("cdm", interval=5.0), job("cdm", interval=900.0)

    assert schedule.interval_for_state(record(quick, State.RUNNING), PACE, ADAPTERS["cdm"]) == 5
    assert schedule.interval_for_state(record(quick, State.PENDING), PACE, ADAPTERS["cdm"]) == 300
    assert schedule.interval_for_state(record(slow, State.PENDING), PACE, ADAPTERS["cdm"]) == 900


def test_a_job_that_is_not_found_is_asked_at_the_idle_interval(job: MakeJob) -> None:
    lost = failing(job("dli"), Reason.NOT_FOUND, 1, State.RUNNING)

    assert schedule.interval_for_state(lost, PACE, ADAPTERS["dli"]) == 300


def test_a_final_job_is_never_due(job: MakeJob) -> None:
    assert schedule.next_due(record(job("dli"), State.SUCCEEDED, final=True), 30, PACE, ADAPTERS["dli"], 5) is None


@given(name=st.text(), interval=st.floats(1, 3600), now=st.floats(0, 1e7))
def test_the_next_turn_is_ahead_by_about_one_interval(name: str, interval: float, now: float) -> None:
    turn = schedule.next_in_phase(JobKey("dli", name), interval, now)
    second = schedule.next_in_phase(JobKey("dli", name), interval, now, 0.25)

    assert now < turn <= now + interval * (1 + 1e-9) + 1e-6
    assert now + interval / 4 < second <= now + interval * (1.25 + 1e-9) + 1e-6


def test_turns_of_many_jobs_spread_over_the_interval() -> None:
    turns = [schedule.next_in_phase(JobKey("dli", f"job {number}"), 30, 1000) for number in range(3000)]

    for second in range(30):
        assert 50 <= sum(1 for turn in turns if second <= turn - 1000 < second + 1) <= 160


def test_a_jobs_turns_stay_an_interval_apart() -> None:
    key = JobKey("dli", "a")
    first = schedule.next_in_phase(key, 30, 1000)

    assert schedule.next_in_phase(key, 30, first + 0.2) == pytest.approx(first + 30)


def test_turns_that_went_by_are_counted() -> None:
    assert schedule.due_times_missed(100, 129, 30) == 0
    assert schedule.due_times_missed(100, 191, 30) == 3
    assert schedule.due_times_missed(100, 99, 30) == 0


@pytest.mark.parametrize(
    ("reason", "times", "retry_after", "low", "high"),
    [
        (Reason.TIMEOUT, 1, None, 30, 37.5),
        (Reason.TIMEOUT, 2, None, 60, 75),
        (Reason.SERVER, 60, None, 300, 375),
        (Reason.THROTTLED, 1, None, 60, 75),
        (Reason.THROTTLED, 1, 5.0, 60, 75),
        (Reason.THROTTLED, 1, 120.0, 120, 150),
        (Reason.SERVER, 1, 590.0, 590, 600),
        (Reason.AUTH, 1, None, 30, 37.5),
        (Reason.NOT_FOUND, 1, None, 300, 375),
    ],
)
def test_a_failing_job_waits_longer_each_time(
    reason: Reason, times: int, retry_after: float | None, low: float, high: float, job: MakeJob
) -> None:
    waits = [
        schedule.backoff(failing(job("cdm"), reason, times), PACE, ADAPTERS["cdm"], jitter, retry_after)
        for jitter in (0.0, 1.0)
    ]

    assert waits == [low, high]


@pytest.mark.parametrize(("reason", "first"), [(Reason.PERMISSION, 1), (Reason.AUTH, 30)])
def test_what_only_people_mend_is_asked_every_five_minutes_in_the_end_however_short_the_intervals_are(
    reason: Reason, first: float, job: MakeJob
) -> None:
    each_second = schedule.Pace(interval=1, idle_interval=1, stale_after=600)
    waits = [
        schedule.backoff(failing(job("cdm"), reason, times), each_second, ADAPTERS["cdm"], 0.0, None)
        for times in range(1, 12)
    ]

    assert waits == [min(first * 2**before, 300) for before in range(11)]


def test_new_jobs_are_polled_soon_and_spread() -> None:
    assert [schedule.first_due(at, 3, PACE, 10, rate=50) for at in range(3)] == [10, 10.05, 10.1]
    assert [schedule.first_due(at, 3, PACE, 10, rate=0.5) for at in range(3)] == [10, 12, 14]
    assert schedule.first_due(99_999, 100_000, PACE, 0, rate=1e6) < 30


def test_values_are_stale_after_the_limit_or_three_intervals(job: MakeJob) -> None:
    running = record(job("cdm"), State.RUNNING, answered_at=1000.0)
    slow = record(job("cdm", interval=900.0), State.RUNNING, answered_at=1000.0)

    assert schedule.stale_after(running, PACE, ADAPTERS["cdm"]) == 600
    assert schedule.stale_after(slow, PACE, ADAPTERS["cdm"]) == 2700
    assert schedule.stale_after(record(job("cdm"), State.PENDING, answered_at=0.0), PACE, ADAPTERS["cdm"]) == 900
    assert schedule.stale_after(record(job("cdm")), PACE, ADAPTERS["cdm"]) is None
    final = record(job("dli"), State.FAILED, answered_at=0.0, final=True)
    assert schedule.stale_after(final, PACE, ADAPTERS["dli"]) is None


def test_an_agenda_keeps_one_time_a_key_and_gives_the_earliest_first() -> None:
    agenda = ScheduleQueue()
    one, two = JobKey("dli", "1"), JobKey("dli", "2")
    agenda.put(one, 5)
    agenda.put(two, 4)
    agenda.put(one, 3)

    assert agenda.first() == 3
    assert list(agenda.due(4)) == [(3, one), (4, two)]
    assert agenda.first() is None
    agenda.put(one, 9)
    agenda.remove(one)
    assert list(agenda.due(10)) == []


def test_an_agenda_in_which_times_are_set_again_and_again_does_not_grow() -> None:
    agenda, keys = ScheduleQueue(), [JobKey("cdm", str(number)) for number in range(100)]
    for time in range(1000):
        for key in keys:
            agenda.put(key, 10_000 + time)

    assert len(agenda._heap) < 400
    assert list(agenda.due(10_998)) == []
    assert sorted(agenda.due(20_000)) == sorted((10_999, key) for key in keys)


@given(rate=st.floats(0.02, 200), delays=st.lists(st.floats(0, 5), min_size=1, max_size=400))
def test_a_budget_never_allows_more_than_its_rate_in_any_minute(rate: float, delays: list[float]) -> None:
    budget, now, taken = Budget(rate), 0.0, []
    for delay in delays:
        now += delay
        budget.wait_for(JobKey("cdm", "j"), now, now, GATE)
        now += budget.ready_in(now)
        budget.take(now).budget.ended(now)
        taken.append(now)

    for first in range(len(taken)):
        in_a_minute = sum(1 for time in taken[first:] if time - taken[first] < 60)
        assert in_a_minute <= max(1, 60 * rate + 1e-6)


def test_a_budget_serves_the_nearest_deadline_first() -> None:
    budget = Budget(1)
    budget.wait_for(JobKey("cdm", "idle"), 0, 300, GATE)
    budget.wait_for(JobKey("cdm", "running"), 5, 35, GATE)

    assert budget.take(10)[:2] == (5, JobKey("cdm", "running"))
    assert budget.ready_in(10) == pytest.approx(1)
    assert budget.take(12)[:2] == (0, JobKey("cdm", "idle"))
    assert not budget.wanted


def test_when_places_are_short_the_nearest_deadline_starts_whatever_its_bucket() -> None:
    limiter = Limiter(slots=1)
    started = []
    for turn in range(30):
        for bucket in ("dli", "cdm", "dws"):
            limiter.wait_for(bucket, 1e6, JobKey(bucket, str(turn)), turn, turn + 30, GATE)
    for now in range(90):
        for start in list(limiter.grants(now)):
            started.append(cast(JobKey, start.key).service)
            limiter.release(start, now)

    assert [started[:60].count(bucket) for bucket in ("dli", "cdm", "dws")] == [20, 20, 20]


@pytest.mark.parametrize(("rate", "calls"), [(2 / 60, 2), (1.5 / 60, 1), (0.5 / 60, 0.5), (1.8, 108), (30, 1800)])
def test_a_budget_allows_every_whole_call_of_its_minute(rate: float, calls: float) -> None:
    budget, now, taken = Budget(rate), 0.0, 0
    while now < 3600:
        budget.wait_for(JobKey("cdm", "j"), now, now, GATE)
        now += budget.ready_in(now)
        budget.take(now).budget.ended(now)
        taken += now < 3600

    assert per_minute(rate) == calls
    assert 0.99 * 60 * calls <= taken <= 60 * calls


def test_a_shard_more_moves_only_its_share_of_the_jobs() -> None:
    keys = [JobKey("cdm", f"job {number}") for number in range(2000)]
    before, after = ([shard_of(key, shards) for key in keys] for shards in (4, 5))

    moved = [new for old, new in zip(before, after, strict=True) if old != new]

    assert set(moved) == {4}
    assert 300 < len(moved) < 500
    assert all(400 < before.count(shard) < 600 for shard in range(4))


@pytest.mark.parametrize(
    ("reason", "first"), [(Reason.SERVER, 30), (Reason.TIMEOUT, 30), (Reason.AUTH, 30), (Reason.NOT_FOUND, 300)]
)
def test_a_job_whose_last_run_only_a_list_reported_is_asked_again_as_soon_as_one_that_runs(
    reason: Reason, first: float, job: MakeJob
) -> None:
    """What counts of that run only the job itself can report."""
    known = replace(failing(job("cdm"), reason, 1), listed=Snapshot(State.SUCCEEDED))
    waits = [schedule.backoff(replace(known, failing=times), PACE, ADAPTERS["cdm"], 0.0, None) for times in range(1, 6)]

    assert waits[0] == first
    assert waits == sorted(waits)
    assert waits[-1] == 300
