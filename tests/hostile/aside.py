"""Clouds in a process of their own: whatever a test does meanwhile, comparing above all, makes no answer late."""

import asyncio
import multiprocessing
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import NamedTuple

from tests.hostile.misbehaviours import Some, Table
from tests.hostile.truth import World
from tests.hostile.wire import Call, Cloud

Begun = Mapping[str, tuple[World, Some]]


class Seen(NamedTuple):
    """What a cloud saw."""

    calls: list[Call]
    locks: int


@dataclass
class Aside:
    """A cloud of another process, as a test sees it."""

    world: World
    ports: dict[str, int]
    seen: Seen = field(default_factory=lambda: Seen([], 0))
    """Once it ended."""

    def endpoint(self, service: str) -> str:
        """Return the address of a service."""
        return f"http://127.0.0.1:{self.ports[service]}"


@dataclass
class Clouds:
    """The clouds of another process."""

    each: dict[str, Aside]
    pipe: Connection

    def misbehave(self, since: float, until: float) -> None:
        """Say from when to when they do (Unix seconds)."""
        self.pipe.send((since, until))


@asynccontextmanager
async def aside(begun: Begun) -> AsyncIterator[Clouds]:
    """Run clouds until the block ends; then each has what it saw."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_process, args=(theirs, dict(begun)), daemon=True)
    process.start()
    theirs.close()
    try:
        ports = await asyncio.to_thread(ours.recv)
        clouds = {name: Aside(world, ports[name]) for name, (world, _) in begun.items()}
        yield Clouds(clouds, ours)
        ours.send(None)
        for name, seen in (await asyncio.to_thread(ours.recv)).items():
            clouds[name].seen = seen
    finally:
        ours.close()
        process.terminate()
        await asyncio.to_thread(process.join)


def _process(pipe: Connection, begun: Begun) -> None:
    asyncio.run(_serve(pipe, begun))


async def _serve(pipe: Connection, begun: Begun) -> None:
    async with AsyncExitStack() as stack:
        clouds = {
            name: await stack.enter_async_context(Cloud(world, plan, Table(), plan.rng))
            for name, (world, plan) in begun.items()
        }
        pipe.send({name: cloud.ports for name, cloud in clouds.items()})
        while (times := await asyncio.to_thread(pipe.recv)) is not None:
            for _, plan in begun.values():
                plan.since, plan.until = times
        seen = {name: Seen(list(cloud.calls), cloud.callers.locks) for name, cloud in clouds.items()}
    pipe.send(seen)
