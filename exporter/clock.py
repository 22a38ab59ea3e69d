"""The time, passed in wherever it counts, so that tests can make an hour pass in a second."""

import time
from typing import Protocol


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
