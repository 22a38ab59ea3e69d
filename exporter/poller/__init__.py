"""The poll loop: takes what is due, calls, reads, and puts the new record on the board.

One task decides what starts (the schedule says when, the budgets whether, the gates if at all), a few workers do the
calls. A job is put back on the schedule only when its poll is over, so no job is ever polled twice at a time.
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from functools import partial

from exporter.clock import Clock
from exporter.cloud.fleet import Fleet
from exporter.core import schedule
from exporter.core.board import Board
from exporter.core.budget import Admission, Start
from exporter.core.errors import PollError
from exporter.core.gate import Ticket
from exporter.core.model import JobKey, Record
from exporter.core.registry import Changes
from exporter.journal import Journal
from exporter.poller.access import Access, Turn
from exporter.poller.demand import Demand
from exporter.poller.gates import Gates
from exporter.poller.history import History
from exporter.poller.listing import Listing
from exporter.poller.outcomes import Outcomes
from exporter.poller.plan import Plan
from exporter.poller.register import Register
from exporter.supervise import keep_running, survive
from exporter.telemetry import Telemetry

TOGETHER = 0.005
"""Seconds by which what is due may wait, so that polls of many jobs start together."""
PAUSED_LOOK = 1.0
"""Seconds between two looks whether credentials that were refused are others now."""


class Poller:
    """Polls every job of the board in the background, *concurrency* at a time."""

    def __init__(
        self,
        board: Board,
        fleet: Fleet,
        pace: schedule.Pace,
        concurrency: int,
        clock: Clock,
        telemetry: Telemetry,
        journal: Journal | None = None,
    ) -> None:
        self._board = board
        self._plan = plan = Plan(fleet, pace)
        self._clock = clock
        self._telemetry = telemetry
        self._turns = schedule.Agenda()
        self._admission = Admission(concurrency)
        self.demand = Demand(plan, self._admission, clock.monotonic)
        self._outcomes = Outcomes(board, plan, clock, telemetry, self._turns, self.demand)
        self._register = Register(board, plan, clock, telemetry, self._turns, self._admission, self._outcomes, journal)
        self._gates = Gates(fleet.projects, clock, telemetry)
        self._asked: dict[JobKey, Start] = {}  # whose poll is under way, from the moment it may start
        self._started: asyncio.Queue[tuple[Start, Record | None]] = asyncio.Queue()
        self._concurrency = concurrency
        self._group: asyncio.TaskGroup | None = None
        self._workers = 0  # who has nothing to do costs nothing
        self._wake = asyncio.Event()
        self.access = Access(plan, clock, self._admission, self._gates, self._outcomes, self._wake.set)
        self._history = History(board, plan, telemetry, self.access, self._outcomes)
        shared = (self._turns, self._admission, self._outcomes, self._asked, self._wake.set)
        self.listing = Listing(board, plan, clock, telemetry, *shared)
        self._awake_at = 0.0  # when the dispatcher will look by itself

    def apply(self, changes: Changes) -> None:
        """Register what came, forget what is gone, and poll the next run of a job instead of the one before."""
        gone = self._register.apply(changes)
        self.access.refused -= gone
        self._history.forget(gone)
        self.listing.forget(gone)
        self._wake.set()

    @property
    def fleet(self) -> Fleet:
        """The projects that are asked."""
        return self._plan.fleet

    def use(self, fleet: Fleet, pace: schedule.Pace, concurrency: int) -> None:
        """Go on with other projects and intervals; no job of a project that is gone may be registered any more."""
        before, self._plan.fleet, self._plan.pace = self._plan.fleet, fleet, pace
        self._gates.use(fleet.projects)
        self.access.queue_anew(before)
        self._outcomes.repaced()
        self.demand.recount(self._board.records())
        self._admission.resize(concurrency - self._concurrency)
        for number in range(self._workers, concurrency):
            self._hire(number)
        self._concurrency = concurrency
        self._wake.set()

    def next_due(self, key: JobKey) -> float | None:
        """Return the Unix time of the job's next poll, which may be on its way; ``None`` if there will be none."""
        record, due = self._board.get(key), self._turns.time(key)
        if record is None or record.final:
            return None
        return self._clock.now() + (0.0 if due is None else due - self._clock.monotonic())

    async def run(self) -> None:
        """Poll until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._spawn(group, "dispatch", self._dispatch)
            self._spawn(group, "age", self._outcomes.ages.run)
            self._spawn(group, "tell", self.demand.run)
            self._group = group
            for number in range(self._concurrency):
                self._hire(number)

    def _hire(self, number: int) -> None:
        if self._group is not None:
            self._spawn(self._group, f"worker {number}", self._work)
            self._workers = number + 1

    async def poll_once_more(self) -> None:
        """Poll every job that is not final now, and return when all of these polls are over."""
        now = self._clock.monotonic()
        waiting = {record.job.key for record in self._board.records() if not record.final}
        for key in waiting:
            if self._turns.time(key) is not None:
                self._turns.put(key, now)
        self._wake.set()
        while self._history.waiting or any(self._underway(key, now) for key in waiting):  # noqa: ASYNC110 - at the end
            await asyncio.sleep(0.02)

    def _underway(self, key: JobKey, since: float) -> bool:
        """Whether a job's poll that was due at *since* is not over."""
        record, due = self._board.get(key), self._turns.time(key)
        return record is not None and not record.final and (due is None or due <= since)

    def _spawn(self, group: asyncio.TaskGroup, name: str, work: Callable[[], Awaitable[None]]) -> None:
        crashed = self._telemetry.crashes.labels(name.partition(" ")[0]).inc
        group.create_task(keep_running(work, crashed, name), name=name)

    async def _dispatch(self) -> None:
        """Hand what is due, and what the budgets allow, to the workers."""
        while True:
            self._wake.clear()
            now = self._clock.monotonic()
            for door in self._gates.changed(now):
                self._outcomes.resume(door.projects)
            for door in self._gates.due(now):
                self._outcomes.try_one(door.projects, now)
            for due, key in self._turns.due(now):
                self._queue(due, key)
            for start in self._admission.start(now):
                self._hand_over(start)
            pause = self._pause(now)
            self._awake_at = now + pause
            try:
                async with asyncio.timeout(None if pause == math.inf else pause):
                    await self._wake.wait()
            except TimeoutError:
                pass  # something is due now

    def _hand_over(self, start: Start) -> None:
        if isinstance(start.key, JobKey):
            self._asked[start.key] = start
            self._started.put_nowait((start, self._board.get(start.key)))
        elif isinstance(start.key, Turn):
            self.access.grant(start.key, start)

    def _pause(self, now: float) -> float:
        """Return the seconds until the dispatcher has to look again by itself."""
        first = self._turns.first()
        moments = [self._admission.ready_in(now), None if first is None else first - now]
        moments += [PAUSED_LOOK] if self._gates.any_paused else []
        return max(min((moment for moment in moments if moment is not None), default=math.inf), TOGETHER)

    def _queue(self, due: float, key: JobKey) -> None:
        """Let a job that is due wait for its budget, or fail if calls are paused."""
        record = self._board.get(key)
        if record is None:
            return
        door = self._gates.of(record.job.project)
        if door.gate.paused and door.why is not None:
            self._outcomes.failed(key, door.why, told=True)
            return
        interval = schedule.effective_interval(record, self._plan.pace, self._plan.fleet.adapter(record.job))
        self._admission.wait_for(*self._plan.fleet.bucket(record.job), key, due, due + interval, door.gate)

    async def _work(self) -> None:
        while True:
            start, record = await self._started.get()
            try:
                if record is not None and self._outcomes.counts(record):
                    await survive(partial(self._poll, record, start), partial(self._crashed, record), "poll")
            finally:
                if isinstance(start.key, JobKey) and self._asked.get(start.key) is start:  # else the next run's is
                    del self._asked[start.key]
                self._admission.leave()
                start.leave(self._clock.monotonic())
                first = self._turns.first()
                if self._admission.wanted or (first is not None and first < self._awake_at):
                    self._wake.set()

    async def _poll(self, record: Record, start: Start) -> None:
        key, ticket = record.job.key, start.ticket
        adapter, started = self._plan.fleet.adapter(record.job), self._clock.monotonic()
        interval = schedule.effective_interval(record, self._plan.pace, adapter)
        self._telemetry.poll_lag.observe(max(0.0, started - start.due))
        self._outcomes.skipped("busy", schedule.turns_missed(start.due, started, interval))
        try:
            await self._gates.prepare(record.job.project, ticket)
            answer = await self._plan.fleet.ask(record.job, None if record.stale else record.snapshot)
        except PollError as error:
            if error.refused:
                await self._was_refused(record, ticket, error)
                return
            self.access.refused.discard(key)
            self.access.knew(record.job.project, adapter.request(record.job, "").limit, ticket, error)
            if self._outcomes.counts(record):
                self._outcomes.failed(key, error)
        else:
            self.access.taken(record.job.project, ticket)
            if self._outcomes.counts(record):
                self.access.refused.discard(key)
                self._outcomes.worked(key, answer)
                self._history.want(key, self._group)
        self._outcomes.skipped("slow", schedule.turns_missed(started, self._clock.monotonic(), interval))

    async def _was_refused(self, record: Record, ticket: Ticket, error: PollError) -> None:
        """Poll once more what was refused, after the credentials were renewed; fail if that is refused too."""
        why, key = await self.access.was_refused(record.job.project, ticket, error), record.job.key
        if not self._outcomes.counts(record) or record.job.project not in self._plan.fleet.projects:
            return  # it is gone, or a reload took its project away
        if why is not None:
            self.access.refused.discard(key)
            self._outcomes.failed(key, why, told=True)
        elif key in self.access.refused:
            self.access.refused.discard(key)
            self._outcomes.failed(key, error)
        else:
            self.access.refused.add(key)
            self._turns.put(key, self._clock.monotonic())

    def _crashed(self, record: Record) -> None:
        self._telemetry.crashes.labels("poll").inc()
        if self._outcomes.counts(record):
            self._outcomes.crashed(record.job.key)
