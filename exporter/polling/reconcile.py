"""Restores an invariant after crashes: each job that is not final is scheduled, waits for its permit, or is being
polled.

Only a crash between two of these states can lose a job, or a waiting call; then the job would never be polled again. A
crash can also lose the slot of a call that has ended.
"""

import asyncio
from collections.abc import Callable, Mapping
from typing import Final

import structlog

from exporter.clock import Clock
from exporter.limits.budget import Grant
from exporter.limits.rate_limiter import Limiter
from exporter.metrics.store import JobStore
from exporter.model.job import JobKey
from exporter.polling.calls import Calls
from exporter.polling.results import Results
from exporter.polling.schedule import ScheduleQueue

EVERY: Final = 60.0
"""Seconds between two looks."""


class Reconciler:
    """Requeues what a crash lost; *asked* are the jobs that are polled now, *wake* makes the dispatcher look."""

    def __init__(
        self,
        store: JobStore,
        clock: Clock,
        queue: ScheduleQueue,
        limiter: Limiter,
        asked: Mapping[JobKey, Grant],
        calls: Calls,
        results: Results,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._clock = clock
        self._schedule = queue
        self._limiter = limiter
        self._asked = asked
        self._calls = calls
        self._results = results
        self._wake = wake
        self._log = structlog.get_logger()

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(EVERY)
            self.look()

    def look(self) -> None:
        """Requeue what is lost."""
        waiting, now = self._limiter.waiting(), self._clock.monotonic()
        for record in self._store.records():
            key = record.job.key
            if not (record.final or key in waiting or key in self._asked) and self._schedule.time(key) is None:
                self._log.error("job requeued", **record.job.names, problem="a crash took it off the schedule")
                self._schedule.put(key, now)
        self._calls.fail_lost(waiting)
        self._limiter.recover((*self._asked.values(), *self._calls.under_way.values()), now)
        self._limiter.tidy(now)
        self._results.staleness.watch_lost()
        self._wake()
