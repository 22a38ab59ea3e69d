"""What the calls about one operation on a DWS cluster say of it, and what they do not say."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta, timezone
from typing import Any

import pytest

from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.packed import Packed
from exporter.model.reason import Reason
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.services.registry import load_services
from exporter.services.request import Request

DWS = load_services()["dws"]
SHANGHAI = timezone(timedelta(hours=8))
CLUSTER, OTHER = "a1c4e7d2-90bf-4f36-8b15-2e6d3c9f4a22", "c7e2b5a8-1d40-4b93-a6f7-9f1e0d2c3b33"
REDISTRIBUTION = "1f6b0c3d-0a91-4be7-8d25-7e3f9a1c5b60"
Payload = Callable[[str], bytes]


def job(cluster: str = CLUSTER) -> Job:
    return Job(JobKey("dws", "warehouse"), "demo", {"cluster_id": cluster})


def running(kind: str, native: str = "", **detail: object) -> Snapshot:
    return Snapshot(State.RUNNING, native or kind, kind=kind, detail=Packed(detail))


def read(body: object, run: Snapshot, cluster: str = CLUSTER, zone: timezone | None = SHANGHAI) -> Snapshot:
    reader = DWS.of(job().target).run_reader
    assert reader is not None
    return reader.parse(body if isinstance(body, bytes) else json.dumps(body).encode(), job(cluster), run, zone)


def request(run: Snapshot) -> Request | None:
    reader = DWS.of(job().target).run_reader
    assert reader is not None
    return reader.request(job(), run, "p")


def redistribution(**info: object) -> dict[str, Any]:
    return {"redis_info": {"id": REDISTRIBUTION, "cluster_id": CLUSTER, "status": "RUNNING", **info}}


def snapshot(**row: object) -> dict[str, Any]:
    return {"snapshots": [{"id": "s-1", "cluster_id": CLUSTER, "status": "CREATING", **row}], "count": 1}


def action(status: str = "RUNNING", *steps: str, **fields: object) -> dict[str, Any]:
    rows = [{"status": each, "sub_item_name": "copy"} for each in steps]
    return {"action_name": "GROWING", "status": status, "items": [{"item_name": "all", "sub_items": rows}], **fields}


def reason(body: object, run: Snapshot, **how: Any) -> Reason:
    with pytest.raises(PollError) as failed:
        read(body, run, **how)
    return failed.value.reason


def test_the_samples_of_a_redistribution_are_read(payload: Payload) -> None:
    seen = read(payload("dws/redistribution_running.json"), running("REDISTRIBUTING"))
    assert (seen.state, seen.progress, seen.start, seen.end) == (State.RUNNING, 0.31, 1772584200, None)
    tasks = {Measure("tasks", "completed"): 62, Measure("tasks", "waiting"): 138, Measure("tasks_planned"): 200}
    assert seen.counts == tasks
    assert (seen.detail["redistribution_id"], seen.detail["bytes_left"]) == (REDISTRIBUTION, 114890375168)
    assert seen.detail["tables"].dicts() == [
        {"schema": "sales", "table": "orders_2025", "size": 98304, "status": "i"},
    ]
    assert read(payload("dws/redistribution_running.json"), running("REDISTRIBUTING"), zone=None).start is None
    paused = read(payload("dws/redistribution_paused_conflict.json"), running("REDISTRIBUTING"))
    assert (paused.state, paused.native_state, paused.progress) == (State.PENDING, "PAUSE", 0.31), "not FAIL"
    assert (paused.detail["failures"], paused.detail["bytes_left"]) == (2, 0)
    assert reason(payload("dws/redistribution_none.json"), running("REDISTRIBUTING")) is Reason.PAYLOAD


def test_the_samples_of_snapshots_are_read(payload: Payload) -> None:
    body = payload("dws/snapshots.json")
    seen = read(body, running("SNAPSHOTTING"), cluster=OTHER)
    assert (seen.state, seen.start, seen.end, seen.progress) == (State.RUNNING, 1772619300, None, None)
    assert (seen.detail["snapshot_id"][:8], seen.detail["snapshot_name"]) == ("7f204b6d", "before-upgrade")
    saved = {
        "6e1f3a5c-8d27-4b90-9c3e-1a2b3c4d5e01": State.SUCCEEDED,
        "80315c7e-af49-4db2-9e50-3c4d5e6f7003": State.FAILED,
    }
    cluster = "3b9d2f10-6a41-4c77-9e02-5d8c1f7a0b11"
    for name, state in saved.items():
        over = read(body, running("SNAPSHOTTING", snapshot_id=name), cluster=cluster)
        assert (over.state, over.kind) == (state, "SNAPSHOTTING")
        assert over.end == (1772588530 if state is State.SUCCEEDED else None)
    assert reason(body, running("SNAPSHOTTING"), cluster=cluster) is Reason.PAYLOAD, "none is being created"


def test_the_samples_of_tasks_are_read(payload: Payload) -> None:
    seen = read(payload("dws/action_growing_running.json"), running("GROWING"))
    assert (seen.state, seen.progress, seen.start, seen.end) == (State.RUNNING, None, 1772589483, None)
    words = {"active": 1, "completed": 2, "failed": 0, "waiting": 1}
    assert seen.counts == {Measure("tasks", word): n for word, n in words.items()} | {Measure("tasks_planned"): 4}
    steps = seen.detail["steps"].dicts()
    assert steps[0] == {
        "phase": "Prepare",
        "sub_item_name": "Create nodes",
        "status": "SUCCESS",
        "begin_time": "2026-03-04 09:58:03.0",
        "end_time": "2026-03-04 10:06:40.0",
        "estimated_time": 600,
    }
    assert "estimated_time" not in steps[2]
    failed = replace(running("GROWING", "RESIZE_FAILURE", submit_time="2026-03-04 09:58:01.0"), state=State.FAILED)
    over = read(payload("dws/action_rolled_back.json"), failed)
    assert (over.state, over.native_state, over.end) == (State.FAILED, "ROLLBACK_SUCCESS", 1772591515)


@pytest.mark.parametrize(
    ("run", "path", "query"),
    [
        (
            running("REDISTRIBUTING"),
            f"/v2/p/clusters/{CLUSTER}/redistribution",
            {"limit": "10", "offset": "0", "type": "i"},
        ),
        (running("SNAPSHOTTING"), "/v1.0/p/snapshots", {}),
        (running("GROWING"), f"/v1/p/clusters/{CLUSTER}/actions/GROWING", {}),
        (running("GROWING", "Resize_Failure"), f"/v1/p/clusters/{CLUSTER}/actions/RESIZE_FAILURE", {}),
        (running("FINE_GRAINED_RESTORING"), f"/v1/p/clusters/{CLUSTER}/actions/FINE_GRAINED_RESTORING", {}),
    ],
)
def test_what_is_asked_of_an_operation(run: Snapshot, path: str, query: dict[str, str]) -> None:
    asked = request(run)
    assert asked is not None
    assert (asked.path, dict(asked.query)) == (path, query)


@pytest.mark.parametrize(
    "run", [running("REBOOTING"), running("CREATING"), running("", "other"), running("", "AVAILABLE")]
)
def test_of_other_operations_nothing_is_asked(run: Snapshot) -> None:
    assert request(run) is None


@pytest.mark.parametrize(
    ("kind", "mark", "body", "over"),
    [
        ("REDISTRIBUTING", {"redistribution_id": REDISTRIBUTION}, redistribution, "SUCCESS"),
        ("SNAPSHOTTING", {"snapshot_id": "s-1"}, snapshot, "AVAILABLE"),
        ("GROWING", {"submit_time": "then"}, lambda status: action(status, submit_time="then"), "SUCCESS"),
    ],
)
def test_an_end_counts_only_of_the_operation_that_was_seen_to_run(
    kind: str, mark: dict[str, str], body: Callable[..., object], over: str
) -> None:
    answer = read(body(status=over), running(kind, **mark))
    assert (answer.state, answer.progress, answer.kind) == (State.SUCCEEDED, 1.0, kind)
    assert reason(body(status=over), running(kind)) is Reason.PAYLOAD
    other = dict.fromkeys(mark, "another")
    assert reason(body(status=over), running(kind, **other)) in {Reason.NOT_FOUND, Reason.PAYLOAD}


def test_of_several_snapshots_the_operation_is_the_one_that_is_made_last() -> None:
    """One of them may be a copy, so while there are several none of them is the operation."""

    def rows(*words: str) -> dict[str, Any]:
        made = enumerate(words, 1)
        return {"snapshots": [row for n, word in made for row in snapshot(id=f"s-{n}", status=word)["snapshots"]]}

    first = running("SNAPSHOTTING", snapshot_id="s-1")
    second = read(rows("AVAILABLE", "CREATING"), first)
    assert (second.state, second.detail["snapshot_id"]) == (State.RUNNING, "s-2")
    over = read(rows("AVAILABLE", "CREATING"), replace(first, idle=True))
    assert over.state is State.SUCCEEDED, "the other one began after the operation"
    both = read(rows("CREATING", "CREATING"), first)
    unsure = replace(first, detail=both.detail)
    assert (both.state, both.start) == (State.RUNNING, None)
    assert read(rows("UNAVAILABLE", "CREATING"), unsure).detail["snapshot_id"] == "s-2"
    assert reason(rows("UNAVAILABLE", "AVAILABLE"), replace(unsure, idle=True)) is Reason.PAYLOAD


def test_ids_and_words_of_an_operation_are_compared_without_regard_to_case() -> None:
    moved = redistribution(id=REDISTRIBUTION.upper(), cluster_id=CLUSTER.upper(), status="success")
    assert read(moved, running("REDISTRIBUTING", redistribution_id=REDISTRIBUTION)).state is State.SUCCEEDED
    assert read(action(), running("GROWING", native="growing")).state is State.RUNNING
    assert read(action(action_name="growing"), running("GROWING")).state is State.RUNNING


def test_the_id_of_a_task_is_none_because_each_answer_has_another() -> None:
    run = running("GROWING", submit_time="2026-03-04 09:58:01.0", task_id="1")
    assert read(action("SUCCESS", submit_time="2026-03-04 09:58:01.0", id="2"), run).state is State.SUCCEEDED
    assert reason(action("SUCCESS", submit_time="2026-03-05 09:58:01.0", id="1"), run) is Reason.NOT_FOUND
    assert reason(action("SUCCESS", id="1"), run) is Reason.NOT_FOUND


@pytest.mark.parametrize(
    ("kind", "body"),
    [
        ("REDISTRIBUTING", {}),
        ("REDISTRIBUTING", {"redis_info": []}),
        ("REDISTRIBUTING", redistribution(status=None)),
        ("REDISTRIBUTING", redistribution(status=3)),
        ("REDISTRIBUTING", redistribution(cluster_id=OTHER)),
        ("SNAPSHOTTING", {"snapshots": []}),
        ("SNAPSHOTTING", {"snapshots": None}),
        ("SNAPSHOTTING", {"snapshots": [None, 1, {}]}),
        ("SNAPSHOTTING", snapshot(cluster_id=OTHER)),
        ("SNAPSHOTTING", snapshot(cluster_id=None)),
        ("SNAPSHOTTING", snapshot(id=None)),
        ("SNAPSHOTTING", {"snapshots": [*snapshot()["snapshots"], *snapshot(id="s-2")["snapshots"]]}),
        ("GROWING", {}),
        ("GROWING", action(action_name="RESTORING")),
        ("GROWING", [1]),
    ],
)
def test_an_answer_that_does_not_show_the_operation_is_a_failure(kind: str, body: object) -> None:
    assert reason(body, running(kind)) is Reason.PAYLOAD


def test_an_error_in_a_200_answer_is_a_failure() -> None:
    assert reason({**redistribution(), "error_code": "DWS.5045"}, running("REDISTRIBUTING")) is Reason.PERMISSION


def test_words_and_numbers_that_are_not_documented_cost_only_themselves() -> None:
    odd = redistribution(status="THINKING", redis_progress={"total_progress": 101, "tables_done": -1, "tables_left": 5})
    seen = read(odd, running("REDISTRIBUTING"))
    assert (seen.state, seen.progress, seen.counts) == (State.UNKNOWN, None, {Measure("tasks", "waiting"): 5})
    assert set(seen.unknown) == {
        "redis_info.status",
        "redis_info.redis_progress.total_progress",
        "redis_info.redis_progress.tables_done",
    }
    steps = read(action("RUNNING", "SUCCESS", "HOPING"), running("GROWING"))
    assert (steps.counts, steps.unknown) == ({}, ("items",)), "no number of them is known"
    frozen = read(snapshot(status="FROZEN"), running("SNAPSHOTTING", snapshot_id="s-1"))
    assert (frozen.state, frozen.state.ended) == (State.UNKNOWN, False)
