"""The sub-jobs of a progress answer, and what they sum up to.

Source: DLI API reference, "Querying the Job Execution Progress" (ShowJobProgress), table 3.
"""

from collections import Counter
from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final

from exporter.model.snapshot import Measure
from exporter.services import json_fields, timestamps

SUMS: Final[Mapping[str, Measure]] = {
    "num_tasks": Measure("tasks_planned"),
    "num_active_tasks": Measure("tasks", "active"),
    "num_completed_tasks": Measure("tasks", "completed"),
    "num_skipped_tasks": Measure("tasks", "skipped"),
    "num_failed_tasks": Measure("tasks", "failed"),
    "num_killed_tasks": Measure("tasks", "killed"),
    "num_completed_indices": Measure("completed_indices"),
    "num_active_stages": Measure("stages", "active"),
    "num_completed_stages": Measure("stages", "completed"),
    "num_skipped_stages": Measure("stages", "skipped"),
    "num_failed_stages": Measure("stages", "failed"),
}
"""Table 3: which number of a sub-job is summed into which measure."""
KILLED: Final = list(SUMS).index("num_killed_tasks")
COLUMNS: Final = (
    *("id", "name", "description", "submission_time", "submission_timestamp_seconds"),
    *("completion_time", "completion_timestamp_seconds", "stage_ids", "job_group", "status"),
    *SUMS,
    "killed_tasks_summary",
)
"""What page and JSON show of a sub-job: table 3."""
SUBJOB_STATES: Final = {
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "UNKNOWN": "unknown",
}
"""Spark's JobExecutionStatus, which table 3 refers to."""
SUBJOBS: Final = tuple(Measure("subjobs", state) for state in SUBJOB_STATES.values())
REASONS_SHOWN: Final = 10
REASON_LENGTH: Final = 100


class Subjob:
    """One row of ``sub_jobs``: its numbers for the sums, and what page and JSON show of it."""

    def __init__(self, data: dict[str, Any] | None, unknown: list[str], zone: tzinfo | None) -> None:
        fields = json_fields.Fields(data or {}, unknown, "sub_jobs.")
        self.numbers = tuple([fields.amount(name) for name in SUMS])
        self.state = self._state(fields)
        self.killed = self._killed(fields)
        stages = fields.items("stage_ids")
        self.row = (
            fields.amount("id"),
            fields.text("name"),
            fields.text("description"),
            *_time(fields, "submission_time", zone),
            *_time(fields, "completion_time", zone),
            stages,
            fields.text("job_group"),
            fields.text("status"),
            *self.numbers,
            self.killed or None,
        )
        """What page and JSON show, in the order of ``COLUMNS``."""

    @staticmethod
    def _state(fields: json_fields.Fields) -> str | None:
        word = fields.text("status")
        if word is None:
            return None
        state = SUBJOB_STATES.get(word.upper())
        if state is None:
            fields.unreadable("status")
        return state or "unknown"

    def _killed(self, fields: json_fields.Fields) -> dict[str, float | None] | None:
        """Return how many tasks were killed by reason, ``None`` if it was not said.

        DLI leaves the summary out where nothing was killed, so with ``num_killed_tasks`` 0 it is empty, not unsaid.
        """
        summary = fields.object("killed_tasks_summary")
        if summary is None:
            return {} if self.numbers[KILLED] == 0 else None
        inner: list[str] = []
        amounts = json_fields.Fields(summary, inner)
        killed: dict[str, float | None] = {}
        for name in summary:
            reason = json_fields.clean(name) or "other"
            amount, before = amounts.amount(name), killed.get(reason, 0)
            killed[reason] = None if amount is None or before is None else before + amount
        for _ in inner:
            fields.unreadable("killed_tasks_summary")
        return killed


def _time(fields: json_fields.Fields, name: str, zone: tzinfo | None) -> tuple[str | None, float | None]:
    """Return a sub-job's time as it was written and, where its zone is known, as Unix seconds."""
    text = fields.text(name)
    seconds = None
    if text is not None:
        try:
            seconds = timestamps.java_time(text, zone)
        except ValueError:
            fields.unreadable(name)
    return text, seconds


def sums(subjobs: list[Subjob]) -> dict[Measure, float]:
    """Sum the sub-jobs of one answer; a sum is absent if any of them lacks the number."""
    if not subjobs:
        return {}
    counts: dict[Measure, float] = {}
    for measure, numbers in zip(SUMS.values(), zip(*[subjob.numbers for subjob in subjobs], strict=True), strict=True):
        if None not in numbers:
            counts[measure] = sum(numbers)
    states = Counter(subjob.state for subjob in subjobs)
    if None not in states:
        counts |= {measure: states[measure.label] for measure in SUBJOBS}
    counts |= _killed(subjobs)
    return counts


def _killed(subjobs: list[Subjob]) -> dict[Measure, float]:
    """Sum the killed tasks by reason: the greatest reasons by name, the rest together as ``other``."""
    by_reason: dict[str, float | None] = {}
    for subjob in subjobs:
        if subjob.killed is None:
            return {}
        for reason, amount in subjob.killed.items():
            name, before = reason[:REASON_LENGTH], by_reason.get(reason[:REASON_LENGTH], 0)
            by_reason[name] = None if amount is None or before is None else before + amount
    said = sorted(((-amount, name) for name, amount in by_reason.items() if amount is not None))
    counts = {Measure("killed_tasks", name): -amount for amount, name in said[:REASONS_SHOWN]}
    if rest := said[REASONS_SHOWN:]:
        other = Measure("killed_tasks", "other")
        counts[other] = counts.get(other, 0) - sum(amount for amount, _ in rest)
    return counts
