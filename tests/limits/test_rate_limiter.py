"""Budgets that give way, tested without waiting: whatever comes, the vendor's minute is never overspent."""

import heapq
import itertools
from bisect import bisect_left
from collections.abc import Sequence
from typing import cast

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.limits.budget import LEAST, RECOVERY, SETTLE, Budget, Grant, per_minute
from exporter.limits.circuit_breaker import CircuitBreaker
from exporter.limits.rate_limiter import Limiter
from exporter.model.job import JobKey

KEY = JobKey("cdm", "copy")
RATES = st.floats(0.02, 200)
REFUSALS = st.one_of(st.none(), st.floats(0, 120))
STARTED = st.floats(0, 1e7)
"""What the clock may say at the start; it counts from when the machine came up."""


def _open() -> CircuitBreaker:
    circuit = CircuitBreaker()
    circuit.accepted(circuit.enter(), "one")
    return circuit


CIRCUIT = _open()
"""Of one whom the cloud knows."""


def most_in_a_minute(times: Sequence[float]) -> int:
    return max(bisect_left(times, first + 60) - at for at, first in enumerate(times))


def call(budget: Budget, now: float) -> float:
    """Make a call as soon as one is allowed, and return when that was."""
    budget.wait_for(KEY, now, now, CIRCUIT)
    now += budget.ready_in(now)
    assert budget.ready_in(now) == 0, "the moment that was told has come, and nothing can start"
    budget.take(now).budget.ended(now)
    return now


@given(
    rate=RATES,
    now=STARTED,
    steps=st.lists(st.tuples(st.floats(0, 5), st.sampled_from(["call"] * 9 + ["refused"]), REFUSALS), min_size=1),
    burst=st.integers(1, 40),
)
def test_whatever_comes_no_minute_has_more_calls_than_configured_and_no_pause_has_any(
    rate: float, now: float, steps: list[tuple[float, str, float | None]], burst: int
) -> None:
    budget, taken, paused_until = Budget(rate), [], now
    for delay, event, retry_after in steps:
        now += delay
        if event == "refused":
            budget.throttled(now, retry_after)
            paused_until = max(paused_until, now + min(max(60, retry_after or 0), 600))
        for _ in range(burst):
            now = call(budget, now)
            taken.append(now)
            assert now >= paused_until - 1e-7

    assert most_in_a_minute(taken) <= max(1, per_minute(rate))


class Traffic:
    """Calls of one bucket that wait without end, each with its own times of arrival and of its end."""

    def __init__(self, rate: float, now: float, places: int = 1000) -> None:
        self.limiter = Limiter(places)
        self.rate = rate
        self.now = now
        self.arrived: list[float] = []
        self._under_way: list[tuple[float, int, Grant]] = []

    def call(self, way: float, back: float) -> None:
        """Make one more call once it is granted; it arrives *way* seconds later and is over *back* seconds after."""
        self.limiter.wait_for("bucket", self.rate, KEY, self.now, self.now, CIRCUIT)
        while (start := next(self.limiter.grants(self.now), None)) is None:
            left, ends = self.limiter.ready_in(self.now), self._under_way[0][0] if self._under_way else float("inf")
            self.now = min(float("inf") if left is None else self.now + left, ends)
            while self._under_way and self._under_way[0][0] <= self.now:
                self.limiter.release(heapq.heappop(self._under_way)[2], self.now)
        self.arrived.append(self.now + way)
        heapq.heappush(self._under_way, (self.now + way + back, len(self.arrived), start))


@given(
    rate=RATES,
    now=STARTED,
    places=st.integers(1, 40),
    stretches=st.lists(
        st.tuples(st.integers(1, 100), st.floats(0, 30), st.floats(0, 1), st.floats(0, 5)), min_size=1, max_size=8
    ),
)
def test_however_long_calls_take_to_arrive_no_minute_has_more_of_them_than_configured(
    rate: float, now: float, places: int, stretches: list[tuple[int, float, float, float]]
) -> None:
    """Each stretch is some calls, how late the first arrives, how much of that the last one does, and the answers."""
    traffic = Traffic(rate, now, places)
    for calls, late, rest, answered in stretches:
        for number in range(calls):
            traffic.call(late * (1 - (1 - rest) * number / calls), answered)

    assert most_in_a_minute(sorted(traffic.arrived)) <= max(1, per_minute(rate))


@pytest.mark.parametrize("rate", [1 / 60, 1, 1.8, 5, 50])
@pytest.mark.parametrize("held", [8.5, 30])
def test_calls_that_were_held_and_arrive_at_once_are_made_up_for(rate: float, held: float) -> None:
    traffic = Traffic(rate, 0)
    while traffic.now < 200:
        until = 60 + held - traffic.now
        traffic.call(until if 0 < until <= held else 0.01, 0.04)

    assert most_in_a_minute(sorted(traffic.arrived)) <= per_minute(rate)


