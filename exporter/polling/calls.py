"""The permits and results of all calls, of polls, lists and histories alike."""

import asyncio
from collections.abc import Awaitable, Callable, Collection, Hashable, Iterable
from typing import TypeVar

import structlog

from exporter.clock import Clock
from exporter.cloud import offload
from exporter.cloud.project import Project
from exporter.cloud.projects import Bucket, Projects
from exporter.limits.breakers import Breakers
from exporter.limits.budget import Caller, Grant
from exporter.limits.circuit_breaker import Decision, Permit
from exporter.limits.rate_limiter import Limiter
from exporter.model.errors import PollError
from exporter.model.job import JobKey
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.polling.plan import Plan
from exporter.polling.results import Results
from exporter.polling.tries import Tries
from exporter.services.adapter import Adapter
from exporter.services.request import Ask, Request

_T = TypeVar("_T")


class PendingCall:
    """A call that is not a job's poll and waits for its permit, *since* when and until which *deadline*.

    *operation* tells it from others of the same limit.
    """

    def __init__(self, project: str, limit: str, operation: str, since: float, deadline: float) -> None:
        self.project = project
        self.limit = limit
        self.caller = (project, limit, operation)
        self.since = since
        self.deadline = deadline
        self.granted: asyncio.Future[Grant] = asyncio.get_running_loop().create_future()


