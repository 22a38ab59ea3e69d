"""The composition root: builds every part from the settings, runs them in one task group, and stops them cleanly."""

import asyncio
import errno
import gc
import os
import signal
import socket
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from exporter import __version__, logs
from exporter.clock import Clock, SystemClock
from exporter.cloud.project_pool import ProjectPool
from exporter.cloud.projects import Projects
from exporter.config import Settings
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.changes import STATIC, Changes
from exporter.model.errors import ExporterError
from exporter.polling.list_poller import ListPoller
from exporter.polling.poller import Poller
from exporter.reload import Reloader, digest
from exporter.runs.journal import Journal
from exporter.services import registry
from exporter.sources.discovery import Discovery
from exporter.sources.job_files import JobFiles
from exporter.sources.registration import Registration, polling
from exporter.supervise import keep_running, survive
from exporter.views import Jobs, Lifecycle, Metrics
from exporter.web.server import SCRAPES, make_app

STOP_WITHIN = 4.0
"""Seconds that open scrapes get to finish once the exporter stops."""


def spare_the_collector() -> None:
    """Let Python look for cycles of garbage less often.

    Nothing that is kept per job is part of a cycle. With the usual thresholds a look at all records, which are most of
    what there is, comes so often that it costs a fifth of each poll, and holds the event loop for a second where there
    are 100,000 jobs.
    """
    gc.set_threshold(5_000, 20, 100)


def _signalled(*numbers: int) -> asyncio.Event:
    """Return an event that these signals set."""
    event = asyncio.Event()
    for number in numbers:
        asyncio.get_running_loop().add_signal_handler(number, event.set)
    return event


