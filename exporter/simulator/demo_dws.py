"""The demo's warehouse clusters and the tasks that work on them."""

from exporter.simulator.cloud import Cloud
from exporter.simulator.dws import DwsJob
from exporter.simulator.dws_cluster import ClusterStep, DwsCluster
from exporter.simulator.world import Step


def dws_jobs(cloud: Cloud) -> list[DwsJob]:
    """Return the tasks; together they show every state within a minute and go on for an hour."""
    return [
        _resize(cloud),
        _restart(cloud),
        _bind_elb(cloud),
        _stopped(cloud),
        _restore(cloud),
        _upgrade(cloud),
        _add_nodes(cloud),
    ]


def dws_clusters(cloud: Cloud, jobs: list[DwsJob]) -> list[DwsCluster]:
    """Return the clusters; the first two show the progress of a task."""
    by_name = {job.name: job.job_id for job in jobs}
    return [
        DwsCluster(cloud.new_uuid(), "dwh-prod", job_id=by_name["resize-dwh-prod-3-to-6"], task_status="GROWING"),
        DwsCluster(cloud.new_uuid(), "dwh-staging", job_id=by_name["restore-dwh-staging"], task_status="RESTORING"),
        DwsCluster(cloud.new_uuid(), "dwh-report", sub_status="UNBALANCED | READONLY"),
    ]


def growing_cluster(cloud: Cloud) -> DwsCluster:
    """Return a warehouse to watch: it grows, waits, redistributes its tables, and once that fails; then it is saved."""
    grows = ClusterStep("GROWING", 50, low=0.0, nodes=(3, 6))
    waits = ClusterStep("WAITING_REDISTRIBUTION", 12, sub_status="UNBALANCED")
    redistributes = ClusterStep("REDISTRIBUTING", 40, sub_status="UNBALANCED | REDISTRIBUTING", low=0.0)
    rests = ClusterStep(None, 25)
    stops = ClusterStep("REDISTRIBUTING", 18, sub_status="UNBALANCED | REDISTRIBUTING", low=0.0, high=0.4)
    failed = ClusterStep(
        "REDISTRIBUTE_FAILURE",
        30,
        sub_status="UNBALANCED | REDISTRIBUTION-FAILURE",
        failed_code="DWS.6003",
        failed_message="Table dw.sales_2024 is locked by a query of user bi_nightly.",
    )
    saves = ClusterStep("SNAPSHOTTING", 35, low=0.0)
    script = (grows, waits, redistributes, rests, stops, failed, rests, saves, rests)
    return DwsCluster(cloud.new_uuid(), "dwh-lake", script=script, begun=cloud.started)


def _running(seconds: float, low: float = 0.0, high: float = 1.0) -> Step:
    return Step("RUNNING", seconds, low, high)


def _resize(cloud: Cloud) -> DwsJob:
    script = (Step("INIT", 20), _running(4000, 0.0, 0.99))
    return DwsJob(cloud.new_hex(), "resize-dwh-prod-3-to-6", cloud.started - 400, script, "ecfClusterScaleOutJob")


def _restart(cloud: Cloud) -> DwsJob:
    script = (Step("INIT", 9), _running(35))
    return DwsJob(cloud.new_hex(), "restart-dwh-report", cloud.started, script, bare=True)


def _bind_elb(cloud: Cloud) -> DwsJob:
    return DwsJob(
        cloud.new_hex(),
        "bind-elb-dwh-test",
        cloud.started,
        (Step("WAITING", 8), _running(30, 0.0, 0.09)),
        "ecfClusterElbCreateJob",
        end="FAIL",
        failed_code="CreateELBTask-fail:DWS.0114",
        failed_detail="DWS.0114:ELB private IP is not configured.",
    )


def _stopped(cloud: Cloud) -> DwsJob:
    script = (Step("INIT", 7), _running(38, 0.0, 0.62))
    return DwsJob(
        cloud.new_hex(), "snapshot-dwh-prod-manual", cloud.started, script, "ecfSnapshotCreateJob", end="STOP"
    )


def _restore(cloud: Cloud) -> DwsJob:
    return DwsJob(
        cloud.new_hex(),
        "restore-dwh-staging",
        cloud.started,
        (Step("INIT", 6), _running(28, 0.05, 0.55), Step("ROLLBACKING", 36, 0.55, 0.1)),
        "ecfClusterRestoreJob",
        end="FAIL",
        failed_code="RestoreDataTask-fail:DWS.6000",
        failed_detail="DWS.6000:Failed to create the ECS of node dwh-staging-dn-3: "
        "the flavor dwsx2.2xlarge is sold out in cn-north-4c.",
        sql_times=True,
    )


def _upgrade(cloud: Cloud) -> DwsJob:
    script = (Step("DELAY_SCHEDULED", 1200), _running(900))
    return DwsJob(cloud.new_hex(), "upgrade-dwh-report-8-2-1", cloud.started, script, "ecfClusterUpgradeJob")


def _add_nodes(cloud: Cloud) -> DwsJob:
    script = (Step("WAITING", 70), _running(260))
    return DwsJob(cloud.new_hex(), "add-cn-dwh-prod", cloud.started, script, "ecfClusterAddCnJob")
