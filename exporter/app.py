"""The composition root: creates all parts from the settings, runs them in one task group, and stops them cleanly."""

import asyncio
import gc
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path

import structlog
from aiohttp.web import Application

from exporter import __version__, logs
from exporter.clock import Clock, SystemClock
from exporter.cloud.project_pool import ProjectPool
from exporter.cloud.projects import Projects
from exporter.config import Settings
from exporter.limits.permits import Permits
from exporter.limits.rate_limiter import Limiter
from exporter.local_files import digest
from exporter.memory import free_large_at_once
from exporter.metrics.push import Pusher, targets
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.changes import STATIC, Changes
from exporter.polling.list_poller import ListPoller
from exporter.polling.place_reader import PlaceReader
from exporter.polling.poller import Poller
from exporter.reload import Reloader
from exporter.runs.history_file import HistoryFile
from exporter.runs.journal import Journal
from exporter.runs.timelines import Timelines
from exporter.services import registry
from exporter.signals import signalled
from exporter.sources.discovery import Discovery
from exporter.sources.job_files import JobFiles
from exporter.sources.registration import Registration, pace_of
from exporter.supervise import keep_running, survive
from exporter.threads import use_daemon_threads
from exporter.views import WebView
from exporter.web.listening.config_watch import ConfigWatch
from exporter.web.listening.connections import Connections
from exporter.web.listening.listener import served
from exporter.web.listening.security import Security
from exporter.web.server import SCRAPES, make_app

_STOP_WITHIN = 4.0
"""Seconds after a signal to stop, and after ``web.linger``, until what is not over is abandoned."""
_ABANDONED_WITHIN = 0.5
"""Seconds more for what is abandoned to close what it can."""
_SCRAPES_WITHIN = 2.5
"""Seconds of the former that open scrapes get to finish; the rest is for the last write of the journal."""


