"""Recently rendered pages: equal requests within a second get the same bytes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

_FOR: Final = 1.0
"""Seconds for which a page is good: people look at it every five, all at the same moments."""
_MOST: Final = 8
"""Pages that are kept."""
_Page = TypeVar("_Page")


@dataclass(slots=True)
class _Made(Generic[_Page]):
    page: asyncio.Task[_Page]
    at: float
    waiting: int = 0


class SharedPages(Generic[_Page]):
    """The newest pages, by what was asked for; *monotonic* tells seconds since some start."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._made: dict[str, _Made[_Page]] = {}

    async def get(self, asked: str, make: Callable[[], Awaitable[_Page]]) -> _Page:
        """Return the page that was *asked* for, made by *make* if it is not there.

        It is made for as long as somebody waits for it: who leaves stops it for no other.
        """
        now = self._monotonic()
        made = self._made.get(asked)
        if made is None or (made.page.done() and now - made.at > _FOR):
            made = _Made(asyncio.ensure_future(_awaited(make)), now)
            self._made.pop(asked, None)
            self._made[asked] = made
            while len(self._made) > _MOST:
                del self._made[next(iter(self._made))]
        made.waiting += 1
        try:
            return await asyncio.shield(made.page)
        finally:
            made.waiting -= 1
            if not made.waiting and not made.page.done():
                made.page.cancel()
                if self._made.get(asked) is made:
                    del self._made[asked]


async def _awaited(make: Callable[[], Awaitable[_Page]]) -> _Page:
    return await make()
