"""What the DWS calls about one operation answer: the redistribution of a cluster, its snapshots, the steps of a task.

Written from the API reference (ShowClusterRedistribution, ListSnapshots, ListClusterActions) and the vendor's SDK. What
they answer while no operation is in progress is not documented: here a redistribution and a snapshot are still
reported, and a task only if the cluster *remembers* its tasks.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final
from uuid import NAMESPACE_OID, uuid5

from exporter.simulator.answers import Answer, Call, answer, service_error
from exporter.simulator.cloud import Cloud
from exporter.simulator.dws_cluster import ClusterStep, DwsCluster
from exporter.simulator.world import length, local, share

_TABLES: Final = 200
_BYTES: Final = 160 * 2**30
_PHASES: Final = (
    ("Prepare", ("Create nodes", "Install software")),
    ("Scale out", ("Add data nodes", "Check cluster")),
)
_ROLLED_BACK: Final = "ROLLBACK_SUCCESS"
_STEPS: Final = sum(len(steps) for _, steps in _PHASES)


@dataclass(frozen=True, slots=True)
class _Past:
    """A step of a cluster's script that began before *now*, and the step after it."""

    cluster: DwsCluster
    step: ClusterStep
    after: ClusterStep
    began: float
    now: float

    @property
    def over(self) -> bool:
        return self.now >= self.began + self.step.seconds

    @property
    def ended(self) -> float | None:
        return self.began + self.step.seconds if self.over else None

    @property
    def failed(self) -> bool:
        spoiled = (self.after.task or "").endswith("FAILURE")
        return self.over and spoiled and self.after.kind == self.step.kind

    @property
    def ratio(self) -> float:
        low = self.step.low or 0.0
        return low + (self.step.high - low) * share(self.now - self.began, self.step.seconds)

    @property
    def id(self) -> str:
        return str(uuid5(NAMESPACE_OID, f"{self.cluster.cluster_id}/{self.began}"))


