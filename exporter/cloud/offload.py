"""Reading answers outside the event loop where that takes long.

One thread for all, so that the memory that reading takes is that of one answer. Python's switching between threads
leaves the loop waiting for 5 ms at the most.
"""

import asyncio
from collections.abc import Callable, Generator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from typing import Final, Generic, TypeVar

from exporter.services.request import Request

SHORT: Final = 64 * 1024
"""Bytes of an answer that is read in the loop: that takes 3 ms, and nearly all answers are shorter."""
_THREAD: Final = ThreadPoolExecutor(1, thread_name_prefix="reader")

S = TypeVar("S")
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Done(Generic[T]):
    """What a reading came to."""

    result: T


async def read(body: bytes, work: Callable[[], T]) -> T:
    """Return what *work*, which reads *body*, returns."""
    if len(body) <= SHORT:
        return work()
    return await asyncio.get_running_loop().run_in_executor(_THREAD, work)


async def advance(steps: Generator[Request, S, T], body: bytes, sent: S) -> Request | Done[T]:
    """Send *sent*, which holds *body*, into a reading of several calls; return its next call, or its result."""
    return await read(body, partial(_advance, steps, sent))


def _advance(steps: Generator[Request, S, T], sent: S) -> Request | Done[T]:
    try:
        return steps.send(sent)
    except StopIteration as done:  # which no future can hold
        return Done(done.value)
