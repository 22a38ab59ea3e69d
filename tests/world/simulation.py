"""One world from its first to its last second: who lives in it, what happens, and what must hold meanwhile."""

import asyncio
import contextvars
import hashlib
import json
import random
import signal
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from tests.hostile.daemon import PASSWORD, Labels, Scrape, parsed
from tests.hostile.misbehaviours import WRONG_DATE
from tests.hostile.oracle import groups
from tests.hostile.truth import World as Truth
from tests.world import laws
from tests.world.cloud import DOMAIN, Troubles, WorldCloud
from tests.world.disk import WorldDisk
from tests.world.happenings import HAPPENINGS
from tests.world.jobs import WorldAuthor
from tests.world.loop import WorldEndedError, WorldLoop
from tests.world.machine import PORT, Machine, surround
from tests.world.neighbour import Neighbour
from tests.world.network import Network, Weather
from tests.world.pages import page_of
from tests.world.story import Event, Story
from tests.world.timepieces import HOST, START, Host, Now
from tests.world.untold_runs import untold

QUIET: Final = 900.0
"""Seconds after everything is well again within which all has to be shown."""
PATIENCE: Final = 20.0
"""Seconds that a scrape may take."""
ENDS: Final = {
    "huaweicloud_job_last_success_timestamp_seconds",
    "huaweicloud_job_last_failure_timestamp_seconds",
}
"""By the cloud's clock: of a cloud that tells a wrong one again and again, they are as wrong."""
STAMPED: Final = {
    "huaweicloud_job_last_poll_timestamp_seconds",
    "huaweicloud_job_exporter_discovery_last_success_timestamp_seconds",
}
"""Moments by the exporter's own clock; when a run ended is by the cloud's."""
TOUCHED: Final = 25
"""Lines of the trace that a report repeats."""
STOPS_WITHIN: Final = 6.0
"""Seconds after SIGTERM within which the process has ended."""


@dataclass
class Finding:
    """Something that must not be."""

    at: float
    law: str
    text: str

    def __str__(self) -> str:
        return f"{self.at - 1000:.3f} {self.law}: {self.text}"


@dataclass
class Verdict:
    """What came of a world."""

    story: Story
    findings: list[Finding]
    trace: list[str]
    digest: str
    figures: Counter[str] = field(default_factory=Counter)
    touched: list[str] = field(default_factory=list)
    """The last lines of the trace that have to do with the first finding."""

    @property
    def same_everywhere(self) -> dict[str, int]:
        """The figures that are of the seed and not of the machine."""
        return {name: figure for name, figure in self.figures.items() if not name.startswith("longest")}


