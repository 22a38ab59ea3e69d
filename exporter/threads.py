"""Threads for blocking work: a disk, a name server, or a computation that would block the event loop.

A call into a hung mount never returns and cannot be cancelled. So each blocking call has its own thread, which does not
delay other calls, and for which the interpreter does not wait at exit.
"""

import asyncio
import sys
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from threading import Thread
from typing import Final, ParamSpec, TypeVar

from exporter.supervise import resolve

P = ParamSpec("P")
_T = TypeVar("_T")

_COMPUTING: Final = ThreadPoolExecutor(4, "compute")
_LOCKED_FOR: Final = 0.0005
"""Seconds for which a thread that computes may keep Python's lock while the event loop waits for it. The loop lets go
of it at each call to the kernel, some five for each connection: with the usual 5 ms a scrape beside two lists that are
made waits ten times as long."""


class _DaemonThreads(ThreadPoolExecutor):
    """An executor that starts a daemon thread for each call; shutting it down waits for none of them."""

    def submit(self, fn: Callable[P, _T], /, *args: P.args, **kwargs: P.kwargs) -> Future[_T]:
        """Start a call."""
        future: Future[_T] = Future()
        Thread(target=resolve, args=(future, partial(fn, *args, **kwargs)), name="blocking call", daemon=True).start()
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """Return at once."""
        del wait, cancel_futures


def use_daemon_threads() -> None:
    """Let ``asyncio.to_thread``, and the look-up of names, use daemon threads in the running loop.

    Threads that compute give way to the loop soon.
    """
    sys.setswitchinterval(_LOCKED_FOR)
    asyncio.get_running_loop().set_default_executor(_DaemonThreads())


def wait_for(work: Callable[[], _T]) -> _T:
    """Run *work* in a daemon thread and wait for it; a signal is handled meanwhile, even if *work* hangs."""
    return _DaemonThreads().submit(work).result()


async def compute(work: Callable[P, _T], *args: P.args, **kwargs: P.kwargs) -> _T:
    """Run *work*, which only computes, in one of a few threads: more would only take the processor from the loop."""
    return await asyncio.get_running_loop().run_in_executor(_COMPUTING, partial(work, *args, **kwargs))
