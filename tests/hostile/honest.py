"""What an honest cloud answers: pure, from the truth, the request and the moment.

Written from the vendor's documents alone. `Question` says which call of which service a request is; whoever wants
to answer something else than what was asked (another job, another moment) asks `answer` another question.
"""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from typing import Any

from tests.hostile.exchange import Answer, Request
from tests.hostile.truth import Job, Run, World

ZONE = timezone(timedelta(hours=8))
"""The zone in which DWS tells its times; the documents name none, the configuration does."""
COUNTERS = "org.apache.sqoop.submission.counter.SqoopCounters"
WORDS = {
    "dli": {
        "pending": "LAUNCHING",
        "running": "RUNNING",
        "succeeded": "FINISHED",
        "failed": "FAILED",
        "cancelled": "CANCELLED",
    },
    "dws": {"pending": "WAITING", "running": "RUNNING", "succeeded": "SUCCESS", "failed": "FAIL", "cancelled": "STOP"},
    "cdm": {
        "pending": "BOOTING",
        "running": "RUNNING",
        "succeeded": "SUCCEEDED",
        "failed": "FAILED",
        "cancelled": "STOPPED",
    },
}
CODES = {"dli": "DLI.0005", "dws": "DWS.0114", "cdm": "Cdm.0901"}
"""The code that a failed run tells."""


@dataclass(frozen=True)
class Question:
    """Which call it is: its operation, the limit class it counts for, and what it names."""

    operation: str
    limit: str
    project: str = ""
    names: Mapping[str, str] = field(default_factory=dict)

    @property
    def service(self) -> str:
        """The service that is asked."""
        return self.operation.split(".")[0]


ROUTES = (
    ("dli.progress", "dli", re.compile(r"/v1/([^/]+)/jobs/(?P<job>[^/]+)/progress")),
    ("dli.list", "dli", re.compile(r"/v1\.0/([^/]+)/jobs")),
    ("dli.status", "dli", re.compile(r"/v1\.0/([^/]+)/jobs/(?P<job>[^/]+)/status")),
    ("dws.job", "dws", re.compile(r"/v1\.0/([^/]+)/job/(?P<job>[^/]+)")),
    ("dws.clusters", "dws", re.compile(r"/v1\.0/([^/]+)/clusters")),
    ("cdm.status", "cdm", re.compile(r"/v1\.1/([^/]+)/clusters/(?P<cluster>[^/]+)/cdm/job/(?P<name>[^/]+)/status")),
    ("cdm.jobs", "cdm_list", re.compile(r"/v1\.1/([^/]+)/clusters/(?P<cluster>[^/]+)/cdm/job/all")),
    ("cdm.submissions", "cdm_list", re.compile(r"/v1\.1/([^/]+)/clusters/(?P<cluster>[^/]+)/cdm/submissions")),
    ("cdm.clusters", "cdm_list", re.compile(r"/v1\.1/([^/]+)/clusters")),
    ("iam.token", "iam", re.compile(r"/v3/auth/tokens")),
    ("iam.projects", "iam", re.compile(r"/v3/projects")),
)


def question(request: Request) -> Question:
    """Return which call a request is."""
    decoded = dict(zip(request.path.split("/")[1:], request.segments, strict=True))
    for operation, limit, pattern in ROUTES:
        if found := pattern.fullmatch(request.path):
            names = {name: decoded[value] for name, value in found.groupdict().items()}
            return Question(operation, limit, decoded[found[1]] if found.groups() else "", names)
    return Question("none", "none")


def answer(world: World, asked: Question, request: Request, now: float) -> Answer:
    """Return what an honest cloud says at this moment to a caller who may ask."""
    if asked.operation == "none":
        return gateway(404, "APIGW.0101", "The API does not exist or has not been published in the environment")
    if asked.project not in ("", world.project):
        return gateway(403, "APIGW.0310", "The project is unavailable")
    return ANSWERS[asked.operation](world, asked, request, now)


