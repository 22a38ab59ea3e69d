"""The DWS answers: the progress of one task and the clusters (DWS API reference)."""

import re
from typing import Any, Final

from exporter.simulator.answers import Answer, Call, answer, service_error
from exporter.simulator.cloud import Cloud
from exporter.simulator.dws import DwsMoment
from exporter.simulator.dws_cluster import ClusterMoment, DwsCluster
from exporter.simulator.world import local

_ID: Final = re.compile(r"[0-9a-f]{32}|[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


def show_job(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1.0/{project_id}/job/{job_id}`` (ListJobDetails); every value is a string or null."""
    job_id = call.names["job"]
    if _ID.fullmatch(job_id) is None:
        return service_error(400, "DWS.5064", "Invalid UUID.")
    job = cloud.dws.get(job_id)
    moment = None if job is None else job.at(cloud.clock())
    if moment is None:
        return service_error(404, "DWS.3027", "The resource does not exist.")
    return answer(200, _body(moment))


def list_clusters(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1.0/{project_id}/clusters``."""
    clusters = [_cluster(cloud, cluster) for cluster in cloud.dws_clusters.values()]
    return answer(200, {"clusters": clusters, "count": len(clusters)})


def show_cluster(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1.0/{project_id}/clusters/{cluster_id}`` (ListClusterDetails); 401 is one that does not exist."""
    cluster = cloud.dws_clusters.get(call.names["cluster"])
    if cluster is None:
        return service_error(401, "DWS.0047", "The cluster does not exist.")
    moment = cluster.at(cloud.clock())
    resize = moment.resize_info
    told = {} if resize is None and cluster.bare else {"resize_info": resize}
    return answer(200, {"cluster": {**_cluster(cloud, cluster), **told}})


def _body(moment: DwsMoment) -> dict[str, Any]:
    job = moment.job
    body = {
        "status": moment.status,
        "progress": None if moment.percent is None else f"{moment.percent}%",
        "job_id": job.job_id,
        "job_name": job.task,
        "begin_time": _time(moment.begun_at, sql=job.sql_times),
        "end_time": _time(moment.ended_at, sql=job.sql_times),
        "failed_code": job.failed_code if moment.failed else None,
        "failed_detail": job.failed_detail if moment.failed else None,
    }
    return {key: value for key, value in body.items() if not (job.bare and value is None)}


def _time(at: float | None, *, sql: bool) -> str | None:
    """Write a time as the service does: the region's local time, without a zone."""
    if at is None:
        return None
    return local(at).strftime("%Y-%m-%d %H:%M:%S.0" if sql else "%Y-%m-%dT%H:%M:%S")


def _cluster(cloud: Cloud, cluster: DwsCluster) -> dict[str, Any]:
    job = cloud.dws.get(cluster.job_id or "")
    moment = None if job is None else job.at(cloud.clock())
    busy = moment is not None and moment.ended_at is None and cluster.task_status is not None
    progress = {cluster.task_status: f"{moment.percent or 0}%"} if moment is not None and busy else {}
    if cluster.script:
        return _scripted(cluster, cluster.at(cloud.clock()))
    return {
        "id": cluster.cluster_id,
        "name": cluster.name,
        "status": cluster.status,
        "sub_status": cluster.sub_status,
        "task_status": cluster.task_status if busy else None,
        "action_progress": progress,
        "version": "8.2.1",
        "created": "2023-01-05T08:00:00",
        "updated": "2024-03-05T08:00:00",
        "number_of_node": 3,
        "enterprise_project_id": "0",
        "failed_reasons": None,
        "tags": [],
    }


def _scripted(cluster: DwsCluster, moment: ClusterMoment) -> dict[str, Any]:
    body = {
        "id": cluster.cluster_id,
        "name": cluster.name,
        "status": moment.step.status,
        "sub_status": moment.step.sub_status,
        "task_status": moment.step.task,
        "action_progress": dict(moment.progress),
        "version": "8.2.1.220",
        "created": "2024-05-02T07:11:40Z",
        "updated": "2024-05-02T07:11:40Z",
        "number_of_node": 3 if moment.step.nodes is None else moment.step.nodes[0],
        "recent_event": 4,
        "failed_reasons": moment.failed_reasons,
    }
    return {key: value for key, value in body.items() if not (cluster.bare and value is None)}
