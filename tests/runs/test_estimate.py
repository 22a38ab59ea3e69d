"""When a run may be done: what is said, what is not, and how good it is."""

import math
from dataclasses import replace
from itertools import chain
from statistics import fmean
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.estimates import ALIKE, FIRST_OF_MANY, MARKS, NOISE, SHAPES, STEADY, Shape, judge, misleading
from exporter.metrics.catalogue import families
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.runs import estimate, transitions
from exporter.services import registry
from exporter.services.registry import load_services

ADAPTERS = load_services()
NAME = "huaweicloud_job_estimated_completion_timestamp_seconds"
FAMILY = next(family for family in families(registry.declared()) if family.name == NAME)


def running(progress: float | None = None, run: str = "1", **changes: Any) -> Snapshot:
    return Snapshot(State.RUNNING, run=RunId(run), progress=progress, **changes)


def tasks(completed: float, planned: float, skipped: float | None = None, **changes: Any) -> Snapshot:
    counts = {Measure("tasks", "completed"): completed, Measure("tasks_planned"): planned}
    if skipped is not None:
        counts[Measure("tasks", "skipped")] = skipped
    return running(counts=counts, **changes)


def after(
    service: str, *answers: Snapshot | Reason, every: float = 10, first: float = 1000, record: Record | None = None
) -> Record:
    record = record or Record(Job(JobKey(service, "j"), "p", {}))
    for number, answer in enumerate(answers):
        at = first + number * every
        if isinstance(answer, Reason):
            record = transitions.failed(record, Fault(answer, at, "no"))
        else:
            record = transitions.worked(record, answer, at, ADAPTERS[service])
    return record


def steps(*percents: int, **changes: Any) -> list[Snapshot]:
    return [running(percent / 100, **changes) for percent in percents]


def ran(service: str, *lengths: float) -> Record:
    """Return a job that saw runs of so many seconds succeed."""
    record = Record(Job(JobKey(service, "j"), "p", {}))
    for number, length in enumerate(lengths):
        done = Snapshot(State.SUCCEEDED, run=RunId(f"earlier {number}"), start=0.0, end=length)
        record = after(service, done, done, record=record)
    return record


def test_a_steady_run_is_estimated_to_the_second() -> None:
    assert after("dws", *steps(0, 5, 10, 15)).estimate == 1200
    assert after("dli", *[tasks(done, 40) for done in (0, 2, 4, 6)]).estimate == 1200


def test_the_sample_is_the_estimate() -> None:
    record = after("dws", *steps(0, 5, 10, 15))

    assert list(FAMILY.read(record)) == [((), 1200.0)]
    assert list(FAMILY.read(transitions.aged(record))) == []


@pytest.mark.parametrize(
    "answers",
    [
        steps(0),
        steps(40, 40, 40),
        steps(0, 20, 40),
        steps(0, 0, 0, 1, 2),
        [running(), running(), running()],
        [tasks(0, 1000), tasks(1, 1000), tasks(2, 1000), tasks(3, 1000)],
        [tasks(0, 0), tasks(0, 0), tasks(0, 0), tasks(0, 0)],
    ],
    ids=["one answer", "no move", "two moves", "hardly any", "no progress told", "few of many tasks", "no tasks"],
)
def test_nothing_is_said_before_there_is_evidence(answers: list[Snapshot]) -> None:
    assert after("dli", *answers).estimate is None


def test_a_run_first_seen_in_its_middle_is_judged_by_what_was_seen_of_it() -> None:
    assert after("dws", *steps(60, 62, 64, 66)).estimate == 1200
    assert after("dws", *steps(60, 62, 64)).estimate is None


def test_only_a_run_that_runs_and_can_end_has_one() -> None:
    told = steps(0, 5, 10, 15)

    assert after("cdm", *steps(0, 5, 10, 15, incremental=True)).estimate == after("cdm", *told).estimate is not None
    assert after("cdm", *steps(0, 5, 10, 15, 100, incremental=True)).estimate is None
    for state in set(State) - {State.RUNNING}:
        assert after("cdm", *told, replace(told[-1], state=state)).estimate is None


