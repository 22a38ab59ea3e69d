"""What a record becomes over a sequence of answers."""

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.runs import transitions
from exporter.services.registry import load_services

ADAPTERS = load_services()
TASKS = {Measure("tasks", "active"): 3.0, Measure("tasks", "completed"): 4.0, Measure("subjobs", "running"): 1.0}


def after(service: str, *answers: Snapshot | Reason) -> Record:
    record = Record(Job(JobKey(service, "j"), "p", {"job_id": "1"}))
    for at, answer in enumerate(answers, start=100):
        if isinstance(answer, Reason):
            record = transitions.failed(record, Fault(answer, at, "no"))
        else:
            record = transitions.worked(record, answer, at, ADAPTERS[service])
    return record


def seen(state: State, run: str = "1", **fields: object) -> Snapshot:
    return Snapshot(state, run=RunId(run), **fields)  # type: ignore[arg-type]


RUNNING, SUCCEEDED, FAILED = seen(State.RUNNING), seen(State.SUCCEEDED), seen(State.FAILED)


def test_a_run_that_ended_before_the_first_poll_is_not_counted() -> None:
    assert after("cdm", SUCCEEDED, SUCCEEDED).runs == (0, 0, 0)


def test_a_run_that_had_ended_at_first_sight_counts_if_it_lives_after_all_unless_that_end_was_its_last_word() -> None:
    assert after("dli", SUCCEEDED, RUNNING, FAILED, FAILED).runs == (0, 1, 0)
    assert after("dli", SUCCEEDED, SUCCEEDED, RUNNING, FAILED, FAILED).runs == (0, 0, 0)
    assert after("cdm", SUCCEEDED, RUNNING, SUCCEEDED).runs == (0, 0, 0)


def test_a_run_is_counted_once_when_it_is_first_seen_ended() -> None:
    assert after("cdm", RUNNING, SUCCEEDED, SUCCEEDED).runs == (1, 0, 0)
    assert after("cdm", RUNNING, SUCCEEDED, RUNNING, SUCCEEDED).runs == (1, 0, 0)


def test_the_next_run_is_counted_though_it_was_never_seen_running() -> None:
    assert after("cdm", SUCCEEDED, seen(State.FAILED, "2"), seen(State.CANCELLED, "3")).runs == (0, 1, 1)
    assert after("cdm", Snapshot(State.PENDING), SUCCEEDED).runs == (1, 0, 0)


def test_a_run_without_a_name_is_counted_when_its_state_turns() -> None:
    nameless = Snapshot(State.SUCCEEDED)

    assert after("cdm", Snapshot(State.RUNNING), nameless, nameless).runs == (1, 0, 0)
    assert after("cdm", nameless, nameless).runs == (0, 0, 0)


def test_last_success_is_the_vendors_end_else_the_poll_that_saw_it_turn() -> None:
    assert after("cdm", RUNNING, seen(State.SUCCEEDED, end=55.0)).last_success == 55
    assert after("dws", RUNNING, SUCCEEDED, SUCCEEDED).last_success == 101
    assert after("dws", SUCCEEDED, SUCCEEDED).last_success is None
    assert after("cdm", seen(State.SUCCEEDED, end=55.0)).last_success == 55


@pytest.mark.parametrize("then", [State.RUNNING, State.FAILED])
def test_a_success_that_the_next_answer_takes_back_is_no_last_success(then: State) -> None:
    assert after("dli", RUNNING, SUCCEEDED, seen(then)).last_success is None
    assert after("dli", RUNNING, seen(State.SUCCEEDED, start=5.0, end=55.0), seen(then)).last_run_duration is None


def test_a_failure_never_moves_the_last_success() -> None:
    done = seen(State.SUCCEEDED, end=55.0)

    assert after("cdm", RUNNING, done, seen(State.FAILED, "2", end=90.0), Reason.TIMEOUT).last_success == 55


def test_last_failure_is_the_vendors_end_else_the_poll_that_saw_it_turn() -> None:
    assert after("cdm", RUNNING, seen(State.FAILED, end=55.0)).last_failure == 55
    assert after("dws", RUNNING, FAILED, FAILED).last_failure == 101
    assert after("dws", FAILED, FAILED).last_failure is None
    assert after("cdm", seen(State.FAILED, end=55.0)).last_failure == 55


@pytest.mark.parametrize("then", [State.RUNNING, State.SUCCEEDED])
def test_a_failure_that_the_next_answer_takes_back_is_no_last_failure(then: State) -> None:
    assert after("dli", RUNNING, FAILED, seen(then)).last_failure is None


