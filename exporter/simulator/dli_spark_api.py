"""The answers about Spark batches (DLI API reference, "APIs Related to Spark Jobs"): list, details, state."""

from collections.abc import Callable
from typing import Any, Final

from exporter.simulator.answers import Answer, Call, answer, service_error
from exporter.simulator.cloud import Cloud
from exporter.simulator.dli_spark import SparkBatch, SparkMoment
from exporter.simulator.world import milliseconds

_DEFAULT_SIZE: Final = 100
_HEADINGS: Final = ["stdout: ", "stderr: ", "YARN Diagnostics: "]
_ORDERS: Final[dict[str, tuple[Callable[[SparkBatch, float], float], bool]]] = {
    "CREATE_TIME_DESC": (lambda job, _: job.submitted_at, True),
    "CREATE_TIME_ASC": (lambda job, _: job.submitted_at, False),
    "DURATION_DESC": (lambda job, now: _duration(job, now), True),
    "DURATION_ASC": (lambda job, now: _duration(job, now), False),
}


def list_batches(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v2.0/{project_id}/batches``; *total* is of all batches that fit, as one of the documents has it."""
    now, first = cloud.clock(), call.number("from", 0, 0, 10**6)
    size, order = call.number("size", _DEFAULT_SIZE, 1, 1000), call.value("order") or "CREATE_TIME_DESC"
    window = [text for name in ("start", "end") if (text := call.value(name)) is not None]
    if first is None or size is None or order not in _ORDERS or not all(text.isdecimal() for text in window):
        return service_error(400, "DLI.0001", "Parameter check failed: from, size, order, start or end.")
    moments = [moment for job in cloud.spark.values() if (moment := job.at(now)) is not None]
    found = [moment for moment in moments if _asked_for(moment, call)]
    key, descending = _ORDERS[order]
    found.sort(key=lambda moment: moment.job.job_id)
    found.sort(key=lambda moment: key(moment.job, now), reverse=descending)
    rows = [{**_body(moment), "duration": _spent(moment, now)} for moment in found[first : first + size]]
    return answer(200, {"from": first, "total": len(found), "sessions": rows})


def show_batch(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v2.0/{project_id}/batches/{batch_id}``; the list alone tells a duration."""
    moment = _find(cloud, call)
    return _missing(call) if moment is None else answer(200, _body(moment))


def show_state(cloud: Cloud, call: Call) -> Answer:
    """Answer ``GET /v2.0/{project_id}/batches/{batch_id}/state``; the word has a capital letter in the document."""
    moment = _find(cloud, call)
    if moment is None:
        return _missing(call)
    return answer(200, {"id": moment.job.job_id, "state": moment.state.capitalize()})


def _find(cloud: Cloud, call: Call) -> SparkMoment | None:
    job = cloud.spark.get(call.names["job"])
    return None if job is None else job.at(cloud.clock())


def _missing(call: Call) -> Answer:
    return service_error(400, "DLI.0002", f"There is no batch job with id {call.names['job']}.")


def _asked_for(moment: SparkMoment, call: Call) -> bool:
    job, created = moment.job, milliseconds(moment.job.submitted_at)
    wanted = {
        "job_name": job.name,
        "job-id": job.job_id,
        "queue_name": job.queue,
        "cluster_name": job.queue,
        "state": moment.state,
        "owner": job.owner,
    }
    equal = all(call.value(name) in (None, text) for name, text in wanted.items())
    start, end = call.value("start"), call.value("end")
    return equal and (start is None or created >= int(start)) and (end is None or created <= int(end))


def _spent(moment: SparkMoment, now: float) -> int:
    return milliseconds((moment.changed_at if moment.ended else now) - moment.job.submitted_at)


def _duration(job: SparkBatch, now: float) -> float:
    moment = job.at(now)
    return 0 if moment is None else _spent(moment, now)


def _body(moment: SparkMoment) -> dict[str, Any]:
    """Write a batch; one whose answer is *bare* has the fields of the document's shortest example."""
    job = moment.job
    body: dict[str, Any] = {
        "id": job.job_id,
        "state": moment.state,
        "appId": "" if moment.state == "starting" else f"batch-session-{job.job_id}:31309",
        "log": list(_HEADINGS),
        "sc_type": job.sc_type,
        "cluster_name": job.queue,
        "create_time": milliseconds(job.submitted_at),
    }
    if job.bare:
        return body | {"appId": None}
    return body | {
        "queue": job.queue,
        "name": job.name,
        "owner": job.owner,
        "proxyUser": "",
        "kind": "spark",
        "image": "",
        "req_body": '{"file":"obs://acme-retail-lake/jars/etl.jar","args":["--token","not-a-real-one"]}',
        "update_time": milliseconds(moment.changed_at),
    }
