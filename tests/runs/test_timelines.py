"""What is kept of the past of jobs, and what is not made up."""

import itertools
import json
import time
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from structlog.testing import capture_logs

from exporter.metrics.store import JobStore
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import NAMELESS, RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.runs import transitions
from exporter.runs.history_file import HistoryFile
from exporter.runs.packed_progress import SAMPLES_KEPT
from exporter.runs.past import JobPast
from exporter.runs.timeline import EARLIER_KEPT, FAILURES_KEPT, MOST_BYTES, RUNS_KEPT, TURNS_KEPT, Kept, Timeline
from exporter.runs.timeline_format import Saved, read_saved, saved_lines
from exporter.runs.timelines import CHANGES_KEPT, Timelines
from exporter.services import registry
from exporter.services.registry import load_services
from tests.polling.harness import job_of, world
from tests.polling.test_history import PACE, busy
from tests.warp import START, run

NOW = 1_700_000_000.0
ADAPTERS = load_services()


class Watched:
    """A store whose jobs are watched, and a clock that is set by hand."""

    def __init__(self, most: int = 1 << 25) -> None:
        self.time = NOW
        self.store = JobStore(10**9, registry.declared())
        self.timelines = Timelines(most, lambda: self.time)
        self.store.subscribe(self.timelines.changed)
        self.store.subscribe_runs(self.timelines.runs_read)

    def register(self, name: str = "j", service: str = "cdm", target: str = "1") -> JobKey:
        job = Job(JobKey(service, name), "p", {"job_id": target})
        self.store.put(transitions.registered(job, ADAPTERS[service]))
        return job.key

    def answer(self, key: JobKey, *answers: Snapshot | Reason, every: float = 10.0) -> None:
        """Let polls end, one every so many seconds."""
        for answer in answers:
            self.time += every
            record = self.store.get(key)
            assert record is not None
            if isinstance(answer, Reason):
                fault = Fault(answer, self.time, "no", "APIG.0308", f"req-{self.time:.0f}")
                self.store.put(transitions.failed(record, fault))
            else:
                self.store.put(transitions.worked(record, answer, self.time, ADAPTERS[key.service]))

    def change(self, key: JobKey, change: Callable[[Record], Record]) -> None:
        record = self.store.get(key)
        assert record is not None
        self.store.put(change(record))

    def past(self, key: JobKey) -> JobPast:
        past = self.timelines.past(key)
        assert past is not None
        return past


def seen(state: State, number: int = 1, **fields: object) -> Snapshot:
    return Snapshot(state, state.name, RunId(str(number), NOW - 100 + number), **fields)  # type: ignore[arg-type]


def ended(number: int, took: float = 60.0, **fields: object) -> Snapshot:
    start = NOW + 1000 * number
    return seen(State.SUCCEEDED, number, start=start, end=start + took, **fields)


def test_a_run_is_kept_with_what_the_cloud_said_of_it() -> None:
    there = Watched()
    key = there.register()
    run = Snapshot(
        State.FAILED,
        run=RunId("7", NOW + 5),
        start=NOW + 9,
        end=NOW + 129.25,
        failure_code="Cdm.0901",
        counts={Measure("rows_written"): 18_422_911.0},
    )
    there.answer(key, seen(State.RUNNING), run)

    (kept,) = there.past(key).runs
    assert kept._asdict() == {
        "result": "failed",
        "at": NOW + 129,
        "seen": False,
        "start": NOW + 9,
        "took": 120.25,
        "waited": 4.0,
        "rows": 18_422_911.0,
        "code": "Cdm.0901",
        "over": False,
    }


def test_what_the_cloud_did_not_say_of_a_run_is_not_known() -> None:
    there = Watched()
    key = there.register("q", "dli")
    there.answer(key, Snapshot(State.RUNNING, run=RunId("a")), Snapshot(State.SUCCEEDED, run=RunId("a")))

    (kept,) = there.past(key).runs
    assert (kept.at, kept.seen) == (NOW + 20, True), "only when it was seen is known"
    assert (kept.start, kept.took, kept.waited, kept.rows) == (None, None, None, None)


def test_a_run_that_was_over_at_first_sight_ended_at_an_unknown_time() -> None:
    there = Watched()
    key, begun = there.register("q", "dli"), there.register("b", "dli")
    failed = Snapshot(State.FAILED, run=RunId("a"))
    there.answer(key, Reason.SERVER, failed, replace(failed, failure_code="DLI.0001"))
    there.answer(begun, replace(failed, start=NOW - 50))

    (kept,) = there.past(key).runs
    assert (kept.at, kept.seen, kept.over, kept.code) == (NOW + 20, True, True, "DLI.0001")
    assert there.timelines.last_failure(key) is None
    assert there.timelines.last_failure(begun) == NOW - 50, "it had not failed before it began"


