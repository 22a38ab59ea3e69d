"""The clock, passed to everything that needs the time, so that tests can simulate an hour in a second."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, Protocol

_LOOK: Final = 10.0
"""Seconds between two looks whether what is waited for comes sooner now."""


class Clock(Protocol):
    """What tells the time."""

    def now(self) -> float:
        """Return the Unix time in seconds."""

    def monotonic(self) -> float:
        """Return seconds that never go back, for waiting; the loop's own time."""


class SystemClock:
    """The machine's clocks."""

    def now(self) -> float:
        """Return the Unix time in seconds."""
        return time.time()

    def monotonic(self) -> float:
        """Return the seconds of the clock that asyncio waits by."""
        return time.monotonic()


def steady_time(clock: Clock) -> Callable[[], float]:
    """Return what tells the Unix time as it goes on from now if nobody sets the clock: to compare, not to show."""
    began = clock.now() - clock.monotonic()
    return lambda: began + clock.monotonic()


async def rest(clock: Clock, at_least: float, began: float, interval: Callable[[], float]) -> None:
    """Sleep until *interval* seconds, which a reload may change meanwhile, after *began*, and *at_least* so many."""
    await asyncio.sleep(at_least)
    while (left := began + interval() - clock.monotonic()) > 0:  # noqa: ASYNC110 - no event would end it sooner
        await asyncio.sleep(min(left, _LOOK))
