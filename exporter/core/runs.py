"""From one answer to the next: what a job's record becomes when a poll worked, failed, or none worked for too long.

A failure never moves a "last success", an answer that says less never erases what was counted, and a run is counted
once, when it is first seen ended after the job was registered.
"""

from collections.abc import Mapping
from dataclasses import replace

from exporter.core.adapter import Adapter
from exporter.core.model import LIVE, RESULTS, Fault, Measure, Record, RunId, Snapshot, State


def worked(record: Record, answer: Snapshot, at: float, adapter: Adapter) -> Record:
    """Return the record after a poll at *at* (Unix seconds) that gave *answer*."""
    before = record.snapshot
    same = before is not None and before.run.same(answer.run)
    last = record.seen if same else {}
    last_progress = record.seen_progress if same else None
    moved = (
        before is None
        or before.state is not answer.state
        or before.run != answer.run
        or answer.progress not in (None, last_progress)
        or any(last.get(measure) != value for measure, value in answer.counts.items())
    )
    runs, ended_run = _ended(record, answer)
    return replace(
        record,
        snapshot=replace(answer, counts=_counts(answer, last, adapter)),
        stale=False,
        up=True,
        polled_at=at,
        final=adapter.final and answer.state.ended and same and before is not None and before.state is answer.state,
        fault=None,
        failing=0,
        last_progress=at if moved else record.last_progress,
        last_success=_last_success(record, answer, same, at),
        last_run_duration=_duration(answer) if answer.state.ended else record.last_run_duration,
        runs=runs,
        seen=answer.counts if last.keys() <= answer.counts.keys() else {**last, **answer.counts},
        seen_progress=last_progress if answer.progress is None else answer.progress,
        ended_run=ended_run,
    )


def failed(record: Record, fault: Fault) -> Record:
    """Return the record after a poll that failed."""
    failures = {**record.failures, fault.reason: record.failures.get(fault.reason, 0) + 1}
    return replace(record, up=False, fault=fault, failing=record.failing + 1, failures=failures)


def aged(record: Record) -> Record:
    """Return the record once its values are too old to be shown; a run that is final does not age."""
    return record if record.final else replace(record, stale=True, up=False)


def _counts(answer: Snapshot, last: Mapping[Measure, float], adapter: Adapter) -> Mapping[Measure, float]:
    """Return the counts to show: of a run that ended those last seen, if the service forgets them, less the live."""
    if not answer.state.ended:
        return answer.counts
    counts = answer.counts or (last if adapter.forgets else {})
    return {measure: value for measure, value in counts.items() if measure not in LIVE}


def _ended(record: Record, answer: Snapshot) -> tuple[tuple[int, int, int], RunId | None]:
    """Return the runs counted and the newest one seen ended; one that had ended at first sight is not counted."""
    if not answer.state.ended:
        return record.runs, record.ended_run
    before = record.snapshot
    if before is None:
        return record.runs, answer.run
    if answer.run == RunId():  # a run without a name: only the change of the state tells that it ended
        known = before.state.ended
    else:
        known = record.ended_run is not None and record.ended_run.same(answer.run)
    if known:
        return record.runs, record.ended_run
    succeeded, went_wrong, cancelled = (
        count + (result is answer.state) for count, result in zip(record.runs, RESULTS, strict=True)
    )
    return (succeeded, went_wrong, cancelled), answer.run


def _last_success(record: Record, answer: Snapshot, same: bool, at: float) -> float | None:
    """Return when a run last succeeded: its end by the vendor's word, else the poll that saw it turn."""
    if answer.state is not State.SUCCEEDED:
        return record.last_success
    if answer.end is not None:
        return answer.end
    before = record.snapshot
    turned = before is not None and not before.state.ended and (same or answer.run == RunId())
    return at if turned else record.last_success


def _duration(answer: Snapshot) -> float | None:
    """Return how long the run took, by the vendor's own start and end."""
    if answer.start is None or answer.end is None or answer.end < answer.start:
        return None
    return answer.end - answer.start
