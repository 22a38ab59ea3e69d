"""Who may call, and what follows from how a call ended, for polls and for lists alike: one budget, one circuit."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Iterable
from typing import TypeVar

import structlog

from exporter.clock import Clock
from exporter.cloud import offload
from exporter.cloud.project import Project
from exporter.cloud.projects import Projects
from exporter.limits.breakers import Breakers
from exporter.limits.circuit_breaker import Decision, Permit
from exporter.limits.rate_limiter import BucketKey, Limiter, Start
from exporter.model.errors import PollError
from exporter.model.job import JobKey
from exporter.model.reason import Reason
from exporter.polling.demand import Demand
from exporter.polling.plan import Plan
from exporter.polling.results import Results
from exporter.services.adapter import Adapter
from exporter.services.request import Ask, Request

_T = TypeVar("_T")


class PendingCall:
    """What waits, *since* some time, for a call that is no poll of a job, and is to have it by *deadline*."""

    def __init__(self, project: str, limit: str, since: float, deadline: float) -> None:
        self.project = project
        self.limit = limit
        self.since = since
        self.deadline = deadline
        self.granted: asyncio.Future[Start] = asyncio.get_running_loop().create_future()


class Calls:
    """Lets calls wait for their turn, and takes over what they tell of credentials and limits.

    *wake* makes the dispatcher check again.
    """

    def __init__(
        self,
        plan: Plan,
        clock: Clock,
        limiter: Limiter,
        breakers: Breakers,
        results: Results,
        demand: Demand,
        wake: Callable[[], None],
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._limiter = limiter
        self._breakers = breakers
        self._results = results
        self._demand = demand
        self._wake = wake
        self._log = structlog.get_logger()
        self._turns: set[PendingCall] = set()  # that wait
        self.under_way: dict[int, Start] = {}
        """The permits that were granted and not given back, by identity."""
        self.refused: set[JobKey] = set()
        """Jobs whose last call was refused, and put back once."""
        self.dropped: set[JobKey] = set()
        """Jobs whose last call went into a dead connection, and put back once."""

    async def call(
        self, project: str, limit: str, patience: float, work: Callable[[Project], Awaitable[_T]], tries: int = 1
    ) -> _T:
        """Make a call that is no poll, in its turn: *work* makes it and returns what it gave.

        *patience* is for how many seconds calls that are more urgent may go first. A call that was refused leads to a
        renewal of the credentials; it is made again only if *tries* says so, because where jobs are polled these tell
        whether the cloud knows us, and a refusal of both tries pauses all calls. One that went into a dead connection
        is made once more, in another turn. Raises :class:`PollError`.
        """
        refusals, dropped = 0, False
        while True:
            start = await self._turn(project, limit, patience)
            try:
                return await self._call(project, work, start.permit)
            except PollError as error:
                if error.dropped and not dropped:
                    dropped = True
                    continue
                why = await self._failed(project, limit, start.permit, error)
                refusals += 1
                if why is not None or not error.refused or refusals == tries:
                    raise why or error from None
            finally:
                self._leave(start)

    def asking(self, project: str, adapter: Adapter, patience: float, tries: int = 1) -> Ask:
        """Return how the pages of a list or a history are asked for: each in its turn, as :meth:`call` does."""

        async def ask(request: Request) -> bytes:
            return await self.call(project, request.limit, patience, lambda there: there.ask(adapter, request), tries)

        return offload.asking(ask, self._clock.monotonic)

    async def _call(self, project: str, work: Callable[[Project], Awaitable[_T]], permit: Permit) -> _T:
        await self._breakers.prepare(project, permit)
        found = await work(self._project(project))
        self.accepted(project, permit)
        return found

    async def _failed(self, project: str, limit: str, permit: Permit, error: PollError) -> PollError | None:
        if error.refused:
            return await self.was_refused(project, permit, error, poll=False)
        self.knew(project, limit, permit, error)
        return None

    def knew(self, project: str, limit: str, permit: Permit, error: PollError) -> None:
        """Take over a failure that is no refusal: it may tell that the cloud knew who asked, and that it was too much.

        Nothing of a project that a reload took away meanwhile.
        """
        if not error.known:
            return
        self.accepted(project, permit)
        there = self._plan.fleet.projects.get(project)
        if error.reason is Reason.THROTTLED and there is not None:
            bucket, rate = self._plan.fleet.share(there, limit)
            self._limiter.throttled(bucket, self._clock.monotonic(), error.retry_after)
            self._demand.throttled(bucket, rate)

    def accepted(self, project: str, permit: Permit) -> None:
        """Note that the cloud knew who asked."""
        breaker = self._breakers.accepted(project, permit)
        if breaker is not None:
            self._results.resume(breaker.projects)
            self._wake()

    async def was_refused(
        self, project: str, permit: Permit, error: PollError, *, poll: bool = True
    ) -> PollError | None:
        """Do what follows from a refusal; return what calls of the project fail with, if they are paused by it."""
        decision = await self._breakers.refused(project, permit, error, poll=poll)
        if project not in self._plan.fleet.projects:
            return error  # a reload took it away meanwhile
        breaker = self._breakers.of(project)
        if breaker.why is None or not (decision is Decision.PAUSE or breaker.circuit.paused):
            return None
        why = breaker.why
        self._each(self._limiter.turn_away(breaker.circuit), lambda waiting: self._turn_away(waiting, why))
        return why

    def _turn_away(self, waiting: BucketKey, why: PollError) -> None:
        if isinstance(waiting, PendingCall):
            if not waiting.granted.done():
                waiting.granted.set_exception(why)
        elif isinstance(waiting, JobKey):
            self.refused.discard(waiting)
            self.dropped.discard(waiting)
            self._results.paused(waiting, why)

    def _each(self, taken_out: Iterable[BucketKey], handle: Callable[[BucketKey], None]) -> None:
        """Handle what was accepted out of the limiter; after a crash none of the rest is lost."""
        left = list(taken_out)[::-1]
        try:
            while left:
                handle(left[-1])
                left.pop()
        finally:
            for each in left:
                if isinstance(each, JobKey):
                    self._results.again(each)
                elif isinstance(each, PendingCall):
                    self.crashed(each)

    def crashed(self, turn: PendingCall) -> None:
        """Fail a call that was not made through a fault of ours."""
        if not turn.granted.done():
            turn.granted.set_exception(PollError(Reason.INTERNAL, "the exporter failed to make a call"))

    def fail_lost(self, waiting: Collection[BucketKey]) -> None:
        """Fail each call that nothing will ever grant; *waiting* is what the limiter knows of."""
        for turn in self._turns - set(waiting):
            self.crashed(turn)

    async def _turn(self, project: str, limit: str, patience: float) -> Start:
        """Return once a call may be made; raises :class:`PollError` if calls are paused."""
        now = self._clock.monotonic()
        turn = PendingCall(project, limit, now, now + patience)
        self._queue(turn)
        self._turns.add(turn)
        try:
            self._wake()
            return await turn.granted
        except asyncio.CancelledError:
            if turn.granted.done() and not turn.granted.cancelled() and turn.granted.exception() is None:
                self._leave(turn.granted.result())
            self._limiter.forget({turn})
            raise
        finally:
            self._turns.discard(turn)

    def _queue(self, turn: PendingCall) -> None:
        bucket, rate = self._plan.fleet.share(self._project(turn.project), turn.limit)
        breaker = self._breakers.of(turn.project)
        if breaker.circuit.paused and breaker.why is not None:
            raise breaker.why
        self._limiter.wait_for(bucket, rate, turn, turn.since, turn.deadline, breaker.circuit)

    def queue_anew(self, before: Projects) -> None:
        """Requeue every waiting call under the new plan: other credentials have another limit and circuit breaker."""
        if all(self._plan.fleet.projects.get(name) is project for name, project in before.projects.items()):
            return  # a reload that changes other projects costs no call its place in the queue
        self._each(self._limiter.turn_all_away(), self._wait_anew)

    def _wait_anew(self, waiting: BucketKey) -> None:
        if isinstance(waiting, JobKey):
            self._results.again(waiting)
        elif isinstance(waiting, PendingCall) and not waiting.granted.done():
            try:
                self._queue(waiting)
            except PollError as error:
                waiting.granted.set_exception(error)

    def _project(self, name: str) -> Project:
        found = self._plan.fleet.projects.get(name)
        if found is None:
            raise PollError(Reason.CONFIG, f"the project {name} is not configured any more")
        return found

    def grant(self, turn: PendingCall, start: Start) -> None:
        """Give a waiting call its permit; one that was cancelled gives the place back."""
        if turn.granted.done():
            self._leave(start)
        else:
            waited = round(self._clock.monotonic() - turn.since, 3)
            self._log.debug("call allowed", project=turn.project, limit=turn.limit, waited_seconds=waited)
            self.under_way[id(start)] = start
            turn.granted.set_result(start)

    def _leave(self, start: Start) -> None:
        self.under_way.pop(id(start), None)
        self._limiter.leave(start, self._clock.monotonic())
        self._wake()