@pytest.mark.parametrize("rate", [0.5, 1, 1.8, 5, pytest.param(50, marks=pytest.mark.slow)])
def test_calls_that_arrive_soon_and_are_answered_soon_use_the_whole_limit(rate: float) -> None:
    traffic = Traffic(rate, 0)
    while traffic.now < 1800:
        traffic.call(0.01 + 0.01 * (len(traffic.arrived) % 3), 0.03)

    assert len(traffic.arrived) >= 0.99 * 30 * per_minute(rate)


def test_when_a_minutes_calls_are_under_way_the_next_comes_a_minute_after_the_first_end() -> None:
    limiter, waiting = Limiter(9), [JobKey("cdm", str(number)) for number in range(3)]
    for key in waiting:
        limiter.wait_for("cdm", 2 / 60, key, 0, 30, CIRCUIT)
    first, second = next(limiter.grants(0)), next(limiter.grants(31))

    assert limiter.ready_in(90) is None
    limiter.release(second, 100)
    assert limiter.ready_in(100) == pytest.approx(60)
    limiter.release(first, 130)
    limiter.release(first, 131)
    assert limiter.ready_in(130) == pytest.approx(30)
    assert len(list(limiter.grants(160.1))) == 1


@pytest.mark.parametrize("rate", [19.99, 20, 29.99, 50, 111.1])
def test_a_minute_that_begins_with_a_burst_has_no_call_more(rate: float) -> None:
    budget, taken = Budget(rate), []
    taken.append(call(budget, 0))
    while taken[-1] < 130:
        taken.append(call(budget, taken[-1]))

    assert per_minute(rate) - 1 <= most_in_a_minute(taken) <= per_minute(rate)


@given(steps=st.lists(st.tuples(RATES, st.floats(0, 30), st.integers(1, 300)), min_size=2, max_size=6))
def test_a_minute_in_which_the_limit_changes_has_at_most_the_calls_of_the_higher_one(
    steps: list[tuple[float, float, int]],
) -> None:
    budget, now, taken = Budget(steps[0][0]), 0.0, []
    for rate, delay, calls in steps:
        budget.configure(rate)
        now += delay
        for _ in range(calls):
            now = call(budget, now)
            taken.append(now)

    assert most_in_a_minute(taken) <= max(1, per_minute(max(rate for rate, _, _ in steps)))


@given(
    rate=RATES, now=STARTED, lives=st.lists(st.tuples(st.floats(0, 90), st.integers(0, 200)), min_size=2, max_size=6)
)
def test_a_minute_with_restarts_has_at_most_the_calls_of_another(
    rate: float, now: float, lives: list[tuple[float, int]]
) -> None:
    taken: list[float] = []
    for seconds, calls in lives:
        budget, ends = Budget(rate, now), now + seconds
        for _ in range(calls):
            if now + budget.ready_in(now) >= ends:
                break
            now = call(budget, now)
            taken.append(now)
        now = ends

    assert not taken or most_in_a_minute(taken) <= max(1, per_minute(rate))


def test_a_bucket_that_begins_long_after_the_process_is_full() -> None:
    budget = Budget(0.5, 100)

    assert budget.ready_in(100) == pytest.approx(2)
    assert budget.ready_in(102.1) == 0
    assert Budget(1 / 3600, 100).ready_in(100) == pytest.approx(60)


def test_a_higher_limit_counts_at_once() -> None:
    budget = Budget(1 / 3600)
    call(budget, 0)
    budget.configure(1)

    assert budget.ready_in(1) == pytest.approx(0, abs=1e-6)
    assert budget.rate(1) == 1


@given(
    rate=RATES,
    refusals=st.lists(st.tuples(st.floats(0, 100), REFUSALS), min_size=1, max_size=20),
    looks=st.lists(st.floats(0, 1000), min_size=2),
)
def test_the_rate_comes_back_bit_by_bit_and_never_above_what_is_configured(
    rate: float, refusals: list[tuple[float, float | None]], looks: list[float]
) -> None:
    budget, now, paused_until = Budget(rate), 0.0, 0.0
    for delay, retry_after in refusals:
        now += delay
        before = budget.rate(now)
        budget.throttled(now, retry_after)
        assert rate * LEAST * (1 - 1e-9) <= budget.rate(now) <= before
        paused_until = max(paused_until, now + min(max(60, retry_after or 0), 600))

    seen = [(now + look, budget.rate(now + look)) for look in sorted(looks)]
    for (earlier, low), (later, high) in itertools.pairwise(seen):
        assert low <= high <= rate
        assert high - low <= rate * (later - earlier) / RECOVERY + rate * 1e-6
    assert budget.rate(paused_until + RECOVERY) == rate