class Simulation:
    """One world."""

    def __init__(self, story: Story, loop: WorldLoop) -> None:
        self.story, self.loop = story, loop
        self._folder = str(Path.cwd())
        self.trace: list[str] = []
        self.findings: list[Finding] = []
        self.figures: Counter[str] = Counter()
        self.usual = Weather()
        self.interval = story.shape.interval
        self.broken = False
        """Whether the configuration is written wrongly at the moment."""
        self.bugs = 0
        self.dropped = 0
        """How many want the job files out of the configuration."""
        self._stopping = False
        """Whether SIGTERM was sent and the process has not ended."""
        self._scraped_at = 0.0
        self._moments: dict[tuple[str, Labels], tuple[float, float]] = {}
        """The moments that were scraped last, as they are shown and as they were."""
        self._clocks: list[tuple[float, float]] = [(START + loop.time(), story.shape.offset)]
        self.network = loop.network = Network(loop, self.rng("network"), Weather())
        self.troubles = Troubles(self.rng("troubles"))
        shape = story.shape
        self.truth: Truth = WorldAuthor(self.rng("truth"), START + loop.time(), shape).write()
        self._series: dict[str, tuple[str, Labels]] = {}
        self.dates_lied = False
        self.network.names = {f"{name}.{DOMAIN}": ["10.0.0.1"] for name in ("dli", "dws", "cdm", "iam")}
        surround(self.network, self.note)
        self.cloud = WorldCloud(self.truth, self.troubles, self.rng("cloud"), self.note, shape.page)
        self.machine = Machine("exporter", "10.0.1.1", self.network, WorldDisk(self.rng("disk")), self.note)
        self.machine.offset = shape.offset
        self.oracle = laws.oracle(self.truth, story, START + loop.time())
        self.laws = laws.Laws(self)
        self.neighbour = Neighbour(self) if shape.second else None
        if shape.second == "same key":
            self.troubles.most = {name: 60 * rate for name, rate in shape.rate.items()}

    def rng(self, name: str) -> random.Random:
        """Return a source of chance of its own."""
        return random.Random(f"{name} {self.story.seed}")

    def now(self) -> float:
        """Return the Unix time of this world."""
        return START + self.loop.time()

    def note(self, who: str, text: str, at: float | None = None, tags: Any = None) -> None:
        """Write into the trace."""
        text = text.replace(self._folder, "~")
        self.trace.append(f"{(self.loop.time() if at is None else at) - 1000:.6f} {who} {text}")
        if text.startswith("log "):
            self.laws.logged(text, tags or {})

    def found(self, law: str, texts: Iterable[str]) -> None:
        """Note what must not be."""
        for text in texts:
            self.findings.append(Finding(self.loop.time(), law, text))
            self.trace.append(f"{self.loop.time() - 1000:.6f} FINDING {law}: {text}")

    # the exporter

    def configuration(self, shard: int = 0) -> dict[str, Any]:
        """Return the configuration of the first exporter, or of the second."""
        shape = self.story.shape
        key, secret = next(iter(self.truth.keys.items()))
        kinds: dict[str, Any] = {
            "password": PASSWORD,
            "key": {"access_key": {"key_id": key, "secret": secret}},
            "key_file": {"access_key": {"key_id": key, "secret_file": "secret"}},
        }
        project = {
            "region": "region-1",
            "project_id": self.truth.project,
            "cloud": "custom",
            "endpoints": {service: self.cloud.endpoint(service) for service in self.cloud.ports},
            "time_zone": "Asia/Shanghai",
            "limits": {name: f"{rate}/s" for name, rate in shape.rate.items()},
            "credentials": kinds[shape.credentials],
        }
        rules = [{"service": "dli", "tags": {}, "name": "{tags.pipeline}", "project": "hostile"}]
        if shape.watched == "discovery":
            name = "{cluster_name}/{job_name}"
            rules += [{"service": "cdm", "clusters": "all", "name": name, "project": "hostile"}]
        jobs = [
            {"service": "dws", "project": "hostile", "job_id": job.runs[0].ident, "name": job.name}
            for job in self.truth.of("dws")
            if job.runs
        ]
        poll = {
            "interval": f"{self.interval:g}s",
            "idle_interval": f"{shape.idle:g}s",
            "list_interval": f"{shape.lists:g}s",
            "timeout": f"{shape.timeout:g}s",
            "stale_after": f"{shape.stale:g}s",
        }
        return {
            "poll": poll,
            "web": {"listen_address": f"127.0.0.1:{PORT}", "enable_lifecycle": True},
            "projects": {"hostile": project},
            "discovery": rules,
            "jobs": jobs,
            **({"job_files": ["jobs.yaml"]} if shape.watched == "file" and not self.dropped else {}),
            **({"journal": "journal.json"} if shape.journal else {}),
            **({"sharding": {"shards": 2, "shard": shard}} if shape.second == "shard" else {}),
        }

    def write_configuration(self) -> None:
        """Write the configuration where the exporter reads it."""
        for shard, machine in enumerate([self.machine, *([self.neighbour.machine] if self.neighbour else [])]):
            folder = machine.config.parent
            (folder / "secret").write_text(next(iter(self.truth.keys.values())))
            if self.story.shape.watched == "file":
                (folder / "jobs.yaml").write_text(self.job_file())
            if not self.broken:
                machine.config.write_text(json.dumps(self.configuration(shard)))

    def job_file(self) -> str:
        """Return the CDM jobs as a job file."""
        names = {cluster.ident: cluster.name for cluster in self.truth.clusters}
        rows = [
            {
                "service": "cdm",
                "project": "hostile",
                "cluster_id": job.cluster,
                "job_name": job.name,
                "name": f"{names[job.cluster]}/{job.name}",
            }
            for job in self.truth.of("cdm")
        ]
        return "".join(f"{json.dumps(row)}\n" for row in rows)

    def set_clock(self, offset: float) -> None:
        """Set the wall clock of the exporter's machine."""
        self._clocks.append((self.now(), offset))
        self.machine.set_clock(offset)

    def true_times(self, shown: float) -> list[float]:
        """Return the moments that the exporter's clock called so: two if it was set back between them."""
        ends = [since for since, _ in self._clocks[1:]] + [self.now() + 1.0]
        moments = [(since, shown - offset, until) for (since, offset), until in zip(self._clocks, ends, strict=True)]
        found = [at for since, at, until in moments if since - 0.001 <= at <= until]
        return found or [shown - self._clocks[-1][1]]

    def _moment(self, key: tuple[str, Labels], shown: float) -> float:
        """Return the moment that is shown: of two that the clock called so, the first one since the last scrape."""
        before, at = self._moments.get(key, (None, 0.0))
        if before == shown:
            return at
        possible, since = self.true_times(shown), self._scraped_at - self.story.shape.timeout
        at = min((each for each in possible if each >= since), default=min(possible))
        at = min((each for each in possible if each >= self._scraped_at), default=at)
        self._moments[key] = shown, at
        return at

    async def stop(self) -> None:
        """Stop the exporter as an operator does."""
        machine = self.machine
        ended = machine.ended
        if ended is None or not machine.up:
            return
        before, self._stopping = self.loop.time(), True
        machine.signal(signal.SIGTERM)
        await asyncio.wait({ended}, timeout=60)
        self._stopping = False
        frozen = max(0.0, (machine.host.frozen_until if machine.host else 0.0) - before)
        took = self.loop.time() - before - frozen
        if took > STOPS_WITHIN:
            self.found("stop", [f"SIGTERM took {took:.1f} s"])
        machine.kill("-9")

    def start(self) -> None:
        """Start the exporter."""
        self.machine.start()
        self.laws.restarted(kept=self.story.shape.journal)

    def registered_anew(self) -> None:
        """Note that the jobs of job files were gone for a while: what was counted of them is too without a journal."""
        if self.story.shape.watched == "file":
            self.laws.registered_anew(kept=self.story.shape.journal)

    async def again(self, down: float) -> None:
        """Start the exporter some time later, if nobody did."""
        await asyncio.sleep(down)
        if not self.machine.up and not self.broken:
            self.start()

    # the world

    async def live(self) -> None:
        """Let everything happen."""
        context = contextvars.copy_context()
        context.run(HOST.set, self._cloud_host())
        await self.loop.create_task(self.cloud.__aenter__(), context=context)
        self.write_configuration()
        self.machine.start()
        if self.neighbour:
            self.neighbour.machine.start()
        happening = [self.loop.create_task(self._happen(event, n)) for n, event in enumerate(self.story.events)]
        ends = max([self.story.shape.length, *(event.at + event.lasts + 120 for event in self.story.events)])
        rng = self.rng("prometheus")
        while self.loop.time() - 1000 < ends or not all(task.done() for task in happening):
            await self._look()
            await asyncio.sleep(rng.uniform(6.0, 30.0))
        for task in happening:
            task.result()
        await self._settle(rng)
        self.laws.at_the_end()
        await self.stop()
        if self.neighbour:
            self.neighbour.machine.kill("-9")
        self.cloud.tell_calls()

    async def _settle(self, rng: random.Random) -> None:
        """Wait until all that is true is shown."""
        until = self.loop.time() + QUIET
        missing: list[str] = []
        while self.loop.time() < until:
            scrape = await self._look()
            missing = ["no answer"] if scrape is None else self._missing(scrape)
            if not missing:
                return
            await asyncio.sleep(rng.uniform(6.0, 30.0))
        self.found("missing", missing[:5])

    def _missing(self, scrape: Scrape) -> list[str]:
        self.oracle.untold = untold(self)
        return self.neighbour.missing(scrape) if self.neighbour else self.oracle.missing(scrape)

    def _cloud_host(self) -> Host:
        host = Host("cloud", "10.0.0.1")
        self.network.hosts[host.address] = host
        return host

    async def _happen(self, event: Event, number: int) -> None:
        await asyncio.sleep(max(0.0, event.at - (self.loop.time() - 1000)))
        self.note("story", f"begins: {event}")
        await HAPPENINGS[event.kind](self, event, number)
        self.note("story", f"over: {event.kind}")

    async def _look(self) -> Scrape | None:
        """Scrape, and compare what is shown with what is true."""
        self._supervise()
        scrape = await self.scrape(self.machine)
        if self.neighbour:
            await self.neighbour.look()
        if scrape is not None:
            self.laws.look(scrape, groups(scrape))
        return scrape

    async def scrape(self, machine: Machine) -> Scrape | None:
        """Ask an exporter for its metrics."""
        host, began = machine.host, self.loop.time()
        if not machine.up or host is None or host.frozen_until > began:
            return None
        status, text = 0, ""
        try:
            async with asyncio.timeout(PATIENCE):
                status, text = await page_of(machine, "/metrics")
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            if self._stopping and machine is self.machine and isinstance(error, ConnectionRefusedError):
                return None  # who stops answers those who are connected, and listens no more
        if host.frozen_until > began or not host.alive or machine.host is not host:
            return None
        if status != 200:
            if self.loop.time() - machine.began > PATIENCE:
                self.found("answers", [f"/metrics: {status or 'no answer'} after {self.loop.time() - began:.1f} s"])
            return None
        self.cloud.tell_calls()
        text = text.replace(self._folder, "~")  # a label names a file of this world
        lines = [line for line in text.splitlines() if not line.startswith(("process_", "python_", "# "))]
        digest = hashlib.sha256("\n".join(lines).encode()).hexdigest()[:16]
        self.note("prometheus", f"scrape {machine.name} {len(lines)} samples {digest}")
        self.figures["scrapes"] += 1
        self.figures["samples"] += len(lines)
        samples = self._samples(lines, own=machine is self.machine)
        if machine is self.machine:
            self._scraped_at = START + began
        return Scrape(self.now(), self.loop.time() - began, status, samples)

    def _samples(self, lines: list[str], *, own: bool) -> dict[tuple[str, Labels], float]:
        """Read the samples, the names of series that are new alone, by the world's own clock.

        Only the clock of the first exporter is ever another one.
        """
        samples: dict[tuple[str, Labels], float] = {}
        for line in lines:
            series, _, text = line.rpartition(" ")
            key = self._series.get(series)
            if key is None:
                self._series[series] = key = next(iter(parsed(f"{series} 0")))
            if key in samples:
                self.found("truth", [f"{series} is there twice"])
            value = samples[key] = float(text)
            if own and key[0] in STAMPED:
                samples[key] = self._moment(key, value)  # as when it was shown first, or it would move with the clock
            elif self.dates_lied and key[0] in ENDS and value > self.now() + WRONG_DATE / 2:
                samples[key] = value - WRONG_DATE
        return samples

    def _supervise(self) -> None:
        """Start a process anew that ended by itself; with a right configuration none does."""
        ended = self.machine.ended
        if ended is None or not ended.done() or ended.result() in {"stopped", "killed"} or self.broken:
            return
        self.found("ends", [ended.result()])
        self.start()


