"""What lists add to what is known of a job, whatever order their answers and the job's own come in."""

from dataclasses import dataclass, replace
from typing import NamedTuple

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.polling.list_merge import merged_record, report_of, with_older_row
from exporter.polling.schedule import Pace, next_due
from exporter.runs import transitions
from exporter.runs.same_run import LISTED_FOR
from exporter.services.registry import load_services

ADAPTERS = load_services()
WRITTEN = Measure("rows_written")
FAILURE = Reason.TIMEOUT


def registered(service: str) -> Record:
    return Record(Job(JobKey(service, "j"), "p", {}))


def own(record: Record, answer: Snapshot, at: float) -> Record:
    return transitions.worked(record, answer, at, ADAPTERS[record.job.key.service])


def failed(record: Record, at: float) -> Record:
    return transitions.failed(record, Fault(FAILURE, at, "no"))


@dataclass
class List:
    """Takes lists as the exporter does: what differs from the one before is news."""

    before: Snapshot | None = None

    def __call__(self, record: Record, answer: Snapshot, at: float) -> tuple[Record, bool]:
        before, self.before = self.before, answer
        adapter = ADAPTERS[record.job.key.service]
        return merged_record(record, answer, at, adapter, before=None if before is None else report_of(before))


RUNNING, PENDING, SUCCEEDED = Snapshot(State.RUNNING), Snapshot(State.PENDING), Snapshot(State.SUCCEEDED, end=90.0)


def migration(state: State, number: int, **fields: object) -> Snapshot:
    return Snapshot(state, run=RunId(str(number)), **fields)  # type: ignore[arg-type]


# --- a list that is older than the job's own answer


COUNTS = {Measure("rows_inserted"): 7.0}


def followed() -> Record:
    """Return the record of a job that runs: a list reported what it wrote, and then its own answer another count."""
    lists = List()
    record = own(registered("cdm"), migration(State.RUNNING, 1, start=10.0, counts=COUNTS), 20)
    record, _ = lists(record, Snapshot(State.RUNNING, start=10.0, counts={WRITTEN: 5.0}), 30)
    return own(record, migration(State.RUNNING, 1, start=10.0, counts=COUNTS), 50)


def test_a_list_that_is_older_than_the_own_answer_tells_what_only_lists_count() -> None:
    older = Snapshot(State.RUNNING, start=10.0, counts={WRITTEN: 6.0, Measure("rows_inserted"): 1.0})
    record = with_older_row(followed(), older, 40, 40)

    assert record.snapshot is not None
    assert record.snapshot.counts == {**COUNTS, WRITTEN: 6.0}
    assert (record.polled_at, record.answered_at, record.listed_at) == (50, 50, 40)
    assert (followed().last_progress, record.last_progress) == (30, 40)
    record = own(record, migration(State.RUNNING, 1, start=10.0, counts=COUNTS), 60)
    assert record.snapshot is not None
    assert record.snapshot.counts[WRITTEN] == 6.0


def test_a_list_that_is_older_than_the_own_answer_tells_since_when_its_run_runs() -> None:
    record = own(registered("dli"), Snapshot(State.RUNNING, run=RunId("a", opaque=True)), 50)
    row = Snapshot(State.RUNNING, run=RunId("a", 10.0, opaque=True), start=10.0)
    record = with_older_row(record, row, 40, 40)

    assert record.snapshot is not None
    assert record.snapshot.start == 10
    assert with_older_row(record, row, 45, 45) is record


@pytest.mark.parametrize(
    ("older", "at"),
    [
        pytest.param(Snapshot(State.RUNNING, start=400.0, counts={WRITTEN: 6.0}), 40, id="another run"),
        pytest.param(Snapshot(State.RUNNING, counts={WRITTEN: 6.0}), 40, id="any run"),
        pytest.param(Snapshot(State.SUCCEEDED, start=10.0, counts={WRITTEN: 6.0}), 40, id="another state"),
        pytest.param(Snapshot(State.RUNNING, start=10.0, counts={WRITTEN: 4.0}), 30, id="the list before"),
    ],
)
def test_a_list_that_is_older_than_the_own_answer_tells_nothing_else(older: Snapshot, at: float) -> None:
    record = followed()

    assert with_older_row(record, older, at, at) is record


