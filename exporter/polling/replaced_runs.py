"""Polls runs whose job name now stands for a newer run, until their end is known.

If a run has an id of its own (DLI, DWS), it can be polled even if the name of its job stands for another run: its end
is counted, and nothing else of it is shown. A run whose end cannot be found out is counted as missed.
"""

import asyncio
from collections.abc import Collection
from functools import partial
from typing import Final

from exporter.clock import Clock
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.frozen import replace
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot
from exporter.polling.calls import Calls
from exporter.polling.job_tasks import JobTasks
from exporter.polling.list_merge import with_row
from exporter.polling.plan import Plan
from exporter.polling.results import Results
from exporter.services.adapter import Adapter

_TRIES: Final = 24
"""Calls for one run at most: with the default intervals these are two hours."""


class ReplacedRuns:
    """The runs that are asked for, in one task a job."""

    def __init__(
        self, store: JobStore, plan: Plan, clock: Clock, telemetry: Telemetry, calls: Calls, results: Results
    ) -> None:
        self._store = store
        self._plan = plan
        self._clock = clock
        self._missed = telemetry.history_missed
        self._calls = calls
        self._results = results
        self._asking = JobTasks("replaced runs", telemetry.crashes.labels("history").inc)

    def want(self, record: Record, adapter: Adapter, group: asyncio.TaskGroup | None) -> None:
        """Ask for the runs of a name that were replaced before their end was seen, in a task of *group*."""
        key = record.job.key
        if group is not None and _open(record, adapter) and key not in self._asking:
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
        if not answer.ended:
            if last:
                self._miss(job, run)
        elif (whole := await self._completed(job, adapter, answer)) is not None or last:
            self._results.replaced(key, whole or answer)

    async def _completed(self, job: Job, adapter: Adapter, answer: Snapshot) -> Snapshot | None:
        """Return *answer* with what only the row of a list has, such as the end; ``None`` if the call failed."""
        row, project = None if adapter.lists is None else adapter.lists.row, self._plan.projects.named(job.project)
        if row is None or answer.end is not None:
            return answer
        ask = self._calls.asking(job.project, adapter, self._plan.pace.idle_interval)
        try:
            request = row.request(job.target, project.project_id)
            found, at = await ask(request, partial(row.parse, target=job.target))
        except PollError as error:
            return answer if error.reason is Reason.NOT_FOUND else None
        ahead = project.cloud_time() - self._clock.monotonic()
        listed = replace(found, at=at).credible(ahead).snapshot
        return answer if listed is None or listed.state is not answer.state else with_row(answer, listed)

    def _miss(self, job: Job, run: RunId) -> None:
        """Give up a run whose result is not known, and count it as missed."""
        self._missed.labels(job.key.service, job.project).inc()
        self._results.given_up(job.key, run)


def _open(record: Record, adapter: Adapter) -> list[RunId]:
    """Return the runs whose end is not known and that the job's own polls do not report."""
    part = adapter.run_part
    own = record.job.target[part] if part else ""
    return [run for run in record.ledger.open if part and run.id and run.id != own]
