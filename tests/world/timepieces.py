"""Machines that are simulated, and the clocks of the `time` module as they read them.

A machine is known by a context variable, so that whatever code runs for it, in whichever callback, reads its clock.
`install` puts functions into `time` that ask the simulated world while there is one. It must be called before
anything is imported that keeps one of these functions for itself.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Final

START: Final = 1_760_000_000.0
"""The Unix time at which every world begins."""
REAL_CPU: Final = time.thread_time
REAL_TIME: Final = time.monotonic


@dataclass(eq=False)
class Host:
    """One process of one machine: a process that is started again is another host with the same name."""

    name: str
    address: str
    alive: bool = True
    frozen_until: float = 0.0
    """Nothing runs before this time of the loop: the process is stopped, or its machine is."""
    offset: float = 0.0
    """Seconds by which its wall clock is ahead."""
    handlers: dict[int, Callable[..., Any]] = field(default_factory=dict)
    """What it does on which signal."""
    disk: Any = None
    tasks: set[Any] = field(default_factory=set)
    """Those that are not over; a dead host keeps them, so that nothing of them runs any more."""
    busiest: float = 0.0
    """CPU seconds of the longest callback."""


HOST: Final[ContextVar[Host | None]] = ContextVar("host", default=None)


class Now:
    """The time of the one world of this process, or of the machine while there is none."""

    loop: Callable[[], float] | None = None


def wall() -> float:
    """Return the Unix time of the host that asks."""
    if Now.loop is None:
        return _TIME()
    host = HOST.get()
    return START + Now.loop() + (host.offset if host is not None else 0.0)


def monotonic() -> float:
    """Return the time of the loop."""
    return _MONOTONIC() if Now.loop is None else Now.loop()


_TIME: Final = time.time
_MONOTONIC: Final = time.monotonic


def install() -> None:
    """Replace the clocks of this process for good."""
    time.time = wall
    time.monotonic = monotonic
    time.perf_counter = monotonic
    time.time_ns = lambda: int(wall() * 1e9)
    time.monotonic_ns = lambda: int(monotonic() * 1e9)
