"""An event loop without a machine: time jumps to the next timer, threads are callbacks of a later moment.

What is ready runs in the order in which it became so, as in any event loop. When something becomes ready is drawn from
one random source: how long packets, names and disks take. So the same seed gives the same order.
"""

import asyncio
import contextvars
import heapq
import random
import sys
import threading
from asyncio import events
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final, cast

import exporter
from tests.world.timepieces import HOST, REAL_CPU, Host

BUSY: Final = 200_000
"""Callbacks after which a loop whose time does not move is taken to run in circles."""


_BASE: Any = (
    asyncio.BaseEventLoop
)  # what it is called with is what this exporter and its libraries do, not all there is


_HOUSE: Final = str(Path(exporter.__file__).parent)


PAUSES: Final = 12
"""Times at most that the loop goes on in the middle of one call in a thread."""


class WorldEndedError(BaseException):
    """Nothing will ever happen any more, or the same for ever."""


class Killed(BaseException):
    """The process that runs this was killed at this step."""


class _Task(asyncio.Task[Any]):
    """A task whose place in a set is the same in every process."""

    _count = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _Task._count += 1
        self._number = _Task._count
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class _Future(asyncio.Future[Any]):
    """A future whose place in a set is the same in every process."""

    _count = 0

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _Future._count += 1
        self._number = _Future._count
        super().__init__(*args, **kwargs)

    def __hash__(self) -> int:
        return self._number


class _Jump:
    """Stands for the selector: instead of waiting for sockets, time moves on."""

    def __init__(self, loop: "WorldLoop") -> None:
        self._loop = loop

    def select(self, timeout: float | None) -> list[Any]:
        """Let *timeout* seconds pass at once."""
        if timeout is None:
            raise WorldEndedError("nothing will ever happen any more")
        if timeout > 0:
            self._loop.jump(timeout)
        return []

    def close(self) -> None:
        """Do nothing."""


class _Handle(events.Handle):
    """A callback that does not run if its process is dead, and later if it is stopped."""

    __slots__ = ()

    def _run(self) -> None:
        _run_for_host(self)


class _Timer(events.TimerHandle):
    """The same of a timer."""

    __slots__ = ()

    def _run(self) -> None:
        _run_for_host(self)


def _run_for_host(handle: Any) -> None:
    host = handle._context.get(HOST)
    if host is None:
        events.Handle._run(handle)
    elif not host.alive:
        return
    elif host.frozen_until > handle._loop.time():
        handle._loop.thaw(host, handle)
    else:
        began = REAL_CPU()
        events.Handle._run(handle)
        host.busiest = max(host.busiest, REAL_CPU() - began)


