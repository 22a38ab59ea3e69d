"""One reading of the lists for what a rule asks for."""

from collections.abc import Awaitable, Callable
from typing import Any, Final

from exporter.clock import Clock
from exporter.cloud.offload import Done, advance
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services.discovery_rule import Rule
from exporter.services.listing import Lister
from exporter.services.paging import Found, walk
from exporter.services.request import Request

HOPELESS: Final = frozenset({Reason.AUTH, Reason.THROTTLED})
"""Failures after which no further call of the same user makes sense now."""


async def find(
    lister: Lister[Any],
    rule: Rule,
    project_id: str,
    clock: Clock,
    ask: Callable[[Request], Awaitable[bytes]],
) -> Found:
    """Return the jobs that *rule* asks for; *ask* makes a call and returns the body of its 200 answer.

    One list that fails is named in the result. Raises :class:`~exporter.model.errors.PollError` if none could be read:
    the project or its places are not known, or the cloud refuses who asks.
    """
    steps = walk(lister, rule, project_id, clock.now())
    try:
        request: Request | Done[Found] = next(steps)
        while not isinstance(request, Done):
            try:
                body = await ask(request)
            except PollError as error:
                if error.reason in HOPELESS:
                    steps.close()
                    raise
                request = steps.throw(error)
            else:
                request = await advance(steps, body, (body, clock.monotonic()))
    except StopIteration as done:
        found: Found = done.value
        return found
    return request.result
