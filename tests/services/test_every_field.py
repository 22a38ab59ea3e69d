"""Each field of each table of each call, fed with a value of its own: where it comes out, and that none is crossed.

What comes out are the samples of the job and its JSON, as they are served.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC
from typing import Any, NamedTuple

import pytest

from exporter.metrics.store import JobStore
from exporter.model.job import Job, JobKey
from exporter.model.masking import VendorText
from exporter.model.record import Record
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State
from exporter.polling.list_merge import merged_record
from exporter.runs import same_run, transitions
from exporter.services import registry
from exporter.services.adapter import Adapter
from exporter.services.listing import ListQuery, Location
from exporter.web.job_json import job_document
from tests import test_docs

ADAPTERS = registry.load_services()
NOW = 1_762_000_000.0
PREFIX = "huaweicloud_job_"
ROW_ID = "7" * 32


class Field(NamedTuple):
    """A field as it is sent, and *shown* as it comes out: at each of *places*, and nowhere else."""

    sent: Any
    shown: Any
    places: tuple[str, ...] = ()


def to(sent: Any, *places: str, shown: Any = None) -> Field:
    return Field(sent, sent if shown is None else shown, places)


def counted(sent: int, metric: str) -> Field:
    """Return a number that is one metric, and a count of the JSON."""
    name, _, label = metric.partition(".")
    return to(sent, metric, f"json counts.{name}{'.' + label if label else ''}")


def outputs(record: Record, adapter: Adapter) -> Iterator[tuple[str, Any]]:
    """Yield all that is served of a job: each sample by its name and labels, each label, each value of the JSON."""
    store = JobStore(10**6, registry.declared())
    store.put(record)
    text = b"".join(part for section in store.sections(openmetrics=False) for part in section).decode()
    for line in text.splitlines():
        if line.startswith("#"):
            continue
        name, _, rest = line.removeprefix(PREFIX).partition("{")
        inside, _, value = rest.rpartition("} ")
        labels = dict(part.split("=", 1) for part in inside.split(",") if "=" in part)
        words = {key: text.strip('"') for key, text in labels.items() if key not in {"job", "service", "project"}}
        yield ".".join([name, *words.values()] if name in LABELLED else [name]), float(value)
        if name not in LABELLED:
            yield from ((f"{name}.{key}", word) for key, word in words.items())
    yield from _flat("json", job_document(record, {}, None, VendorText.FULL))


LABELLED = {"tasks", "stages", "subjobs", "killed_tasks", "success_override"}


def _flat(path: str, value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _flat(f"{path} {key}" if path == "json" else f"{path}.{key}", inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _flat(path, inner)
    else:
        yield path, value


def check(record: Record, adapter: Adapter, fields: Mapping[str, Field]) -> None:
    """Compare where each value comes out; what is shown is different for each field."""
    shown = [field.shown for field in fields.values()]
    assert len({repr(each) for each in shown}) == len(shown), "each has a value of its own"
    served = list(outputs(record, adapter))
    for name, field in fields.items():
        found = {place for place, value in served if _same(value, field.shown)}
        assert found == set(field.places), name


def _same(value: Any, shown: Any) -> bool:
    if isinstance(value, bool) or isinstance(shown, bool):
        return value is shown
    if isinstance(value, int | float) and isinstance(shown, int | float):
        return abs(float(value) - float(shown)) < 1e-9
    return bool(value == shown)


def asked(service: str, target: dict[str, str], body: dict[str, Any], *before: dict[str, Any]) -> Record:
    """Return the record after polls with the answers *before* and *body*."""
    adapter = ADAPTERS[service].of(target)
    job = Job(JobKey(service, "the job"), "demo", target)
    record = transitions.registered(job, adapter)
    for each in (*before, body):
        answer = adapter.parse(json.dumps(each).encode(), job, UTC)
        record = transitions.worked(record, answer, NOW, adapter)
    return record


def listed(service: str, target: dict[str, str], body: dict[str, Any], before: dict[str, Any] | None = None) -> Record:
    """Return the record after a list, and a poll before it if there was one."""
    adapter, lists = ADAPTERS[service].of(target), ADAPTERS[service].lists
    assert lists is not None
    job = Job(JobKey(service, "the job"), "demo", target)
    record = transitions.registered(job, adapter) if before is None else asked(service, target, before)
    page = lists.parse(json.dumps(body).encode(), ListQuery(Location("c-1", "etl")))
    (item,) = page.items
    assert item.snapshot is not None
    assert dict(item.target) == target
    assert (page.unknown, item.snapshot.unknown) == ((), ())
    return merged_record(record, item.snapshot, NOW, adapter, before=None)[0]


# --- DLI


SUB_JOB = {
    "id": to(9001, "json detail.sub_jobs.id"),
    "name": to("the name", "json detail.sub_jobs.name"),
    "description": to("the description", "json detail.sub_jobs.description"),
    "submission_time": to("Mon Jul 27 17:24:03 UTC 2020", "json detail.sub_jobs.submission_time"),
    "completion_time": to("Mon Jul 27 17:25:03 UTC 2020", "json detail.sub_jobs.completion_time"),
    "stage_ids": to([9002], "json detail.sub_jobs.stage_ids", shown=9002),
    "job_group": to(
        ROW_ID,
        "info.job_id",
        "run_info.run_id",
        "json job_id",
        "json run_id",
        "json detail.job_id",
        "json detail.sub_jobs.job_group",
    ),
    "status": to("RUNNING", "run_info.native_state", "json native_state", "json detail.sub_jobs.status"),
    **{
        f"num_{name}": to(number, metric, f"json counts.{metric}", f"json detail.sub_jobs.num_{name}")
        for number, (name, metric) in enumerate(
            {
                "tasks": "tasks_planned",
                "active_tasks": "tasks.active",
                "completed_tasks": "tasks.completed",
                "skipped_tasks": "tasks.skipped",
                "failed_tasks": "tasks.failed",
                "killed_tasks": "tasks.killed",
                "completed_indices": "completed_indices",
                "active_stages": "stages.active",
                "completed_stages": "stages.completed",
                "skipped_stages": "stages.skipped",
                "failed_stages": "stages.failed",
            }.items(),
            9010,
        )
    },
    "killed_tasks_summary": to(
        {"lost": 9030},
        "killed_tasks.lost",
        "json counts.killed_tasks.lost",
        "json detail.sub_jobs.killed_tasks_summary.lost",
        shown=9030,
    ),
}


def test_the_progress_of_a_dli_job() -> None:
    row = {name: field.sent for name, field in SUB_JOB.items()}
    fields = {
        "is_success": to(True, "json detail.is_success", "json up"),
        "message": to("the message", "json detail.message", "json complaint"),
        "job_id": Field(ROW_ID, ROW_ID, SUB_JOB["job_group"].places),
        "status": Field("RUNNING", "RUNNING", SUB_JOB["status"].places),
        "sub_job_id": to(9040, "json detail.sub_job_id"),
        "progress": to(0.4321, "progress_ratio", "json progress"),
        "sub_jobs": to([row], "subjobs.running", "json counts.subjobs.running", shown=None),
    }
    record = asked("dli", {"job_id": ROW_ID}, {name: field.sent for name, field in fields.items()})

    assert {*fields} == {*test_docs.DLI.split()}
    assert {*SUB_JOB} == {*test_docs.SUB_JOBS.split()}
    own = {name: field for name, field in fields.items() if name not in {"job_id", "status", "sub_jobs", "is_success"}}
    check(record, ADAPTERS["dli"], own | {f"sub_jobs[].{name}": field for name, field in SUB_JOB.items()})
    assert record.shown is not None
    assert record.shown.detail["is_success"] is True


DLI_ROW = {
    "job_id": to(ROW_ID, "info.job_id", "run_info.run_id", "json job_id", "json run_id", "json detail.job_id"),
    "job_type": to("QUERY", "run_labels.job_type", "json detail.job_type"),
    "queue_name": to("the queue", "run_labels.queue_name", "json detail.queue_name"),
    "owner": to("the owner", "run_labels.owner", "json detail.owner"),
    "start_time": to(1_761_000_000_000, "start_timestamp_seconds", "json start", shown=1_761_000_000),
    "duration": to(8_123),
    "status": to("FINISHED", "run_info.native_state", "json native_state"),
    "input_row_count": counted(9101, "rows_read"),
    "bad_row_count": counted(9102, "bad_rows"),
    "input_size": counted(9103, "read_bytes"),
    "result_count": counted(9104, "result_rows"),
    "database_name": to("the database", "json detail.database_name"),
    "table_name": to("the table", "json detail.table_name"),
    "with_column_header": to("the header"),
    "detail": to("the columns"),
    "engine_type": to("the engine", "json detail.engine_type"),
    "statement": to("the sql"),
    "tags": to([{"key": "k", "value": "the tag"}], shown="the tag"),
    "message": to("the message", "json detail.message", "json complaint"),
    "end_time": to(1_761_000_009_000, "end_timestamp_seconds", "json end", shown=1_761_000_009),
    "cpu_cost": Field("9105000", 9105, ("cpu_seconds", "json counts.cpu_seconds")),
    "output_byte": Field("9106", 9106, ("written_bytes", "json counts.written_bytes")),
    "result_path": to("obs://the/result", "json detail.result_path"),
    "result_format": to("the format", "json detail.result_format"),
    "execution_details_path": to("obs://the/details", "json detail.execution_details_path"),
}


def test_a_row_of_the_list_of_dli() -> None:
    assert {*DLI_ROW} == {*test_docs.DLI_LIST.split()}
    row = {name: field.sent for name, field in DLI_ROW.items()}
    record = listed("dli", {"job_id": ROW_ID}, {"is_success": True, "job_count": 1, "jobs": [row]})
    check(record, ADAPTERS["dli"], DLI_ROW)


def test_the_status_of_a_dli_job() -> None:
    """It has no end of its own: the duration tells it."""
    gone = {"end_time", "cpu_cost", "output_byte", "with_column_header", "engine_type", "result_path", "result_format"}
    fields = {name: field for name, field in DLI_ROW.items() if name not in {*gone, "execution_details_path"}}
    fields |= {"job_mode": to("async", "json detail.job_mode"), "user_conf": to("the conf")}
    body = {name: field.sent for name, field in fields.items()}
    assert {*fields} == {*test_docs.DLI_STATUS.split()} - {"is_success"}
    job, lists = Job(JobKey("dli", "the job"), "demo", {"job_id": ROW_ID}), ADAPTERS["dli"].lists
    record = transitions.registered(job, ADAPTERS["dli"])
    assert lists is not None
    assert lists.row is not None
    row = lists.row.parse(json.dumps(body | {"is_success": True}).encode(), {"job_id": ROW_ID})
    assert row.snapshot is not None
    record = merged_record(record, row.snapshot, NOW, ADAPTERS["dli"], before=None)[0]
    end = to(0, "end_timestamp_seconds", "json end", shown=1_761_000_000 + 8.123)
    check(record, ADAPTERS["dli"], {**fields, "start_time and duration": end})


# --- DLI Spark and Flink


BATCH = {
    "id": to(ROW_ID, "info.job_id", "run_info.run_id", "json job_id", "json run_id", "json detail.job_id"),
    "state": to("success", "run_info.native_state", "json native_state"),
    "create_time": to(1_761_000_000_000, "start_timestamp_seconds", "json start", shown=1_761_000_000),
    "update_time": to(
        1_761_000_009_000,
        "end_timestamp_seconds",
        "json end",
        shown=1_761_000_009,
    ),
    "duration": to(8_123, "json detail.ran_seconds", shown=8.123),
    "queue": to("the queue", "run_labels.queue_name", "json detail.queue_name"),
    "cluster_name": to("the older name of the queue"),
    "owner": to("the owner", "run_labels.owner", "json detail.owner"),
    "name": to("the name", "json detail.job_name"),
    "appId": to("the app", "json detail.app_id"),
    "sc_type": to("A", "json detail.sc_type"),
    "kind": to("the kind", "json detail.kind"),
    "proxyUser": to("the proxy user", "json detail.proxy_user"),
    "spark_version": to("the version", "json detail.spark_version"),
    **{name: to(f"the {name}") for name in ("log", "req_body", "image", "feature")},
}


@pytest.mark.parametrize("by_list", [False, True], ids=["its own answer", "a row of the list"])
def test_a_spark_batch(by_list: bool) -> None:
    assert {*BATCH} == {*test_docs.SPARK.split()}
    row = {name: field.sent for name, field in BATCH.items()}
    target = {"job_id": ROW_ID}
    body = {"from": 0, "total": 1, "sessions": [row]}
    record = listed("dli_spark", target, body) if by_list else asked("dli_spark", target, row)
    check(record, ADAPTERS["dli_spark"], BATCH)
    only = dict(row)
    del only["queue"]
    older = asked("dli_spark", target, only)
    assert dict(outputs(older, ADAPTERS["dli_spark"]))["run_labels.queue_name"] == "the older name of the queue"


FLINK_JOB = {
    "status": to("job_running_exception", "run_info.native_state", "json native_state"),
    "status_desc": to("DLI.0005 the reason", "json detail.message", "json complaint"),
    "start_time": to(1_761_000_000_000, "start_timestamp_seconds", "json start", shown=1_761_000_000),
    "duration": to(
        8_123,
        "end_timestamp_seconds",
        "json end",
        "last_failure_timestamp_seconds",
        "json last_failure",
        shown=1_761_000_008.123,
    ),
    "restart_times": counted(9601, "restarts"),
    "create_time": to(1_760_000_001_000, "json detail.creation_timestamp_seconds", shown=1_760_000_001),
    "queue_name": to("the queue", "run_labels.queue_name", "json detail.queue_name"),
    "user_name": to("the owner", "run_labels.owner", "json detail.owner"),
    "job_type": to("flink_jar_job", "run_labels.job_type", "json detail.job_type"),
    "name": to("the name", "json detail.job_name"),
    "update_time": to(1_761_500_000_000, shown=1_761_500_000),
    **{
        name: to(f"the {name}")
        for name in (
            *("desc", "root_id", "user_id", "project_id", "run_mode", "graph_editor_enabled", "edge_group_ids"),
            *("savepoint_path", "sql_body", "main_class", "entrypoint_args", "execution_graph", "job_config"),
        )
    },
}
OF_THE_CALL = {"is_success", "message", "job_detail", "job_id", "has_savepoint"}


@pytest.mark.parametrize("by_list", [False, True], ids=["its own answer", "a row of the list"])
def test_a_flink_job(by_list: bool) -> None:
    assert {*FLINK_JOB} | OF_THE_CALL == {*test_docs.FLINK.split()}
    row = {"job_id": 9602, "has_savepoint": True, **{name: field.sent for name, field in FLINK_JOB.items()}}
    target, adapter = {"job_id": "9602"}, ADAPTERS["dli_flink"]
    call = {"is_success": "true", "message": "of the call"}
    body = call | {"job_list": {"total_count": 1, "jobs": [row]}}
    record = listed("dli_flink", target, body) if by_list else asked("dli_flink", target, call | {"job_detail": row})
    rest = {
        "job_id": to("9602", "info.job_id", "json job_id"),
        "message": to("of the call"),
        "code": to(0, "failure_info.code", "json failure_code", shown="DLI.0005"),
    }
    check(record, adapter, {**FLINK_JOB, **rest})
    assert record.newest is not None
    assert record.newest.detail["has_savepoint"] is True


# --- DataArts


PLAN_PLACES = ("planned_timestamp_seconds", "json counts.planned_timestamp_seconds")
INSTANCE = {
    "jobName": to("orders", "info.job_name", "json job_name", "json detail.job_name"),
    "instanceId": to(9701, "run_info.run_id", "json run_id", shown="9701"),
    "status": to("fail", "run_info.native_state", "json native_state"),
    "planTime": Field(1_761_000_000_000, 1_761_000_000, PLAN_PLACES),
    "startTime": to(1_761_000_007_000, "start_timestamp_seconds", "json start", shown=1_761_000_007),
    "endTime": to(
        1_761_000_099_000,
        "end_timestamp_seconds",
        "json end",
        "last_failure_timestamp_seconds",
        "json last_failure",
        shown=1_761_000_099,
    ),
    "instanceType": to(2, "json detail.instance_type"),
    "errorMessage": to("DLI.0005 the reason", "json detail.error_message", "json complaint"),
    "jobInstanceName": to("the log name", "json detail.job_instance_name"),
    "version": to(9702, "json detail.version"),
    **{name: to(number) for number, name in enumerate(("executeTime", "submitTime", "jobId"), 9710)},
}
OVERRIDES = {"forceSuccess": "forced", "ignoreSuccess": "ignored"}
INSTANCE_DERIVED = {
    "startTime and planTime": to(7, "start_delay_seconds", "json counts.start_delay_seconds", "waited_seconds"),
    "code": to(0, "failure_info.code", "json failure_code", shown="DLI.0005"),
}
OF_DATAARTS = {"workspace_id": "w-1", "job_name": "orders"}


@pytest.mark.parametrize("by_list", [False, True], ids=["its own answer", "a row of the list"])
def test_an_instance_of_dataarts(by_list: bool) -> None:
    assert {*INSTANCE, *OVERRIDES, "total", "instances"} == {*test_docs.DATAARTS.split()}
    row = {name: field.sent for name, field in INSTANCE.items()} | dict.fromkeys(OVERRIDES, False)
    adapter = ADAPTERS["dataarts"]

    def read(row: dict[str, Any]) -> Record:
        body = {"total": 1, "instances": [row]}
        if not by_list:
            return asked("dataarts", OF_DATAARTS, body)
        assert adapter.lists is not None
        page = adapter.lists.parse(json.dumps(body).encode(), ListQuery(Location("w-1")))
        (item,) = page.items
        assert item.snapshot is not None
        assert (page.unknown, item.snapshot.unknown, dict(item.target)) == ((), (), OF_DATAARTS)
        record = transitions.registered(Job(JobKey("dataarts", "the job"), "demo", OF_DATAARTS), adapter)
        return merged_record(record, item.snapshot, NOW, adapter, before=None)[0]

    check(read(row), adapter, {**INSTANCE, **INSTANCE_DERIVED})
    # a flag has one of two values: each is turned alone, of a run that succeeded
    was = dict(outputs(read(row | {"status": "success"}), adapter))
    for name, kind in OVERRIDES.items():
        now = dict(outputs(read(row | {"status": "success", name: True}), adapter))
        changed = {place for place in {*was, *now} if was.get(place) != now.get(place)}
        assert changed == {f"success_override.{kind}", f"json counts.success_override.{kind}"}, name


def test_the_nodes_of_an_instance_of_dataarts() -> None:
    words = ["success", "fail", "running", "waiting", "pause", "skip", "manual-stop"]
    words += [
        *["success"] * 11,
        *["fail"] * 12,
        *["running"] * 14,
        *["waiting"] * 15,
        *["skip"] * 16,
        *["manual-stop"] * 17,
    ]
    told = {name: f"the {name}" for name in test_docs.DATAARTS_NODES.split() if name not in {"status", "retryTimes"}}
    nodes = [{**told, "status": word, "retryTimes": number % 7} for number, word in enumerate(words)]
    row = {name: field.sent for name, field in INSTANCE.items()}
    adapter = ADAPTERS["dataarts"]
    assert adapter.run_reader is not None
    record = asked("dataarts", OF_DATAARTS, {"total": 1, "instances": [row]})
    body, run = {**row, "total": len(nodes), "nodes": nodes}, Snapshot(State.RUNNING, run=RunId("9701"))
    answer = adapter.run_reader.parse(json.dumps(body).encode(), record.job, run, None)
    record = same_run.detailed(record, answer, NOW, adapter)
    retries = sum(number % 7 for number in range(len(words)))

    assert answer.unknown == ()
    served = list(outputs(record, adapter))
    assert not [value for _, value in served if value in told.values()]
    shown = {
        place: value for place, value in served if place.partition(".")[0] in {"tasks", "tasks_planned", "retries"}
    }
    assert shown == {
        "tasks_planned": len(words),
        "retries": retries,
        "tasks.completed": 12,
        "tasks.failed": 13,
        "tasks.skipped": 17,
        "tasks.killed": 18,
    }  # of a run that ended none is active or waits
    live = adapter.run_reader.parse(json.dumps(body | {"status": "running"}).encode(), record.job, run, None)
    alive = {measure.label: count for measure, count in live.counts.items() if measure.name == "tasks"}
    assert (alive["active"], alive["waiting"]) == (15, 17)


def test_a_row_of_the_list_of_dataarts_jobs() -> None:
    """It tells where a job is and how it is scheduled; of its runs only whether there were any."""
    adapter = ADAPTERS["dataarts"]
    assert adapter.lists is not None
    assert adapter.job_reader is not None
    used = {
        "name": "orders",
        "status": "PAUSED",
        "owner": "the owner",
        "path": "/the/path",
        "createTime": NOW * 1000 - 1,
    }
    row = {name: f"the {name}" for name in test_docs.DATAARTS_JOBS.split()} | used
    body = json.dumps({"total": 1, "jobs": [row]}).encode()
    (view,) = adapter.lists.views(adapter.lists.rule.model_validate({"workspaces": ["w-1"]}), Location(), NOW)
    page = adapter.lists.parse(body, view)
    (item,) = page.items

    words = {"workspace_id": "w-1", "job_name": "orders", "owner": "the owner", "path": "/the/path"}
    assert (dict(item.target), item.words, item.schedule) == (OF_DATAARTS, words, "paused")
    assert (item.since, item.snapshot, page.total, page.unknown) == (NOW - 0.001, None, 1, ())
    alone = adapter.job_reader.parse(body, OF_DATAARTS)
    assert replace(alone, snapshot=None) == item
    assert alone.snapshot is not None
    assert (alone.snapshot.state.value, alone.snapshot.native_state) == ("unknown", "PAUSED")
    record = replace(asked("dataarts", OF_DATAARTS, {"total": 0, "instances": []}), schedule=item.schedule)
    served = dict(outputs(record, adapter))
    assert (served["schedule_info.schedule"], served["json schedule"]) == ("paused", "paused")


# --- DWS


def test_a_task_of_dws() -> None:
    fields = {
        "job_id": to(ROW_ID, "info.job_id", "run_info.run_id", "json job_id", "json run_id", "json detail.job_id"),
        "job_name": to("the task", "json detail.job_name"),
        "begin_time": to("2025-10-20T22:40:01", "json detail.begin_time"),
        "end_time": to("2025-10-20T22:41:02", "json detail.end_time"),
        "status": to("FAIL", "run_info.native_state", "json native_state"),
        "failed_code": to("CreateELBTask-fail:DWS.0114", "json detail.failed_code"),
        "failed_detail": to("DWS.0114:ELB private IP", "json detail.failed_detail", "json complaint"),
        "progress": to("43%", "progress_ratio", "json progress", shown=0.43),
    }
    assert {*fields} == {*test_docs.DWS.split()}
    record = asked("dws", {"job_id": ROW_ID}, {name: field.sent for name, field in fields.items()})
    derived = {
        "begin": to(0, "start_timestamp_seconds", "json start", shown=1_761_000_001),
        "end": to(0, "end_timestamp_seconds", "json end", shown=1_761_000_062),
        "code": to(0, "failure_info.code", "json failure_code", shown="DWS.0114"),
    }
    check(record, ADAPTERS["dws"], fields | derived)


CLUSTER = "3b9d2f10-6a41-4c77-9e02-5d8c1f7a0b11"
OTHERS = (
    *("version", "updated", "port", "endpoints", "nodes"),
    *("tags", "user_name", "recent_event", "availability_zone", "enterprise_project_id"),
    *("node_type", "vpc_id", "subnet_id", "public_ip", "public_endpoints"),
    "security_group_id",
)
CLUSTER_FIELDS = {
    "id": to(CLUSTER, "info.cluster_id", "json cluster_id"),
    "name": to("the cluster"),
    "status": to("ACTIVE", "json detail.cluster_status"),
    "created": to("2024-05-02T07:11:40Z"),
    "number_of_node": to(9201, "json detail.nodes"),
    "action_progress": to({"GROWING": "47%"}, "progress_ratio", "json progress", shown=0.47),
    "sub_status": to("UNBALANCED", "json detail.sub_status"),
    "task_status": to("RESIZE_FAILURE", "run_info.native_state", "json native_state", "json detail.task_status"),
    "failed_reasons.error_code": to("DWS.6001", "failure_info.code", "json failure_code", "json detail.failed_code"),
    "failed_reasons.error_msg": to("the reason", "json detail.failed_detail", "json complaint"),
    **{name: to(f"the {name}") for name in OTHERS},
}
DETAIL_OTHERS = ("parameter_group", "node_type_id", "order_id", "private_ip", "maintain_window", "elb")
DETAILS = {
    **{name: to(f"the {name}") for name in DETAIL_OTHERS},
    "resize_info.target_node_num": to("9202", "json detail.target_nodes", shown=9202),
    "resize_info.origin_node_num": to(9203, "json detail.nodes_before"),
    "resize_info.resize_status": to("resize_failure"),
    "resize_info.start_time": to("2025-10-20T22:40:03Z", "start_timestamp_seconds", "json start", shown=1_761_000_003),
}


def nested(fields: Mapping[str, Field]) -> dict[str, Any]:
    body: dict[str, Any] = {}
    for name, field in fields.items():
        outer, _, inner = name.partition(".")
        if inner:
            body.setdefault(outer, {})[inner] = field.sent
        else:
            body[outer] = field.sent
    return body


def test_the_details_of_a_dws_cluster() -> None:
    fields = CLUSTER_FIELDS | DETAILS
    assert {*fields} == {*test_docs.DWS_CLUSTER.split(), *test_docs.DWS_DETAILS.split()}
    record = asked("dws", {"cluster_id": CLUSTER}, {"cluster": nested(fields)})
    kind = to(0, "run_labels.operation", "json detail.operation", shown="GROWING")
    check(record, ADAPTERS["dws"], {**fields, "the operation": kind})


def test_a_row_of_the_list_of_dws_clusters() -> None:
    fields = {name: field for name, field in CLUSTER_FIELDS.items() if name != "name"}
    body = {"clusters": [nested(CLUSTER_FIELDS)], "count": 1}
    rests = {"cluster": {"id": CLUSTER, "status": "ACTIVE"}}
    record = listed("dws", {"cluster_id": CLUSTER}, body, rests)
    check(record, ADAPTERS["dws"], fields)
    lists = ADAPTERS["dws"].lists
    assert lists is not None
    page = lists.parse(json.dumps(body).encode(), ListQuery())
    assert page.places == (Location(CLUSTER, "the cluster", word="", native_state="ACTIVE", available=True),)
    assert (page.items[0].words["cluster_name"], page.items[0].since) == ("the cluster", 1_714_633_900)


def followed(task: str, body: dict[str, Any], *before: dict[str, Any]) -> Record:
    """Return the record of a cluster with an operation, after calls about the operation."""
    target = {"cluster_id": CLUSTER}
    record = asked("dws", target, {"cluster": {"id": CLUSTER, "status": "ACTIVE", "task_status": task}})
    adapter = ADAPTERS["dws"].of(target)
    for each in (*before, body):
        assert adapter.run_reader is not None
        assert record.snapshot is not None
        answer = adapter.run_reader.parse(json.dumps(each).encode(), record.job, record.snapshot, UTC)
        assert answer.unknown == ()
        record = same_run.detailed(record, answer, NOW, adapter)
    return record


REDISTRIBUTION = {
    "redis_info.id": to("r-1", "json detail.redistribution_id"),
    "redis_info.cluster_id": to(CLUSTER, "info.cluster_id", "json cluster_id"),
    "redis_info.start_time": to("2025-10-20 22:40", "start_timestamp_seconds", "json start", shown=1_761_000_000),
    "redis_info.end_time": to("2025-10-20 22:50", shown=1_761_000_600),
    "redis_info.status": to("PREPARE", "json detail.redistribution_status"),
    "redis_conf.redis_mode": to("online", "json detail.mode"),
    "redis_conf.parallel_jobs": to(9701, "json detail.parallel_jobs"),
    "redis_progress.bytes_done": to(9702, "json detail.bytes_done"),
    "redis_progress.byte_left": to(9703, "json detail.bytes_left"),
    "redis_progress.tables_done": counted(9704, "tasks.completed"),
    "redis_progress.tables_left": counted(9705, "tasks.waiting"),
    "redis_progress.table_progress": to(36, "json detail.table_progress"),
    "redis_progress.total_progress": to(37, "progress_ratio", "json progress", shown=0.37),
    "redis_progress.redis_rate": to("38 MB/s", "json detail.rate"),
    "redis_progress.estimated_time": to("00:12:06", "json detail.estimated_time"),
    "redis_progress.fail_count": to(9706, "json detail.failures"),
    "redis_progress.pause_by_user": to("false", "json detail.paused_by_user", shown=False),
    "data[].table_name": to("the table", "json detail.tables.table"),
    "data[].schema_name": to("the schema", "json detail.tables.schema"),
    "data[].logical_cluster_name": to("the logical cluster", "json detail.tables.logical_cluster"),
    "data[].size": to(9707, "json detail.tables.size"),
    "data[].status": to("i", "json detail.tables.status"),
    "error_msg": to("the reason", "json detail.failed_detail", "json complaint"),
    **{
        name: to(f"the {name}")
        for name in (
            *("redis_conf.schedule_conf", "redis_conf.parallel_job", "redis_conf.priority_policy"),
            *("redis_conf.bucket_split_info", "redis_progress.completed", "redis_progress.initialed"),
            *("redis_progress.redistributing", "redis_progress.status", "redis_table_detail.total", "data[].id"),
            *("schedule_mode", "pause_enable", "recover_enable", "retry_enable", "update_enable", "control_enable"),
        )
    },
}


def inside(fields: Mapping[str, Field], name: str) -> dict[str, Any]:
    return {field.removeprefix(f"{name}."): each.sent for field, each in fields.items() if field.startswith(f"{name}.")}


def test_a_redistribution_of_dws() -> None:
    assert {*REDISTRIBUTION} == {*test_docs.DWS_REDISTRIBUTION.split()}
    parts = {name: inside(REDISTRIBUTION, name) for name in ("redis_conf", "redis_progress", "redis_table_detail")}
    parts["redis_table_detail"]["data"] = [inside(REDISTRIBUTION, "data[]")]
    tops = {name: each.sent for name, each in REDISTRIBUTION.items() if "." not in name}
    body = {**tops, "redis_info": {**inside(REDISTRIBUTION, "redis_info"), **parts}}
    planned = to(0, "tasks_planned", "json counts.tasks_planned", shown=9704 + 9705)
    fields = {name: each for name, each in REDISTRIBUTION.items() if name != "redis_progress.pause_by_user"}
    check(followed("REDISTRIBUTING", body), ADAPTERS["dws"], {**fields, "both together": planned})
    assert dict(outputs(followed("REDISTRIBUTING", body), ADAPTERS["dws"]))["json detail.paused_by_user"] is False
    older = {**body, "redis_info": {**body["redis_info"], "redis_progress": {"redis_rate": "9 MB/s"}}}
    served = dict(outputs(followed("REDISTRIBUTING", older, body), ADAPTERS["dws"]))
    assert (served["json detail.rate"], served.get("progress_ratio")) == ("9 MB/s", None), "what is not said any more"


SNAPSHOT = {
    "id": to("s-1", "json detail.snapshot_id"),
    "name": to("the snapshot", "json detail.snapshot_name"),
    "started": to("2025-10-20T22:40:00Z", "start_timestamp_seconds", "json start", shown=1_761_000_000),
    "finished": to("2025-10-20T22:50:00Z", shown=1_761_000_600),
    "size": to(9711.5),
    "status": to("CREATING", "json detail.snapshot_status"),
    "type": to("AUTO", "json detail.snapshot_type"),
    "cluster_id": to(CLUSTER, "info.cluster_id", "json cluster_id"),
    **{
        name: to(f"the {name}")
        for name in test_docs.DWS_SNAPSHOTS.split()
        if name not in {"id", "name", "started", "finished", "size", "status", "type", "cluster_id"}
    },
}


def test_a_snapshot_of_dws() -> None:
    row = {name: each.sent for name, each in SNAPSHOT.items()}
    check(followed("SNAPSHOTTING", {"snapshots": [row], "count": 1}), ADAPTERS["dws"], SNAPSHOT)
    reader = ADAPTERS["dws"].of({"cluster_id": CLUSTER}).run_reader
    record = followed("SNAPSHOTTING", {"snapshots": [row], "count": 1})
    assert reader is not None
    assert record.snapshot is not None
    body = json.dumps({"snapshots": [row | {"status": "AVAILABLE"}]}).encode()
    over = reader.parse(body, record.job, record.snapshot, UTC)
    assert (over.state.value, over.end, over.detail["size_gb"]) == ("succeeded", 1_761_000_600, 9711.5)


STEP = {
    "id": to("t-1", "json detail.task_id"),
    "action_name": to("GROWING"),
    "status": to("ROLLBACK_RUNNING"),
    "cluster_name": to("the cluster"),
    "submit_time": to("2025-10-20 22:39:59.0", "json detail.submit_time"),
    "items[].item_name": to("the phase", "json detail.steps.phase"),
    "sub_items[].status": to("RUNNING", "json detail.steps.status"),
    "sub_items[].detail": to("the detail"),
    "sub_items[].sub_item_name": to("the step", "json detail.steps.sub_item_name"),
    "sub_items[].begin_time": to("2025-10-20 22:40:01.0", "json detail.steps.begin_time"),
    "sub_items[].end_time": to("2025-10-20 22:50:01.0", "json detail.steps.end_time"),
    "sub_items[].estimated_time": to(9721, "json detail.steps.estimated_time"),
}


def test_the_steps_of_a_task_of_a_dws_cluster() -> None:
    assert {*STEP} == {*test_docs.DWS_ACTIONS.split()}
    items = [{**inside(STEP, "items[]"), "sub_items": [inside(STEP, "sub_items[]")]}]
    body = {name: each.sent for name, each in STEP.items() if "[]" not in name} | {"items": items}
    record = followed("GROWING", body)
    begin = to(0, "start_timestamp_seconds", "json start", shown=1_761_000_001)
    # the task's word is that of the cluster, and the word of a step that of others too
    fields = {name: each for name, each in STEP.items() if name not in {"action_name", "sub_items[].status"}}
    check(record, ADAPTERS["dws"], {**fields, "the first begin": begin})
    served = dict(outputs(record, ADAPTERS["dws"]))
    assert (served["tasks.active"], served["tasks_planned"]) == (1, 1)
    assert served["json detail.steps.status"] == "RUNNING"
    assert served["run_info.native_state"] == "GROWING"


# --- CDM


COUNTERS = {
    "ROWS_READ": counted(9301, "rows_read"),
    "ROWS_WRITTEN": counted(9302, "rows_written"),
    "ROWS_WRITTEN_SKIPPED": counted(9303, "rows_skipped"),
    "BYTES_READ": counted(9304, "read_bytes"),
    "BYTES_WRITTEN": counted(9305, "written_bytes"),
    "TOTAL_SIZE": counted(9306, "size_bytes"),
    "TOTAL_FILES": counted(9307, "files"),
    "FILES_READ": counted(9308, "files_read"),
    "FILES_WRITTEN": counted(9309, "files_written"),
    "FILES_SKIPPED": counted(9310, "files_skipped"),
}
RUN = {
    "isIncrementing": to(True, "json incremental"),
    "job-name": to("orders"),
    "isStopingIncrement": to("the stopping", "json detail.is_stoping_increment"),
    "is-execute-auto": to(True, "json detail.is_execute_auto"),
    "last-update-date": to(
        1_761_000_009_000,
        "end_timestamp_seconds",
        "json end",
        "json detail.last_update_timestamp_seconds",
        "last_failure_timestamp_seconds",
        "json last_failure",
        shown=1_761_000_009,
    ),
    "last-update-user": to("the updater", "json detail.last_update_user"),
    "isDeleteJob": to(True, "json detail.is_delete_job"),
    "creation-user": to("the creator", "json detail.creation_user"),
    "creation-date": to(1_761_000_001_000, "json detail.creation_timestamp_seconds", shown=1_761_000_001),
    "external-id": to("the external id", "json detail.external_id"),
    "progress": to(43.5, "progress_ratio", "json progress", shown=0.435),
    "submission-id": to(9320, "run_info.run_id", "json run_id", shown="9320"),
    "delete_rows": counted(9321, "rows_deleted"),
    "update_rows": counted(9322, "rows_updated"),
    "write_rows": counted(9323, "rows_inserted"),
    "execute-date": to(1_761_000_002_000, "start_timestamp_seconds", "json start", shown=1_761_000_002),
    "status": to("FAILED", "run_info.native_state", "json native_state"),
    "error-details": to("the details", "json detail.error_details"),
    "error-summary": to("Cdm.0901 the summary", "json detail.error_summary", "json complaint"),
}


def test_a_run_of_a_cdm_job() -> None:
    tables = {*test_docs.CDM.split()} - {"submissions", "counters", "last-udpate-user"}
    assert {*RUN, *COUNTERS} == tables
    run = {name: field.sent for name, field in RUN.items()}
    run["counters"] = {
        "org.apache.sqoop.submission.counter.SqoopCounters": {name: field.sent for name, field in COUNTERS.items()}
    }
    target = {"cluster_id": "c-1", "job_name": "orders"}
    record = asked("cdm", target, {"submissions": [run]})
    flags = {"isIncrementing", "is-execute-auto", "isDeleteJob", "job-name"}
    fields = {name: field for name, field in {**RUN, **COUNTERS}.items() if name not in flags}
    check(record, ADAPTERS["cdm"], fields)
    # a flag has one of two values: each is turned alone
    for name in flags - {"job-name"}:
        other = asked("cdm", target, {"submissions": [run | {name: False}]})
        was, now = (dict(outputs(each, ADAPTERS["cdm"])) for each in (record, other))
        changed = {place for place in {*was, *now} if was.get(place) != now.get(place)}
        also = {"incremental"} if name == "isIncrementing" else set()
        assert changed == {*RUN[name].places} | also, name
    older = asked("cdm", target, {"submissions": [{**run, "last-udpate-user": run["last-update-user"]}]})
    assert dict(outputs(older, ADAPTERS["cdm"]))["json detail.last_update_user"] == "the updater"


CDM_OTHERS = (
    *("from-config-values", "to-config-values", "driver-config-values", "id", "flag"),
    *("type", "is_use_sql", "is_incre_job", "from-connector-name", "to-connector-name"),
    *("from-link-name", "to-link-name", "creation-user", "update-user", "update-date"),
    "execute_create_date",
)
CDM_ROW = {
    "name": to("orders"),
    "job_type": to("NORMAL_JOB"),
    "group_name": to("the group"),
    "status": to("RUNNING", "run_info.native_state", "json native_state"),
    "creation-date": to(1_761_000_001_000, shown=1_761_000_001),
    "execute_start_date": to(1_761_000_002_000, "start_timestamp_seconds", "json start", shown=1_761_000_002),
    "execute_update_date": to(1_761_000_009_000, shown=1_761_000_009),
    "rows_read": counted(9401, "rows_read"),
    "rows_written": counted(9402, "rows_written"),
    "write_rows": counted(9403, "rows_inserted"),
    "update_rows": counted(9404, "rows_updated"),
    "delete_rows": counted(9405, "rows_deleted"),
    "bytes_read": counted(9406, "read_bytes"),
    "bytes_written": counted(9407, "written_bytes"),
    "files_read": counted(9408, "files_read"),
    "files_written": counted(9409, "files_written"),
    "external_id": to("the external id"),
    "is_incrementing": to("true"),
    "enabled": to("false"),
    **{name: to(f"the {name}") for name in CDM_OTHERS},
}


def test_a_row_of_the_list_of_cdm_jobs_that_run() -> None:
    """Its own answer tells the end, the flags and the ids of a run; the list adds its start and what it moved."""
    assert {*CDM_ROW} == {*test_docs.CDM_LIST.split()}
    row = {name: field.sent for name, field in CDM_ROW.items()}
    target = {"cluster_id": "c-1", "job_name": "orders"}
    before = {"submissions": [{"status": "RUNNING", "submission-id": 5}]}
    record = listed("cdm", target, {"jobs": [row], "total": 1}, before)
    check(record, ADAPTERS["cdm"], {name: field for name, field in CDM_ROW.items() if name != "name"})


def test_a_row_of_the_list_of_a_cdm_job_that_ended_tells_the_end_and_its_words() -> None:
    row = {name: field.sent for name, field in CDM_ROW.items()} | {"status": "FAILED"}
    lists = ADAPTERS["cdm"].lists
    assert lists is not None
    (item,) = lists.parse(json.dumps({"jobs": [row], "total": 1}).encode(), ListQuery(Location("c-1", "etl"))).items
    seen = item.snapshot
    assert seen is not None
    assert (seen.end, seen.incremental, dict(seen.detail)) == (
        1_761_000_009,
        True,
        {"external_id": "the external id", "enabled": False},
    )
    assert (item.words["job_type"], item.words["group_name"], item.since) == ("NORMAL_JOB", "the group", 1_761_000_001)


@pytest.mark.parametrize("status", ["200", "900"])
def test_a_cluster_of_cdm(status: str) -> None:
    lists = ADAPTERS["cdm"].lists
    assert lists is not None
    row = {"id": "c-1", "name": "the cluster", "status": status, "isFrozen": "0", "actionProgress": {"GROWING": "9%"}}
    (place,) = lists.places(json.dumps({"clusters": [row]}).encode())
    works = Location("c-1", "the cluster", usable=True, native_state="200", available=True)
    off = replace(works, usable=False, word="off", native_state="900", available=False, off=True)
    assert place == (works if status == "200" else off)
    assert {*row} - {"actionProgress"} == {*test_docs.CDM_CLUSTERS.split()}
    frozen = lists.places(json.dumps({"clusters": [row | {"isFrozen": "1"}]}).encode())[0]
    assert (frozen.word, frozen.off) == ("frozen", True)


def test_a_run_of_the_history_of_cdm() -> None:
    past = ADAPTERS["cdm"].past
    assert past is not None
    run = {name: field.sent for name, field in RUN.items()} | {"status": "SUCCEEDED"}
    moved = {name: field.sent for name, field in COUNTERS.items()}
    run["counters"] = {"org.apache.sqoop.submission.counter.SqoopCounters": moved}
    job = Job(JobKey("cdm", "orders"), "demo", {"cluster_id": "c-1", "job_name": "orders"})
    body = {"submissions": [run], "total": 9501, "page_no": 9502, "page_size": 9503}
    page = past.parse(json.dumps(body).encode(), job)
    (seen,) = page.runs
    assert (page.total, seen.run.id, seen.run.created) == (9501, "9320", 1_761_000_001)
    assert (seen.start, seen.end) == (1_761_000_002, 1_761_000_009)
    named = {**COUNTERS, **{name: RUN[name] for name in ("write_rows", "update_rows", "delete_rows")}}
    assert {each.name: number for each, number in seen.counts.items()} == {
        field.places[0]: field.sent for field in named.values()
    }
    assert "the details" not in repr(page)
