"""The section ``metrics``: label names, the largest number of series, and buckets."""

from typing import Final

from pydantic import Field, ValidationInfo, field_validator

from exporter.config import types
from exporter.config.section import Section
from exporter.model.job import job_label
from exporter.model.messages import quoted
from exporter.services import registry

TAKEN: Final = frozenset(
    (
        *("state", "reason", "code", "project", "region", "run_id", "native_state"),
        *("operation", "field", "source", "shard", "shards", "version", "revision", "python"),
        *("result", "limit", "file", "le", "promise"),
    )
)
"""Labels that some metric has already, besides those that services declare."""


def _declared_labels() -> set[str]:
    """Return the labels of what services declare of their jobs."""
    declared = registry.declared()
    return {*declared.identity, *declared.run_labels, *(each.label for each in declared.measures)}


class Labels(Section):
    """The names of the two labels that tell jobs apart."""

    service: types.Label = Field(default="service", description="The label that holds the service's name.")
    job: types.Label = Field(default="job", description="The label that holds the job's name.")

    @field_validator("service", "job")
    @classmethod
    def _free(cls, value: str, info: ValidationInfo) -> str:
        if value in TAKEN or value in _declared_labels():
            raise ValueError(f"another metric has a label {quoted(value)} already; choose another name")
        if info.data.get("service") == value:
            raise ValueError(f"expected another name than metrics.labels.service, {quoted(value)}")
        return value


_MOST_BUCKETS: Final = 50


class MetricsSettings(Section):
    """What is exposed."""

    labels: Labels = Field(
        default=Labels(),
        description="Other label names, for scrape configurations without honor_labels. A change needs a restart.",
    )
    max_series: types.Count = Field(
        default=500_000,
        description="Largest number of series (a number); above it whole jobs are left out, the newest first.",
    )
    job_labels: tuple[types.Opaque, ...] = Field(
        default=(),
        description="Keys of the jobs' labels that become label_<key> of huaweicloud_job_labels, such as [team].",
    )

    duration_buckets: tuple[types.Bound, ...] = Field(
        default=(),
        description="Bounds of buckets in seconds (numbers), such as [60, 300, 3600], with which"
        " huaweicloud_job_run_duration_seconds is a histogram; without them it is a summary.",
    )

    @field_validator("duration_buckets")
    @classmethod
    def _in_order(cls, bounds: tuple[float, ...]) -> tuple[float, ...]:
        if list(bounds) != sorted(set(bounds)):
            raise ValueError("expected each bound once, from low to high")
        if len(bounds) > _MOST_BUCKETS:
            raise ValueError(f"expected at most {_MOST_BUCKETS} bounds; each makes series of every job")
        return bounds

    @field_validator("job_labels")
    @classmethod
    def _told_apart(cls, keys: tuple[str, ...], info: ValidationInfo) -> tuple[str, ...]:
        labels = info.data.get("labels", Labels())
        names = {labels.service: "metrics.labels.service", labels.job: "metrics.labels.job"}
        for key in keys:
            name = job_label(key)
            if name in names:
                raise ValueError(f"{quoted(key)} becomes the label {name}, as {names[name]} does; rename one of both")
            names[name] = quoted(key)
        return keys
