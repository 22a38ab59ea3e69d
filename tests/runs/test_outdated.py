"""Which answers are surely older than what is shown, to the second by which two answers may differ."""

from dataclasses import replace

import pytest

from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State
from exporter.runs import transitions
from exporter.runs.outdated import is_before, is_of_earlier_run, is_outdated, is_outdated_in_list
from exporter.services.registry import load_services

CDM = load_services()["cdm"]
NEW = Record(Job(JobKey("cdm", "j"), "p", {}))
RUN = RunId("2", 5.0)
ENDED = Snapshot(State.FAILED, run=RUN, start=10.0, end=60.0)
GOES_ON = Snapshot(State.RUNNING, run=RunId("3", 100.0), start=103.0)


def going_on(updated: float | None, start: float = 10.0, run: RunId = RUN) -> Snapshot:
    return Snapshot(State.RUNNING, run=run, start=start, updated=updated)


@pytest.mark.parametrize(
    ("answer", "outdated"),
    [
        (going_on(59.9), True),
        (going_on(60.0), False),
        (going_on(None), False),
        (going_on(55.0, run=RunId("3", 50.0)), False),
        (replace(ENDED, state=State.SUCCEEDED), False),
        (Snapshot(State.SUCCEEDED, run=RunId("1", 1.0), start=2.0, end=4.0), True),
        (Snapshot(State.SUCCEEDED, run=RunId("1", 70.0), start=72.0, end=74.0), False),
    ],
    ids=["before the end", "at the end", "at no time", "the next run", "another end", "a run before", "numbered anew"],
)
def test_an_own_answer_is_outdated_if_it_is_from_before_the_end_of_the_shown_run_or_about_a_run_before(
    answer: Snapshot, outdated: bool
) -> None:
    record = replace(NEW, snapshot=ENDED)

    assert is_outdated(record, answer) is outdated
    assert not is_outdated(replace(record, stale=True), answer)


@pytest.mark.parametrize(("end", "outdated"), [(98.9, True), (99.0, False), (None, False)])
def test_an_own_answer_is_outdated_if_its_run_was_over_before_the_one_of_a_list_began(
    end: float | None, outdated: bool
) -> None:
    record = replace(NEW, snapshot=ENDED, listed=Snapshot(State.RUNNING, start=100.0))

    assert is_outdated(record, Snapshot(State.SUCCEEDED, run=RunId("3", 70.0), start=72.0, end=end)) is outdated


@pytest.mark.parametrize(
    ("run", "outdated"),
    [
        (RunId("200", 5.0, opaque=True), True),
        (RunId("300", 90.0, opaque=True), False),
        (RunId("301", 95.0, opaque=True), False),
        (RunId("200", 95.0, opaque=True), False),
        (RunId("200"), False),
    ],
)
def test_an_own_answer_is_outdated_if_its_run_came_before_the_one_that_a_list_reported_since(
    run: RunId, outdated: bool
) -> None:
    before = Snapshot(State.RUNNING, run=RunId("200", 5.0, opaque=True), start=5.0)
    record = replace(NEW, snapshot=before, listed=Snapshot(State.RUNNING, run=RunId("300", 90.0, opaque=True)))

    assert is_outdated(record, Snapshot(State.RUNNING, run=run, start=5.0)) is outdated
    assert is_outdated(record, before)  # the same answer once more


def test_a_poll_whose_answer_is_outdated_worked() -> None:
    before = Snapshot(State.RUNNING, run=RunId("200", 5.0, opaque=True), start=5.0)
    record = transitions.failed(transitions.worked(NEW, before, 50.0, CDM), Fault(Reason.TIMEOUT, 80.0, "no"))
    record = replace(record, listed=Snapshot(State.RUNNING, run=RunId("300", 90.0, opaque=True)))

    record = transitions.worked(record, before, 100.0, CDM)

    assert (record.up, record.fault, record.failing) == (True, None, 0)
    assert (record.polled_at, record.answered_at) == (50.0, 50.0)


