"""When a run may be done: an estimate of ours, from what its answers and its earlier runs said. None is made up.

The answers of the present run are read as work done of work planned: what the service declares as its work (the tasks
of DLI), else the progress. What was done between two of its changes gives the rate, the later the more it counts, so a
run that becomes faster or slower is followed. A stall is no rate.

DLI plans its work sub-job by sub-job, so what is planned may not be all. Earlier runs of the same name tell how much it
was in the end; without them work that grew is believed to be all only if it has not grown again for long.
"""

import math
import statistics
import struct
from typing import Final, NamedTuple

from exporter.model.frozen import replace
from exporter.model.measures import Work
from exporter.model.record import Record
from exporter.model.snapshot import Snapshot, State

_MOVES: Final = 3
"""Changes of the work done that must have been seen."""
_SHARE: Final = 0.03
"""The part of the work that must have been done before its rate tells anything."""
_SHARE_OF_PARTS: Final = 0.2
"""The same where sub-jobs are to come that earlier runs had: they are not alike."""
_PROVEN: Final = 4.0
"""Work that grew is believed to be all once the run is so many times as old as it was then."""
_PATIENCE: Final = 3.0
"""A run that has not moved for so many of its recent pauses is stalled."""
_FORGOTTEN: Final = 0.8
"""What is left of the longest recent pause with each shorter one."""
_SETBACK: Final = 0.1
"""The part of the planned work by which the work done may fall in one sub-job; more is the next sub-job."""
RUNS: Final = 5
"""Earlier runs that are remembered."""
_HABIT: Final = 2
"""Earlier runs from which there is a habit."""
_SPREAD: Final = 0.25
"""How far half of the earlier runs may be from the median, in medians, so that they tell anything of the next."""


class _Evidence(NamedTuple):
    """What a run showed so far.

    Times are seconds of the clock that never jumps, lengths seconds; work is tasks or, where only progress is known,
    sub-jobs.
    """

    tasks: float
    """1 where tasks are reported, else 0."""
    began: float
    """When the run began, if the vendor reports it, else when it was first seen to run."""
    base: float
    """The work that was done then."""
    at: float
    """The poll that last saw work done."""
    done: float
    planned: float
    """Of the answer, without the sub-jobs that are gone."""
    gone: float
    """The work of the sub-jobs that the answer no longer has."""
    grown: float
    """The poll that last saw more work planned than before; for ever if it had grown when the run was first seen."""
    pause: float
    """The longest of the recent pauses between two moves."""
    moves: float
    work: float
    """What was done, the later the more it counts."""
    time: float
    """The seconds it took, weighted the same."""

    @property
    def total(self) -> float:
        """All work that was planned so far."""
        return self.gone + self.planned


_FORM: Final = struct.Struct(f"<{len(_Evidence._fields)}d")
"""Evidence is kept as bytes, because there may be a hundred thousand."""


def follow(raw: bytes, answer: Snapshot, work: Work | None, polled_at: float | None, wall: float, at: float) -> bytes:
    """Return the evidence *raw* of a run after *answer* at *at*; the poll before that worked was at *polled_at*.

    *work* is what the service declares as the work of a run.

    *wall* is *at* in Unix seconds by the cloud's clock, as the vendor reports the start of the run.
    """
    said = _work_said(answer, work) if answer.state is State.RUNNING else None
    if said is None:
        return raw
    tasks, done, planned = said
    old = _unpacked(raw)
    if old is None or tasks > old.tasks:
        start = None if answer.start is None else answer.start - wall + at
        first = _first(start, tasks, done, planned, at)
        return _FORM.pack(*(first._replace(grown=math.inf) if _parts(answer, work) > 1 else first))
    if tasks < old.tasks:
        return raw  # between two sub-jobs: progress is no measure of the tasks
    gone = old.gone
    if gone + done < old.done - _SETBACK * old.planned:
        gone += old.planned
    new = old
    if gone + planned != old.total:
        grown = max(old.grown, at) if gone + planned > old.total else old.grown
        new = old._replace(planned=planned, gone=gone, grown=grown)
    if gone + done > new.done:
        new = _moved(new, gone + done, polled_at, at)
    return raw if new is old else _FORM.pack(*new)


def forecast(
    raw: bytes,
    answer: Snapshot,
    durations: tuple[float, ...],
    planned: tuple[float, ...],
    wall: float,
    at: float,
    cloud: float,
) -> float | None:
    """Return the Unix time, in whole seconds after *wall*, at which the run may be done; ``None`` if nothing tells it.

    *durations* and *planned* are those of earlier runs; *at* is *wall* by the clock that never jumps, and *cloud* by
    the cloud's, as the vendor reports the start of the run.
    """
    if answer.state is not State.RUNNING or endless(answer):
        return None
    found = _unpacked(raw)
    if found is not None and _stalled(found, at):
        return None
    length, began = _habit(durations), None if answer.start is None else answer.start - cloud + wall
    ends = [(None if length is None or began is None else began + length, 1.0)]
    if found is not None:
        work = _habit(planned) if found.tasks else None
        part = found.done / max(found.total, work or 0.0)
        by_rate = _by_rate(found, work, at)
        ends = [(ends[0][0], 1 - part), (None if by_rate is None else by_rate - at + wall, part)]
    to_come = [(end, weight) for end, weight in ends if end is not None and end > wall and weight > 0]
    if not to_come:
        return None
    return float(math.ceil(sum(end * weight for end, weight in to_come) / sum(weight for _, weight in to_come)))


