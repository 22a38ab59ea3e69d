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
from functools import partial
from itertools import count
from math import ulp
from pathlib import Path
from typing import Any, ClassVar, Final

import exporter
from tests.world.timepieces import HOST, REAL_CPU, Host

BUSY: Final = 200_000
"""Callbacks after which a loop whose time does not move is taken to run in circles."""


_BASE: Any = (
    asyncio.BaseEventLoop
)  # what it is called with is what this exporter and its libraries do, not all there is


_HOUSE: Final = str(Path(exporter.__file__).parent)


RESOLUTION: Final = 1e-9
"""Seconds by which timers may differ that are due at the same time."""


PAUSES: Final = 12
"""Times at most that the loop goes on in the middle of one call in a thread."""
PAUSE: Final = 0.05
"""Seconds at most for which a thread does not go on."""
EARLY: Final = 40
"""The first lines of a call, at one of which a thread stands still if it does so once."""


class WorldEndedError(BaseException):
    """Nothing will ever happen any more, or the same for ever."""


class Killed(BaseException):
    """The process that runs this was killed at this step."""


class _Task(asyncio.Task[Any]):
    """A task whose place in a set is the same in every process."""

    def __hash__(self) -> int:
        return _number(self)


class _Future(asyncio.Future[Any]):
    """A future whose place in a set is the same in every process."""

    def __hash__(self) -> int:
        return _number(self)


_NUMBERS: Final = count(1)


def _number(thing: Any) -> int:
    """Return a number that a task or a future gets when it is first put into a set."""
    found: int | None = getattr(thing, "_number", None)
    if found is None:
        found = thing._number = next(_NUMBERS)
    return found


class _Handle(events.Handle):
    """A callback; it is made without what a loop in debug mode asks."""

    __slots__ = ()

    def __init__(self, callback: Any, args: Any, loop: Any, context: contextvars.Context | None) -> None:
        made: Any = self  # the attributes of asyncio's own
        made._context = contextvars.copy_context() if context is None else context
        made._loop, made._callback, made._args = loop, callback, args
        made._cancelled, made._repr, made._source_traceback = False, None, None


class _Timer(events.TimerHandle):
    """The same for a timer."""

    __slots__ = ()

    def __init__(self, when: float, callback: Any, args: Any, loop: Any, context: contextvars.Context | None) -> None:
        made: Any = self
        made._context = contextvars.copy_context() if context is None else context
        made._loop, made._callback, made._args = loop, callback, args
        made._cancelled, made._repr, made._source_traceback = False, None, None
        made._when, made._scheduled = when, False


class WorldLoop(_BASE):  # type: ignore[misc]
    """The loop; *network* answers for everything that has to do with sockets."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__()
        self._rng = rng
        self._passed = 1000.0
        self._since_jump = 0
        self._timers: list[tuple[float, int, _Timer]] = []
        self._timer_numbers = count()
        self.network: Any = None
        self.events = 0
        self.preempted = 0.0
        """The share of calls in threads between whose lines the event loop runs."""
        self.stalls = 0.0
        """Seconds at most for which such a call stands still at one of its first lines; 0 if it pauses often and not
        for long."""
        self._frozen: dict[Host, list[events.Handle]] = {}
        self.set_task_factory(self._make_task)

    def time(self) -> float:
        """Return the simulated time."""
        return self._passed

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

    def call_soon(self, callback: Any, *args: Any, context: contextvars.Context | None = None) -> events.Handle:
        """Call at this moment, after all that is ready already."""
        self.events += 1
        self._since_jump += 1
        if self._since_jump > BUSY:
            raise WorldEndedError(f"time stands still; the next callback would be {callback}")
        handle = _Handle(callback, args, self, context)
        self._ready.append(handle)
        return handle

    def call_later(
        self, delay: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Call some seconds later."""
        return self.call_at(self._passed + delay, callback, *args, context=context)

    def call_at(
        self, when: float, callback: Any, *args: Any, context: contextvars.Context | None = None
    ) -> asyncio.TimerHandle:
        """Call at a time of this loop."""
        timer = _Timer(when, callback, args, self, context)
        heapq.heappush(self._timers, (when, next(self._timer_numbers), timer))
        return timer

    def _run_once(self) -> None:
        """Let time pass if nothing is ready, then run what is, as `BaseEventLoop` does it with sockets and a clock."""
        ready, timers = self._ready, self._timers
        while timers and timers[0][2]._cancelled:
            heapq.heappop(timers)
        if not ready and not self._stopping:
            if not timers:
                raise WorldEndedError("nothing will ever happen any more")
            if timers[0][0] > self._passed:
                self._passed = timers[0][0]
                self._since_jump = 0
        end = self._passed + max(RESOLUTION, ulp(self._passed))  # after half a year the one is less than the other
        while timers and timers[0][0] < end:
            ready.append(heapq.heappop(timers)[2])
        for _ in range(len(ready)):
            handle = ready.popleft()
            if not handle._cancelled:
                self._run(handle)

    def _run(self, handle: Any) -> None:
        """Run a callback, but not if its process is dead, and later if it is stopped."""
        host = handle._context.get(HOST)
        if host is not None:
            if not host.alive:
                return
            if host.frozen_until > self._passed:
                self.thaw(host, handle)
                return
        began = REAL_CPU()
        try:
            handle._context.run(handle._callback, *handle._args)
        except (SystemExit, KeyboardInterrupt, WorldEndedError):
            raise
        except BaseException as problem:  # noqa: BLE001 - told, as asyncio does
            self.call_exception_handler({"message": "a callback failed", "exception": problem, "handle": handle})
        if host is not None and handle._callback != self._work:  # what a thread does holds no loop
            host.busiest = max(host.busiest, REAL_CPU() - began)

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


