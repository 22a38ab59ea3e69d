"""What several tests of the documents need."""

import re

from exporter.cli import reference
from exporter.metrics.catalogue import families
from exporter.services import registry


def metrics_that_are_named(text: str) -> set[str]:
    """Return the names of metrics in a text."""
    return set(re.findall(r"huaweicloud_job_\w+", text))


def metrics_that_exist() -> set[str]:
    """Return the names of all metrics, of jobs and of the exporter itself."""
    own = set(re.findall(r"`(huaweicloud_job_exporter_\w+)`", reference.render_metrics()))
    return own | {family.name for family in families(registry.declared())}
