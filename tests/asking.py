"""Reads lists and histories without a cloud: a function answers each call at once."""

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

from exporter.services.request import Ask, Request

T = TypeVar("T")
R = TypeVar("R")


def driven(
    reading: Callable[[Ask], Coroutine[Any, Any, T]], answer: Callable[[Request], bytes], now: float = 0.0
) -> tuple[T, list[Request]]:
    """Return what a reading comes to and the calls that it makes; what *answer* raises is how a call failed."""
    asked: list[Request] = []

    async def ask(request: Request, read: Callable[[bytes], R], /) -> tuple[R, float]:
        asked.append(request)
        return read(answer(request)), now

    running = reading(ask)
    try:
        running.send(None)
    except StopIteration as done:
        return done.value, asked
    raise AssertionError("a reading waits for nothing but its calls")
