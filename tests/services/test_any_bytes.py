"""Whatever the bytes: a snapshot that cannot lie, or a typed error."""

import json
import re
from contextlib import suppress
from datetime import UTC
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State
from exporter.services import error_classes
from exporter.services.registry import load_services

ADAPTERS = load_services()
KEYS = re.findall(
    r"\S+",
    """
is_success message job_id status sub_job_id progress sub_jobs id name description submission_time completion_time
stage_ids job_group num_tasks num_active_tasks num_completed_tasks num_skipped_tasks num_failed_tasks num_killed_tasks
num_completed_indices num_active_stages num_completed_stages num_skipped_stages num_failed_stages killed_tasks_summary
job_name begin_time end_time failed_code failed_detail error_code error_msg errCode externalMessage code error
submissions isIncrementing job-name counters isStopingIncrement is-execute-auto last-update-date last-udpate-user
last-update-user isDeleteJob creation-user creation-date external-id submission-id delete_rows update_rows write_rows
execute-date error-details error-summary org.apache.sqoop.submission.counter.SqoopCounters ROWS_READ TOTAL_FILES
request_id state queue cluster_name owner appId create_time update_time duration sc_type sessions
start_time restart_times status_desc instances jobs lastInstanceStatus
instanceId jobName planTime startTime endTime forceSuccess total nodes
redis_info redis_progress total_progress tables_done tables_left redis_table_detail data snapshots cluster_id started
finished size items sub_items submit_time action_name estimated_time
""",
)
WORDS = sorted({word for adapter in ADAPTERS.values() for word in adapter.states})
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**300, 10**320)
    | st.floats()
    | st.text(max_size=12)
    | st.sampled_from([*WORDS, "-1", "100%", "9", "N/A", "2024-03-05T08:10:00", "Tue Mar 05 08:10:41 CST 2024"])
    | st.sampled_from(["DLI.0999", "DWS.0047", "Cdm.0100", "APIGW.0308", "99999-01-01T00:00:00", "\ud800"])
)


def objects(values: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.dictionaries(st.sampled_from(KEYS) | st.text(max_size=3), values, max_size=12)


VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | objects(inner), max_leaves=25)
BODIES = (
    st.binary(max_size=60)
    | objects(VALUES).map(lambda data: json.dumps(data).encode())
    | objects(VALUES).map(lambda data: json.dumps({**data, "status": "RUNNING"}).encode())
    | objects(VALUES).map(lambda data: json.dumps({**data, "state": "dead"}).encode())
    | st.lists(objects(VALUES), max_size=3).map(
        lambda runs: json.dumps({"submissions": [{"status": "RUNNING", **run} for run in runs]}).encode()
    )
    | objects(VALUES).map(lambda data: json.dumps({"job_detail": {**data, "status": "job_running"}}).encode())
    | st.lists(objects(VALUES), max_size=3).map(
        lambda runs: json.dumps({"instances": [{"status": "fail", **run} for run in runs]}).encode()
    )
    | st.lists(objects(VALUES), max_size=3).map(
        lambda rows: json.dumps({"total": len(rows), "jobs": [{"name": "j", **row} for row in rows]}).encode()
    )
    | st.lists(objects(VALUES), max_size=3).map(
        lambda subjobs: json.dumps({"status": "RUNNING", "sub_jobs": subjobs}).encode()
    )
)


@given(body=BODIES, service=st.sampled_from(sorted(ADAPTERS)))
def test_any_bytes_become_a_snapshot_or_a_typed_error(body: bytes, service: str) -> None:
    job = Job(JobKey(service, "j"), "p", {"job_id": "j", "cluster_id": "c", "job_name": "j"})
    try:
        seen = ADAPTERS[service].parse(body, job, None)
    except PollError:
        return

    _check(seen)


@given(body=BODIES)
def test_any_bytes_become_a_history_or_a_typed_error(body: bytes) -> None:
    for adapter in ADAPTERS.values():
        if adapter.past is None:
            continue
        try:
            told = adapter.past.parse(body, Job(JobKey("cdm", "j"), "p", {"cluster_id": "c", "job_name": "j"}))
        except PollError:
            continue
        for each in told.runs:
            _check(each)


@given(body=BODIES)
def test_any_bytes_of_a_second_call_become_what_it_says_or_a_typed_error(body: bytes) -> None:
    job = Job(JobKey("dataarts", "j"), "p", {"job_name": "j", "cluster_id": "c"})
    marks = {"redistribution_id": "r", "snapshot_id": "s", "submit_time": "t"}
    kinds = ("", "REDISTRIBUTING", "SNAPSHOTTING", "GROWING")
    runs = [Snapshot(State.RUNNING, kind, RunId("7"), kind=kind, detail=marks) for kind in kinds]
    for adapter in {*ADAPTERS.values(), *(each.found for each in ADAPTERS.values())}:
        if adapter.run_reader is not None:
            for run in runs:
                with suppress(PollError):
                    _check(adapter.run_reader.parse(body, job, run, UTC))
        if adapter.job_reader is not None:
            with suppress(PollError):
                adapter.job_reader.parse(body, job.target)


def _check(seen: Snapshot) -> None:
    assert seen.progress is None or 0 <= seen.progress <= 1
    assert all(0 <= value < float("inf") for value in seen.counts.values())
    assert all(time is None or 0 <= time < 4_102_444_800 for time in (seen.start, seen.end))
    assert (seen.failure_code is not None) == (seen.state.value == "failed")
    json.dumps(seen.detail_json(), allow_nan=False, ensure_ascii=False).encode()
    "".join([seen.native_state, seen.run.label, *(measure.label for measure in seen.counts)]).encode()


@given(body=BODIES, status=st.integers(300, 599), service=st.sampled_from(sorted(ADAPTERS)))
def test_any_refused_answer_has_a_reason(body: bytes, status: int, service: str) -> None:
    error = error_classes.refusal(status, error_classes.envelope(body), ADAPTERS[service].codes)

    assert error.reason in error_classes.SENTENCES
    assert len(error.text) <= 300
    error.text.encode()