class Calls:
    """Lets calls wait for their permit, makes them, and takes over what they say about credentials and limits.

    *wake* makes the dispatcher check again.
    """

    def __init__(
        self,
        plan: Plan,
        clock: Clock,
        limiter: Limiter,
        breakers: Breakers,
        results: Results,
        wake: Callable[[], None],
    ) -> None:
        self._plan = plan
        self._clock = clock
        self._limiter = limiter
        self._breakers = breakers
        self._results = results
        self._wake = wake
        self._log = structlog.get_logger()
        self._pending: set[PendingCall] = set()  # that wait
        self.under_way: dict[int, Grant] = {}
        """The grants of all calls but polls that were not given back yet, by ``id()`` of the grant."""
        self.tries: dict[JobKey, Tries] = {}
        """Of jobs whose poll is to be made once more."""

    async def call(
        self,
        project: str,
        limit: str,
        patience: float,
        work: Callable[[Project], Awaitable[_T]],
        tries: int = 1,
        operation: str = "",
    ) -> _T:
        """Make a call that is no poll, once it has its permit: *work* makes it and returns what it gave.

        *patience* is for how many seconds calls that are more urgent may go first. A call that was refused leads to a
        renewal of the credentials; it is made again with others only if *tries* says so. One that went into a dead
        connection is made once more, under another permit. Raises :class:`PollError`.
        """

        async def made() -> _T:
            return await work(self._plan.projects.named(project))

        left = Tries(tries - 1)
        while True:
            now = self._clock.monotonic()
            grant = await self._grant_for(PendingCall(project, limit, operation, now, now + patience))
            try:
                return await self.make(grant, project, limit, made)
            except PollError as error:
                if not left.once_more(error):
                    raise

    async def make(self, grant: Grant, project: str, limit: str, work: Callable[[], Awaitable[_T]]) -> _T:
        """Make the one call that *grant* allows, take over what its outcome tells, and give the permit back.

        Raises :class:`PollError`: the call's own, or why all calls of the project are paused by it.
        """
        caller = grant.key.caller if isinstance(grant.key, PendingCall) else grant.key
        try:
            if grant.permit.probe:
                await self._breakers.prepare(project)
            found = await work()
        except PollError as error:
            raise await self._failed(project, limit, grant.permit, caller, error) from None
        else:
            self._accepted(project, grant.permit, caller)
            return found
        finally:
            self.release(grant)

    def asking(self, project: str, adapter: Adapter, patience: float, tries: int = 1) -> Ask:
        """Return how pages of a list or a history are asked for: each under its own permit, as :meth:`call` does."""

        async def ask(request: Request) -> bytes:
            return await self.call(
                project, request.limit, patience, lambda there: there.ask(adapter, request), tries, request.operation
            )

        def unread(error: PollError) -> None:
            there = self._plan.projects.by_name.get(project)
            if there is not None:
                there.unread(adapter.service, error)

        return offload.asking(ask, self._clock.monotonic, unread)

    async def _failed(self, project: str, limit: str, permit: Permit, caller: Hashable, error: PollError) -> PollError:
        """Do what follows from a failed call; return what it fails with."""
        if error.refused:
            return await self._was_refused(project, permit, caller, error)
        there = self._plan.projects.by_name.get(project)
        if error.known:  # the cloud knew who asked
            self._accepted(project, permit, caller)
        if error.reason is Reason.THROTTLED and error.asked and there is not None:  # whoever asks it, a proxy too
            bucket, _ = self._plan.projects.share(there, limit)
            self._limiter.throttled(bucket, self._clock.monotonic(), error.retry_after)
        return error

    def _accepted(self, project: str, permit: Permit, caller: Hashable) -> None:
        """Note that the cloud knew who asked."""
        breaker = self._breakers.accepted(project, permit, caller)
        if breaker is not None:
            self._results.resume(breaker.projects)
            self._wake()

    async def _was_refused(self, project: str, permit: Permit, caller: Hashable, error: PollError) -> PollError:
        """Do what follows from a refusal; return why calls of the project are paused, if they are by it."""
        decision = await self._breakers.refused(project, permit, caller, error)
        if decision is Decision.ALONE:
            error.refused = False  # the same credentials would be refused again
        if project not in self._plan.projects.by_name:
            return error  # a reload took it away meanwhile
        breaker = self._breakers.of(project)
        if breaker.why is None or not (decision is Decision.PAUSE or breaker.circuit.paused):
            return error
        why = breaker.why
        self._results.outages.paused(breaker.projects)
        self._each(self._limiter.turn_away(breaker.circuit), lambda waiting: self._turn_away(waiting, why))
        return why

    def paused(self, project: str, error: PollError) -> bool:
        """Whether *error* is that calls of the project are paused, which the log tells for all of them at once."""
        return error is self._breakers.of(project).why

    def _turn_away(self, waiting: Caller, why: PollError) -> None:
        if isinstance(waiting, PendingCall):
            if not waiting.granted.done():
                waiting.granted.set_exception(why)
        elif isinstance(waiting, JobKey):
            self.tries.pop(waiting, None)
            self._results.paused(waiting, why)

    def _each(self, taken_out: Iterable[Caller], handle: Callable[[Caller], None]) -> None:
        """Handle what was taken out of the limiter; after a crash none of the rest is lost."""
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

    def poll_again(self, record: Record, tries: Tries) -> None:
        """Go on with a poll under another permit, at once."""
        if self._results.counts(record):
            self.tries[record.job.key] = tries
            self._results.again(record.job.key)

    def forget(self, gone: Collection[JobKey]) -> None:
        """Forget jobs that are gone or were replaced."""
        self._breakers.forget(gone)
        for key in gone:
            self.tries.pop(key, None)

    def crashed(self, pending: PendingCall) -> None:
        """Fail a call that was not made through a fault of ours."""
        if not pending.granted.done():
            pending.granted.set_exception(
                PollError(Reason.INTERNAL, "the exporter failed to make a call; its log says where")
            )

    def fail_lost(self, waiting: Collection[Caller]) -> None:
        """Fail each call that nothing will ever grant; *waiting* is what the limiter knows of."""
        for pending in self._pending - set(waiting):
            self.crashed(pending)

    async def _grant_for(self, pending: PendingCall) -> Grant:
        """Return once a call may be made; raises :class:`PollError` if calls are paused."""
        self._queue(pending)
        self._pending.add(pending)
        try:
            self._wake()
            return await pending.granted
        except asyncio.CancelledError:
            if pending.granted.done() and not pending.granted.cancelled() and pending.granted.exception() is None:
                self.release(pending.granted.result())
            self._limiter.forget({pending})
            raise
        finally:
            self._pending.discard(pending)

    def _queue(self, pending: PendingCall) -> None:
        bucket, rate = self._plan.projects.share(self._plan.projects.named(pending.project), pending.limit)
        why = self.queue(pending, pending.project, bucket, rate, pending.since, pending.deadline)
        if why is not None:
            raise why

    def queue(
        self, waiting: Caller, project: str, bucket: Bucket, rate: float, due: float, deadline: float
    ) -> PollError | None:
        """Have a call wait for its permit, unless calls of the project are paused: return why they are."""
        breaker = self._breakers.of(project)
        if breaker.circuit.paused and breaker.why is not None:
            return breaker.why
        self._limiter.wait_for(bucket, rate, waiting, due, deadline, breaker.circuit)
        return None

    def queue_anew(self, before: Projects) -> None:
        """Requeue every waiting call under the new plan: other credentials have another limit and circuit breaker."""
        if all(self._plan.projects.by_name.get(name) is project for name, project in before.by_name.items()):
            return  # a reload that changes other projects costs no call its place in the queue
        self._each(self._limiter.turn_all_away(), self._wait_anew)

    def _wait_anew(self, waiting: Caller) -> None:
        if isinstance(waiting, JobKey):
            self._results.again(waiting)
        elif isinstance(waiting, PendingCall) and not waiting.granted.done():
            try:
                self._queue(waiting)
            except PollError as error:
                waiting.granted.set_exception(error)

    def start_call(self, pending: PendingCall, grant: Grant) -> None:
        """Let a call go on that waited; one that was cancelled gives the permit back."""
        if pending.granted.done():  # it was cancelled
            self.release(grant)
        else:
            waited = round(self._clock.monotonic() - pending.since, 3)
            self._log.debug("call allowed", project=pending.project, limit=pending.limit, waited_seconds=waited)
            self.under_way[id(grant)] = grant
            pending.granted.set_result(grant)

    def release(self, grant: Grant) -> None:
        """Give a permit back; once more is fine."""
        self.under_way.pop(id(grant), None)
        if not self._limiter.release(grant, self._clock.monotonic()):
            return
        # what a list met may have opened the circuit breaker
        if self._limiter.wanted or isinstance(grant.key, PendingCall):
            self._wake()
