"""Signals as events of the event loop."""

import asyncio
import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def signalled(*numbers: int) -> Iterator[asyncio.Event]:
    """Provide an event that these signals set; afterwards they do again what they did before.

    The loop's own handlers would leave the signals at their defaults, which end the process, when it is closed.
    """
    event, loop = asyncio.Event(), asyncio.get_running_loop()
    before = {number: signal.signal(number, lambda *_: loop.call_soon_threadsafe(event.set)) for number in numbers}
    try:
        yield event
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
