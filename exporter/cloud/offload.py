"""Decompresses and parses large responses in a thread, and bounds how much memory they use at a time.

There is one thread for all responses. Switching between threads makes the event loop wait up to 5 ms, and up to 40 ms
while one long text is decoded. Large responses share a budget of bytes while they arrive; a slow one uses only the
bytes that have arrived, so it does not delay others. They are decompressed and parsed one after the other.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, Token
from functools import partial
from types import TracebackType
from typing import Final, Self, TypeVar
from weakref import WeakKeyDictionary

from exporter.memory import give_back
from exporter.model.errors import PollError
from exporter.services.request import Ask, Request

_SHORT: Final = 2 * 1024
"""Bytes of an answer that is read in the loop. Even so short a one may have 700 empty rows, which take up to 30 ms."""
UNPLACED: Final = 64 * 1024
"""Bytes, unpacked, of an answer that needs no place; nearly all answers are shorter."""
_ROOM: Final = 8 * 1024 * 1024
"""Bytes of longer answers that the process holds at a time, and those of one answer more. The rest wait unread."""
_FREED_AFTER: Final = 1.0
"""Seconds between the end of the last long response and the return of its memory: a task may still hold it."""
_THREAD: Final = ThreadPoolExecutor(1, thread_name_prefix="reader")

_T = TypeVar("_T")


class _Room:
    """What all long answers of one event loop share."""

    def __init__(self) -> None:
        self.held = 0
        self.beyond: Place | None = None
        """Whose bytes may be more than there is room for: else answers that arrived in part could wait for each
        other."""
        self.reader = asyncio.Lock()
        self._passed = 0  # bytes that were held since memory was given back last
        self._waiting: list[asyncio.Future[None]] = []

    async def more(self) -> None:
        """Wait until another answer made room."""
        self._waiting.append(asyncio.get_running_loop().create_future())
        await self._waiting[-1]

    def left(self, place: "Place", held: int, size: int) -> None:
        """Let all who wait look again, in their order; after many bytes give memory back, once none is held."""
        self.held -= held
        self._passed += size
        self.beyond = None if self.beyond is place else self.beyond
        if not self.held and self._passed > _ROOM:
            self._passed = 0
            asyncio.get_running_loop().call_later(_FREED_AFTER, _THREAD.submit, give_back)
        waiting, self._waiting = self._waiting, []
        for each in waiting:
            if not each.done():
                each.set_result(None)


_ROOMS: Final[WeakKeyDictionary[asyncio.AbstractEventLoop, _Room]] = WeakKeyDictionary()


class Place:
    """What one answer takes of the room for long ones, from when it turns out to be long until it was parsed."""

    __slots__ = ("_held", "_reads", "_room", "_token", "size")

    def __init__(self) -> None:
        self._room: _Room | None = None  # until it is needed, which it seldom is
        self._held = 0
        self.size = 0
        """The bytes of the answer once it is unpacked, if it was packed."""
        self._reads = False
        self._token: Token[Place | None] | None = None

    def __enter__(self) -> Self:
        self._token = _PLACE.set(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._token is not None:
            _PLACE.reset(self._token)
        self.leave()

    async def hold(self, size: int) -> None:
        """Wait until there is room for *size* bytes of this answer, and take it."""
        room = self._shared()
        while (over := room.held + size - self._held > _ROOM) and room.beyond not in {None, self}:
            await room.more()
        if over:
            room.beyond = self
        room.held += size - self._held
        self._held = size

    async def read(self) -> None:
        """Wait until no other long answer is unpacked or parsed; this one is until it leaves."""
        if not self._reads:
            await self._shared().reader.acquire()
            self._reads = True

    def _shared(self) -> _Room:
        if self._room is None:
            loop = asyncio.get_running_loop()
            self._room = _ROOMS.get(loop) or _ROOMS.setdefault(loop, _Room())
        return self._room

    def leave(self) -> None:
        """Make room: the answer is parsed, or it failed."""
        room = self._room
        if room is None:
            return
        if self._reads:
            room.reader.release()
            self._reads = False
        if self._held or self.size:
            room.left(self, self._held, self._held + self.size)
            self._held = self.size = 0


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


def asking(
    call: Callable[[Request], Awaitable[bytes]], now: Callable[[], float], unread: Callable[[PollError], None]
) -> Ask:
    """Return how a list or a history is read page by page: *call* makes a call and returns the body of its answer.

    *unread* is called with the error if *reader* raises one.
    """

    async def ask(request: Request, reader: Callable[[bytes], _T], /) -> tuple[_T, float]:
        with Place():
            body = await call(request)
            came = now()
            try:
                return await offloaded(body, partial(reader, body)), came
            except PollError as error:
                unread(error)
                raise

    return ask
