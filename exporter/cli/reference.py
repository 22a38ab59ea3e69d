"""``metrics``: the reference of every metric, made from the code; docs/metrics.md is its output."""

import argparse
from collections.abc import Iterable

from exporter.metrics.catalogue import families
from exporter.metrics.telemetry import Telemetry
from exporter.services import registry

_INTRODUCTION = """\
# Metrics

This page is made by `huaweicloud-job-exporter metrics`; `make docs` writes it anew.

Values come from polls in the background, never from the scrape itself, and no sample has a timestamp:
`huaweicloud_job_last_poll_timestamp_seconds` says how old a job's values are. **What is not known is absent, never 0.**
When no poll of a job worked for `poll.stale_after`, or for three of its intervals if that is longer, everything that
its last answer told goes; `up` 0, the time of the last poll, the counters and the last success stay.

## The jobs

Every one of these has the labels `service` and `job`, or what `metrics.labels` calls them.
"""
_OWN = """
## The exporter itself

Besides these there are the usual `process_*` and `python_*` metrics.
"""


def command(options: argparse.Namespace) -> int:
    """Print the reference of all metrics."""
    print(render_metrics(), end="")
    return 0


def all_own() -> Telemetry:
    """Return every metric of the exporter itself, those too that its parts declare when they are made."""
    telemetry = Telemetry()
    telemetry.watch(lambda: 0, lambda: 0, lambda: 0)
    telemetry.watch_connections(lambda: 0)
    telemetry.watch_budgets(dict, dict)
    telemetry.watch_expiry(dict)
    telemetry.watch_skew(dict)
    telemetry.watch_refused(dict)
    telemetry.watch_journal(dict)
    telemetry.watch_history(lambda: 0)
    telemetry.watch_clusters(dict, dict)
    return telemetry


def render_metrics() -> str:
    """Return the reference as Markdown."""
    telemetry = all_own()
    jobs = _table((family.name, family.kind, family.help, family.labels) for family in families(registry.declared()))
    return f"{_INTRODUCTION}\n{jobs}{_OWN}\n{_table(telemetry.catalogue)}"


def _table(rows: Iterable[tuple[str, str, str, tuple[str, ...]]]) -> str:
    lines = ["| metric | type | labels | meaning |", "|---|---|---|---|"]
    for name, kind, text, labels in rows:
        named = ", ".join(f"`{label}`" for label in labels)
        lines.append(f"| `{name}` | {kind} | {named} | {text.replace('|', chr(92) + '|')} |")
    return "\n".join(lines) + "\n"