@pytest.mark.parametrize("state", [State.SUCCEEDED, State.CANCELLED])
def test_no_other_end_and_no_failed_poll_moves_the_last_failure(state: State) -> None:
    broke = seen(State.FAILED, end=55.0)

    assert after("cdm", RUNNING, broke, seen(state, "2", end=90.0), Reason.TIMEOUT).last_failure == 55
    assert after("cdm", RUNNING, seen(state, end=55.0), Reason.TIMEOUT).last_failure is None


def test_a_failure_of_the_next_run_of_a_name_moves_the_last_failure() -> None:
    """Also of a run that failed before it was ever seen: the run before it was known."""
    record = after("dws", RUNNING, FAILED, FAILED)
    record = transitions.next_run(record, Job(JobKey("dws", "j"), "p", {}), 2)
    for at in (200, 230):
        record = transitions.worked(record, seen(State.FAILED, "2"), at, ADAPTERS["dws"])

    assert record.last_failure == 200


def test_the_duration_is_of_the_last_run_that_ended_by_the_vendors_times_alone() -> None:
    done = seen(State.SUCCEEDED, start=10.0, end=55.0)

    assert after("cdm", done, seen(State.RUNNING, "2", start=60.0)).last_run_duration == 45
    assert after("cdm", done, seen(State.FAILED, "2")).last_run_duration is None
    assert after("cdm", seen(State.SUCCEEDED, start=56.0, end=55.0)).last_run_duration is None


@pytest.mark.parametrize(
    ("start", "end", "seconds"),
    [
        (1709597421.123, 1709597641.849, "220.726"),
        (1709597421.1, 1709597421.2, "0.1"),
        (1709597400.0, 1709597400.097, "0.097"),
        (1709597421.0, 1709597481.0, "60.0"),
    ],
)
def test_a_duration_is_in_whole_milliseconds_as_a_person_would_write_it(start: float, end: float, seconds: str) -> None:
    assert repr(after("cdm", RUNNING, seen(State.SUCCEEDED, start=start, end=end)).last_run_duration) == seconds


def test_dli_keeps_the_counts_last_seen_when_the_run_ends_but_none_that_live() -> None:
    running = replace(RUNNING, counts=TASKS, progress=0.5)

    assert after("dli", running, RUNNING, FAILED).snapshot == replace(
        FAILED, counts={Measure("tasks", "completed"): 4.0}
    )


def test_while_dli_runs_an_answer_without_subjobs_shows_no_counts() -> None:
    assert not after("dli", replace(RUNNING, counts=TASKS), RUNNING).snapshot.counts  # type: ignore[union-attr]


def test_counts_of_an_earlier_run_are_not_shown_for_the_next() -> None:
    record = after("dli", replace(RUNNING, counts=TASKS), seen(State.FAILED, "2"))

    assert record.snapshot is not None
    assert record.snapshot.counts == {}


def test_cdm_does_not_carry_counts_over() -> None:
    record = after("cdm", replace(RUNNING, counts={Measure("rows_read"): 3.0}), FAILED)

    assert record.snapshot is not None
    assert record.snapshot.counts == {}


def test_progress_is_a_change_of_state_progress_or_a_count() -> None:
    half = replace(RUNNING, progress=0.5)

    assert after("cdm", half, half, half).last_progress == 100
    assert after("cdm", half, replace(half, progress=0.6), RUNNING, replace(half, progress=0.6)).last_progress == 101
    assert after("cdm", half, replace(half, counts={Measure("rows_read"): 1.0})).last_progress == 101
    assert after("cdm", half, seen(State.RUNNING, "2", progress=0.5)).last_progress == 101
    assert after("cdm", half, Reason.TIMEOUT, half).last_progress == 100


def test_the_name_of_a_run_becoming_known_is_no_progress() -> None:
    unnamed = Snapshot(State.RUNNING, run=RunId("", 5.0), progress=0.5)

    assert after("cdm", unnamed, replace(unnamed, run=RunId("7", 5.0))).last_progress == 100


def test_a_run_without_a_name_progresses_only_when_something_moves() -> None:
    half = Snapshot(State.RUNNING, progress=0.5, counts={Measure("rows_read"): 4.0})
    other = replace(half, detail={"external_id": "x"})

    assert after("cdm", half, other, half).last_progress == 100
    assert after("cdm", half, replace(half, progress=0.6)).last_progress == 101


