"""Records as JSON: an unknown value is ``null``, never 0; times are Unix seconds. Pure."""

import json
import math
from collections.abc import Mapping
from typing import Any, Final

from exporter.model.masking import VendorText, repeated, repeated_fields
from exporter.model.record import Fault, Record
from exporter.model.snapshot import RESULTS, Measure, complaint
from exporter.model.standing import STALE, standing
from exporter.services import registry

_TIMES: Final = ("start", "end", "pending_since", "last_progress", "estimated_completion")
"""Of the newest run."""


def job_document(
    record: Record, place: Mapping[str, str], next_poll: float | None, how: VendorText = VendorText.REDACTED
) -> dict[str, Any]:
    """Return all that is known of one job, ready for JSON; *how* is how much of the vendor's own text it repeats."""
    detail = {} if record.shown is None else record.shown.detail_json()
    return {**job_facts(record, place, next_poll, how), "detail": repeated_fields(detail, how)}


def job_facts(
    record: Record, place: Mapping[str, str], next_poll: float | None, how: VendorText = VendorText.REDACTED
) -> dict[str, Any]:
    """Return the same without the detail, which may be long: an answer reports hundreds of parts of a run."""
    target, detail = record.job.target, {} if record.shown is None else record.shown.detail
    return {
        "service": record.job.key.service,
        "job": record.job.key.job,
        "project": record.job.project,
        "region": place.get("region") or None,
        "project_id": place.get("project_id") or None,
        **{name: target.get(name) for name in registry.declared().identity},
        "labels": dict(record.job.labels),
        "promises": record.job.promises.plain(),
        "deadline": record.deadline and record.deadline.at,
        "deadline_met": record.deadline and record.deadline.met,
        "source": record.job.source,
        "standing": standing(record),
        **_run(record),
        "last_success": record.last_success,
        "last_failure": record.last_failure,
        "last_run_duration": record.last_run_duration,
        "last_poll": record.polled_at,
        "next_poll": next_poll,
        "up": record.up,
        "stale": standing(record) == STALE,
        "final": record.final,
        "failing": record.failing,
        "error": _error(record.fault, how),
        "off": record.off or None,
        "schedule": None if record.stale else record.schedule or None,
        "failures": {reason.value: times for reason, times in record.failures.items()},
        "runs": {result.value: times for result, times in zip(RESULTS, record.runs, strict=True)},
        "totals": dict(record.totals),
        "complaint": repeated(complaint(detail), how) or None,
    }


def _run(record: Record) -> dict[str, Any]:
    """Return what is known of the newest run; what is too old to be shown is not known."""
    shown = record.shown
    if shown is None:
        names = ("run_id", "state", "native_state", "progress", "incremental", "failure_code")
        return {**dict.fromkeys(names), "counts": {}, **dict.fromkeys(_TIMES)}
    return {
        "run_id": shown.run.label or None,
        "state": shown.state.value,
        "native_state": shown.native_state or None,
        "progress": shown.progress,
        "incremental": shown.incremental,
        "failure_code": shown.failure_code,
        "counts": grouped(shown.counts),
        "start": shown.start,
        "end": shown.end,
        "pending_since": record.pending_since,
        "last_progress": record.last_progress,
        "estimated_completion": record.may_end,
    }


def grouped(counts: Mapping[Measure, float]) -> dict[str, Any]:
    """Put the counts of one name together: ``{"tasks": {"active": 3}, "rows_read": 4000}``."""
    labelled = {measure.name for measure in counts if measure.label}
    groups: dict[str, Any] = {}
    for measure, value in counts.items():
        if measure.name in labelled:
            groups.setdefault(measure.name, {})[measure.label] = _whole(value)
        else:
            groups[measure.name] = _whole(value)
    return groups


def _whole(value: float) -> float:
    """Return a number without a fraction as an integer: a count of 4000 is not 4000.0."""
    return int(value) if math.isfinite(value) and float(value).is_integer() else value


def _error(fault: Fault | None, how: VendorText) -> dict[str, Any] | None:
    if fault is None:
        return None
    return {
        "reason": fault.reason.value,
        "code": fault.code or None,
        "request_id": fault.request_id or None,
        "sentence": fault.sentence,
        "text": repeated(fault.text, how) or None,
        "at": fault.at,
    }


def encoded(value: object) -> bytes:
    """Return *value* as compact UTF-8; NaN and infinities, which JSON lacks, become ``null``."""
    text = json.dumps(_finite(value), ensure_ascii=False, allow_nan=False, separators=(",", ":"), default=str)
    return text.encode("utf-8", "replace")  # a lone half of a surrogate pair has no UTF-8


def _finite(value: object) -> object:
    """Return *value* with every number that JSON cannot hold replaced by ``None``."""
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {str(name): _finite(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(each) for each in value]
    return value
