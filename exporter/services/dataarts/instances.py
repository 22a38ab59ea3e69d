"""The instances of jobs: one row is one run.

Source: DataArts Studio API reference, "Querying Job Instances" (ListJobInstances), and the SDK's ``JobInstance``.
``executeTime`` is not read, because it is minutes in one document and milliseconds in another.

**Only what is surely the newest.** No document says in which order the rows come, or what ``offset`` counts. So an
answer that has not all rows is read only if its plan times fall from row to row: then it has the newest ones. A poll
asks once more for a shorter time.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final

from exporter.model.errors import PollError, first_line
from exporter.model.frozen import replace
from exporter.model.measures import MeasureFamily
from exporter.model.packed import Packed
from exporter.model.reason import Reason
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.codes_in_text import failure_code
from exporter.services.dataarts.words import CODES, RESUMABLE, STATES

MOST: Final = 1000
"""Instances of one answer: the most that the call gives."""
_KEPT: Final = 64
"""Runs besides the newest one that are read."""
_SUPPLEMENT: Final = 5
"""The ``instanceType`` of a run for a day of the past, which is none of the schedule's."""
_PLANNED: Final = Measure("planned_timestamp_seconds")
_DELAY: Final = Measure("start_delay_seconds")
_OVERRIDES: Final = {"forced": ("forceSuccess", "FORCESUCCESS"), "ignored": ("ignoreSuccess", "IGNORESUCCESS")}
RUN_MEASURES: Final = (
    MeasureFamily(
        "planned_timestamp_seconds",
        "Unix time in seconds when the newest run was planned to begin, from DataArts planTime",
        "seconds",
    ),
    MeasureFamily(
        "start_delay_seconds",
        "Seconds by which the newest run began later than planned, from DataArts startTime and planTime",
        "seconds",
    ),
    MeasureFamily(
        "success_override",
        "1 if a successful run was set to succeeded by hand (forced), or counts as succeeded although a node failed"
        " (ignored), else 0; from DataArts forceSuccess and ignoreSuccess",
        label="kind",
        values=tuple(_OVERRIDES),
    ),
)


def instance_rows(fields: json_fields.Fields) -> list[dict[str, Any] | None]:
    """Return the rows of a response; raises :class:`PollError` if the newest ones may be missing."""
    total = fields.count("total")
    rows = error_classes.rows(fields, "instances", CODES, total)
    if total is not None and total > len(rows) and not _falls(fields.apart(row or {}) for row in rows):
        error = PollError(
            Reason.PAYLOAD, f"the answer has {len(rows)} of {total} instances in no order, so the newest may be missing"
        )
        error.cut = True
        raise error
    return rows


def _falls(rows: Iterable[json_fields.Fields]) -> bool:
    """Whether the plan times of *rows* fall from the first one on, so that all rows that are missing are older."""
    planned = [row.moment("planTime") for row in rows]
    known = [each for each in planned if each is not None]
    return len(known) == len(planned) > 1 and known == sorted(known, reverse=True) and known[0] > known[-1]


def of_schedule(row: json_fields.Fields) -> bool:
    """Whether a row is a run of the job itself, and not one that fills in data of the past."""
    return row.apart(row.data).count("instanceType") != _SUPPLEMENT


def newest_of(rows: Iterable[json_fields.Fields]) -> Snapshot | None:
    """Return the newest run of one job with the others that are known of it; ``None`` if *rows* has none.

    Raises :class:`PollError` if the newest run has no status.
    """
    ordered = sorted(filter(of_schedule, rows), key=_age)
    if not ordered:
        return None
    newest = run_snapshot(ordered[-1])
    if newest is None:
        raise PollError(Reason.PAYLOAD, "the newest instance of the answer reports no status")
    earlier = (run_snapshot(row.apart(row.data)) for row in ordered[-_KEPT - 1 : -1])
    others = tuple(each for each in earlier if each is not None and each.run.id and not each.run.same(newest.run))
    return replace(newest, others=others)


def _age(row: json_fields.Fields) -> tuple[float, float]:
    """Order runs by their plan, then by their id; what cannot be read counts as the oldest."""
    silent = row.apart(row.data)
    planned, number = silent.moment("planTime"), silent.count("instanceId")
    return (-1 if planned is None else planned, -1 if number is None else number)


def run_snapshot(fields: json_fields.Fields) -> Snapshot | None:
    """Return the run of a row, ``None`` if the row has no status."""
    word = fields.text("status")
    if word is None:
        return None
    state, native = fields.state("status", word, STATES)
    planned, start, end = (fields.moment(name) for name in ("planTime", "startTime", "endTime"))
    number, text = fields.count("instanceId"), fields.text("errorMessage")
    resumable = native.upper() in RESUMABLE
    detail: Mapping[str, Any] = {
        "job_name": fields.id("jobName"),
        "job_instance_name": fields.id("jobInstanceName"),
        "instance_type": fields.count("instanceType"),
        "version": fields.count("version"),
        "error_message": first_line(text or "") or None,
    }
    return Snapshot(
        state=state,
        native_state=native,
        run=RunId("" if number is None else str(number), planned, opaque=True),
        progress=1.0 if state is State.SUCCEEDED else None,
        start=start,
        end=end if state.ended and not resumable else None,
        failure_code=failure_code(text) if state is State.FAILED else None,
        counts=Packed(_counts(fields, state, native, planned, start)),
        detail=Packed({name: value for name, value in detail.items() if value is not None}),
        unknown=tuple(fields.unknown),
        resumable=resumable,
    )


def _counts(
    fields: json_fields.Fields, state: State, native: str, planned: float | None, start: float | None
) -> dict[Measure, float]:
    counts: dict[Measure, float] = {}
    if planned is not None:
        counts[_PLANNED] = planned
        if start is not None and start >= planned:
            counts[_DELAY] = (round(start * 1000) - round(planned * 1000)) / 1000
    for kind, (name, word) in _OVERRIDES.items():
        forced = fields.flag(name)
        if state is State.SUCCEEDED and (forced is not None or native.upper() == word):
            counts[Measure("success_override", kind)] = float(bool(forced) or native.upper() == word)
    return counts
