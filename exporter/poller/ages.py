"""Marks values as stale once no poll worked for too long, whether or not the job is polled."""

import asyncio
from collections.abc import Callable

import structlog

from exporter.clock import Clock
from exporter.core import runs, schedule
from exporter.core.board import Board
from exporter.core.model import JobKey, Record
from exporter.poller.plan import Plan

CHECK = 0.1
"""Seconds at least between two looks for values that became too old."""


class Ages:
    """When each job's values become too old; *stretch* tells by what its intervals are longer than configured."""

    def __init__(self, board: Board, plan: Plan, clock: Clock, stretch: Callable[[Record], float]) -> None:
        self._board = board
        self._plan = plan
        self._clock = clock
        self._stretch = stretch
        self._agenda = schedule.Agenda()
        self._worked_at: dict[JobKey, float] = {}  # by the clock that never goes back: age is no matter of wall time
        self._log = structlog.get_logger()

    def worked(self, before: Record, record: Record, now: float) -> None:
        """Note a poll that worked."""
        self._worked_at[record.job.key] = now
        if before.polled_at is None or before.stale:
            self._watch(record, now)

    def forget(self, key: JobKey) -> None:
        """Note that a job is gone."""
        self._worked_at.pop(key, None)
        self._agenda.remove(key)

    async def run(self) -> None:
        """Mark until cancelled."""
        longest = self._plan.pace.stale_after / 10  # what is registered meanwhile cannot be too old before
        while True:
            now = self._clock.monotonic()
            for _, key in self._agenda.due(now):
                record = self._board.get(key)
                if record is not None:
                    self._watch(record, now)
            first = self._agenda.first()
            left = longest if first is None else first - now
            await asyncio.sleep(min(max(left, CHECK), longest))

    def _watch(self, record: Record, now: float) -> None:
        """Mark a record that is too old, or look again when it may be."""
        job, adapter = record.job, self._plan.fleet.adapter(record.job)
        limit = schedule.stale_after(record, self._plan.pace, adapter, self._stretch(record))
        if limit is None:
            return
        left = self._worked_at[job.key] + limit - now
        if left > 0:
            self._agenda.put(job.key, now + min(left, self._plan.pace.stale_after))  # the limit may shrink meanwhile
            return
        self._board.put(runs.aged(record))
        names = {"service": job.key.service, "job": job.key.job, "project": job.project}
        self._log.warning("values are stale", **names, last_poll=record.polled_at)
