"""The demo's migration clusters and the jobs that move data between its systems."""

import math
from typing import Final

from exporter.simulator.cdm import CdmJob
from exporter.simulator.cdm_script import CdmCluster, CdmRun, Oddity, Volume
from exporter.simulator.cloud import Cloud
from exporter.simulator.world import Step

_NO_SOURCE: Final = """\
java.sql.SQLException: Communications link failure
\tat com.mysql.cj.jdbc.exceptions.SQLError.createSQLException(SQLError.java:174)
\tat org.apache.sqoop.connector.jdbc.GenericJdbcExecutor.<init>(GenericJdbcExecutor.java:98)
Caused by: java.net.ConnectException: Connection refused (Connection refused), url=jdbc:oracle:thin:@10.20.3.11:1521/crm
while exporting CRM.CONTACTS to obs://acme-retail-lake/ods/crm/contacts/"""


_NIGHTS: Final = (
    ("200", "Normal", 70.0),
    ("910", "Stopping", 10.0),
    ("900", "Stopped", 50.0),
    ("920", "Starting", 10.0),
)


def cdm_clusters(cloud: Cloud) -> list[CdmCluster]:
    """Return the clusters: one that works, one that is off, one that is switched off and on again."""
    return [
        CdmCluster(cloud.new_uuid(), "cdm-etl-prod"),
        CdmCluster(cloud.new_uuid(), "cdm-etl-test", "900", "Stopped"),
        CdmCluster(cloud.new_uuid(), "cdm-etl-night", cycle=_NIGHTS, begun=cloud.started),
    ]


def night_jobs(cluster: CdmCluster, begun: float) -> list[CdmJob]:
    """Return the jobs of the cluster that is switched off: nobody is to be woken by them."""
    runs = (CdmRun(_steps(3, 15), rest=12, volume=Volume(rows_read=5_120, rows_written=5_120)),)
    return [CdmJob(cluster.cluster_id, "night_stock_levels", begun, runs, scheduled=True, number=10)]


def cdm_jobs(cloud: Cloud, cluster: CdmCluster) -> list[CdmJob]:
    """Return the jobs of *cluster*; together they show every state within a minute, again and again."""
    there, begun = cluster.cluster_id, cloud.started
    return [
        _orders(there, begun),
        _chinese(there, begun),
        _flaky(there, begun),
        _files(there, begun),
        _incremental(there, begun),
        CdmJob(there, "hbase_archive_backfill_2023", begun, number=6, oddities=frozenset({Oddity.TEXT_DATES})),
        _rejected(there, begun),
        _lost(there, begun),
        _weekly(there, begun),
    ]


def _steps(boot: float, run: float, *before: Step) -> tuple[Step, ...]:
    return (*before, Step("BOOTING", boot, 0.01), Step("RUNNING", run, 0.0, 1.0))


def _orders(cluster: str, begun: float) -> CdmJob:
    """Return a job from database to database: no bytes and no files in its counters."""
    volume = Volume(rows_read=842_113, rows_written=842_113)
    return CdmJob(
        cluster,
        "mysql_orders_to_dws",
        begun - 130,
        (CdmRun(_steps(8, 32), rest=20, volume=volume),),
        first_submission=411,
        scheduled=True,
        number=1,
        oddities=frozenset({Oddity.TEXT_DATES, Oddity.FEW_FIELDS}),
    )


def _chinese(cluster: str, begun: float) -> CdmJob:
    volume = Volume(rows_read=12_904, rows_written=12_896, rows_skipped=8)
    return CdmJob(
        cluster,
        "订单 同步+对账",
        begun - 20,
        (CdmRun(_steps(7, 24, Step("PENDING", 9)), rest=16, volume=volume),),
        first_submission=57,
        shown=3,
        number=2,
        oddities=frozenset({Oddity.OLD_USER_KEY, Oddity.BOOLEAN_STOPPING}),
    )


