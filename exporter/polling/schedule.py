"""The rules for due times. They need no clock: the time is always an argument.

A running job is polled at ``interval``. A job that ended and may run again, or was never started, is polled at
``idle_interval``. A job that waits to run is polled at an interval that grows from the first to the second. If runs of
a service are final, a run is polled once more after its end, and then never again. Each job has its own phase, so that
the polls of many jobs are spread over the interval. After each failure the job waits longer.
"""

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import Final

from exporter.model.job import JobKey
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.model.run import NAMELESS
from exporter.model.snapshot import State
from exporter.model.units import LONGEST_WAIT, THROTTLE_WAIT
from exporter.services.adapter import Adapter

_AUTH_WAIT: Final = 30.0
"""Seconds to wait at least after refused credentials: more than five failures in a row lock the key."""
_MENDED_BY_PEOPLE: Final = frozenset({Reason.AUTH, Reason.PERMISSION})
_PEOPLE_WAIT: Final = 300.0
"""Seconds that the waits grow to at least while only people can mend what fails, whatever the intervals are."""
STALE_INTERVALS: Final = 3
_TOO_SOON: Final = 0.25
"""The part of an interval that passes at least between a job's first two polls. First polls are spread in the order of
registration and not by phase; without this gap the first minutes would have 1.5 times the calls."""
SLACK: Final = 64
"""Outdated entries that the heap may hold, in addition to a quarter of the number of valid ones."""
_WAITED: Final = 5
"""The polls of a run that waits are no further apart than a fifth of the time that it has waited."""
_FIRST_POLLS_PER_SECOND: Final = 20.0
"""Jobs that are new together get their first poll at this rate, faster only if they would not fit the interval."""


@dataclass(frozen=True, slots=True)
class Pace:
    """How often to poll, in seconds."""

    interval: float
    idle_interval: float
    stale_after: float


def interval_for_state(record: Record, pace: Pace, adapter: Adapter) -> float:
    """Return the seconds between two polls of a job in its present state, as long as they work."""
    running = record.job.interval or pace.interval
    if record.fault is not None and record.fault.reason is Reason.NOT_FOUND:
        return max(running, pace.idle_interval)
    if record.newest is None or record.newest.lives or record.awaits:
        return running
    if record.newest.ended and adapter.final:
        return running  # the poll that confirms the end
    return max(running, pace.idle_interval)


def _due_interval(record: Record, interval: float, pace: Pace, adapter: Adapter) -> float:
    """Return the seconds to the next poll: *interval*, that of the state, but for a run that waits to begin.

    Most wait for seconds, and some for hours. So its polls come as often as those of one that runs, and half as often
    each time that it has waited for twice as long: its begin is seen late by a part of the time that it waited. These
    calls are made where the limits leave room: no other job's interval is stretched for them, and others go first.

    If a list reports a later run than the poll, the job is polled as often as one that runs: only the job itself can
    report what the list leaves out.
    """
    if record.listed is not None:
        return min(record.job.interval or pace.interval, interval)
    waits = record.newest
    if waits is None or waits.state is not State.PENDING or record.polled_at is None or record.fault is not None:
        return interval
    if waits.run == NAMELESS or waits.native_state.upper() in adapter.unstarted:
        return interval
    pause = record.job.interval or pace.interval
    waited = record.polled_at - (record.polled_at if record.last_progress is None else record.last_progress)
    while pause < interval and 2 * pause <= waited / _WAITED:
        pause *= 2
    return min(pause, interval)


def patience(record: Record, interval: float, pace: Pace) -> float:
    """Return how many seconds after its due time a poll should have its permit; a poll with fewer goes first.

    They are those of *interval*, that of its state. Jobs that nobody knows to run do not go before those that do,
    however many are new; a job that changed as a list reported, or at its first look that it runs, goes like one
    that runs.
    """
    running = record.job.interval or pace.interval
    if record.newest is None:  # what a list reports first of a job that rests is shown, of one that runs it is not
        return max(running, pace.idle_interval) if record.listed_at is None else running
    if record.listed is not None and record.snapshot is not None:
        return running
    return interval


def next_due(
    record: Record,
    interval: float,
    pace: Pace,
    adapter: Adapter,
    now: float,
    *,
    stretch: float = 1.0,
    first: bool = False,
) -> float | None:
    """Return when a job is due again whose poll just worked, ``None`` if never.

    *interval* is :func:`interval_for_state`; *first* says that it was the job's first poll.

    *stretch* is the factor by which intervals are longer than configured, where the calls would not fit. It changes
    too often for the jobs to keep their phases; they keep their distances. It may fall again before a poll that is put
    off far is due, so none is put off by more than an interval; the rest is waited for when it is due.
    """
    if record.final:
        return None
    interval = _due_interval(record, interval, pace, adapter)
    if stretch > 1:
        return now + interval * min(stretch, 2.0)
    return next_in_phase(record.job.key, interval, now, _TOO_SOON if first else 0.0)


