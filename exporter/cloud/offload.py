"""Reading answers outside the event loop where that takes long.

One thread for all, so that the memory that reading takes is that of one answer. Python's switching between threads
leaves the loop waiting for 5 ms at the most.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Final, TypeVar

from exporter.services.request import Ask, Request

_SHORT: Final = 2 * 1024
"""Bytes of an answer that is read in the loop. Even so short a one may have 700 empty rows, which take up to 30 ms."""
_THREAD: Final = ThreadPoolExecutor(1, thread_name_prefix="reader")

_T = TypeVar("_T")


async def offloaded(body: bytes, work: Callable[[], _T]) -> _T:
    """Return what *work*, which reads *body*, returns."""
    if len(body) <= _SHORT:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)


def asking(call: Callable[[Request], Awaitable[bytes]], now: Callable[[], float]) -> Ask:
    """Return how a list or a history is read page by page: *call* makes a call and returns the body of its answer."""

    async def ask(request: Request, reader: Callable[[bytes], _T], /) -> tuple[_T, float]:
        body = await call(request)
        came = now()
        return await offloaded(body, partial(reader, body)), came

    return ask
