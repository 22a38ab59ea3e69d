"""Reads the history of a job if there may have been runs between two polls.

Each page is a call with its own permit. A failed reading is abandoned: the next poll of the job finds the same gap and
starts another reading.
"""

import asyncio
from collections.abc import Collection
from functools import partial

import structlog

from exporter.clock import Clock
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.polling import schedule
from exporter.polling.calls import Calls
from exporter.polling.job_tasks import JobTasks
from exporter.polling.outages import Outages
from exporter.polling.plan import Plan
from exporter.polling.replaced_runs import ReplacedRuns
from exporter.polling.results import Results
from exporter.runs import accounting, run_history
from exporter.services.adapter import Adapter
from exporter.services.list_reading import HOPELESS


class HistoryReader:
    """The readings under way, at most one a job."""

    def __init__(
        self, store: JobStore, plan: Plan, clock: Clock, telemetry: Telemetry, calls: Calls, results: Results
    ) -> None:
        self._store = store
        self._plan = plan
        self._clock = clock
        self._calls = calls
        self._results = results
        self._replaced = ReplacedRuns(store, plan, clock, telemetry, calls, results)
        self._readings = JobTasks("history", telemetry.crashes.labels("history").inc)
        self._due: dict[JobKey, float] = {}  # when to read again for ends alone
        self.outages = Outages("history", store, plan, clock)
        self._log = structlog.get_logger()

    @property
    def waiting(self) -> bool:
        """Whether a history is being read."""
        return bool(self._readings)

    def want(self, record: Record, adapter: Adapter, group: asyncio.TaskGroup | None) -> None:
        """Read a job's history, if its ledger has a gap, in a task of *group*; ask for runs that were replaced."""
        key = record.job.key
        self._replaced.want(record, adapter, group)
        if record.snapshot is None or key in self._readings or group is None:
            return
        newest = record.snapshot.run
        if adapter.past is None or not accounting.incomplete(record.ledger, newest):
            return
        if not accounting.gap(record.ledger, newest) and self._clock.monotonic() < self._due.get(key, 0.0):
            return
        self._readings.start(key, partial(self._read, record), group)

    def forget(self, keys: Collection[JobKey]) -> None:
        """Forget jobs that are gone or were replaced."""
        self.outages.forget(keys)
        self._replaced.forget(keys)
        self._readings.cancel(keys)
        for key in keys:
            self._due.pop(key, None)

    async def _read(self, record: Record) -> None:
        job, adapter = record.job, self._plan.projects.adapter(record.job)
        assert adapter.past is not None  # noqa: S101 - no history would be read
        ask = self._calls.asking(
            job.project, adapter, patience=schedule.interval_for_state(record, self._plan.pace, adapter)
        )
        there = self._plan.projects.by_name[job.project]  # its id is known, because a poll of the job worked
        try:
            found = await run_history.read_history(adapter.past, job, there.project_id, record.ledger, ask)
        except PollError as error:
            self._log.debug("history failed", **job.names, reason=error.reason.value, error=error.sentence)
            if error.reason not in HOPELESS:  # these are logged for all calls alike
                self.outages.failed(job, error)
            return
        now = there.cloud_time()
        runs = [run.credible(now) for run in found.runs]
        lost = await self._results.looked_back(job.key, runs, whole=found.missing == 0)
        if found.missing is None or found.missing > lost:  # those that are lost may be among them
            self._results.missed(job, None if found.missing is None else found.missing - lost)
        self._wait(job.key)
        self.outages.worked(job.key)

    def _wait(self, key: JobKey) -> None:
        """Give runs that newer ones followed some time to end before the history is read again for them alone."""
        record, pace = self._store.get(key), self._plan.pace
        self._due.pop(key, None)
        if record is not None and record.ledger.unended:
            readings = min(each.readings for each in record.ledger.unended)
            wait = min(pace.interval * 2.0 ** (readings - 1), max(pace.interval, pace.idle_interval))
            self._due[key] = self._clock.monotonic() + wait