class App:
    """Everything that runs, built from one set of settings, and from the next where *read* gives others.

    *environ* has the variables of a pod's identity; *path* is the file that is watched for another configuration.
    """

    def __init__(
        self,
        settings: Settings,
        clock: Clock | None = None,
        environ: Mapping[str, str] | None = None,
        *,
        read: Callable[[], Settings] | None = None,
        path: Path | None = None,
    ) -> None:
        self.settings = settings
        self._read = read or (lambda: settings)
        self._path = path
        self._written = digest(path)  # as early as can be: a change from here on is to be seen
        self.clock = clock or SystemClock()
        labels = settings.metrics.labels
        self.telemetry = Telemetry(labels.service)
        self.store = JobStore(settings.metrics.max_series, registry.identity(), labels.service, labels.job)
        self.telemetry.watch(lambda: self.store.series, lambda: self.store.dropped)
        self._projects = ProjectPool(self.clock, self.telemetry, os.environ if environ is None else environ)
        self._journal: Journal | None = None
        self._log = structlog.get_logger()

    @asynccontextmanager
    async def fleet(self) -> AsyncIterator[Projects]:
        """Open the connections that the projects share, and close them at the end."""
        async with self._projects as projects:
            yield await projects.use(self.settings)

    async def run(self, started: Callable[[str], None] = lambda address: None) -> None:
        """Serve and poll until SIGTERM or SIGINT; *started* is told the address once it answers."""
        spare_the_collector()
        stop, hang_up = _signalled(signal.SIGTERM, signal.SIGINT), _signalled(signal.SIGHUP)
        async with self.fleet() as fleet, self._journaled():
            poller = Poller(self.store, fleet, *polling(self.settings), self.clock, self.telemetry, self._journal)
            self.telemetry.watch_budgets(poller.demand.allowed, poller.demand.stretches)
            self.telemetry.watch_expiry(lambda: poller.fleet.expiries())
            self._name_shard()
            parts = _Parts(self, poller)
            parts.registration.register({STATIC: self.settings.jobs})
            # before anybody can ask whether all jobs were polled
            await survive(parts.files.look, self.telemetry.crashes.labels("job_files").inc, "job files")
            take = partial(self._take, parts)
            reloader = Reloader(self.settings, self._read, take, self.clock, self.telemetry, self._path, self._written)
            application = make_app(
                Metrics(self.store, self.telemetry),
                Jobs(self.store, poller, self.clock, parts.discovery.waiting),
                Lifecycle(reloader),
            )
            loops = parts.loops() | {"reload": partial(reloader.run, hang_up)}
            loops["authorities"] = reloader.watch_authorities
            if self._path is not None:
                loops["watch"] = reloader.watch
            if self._journal is not None:
                self._journal.wait_for(parts.all_read)
                loops["journal"] = self._journal.run
            async with self._served(application) as address, asyncio.TaskGroup() as group:
                self._log.info("started", version=__version__, address=address, jobs=len(self.store.records()))
                tasks = [group.create_task(poller.run(), name="poller")]
                for name, work in loops.items():
                    crashed = self.telemetry.crashes.labels(name).inc
                    tasks.append(group.create_task(keep_running(work, crashed, name), name=name))
                started(address)
                await stop.wait()
                await self._linger(application, poller)
                for task in tasks:
                    task.cancel()
        self._log.info("stopped")

    async def _take(self, parts: "_Parts", settings: Settings) -> Changes:
        """Go on with other settings; raises :class:`~exporter.model.errors.SettingsError` before anything changed."""
        fleet = await self._projects.use(settings)
        # Nothing else runs from here to the end: no poll and no scrape sees half of it.
        self.settings = settings
        changes = parts.registration.swap(settings, fleet)
        self.store.limit(settings.metrics.max_series)
        parts.use(settings)
        if self._journal is not None:
            self._journal.retention = settings.poll.retention
        logs.configure(settings.log.level, settings.log.format, settings.log.vendor_text)
        self._name_shard()
        await self._projects.close_unused()
        return changes

    def _name_shard(self) -> None:
        sharding = self.settings.sharding
        self.telemetry.shard.clear()
        self.telemetry.shard.labels(sharding.shard, sharding.shards).set(1)
        self.telemetry.shards.set(sharding.shards)

    @asynccontextmanager
    async def _journaled(self) -> AsyncIterator[None]:
        """Read the journal, if there is to be one, and write it a last time at the end."""
        path, retention = self.settings.journal, self.settings.poll.retention
        if path is None:
            yield
            return
        self._journal = Journal(path, retention, self.store, self.clock, self.telemetry)
        await self._journal.open()
        try:
            yield
        finally:
            await self._journal.close()

    @asynccontextmanager
    async def _served(self, application: web.Application) -> AsyncIterator[str]:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_WITHIN)
        await runner.setup()
        host, port = self.settings.web.host, self.settings.web.port
        try:
            try:
                await web.TCPSite(runner, host, port).start()
            except OSError as error:
                raise ExporterError(_not_listening(self.settings.web.listen_address, error)) from error
            found = runner.addresses[0]
            shown = "127.0.0.1" if found[0] in {"0.0.0.0", "::"} else found[0]  # noqa: S104 - a comparison
            yield f"http://{f'[{shown}]' if ':' in shown else shown}:{found[1]}"
        finally:
            await runner.cleanup()

    async def _linger(self, application: web.Application, poller: Poller) -> None:
        """Let one more scrape see the end of the jobs, for at most ``web.linger``."""
        if not self.settings.web.linger:
            return
        self._log.info("lingering", at_most_seconds=self.settings.web.linger)
        try:
            async with asyncio.timeout(self.settings.web.linger):
                await poller.poll_once_more()
                if self._journal is not None:
                    await self._journal.write()
                await application[SCRAPES].wait_next()
        except TimeoutError:
            self._log.warning("linger ended without a scrape")


def _not_listening(address: str, error: OSError) -> str:
    """Say why nothing can be served at *address*, and what to do."""
    if isinstance(error, socket.gaierror):
        why, remedy = "no machine of that name is known", "give an address of this machine"
    else:
        why = os.strerror(error.errno or 0)
        remedy = {
            errno.EADDRINUSE: "end the program that does",
            errno.EACCES: "take a port above 1023",
            errno.EADDRNOTAVAIL: "give an address that this machine has",
        }.get(error.errno or 0, "correct it")
    return f"cannot listen on {address}: {why}; {remedy}, or set web.listen_address (EXPORTER_WEB__LISTEN_ADDRESS)"


class _Parts:
    """What registers jobs, and tells of them, besides the section ``jobs``."""

    def __init__(self, app: App, poller: Poller) -> None:
        settings, store, telemetry, clock = app.settings, app.store, app.telemetry, app.clock
        self.registration = Registration(settings, store, poller, telemetry)
        register = self.registration.register
        self.files = JobFiles(settings, telemetry, register)
        self.discovery = Discovery(settings, poller, store, register, clock, telemetry)
        self.survey = ListPoller(settings, poller, store, clock, telemetry)

    def use(self, settings: Settings) -> None:
        """Go by other settings."""
        for part in (self.files, self.discovery, self.survey):
            part.use(settings)

    def all_read(self) -> bool:
        """Return whether all that could register a job has been read."""
        return self.files.all_read() and self.discovery.all_read()

    def loops(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Return what is to run, by name."""
        return {"job_files": self.files.run, "discovery": self.discovery.run, "survey": self.survey.run}
