"""The exporter as a process that is told when to poll: ``python -m benchmarks.subject SETTINGS.json RATE LOOP``.

It is put together as the daemon is, from the same settings, with the same server and the same poll loop; only the poll
loop runs when a command says so, so that a scrape is not measured together with polls.
"""

import asyncio
import json
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

from aiohttp import web

from benchmarks.peers.bare import runner
from exporter import logs
from exporter.app import App, spare_the_collector
from exporter.cloud.projects import Projects
from exporter.config import load
from exporter.model.changes import Changes
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State
from exporter.polling.poller import Poller
from exporter.polling.schedule import Pace
from exporter.views import WebView
from exporter.web.server import make_app


class Probe:
    """Notes the longest time for which the event loop did not come round."""

    def __init__(self) -> None:
        self._longest = 0.0
        self._longest_cpu = 0.0

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            wall, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(0.001)
            self._longest = max(self._longest, time.perf_counter() - wall - 0.001)
            self._longest_cpu = max(self._longest_cpu, time.thread_time() - cpu)

    def take(self) -> dict[str, float]:
        """Return the longest hold so far, by the wall clock and in CPU time of the loop's thread, and begin anew."""
        found = {"wall": self._longest, "cpu": self._longest_cpu}
        self._longest = self._longest_cpu = 0.0
        return found


class Subject:
    """The exporter and the commands it takes; *rate* is how many polls a second it is to make."""

    def __init__(self, app: App, projects: Projects, rate: float) -> None:
        self._app = app
        settings = app.settings
        interval = max(0.001, len(settings.jobs) / rate)
        pace = Pace(interval, interval, settings.poll.stale_after)
        self.poller = Poller(app.store, projects, pace, app.limiter, app.clock, app.telemetry)
        self._probe = Probe()
        self._probing: asyncio.Task[None] | None = None

    def polls(self) -> int:
        """Return the polls that began so far."""
        samples = next(iter(self._app.telemetry.poll_lag.collect())).samples
        return next(int(sample.value) for sample in samples if sample.name.endswith("_count"))

    async def fill(self) -> dict[str, Any]:
        """Poll until every job was polled."""
        records = self._app.store.records
        return await self._poll(lambda: False, lambda: any(record.polled_at is None for record in records()))

    async def poll(self, count: int) -> dict[str, Any]:
        """Poll as fast as it goes until that many polls began, once the connections are there."""
        warm = self.polls() + count // 10
        return await self._poll(lambda: self.polls() < warm, lambda: self.polls() < warm + count)

    async def remember(self, runs: int) -> dict[str, Any]:
        """Give every job so many runs that ended within the last day; return the bytes that are kept of them."""
        app, now = self._app, self._app.clock.now()
        for record in app.store.records():
            ended = [now - 4000.0 * number for number in range(runs, 0, -1)]
            past = [Snapshot(State.SUCCEEDED, run=RunId(f"past-{end:.0f}"), start=end - 600, end=end) for end in ended]
            app.store.runs_read(record.job.key, past)
        return {"bytes": app.timelines.size}

    async def probe(self) -> dict[str, Any]:
        """Return the longest hold since the last time this was asked."""
        if self._probing is None:
            self._probing = asyncio.create_task(self._probe.run())
        return self._probe.take()

    async def _poll(self, cold: Callable[[], bool], more: Callable[[], bool]) -> dict[str, Any]:
        """Poll, and measure from when it is not *cold* any more for as long as there is *more* to do."""
        polling = asyncio.create_task(self.poller.run())
        while cold():
            await asyncio.sleep(0.02)
        began, cpu, before = time.perf_counter(), time.process_time(), self.polls()
        while more():
            await asyncio.sleep(0.02)
        used, seconds, polls = time.process_time() - cpu, time.perf_counter() - began, self.polls() - before
        polling.cancel()
        with suppress(asyncio.CancelledError):
            await polling
        failed = sum(not record.up for record in self._app.store.records() if record.polled_at is not None)
        return {
            "cpu": used,
            "wall": seconds,
            "polls": polls,
            "failed": failed,
        }


async def main(path: str, rate: float) -> None:
    """Serve, and obey the lines of standard input."""
    settings = load(None, {}, json.loads(Path(path).read_text()))
    logs.configure(settings.log.level, settings.log.format)
    spare_the_collector()
    app = App(settings)
    async with app.projects() as projects:
        subject = Subject(app, projects, rate)
        handler = make_app(WebView(app.store, app.telemetry, subject.poller, app.clock, app.timelines))
        runner = web.AppRunner(handler, access_log=None)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        region = next(iter(settings.projects.values())).region
        subject.poller.apply(Changes(added=tuple(replace(job, region=region) for job in settings.jobs)))
        print(json.dumps({"port": runner.addresses[0][1], "jobs": len(settings.jobs)}), flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            command = json.loads(line)
            answer = await getattr(subject, command.pop("do"))(**command)
            print(json.dumps(answer), flush=True)
        await runner.cleanup()


if __name__ == "__main__":
    runner(sys.argv[3])(main(sys.argv[1], float(sys.argv[2])))
