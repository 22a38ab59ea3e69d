"""The composition root: builds every part from the settings, runs them in one task group, and stops them cleanly."""

import asyncio
import gc
import os
import signal
import time
from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial

import structlog
from aiohttp import web
from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from exporter import __version__
from exporter.clock import Clock, SystemClock
from exporter.cloud.fleet import Fleet
from exporter.core.board import Board
from exporter.core.errors import ExporterError
from exporter.core.model import Job, JobKey, Record
from exporter.core.registry import STATIC, Registry
from exporter.core.schedule import Pace
from exporter.core.services import load
from exporter.core.shards import shard_of
from exporter.jobfiles import JobFiles
from exporter.poller import Poller
from exporter.projects import Projects
from exporter.settings import Settings
from exporter.supervise import keep_running, survive
from exporter.telemetry import Telemetry
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


class Metrics:
    """The whole of /metrics: the jobs' lines and the exporter's own."""

    def __init__(self, board: Board, telemetry: Telemetry) -> None:
        self._board = board
        self._telemetry = telemetry

    def sections(self, openmetrics: bool, names: frozenset[str]) -> list[list[bytes]]:
        """Return the body, a family after the other; with *names* only the samples that are called so."""
        began = time.perf_counter()
        registry = self._telemetry.registry
        own = registry.restricted_registry(names) if names else registry
        last = generate_openmetrics(own) if openmetrics else generate_latest(own)  # type: ignore[no-untyped-call]
        sections = [*self._board.sections(openmetrics, names), [last]]
        self._telemetry.render_seconds.observe(time.perf_counter() - began)
        return sections


class Jobs:
    """What page and JSON ask about the jobs."""

    def __init__(self, board: Board, poller: Poller, fleet: Fleet, clock: Clock) -> None:
        self._board = board
        self._poller = poller
        self._fleet = fleet
        self._clock = clock

    def records(self) -> Collection[Record]:
        """Return the record of every job."""
        return self._board.records()

    def record(self, service: str, job: str) -> Record | None:
        """Return the record of one job."""
        return self._board.get(JobKey(service, job))

    def next_due(self, key: JobKey) -> float | None:
        """Return the Unix time of the job's next poll, if it will be polled again."""
        return self._poller.next_due(key)

    def waiting(self) -> Collection[JobKey]:
        """Return the jobs that were neither polled nor failed yet."""
        return [record.job.key for record in self._board.records() if record.polled_at is None and record.fault is None]

    def now(self) -> float:
        """Return the Unix time."""
        return self._clock.now()

    def place(self, record: Record) -> Mapping[str, str]:
        """Return where the job's project is."""
        project = self._fleet.projects[record.job.project]
        return {"region": project.region, "project_id": project.project_id}


class App:
    """Everything that runs, built from one set of settings; *environ* has the variables of a pod's identity."""

    def __init__(
        self, settings: Settings, clock: Clock | None = None, environ: Mapping[str, str] | None = None
    ) -> None:
        self.settings = settings
        self._environ = os.environ if environ is None else environ
        self.clock = clock or SystemClock()
        labels = settings.metrics.labels
        self.telemetry = Telemetry(labels.service)
        self.board = Board(settings.metrics.max_series, labels.service, labels.job)
        self.telemetry.watch(lambda: self.board.series, lambda: self.board.dropped)
        self.registry = Registry(load())
        self.telemetry.watch_refused(self.registry.refused)
        self._log = structlog.get_logger()

    @asynccontextmanager
    async def fleet(self) -> AsyncIterator[Fleet]:
        """Open the connections that the projects share, and close them at the end."""
        async with Projects(self.clock, self.telemetry, self._environ) as projects:
            yield await projects.use(self.settings)

    async def run(self, started: Callable[[str], None] = lambda address: None) -> None:
        """Serve and poll until SIGTERM or SIGINT; *started* is told the address once it answers."""
        spare_the_collector()
        stop = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            asyncio.get_running_loop().add_signal_handler(number, stop.set)
        asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, self._hang_up)
        async with self.fleet() as fleet:
            poll, sharding = self.settings.poll, self.settings.sharding
            pace = Pace(poll.interval, poll.idle_interval, poll.stale_after)
            poller = Poller(self.board, fleet, pace, poll.concurrency, self.clock, self.telemetry)
            self.telemetry.watch_budgets(poller.demand.allowed, poller.demand.stretches)
            self.telemetry.watch_expiry(
                lambda: {name: project.credentials.expires_at for name, project in fleet.projects.items()}
            )
            self.telemetry.shard.labels(sharding.shard, sharding.shards).set(1)
            self._register(poller, {STATIC: self.settings.jobs})
            files = JobFiles(self.settings, self.telemetry, partial(self._register, poller))
            crashed = self.telemetry.crashes.labels("job_files").inc
            await survive(files.look, crashed, "job files")  # before anybody can ask whether all jobs were polled
            application = make_app(Metrics(self.board, self.telemetry), Jobs(self.board, poller, fleet, self.clock))
            async with self._served(application) as address:
                self._log.info("started", version=__version__, address=address, jobs=len(self.board.records()))
                started(address)
                async with asyncio.TaskGroup() as group:
                    tasks = [group.create_task(poller.run(), name="poller")]
                    if self.settings.job_files:
                        watching = keep_running(files.run, crashed, "job files")
                        tasks.append(group.create_task(watching, name="job files"))
                    await stop.wait()
                    await self._linger(application, poller)
                    for task in tasks:
                        task.cancel()
        self._log.info("stopped")

    def _register(self, poller: Poller, contents: Mapping[str, Sequence[Job]]) -> None:
        """Take over what sources hold now: those of their jobs that are this shard's."""
        shards, shard = self.settings.sharding.shards, self.settings.sharding.shard
        mine = {
            source: [job for job in jobs if shard_of(job.key, shards) == shard] for source, jobs in contents.items()
        }
        changes = self.registry.update(mine)
        for problem in changes.problems:
            self._log.warning("job left out", problem=problem)
        poller.apply(changes)
        numbers = {"added": len(changes.added), "removed": len(changes.removed), "changed": len(changes.changed)}
        if STATIC not in contents and any(numbers.values()):  # of the section jobs the line that it started tells
            self._log.info("jobs registered", **numbers)

    def _hang_up(self) -> None:
        self._log.warning("SIGHUP ignored: this version reads its configuration only at the start; restart it")

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
