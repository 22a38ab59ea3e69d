"""Each misbehaviour by itself, against the real daemon: nothing untrue is shown, and all is well when it is over.

One daemon watches a world for each of them: every misbehaviour has a cloud, a project, connections, limits and a key
of its own, and all happen at once, for some seconds. Every sample is compared all the time; then all clouds are honest.
"""

import asyncio
import random
import time
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

from tests.hostile.aside import Clouds, aside
from tests.hostile.daemon import configuration, running
from tests.hostile.misbehaviours import OF_THIS_CLOUD, always
from tests.hostile.oracle import Oracle, groups
from tests.hostile.truth import Author, Script

HOSTILE, QUIET = 25.0, 40.0
"""Seconds that it lasts, and at most until all is shown again."""
SHARE = 0.6
"""Of the calls go wrong: with all of them the exporter would see nothing and could say nothing untrue."""
LONG = {"throttled", "unauthorized_for_a_while"}
"""After these the exporter rightly waits longer than a test of the ordinary suite does."""

HIDING = {"shifting_pages", "unreadable_row"}
"""These keep a run from a list that is well otherwise: nobody can know it before the next."""
HIDDEN_FOR = 60.0
"""Seconds: what they hide at the first look is newer than the newest run that was known then, and counts."""
RARE = {"reset_after_accept", "short_pages", "history_cut", "older_submission", "only_what_must_be", "shifting_pages"}
"""These concern calls that are few, or happen before there is a call to be counted."""


@dataclass
class Outcome:
    """What one misbehaviour did."""

    faults: list[str] = field(default_factory=list)
    missing: list[str] = field(default_factory=list)
    did: Counter[str] = field(default_factory=Counter)
    locks: int = 0
    compared: int = 0


async def results(folder: Path) -> dict[str, Outcome]:
    """Let all of them happen and return what was seen of each."""
    began = time.time()
    begun = {}
    for number, name in enumerate(OF_THIS_CLOUD):
        rng = random.Random(number)
        script = Script(2, 1, 2, 1, HOSTILE + 8, prefix=f"{name}.")
        begun[name] = Author(rng, began, script).write(), always(name, rng, SHARE)
    async with aside(begun) as clouds:
        outcomes = await _watched(clouds, folder)
    for name, cloud in clouds.each.items():
        outcomes[name].did, outcomes[name].locks = Counter(call.did for call in cloud.seen.calls), cloud.seen.locks
    return outcomes


async def _watched(clouds: Clouds, folder: Path) -> dict[str, Outcome]:
    async with running(configuration(clouds.each, by_key=True), folder) as exporter:
        oracles = {
            name: Oracle(
                cloud.world,
                prefix=f"{name}.",
                project=name,
                list_age=90.0 if name in LONG else 30.0 if name in HIDING else 6.0,
                began=exporter.began - (HIDDEN_FOR if name in HIDING else 0),
            )
            for name, cloud in clouds.each.items()
        }
        started = time.time()
        clouds.misbehave(0.0, started + HOSTILE)
        lacking: dict[str, list[str]] = {name: ["never looked at"] for name in clouds.each.keys() - LONG}
        while lacking and time.time() < started + HOSTILE + QUIET:
            scrape = await exporter.scrape()
            by_job = groups(scrape)
            for oracle in oracles.values():
                oracle.look(scrape, by_job)
            if scrape.at > started + HOSTILE + 4:
                found = {name: oracles[name].missing(scrape, by_job) for name in lacking}
                lacking = {name: texts for name, texts in found.items() if texts}
            await asyncio.sleep(0.5)
        return {
            name: Outcome(oracle.faults, lacking.get(name, []), compared=oracle.compared)
            for name, oracle in oracles.items()
        }


def wrong(name: str, outcome: Outcome) -> dict[str, object]:
    """Return all that is wrong with what one misbehaviour did."""
    did_nothing = not outcome.did[name] and name not in RARE
    found: dict[str, object] = {
        "untrue": outcome.faults[:5],
        "not back": outcome.missing[:5],
        "keys locked": outcome.locks,
        "nothing compared": outcome.compared < 100 and name not in LONG,
        "never done": did_nothing,
    }
    return {what: each for what, each in found.items() if each}


async def test_what_is_shown_is_right_or_absent_and_comes_back(tmp_path: Path) -> None:
    found = {name: wrong(name, outcome) for name, outcome in (await results(tmp_path)).items()}

    assert {name: each for name, each in found.items() if each} == {}
