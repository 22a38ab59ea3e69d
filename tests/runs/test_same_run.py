"""What later answers about a run may change, and what stands still once it ended."""

from dataclasses import replace

import pytest

from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.polling import schedule
from exporter.polling.list_merge import merged_record, report_of
from exporter.runs import accounting, journal_format, transitions
from exporter.runs.same_run import COUNTED_BY, of_known_run
from exporter.services.listing import ListedJob
from exporter.services.registry import load_services

ADAPTERS = load_services()
CDM = ADAPTERS["cdm"]
WRITTEN, INSERTED = Measure("rows_written"), Measure("rows_inserted")
TARGET = {"cluster_id": "c", "job_name": "j"}
BEGUN, ENDED = 1_000_000.0, 1_000_600.0
PACE = schedule.Pace(30, 300, 600)


def fresh(service: str = "cdm") -> Record:
    return transitions.registered(Job(JobKey(service, "j"), "p", {}), ADAPTERS[service])


def migration(number: int, state: State = State.SUCCEEDED, **fields: object) -> Snapshot:
    """Return an answer about the run of a number: it began at BEGUN, and a run later a day later."""
    more: dict[str, object] = {"start": BEGUN, "end": ENDED if state.ended else None, **fields}
    return Snapshot(state, run=RunId(str(number), 86400.0 * number), **more)  # type: ignore[arg-type]


def after(*answers: Snapshot, record: Record | None = None, at: float = ENDED) -> Record:
    record = record or fresh()
    for number, answer in enumerate(answers, 1):
        record = transitions.worked(record, answer, at + 3 * number, CDM)
    return record


def rows(number: float) -> dict[Measure, float]:
    return {WRITTEN: number, INSERTED: number}


RUNNING = migration(1, State.RUNNING)


# --- what a run moved


def test_counters_that_come_after_the_end_are_shown_and_added_once() -> None:
    early = migration(1, counts={INSERTED: 0})
    record = after(RUNNING, early)
    assert (record.runs, record.totals["rows_written"], record.awaits) == ((1, 0, 0), 0, True)
    assert schedule.interval_for_state(record, PACE, CDM) == PACE.interval

    record = after(migration(1, counts=rows(1000)), migration(1, counts=rows(1000)), record=record)
    assert record.snapshot is not None
    assert dict(record.snapshot.counts) == rows(1000)
    assert (record.runs, record.totals["rows_written"], record.awaits) == ((1, 0, 0), 1000, False)
    assert schedule.interval_for_state(record, PACE, CDM) == PACE.idle_interval


def test_a_run_that_never_has_counters_adds_nothing_and_is_waited_for_a_bounded_time() -> None:
    silent = replace(migration(1), digest=b"same")
    record = after(RUNNING, *[silent] * accounting.TRIES)
    assert (record.awaits, record.ledger.paid) == (False, ())
    assert after(migration(1, counts=rows(7)), record=record).totals["rows_written"] == 0


def test_a_counter_that_cannot_be_read_is_added_when_it_can_and_the_others_are_not_again() -> None:
    part = migration(1, counts={Measure("rows_read"): 5}, unknown=("counters.ROWS_WRITTEN",))
    whole = migration(1, counts={Measure("rows_read"): 5, WRITTEN: 6})
    record = after(RUNNING, part, part, whole, whole)
    assert (record.totals["rows_read"], record.totals["rows_written"]) == (5, 6)


@pytest.mark.parametrize(
    "odd", ["null", "NaN", "Infinity", "-Infinity", "1e308", "1e400", "-5", "-1", "-0.0", "3.5", '"many"', "true", "[]"]
)
def test_what_is_no_amount_of_rows_is_neither_shown_nor_added_and_what_comes_later_is(odd: str) -> None:
    def told(rows: str) -> Snapshot:
        counters = f'{{"org.apache.sqoop.submission.counter.SqoopCounters": {{"ROWS_WRITTEN": {rows}}}}}'
        run = f'"status": "SUCCEEDED", "submission-id": 1, "creation-date": 1709597421000, "counters": {counters}'
        return CDM.parse(f'{{"submissions": [{{{run}}}]}}'.encode(), Job(JobKey("cdm", "j"), "p", TARGET), None)

    running = Snapshot(State.RUNNING, run=told("0").run)
    record = after(running, told(odd), told(odd))
    assert record.snapshot is not None
    assert (record.snapshot.counts, record.totals["rows_written"], record.runs) == ({}, 0, (1, 0, 0))

    record = after(told("1000"), told("1000"), record=record)
    assert record.snapshot is not None
    assert (record.snapshot.counts, record.totals["rows_written"], record.runs) == ({WRITTEN: 1000}, 1000, (1, 0, 0))