def test_what_the_own_answer_counts_itself_is_never_shown_as_an_older_list_counted_it() -> None:
    record = own(registered("cdm"), migration(State.RUNNING, 1, start=10.0, counts={WRITTEN: 100.0}), 50)
    record = with_older_row(record, Snapshot(State.RUNNING, start=10.0, counts={WRITTEN: 80.0}), 40, 40)
    silent = own(record, migration(State.RUNNING, 1, start=10.0), 60)

    assert record.snapshot is not None
    assert record.snapshot.counts[WRITTEN] == 100
    assert silent.snapshot is not None
    assert WRITTEN not in silent.snapshot.counts


def test_counts_go_with_an_older_list_that_has_them_no_more() -> None:
    record = with_older_row(followed(), Snapshot(State.RUNNING, start=10.0), 40, 40)

    assert record.snapshot is not None
    assert record.snapshot.counts == COUNTS


def test_a_list_that_is_older_than_its_counts_may_be_shown_tells_nothing() -> None:
    record = own(followed(), migration(State.RUNNING, 1, start=10.0, counts=COUNTS), 40 + LISTED_FOR + 1)

    assert with_older_row(record, Snapshot(State.RUNNING, start=10.0, counts={WRITTEN: 6.0}), 40, 40) is record


def test_an_older_list_tells_nothing_of_a_run_that_ended_is_stale_or_was_followed_by_another() -> None:
    older = Snapshot(State.RUNNING, start=10.0, counts={WRITTEN: 6.0})
    ended = own(followed(), migration(State.SUCCEEDED, 1, start=10.0, end=55.0), 60)
    listed, _ = List(older)(followed(), Snapshot(State.RUNNING, start=400.0, counts={WRITTEN: 1.0}), 500)
    for record in (ended, transitions.aged(followed()), listed):
        assert with_older_row(record, older, 40, 40) is record


# --- one after the other


@pytest.mark.parametrize("end", [20.0, 40.0], ids=["long before", "just before"])
def test_a_list_about_a_later_run_does_not_confirm_the_one_before_that_an_own_answer_told_once_more(end: float) -> None:
    lists = List()
    before = migration(State.SUCCEEDED, 1, start=10.0, end=end)
    record = own(registered("cdm"), before, 41)
    later = Snapshot(State.SUCCEEDED, start=40.0, end=50.0)
    record, ask = lists(record, later, 60)
    assert ask
    record = own(record, before, 61)  # by a copy of the cloud's data that is behind
    assert record.shown is not None
    assert (record.shown.run, record.shown.start) == (RunId(), 40.0)
    pace = Pace(interval=10, idle_interval=3600, stale_after=90)
    due = next_due(record, pace.idle_interval, pace, ADAPTERS["cdm"], 61)
    assert due is not None
    assert due <= 71, "soon, as of a run under way"
    record, ask = lists(record, later, 105)

    assert not ask
    assert record.shown is not None
    assert (record.shown.run, record.shown.start) == (RunId(), 40.0)
    record, ask = lists(record, later, 150)
    assert not ask, "it was asked for already"
    assert record.shown is not None
    assert record.shown.run == RunId()


def test_an_own_answer_about_the_run_before_does_not_replace_the_one_that_a_list_reports() -> None:
    lists = List()
    before = migration(State.SUCCEEDED, 1, start=10.0, end=20.0)
    record, _ = lists(own(registered("cdm"), before, 30), Snapshot(State.RUNNING, start=40.0), 60)
    record = own(record, before, 61)
    assert record.shown is not None
    assert (record.shown.state, record.shown.start) == (State.RUNNING, 40.0)
    record = own(record, migration(State.FAILED, 2, start=40.5, end=62.0), 63)

    assert record.shown is not None
    assert (record.shown.state, record.runs) == (State.FAILED, (0, 1, 0))


def test_a_list_from_before_the_end_of_a_run_does_not_let_it_live_again() -> None:
    lists, ended = List(), migration(State.FAILED, 1, start=10.0, end=60.0)
    record, _ = lists(own(registered("cdm"), ended, 61), Snapshot(State.FAILED, start=10.0, end=60.0), 62)
    record, ask = lists(record, Snapshot(State.RUNNING, start=10.0, updated=40.0), 63)
    assert (record.shown, ask) == (record.snapshot, False)
    record, ask = lists(record, Snapshot(State.RUNNING, start=62.0, updated=64.0), 65)

    assert record.shown is not None
    assert (record.shown.state, ask) == (State.RUNNING, True)


