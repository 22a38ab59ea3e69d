"""Everything at once: the real daemon before many jobs while the cloud misbehaves at random, and figures of it.

`python -m tests.hostile.storm --jobs 300 --seconds 600` does it by hand and prints what was seen.
"""

import argparse
import asyncio
import json
import random
import sys
import tempfile
import time
from collections import Counter, deque
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from tests.hostile.aside import aside
from tests.hostile.daemon import Exporter, configuration, running
from tests.hostile.misbehaviours import Some, mixture
from tests.hostile.oracle import OWN, Oracle
from tests.hostile.truth import Author, Script
from tests.hostile.wire import Call

POLL = {"interval": "3s", "idle_interval": "6s", "list_interval": "5s", "timeout": "3s", "stale_after": "20s"}
LIMITS = {"dli": 15, "dws": 15, "cdm": 20, "cdm_list": 10}
WINDOW = 59.0
"""A second less than the minute that is promised: a call is counted where it arrives, a little after it left."""


class Used(NamedTuple):
    """What the exporter has at a moment, or the most of each."""

    memory: float = 0.0
    """In MiB."""
    sockets: int = 0
    threads: int = 0
    tasks: int = 0

    def or_more(self, other: "Used") -> "Used":
        """Return the greater of each."""
        (memory, *mine), (more, *theirs) = self, other
        return Used(max(memory, more), *(max(pair) for pair in zip(mine, theirs, strict=True)))


NOTHING = Used()


@dataclass
class Report:
    """What was seen."""

    jobs: int
    seconds: float
    compared: int = 0
    calls: int = 0
    did: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    came_back_after: float = 0.0
    unanswered: list[str] = field(default_factory=list)
    took: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """Seconds of the median, the 99th of a hundred and the slowest request, by path."""
    own: dict[str, tuple[float, float, float]] = field(default_factory=dict)
    """The same without what the load of the machine cost."""
    fell: int = 0
    """How often a counter fell."""
    busiest: dict[str, int] = field(default_factory=dict)
    crashes: float = 0.0
    before: Used = NOTHING
    most: Used = NOTHING
    after: Used = NOTHING


def busiest(calls: Iterable[Call], window: float = WINDOW) -> dict[str, int]:
    """Return the most calls of any *window* seconds, by limit class and who called."""
    most: dict[str, int] = {}
    recent: dict[str, deque[float]] = {}
    for call in calls:
        key = call.limit
        times = recent.setdefault(key, deque())
        times.append(call.at)
        while times[0] <= call.at - window:
            times.popleft()
        most[key] = max(most.get(key, 0), len(times))
    return most


async def used(exporter: Exporter) -> Used:
    """Return what the exporter has now."""
    return Used(round(exporter.memory(), 1), exporter.sockets(), exporter.threads(), await exporter.tasks())


async def kept(exporter: Exporter) -> Used:
    """Return the least of some looks: at one of them many polls may be under way, what is lost is there at each."""
    looks = [await used(exporter)]
    while len(looks) < 6:
        await asyncio.sleep(0.7)
        looks.append(await used(exporter))
    return Used(*map(min, zip(*looks, strict=True)))


async def calmed(exporter: Exporter, before: Used, until: float) -> Used:
    """Return what it has once that is as little as *before*, or at that time.

    All is shown again while calls for the rows of runs still wait for their limit, each in a task of its own.
    """
    found = await kept(exporter)
    while found.tasks > before.tasks and time.time() < until:
        found = await kept(exporter)
    return found


