"""Which metrics there are, for what names them: rules, dashboards, documents."""

import re
from functools import cache

from exporter.cli import reference

SUFFIXES = re.compile(r"_(bucket|sum|count)$")


@cache
def existing() -> dict[str, str]:
    """Return the type of every metric that the reference names."""
    rows = re.findall(r"^\| `(huaweicloud_job_\w+)` \| (\w+) \|", reference.render_metrics(), re.MULTILINE)
    return dict(rows)


def named(text: str) -> set[str]:
    """Return the metrics that *text* names, recorded series left out."""
    return set(re.findall(r"(?<![:\w])huaweicloud_job_\w+\b(?!:)", text))


def unknown(names: set[str]) -> set[str]:
    """Return the names that do not exist."""
    types = existing()
    histograms = {name for name, kind in types.items() if kind in {"histogram", "summary"}}
    return {name for name in names - types.keys() if SUFFIXES.sub("", name) not in histograms}
