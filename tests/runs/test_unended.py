"""Runs that newer ones followed before their end was seen."""

from dataclasses import replace

from exporter.model.record import Record
from exporter.model.snapshot import State
from exporter.runs import accounting, unended
from tests.runs.test_accounting import after, run


def incomplete(record: Record) -> bool:
    assert record.snapshot is not None
    return accounting.incomplete(record.ledger, record.snapshot.run)


def test_a_run_that_was_seen_and_that_the_history_lacks_is_lost_once() -> None:
    record = after(run(5, State.RUNNING), run(7, State.RUNNING))
    for _ in range(3):
        record = after([run(7, State.RUNNING), run(6), run(4)], record=record)
        assert (record.ledger.lost, record.ledger.open) == (1, (run(7).run,))
    assert record.runs == (1, 0, 0)


def test_a_run_whose_end_the_history_does_not_tell_yet_is_read_for_again() -> None:
    record = after(run(5, State.RUNNING), run(6, State.RUNNING), [run(6, State.RUNNING), run(5, State.RUNNING)])
    assert incomplete(record)

    record = after(run(6, rows=1), [run(6, rows=1), run(5, rows=2)], record=record)
    assert not incomplete(record)
    assert (record.runs, record.ledger.lost, record.ledger.unended) == ((2, 0, 0), 0, ())


def test_a_run_that_never_tells_its_end_is_read_for_so_often_and_then_lost() -> None:
    for history in ([run(6, rows=1), run(5, State.UNKNOWN)], []):
        record = after(run(5, State.RUNNING), run(6, rows=1))
        for _ in range(unended.READINGS - 1):
            record = after(history, record=record)
            assert incomplete(record)
            assert record.ledger.lost == 0
        record = after(history, history, record=record)

        assert record.ledger.open == ()
        assert record.ledger.lost == 1


def test_the_newest_run_may_take_as_long_as_it_likes() -> None:
    record = after(run(5, State.RUNNING), run(7, State.RUNNING))
    record = after(*[[run(7, State.RUNNING), run(6), run(5)]] * (2 * unended.READINGS), record=record)

    assert record.ledger.open == (run(7).run,)
    assert record.ledger.lost == 0


def test_of_a_history_in_which_no_run_ends_few_are_remembered() -> None:
    many = 3 * accounting.KEPT
    record = after(run(1, State.RUNNING), run(many, State.RUNNING))
    record = after([run(number, State.UNKNOWN) for number in range(many, 0, -1)], record=record)

    assert len(record.ledger.open) == accounting.KEPT
    assert run(many).run in record.ledger.open
    assert record.ledger.lost == many - accounting.KEPT
    assert after([replace(run(many - 1), state=State.FAILED)], record=record).runs == (0, 1, 0)