def test_an_answer_that_forgets_the_counters_takes_none_back() -> None:
    record = after(RUNNING, migration(1, counts=rows(9)), migration(1))
    assert record.snapshot is not None
    assert dict(record.snapshot.counts) == rows(9)


def test_counters_that_only_the_history_has_are_added_once() -> None:
    record = after(RUNNING, migration(1), migration(2, State.RUNNING))
    assert accounting.incomplete(record.ledger, migration(2).run)
    for _ in range(2):
        record = transitions.looked_back(
            record, [migration(2, State.RUNNING), migration(1, counts=rows(8))], ENDED + 60
        )
    assert record.totals["rows_written"] == 8
    assert not any(each.waits for each in record.ledger.paid)


READ = Measure("rows_read")


@pytest.mark.parametrize("early", [{READ: 1000}, {READ: 400, WRITTEN: 400}, {READ: 0, WRITTEN: 0}])
def test_the_totals_come_to_what_the_run_shows_in_the_end(early: dict[Measure, float]) -> None:
    """Its counters may come one by one, or as 0 first; an answer that says less takes nothing back."""
    whole = {READ: 1000, WRITTEN: 900}
    first, last = migration(1, counts=early), migration(1, counts=whole)
    record = after(RUNNING, first, first, first, last, last, first, last)
    assert (record.totals["rows_read"], record.totals["rows_written"], record.runs) == (1000, 900, (1, 0, 0))

    record = after(migration(2, State.RUNNING), migration(2, counts=whole), record=record)
    assert (record.totals["rows_read"], record.totals["rows_written"]) == (2000, 1800)
    assert len(record.ledger.paid) == 1


def test_a_list_that_is_newer_shows_what_the_run_moved() -> None:
    record = after(RUNNING, migration(1, counts={INSERTED: 0}))
    row = Snapshot(State.SUCCEEDED, start=BEGUN, end=ENDED, counts=rows(1000))
    record, _ = merged_record(record, row, ENDED + 50, CDM, before=report_of(row))
    assert record.shown is not None
    assert (dict(record.shown.counts), record.polled_at, record.last_progress) == (rows(1000), ENDED + 50, ENDED + 50)

    other = replace(row, start=BEGUN + 4000, end=ENDED + 4000, counts=rows(3))
    record, _ = merged_record(record, other, ENDED + 60, CDM, before=report_of(other))
    assert record.snapshot is not None
    assert dict(record.snapshot.counts) == rows(1000)  # that is not the run that it is about


def test_what_was_said_before_there_were_counters_goes_with_the_next_answer_that_does_not_say_it() -> None:
    record = after(RUNNING, migration(1, counts={INSERTED: 0}))
    row = Snapshot(State.SUCCEEDED, start=BEGUN, end=ENDED, counts={WRITTEN: 1000})
    listed, _ = merged_record(record, row, ENDED + 50, CDM, before=report_of(row))
    assert listed.shown is not None
    assert (dict(listed.shown.counts), listed.polled_at) == ({WRITTEN: 1000}, ENDED + 50)

    for silent, left in ((record, {}), (listed, {WRITTEN: 1000})):  # what a list said of the run that ended holds
        silent = after(migration(1), record=silent, at=ENDED + 60)
        assert silent.shown is not None
        assert dict(silent.shown.counts) == left


