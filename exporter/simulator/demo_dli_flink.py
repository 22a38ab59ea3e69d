"""The demo's Flink jobs: one restarts again and again, one runs quietly, one breaks, one is a draft."""

from typing import Final

from exporter.simulator.cloud import Cloud
from exporter.simulator.dli_flink import FlinkJob
from exporter.simulator.world import Step

_DAYS: Final = 30 * 86400.0


def flink_jobs(cloud: Cloud) -> list[FlinkJob]:
    """Return the jobs."""
    started = cloud.started
    return [
        FlinkJob(
            50320,
            "rt_click_enrichment",
            started,
            (Step("job_submitting", 9), Step("job_downloading", 3), Step("job_running", _DAYS)),
            restarts_every=25,
            zero=True,
        ),
        FlinkJob(
            50321,
            "rt_order_totals",
            started - 90_000,
            (Step("job_submitting", 20), Step("job_running", _DAYS)),
            job_type="flink_jar_job",
        ),
        FlinkJob(
            50322,
            "rt_fraud_rules",
            started,
            (Step("job_submitting", 6), Step("job_running", 40), Step("job_savepointing", 8)),
            end="job_running_exception",
            reason="DLI.0012: The JobManager exited with an exception: checkpoint expired before completing.",
        ),
        FlinkJob(50323, "rt_stock_levels_draft", started - 500, (Step("job_init", _DAYS),), user="li.wei"),
    ]
