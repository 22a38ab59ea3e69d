"""Keeps the program's tasks running: the only place that catches unexpected exceptions.

A crash in one poll must not stop the others. It is logged with its place in the code but without the exception's
message, which may quote a response of the vendor, and its owner counts it as ``internal``.
"""

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from typing import Any

import structlog

from exporter.logs import places

PAUSE = 1.0
"""Seconds before a loop that crashed is started again."""


def attempt(work: Callable[[], None], crashed: Callable[[], None], name: str) -> None:
    """Call *work*; if it crashes, log where, and tell its owner."""
    try:
        work()
    except Exception as error:  # noqa: BLE001 - see above
        _log_crash(error, name)
        crashed()


async def survive(work: Callable[[], Awaitable[None]], crashed: Callable[[], None], name: str) -> None:
    """Run *work* once; if it crashes, log where, and tell its owner."""
    try:
        await work()
    except Exception as error:  # noqa: BLE001 - see above
        _log_crash(error, name)
        crashed()


def _log_crash(error: Exception, name: str) -> None:
    structlog.get_logger().error("crashed", task=name, exception=type(error).__name__, traceback=places(error))


async def keep_running(work: Callable[[], Awaitable[None]], crashed: Callable[[], None], name: str) -> None:
    """Run *work* for ever, again after each crash."""
    while True:
        await survive(work, crashed, name)
        await asyncio.sleep(PAUSE)


def resolve(future: Future[Any], call: Callable[[], Any]) -> None:
    """Run *call* in a thread; what it returns or raises is the outcome of *future*, as every executor does it."""
    if not future.set_running_or_notify_cancel():
        return
    try:
        result = call()
    except BaseException as error:  # noqa: BLE001 - handed on, not handled
        future.set_exception(error)
    else:
        future.set_result(result)
