"""The composition root: builds every part from the settings, runs them in one task group, and stops them cleanly."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path

import structlog
from aiohttp import web

from exporter import __version__, logs
from exporter.clock import Clock, SystemClock
from exporter.cloud.fleet import Fleet
from exporter.core.board import Board
from exporter.core.errors import ExporterError
from exporter.core.model import Job
from exporter.core.registry import STATIC, Changes, Registry
from exporter.core.schedule import Pace
from exporter.core.services import load
from exporter.core.shards import shard_of
from exporter.jobfiles import JobFiles
from exporter.poller import Poller
from exporter.projects import Projects
from exporter.reload import Reloader, numbers, watch
from exporter.settings import Settings
from exporter.supervise import keep_running, survive
from exporter.telemetry import Telemetry
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


def _polling(settings: Settings) -> tuple[Pace, int]:
    poll = settings.poll
    return Pace(poll.interval, poll.idle_interval, poll.stale_after), poll.concurrency


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
        self.clock = clock or SystemClock()
        labels = settings.metrics.labels
        self.telemetry = Telemetry(labels.service)
        self.board = Board(settings.metrics.max_series, labels.service, labels.job)
        self.telemetry.watch(lambda: self.board.series, lambda: self.board.dropped)
        self.registry = Registry(load())
        self.telemetry.watch_refused(self.registry.refused)
        self._projects = Projects(self.clock, self.telemetry, os.environ if environ is None else environ)
        self._sources: dict[str, Sequence[Job]] = {}
        self._log = structlog.get_logger()

    @asynccontextmanager
    async def fleet(self) -> AsyncIterator[Fleet]:
        """Open the connections that the projects share, and close them at the end."""
        async with self._projects as projects:
            yield await projects.use(self.settings)

    async def run(self, started: Callable[[str], None] = lambda address: None) -> None:
        """Serve and poll until SIGTERM or SIGINT; *started* is told the address once it answers."""
        spare_the_collector()
        stop, hang_up = _signalled(signal.SIGTERM, signal.SIGINT), _signalled(signal.SIGHUP)
        async with self.fleet() as fleet:
            poller = Poller(self.board, fleet, *_polling(self.settings), self.clock, self.telemetry)
            self.telemetry.watch_budgets(poller.demand.allowed, poller.demand.stretches)
            self.telemetry.watch_expiry(lambda: poller.fleet.expiries())
            self._name_shard()
            self._register(poller, {STATIC: self.settings.jobs})
            files = JobFiles(self.settings, self.telemetry, partial(self._register, poller))
            crashed = self.telemetry.crashes.labels("job_files").inc
            await survive(files.look, crashed, "job files")  # before anybody can ask whether all jobs were polled
            reloader = Reloader(
                self.settings, self._read, partial(self._take, poller, files), self.clock, self.telemetry
            )
            application = make_app(
                Metrics(self.board, self.telemetry), Jobs(self.board, poller, self.clock), Lifecycle(reloader)
            )
            async with self._served(application) as address, asyncio.TaskGroup() as group:
                self._log.info("started", version=__version__, address=address, jobs=len(self.board.records()))
                failed = self.telemetry.crashes.labels("reload").inc
                tasks = [
                    group.create_task(poller.run(), name="poller"),
                    group.create_task(keep_running(files.run, crashed, "job files"), name="job files"),
                    group.create_task(keep_running(partial(reloader.run, hang_up), failed, "reload"), name="reload"),
                ]
                if self._path is not None:
                    watching = keep_running(partial(watch, self._path, reloader.reload_quietly), failed, "watch")
                    tasks.append(group.create_task(watching, name="watch"))
                started(address)
                await stop.wait()
                await self._linger(application, poller)
                for task in tasks:
                    task.cancel()
        self._log.info("stopped")

    async def _take(self, poller: Poller, files: JobFiles, settings: Settings) -> Changes:
        """Go on with other settings; raises :class:`~exporter.core.errors.SettingsError` before anything changed."""
        await self._projects.close_unused()  # of the reload before, whose calls are over by now
        fleet = await self._projects.use(settings)
        # Nothing else runs from here to the end: no poll and no scrape sees half of it.
        self.settings = settings
        self._sources[STATIC] = settings.jobs
        changes = self.registry.update(self._mine(self._sources))
        gone = tuple(record.job.key for record in self.board.records() if record.job.project not in settings.projects)
        poller.apply(Changes(removed=tuple({*changes.removed, *gone})))
        poller.use(fleet, *_polling(settings))
        moved = tuple(job for job in changes.changed if job.key in gone)
        stays = tuple(job for job in changes.changed if job.key not in gone)
        poller.apply(Changes(added=(*changes.added, *moved), changed=stays))
        self._complain(changes)
        self.board.limit(settings.metrics.max_series)
        files.use(settings)
        logs.configure(settings.log.level, settings.log.format)
        self._name_shard()
        return changes

    def _register(self, poller: Poller, contents: Mapping[str, Sequence[Job]]) -> None:
        """Take over what sources hold now."""
        self._sources |= contents
        changes = self.registry.update(self._mine(contents))
        self._complain(changes)
        poller.apply(changes)
        if STATIC not in contents and any(numbers(changes).values()):  # those of the section are told by the start
            self._log.info("jobs registered", **numbers(changes))

    def _mine(self, contents: Mapping[str, Sequence[Job]]) -> dict[str, list[Job]]:
        """Return those jobs that are this shard's, and of a project that there is."""
        shards, shard = self.settings.sharding.shards, self.settings.sharding.shard
        return {
            source: [
                job for job in jobs if shard_of(job.key, shards) == shard and job.project in self.settings.projects
            ]
            for source, jobs in contents.items()
        }

    def _complain(self, changes: Changes) -> None:
        for problem in changes.problems:
            self._log.warning("job left out", problem=problem)

    def _name_shard(self) -> None:
        sharding = self.settings.sharding
        self.telemetry.shard.clear()
        self.telemetry.shard.labels(sharding.shard, sharding.shards).set(1)

    @asynccontextmanager
    async def _served(self, application: web.Application) -> AsyncIterator[str]:
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=STOP_WITHIN)
        await runner.setup()
        host, port = self.settings.web.host, self.settings.web.port
        try:
            try:
                await web.TCPSite(runner, host, port).start()
            except OSError as error:
                raise ExporterError(
                    f"cannot listen on {self.settings.web.listen_address}: {os.strerror(error.errno or 0)};"
                    " end the program that does, or set web.listen_address to another"
                ) from error
            found = runner.addresses[0]
            shown = "127.0.0.1" if found[0] in {"0.0.0.0", "::"} else found[0]  # noqa: S104 - a comparison
            yield f"http://{f'[{shown}]' if ':' in shown else shown}:{found[1]}"
        finally:
            await runner.cleanup()

    async def _linger(self, application: web.Application, poller: Poller) -> None:
        """Let one more scrape see the end of the jobs, for at most ``web.linger``."""
        if not self.settings.web.linger:
            return
        self._log.info("lingering", at_most=self.settings.web.linger)
        try:
            async with asyncio.timeout(self.settings.web.linger):
                await poller.poll_once_more()
                await application[SCRAPES].wait_next()
        except TimeoutError:
            self._log.warning("no scrape came while lingering")
