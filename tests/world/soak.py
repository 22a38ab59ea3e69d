"""One exporter for a million polls: what it holds does not grow, and each run is counted once to the end.

Time is simulated as in every world, but nothing of this one grows by itself: jobs have runs for ever, which the cloud
forgets after a while, and no trace is kept. What changes is what an operator does in a year. Jobs are added, removed
and renamed in a job file that is sometimes half written, the configuration is reloaded, good or broken, and the cloud
and the network fail for minutes. Files are looked at once a minute and not each second, or that would be all there is.

Garbage is collected before each such change. How much of it waits for Python's collector varies, and memory does not
fall again once the most was there: left to itself it grew by 2 % until that moment had come, and then not at all.
"""

import asyncio
import contextvars
import gc
import json
import os
import pickle
import random
import signal
import statistics
import sys
import traceback
from array import array
from collections import Counter, deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

import exporter.clock
import exporter.polling.place_reader
import exporter.reload
import exporter.runs.write_pace
import exporter.web.listening.config_watch
import exporter.web.listening.connections
from exporter.metrics import family
from exporter.model import masking
from exporter.model.run import RunTimes
from exporter.services import timestamps, values
from exporter.sources.job_files import JobFiles
from tests.hostile.daemon import PASSWORD, Labels, parsed
from tests.hostile.truth import Cluster, Job, Run, World
from tests.hostile.wire import Call, Exchange
from tests.world.cloud import DOMAIN, Trouble, Troubles, WorldCloud
from tests.world.disk import WorldDisk
from tests.world.loop import WorldLoop
from tests.world.machine import PORT, Machine, surround
from tests.world.network import Network, Weather
from tests.world.pages import page_of
from tests.world.timepieces import HOST, REAL_TIME, START, Host, Now

LOOK: Final = 60.0
"""Seconds between two looks at a file."""
KEPT: Final = 20
"""Runs of a job that the cloud remembers."""
STAY: Final = 5
"""CDM jobs that are there from the first to the last day."""
COME_AND_GO: Final = 3
"""Jobs that are there for a while."""
PIPELINES: Final = 2
CHURN: Final = 250
"""Polls between two things that an operator does."""
TROUBLE: Final = 2000
"""Polls between two times at which the cloud or the network fails."""
LOOKS: Final = 200
FEWEST: Final = 50
"""How often the metrics are read, but not after fewer polls than so many."""
PATIENCE: Final = 3600.0
"""Seconds within which a run that ended is counted."""
MOST_DRIFT: Final = 0.02
"""The part of itself by which memory, and the pieces of it in use, may grow from the second tenth to the last."""
JUDGED: Final = 100_000
"""Polls from which on the drift is judged: until then caches fill that have a bound."""
_T = TypeVar("_T")
FAILURES: Final = ("unavailable", "throttled_rightly", "late", "busy_cluster", "unasked", "cut", "loss", "refused")


