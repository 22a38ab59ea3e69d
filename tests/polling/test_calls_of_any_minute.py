"""The most calls that arrive in any 60 seconds, against what the limit allows: a table, printed by ``pytest -s``."""

import asyncio
import json
import re
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import partial
from itertools import cycle
from typing import Any

import pytest

from exporter.clock import Clock
from exporter.cloud.credentials.password import Password
from exporter.cloud.identity_calls import IamCalls
from exporter.cloud.projects import Projects
from exporter.model.changes import Changes
from exporter.model.job import Job, JobKey
from exporter.polling.schedule import Pace
from exporter.simulator import Cloud
from tests.cloud.wire import Connection, RawServer, answer, serving
from tests.polling.harness import World, access_key, world
from tests.polling.test_credentials_over_time import by_password
from tests.warp import WarpClock, WarpLoop, run

RATE = 2.0
ALLOWED = 60 * RATE
LASTS = 150.0
JOBS = 20
PACE = Pace(1, 60, 600)
"""With so many jobs and so short an interval ten times as many calls are wanted as are allowed."""
ODD = (
    *("Retry-After: 0", "Retry-After: -5", "Retry-After: soon", "Retry-After: 1000000000000"),
    *("Retry-After: Mon, 01 Jan 1990 00:00:00 GMT", "Retry-After: Fri, 31 Dec 9999 23:59:59 GMT", "X-Nothing: 0"),
)
ROWS: dict[str, int] = {}
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module", autouse=True)
def table() -> Iterator[None]:
    yield
    print("\n\n| trouble | most calls in any 60 s | limit |\n|---|---|---|")  # noqa: T201 - it is the table
    for name, most in ROWS.items():
        print(f"| {name} | {most} | {ALLOWED:.0f} |")  # noqa: T201


@dataclass
class Peer:
    """A cloud that counts what arrives, and goes wrong as *trouble* says."""

    trouble: str = ""
    clock: WarpClock | None = None
    times: list[float] = field(default_factory=list)
    refusals: list[float] = field(default_factory=list)
    tokens: list[float] = field(default_factory=list)
    """When IAM was called."""
    _used: set[Connection] = field(default_factory=set)
    _odd: Iterator[str] = field(default_factory=lambda: cycle(ODD))

    @asynccontextmanager
    async def serve(self) -> AsyncIterator[RawServer]:
        async def script(to: Connection) -> None:
            if server.heads[-1].startswith(b"POST /v3/auth/tokens"):
                sent = re.search(rb"(?i)content-length: (\d+)", server.heads[-1])
                assert sent is not None
                await to.reader.readexactly(int(sent[1]))
                await self._token(to)
            else:
                self.times.append(asyncio.get_running_loop().time())
                await self._answer(to, server.heads[-1])

        async with serving(script) as server:
            yield server

    async def _token(self, to: Connection) -> None:
        """Give a token that is good for less than an interval, unless the cloud is to refuse it."""
        assert self.clock is not None
        self.tokens.append(self.clock.monotonic())
        life = 86400 if self.trouble == "refuse" else 0.4
        expires_at = datetime.fromtimestamp(self.clock.now() + life, UTC).isoformat()
        body = json.dumps({"token": {"expires_at": expires_at, "project": {"id": "0123"}}}).encode()
        await to.say(answer(body, f"X-Subject-Token: T{len(self.tokens)}", status="201 Created"))

    async def _answer(self, to: Connection, head: bytes) -> None:
        number, reused = len(self.times), to in self._used
        self._used.add(to)
        if self.trouble == "drop" and reused:
            to.writer.close()
        elif self.trouble == "reset" and number % 2:
            to.reset()
        elif self.trouble == "refuse" and number % 5 == 0:
            await to.say(answer(b'{"error_code": "APIGW.0301"}', status="401 Unauthorized"))
        elif self.trouble == "throttle" and number % 40 == 0:
            self.refusals.append(self.times[-1])
            await to.say(answer(b'{"error_code": "APIGW.0308"}', next(self._odd), status="429 Too Many Requests"))
        else:
            job_id = head.split(b"/jobs/")[1].split(b"/")[0]
            ends = ("Connection: close",) if self.trouble == "close" else ()
            await to.say(answer(b'{"is_success": true, "job_id": "%s", "status": "RUNNING"}' % job_id, *ends))

    def check(self, name: str, share: float = 0.9, times: list[float] | None = None) -> None:
        """Note the most calls of any minute, which are those of the limit, and not less than a *share* of them."""
        times = self.times if times is None else times
        most = max(sum(begin <= each < begin + 60 for each in times) for begin in times)
        ROWS[name] = most
        assert share * ALLOWED <= most <= ALLOWED


def watch(there: World, project: str = "demo") -> None:
    names = [f"{project}-{number}" for number in range(JOBS)]
    there.poller.apply(Changes(added=tuple(Job(JobKey("dli", name), project, {"job_id": name}) for name in names)))


@pytest.mark.parametrize("trouble", ["", "drop", "reset"])
def test_a_peer_that_hangs_up_gets_no_call_more(trouble: str) -> None:
    async def main() -> None:
        peer = Peer(trouble)
        async with peer.serve() as server, world(pace=PACE, rate=RATE, elsewhere=server.url) as there:
            watch(there)
            await there.until(LASTS)
        peer.check({"": "none", "drop": "closes when a connection is used again", "reset": "resets"}[trouble])

    run(main())


