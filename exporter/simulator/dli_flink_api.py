"""The answers about Flink jobs (DLI API reference, "APIs Related to Flink Jobs"): list and details."""

from typing import Any, Final

from exporter.simulator.answers import Answer, Call, answer, service_error
from exporter.simulator.cloud import Cloud
from exporter.simulator.dli_flink import FlinkMoment
from exporter.simulator.world import milliseconds

_DEFAULT_LIMIT: Final = 10
_CONFIG: Final = {
    "checkpoint_enabled": True,
    "checkpoint_interval": 30,
    "cu_number": 4,
    "parallel_number": 3,
    "restart_when_exception": True,
    "resume_max_num": -1,
    "smn_topic": None,
    "edge_group_ids": None,
}


def list_jobs(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1.0/{project_id}/streaming/jobs``; ``is_success`` is text in it, as in the document."""
    limit, first = call.number("limit", _DEFAULT_LIMIT, 0, 100), call.number("offset", 0, 0, 10**6)
    order = call.value("order") or "desc"
    if limit is None or first is None or order not in {"asc", "desc"}:
        return service_error(400, "DLI.0001", "Parameter check failed: limit, offset or order.")
    moments = [moment for job in cloud.flink.values() if (moment := job.at(cloud.clock())) is not None]
    found = [moment for moment in moments if _asked_for(moment, call)]
    found.sort(key=lambda moment: moment.job.job_id, reverse=order == "desc")
    detailed = call.value("show_detail") == "true"
    rows = [_detail(cloud, moment) if detailed else _row(moment) for moment in found[first : first + limit]]
    body = {"is_success": "true", "message": "Jobs are listed.", "job_list": {"total_count": len(found), "jobs": rows}}
    return answer(200, body)


def show_job(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1.0/{project_id}/streaming/jobs/{job_id}``."""
    text = call.names["job"]
    job = cloud.flink.get(int(text)) if text.isdecimal() else None
    moment = None if job is None else job.at(cloud.clock())
    if moment is None:
        return service_error(400, "DLI.16001", f"The job {text} does not exist.")
    told = _detail(cloud, moment)
    return answer(200, {"is_success": "true", "message": "Job detail query succeeds.", "job_detail": told})


def _asked_for(moment: FlinkMoment, call: Call) -> bool:
    job = moment.job
    wanted = {
        "name": job.name,
        "status": moment.status,
        "job_type": job.job_type,
        "queue_name": job.queue,
        "user_name": job.user,
    }
    return all(call.value(name) in (None, text) for name, text in wanted.items())


def _common(moment: FlinkMoment) -> dict[str, Any]:
    job, begun = moment.job, moment.begun_at
    nothing = 0 if job.zero else None
    return {
        "job_id": job.job_id,
        "name": job.name,
        "desc": "",
        "job_type": job.job_type,
        "status": moment.status,
        "status_desc": job.reason if moment.over else "",
        "create_time": milliseconds(job.created_at),
        "start_time": nothing if begun is None else milliseconds(begun),
        "queue_name": job.queue,
        "restart_times": moment.restarts,
        "has_savepoint": False,
    }


def _row(moment: FlinkMoment) -> dict[str, Any]:
    """Write a job as the list has it without ``show_detail``."""
    more = {"user_name": moment.job.user, "duration": milliseconds(moment.ran), "root_id": -1}
    return {**_common(moment), **more, "graph_editor_enabled": False}


def _detail(cloud: Cloud, moment: FlinkMoment) -> dict[str, Any]:
    """Write a job as its detail has it: no duration, and the id of the user instead of the name."""
    return {
        **_common(moment),
        "user_id": cloud.user_id,
        "project_id": cloud.project_id,
        "update_time": milliseconds(moment.until),
        "sql_body": "insert into sink select * from clicks where token <> 'not-a-real-one'",
        "run_mode": "exclusive_cluster",
        "main_class": None,
        "entrypoint_args": None,
        "execution_graph": None,
        "job_config": dict(_CONFIG),
    }
