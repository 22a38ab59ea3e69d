"""What happens in a world: how it is made, and each thing that goes wrong or is done in it, drawn from one seed.

A story is plain data, so that a part of it can be left out: every source of chance has its own seed, and what is left
out changes nothing of the rest.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any, Final

from tests.hostile.misbehaviours import TABLE, mixture
from tests.world.cloud import EVER, HEAVY


@dataclass(frozen=True)
class Event:
    """One thing that goes wrong, or that somebody does."""

    kind: str
    at: float
    """Seconds after the exporter was first started."""
    lasts: float = 0.0
    facts: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        facts = " ".join(f"{key}={value}" for key, value in self.facts.items())
        return f"{self.kind} at {self.at:.0f} s" + (f" for {self.lasts:.0f} s" if self.lasts else "") + f" {facts}"


@dataclass(frozen=True)
class Shape:
    """How a world is made."""

    dli: int = 2
    dws: int = 1
    cdm: int = 3
    clusters: int = 2
    length: float = 900.0
    """Seconds in which things happen and runs begin."""
    shortest: float = 20.0
    longest: float = 240.0
    gaps: tuple[float, ...] = (2.0, 8.0, 60.0, 300.0)
    """Seconds at most between two runs of a job, of which each job draws one."""
    interval: float = 15.0
    idle: float = 60.0
    lists: float = 45.0
    stale: float = 150.0
    timeout: float = 10.0
    rate: dict[str, float] = field(default_factory=lambda: {"dli": 2.0, "dws": 1.0, "cdm": 2.0, "cdm_list": 1.0})
    journal: bool = True
    credentials: str = "password"
    watched: str = "discovery"
    """How CDM jobs are registered: by discovery, or in a job file."""
    page: int = 0
    """The most rows of a page of a list or a history, whatever is asked for; 0 is as many as are asked for."""
    offset: float = 0.0
    """Seconds by which the wall clock of the exporter's machine is ahead of the cloud's from the start."""
    second: str = ""
    """What a second exporter is: one with the same key and jobs, or the other shard; none if empty."""
    preempted: float = 0.0
    """The share of calls in threads that the event loop interrupts."""
    stalls: float = 0.0
    """Seconds at most for which such a thread stands still, as one does that waits for a file system."""


@dataclass(frozen=True)
class Story:
    """A whole world."""

    seed: int
    shape: Shape
    events: tuple[Event, ...]

    def without(self, left_out: frozenset[int]) -> "Story":
        """Return the same story without some of its events."""
        return replace(self, events=tuple(each for number, each in enumerate(self.events) if number not in left_out))


Drawn = dict[str, Any]
LIGHT: Final = {name: weight for name, weight in mixture(*HEAVY, *EVER).items() if name in TABLE}
MIXED: Final = tuple(sorted(LIGHT))


def _some(rng: random.Random) -> Drawn:
    names = rng.sample(MIXED, rng.choice((1, 1, 2, 5, len(MIXED))))
    return {"share": round(rng.choice((0.1, 0.3, 0.6, 1.0)) * rng.uniform(0.5, 1.0), 2), "names": sorted(names)}


def _one(*names: str) -> Callable[[random.Random], Drawn]:
    def draw(rng: random.Random) -> Drawn:
        return {"share": round(rng.choice((0.1, 0.3, 1.0)), 2), "names": [rng.choice(names)]}

    return draw


BROKEN: Final = ("{", "projects: 7", "[1, 2", "poll: {interval: soon}", "")
HOW: Final = ("halves", "gone", "broken")
BUGS: Final = (
    "Demand.of",
    "Demand.timing",
    "Limiter.wait_for",
    "Calls.queue",
    "Results.began",
    "Results.worked",
    "Results.failed",
    "JobStore.update",
    "ScheduleQueue.put",
    "ListResults.take",
    "Staleness._watch",
    "HistoryReader.want",
    "Discovery._publish",
    "JobFiles._matching",
)
"""Functions of the exporter, one call of which fails as nobody foresaw."""


def _none(_: random.Random) -> Drawn:
    return {}


KINDS: Final[dict[str, tuple[float, Callable[[random.Random], Drawn]]]] = {
    "misbehave": (6.0, _some),
    "hang_up": (1.0, _one("close_when_reused", "close_after_reading", "reset_after_reading")),
    "throttle": (1.5, _one("throttled_rightly", "throttled")),
    "out_of_order": (1.5, _one("unavailable", "busy_cluster", "late", "unknown_state")),
    "unasked": (1.0, _one("unasked", "second_answer_later", "another_job")),
    "vanish": (0.7, _one("vanished")),
    "forget": (1.2, _one("ids_alone", "creations_alone", "only_what_must_be", "shifting_pages")),
    "older": (1.0, _one("older_submission")),
    "unauthorized": (0.7, _none),
    "loss": (1.5, lambda rng: {"loss": round(rng.choice((0.02, 0.2, 0.5)), 2)}),
    "slow_network": (1.0, lambda rng: {"latency": round(rng.choice((0.1, 0.5, 2.0)), 2), "jitter": 0.5}),
    "cut": (1.2, _none),
    "refused": (0.8, _none),
    "names_fail": (0.8, _none),
    "names_slow": (0.4, lambda rng: {"seconds": rng.choice((0.5, 3.0, 20.0))}),
    "disk": (1.0, lambda rng: {"problem": rng.choice(("ENOSPC", "EROFS", "EIO"))}),
    "slow_disk": (1.0, lambda rng: {"seconds": rng.choice((0.5, 4.0, 12.0))}),
    "kill": (1.2, lambda rng: {"down": rng.choice((0.1, 2.0, 30.0))}),
    "kill_in_write": (1.0, lambda rng: {"steps": rng.randint(1, 9), "down": rng.choice((0.1, 2.0, 30.0))}),
    "power": (0.8, lambda rng: {"steps": rng.randint(1, 9), "down": rng.choice((2.0, 30.0))}),
    "restart": (1.2, lambda rng: {"down": rng.choice((0.1, 2.0, 30.0))}),
    "freeze": (1.0, _none),
    "clock": (1.2, lambda rng: {"seconds": rng.choice((-3600.0, -600.0, -20.0, 20.0, 3600.0))}),
    "reload": (1.2, lambda rng: {"interval": rng.choice((10.0, 20.0)), "by": rng.choice(("file", "signal"))}),
    "broken_reload": (0.8, lambda rng: {"text": rng.choice(BROKEN), "by": rng.choice(("file", "signal"))}),
    "moves": (0.8, lambda rng: {"old": rng.choice(("refuses", "sour", "works"))}),
    "drop_files": (1.2, _none),
    "rotate": (0.8, lambda rng: {"late": rng.choice((1.0, 20.0, 120.0))}),
    "job_file": (1.0, lambda rng: {"how": rng.choice(HOW), "wait": rng.choice((0.3, 1.0, 5.0))}),
    "hide": (2.0, lambda rng: {"which": rng.randrange(100)}),
    "bug": (1.0, lambda rng: {"where": rng.choice(BUGS)}),
}
"""What can happen: how often beside the others, and what is drawn for it."""
SHORT: Final = {"kill", "kill_in_write", "power", "restart", "clock", "reload", "rotate", "job_file", "bug", "moves"}
LONGEST: Final = {"freeze": 40.0, "unauthorized": 8.0, "cut": 90.0, "refused": 90.0, "names_fail": 90.0}
RATES: Final = {"dli": (2.0, 2.0, 0.3), "dws": (1.0, 0.2), "cdm": (2.0, 2.0, 0.4), "cdm_list": (1.0, 0.5)}
"""Calls a second that the limits allow, some of them hardly enough."""
SECOND: Final = ("same key", "shard")
NEIGHBOURS: Final = 18
"""How many worlds there are without a second exporter for each kind of one."""
MOST_FEW: Final = 5
"""CDM jobs at most of a world that is not crowded."""
CROWDED: Final = 0.06
"""The share of worlds with many jobs."""
STALLED: Final = 0.5
"""The share of worlds with threads that are interrupted in which these stand still once and for long."""
STALL: Final = 2.0
BEGINS: Final = 60.0
"""Seconds after the start at which something goes wrong for the first time."""


def crowd(rng: random.Random) -> Shape:
    """Draw a world of many jobs of which few run, and whose limits are narrow."""
    number, rate = rng.randint(60, 140), {"dli": 2.0, "dws": 1.0, "cdm": 1.0, "cdm_list": 1.0}
    return Shape(0, 0, number, 2, 240.0, 20.0, 200.0, (3000.0,), 10.0, 120.0, 30.0, rate=rate, journal=False)


def shape_of(rng: random.Random, length: float) -> Shape:
    """Draw how a world is made."""
    if rng.random() < CROWDED:
        return crowd(rng)
    idle = rng.choice((30.0, 60.0, 120.0))
    return Shape(
        dli=rng.randint(0, 3),
        dws=rng.randint(0, 2),
        cdm=rng.randint(1, MOST_FEW),
        length=length,
        shortest=rng.choice((3.0, 20.0, 60.0)),
        longest=rng.choice((60.0, 240.0, 600.0)),
        interval=rng.choice((10.0, 15.0, 30.0)),
        idle=idle,
        lists=rng.choice((20.0, 45.0, 60.0)),
        stale=idle * rng.choice((1.25, 2.5)),
        offset=rng.choice((0.0, 0.0, 0.0, -300.0, -7.0, 7.0, 300.0)),
        journal=rng.random() < 0.6,
        credentials=rng.choice(("password", "key", "key_file")),
        watched=rng.choice(("discovery", "discovery", "file")),
        page=rng.choice((0, 0, 2)),
        second=rng.choice((*SECOND, *(NEIGHBOURS * ("",)))),
        preempted=rng.choice((0.0, 0.0, 0.0, 0.1, 1.0)),
        rate={name: rng.choice(RATES[name]) for name in sorted(RATES)},
    )


def story_of(seed: int, length: float = 432.0, *, jobs: int | None = None) -> Story:
    """Draw a world from a seed; *jobs* is how many CDM jobs there are instead of what it draws."""
    rng = random.Random(f"story {seed}")
    shape = shape_of(rng, length)
    shape = shape if jobs is None else replace(shape, cdm=jobs)
    if shape.preempted and random.Random(f"stalls {seed}").random() < STALLED:
        shape = replace(shape, stalls=STALL)
    names, weights = sorted(KINDS), [KINDS[name][0] for name in sorted(KINDS)]
    events = []
    for _ in range(rng.choice((0, 2, 3, 5, 8, 12))):
        kind = rng.choices(names, weights)[0]
        at = rng.uniform(BEGINS, shape.length)
        longest = LONGEST.get(kind, 240.0)
        lasts = 0.0 if kind in SHORT else rng.uniform(0.5, 1.0) * rng.choice((0.05, 0.3, 1.0)) * longest
        events.append(Event(kind, round(at, 1), round(lasts, 1), KINDS[kind][1](rng)))
    return Story(seed, shape, tuple(sorted(events, key=lambda event: event.at)))
