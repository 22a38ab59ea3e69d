"""Single flight: of several callers that want the same result, one makes the call and the others wait for it."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from typing import Final, Generic, TypeVar

from exporter.clock import Clock
from exporter.model.errors import PollError
from exporter.model.reason import Reason

_REST: Final = 30.0
"""Seconds after a failure in which nobody asks again: every job's poll would, and an account can get locked."""

_T = TypeVar("_T")


class SingleFlight(Generic[_T]):
    """Asks by *call*, once for all who wait.

    A failure is raised again without a call: for :data:`_REST` seconds or as long as the server asked for; one of the
    reasons *lasting* until somebody asks with ``at_once``, one of those *fleeting* only to those who wait already.
    """

    def __init__(
        self,
        call: Callable[[], Awaitable[_T]],
        clock: Clock,
        lasting: Collection[Reason] = (),
        fleeting: Collection[Reason] = (),
    ) -> None:
        self._call = call
        self._clock = clock
        self._lasting = lasting
        self._fleeting = fleeting
        self._lock = asyncio.Lock()
        self._calls = 0
        self._outcome: _T | PollError = PollError(Reason.INTERNAL, "no caller yet")
        self._rests_until = float("-inf")

    @property
    def underway(self) -> bool:
        """Whether somebody is asking now."""
        return self._lock.locked()

    async def ask(self, *, at_once: bool = False) -> _T:
        """Return what the call got; *at_once* does not wait for the end of a rest.

        Raises :class:`~exporter.model.errors.PollError` if it failed.
        """
        calls, asked = self._calls, False
        async with self._lock:
            if self._calls == calls and (at_once or self._clock.monotonic() >= self._rests_until):
                asked = True
                await self._ask()
        if isinstance(self._outcome, PollError):
            raise self._outcome if asked else self._outcome.retold()
        return self._outcome

    async def _ask(self) -> None:
        try:
            self._outcome = await self._call()
            self._rests_until = float("-inf")
        except PollError as error:
            rest = float("inf") if error.reason in self._lasting else max(_REST, error.retry_after or 0)
            rest = 0.0 if error.reason in self._fleeting else rest
            self._outcome, self._rests_until = error, self._clock.monotonic() + rest
        self._calls += 1
