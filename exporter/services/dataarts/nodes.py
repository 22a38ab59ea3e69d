"""The nodes of an instance: the steps of a run.

Source: DataArts Studio API reference, "Querying a Job Instance" (ShowJobInstance). The state of a run is its own word
and never made of those of its nodes: the document's example is a run that failed while all of its nodes succeeded.
"""

from collections.abc import Mapping
from typing import Final

from exporter.model.frozen import replace
from exporter.model.measures import MeasureFamily, Work
from exporter.model.packed import Packed
from exporter.model.reason import Reason
from exporter.model.snapshot import Measure, Snapshot
from exporter.services import error_classes, json_fields
from exporter.services.dataarts.instances import run_snapshot
from exporter.services.dataarts.words import CODES
from exporter.services.values import meaning

_STATES: Final[Mapping[str, str]] = {
    "WAITING": "waiting",
    "PAUSE": "waiting",
    "RUNNING": "active",
    "SUCCESS": "completed",
    "SKIP": "skipped",
    "FAIL": "failed",
    "MANUAL-STOP": "killed",
}
_PLANNED: Final = Measure("tasks_planned")
NODE_MEASURES: Final = (
    MeasureFamily(
        "tasks",
        "Nodes of the newest run by state, from DataArts nodes",
        label="state",
        values=("active", "completed", "skipped", "failed", "killed", "waiting"),
        live=("active", "waiting"),
    ),
    MeasureFamily("tasks_planned", "Nodes of the newest run, from DataArts total"),
    MeasureFamily("retries", "Retries of the nodes of the newest run, from DataArts retryTimes"),
)
NODE_WORK: Final = Work(_PLANNED, Measure("tasks", "completed"), Measure("tasks", "skipped"))


def with_nodes(fields: json_fields.Fields) -> Snapshot:
    """Return one instance with the counts of its nodes."""
    found = error_classes.from_object(fields.only(("error_code", "error_msg", "errorCode", "errorMsg")))
    seen = run_snapshot(fields)
    if found.codes or seen is None:
        raise error_classes.refusal(200, found, CODES, otherwise=Reason.API if found.codes else Reason.PAYLOAD)
    return replace(seen, counts=Packed(_counts(fields)), unknown=tuple(fields.unknown))


def _counts(fields: json_fields.Fields) -> dict[Measure, float]:
    """Count the nodes; where one of them, or its word, cannot be read no number of them is known."""
    total, rows = fields.count("total"), fields.objects("nodes")
    counts: dict[Measure, float] = {} if total is None else {_PLANNED: total}
    nodes = [fields.apart(row or {}) for row in rows or []]
    words = [meaning(node.text("status") or "", _STATES) for node in nodes]
    if not nodes or None in words or total not in (None, len(nodes)):
        if nodes and None in words:
            fields.unreadable("nodes")
        return counts
    counts |= {Measure("tasks", state): words.count(state) for state in dict.fromkeys(_STATES.values())}
    retries = [node.count("retryTimes") for node in nodes]
    if None not in retries:
        counts[Measure("retries")] = sum(each or 0 for each in retries)
    return counts