class _Thread:
    """A real thread that runs one call after another, only while the loop waits for it.

    The two hand over to each other by locks. A thread is used again by the next call: starting one costs more than
    most calls do.
    """

    def __init__(self) -> None:
        self.goes_on, self.paused = threading.Lock(), threading.Lock()
        self.goes_on.acquire()
        self.paused.acquire()
        self.work: Callable[[], None] = lambda: None
        threading.Thread(target=self._run, daemon=True).start()

    def _run(self) -> None:
        while True:
            self.goes_on.acquire()
            self.work()
            self.paused.release()


class SteppedCall:
    """A call in a real thread that runs only while the loop waits for it: after some lines the loop goes on.

    Thread and loop never run at the same time, so which lines of both come in which order is of the seed.
    """

    _free: ClassVar[list[_Thread]] = []

    def __init__(
        self, loop: WorldLoop, future: asyncio.Future[Any], func: Callable[..., Any], args: Any, rng: random.Random
    ) -> None:
        self._loop, self._future, self._func, self._args, self._rng = loop, future, func, args, rng
        self._host = HOST.get()
        self._over: tuple[Any, BaseException | None] | None = None
        self._most = EARLY if loop.stalls else rng.choice((4, 40, 200))
        self._pauses = 1 if loop.stalls else PAUSES
        self._left = rng.randint(1, self._most)
        self._thread = self._free.pop() if self._free else _Thread()
        self._thread.work = partial(contextvars.copy_context().run, self._run)

    def step(self) -> None:
        """Let the thread go on until it pauses or is over."""
        self._thread.goes_on.release()
        self._thread.paused.acquire()
        if self._over is None:
            self._loop.call_later(self._rng.uniform(0.0001, self._loop.stalls or PAUSE), self.step)
            return
        self._free.append(self._thread)
        if not isinstance(self._over[1], Killed):
            self._loop.finished(self._future, self._host, *self._over)

    def _run(self) -> None:
        sys.settrace(self._trace)
        self._over = called(self._func, self._args)
        sys.settrace(None)

    def _trace(self, frame: Any, event: str, _: Any) -> Any:
        if not frame.f_code.co_filename.startswith(_HOUSE):
            return None
        if event == "line":
            self._left -= 1
            if self._left == 0:
                self._pauses -= 1
                self._left = self._rng.randint(1, self._most)
                self._thread.paused.release()
                self._thread.goes_on.acquire()
                if not self._pauses:
                    sys.settrace(None)
                    return None
        return self._trace


def _tell(future: asyncio.Future[Any], result: Any, error: BaseException | None) -> None:
    if future.done():
        return
    if error is not None:
        future.set_exception(error)
    else:
        future.set_result(result)