def test_a_stalled_run_has_none_until_it_moves_again() -> None:
    moving, still = steps(0, 5, 10, 15), steps(15) * 4

    assert after("dws", *moving, *still[:3]).estimate == 1200
    assert after("dws", *moving, *still).estimate is None
    assert after("dws", *moving, *still, *steps(20)).estimate is not None


def test_an_answer_that_is_the_very_same_tells_a_stall_too() -> None:
    moving = steps(0, 5, 10, 15)

    assert after("dws", *moving, *[moving[-1]] * 3).estimate == 1200
    assert after("dws", *moving, *[moving[-1]] * 4).estimate is None


def test_a_stall_is_no_rate() -> None:
    record = after("dws", *steps(0, 5, 10, 15), *steps(*[15] * 40), *steps(20, 25, 30, 35, 40))

    assert record.estimate is not None
    assert record.estimate - 1480 == pytest.approx(120, rel=0.2)  # elapsed / progress says 720


def test_an_outage_is_no_stall_where_the_run_went_on() -> None:
    before, away = after("dws", *steps(0, 5, 10, 15)), [Reason.TIMEOUT] * 4

    record = after("dws", *away, *steps(40, 45), first=1040, record=before)

    assert record.estimate == 1200


def test_the_later_rate_counts_more() -> None:
    record = after("dws", *steps(0, 5, 10, 15, 20, 30, 40, 50))

    assert record.estimate is not None
    mean_rate = 1000 + 70 / 0.5
    assert 1000 + 70 + 50 < record.estimate < mean_rate


def test_another_run_starts_anew() -> None:
    record = after("cdm", *steps(0, 5, 10, 15), *steps(0, 5, run="2"))

    assert record.estimate is None
    assert after("cdm", *steps(10, 15), first=1060, record=record).estimate is None


@pytest.mark.parametrize("behind", [-90.0, 90.0])
@pytest.mark.parametrize("lengths", [(), (180.0, 200.0)])
def test_how_long_a_run_runs_is_by_the_clouds_clock_and_the_estimate_by_ours(
    behind: float, lengths: tuple[float, ...]
) -> None:
    answers = steps(50, 55, 60, 65, start=900.0)
    right = after("dws", *answers, record=ran("dws", *lengths))
    record = ran("dws", *lengths)
    for cloud, answer in zip((1000.0, 1010.0, 1020.0, 1030.0), answers, strict=True):
        record = transitions.worked(record, answer, cloud - behind, ADAPTERS["dws"], cloud, cloud)
    assert right.estimate is not None
    assert record.estimate == right.estimate - behind


def test_one_that_passed_is_gone_and_not_put_off() -> None:
    quick = steps(70, 80, 90, 99)
    record = after("dws", *quick)
    assert record.estimate == 1032

    assert estimate.overdue(record, 1031) is record
    assert estimate.overdue(record, 1032).estimate is None
    assert after("dws", quick[-1], first=1040, record=record).estimate is None
    assert after("dws", *steps(99), first=1040, record=record).estimate is None


def test_all_done_and_still_running_tells_no_end() -> None:
    assert after("dws", *steps(70, 80, 90, 100)).estimate is None
    assert after("cdm", *steps(100, start=990.0), record=ran("cdm", 100, 100)).estimate is None


def test_skipped_tasks_are_not_to_be_done() -> None:
    assert after("dli", *[tasks(done, 60, skipped=20) for done in (0, 2, 4, 6)]).estimate == 1200


def test_progress_that_falls_back_leaves_nothing_to_say_in_a_first_run() -> None:
    answers = steps(0, 20, 40, 60, 80, 0, 20, 40, 60)

    assert after("dli", *answers[:5]).estimate is not None
    assert after("dli", *answers).estimate is None


def test_a_little_setback_is_no_next_subjob() -> None:
    assert after("dli", *steps(0, 5, 10, 15, 14)).estimate == 1200


