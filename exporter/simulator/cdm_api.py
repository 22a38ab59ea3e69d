"""The CDM answers: clusters, status and list of jobs, and the runs of a job (CDM API reference)."""

from itertools import islice
from typing import Any, Final

from exporter.simulator.answers import Answer, Call, answer, external_error
from exporter.simulator.cdm import CdmJob, CdmMoment
from exporter.simulator.cdm_script import CdmCluster, Oddity
from exporter.simulator.cloud import Cloud
from exporter.simulator.world import State, milliseconds

_LIST_WORDS: Final = {"PENDING": "BOOTING", "NEVER_EXECUTED": "NEW", "FAILURE_ON_SUBMIT": "FAILED"}
"""The job list knows fewer words than the status answer."""

_SQOOP: Final = "org.apache.sqoop.submission.counter.SqoopCounters"


def list_clusters(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1.1/{project_id}/clusters``."""
    return answer(200, {"clusters": [_cluster(each.at(cloud.clock())) for each in cloud.cdm_clusters.values()]})


def show_status(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v1.1/{project_id}/clusters/{cluster_id}/cdm/job/{job_name}/status``."""
    found = _cluster_of(cloud, call)
    if isinstance(found, Answer):
        return found
    job = _job(cloud, found, call.names["job"])
    if isinstance(job, Answer):
        return job
    # newest first is not promised, so the runs go out oldest first
    runs = list(islice(job.runs(cloud.clock()), job.shown))[::-1]
    return answer(200, {"submissions": [_submission(run) for run in runs]})


def show_jobs(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET .../cdm/job/{job_name}``, where ``all`` is the list; a single job has total 0."""
    found = _cluster_of(cloud, call)
    if isinstance(found, Answer):
        return found
    now, name = cloud.clock(), call.names["job"]
    if name != "all":
        job = _job(cloud, found, name)
        if isinstance(job, Answer):
            return job
        return answer(200, {"total": 0, "jobs": [_entry(job, now)], "page_no": 1, "page_size": 10})
    page, size = call.number("page_no", 1, 1, 10**6), call.number("page_size", 10, 10, 100)
    if page is None or size is None:
        return _bad_number()
    kind, part = call.value("jobType") or "NORMAL_JOB", call.value("filter") or ""
    jobs = [
        job
        for job in cloud.cdm.values()
        if job.cluster_id == found.cluster_id and job.job_type == kind and part in job.name and job.exists(now)
    ]
    shown = [_entry(job, now) for job in jobs[(page - 1) * size : page * size]]
    return answer(200, {"total": len(jobs), "jobs": shown, "page_no": page, "page_size": size})


def show_submissions(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET .../cdm/submissions?jname=``: the runs of a job, newest first."""
    found = _cluster_of(cloud, call)
    if isinstance(found, Answer):
        return found
    job = _job(cloud, found, call.value("jname") or "")
    if isinstance(job, Answer):
        return job
    page, size = call.number("page_no", 1, 1, 10**6), call.number("page_size", 10, 1, 100)
    if page is None or size is None:
        return _bad_number()
    total = sum(1 for _ in job.runs(cloud.clock()))
    runs = islice(job.runs(cloud.clock()), (page - 1) * size, page * size)
    shown = [_submission(run) for run in runs]
    return answer(200, {"submissions": shown, "total": total, "page_no": page, "page_size": size})


def _bad_number() -> Answer:
    return external_error(400, "Cdm.0009", "The page number or page size is not a valid integer.")


def _cluster_of(cloud: Cloud, call: Call) -> CdmCluster | Answer:
    cluster = cloud.cdm_clusters.get(call.names["cluster"])
    if cluster is None:
        return external_error(400, "Cdm.0001", "The resource does not exist or is invalid.")
    cluster = cluster.at(cloud.clock())
    if cluster.status != "200":  # nobody is there to answer for the jobs of a cluster that is off
        return external_error(400, "Cdm.0000", "System error.")
    return cluster


def _job(cloud: Cloud, cluster: CdmCluster, name: str) -> CdmJob | Answer:
    job = cloud.cdm.get((cluster.cluster_id, name))
    if job is not None and job.exists(cloud.clock()):
        return job
    status = 500 if job is not None and Oddity.NOT_FOUND_IS_500 in job.oddities else 400
    return external_error(status, "Cdm.0100", f"Job[{name}] doesn't exist.")


def _cluster(cluster: CdmCluster) -> dict[str, Any]:
    creating = cluster.status == "100"
    return {
        "id": cluster.cluster_id,
        "name": cluster.name,
        "status": cluster.status,
        "statusDetail": cluster.detail,
        "isFrozen": "0",
        "actionProgress": {"CREATING": "29%"} if creating else {},
        "created": "2023-01-05T08:00:00",
        "updated": "2024-03-05T08:00:00",
        "instances": [],
    }


def _submission(moment: CdmMoment) -> dict[str, Any]:
    """Write a run; what has no value yet is left out, as the official examples do."""
    job, status = moment.job, moment.status
    created: int | str = milliseconds(moment.created_at)
    if Oddity.TEXT_DATES in job.oddities:
        created = str(created)
    body: dict[str, Any] = {
        "job-name": job.name,
        "creation-user": job.user,
        "creation-date": created,
        "progress": _progress(moment),
        "status": status,
    }
    if Oddity.FEW_FIELDS in job.oddities and moment.truth.state is State.PENDING:
        return body
    written, updated, deleted = moment.rows
    updated_at = moment.now if moment.ended_at is None else moment.ended_at
    body |= {
        "isIncrementing": job.incremental,
        "submission-id": moment.submission,
        "isStopingIncrement": False if Oddity.BOOLEAN_STOPPING in job.oddities else "",
        "is-execute-auto": job.scheduled,
        "last-update-date": milliseconds(updated_at),
        "isDeleteJob": job.deletes_itself,
        "write_rows": written,
        "update_rows": updated,
        "delete_rows": deleted,
        **_users(job),
    }
    if moment.executed_at is not None:
        body["execute-date"] = milliseconds(moment.executed_at)
    if status != "FAILURE_ON_SUBMIT":
        body["external-id"] = f"job_local{1_000_000 + job.number}_{moment.submission:04d}"
    return body | _result(moment)


def _progress(moment: CdmMoment) -> int | float:
    """Write 0..100, a whole number where it is one; -1 stands for none."""
    if moment.progress is None:
        return -1
    if moment.status == "SUCCEEDED" and Oddity.ZERO_WHEN_DONE in moment.job.oddities:
        return 0
    percent = round(100 * moment.progress, 1)
    return int(percent) if percent.is_integer() else percent


def _users(job: CdmJob) -> dict[str, str]:
    if Oddity.BOTH_USER_KEYS in job.oddities:
        return {"last-udpate-user": job.user, "last-update-user": job.user}
    return {"last-udpate-user" if Oddity.OLD_USER_KEY in job.oddities else "last-update-user": job.user}


def _result(moment: CdmMoment) -> dict[str, Any]:
    """Write what only an end has: counters of a success, texts of a failure."""
    if moment.status == "SUCCEEDED":
        return {"counters": {_SQOOP: moment.run.volume.counters}}
    if moment.status == "FAILED":
        return {"error-summary": moment.run.error_summary, "error-details": moment.run.error_details}
    return {}


def _entry(job: CdmJob, now: float) -> dict[str, Any]:
    """Write a job as the list shows it."""
    moment = job.at(now)
    created: int | str = milliseconds(job.begins_at - 86400)
    body: dict[str, Any] = {
        "job_type": job.job_type,
        "name": job.name,
        "id": job.number,
        "from-connector-name": job.from_connector,
        "to-connector-name": job.to_connector,
        "from-link-name": job.from_link,
        "to-link-name": job.to_link,
        "creation-date": str(created) if Oddity.TEXT_DATES in job.oddities else created,
        "creation-user": job.user,
        "update-date": created,
        "update-user": job.user,
        "enabled": True,
        "group_name": job.group,
        "is_incrementing": job.incremental,
        # an empty object where the reference has an array
        "from-config-values": {"configs": [{"inputs": {}, "name": "fromJobConfig"}]},
    }
    if Oddity.NO_LIST_STATUS not in job.oddities:
        word = "NEW" if moment is None else moment.status
        body["status"] = _LIST_WORDS.get(word, word)
    return body if moment is None else body | _last_run(moment)


def _last_run(moment: CdmMoment) -> dict[str, Any]:
    written, updated, deleted = moment.rows
    counters = moment.run.volume.counters if moment.status == "SUCCEEDED" else {}
    body: dict[str, Any] = {
        "execute_update_date": milliseconds(moment.now if moment.ended_at is None else moment.ended_at),
        "write_rows": written,
        "update_rows": updated,
        "delete_rows": deleted,
        "rows_written": written,
    }
    if moment.executed_at is not None:
        body["execute_start_date"] = milliseconds(moment.executed_at)
    return body | {name.lower(): value for name, value in counters.items() if name in _LISTED_COUNTERS}


_LISTED_COUNTERS: Final = frozenset(
    {"ROWS_READ", "ROWS_WRITTEN", "BYTES_READ", "BYTES_WRITTEN", "FILES_READ", "FILES_WRITTEN"}
)