def _flaky(cluster: str, begun: float) -> CdmJob:
    """Return a job whose runs fail and succeed in turn."""
    failed = CdmRun(
        (Step("BOOTING", 8, 0.01), Step("RUNNING", 18, 0.0, 0.46)),
        "FAILED",
        rest=20,
        volume=Volume(rows_read=310_000, rows_written=310_000),
        error_summary="Cdm.0901 : Connect to source failed",
        error_details=_NO_SOURCE,
    )
    volume = Volume(rows_read=655_320, rows_written=655_320, bytes_written=92_274_688, files_written=4)
    worked = CdmRun(_steps(8, 30), rest=25, volume=volume)
    return CdmJob(
        cluster,
        "oracle_crm_contacts_to_obs",
        begun,
        (failed, worked),
        first_submission=1208,
        number=3,
        from_link="oracle_crm",
        to_connector="obs-connector",
        to_link="obs_lake",
    )


def _files(cluster: str, begun: float) -> CdmJob:
    size = 734_003_200
    volume = Volume(-1, -1, size, size, 120, 118, 120, size, files_skipped=2, rows_skipped=0)
    return CdmJob(
        cluster,
        "sftp_pos_receipts_to_obs",
        begun - 10,
        (CdmRun(_steps(6, 38), rest=18, volume=volume),),
        first_submission=90,
        number=4,
        from_connector="sftp-connector",
        from_link="sftp_stores",
        to_connector="obs-connector",
        to_link="obs_lake",
        oddities=frozenset({Oddity.ZERO_WHEN_DONE, Oddity.BOTH_USER_KEYS}),
    )


def _incremental(cluster: str, begun: float) -> CdmJob:
    run = CdmRun((Step("BOOTING", 10, 0.01), Step("RUNNING", math.inf, 1.0)), changes=(41.0, 12.5, 0.75))
    return CdmJob(
        cluster,
        "binlog_inventory_to_dws",
        begun - 7260,
        (run,),
        repeats=False,
        first_submission=3,
        incremental=True,
        number=5,
        from_link="mysql_inventory",
    )


def _rejected(cluster: str, begun: float) -> CdmJob:
    """Return a job whose submission fails, then waits and is stopped by hand."""
    rejected = CdmRun((Step("BOOTING", 6, 0.0),), "FAILURE_ON_SUBMIT", rest=18)
    stopped = CdmRun((Step("BOOTING", 8, 0.01), Step("RUNNING", 16, 0.0, 0.3)), "STOPPED", rest=24)
    return CdmJob(
        cluster,
        "hive_dim_store_to_es",
        begun,
        (rejected, stopped),
        first_submission=22,
        number=7,
        from_connector="hive-connector",
        from_link="mrs_hive",
        to_connector="elasticsearch-connector",
        to_link="css_search",
        oddities=frozenset({Oddity.NOT_FOUND_IS_500}),
    )


def _lost(cluster: str, begun: float) -> CdmJob:
    """Return a job that the cluster loses sight of for a while."""
    steps = (Step("BOOTING", 9, 0.01), Step("RUNNING", 20, 0.0, 0.4), Step("UNKNOWN", 16, None))
    volume = Volume(rows_read=48_000, rows_written=48_000)
    return CdmJob(
        cluster,
        "postgres_loyalty_points_to_dws",
        begun,
        (CdmRun((*steps, Step("RUNNING", 20, 0.4, 1.0)), rest=15, volume=volume),),
        first_submission=640,
        number=8,
        from_link="pg_loyalty",
        oddities=frozenset({Oddity.NO_LIST_STATUS}),
    )


def _weekly(cluster: str, begun: float) -> CdmJob:
    volume = Volume(rows_read=5_120_000, rows_written=5_119_204, rows_skipped=796)
    return CdmJob(
        cluster,
        "weekly_supplier_master_to_dli",
        begun,
        (CdmRun(_steps(10, 420, Step("NEVER_EXECUTED", 25)), rest=120, volume=volume),),
        first_submission=12,
        scheduled=True,
        number=9,
        group="weekly",
        to_connector="dli-connector",
        to_link="dli_etl",
    )
