"""The API gateway: which operation a request means, whether its caller may ask, and the answer."""

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Final
from urllib.parse import unquote

from exporter.simulator import (
    cdm_api,
    dataarts_api,
    dli_api,
    dli_flink_api,
    dli_spark_api,
    dws_api,
    dws_operations,
    iam,
)
from exporter.simulator.answers import REQUEST_ID, Answer, Call, gateway_error, no_such_api, throttled
from exporter.simulator.auth import Caller, credential, stale_token
from exporter.simulator.cloud import Asked, Cloud
from exporter.simulator.faults import Fault
from exporter.simulator.limits import CDM_LISTS, CDM_STATUS


@dataclass(frozen=True, slots=True)
class Operation:
    """An operation under the vendor's name.

    *limit_class* is whose calls are counted together; *open* is one that nobody signs, for a token.
    """

    name: str
    service: str
    limit_class: str
    method: str
    path: re.Pattern[str]
    answer: Callable[[Cloud, Call], Answer]
    open: bool = False


_LOGIN: Final = "KeystoneCreateUserTokenByPassword"


def _operation(
    name: str, limit_class: str, method: str, path: str, answer: Callable[[Cloud, Call], Answer]
) -> Operation:
    service = answer.__module__.rpartition(".")[2].removesuffix("_api").removesuffix("_operations")
    pattern = re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", path.replace(".", r"\.")))
    return Operation(name, service, limit_class, method, pattern, answer, open=name == _LOGIN)


_BATCHES: Final = "/v2.0/{project}/batches"
_STREAMS: Final = "/v1.0/{project}/streaming/jobs"
_FACTORY: Final = "/v1/{project}/jobs"
_INSTANCE: Final = _FACTORY + "/{job}/instances/{instance}"
_REDISTRIBUTION: Final = "/v2/{project}/clusters/{cluster}/redistribution"
_ACTION: Final = "/v1/{project}/clusters/{cluster}/actions/{action}"
_CDM_JOB: Final = "/v1.1/{project}/clusters/{cluster}/cdm/job/{job}"

OPERATIONS: Final = (
    _operation("ShowSqlJobProgress", "dli", "GET", "/v1/{project}/jobs/{job}/progress", dli_api.show_progress),
    _operation("ShowSqlJobStatus", "dli", "GET", "/v1.0/{project}/jobs/{job}/status", dli_api.show_status),
    _operation("CreateSqlJob", "dli", "POST", "/v1.0/{project}/jobs/submit-job", dli_api.submit_job),
    _operation("ListSqlJobs", "dli", "GET", "/v1.0/{project}/jobs", dli_api.list_jobs),
    _operation("ListSparkJobs", "dli_spark", "GET", _BATCHES, dli_spark_api.list_batches),
    _operation("ShowSparkJob", "dli_spark", "GET", _BATCHES + "/{job}", dli_spark_api.show_batch),
    _operation("ShowSparkJobState", "dli_spark", "GET", _BATCHES + "/{job}/state", dli_spark_api.show_state),
    _operation("ListFlinkJobs", "dli_flink", "GET", _STREAMS, dli_flink_api.list_jobs),
    _operation("ShowFlinkJob", "dli_flink", "GET", _STREAMS + "/{job}", dli_flink_api.show_job),
    _operation("ListJobInstances", "dataarts", "GET", _FACTORY + "/instances/detail", dataarts_api.list_instances),
    _operation("ShowJobInstance", "dataarts", "GET", _INSTANCE, dataarts_api.show_instance),
    _operation("ListFactoryJobs", "dataarts", "GET", _FACTORY, dataarts_api.list_jobs),
    _operation("ListJobDetails", "dws", "GET", "/v1.0/{project}/job/{job}", dws_api.show_job),
    _operation("ListDwsClusters", "dws", "GET", "/v1.0/{project}/clusters", dws_api.list_clusters),
    _operation("ListClusterDetails", "dws", "GET", "/v1.0/{project}/clusters/{cluster}", dws_api.show_cluster),
    _operation("ShowClusterRedistribution", "dws", "GET", _REDISTRIBUTION, dws_operations.show_redistribution),
    _operation("ListSnapshots", "dws", "GET", "/v1.0/{project}/snapshots", dws_operations.list_snapshots),
    _operation("ListClusterActions", "dws", "GET", _ACTION, dws_operations.show_action),
    _operation("ShowJobStatus", CDM_STATUS, "GET", _CDM_JOB + "/status", cdm_api.show_status),
    _operation("ShowJobs", CDM_LISTS, "GET", _CDM_JOB, cdm_api.show_jobs),
    _operation(
        "ShowSubmissions",
        CDM_LISTS,
        "GET",
        "/v1.1/{project}/clusters/{cluster}/cdm/submissions",
        cdm_api.show_submissions,
    ),
    _operation("ListCdmClusters", CDM_LISTS, "GET", "/v1.1/{project}/clusters", cdm_api.list_clusters),
    _operation(_LOGIN, "iam", "POST", "/v3/auth/tokens", iam.create_token),
    _operation("KeystoneListProjects", "iam", "GET", "/v3/projects", iam.list_projects),
)
"""What is published. Cluster lists carry their service's name here: the vendor calls both ListClusters."""


