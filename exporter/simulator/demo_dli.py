"""The demo's SQL jobs: the nightly warehouse of a retailer, as its DLI queues would show it."""

from typing import Final

from exporter.simulator.cloud import Cloud
from exporter.simulator.dli import DliJob, SubJob
from exporter.simulator.world import Step

_BUCKET: Final = "obs://acme-retail-lake"
_KILLED: Final = "another attempt succeeded"

_ORDERS_SQL: Final = """\
insert overwrite table dwd.order_detail_di partition (dt = '2025-11-03')
select o.order_id, o.member_id, i.sku_id, i.quantity, i.pay_amount, o.created_at
from ods.orders o
join ods.order_items i on i.order_id = o.order_id
where o.dt = '2025-11-03'"""

_MISSING_FILE: Final = f"""\
DLI.0999: SparkException: Job aborted due to stage failure: Task 118 in stage 2.0 failed 4 times, most recent \
failure: Lost task 118.3 in stage 2.0 (TID 913, 10.32.4.17, executor 5)
Caused by: java.io.FileNotFoundException: No such file or directory: \
{_BUCKET}/ods/app_log/dt=2025-11-03/hour=07/part-00118.snappy.parquet
\tat org.apache.hadoop.fs.obs.OBSFileSystem.getFileStatus(OBSFileSystem.java:1034)
\tat org.apache.spark.sql.execution.datasources.FileScanRDD.compute(FileScanRDD.scala:127)"""


def dli_jobs(cloud: Cloud) -> list[DliJob]:
    """Return the SQL jobs; together they show every state within a minute and go on for hours."""
    return [
        _orders(cloud),
        _live_board(cloud),
        _broken_import(cloud),
        _cancelled_query(cloud),
        _suspended(cloud),
        _scaling(cloud),
        _waiting(cloud),
        _snapshot(cloud),
        _payments(cloud),
    ]


def _launching(seconds: float) -> Step:
    return Step("LAUNCHING", seconds)


def _pause(seconds: float) -> Step:
    return Step("RUNNING", seconds)


def _orders(cloud: Cloud) -> DliJob:
    place = "saveAsTable at InsertIntoDwd.scala:88"
    return DliJob(
        cloud.new_uuid(),
        "dwd_order_detail_di",
        cloud.started,
        (
            _launching(9),
            SubJob("count at PartitionCheck.scala:41", 48, 12, stages=1),
            _pause(4),
            SubJob(place, 400, 22, _ORDERS_SQL, failed=3, killed={_KILLED: 2}),
            SubJob(place, 60, 11, skipped=20, stages=3),
        ),
        job_type="INSERT",
        queue="etl_queue",
        database="dwd",
        table="order_detail_di",
        statement=_ORDERS_SQL,
        tags={"pipeline": "nightly", "team": "dwh"},
        rows=18_422_911,
        bad_rows=37,
        input_bytes=7_340_032_000,
        output_bytes=2_904_112_640,
        cpu_cost=184_220,
    )


def _live_board(cloud: Cloud) -> DliJob:
    sub_jobs = [SubJob("foreach at GmvBoard.scala:132", 200 + 40 * (n % 5), 75 + 15 * (n % 4)) for n in range(400)]
    return DliJob(
        cloud.new_uuid(),
        "ads_gmv_board_backfill_2024",
        cloud.started - 540,
        (_launching(12), *sub_jobs),
        lists_ended=False,
        job_type="INSERT",
        queue="etl_queue",
        database="ads",
        table="gmv_board",
        statement="insert into ads.gmv_board select * from dws.gmv_1h where dt between '2024-01-01' and '2024-12-31'",
        tags={"pipeline": "backfill", "team": "bi"},
        cpu_cost=9_120_442,
    )


def _broken_import(cloud: Cloud) -> DliJob:
    return DliJob(
        cloud.new_uuid(),
        "ods_app_log_import",
        cloud.started,
        (
            _launching(10),
            SubJob("load at LogImport.scala:57", 240, 26, failed=4, outcome="FAILED", reach=0.55),
            SubJob("load at LogImport.scala:57", 240, 30, failed=9, outcome="FAILED", reach=0.5),
        ),
        end="FAILED",
        last_progress=0.0,
        message=_MISSING_FILE,
        cut=52,
        job_type="IMPORT",
        queue="etl_queue",
        database="ods",
        table="app_log",
        statement=f"load data inpath '{_BUCKET}/ods/app_log/dt=2025-11-03' into table ods.app_log",
        tags={"pipeline": "hourly", "team": "platform"},
    )