def test_a_list_of_a_running_job_tells_nothing_of_what_the_run_has_moved_in_the_end() -> None:
    row = Snapshot(State.RUNNING, start=BEGUN, counts={WRITTEN: 5})
    record, _ = merged_record(after(RUNNING), row, ENDED - 1, CDM, before=report_of(row))
    record = after(migration(1), migration(1), record=record)
    assert record.shown is not None
    assert dict(record.shown.counts) == {}


def test_counters_are_waited_for_though_the_run_had_ended_at_first_sight_and_add_nothing() -> None:
    record = after(migration(1, counts={INSERTED: 0}))
    assert (record.awaits, schedule.interval_for_state(record, PACE, CDM)) == (True, PACE.interval)

    record = after(migration(1, counts=rows(1000)), record=record)
    assert record.shown is not None
    assert (dict(record.shown.counts), record.awaits) == (rows(1000), False)
    assert (record.runs, record.totals["rows_written"]) == ((0, 0, 0), 0)


def test_counters_of_a_run_that_ended_long_ago_are_not_waited_for() -> None:
    assert not after(migration(1), at=ENDED + COUNTED_BY).awaits


@pytest.mark.parametrize("behind", [-400.0, 400.0])
@pytest.mark.parametrize("over", [COUNTED_BY - 100, COUNTED_BY + 100])
def test_how_long_ago_a_run_ended_is_by_the_clouds_clock(behind: float, over: float) -> None:
    cloud = ENDED + over
    record = transitions.worked(fresh(), migration(1), cloud - behind, CDM, cloud, cloud)
    assert record.awaits == (over < COUNTED_BY)


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED])
def test_the_numbers_of_a_run_that_ended_are_its_last_once_two_answers_say_the_same(state: State) -> None:
    record = after(RUNNING, migration(1, state, counts=rows(1)), migration(1, state, counts=rows(2), digest=b"2"))
    assert record.unsettled > 0

    same = replace(record.snapshot, digest=b"2") if record.snapshot else RUNNING
    record = after(same, record=replace(record, snapshot=same), at=ENDED + 9)
    assert (record.unsettled, record.snapshot and dict(record.snapshot.counts)) == (0, rows(2))


# --- when it began and ended


def test_the_end_of_a_run_does_not_move_when_somebody_changes_the_job() -> None:
    record = after(RUNNING, migration(1), migration(1, end=ENDED + 4800, start=BEGUN - 7))
    assert record.snapshot is not None
    assert (record.snapshot.start, record.snapshot.end) == (BEGUN, ENDED)
    assert (record.last_success, record.last_run_duration) == (ENDED, 600)


def test_nor_does_it_over_a_restart() -> None:
    ledger = after(RUNNING, migration(1)).ledger
    record = after(migration(1, end=ENDED + 4800), record=replace(fresh(), ledger=ledger))
    assert (record.last_success, record.last_run_duration) == (ENDED, 600)


def test_nor_does_a_list_move_it() -> None:
    row = Snapshot(State.SUCCEEDED, start=BEGUN, end=ENDED)
    record, _ = merged_record(after(RUNNING, migration(1)), row, ENDED + 50, CDM, before=report_of(row))
    record, soon = merged_record(record, replace(row, end=ENDED + 4800), ENDED + 100, CDM, before=report_of(row))
    assert record.shown is not None
    assert (record.shown.end, soon) == (ENDED, False)


@pytest.mark.parametrize(("end", "known"), [(ENDED, ENDED), (ENDED + 900, None)])
def test_an_end_that_is_said_late_counts_if_it_is_before_the_poll_that_saw_it(end: float, known: float | None) -> None:
    record = after(RUNNING, migration(1, end=None), migration(1, end=end))
    assert record.snapshot is not None
    assert record.snapshot.end == known


@pytest.mark.parametrize("behind", [-400.0, 20.0, 400.0])
def test_an_end_that_is_said_late_counts_by_the_clouds_clock(behind: float) -> None:
    record = fresh()
    answers = (RUNNING, migration(1, end=None), migration(1, end=ENDED + 6.5), migration(1, end=ENDED + 900))
    for number, answer in enumerate(answers, 1):
        cloud = ENDED + 3 * number
        record = transitions.worked(record, answer, cloud - behind, CDM, cloud, cloud)
        if number == 2:
            assert record.last_success == ENDED + 6
    assert record.snapshot is not None
    assert record.snapshot.end == ENDED + 6.5
    assert (record.last_success, record.last_run_duration) == (ENDED + 6.5, 606.5)
    assert (record.took[0].runs, record.polled_at) == (1, ENDED + 12 - behind)