def test_a_run_that_was_seen_to_fail_failed_at_that_time_also_where_the_history_repeats_it() -> None:
    there = Watched()
    key, failed = there.register(), replace(seen(State.FAILED), end=None)
    there.answer(key, seen(State.RUNNING), failed)
    there.store.runs_read(key, [failed, replace(seen(State.FAILED, -900), end=None)])

    assert {each.over: each.at for each in there.past(key).runs} == {False: NOW + 20, True: NOW + 20}
    assert there.timelines.last_failure(key) == NOW + 20


@pytest.mark.parametrize(("gap", "known"), [(60.0, True), (7200.0, False)])
def test_a_run_that_failed_while_nobody_watched_has_a_time_only_after_a_short_gap(gap: float, known: bool) -> None:
    before, after = Watched(), Watched()
    key, old = before.register("q", "dli"), before.register("o", "dli")
    failed = Snapshot(State.FAILED, run=RunId("a"))
    before.answer(key, Snapshot(State.RUNNING, run=RunId("a")))
    before.answer(old, failed)
    saved = before.time
    after.time = saved + gap
    after.timelines = Timelines(1 << 25, lambda: after.time)
    after.timelines.resume(before.timelines.kept(), before.timelines.codes, (), NOW, saved)
    after.store.subscribe(after.timelines.changed)
    after.answer(after.register("q", "dli"), failed)
    after.answer(after.register("o", "dli"), failed)

    assert after.timelines.last_failure(key) == (saved + gap + 10 if known else None)
    assert after.timelines.last_failure(old) is None, "a restart makes no time known"


def test_a_start_that_repeats_the_creation_is_no_wait_of_zero() -> None:
    there = Watched()
    key = there.register()
    there.answer(key, Snapshot(State.SUCCEEDED, run=RunId("1", NOW - 50), start=NOW - 50, end=NOW))

    assert there.past(key).runs[0].waited is None


def test_a_run_is_kept_once_however_often_it_is_told() -> None:
    there = Watched()
    key = there.register()
    bare = replace(ended(1), end=None)
    told = replace(ended(1), counts={Measure("rows_written"): 5.0})
    there.answer(key, seen(State.RUNNING), bare, bare, told, told)
    record = there.store.get(key)
    assert record is not None
    there.store.runs_read(key, [ended(1), ended(2)])

    runs = there.past(key).runs
    assert [each.at for each in runs] == [NOW + 1060, NOW + 2060]
    assert (runs[0].seen, runs[0].took, runs[0].rows) == (False, 60.0, 5.0)


def test_a_run_that_a_list_tells_by_its_creation_alone_is_kept_once() -> None:
    there = Watched()
    key = there.register()
    mine = ended(1, counts={Measure("rows_written"): 5.0})
    listed = replace(ended(1), run=RunId("", ended(1).run.created))
    there.answer(key, seen(State.RUNNING, progress=0.2), seen(State.RUNNING, progress=0.3))
    there.change(key, lambda record: replace(record, listed=replace(seen(State.RUNNING, progress=0.4), run=listed.run)))
    there.answer(key, seen(State.RUNNING, progress=0.5))
    assert [ratio for _, ratio in there.past(key).progress] == [0.2, 0.3, 0.4, 0.5]

    for turns in (False, True):
        there.answer(key, mine, mine if turns else seen(State.RUNNING, 2), ended(1, 60.5))
        there.change(key, lambda record: replace(record, listed=listed))
        there.answer(key, replace(mine, counts={}), mine)

    assert [(each.at, each.rows) for each in there.past(key).runs] == [(NOW + 1060, 5.0)]


def test_a_run_that_is_first_told_by_a_list_after_a_restart_is_not_told_twice() -> None:
    there = Watched()
    key = there.register()
    there.answer(key, seen(State.RUNNING), ended(1))
    there.store.remove(key)
    there.register()
    listed = replace(ended(1), run=RunId("", ended(1).run.created))
    there.change(key, lambda record: replace(record, listed=listed))
    there.answer(key, ended(1))

    assert len(there.past(key).runs) == 1
    assert len(there.timelines.changes) == 1


