"""Finding jobs by the list calls: makes the calls of one rule, within the limits, and returns what it found."""

import asyncio
from typing import Any

from exporter.clock import Clock
from exporter.cloud.project import Project
from exporter.core.adapter import Adapter, Lister
from exporter.core.budget import Budget
from exporter.core.errors import PollError
from exporter.core.gate import Gate
from exporter.core.lists import Found, walk
from exporter.core.model import JobKey, Reason
from exporter.core.rules import Rule

HOPELESS = frozenset({Reason.AUTH, Reason.THROTTLED})
"""Failures after which no further call of the same user makes sense now."""


class Pace:
    """Lets calls of one project wait so that they stay within its limits."""

    def __init__(self, project: Project, clock: Clock) -> None:
        self._project = project
        self._clock = clock
        self._budgets: dict[str, Budget] = {}
        self._gate = Gate()
        self._gate.taken(self._gate.enter())

    async def wait(self, limit: str) -> None:
        """Return when a call of the limit class may be made."""
        budget = self._budgets.setdefault(limit, Budget(self._project.limits[limit]))
        now = self._clock.monotonic()
        await asyncio.sleep(budget.ready_in(now))
        now = max(now, self._clock.monotonic())
        budget.wait_for(JobKey("", limit), now, now, self._gate)
        budget.take(now)


async def find(project: Project, adapter: Adapter, lister: Lister[Any], rule: Rule, pace: Pace) -> Found:
    """Return the jobs that *rule* asks for in *project*.

    One list that fails is told in the result. Raises :class:`~exporter.core.errors.PollError` if none could be read:
    the project or its places are not known, or the cloud refuses who asks.
    """
    steps = walk(lister, rule, await project.project_id_of(), project.clock.now())
    try:
        request = next(steps)
        while True:
            await pace.wait(request.limit)
            try:
                body = await project.ask(adapter, request)
            except PollError as error:
                if error.reason in HOPELESS:
                    steps.close()
                    raise
                request = steps.throw(error)
            else:
                request = steps.send(body)
    except StopIteration as done:
        found: Found = done.value
        return found