def _past(cluster: DwsCluster, now: float) -> Iterator[_Past]:
    """Yield the steps of the last two rounds of the script, the oldest first."""
    if not cluster.script or now < cluster.begun:
        return
    whole = length(cluster.script)
    rounds = int((now - cluster.begun) // whole)
    for number in range(max(0, rounds - 1), rounds + 1):
        began = cluster.begun + number * whole
        for place, step in enumerate(cluster.script):
            if began > now:
                return
            yield _Past(cluster, step, cluster.script[(place + 1) % len(cluster.script)], float(int(began)), now)
            began += step.seconds


def show_redistribution(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v2/{project_id}/clusters/{cluster_id}/redistribution`` (ShowClusterRedistribution)."""
    cluster = cloud.dws_clusters.get(call.names["cluster"])
    if cluster is None:
        return service_error(401, "DWS.0047", "The cluster does not exist.")
    past = [each for each in _past(cluster, cloud.clock()) if each.step.task == "REDISTRIBUTING"]
    enabled = ("schedule_mode", "pause_enable", "recover_enable", "retry_enable", "update_enable", "control_enable")
    switches = dict.fromkeys(enabled, False)
    return answer(200, {"error_msg": None, "redis_info": _redistribution(past[-1], call) if past else None, **switches})


def _redistribution(past: _Past, call: Call) -> dict[str, Any]:
    word = "FAIL" if past.failed else "SUCCESS" if past.over else "RUNNING"
    done = int(_TABLES * past.ratio + 1e-9)
    moving = [] if past.over else [{"table_name": f"orders_{2000 + done}", "id": 2147490000 + done, "status": "i"}]
    tables = [{**each, "schema_name": "sales", "logical_cluster_name": None, "size": 98304} for each in moving]
    return {
        "id": past.id,
        "cluster_id": past.cluster.cluster_id,
        "start_time": _minute(past.began),
        "end_time": "" if past.ended is None else _minute(past.ended),
        "status": word,
        "redis_conf": {
            "redis_mode": "online",
            "schedule_conf": None,
            "parallel_jobs": 4,
            "priority_policy": "default",
            "bucket_split_info": None,
        },
        "redis_progress": {
            "bytes_done": int(_BYTES * past.ratio),
            "byte_left": _BYTES - int(_BYTES * past.ratio),
            "tables_done": done,
            "tables_left": _TABLES - done,
            "table_progress": max(1, int(100 * past.ratio)),
            "total_progress": max(1, int(100 * past.ratio + 1e-9)),
            "redis_rate": "0 MB/s" if past.over else "38 MB/s",
            "estimated_time": "" if past.over else "00:12:06",
            "completed": word == "SUCCESS",
            "initialed": True,
            "fail_count": int(past.failed),
            "redistributing": not past.over,
            "status": word,
            "pause_by_user": False,
        },
        "redis_table_detail": {"data": tables[: call.number("limit", 10, 0, 100) or 0], "total": len(tables)},
    }


def list_snapshots(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1.0/{project_id}/snapshots`` (ListSnapshots): the snapshots of all clusters."""
    rows = [
        _snapshot(each)
        for cluster in cloud.dws_clusters.values()
        for each in _past(cluster, cloud.clock())
        if each.step.task == "SNAPSHOTTING"
    ]
    return answer(200, {"snapshots": rows[::-1], "count": len(rows)})


def _snapshot(past: _Past) -> dict[str, Any]:
    word = "CREATING" if not past.over else "UNAVAILABLE" if past.step.spoiled else "AVAILABLE"
    return {
        "id": past.id,
        "name": f"nightly-{datetime.fromtimestamp(past.began, UTC):%m%d%H%M%S}",
        "description": "",
        "started": _utc(past.began),
        "finished": None if past.ended is None else _utc(past.ended),
        "size": 512.5 if word == "AVAILABLE" else 0.0,
        "status": word,
        "type": "AUTO",
        "cluster_id": past.cluster.cluster_id,
        "cluster_name": past.cluster.name,
        "updated": _utc(past.now)[:-1],
        "fine_grained_backup": False,
    }


def show_action(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1/{project_id}/clusters/{cluster_id}/actions/{action}`` (ListClusterActions)."""
    cluster, name = cloud.dws_clusters.get(call.names["cluster"]), call.names["action"]
    if cluster is None:
        return service_error(401, "DWS.0047", "The cluster does not exist.")
    kind = ClusterStep(name, 0.0).kind
    past = [each for each in _past(cluster, cloud.clock()) if each.step.kind == kind == each.step.task]
    now = cluster.at(cloud.clock()).step.task
    if not past or (now != name and not cluster.remembers):
        return service_error(400, "DWS.0001", "The task does not exist.")
    return answer(200, _action(past[-1], name, str(cloud.new_uuid())))


def _action(past: _Past, name: str, task_id: str) -> dict[str, Any]:
    """Write the steps: each takes the same part of the time; the id is another one each time."""
    each, number, items = past.step.seconds / _STEPS, 0, []
    for phase, steps in _PHASES:
        rows = []
        for step in steps:
            begin, end = past.began + number * each, past.began + (number + 1) * each
            begun, over = past.now >= begin, past.now >= end
            spoiled = past.failed and number == _STEPS - 1
            rows.append(
                {
                    "status": "ROLLBACK_SUCCESS"
                    if spoiled
                    else "SUCCESS"
                    if over
                    else "RUNNING"
                    if begun
                    else "WAITING",
                    "detail": None,
                    "sub_item_name": step,
                    "begin_time": _sql(begin) if begun else None,
                    "end_time": _sql(end) if over else None,
                    "estimated_time": 600 if over else -1,
                }
            )
            number += 1
        items.append({"item_name": phase, "sub_items": rows})
    word = _ROLLED_BACK if past.failed else "SUCCESS" if past.over else "RUNNING"
    return {
        "id": task_id,
        "action_name": name,
        "status": word,
        "cluster_name": past.cluster.name,
        "submit_time": _sql(past.began - 2),
        "items": items,
    }


def _minute(at: float) -> str:
    return local(at).strftime("%Y-%m-%d %H:%M")


def _sql(at: float) -> str:
    return local(at).strftime("%Y-%m-%d %H:%M:%S.0")


def _utc(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
