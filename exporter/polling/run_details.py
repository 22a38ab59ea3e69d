"""Reads the counts of a run that only a call about this run returns, such as the states of its steps.

The call is made every minute while the run is running, and once after it ended, under a permit of its own and after the
polls. Its counts are added to those of the job's own response; nothing else of it is used. A failed call is repeated at
the same interval.
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
from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.model.run import RunId
from exporter.model.snapshot import State
from exporter.polling.calls import Calls
from exporter.polling.job_tasks import JobTasks
from exporter.polling.plan import Plan
from exporter.runs import same_run
from exporter.services.adapter import Adapter

_AGAIN: Final = 60.0
"""Seconds between two calls for a run that is running."""
_LATELY: Final = 600.0
"""Seconds after the end of a run within which the last call is made."""


class RunDetails:
    """The calls, at most one a job at a time."""

    def __init__(self, store: JobStore, plan: Plan, clock: Clock, telemetry: Telemetry, calls: Calls) -> None:
        self._store = store
        self._plan = plan
        self._clock = clock
        self._unreadable = telemetry.count_unreadable
        self._calls = calls
        self._asking = JobTasks("run details", telemetry.crashes.labels("run_details").inc)
        self._reported: dict[
            JobKey, tuple[RunId, bool, float]
        ] = {}  # the run, whether it had ended, and when it was reported
        self._log = structlog.get_logger()

    def want(self, record: Record, adapter: Adapter, group: asyncio.TaskGroup | None) -> None:
        """Read the newest run of a job, if that is due and the service has such a call, in a task of *group*."""
        key = record.job.key
        if adapter.run_reader is not None and group is not None and self._due(record) and key not in self._asking:
            self._asking.start(key, partial(self._ask, key), group)

    def forget(self, keys: Collection[JobKey]) -> None:
        """Forget jobs that are gone or were replaced."""
        self._asking.cancel(keys)
        for key in keys:
            self._reported.pop(key, None)

    def _due(self, record: Record) -> bool:
        """Whether the newest run is running and was not read within a minute, or ended and was not read since."""
        known = record.snapshot
        if known is None or not known.run.id or record.stale:
            return False
        run, had_ended, at = self._reported.get(record.job.key, (None, False, 0.0))
        again = run is not None and known.run.same(run)
        if known.state is State.RUNNING:
            return not again or self._clock.monotonic() >= at + _AGAIN
        lately = known.end is not None and self._clock.now() < known.end + _LATELY
        return known.state.ended and lately and not (again and had_ended)

    async def _ask(self, key: JobKey) -> None:
        record = self._store.get(key)
        if record is None or record.snapshot is None:
            return
        job, run, projects = record.job, record.snapshot.run, self._plan.projects
        adapter, there = projects.adapter(job), projects.by_name.get(job.project)
        reader = adapter.run_reader
        if there is None or reader is None:
            return
        request = reader.request(job, run, there.project_id)
        ask = self._calls.asking(job.project, adapter, self._plan.pace.idle_interval)
        self._reported[key] = (run, False, self._clock.monotonic())
        try:
            answer, _ = await ask(request, partial(reader.parse, job=job, run=run))
        except PollError as error:
            self._log.debug("run details failed", **job.names, reason=error.reason.value, error=error.sentence)
            return
        self._reported[key] = (run, answer.state.ended, self._clock.monotonic())
        self._unreadable(job.key.service, answer.unknown)
        self._store.update(record, lambda known: same_run.detailed(known, answer, self._clock.now(), adapter))