def test_tasks_that_grow_leave_nothing_to_say_in_a_first_run_until_they_have_not_grown_for_long() -> None:
    first = [tasks(done, 10) for done in (0, 4, 8)]
    second = [tasks(8 + done, 110) for done in range(0, 100, 4)]

    assert after("dli", *first, *second[:8]).estimate is None
    assert after("dli", *first, *second[:12]).estimate is not None


def test_a_run_first_seen_with_several_subjobs_may_have_more_to_come() -> None:
    def told(number: int) -> list[Snapshot]:
        return [
            replace(each, counts={**each.counts, Measure("subjobs", "running"): float(number)})
            for each in [tasks(done, 40) for done in (0, 2, 4, 6)]
        ]

    assert after("dli", *told(1)).estimate == 1200
    assert after("dli", *told(2)).estimate is None


def test_between_two_subjobs_progress_is_not_mixed_with_tasks() -> None:
    told = [tasks(done, 40) for done in (0, 2, 4, 6)]

    assert after("dli", *told, running(0.0)).estimate == 1200


@pytest.mark.parametrize("lists_ended", [True, False])
def test_earlier_runs_tell_how_many_tasks_there_will_be(lists_ended: bool) -> None:
    def run(name: str) -> list[Snapshot]:
        first = [tasks(done, 100, run=name) for done in range(0, 101, 10)]
        before = 100 if lists_ended else 0
        return [*first, *[tasks(before + done, before + 100, run=name) for done in range(10, 101, 10)]]

    record = Record(Job(JobKey("dli", "j"), "p", {}))
    for name in ("1", "2"):
        done = Snapshot(State.SUCCEEDED, run=RunId(name))
        record = after("dli", *run(name), done, done, record=record)
    assert record.planned == (200, 200)

    assert after("dli", *run("3")[:6], record=record).estimate == 1000 + 200
    assert after("dli", *run("3")[:16], record=record).estimate == 1000 + 200


def test_earlier_runs_tell_the_end_before_the_run_itself_does() -> None:
    assert after("cdm", *steps(0, start=990.0), record=ran("cdm", 600, 640, 620)).estimate == 990 + 620
    assert after("cdm", running(start=990.0), record=ran("cdm", 600, 640, 620)).estimate == 990 + 620


def test_earlier_runs_count_the_less_the_more_is_done() -> None:
    moving = steps(0, 10, 20, 30, start=1000.0)  # by itself it ends at 1100
    record = after("cdm", *moving, record=ran("cdm", 200, 200))

    assert record.estimate == math.ceil(0.3 * 1100 + 0.7 * 1200)


def test_one_earlier_run_is_no_habit_and_neither_are_runs_that_differ() -> None:
    assert after("cdm", *steps(0, start=990.0), record=ran("cdm", 600)).estimate is None
    assert after("cdm", *steps(0, start=990.0), record=ran("cdm", 60, 600, 6000)).estimate is None
    assert after("cdm", *steps(0, start=990.0), record=ran("cdm", 600, 600, 60)).estimate == 1590


def test_a_run_that_takes_longer_than_the_earlier_ones_is_judged_by_itself() -> None:
    record = ran("cdm", 20, 20)

    assert after("cdm", *steps(0, 0, 0, start=1000.0), record=record).estimate is None
    assert after("cdm", *steps(0, 5, 10, 15, start=1000.0), record=record).estimate == 1200


def test_only_runs_that_succeeded_and_tell_their_times_are_remembered_once_and_the_last_five() -> None:
    record = ran("cdm", *range(1, 8))
    assert record.durations == (3, 4, 5, 6, 7)

    failed = Snapshot(State.FAILED, run=RunId("f"), start=0.0, end=1.0)
    untold = Snapshot(State.SUCCEEDED, run=RunId("u"), start=0.0)
    assert after("cdm", failed, untold, untold, record=record).durations == (3, 4, 5, 6, 7)


def test_the_run_that_is_over_costs_no_memory() -> None:
    done = Snapshot(State.SUCCEEDED, run=RunId("1"))

    assert len(after("dli", *[tasks(done, 40) for done in (0, 2, 4, 6)]).evidence) < 128
    assert after("dli", *[tasks(done, 40) for done in (0, 2, 4, 6)], done, done).evidence == b""


