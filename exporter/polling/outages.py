"""Logs one line when calls begin to fail for a cause, and one when the failures end, however many jobs are affected.

Failures within one interval are collected, so that the first line can give the number of affected jobs. Jobs that fail
later are included in the last line; if one job was reported first and many follow, another line reports that. Lines for
single jobs are at debug.
"""

import asyncio
from collections.abc import Callable, Collection
from dataclasses import dataclass, field
from typing import Final

import structlog

from exporter import logs
from exporter.clock import Clock
from exporter.metrics.store import JobStore
from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.polling.plan import Plan

_GATHER: Final = (5.0, 60.0)
"""Seconds for which failures of one cause are gathered before it is logged, at least and at most."""
_SPREAD: Final = 20
"""A second line is logged if this many times as many jobs fail as the first line said. An outage of all jobs stays
below that, although idle jobs are polled ten times as rarely as running ones and so fail later."""
_NAMES: Final = 10
"""Jobs that a line names at most."""
QUIET: Final = 1.25
"""If no further job failed for so many idle intervals (a retry's jitter included), the next failure is a new cause: by
then every job that the outage affects was polled, and one job that fails for weeks must not hide another."""
_TRANSIENT: Final = frozenset({Reason.TIMEOUT, Reason.UNREACHABLE, Reason.TLS, Reason.SERVER, Reason.THROTTLED})
"""Reasons that alternate within one outage: a job that changes from one to another keeps its cause."""


@dataclass(slots=True, eq=False)
class _Cause:
    project: str
    service: str
    error: PollError
    began: float
    began_at: float
    joined: float
    failing: dict[JobKey, None] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)
    affected: int = 0
    recovered: int = 0
    logged: int = 0
    """How many affected jobs the first line reported; 0 before that line."""
    spread: bool = False
    gathering: asyncio.TimerHandle | None = None


class Outages:
    """The causes for which an *operation*, such as a poll, fails now."""

    def __init__(self, operation: str, store: JobStore, plan: Plan, clock: Clock) -> None:
        self._operation = operation
        self._store = store
        self._plan = plan
        self._clock = clock
        self._cause_of: dict[JobKey, _Cause] = {}
        self._open: dict[tuple[str, str, Reason], _Cause] = {}  # the newest of each
        self._log = structlog.get_logger()

    def changed(self, before: Record | None, after: Record | None) -> None:
        """Note that a job's polls work again, or that its name stands for another run, or for none."""
        if before is None:
            return
        if after is None or after.registration_id != before.registration_id:
            self.forget({before.job.key})
        elif before.fault is not None and after.fault is None:
            self.worked(before.job.key)
            self._log.debug("poll works again", **before.job.names, was=before.fault.reason.value)

    def failed(self, job: Job, error: PollError) -> None:
        """Note that a job's call failed."""
        cause = self._cause_of.get(job.key)
        if cause is not None:
            if cause.error.reason is error.reason or {cause.error.reason, error.reason} <= _TRANSIENT:
                return
            self._leave(job.key)
        self._join(job, error)

    def worked(self, key: JobKey) -> None:
        """Note that a job's call worked."""
        cause = self._cause_of.get(key)
        if cause is not None:
            cause.recovered += 1
            self._leave(key)

    def forget(self, keys: Collection[JobKey]) -> None:
        """Note that jobs are gone, or others."""
        for key in keys:
            self._leave(key)

    def paused(self, projects: Collection[str]) -> None:
        """Drop the refusals that are not logged yet of projects whose calls are paused for them: that is logged."""
        for name, cause in list(self._open.items()):
            if cause.project in projects and cause.error.reason is Reason.AUTH and not cause.logged:
                if cause.gathering is not None:
                    cause.gathering.cancel()
                for key in cause.failing:
                    del self._cause_of[key]
                del self._open[name]

    def _join(self, job: Job, error: PollError) -> None:
        now, name = self._clock.monotonic(), (job.project, job.key.service, error.reason)
        cause = self._open.get(name)
        if cause is None or now - cause.joined > QUIET * self._plan.pace.idle_interval:
            cause = self._open[name] = _Cause(job.project, job.key.service, error, now, self._clock.now(), now)
            self._gather(cause, self._begin)
        cause.joined = now
        cause.affected += 1
        cause.failing[job.key] = None
        if len(cause.names) < _NAMES:
            cause.names.append(job.key.job)
        self._cause_of[job.key] = cause
        if cause.gathering is None and not cause.spread and cause.affected > _SPREAD * cause.logged:
            cause.spread = True
            self._gather(cause, self._spread)

    def _gather(self, cause: _Cause, then: Callable[[_Cause], None]) -> None:
        window = min(max(_GATHER[0], self._plan.pace.interval), _GATHER[1])
        cause.gathering = asyncio.get_running_loop().call_later(window, then, cause)

    def _leave(self, key: JobKey) -> None:
        cause = self._cause_of.pop(key, None)
        if cause is None:
            return
        del cause.failing[key]
        if not cause.failing:
            self._end(cause)

    def tell(self) -> None:
        """Log what is being gathered: nothing will be later."""
        for cause in self._open.values():
            if cause.gathering is not None and not cause.logged:
                cause.gathering.cancel()
                self._begin(cause)

    def _spread(self, cause: _Cause) -> None:
        cause.gathering = None
        self._log.warning("failures spread", **self._facts(cause), jobs_affected=cause.affected, jobs=self._jobs(cause))

    def _begin(self, cause: _Cause) -> None:
        cause.gathering, cause.logged = None, cause.affected
        error = cause.error
        self._log.warning(
            "failures began",
            **self._facts(cause),
            code=error.code,
            error=error.sentence,
            vendor_text=logs.vendor_text(error.text),
            request_id=error.request_id,
            jobs_affected=cause.affected,
            jobs=self._jobs(cause),
            names=list(cause.names),
        )

    def _end(self, cause: _Cause) -> None:
        if cause.gathering is not None:  # it was so short that it was not logged yet
            cause.gathering.cancel()
        if not cause.logged:
            self._begin(cause)
        name = (cause.project, cause.service, cause.error.reason)
        if self._open.get(name) is cause:
            del self._open[name]
        self._log.info(
            "failures ended",
            **self._facts(cause),
            jobs_affected=cause.affected,
            jobs_recovered=cause.recovered,
            jobs=self._jobs(cause),
            began_at=cause.began_at,
            lasted_seconds=round(self._clock.monotonic() - cause.began, 1),
        )

    def _facts(self, cause: _Cause) -> dict[str, str]:
        return {
            "project": cause.project,
            "service": cause.service,
            "operation": self._operation,
            "reason": cause.error.reason.value,
        }

    def _jobs(self, cause: _Cause) -> int:
        """Return how many jobs of the service and the project are registered."""
        return sum(
            record.job.project == cause.project and record.job.key.service == cause.service
            for record in self._store.records()
        )
