"""A job that a list reported before its own first answer: what had not ended then counts, and nothing that had."""

from exporter.model.job import Job, JobKey
from exporter.model.record import Record
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.polling.list_merge import merged_record
from exporter.runs import accounting, journal_format, transitions
from exporter.services.registry import load_services

ADAPTERS = load_services()
ROWS = Measure("rows_written")
NOW = 1_000_000.0


def fresh(service: str = "cdm") -> Record:
    return transitions.registered(Job(JobKey(service, "j"), "p", {}), ADAPTERS[service])


def row(state: State, start: float | None = None, end: float | None = None) -> Snapshot:
    """Return what a list tells that names no run."""
    return Snapshot(state, start=start, end=end)


def listed(answer: Snapshot, record: Record | None = None, at: float = NOW) -> Record:
    record = record or fresh()
    return merged_record(record, answer, at, ADAPTERS[record.job.key.service], before=None)[0]


def run(number: int, start: float, state: State = State.SUCCEEDED) -> Snapshot:
    """Return a run of 50 seconds that waited three seconds to begin and moved as many rows as its number says."""
    end = start + 50 if state.ended else None
    counts = {ROWS: float(number)} if state is State.SUCCEEDED else {}
    return Snapshot(state, run=RunId(str(number), start - 3), start=start, end=end, counts=counts)


def polled(record: Record, *answers: Snapshot) -> Record:
    for number, answer in enumerate(answers, 1):
        record = transitions.worked(record, answer, NOW + 100 + number, ADAPTERS[record.job.key.service])
    return record


def counted(record: Record) -> tuple[tuple[int, int, int], float]:
    return record.runs, record.totals.get("rows_written", 0)


def test_a_run_that_a_list_saw_running_counts_once_though_its_own_first_answer_tells_its_end() -> None:
    record = listed(row(State.RUNNING, NOW - 40.4))
    record = listed(row(State.SUCCEEDED, NOW - 40.4, NOW + 10), record, NOW + 20)
    ended = run(7, NOW - 40)  # the same time, written otherwise

    assert counted(polled(record, ended)) == ((1, 0, 0), 7)
    assert counted(polled(record, ended, ended, run(8, NOW + 90, State.RUNNING), run(8, NOW + 90))) == ((2, 0, 0), 15)
    assert not accounting.incomplete(polled(record, ended).ledger, ended.run)


def restarted(record: Record) -> Record:
    """Return the job's record after the exporter ended and began again with its journal."""
    text = b"".join(journal_format.written([journal_format.JournalEntry.of(record.job, record.ledger)]))
    (kept,) = journal_format.read_journal(text)
    return transitions.resumed(
        fresh(record.job.key.service), kept.ledger, kept.ledger, ADAPTERS[record.job.key.service]
    )


def test_after_a_restart_it_counts_from_where_the_list_before_it_said() -> None:
    """Run 1 had ended, runs 2 and 3 ended while the exporter was down, or before it polled the job the first time."""
    record = restarted(listed(row(State.SUCCEEDED, NOW - 90, NOW - 40)))
    record = listed(row(State.SUCCEEDED, NOW + 80, NOW + 130), record, NOW + 140)
    record = polled(record, run(3, NOW + 80))
    history = [run(3, NOW + 80), run(2, NOW + 10, State.FAILED), run(1, NOW - 90)]
    record = transitions.looked_back(record, history, NOW + 300)

    assert record.ledger.runs == (1, 1, 0)
    assert restarted(record).ledger.runs == (1, 1, 0)


def test_a_run_that_had_ended_when_a_list_saw_it_does_not_count() -> None:
    record = listed(row(State.SUCCEEDED, NOW - 90, NOW - 40))

    assert counted(polled(record, run(7, NOW - 90), run(7, NOW - 90))) == ((0, 0, 0), 0)


def test_a_run_before_the_one_that_a_list_saw_running_does_not_count_and_that_one_does() -> None:
    record = polled(listed(row(State.RUNNING, NOW - 4)), run(7, NOW - 90))
    assert counted(record) == ((0, 0, 0), 0)
    assert counted(polled(record, run(8, NOW - 4))) == ((1, 0, 0), 8)


def test_the_runs_between_a_list_and_the_jobs_own_first_answer_are_found_in_its_history() -> None:
    seen, between, newest = run(7, NOW - 4), run(9, NOW + 60, State.FAILED), run(11, NOW + 120)
    record = polled(listed(row(State.RUNNING, NOW - 4)), newest)
    assert accounting.incomplete(record.ledger, newest.run)

    for _ in range(2):
        record = transitions.looked_back(record, [newest, between, seen, run(5, NOW - 90)], NOW + 200)
        assert counted(record) == ((2, 1, 0), 18)
    assert not accounting.incomplete(record.ledger, newest.run)
    assert counted(polled(record, newest, run(12, NOW + 180, State.RUNNING), run(12, NOW + 180))) == ((3, 1, 0), 30)


def test_no_run_counts_that_ended_before_a_list_though_the_numbers_began_anew_since_and_are_lower() -> None:
    old, between, newest = run(4199, NOW - 90), run(4205, NOW + 60, State.FAILED), run(13, NOW + 120)
    record = polled(listed(row(State.SUCCEEDED, NOW - 90, NOW - 40)), newest)
    history = [newest, run(8, NOW + 90), between, old, run(4127, NOW - 400)]

    for _ in range(2):
        record = transitions.looked_back(record, history, NOW + 200)
        assert counted(record) == ((2, 1, 0), 21)


def test_of_a_job_that_waited_or_rested_when_a_list_saw_it_all_later_runs_count() -> None:
    for before in (row(State.PENDING), row(State.FAILED, NOW - 90, NOW - 40)):
        record = polled(listed(before), run(8, NOW + 60))
        record = transitions.looked_back(record, [run(8, NOW + 60), run(7, NOW + 5), run(6, NOW - 90)], NOW + 200)

        assert counted(record) == ((2, 0, 0), 15)


def test_a_run_that_began_while_the_list_that_told_of_it_was_on_its_way_counts() -> None:
    assert counted(polled(listed(row(State.PENDING)), run(7, NOW - 1))) == ((1, 0, 0), 7)


def test_where_a_list_tells_no_times_or_an_answer_no_start_nobody_knows_and_nothing_counts() -> None:
    assert counted(polled(listed(row(State.RUNNING)), run(7, NOW - 40))) == ((0, 0, 0), 0)
    silent = Snapshot(State.SUCCEEDED, run=RunId("7", NOW - 43), counts={ROWS: 7})
    assert counted(polled(listed(row(State.RUNNING, NOW - 40)), silent)) == ((0, 0, 0), 0)


def test_where_lists_name_the_run_one_that_was_seen_running_counts_by_its_id() -> None:
    def named(state: State) -> Snapshot:
        return Snapshot(state, run=RunId("a", NOW - 40, opaque=True), start=NOW - 40)

    record = listed(named(State.RUNNING), fresh("dli"))
    ended = Snapshot(State.SUCCEEDED, run=RunId("a", opaque=True))

    assert polled(record, ended, ended).runs == (1, 0, 0)
    assert polled(fresh("dli"), ended, ended).runs == (0, 0, 0)