def test_the_refusals_of_calls_that_were_under_way_count_once() -> None:
    budget = Budget(2)
    for answered in (0, 0.1, 3, 59):
        budget.throttled(answered, None)

    assert budget.rate(59) == 1
    assert budget.ready_in(59) == 60
    budget.throttled(119, 0.0)
    assert budget.rate(119) == 0.5
    budget.throttled(119 + SETTLE / 2, 0.0)
    assert budget.rate(119 + SETTLE / 2) == 0.5
    for again in range(10):
        budget.throttled(200 + 61 * again, 0.0)
    assert budget.rate(749) == pytest.approx(0.2)


@pytest.mark.parametrize(
    ("said", "pause"), [(None, 60), (0.0, 60), (5.0, 60), (60.0, 60), (200.0, 200), (600.0, 600), (1e12, 600)]
)
def test_a_refusal_pauses_its_bucket_for_a_minute_at_least_and_ten_at_most(said: float | None, pause: float) -> None:
    budget = Budget(2)
    budget.throttled(0, said)

    assert budget.ready_in(0) == pause
    assert budget.ready_in(pause) == 0


def test_a_lowered_rate_spaces_the_calls() -> None:
    budget = Budget(1)
    budget.throttled(0, 90)
    times = [call(budget, 0)]
    for _ in range(3):
        times.append(call(budget, times[-1]))

    assert times[0] == 90
    assert times[1] - times[0] == pytest.approx(2)
    assert 1.9 < times[3] - times[2] < 1.98


