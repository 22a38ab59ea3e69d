"""Asks for what only a list's row tells of a run, once the run ended: when, what it came to, and whose it was.

A run that a list told of is left to the list. Of any other one call is made, under a permit of its own; a call that
fails is made again, less and less often.
"""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Final

import structlog

from exporter.clock import Clock
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.job import JobKey
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.model.snapshot import State
from exporter.polling.calls import Calls
from exporter.polling.list_results import ListResults
from exporter.polling.plan import Plan
from exporter.services.adapter import Adapter
from exporter.services.listing import ListedJob
from exporter.services.request import Request
from exporter.supervise import survive

_TRIES: Final = 24
"""Calls for one run at most: with the default intervals these are two hours."""
_LISTS: Final = 120.0
"""Seconds in which a list that told of a job tells of it again."""


class RunRows:
    """The rows that are asked for, in one task a job."""

    def __init__(
        self, store: JobStore, plan: Plan, clock: Clock, telemetry: Telemetry, calls: Calls, lists: ListResults
    ) -> None:
        self._store = store
        self._plan = plan
        self._clock = clock
        self._crashed = telemetry.crashes.labels("run_rows").inc
        self._calls = calls
        self._lists = lists
        self._asking: dict[JobKey, asyncio.Task[None]] = {}
        self._first: set[JobKey] = set()  # whose first call is under way
        self._log = structlog.get_logger()

    @property
    def waiting(self) -> bool:
        """Whether a call is under way that was not tried yet."""
        return bool(self._first)

    def want(self, record: Record, adapter: Adapter, group: asyncio.TaskGroup | None) -> None:
        """Ask for the row of a run that ended and of which too little is known, in a task of *group*."""
        key = record.job.key
        if group is None or key in self._asking or self._request(record, adapter) is None:
            return
        asking = survive(partial(self._ask, key), self._crashed, "run rows")
        task = self._asking[key] = group.create_task(asking, name="run rows")
        task.add_done_callback(partial(self._done, key))

    def forget(self, keys: Collection[JobKey]) -> None:
        """Note that jobs are gone, or others."""
        for key in keys:
            if (task := self._asking.pop(key, None)) is not None:
                task.cancel()

    def _done(self, key: JobKey, task: asyncio.Task[None]) -> None:
        self._first.discard(key)
        if self._asking.get(key) is task:
            del self._asking[key]

    def _request(self, record: Record, adapter: Adapter) -> Request | None:
        """Return the call for the row of a run, ``None`` if nothing is to be asked."""
        known, there = record.snapshot, self._plan.projects.by_name.get(record.job.project)
        if not record.final or known is None or adapter.lists is None or there is None:
            return None
        if known.end is not None and known.words:
            return None
        return adapter.lists.row_request(record.job.target, there.project_id)

    async def _ask(self, key: JobKey) -> None:
        record, pace = self._store.get(key), self._plan.pace
        waits = self._lists.state(key) in {None, State.PENDING}  # some lists have only jobs that wait
        if record is not None and record.listed_at is not None and not waits:
            await asyncio.sleep(max(0.0, record.listed_at + _LISTS - self._clock.monotonic()))
        else:
            self._first.add(key)
        for number in range(_TRIES):
            if await self._call(key):
                return
            self._first.discard(key)
            await asyncio.sleep(min(pace.interval * 2.0**number, max(pace.interval, pace.idle_interval)))

    async def _call(self, key: JobKey) -> bool:
        """Make the call, unless a list told the row meanwhile; return whether nothing is left to ask."""
        record = self._store.get(key)
        if record is None:
            return True
        job, projects = record.job, self._plan.projects
        adapter = projects.adapter(job)
        request = self._request(record, adapter)
        if request is None or adapter.lists is None:
            return True
        ask = self._calls.asking(job.project, adapter, self._plan.pace.idle_interval)
        try:
            row, at = await ask(request, partial(adapter.lists.parse_row, target=job.target))
        except PollError as error:
            self._log.debug("row failed", **job.names, reason=error.reason.value, error=error.sentence)
            return error.reason is Reason.NOT_FOUND
        ahead = projects.named(job.project).cloud_time() - self._clock.monotonic()
        found: ListedJob = replace(row, at=at).credible(ahead)
        self._lists.take(job.project, job.key.service, [found])
        return found.snapshot is not None and found.snapshot.state.ended