def endless(answer: Snapshot) -> bool:
    """Whether a run shows that it has no end: it migrates increments, and goes on although all of it is done.

    Most incremental runs do end: the vendor means jobs that a schedule starts, each run for the dates since the last.
    """
    return bool(answer.incremental) and answer.state is State.RUNNING and (answer.progress or 0.0) >= 1.0


def still(record: Record, wall: float, at: float) -> float | None:
    """Return the estimate after a poll that brought nothing new: none once it passed, or in a stall."""
    if record.estimate is None or record.estimate <= wall:
        return None
    found = _unpacked(record.evidence)
    return None if found is not None and _stalled(found, at) else record.estimate


def overdue(record: Record, at: float) -> Record:
    """Return the record at *at* without an estimate that has passed: the run takes longer, and nothing tells how much.

    Whatever is already past is no estimate, and to put it off would be a guess of ours.
    """
    if record.estimate is None or record.estimate > at:
        return record
    return replace(record, estimate=None)


def planned(raw: bytes) -> float | None:
    """Return how many tasks a run planned in all, as far as it was seen; ``None`` where none were reported."""
    found = _unpacked(raw)
    return found.total if found is not None and found.tasks else None


def remembered(earlier: tuple[float, ...], newest: float | None) -> tuple[float, ...]:
    """Return what is kept of the earlier runs once there is a newest one."""
    return earlier if newest is None else (*earlier, newest)[-RUNS:]


def _by_rate(found: _Evidence, usual: float | None, at: float) -> float | None:
    """Return when the run will be done at the rate seen; *usual* is the work that earlier runs planned in all."""
    work, done = max(found.total, usual or 0.0), found.done - found.base
    if found.moves < _MOVES or found.time <= 0 or done < _SHARE * work:
        return None
    if found.grown > found.began or found.total < work * (1 - _SPREAD):  # there is more than one sub-job
        if usual is not None and found.total <= usual * (1 + _SPREAD):
            ahead = (work - found.done) * (found.at - found.began) / done  # by the mean rate: sub-jobs are not alike
            return found.at + ahead if done >= _SHARE_OF_PARTS * work else None
        if at - found.began < _PROVEN * (found.grown - found.began):
            return None
    return found.at + (found.total - found.done) * found.time / found.work


def _work_said(answer: Snapshot, work: Work | None) -> tuple[float, float, float] | None:
    """Return whether the answer has the service's own count of work, and the work done and planned by it."""
    counts = answer.counts
    planned, done = (counts.get(work.planned), counts.get(work.done)) if work else (None, None)
    if work is not None and planned is not None and done is not None:
        planned -= 0.0 if work.skipped is None else counts.get(work.skipped, 0.0)
        if planned > 0:
            return 1.0, min(done, planned), planned
    return None if answer.progress is None else (0.0, answer.progress, 1.0)


def _parts(answer: Snapshot, work: Work | None) -> float:
    return sum(number for measure, number in answer.counts.items() if work is not None and measure.name == work.parts)


def _first(start: float | None, tasks: float, done: float, planned: float, at: float) -> _Evidence:
    if start is None or start >= at:
        return _Evidence(tasks, at, done, at, done, planned, 0.0, at, 0.0, 0.0, 0.0, 0.0)
    return _Evidence(tasks, start, 0.0, at, done, planned, 0.0, start, 0.0, 0.0, done, at - start)


def _moved(old: _Evidence, done: float, polled_at: float | None, at: float) -> _Evidence:
    passed = at - old.at
    if passed <= 0:
        return old._replace(done=done)
    idle = (polled_at or at) - old.at
    stalled = old.moves > 0 and idle > _PATIENCE * old.pause
    pause = 2 * old.pause if stalled else max(passed, _FORGOTTEN * old.pause + (1 - _FORGOTTEN) * passed)
    fade = math.sqrt((old.at - old.began) / (at - old.began))
    return old._replace(
        at=at,
        done=done,
        pause=pause,
        moves=old.moves + 1,
        work=old.work * fade + done - old.done,
        time=old.time * fade + passed - (idle - old.pause if stalled else 0.0),
    )


def _stalled(found: _Evidence, at: float) -> bool:
    return found.moves > 0 and at - found.at > _PATIENCE * found.pause


def _habit(earlier: tuple[float, ...]) -> float | None:
    if len(earlier) < _HABIT:
        return None
    middle = statistics.median(earlier)
    spread = statistics.median(abs(each - middle) for each in earlier)
    return middle if spread <= _SPREAD * middle else None


def _unpacked(raw: bytes) -> _Evidence | None:
    return _Evidence(*_FORM.unpack(raw)) if raw else None
