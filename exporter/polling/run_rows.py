"""Reads, once a run ended, the fields of it that only a row of a list has: its end, its final counts, its owner.

If a list reports the run, nothing is to be done. Otherwise one call is made with a permit of its own, and repeated at
growing intervals if it fails.
"""

import asyncio
from collections.abc import Collection
from functools import partial
from typing import Final

import structlog

from exporter.clock import Clock
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.frozen import replace
from exporter.model.job import JobKey
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.model.snapshot import State
from exporter.polling.calls import Calls
from exporter.polling.job_tasks import JobTasks
from exporter.polling.list_results import ListResults
from exporter.polling.plan import Plan
from exporter.services.adapter import Adapter
from exporter.services.listing import ListedJob
from exporter.services.request import Request

_TRIES: Final = 24
"""At most so many calls for one run, which take two hours with the default intervals."""
_LISTS: Final = 120.0
"""Seconds within which a list that reported a job reports it again."""


class RunRows:
    """The calls for rows, one task for each job."""

    def __init__(
        self, store: JobStore, plan: Plan, clock: Clock, telemetry: Telemetry, calls: Calls, lists: ListResults
    ) -> None:
        self._store = store
        self._plan = plan
        self._clock = clock
        self._calls = calls
        self._lists = lists
        self._asking = JobTasks("run rows", telemetry.crashes.labels("run_rows").inc)
        self._first: set[JobKey] = set()  # jobs whose first call is under way
        self._log = structlog.get_logger()

    @property
    def waiting(self) -> bool:
        """Whether a first call is under way."""
        return bool(self._first)

    def want(self, record: Record, adapter: Adapter, group: asyncio.TaskGroup | None) -> None:
        """Ask for the row of a run that ended, if fields of it are missing, in a task of *group*."""
        key = record.job.key
        if group is not None and self._request(record, adapter) is not None and key not in self._asking:
            self._asking.start(key, partial(self._ask, key), group)

    def forget(self, keys: Collection[JobKey]) -> None:
        """Forget jobs that are gone or were replaced."""
        self._asking.cancel(keys)

    def _request(self, record: Record, adapter: Adapter) -> Request | None:
        """Return the call for the row of a run, or ``None`` if none is needed."""
        known, there = record.snapshot, self._plan.projects.by_name.get(record.job.project)
        if not record.final or known is None or adapter.lists is None or adapter.lists.row is None or there is None:
            return None
        if known.end is not None and known.words:
            return None
        return adapter.lists.row.request(record.job.target, there.project_id)

    async def _ask(self, key: JobKey) -> None:
        record, pace = self._store.get(key), self._plan.pace
        waits = self._lists.state(key) in {None, State.PENDING}  # some lists have only jobs that wait
        if record is not None and record.listed_at is not None and not waits:
            await asyncio.sleep(max(0.0, record.listed_at + _LISTS - self._clock.monotonic()))
        else:
            self._first.add(key)
        for number in range(_TRIES):
            try:
                if await self._call(key):
                    return
            finally:
                self._first.discard(key)
            await asyncio.sleep(min(pace.interval * 2.0**number, max(pace.interval, pace.idle_interval)))

    async def _call(self, key: JobKey) -> bool:
        """Make the call, unless a list has reported the row meanwhile; return whether no other call is needed."""
        record = self._store.get(key)
        if record is None:
            return True
        job, projects = record.job, self._plan.projects
        adapter = projects.adapter(job)
        request = self._request(record, adapter)
        if request is None or adapter.lists is None or adapter.lists.row is None:
            return True
        ask = self._calls.asking(job.project, adapter, self._plan.pace.idle_interval)
        try:
            row, at = await ask(request, partial(adapter.lists.row.parse, target=job.target))
        except PollError as error:
            self._log.debug("row failed", **job.names, reason=error.reason.value, error=error.sentence)
            return error.reason is Reason.NOT_FOUND
        ahead = projects.named(job.project).cloud_time() - self._clock.monotonic()
        found: ListedJob = replace(row, at=at).credible(ahead)
        await self._lists.take(job.project, job.key.service, [found])
        return found.snapshot is not None and found.snapshot.ended