def test_calls_whose_connections_were_slow_to_open_arrive_at_once_and_are_no_call_more(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """For 8.5 seconds no connection opens, then all that were begun meanwhile do."""
    connect, held = WarpLoop.sock_connect, 0

    async def slow(loop: WarpLoop, sock: socket.socket, address: Any) -> None:
        nonlocal held
        left = 8.5 - loop.time() % 47
        if left > 0:
            held += 1
            await asyncio.sleep(left)
        await connect(loop, sock, address)

    async def main() -> None:
        peer = Peer("close")
        async with peer.serve() as server, world(pace=PACE, timeout=10, rate=RATE, elsewhere=server.url) as there:
            watch(there)
            await there.until(LASTS)
        peer.check("a connection is slow to open", share=0.8)
        assert held > 2 * 8.5 * RATE * 0.8

    monkeypatch.setattr(WarpLoop, "sock_connect", slow)
    run(main())


def test_a_storm_of_429_with_an_odd_retry_after_pauses_each_time_for_one_to_ten_minutes() -> None:
    async def main() -> None:
        peer = Peer("throttle")
        async with peer.serve() as server, world(pace=PACE, rate=RATE, elsewhere=server.url) as there:
            watch(there)
            await there.until(1500)
        peer.check("429 with an odd Retry-After", share=0.3)
        assert len(peer.refusals) > len(ODD)
        for refused in peer.refusals[:-1]:
            later = [at - refused for at in peer.times if at > refused + 0.2]
            assert 59.9 <= min(later) <= 61 + 10 / RATE

    run(main())


def test_a_storm_of_reloads_takes_no_call_more() -> None:
    async def main() -> None:
        peer = Peer()
        async with peer.serve() as server, world(pace=PACE, rate=RATE, elsewhere=server.url) as there:
            watch(there)
            for number in range(int(LASTS / 0.3)):
                await asyncio.sleep(0.3)
                projects = {name: replace(project) for name, project in there.poller.projects.by_name.items()}
                there.poller.use(
                    Projects(there.projects.adapters, projects), replace(PACE, interval=1 + number % 2), 32
                )
        peer.check("a reload each 0.3 s")

    run(main())


@pytest.mark.parametrize("lives", [0.7, 8.0])
def test_restarts_take_no_call_more(lives: float) -> None:
    """A process that ends at any moment leaves nothing to the next one, which asks the same cloud."""

    async def main() -> None:
        peer, clock = Peer(), WarpClock(asyncio.get_running_loop())
        begins = clock.now()
        async with peer.serve() as server:
            while clock.now() < begins + LASTS:
                ends = clock.now() + lives
                async with world(pace=PACE, rate=RATE, elsewhere=server.url, clock=clock) as there:
                    watch(there)
                    await asyncio.sleep(max(0.0, ends - clock.now()))
        peer.check(f"a restart each {lives:g} s", share=0.4)

    run(main())


@pytest.mark.parametrize(("trouble", "share"), [("expire", 0.9), ("refuse", 0.3)])
def test_tokens_that_are_renewed_all_the_time_take_no_call_of_iam_more(trouble: str, share: float) -> None:
    """Two projects of one user share IAM's limit; each poll wants a token that is younger than the one before."""

    async def main() -> None:
        peer = Peer(trouble, clock=WarpClock(asyncio.get_running_loop()))

        def password(cloud: Cloud, iam: IamCalls, url: str, clock: Clock) -> Password:
            return by_password(cloud, iam, server.url, clock)

        async with (
            peer.serve() as server,
            world(
                pace=PACE,
                concurrency=4,
                iam_rate=RATE,
                elsewhere=server.url,
                credentials=password,
                other=password,
                clock=peer.clock,
            ) as there,
        ):
            for project in there.projects.by_name:
                watch(there, project)
            await there.until(LASTS)
            names = {"expire": "tokens end at once", "refuse": "each fifth call is refused"}
            peer.check(f"IAM, {names[trouble]}", share, peer.tokens)
            calls = {"service": "iam", "operation": "KeystoneCreateUserTokenByPassword", "code": "201"}
            assert there.sample("api_requests_total", **calls) == len(peer.tokens)
            if trouble == "expire":  # else calls of the project pause now and then
                assert all(record.up for record in there.store.records()), "no job starves"

    run(main())


def test_two_projects_of_one_key_share_the_limit() -> None:
    async def main() -> None:
        peer = Peer()
        async with (
            peer.serve() as server,
            world(pace=PACE, rate=RATE, elsewhere=server.url, other=access_key) as there,
        ):
            for project in there.projects.by_name:
                watch(there, project)
            await there.until(LASTS)
        peer.check("two projects of one key")

    run(main())


def test_shards_of_one_key_share_the_limit() -> None:
    """Each of two exporters may make half of the calls, as ``sharding`` sets it."""

    async def main() -> None:
        peer = Peer()
        async with peer.serve() as server, AsyncExitStack() as stack:
            shard = partial(world, pace=PACE, rate=RATE / 2, elsewhere=server.url)
            both = [await stack.enter_async_context(shard()) for _ in range(2)]
            for there in both:
                watch(there)
            await both[0].until(LASTS)
        peer.check("two shards of one key")

    run(main())