def test_a_run_that_lives_after_all_did_not_end() -> None:
    there = Watched()
    key = there.register("q", "dli")
    run = RunId("a", opaque=True)
    there.answer(
        key, Snapshot(State.RUNNING, run=run), Snapshot(State.FAILED, run=run), Snapshot(State.RUNNING, run=run)
    )

    assert there.past(key).runs == ()


def test_the_last_twenty_runs_are_kept_the_newest_last() -> None:
    there = Watched()
    key = there.register()
    for number in range(1, 31):
        there.answer(key, seen(State.RUNNING, number), ended(number))

    assert [each.at for each in there.past(key).runs] == [NOW + 1000 * n + 60 for n in range(11, 31)]
    assert len(there.past(key).runs) == RUNS_KEPT


def test_runs_of_a_history_are_kept_in_their_order() -> None:
    there = Watched()
    key = there.register()
    there.answer(key, ended(9))
    there.store.runs_read(key, [seen(State.RUNNING, 10), ended(8), ended(3), seen(State.UNKNOWN, 2)])

    assert [each.at for each in there.past(key).runs] == [NOW + 1000 * n + 60 for n in (3, 8, 9)]


def test_a_list_that_tells_the_same_runs_again_costs_little() -> None:
    there = Watched()
    key = there.register()
    there.answer(key, seen(State.RUNNING, 99))
    bare = [ended(number) for number in range(1, 41)]
    there.store.runs_read(key, bare)
    timeline = there.timelines.kept()[0].timeline
    assert timeline.news(bare) == []
    assert len(timeline.news([replace(each, end=None) for each in bare[-3:]])) == 0
    assert len(timeline.news([ended(50), *bare])) == 1

    full = [replace(each, counts={Measure("rows_written"): 7.0}) for each in bare]
    there.store.runs_read(key, full)
    assert [each.rows for each in there.past(key).runs] == [7.0] * RUNS_KEPT
    assert timeline.news(full) == []


def test_the_progress_of_the_newest_run_alone_is_kept() -> None:
    there = Watched()
    key = there.register()
    there.answer(key, *[seen(State.RUNNING, 1, progress=each) for each in (0.1, 0.1, 0.5)])
    assert there.past(key).progress == ((NOW + 10, 0.1), (NOW + 30, 0.5))

    there.answer(key, seen(State.RUNNING, 2, progress=0.0))
    assert there.past(key).progress == ((NOW + 40, 0.0),)


def one_run(there: Watched, key: JobKey, number: int, last: Snapshot) -> None:
    there.time = NOW + 1000 * number
    there.answer(key, *[seen(State.RUNNING, number, progress=each / 100) for each in range(0, 100, 5)], every=2.0)
    there.answer(key, last, every=30.0)


def test_of_runs_that_succeeded_a_few_points_of_their_progress_are_kept() -> None:
    there = Watched()
    key = there.register()
    for number in range(1, 9):
        one_run(there, key, number, ended(number, progress=1.0))
    assert len(there.past(key).earlier) == EARLIER_KEPT
    there.answer(key, seen(State.RUNNING, 9, progress=0.0))

    earlier = there.past(key).earlier
    assert len(earlier) == EARLIER_KEPT
    for points in earlier:
        assert points[-1] == (60.0, 1.0), "it ended when the cloud said so, and not when a poll saw it"
        for at, ratio in points[:-1]:
            assert abs(at - (ratio * 40 + 2)) < 0.6, "each point was told"


def test_an_answer_that_does_not_name_the_run_adds_to_its_progress_if_it_began_at_the_same_time() -> None:
    there = Watched()
    key = there.register()
    start, end = NOW + 1000, NOW + 1060
    there.time = start
    named = [seen(State.RUNNING, 1, start=start, progress=each) for each in (0.2, 0.6)]
    there.answer(key, *named, Snapshot(State.SUCCEEDED, start=start, end=end, progress=1.0), every=20.0)
    assert [ratio for _, ratio in there.past(key).progress] == pytest.approx([0.2, 0.6, 1.0])

    there.answer(key, Snapshot(State.RUNNING, start=start + 500), every=450.0)
    there.answer(key, seen(State.RUNNING, 2, start=start + 500, progress=0.1))
    assert [ratio for _, ratio in there.past(key).progress] == [0.1]
    assert len(there.past(key).earlier) == 1