def simulate(story: Story) -> Verdict:
    """Let a world happen; the working folder is its machines' file system."""
    random.seed(f"exporter {story.seed}")
    loop = WorldLoop(random.Random(f"loop {story.seed}"))
    loop.preempted, loop.stalls = story.shape.preempted, story.shape.stalls
    asyncio.set_event_loop(loop)
    Now.loop = loop.time
    sim = Simulation(story, loop)
    try:
        loop.run_until_complete(sim.live())
    except WorldEndedError as error:
        sim.found("alive", [str(error)])
    sim.figures["calls"] = len(sim.cloud.calls)
    sim.figures["seconds"] = int(loop.time() - 1000)
    sim.figures["events"] = loop.events
    digest = hashlib.sha256("\n".join(sim.trace).encode()).hexdigest()
    return Verdict(story, sim.findings, sim.trace, digest, sim.figures, touched(sim))


def touched(sim: Simulation) -> list[str]:
    """Return the last lines of the trace that have to do with the first finding: its job, what happened, the rest."""
    if not sim.findings:
        return []
    first, names = sim.findings[0], {cluster.ident: cluster.name for cluster in sim.truth.clusters}
    needles = [" story ", " FINDING "]
    for job in sim.truth.jobs:
        shown = f"{names[job.cluster]}/{job.name}" if job.service == "cdm" else job.name
        if first.text.startswith(f"{job.service}/{shown}:"):
            needles += [f"job={shown!r}", f"{job.cluster}/cdm/job/{quote(job.name)}/", f"jname={quote(job.name)}"]
            needles += (
                [f"{job.cluster}/cdm/job/all", *(run.ident for run in job.runs)]
                if job.cluster
                else [run.ident for run in job.runs]
            )
    end = next((n for n, line in enumerate(sim.trace) if " FINDING " in line), len(sim.trace)) + 1
    if len(needles) == 2:
        return sim.trace[max(0, end - TOUCHED) : end]
    return [line for line in sim.trace[:end] if any(needle in line for needle in needles)][-TOUCHED:]