@dataclass(frozen=True)
class EndlessJob(Job):
    """A job that runs again and again; the cloud tells of its newest runs alone."""

    number: int = 0
    first: float = 0.0
    period: float = 3600.0
    length: float = 1200.0

    def _nth(self, index: int) -> Run:
        began = self.first + index * self.period
        over = began + 2.0 + self.length * (1 + (index * 7 + self.number) % 5) / 5
        result = ("succeeded", "succeeded", "failed", "succeeded")[(index + self.number) % 4]
        ident = str(1 + index) if self.service == "cdm" else f"{self.number:08x}-0000-4000-8000-{index:012x}"
        return Run(ident, began, began + 2.0, over, result, 1000 + index % 9000, 3.0 * (index % 3))

    def _count(self, now: float) -> int:
        return max(0, int((now - self.first) // self.period) + 1)

    def begun(self, now: float) -> tuple[Run, ...]:
        """Return the runs that the cloud still knows, the oldest first."""
        count = self._count(now)
        return tuple(self._nth(index) for index in range(max(0, count - KEPT), count))

    def newest(self, now: float) -> Run | None:
        """Return the newest run."""
        count = self._count(now)
        return self._nth(count - 1) if count else None

    def ended(self, now: float) -> int:
        """Return how many runs have ended."""
        count = self._count(now)
        return count if not count or self._nth(count - 1).ended <= now else count - 1


class EndlessWorld(World):
    """The truth, of which jobs come and go."""

    def by_run(self, service: str, ident: str) -> tuple[Job, Run] | None:
        """Return the DLI or DWS job with this run."""
        number, index = int(ident[:8], 16), int(ident[-12:], 16)
        job = next((job for job in self.of(service) if isinstance(job, EndlessJob) and job.number == number), None)
        return None if not isinstance(job, EndlessJob) else (job, job._nth(index))

    def by_name(self, cluster: str, name: str) -> Job | None:
        """Return the CDM job of this cluster and name."""
        return next((job for job in self.jobs if job.name == name and job.cluster == cluster), None)


class _Calls(deque[Call]):
    """The newest calls, and how many of them were polls."""

    polls = 0

    def append(self, call: Call) -> None:
        super().append(call)
        self.polls += call.limit == "dws" or call.target.endswith(("/status", "/progress"))


class _Cloud(WorldCloud):
    def _remember(self, exchange: Exchange) -> None:
        """Remember nothing: names come and go for ever."""

    def give_up(self) -> None:
        """Reset connections whose other end is gone and could not say so, as a server does that hears nothing."""
        for connection, _ in list(self._connections.values()):
            wire: Any = connection.writer.transport
            if wire.peer.is_closing():
                connection.reset()


@dataclass
class Point:
    """What the process held at a moment."""

    polls: int
    days: float
    rss: int
    blocks: int
    """Pieces of memory that Python objects have: a leak is more of them, and memory that is only scattered is not."""
    tasks: int
    samples: int


class Soak:
    """The world and its one exporter."""

    def __init__(self, loop: WorldLoop, polls: int, interval: float) -> None:
        self.loop, self.most, self.interval = loop, polls, interval
        self.rng = random.Random("soak")
        self.network = loop.network = Network(loop, random.Random("network"), Weather())
        self.network.names = {f"{name}.{DOMAIN}": ["10.0.0.1"] for name in ("dli", "dws", "cdm", "iam")}
        surround(self.network, self.note)
        look_seldom()
        self._next = 0
        cluster = Cluster("6ec9a0a4-76be-4262-8697-e7af1fac7920", "warehouse")
        self._cluster = cluster.ident
        self.staying = [self._job("cdm", f"stays_{number}") for number in range(STAY)]
        pipelines = [self._job("dli", f"pipeline-{number}") for number in range(PIPELINES)]
        self.passing = [self._passing() for _ in range(COME_AND_GO)]
        self._fixed = (*self.staying, *pipelines)
        self._names: dict[int, str] = {}
        self.truth = EndlessWorld("0" * 32, START, (*self._fixed, *self.passing), (cluster,))
        self.troubles = Troubles(random.Random("troubles"))
        self.cloud = _Cloud(self.truth, self.troubles, random.Random("cloud"), self.note, 0)
        self.calls = self.cloud.calls = _Calls(maxlen=100)
        self.machine = Machine("exporter", "10.0.1.1", self.network, WorldDisk(random.Random("disk")), self.note)
        self.last: Point | None = None
        self.memory, self.pieces, self.tasks = array("q"), array("q"), 0  # an object for each look would be growth too
        self.stopped = False
        self.findings: list[str] = []
        self.log: Counter[str] = Counter()
        self.done: Counter[str] = Counter()
        self._patience = max(PATIENCE, 6 * interval)

    def note(self, who: str, text: str, at: float | None = None, tags: Any = None) -> None:
        """Count lines of the log; a crash is a finding."""
        del who, at
        if text.startswith("end "):
            self.findings.append(text)
        if not text.startswith("log "):
            return
        name = text[4:44].partition("=")[0].rpartition(" ")[0]
        self.log[name] += 1
        if (" crashed " in text[:60] or " job requeued " in text[:60]) and len(self.findings) < 20:
            self.findings.append(f"{text} {(tags or {}).get('traceback', '')}")

    def now(self) -> float:
        """Return the Unix time of this world."""
        return START + self.loop.time()

    def _job(self, service: str, name: str) -> EndlessJob:
        self._next += 1
        first = START + 1000.0 + self.rng.randint(-3000, 300)
        period = self.rng.choice((3600.0, 5400.0, 21600.0))
        return EndlessJob(
            service,
            name,
            (),
            self._cluster if service == "cdm" else "",
            number=self._next,
            first=first,
            period=1e12 if service == "dws" else period,
            length=self.rng.choice((60.0, 300.0, 900.0)),
        )

    def _passing(self) -> EndlessJob:
        service = self.rng.choice(("cdm", "cdm", "dws"))
        job = self._job(service, f"{service}_{self._next}")
        first = self.now() + self.rng.randint(-600, 1200) if service == "dws" else job.first
        return EndlessJob(
            job.service, job.name, (), job.cluster, number=job.number, first=first, period=job.period, length=job.length
        )

    # what the exporter reads

    def configuration(self) -> dict[str, Any]:
        """Return the configuration."""
        project = {
            "region": "region-1",
            "project_id": self.truth.project,
            "cloud": "custom",
            "endpoints": {service: self.cloud.endpoint(service) for service in self.cloud.ports},
            "time_zone": "Asia/Shanghai",
            "limits": {"dli": "5/s", "dws": "5/s", "cdm": "2/s", "cdm_list": "2/s"},
            "credentials": PASSWORD,
        }
        return {
            "poll": {
                "interval": f"{self.interval:g}s",
                "idle_interval": f"{self.interval:g}s",
                "list_interval": f"{6 * self.interval:g}s",
                "stale_after": f"{4 * self.interval:g}s",
            },
            "web": {"listen_address": f"127.0.0.1:{PORT}"},
            "projects": {"soak": project},
            "discovery": [{"service": "dli", "tags": {}, "name": "{tags.pipeline}", "project": "soak"}],
            "job_files": ["jobs.yaml"],
            "journal": "journal.json",
        }

    def job_file(self) -> str:
        """Return all CDM and DWS jobs as a job file."""
        return "".join(f"{json.dumps(row)}\n" for row in self._rows())

    def _rows(self) -> Iterator[dict[str, str]]:
        for job in (*self.staying, *self.passing):
            name = self._names.get(job.number, job.name)
            if job.service == "cdm":
                yield {"service": "cdm", "cluster_id": job.cluster, "job_name": job.name, "name": name}
            else:
                yield {"service": "dws", "job_id": job._nth(0).ident, "name": name}

    def write(self) -> None:
        """Write the configuration and the job file."""
        folder = self.machine.config.parent
        (folder / "jobs.yaml").write_text(self.job_file())
        self.machine.config.write_text(json.dumps(self.configuration()))

    # what happens

    async def live(self) -> None:
        """Let it run until it has polled often enough."""
        context = contextvars.copy_context()
        host = Host("cloud", "10.0.0.1")
        self.network.hosts[host.address] = host
        context.run(HOST.set, host)
        await self.loop.create_task(self.cloud.__aenter__(), context=context)
        self.write()
        self.machine.start()
        usual, churned, failed, looked = self.interval, 0, 0, 0
        while self.calls.polls < self.most and not self.stopped:
            await asyncio.sleep(usual)
            if self.calls.polls >= churned + CHURN:
                churned = self.calls.polls
                gc.collect()
                await self._churn(usual)
            if self.calls.polls >= failed + TROUBLE:
                failed = self.calls.polls
                await self._fail()
            if self.calls.polls >= looked + max(FEWEST, self.most // LOOKS):
                looked = self.calls.polls
                await self._look()
            if not self.machine.up:
                return

    async def _churn(self, usual: float) -> None:
        what = self.rng.choice(("add", "add", "rename", "halves", "reload", "broken"))
        self.done[what] += 1
        if what == "add":
            self.passing = [*self.passing[1:], self._passing()]
            self._names.pop(min(self._names, default=0), None) if len(self._names) > COME_AND_GO else None
            self.truth = EndlessWorld(
                self.truth.project, START, (*self._fixed, *self.passing), self.truth.clusters, keys=self.truth.keys
            )
            self.cloud.world = self.truth
        elif what == "rename":
            job = self.rng.choice(self.passing)
            self._names[job.number] = f"{job.name}_{self.calls.polls}"
        elif what == "halves":
            text = self.job_file()
            (self.machine.config.parent / "jobs.yaml").write_text(text[: text.rindex("{") + 9])
            await asyncio.sleep(2 * LOOK)
        elif what == "broken":
            self.machine.config.write_text("projects: 7")
            await asyncio.sleep(2 * LOOK)
        else:
            self.interval = usual + self.rng.randint(0, 20)
        self.write()

    async def _fail(self) -> None:
        what, weather = self.rng.choice(FAILURES), self.network.weather
        self.done[what] += 1
        if what in ("cut", "refused"):
            setattr(weather, what, True)
        elif what == "loss":
            weather.loss = 0.3
        else:
            self.troubles.active[0] = Trouble(0.7, {what: 1.0})
        await asyncio.sleep(self.rng.choice((30.0, 300.0, 1200.0)))
        weather.cut = weather.refused = False
        weather.loss = 0.0
        self.troubles.active.clear()
        self.cloud.give_up()

    async def _look(self) -> None:
        """Read the metrics and the page, compare the counters with the truth, and note what the process holds."""
        _, text = await page_of(self.machine, "/metrics")
        await page_of(self.machine, "/api/v1/jobs")
        number, found = in_a_child(partial(self._judged, text))
        self.findings += found[: max(0, 20 - len(self.findings))]
        host = self.machine.host
        self.last = Point(
            self.calls.polls,
            (self.loop.time() - 1000) / 86400,
            resident(),
            sys.getallocatedblocks(),
            len(host.tasks) if host else 0,
            number,
        )
        self.memory.append(self.last.rss)
        self.pieces.append(self.last.blocks)
        self.tasks = max(self.tasks, self.last.tasks)

    def _judged(self, text: str) -> tuple[int, list[str]]:
        """Return how many samples the metrics have, and what is wrong with them."""
        samples = parsed(text)
        settled = self.loop.time() > 1000.0 + 2 * self._patience
        return len(samples), list(self._counted(samples)) if settled else []

    def _counted(self, samples: dict[tuple[str, Labels], float]) -> Iterator[str]:
        now, began = self.now(), START + 1000.0
        for job in self.staying:
            counted = sum(
                value
                for (name, labels), value in samples.items()
                if name == "huaweicloud_job_runs_total" and ("job", job.name) in labels
            )
            least, most = (
                job.ended(now - self._patience) - job.ended(began + 60.0),
                job.ended(now + 1.0) - job.ended(began),
            )
            if not least <= counted <= most:
                yield f"{job.name}: {counted:g} runs are counted, there were {least} to {most}"


def in_a_child(work: Callable[[], _T]) -> _T:
    """Return what *work* returns; the memory that it takes is another process's."""
    mine, theirs = os.pipe()
    process = os.fork()
    if not process:
        try:
            with os.fdopen(theirs, "wb") as pipe:
                pipe.write(pickle.dumps(work()))
            os._exit(0)
        except BaseException:  # noqa: BLE001 - the parent ends too, and this says why
            traceback.print_exc()
            sys.stderr.flush()
            os._exit(1)
    os.close(theirs)
    with os.fdopen(mine, "rb") as pipe:
        data = pipe.read()
    if os.waitpid(process, 0)[1]:
        raise RuntimeError("the child failed")
    result: _T = pickle.loads(data)
    return result


def resident() -> int:
    """Return the bytes of memory that this process has."""
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096


def look_seldom() -> None:
    """Let the exporter look at files once a minute."""
    modules: Any = exporter
    modules.reload.LOOK = modules.web.listening.config_watch.LOOK = LOOK
    modules.clock._LOOK = modules.web.listening.connections._LOOK = LOOK
    modules.polling.place_reader._LOOK = LOOK
    modules.runs.write_pace.WRITE_INTERVAL = LOOK / 2
    JobFiles.__init__.__defaults__ = (LOOK,)


def fill_caches() -> None:
    """Fill the caches that have a bound: names that come and go would fill them in half a million polls.

    So does Python's table of interned names: it grows by 0.9 MiB once, when some ten thousand of them came and went, as
    those of files do at each look.
    """
    for number in range(4096):
        word = f"the-name-of-a-job-{number:06d}"
        values._one_copy(word)
        timestamps._written(f"2025-10-{1 + number % 28:02d} 08:{number // 28 % 60:02d}:{number // 1680:02d}", UTC)
    for number in range(40_000):
        sys.intern(f"a name of a file {number}")
    for number in range(1024):
        masking.masked(f"cannot connect to cdm.{DOMAIN} {number:06d}; check the network and projects.<name>.endpoints")
        family._took((RunTimes(1000 + number, 9_000_000 + number, ()),) * 3, ())


def drift(amounts: Sequence[int], since: int = 1) -> float:
    """Return by how much of itself an amount grew until the last tenth, after *since* tenths."""
    tenth = max(1, len(amounts) // 10)
    return statistics.median(amounts[-tenth:]) / statistics.median(amounts[since * tenth : (since + 1) * tenth]) - 1


def soak(polls: int, interval: float, tell: Any) -> tuple[dict[str, Any], list[str]]:
    """Let it happen in the working folder; return its figures and what was found."""
    gc.enable()
    began = REAL_TIME()
    loop = WorldLoop(random.Random("loop"))
    asyncio.set_event_loop(loop)
    Now.loop = loop.time
    fill_caches()
    world = Soak(loop, polls, interval)

    async def told() -> None:
        shown = 0
        while True:
            await asyncio.sleep(3600)
            if (last := world.last) is not None and last.polls > shown:
                shown = last.polls
                tell(
                    f"{last.polls} polls, {last.days:.1f} days, {last.rss / 2**20:.1f} MiB, "
                    f"{last.blocks} blocks, {last.tasks} tasks, "
                    f"{last.samples} samples, {REAL_TIME() - began:.0f} s, {len(world.findings)} found"
                )

    def stop(*_: object) -> None:
        world.stopped = True

    signal.signal(signal.SIGINT, stop)
    teller = loop.create_task(told())
    loop.run_until_complete(world.live())
    teller.cancel()
    if world.last is None:
        return {}, world.findings
    grew = drift(world.memory)
    if grew > MOST_DRIFT and world.calls.polls >= JUDGED:
        world.findings.append(f"memory grew by {grew:.1%}")
    leaked = drift(world.pieces)
    if leaked > MOST_DRIFT and world.calls.polls >= JUDGED:
        world.findings.append(f"{leaked:.1%} more pieces of memory are in use")
    figures = {
        "polls": world.calls.polls,
        "days": round((loop.time() - 1000) / 86400, 1),
        "drift": round(grew, 4),
        "drift of the second half": round(drift(world.memory, since=5), 4),
        "drift of blocks": round(leaked, 4),
        "caches": "full",
        "garbage": "collected",
        "MiB": round(world.last.rss / 2**20, 1),
        "most tasks": world.tasks,
        "done": dict(world.done),
        "log": dict(world.log),
        "found": len(world.findings),
        "took": round(REAL_TIME() - began),
    }
    return figures, world.findings
