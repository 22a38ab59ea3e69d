"""Which metrics there are, for what names them: rules, dashboards, documents."""

import re
from functools import cache

from exporter.cli import reference

SUFFIXES = re.compile(r"_(bucket|sum|count)$")
EXPECTED = frozenset(
    {
        "huaweicloud_job_runs_rows_read_total",
        "huaweicloud_job_runs_rows_written_total",
        "huaweicloud_job_runs_rows_skipped_total",
        "huaweicloud_job_runs_read_bytes_total",
        "huaweicloud_job_runs_written_bytes_total",
        "huaweicloud_job_runs_files_written_total",
        "huaweicloud_job_estimated_completion_timestamp_seconds",
        "huaweicloud_job_exporter_discovery_last_success_timestamp_seconds",
        "huaweicloud_job_exporter_discovery_jobs_cut_total",
        "huaweicloud_job_exporter_journal_last_write_timestamp_seconds",
        "huaweicloud_job_exporter_journal_errors_total",
    }
)
"""Metrics that the contract with users names and that the exporter is about to get."""


@cache
def existing() -> dict[str, str]:
    """Return the type of every metric that the reference names."""
    rows = re.findall(r"^\| `(huaweicloud_job_\w+)` \| (\w+) \|", reference.render(), re.MULTILINE)
    return dict(rows)


def named(text: str) -> set[str]:
    """Return the metrics that *text* names, recorded series left out."""
    return set(re.findall(r"(?<![:\w])huaweicloud_job_\w+\b(?!:)", text))


def unknown(names: set[str]) -> set[str]:
    """Return the names that neither exist nor are expected."""
    types = existing()
    histograms = {name for name, kind in types.items() if kind == "histogram"}
    return {name for name in names - types.keys() - EXPECTED if SUFFIXES.sub("", name) not in histograms}