@pytest.mark.parametrize(
    ("answer", "listed", "before"),
    [
        ((10.0, 60.0), (60.0, 90.0), True),
        ((10.0, 60.0), (61.0, 90.0), True),
        ((10.0, 60.0), (61.1, None), True),
        ((10.0, 60.0), (61.0, None), False),
        ((10.0, 60.0), (58.9, 90.0), False),
        ((10.0, 60.0), (60.0, 61.0), False),
        ((60.0, 60.5), (61.0, 90.0), False),
        ((None, 60.0), (61.0, 90.0), False),
    ],
    ids=["at once", "a second later", "more", "goes on", "overlap", "one end", "one start", "no start"],
)
def test_a_run_was_before_the_one_of_a_list_if_that_began_a_second_after_its_end_or_if_all_times_differ(
    answer: tuple[float | None, float], listed: tuple[float, float | None], before: bool
) -> None:
    ended = Snapshot(State.SUCCEEDED, run=RunId("3", 70.0), start=answer[0], end=answer[1])

    assert is_before(ended, Snapshot(State.SUCCEEDED, start=listed[0], end=listed[1])) is before


def test_the_runs_that_were_known_before_a_restart_are_compared_as_long_as_none_is_shown() -> None:
    answer = Snapshot(State.SUCCEEDED, run=RunId("3", 70.0))
    for ledger in (
        replace(NEW.ledger, floor=RunId("4", 80.0)),
        replace(NEW.ledger, floor=RUN, beyond=(RunId("4", 80.0),)),
    ):
        assert is_outdated(replace(NEW, ledger=ledger), answer)
        assert not is_outdated(replace(NEW, ledger=ledger, snapshot=ENDED), answer)


@pytest.mark.parametrize(
    ("known", "answer", "outdated"),
    [
        (ENDED, going_on(58.9, start=11.0, run=RunId()), True),
        (ENDED, going_on(59.0, start=11.0, run=RunId()), False),
        (ENDED, going_on(None, run=RunId()), False),
        (ENDED, going_on(40.0, start=11.1, run=RunId()), False),
        (ENDED, going_on(40.0), False),
        (ENDED, Snapshot(State.FAILED, start=10.0, end=60.0), False),
        (ENDED, Snapshot(State.PENDING), False),
        (GOES_ON, Snapshot(State.SUCCEEDED, start=10.0, end=98.9), True),
        (GOES_ON, Snapshot(State.SUCCEEDED, start=10.0, end=99.0), False),
        (GOES_ON, Snapshot(State.SUCCEEDED, start=10.0, end=110.0), False),
        (GOES_ON, Snapshot(State.RUNNING, start=103.0), False),
    ],
    ids=[
        "before the end",
        "perhaps at the end",
        "at no time",
        "another run",
        "a run with an id",
        "the same end",
        "without times",
        "over before the shown run was created",
        "perhaps over then",
        "over later",
        "the shown run",
    ],
)
def test_an_answer_of_a_list_is_outdated_if_its_run_or_what_it_says_of_it_was_over_before(
    known: Snapshot, answer: Snapshot, outdated: bool
) -> None:
    record = replace(NEW, snapshot=known)

    assert is_outdated_in_list(record, answer) is outdated
    assert not is_outdated_in_list(replace(record, stale=True), answer)
    assert not is_outdated_in_list(NEW, answer)


def test_what_was_known_before_of_the_shown_run_alone_is_compared_where_its_answer_tells_less() -> None:
    record = replace(NEW, snapshot=replace(ENDED, run=RunId("2")))
    answer = Snapshot(State.SUCCEEDED, run=RunId("1", 70.0))
    same, another = (replace(NEW.ledger, floor=RunId(number, 80.0)) for number in ("2", "4"))

    assert is_outdated(replace(record, ledger=same), answer)
    assert not is_outdated(replace(record, ledger=another), answer)


def opaque(number: str, created: float | None) -> RunId:
    return RunId(number, created, opaque=True)