@pytest.mark.parametrize("behind", [-400.0, 400.0])
def test_nor_does_an_end_become_later_by_a_clock_that_is_wrong_over_a_restart(behind: float) -> None:
    record = fresh()
    for number, answer in enumerate((RUNNING, migration(1, end=None)), 1):
        record = transitions.worked(record, answer, ENDED + 3 * number - behind, CDM, cloud=ENDED + 3 * number)
    late = [(ENDED + 900, None), (ENDED, ENDED)]
    for end, known in late:
        again = replace(fresh(), ledger=record.ledger)
        again = transitions.worked(again, migration(1, end=end), ENDED + 1000 - behind, CDM, cloud=ENDED + 1000)
        assert again.snapshot is not None
        assert again.snapshot.end == known


def test_what_an_answer_does_not_say_of_a_run_is_what_was_said_before_word_by_word() -> None:
    record = after(
        migration(1, State.RUNNING, words={"owner": "u", "queue_name": "a"}),
        migration(1, State.RUNNING, words={"queue_name": "b"}),
    )
    assert record.snapshot is not None
    assert dict(record.snapshot.words) == {"owner": "u", "queue_name": "b"}
    another = after(migration(2, State.RUNNING, words={"queue_name": "b"}), record=record)
    assert another.snapshot is not None
    assert dict(another.snapshot.words) == {"queue_name": "b"}


# --- an older run


def test_an_answer_about_an_older_run_is_no_news_and_no_poll() -> None:
    newest = migration(2, State.RUNNING)
    record = after(newest)
    older = after(migration(1, State.FAILED), record=record)
    assert (older.snapshot, older.polled_at) == (newest, record.polled_at)
    assert older.runs == (0, 0, 0)
    assert after(migration(2), record=older).runs == (1, 0, 0)


LESS = [RunId("2"), RunId("", 86400.0 * 2)]
"""What an answer may tell of the second run: its id alone, or its creation alone."""


@pytest.mark.parametrize("name", LESS, ids=["id alone", "creation alone"])
def test_an_answer_that_tells_less_of_its_run_takes_nothing_back_of_what_tells_it_from_older_ones(name: RunId) -> None:
    newest = replace(migration(2), run=name)
    record = after(migration(2, State.RUNNING), newest)
    assert record.snapshot is not None
    assert (record.snapshot.run, record.runs) == (RunId("2", 86400.0 * 2), (1, 0, 0))
    older = after(migration(1, State.FAILED), record=record)
    assert (older.snapshot, older.polled_at, older.runs) == (record.snapshot, record.polled_at, (1, 0, 0))


@pytest.mark.parametrize("name", LESS, ids=["id alone", "creation alone"])
def test_after_a_restart_the_journal_tells_the_run_of_an_answer_that_tells_less_from_older_ones(name: RunId) -> None:
    kept = after(migration(2, State.RUNNING)).ledger
    newest = after(replace(migration(2), run=name), record=transitions.resumed(fresh(), kept, kept, CDM))
    assert newest.snapshot is not None
    assert newest.snapshot.state is State.SUCCEEDED
    assert after(migration(1, State.FAILED), record=newest).snapshot == newest.snapshot


def test_an_older_run_that_was_open_counts_by_its_end() -> None:
    record = after(migration(1, State.RUNNING), migration(2, State.RUNNING), migration(1, State.FAILED))
    assert record.runs == (0, 1, 0)
    assert record.snapshot == migration(2, State.RUNNING)


def test_an_older_run_is_believed_once_nothing_newer_was_heard_of_for_long() -> None:
    record = transitions.aged(after(migration(2, State.RUNNING)))
    assert after(migration(1, State.FAILED), record=record).shown == migration(1, State.FAILED)


