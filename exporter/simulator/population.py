"""The demo: what the pretend cloud runs when nobody tells it otherwise, and how it introduces itself."""

from typing import Any, Final

from exporter.simulator.cloud import Cloud
from exporter.simulator.demo_cdm import cdm_clusters, cdm_jobs, night_jobs
from exporter.simulator.demo_dataarts import factory_jobs
from exporter.simulator.demo_dli import dli_jobs
from exporter.simulator.demo_dli_flink import flink_jobs
from exporter.simulator.demo_dli_spark import spark_batches
from exporter.simulator.demo_dws import dws_clusters, dws_jobs, growing_cluster
from exporter.simulator.faults import queue_busy, refused_with_200, server_failure, too_often

_PROMISES: Final = {
    "mysql_orders_to_dws": {"period": "5m", "max_run": "2m", "rows_match": True, "deadline": {"at": "06:00"}}
}
"""What the demo's operator promises of jobs."""


def populate(cloud: Cloud) -> None:
    """Fill *cloud* with the demo's clusters and jobs, and with a fault now and then."""
    tasks = dws_jobs(cloud)
    clusters = cdm_clusters(cloud)
    cloud.cdm_clusters = {cluster.cluster_id: cluster for cluster in clusters}
    cloud.dws_clusters = {cluster.cluster_id: cluster for cluster in dws_clusters(cloud, tasks)}
    cloud.add(*dli_jobs(cloud), *tasks, *cdm_jobs(cloud, clusters[0]), *night_jobs(clusters[2], cloud.started))
    cloud.add(growing_cluster(cloud))
    cloud.add(*spark_batches(cloud), *flink_jobs(cloud), *factory_jobs(cloud))
    _plan_faults(cloud)


def announcement(cloud: Cloud, url: str) -> dict[str, Any]:
    """Return what a client must know: the address, the keys, and the jobs to watch."""
    dli = [{"service": "dli", "job_id": job.job_id, "name": job.name} for job in cloud.dli.values()]
    dws = [{"service": "dws", "job_id": job.job_id, "name": job.name} for job in cloud.dws.values()]
    dws += [
        {"service": "dws", "cluster_id": each.cluster_id, "name": each.name}
        for each in cloud.dws_clusters.values()
        if each.script
    ]
    spark = [{"service": "dli_spark", "job_id": job.job_id, "name": job.name} for job in cloud.spark.values()]
    flink = [{"service": "dli_flink", "job_id": str(job.job_id), "name": job.name} for job in cloud.flink.values()]
    factory = [
        {"service": "dataarts", "workspace_id": job.workspace, "job_name": job.name} for job in cloud.factory.values()
    ]
    cdm: list[dict[str, Any]] = [
        {"service": "cdm", "cluster_id": job.cluster_id, "job_name": job.name} for job in cloud.cdm.values()
    ]
    for entry in cdm:
        if entry["job_name"] in _PROMISES:
            entry["promises"] = _PROMISES[entry["job_name"]]
    return {
        "url": url,
        "region": cloud.region,
        "project_id": cloud.project_id,
        "access_key": cloud.access_key,
        "secret_key": cloud.secret_key,
        "token": cloud.token,
        "jobs": [*dli, *dws, *cdm, *spark, *flink, *factory],
    }


def _plan_faults(cloud: Cloud) -> None:
    """Refuse some answers, seldom enough that every state is still seen; long jobs take the errors.

    A call that is one too many pauses all calls of its limit for a minute, so these come every few minutes.
    """
    board = next(job.job_id for job in cloud.dli.values() if job.name == "ads_gmv_board_backfill_2024")
    payments = next(job.job_id for job in cloud.dli.values() if job.name == "dwd_payment_merge")
    resize = next(job.job_id for job in cloud.dws.values() if job.name == "resize-dwh-prod-3-to-6")
    plan = cloud.faults.plan
    plan(too_often(retry_after=2), times=None, every=400, operation="ShowSqlJobProgress")
    plan(too_often(retry_after=2, limit=120), times=None, every=500, operation="ShowJobStatus")
    plan(server_failure(), times=None, every=9, job=resize)
    plan(queue_busy(), times=None, every=25, operation="ShowSqlJobProgress", job=payments)
    refused = refused_with_200("DLI.0012: The resource is temporarily unavailable. Try again later.")
    plan(refused, times=None, every=31, operation="ShowSqlJobProgress", job=board)