def gateway(status: int, code: str, text: str) -> Answer:
    """Return an answer of the gateway before the service."""
    return Answer(status, {"error_msg": text, "error_code": code, "request_id": "7f1c9a3e5b2d4c68a0e1f2b3c4d5e6f7"})


def _ms(moment: float) -> int:
    return int(moment * 1000)


# DLI -----------------------------------------------------------------------------------------------------------------


def _dli_progress(world: World, asked: Question, _: Request, now: float) -> Answer:
    found = world.by_run("dli", asked.names["job"])
    if found is None or found[1].created > now:
        return Answer(404, {"error_code": "DLI.0023", "error_msg": f"Job {asked.names['job']} does not exist."})
    run = found[1]
    state, share = run.state(now), run.share(now)
    body: dict[str, Any] = {
        "is_success": True,
        "message": f"{CODES['dli']}: there is no partition" if state == "failed" else "",
        "job_id": run.ident,
        "status": WORDS["dli"][state],
        "progress": share / 100,
    }
    if state == "running":
        body |= {"sub_job_id": 0, "sub_jobs": [_subjob(run, share)]}
    return Answer(200, body)


def _subjob(run: Run, share: int) -> dict[str, Any]:
    return {
        "id": 0,
        "name": "save at Report.scala:88",
        "submission_time": datetime.fromtimestamp(run.started, ZONE).strftime("%a %b %d %H:%M:%S CST %Y"),
        "stage_ids": [0, 1],
        "job_group": run.ident,
        "status": "RUNNING",
        "num_tasks": 100,
        "num_active_tasks": 100 - share,
        "num_completed_tasks": share,
        "num_skipped_tasks": 0,
        "num_failed_tasks": 0,
        "num_killed_tasks": 0,
        "num_completed_indices": share,
        "num_active_stages": 1,
        "num_completed_stages": 0,
        "num_skipped_stages": 0,
        "num_failed_stages": 0,
    }


def _dli_row(job: Job, run: Run, now: float) -> dict[str, Any]:
    state = run.state(now)
    over = state not in ("pending", "running")
    return {
        "job_id": run.ident,
        "job_type": "QUERY",
        "queue_name": "default",
        "owner": "etl",
        "start_time": _ms(run.created),
        "duration": _ms((run.ended if over else now) - run.created),
        "status": WORDS["dli"][state],
        "input_size": 0,
        "result_count": 0,
        "database_name": "sales",
        "table_name": None,
        "engine_type": "spark",
        "statement": "select secret from orders",
        "tags": [{"key": "pipeline", "value": job.name}],
        "message": f"{CODES['dli']}: there is no partition" if state == "failed" else "",
        "end_time": _ms(run.ended) if over else None,
    }


def _dli_list(world: World, _: Question, request: Request, now: float) -> Answer:
    query = request.query
    rows = [_dli_row(job, run, now) for job in world.of("dli") for run in job.begun(now)]
    rows.sort(key=lambda row: (row["start_time"], row["job_id"]), reverse=query.get("order") != ["start_time_asc"])
    for key, column in {
        "job-status": "status",
        "queue_name": "queue_name",
        "owner": "owner",
        "job-id": "job_id",
    }.items():
        if key in query:
            rows = [row for row in rows if row[column] in query[key]]
    types = query.get("job_types", query.get("job-type"))
    rows = [row for row in rows if types is None or row["job_type"] in types]
    rows = [row for row in rows if request.number("start", 0) <= row["start_time"] <= request.number("end", 10**15)]
    page, size = request.number("current-page", 1), request.number("page-size", 50)
    shown = rows[(page - 1) * size : page * size]
    return Answer(200, {"is_success": True, "message": "", "job_count": len(rows), "jobs": shown})


def _dli_status(world: World, asked: Question, _: Request, now: float) -> Answer:
    found = world.by_run("dli", asked.names["job"])
    if found is None or found[1].created > now:
        return Answer(404, {"error_code": "DLI.0023", "error_msg": f"Job {asked.names['job']} does not exist."})
    row = _dli_row(*found, now)
    del row["end_time"]
    return Answer(200, {"is_success": True, "job_mode": "async", **row})


