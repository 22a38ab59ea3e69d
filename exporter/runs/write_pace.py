"""How long writes of the journal take, and how soon the next one may follow."""

import asyncio
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Final

import structlog

WRITE_INTERVAL: Final = 2.0
"""Seconds at least between two writes."""
_SHARE: Final = 20
"""The pause after a slow write is so many times as long as the write took."""
_LONGEST_PAUSE: Final = 10.0
"""Seconds of that pause at most: what is counted meanwhile is shown only after the next write."""
SLOW: Final = 2.0
"""Seconds from which on a write is logged as slow, also while it has not returned."""


class WritePace:
    """Times the writes of a *file*, one after the other, and logs when they become slow and fast again."""

    def __init__(self, file: str) -> None:
        self.pause = WRITE_INTERVAL
        """Seconds until the next write."""
        self._file = file
        self._began: float | None = None
        self._took: float | None = None
        self._slow = False
        self._log = structlog.get_logger()

    @contextmanager
    def timed(self) -> Iterator[None]:
        """Time the write that is made meanwhile, whether or not it works."""
        self._began = time.perf_counter()
        late = asyncio.get_running_loop().call_later(SLOW, self._takes_long)
        try:
            yield
        finally:
            late.cancel()
            took = self._took = time.perf_counter() - self._began
            self._began = None
            self.pause = min(max(WRITE_INTERVAL, _SHARE * took), _LONGEST_PAUSE)
            if self._slow and took < SLOW:
                self._slow = False
                self._log.info("journal fast again", file=self._file)

    def seconds(self) -> Mapping[tuple[str, ...], float]:
        """Return how long the last write took, or the one under way so far; nothing before the first."""
        took = self._took if self._began is None else time.perf_counter() - self._began
        return {} if took is None else {(): took}

    def _takes_long(self) -> None:
        if not self._slow:
            self._slow = True
            problem = "the disk is slow; what counts runs stands still until each write is over"
            self._log.warning("journal slow", problem=problem, file=self._file, took_seconds=SLOW)
