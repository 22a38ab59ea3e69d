"""Reads what only a call about one run returns, such as the states of its steps, or how it ended.

The call is made every minute while the run is running, and once after it ended, under a permit of its own and after the
polls. What it says is added to the job's own response. If that response does not say how the run ended, because it
shows only what is in progress, the call is repeated a few times after the end until it does. A failed call is repeated
at the same interval.
"""

import asyncio
from collections.abc import Collection
from functools import partial
from typing import Final, NamedTuple

import structlog

from exporter.clock import Clock
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.frozen import replace
from exporter.model.job import Job, JobKey
from exporter.model.packed import Packed
from exporter.model.reason import FUTILE, Reason
from exporter.model.record import Record
from exporter.model.snapshot import Snapshot, State
from exporter.polling.calls import Calls
from exporter.polling.job_tasks import JobTasks
from exporter.polling.plan import Plan
from exporter.polling.results import Results
from exporter.runs import same_run, transitions
from exporter.services.adapter import Adapter

_AGAIN: Final = 60.0
"""Seconds between two calls for a run that is running."""
_LATELY: Final = 600.0
"""Seconds after the end of a run within which the last call is made."""
_KEPT: Final = 300.0
"""Seconds after the last successful call for which its content is shown while the run is running."""
_TRIES: Final = 6
"""At most so many calls to see how a run ended, which take about twelve minutes with the default intervals."""


class _Followed(NamedTuple):
    """A run that such a call is made for."""

    run: Snapshot
    """As the job's own response last reported it, with what the call added."""
    told: float | None
    """When a call last worked, by the monotonic clock; ``None`` if none did."""
    over: bool
    """Whether no other call is needed."""
    not_before: float


