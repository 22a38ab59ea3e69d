"""Adds and removes jobs: their series, due times and counts, and what happens to a poll under way."""

from itertools import count
from typing import Final

from prometheus_client import Gauge

from exporter.clock import Clock
from exporter.limits.rate_limiter import Limiter
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.changes import DISCOVERY, Changes
from exporter.model.frozen import replace
from exporter.model.job import Job, JobKey
from exporter.model.record import Record
from exporter.polling import schedule
from exporter.polling.plan import Plan
from exporter.polling.results import Results
from exporter.runs import transitions
from exporter.runs.journal import Journal

_LEFT_FOR: Final = 86_400.0
"""Seconds for which the counts of a job that a rule finds no more are kept."""
_LEFT_MOST: Final = 10_000


class Membership:
    """Keeps the store in step with what is registered."""

    def __init__(
        self,
        store: JobStore,
        plan: Plan,
        clock: Clock,
        telemetry: Telemetry,
        queue: schedule.ScheduleQueue,
        limiter: Limiter,
        results: Results,
        journal: Journal | None,
    ) -> None:
        self._store = store
        self._plan = plan
        self._clock = clock
        self._telemetry = telemetry
        self._schedule = queue
        self._limiter = limiter
        self._results = results
        self._journal = journal
        self._numbers = count(1)
        self._left: dict[JobKey, tuple[Record, float]] = {}  # jobs that may come back, by when they went

    def apply(self, changes: Changes) -> set[JobKey]:
        """Take over what changed; return the jobs of which a poll that is still under way is to be ignored."""
        gone, new = set(changes.removed), list(changes.added)
        runs_next: list[tuple[Record, Job]] = []
        for job in changes.changed:
            before = self._store.get(job.key)
            if before is None or self._is_another(before.job, job):
                gone.add(job.key)
                new.append(job)
            elif before.job.target != job.target:
                runs_next.append((before, job))
            else:
                self._keep(before, job)
        for key in gone:
            self._remove(key)
        for before, job in runs_next:
            record = transitions.next_run(before, job, next(self._numbers))
            self._put(before, record)
            self._results.ended(before, record, before.snapshot)
        for job in new:
            self._put(None, self._new(job))
        due = [*(job.key for _, job in runs_next), *(job.key for job in new)]
        gone.update(job.key for _, job in runs_next)
        if gone:
            self._limiter.forget(gone)
        self._results.spread(due)
        return gone

    def _new(self, job: Job) -> Record:
        """Return the record of a job that was not there, with what the journal holds of it."""
        adapter = self._plan.projects.adapter(job)
        record = transitions.registered(job, adapter, next(self._numbers), self._store.bounds)
        if self._journal is not None:
            record = self._journal.resume(record, adapter)
        before, _ = self._left.pop(job.key, (None, 0.0))
        if before is None or job.source != DISCOVERY or self._is_another(before.job, job):
            return record
        return transitions.returned(record, before)

    def _leave(self, record: Record) -> None:
        """Keep what is known of the runs of a job that a rule found: it may come back, as lists fail, clusters are off.

        Of a job of which nothing was counted yet, that is since when its runs count.
        """
        job, now = record.job, self._clock.monotonic()
        over = record.final and job.key.job in job.target.values()  # no other run will have its name
        if job.source == DISCOVERY and not over:
            self._left[job.key] = Record(job, failures=record.failures, ledger=record.ledger), now
        while self._left:
            key, (_, since) = next(iter(self._left.items()))
            if now - since < _LEFT_FOR and len(self._left) <= _LEFT_MOST:
                return
            del self._left[key]

    def _is_another(self, before: Job, job: Job) -> bool:
        """Whether it is another job, not the next run of the same: nothing that was counted is its own."""
        return not self._plan.projects.same_job(before, job)

    def _keep(self, before: Record, job: Job) -> None:
        """Take over what changes neither the job nor its run: its interval, or who registered it."""
        record = replace(before, job=job)
        self._put(before, record)
        due = self._schedule.time(job.key)
        if due is not None and not record.failing and before.job.interval != job.interval:
            interval = schedule.interval_for_state(record, self._plan.pace, self._plan.projects.adapter(job))
            self._schedule.put(job.key, min(due, self._clock.monotonic() + interval))

    def _put(self, before: Record | None, record: Record) -> None:
        self._store.put(record)
        if before is not None:
            self._registered(before.job).dec()
        self._registered(record.job).inc()

    def _remove(self, key: JobKey) -> None:
        record = self._store.get(key)
        if record is not None:
            if self._journal is not None:
                self._journal.leave(record)
            self._leave(record)
            self._results.remove(record)
            self._registered(record.job).dec()

    def _registered(self, job: Job) -> Gauge:
        """Return the count that the job is one of; at 0 it stays, so that its fall can be seen."""
        return self._telemetry.registered_jobs.labels(job.key.service, job.source)
