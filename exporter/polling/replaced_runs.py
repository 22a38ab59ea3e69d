"""Asks for runs that were replaced under their name before their end was seen.

A run that has an id of its own (DLI, DWS) can be asked for also when its name stands for another one: its end counts,
and nothing of it is shown. What cannot be found out is counted as missed.
"""

import asyncio
from collections.abc import Collection
from dataclasses import replace
from functools import partial
from typing import Final

from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.model.run import RunId
from exporter.polling.calls import Calls
from exporter.polling.job_tasks import JobTasks
from exporter.polling.plan import Plan
from exporter.polling.results import Results
from exporter.services.adapter import Adapter

_TRIES: Final = 24
"""Calls for one run at most: with the default intervals these are two hours."""


class ReplacedRuns:
    """The runs that are asked for, in one task a job."""

    def __init__(self, store: JobStore, plan: Plan, telemetry: Telemetry, calls: Calls, results: Results) -> None:
        self._store = store
        self._plan = plan
        self._missed = telemetry.history_missed
        self._calls = calls
        self._results = results
        self._asking = JobTasks("replaced runs", telemetry.crashes.labels("history").inc)

    def want(self, record: Record, adapter: Adapter, group: asyncio.TaskGroup | None) -> None:
        """Ask for the runs of a name that were replaced before their end was seen, in a task of *group*."""
        key = record.job.key
        if group is not None and key not in self._asking and _open(record, adapter):
            self._asking.start(key, partial(self._ask, key), group)

    def forget(self, keys: Collection[JobKey]) -> None:
        """Forget jobs that are gone or were replaced; the first poll of the next run starts the calls again."""
        self._asking.cancel(keys)

    async def _ask(self, key: JobKey) -> None:
        for number in range(_TRIES):
            for run in self._wanted(key):
                await self._call(key, run, last=number == _TRIES - 1)
            if not self._wanted(key):
                return
            pace = self._plan.pace
            await asyncio.sleep(min(pace.interval * 2.0**number, max(pace.interval, pace.idle_interval)))

    def _wanted(self, key: JobKey) -> list[RunId]:
        record = self._store.get(key)
        return [] if record is None else _open(record, self._plan.projects.adapter(record.job))

    async def _call(self, key: JobKey, run: RunId, *, last: bool) -> None:
        record = self._store.get(key)
        if record is None:
            return
        projects, adapter = self._plan.projects, self._plan.projects.adapter(record.job)
        job = replace(record.job, target={**record.job.target, adapter.run_part: run.id})
        try:
            answer = await self._calls.call(
                job.project, adapter.limit, self._plan.pace.idle_interval, lambda _: projects.ask(job, None)
            )
        except PollError as error:
            if last or error.reason is Reason.NOT_FOUND:
                self._miss(job, run)
            return
        if answer.state.ended:
            self._results.replaced(key, answer)
        elif last:
            self._miss(job, run)

    def _miss(self, job: Job, run: RunId) -> None:
        """Let go of a run of which nothing tells how it ended."""
        self._missed.labels(job.key.service, job.project).inc()
        self._results.given_up(job.key, run)


def _open(record: Record, adapter: Adapter) -> list[RunId]:
    """Return the runs whose end is not known and that the job's own polls do not tell of."""
    part = adapter.run_part
    own = record.job.target[part] if part else ""
    return [run for run in record.ledger.open if part and run.id and run.id != own]
