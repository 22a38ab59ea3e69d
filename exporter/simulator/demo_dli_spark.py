"""The demo's Spark batches: one dies after it was restored, one succeeds, one runs, and one waits for its queue."""

from exporter.simulator.cloud import Cloud
from exporter.simulator.dli_spark import SparkBatch
from exporter.simulator.world import Step


def spark_batches(cloud: Cloud) -> list[SparkBatch]:
    """Return the batches."""
    started = cloud.started
    return [
        SparkBatch(
            cloud.new_uuid(),
            "click_sessions",
            started,
            (Step("starting", 12), Step("running", 30), Step("recovering", 14), Step("running", 16)),
            end="dead",
        ),
        SparkBatch(cloud.new_uuid(), "geo_dimension", started, (Step("starting", 8), Step("running", 36)), sc_type="B"),
        SparkBatch(
            cloud.new_uuid(),
            "feature_store_backfill",
            started - 900,
            (Step("starting", 40), Step("running", 5400)),
            owner="li.wei",
            sc_type="CUSTOMIZED",
        ),
        SparkBatch(
            cloud.new_uuid(), "churn_model_training", started - 120, (Step("starting", 1500), Step("running", 900))
        ),
    ]
