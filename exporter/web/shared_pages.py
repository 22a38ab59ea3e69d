"""Pages that were just made: whoever asks for the same one within a second gets the same bytes."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Final, NamedTuple

_FOR: Final = 1.0
"""Seconds for which a page is good: people look at it every five."""
_MOST: Final = 8
"""Pages that are kept."""


class _Made(NamedTuple):
    page: asyncio.Task[bytes]
    at: float


class SharedPages:
    """The newest pages, by what was asked for; *monotonic* tells seconds since some start."""

    def __init__(self, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._made: dict[str, _Made] = {}

    async def get(self, asked: str, make: Callable[[], Awaitable[bytes]]) -> bytes:
        """Return the page that was *asked* for, made by *make* if it is not there; who leaves stops it for no other."""
        now = self._monotonic()
        made = self._made.get(asked)
        if made is None or (made.page.done() and now - made.at > _FOR):
            made = _Made(asyncio.ensure_future(_awaited(make)), now)
            self._made.pop(asked, None)
            self._made[asked] = made
            while len(self._made) > _MOST:
                del self._made[next(iter(self._made))]
        return await asyncio.shield(made.page)


async def _awaited(make: Callable[[], Awaitable[bytes]]) -> bytes:
    return await make()