def test_after_a_restart_a_run_older_than_those_of_the_journal_is_no_news_until_it_is_too_old() -> None:
    kept = after(migration(2, State.RUNNING)).ledger
    record = transitions.resumed(fresh(), kept, kept, CDM)
    for seconds in (10, 20):
        record = transitions.worked(record, migration(1, State.FAILED), ENDED + seconds, CDM)
    assert (record.shown, record.up, record.polled_at, record.runs) == (None, None, None, (0, 0, 0))
    assert (record.answered_at, schedule.stale_after(record, PACE, CDM)) == (ENDED + 10, PACE.stale_after)

    assert after(migration(2), record=record).ledger.runs == (1, 0, 0)
    assert after(migration(2, State.RUNNING), record=record).shown == migration(2, State.RUNNING)
    assert after(migration(1, State.FAILED), record=transitions.aged(record)).shown == migration(1, State.FAILED)


@pytest.mark.parametrize("run", [RunId("1", 90000.0 * 3), RunId("1"), RunId("", 1.0)])
def test_a_run_that_is_older_only_by_one_of_its_names_is_shown(run: RunId) -> None:
    record = after(migration(2, State.RUNNING), replace(migration(1, State.FAILED), run=run))
    assert record.snapshot is not None
    assert record.snapshot.state is State.FAILED


# --- a job that is deleted after its run


def test_a_job_that_is_deleted_after_its_run_is_over_and_how_is_unknown() -> None:
    record = after(replace(RUNNING, disposable=True, progress=0.5))
    for at in (10, 300, 600):
        record = transitions.failed(record, Fault(Reason.NOT_FOUND, ENDED + at, "no"))
    assert record.shown is not None
    assert (record.shown.state, record.shown.progress, record.up, record.final) == (State.UNKNOWN, None, True, True)
    assert (record.runs, record.last_success, record.ledger.open, record.failures) == ((0, 0, 0), None, (), {})
    assert transitions.aged(record) is record


def test_one_whose_end_was_seen_keeps_it_and_its_name_may_come_back() -> None:
    record = after(RUNNING, replace(migration(1), disposable=True, digest=b"a"))
    record = transitions.failed(record, Fault(Reason.NOT_FOUND, ENDED + 10, "no"))
    assert record.shown is not None
    assert (record.shown.state, record.up, record.runs) == (State.SUCCEEDED, True, (1, 0, 0))

    record = after(migration(2, State.RUNNING), record=record)
    assert (record.final, record.shown) == (False, migration(2, State.RUNNING))


def test_a_job_that_is_not_to_be_deleted_and_is_not_found_fails_its_polls() -> None:
    record = transitions.failed(after(RUNNING), Fault(Reason.NOT_FOUND, ENDED + 10, "no"))
    assert (record.up, record.failures) == (False, {Reason.NOT_FOUND: 1})


# --- why it failed


def test_the_reason_of_a_failure_is_there_as_soon_as_any_answer_has_it_and_stays() -> None:
    def failure(code: str, **detail: str) -> Snapshot:
        return Snapshot(State.FAILED, run=RunId("j", opaque=True), failure_code=code, detail=detail)

    adapter, record = ADAPTERS["dli"], fresh("dli")
    silent, row = failure("other"), failure("DLI.0005", message="no such column")
    for at in (1, 2):
        record = transitions.worked(record, silent, at, adapter)
    record, _ = merged_record(record, row, 3, adapter, before=report_of(row))
    assert record.final
    assert record.shown is not None
    assert (record.shown.failure_code, record.shown.detail["message"]) == ("DLI.0005", "no such column")

    record = transitions.worked(transitions.worked(fresh("dli"), row, 1, adapter), silent, 2, adapter)
    assert record.shown is not None
    assert (record.shown.failure_code, record.shown.detail["message"]) == ("DLI.0005", "no such column")


# --- a clock that is set


