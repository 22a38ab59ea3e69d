"""The answers of DataArts Factory (DataArts Studio API reference, "Job Development APIs"): jobs and instances.

Everything is of one workspace, which a header names; the one without a header is called default.
"""

from typing import Any, Final

from exporter.simulator.answers import Answer, Call, answer, service_error
from exporter.simulator.cloud import Cloud
from exporter.simulator.dataarts import FactoryJob, FactoryRun
from exporter.simulator.world import milliseconds

_DEFAULT_LIMIT: Final = 10
_MOST_INSTANCES: Final = 1000
_MOST_JOBS: Final = 100
_LONGEST_WINDOW: Final = 7 * 86_400_000
_DAY: Final = 86_400_000


def list_jobs(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1/{project_id}/jobs``: batch jobs only, since a real-time job is none that the simulator has."""
    limit, first = call.number("limit", _DEFAULT_LIMIT, 1, 1000), call.number("offset", 0, 0, 10**6)
    if limit is None or first is None:
        return service_error(400, "DLF.3051", "The request parameter is invalid.")
    jobs = _workspace(cloud, call)
    if jobs is None:
        return _no_workspace()
    wanted = call.value("jobName") or ""
    found = [job for job in jobs if wanted in job.name and (call.value("jobType") or "BATCH") == "BATCH"]
    page = found[first : first + min(limit, _MOST_JOBS)]
    return answer(200, {"total": len(found), "jobs": [_job(job, cloud.clock()) for job in page]})


def list_instances(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1/{project_id}/jobs/instances/detail``; without a window it is that of today."""
    now = milliseconds(cloud.clock())
    limit = call.number("limit", _DEFAULT_LIMIT, 1, _MOST_INSTANCES)
    first = call.number("offset", 0, 0, 10**6)
    least = call.number("minPlanTime", now - now % _DAY, 0, 10**14)
    most = call.number("maxPlanTime", now, 0, 10**14)
    if None in (limit, first, least, most) or (most or 0) - (least or 0) > _LONGEST_WINDOW:
        return service_error(400, "DLF.3051", "The request parameter is invalid.")
    jobs = _workspace(cloud, call)
    if jobs is None:
        return _no_workspace()
    name, exact = call.value("jobName"), call.value("preciseQuery") == "true"
    chosen = [job for job in jobs if name is None or (job.name == name if exact else name in job.name)]
    runs = [run for job in chosen for run in job.instances(cloud.clock())]
    found = [run for run in runs if (least or 0) <= milliseconds(run.planned_at) <= (most or 0)]
    if (status := call.value("status")) is not None:
        found = [run for run in found if run.status(cloud.clock()) == status]
    found.sort(key=lambda run: (run.planned_at, run.id), reverse=True)
    page = found[first or 0 : (first or 0) + (limit or 0)]
    return answer(200, {"total": len(found), "instances": [_row(run, cloud.clock()) for run in page]})


def show_instance(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1/{project_id}/jobs/{job_name}/instances/{instance_id}``: one instance with its nodes."""
    jobs = _workspace(cloud, call)
    if jobs is None:
        return _no_workspace()
    now = cloud.clock()
    runs = [run for job in jobs if job.name == call.names["job"] for run in job.instances(now)]
    run = next((each for each in runs if str(each.id) == call.names["instance"]), None)
    if run is None:
        return service_error(400, "DLF.0137", "Job instance does not exist.")
    nodes = [_node(run, place, now) for place in range(len(run.job.nodes))]
    told = {name: value for name, value in _row(run, now).items() if name not in _OF_THE_LIST}
    return answer(200, {**told, "total": len(nodes), "nodes": nodes})


_OF_THE_LIST: Final = frozenset({"jobId", "jobInstanceName", "submitTime", "version", "errorMessage"})


def _workspace(cloud: Cloud, call: Call) -> list[FactoryJob] | None:
    """Return the jobs of the workspace that a call means; None if there is no such workspace."""
    named = call.headers.get("workspace", "")
    jobs = [job for job in cloud.factory.values() if job.workspace == named]
    return jobs if jobs or not named else None


def _no_workspace() -> Answer:
    return service_error(400, "DLF.0819", "Workspace does not exists.")


def _job(job: FactoryJob, now: float) -> dict[str, Any]:
    stopped = now >= job.stopped_at
    body: dict[str, Any] = {
        "name": job.name,
        "jobType": "BATCH",
        "status": job.schedule if stopped else "SCHEDULING",
        "owner": job.owner,
        "createUser": "etl_dev",
        "createTime": milliseconds(job.created_at),
        "lastUpdateUser": "etl_dev",
        "path": job.path,
        "priority": 0,
        "singleNodeJobFlag": False,
    }
    over = [run for run in job.instances(now) if run.status(now) in {"success", "fail"}]
    if over:
        body["lastInstanceStatus"] = over[0].status(now)
        body["lastInstanceEndTime"] = milliseconds(over[0].ended_at)
    return body


def _row(run: FactoryRun, now: float) -> dict[str, Any]:
    """Write an instance as the list has it; the end and the time it took are there once it ended."""
    job, word = run.job, run.status(now)
    begun, over = word != "waiting", now >= run.ended_at
    body: dict[str, Any] = {
        "jobName": job.name,
        "jobId": 71000 + job.number,
        "jobInstanceName": job.name,
        "instanceId": run.id,
        "status": word,
        "planTime": milliseconds(run.planned_at),
        "startTime": milliseconds(run.started_at) if begun else None,
        "submitTime": milliseconds(job.created_at),
        "instanceType": 0,
        "forceSuccess": over and run.index in job.forced,
        "ignoreSuccess": False,
        "version": 3,
    }
    if over:
        body |= {"endTime": milliseconds(run.ended_at), "executeTime": milliseconds(run.ended_at - run.started_at)}
    if word == "fail" and job.error:
        body["errorMessage"] = job.error
    return body


def _node(run: FactoryRun, place: int, now: float) -> dict[str, Any]:
    node, (word, begun, ended) = run.job.nodes[place], run.node_status(place, now)
    body: dict[str, Any] = {
        "nodeName": node.name,
        "status": word,
        "planTime": milliseconds(run.planned_at),
        "startTime": None if word == "waiting" else milliseconds(begun),
        "type": node.kind,
        "retryTimes": 0 if word == "waiting" else node.retries,
        "instanceId": run.id,
        "logPath": f"obs://dlf-log-acme/{run.job.name}/{node.name}.job",
    }
    if word in {"success", "fail"}:
        body["endTime"] = milliseconds(ended)
    if node.queue is not None:
        body["queue"] = node.queue
    return body