@given(deadlines=st.lists(st.sampled_from([0.0, 5.0]) | st.floats(0, 1e6), min_size=1))
def test_the_earliest_deadline_goes_first_whatever_the_keys_are(deadlines: list[float]) -> None:
    budget, numbers = Budget(1e6), range(len(deadlines))
    for number in numbers:
        budget.wait_for(object(), -deadlines[number] // 100, deadlines[number], CIRCUIT)

    served = []
    for at in numbers:
        served.append(budget.nearest())
        budget.take(at).budget.ended(at)
    assert served == sorted(deadlines)


@given(
    rate=st.floats(0.1, 30),
    intervals=st.lists(st.floats(1, 600), min_size=2, max_size=12),
    refused_at=st.integers(0, 60),
)
def test_every_job_is_served_at_the_latest_when_each_other_was_served_once_after_its_deadline(
    rate: float, intervals: list[float], refused_at: int
) -> None:
    budget, now, gap = Budget(rate), 0.0, 60 / per_minute(rate) * 1.1
    due = {JobKey("cdm", str(number)): 0.0 for number in range(len(intervals))}
    waiting: dict[JobKey, float] = {}
    for turn in range(120):
        if turn == refused_at:
            budget.throttled(now, 30)
        if not waiting:
            now = max(now, min(due.values()))
        for key in [key for key, time in due.items() if time <= now]:
            waiting[key] = due.pop(key) + intervals[int(key.job)]
            budget.wait_for(key, now, waiting[key], CIRCUIT)
        now += budget.ready_in(now)
        served = budget.take(now).key
        budget.ended(now)
        assert isinstance(served, JobKey)
        slow = 1 if turn < refused_at else 2
        assert now <= waiting.pop(served) + len(intervals) * gap * slow + (60 if turn >= refused_at else 0)
        due[served] = now + intervals[int(served.job)]


def started(limiter: Limiter, now: float) -> list[JobKey]:
    """Return what starts, and is over at once."""
    keys = []
    for start in limiter.grants(now):
        keys.append(cast(JobKey, start.key))
        limiter.release(start, now)
    return keys


def test_one_bucket_gives_way_and_the_others_go_on() -> None:
    limiter = Limiter(slots=9)
    for bucket in ("cdm", "dli"):
        for turn in range(2):
            limiter.wait_for(bucket, 2, JobKey(bucket, "same"), 0, 30 + turn, CIRCUIT)
    limiter.throttled("cdm", 0, 75)
    limiter.throttled("a bucket of before a reload", 0, 75)

    assert [key.service for key in started(limiter, 0)] == ["dli"]
    assert limiter.ready_in(0) == pytest.approx(0.5)
    assert [key.service for key in started(limiter, 0.51)] == ["dli"]
    assert limiter.ready_in(1) == 74
    assert (limiter.rate("cdm", 2, 1), limiter.rate("dli", 2, 1), limiter.rate("dws", 2, 1)) == (1, 2, 2)
    assert [key.service for key in started(limiter, 75)] == ["cdm"]
    assert limiter.ready_in(75) == pytest.approx(1, rel=0.01)


def test_a_bucket_takes_over_the_limit_that_a_reload_brings() -> None:
    limiter = Limiter(slots=9)
    limiter.wait_for("cdm", 2, KEY, 0, 30, CIRCUIT)
    limiter.throttled("cdm", 0, 0)
    limiter.wait_for("cdm", 4, KEY, 0, 30, CIRCUIT)

    assert limiter.rate("cdm", 4, 0) == 2
    assert limiter.rate("cdm", 4, RECOVERY) == 4


@given(
    rates=st.lists(RATES, min_size=1, max_size=4),
    now=STARTED,
    refusals=st.lists(st.tuples(st.integers(0, 3), REFUSALS), max_size=4),
    jobs=st.integers(1, 30),
)
def test_a_moment_that_is_told_is_one_at_which_something_starts(
    rates: list[float], now: float, refusals: list[tuple[int, float | None]], jobs: int
) -> None:
    limiter = Limiter(slots=1000)
    for bucket, rate in enumerate(rates):
        for _ in range(jobs):
            limiter.wait_for(bucket, rate, KEY, now, now, CIRCUIT)
    for bucket, retry_after in refusals:
        limiter.throttled(bucket, now, retry_after)

    left = len(rates) * jobs - len(started(limiter, now))
    while (pause := limiter.ready_in(now)) is not None:
        assert pause > 0
        now += pause
        more = len(started(limiter, now))
        assert more > 0
        left -= more
    assert left == 0


def test_buckets_that_are_gone_are_forgotten_once_they_are_as_good_as_new_and_not_before() -> None:
    limiter, now = Limiter(9), 1000.0
    for number in range(300):
        limiter.wait_for(number, 2, KEY, now, now, CIRCUIT)
        assert started(limiter, now) == [KEY]
    limiter.throttled(0, now, None)
    limiter.tidy(now + 0.1)
    limiter.wait_for(1, 2, KEY, now, now, CIRCUIT)
    assert started(limiter, now + 0.2) == [], "one that comes back at once is spent"
    assert started(limiter, now + 0.6) == [KEY]
    limiter.tidy(now + 59)
    assert len(limiter._budgets) == 300
    limiter.tidy(now + 60.3)
    assert set(limiter._budgets) == {0, 1}
    assert limiter.rate(0, 2, now + 61) < 2, "what the cloud refused is remembered until the rate is back"
    limiter.tidy(now + 60 + RECOVERY + 1)
    assert not limiter._budgets


def test_nothing_is_kept_of_a_circuit_that_nobody_waits_for() -> None:
    limiter = Limiter(9)
    for number in range(300):
        circuit = _open()
        keys = [JobKey("cdm", f"{number} {each}") for each in range(2)]
        for key in keys:
            limiter.wait_for("bucket", 1e6, key, 0, 0, circuit)
        if number % 3 == 0:
            limiter.forget(keys)
        elif number % 3 == 1:
            assert len(started(limiter, number)) == 2
        else:
            assert list(limiter.turn_away(circuit)) == keys
    assert not limiter._budgets["bucket"]._waiting


@given(
    rate=RATES,
    steps=st.lists(st.tuples(st.floats(0, 90), st.sampled_from(["calls", "tidy"]), st.floats(0, 30)), min_size=1),
)
def test_no_minute_has_more_calls_than_configured_though_buckets_are_forgotten(
    rate: float, steps: list[tuple[float, str, float]]
) -> None:
    limiter, now, left, under_way = Limiter(10**6), 0.0, list[float](), list[tuple[float, Grant]]()
    for delay, step, lasts in steps:
        now += delay
        for at, start in [each for each in under_way if each[0] <= now]:
            limiter.release(start, at)
            left.append(at)  # it arrived at the very end
        under_way = [each for each in under_way if each[0] > now]
        if step == "tidy":
            limiter.tidy(now)
            continue
        for _ in range(3):
            limiter.wait_for("bucket", rate, KEY, now, now, CIRCUIT)
        under_way += [(now + lasts, start) for start in limiter.grants(now)]
        limiter.forget({KEY})
    left += [at for at, _ in under_way]
    assert not left or most_in_a_minute(sorted(left)) <= max(1, per_minute(rate))


def test_who_is_forgotten_waits_no_more_and_the_others_keep_their_order() -> None:
    keys = [JobKey("cdm", str(number)) for number in range(6)]
    limiter, circuit = Limiter(9), CircuitBreaker()
    for number, key in enumerate(keys):
        limiter.wait_for("bucket", 1000, key, 0, 10 - number, circuit)
    limiter.forget({keys[1], keys[2], keys[5]})

    assert list(limiter.turn_away(circuit)) == [keys[4], keys[3], keys[0]]
    assert not limiter.wanted
