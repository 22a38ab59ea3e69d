"""A pretend Huawei Cloud: DLI (SQL, Spark, Flink), DWS, CDM, DataArts and IAM over real HTTP, for tests and demo.

It knows the wire from the vendor's API references alone and imports nothing of the exporter, so that one
misreading cannot hide behind the other. Jobs are functions of time: a script says how long a job stays under
which status word, and the world's clock says where it is. As a program (loopback only)::

    python -m exporter.simulator --listen 127.0.0.1:0 --until-eof

In a test, with a clock set by hand and real requests::

    now = 1_700_000_000.0
    cloud = Cloud(clock=lambda: now)
    job = DliJob(cloud.new_uuid(), "orders", cloud.started,
                 (Step("LAUNCHING", 10), SubJob("save", tasks=100, seconds=50)))
    cloud.add(job)                                  # DliJob, DwsJob, CdmJob, SparkBatch, FlinkJob and FactoryJob
    async with TestServer(make_app(cloud)) as server:
        now += 35                                   # half of the sub-job is done
        ...                                         # let the client poll server.make_url("/")
        cloud.truth(job)                            # Truth(state=RUNNING, progress=0.5, tasks={"completed": 50, ...})
        cloud.faults.plan(too_often(retry_after=7), times=2, job=job.job_id)
        cloud.faults.plan(Answer(200, b"<html>"), service="dli")        # any status, bytes and headers
        cloud.faults.plan(Fault(delay=1.5))         # also: stall (after the headers), cut (bytes sent), closes
        cloud.asked("ShowSqlJobProgress", job=job.job_id)               # the requests made: when, by whom, status

``populate(cloud)`` adds the demo's jobs; ``announcement(cloud, url)`` is the line the program prints. Figures of
scripts should be whole seconds: some answers print no finer time.

Callers are checked as the gateway does, by the clock ``cloud.wall``: ``cloud.access_key`` and ``cloud.secret_key``
sign, ``cloud.token`` is a token, ``cloud.limits.per_minute`` holds the calls a minute and user by limit class::

    cloud.projects["eu-de"] = cloud.new_hex()       # the same jobs under one more project; the first is project_id
    cloud.new_token(60, cloud.projects["eu-de"])    # of one project, for 60 s
    cloud.new_key("svc_backup")                     # another user; with a second argument a temporary key
    cloud.gate.keys["AK"] = AccessKey("AK", "SK", "svc_backup")         # or with a key of one's own making
    cloud.gate.revoke(cloud.access_key)             # until restore(); revoke_token(text) for tokens
    cloud.gate.worst(cloud.access_key)              # the most failures in a row; gate.lockings: which key, when
    cloud.logins.worst(cloud.user)                  # the same of wrong passwords; logins.lockings
    cloud.busiest(cloud.user, CDM_STATUS)           # the most calls in any 60 s, for one user and limit class

Temporary keys without a secret come from the node's metadata service, under the same address, and from a CCE pod
identity at ``cloud.pod_identity.path``. Both rotate; their requests are in ``cloud.asked()`` too::

    cloud.metadata.token_refusal = 404              # an older service; token_required and agency are settings too
    cloud.metadata.spelling = replace(CAMEL, wrapper="credentials")     # PLAIN, CAMEL, SNAKE
    cloud.metadata.renew(cloud.wall() - 2000)       # another key, in the middle of its life
    cloud.pod_identity.authorization = "secret"     # what the pod's token file must hold
"""

from exporter.simulator.answers import Answer
from exporter.simulator.auth import AccessKey, Token
from exporter.simulator.cdm import CdmJob
from exporter.simulator.cdm_script import CdmCluster, CdmRun, Oddity, Volume
from exporter.simulator.cloud import Asked, Cloud, Job
from exporter.simulator.dataarts import FactoryJob, Node
from exporter.simulator.dli import DliJob, SubJob
from exporter.simulator.dli_flink import FlinkJob
from exporter.simulator.dli_spark import SparkBatch
from exporter.simulator.dws import DwsJob
from exporter.simulator.dws_cluster import ClusterStep, DwsCluster
from exporter.simulator.faults import (
    Fault,
    Plan,
    backend_timeout,
    nothing_in_it,
    queue_busy,
    refused_with_200,
    server_failure,
    too_often,
)
from exporter.simulator.key_source import CAMEL, PLAIN, SNAKE, Spelling
from exporter.simulator.limits import CDM_LISTS, CDM_STATUS
from exporter.simulator.population import announcement, populate
from exporter.simulator.server import make_app
from exporter.simulator.world import State, Step, Truth

__all__ = [
    "CAMEL",
    "CDM_LISTS",
    "CDM_STATUS",
    "PLAIN",
    "SNAKE",
    "AccessKey",
    "Answer",
    "Asked",
    "CdmCluster",
    "CdmJob",
    "CdmRun",
    "Cloud",
    "ClusterStep",
    "DliJob",
    "DwsCluster",
    "DwsJob",
    "FactoryJob",
    "Fault",
    "FlinkJob",
    "Job",
    "Node",
    "Oddity",
    "Plan",
    "SparkBatch",
    "Spelling",
    "State",
    "Step",
    "SubJob",
    "Token",
    "Truth",
    "Volume",
    "announcement",
    "backend_timeout",
    "make_app",
    "nothing_in_it",
    "populate",
    "queue_busy",
    "refused_with_200",
    "server_failure",
    "too_often",
]