@pytest.mark.parametrize(
    "last",
    [
        replace(ended(1), state=State.FAILED, progress=0.7),
        replace(ended(1), start=None, progress=1.0),
        replace(ended(1), end=None, progress=1.0),
        seen(State.RUNNING, 1, progress=0.99),
    ],
)
def test_of_other_runs_no_progress_is_kept(last: Snapshot) -> None:
    there = Watched()
    key = there.register()
    one_run(there, key, 1, last)
    there.answer(key, seen(State.RUNNING, 2, progress=0.0))
    assert there.past(key).earlier == ()


def test_where_runs_have_no_name_the_progress_of_another_kind_of_work_is_that_of_another_run() -> None:
    there = Watched()
    job = there.register()

    def working(kind: str, progress: float) -> Snapshot:
        return Snapshot(State.RUNNING, kind, kind=kind, progress=progress)

    there.answer(job, working("GROWING", 0.4), working("GROWING", 0.9), working("REDISTRIBUTING", 0.1))

    assert [ratio for _, ratio in there.past(job).progress] == [0.1]


def test_a_long_run_is_thinned_and_keeps_its_first_and_last_progress() -> None:
    there = Watched()
    key = there.register()
    for number in range(1000):
        there.answer(key, seen(State.RUNNING, progress=number / 1000), every=7200.0)

    samples = there.past(key).progress
    assert 16 <= len(samples) <= SAMPLES_KEPT
    assert [samples[0][1], samples[-1][1]] == [0.0, 0.999]
    assert abs(samples[-1][0] - there.time) < 600
    assert [at for at, _ in samples] == sorted(at for at, _ in samples)


def test_a_clock_that_is_set_back_does_not_turn_the_progress_round() -> None:
    there = Watched()
    key = there.register()
    there.answer(key, seen(State.RUNNING, progress=0.1), seen(State.RUNNING, progress=0.2))
    there.time -= 3600
    there.answer(key, seen(State.RUNNING, progress=0.3))

    assert there.past(key).progress == ((NOW + 10, 0.1), (NOW + 20, 0.2), (NOW + 20, 0.3))


def test_a_job_that_turns_blind_and_is_seen_again_is_told() -> None:
    there = Watched()
    key = there.register()
    there.answer(key, seen(State.RUNNING), Reason.SERVER)
    there.change(key, transitions.aged)
    there.answer(key, seen(State.RUNNING, progress=0.5), ended(1))

    told = [(each.was, each.now, each.code) for each in there.past(key).turns]
    assert told == [
        ("waiting", "running", ""),
        ("running", "stale", "server"),
        ("stale", "running", ""),
        ("running", "succeeded", ""),
    ]
    assert [(each.was, each.now, each.took) for each in there.timelines.changes] == [
        ("running", "stale", None),
        ("stale", "running", None),
        ("running", "succeeded", 60.0),
    ], "how a job is found at first sight is no news"


def test_what_a_list_did_not_say_of_an_end_is_told_by_the_jobs_own_answer() -> None:
    there = Watched()
    key = there.register()
    run = RunId("1", NOW - 5)
    own = Snapshot(State.FAILED, run=run, start=NOW, end=NOW + 9, failure_code="Cdm.0901")
    there.answer(key, seen(State.RUNNING))
    there.change(key, lambda record: replace(record, listed=Snapshot(State.FAILED, run=RunId("", run.created))))
    assert [(each.now, each.code, each.took) for each in there.timelines.changes] == [("failed", "", None)]
    there.answer(key, own, own)

    assert [(each.now, each.code, each.took) for each in there.timelines.changes] == [("failed", "Cdm.0901", 9.0)]
    assert [(each.now, each.code) for each in there.past(key).turns][1:] == [("failed", "Cdm.0901")]


@pytest.mark.parametrize("start", [None, NOW - 300.4])
def test_a_run_that_a_list_tells_without_its_name_and_end_is_kept_once(start: float | None) -> None:
    """At first sight, by the job's own answer, and by a list that is read again."""
    there = Watched()
    key = there.register()
    listed = Snapshot(State.CANCELLED, start=start)
    own = Snapshot(State.CANCELLED, run=RunId("7", NOW - 302.4), start=NOW - 300.4)
    there.change(key, lambda record: replace(record, listed=listed))
    there.answer(key, own)
    (kept,) = there.past(key).runs
    assert (kept.result, kept.start, kept.over) == ("cancelled", NOW - 300, True), "no poll saw it end"
    there.change(key, lambda record: replace(record, listed=replace(listed, start=own.start, end=NOW - 100)))
    there.answer(key, own)

    (kept,) = there.past(key).runs
    assert (kept.at, kept.seen, kept.start) == (NOW - 100, False, NOW - 300)
    assert [(each.was, each.now) for each in there.past(key).turns] == [("waiting", "cancelled")]
    assert not there.timelines.changes


