"""The scrapers, and which of them have the newest values: a stopping exporter waits until all of them do."""

import asyncio
import time
from collections.abc import Callable
from typing import Final, NamedTuple

_LATELY: Final = 300.0
"""Seconds for which a client that scraped is expected to come again: longer than the usual scrape intervals."""
_MOST: Final = 64
"""Clients that are remembered at most, the latest ones."""


class Scraper(NamedTuple):
    """What tells one client from another; two servers behind one translated address are one."""

    address: str
    agent: str


class Scrapes:
    """Remembers who was answered when; *monotonic* tells seconds since some start."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self.answered = 0
        """Scrapes whose whole answer was handed to the connection."""
        self._monotonic = monotonic
        self._rendered = 0
        self._last: dict[Scraper, float] = {}
        self._answers: asyncio.Queue[tuple[int, Scraper]] | None = None

    def rendering(self) -> int:
        """Note that a body is rendered now and return its number."""
        self._rendered += 1
        return self._rendered

    def sent(self, rendering: int, scraper: Scraper) -> None:
        """Note that the client was answered with the body of that number."""
        self.answered += 1
        self._last.pop(scraper, None)  # the latest stands last
        self._last[scraper] = self._monotonic()
        if len(self._last) > _MOST:
            del self._last[next(iter(self._last))]
        if self._answers is not None:
            self._answers.put_nowait((rendering, scraper))

    async def wait_for_all(self, count: int = 0) -> None:
        """Return once everyone who scraped lately was answered with a body that was rendered after this call.

        If nobody did, one such answer is waited for. With a *count* so many are, whoever gets them.
        """
        rendered, now, fresh = self._rendered, self._monotonic(), 0
        expected = {scraper for scraper, at in self._last.items() if at > now - _LATELY}
        self._answers = asyncio.Queue()
        try:
            while fresh < max(count, 1) or (expected and not count):
                rendering, scraper = await self._answers.get()
                if rendering > rendered:
                    fresh += 1
                    expected.discard(scraper)
        finally:
            self._answers = None
