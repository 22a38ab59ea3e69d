"""Moves a job on to its next deadline once the present one was met and has passed, even if the job is not polled."""

import asyncio
import math
from typing import Final

from exporter.clock import Clock
from exporter.metrics.store import JobStore
from exporter.model.record import Record
from exporter.runs.deadlines import with_due_time

_CHECK: Final = 1.0
"""Seconds between two checks; one without anything due compares two numbers."""
_TOGETHER: Final = 50
"""Jobs that are handled before other tasks get their turn: many may have the same deadline."""


class Deadlines:
    """Gives every record that is stored the deadline that it has now."""

    def __init__(self, store: JobStore, clock: Clock) -> None:
        self._store = store
        self._clock = clock
        self._checked = clock.now()
        self._promised = asyncio.Event()  # whether any job ever had a deadline
        self._next = math.inf  # the first deadline that is met and will pass
        store.complete_with(self._completed)

    async def run(self) -> None:
        """Move deadlines on until cancelled."""
        await self._promised.wait()
        while True:
            await asyncio.sleep(_CHECK)
            await self.check()

    async def check(self) -> None:
        """Move those on that passed, or all if the clock was set back."""
        now = self._clock.now()
        clock_set, self._checked = now < self._checked, now
        if now < self._next and not clock_set:
            return
        self._next = math.inf
        promised = [record.job.key for record in self._store.records() if record.due is not None]
        for number, key in enumerate(promised, start=1):
            record = self._store.get(key)
            if record is not None and record.due is not None:
                moved = with_due_time(record, now, clock_set=clock_set)
                if moved is not record:
                    self._store.put(moved)
                self._expect(moved)
            if number % _TOGETHER == 0:
                await asyncio.sleep(0)

    def _completed(self, record: Record) -> Record:
        """Return a record that is about to be stored with its deadline."""
        if record.job.promises.deadline is None and record.due is None:
            return record
        self._promised.set()
        record = with_due_time(record, self._clock.now())
        self._expect(record)
        return record

    def _expect(self, record: Record) -> None:
        if record.due is not None and record.due.met:
            self._next = min(self._next, record.due.at)
