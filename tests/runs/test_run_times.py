"""How long runs took, over all runs: each once, and only what the vendor tells."""

from collections.abc import Sequence
from dataclasses import replace

import pytest

from exporter.metrics.store import JobStore
from exporter.model.job import Job, JobKey
from exporter.model.record import Record
from exporter.model.run import UNTIMED, Ledger, RunId, RunTimes
from exporter.model.snapshot import Snapshot, State
from exporter.runs import transitions
from exporter.services import registry
from exporter.services.registry import load_services

ADAPTERS = load_services()
BOUNDS = (60.0, 600.0)


def run(number: int, state: State = State.SUCCEEDED, took: float | None = None) -> Snapshot:
    start = 1000.0 * number
    return Snapshot(
        state, run=RunId(str(10 * number), start - 5), start=start, end=None if took is None else start + took
    )


def after(*answers: Snapshot | Sequence[Snapshot], service: str = "cdm", bounds: tuple[float, ...] = ()) -> Record:
    """Return the record after polls, and after histories where a list stands."""
    record = transitions.registered(Job(JobKey(service, "j"), "p", {"job_id": "10"}), ADAPTERS[service], bounds=bounds)
    for at, answer in enumerate(answers, start=100_000):
        if isinstance(answer, Snapshot):
            record = transitions.worked(record, answer, at, ADAPTERS[service])
        else:
            record = transitions.looked_back(record, answer, at)
    return record


def test_each_run_that_counts_is_timed_once_by_its_result() -> None:
    record = after(run(1, State.RUNNING), run(1, took=0.1), run(1, took=0.1), run(2, State.FAILED, 7), run(3, took=0.2))

    assert record.runs == (2, 1, 0)
    assert record.took == (RunTimes(2, 300), RunTimes(1, 7000), RunTimes())


def test_a_run_that_had_ended_at_first_sight_is_not_timed() -> None:
    assert after(run(1, took=5), run(1, took=5)).took == UNTIMED


def test_a_run_whose_end_is_told_later_is_timed_then_and_no_other_for_it() -> None:
    seen = [run(1, State.RUNNING), run(1), run(2, State.RUNNING)]

    assert after(*seen).took == UNTIMED
    assert after(*seen, [run(2, State.RUNNING), run(1, took=30)], [run(1, took=40)]).took[0] == RunTimes(1, 30_000)


def test_a_time_that_moves_after_the_end_changes_nothing() -> None:
    """Somebody edits the job, and its last update is of then."""
    assert after(run(1, State.RUNNING), run(1, took=30), run(1, took=5400)).took[0] == RunTimes(1, 30_000)


def test_a_run_without_a_name_is_timed_by_no_other_one() -> None:
    first, second = Snapshot(State.SUCCEEDED, start=None), Snapshot(State.SUCCEEDED, start=50.0, end=80.0)
    live = Snapshot(State.RUNNING)
    record = after(live, first, live, second)

    assert sum(each.runs for each in record.took) <= record.runs[0]
    assert record.took[0].milliseconds in {0, 30_000}


def test_where_an_end_has_to_be_confirmed_it_is_timed_once_it_is() -> None:
    ends = Snapshot(State.SUCCEEDED, run=RunId("10", opaque=True), start=10.0, end=40.0)
    live = replace(ends, state=State.RUNNING, end=None)

    assert after(live, ends, service="dli").took == UNTIMED
    assert after(live, ends, ends, service="dli").took[0] == RunTimes(1, 30_000)


@pytest.mark.parametrize(("took", "buckets"), [(59.9, (1, 1)), (60.0, (1, 1)), (60.001, (0, 1)), (601.0, (0, 0))])
def test_a_bucket_holds_what_took_no_longer_than_its_bound(took: float, buckets: tuple[int, ...]) -> None:
    (times, *_) = after(run(1, State.RUNNING), run(1, took=took), bounds=BOUNDS).took

    assert times == RunTimes(1, round(1000 * took), buckets)


def test_other_bounds_begin_anew_and_all_else_stays() -> None:
    store = JobStore(10**6, registry.declared())
    store.put(after(run(1, State.RUNNING), run(1, took=30), run(2)))
    store.show(bounds=BOUNDS)
    (record,) = store.records()

    assert (record.runs, record.took) == ((2, 0, 0), UNTIMED)
    record = transitions.worked(record, run(3, took=100), 200_000, ADAPTERS["cdm"])
    assert (record.runs[0], record.took[0]) == (3, RunTimes(1, 100_000, (0, 1)))


def test_a_journal_of_other_bounds_keeps_the_runs_and_times_anew() -> None:
    kept = Ledger(runs=(3, 0, 0), took=(RunTimes(3, 9, (1,)), RunTimes(), RunTimes()), bounds=(1.0,))
    fresh = transitions.registered(Job(JobKey("cdm", "j"), "p", {}), ADAPTERS["cdm"], bounds=BOUNDS)
    record = transitions.resumed(fresh, kept, kept, ADAPTERS["cdm"])

    assert (record.runs, record.took, record.ledger.bounds) == ((3, 0, 0), UNTIMED, BOUNDS)
    same = transitions.registered(Job(JobKey("cdm", "j"), "p", {}), ADAPTERS["cdm"], bounds=(1.0,))
    assert transitions.resumed(same, kept, kept, ADAPTERS["cdm"]).took == kept.took


def test_what_a_run_waited_is_known_where_both_times_are_told() -> None:
    assert run(1).waited == 5
    assert Snapshot(State.RUNNING, run=RunId("1", 7.0), start=7.0).waited is None, "the creation told as the start"
    assert Snapshot(State.RUNNING, run=RunId("1", 7.0)).waited is None
    assert Snapshot(State.RUNNING, run=RunId("1"), start=7.0).waited is None
