"""Answers as large as are read at all, to the real daemon: it serves as before, in little more memory."""

import asyncio
import gzip
import json
import random
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from tests.hostile.daemon import Exporter, configuration, running
from tests.hostile.exchange import Answer
from tests.hostile.honest import Question
from tests.hostile.storm import spread
from tests.hostile.truth import Author, Script
from tests.hostile.wire import Cloud, Exchange

SIZE = 8 << 20
"""Bytes of the longest answer that is read."""
ROWS = 100_000
LASTS = 8.0
LONGEST = 60.0
MEMORY = 64.0
"""MiB that answers may cost in all."""
SLOWEST = 1.0
"""Seconds of its own for /-/healthy. Its reading thread may hold the interpreter while other processes run."""


def full(name: str, said: dict[str, object], row: bytes) -> bytes:
    """Return an answer that says this and has as many rows of a kind as there is room for."""
    head = json.dumps(said).encode()[:-1] + f', "{name}": ['.encode()
    return head + b",".join([row] * ((SIZE - len(head) - 2) // (len(row) + 1))) + b"]}"


def history(row: Callable[[int], bytes]) -> bytes:
    """Return a history of a hundred thousand runs in one page, whatever page was asked for."""
    return b'{"total": %d, "submissions": [' % ROWS + b",".join(map(row, range(ROWS))) + b"]}"


PROGRESS = {"is_success": True, "status": "RUNNING", "progress": 0.5}
HISTORIES = {
    "empty": history(lambda _: b"{}"),
    "short": history(lambda number: b'{"submission-id": %d, "status": "SUCCEEDED"}' % (10**6 - number)),
}


class Full:
    """Answers calls of some operations with bodies of this size, others honestly."""

    def __init__(self, bodies: dict[str, Callable[[Question], bytes]]) -> None:
        self.bodies = bodies
        self.did = 0
        self.on = False

    def choose(self, stage: str, asked: Question | None, _now: float) -> str | None:
        """Return whether a call is one of them."""
        return "full" if self.on and stage == "call" and asked is not None and asked.operation in self.bodies else None

    async def run(self, _name: str, exchange: Exchange) -> None:
        """Answer so."""
        self.did += 1
        body = self.bodies[exchange.asked.operation](exchange.asked)
        packed = {"Content-Encoding": "gzip"} if body.startswith(b"\x1f\x8b") else {}
        await exchange.say(Answer(200, body, packed))


@asynccontextmanager
async def facing(full: Full, script: Script, folder: Path) -> AsyncIterator[Exporter]:
    """Run the daemon before a cloud that gives such answers from now on."""
    rng = random.Random(5)
    world = Author(rng, time.time(), script).write()
    async with Cloud(world, full, full, rng) as cloud, running(configuration({"hostile": cloud}), folder) as exporter:
        async with asyncio.timeout(60):
            while sum((await exporter.scrape()).all("huaweicloud_job_up").values()) < len(world.jobs):
                await asyncio.sleep(0.3)
        exporter.answers.clear()
        full.on = True
        yield exporter


async def used(exporter: Exporter, plan: Full, calls: int = 2) -> tuple[float, tuple[float, float, float]]:
    """Return MiB that were needed at the most beyond those before, and the spread of the exporter's own seconds.

    It lasts until at least so many *calls* got a long answer: histories are read when a run is seen to be over.
    """
    before, most, began = exporter.memory(), 0.0, time.monotonic()
    while time.monotonic() < began + LASTS or (plan.did < calls and time.monotonic() < began + LONGEST):
        status, _, _ = await exporter.get("/-/healthy")
        assert status == 200
        most = max(most, exporter.memory())
        await asyncio.sleep(0.01)
    return most - before, spread(each.own for each in exporter.answers)


@pytest.mark.parametrize("row", [b"{}", b'{"status": "RUNNING", "num_tasks": 1}'])
async def test_answers_full_of_sub_jobs_hold_up_nothing(row: bytes, tmp_path: Path) -> None:
    body = full("sub_jobs", PROGRESS, row)
    plan = Full({"dli.progress": lambda _: body})
    async with facing(plan, Script(2, 0, 0, 1, 600, 300, 500), tmp_path) as exporter:
        memory, own = await used(exporter, plan)

    assert plan.did > 1
    assert (memory < MEMORY, own[1] < SLOWEST) == (True, True), (memory, own)


@pytest.mark.parametrize("kind", sorted(HISTORIES))
async def test_a_history_of_a_hundred_thousand_runs_holds_up_nothing(kind: str, tmp_path: Path) -> None:
    plan = Full({"cdm.submissions": lambda _: HISTORIES[kind]})
    async with facing(plan, Script(0, 0, 4, 1, 60, 3, 4), tmp_path) as exporter:
        memory, own = await used(exporter, plan)

    assert plan.did > 1
    assert (memory < MEMORY, own[1] < SLOWEST) == (True, True), (memory, own)


@pytest.mark.parametrize("packed", [True, False])
async def test_thirty_two_long_answers_at_once_take_the_room_of_a_few_and_give_it_back(
    tmp_path: Path, *, packed: bool
) -> None:
    body = b'{"status":"RUNNING","job_name":"%s"}' % (b", " * ((SIZE - 200) // 2))
    if packed:
        body = gzip.compress(body, 9)
        assert len(body) < 16_384
    plan = Full({"dws.job": lambda _: body})
    async with facing(plan, Script(0, 64, 0, 1, 600, 300, 500), tmp_path) as exporter:
        before = exporter.memory()
        memory, own = await used(exporter, plan, 33)
        plan.on = False
        async with asyncio.timeout(30):
            while exporter.memory() - before > MEMORY / 4:
                await asyncio.sleep(0.2)

    assert plan.did > 32
    assert (memory < MEMORY, own[1] < SLOWEST) == (True, True), (memory, own)