def test_a_run_is_final_once_its_end_was_seen_twice_and_only_where_it_cannot_run_again() -> None:
    assert not after("dli", RUNNING, SUCCEEDED).final
    assert not after("dli", FAILED, SUCCEEDED).final
    assert after("dws", SUCCEEDED, SUCCEEDED).final
    assert after("dli", SUCCEEDED, Reason.TIMEOUT, SUCCEEDED).final
    assert not after("cdm", SUCCEEDED, SUCCEEDED).final


def test_a_failed_poll_keeps_the_values_and_the_time_of_the_last_that_worked() -> None:
    record = after("cdm", RUNNING, Reason.TIMEOUT, Reason.TIMEOUT, Reason.AUTH)

    assert (record.up, record.polled_at, record.snapshot) == (False, 100, RUNNING)
    assert record.failures == {Reason.TIMEOUT: 2, Reason.AUTH: 1}
    assert record.failing == 3


def test_a_poll_that_works_again_ends_the_failure_but_not_its_count() -> None:
    record = after("cdm", Reason.TIMEOUT, RUNNING)

    assert (record.up, record.fault, record.failing, record.failures) == (True, None, 0, {Reason.TIMEOUT: 1})


def test_an_aged_record_shows_nothing_of_the_run_until_a_poll_works() -> None:
    record = transitions.aged(after("cdm", RUNNING, Reason.TIMEOUT))

    assert (record.up, record.shown, record.polled_at) == (False, None, 100)
    assert transitions.worked(record, RUNNING, 900, ADAPTERS["cdm"]).shown == RUNNING


def test_a_final_record_does_not_age() -> None:
    record = after("dli", SUCCEEDED, SUCCEEDED)

    assert transitions.aged(record) is record


def test_a_final_run_is_counted_when_its_end_is_confirmed() -> None:
    assert after("dli", RUNNING, FAILED).runs == (0, 0, 0)
    assert after("dli", RUNNING, FAILED, FAILED).runs == (0, 1, 0)


def test_an_end_that_was_told_once_counts_when_the_cloud_forgets_the_run() -> None:
    assert after("dli", RUNNING, SUCCEEDED, Reason.TIMEOUT).runs == (0, 0, 0)
    assert after("dli", RUNNING, SUCCEEDED, Reason.NOT_FOUND, Reason.NOT_FOUND).runs == (1, 0, 0)
    assert after("dli", SUCCEEDED, Reason.NOT_FOUND).runs == (0, 0, 0)


def test_a_run_that_lives_again_is_counted_by_its_real_end() -> None:
    assert after("dli", RUNNING, FAILED, RUNNING, SUCCEEDED, SUCCEEDED).runs == (1, 0, 0)
    assert after("dli", FAILED, RUNNING, SUCCEEDED, SUCCEEDED).runs == (1, 0, 0)


def test_an_older_run_that_comes_back_is_none_to_count_and_moves_no_success() -> None:
    first, second = (Snapshot(State.SUCCEEDED, run=RunId(str(n), float(n)), end=n + 0.5) for n in (1, 2))
    record = after("cdm", first, replace(second, state=State.RUNNING), second, first, second, first)

    assert record.runs == (1, 0, 0)
    assert record.last_success == 2.5


def test_a_run_that_ended_does_not_live_again_by_a_copy_of_the_data_that_is_behind() -> None:
    done, behind = seen(State.FAILED, end=60.0), seen(State.RUNNING, updated=55.0)
    record = after("cdm", replace(behind, updated=50.0), done, behind)
    assert record.shown is not None
    assert (record.shown.state, record.runs, record.up) == (State.FAILED, (0, 1, 0), True)

    for later in (replace(behind, updated=65.0), replace(behind, updated=None)):
        record = after("cdm", behind, done, later)
        assert record.shown is not None
        assert record.shown.state is State.RUNNING


def test_counts_of_different_answers_are_not_mixed() -> None:
    one = replace(RUNNING, counts={Measure("tasks", "failed"): 7.0, Measure("tasks_planned"): 100.0})
    two = replace(RUNNING, counts={Measure("tasks_planned"): 5.0})
    record = after("dli", one, two, SUCCEEDED)

    assert record.snapshot is not None
    assert record.snapshot.counts == {Measure("tasks_planned"): 5.0}


ANSWERS = st.builds(
    seen,
    st.sampled_from(State),
    st.sampled_from(["", "1", "2", "3"]),
    end=st.none() | st.floats(0, 99),
    progress=st.none() | st.floats(0, 1),
)


