"""The demo's DataArts jobs: one starts a CDM and a DLI job and is late once, one fails, one is off its schedule."""

from exporter.simulator.cloud import Cloud
from exporter.simulator.dataarts import FactoryJob, Node


def factory_jobs(cloud: Cloud) -> list[FactoryJob]:
    """Return the jobs, all of one workspace."""
    started, workspace = cloud.started, cloud.new_hex()
    return [_orders(started, workspace), _refunds(started, workspace), *_quiet(started, workspace)]


def _orders(started: float, workspace: str) -> FactoryJob:
    return FactoryJob(
        1,
        "orders_every_four_minutes",
        started,
        (
            Node("begin", "Dummy", 2),
            Node("mysql_orders_to_dws", "CDMJob", 40, retries=1),
            Node("dwd_order_detail_di", "DLISQL", 30, queue="etl_queue"),
        ),
        period=240,
        workspace=workspace,
        delays={0: 5.0, 1: 45.0},
    )


def _refunds(started: float, workspace: str) -> FactoryJob:
    return FactoryJob(
        2,
        "refund_report",
        started,
        (Node("pull_refunds", "CDMJob", 25), Node("aggregate", "DWS SQL", 20, retries=3)),
        period=150,
        workspace=workspace,
        ends={0: "fail"},
        error="Node aggregate failed: DWS.0114: ELB private IP is not configured.",
    )


def _quiet(started: float, workspace: str) -> list[FactoryJob]:
    """Return one that was taken off its schedule, and one that waits for somebody."""
    sync = FactoryJob(
        3,
        "legacy_customer_sync",
        started - 7200,
        (Node("sync", "CDMJob", 300),),
        period=3600,
        workspace=workspace,
        schedule="STOPPED",
        stopped_at=started - 1800,
        forced=frozenset({1}),
        path="/crm/legacy/",
        owner="li.wei",
    )
    close = (Node("confirm", "Dummy", 60),)
    late = {0: 1500.0}
    return [sync, FactoryJob(4, "month_end_close", started - 30, close, 86_400, workspace, late, path="/finance/")]