def test_after_a_restart_no_run_counts_that_ended_before_the_one_that_a_list_reports() -> None:
    record, _ = List()(registered("cdm"), Snapshot(State.RUNNING, start=40.0), 60)
    record = own(record, migration(State.SUCCEEDED, 1, start=10.0, end=20.0), 61)
    record = own(record, migration(State.SUCCEEDED, 2, start=40.0, end=62.0), 63)

    assert record.shown is not None
    assert (record.shown.run, record.runs) == (RunId("2"), (1, 0, 0))


def test_a_job_that_rests_is_up_by_the_list_alone_and_shows_what_it_told() -> None:
    record, ask = List()(registered("cdm"), SUCCEEDED, 100)

    assert (record.up, record.polled_at, record.by_list, ask) == (True, 100, True, False)
    assert record.shown == SUCCEEDED
    assert record.runs == (0, 0, 0)


def test_a_job_that_runs_is_asked_at_once_and_shows_nothing_before() -> None:
    record, ask = List()(registered("cdm"), RUNNING, 100)

    assert (record.up, record.polled_at, record.shown, ask) == (None, None, None, True)


def test_a_job_that_begins_is_shown_to_run_and_is_asked_once() -> None:
    lists = List()
    record, _ = lists(own(registered("cdm"), migration(State.SUCCEEDED, 1), 50), SUCCEEDED, 100)
    record, ask = lists(record, RUNNING, 145)
    again, more = lists(record, RUNNING, 190)

    assert (record.shown, ask, more) == (RUNNING, True, False)
    assert (again.polled_at, again.shown) == (100, RUNNING)


def test_a_job_known_by_the_list_alone_is_not_shown_to_rest_once_the_list_says_it_runs() -> None:
    lists = List()
    record, _ = lists(registered("cdm"), SUCCEEDED, 100)
    record, ask = lists(record, RUNNING, 145)

    assert (record.shown, record.polled_at, ask) == (RUNNING, 100, True)


def test_a_job_whose_own_calls_fail_is_not_asked_again_for_each_list_that_says_otherwise() -> None:
    lists = List()
    record, _ = lists(own(registered("cdm"), migration(State.SUCCEEDED, 1), 50), RUNNING, 100)
    record = own(record, migration(State.SUCCEEDED, 1), 101)  # it says itself that it does not run
    record, disputed = lists(record, RUNNING, 145)
    _, failing = lists(failed(record, 146), RUNNING, 190)

    assert (disputed, failing) == (True, False)


def test_the_list_adds_counts_to_a_job_that_runs_and_moves_no_poll() -> None:
    lists = List()
    record, _ = lists(own(registered("cdm"), migration(State.RUNNING, 1, progress=0.2), 50), RUNNING, 60)
    record, ask = lists(record, replace(RUNNING, counts={WRITTEN: 7.0}), 105)

    assert record.shown is not None
    assert (record.shown.progress, dict(record.shown.counts)) == (0.2, {WRITTEN: 7.0})
    assert (record.polled_at, record.last_progress, ask) == (50, 105, False)


def test_counts_that_the_list_no_longer_tells_go_and_those_of_the_job_itself_stay() -> None:
    inserted = Measure("rows_inserted")
    lists, first = List(), migration(State.RUNNING, 1, counts={inserted: 7}, digest=b"a")
    record, _ = lists(own(registered("cdm"), first, 50), replace(RUNNING, counts={WRITTEN: 5}), 60)
    assert record.shown is not None
    assert record.shown.counts == {WRITTEN: 5, inserted: 7}

    record, _ = lists(own(record, replace(first, counts={}), 70), replace(RUNNING, counts={WRITTEN: 5}), 80)
    assert record.shown is not None
    assert record.shown.counts == {WRITTEN: 5}

    record, _ = lists(record, RUNNING, 90)
    assert record.shown is not None
    assert record.shown.counts == {}


def test_counts_of_lists_grow_old_though_the_job_answers_the_same() -> None:
    answer = migration(State.RUNNING, 1, digest=b"a")
    record, _ = List()(own(registered("cdm"), answer, 50), replace(RUNNING, counts={WRITTEN: 5}), 60)
    record = own(record, answer, 100)
    assert record.snapshot is not None
    assert (record.snapshot.counts, record.snapshot.digest) == ({WRITTEN: 5}, b"")  # so the same bytes are read anew

    record = own(record, answer, 60 + LISTED_FOR + 1)
    assert record.snapshot is not None
    assert record.snapshot.counts == {}