@pytest.mark.parametrize(
    ("run", "outdated"),
    [
        (opaque("8", 99.0), True),
        (opaque("8", 101.0), False),
        (opaque("10", 99.0), False),
        (opaque("8", None), False),
        (opaque("a", 99.0), False),
        (opaque("9", 99.0), False),
        (opaque("", 99.0), False),
    ],
    ids=["before", "created later", "a higher number", "no creation", "no number", "the same", "no id"],
)
def test_where_ids_have_no_order_a_run_was_before_if_its_number_and_its_creation_are_lower(
    run: RunId, outdated: bool
) -> None:
    record = replace(NEW, snapshot=Snapshot(State.RUNNING, run=opaque("9", 100.0)))
    for state in (State.RUNNING, State.FAILED, State.PENDING):
        assert is_outdated(record, Snapshot(state, run=run)) is outdated
        assert is_outdated(
            replace(NEW, ledger=replace(NEW.ledger, floor=RunId("9", 100.0))), Snapshot(state, run=run)
        ) is (outdated)
    assert is_outdated_in_list(record, Snapshot(State.RUNNING, run=run)) is outdated
    assert not is_outdated_in_list(record, Snapshot(State.FAILED, run=run))  # its end may count
    assert not is_outdated_in_list(replace(record, stale=True), Snapshot(State.RUNNING, run=run))


@pytest.mark.parametrize(
    ("begun", "outdated"), [(98.9, True), (99.0, True), (99.1, False), (100.0, False), (101.0, False)]
)
def test_where_runs_have_no_ids_one_that_began_a_second_before_the_known_one_was_before(
    begun: float, outdated: bool
) -> None:
    record = replace(NEW, snapshot=Snapshot(State.SUCCEEDED, run=opaque("", 100.0)))
    for state in (State.RUNNING, State.FAILED):
        assert is_outdated(record, Snapshot(state, run=opaque("", begun))) is outdated
    assert is_outdated_in_list(record, Snapshot(State.RUNNING, run=opaque("", begun))) is outdated
    assert not is_outdated(
        replace(NEW, snapshot=Snapshot(State.RUNNING, run=RunId("", 100.0))),
        Snapshot(State.RUNNING, run=RunId("", begun)),
    )  # a service that has ids tells too little here


def test_the_run_that_the_job_names_is_never_outdated() -> None:
    job = Job(JobKey("dli", "j"), "p", {"job_id": "8"})
    record = replace(NEW, job=job, ledger=replace(NEW.ledger, floor=RunId("9", 100.0)))

    assert not is_outdated(record, Snapshot(State.RUNNING, run=opaque("8", 50.0)))


@pytest.mark.parametrize(
    ("own", "start", "end", "earlier"),
    [
        (Snapshot(State.RUNNING), 1050.0, 1094.9, True),
        (Snapshot(State.RUNNING), 1050.0, 1095.0, False),
        (Snapshot(State.RUNNING), 1050.0, None, False),
        (Snapshot(State.RUNNING), 1034.9, None, True),
        (Snapshot(State.RUNNING), 1035.0, None, False),
        (Snapshot(State.SUCCEEDED), 1050.0, 1060.0, False),
        (Snapshot(State.SUCCEEDED), 1034.0, 1060.0, True),
        (Snapshot(State.RUNNING, run=RunId("", 1040.0, opaque=True)), 1034.0, 1036.0, False),
    ],
)
def test_a_row_is_about_an_earlier_run_if_it_ended_before_the_own_answer_or_began_before_the_wait(
    own: Snapshot, start: float, end: float | None, earlier: bool
) -> None:
    """The cloud's clock is 1,000 s ahead of the one that never jumps, and five seconds are left for clocks."""
    record = replace(NEW, snapshot=own, answered_at=100.0, waited_at=40.0)
    state = State.RUNNING if end is None else State.FAILED
    row = Snapshot(state, run=RunId("", start, opaque=True), start=start, end=end)

    assert is_of_earlier_run(record, row, 1000.0) is earlier
    assert not is_of_earlier_run(replace(record, stale=True), row, 1000.0)