def spread(seconds: Iterable[float]) -> tuple[float, float, float]:
    """Return the median, the 99th of a hundred, and the greatest."""
    order = sorted(seconds)
    return round(order[len(order) // 2], 3), round(order[len(order) * 99 // 100], 3), round(order[-1], 3)


async def watch(exporter: Exporter, oracle: Oracle, report: Report, until: float, *, whole: bool = False) -> float:
    """Compare what is shown until a time, or until all is there; return when it ended."""
    while time.time() < until:
        await exporter.get("/-/healthy")
        scrape = await exporter.scrape()
        oracle.look(scrape)
        report.most = report.most.or_more(await used(exporter))
        report.missing = oracle.missing(scrape) if whole else []
        if whole and not report.missing and scrape.status == 200:
            break
        await asyncio.sleep(0.4)
    return time.time()


async def warmed(exporter: Exporter, oracle: Oracle, until: float) -> None:
    """Wait until every job was polled."""
    while time.time() < until:
        scrape = await exporter.scrape()
        oracle.look(scrape)
        if scrape.status == 200 and not oracle.missing(scrape, counts=False):
            return
        await asyncio.sleep(0.4)


async def storm(
    folder: Path,
    *,
    seed: int,
    jobs: int,
    seconds: float,
    share: float = 0.25,
    quiet: float = 90.0,
    poll: Mapping[str, str] | None = None,
    without: tuple[str, ...] = (),
) -> Report:
    """Let it happen and return what was seen."""
    rng = random.Random(seed)
    warm = 60.0
    script = Script(jobs // 3, jobs // 6, jobs - jobs // 3 - jobs // 6, 3, seconds + warm, 5.0, 25.0)
    world = Author(rng, time.time(), script).write()
    plan = Some(rng, share, mixture(*without), accepted=0.02, since=float("inf"))
    report = Report(jobs, seconds)
    async with aside({"hostile": (world, plan)}) as clouds:
        limits = {name: f"{rate}/s" for name, rate in LIMITS.items()}
        config = configuration(clouds.each, poll={**POLL, **(poll or {})}, limits=limits)
        async with running(config, folder) as exporter:
            oracle = Oracle(world, slack=4.0, promised=25.0, list_age=20.0, began=exporter.began)
            await warmed(exporter, oracle, time.time() + warm)
            report.before = await kept(exporter)
            until = time.time() + seconds
            clouds.misbehave(until - seconds, until)
            await watch(exporter, oracle, report, until)
            report.came_back_after = await watch(exporter, oracle, report, until + quiet, whole=True) - until
            await asyncio.sleep(3)
            report.after = await calmed(exporter, report.before, time.time() + quiet)
            scrape = await exporter.scrape()
            report.crashes = sum(scrape.all(f"{OWN}crashes_total").values())
        report.faults, report.compared = oracle.faults, oracle.compared
    calls = clouds.each["hostile"].seen.calls
    report.calls, report.did = len(calls), dict(Counter(call.did for call in calls).most_common())
    report.busiest = busiest(calls)
    for path in ("/metrics", "/-/healthy"):
        answers = [each for each in exporter.answers if each.path == path]
        report.took[path] = spread(each.seconds for each in answers)
        report.own[path] = spread(each.own for each in answers)
    report.unanswered = [f"{each.path} {each.status}" for each in exporter.answers if each.status != 200]
    report.fell = sum(" fell from " in text for text in report.faults)
    return report


def table(report: Report) -> dict[str, Any]:
    """Return the figures without the long lists."""
    return {**asdict(report), "faults": len(report.faults), "unanswered": len(report.unanswered)}


def main() -> None:
    """Do what the command line says."""
    parser = argparse.ArgumentParser("python -m tests.hostile.storm", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--jobs", type=int, default=300)
    parser.add_argument("--seconds", type=float, default=120)
    parser.add_argument("--share", type=float, default=0.25)
    parser.add_argument("--quiet", type=float, default=90, help="seconds to wait at most until all is shown again")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        report = asyncio.run(
            storm(
                Path(folder), seed=args.seed, jobs=args.jobs, seconds=args.seconds, share=args.share, quiet=args.quiet
            )
        )
    sys.stdout.write(json.dumps(table(report), indent=1, ensure_ascii=False) + "\n")
    sys.stdout.writelines(f"{text}\n" for text in report.faults[:40])


if __name__ == "__main__":
    main()
