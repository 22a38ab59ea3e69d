"""Runs that the history reports after newer ones were counted."""

from collections.abc import Sequence
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from exporter.model.record import Record
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.runs import accounting, journal_format, late_runs, transitions
from tests.known import examples
from tests.runs.test_accounting import CDM, ROWS, after, once, run


def told(number: int, state: State = State.SUCCEEDED) -> Snapshot:
    """Return a run of a cluster that runs one job: numbers follow each other."""
    return Snapshot(state, run=RunId(str(number), 1000.0 * number), counts={Measure(ROWS): 2.0**number})


def history(*numbers: int) -> list[Snapshot]:
    return [told(number) for number in numbers]


def reads(record: Record) -> bool:
    assert record.snapshot is not None
    return accounting.gap(record.ledger, record.snapshot.run)


GAP = after(told(10), told(12), history(12, 10))
"""Of run 11 nothing was reported yet."""


def test_it_is_counted_once_when_the_next_run_is_seen() -> None:
    assert not reads(GAP)
    record = after(told(13), record=GAP)
    assert reads(record)

    record = after(history(13, 12, 11, 10), record=record)
    assert not reads(record)
    for _ in range(2):
        record = after(told(14), history(14, 13, 12, 11, 10), record=record)
        assert (record.runs, record.totals[ROWS]) == ((4, 0, 0), 2**11 + 2**12 + 2**13 + 2**14)


def test_a_skipped_number_may_be_a_run_of_another_job_and_is_not_reported_as_missed() -> None:
    record = after(told(13), history(13, 12, 10), told(14), told(15), record=GAP)

    assert (record.runs, record.ledger.lost) == ((4, 0, 0), 0)
    assert not reads(record)


def test_it_is_counted_by_its_end_if_it_still_runs() -> None:
    late = told(11, State.RUNNING)
    record = after(told(13), [told(13), told(12), late, told(10)], record=GAP)
    assert (record.runs, record.ledger.open) == ((2, 0, 0), (late.run,))

    record = after(history(13, 12, 11, 10), record=record)
    assert (record.runs, record.ledger.open) == ((3, 0, 0), ())


def test_it_is_counted_if_the_own_answer_of_the_job_tells_it_too() -> None:
    record = after(replace(told(12), others=(told(11),)), told(12), record=GAP)
    assert record.runs == (2, 0, 0)

    record = after(told(11), told(12), history(12, 11, 10), record=GAP)
    assert record.runs == (2, 0, 0)
    assert record.snapshot is not None
    assert record.snapshot.run == told(12).run


def test_it_does_not_become_the_last_run() -> None:
    record = after(replace(told(10), end=10_500.0), replace(told(12), end=12_500.0), history(12, 10))
    record = after(told(13, State.RUNNING), [replace(told(11), end=11_500.0)], record=record)

    assert (record.runs, record.last_success, record.ledger.ended) == ((2, 0, 0), 12_500, told(12).run)


def test_a_run_that_is_known_or_may_be_is_not_counted_as_a_late_one() -> None:
    for other in (told(10), told(12), told(9), replace(told(11), run=RunId("11", 12_500.0))):
        assert after(told(13), [told(13), other], record=GAP).runs == (2, 0, 0)
    for name in (RunId("11"), RunId("", 11_000.0)):
        record = after(told(10), replace(told(11), run=name), told(12), history(12, 11, 10), told(13), history(11))
        assert record.runs == (3, 0, 0)


def test_a_run_that_was_reported_as_missed_is_not_counted_too() -> None:
    seen = after(told(10), told(11, State.RUNNING), told(12), history(12, 10))
    assert seen.ledger.lost == 1
    assert after(told(13), history(13, 12, 11, 10), record=seen).runs == (2, 0, 0)

    cut = transitions.looked_back(after(told(10), told(12)), history(12, 10), 100, whole=False)
    assert after(told(13), history(13, 12, 11, 10), record=cut).runs == (2, 0, 0)


def test_a_restart_with_a_journal_changes_nothing() -> None:
    entry = journal_format.JournalEntry.of(GAP.job, GAP.ledger)
    (read,) = journal_format.read_journal(b"".join(journal_format.written([entry])))
    assert read.ledger.lately == GAP.ledger.lately != ()

    resumed = transitions.resumed(transitions.registered(GAP.job, CDM), read.ledger, read.ledger, CDM)
    assert after(told(13), history(13, 12, 11, 10), record=resumed).ledger.runs == (3, 0, 0)


def test_of_a_job_whose_numbers_follow_each_other_nothing_is_remembered_and_of_others_little() -> None:
    record = after(*history(*range(1, 20)))
    assert record.ledger.lately == ()

    for number in range(20, 200, 3):
        record = after(told(number), history(number, number - 3), record=record)
    assert len(record.ledger.lately) == late_runs.LATELY_KEPT


@given(reported=st.lists(st.sets(st.integers(2, 8)), min_size=8, max_size=8), seen=st.sets(st.integers(2, 8)))
@examples(20)
def test_each_run_counts_exactly_once_however_late_the_history_reports_it(
    reported: Sequence[set[int]], seen: set[int]
) -> None:
    """Of a cluster with other jobs, whose runs have the numbers between."""
    record = after(run(1))
    for number, earlier in zip((*sorted(seen), 9), reported, strict=False):
        there = sorted({each for each in earlier if each < number} | {number}, reverse=True)
        record = after(run(number, rows=100**number), [run(each, rows=100**each) for each in there], record=record)
        assert once(record.totals[ROWS])
    record = after([run(each, rows=100**each) for each in range(9, 0, -1)], record=record)
    assert (record.runs, record.totals[ROWS]) == ((8, 0, 0), sum(100**each for each in range(2, 10)))
