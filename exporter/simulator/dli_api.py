"""The DLI answers: submit, progress, status and list of SQL jobs (DLI API reference, "APIs Related to SQL Jobs")."""

import json
import math
from collections.abc import Callable
from typing import Any, Final
from urllib.parse import unquote

from exporter.simulator.answers import Answer, Call, answer, service_error
from exporter.simulator.cloud import Cloud
from exporter.simulator.dli import DliJob, DliMoment, SubJob, SubJobMoment
from exporter.simulator.world import Step, local, milliseconds

_DEFAULT_PAGE: Final = 50
_SUBMITTED: Final = (Step("LAUNCHING", 2), SubJob("scan", 40, 4), SubJob("insert", 60, 4))
"""What a job does that a client submits: it succeeds after ten seconds."""


def submit_job(cloud: Cloud, call: Call) -> Answer:
    """Answer ``POST /v1.0/{project_id}/jobs/submit-job``."""
    try:
        asked = json.loads(call.body)
        sql, queue = asked["sql"], asked.get("queue_name", "default")
    except (ValueError, KeyError, TypeError, AttributeError):
        sql = queue = None
    if not isinstance(sql, str) or not isinstance(queue, str) or not sql.strip():
        return service_error(400, "DLI.0001", "Parameter check failed: sql or queue_name.")
    started = float(math.floor(cloud.clock()))
    job = DliJob(cloud.new_uuid(), "", started, _SUBMITTED, job_type="INSERT", queue=queue, statement=sql)
    cloud.add(job)
    told = {"job_id": job.job_id, "job_type": job.job_type, "schema": [], "job_mode": "async"}
    return answer(200, {"is_success": True, "message": "", **told})


