"""Compares the calls that the jobs need with those that the limits allow, and lengthens the intervals accordingly."""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Hashable, Mapping
from typing import NamedTuple

import structlog

from exporter.cloud.project import Project
from exporter.cloud.projects import Bucket
from exporter.limits.budget import per_minute
from exporter.limits.rate_limiter import Limiter
from exporter.metrics.store import JobStore
from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.polling import schedule
from exporter.polling.capacity import stretch
from exporter.polling.plan import Plan
from exporter.services.adapter import Adapter

_NOTICEABLE = 1.05
"""The factor from which on it is logged: the calls that jobs need rise and fall a little as they start and end."""

_TELL = 60.0
"""Seconds between two looks whether intervals became longer than configured."""


class _Need(NamedTuple):
    """What the polls of one job need, computed from its record."""

    project: str
    adapter: Adapter
    bucket: Bucket
    rate: float
    """Calls a second that the operator allows the bucket."""
    interval: float
    """Seconds between two polls, as long as they work."""
    patience: float
    """Seconds for which a poll may wait for its call, by which the more urgent go first."""
    counted: float | None
    """The interval by which the job counts in the demand; ``None`` if it is final or a list reports enough of it."""


class Demand:
    """Knows what each job needs, and counts, by bucket, the jobs of each interval.

    *now* is the clock that never goes back.
    """

    def __init__(self, store: JobStore, plan: Plan, limiter: Limiter, now: Callable[[], float]) -> None:
        store.subscribe(self.changed)
        limiter.subscribe(self._throttled)
        self._store = store
        self._plan = plan
        self._limiter = limiter
        self._now = now
        self._needs: dict[JobKey, _Need] = {}
        self._alike: dict[_Need, _Need] = {}  # one for all jobs that need the same
        self._jobs: defaultdict[Bucket, Counter[float]] = defaultdict(Counter)
        self._needed: dict[Bucket, float] = {}  # calls a minute: asked for at each poll, and seldom another number
        self._logged: set[Bucket] = set()
        self._lowered: set[Bucket] = set()  # whose rate is less than configured, because the cloud refused calls
        self._log = structlog.get_logger()

    def changed(self, before: Record | None, after: Record | None) -> None:
        """Take over what a job needs now."""
        if after is None:
            if before is not None:
                self._count(self._needs.pop(before.job.key, None), None)
            return
        key, old = after.job.key, self._needs.get(after.job.key)
        if old is not None and before is not None and _alike(before, after):
            return
        new = self._need(after, old)
        new = self._alike.setdefault(new, new)
        self._needs[key] = new
        self._count(old, new)

    def _count(self, old: _Need | None, new: _Need | None) -> None:
        if old is new:
            return
        for need, change in ((old, -1), (new, 1)):
            if need is not None and need.counted is not None:
                jobs = self._jobs[need.bucket]
                jobs[need.counted] += change
                self._needed[need.bucket] = sum(60 * number / interval for interval, number in jobs.items())

    def recount(self, records: Collection[Record]) -> None:
        """Count again, because the plan is another one."""
        for known in (self._needs, self._alike, self._jobs, self._needed):
            known.clear()
        for record in records:
            self.changed(None, record)

    def of(self, key: JobKey) -> _Need | None:
        """Return what a job needs; ``None`` if it is not registered."""
        if key not in self._needs and (record := self._store.get(key)) is not None:  # a crash kept it from being noted
            self.changed(None, record)
        return self._needs.get(key)

    def interval(self, key: JobKey) -> float:
        """Return the seconds between two polls of a job, as long as they work."""
        need = self.of(key)
        return self._plan.pace.interval if need is None else need.interval

    def timing(self, key: JobKey) -> tuple[float, float]:
        """Return the job's interval, and the factor by which it is longer than configured; 1 if all calls fit."""
        need = self.of(key)
        if need is None:
            return self._plan.pace.interval, 1.0
        return need.interval, self._factor(need.bucket, need.rate)

    def stretch(self, record: Record) -> float:
        """Return the factor by which the job's intervals are longer than configured."""
        return self.timing(record.job.key)[1]

    def allowed(self) -> Mapping[tuple[str, ...], float]:
        """Return the calls a second that are allowed now, by project and limit class."""
        now = self._now()
        return {
            (name, limit): self._limiter.rate(*self._plan.projects.share(project, limit), now)
            for name, project, limit in self._classes()
        }

    def stretches(self) -> Mapping[str, float]:
        """Return the greatest factor of each project's buckets."""
        found = dict.fromkeys(self._plan.projects.by_name, 1.0)
        for name, project, limit in self._classes():
            found[name] = max(found[name], self._factor(*self._plan.projects.share(project, limit)))
        return found

    def _throttled(self, bucket: Hashable, rate: float) -> None:
        """Log that a limit pauses and what is left of its *rate*, as a warning until it is as configured again."""
        assert isinstance(bucket, Bucket)  # noqa: S101 - the limiter has no other here
        now, first = self._now(), bucket not in self._lowered
        self._lowered.add(bucket)
        left = round(self._limiter.rate(bucket, rate, now), 3)
        rates = {"calls_a_second": left, "calls_a_second_configured": rate}
        pause = round(self._limiter.pause(bucket, now), 1)
        if first:
            self._log.warning("limit paused", **self._facts(bucket), pause_seconds=pause, **rates)
        else:
            self._log.debug("limit paused", **self._facts(bucket), pause_seconds=pause, **rates)

    async def run(self) -> None:
        """Log once a minute what :meth:`tell` finds, until cancelled."""
        while True:
            await asyncio.sleep(_TELL)
            self.tell()

    def tell(self) -> None:
        """Log once when intervals become longer than configured, and once when they are not any more."""
        shares = dict(self._plan.projects.share(project, limit) for _, project, limit in self._classes())
        self._lowered &= shares.keys()
        self._logged &= shares.keys()
        for bucket, rate in shares.items():
            factor, logged = self._factor(bucket, rate), bucket in self._logged
            facts = self._facts(bucket)
            if bucket in self._lowered and self._limiter.rate(bucket, rate, self._now()) > 0.999 * rate:
                self._lowered.discard(bucket)
                self._log.info("limit restored", **facts, calls_a_second=rate)
            if factor >= _NOTICEABLE and not logged:
                self._logged.add(bucket)
                needed, allowed = round(self._needed[bucket], 1), round(self._allowed(bucket, rate), 1)
                minute = {"calls_a_minute_needed": needed, "calls_a_minute_allowed": allowed}
                self._log.warning("intervals stretched", **facts, factor=round(factor, 2), **minute)
            elif factor == 1 and logged:
                self._logged.discard(bucket)
                self._log.info("intervals restored", **facts)

    def _facts(self, bucket: Bucket) -> dict[str, str]:
        return {"identity": self._plan.projects.in_use(bucket), "region": bucket.region, "limit": bucket.limit}

    def _classes(self) -> list[tuple[str, Project, str]]:
        projects = self._plan.projects.by_name
        return [(name, project, limit) for name, project in projects.items() for limit in project.limits]

    def _need(self, record: Record, old: _Need | None) -> _Need:
        pace, projects, job = self._plan.pace, self._plan.projects, record.job
        if old is not None and old.project == job.project:
            adapter, bucket, rate = old.adapter, old.bucket, old.rate
        else:
            adapter, (bucket, rate) = projects.adapter(job), projects.bucket(job)
        interval = schedule.interval_for_state(record, pace, adapter)
        counted: float | None = interval
        if record.final or record.by_list:
            counted = None
        elif record.polled_at is None:  # one call is enough to know whether it runs
            counted = max(interval, pace.idle_interval)
        return _Need(job.project, adapter, bucket, rate, interval, schedule.patience(record, interval, pace), counted)

    def _factor(self, bucket: Bucket, rate: float) -> float:
        needed = self._needed.get(bucket)
        return 1.0 if needed is None else stretch(needed, self._allowed(bucket, rate))

    def _allowed(self, bucket: Bucket, rate: float) -> float:
        return per_minute(self._limiter.rate(bucket, rate, self._now()))


def _alike(before: Record, after: Record) -> bool:
    """Whether a poll found the same answer as the one before, so that the job needs what it needed."""
    same = before.newest is after.newest and before.job is after.job and before.fault is after.fault
    alike = (before.final, before.by_list, before.awaits) == (after.final, after.by_list, after.awaits)
    return same and alike and before.polled_at is not None
