"""The exporter as a process of a simulated machine: the real application, started, stopped and killed.

What it asks of its machine besides clock, loop and network (the journal's disk, signals, the state of a socket) is put
into its modules here; nothing of the exporter itself is replaced.
"""

import asyncio
import contextvars
import select as real_select
import signal
import socket
from collections.abc import Callable
from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import aiohttp.connector
import prometheus_client.exposition
import prometheus_client.openmetrics.exposition
import structlog

import exporter.app
import exporter.cloud.connection
import exporter.logs
import exporter.runs.journal
import exporter.signals
import exporter.web.listening.listener
from exporter.config import load
from exporter.limits.rate_limiter import Limiter
from exporter.metrics.store import JobStore
from exporter.model.errors import ExporterError
from exporter.polling.calls import Calls
from exporter.polling.demand import Demand
from exporter.polling.history import HistoryReader
from exporter.polling.list_results import ListResults
from exporter.polling.poller import Poller
from exporter.polling.results import Results
from exporter.polling.schedule import ScheduleQueue
from exporter.polling.staleness import Staleness
from exporter.sources.discovery import Discovery
from exporter.sources.job_files import JobFiles
from tests.world.disk import WorldDisk
from tests.world.network import Network
from tests.world.timepieces import HOST, Host

PORT: Final = 10926
CLASSES: Final = {
    each.__name__: each
    for each in (Calls, Demand, Discovery, HistoryReader, JobFiles, JobStore, Limiter, ListResults, Results)
} | {"ScheduleQueue": ScheduleQueue, "Staleness": Staleness}
Note = Callable[..., None]


class _Poll:
    """Stands for `select.poll`: whether something came that was not handed over."""

    def __init__(self, network: Network) -> None:
        self._network = network
        self._number = -1

    def register(self, number: int, _: int) -> None:
        self._number = number

    def poll(self, _: float) -> list[Any]:
        wire = self._network.wire(self._number)
        return [(self._number, real_select.POLLIN)] if wire is not None and wire.kernel else []


class _Select:
    POLLIN = real_select.POLLIN

    def __init__(self, network: Network) -> None:
        self._network = network

    def poll(self) -> _Poll:
        return _Poll(self._network)


class _Sockets:
    """Stands for the module `socket`: whoever listens does it in this world."""

    def __init__(self, network: Network) -> None:
        self.create_server = network.create_server

    def __getattr__(self, name: str) -> Any:
        return getattr(socket, name)


class _Signals:
    """Stands for the module `signal`: each process has handlers of its own."""

    def __getattr__(self, name: str) -> Any:
        return getattr(signal, name)

    @staticmethod
    def signal(number: int, handler: Any) -> Any:
        host = HOST.get()
        assert host is not None
        before = host.handlers.get(number, signal.SIG_DFL)
        host.handlers[number] = handler
        return before


POLLERS: Final[dict[Host, Poller]] = {}
"""The poll loop of each process, to look at its schedule."""


class _WatchedPoller(Poller):
    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        host = HOST.get()
        assert host is not None
        POLLERS[host] = self


def _own_disk() -> WorldDisk:
    host = HOST.get()
    assert host is not None
    disk: WorldDisk = host.disk
    return disk


def surround(network: Network, note: Note) -> None:
    """Put the machine into the exporter's modules, for good."""
    modules: Any = exporter
    library: Any = aiohttp.connector
    library.aiohappyeyeballs.start_connection = network.start_connection
    modules.cloud.connection.select = _Select(network)
    modules.web.listening.listener.socket = _Sockets(network)
    modules.runs.journal.Disk = _own_disk
    modules.signals.signal = _Signals()
    modules.logs.configure = lambda *_: None
    modules.app.Poller = _WatchedPoller
    modules.app.spare_the_collector = lambda: None
    openmetrics = prometheus_client.openmetrics.exposition
    names = ("escape_label_name", "escape_metric_name", "_escape")
    for owner, name in ((prometheus_client.exposition, "floatToGoString"), *((openmetrics, name) for name in names)):
        setattr(owner, name, lru_cache(maxsize=1_000)(getattr(owner, name)))

    def tell(_: object, level: str, event: Any) -> Any:
        host = HOST.get()
        name = event.pop("event")
        facts = " ".join(f"{key}={value!r}" for key, value in event.items() if key != "traceback")
        note(host.name if host else "?", f"log {level} {name} {facts}", tags=event)
        raise structlog.DropEvent

    structlog.configure(
        processors=[tell],
        wrapper_class=structlog.make_filtering_bound_logger(20),
        cache_logger_on_first_use=False,
    )