class RunDetails:
    """The calls, at most one a job at a time."""

    def __init__(
        self, store: JobStore, plan: Plan, clock: Clock, telemetry: Telemetry, calls: Calls, results: Results
    ) -> None:
        self._store = store
        self._plan = plan
        self._clock = clock
        self._unreadable = telemetry.count_unreadable
        self._calls = calls
        self._results = results
        self._asking = JobTasks("run details", telemetry.crashes.labels("run_details").inc)
        self._followed: dict[JobKey, _Followed] = {}
        self._overtaken: set[JobKey] = set()  # whose next run was seen while the end of the one before is asked for
        self._log = structlog.get_logger()

    def want(self, record: Record, adapter: Adapter, group: asyncio.TaskGroup | None) -> None:
        """Read the newest run of a job, if that is due and the service has such a call, in a task of *group*."""
        key, known = record.job.key, record.snapshot
        if adapter.run_reader is None or group is None or known is None:
            return
        if key in self._asking:
            self._overtaken |= set() if known.idle else {key}
            return
        before = self._followed.get(key)
        if before is not None and _left(before, known):
            del self._followed[key]
            if before.told is not None:
                self._asking.start(key, partial(self._ask_for_end, key, before.run), group)
                return
            before = None
        if before is not None and before.run.of_same_run(known):
            self._followed[key] = before = before._replace(run=_with_what_was_told(known, before.run))
        if self._due(record, known, before):
            self._asking.start(key, partial(self._ask, key), group)

    def forget(self, keys: Collection[JobKey]) -> None:
        """Forget jobs that are gone or were replaced."""
        self._asking.cancel(keys)
        for key in keys:
            self._followed.pop(key, None)
        self._overtaken.difference_update(keys)

    def _due(self, record: Record, known: Snapshot, before: _Followed | None) -> bool:
        """Whether the newest run goes on, or failed for now, and was not read lately; or it ended and was not read."""
        again = before is not None and before.run.of_same_run(known)
        if record.stale or (again and before is not None and self._clock.monotonic() < before.not_before):
            return False
        if known.state is State.RUNNING or (known.resumable and known.state is State.FAILED):
            return True
        lately = again if known.end is None else self._cloud_time(record.job) < known.end + _LATELY
        return known.ended and lately and not (again and before is not None and before.over)

    async def _ask(self, key: JobKey) -> None:
        record = self._store.get(key)
        if record is None or record.snapshot is None:
            return
        followed = await self._follow(record, record.snapshot)
        now = self._store.get(key)
        if followed is None or now is None or now.snapshot is None:
            return
        self._followed[key] = followed
        if _left(followed, now.snapshot):  # during the call
            del self._followed[key]
            if followed.told is not None:
                await self._ask_for_end(key, followed.run)

    async def _follow(self, record: Record, known: Snapshot) -> _Followed | None:
        """Make the call and add what it says to the record; return what is known of the run then."""
        before, now = self._followed.get(record.job.key), self._clock.monotonic()
        told, run = None, known
        if before is not None and before.run.of_same_run(known):
            told, run = before.told, _with_what_was_told(known, before.run)
        try:
            answer = await self._read(record.job, run)
        except PollError as error:
            over = known.ended and error.reason in {*FUTILE, Reason.PAYLOAD}
            if told is not None and now - told > _KEPT and not known.ended:
                self._store.update(record, same_run.without_details)
            return _Followed(run, told, over, now + _AGAIN)
        if answer is None:
            return None
        adapter, at = self._plan.projects.adapter(record.job), self._clock.now()
        change = self._store.update(record, lambda each: same_run.detailed(each, answer, at, adapter))
        after = None if change is None else change[1].snapshot
        if after is None or not after.of_same_run(known):
            after = _with_what_was_told(known, answer)
        return _Followed(after, told=now, over=answer.ended, not_before=now + _AGAIN)

    async def _ask_for_end(self, key: JobKey, run: Snapshot) -> None:
        """Ask how a run ended that the job's own response does not show any more."""
        pace, over = self._plan.pace, replace(run, idle=True)
        self._overtaken.discard(key)
        for number in range(_TRIES):
            if number:
                await asyncio.sleep(min(pace.interval * 2.0 ** (number - 1), pace.idle_interval))
            record = self._store.get(key)
            if record is None:
                return
            try:
                answer = await self._read(record.job, over)
            except PollError as error:
                if error.reason in FUTILE:
                    return
                continue
            if answer is not None and answer.ended:
                self._take_end(record, answer)
                return
            if answer is None or _goes_on(record, run):
                return

    def _take_end(self, asked: Record, answer: Snapshot) -> None:
        """Take over how such a run ended: it is shown until the next one begins, or only counts if that is known."""
        at, steady, cloud = self._clock.now(), self._clock.monotonic(), self._cloud_time(asked.job)
        adapter, answer = self._plan.projects.adapter(asked.job), replace(answer, idle=True)

        def change(known: Record) -> Record:
            rests = known.newest is not None and known.newest.idle and not known.stale
            if rests and asked.job.key not in self._overtaken:
                return transitions.worked(replace(known, listed=None), answer, at, adapter, steady, cloud)
            return transitions.replaced(known, answer, cloud)

        if (changed := self._store.update(asked, change)) is not None:
            self._results.ended(*changed, answer)

    def _cloud_time(self, job: Job) -> float:
        return self._plan.projects.cloud_time(job.project, self._clock)

    async def _read(self, job: Job, run: Snapshot) -> Snapshot | None:
        """Make the call for *run*; ``None`` if there is none. Raises :class:`PollError`."""
        projects = self._plan.projects
        adapter, there = projects.adapter(job), projects.by_name.get(job.project)
        reader = adapter.run_reader
        request = None if there is None or reader is None else reader.request(job, run, there.project_id)
        if there is None or reader is None or request is None:
            return None
        ask = self._calls.asking(job.project, adapter, self._plan.pace.idle_interval)
        try:
            answer, _ = await ask(request, partial(reader.parse, job=job, run=run, zone=there.zone))
        except PollError as error:
            self._log.debug("run details failed", **job.names, reason=error.reason.value, error=error.sentence)
            raise
        self._unreadable(job.key.service, answer.unknown)
        return answer.credible(there.cloud_time())


def _with_what_was_told(known: Snapshot, told: Snapshot) -> Snapshot:
    """Return a run with what a call about it alone returned, such as the id by which its end is recognized."""
    return replace(known, detail=Packed({**told.detail, **known.detail}))


def _goes_on(record: Record, run: Snapshot) -> bool:
    """Whether the job's own response shows the run again, or one of its kind."""
    return record.snapshot is not None and record.snapshot.kind == run.kind and not record.snapshot.idle


def _left(before: _Followed, known: Snapshot) -> bool:
    """Whether a run without a name is over, and the job's own response does not say how it ended."""
    return bool(before.run.kind) and before.run.kind != known.kind and not before.run.ended