def next_in_phase(key: JobKey, interval: float, now: float, soonest: float = 0.0) -> float:
    """Return when the job is due after *now*: at its own phase within each interval, the same after every restart.

    *soonest* is the part of an interval that passes at least.
    """
    offset = phase(key) * interval
    due = ((now - offset) // interval + 1) * interval + offset
    # also because the division may round down to now itself
    return due if due > now + soonest * interval else due + interval


def due_times_missed(due: float, now: float, interval: float) -> int:
    """Return how many due times of a job went by between *due* and *now*."""
    return max(0, int((now - due) // interval))


def phase(key: JobKey) -> float:
    """Return where in its interval a job is polled, from 0 to 1."""
    digest = blake2b("\0".join(key).encode("utf-8", "surrogatepass"), digest_size=4).digest()
    return int.from_bytes(digest, "big") / 2**32


def backoff(record: Record, pace: Pace, adapter: Adapter, jitter: float, retry_after: float | None) -> float:
    """Return the seconds to wait after a failed poll: twice as long each time, up to ``idle_interval``.

    While only people can mend the failure (``auth``, ``permission``) the waits grow to five minutes at least.

    *jitter*, from 0 to 1, adds up to a quarter, so that jobs that failed together do not come back together;
    *retry_after* is what the server asks for.
    """
    interval, reason = interval_for_state(record, pace, adapter), record.fault.reason if record.fault else None
    if reason is not Reason.NOT_FOUND:
        interval = _due_interval(record, interval, pace, adapter)
    first = max(interval, _AUTH_WAIT) if reason is Reason.AUTH else interval
    most = max(interval, pace.idle_interval, _PEOPLE_WAIT if reason in _MENDED_BY_PEOPLE else 0.0)
    wait = min(first * 2.0 ** min(record.failing - 1, 16), most)
    if reason is Reason.THROTTLED:
        wait = max(wait, THROTTLE_WAIT)
    spread = 1 + jitter / 4
    return max(wait * spread, min((retry_after or 0.0) * spread, LONGEST_WAIT))


def first_due(position: int, count: int, pace: Pace, now: float, rate: float) -> float:
    """Return when the job at *position* of its project, of *count* jobs that are new together, gets its first poll.

    They are not due faster than at *rate*, the calls a second of their limit: a project that comes later would wait
    for all of them.
    """
    return now + position * max(min(1 / _FIRST_POLLS_PER_SECOND, pace.interval / max(count, 1)), 1 / rate)


def stale_after(record: Record, pace: Pace, adapter: Adapter, stretch: float = 1.0) -> float | None:
    """Return how long after its last successful poll a job's values are too old, ``None`` if they cannot age."""
    if record.final or record.stale or record.answered_at is None:
        return None
    return max(pace.stale_after, STALE_INTERVALS * interval_for_state(record, pace, adapter) * stretch)


class ScheduleQueue:
    """Keys by time: one time a key, the last one set counts."""

    def __init__(self) -> None:
        self._heap: list[tuple[float, JobKey]] = []
        self._times: dict[JobKey, float] = {}
        self.revision = 0
        """How often a time was set or forgotten."""

    def put(self, key: JobKey, time: float) -> None:
        """Set the time of a key."""
        self._times[key] = time
        self.revision += 1
        heapq.heappush(self._heap, (time, key))
        if len(self._heap) > SLACK + 1.25 * len(self._times):  # replaced times stay there until they come up
            self._heap = [(time, key) for key, time in self._times.items()]
            heapq.heapify(self._heap)

    def remove(self, key: JobKey) -> None:
        """Forget a key; one that is not there is fine."""
        self.revision += 1
        self._times.pop(key, None)

    def time(self, key: JobKey) -> float | None:
        """Return the time of a key, ``None`` if it has none."""
        return self._times.get(key)

    def first(self) -> float | None:
        """Return the earliest time, ``None`` if there is none."""
        while self._heap and self._times.get(self._heap[0][1]) != self._heap[0][0]:
            heapq.heappop(self._heap)
        return self._heap[0][0] if self._heap else None

    def due(self, now: float) -> Iterator[tuple[float, JobKey]]:
        """Take out and yield what is due at *now*, the earliest first."""
        while (first := self.first()) is not None and first <= now:
            time, key = heapq.heappop(self._heap)
            del self._times[key]
            yield time, key