def spare_the_collector() -> None:
    """Let Python look for cycles of garbage less often.

    Nothing that is kept per job is part of a cycle. With the usual thresholds a pass over all records, most of
    what there is, comes so often that it costs a fifth of each poll, and holds the event loop for a second where there
    are 100,000 jobs.
    """
    gc.set_threshold(5_000, 20, 100)


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
        self.store = JobStore(settings.metrics.max_series, registry.declared(), labels.service, labels.job)
        self.store.show(settings.metrics.job_labels, settings.metrics.duration_buckets)
        self.telemetry.watch(lambda: self.store.series, lambda: self.store.dropped, lambda: self.store.reduced)
        self.timelines = Timelines(settings.web.history, self.clock.now, settings.poll.stale_after)
        self.store.subscribe(self.timelines.changed)
        self.store.subscribe_runs(self.timelines.runs_read)
        self.telemetry.watch_history(lambda: self.timelines.size)
        self._security = Security(settings.web_config)
        self._connections = Connections(closed=lambda reason: self.telemetry.closed_connections.labels(reason).inc())
        self.telemetry.watch_connections(lambda: len(self._connections))
        self._web = ConfigWatch(settings, self._security, self.clock, self.telemetry)
        self.limiter = Limiter(settings.poll.concurrency, self.clock.monotonic())
        self.permits = Permits(self.limiter, self.clock)
        environ = os.environ if environ is None else environ
        self._projects = ProjectPool(self.clock, self.telemetry, environ, self.permits)
        self._journal: Journal | None = None
        self._history_file: HistoryFile | None = None
        self._log = structlog.get_logger()

    @asynccontextmanager
    async def projects(self) -> AsyncIterator[Projects]:
        """Open the connections that the projects share, and close them at the end."""
        use_daemon_threads()
        async with self._projects as projects:
            yield await projects.use(self.settings)

    async def run(self, started: Callable[[str], None] = lambda address: None) -> None:
        """Serve and poll until SIGTERM or SIGINT; *started* is called with the address once it answers.

        What is not over ``_STOP_WITHIN`` after the signal, and after ``web.linger``, is abandoned: a disk may hang.
        """
        spare_the_collector()
        free_large_at_once()
        with signalled(signal.SIGTERM, signal.SIGINT) as stop, signalled(signal.SIGHUP) as hang_up:
            work = asyncio.create_task(self._run(stop, hang_up, started), name="run")
            asked = asyncio.create_task(stop.wait(), name="stop")
            try:
                await asyncio.wait({work, asked}, return_when=asyncio.FIRST_COMPLETED)
                await asyncio.wait({work}, timeout=self.settings.web.linger + self.settings.push.within + _STOP_WITHIN)
            finally:
                asked.cancel()
                abandoned = work.cancel()
                await asyncio.wait({work}, timeout=_ABANDONED_WITHIN)
            if abandoned:
                self._log.error("stopped before all was done", problem="a disk or a client did not answer in time")
            else:
                await work

    async def _run(self, stop: asyncio.Event, hang_up: asyncio.Event, started: Callable[[str], None]) -> None:
        async with self.projects() as projects, self._journaled():
            pace, shared = pace_of(self.settings), (self.limiter, self.clock, self.telemetry)
            poller = Poller(self.store, projects, pace, *shared, self._journal)
            self.telemetry.watch_budgets(poller.demand.allowed, poller.demand.stretches)
            self.telemetry.watch_expiry(lambda: poller.projects.expiries())
            self.telemetry.watch_skew(lambda: poller.projects.skews())
            self._name_shard()
            parts = _Parts(self, poller)
            parts.registration.register({STATIC: self.settings.jobs})
            # before anybody can ask whether all jobs were polled
            await survive(parts.files.look, self.telemetry.crashes.labels("job_files").inc, "job files")
            take = partial(self._take, parts)
            reloader = Reloader(self.settings, self._read, take, self.clock, self.telemetry, self._path, self._written)
            waiting = parts.discovery.waiting
            view = WebView(self.store, self.telemetry, poller, self.clock, self.timelines, waiting, reloader)
            application = make_app(view, security=self._security)
            loops = parts.loops() | {"reload": partial(reloader.run, hang_up)}
            loops |= {"watch": reloader.watch, "web_config": self._web.run}
            if self._journal is not None:
                self._journal.wait_for(parts.all_read)
                loops["journal"] = self._journal.run
            if self._history_file is not None:
                loops["history_file"] = self._history_file.run
            self._allow(self.settings)
            door = served(application, self.settings.web, _SCRAPES_WITHIN, self._security, self._connections)
            async with door as (address, *others), asyncio.TaskGroup() as group:
                jobs, file = len(self.store.records()), str(self._path or "")
                where = {"address": address, "more_addresses": others}
                self._log.info("started", version=__version__, **where, jobs=jobs, file=file)
                tasks = [group.create_task(poller.run(), name="poller")]
                for name, work in loops.items():
                    crashed = self.telemetry.crashes.labels(name).inc
                    tasks.append(group.create_task(keep_running(work, crashed, name), name=name))
                started(address)
                await stop.wait()
                await self._hand_over(application, poller)
                for task in tasks:
                    task.cancel()
        self._log.info("stopped")

    async def _take(self, parts: "_Parts", settings: Settings) -> Changes:
        """Go on with other settings; raises :class:`~exporter.model.errors.SettingsError` before anything changed."""
        projects = await self._projects.use(settings)
        # Nothing else runs from here to the end: no poll and no scrape sees half of it.
        changes = parts.registration.swap(settings, projects)
        self.store.limit(settings.metrics.max_series)
        self.store.show(settings.metrics.job_labels, settings.metrics.duration_buckets)
        self.timelines.limit(settings.web.history)
        self.timelines.stale_after = settings.poll.stale_after
        parts.use(settings)
        self._web.use(settings)
        self._allow(settings)
        if self._journal is not None:
            self._journal.retention = settings.poll.retention
        logs.configure(settings.log.level, settings.log.format, settings.log.vendor_text)
        gone = set(self.settings.projects) - set(settings.projects)
        self.settings = settings
        self._name_shard()
        for project in gone:
            self.telemetry.forget_project(project)
        await self._projects.close_unused()
        return changes

    def _allow(self, settings: Settings) -> None:
        self._security.reached_by(settings.web)
        self._connections.allow(settings.web.max_connections, settings.poll.concurrency)
        self.telemetry.serves(settings.web.linger, settings.web.external_url)

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
        self._history_file = HistoryFile(path, self.timelines, self.clock)
        await self._history_file.open()
        try:
            yield
        finally:
            try:
                await self._journal.close()
            finally:
                await self._history_file.write()

    async def _hand_over(self, application: Application, poller: Poller) -> None:
        """Hand the results of the last polls to the listeners."""
        await self._linger(application, poller)
        await self._push(poller)

    async def _linger(self, application: Application, poller: Poller) -> None:
        """Let everyone who scrapes see the end of the jobs, for at most ``web.linger``."""
        if not self.settings.web.linger or not self.store.records():
            return
        self._log.info("lingering", at_most_seconds=self.settings.web.linger)
        try:
            async with asyncio.timeout(self.settings.web.linger):
                await poller.poll_once_more()
                if self._journal is not None:
                    await self._journal.write()
                await application[SCRAPES].wait_for_all(self.settings.web.linger_scrapes)
        except TimeoutError:
            self._log.warning("linger ended before all scraped")

    async def _push(self, poller: Poller) -> None:
        """Push the metrics of the jobs, if they are to be pushed, for at most ``push.timeout``."""
        push, labels = self.settings.push, self.settings.metrics.labels
        keys = [record.job.key for record in self.store.records()]
        if not push.within or not keys:
            return
        try:
            async with asyncio.timeout(push.timeout):
                if not self.settings.web.linger:
                    with suppress(TimeoutError):
                        async with asyncio.timeout(push.timeout / 2):
                            await poller.poll_once_more()
                    if self._journal is not None:
                        await self._journal.write()
                names = (labels.service, labels.job)
                to = targets(self.store, self.clock, names, push.timeout, pushgateway=push.pushgateway, otlp=push.otlp)
                await asyncio.gather(*(Pusher(target).push(keys) for target in to))
        except TimeoutError:
            self._log.warning("push ended before it was done")


class _Parts:
    """What registers and lists jobs, besides the section ``jobs``."""

    def __init__(self, app: App, poller: Poller) -> None:
        settings, store, telemetry, clock = app.settings, app.store, app.telemetry, app.clock
        self.registration = Registration(settings, store, poller, telemetry)
        register = self.registration.register
        self.files = JobFiles(settings, telemetry, register)
        self.discovery = Discovery(settings, poller, store, register, clock, telemetry)
        self.list_poller = ListPoller(settings, poller, store, clock, telemetry)
        self.place_reader = PlaceReader(settings, poller, store, clock, telemetry)

    def use(self, settings: Settings) -> None:
        """Go by other settings."""
        for part in (self.files, self.discovery, self.list_poller, self.place_reader):
            part.use(settings)

    def all_read(self) -> bool:
        """Return whether all that could register a job has been read."""
        return self.files.all_read() and self.discovery.all_read()

    def loops(self) -> dict[str, Callable[[], Awaitable[None]]]:
        """Return what is to run, by name."""
        lists: dict[str, Callable[[], Awaitable[None]]]
        lists = {"list_poller": self.list_poller.run, "place_reader": self.place_reader.run}
        return {"job_files": self.files.run, "discovery": self.discovery.run} | lists