def test_a_run_of_which_a_list_tells_the_state_alone_is_kept_once() -> None:
    there = Watched()
    key = there.register()
    listed = Snapshot(State.SUCCEEDED, counts={Measure("rows_written"): 3.0})
    for number in (1, 2):
        there.answer(key, seen(State.RUNNING, number))
        there.change(key, lambda record: replace(record, listed=Snapshot(State.SUCCEEDED)))
        there.answer(key, ended(number), ended(number, counts={Measure("rows_written"): 5.0}))
        there.change(key, lambda record: replace(record, listed=listed))
        assert there.past(key).runs[-1].rows == 5.0
        there.answer(key, ended(number, counts={Measure("rows_written"): 5.0}))

    assert [each.at for each in there.past(key).runs] == [NOW + 1060, NOW + 2060]
    assert [each.now for each in there.past(key).turns] == ["running", "succeeded"] * 2
    assert [each.took for each in there.timelines.changes if each.now == "succeeded"] == [60.0, 60.0]


def test_the_next_run_is_told_though_only_its_start_tells_it_from_the_one_before() -> None:
    there = Watched()
    key = there.register()
    listed = Snapshot(State.FAILED, start=NOW - 300, end=NOW - 200)
    there.change(key, lambda record: replace(record, listed=listed))
    there.answer(key, Snapshot(State.FAILED, run=RunId("7", NOW - 100), start=NOW - 90, end=NOW - 80))

    assert [each.start for each in there.past(key).runs] == [NOW - 300, NOW - 90]
    assert [(each.was, each.now) for each in there.timelines.changes] == [("failed", "failed")]


@pytest.mark.parametrize("begun", [None, NOW - 300])
def test_the_next_run_is_told_though_a_list_told_no_more_than_the_end_of_the_one_before(begun: float | None) -> None:
    there = Watched()
    key = there.register()
    there.change(key, lambda record: replace(record, listed=Snapshot(State.FAILED, start=begun, end=NOW - 200)))
    there.answer(key, Snapshot(State.FAILED, run=RunId("7", NOW - 100), start=NOW - 90, end=NOW - 80))

    assert [each.at for each in there.past(key).runs] == [NOW - 200, NOW - 80]


def test_what_a_list_told_while_the_job_was_about_another_run_is_of_that_one() -> None:
    there = Watched()
    key = there.register()
    there.answer(key, seen(State.RUNNING, 1))
    there.change(key, lambda record: replace(record, listed=Snapshot(State.SUCCEEDED)))
    there.answer(key, ended(2))

    assert len(there.past(key).runs) == 2


def test_the_next_run_is_told_though_the_state_is_the_same() -> None:
    there = Watched()
    key = there.register()
    there.answer(key, ended(1), ended(1), ended(2))

    assert [(each.was, each.now) for each in there.timelines.changes] == [("succeeded", "succeeded")]
    assert len(there.past(key).turns) == 2


def test_the_next_run_under_a_name_is_not_taken_for_blind() -> None:
    there = Watched()
    key = there.register("q", "dli", "a")
    there.answer(key, Snapshot(State.RUNNING, run=RunId("a", opaque=True)), Snapshot(State.SUCCEEDED, run=RunId("a")))
    there.change(key, lambda record: transitions.next_run(record, replace(record.job, target={"job_id": "b"}), 2))
    there.answer(key, Snapshot(State.RUNNING, run=RunId("b", opaque=True)))

    assert [each.now for each in there.past(key).turns] == ["running", "succeeded", "running"]
    assert len(there.past(key).runs) == 1


def test_failed_polls_are_kept_with_their_request_ids() -> None:
    there = Watched()
    key = there.register()
    there.answer(key, *[Reason.THROTTLED] * 7)
    there.change(key, lambda record: transitions.paused(record, Fault(Reason.AUTH, there.time, "paused")))

    failures = there.past(key).failures
    assert [each.at for each in failures] == [NOW + 10 * n for n in range(3, 8)]
    assert failures[-1]._asdict() == {
        "at": NOW + 70,
        "reason": "throttled",
        "code": "APIG.0308",
        "request_id": "req-1700000070",
    }
    assert len(failures) == FAILURES_KEPT


