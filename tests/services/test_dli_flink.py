"""A Flink job: every sample becomes what it says, and an odd body says no more than it does."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.model.run import NAMELESS, RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.runs import transitions
from exporter.services import error_classes
from exporter.services.listing import ListedJob, Lister, ListQuery, Location
from exporter.services.page_cursor import PageStart
from exporter.services.registry import load_services

ADAPTER = load_services()["dli_flink"]
JOB = Job(JobKey("dli_flink", "clicks"), "prod", {"job_id": "50322"})
BEGUN = 1_760_993_100
RESTARTS, STREAMING = Measure("restarts"), Measure("streaming")


def lister() -> Lister[Any]:
    assert ADAPTER.lists is not None
    return ADAPTER.lists


def read(body: object, job: Job = JOB) -> Snapshot:
    return ADAPTER.parse(body if isinstance(body, bytes) else json.dumps(body).encode(), job, None)


def flink(**fields: object) -> dict[str, object]:
    told: dict[str, object] = {"job_id": 50322, "status": "job_running", "start_time": BEGUN * 1000}
    return told | {"create_time": 1760993000000, "restart_times": 3} | fields


def shown(**fields: object) -> dict[str, object]:
    return {"is_success": "true", "message": "", "job_detail": flink(**fields)}


def listed(body: object) -> dict[str, ListedJob]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {each.target["job_id"]: each for each in lister().parse(raw, ListQuery()).items}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        *[(f"job_{word}", State.PENDING) for word in ("init", "submitting", "downloading", "arrearage_recovering")],
        *[(f"job_{word}", State.RUNNING) for word in ("running", "savepointing", "canceling")],
        *[(f"job_{word}", State.FAILED) for word in ("submit_fail", "running_exception")],
        *[(f"job_{word}", State.CANCELLED) for word in ("cancel_success", "arrearage_stopped")],
        *[(f"job_{word}", State.UNKNOWN) for word in ("idle", "cancel_fail", "rescaling")],
        ("job_finish", State.SUCCEEDED),
        ("JOB_FINISH", State.SUCCEEDED),
    ],
)
def test_each_word_means_its_state_and_a_job_succeeds_by_the_vendors_word_alone(word: str, state: State) -> None:
    seen = read(shown(status=word))

    assert (seen.state, seen.native_state) == (state, "other" if word == "job_rescaling" else word)
    assert seen.unknown == (("status",) if word == "job_rescaling" else ())
    assert seen.progress == (1.0 if state is State.SUCCEEDED else None)
    assert (STREAMING in seen.counts) == (state is State.RUNNING)
    # while a job is submitted, and if that failed, it may be the start of the run before
    assert seen.start == (None if state is State.PENDING or word == "job_submit_fail" else BEGUN)
    assert seen.failure_code == ("other" if state is State.FAILED else None)


def test_a_run_is_told_by_its_start_which_one_that_is_submitted_has_not_yet() -> None:
    assert read(shown()).run == RunId("", BEGUN)
    assert read(shown(status="job_submitting")).run == NAMELESS
    assert read(shown(status="job_submit_fail")).run == NAMELESS


def test_the_sample_of_a_draft_was_never_started(payload: Callable[[str], bytes]) -> None:
    seen = read(payload("dli_flink/show_draft.json"), replace(JOB, target={"job_id": "50320"}))

    assert (seen.state, seen.native_state, seen.start, seen.run) == (State.PENDING, "job_init", None, NAMELESS)
    assert seen.native_state.upper() in ADAPTER.unstarted
    assert dict(seen.words) == {"queue_name": "flink_q", "job_type": "flink_jar_job"}
    assert seen.unknown == ()


def test_the_sample_of_the_list_tells_of_each_job_what_stands_there(payload: Callable[[str], bytes]) -> None:
    found = listed(payload("dli_flink/list_statuses.json"))
    seen = {key: each.snapshot for key, each in found.items() if each.snapshot is not None}

    states = ["pending", "pending", "running", "failed", "cancelled", "cancelled", "succeeded"]
    assert [each.state.value for each in seen.values()] == states
    ends = [None, None, None, BEGUN + 120, BEGUN + 800, BEGUN + 800, BEGUN + 410]
    assert [each.end for each in seen.values()] == ends
    restarts = [each.counts.get(RESTARTS) for each in seen.values()]
    assert restarts == [None, None, 3, 10, None, None, 0]
    assert seen["50323"].detail["message"] == "The JobManager exited with an exception."
    assert found["50322"].words == {
        "job_id": "50322",
        "job_name": "clicks",
        "queue_name": "flink_q",
        "owner": "svc_stream",
        "job_type": "flink_opensource_sql_job",
    }
    assert [each.unknown for each in seen.values()] == [()] * 7


def test_the_sample_with_details_tells_no_duration_and_shows_no_sql(payload: Callable[[str], bytes]) -> None:
    page = lister().parse(payload("dli_flink/list_detail_mode.json"), ListQuery())
    (job,) = page.items

    assert page.total == 126
    assert job.snapshot is not None
    assert (job.snapshot.state, job.snapshot.counts[RESTARTS]) == (State.RUNNING, 1)
    assert "insert into" not in repr(job)


def test_the_sample_of_an_odd_page_costs_only_what_cannot_be_read(payload: Callable[[str], bytes]) -> None:
    found = listed(payload("dli_flink/list_bool_and_unknown.json"))
    first, second = (each.snapshot for each in found.values())

    assert list(found) == ["50330", "50331"]
    assert first is not None
    assert (first.state, first.start, first.unknown) == (State.UNKNOWN, None, ("status",))
    assert second is not None
    assert (second.state, second.native_state, second.unknown) == (State.UNKNOWN, "JOB_IDLE", ())


@pytest.mark.parametrize(
    ("fields", "unknown"),
    [
        ({"start_time": str(BEGUN * 1000), "restart_times": "3"}, ()),
        ({"job_id": "50322", "restart_times": None}, ()),
        ({"start_time": None, "status": "job_finish"}, ()),
        ({"start_time": 0}, ()),
        ({"start_time": -1}, ("start_time",)),
        ({"start_time": "soon"}, ("start_time",)),
        ({"restart_times": -1}, ("restart_times",)),
        ({"restart_times": 1.5}, ("restart_times",)),
        ({"restart_times": "many"}, ("restart_times",)),
        ({"queue_name": {}, "status": "job_canceling"}, ("queue_name",)),
        ({"status_desc": ["x"], "status": "job_running_exception"}, ("status_desc",)),
        ({"job_id": None, "create_time": "N/A", "user_name": ""}, ()),
        ({"has_savepoint": "perhaps"}, ("has_savepoint",)),
        ({"duration": "x", "status": "job_cancel_success"}, ("duration",)),
    ],
)
def test_a_body_of_no_sample_gives_what_it_says_and_nothing_more(
    fields: dict[str, object], unknown: tuple[str, ...]
) -> None:
    seen, told = read(shown(**fields)), flink(**fields)

    assert sorted(seen.unknown) == sorted(unknown)
    assert seen.start == (BEGUN if str(told["start_time"]) == str(BEGUN * 1000) else None)
    assert seen.counts.get(RESTARTS) == (3 if str(told["restart_times"]) == "3" else None)
    assert seen.end is None
    assert (seen.state is State.SUCCEEDED) == (told["status"] == "job_finish")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"is_success": "true", "job_detail": None},
        {"is_success": "true", "job_detail": []},
        {"is_success": "true", "job_detail": {}},
        {**shown(), "is_success": "false"},
        {**shown(), "is_success": False, "message": "DLI.0012: unavailable"},
        {**shown(), "error_code": "DLI.16001"},
        shown(status=None),
        shown(status=""),
        shown(status=3),
        shown(job_id=50323, status="job_finish"),
        shown(job_id="5032"),
    ],
)
def test_a_body_without_a_state_of_this_job_is_a_failed_poll(body: object) -> None:
    with pytest.raises(PollError):
        read(body)


def test_a_job_that_is_gone_is_not_found(payload: Callable[[str], bytes]) -> None:
    missing = error_classes.envelope(payload("dli_flink/not_found_400.json"))

    assert error_classes.refusal(400, missing, ADAPTER.codes).reason is Reason.NOT_FOUND


def test_a_list_that_failed_is_not_an_empty_one(payload: Callable[[str], bytes]) -> None:
    for body in (payload("dli_flink/list_null_list.json"), {}, {"job_list": {"total_count": 2, "jobs": None}}):
        with pytest.raises(PollError):
            listed(body)
    assert listed({"is_success": "true", "job_list": {"total_count": 0, "jobs": []}}) == {}


def test_a_row_without_an_id_costs_itself() -> None:
    jobs = [flink(job_id=None), flink(job_id=[1]), None, flink(status=None), flink(job_id=7, status=5)]
    page = lister().parse(json.dumps({"job_list": {"total_count": 5, "jobs": jobs}}).encode(), ListQuery())

    assert (page.rows, [each.target["job_id"] for each in page.items]) == (5, ["50322", "7"])
    assert [None if each.snapshot is None else each.snapshot.state for each in page.items] == [None, State.UNKNOWN]
    assert page.unknown.count("jobs") + page.unknown.count("job_list.jobs") == 3


def test_each_run_of_a_job_counts_once_though_its_id_stays_and_it_restarts() -> None:
    record = transitions.registered(JOB, ADAPTER)

    def polled(at: float, **fields: object) -> Record:
        return transitions.worked(record, read(shown(**fields)), at, ADAPTER)

    record = polled(1.0, status="job_submitting", start_time=0)
    for at, times in ((2.0, 0), (3.0, 1), (4.0, 2)):
        record = polled(at, restart_times=times)
    assert record.snapshot is not None
    assert (record.snapshot.counts[RESTARTS], record.snapshot.counts[STREAMING]) == (2, 1)
    for at in (5.0, 6.0):
        record = polled(at, status="job_running_exception", restart_times=3)
    assert record.ledger.runs == (0, 1, 0)
    assert dict(record.snapshot.counts if record.snapshot else {}) == {RESTARTS: 3}
    record = polled(7.0, status="job_submitting")  # with the start of the run before still in it
    record = polled(8.0, start_time=(BEGUN + 900) * 1000, restart_times=0)
    assert record.ledger.runs == (0, 1, 0)
    for at in (9.0, 10.0):
        record = polled(at, status="job_cancel_success", start_time=(BEGUN + 900) * 1000)
    assert record.ledger.runs == (0, 1, 1)
    assert not record.final


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({}, True),
        ({"queues": ["q1"]}, True),
        ({"queues": ["q2"]}, False),
        ({"types": ["flink_jar_job"]}, False),
        ({"types": ["FLINK_SQL_JOB", "flink_jar_job"]}, True),
        ({"owner": "svc"}, True),
        ({"owner": "li"}, False),
    ],
)
def test_what_a_rule_asks_for_holds_though_a_cloud_passes_over_a_filter(rule: dict[str, Any], found: bool) -> None:
    row = flink(queue_name="q1", job_type="flink_sql_job", user_name="svc")
    (job,) = listed({"job_list": {"total_count": 1, "jobs": [row]}}).values()

    assert lister().fits(lister().rule.model_validate(rule), job, 0.0) is found


def test_a_rule_asks_for_each_queue_and_type() -> None:
    rule = lister().rule.model_validate({"queues": ["a", "b"], "types": ["flink_jar_job"], "owner": "li"})
    views = lister().views(rule, Location(), 0.0)

    assert [view.query for view in views] == [
        (("user_name", "li"), ("queue_name", queue), ("job_type", "flink_jar_job")) for queue in ("a", "b")
    ]
    first, third = (dict(lister().request(views[0], "p", page).query) for page in (PageStart(), PageStart(3, 200)))
    assert (first["offset"], third["offset"], first["limit"], first["show_detail"]) == ("0", "200", "100", "false")