@given(
    st.lists(ANSWERS | st.sampled_from([Reason.TIMEOUT, Reason.AUTH]), max_size=12), st.sampled_from(sorted(ADAPTERS))
)
def test_whatever_comes_counters_never_fall_and_failures_move_no_success(
    answers: list[Snapshot | Reason], service: str
) -> None:
    before = after(service)
    for number in range(1, len(answers) + 1):
        now = after(service, *answers[:number])
        assert all(later >= earlier for earlier, later in zip(before.runs, now.runs, strict=True))
        assert sum(now.failures.values()) >= sum(before.failures.values())
        answer = answers[number - 1]
        last = before.ledger.succeeded
        if isinstance(answer, Reason) or not (
            answer.state is State.SUCCEEDED or (last is not None and last.same(answer.run))  # it may be taken back
        ):
            assert now.last_success == before.last_success
        before = now


@pytest.mark.parametrize("state", State)
def test_every_state_survives_a_first_poll(state: State, job: Callable[..., Job]) -> None:
    record = transitions.worked(Record(job("cdm")), Snapshot(state), 5, ADAPTERS["cdm"])

    assert record.up
    assert record.snapshot == Snapshot(state)


def test_operations_without_a_name_that_failed_one_after_the_other_count_each() -> None:
    """Of a cluster no answer tells which operation it is but its kind: the second one went by between two polls."""
    adapter = load_services()["dws"].of({"cluster_id": "c-1"})
    job = Job(JobKey("dws", "warehouse"), "p", {"cluster_id": "c-1"})
    record = transitions.registered(job, adapter)
    for at, task in enumerate(("GROWING", "RESIZE_FAILURE", "ELB_SWITCHING_FAILED", "ELB_SWITCHING_FAILED"), 100):
        body = b'{"cluster": {"id": "c-1", "status": "AVAILABLE", "task_status": "%s"}}' % task.encode()
        record = transitions.worked(record, adapter.parse(body, job, None), at, adapter)

    assert (record.runs, record.last_failure) == ((0, 2, 0), 102)


def test_a_run_whose_end_was_confirmed_counts_once_though_two_more_of_its_name_began_before_the_next_list() -> None:
    first = Snapshot(State.SUCCEEDED, run=RunId("a", opaque=True))
    record = after("dli", replace(first, state=State.RUNNING), first, first)
    rows = [
        Snapshot(State.SUCCEEDED, run=RunId(name, began, opaque=True), start=began, end=began + 1)
        for name, began in (("a", 90.0), ("b", 103.0), ("c", 105.0))
    ]
    record = transitions.listed_runs(record, rows, 80.0, 106.0, [], None)
    record = transitions.next_run(record, Job(JobKey("dli", "j"), "p", {"job_id": "c"}), 2)
    record = transitions.worked(record, replace(first, run=RunId("c", opaque=True)), 107, ADAPTERS["dli"])

    assert record.runs == (3, 0, 0)


@pytest.mark.parametrize(
    ("end", "journaled", "expected"),
    [
        pytest.param(30.0, False, 0, id="before the first look"),
        pytest.param(30.0, True, 1, id="while the exporter was down"),
        pytest.param(83.0, False, 1, id="during the first look"),
        pytest.param(90.0, False, 1, id="after the first look"),
        pytest.param(None, False, 1, id="nobody knows when"),
    ],
)
def test_a_run_that_ended_before_the_first_look_counts_not_though_only_a_later_list_shows_it(
    end: float | None, journaled: bool, expected: int
) -> None:
    """The rows of a list may move between two of its pages."""
    older, newer = (Snapshot(State.SUCCEEDED, run=RunId(name, opaque=True)) for name in "ab")
    record = Record(Job(JobKey("dli", "j"), "p", {"job_id": "a"}), journaled=journaled)
    for at in (100, 101):
        record = transitions.worked(record, older, at, ADAPTERS["dli"])
    record = transitions.next_run(record, Job(JobKey("dli", "j"), "p", {"job_id": "b"}), 2)
    rows = [
        replace(older, run=RunId("a", 10.0, opaque=True), start=10.0, end=11.0),
        replace(newer, run=RunId("b", 20.0, opaque=True), start=20.0, end=end),
    ]
    record = transitions.listed_runs(record, rows, 85.0, 106.0, [], 80.0)
    for at in (107, 108):
        record = transitions.worked(record, newer, at, ADAPTERS["dli"])

    assert record.ledger.runs == (expected, 0, 0)