def test_many_jobs_that_turn_blind_together_are_one_change() -> None:
    there = Watched()
    keys = [there.register(f"j{number}") for number in range(2 * CHANGES_KEPT)]
    for key in keys:
        there.answer(key, seen(State.RUNNING), every=0)
    there.answer(keys[0], ended(1), seen(State.RUNNING, 2))
    for key in keys:
        there.answer(key, Reason.AUTH, every=0)
        there.change(key, transitions.aged)

    first, second, blind = there.timelines.changes
    assert [first.now, second.now] == ["succeeded", "running"]
    assert (blind.now, blind.code, blind.project, blind.jobs) == ("stale", "auth", "p", 2 * CHANGES_KEPT)


def test_the_changes_of_all_jobs_are_the_last_five_hundred() -> None:
    there = Watched()
    key = there.register()
    for number in range(CHANGES_KEPT):
        there.answer(key, seen(State.RUNNING, number), ended(number))

    assert len(there.timelines.changes) == CHANGES_KEPT
    assert len(there.past(key).turns) == TURNS_KEPT


def full(there: Watched, key: JobKey) -> None:
    """Let a job have all that can be kept of one."""
    for number in range(1, 25):
        there.answer(key, seen(State.RUNNING, number), replace(ended(number), failure_code=f"DWS.{number}"))
    for number in range(70):
        there.answer(key, seen(State.RUNNING, 99, progress=number / 70))
    for _ in range(6):
        there.answer(key, Reason.SERVER)
    record = there.store.get(key)
    assert record is not None
    for _ in range(6):
        fault = Fault(Reason.API, there.time, "no", "X.1", "r" * 64)
        there.change(key, lambda record, fault=fault: transitions.failed(record, fault))  # type: ignore[misc]


def test_a_job_takes_twelve_hundred_bytes_at_most() -> None:
    there = Watched()
    key = there.register()
    full(there, key)
    past = there.past(key)
    assert (len(past.runs), len(past.turns)) == (RUNS_KEPT, TURNS_KEPT)
    assert len(past.failures) >= 1
    assert len(past.progress) >= 8
    (kept,) = there.timelines.kept()
    assert there.timelines.size == kept.timeline.size <= MOST_BYTES

    jobs = 2000
    keys = [JobKey("cdm", f"j{number}") for number in range(jobs)]
    packed = [getattr(kept.timeline, name) for name in ("runs", "progress", "turns", "failures", "earlier")]
    tracemalloc.start()
    before, _ = tracemalloc.get_traced_memory()
    ended: dict[JobKey, None] = {}
    timelines: dict[JobKey, Kept] = {}
    for each in keys:
        timeline = Timeline(int(NOW) + len(ended), *(bytes(bytearray(text)) for text in packed))
        timelines[each] = Kept(each, kept.project, kept.target, timeline)
        ended[each] = None
    after, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (after - before) / jobs <= MOST_BYTES


def test_above_its_bound_the_jobs_that_ended_longest_ago_lose_theirs_first_and_it_is_logged() -> None:
    there = Watched()
    old, new, alive = (there.register(name) for name in ("old", "new", "alive"))
    there.answer(alive, seen(State.RUNNING))
    there.answer(old, ended(1))
    there.answer(new, ended(1))

    with capture_logs() as log:
        there.timelines.limit(there.timelines.size - 1)
        assert there.timelines.past(old) is None
        assert len(there.past(new).runs) == 1
        there.timelines.limit(there.timelines.size - 1)

    assert there.timelines.past(new) is None
    assert there.past(alive).turns
    assert {each["event"] for each in log} == {"history full"}
    assert there.timelines.size == sum(kept.timeline.size for kept in there.timelines.kept())


def test_nothing_is_kept_where_nothing_may_be() -> None:
    there = Watched(0)
    key = there.register()
    there.answer(key, seen(State.RUNNING), Reason.SERVER, ended(1))
    there.store.runs_read(key, [ended(2)])

    assert there.timelines.past(key) is None
    assert there.timelines.size == 0


def test_a_job_that_comes_back_has_its_past_and_another_of_its_name_has_not() -> None:
    there = Watched()
    key = there.register("a")
    there.answer(key, seen(State.RUNNING), ended(1))
    there.store.remove(key)
    there.register("a")
    assert len(there.past(key).runs) == 1

    there.store.remove(key)
    there.register("a", target="2")
    there.answer(key, seen(State.RUNNING, 5))
    assert there.past(key).runs == ()
    assert there.timelines.size == sum(kept.timeline.size for kept in there.timelines.kept())


