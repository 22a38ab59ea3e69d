"""An event loop in which an hour passes in a second: when nothing is ready, time jumps to the next timer.

Time passes in no other way, so how long the machine takes for what it does changes nothing; only while the loop waits
for a thread and for nothing else it is the real one.

Sockets are real. A jump is made only once nothing is under way, so a server in the same loop answers before the time
moves on; and none while a thread works for the loop. Nothing is under way if the sockets of the loop received as many
bytes as they sent. Where that cannot be known, as where the other end is elsewhere, a short real wait has to see
nothing arrive, once until a socket is touched again: an idle second costs nothing.
"""

import asyncio
import selectors
import socket
import struct
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Executor
from typing import Any, TypeVar, TypeVarTuple, Unpack

START = 1_760_000_000.0
"""The Unix time at which every test begins."""
SINCE_BOOT = 1000.0
"""What the loop's own clock says then."""
TURN = 1e-6
"""Seconds that a turn of the loop takes, so that time never stands still."""
GRACE = 0.002
"""Seconds of real time that a byte on loopback gets to arrive, where it is not known that none is under way."""
TCP_INFO = getattr(socket, "TCP_INFO", None)  # Linux has it
RECEIVED, SENT = 128, 200
"""Where the counts of bytes are in ``struct tcp_info``."""
T = TypeVar("T")
Ts = TypeVarTuple("Ts")


class _Selector(selectors.DefaultSelector):
    """A selector that notes how far time jumped instead of waiting."""

    jumped = 0.0
    threads = 0
    """How many threads work for the loop."""
    _idle: frozenset[tuple[int, int, int, int]] = frozenset()
    """The sockets when nothing arrived, or nothing if one was ready since."""

    def select(self, timeout: float | None = None) -> list[Any]:
        self.jumped += TURN
        ready = super().select(0)
        if ready:
            self._idle = frozenset()
        if ready or timeout == 0:
            return ready
        if self.threads:
            began = time.monotonic()
            ready = super().select(timeout)
            self.jumped += time.monotonic() - began
            return ready
        sockets = frozenset((key.fd, key.events, *_counts(key.fd)) for key in self.get_map().values())
        ready = super().select(0 if sockets == self._idle or _still(sockets) else GRACE)
        self._idle = frozenset() if ready else sockets
        if ready or timeout is None:
            return ready or super().select(0.01)
        self.jumped += timeout
        return []


def _counts(fd: int) -> tuple[int, int]:
    """Return how many bytes a socket sent and received, as far as the kernel tells."""
    if TCP_INFO is None:
        return -1, 0
    borrowed = socket.socket(socket.AF_INET, socket.SOCK_STREAM, 0, fd)
    try:
        known = borrowed.getsockopt(socket.IPPROTO_TCP, TCP_INFO, SENT + 8)
        return struct.unpack_from("Q", known, SENT)[0], struct.unpack_from("Q", known, RECEIVED)[0]
    except OSError:
        return 0, 0  # the pair by which other threads wake the loop
    except struct.error:
        return -1, 0  # an old kernel
    finally:
        borrowed.detach()


def _still(sockets: frozenset[tuple[int, int, int, int]]) -> bool:
    """Return whether all that was sent arrived, and no connection is being made."""
    under_way = sum(sent - received for _, _, sent, received in sockets)
    return under_way == 0 and not any(events & selectors.EVENT_WRITE for _, events, _, _ in sockets)


class WarpLoop(asyncio.SelectorEventLoop):
    """A loop whose time is that of the jumps: what the machine does meanwhile takes none, however slow it is."""

    def __init__(self) -> None:
        self._jumps = _Selector()
        super().__init__(self._jumps)

    def run_in_executor(
        self, executor: Executor | None, func: Callable[[Unpack[Ts]], T], *args: *Ts
    ) -> asyncio.Future[T]:
        """Let a thread work; while the loop has nothing else to do, the time is the real one."""
        future = super().run_in_executor(executor, func, *args)
        self._jumps.threads += 1
        future.add_done_callback(self._worked)
        return future

    def _worked(self, _: object) -> None:
        self._jumps.threads -= 1

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Wait for the threads as long as they need: the limit that Python 3.12 and later have would be jumped over."""
        await super().shutdown_default_executor()

    def time(self) -> float:
        """Return the sum of the jumps, and of the real time in which the loop had only threads to wait for."""
        return SINCE_BOOT + self._jumps.jumped


class WarpClock:
    """The exporter's clock in a loop that jumps."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._zero = loop.time()

    def now(self) -> float:
        """Return the Unix time."""
        return START + self._loop.time() - self._zero

    def monotonic(self) -> float:
        """Return the loop's time."""
        return self._loop.time()


def run(main: Coroutine[Any, Any, T]) -> T:
    """Run *main* in a loop that jumps."""
    with asyncio.Runner(loop_factory=WarpLoop) as runner:
        return runner.run(main)
