"""The sub-jobs of a progress answer, and what they sum up to.

Source: DLI API reference, "Querying the Job Execution Progress" (ShowJobProgress), table 3.
"""

from collections.abc import Mapping
from typing import Any, Final

from exporter.model.errors import first_line
from exporter.model.masking import masked
from exporter.model.measures import MeasureFamily, Parts, Work
from exporter.model.snapshot import Measure, Rows
from exporter.services import json_fields
from exporter.services.values import clean, meaning

_SUMS: Final[Mapping[str, Measure]] = {
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
_KILLED: Final = list(_SUMS).index("num_killed_tasks")
ACTIVE: Final = frozenset({"num_active_tasks", "num_active_stages"})
"""What a sub-job that ended has none of, whatever figure came last: Spark is known to say -2 then."""
_KEPT: Final = "; after the end of the run the last value seen while it ran, a lower bound"
_SUBJOB_STATES: Final = {
    "RUNNING": "running",
    "SUCCEEDED": "succeeded",
    "FAILED": "failed",
    "UNKNOWN": "unknown",
}
"""Spark's JobExecutionStatus, which table 3 refers to."""
MEASURES: Final = (
    MeasureFamily(
        "tasks",
        "Spark tasks by state, summed over the sub-jobs in the response, from DLI num_*_tasks" + _KEPT,
        label="state",
        values=("active", "completed", "skipped", "failed", "killed"),
        live=("active",),
    ),
    MeasureFamily("tasks_planned", "Spark tasks planned, summed over the sub-jobs, from DLI num_tasks" + _KEPT),
    MeasureFamily(
        "stages",
        "Spark stages by state, summed over the sub-jobs, from DLI num_*_stages" + _KEPT,
        label="state",
        values=("active", "completed", "skipped", "failed"),
        live=("active",),
    ),
    MeasureFamily(
        "completed_indices",
        "Spark completed indices, summed over the sub-jobs, from DLI num_completed_indices" + _KEPT,
    ),
    MeasureFamily(
        "killed_tasks",
        "Killed Spark tasks by reason, from DLI killed_tasks_summary: the 10 most frequent reasons, the rest as other"
        + _KEPT,
        label="reason",
        values=(),
    ),
    MeasureFamily(
        "subjobs",
        "Sub-jobs in the response by status, from DLI sub_jobs" + _KEPT,
        label="state",
        values=tuple(_SUBJOB_STATES.values()),
        live=("running",),
    ),
)
WORK: Final = Work(Measure("tasks_planned"), Measure("tasks", "completed"), Measure("tasks", "skipped"), "subjobs")
SUBJOB_PARTS: Final = Parts(
    word="sub-job",
    field="sub_jobs",
    left_out="sub_jobs_left_out",
    current="sub_job_id",
    id="id",
    name="name",
    status="status",
    began="submission_timestamp_seconds",
    ended="completion_timestamp_seconds",
    planned="num_tasks",
    done="num_completed_tasks",
    failed="num_failed_tasks",
)
_COLUMNS: Final = (
    *("id", "name", "description", "submission_time", "submission_timestamp_seconds"),
    *("completion_time", "completion_timestamp_seconds", "stage_ids", "job_group", "status"),
    *_SUMS,
    "killed_tasks_summary",
)
"""What page and JSON show of a sub-job: table 3."""
SUBJOBS: Final = tuple(Measure("subjobs", state) for state in _SUBJOB_STATES.values())
_ENDED: Final = frozenset({"succeeded", "failed"})
_PREFIX: Final = "sub_jobs."
_JOB: Final = {"job_group": "job_id"}
"""What a sub-job repeats of the job that was asked for."""
MOST_SHOWN: Final = 500
"""Sub-jobs that page and JSON show; how many more there are is shown too, and all of them are summed."""
_MOST_REASONS: Final = 100
"""Reasons for killed tasks that are read of one sub-job."""
_REASONS_SHOWN: Final = 10
_REASON_LENGTH: Final = 100


class Subjob:
    """One row of ``sub_jobs``: its numbers for the sums, and what page and JSON show of it."""

    def __init__(self, fields: json_fields.Fields) -> None:
        self._fields = fields
        self.state = self._state(fields)
        ended = self.state in _ENDED
        self.numbers = tuple([0 if ended and name in ACTIVE else fields.count(name) for name in _SUMS])
        self.killed = self._killed(fields)

    def row(self) -> tuple[Any, ...]:
        """Return what page and JSON show, in the order of ``_COLUMNS``."""
        fields = self._fields
        description = fields.text("description")
        return (
            fields.count("id"),
            fields.id("name"),
            first_line(description) or None if description else None,
            fields.id("submission_time"),
            fields.moment("submission_time"),
            fields.id("completion_time"),
            fields.moment("completion_time"),
            fields.items("stage_ids"),
            fields.id("job_group"),
            fields.id("status"),
            *self.numbers,
            self.killed or None,
        )

    @staticmethod
    def _state(fields: json_fields.Fields) -> str | None:
        word = fields.text("status")
        if word is None:
            return None
        state = meaning(word, _SUBJOB_STATES)
        if state is None:
            fields.unreadable("status")
        return state or "unknown"

    def _killed(self, fields: json_fields.Fields) -> dict[str, float | None] | None:
        """Return how many tasks were killed by reason, ``None`` if it was not said.

        DLI leaves the summary out where nothing was killed, so with ``num_killed_tasks`` 0 it is empty, not unsaid.
        """
        summary = fields.object("killed_tasks_summary")
        if summary is None:
            return {} if self.numbers[_KILLED] == 0 else None
        if len(summary) > _MOST_REASONS:
            fields.unreadable("killed_tasks_summary")
            return None
        amounts = fields.apart(summary)
        killed: dict[str, float | None] = {}
        for name in summary:
            reason = clean(name) or "other"
            amount, before = amounts.count(name), killed.get(reason, 0)
            killed[reason] = None if amount is None or before is None else before + amount
        if amounts.unknown:
            fields.unreadable("killed_tasks_summary")
        return killed


class Subjobs:
    """The sub-jobs of one answer."""

    def __init__(self, answer: json_fields.Fields, target: Mapping[str, str]) -> None:
        self._all = [Subjob(fields) for fields in _own(answer, target)]
        shown = self._all[:MOST_SHOWN]
        self.table = Rows(_COLUMNS, tuple([subjob.row() for subjob in shown])) if shown else None
        """Of the first :data:`MOST_SHOWN`."""
        self.left_out = len(self._all) - len(shown)

    def sums(self) -> dict[Measure, float]:
        """Sum the sub-jobs; a sum is absent if any of them lacks the number."""
        return _sums(self._all) if self._all else {}


def _own(answer: json_fields.Fields, target: Mapping[str, str]) -> list[json_fields.Fields]:
    """Return the sub-jobs of the job itself, each once; of two that differ and have one id nothing can be read."""
    own: list[json_fields.Fields] = []
    places: dict[int, int] = {}
    for item in answer.objects("sub_jobs") or []:
        fields = answer.row(item or {}, _PREFIX)
        if not fields.of_job(_JOB, target):
            answer.unreadable("sub_jobs.job_group")
            continue
        number = fields.count("id")
        if number is None or number not in places:
            if number is not None:
                places[number] = len(own)
            own.append(fields)
        elif own[places[number]].data != item:
            answer.unreadable("sub_jobs.id")
            own[places[number]] = answer.row({}, _PREFIX)
    return own


def _sums(subjobs: list[Subjob]) -> dict[Measure, float]:
    counts: dict[Measure, float] = {}
    for measure, numbers in zip(_SUMS.values(), zip(*[subjob.numbers for subjob in subjobs], strict=True), strict=True):
        if None not in numbers:
            counts[measure] = sum(numbers)
    states = [subjob.state for subjob in subjobs]
    if None not in states:
        counts |= {measure: states.count(measure.label) for measure in SUBJOBS}
    counts |= _killed(subjobs)
    return counts


def _killed(subjobs: list[Subjob]) -> dict[Measure, float]:
    """Sum the killed tasks by reason: the greatest reasons by name, the rest together as ``other``."""
    by_reason: dict[str, float | None] = {}
    for subjob in subjobs:
        if subjob.killed is None:
            return {}
        for reason, amount in subjob.killed.items():
            name, before = reason[:_REASON_LENGTH], by_reason.get(reason[:_REASON_LENGTH], 0)
            by_reason[name] = None if amount is None or before is None else before + amount
    said = sorted(((-amount, name) for name, amount in by_reason.items() if amount is not None))
    counts: dict[Measure, float] = {}
    for amount, reason in said[:_REASONS_SHOWN]:
        measure = Measure("killed_tasks", masked(reason))  # a reason may quote what it was that failed
        counts[measure] = counts.get(measure, 0) - amount
    if rest := said[_REASONS_SHOWN:]:
        other = Measure("killed_tasks", "other")
        counts[other] = counts.get(other, 0) - sum(amount for amount, _ in rest)
    return counts
