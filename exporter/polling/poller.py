"""The poll loop: takes due jobs, makes the calls, and puts the new records into the store.

One task decides which polls start: the schedule says when, the rate limiter and the circuit breakers whether. A few
workers make the calls. A job returns to the schedule only after its poll, so it is never polled twice at a time.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable, Collection
from contextlib import suppress
from functools import partial

from exporter.clock import Clock
from exporter.cloud.projects import Projects
from exporter.limits.breakers import Breakers
from exporter.limits.budget import Grant
from exporter.limits.rate_limiter import Limiter
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.changes import Changes
from exporter.model.errors import PollError
from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.polling import schedule
from exporter.polling.calls import Calls, PendingCall
from exporter.polling.deadlines import Deadlines
from exporter.polling.demand import Demand
from exporter.polling.existence import Existence
from exporter.polling.history import HistoryReader
from exporter.polling.list_results import ListResults
from exporter.polling.membership import Membership
from exporter.polling.places import Places
from exporter.polling.plan import Plan
from exporter.polling.reconcile import Reconciler
from exporter.polling.results import Results
from exporter.polling.run_details import RunDetails
from exporter.polling.run_rows import RunRows
from exporter.polling.tries import Tries
from exporter.runs import transitions
from exporter.runs.journal import Journal
from exporter.supervise import attempt, keep_running, survive

TOGETHER = 0.005
"""Seconds by which what is due may wait, so that polls of many jobs start together."""
_PAUSED_LOOK = 1.0
"""Seconds between two checks whether credentials that were refused have changed."""


class Poller:
    """Polls every job of the store in the background, as many at a time as *limiter* has slots."""

    def __init__(
        self,
        store: JobStore,
        projects: Projects,
        pace: schedule.Pace,
        limiter: Limiter,
        clock: Clock,
        telemetry: Telemetry,
        journal: Journal | None = None,
    ) -> None:
        self._store = store
        self._plan = plan = Plan(projects, pace)
        self._clock = clock
        self._telemetry = telemetry
        self._schedule = queue = schedule.ScheduleQueue()
        self._limiter = limiter
        self.demand = Demand(store, plan, self._limiter, clock.monotonic)
        self._deadlines = Deadlines(store, clock)
        self._results = Results(store, plan, clock, telemetry, self._schedule, self.demand)
        shared = (store, plan, clock, telemetry)
        self._membership = Membership(*shared, self._schedule, self._limiter, self._results, journal)
        self._breakers = Breakers(projects.by_name, clock, telemetry)
        self._asked: dict[JobKey, Grant] = {}  # whose poll is under way, from the moment it may start
        self._granted: asyncio.Queue[tuple[Grant, Record | None]] = asyncio.Queue()
        self._group: asyncio.TaskGroup | None = None
        self._workers = 0  # as many as there are slots; an idle one costs nothing
        self._wake = asyncio.Event()
        self.calls = Calls(plan, clock, self._limiter, self._breakers, self._results, self._wake.set)
        self._history = HistoryReader(*shared, self.calls, self._results)
        asks = self._asked, self._wake.set, self._ask_for_earlier
        self.list_results = ListResults(*shared, queue, self._limiter, self._results, *asks)
        self.places = Places(*shared, self._schedule, self._results, self._wake.set)
        self._rows = RunRows(*shared, self.calls, self.list_results)
        self._details = RunDetails(*shared, self.calls, self._results)
        self._existence = Existence(plan, clock, self.calls, self.list_results)
        waiting = queue, self._limiter, self._asked, self.calls
        self._reconciler = Reconciler(store, clock, *waiting, self._results, self._wake.set)
        self._awake_at = 0.0  # when the dispatcher will look by itself

    def apply(self, changes: Changes) -> None:
        """Register what came, forget what is gone, and poll the next run of a job instead of the one before."""
        gone = self._membership.apply(changes)
        for each in (self.calls, self._history, self._rows, self._details, self._existence, self.list_results):
            each.forget(gone)
        self.places.jobs_changed()
        self._wake.set()

    @property
    def projects(self) -> Projects:
        """The projects that are asked."""
        return self._plan.projects

    def use(self, projects: Projects, pace: schedule.Pace, concurrency: int) -> None:
        """Go on with other projects and intervals; no job of a project that is gone may be registered any more."""
        before, self._plan.projects, self._plan.pace = self._plan.projects, projects, pace
        self._breakers.use(projects.by_name)
        self.places.forget(projects.by_name)
        self.calls.queue_anew(before)
        self.demand.recount(self._store.records())
        self._results.pace_changed()
        self._limiter.slots = concurrency
        self._hire()
        self._wake.set()

    def next_due(self, key: JobKey) -> float | None:
        """Return the Unix time of the job's next poll, which may be on its way; ``None`` if there is none by now."""
        record, due = self._store.get(key), self._schedule.time(key)
        if record is None or record.final or record.off:
            return None
        return self._clock.now() + (0.0 if due is None else due - self._clock.monotonic())

    @property
    def revision(self) -> int:
        """A number that grows whenever the due time of any job is set or removed."""
        return self._schedule.revision

    async def run(self) -> None:
        """Poll until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._spawn(group, "dispatch", self._dispatch)
            self._spawn(group, "age", self._results.staleness.run)
            self._spawn(group, "deadlines", self._deadlines.run)
            self._spawn(group, "tell", self.demand.run)
            self._spawn(group, "reconcile", self._reconciler.run)
            self._group, self._workers = group, 0
            self._hire()
            try:
                await asyncio.Event().wait()
            finally:
                self._results.outages.tell()
                self._history.outages.tell()

    def _hire(self) -> None:
        while self._group is not None and self._workers < self._limiter.slots:
            self._spawn(self._group, f"worker {self._workers}", self._work)
            self._workers += 1

    async def poll_once_more(self) -> None:
        """Poll every job that is not final now, and at once again those whose end needs a second poll to confirm it."""
        await self._poll_now({record.job.key for record in self._store.records() if not record.final})
        await self._poll_now({record.job.key for record in self._store.records() if self._unconfirmed(record)})

    def _unconfirmed(self, record: Record) -> bool:
        """Whether the run has ended, by an answer that does not count before another one says the same."""
        ended = record.newest is not None and record.newest.ended and record.fault is None
        return ended and not record.final and (self.projects.adapter(record.job).final or record.awaits)

    async def _poll_now(self, waiting: Collection[JobKey]) -> None:
        """Poll these jobs now, and return when all of these polls are over."""
        now = self._clock.monotonic()
        for key in (each for each in waiting if self._schedule.time(each) is not None):
            self._schedule.put(key, now)
        self._wake.set()
        while self._history.waiting or self._rows.waiting or any(self._underway(key, now) for key in waiting):  # noqa: ASYNC110 - at the end
            await asyncio.sleep(0.02)

    def _underway(self, key: JobKey, since: float) -> bool:
        """Whether a job's poll that was due at *since* is not over."""
        record, due = self._store.get(key), self._schedule.time(key)
        return record is not None and not record.final and (due is None or due <= since)

    def _spawn(self, group: asyncio.TaskGroup, name: str, work: Callable[[], Awaitable[None]]) -> None:
        group.create_task(keep_running(work, self._telemetry.crashes.labels(name.split()[0]).inc, name), name=name)

    async def _dispatch(self) -> None:
        """Hand what is due, and what the budgets allow, to the workers."""
        self._reconciler.look()
        while True:
            self._wake.clear()
            now = self._clock.monotonic()
            for breaker in self._breakers.changed(now):
                self._results.resume(breaker.projects, changed=True)
            for breaker in self._breakers.due(now):
                self._results.try_one(breaker.projects, now)
            for due, key in self._schedule.due(now):
                attempt(partial(self._queue, due, key), partial(self._not_queued, key), "dispatch")
            for grant in self._limiter.grants(now):
                attempt(partial(self._hand_over, grant), partial(self._not_handed_over, grant), "dispatch")
            pause = self._pause(now)
            self._awake_at = now + pause
            with suppress(TimeoutError):  # something is due then
                async with asyncio.timeout(None if pause == math.inf else pause):
                    await self._wake.wait()

    def _not_queued(self, key: JobKey) -> None:
        self._telemetry.crashes.labels("dispatch").inc()
        self._results.crashed(key)

    def _not_handed_over(self, grant: Grant) -> None:
        self._telemetry.crashes.labels("dispatch").inc()
        if isinstance(grant.key, JobKey):
            self._asked.pop(grant.key, None)
            self._results.crashed(grant.key)
        elif isinstance(grant.key, PendingCall):
            self.calls.crashed(grant.key)
        self.calls.release(grant)

    def _hand_over(self, grant: Grant) -> None:
        if isinstance(grant.key, JobKey):
            self._asked[grant.key] = grant
            self._granted.put_nowait((grant, self._store.get(grant.key)))
        elif isinstance(grant.key, PendingCall):
            self.calls.start_call(grant.key, grant)

    def _pause(self, now: float) -> float:
        """Return the seconds until the dispatcher has to check again by itself."""
        first = self._schedule.first()
        look = _PAUSED_LOOK if self._breakers.any_paused else None
        moments = [self._limiter.ready_in(now), None if first is None else first - now, look]
        return max(min((moment for moment in moments if moment is not None), default=math.inf), TOGETHER)

    def _queue(self, due: float, key: JobKey) -> None:
        """Queue a job that is due for its permit, or skip it if calls are paused."""
        need = self.demand.of(key)
        if need is None or (self.places.closed and self.places.skips(key)):
            return
        if why := self.calls.queue(key, need.project, need.bucket, need.rate, due, due + need.patience):
            self.calls.tries.pop(key, None)  # the next poll starts again
            self._results.paused(key, why)

    async def _work(self) -> None:
        while True:
            grant, record = await self._granted.get()
            try:
                if record is not None:
                    await survive(partial(self._poll, record, grant), partial(self._crashed, record), "poll")
            finally:
                self._over(grant, record)
                self.calls.release(grant)

    async def _poll(self, record: Record, grant: Grant) -> None:
        """Poll one job: all that happens to it from its permit to its next due time."""
        job, began = record.job, self._clock.monotonic()
        if (need := self.demand.of(job.key)) is None:
            return  # it is gone
        adapter, pace, tries = need.adapter, self._plan.pace, self.calls.tries.pop(job.key, None) or Tries(refusals=1)
        self._results.began(record, grant.due, began, need.interval)
        poll = partial(self._plan.projects.ask, job, None if record.stale else record.snapshot, tries.narrowed)
        ask = poll if tries.idle is None else partial(self._existence.ask, job, tries.idle)
        try:
            answer = await self.calls.make(grant, job.project, need.bucket.limit, ask)
        except PollError as error:
            self._failed(record, error, tries)
            return
        if answer.idle and self._existence.unsure(record, adapter, answer, tries):
            return
        now, at, there = self._clock.monotonic(), self._clock.now(), self._plan.projects.by_name.get(job.project)
        cloud = at if there is None else there.cloud_time()  # a reload may have taken it away
        change = self._store.update(record, lambda known: transitions.worked(known, answer, at, adapter, now, cloud))
        if change is None:
            return  # it is gone, or its name stands for the next run
        before, after = change
        interval, stretch = self.demand.timing(job.key)
        due = schedule.next_due(after, interval, pace, adapter, now, stretch=stretch, first=before.polled_at is None)
        if due is not None:
            self._schedule.put(job.key, due)
        slow = schedule.due_times_missed(began, now, need.interval)
        self._results.worked(before, after, answer, None if due is None else due - now, slow)
        for each in (self._history, self._rows, self._details):
            each.want(after, adapter, self._group)

    def _ask_for_earlier(self, record: Record) -> None:
        self._history.want(record, self.projects.adapter(record.job), self._group)

    def _failed(self, record: Record, error: PollError, tries: Tries) -> None:
        """Take over a poll that failed, or poll once more: under another permit, at once."""
        if not self._results.counts(record):
            return
        if tries.once_more(error):
            self.calls.poll_again(record, tries)
        else:
            self._results.failed(record.job.key, error, already_logged=self.calls.paused(record.job.project, error))

    def _over(self, grant: Grant, record: Record | None) -> None:
        """See that the job is on the schedule even if taking over its answer crashed."""
        key = grant.key
        if isinstance(key, JobKey) and self._asked.get(key) is grant:  # else the next run's is
            del self._asked[key]
        if record is not None and self._schedule.time(record.job.key) is None and record.job.key not in self._asked:
            known = self._store.get(record.job.key)
            if known is not None and known.registration_id == record.registration_id and not known.final:
                self._schedule.put(record.job.key, self._clock.monotonic() + self._plan.pace.interval)
        if (first := self._schedule.first()) is not None and first < self._awake_at:
            self._wake.set()

    def _crashed(self, record: Record) -> None:
        self._telemetry.crashes.labels("poll").inc()
        if self._results.counts(record):
            self._results.crashed(record.job.key)