def test_a_clock_that_is_set_back_lets_lists_count_as_before() -> None:
    back = -3600.0
    record = transitions.worked(fresh(), migration(1, State.RUNNING, progress=0.1), ENDED, CDM, 100)
    row = Snapshot(State.RUNNING, start=BEGUN)
    record, _ = merged_record(
        record, replace(row, counts=rows(5)), ENDED + 45 + back, CDM, before=report_of(row), steady=145
    )
    record = transitions.worked(record, migration(1, State.RUNNING, progress=0.2), ENDED + 60 + back, CDM, 160)
    assert record.shown is not None
    assert (dict(record.shown.counts), record.polled_at) == (rows(5), ENDED + 60 + back)

    record = transitions.worked(record, migration(1, State.RUNNING, progress=0.3), ENDED + 600 + back, CDM, 700)
    assert record.shown is not None
    assert record.shown.counts == {}  # the list is old by the other clock


@pytest.mark.parametrize("step", [3600.0, -3600.0])
def test_a_clock_that_is_set_moves_an_estimate_by_as_much_and_no_more(step: float) -> None:
    record = fresh("dws")
    for number in range(12):
        answer = Snapshot(State.RUNNING, run=RunId("j", opaque=True), progress=number / 20)
        wall = 1_000_000.0 + 30 * number + (step if number > 5 else 0)
        record = transitions.worked(record, answer, wall, ADAPTERS["dws"], 5000.0 + 30 * number)
    assert record.estimate is not None
    assert abs(record.estimate - (1_000_000 + 30 * 20 + step)) < 30


# --- when it ended


def test_an_end_before_the_start_that_only_an_earlier_answer_told_is_not_known() -> None:
    record = after(RUNNING, migration(1, start=None, end=BEGUN - 60))
    assert record.snapshot is not None
    assert (record.snapshot.start, record.snapshot.end, record.last_run_duration) == (BEGUN, None, None)
    assert (record.runs, record.last_success) == ((1, 0, 0), ENDED + 6)  # by the poll that saw it turn


@pytest.mark.parametrize("service", ["dli", "dws", "cdm"])
@pytest.mark.parametrize("end", [ENDED + 365 * 86400, BEGUN - 60])
def test_a_run_of_which_no_end_is_known_ended_when_a_poll_saw_it_turn(service: str, end: float) -> None:
    record, told = fresh(service), migration(1, end=end).credible(ENDED)
    for at, answer in enumerate((RUNNING, told, told)):
        record = transitions.worked(record, answer, ENDED + at, ADAPTERS[service])
    assert (record.runs, record.last_success, record.last_run_duration) == ((1, 0, 0), ENDED + 1, None)

    for at in range(2):
        record = transitions.worked(fresh(service), told, ENDED + at, ADAPTERS[service])
    assert (record.runs, record.last_success) == ((0, 0, 0), None)  # over at first sight


@pytest.mark.parametrize(("first", "then"), [(State.SUCCEEDED, State.FAILED), (State.FAILED, State.SUCCEEDED)])
def test_one_run_is_not_both_the_last_success_and_the_last_failure(first: State, then: State) -> None:
    record = after(RUNNING, migration(1, first), migration(2, first, end=ENDED + 9))
    record = after(migration(2, then, end=ENDED + 9), record=record)
    times = {State.SUCCEEDED: record.last_success, State.FAILED: record.last_failure}
    assert times == {first: ENDED, then: ENDED + 9}
    assert sum(record.runs) == 2

    record = after(RUNNING, migration(1, first), migration(1, then))
    times = {State.SUCCEEDED: record.last_success, State.FAILED: record.last_failure}
    assert times == {first: None, then: ENDED}


def test_a_run_that_went_on_and_ended_otherwise_took_as_long_as_that() -> None:
    record = after(RUNNING, migration(1, State.SUCCEEDED), migration(1, State.RUNNING, end=None))
    record = after(migration(1, State.FAILED, end=ENDED + 16), record=record, at=ENDED + 100)

    assert record.last_run_duration == ENDED + 16 - BEGUN
    assert (record.last_success, record.last_failure) == (None, ENDED + 16)


