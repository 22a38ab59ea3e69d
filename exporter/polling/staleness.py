"""Removes what becomes untrue by time alone, even if the job is not polled: stale values, and estimates in the past."""

import asyncio
import math
from collections.abc import Callable
from contextlib import suppress

import structlog

from exporter.clock import Clock
from exporter.metrics.store import JobStore
from exporter.model.record import Record
from exporter.polling import schedule
from exporter.polling.plan import Plan
from exporter.runs import estimate, transitions

_CHECK = 0.1
"""Seconds at least between two checks. An estimate is removed this long before its time: it is never in the past."""


class Staleness:
    """Marks values that are too old; *stretch* is the factor by which a job's intervals exceed the configured ones."""

    def __init__(self, store: JobStore, plan: Plan, clock: Clock, stretch: Callable[[Record], float]) -> None:
        self._store = store
        self._plan = plan
        self._clock = clock
        self._stretch = stretch
        self._queue = schedule.ScheduleQueue()
        self._looks_at = 0.0  # when it checks again by itself
        self._sooner = asyncio.Event()
        self._log = structlog.get_logger()
        store.subscribe(self.changed)

    def changed(self, before: Record | None, after: Record | None) -> None:
        """Watch the values of a job that was just polled, or that a list reported instead, as long as they may age."""
        if after is None:
            if before is not None:
                self._queue.remove(before.job.key)
            return
        if before is None or after.answered_at is None or after.answered_at == before.answered_at:
            return
        key, now, look = after.job.key, self._clock.monotonic(), self._queue.time(after.job.key)
        if look is None or before.stale:
            again = self._look_at(after, now)
        elif after.estimate is not None and after.estimate != before.estimate:
            again = min(look, self._passes(after, now))
        else:
            return
        if again is not None and again != look:
            self._queue.put(key, again)
            if again < self._looks_at:
                self._sooner.set()

    def pace_changed(self, now: float) -> None:
        """Look at all jobs again, because values may be too old sooner than before."""
        for record in self._store.records():
            if self._queue.time(record.job.key) is not None:
                self._queue.put(record.job.key, now)
        self._sooner.set()

    async def run(self) -> None:
        """Mark until cancelled."""
        self.watch_lost()
        while True:
            longest = self._plan.pace.stale_after / 10  # what is registered meanwhile cannot be too old before
            now = self._clock.monotonic()
            for _, key in self._queue.due(now):
                record = self._store.get(key)
                if record is not None:
                    self._watch(record, now)
            first = self._queue.first()
            left = longest if first is None else first - now
            pause = min(max(left, _CHECK), longest)
            self._looks_at = now + pause
            with suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._sooner.wait()
            self._sooner.clear()

    def watch_lost(self) -> None:
        """Watch again the values that a crash had nobody watch: they would never be marked as old."""
        now = self._clock.monotonic()
        for record in self._store.records():
            key = record.job.key
            if record.answered_at is not None and not (record.final or record.stale) and self._queue.time(key) is None:
                self._queue.put(key, now)

    def _watch(self, record: Record, now: float) -> None:
        """Mark a record that is too old, drop an estimate that passed, or check again when that may be so."""
        in_time = estimate.overdue(record, self._clock.now() + _CHECK)
        if in_time is not record:
            self._store.put(in_time)
            record = in_time
        again = self._look_at(record, now)
        if again is None:
            return
        if again > now:
            self._queue.put(record.job.key, again)
            return
        self._store.put(transitions.aged(record))
        self._log.debug("values stale", **record.job.names, last_poll_at=record.polled_at)

    def _look_at(self, record: Record, now: float) -> float | None:
        """Return when to check a record again: *now* if it is too old, ``None`` if it does not age."""
        adapter, pace = self._plan.projects.adapter(record.job), self._plan.pace
        limit = schedule.stale_after(record, pace, adapter, self._stretch(record))
        least = schedule.stale_after(record, pace, adapter)
        if limit is None or least is None or record.answered_at is None:
            return None
        left = record.answered_at + limit - now
        if left <= 0:
            return now
        # The limit may shrink meanwhile; nothing tells when longer intervals are as configured again.
        again = now + min(left, pace.stale_after, max(record.answered_at + least - now, pace.stale_after / 10))
        return max(min(again, self._passes(record, now)), now + _CHECK)

    def _passes(self, record: Record, now: float) -> float:
        """Return the time, by the clock that never goes back, just before the estimate passes."""
        return math.inf if record.estimate is None else now + record.estimate - self._clock.now() - _CHECK
