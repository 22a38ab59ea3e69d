"""From one answer to the next: what a job's record becomes when a poll worked, failed, or none worked for too long.

A failure never moves a "last success", an answer that says less never erases what was counted, and a run that ended
after the job was registered is counted once.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from exporter.core.adapter import Adapter
from exporter.core.model import LIVE, RESULTS, Fault, Job, Measure, Record, RunId, Snapshot, State
from exporter.core.packed import Packed

LISTED_FOR: Final = 300.0
"""Seconds for which counts that only lists tell are shown: then lists have failed for some time."""


def worked(record: Record, answer: Snapshot, at: float, adapter: Adapter) -> Record:
    """Return the record after a poll at *at* (Unix seconds) that gave *answer*."""
    before = record.snapshot
    if answer is before and record.up:
        return replace(record, polled_at=at, listed=None)  # the same answer once more: only the time went on
    same = before is not None and before.run.same(answer.run)
    last = record.seen if same else {}
    if before is not None and same:
        answer = _with_listed(record, before, answer, at, adapter)
    last_progress = record.seen_progress if same else None
    moved = (
        before is None
        or before.state is not answer.state
        or before.run != answer.run
        or answer.progress not in (None, last_progress)
        or any(last.get(measure) != value for measure, value in answer.counts.items())
    )
    final = adapter.final and same and before is not None and answer.state.ended and before.state is answer.state
    runs, ended_run = _ended(record, answer, confirmed=final or not adapter.final)
    return replace(
        record,
        snapshot=replace(answer, counts=_counts(answer, last, adapter)) if answer.state.ended else answer,
        stale=False,
        up=True,
        polled_at=at,
        final=final,
        fault=None,
        failing=0,
        last_progress=at if moved else record.last_progress,
        last_success=_last_success(record, answer, same, at),
        last_run_duration=_duration(answer) if answer.state.ended else record.last_run_duration,
        runs=runs,
        seen=answer.counts or last,
        seen_progress=last_progress if answer.progress is None else answer.progress,
        ended_run=ended_run,
        listed=None,
    )


def failed(record: Record, fault: Fault) -> Record:
    """Return the record after a poll that failed."""
    failures = {**record.failures, fault.reason: record.failures.get(fault.reason, 0) + 1}
    return replace(record, up=False, fault=fault, failing=record.failing + 1, failures=failures)


def aged(record: Record) -> Record:
    """Return the record once its values are too old to be shown; a run that is final does not age."""
    return record if record.final else replace(record, stale=True, up=False)


def next_run(record: Record, job: Job, registration: int) -> Record:
    """Return the record once *job*, under the same name, is another run: what was counted stays, nothing is shown.

    The old run's last answer stays too, unseen, because by it the end of the new run is news.
    """
    return replace(
        record,
        job=job,
        registration=registration,
        stale=record.snapshot is not None,
        up=False,
        final=False,
        fault=None,
        failing=0,
        listed=None,
        listed_at=None,
    )


def _with_listed(record: Record, before: Snapshot, answer: Snapshot, at: float, adapter: Adapter) -> Snapshot:
    """Return an answer of the same run with what only lists tell of it, as long as that is not old."""
    if answer.start is None and before.start is not None:
        answer = replace(answer, start=before.start)
    if answer.end is None and before.end is not None and before.state is answer.state and answer.state.ended:
        answer = replace(answer, end=before.end)
    fresh = record.listed_at is not None and at - record.listed_at <= LISTED_FOR
    if fresh and adapter.moved_by_list and not answer.state.ended:
        return replace(answer, counts=Packed({**record.seen, **answer.counts}))
    return answer


def _counts(answer: Snapshot, last: Mapping[Measure, float], adapter: Adapter) -> Mapping[Measure, float]:
    """Return the counts to show of a run that ended: those last seen, if the service forgets them, less the live."""
    counts = answer.counts or (last if adapter.forgets else {})
    return Packed({measure: value for measure, value in counts.items() if measure not in LIVE})


def _ended(record: Record, answer: Snapshot, *, confirmed: bool) -> tuple[tuple[int, int, int], RunId | None]:
    """Return the runs counted and the newest one seen ended; one that had ended at first sight is not counted.

    Where an end is confirmed by a second poll it counts from then, because a run that is seen live again after all
    has not ended. A run that is older than one seen ended was counted, or had ended before: it is none to count.
    """
    before, ended_run = record.snapshot, record.ended_run
    if not answer.state.ended:
        return record.runs, None if confirmed is False and _is(ended_run, answer.run) else ended_run
    if before is None:
        return record.runs, answer.run
    known = ended_run is not None and not answer.run.newer(ended_run)
    if answer.run == RunId():  # a run without a name: only the change of the state tells that it ended
        known = before.state.ended
    if known or not confirmed:
        return record.runs, ended_run
    succeeded, went_wrong, cancelled = (
        count + (result is answer.state) for count, result in zip(record.runs, RESULTS, strict=True)
    )
    return (succeeded, went_wrong, cancelled), answer.run


def _is(ended_run: RunId | None, run: RunId) -> bool:
    return ended_run is not None and ended_run.same(run)


def _last_success(record: Record, answer: Snapshot, same: bool, at: float) -> float | None:
    """Return when a run last succeeded: its end by the vendor's word, else the poll that saw it turn."""
    older = record.ended_run is not None and record.ended_run.newer(answer.run)
    if answer.state is not State.SUCCEEDED or older:
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
