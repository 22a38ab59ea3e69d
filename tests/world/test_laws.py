"""The laws themselves, where no world is needed: given what scrapes showed, they say what is wrong."""

from collections import Counter
from types import SimpleNamespace
from typing import Any

from tests.hostile.daemon import Scrape
from tests.hostile.oracle import Group, Oracle
from tests.hostile.truth import Cluster, Job, Run, World
from tests.world.laws import Laws

BEGAN = 1_760_000_000.0
KEY = ("cdm", "north/copy")


def world(runs: int) -> World:
    """Return a world with one job: a run of half the time begins every hundred seconds."""
    begun = [(number, BEGAN + 100 * number) for number in range(runs)]
    lives = tuple(Run(str(1000 + number), at, at, at + 50, "succeeded", rows=5) for number, at in begun)
    return World("p", BEGAN - 200, (Job("cdm", "copy", lives, "c"),), (Cluster("c", "north"),))


class Seen:
    """What one exporter showed in such a world."""

    def __init__(self, runs: int) -> None:
        self.found: list[str] = []
        self.at = BEGAN
        truth = world(runs)
        sim: Any = SimpleNamespace(
            truth=truth,
            story=SimpleNamespace(events=(), shape=SimpleNamespace(journal=True)),
            cloud=SimpleNamespace(calls=[], callers=SimpleNamespace(strikes=Counter())),
            oracle=Oracle(truth, began=BEGAN - 150),
            machine=SimpleNamespace(disk=SimpleNamespace(problem=None)),
            troubles=SimpleNamespace(active={}),
            loop=SimpleNamespace(time=lambda: self.at - BEGAN),
            now=lambda: self.at,
            bugs=0,
            found=lambda law, texts: self.found.extend(f"{law}: {text}" for text in texts),
        )
        self.laws = Laws(sim)

    def show(self, number: int, state: str, counted: int, passed: float) -> None:
        """Show a run, so many seconds after it began, and the counter."""
        group = Group(*KEY)
        group.values["run_info"][(("run_id", str(1000 + number)),)] = 1
        group.values["state"][(("state", state),)] = 1
        group.values["runs_total"][(("result", "succeeded"),)] = counted
        self.at = BEGAN + 100 * number + passed
        self.laws._counted(Scrape(self.at, 0.0, 200, {}), {KEY: group})

    def run(self, number: int, before: int, after: int) -> None:
        """Show a run alive and ended, with the counter before and after."""
        self.show(number, "running", before, 10)
        self.show(number, "succeeded", after, 60)


def test_each_run_that_is_seen_to_end_is_counted_in_time() -> None:
    seen = Seen(12)
    for number in range(10):
        seen.run(number, number, number + 1)

    assert seen.found == []


def test_a_run_that_is_not_counted_after_a_restart_is_found() -> None:
    seen = Seen(14)
    for number in range(6):
        seen.run(number, number, number + 1)
    seen.at = BEGAN + 790
    seen.laws.restarted(kept=True)
    for number in range(8, 13):
        seen.run(number, 6, 6)

    assert seen.found[:1] == ["counted: cdm/north/copy: 6 runs are counted, 7 were seen to end"]


def test_an_end_that_only_the_history_can_report_after_a_restart_is_not_asked_for() -> None:
    seen = Seen(14)
    for number in range(6):
        seen.run(number, number, number + 1)
    seen.laws.restarted(kept=True)
    for number in range(6, 10):
        seen.run(number, number - 1, number)
    seen.show(9, "succeeded", 9, 400)

    assert seen.found == []
