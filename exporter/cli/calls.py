"""The calls of a command: made one after the other, each with a permit of its limit class."""

import sys
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from exporter.cloud.project import Project
from exporter.cloud.projects import Projects
from exporter.limits.permits import Permits
from exporter.model.errors import PollError
from exporter.model.reason import Reason

_NOTICEABLE: Final = 5.0
"""Seconds: a pause that lasts longer is explained to the user."""
_T = TypeVar("_T")


class CommandCalls:
    """Makes calls to the projects of *projects*; those that share a user and region share its limits, as polls do.

    There is no circuit breaker: whoever calls stops at a refusal.
    """

    def __init__(self, projects: Projects, permits: Permits) -> None:
        self._projects = projects
        self._permits = permits

    async def call(self, project: Project, limit: str, work: Callable[[], Awaitable[_T]]) -> _T:
        """Make a call of a limit class once it is allowed: *work* makes it and returns what it gave."""
        bucket, rate = self._projects.share(project, limit)
        pause = self._permits.pause(bucket)
        if pause > _NOTICEABLE:
            said = f"the cloud refused calls of {self._projects.in_use(bucket)} as too many"
            print(f"project {project.name}: {said}; the limit {limit} pauses for {pause:.0f} s", file=sys.stderr)
        try:
            return await self._permits.call(bucket, rate, work)
        except PollError as error:
            if error.reason is Reason.THROTTLED and error.asked:
                self._permits.throttled(bucket, error.retry_after)
            raise
