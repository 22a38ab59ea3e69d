"""Reading answers outside the event loop where that takes long, and only a few long ones at a time.

One thread unpacks and parses for all. Python's switching between threads leaves the loop waiting for 5 ms, and for
40 ms while one long text is decoded.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, Token
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeVar
from weakref import WeakKeyDictionary

from exporter.services.request import Ask, Request

_SHORT: Final = 2 * 1024
"""Bytes of an answer that is read in the loop. Even so short a one may have 700 empty rows, which take up to 30 ms."""
UNPLACED: Final = 64 * 1024
"""Bytes, unpacked, of an answer that needs no place; nearly all answers are shorter."""
LONG_ANSWERS: Final = 2
"""Longer answers that the process holds at a time: one arrives while the other is parsed. The rest wait unread."""
_THREAD: Final = ThreadPoolExecutor(1, thread_name_prefix="reader")
_FREE: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, asyncio.Semaphore]] = WeakKeyDictionary()

_T = TypeVar("_T")


class Place:
    """The place of one answer among the long ones: taken when it turns out to be long, free when it was parsed."""

    def __init__(self) -> None:
        self._free: asyncio.Semaphore | None = None
        self._token: Token[Place | None] | None = None

    async def __aenter__(self) -> Self:
        self._token = _PLACE.set(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _PLACE.reset(self._token)
        self.leave()

    async def take(self) -> None:
        """Wait until there is room, unless this answer has its place."""
        if self._free is None:
            free = _FREE.setdefault(asyncio.get_running_loop(), asyncio.Semaphore(LONG_ANSWERS))
            await free.acquire()
            self._free = free

    def leave(self) -> None:
        """Make room: the answer is parsed, or it failed."""
        free, self._free = self._free, None
        if free is not None:
            free.release()


_PLACE: Final[ContextVar[Place | None]] = ContextVar("place", default=None)


def current() -> Place | None:
    """Return the place of who parses the answer to the call under way; ``None`` if it is parsed as it comes."""
    return _PLACE.get()


async def in_thread(work: Callable[[], _T]) -> _T:
    """Return what *work* returns in the one thread that reads long answers."""
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)


async def offloaded(body: bytes, work: Callable[[], _T]) -> _T:
    """Return what *work*, which reads *body*, returns."""
    return work() if len(body) <= _SHORT else await in_thread(work)


def asking(call: Callable[[Request], Awaitable[bytes]], now: Callable[[], float]) -> Ask:
    """Return how a list or a history is read page by page: *call* makes a call and returns the body of its answer."""

    async def ask(request: Request, reader: Callable[[bytes], _T], /) -> tuple[_T, float]:
        async with Place():
            body = await call(request)
            came = now()
            return await offloaded(body, partial(reader, body)), came

    return ask