def test_a_run_that_ended_before_the_first_look_counts_not_beside_one_that_goes_on() -> None:
    record = Record(Job(JobKey("dli", "j"), "p", {"job_id": "a"}))
    oldest = Snapshot(State.SUCCEEDED, run=RunId("a", opaque=True))
    for at in (100, 101):
        record = transitions.worked(record, oldest, at, ADAPTERS["dli"])
    rows = [
        Snapshot(State.SUCCEEDED, run=RunId("a", 10.0, opaque=True), start=10.0, end=11.0),
        Snapshot(State.RUNNING, run=RunId("b", 20.0, opaque=True), start=20.0),
        Snapshot(State.FAILED, run=RunId("c", 30.0, opaque=True), start=30.0, end=40.0),
    ]
    for _ in range(2):
        record = transitions.listed_runs(record, rows, 85.0, 106.0, [], 80.0)
    assert record.ledger.runs == (0, 0, 0)
    record = transitions.replaced(record, replace(rows[1], state=State.SUCCEEDED, end=110.0), 120.0)

    assert record.ledger.runs == (1, 0, 0)


def test_a_list_that_reports_the_same_runs_again_changes_nothing() -> None:
    """Else each reading would render each job."""
    record = Record(Job(JobKey("dli", "j"), "p", {"job_id": "b"}))
    newest = Snapshot(State.SUCCEEDED, run=RunId("b", opaque=True))
    for at in (100, 101):
        record = transitions.worked(record, newest, at, ADAPTERS["dli"])
    rows = [
        Snapshot(State.FAILED, run=RunId(name, began, opaque=True), start=began, end=began + 1)
        for name, began in (("a", 10.0), ("b", 20.0))
    ]
    record = transitions.listed_runs(record, rows, 85.0, 106.0, [], 80.0)

    assert transitions.listed_runs(record, rows, 85.0, 150.0, [], 80.0) is record


def test_the_last_end_is_that_of_the_run_itself_where_its_number_was_that_of_another() -> None:
    """Ids of DataArts tell no order, and those of a CDM cluster begin again: a journal keeps only what they are."""
    record = Record(Job(JobKey("dataarts", "j"), "p", {"job_name": "j"}))
    for number, created, state in ((12, 100.0, State.SUCCEEDED), (9, 200.0, State.FAILED)):
        for each in (State.RUNNING, state):
            end = None if each is State.RUNNING else created + 50
            answer = Snapshot(each, run=RunId(str(number), created, opaque=True), start=created, end=end)
            record = transitions.worked(record, answer, created + 60, ADAPTERS["dataarts"])
    kept = replace(record.ledger, ended=RunId("9", 200.0), succeeded=RunId("12", 100.0), failed=RunId("9", 200.0))
    record = transitions.resumed(Record(record.job), kept, kept, ADAPTERS["dataarts"])
    forced = Snapshot(State.SUCCEEDED, run=RunId("9", 200.0, opaque=True), start=200.0, end=250.0)

    assert transitions.worked(record, forced, 300, ADAPTERS["dataarts"]).ledger.last_success == 250


def test_an_end_that_nothing_confirms_was_seen_by_the_clock_of_the_cloud() -> None:
    record = transitions.worked(after("dli", RUNNING), SUCCEEDED, 105, ADAPTERS["dli"], cloud=405)

    assert transitions.next_run(record, Job(JobKey("dli", "j"), "p", {"job_id": "2"}), 2).last_success == 405


def test_an_end_that_was_not_confirmed_counts_once_though_the_next_run_of_its_name_never_answers() -> None:
    first = Snapshot(State.SUCCEEDED, run=RunId("a", opaque=True))
    record = Record(Job(JobKey("dli", "j"), "p", {"job_id": "a"}))
    for at, answer in enumerate((replace(first, state=State.RUNNING), first), 100):
        record = transitions.worked(record, answer, at, ADAPTERS["dli"])
    rows = [
        Snapshot(State.SUCCEEDED, run=RunId(name, began, opaque=True), start=began, end=began + 1)
        for name, began in (("a", 90.0), ("b", 103.0))
    ]
    record = transitions.next_run(record, Job(JobKey("dli", "j"), "p", {"job_id": "c"}), 2)
    record = transitions.listed_runs(record, rows, 80.0, 106.0, [], None)
    assert record.runs == (2, 0, 0)
    forgotten = transitions.failed(record, Fault(Reason.NOT_FOUND, 107, "no"))
    replaced = transitions.next_run(record, Job(JobKey("dli", "j"), "p", {"job_id": "d"}), 3)

    assert (forgotten.runs, replaced.runs) == ((2, 0, 0), (2, 0, 0))