def test_what_a_list_alone_says_of_a_run_stays_and_takes_no_word_of_the_own_answer_away() -> None:
    run = RunId("", 10.0, opaque=True)
    mine = Snapshot(State.RUNNING, "running", run, start=10.0, words={"queue_name": "q", "job_type": "jar"})
    row, lists = replace(mine, words={"owner": "u", "queue_name": "q"}), List()
    record = own(registered("dli_flink"), mine, 20)
    for at in (30, 50, 70):
        record, _ = lists(record, row, at)
        record = own(record, replace(mine, digest=b"%d" % at), at + 10)
        assert record.shown is not None
        assert dict(record.shown.words) == {"queue_name": "q", "job_type": "jar", "owner": "u"}
    record, _ = lists(record, replace(row, words={"owner": "v"}), 90)
    assert record.shown is not None
    assert dict(record.shown.words) == {"queue_name": "q", "job_type": "jar", "owner": "v"}


def test_what_a_list_says_of_a_run_that_began_stays_when_the_own_answer_shows_it_too() -> None:
    began = RunId("", 100.0, opaque=True)
    lists = List()
    record = own(
        registered("dli_flink"), Snapshot(State.RUNNING, "running", RunId("", 10.0, opaque=True), start=10.0), 20
    )
    record, _ = lists(record, Snapshot(State.RUNNING, run=RunId("", 10.0, opaque=True), start=10.0), 30)
    record, _ = lists(record, Snapshot(State.RUNNING, run=began, start=100.0, words={"owner": "u"}), 110)
    record = own(record, Snapshot(State.RUNNING, "running", began, start=100.0, words={"queue_name": "q"}), 120)
    assert record.shown is not None
    assert dict(record.shown.words) == {"owner": "u", "queue_name": "q"}


@pytest.mark.parametrize("behind", [-400.0, 400.0])
def test_an_end_that_only_a_list_tells_is_known_though_this_machines_clock_is_wrong(behind: float) -> None:
    run, adapter = RunId("", 10.0, opaque=True), ADAPTERS["dli_flink"]
    record = registered("dli_flink")
    for at, state in ((1020.0, State.RUNNING), (1040.0, State.SUCCEEDED)):
        record = transitions.worked(record, Snapshot(state, "", run, start=10.0), at - behind, adapter, at, at)
    row = Snapshot(State.SUCCEEDED, run=run, start=10.0, end=1030.0)
    record, _ = merged_record(record, row, 1060.0 - behind, adapter, before=None, steady=1060.0, cloud=1060.0)
    assert record.shown is not None
    assert (record.shown.end, record.last_success, record.last_run_duration) == (1030.0, 1030.0, 1020.0)


def test_a_list_that_tells_no_times_of_a_run_that_ended_is_no_poll_of_it() -> None:
    """Any number of runs may have gone by: the values keep the time of the last answer, and the job its own polls."""
    lists, ended = List(), migration(State.SUCCEEDED, 5, end=90.0, counts={WRITTEN: 100})
    record, ask = lists(own(registered("cdm"), ended, 100), Snapshot(State.SUCCEEDED), 200)
    assert (record.polled_at, record.by_list, ask) == (100, False, True)

    record, ask = lists(transitions.aged(record), Snapshot(State.SUCCEEDED), 300)
    assert (record.polled_at, record.stale, record.up, ask) == (100, True, False, False)


def test_a_list_that_tells_no_times_does_not_confirm_that_the_same_run_still_waits() -> None:
    """Between two lists that report a job as waiting, a run may begin and end, and the next one be submitted."""
    lists = List()
    record, _ = lists(own(registered("cdm"), migration(State.PENDING, 1, progress=0.0), 50), PENDING, 51)
    record, _ = lists(record, PENDING, 140)

    assert (record.polled_at, record.by_list) == (50, False)


def test_counts_of_lists_are_those_of_the_list_that_came_last_also_if_the_run_was_not_shown_then() -> None:
    """Which run it is only the next poll tells; what a list long before reported of it is not true any more."""
    lists = List()
    running = migration(State.RUNNING, 1, progress=0.1)
    record, _ = lists(own(registered("cdm"), running, 50), replace(RUNNING, counts={WRITTEN: 5.0}), 51)
    record, _ = lists(transitions.aged(record), replace(RUNNING, counts={WRITTEN: 80.0}), 340)
    record = own(record, replace(running, progress=0.9), 360)

    assert record.counts == {WRITTEN: 80.0}