def test_a_run_that_ended_otherwise_while_the_exporter_was_down_has_the_times_of_that() -> None:
    before = after(RUNNING, migration(1, State.SUCCEEDED))
    record = transitions.resumed(fresh(), before.ledger, before.ledger, CDM)
    record = after(migration(1, State.FAILED, end=ENDED + 16), record=record, at=ENDED + 100)

    assert record.snapshot is not None
    assert (record.snapshot.end, record.last_run_duration) == (ENDED + 16, ENDED + 16 - BEGUN)
    assert (record.last_success, record.last_failure) == (None, ENDED + 16)


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.FAILED])
@pytest.mark.parametrize("told", [ENDED, None])
def test_the_times_of_a_run_that_ended_stand_still_over_a_restart_too(state: State, told: float | None) -> None:
    before = after(RUNNING, migration(1, state, end=told))
    (line,) = journal_format.read_journal(
        b"".join(journal_format.written([journal_format.JournalEntry.of(before.job, before.ledger)]))
    )
    record = transitions.resumed(fresh(), line.ledger, line.ledger, CDM)
    edited = migration(1, state, start=BEGUN + 60, end=ENDED + 4000)
    record = after(edited, edited, record=record, at=ENDED + 5000)
    assert record.snapshot is not None
    assert (record.snapshot.start, record.snapshot.end) == (BEGUN, told)
    assert (record.ended_at, record.last_run_duration) == (before.ended_at, told and told - BEGUN)
    assert (record.last_success, record.last_failure) == (before.last_success, before.last_failure)


def test_a_start_in_the_future_is_not_known_and_gives_no_order() -> None:
    ahead = Snapshot(State.SUCCEEDED, run=RunId("j1", ENDED + 7200, opaque=True), start=ENDED + 7200, end=ENDED + 7201)
    told = ahead.credible(ENDED)
    assert (told.start, told.end, told.run.created, told.unknown) == (None, None, None, ("start", "end"))
    assert told.run.same(ahead.run)
    assert migration(1, end=None, start=ENDED + 4).credible(ENDED).start == ENDED + 4  # clocks differ a little
    numbered = migration(1, State.RUNNING, start=ENDED + 60).credible(ENDED)
    assert (numbered.start, numbered.run) == (None, migration(1).run)
    assert ListedJob({}, snapshot=ahead, since=ahead.start, at=60.0).credible(ENDED - 60).since is None


# --- runs that only their start tells apart


def flink(state: State, begun: float | None, **fields: object) -> Snapshot:
    """Return an answer of a service that has no ids of runs; one without a start has no name."""
    run = RunId() if begun is None else RunId("", begun, opaque=True)
    return Snapshot(state, run=run, start=begun, **fields)  # type: ignore[arg-type]


def streamed(*answers: Snapshot, record: Record | None = None) -> Record:
    record = record or fresh("dli_flink")
    for number, answer in enumerate(answers, 1):
        record = transitions.worked(record, answer, ENDED + 3 * number, ADAPTERS["dli_flink"])
    return record


@pytest.mark.parametrize("rounded", [BEGUN - 0.999, BEGUN - 0.001, BEGUN, BEGUN + 0.5])
@pytest.mark.parametrize("kept", [False, True])
def test_a_run_whose_start_is_rounded_in_some_answers_is_one_run_and_counts_once(rounded: float, kept: bool) -> None:
    record = streamed(flink(State.RUNNING, BEGUN), flink(State.RUNNING, rounded))
    assert record.snapshot is not None
    assert (record.snapshot.run.label, record.snapshot.start) == ("1000000000", BEGUN)
    if kept:
        entry = journal_format.JournalEntry.of(record.job, record.ledger)
        (line,) = journal_format.read_journal(b"".join(journal_format.written([entry])))
        record = transitions.resumed(fresh("dli_flink"), line.ledger, line.ledger, ADAPTERS["dli_flink"])
    for begun in (rounded, BEGUN, rounded):
        # the end is the start and the duration that the same answer tells
        record = streamed(flink(State.SUCCEEDED, begun, end=begun + ENDED - BEGUN), record=record)
        assert record.snapshot is not None
        assert (record.snapshot.waited, record.ledger.runs, record.ledger.open) == (None, (1, 0, 0), ())
        assert record.snapshot.run.label == "1000000000"
    assert record.ledger.last_run_duration == pytest.approx(ENDED - BEGUN, abs=0.001)


