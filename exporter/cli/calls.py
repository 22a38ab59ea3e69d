"""The calls of a command: one after the other, each with a permit of the limit that it counts against."""

import asyncio
import sys
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from exporter.clock import Clock
from exporter.cloud.project import Project
from exporter.cloud.projects import Projects
from exporter.limits.circuit_breaker import CircuitBreaker
from exporter.limits.rate_limiter import Limiter
from exporter.model.errors import PollError
from exporter.model.reason import Reason

_NOTICEABLE: Final = 5.0
"""Seconds: a pause that lasts longer is explained to the user."""
_T = TypeVar("_T")


class CommandCalls:
    """Makes calls to the projects of *projects*; those that share a user and region share its limits, as polls do."""

    def __init__(self, projects: Projects, clock: Clock) -> None:
        self._projects = projects
        self._clock = clock
        self._limiter = Limiter(1)
        self._breaker = CircuitBreaker()  # closed for good: whoever calls stops at a refusal
        self._breaker.accepted(self._breaker.enter())

    async def call(self, project: Project, limit: str, work: Callable[[], Awaitable[_T]]) -> _T:
        """Make a call of a limit class once it is allowed: *work* makes it and returns what it gave."""
        bucket, rate = self._projects.share(project, limit)
        now = self._clock.monotonic()
        pause = self._limiter.pause(bucket, now)
        if pause > _NOTICEABLE:
            said = f"the cloud refused calls of {self._projects.in_use(bucket)} as too many"
            print(f"project {project.name}: {said}; the limit {limit} pauses for {pause:.0f} s", file=sys.stderr)
        self._limiter.wait_for(bucket, rate, limit, now, now, self._breaker)
        while (grant := next(self._limiter.grants(self._clock.monotonic()), None)) is None:  # noqa: ASYNC110 - time alone
            await asyncio.sleep(self._limiter.ready_in(self._clock.monotonic()) or 0.0)
        try:
            return await work()
        except PollError as error:
            if error.reason is Reason.THROTTLED:
                self._limiter.throttled(bucket, self._clock.monotonic(), error.retry_after)
            raise
        finally:
            self._limiter.release(grant, self._clock.monotonic())

    async def project_id(self, project: Project, limit: str) -> str:
        """Return a project's id; looking it up is a call like any other."""
        return project.project_id or await self.call(project, limit, project.project_id_of)