TIMES = st.one_of(
    st.none(),
    st.floats(-1e12, 1e12),
    st.floats(min_value=NOW - 90_000, max_value=NOW + 90_000),
    st.integers(int(NOW), int(NOW) + 5).map(float),
)
ANSWERS = st.builds(
    Snapshot,
    state=st.sampled_from(State),
    run=st.builds(RunId, id=st.sampled_from(["", "1", "2", "7", "a"]), created=TIMES, opaque=st.booleans()),
    progress=st.one_of(st.none(), st.floats(0, 1)),
    start=TIMES,
    end=TIMES,
    failure_code=st.one_of(st.none(), st.text(max_size=50)),
    counts=st.one_of(st.just({}), st.builds(lambda rows: {Measure("rows_written"): rows}, st.floats(min_value=0))),
)
EVENTS = st.one_of(
    ANSWERS,
    st.sampled_from(Reason),
    st.sampled_from(["stale", "listed", "history", "back", "clock"]),
)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(["cdm", "dli", "dws"]), st.lists(EVENTS, max_size=40), st.lists(ANSWERS, min_size=1, max_size=3))
def test_whatever_comes_what_is_kept_can_be_told_and_is_within_its_bound(
    service: str, events: list[Snapshot | Reason | str], others: list[Snapshot]
) -> None:
    there = Watched()
    key = there.register(service=service)
    for event in events:
        match event:
            case "stale":
                there.change(key, transitions.aged)
            case "listed":
                there.change(key, lambda record: replace(record, listed=others[0], stale=False))
            case "history":
                there.store.runs_read(key, others)
            case "back":
                there.store.remove(key)
                there.register(service=service)
            case Snapshot() | Reason():
                there.answer(key, event)
            case _:  # the clock is set back
                there.time -= 500
        past = there.timelines.past(key)
        assert there.timelines.size == sum(kept.timeline.size for kept in there.timelines.kept())
        if past is None:
            continue
        assert there.timelines.size <= MOST_BYTES
        assert len(past.runs) <= RUNS_KEPT
        ends = {each.end for each in [*others, *events] if isinstance(each, Snapshot) and each.end is not None}
        for run_ in past.runs:
            assert run_.seen or any(int(end) == run_.at for end in ends if 0 < end < 2**33), "the cloud said so"
            assert run_.took is None or not run_.seen
            assert run_.start is None or run_.start <= run_.at + 1
        assert [at for at, _ in past.progress] == sorted(at for at, _ in past.progress)
    there_now = there.timelines
    saved = Saved(there_now.since, there.time, there_now.codes, there_now.kept(), tuple(there_now.changes))
    again = read_saved(b"".join(saved_lines(saved)))
    assert list(again.changes) == list(saved.changes)
    before, after = ([(each.key, each.timeline.unpacked(it.codes)) for each in it.kept] for it in (saved, again))
    assert before == after


def test_an_unchanged_poll_costs_next_to_nothing() -> None:
    there = Watched()
    key = there.register()
    there.answer(key, seen(State.RUNNING, progress=0.5))
    record = there.store.get(key)
    assert record is not None
    again = replace(record, polled_at=there.time + 30)
    changed = there.timelines.changed
    times = 20_000
    began = time.process_time()
    for _ in range(times):
        changed(record, again)
    idle = (time.process_time() - began) / times
    answers = [replace(record, snapshot=seen(State.RUNNING, progress=(number % 100) / 100)) for number in range(2000)]
    began = time.process_time()
    for before, after in itertools.pairwise(answers):
        changed(before, after)
    moving = (time.process_time() - began) / len(answers)

    assert idle < 5e-6
    assert moving < 100e-6  # some microseconds on an idle machine


async def test_the_past_survives_a_restart(tmp_path: Path) -> None:
    there = Watched()
    key = there.register("每日")
    there.answer(key, seen(State.RUNNING, 1, progress=0.5), ended(1), Reason.SERVER)
    clock = FixedClock(there.time)
    await HistoryFile(tmp_path / "journal", there.timelines, clock).write()
    before = there.past(key)

    again = Watched()
    again.time = there.time + 600
    again.timelines.since = again.time
    await HistoryFile(tmp_path / "journal", again.timelines, clock).open()
    again.register("每日")

    assert again.past(key) == before
    assert list(again.timelines.changes) == list(there.timelines.changes)
    assert (again.timelines.since, again.timelines.away) == (NOW, (there.time, there.time + 600))
    again.answer(key, replace(ended(1), end=None))
    assert len(again.past(key).runs) == 1
    assert len(again.timelines.changes) == len(there.timelines.changes), "the run had been told before the restart"