class WorldLoop(_BASE):  # type: ignore[misc]
    """The loop; *network* answers for everything that has to do with sockets."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng
        self._passed = 1000.0
        self._since_jump = 0
        self._selector = _Jump(self)
        self.network: Any = None
        self.events = 0
        self.preempted = 0.0
        """The share of calls in threads between whose lines the event loop runs."""
        self._frozen: dict[Host, list[events.Handle]] = {}
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """Return the simulated time."""
        return self._passed

    def jump(self, seconds: float) -> None:
        """Let time pass."""
        self._passed += seconds
        self._since_jump = 0

    def _make_task(self, loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        task = _Task(coroutine, loop=loop, **options)
        context = options.get("context")
        host = HOST.get() if context is None else context.get(HOST)
        if host is not None:
            host.tasks.add(task)
            task.add_done_callback(host.tasks.discard)
        return task

    def create_future(self) -> asyncio.Future[Any]:
        """Return a future."""
        return _Future(loop=self)

    # callbacks

    def _call_soon(self, callback: Any, args: Any, context: contextvars.Context | None) -> events.Handle:
        self.events += 1
        self._since_jump += 1
        if self._since_jump > BUSY:
            raise WorldEndedError(f"time stands still; the next callback would be {callback}")
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Call at a time of this loop."""
        timer: Any = _Timer(when, callback, args, self, context)
        heapq.heappush(self._scheduled, timer)
        timer._scheduled = True
        return cast("asyncio.TimerHandle", timer)

    def call_soon_threadsafe(
        self, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.Handle:
        """Call soon: there are no threads."""
        handle: asyncio.Handle = self.call_soon(callback, *args, context=context)
        return handle

    def thaw(self, host: Host, handle: events.Handle) -> None:
        """Keep a callback until its process goes on."""
        kept = self._frozen.setdefault(host, [])
        kept.append(handle)
        if len(kept) == 1:
            self.call_at(host.frozen_until, self._go_on, host, context=contextvars.Context())

    def _go_on(self, host: Host) -> None:
        self._ready.extend(self._frozen.pop(host, []))

    def _write_to_self(self) -> None:
        pass

    def _process_events(self, event_list: list[Any]) -> None:
        pass

    # threads

    def run_in_executor(self, executor: Any, func: Callable[..., Any], *args: Any) -> asyncio.Future[Any]:
        """Run *func* at once at a later moment, and tell its result later still, by what its disk took."""
        future, host = self.create_future(), HOST.get()
        self.call_later(self._rng.uniform(0.0001, 0.003), self._work, future, host, func, args)
        return future

    def _work(self, future: asyncio.Future[Any], host: Host | None, func: Callable[..., Any], args: Any) -> None:
        if self.preempted and self._rng.random() < self.preempted:
            SteppedCall(self, future, func, args, self._rng).step()
            return
        result, error = called(func, args)
        if isinstance(error, Killed):
            return
        self.finished(future, host, result, error)

    def finished(
        self, future: asyncio.Future[Any], host: Host | None, result: Any, error: BaseException | None
    ) -> None:
        """Tell what became of a call in a thread, by what its disk took."""
        took = 0.0
        if host is not None and host.disk is not None:
            took = host.disk.took()
        self.call_later(took + self._rng.uniform(0.0001, 0.002), _tell, future, result, error)

    def set_default_executor(self, executor: Any) -> None:
        """Do nothing: there are no threads."""

    async def shutdown_default_executor(self, timeout: float | None = None) -> None:
        """Do nothing."""

    # sockets

    async def getaddrinfo(self, host: Any, port: Any, **options: Any) -> Any:
        """Look up a name."""
        return await self.network.getaddrinfo(host, port)

    async def create_connection(self, factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        """Connect."""
        return await self.network.create_connection(factory, host, port, options.get("sock"))

    async def create_server(self, factory: Any, host: Any = None, port: Any = None, **options: Any) -> Any:
        """Listen."""
        return self.network.listen(factory, port)

    def add_reader(self, sock: Any, callback: Any, *args: Any) -> None:
        """Call back whenever a listening socket has a connection."""
        sock.watch(callback, *args)

    def remove_reader(self, sock: Any) -> None:
        """Call nobody back any more."""
        sock.watch(None)

    async def connect_accepted_socket(self, factory: Any, sock: Any, **options: Any) -> Any:
        """Hand an accepted connection over to a protocol."""
        protocol = factory()
        sock.wire.begin(protocol)
        return sock.wire, protocol


def called(func: Callable[..., Any], args: Any) -> tuple[Any, BaseException | None]:
    """Return what a call gave or raised."""
    try:
        return func(*args), None
    except BaseException as problem:  # noqa: BLE001 - handed on, as every executor does
        return None, problem


class SteppedCall:
    """A call in a real thread that runs only while the loop waits for it: after some lines the loop goes on.

    Thread and loop never run at the same time, so which lines of both come in which order is of the seed.
    """

    def __init__(
        self, loop: WorldLoop, future: asyncio.Future[Any], func: Callable[..., Any], args: Any, rng: random.Random
    ) -> None:
        self._loop, self._future, self._func, self._args, self._rng = loop, future, func, args, rng
        self._host = HOST.get()
        self._mine, self._theirs = threading.Semaphore(0), threading.Semaphore(0)
        self._over: tuple[Any, BaseException | None] | None = None
        self._most = rng.choice((4, 40, 200))
        self._pauses = PAUSES
        self._left = rng.randint(1, self._most)
        context = contextvars.copy_context()
        self._thread = threading.Thread(target=context.run, args=(self._run,), daemon=True)

    def step(self) -> None:
        """Let the thread go on until it pauses or is over."""
        if self._thread.ident is None:
            self._thread.start()
        self._mine.release()
        self._theirs.acquire()
        if self._over is None:
            self._loop.call_later(self._rng.uniform(0.0001, 0.05), self.step)
        elif not isinstance(self._over[1], Killed):
            self._loop.finished(self._future, self._host, *self._over)

    def _run(self) -> None:
        self._mine.acquire()
        sys.settrace(self._trace)
        self._over = called(self._func, self._args)
        sys.settrace(None)
        self._theirs.release()

    def _trace(self, frame: Any, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_HOUSE):
            return None
        if event == "line" and self._pauses:
            self._left -= 1
            if self._left == 0:
                self._pauses -= 1
                self._left = self._rng.randint(1, self._most)
                self._theirs.release()
                self._mine.acquire()
        return self._trace


def _tell(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