def test_counts_of_lists_are_those_of_the_list_that_came_last_also_if_it_was_shown_instead_of_the_run() -> None:
    lists = List()
    running = migration(State.RUNNING, 1, progress=0.1)
    record, _ = lists(own(registered("cdm"), running, 50), replace(RUNNING, counts={WRITTEN: 5.0}), 51)
    record, ask = lists(record, replace(RUNNING, start=49.0, counts={WRITTEN: 80.0}), 81)
    assert ask
    record = own(record, replace(running, progress=0.9), 82)

    assert record.counts == {WRITTEN: 80.0}


def test_a_list_confirms_that_a_job_has_never_run() -> None:
    record, _ = List()(own(registered("cdm"), PENDING, 50), PENDING, 140)

    assert (record.polled_at, record.by_list) == (140, True)


def test_the_same_state_does_not_confirm_a_run_that_is_not_shown_any_more() -> None:
    lists = List()
    record, _ = lists(own(registered("cdm"), migration(State.PENDING, 1, progress=0.0), 50), PENDING, 51)
    record, ask = lists(transitions.aged(record), PENDING, 700)

    assert (record.shown, record.polled_at, ask) == (PENDING, 700, True)  # whose run it is, its own answer tells


def test_a_run_that_is_not_shown_any_more_is_confirmed_by_its_times() -> None:
    lists = List()
    done = migration(State.SUCCEEDED, 1, end=90.0, counts={WRITTEN: 7.0})
    record, _ = lists(own(registered("cdm"), done, 100), SUCCEEDED, 101)
    record, _ = lists(transitions.aged(record), SUCCEEDED, 800)

    assert record.shown is not None
    assert (record.shown.run, dict(record.shown.counts), record.polled_at) == (done.run, {WRITTEN: 7.0}, 800)


def test_a_run_that_ends_is_counted_by_the_jobs_own_answer() -> None:
    lists = List()
    record, _ = lists(own(registered("cdm"), migration(State.RUNNING, 1), 50), RUNNING, 60)
    record, ask = lists(record, SUCCEEDED, 105)

    assert (record.runs, record.shown, ask) == ((0, 0, 0), SUCCEEDED, True)
    assert own(record, migration(State.SUCCEEDED, 1, end=90.0), 106).runs == (1, 0, 0)


def test_where_the_list_names_the_run_it_counts_and_two_lists_make_it_final() -> None:
    lists, done = List(), migration(State.SUCCEEDED, 1, start=10.0, end=90.0)
    first, _ = lists(own(registered("dli"), migration(State.RUNNING, 1), 50), done, 105)
    second, ask = lists(first, done, 150)

    assert (first.final, second.final, ask) == (False, True, False)
    assert (second.runs, second.last_success, second.last_run_duration) == ((1, 0, 0), 90, 80)


def test_a_list_says_nothing_more_of_a_job_whose_run_is_final() -> None:
    done = migration(State.SUCCEEDED, 1, start=10.0, end=90.0)
    record = own(own(registered("dli"), done, 100), done, 101)

    assert List()(record, migration(State.RUNNING, 1), 200) == (record, False)
    assert List()(record, migration(State.FAILED, 2), 200) == (record, False)


@pytest.mark.parametrize("service", ["dli", "cdm"])
def test_a_list_does_not_end_the_failure_of_a_job_that_runs(service: str) -> None:
    record = failed(own(registered(service), migration(State.RUNNING, 1), 50), 80)
    after, _ = List()(record, migration(State.RUNNING, 1) if service == "dli" else RUNNING, 100)

    assert (after.up, after.fault, after.polled_at) == (False, record.fault, 50)


def test_a_job_that_runs_no_more_by_the_list_has_no_estimate() -> None:
    lists = List()
    running = replace(own(registered("cdm"), migration(State.RUNNING, 1), 50), estimate=500.0)
    record, _ = lists(running, RUNNING, 60)
    after, ask = lists(record, SUCCEEDED, 105)

    assert (record.may_end, after.may_end, ask) == (500, None, True)