def test_a_clock_that_is_set_back_breaks_nothing() -> None:
    record = after("dws", *steps(0, 5, 10, 15), first=9000)
    record = after("dws", *steps(20, 25), first=1000, record=record)

    assert record.estimate is None or record.estimate > 1010


RATIOS = st.none() | st.sampled_from([0.0, 1.0, 1e-300]) | st.floats(0, 1)
AMOUNTS = st.sampled_from([0.0, 1.0, 1e15]) | st.integers(0, 50).map(float)
COUNTS = st.dictionaries(
    st.sampled_from(
        [
            Measure("tasks_planned"),
            Measure("tasks", "completed"),
            Measure("tasks", "skipped"),
            Measure("subjobs", "running"),
        ]
    ),
    AMOUNTS,
)
ANSWERS = st.builds(
    Snapshot,
    st.sampled_from([State.RUNNING] * 5 + list(State)),
    run=st.builds(RunId, st.sampled_from(["", "1", "1", "1", "2"])),
    progress=RATIOS,
    incremental=st.sampled_from([None, None, False, True]),
    start=st.none() | st.floats(0, 2e9),
    end=st.none() | st.floats(0, 2e9),
    counts=COUNTS | st.just({}),
)


@given(
    st.lists(st.tuples(ANSWERS | st.just(Reason.TIMEOUT), st.floats(-5, 600)), max_size=30),
    st.sampled_from(sorted(ADAPTERS)),
)
def test_whatever_comes_it_is_a_time_to_come_or_nothing(
    answers: list[tuple[Snapshot | Reason, float]], service: str
) -> None:
    record, at = Record(Job(JobKey(service, "j"), "p", {})), 1e9
    for answer, later in answers:
        at += later
        record = after(service, answer, first=at, record=record)
        if isinstance(answer, Reason):
            continue
        if record.estimate is not None:
            assert math.isfinite(record.estimate)
            assert record.estimate > at
            assert record.estimate.is_integer()
            assert answer.state is State.RUNNING
            assert not answer.incremental
        assert len(record.durations) <= 5
        assert all(each >= 0 for each in record.durations)


@given(st.lists(RATIOS, max_size=30), st.integers(1, 300))
def test_without_a_move_or_an_earlier_run_there_is_none(ratios: list[float | None], every: int) -> None:
    falling = sorted((each for each in ratios if each is not None), reverse=True)

    assert after("dws", *[running(each) for each in falling if each > 0.95 * falling[0]], every=every).estimate is None


@given(
    st.lists(st.integers(1, 9), min_size=4, max_size=12),
    st.sampled_from([10.0, 30.0, 60.0, 300.0]),
    st.floats(0, 1e9),
)
def test_when_it_is_looked_at_does_not_matter(moves: list[int], every: float, later: float) -> None:
    answers = steps(*[sum(moves[:number]) for number in range(len(moves) + 1) if sum(moves[:number]) < 99])
    first = after("dws", *answers, every=every, first=1e9)
    again = after("dws", *answers, every=every, first=1e9 + math.floor(later))

    if first.estimate is None or again.estimate is None:
        assert first.estimate is again.estimate is None
    else:
        assert again.estimate - math.floor(later) == pytest.approx(first.estimate, abs=1)


@pytest.mark.slow
@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: shape.name)
def test_it_is_nearer_to_the_truth_than_elapsed_by_progress(shape: Shape) -> None:
    found = judge(shape, seeds=20 if shape.earlier else 60)

    errors = [found[mark].beside() for mark in MARKS]
    if shape.name not in ALIKE:
        assert all(misleading(each.ours) <= misleading(each.naive) for each in found.values())
    if shape is FIRST_OF_MANY:
        assert found[0.5].silent > 0.8
        return
    assert all(fmean(ours) < fmean(naive) + NOISE for ours, naive in errors)
    if shape.name not in ALIKE:
        assert fmean(chain(*[ours for ours, _ in errors])) < fmean(chain(*[naive for _, naive in errors]))
    if shape is STEADY:
        assert all(max(ours) < 0.05 for ours, _ in errors)