def test_failed_polls_after_a_restart_are_a_change_once_they_last_as_long_as_what_makes_a_job_stale() -> None:
    before, after = Watched(), Watched()
    key = before.register()
    before.answer(key, seen(State.RUNNING))
    after.time = before.time + 5
    after.timelines = Timelines(1 << 25, lambda: after.time, 300.0)
    after.timelines.resume(before.timelines.kept(), before.timelines.codes, (), NOW, before.time)
    after.store.subscribe(after.timelines.changed)
    after.register()
    new = after.register("new")
    after.answer(key, Reason.SERVER)
    after.answer(new, Reason.SERVER)
    assert [each.now for each in after.past(key).turns] == ["running"]
    assert [each.now for each in after.past(new).turns] == ["unanswered"], "of a new one nothing was ever known"
    after.answer(key, *[Reason.SERVER] * 40)
    after.answer(key, seen(State.RUNNING))

    assert [(each.was, each.now) for each in after.timelines.changes] == [
        ("running", "unanswered"),
        ("unanswered", "running"),
    ]
    assert after.timelines.changes[0].at >= before.time + 300


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"{}",
        b"\xff",
        b'{"format": "huaweicloud-job-exporter history", "version": 2, "jobs": 0}\n{"changes": []}\n',
    ],
)
async def test_a_file_that_cannot_be_read_is_set_aside_and_told(tmp_path: Path, text: bytes) -> None:
    file = tmp_path / "journal.history"
    file.write_bytes(text)
    there = Watched()
    with capture_logs() as log:
        await HistoryFile(tmp_path / "journal", there.timelines, FixedClock(NOW)).open()

    assert [each["event"] for each in log] == ["history file failed"]
    assert (tmp_path / "journal.history.unreadable").read_bytes() == text
    assert not file.exists()


async def test_a_file_with_any_line_damaged_is_not_half_read(tmp_path: Path) -> None:
    there = Watched()
    key = there.register()
    one_run(there, key, 1, ended(1, progress=1.0))
    there.answer(key, seen(State.RUNNING, 2, progress=0.0), Reason.SERVER)
    await HistoryFile(tmp_path / "journal", there.timelines, FixedClock(NOW)).write()
    file = tmp_path / "journal.history"
    head, line, tail = file.read_text().splitlines()
    packed = json.loads(line)
    broken = [
        *({**packed, name: packed[name][:-4]} for name in ("runs", "progress", "turns", "failures", "earlier")),
        {**packed, "runs": 5},
        {name: value for name, value in packed.items() if name != "target"},
        {**packed, "turns": "////////////"},
    ]
    for each in broken:
        file.write_text("\n".join([head, json.dumps(each), tail]))
        with capture_logs() as log:
            again = Watched()
            await HistoryFile(tmp_path / "journal", again.timelines, FixedClock(NOW)).open()
        assert log, each
        assert again.timelines.kept() == []


class FixedClock:
    """A clock that stands."""

    def __init__(self, at: float) -> None:
        self._at = at

    def now(self) -> float:
        return self._at

    def monotonic(self) -> float:
        return self._at


def test_the_runs_that_the_history_tells_of_are_kept_too() -> None:
    async def main() -> None:
        async with world(pace=PACE) as there:
            timelines = Timelines(1 << 25, there.clock.now)
            there.store.subscribe(timelines.changed)
            there.store.subscribe_runs(timelines.runs_read)
            job = busy(there.cloud)
            there.watch(job)
            await there.until(2000)
            past = timelines.past(job_of(job).key)
            assert past is not None
            true = [moment.ended_at for moment in job.runs(there.clock.now()) if moment.ended_at is not None]
            told = [each.at for each in past.runs if not each.seen]
            assert len(told) == RUNS_KEPT
            assert {int(at) for at in told} <= {int(at) for at in true}
            assert max(told) > START + 1500
            assert told == sorted(told)
            assert all(later - earlier < 61 for earlier, later in itertools.pairwise(told)), "none is missing"

    run(main())


def test_a_run_without_a_name_is_kept() -> None:
    there = Watched()
    key = there.register()
    there.answer(key, Snapshot(State.RUNNING), Snapshot(State.SUCCEEDED), Snapshot(State.SUCCEEDED))
    there.answer(key, Snapshot(State.RUNNING), Snapshot(State.FAILED, failure_code="other"))

    assert [each.result for each in there.past(key).runs] == ["succeeded", "failed"]
    assert NAMELESS.label == ""