def test_a_list_that_is_surely_about_a_run_before_the_one_that_is_known_is_no_news() -> None:
    known = own(registered("cdm"), Snapshot(State.RUNNING, run=RunId("2", 100.0), start=103.0), 110)
    for old in (Snapshot(State.FAILED, start=20.0, end=90.0), Snapshot(State.RUNNING, start=20.0)):
        record, ask = List()(known, old, 120)
        assert (record.shown, record.polled_at, ask) == (known.snapshot, 110, False)

    record, ask = List()(transitions.aged(known), Snapshot(State.FAILED, start=20.0, end=90.0), 800)
    assert (record.shown is not None, ask) == (True, True)  # nothing else came for long: it is believed


def test_the_first_list_adds_its_counts_to_no_other_run() -> None:
    known = own(registered("cdm"), Snapshot(State.RUNNING, run=RunId("1", 100.0), start=103.0), 110)

    record, ask = List()(known, Snapshot(State.RUNNING, start=150.0, counts={WRITTEN: 7}), 160)
    assert (record.snapshot, ask) == (known.snapshot, True)

    record, ask = List()(known, Snapshot(State.RUNNING, start=103.0, counts={WRITTEN: 7}), 160)
    assert (record.snapshot and dict(record.snapshot.counts), ask) == ({WRITTEN: 7}, False)


# --- counts of another run


FIRST, SECOND = (
    replace(RUNNING, start=10.0, counts={WRITTEN: 1000.0}),
    replace(RUNNING, start=80.0, counts={WRITTEN: 5.0}),
)
"""Rows of one job, first of the run 1 and then of the run 2."""


def test_the_counts_of_a_run_that_only_the_list_knows_of_are_not_those_of_the_run_before() -> None:
    lists = List()
    run, later = (migration(State.RUNNING, number, start=start) for number, start in ((1, 10.0), (2, 80.0)))
    record, _ = lists(own(registered("cdm"), run, 20), FIRST, 30)
    assert record.counts == FIRST.counts
    record, ask = lists(record, SECOND, 90)
    assert ask
    for at in (91, 95, 99):  # by a copy of the cloud's data that is behind
        record = own(record, replace(run, progress=at / 100), at)
        assert (record.shown and record.shown.run, record.counts) == (run.run, {})
        record, _ = lists(record, SECOND, at + 1)
        assert record.counts == {}
    record, _ = lists(own(record, later, 101), SECOND, 102)

    assert (record.shown and record.shown.run, record.counts) == (later.run, SECOND.counts)


def test_the_counts_of_a_run_that_only_the_list_knows_of_do_not_outlive_that_the_one_before_is_stale() -> None:
    lists, run = List(), migration(State.RUNNING, 1, start=10.0)
    record, _ = lists(own(registered("cdm"), run, 20), FIRST, 30)
    record, _ = lists(transitions.aged(record), SECOND, 400)

    assert own(record, replace(run, progress=0.5), 401).counts == {}


def test_a_list_that_is_behind_adds_the_counts_of_the_run_before_to_no_other() -> None:
    lists = List()
    record, _ = lists(own(registered("cdm"), migration(State.RUNNING, 1, start=10.0), 20), FIRST, 30)
    record = own(record, migration(State.RUNNING, 2, start=80.0), 81)
    record, _ = lists(record, FIRST, 82)

    assert record.counts == {}
    assert own(record, migration(State.RUNNING, 2, start=80.0, progress=0.5), 83).counts == {}


def test_the_counts_of_a_run_that_began_are_not_those_of_the_run_that_just_succeeded() -> None:
    lists, done = List(), migration(State.SUCCEEDED, 1, start=10.0, end=79.5)  # less than a second before
    record = own(registered("cdm"), migration(State.RUNNING, 1, start=10.0), 20)
    record, _ = lists(own(record, done, 81), SECOND, 82)
    record = own(record, replace(done, detail={"job_name": "j"}), 83)
    assert record.awaits
    assert record.counts == {}

    for at in (84, 129):
        record, _ = lists(own(record, done, at - 1), Snapshot(State.SUCCEEDED, start=10.0, end=79.5), at)
        assert record.counts == {}