def show_progress(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1/{project_id}/jobs/{job_id}/progress``."""
    moment = _find(cloud, call.names["job"])
    if moment is None:
        return service_error(404, "DLI.0023", "No related resource found, or you do not have the permission.")
    body: dict[str, Any] = {"is_success": True, "message": moment.message}
    if moment.job.tells_job_id:
        body["job_id"] = moment.job.job_id
    body["status"] = moment.status
    if moment.sub_job_id is not None:
        body["sub_job_id"] = moment.sub_job_id
    if moment.progress is not None:
        body["progress"] = _number(moment.progress)
    if moment.sub_jobs is not None:
        body["sub_jobs"] = [_sub_job(moment.job, each) for each in moment.sub_jobs]
    return answer(200, body)


def show_status(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1.0/{project_id}/jobs/{job_id}/status``."""
    job_id = call.names["job"]
    moment = _find(cloud, job_id)
    if moment is None:
        return service_error(400, "DLI.0002", f"There is no job named {job_id}.")
    row = _row(moment, cloud.clock())
    kept = {key: value for key, value in row.items() if key not in _LIST_ONLY}
    return answer(200, {"is_success": True, **kept, "job_mode": "async", "user_conf": ""})


def list_jobs(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1.0/{project_id}/jobs``."""
    now = cloud.clock()
    size = call.number("page-size", _DEFAULT_PAGE, 1, 100)
    page = call.number("current-page", 1, 1, 100)
    order = call.value("order") or "start_time_desc"
    window = [text for name in ("start", "end") if (text := call.value(name)) is not None]
    if size is None or page is None or order not in _ORDERS or not all(text.isdecimal() for text in window):
        message = "Parameter check failed: page-size, current-page, order, start or end."
        return service_error(400, "DLI.0001", message)
    checks, status = _checks(call), call.value("job-status")
    jobs = [job for job in cloud.dli.values() if job.submitted_at <= now and all(check(job) for check in checks)]
    if status is not None:
        jobs = [job for job in jobs if (moment := job.at(now)) is not None and moment.status == status]
    jobs.sort(key=lambda job: job.job_id)
    key, descending = _ORDERS[order]
    jobs.sort(key=lambda job: key(job, now), reverse=descending)
    shown = [moment for job in jobs[(page - 1) * size : page * size] if (moment := job.at(now)) is not None]
    rows = [_row(moment, now) for moment in shown]
    return answer(200, {"is_success": True, "message": "", "job_count": len(jobs), "jobs": rows})


def _duration(job: DliJob, now: float) -> float:
    moment = job.at(now)
    ended = None if moment is None else moment.ended_at
    return (now if ended is None else ended) - job.submitted_at


def _started(job: DliJob, now: float) -> float:
    return job.submitted_at


_LIST_ONLY: Final = frozenset({"with_column_header", "engine_type", "end_time", "cpu_cost", "output_byte"})
_ORDERS: Final[dict[str, tuple[Callable[[DliJob, float], float], bool]]] = {
    "start_time_desc": (_started, True),
    "start_time_asc": (_started, False),
    "duration_desc": (_duration, True),
    "duration_asc": (_duration, False),
}
_EQUALS: Final = {
    "job-type": "job_type",
    "job-id": "job_id",
    "db_name": "database",
    "table_name": "table",
    "queue_name": "queue",
    "engine-type": "engine",
    "engine_type": "engine",
    "owner": "owner",
}
"""Query parameter -> what of a job must equal it."""


def _find(cloud: Cloud, job_id: str) -> DliMoment | None:
    job = cloud.dli.get(job_id)
    return None if job is None else job.at(cloud.clock())


def _checks(call: Call) -> list[Callable[[DliJob], bool]]:
    """Return the filters of the query, read once; a status needs more than the job."""

    def equal(field: str, asked: str) -> Callable[[DliJob], bool]:
        return lambda job: getattr(job, field) == asked

    checks = [equal(field, asked) for name, field in _EQUALS.items() if (asked := call.value(name)) is not None]
    if (start := call.value("start")) is not None:
        earliest = int(start)
        checks.append(lambda job: milliseconds(job.submitted_at) >= earliest)
    if (end := call.value("end")) is not None:
        latest = int(end)
        checks.append(lambda job: milliseconds(job.submitted_at) <= latest)
    if (pattern := call.value("sql_pattern")) is not None:
        part = pattern.lower()
        checks.append(lambda job: part in job.statement.lower())
    if (tags := call.value("tags")) is not None:
        wanted = _tags(tags)
        checks.append(lambda job: wanted <= set(job.tags.items()))
    if types := call.values("job_types"):
        checks.append(lambda job: job.job_type in types)
    return checks


def _tags(text: str) -> set[tuple[str, str]]:
    # the SDK encodes the documented form (k1%3Dv1) once more, other clients do not: read both
    pairs = (part.partition("=") for part in unquote(text).split(","))
    return {(key, value) for key, _, value in pairs}


def _row(moment: DliMoment, now: float) -> dict[str, Any]:
    """Write a job as the list shows it: cpu_cost and output_byte are strings there, and the counts of rows that were
    read are there for an INSERT only.
    """
    job, ended = moment.job, moment.ended_at
    done = ended is not None and moment.status == "FINISHED"
    part = 1.0 if done else _moved(moment)
    read, inserts = {"input_row_count": int(part * job.rows), "bad_row_count": int(part * job.bad_rows)}, job.rows > 0
    return {
        "job_id": job.job_id,
        "job_type": job.job_type,
        "queue_name": job.queue,
        "owner": job.owner,
        "start_time": milliseconds(job.submitted_at),
        "duration": milliseconds((now if ended is None else ended) - job.submitted_at),
        "status": moment.status,
        **(read if inserts and job.job_type == "INSERT" else {}),
        "input_size": int(part * job.input_bytes),
        "result_count": job.rows - job.bad_rows if done else 0,
        "database_name": job.database,
        "table_name": job.table,
        "with_column_header": False,
        "detail": '{"type":"struct","fields":[]}',
        "engine_type": job.engine,
        "statement": job.statement,
        "tags": [{"key": key, "value": value} for key, value in job.tags.items()],
        "message": moment.message,
        "end_time": None if ended is None else milliseconds(ended),
        "cpu_cost": str(job.cpu_cost) if done else "",
        "output_byte": str(job.output_bytes) if done else "",
    }


def _moved(moment: DliMoment) -> float:
    """Return the share of its input that a job has read by now."""
    tasks = [each.script.tasks for each in moment.sub_jobs or ()]
    planned = sum(each.tasks for each in moment.job.script if isinstance(each, SubJob))
    done = sum(each.completed for each in moment.sub_jobs or ())
    return done / planned if tasks and planned else 0.0


def _sub_job(job: DliJob, moment: SubJobMoment) -> dict[str, Any]:
    """Write a sub-job: Spark's JobData with underscores; absent is what does not apply yet."""
    script = moment.script
    running = moment.completed_at is None
    skipped_stages = 1 if script.skipped else 0
    body: dict[str, Any] = {"id": moment.id, "name": script.name}
    if script.description:
        body["description"] = script.description
    body["submission_time"] = _java_date(moment.submitted_at)
    if moment.completed_at is not None:
        body["completion_time"] = _java_date(moment.completed_at)
    body |= {
        "stage_ids": list(range(moment.first_stage, moment.first_stage + script.stages)),
        "job_group": job.job_id,
        "status": moment.status,
        "num_tasks": script.tasks,
        "num_active_tasks": moment.active,
        "num_completed_tasks": moment.completed,
        "num_skipped_tasks": script.skipped,
        "num_failed_tasks": moment.failed,
        "num_killed_tasks": sum(moment.killed.values()),
        "num_completed_indices": moment.completed,
        "num_active_stages": 1 if running else 0,
        "num_completed_stages": moment.completed_stages,
        "num_skipped_stages": skipped_stages,
        "num_failed_stages": 1 if moment.status == "FAILED" else 0,
    }
    if script.killed:
        body["killed_tasks_summary"] = dict(moment.killed)
    return body


def _java_date(at: float) -> str:
    """Write a time as java.util.Date prints it in the region's zone: ``Tue Mar 05 08:10:41 CST 2024``."""
    return local(at).strftime("%a %b %d %H:%M:%S CST %Y")


def _number(value: float) -> int | float:
    return int(value) if value.is_integer() else value
