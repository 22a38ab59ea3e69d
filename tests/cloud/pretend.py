"""A server that answers what it is told and remembers what came, and a clock that is set by hand."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestServer

from exporter.clock import Clock
from exporter.cloud.client import Client
from exporter.cloud.credentials import Call
from exporter.cloud.identity_calls import IamCalls
from exporter.cloud.project_pool import ProjectPool
from exporter.cloud.projects import Bucket
from exporter.limits.permits import Permits
from exporter.limits.rate_limiter import Limiter
from exporter.metrics.telemetry import Telemetry

START = 1_760_000_000.0
CALL = Call("GET", "dli.example.com", "/v1/p/jobs/j/progress", START)


class HandClock:
    """Both clocks, moved by hand."""

    def __init__(self) -> None:
        self.at = START

    def now(self) -> float:
        return self.at

    def monotonic(self) -> float:
        return self.at - START + 1000


def iso(at: float) -> str:
    """Write a time as the vendor does."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@dataclass(frozen=True)
class Asked:
    """One request as it came."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


def reply(content: object, status: int = 200, **headers: str) -> web.Response:
    """Make an answer: bytes as they are, anything else as JSON; an underscore in a header's name is a dash."""
    body = content if isinstance(content, bytes) else json.dumps(content).encode()
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, body=body, headers=named)


@dataclass
class Pretend:
    """Answers by a function of the request; a *pause* in seconds lets requests come together."""

    answer: Callable[[Asked], web.Response]
    pause: float = 0.0
    asked: list[Asked] = field(default_factory=list)
    url: str = ""

    async def handle(self, request: web.Request) -> web.Response:
        self.asked.append(Asked(request.method, request.path_qs, request.headers, await request.read()))
        await asyncio.sleep(self.pause)
        return self.answer(self.asked[-1])


def iam_calls(transport: Client, clock: Clock, rate: float = 1e6, telemetry: Telemetry | None = None) -> IamCalls:
    """Return how IAM is called, as many times a second as *rate*."""
    permits = Permits(Limiter(1), clock)
    return IamCalls(
        transport,
        telemetry or Telemetry(),
        permits,
        lambda credentials: (Bucket(credentials.identity, "eu-de", "iam"), rate),
        clock,
    )


def project_pool(clock: Clock) -> ProjectPool:
    """Return a pool of projects whose calls to IAM have a limiter of their own."""
    return ProjectPool(clock, Telemetry(), {}, Permits(Limiter(1), clock))


@asynccontextmanager
async def pretending(answer: Callable[[Asked], web.Response], pause: float = 0.0) -> AsyncIterator[Pretend]:
    """Serve on a free loopback port."""
    pretend = Pretend(answer, pause)
    app = web.Application()
    app.router.add_route("*", "/{rest:.*}", pretend.handle)
    async with TestServer(app) as server:
        pretend.url = str(server.make_url("")).rstrip("/")
        yield pretend