# DWS -----------------------------------------------------------------------------------------------------------------


def _dws_job(world: World, asked: Question, _: Request, now: float) -> Answer:
    found = world.by_run("dws", asked.names["job"])
    if found is None or found[1].created > now:
        return Answer(404, {"error_code": "DWS.3027", "error_msg": "The resource does not exist."})
    run = found[1]
    state = run.state(now)
    failed = state == "failed"
    body = {
        "job_id": run.ident,
        "job_name": "ecfClusterResizeJob",
        "begin_time": None if state == "pending" else _local(run.started),
        "end_time": _local(run.ended) if now >= run.ended else None,
        "status": WORDS["dws"][state],
        "failed_code": f"CreateELBTask-fail:{CODES['dws']}" if failed else None,
        "failed_detail": f"{CODES['dws']}:ELB private IP is not configured." if failed else None,
        "progress": f"{run.share(now)}%",
    }
    return Answer(200, body)


def _local(moment: float) -> str:
    return datetime.fromtimestamp(moment, ZONE).strftime("%Y-%m-%dT%H:%M:%S")


def _dws_clusters(_: World, __: Question, ___: Request, ____: float) -> Answer:
    return Answer(200, {"clusters": [], "count": 0})


# CDM -----------------------------------------------------------------------------------------------------------------


def submission(job: Job, run: Run, now: float) -> dict[str, Any]:
    """Return what CDM says of one run."""
    state = run.state(now)
    row: dict[str, Any] = {
        "isIncrementing": run.incremental,
        "job-name": job.name,
        "submission-id": int(run.ident),
        "isStopingIncrement": "",
        "is-execute-auto": False,
        "last-update-date": _ms(min(now, run.ended)),
        "last-update-user": "cdm",
        "isDeleteJob": False,
        "creation-user": "cdm",
        "creation-date": _ms(run.created),
        "progress": -1 if state == "failed" else run.share(now),
        "delete_rows": 0,
        "update_rows": 0,
        "write_rows": rows_inserted(run, now),
        "status": WORDS["cdm"][state],
    }
    if state != "pending":
        row |= {"execute-date": _ms(run.started), "external-id": f"job_local_{run.ident}"}
    if state == "failed":
        row |= {"error-summary": f"{CODES['cdm']} : Connect to source failed", "error-details": "java.lang.Exception"}
    if state == "succeeded":
        row["counters"] = {COUNTERS: counters(job, run)} if run.counted(now) else None
    return row


def rows_inserted(run: Run, now: float) -> int:
    """Return write_rows: 0 between the end of a run and the moment when its counters are told."""
    return 0 if run.result == "succeeded" and run.ended <= now and not run.counted(now) else run.rows_done(now)


def counters(job: Job, run: Run) -> dict[str, int]:
    """Return the counters of a run that succeeded; -1 is what the job does not have."""
    files = {"FILES_READ": 12, "FILES_WRITTEN": 11, "TOTAL_FILES": 12, "FILES_SKIPPED": 1} if job.files else {}
    none = dict.fromkeys(("FILES_READ", "FILES_WRITTEN", "TOTAL_FILES"), -1)
    size = 7340 if job.files else -1
    rows = {"ROWS_READ": run.rows, "ROWS_WRITTEN": run.rows}
    return {**none, **files, **rows, "BYTES_READ": size, "BYTES_WRITTEN": size, "TOTAL_SIZE": size}


def _cdm_job(world: World, asked: Question) -> Job | Answer:
    if world.cluster(asked.names["cluster"]) is None:
        return Answer(400, {"errCode": "Cdm.0001", "externalMessage": "The resource does not exist."})
    job = world.by_name(asked.names["cluster"], asked.names["name"])
    if job is None:
        text = f"Job[{asked.names['name']}] doesn't exist."
        return Answer(400, {"errCode": "Cdm.0100", "externalMessage": text})
    return job


