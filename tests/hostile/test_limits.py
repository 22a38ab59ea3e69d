"""Calls of any minute, counted where they arrive, never exceed what the limit allows, whatever happens on the way."""

import asyncio
import random
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from tests.hostile.daemon import configuration, running
from tests.hostile.misbehaviours import Table, always, honest_plan
from tests.hostile.storm import busiest
from tests.hostile.truth import Author, Script
from tests.hostile.wire import Cloud

RATE = 0.5
ALLOWED = int(60 * RATE)
LIMITS = dict.fromkeys(("dli", "dws", "cdm", "cdm_list"), f"{RATE}/s")
LASTS = 75.0
"""Seconds: a limiter that lets too much through needs more than a minute to show it."""
JOBS = 40
"""With an interval of a second they want many times what they may have."""
TROUBLES = (
    "close_when_reused",
    "close_after_reading",
    "reset_after_reading",
    "reset_after_headers",
    "reset_in_the_body",
    "length_too_short",
    "second_answer_later",
    "status_500",
    "throttled",
    "unauthorized_for_a_while",
)
pytestmark = pytest.mark.long


@asynccontextmanager
async def cloud(name: str | None, prefix: str = "", jobs: int = JOBS, key: str = "") -> AsyncIterator[Cloud]:
    """A cloud of waiting DWS tasks, so that nothing ends and all of them are asked for."""
    rng = random.Random(prefix)
    script = Script(0, jobs, 0, 0, 10_000, 5_000, 9_000, prefix=prefix)
    plan = honest_plan() if name is None else always(name, rng, 0.7)
    world = Author(rng, time.time(), script).write()
    world = replace(world, keys={key: "the-secret"}) if key else world
    async with Cloud(world, plan, Table(), rng) as made:
        yield made


async def test_troubles_on_the_wire_take_no_more_calls(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        clouds = {name: await stack.enter_async_context(cloud(name, f"{name}.")) for name in TROUBLES}
        await stack.enter_async_context(running(configuration(clouds, limits=LIMITS, by_key=True, rules=()), tmp_path))
        await asyncio.sleep(LASTS)
        most = {name: busiest(each.calls).get("dws", 0) for name, each in clouds.items()}

    assert {name: calls for name, calls in most.items() if calls > ALLOWED} == {}
    assert {name for name, calls in most.items() if calls >= ALLOWED * 0.8} >= {"close_when_reused"}, most


async def test_two_projects_with_one_key_share_a_limit(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        clouds = {
            name: await stack.enter_async_context(cloud(None, f"{name}.", 10, "ONEKEY")) for name in ("one", "two")
        }
        config = configuration(clouds, region="one-region", limits=LIMITS, by_key=True, rules=())
        await stack.enter_async_context(running(config, tmp_path))
        await asyncio.sleep(LASTS)
        calls = sorted((call for each in clouds.values() for call in each.calls), key=lambda call: call.at)

    assert 0.8 * ALLOWED <= busiest(calls)["dws"] <= ALLOWED
    assert all(each.calls for each in clouds.values())


async def test_a_storm_of_reloads_takes_no_more_calls(tmp_path: Path) -> None:
    async with cloud(None) as made:
        configs = [
            configuration({"one": made}, limits=LIMITS, by_key=True, rules=(), poll={"interval": each})
            for each in ("1s", "2s")
        ]
        async with running(configs[0], tmp_path) as exporter:
            ends, reloads = time.monotonic() + LASTS, 0
            while time.monotonic() < ends:
                reloads += 1
                (tmp_path / "exporter.yaml").write_text(configs[reloads % 2])
                status, said, _ = await exporter.get("/-/reload", "POST")
                assert status == 200, said
                await asyncio.sleep(0.3)

    assert reloads > 20
    assert busiest(made.calls)["dws"] <= ALLOWED


async def test_restarts_take_no_more_calls(tmp_path: Path) -> None:
    async with cloud(None) as made:
        config = configuration({"one": made}, limits=LIMITS, by_key=True, rules=(), journal=tmp_path / "journal")
        ends, restarts = time.monotonic() + LASTS, 0
        while time.monotonic() < ends:
            async with running(config, tmp_path):
                await asyncio.sleep(8)
            restarts += 1

    assert restarts > 3
    assert busiest(made.calls)["dws"] <= ALLOWED