def handle(cloud: Cloud, call: Call) -> tuple[Answer, Fault | None]:
    """Return the answer to a request and the fault that it meets on its way back."""
    operation, call = _route(call)
    if operation is None:
        return _named(no_such_api(), cloud.wall()), None
    now = cloud.wall()
    caller = _caller(cloud, operation, call, now)
    fault = None
    refused = caller if isinstance(caller, Answer) else _refusal(cloud, operation, call, caller.user, now)
    if refused is None:
        fault = cloud.faults.take(operation.name, operation.service, call)
    planned = None if fault is None else fault.answer
    answer = refused or planned or operation.answer(cloud, call)
    cloud.requests.append(
        Asked(
            operation=operation.name,
            service=operation.service,
            job=call.job,
            cluster=call.names.get("cluster"),
            user=None if isinstance(caller, Answer) else caller.user,
            status=answer.status,
            at=cloud.clock(),
            wall=now,
            limit_class=operation.limit_class,
            credential="password" if operation.open else credential(call),
        )
    )
    return _named(answer, now), fault


def _route(call: Call) -> tuple[Operation | None, Call]:
    for operation in OPERATIONS:
        found = operation.path.fullmatch(call.path)
        if found is not None and operation.method == call.method:
            names = {name: unquote(text) for name, text in found.groupdict().items()}
            return operation, replace(call, names=names)
    return None, call


def _caller(cloud: Cloud, operation: Operation, call: Call, now: float) -> Caller | Answer:
    if operation.open:
        return Caller(cloud.user)
    caller = cloud.gate.check(call, now)
    if isinstance(caller, Answer) or caller.project_id is None:
        return caller
    project = call.names.get("project", caller.project_id)
    # a project that nobody has is the matter of the project, not of the token
    if project != caller.project_id and project in cloud.projects.values():
        return stale_token()
    return caller


def _refusal(cloud: Cloud, operation: Operation, call: Call, user: str, now: float) -> Answer | None:
    wait = cloud.limits.admit(user, operation.limit_class, now)
    if wait is not None:
        return throttled(cloud.limits.per_minute[operation.limit_class] or 0, wait)
    if call.names.get("project", cloud.project_id) not in cloud.projects.values():
        return gateway_error(403, "APIGW.0310", "The project is unavailable.")
    return None


def _named(answer: Answer, now: float) -> Answer:
    """Add the headers that every answer of the gateway has."""
    plain = {
        "Content-Type": "application/json;charset=utf8",
        "X-Request-Id": REQUEST_ID,
        "Date": formatdate(now, usegmt=True),
    }
    return replace(answer, headers={**plain, **answer.headers})
