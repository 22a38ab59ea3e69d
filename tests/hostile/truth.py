"""What is true: jobs of three services and their runs, as a pure function of time.

Nothing here knows of HTTP, of sockets or of the exporter. A world is made once, from a seed or by hand, and never
changes; what holds at a moment is computed from it, so that a test can ask the same of the past.
"""

import math
import random
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property

STEP = 0.25
"""Seconds between two changes of what runs: within any window there are few values, which a test can enumerate."""
SERVICES = ("dli", "dws", "cdm")
NEVER = math.inf


@dataclass(frozen=True)
class Run:
    """One run. *late* is how long after its end the counters are not told yet."""

    ident: str
    created: float
    started: float
    ended: float
    result: str = "succeeded"
    rows: int = 1000
    late: float = 0.0
    incremental: bool = False

    def state(self, now: float) -> str:
        """Return pending, running, or the result."""
        if now < self.started:
            return "pending"
        return "running" if now < self.ended else self.result

    def share(self, now: float) -> int:
        """Return the per cent that are done; what fails or is cancelled stops where it was."""
        if now < self.started:
            return 0
        if now >= self.ended and self.result == "succeeded":
            return 100
        last = min(now, self.ended) if self.ended != NEVER else now
        length = (self.ended if self.ended != NEVER else self.started + 1000) - self.started
        done = math.floor((last - self.started) / STEP) * STEP / max(length, STEP)
        return min(99, math.floor(100 * done))

    def rows_done(self, now: float) -> int:
        """Return the rows that are moved."""
        return self.rows * self.share(now) // 100

    def counted(self, now: float) -> bool:
        """Whether the final counters are told."""
        return now >= self.ended + self.late


@dataclass(frozen=True)
class Job:
    """A job: its service, how people call it, where it is, and its runs from the oldest to the newest."""

    service: str
    name: str
    runs: tuple[Run, ...]
    cluster: str = ""
    files: bool = False

    def begun(self, now: float) -> tuple[Run, ...]:
        """Return the runs that there are by now, the oldest first."""
        return tuple(run for run in self.runs if run.created <= now)

    def newest(self, now: float) -> Run | None:
        """Return the newest run, if there was one."""
        begun = self.begun(now)
        return begun[-1] if begun else None

    def run(self, ident: str) -> Run | None:
        """Return the run with this id, or with this creation in milliseconds, as one is called that told no id."""
        return self._runs.get(ident)

    @cached_property
    def _runs(self) -> dict[str, Run]:
        return {f"{run.created * 1000:.0f}": run for run in self.runs} | {run.ident: run for run in self.runs}


@dataclass(frozen=True)
class Cluster:
    """A CDM cluster."""

    ident: str
    name: str
    status: str = "200"


@dataclass(frozen=True)
class World:
    """All that is true of one project, from *start* on."""

    project: str
    start: float
    jobs: tuple[Job, ...]
    clusters: tuple[Cluster, ...] = ()
    users: dict[str, str] = field(default_factory=lambda: {"exporter": "correct horse"})
    keys: dict[str, str] = field(default_factory=lambda: {"AKOFTHETESTS": "secret-of-the-tests"})

    def of(self, service: str) -> Iterator[Job]:
        """Return the jobs of a service."""
        return (job for job in self.jobs if job.service == service)

    def by_run(self, service: str, ident: str) -> tuple[Job, Run] | None:
        """Return the DLI or DWS job with this run."""
        return self._by_run.get((service, ident))

    def by_name(self, cluster: str, name: str) -> Job | None:
        """Return the CDM job of this cluster and name."""
        return self._by_name.get((cluster, name))

    def cluster(self, ident: str) -> Cluster | None:
        """Return the CDM cluster with this id."""
        return next((cluster for cluster in self.clusters if cluster.ident == ident), None)

    @cached_property
    def _by_run(self) -> dict[tuple[str, str], tuple[Job, Run]]:
        return {(job.service, run.ident): (job, run) for job in self.jobs if job.service != "cdm" for run in job.runs}

    @cached_property
    def _by_name(self) -> dict[tuple[str, str], Job]:
        return {(job.cluster, job.name): job for job in self.of("cdm")}


@dataclass(frozen=True)
class Script:
    """How a world is to be: how many jobs of which kind, and for how long something begins."""

    dli: int = 4
    dws: int = 2
    cdm: int = 6
    clusters: int = 2
    length: float = 60.0
    shortest: float = 3.0
    longest: float = 12.0
    prefix: str = ""
    """Of the names of all jobs, where one exporter watches several worlds."""


RESULTS = {
    "dli": ("succeeded", "succeeded", "succeeded", "failed", "cancelled"),
    "dws": ("succeeded", "succeeded", "failed", "cancelled"),
    "cdm": ("succeeded", "succeeded", "succeeded", "failed"),
}
ODD_NAMES = ("作业 {}", "a+b {}", "50% {}", "x/y_{}", "ünï.{}")
"""Patterns of CDM names that have to be encoded in an address."""


class Author:
    """Writes a world from a seed."""

    def __init__(self, rng: random.Random, start: float, script: Script) -> None:
        self._rng = rng
        self._start = float(math.floor(start))
        self._script = script
        self._submission = 1000

    def write(self) -> World:
        """Return the world."""
        script, rng = self._script, self._rng
        clusters = tuple(Cluster(self._uuid(), f"{script.prefix}cluster-{number}") for number in range(script.clusters))
        jobs = [Job("dli", f"{script.prefix}pipeline-{number}", self._runs("dli", 40)) for number in range(script.dli)]
        jobs += [Job("dws", f"{script.prefix}resize-{number}", self._runs("dws", 1)) for number in range(script.dws)]
        for number in range(script.cdm):
            name = rng.choice(ODD_NAMES).format(number) if number % 5 == 4 else f"move_{number // script.clusters}"
            cluster = clusters[number % script.clusters].ident
            jobs.append(Job("cdm", name, self._runs("cdm", 40), cluster, files=number % 4 == 3))
        project = f"{rng.getrandbits(128):032x}"
        return World(project, self._start, tuple(jobs), clusters, keys={f"AK{project}": "secret-of-the-tests"})

    def _uuid(self) -> str:
        return str(uuid.UUID(int=self._rng.getrandbits(128), version=4))

    def _ident(self, service: str) -> str:
        if service == "cdm":
            self._submission += self._rng.randint(1, 3)
            return str(self._submission)
        return self._uuid() if service == "dli" else f"{self._rng.getrandbits(128):032x}"

    def _runs(self, service: str, most: int) -> tuple[Run, ...]:
        script, rng = self._script, self._rng
        runs: list[Run] = []
        began = self._start - rng.randint(0, 40) if most > 1 else self._start
        over = self._start + script.length
        while len(runs) < most:
            created = began + rng.randint(0, 6)
            started = created + rng.randint(0, 3)
            ended = started + rng.randint(int(script.shortest), int(script.longest))
            if ended > over:
                break
            late = rng.choice((0.0, 0.0, 3.0)) if service == "cdm" else 0.0
            result = rng.choice(RESULTS[service])
            runs.append(Run(self._ident(service), created, started, ended, result, rng.randint(100, 99_999), late))
            began = ended + rng.randint(1, 8)
        return tuple(runs)