def _cancelled_query(cloud: Cloud) -> DliJob:
    return DliJob(
        cloud.new_uuid(),
        "adhoc_refund_root_cause",
        cloud.started,
        (_launching(7), SubJob("collect at Query.scala:19", 1200, 300, killed={"stage cancelled": 12})),
        end="CANCELLED",
        last_progress=None,
        message="The job has been cancelled by user.",
        cut=47,
        owner="li.wei",
        database="dwd",
        statement="select reason, count(*) from dwd.refund_di where dt >= '2025-01-01' group by reason order by 2 desc",
    )


def _suspended(cloud: Cloud) -> DliJob:
    place = "insertInto at Retention.scala:203"
    return DliJob(
        cloud.new_uuid(),
        "dws_user_retention_d7",
        cloud.started,
        (
            _launching(8),
            SubJob(place, 150, 24, failed=1),
            Step("SUSPENDED", 30, 0.4),
            SubJob(place, 90, 45, skipped=30, stages=4),
        ),
        tells_job_id=False,
        job_type="INSERT",
        queue="etl_queue",
        database="dws",
        table="user_retention",
        statement="insert overwrite table dws.user_retention select * from dwd.user_active_di distribute by dt",
        rows=2_610_004,
        output_bytes=73_400_320,
        cpu_cost=40_118,
    )


def _scaling(cloud: Cloud) -> DliJob:
    return DliJob(
        cloud.new_uuid(),
        "scale_queue_etl_64_to_128_cu",
        cloud.started,
        (_launching(6), Step("SCALING", 40)),
        job_type="SCALE_QUEUE",
        queue="etl_queue",
        owner="ops.bot",
        statement="",
        cpu_cost=0,
    )


def _waiting(cloud: Cloud) -> DliJob:
    return DliJob(
        cloud.new_uuid(),
        "export_invoice_archive_2025",
        cloud.started - 60,
        (_launching(960), SubJob("save at Export.scala:71", 800, 300), SubJob("rename at Export.scala:90", 16, 20)),
        job_type="EXPORT",
        queue="adhoc_queue",
        owner="finance.bot",
        database="dwd",
        table="invoice_di",
        statement=f"export table dwd.invoice_di to '{_BUCKET}/archive/invoice/2025'",
        output_bytes=41_104_877_312,
        cpu_cost=902_551,
    )


def _snapshot(cloud: Cloud) -> DliJob:
    place = "saveAsTable at DimSnapshot.scala:64"
    return DliJob(
        cloud.new_uuid(),
        "dim_product_snapshot",
        cloud.started,
        (
            _launching(120),
            SubJob(place, 320, 70, skipped=80, stages=5, failed=6, killed={_KILLED: 9, "stage cancelled": 3}),
            SubJob(place, 240, 60, failed=2, outcome="FAILED", reach=0.7),
            _pause(10),
            SubJob(place, 240, 65, skipped=160),
        ),
        job_type="INSERT",
        queue="etl_queue",
        database="dim",
        table="product",
        statement="insert overwrite table dim.product select * from ods.product_full where deleted = false",
        tags={"pipeline": "nightly", "team": "dwh"},
        rows=1_204_310,
        output_bytes=611_319_808,
        cpu_cost=77_310,
    )


def _payments(cloud: Cloud) -> DliJob:
    sub_jobs = [SubJob("foreachPartition at PaymentMerge.scala:118", 64, 45) for _ in range(8)]
    return DliJob(
        cloud.new_uuid(),
        "dwd_payment_merge",
        cloud.started,
        (_launching(15), *sub_jobs),
        job_type="UPDATE",
        queue="etl_queue",
        database="dwd",
        table="payment_di",
        statement="merge into dwd.payment_di t using ods.payment_delta s on t.pay_id = s.pay_id "
        "when matched then update set *",
        tags={"pipeline": "nightly", "team": "payments"},
        rows=9_310_442,
        output_bytes=1_508_802_560,
        cpu_cost=120_984,
    )