def test_what_the_own_answer_counts_holds_whatever_a_list_counts_of_another_run() -> None:
    lists, run = List(), migration(State.RUNNING, 1, start=10.0, counts=SECOND.counts)
    record, _ = lists(own(registered("cdm"), run, 20), SECOND, 90)
    record = own(record, replace(run, progress=0.5), 91)
    assert with_older_row(record, FIRST, 90.5, 90.5).counts == SECOND.counts

    record, _ = lists(record, SECOND, 92)
    assert record.counts == SECOND.counts


def test_the_counts_of_an_older_list_hold_after_a_newer_one_that_was_about_another_run() -> None:
    lists, run = List(), migration(State.RUNNING, 1, start=10.0)
    record, _ = lists(own(registered("cdm"), run, 20), SECOND, 90)
    record = with_older_row(own(record, replace(run, progress=0.5), 93), FIRST, 92, 92)

    assert own(record, replace(run, progress=0.6), 94).counts == FIRST.counts


def test_the_counts_of_a_run_whose_end_the_list_tells_hold_though_its_start_is_told_in_another_way() -> None:
    lists, done = List(), migration(State.SUCCEEDED, 1, start=10.0, end=90.0)
    record, _ = lists(
        own(registered("cdm"), migration(State.RUNNING, 1, start=10.0), 20), replace(FIRST, start=15.0), 30
    )
    record = own(record, done, 91)
    for at in (92, 94):  # the first is news, which the job itself is asked about
        record, _ = lists(record, replace(SUCCEEDED, start=15.0, counts=COUNTS), at)
        record = own(record, replace(done, detail={"job_name": str(at)}), at + 1)

    assert record.awaits
    assert record.counts == COUNTS


def test_a_run_that_began_when_the_one_before_ended_does_not_lend_it_its_counts() -> None:
    done = migration(State.SUCCEEDED, 1, start=10.0, end=80.0)
    record, _ = List()(own(registered("cdm"), done, 81), replace(SUCCEEDED, start=80.0, end=80.9, counts=COUNTS), 82)

    assert record.snapshot is not None
    assert record.snapshot.counts == {}


def test_counts_are_not_shown_beside_the_start_of_another_run_of_a_service_that_names_none() -> None:
    lists, restarts = List(), Measure("restarts")
    record, _ = lists(own(registered("cdm"), RUNNING, 20), replace(RUNNING, start=10.0, counts={restarts: 7.0}), 30)
    record, _ = lists(record, replace(RUNNING, start=80.0, counts={restarts: 1.0}), 90)
    record = own(record, replace(RUNNING, progress=0.5), 91)

    assert record.shown is not None
    assert (record.shown.start, record.counts) != (10.0, {restarts: 1.0})


def test_the_counts_of_a_list_wait_for_the_answer_that_tells_the_same_start() -> None:
    waits = Snapshot(State.PENDING, run=RunId("2", 70.0), start=70.0)  # its creation, where nothing else is said
    record, _ = List()(own(registered("cdm"), waits, 75), SECOND, 90)
    record = own(record, replace(waits, progress=0.0), 91)
    assert record.counts == {}

    assert own(record, replace(waits, state=State.RUNNING, start=80.0), 95).counts == SECOND.counts


def test_a_run_that_its_id_names_keeps_its_counts_though_its_start_moves() -> None:
    lists, run = List(), RunId("a", opaque=True)
    row = Snapshot(State.RUNNING, run=replace(run, created=10.0), start=10.0, counts={WRITTEN: 1.0})
    moved = replace(row, run=replace(run, created=15.0), start=15.0, counts={WRITTEN: 2.0})
    record, _ = lists(own(registered("dli"), Snapshot(State.RUNNING, run=run), 5), row, 20)
    for at in (30, 40):
        record, _ = lists(record, moved, at)
        record = own(record, Snapshot(State.RUNNING, run=run, progress=at / 100), at + 1)
        assert record.counts == moved.counts


# --- any order


class Truth(NamedTuple):
    """A moment of a job: *run* goes up when a new one begins."""

    run: int
    state: State


@st.composite
def lives(draw: st.DrawFn, final: bool) -> list[Truth]:
    """What is true from moment to moment: runs begin, go on and end; of a final service there is one."""
    run, state = 1, draw(st.sampled_from([State.PENDING, State.RUNNING, State.SUCCEEDED]))
    moments = [Truth(run, state)]
    for _ in range(draw(st.integers(0, 25))):
        if state.ended:
            if not final and draw(st.booleans()):
                run, state = run + draw(st.integers(1, 2)), draw(st.sampled_from(list(State)[:5]))
        elif draw(st.booleans()):
            state = draw(st.sampled_from([State.RUNNING, State.SUCCEEDED, State.FAILED, State.CANCELLED]))
        moments.append(Truth(run, state))
    return moments