def test_runs_that_begin_a_second_apart_are_two() -> None:
    record = streamed(*(flink(State.SUCCEEDED, BEGUN + second, end=BEGUN + second + 0.5) for second in range(3)))

    assert record.ledger.runs == (2, 0, 0)


def test_runs_with_ids_are_told_apart_by_them_however_soon_one_follows_the_other() -> None:
    first, second = (RunId(name, BEGUN + moment, opaque=True) for name, moment in (("8", 0.0), ("9", 0.5)))

    assert not first.same(second)
    assert not RunId("", BEGUN).same(RunId("", BEGUN + 0.5))


def test_a_run_that_began_before_the_known_one_is_no_news_and_counts_nothing() -> None:
    record = streamed(flink(State.RUNNING, BEGUN), flink(State.FAILED, BEGUN - 600, end=BEGUN - 300))

    assert record.shown is not None
    assert (record.shown.state, record.shown.start, record.runs) == (State.RUNNING, BEGUN, (0, 0, 0))
    assert streamed(flink(State.SUCCEEDED, BEGUN), record=record).runs == (1, 0, 0)


@pytest.mark.parametrize(
    ("state", "word", "runs"),
    [
        (State.SUCCEEDED, "JOB_FINISH", (1, 0, 0)),
        (State.FAILED, "JOB_RUNNING_EXCEPTION", (0, 1, 0)),
        (State.CANCELLED, "JOB_CANCEL_SUCCESS", (0, 0, 1)),
        (State.FAILED, "JOB_SUBMIT_FAIL", (0, 0, 0)),
        (State.PENDING, "JOB_SUBMITTING", (0, 0, 0)),
    ],
)
def test_an_end_without_a_start_is_that_of_the_run_that_was_under_way(
    state: State, word: str, runs: tuple[int, int, int]
) -> None:
    live, end = flink(State.RUNNING, BEGUN, native_state="JOB_RUNNING"), flink(state, None, native_state=word)
    for answers in ((live, end, end), (live, flink(State.RUNNING, None, native_state="JOB_RUNNING"), end, end)):
        record = streamed(*answers)
        assert record.snapshot is not None
        assert (record.runs, record.snapshot.start) == (runs, BEGUN if any(runs) else None)
        assert record.last_success == (ENDED + 3 * len(answers) - 3 if state is State.SUCCEEDED else None)
        again = streamed(replace(live, run=RunId("", BEGUN + 900, opaque=True), start=BEGUN + 900), record=record)
        assert sum(again.runs) == sum(runs)


def test_an_answer_that_nothing_is_under_way_is_about_no_known_run() -> None:
    record, idle = streamed(flink(State.RUNNING, BEGUN)), Snapshot(State.UNKNOWN, idle=True)

    assert of_known_run(record, idle, ADAPTERS["dli_flink"]) is idle


def test_an_end_without_a_start_is_of_no_known_run_once_another_may_have_begun() -> None:
    live, waits = flink(State.RUNNING, BEGUN), flink(State.PENDING, None, native_state="JOB_SUBMITTING")
    end, over = flink(State.SUCCEEDED, None), flink(State.FAILED, BEGUN, native_state="JOB_RUNNING_EXCEPTION")
    listed = replace(streamed(live), listed=waits)
    away = transitions.aged(streamed(live))
    for record in (streamed(live, waits), listed, away, streamed(live, over), fresh("dli_flink")):
        after = streamed(end, record=record)
        assert (after.runs, after.last_success) == (record.runs, None)
        assert after.snapshot is not None
        assert after.snapshot.start is None


def test_an_end_that_a_list_told_without_a_start_too_is_that_of_the_run_that_was_under_way() -> None:
    live, end = flink(State.RUNNING, BEGUN), flink(State.SUCCEEDED, None, native_state="JOB_FINISH")
    record, soon = merged_record(streamed(live), end, ENDED + 5, ADAPTERS["dli_flink"], before=report_of(live))

    assert (soon, record.runs) == (True, (0, 0, 0))
    assert streamed(end, record=record).runs == (1, 0, 0)