def _cdm_status(world: World, asked: Question, _: Request, now: float) -> Answer:
    job = _cdm_job(world, asked)
    if isinstance(job, Answer):
        return job
    run = job.newest(now)
    return Answer(200, {"submissions": [] if run is None else [submission(job, run, now)]})


def _cdm_jobs(world: World, asked: Question, request: Request, now: float) -> Answer:
    if world.cluster(asked.names["cluster"]) is None:
        return Answer(400, {"errCode": "Cdm.0001", "externalMessage": "The resource does not exist."})
    wanted = request.query.get("jobType", ["NORMAL_JOB"])
    jobs = [job for job in world.of("cdm") if job.cluster == asked.names["cluster"] and wanted == ["NORMAL_JOB"]]
    rows = [_cdm_row(number, job, now) for number, job in enumerate(jobs, start=1)]
    page, size = request.number("page_no", 1), request.number("page_size", 10)
    shown = rows[(page - 1) * size : page * size]
    return Answer(200, {"total": len(rows), "page_no": page, "page_size": size, "jobs": shown})


def _cdm_row(number: int, job: Job, now: float) -> dict[str, Any]:
    run = job.newest(now)
    row: dict[str, Any] = {
        "job_type": "NORMAL_JOB",
        "name": job.name,
        "id": number,
        "creation-date": 1709500000000,
        "creation-user": "cdm",
        "enabled": True,
        "group_name": "DEFAULT",
        "status": "NEW" if run is None else WORDS["cdm"][run.state(now)],
        "from-config-values": {"configs": [{"inputs": {}, "name": "fromJobConfig"}]},
    }
    if run is not None and now >= run.started:
        row |= {
            "execute_start_date": _ms(run.started),
            "execute_update_date": _ms(min(now, run.ended)),
            "rows_read": run.rows_done(now),
            "rows_written": run.rows_done(now),
            "is_incrementing": run.incremental,
        }
    return row


def _cdm_submissions(world: World, asked: Question, request: Request, now: float) -> Answer:
    name = request.query.get("jname", [""])[0]
    job = _cdm_job(world, Question(asked.operation, asked.limit, asked.project, {**asked.names, "name": name}))
    if isinstance(job, Answer):
        return job
    rows = [submission(job, run, now) for run in reversed(job.begun(now))]
    page, size = request.number("page_no", 1), request.number("page_size", 100)
    shown = rows[(page - 1) * size : page * size]
    return Answer(200, {"submissions": shown, "total": len(rows), "page_no": page, "page_size": size})


def _cdm_clusters(world: World, _: Question, __: Request, ___: float) -> Answer:
    rows = [
        {"id": each.ident, "name": each.name, "status": each.status, "isFrozen": "0", "actionProgress": {}}
        for each in world.clusters
    ]
    return Answer(200, {"clusters": rows})


def _iam_projects(world: World, _: Question, request: Request, __: float) -> Answer:
    name = request.query.get("name", ["region-1"])[0]
    return Answer(200, {"projects": [{"id": world.project, "name": name, "enabled": True}], "links": {"next": None}})


def _iam_token(_: World, __: Question, ___: Request, ____: float) -> Answer:
    return Answer(
        401, {"error": {"code": 401, "message": "The username or password is wrong.", "title": "Unauthorized"}}
    )


ANSWERS: Mapping[str, Callable[[World, Question, Request, float], Answer]] = {
    "dli.progress": _dli_progress,
    "dli.list": _dli_list,
    "dli.status": _dli_status,
    "dws.job": _dws_job,
    "dws.clusters": _dws_clusters,
    "cdm.status": _cdm_status,
    "cdm.jobs": _cdm_jobs,
    "cdm.submissions": _cdm_submissions,
    "cdm.clusters": _cdm_clusters,
    "iam.token": _iam_token,
    "iam.projects": _iam_projects,
}