ARMED: Final[list[tuple[Any, str, Any]]] = []
"""Methods whose next call fails, and what they are otherwise."""


def fail_once(where: str) -> None:
    """Let the next call of a method of the exporter fail, in the process that runs now."""
    name, _, method = where.partition(".")
    owner: Any = CLASSES[name]
    right = getattr(owner, method)

    def wrong(*_: Any, **__: Any) -> Any:
        setattr(owner, method, right)
        raise RuntimeError("a bug of this world")

    ARMED.append((owner, method, right))
    setattr(owner, method, wrong)


def disarm() -> None:
    """Let no method fail any more: what fails while a process starts ends it, as it should."""
    while ARMED:
        setattr(*ARMED.pop())


class Machine:
    """A machine with one exporter; its disk and its folder stay while processes come and go."""

    def __init__(self, name: str, address: str, network: Network, disk: WorldDisk, note: Note) -> None:
        self.name, self.address = name, address
        self.config = Path(name) / "exporter.yaml"
        self.config.parent.mkdir()
        self.disk = disk
        self.host: Host | None = None
        self.offset = 0.0
        self.ended: asyncio.Future[str] | None = None
        self.began = 0.0
        self.starts: list[float] = []
        self._network = network
        self._note = note

    @property
    def up(self) -> bool:
        """Whether a process is there that has not ended."""
        return self.host is not None and self.host.alive and self.ended is not None and not self.ended.done()

    def start(self) -> None:
        """Start a process."""
        disarm()
        loop = asyncio.get_running_loop()
        self.starts.append(loop.time())
        host = Host(self.name, self.address, offset=self.offset, disk=self.disk)
        self.host = self._network.hosts[self.address] = host
        self.disk.on_death = lambda: self.kill("in the middle of a write")
        self.began = loop.time()
        self.ended = ended = loop.create_future()
        context = contextvars.copy_context()
        context.run(HOST.set, host)
        self._task = loop.create_task(self._main(ended), context=context, name=self.name)
        self._note(self.name, f"start {len(self.starts)}")

    async def _main(self, ended: asyncio.Future[str]) -> None:
        why = "stopped"
        try:
            settings = await asyncio.to_thread(load, self.config, {})
            app = exporter.app.App(settings, environ={}, read=lambda: load(self.config, {}), path=self.config)
            await app.run()
        except ExporterError as error:
            why = f"refused: {error}"
        except Exception as error:  # noqa: BLE001 - whatever ends the program is a finding
            why = f"crashed: {error!r}"
        self._note(self.name, f"end {why}")
        host = HOST.get()
        if host is not None:
            self._network.kill(host)
        if not ended.done():
            ended.set_result(why)

    def signal(self, number: int) -> None:
        """Send a signal."""
        host = self.host
        if host is None or not self.up:
            return
        handler = host.handlers.get(number)
        self._note(self.name, f"signal {signal.Signals(number).name}")
        if callable(handler):
            context = contextvars.copy_context()
            context.run(HOST.set, host)
            asyncio.get_running_loop().call_soon(handler, number, None, context=context)
        elif number in (signal.SIGTERM, signal.SIGINT):
            self.kill("by a signal that nobody handled")

    def kill(self, how: str) -> None:
        """End the process at once."""
        if self.host is not None and self.up:
            self._note(self.name, f"killed {how}")
            self._network.kill(self.host)
            if self.ended is not None and not self.ended.done():
                self.ended.set_result("killed")

    def set_clock(self, offset: float) -> None:
        """Set its wall clock."""
        self.offset = offset
        if self.host is not None:
            self.host.offset = offset