ANSWERS = st.lists(st.sampled_from(["own", "list", "fails", "ages", "late list", "nothing"]), min_size=26, max_size=26)


def answer(truth: Truth, service: str, by: str, at: float) -> Snapshot:
    """Return what is told of a moment; a list of CDM names no run."""
    run = RunId() if by == "list" and service == "cdm" else RunId(str(truth.run))
    ended = truth.state.ended
    counts = {WRITTEN: at} if by == "list" and service == "cdm" else {}
    progress = 0.5 if by == "own" and truth.state is State.RUNNING else None
    end = truth.run * 1000.0 + 500 if ended else None
    return Snapshot(truth.state, run=run, start=truth.run * 1000.0, end=end, counts=counts, progress=progress)


def ended(moments: list[Truth]) -> int:
    """Return how many runs ended after the first sight."""
    return len({each.run for each in moments if each.state.ended})


def step(record: Record, lists: List, by: str, truth: Truth, at: float) -> Record:
    """Return the record after one answer, and check what holds of any of its kind."""
    service = record.job.key.service
    if by == "list":
        after, ask = lists(record, answer(truth, service, by, at), at)
        assert not (after.final and ask)
        if truth.state is State.RUNNING:
            assert (after.up, after.polled_at, after.fault) == (record.up, record.polled_at, record.fault)
            assert after.runs == record.runs
        return after
    if by == "ages":
        return transitions.aged(record)
    if record.final or by == "nothing":
        return record
    if by == "own":
        return own(record, answer(truth, service, by, at), at)
    after = failed(record, at)
    assert (after.last_success, after.polled_at) == (record.last_success, record.polled_at)
    return after


def grew(before: Record, after: Record, most: int) -> None:
    """Check what holds from one record to the next, whatever came between; *most* runs ended so far."""
    assert all(now >= then for now, then in zip(after.runs, before.runs, strict=True))
    assert sum(after.runs) <= most
    if before.final:
        assert after.final
        assert after.runs == before.runs
        assert after.newest is not None
        assert before.newest is not None
        assert after.newest.state is before.newest.state
    if after.last_success != before.last_success:
        assert after.snapshot is not None
        assert after.snapshot.state is State.SUCCEEDED


@pytest.mark.parametrize("service", ["dli", "cdm"])
@given(data=st.data())
def test_whatever_order_answers_come_in_nothing_is_told_that_is_not_so(service: str, data: st.DataObject) -> None:
    moments = data.draw(lives(ADAPTERS[service].final))
    record, lists, states = registered(service), List(), set[State]()
    for number, by in enumerate(data.draw(ANSWERS)[: len(moments)]):
        late = by == "late list"  # it was on its way for long
        truth = moments[max(0, number - 1) if late else number]
        after = step(record, lists, by.removeprefix("late "), truth, 100_000.0 + 45 * number)
        if by not in {"fails", "ages", "nothing"}:
            states.add(truth.state)
        grew(record, after, ended(moments[: number + 1]))
        assert after.shown is None or after.shown.state in states
        record = after


@pytest.mark.parametrize("service", ["dli", "cdm"])
@given(data=st.data())
def test_once_lists_and_own_answers_are_up_to_date_so_is_the_record(service: str, data: st.DataObject) -> None:
    adapter = ADAPTERS[service]
    moments = data.draw(lives(adapter.final))
    record, lists = registered(service), List()
    at = 100_000.0
    for truth, by in zip(moments, data.draw(ANSWERS), strict=False):
        at += 45
        if by == "own" and not record.final:
            record = own(record, answer(truth, service, by, at), at)
        elif by == "fails" and not record.final:
            record = failed(record, at)
        elif "list" in by:
            record, ask = lists(record, answer(truth, service, "list", at), at)
            if ask:
                record = own(record, answer(truth, service, "own", at + 1), at + 1)
    last = moments[-1]
    record, ask = lists(record, answer(last, service, "list", at + 45), at + 45)
    if ask or last.state is State.RUNNING:
        record = own(record, answer(last, service, "own", at + 46), at + 46) if not record.final else record

    assert record.shown is not None
    assert (record.up, record.shown.state) == (True, last.state)
