"""How many connections there may be and how long each may take, over real sockets and by a clock by hand."""

import asyncio
import gzip
import json
import resource
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import pytest
from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer
from structlog.testing import capture_logs

from exporter.config.web_settings import Web
from exporter.model.record import Record
from exporter.model.snapshot import Snapshot, State
from exporter.web.answers import Lists
from exporter.web.listening.connections import (
    ASKS_WITHIN,
    HEAD_WITHIN,
    HELD_LEAST,
    HELD_MOST,
    IDLE_FOR,
    READ_WITHIN,
    ROOM_AFTER,
    Connections,
)
from exporter.web.listening.listener import served
from exporter.web.listening.slots import Slot
from exporter.web.sending import PIECE, WRITE_BUFFER
from exporter.web.server import make_app
from tests.web.fakes import FakeExporter, FakeExposition, job, running, serving

Pair = tuple[asyncio.StreamReader, asyncio.StreamWriter]
SCRAPE = b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n"
LIST = b"GET /api/v1/jobs HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"


@dataclass
class Door:
    """A web side with few connections, and its clock."""

    port: int
    connections: Connections
    clock: list[float]
    closed: Counter[str]
    opened: list[asyncio.StreamWriter] = field(default_factory=list)

    async def open(self, said: bytes = b"", limit: int = 1 << 16) -> Pair:
        """Open a connection, and return once it is known."""
        before = sum(self.closed.values()) + len(self.connections)
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, limit=limit)
        self.opened.append(writer)
        await until(lambda: sum(self.closed.values()) + len(self.connections) > before)
        writer.write(said)
        return reader, writer

    async def pass_by(self, seconds: float) -> None:
        """Let time pass, and the limits be looked at."""
        self.clock[0] += seconds
        self.connections.look()
        await asyncio.sleep(0)


async def until(true: Callable[[], object]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.01)


@asynccontextmanager
async def door(limit: int = 3, exporter: FakeExporter | None = None) -> AsyncIterator[Door]:
    clock, closed = [1000.0], Counter[str]()

    def count(reason: str) -> None:
        closed[reason] += 1

    connections = Connections(limit, count, lambda: clock[0])
    application = make_app(exporter or FakeExporter())
    async with served(application, Web(listen_address="127.0.0.1:0"), 0.1, None, connections) as (address,):
        found = Door(int(address.rpartition(":")[2]), connections, clock, closed)
        try:
            yield found
        finally:
            for writer in found.opened:
                writer.close()


async def answered(pair: Pair) -> bytes:
    """Return the head of the next answer."""
    async with asyncio.timeout(20):
        head = await pair[0].readuntil(b"\r\n\r\n")
        for line in head.split(b"\r\n"):
            if line.lower().startswith(b"content-length:"):
                await pair[0].readexactly(int(line.split(b":")[1]))
        return head


async def ended(pair: Pair) -> bool:
    """Whether a connection is closed soon."""
    try:
        async with asyncio.timeout(20):
            return await pair[0].read() == b""
    except ConnectionError:
        return True


async def test_for_one_too_many_the_one_that_waits_longest_is_closed() -> None:
    async with door() as it:
        first, second = await it.open(), await it.open()
        first[1].write(SCRAPE)
        assert b"200" in await answered(first)
        third, fourth = await it.open(), await it.open()

        assert await ended(second), "the first has asked for something since"
        for pair in (first, third, fourth):
            pair[1].write(SCRAPE)
            assert b"200" in await answered(pair)
        assert it.closed == {"limit": 1}


def big() -> FakeExporter:
    """Return what takes long to read."""
    exposition = FakeExposition()
    exposition.lines = 10_000_000
    return FakeExporter([running(f"job {number}") for number in range(3)], exposition=exposition)


async def test_of_connections_that_are_all_answered_one_ends_that_is_no_scrape() -> None:
    exporter = big()
    exporter.known = [Record(job(f"{n:0100}"), Snapshot(State.RUNNING, "x" * 1000)) for n in range(30_000)]
    async with door(2, exporter) as it:
        scraper = await it.open(SCRAPE)
        await scraper[0].readuntil(b"\r\n\r\n")
        person = await it.open(LIST)
        await person[0].readuntil(b"\r\n\r\n")
        third = await it.open(SCRAPE)

        await third[0].readuntil(b"\r\n\r\n")
        assert it.closed == {"limit": 1}
        assert len(it.connections) == 2
        assert not scraper[0].at_eof()


async def test_a_scraper_that_does_not_read_makes_room_and_one_that_reads_does_not() -> None:
    async with door(1, big()) as it:
        scraper = await it.open(SCRAPE)
        await scraper[0].readuntil(b"\r\n\r\n")
        slot = next(iter(it.connections._busy))
        await until(lambda: slot.unread_for(it.clock[0]) == 0 and slot._unsent)
        refused = await it.open(SCRAPE)
        assert await ended(refused), "there is no room"

        it.clock[0] += ROOM_AFTER
        third = await it.open(SCRAPE)
        await third[0].readuntil(b"\r\n\r\n")
        assert it.closed == {"limit": 2}


async def test_scrapers_that_read_nothing_leave_room_however_fast_they_come() -> None:
    exporter = big()
    exporter.exposition.lines = 3_000_000
    async with door(8, exporter) as it:
        reading, fresh = await it.open(SCRAPE), await it.open()
        slot = await only_busy(it)
        flood = []
        for _ in range(20):
            flood.append(await it.open(SCRAPE))
            await flood[-1][0].readuntil(b"\r\n\r\n")
            it.clock[0] += ROOM_AFTER / 100
            left = slot._unsent
            while slot._unsent == left:
                await reading[0].readexactly(10_000)
                await asyncio.sleep(0)
                slot.unread_for(it.clock[0])
        await until(lambda: len(it.connections) == 7)

        assert it.closed == {"limit": 15}, "six of eight are answered at a time"
        assert await ended_early(flood[0])
        fresh[1].write(SCRAPE)
        assert b"200" in await fresh[0].readuntil(b"\r\n\r\n")
        await reading[0].readexactly(1_000_000)


async def test_what_clients_have_not_read_is_bounded_though_each_answer_is_of_another_moment() -> None:
    exporter = big()
    exporter.exposition.lines = HELD_MOST // 2 // len(exporter.exposition.line)
    async with door(100, exporter) as it:
        reading, unread = await it.open(SCRAPE), []
        await reading[0].readuntil(b"\r\n\r\n")
        for _ in range(HELD_LEAST):
            it.clock[0] += ROOM_AFTER
            for slot in it.connections._busy:
                slot.unread_for(it.clock[0])
            unread.append(await it.open(SCRAPE))
            await unread[-1][0].readuntil(b"\r\n\r\n")
            await reading[0].readexactly(1_000_000)
            await asyncio.sleep(0.05)
        assert it.closed == {"slow_reader": 1}, "four are held; the first was one too many, unless it had been read of"
        assert await ended_early(unread[0])
        await reading[0].readexactly(1_000_000)


async def test_one_answer_that_many_have_not_read_is_held_once() -> None:
    connections = Connections(100, monotonic=lambda: 0.0)
    slots = [connections.admit() for _ in range(60)]
    for slot in slots:
        assert slot is not None
        slot.busy(scrape=True)
        slot.hold("the same", HELD_MOST)

    assert len(connections) == 60


async def test_memory_is_given_back_once_many_clients_are_gone(monkeypatch: pytest.MonkeyPatch) -> None:
    given_back: list[int] = []
    async with door(100) as it:
        monkeypatch.setattr(
            "exporter.web.listening.connections.give_back", lambda: given_back.append(len(it.connections))
        )
        many = [await it.open() for _ in range(40)]
        await it.pass_by(1)
        assert given_back == []
        for _, writer in many:
            writer.close()
        await until(lambda: not len(it.connections))
        await it.pass_by(1)
        await it.pass_by(1)

    assert given_back == [0]


async def only_busy(it: Door) -> Slot:
    await until(lambda: len(it.connections._busy) == 1)
    slot = next(iter(it.connections._busy))
    await until(lambda: slot.unread_for(it.clock[0]) == 0 and slot._unsent)
    return slot


async def ended_early(pair: Pair) -> bool:
    """Whether a connection ends before its answer does."""
    try:
        async with asyncio.timeout(20):
            return len(await pair[0].read()) < 8_000_000
    except ConnectionError:
        return True


async def test_the_head_of_a_request_must_be_complete_in_time_however_slowly_it_comes() -> None:
    async with door() as it:
        silent, slow, idle = await it.open(), await it.open(), await it.open()
        idle[1].write(SCRAPE)
        assert b"200" in await answered(idle)
        slow[1].write(b"GET /metrics HTTP/1.1\r\nX: ")
        for _ in range(5):
            slow[1].write(b"y")
            await asyncio.sleep(0.01)
            await it.pass_by(HEAD_WITHIN / 5 - 0.1)
        assert len(it.connections) == 3
        await it.pass_by(1)

        assert await ended(silent)
        assert await ended(slow)
        assert it.closed == {"slow_request": 2}
        idle[1].write(SCRAPE)
        assert b"200" in await answered(idle)


async def test_a_kept_connection_has_the_same_time_for_its_next_head() -> None:
    async with door() as it:
        kept = await it.open(SCRAPE)
        assert b"200" in await answered(kept)
        await it.pass_by(HEAD_WITHIN * 2)
        kept[1].write(b"GET ")
        slot = next(iter(it.connections._waiting))
        await until(lambda: slot.head_since is not None)
        await it.pass_by(HEAD_WITHIN - 0.1)
        assert len(it.connections) == 1
        await it.pass_by(0.2)

        assert await ended(kept)


async def test_where_one_address_has_most_connections_one_of_its_own_goes_and_not_who_waits_longer() -> None:
    """As a handshake of TLS may take longer than a second on a machine that is busy."""
    connections = Connections(8, monotonic=lambda: clock[0])
    clock = [0.0]
    person = connections.admit("person")
    clock[0] += ASKS_WITHIN * 2
    for _ in range(50):
        assert connections.admit("crowd") is not None

    assert person is not None
    assert person in connections._waiting
    assert len(connections) == 8


async def test_an_idle_connection_is_closed_after_a_while_and_not_counted() -> None:
    async with door() as it:
        kept = await it.open(SCRAPE)
        assert b"200" in await answered(kept)
        await it.pass_by(IDLE_FOR - 0.1)
        assert len(it.connections) == 1
        await it.pass_by(0.2)

        assert await ended(kept)
        assert it.closed == {}


async def test_a_client_that_reads_nothing_is_closed_and_one_that_reads_a_little_is_not() -> None:
    async with door(3, big()) as it:
        dead, alive = await it.open(SCRAPE, 1024), await it.open(SCRAPE, 1024)
        for pair in (dead, alive):
            await pair[0].readuntil(b"\r\n\r\n")
            assert isinstance(pair[1].transport, asyncio.Transport)
            pair[1].transport.pause_reading()
        await asyncio.sleep(0.2)
        slots = list(it.connections._busy)
        await until(lambda: all(slot.unread_for(it.clock[0]) == 0 and slot._unsent for slot in slots))
        for _ in range(4):
            alive[1].transport.resume_reading()  # type: ignore[attr-defined]
            await alive[0].read(1 << 20)
            await asyncio.sleep(0.05)
            alive[1].transport.pause_reading()  # type: ignore[attr-defined]
            await it.pass_by(READ_WITHIN / 3)

        assert it.closed["slow_reader"] >= 1
        assert slots[0] not in it.connections._busy


async def test_what_happens_a_thousand_times_is_a_line_a_minute() -> None:
    with capture_logs() as log:
        async with door(2) as it:
            for _ in range(50):
                await it.open()
            await it.pass_by(61)
            await it.open()
            await it.open()
            await it.open()

    told = [each for each in log if each["event"] == "too many connections"]
    assert [(each["connections_allowed"], each["times"]) for each in told[:2]] == [(2, 1), (2, 48)]
    assert len(told) == 2


@pytest.mark.parametrize(("files", "expected"), [(10_000, 256), (384, 192), (200, 8), (None, 256)])
def test_open_files_bound_the_connections_and_it_is_told(
    monkeypatch: pytest.MonkeyPatch, files: int | None, expected: int
) -> None:
    limit = resource.RLIM_INFINITY if files is None else files
    monkeypatch.setattr(resource, "getrlimit", lambda which: (limit, limit))
    connections = Connections()
    with capture_logs() as log:
        connections.allow(256, 32)
        connections.allow(256, 32)

    assert connections.limit == expected
    assert len(log) == (expected < 256)


async def test_lists_are_made_as_they_are_read_and_a_scrape_comes_between() -> None:
    records = {f"j{number}": running(f"j{number}") for number in range(5000)}
    asked: list[str] = []

    class Many(FakeExporter):
        def record(self, service: str, job: str) -> Record | None:
            asked.append(job)
            return records.get(job)

    exporter = Many(list(records.values()))
    async with door(50, exporter) as it:
        slow = [await it.open(LIST, 1024) for _ in range(4)]
        for pair in slow:
            await pair[0].readuntil(b"\r\n\r\n")
        scraper = await it.open(SCRAPE)
        assert b"200" in await answered(scraper)
        await asyncio.sleep(0.5)
        assert len(it.connections._busy) == 4
        assert len(asked) < 4 * 5000, "nobody has read them"
        assert all(slot._unsent < WRITE_BUFFER + 2 * PIECE for slot in it.connections._busy)


async def test_a_list_says_the_same_compressed_and_without_jobs_that_went_meanwhile() -> None:
    class Going(FakeExporter):
        def record(self, service: str, job: str) -> Record | None:
            return None if job == "j1" else super().record(service, job)

    exporter = Going([running(f"j{number}") for number in range(3)])
    async with serving(exporter, raw=True) as client:
        plain = await (await client.get("/api/v1/jobs", headers={"Accept-Encoding": "identity"})).read()
        zipped = await client.get("/api/v1/jobs", headers={"Accept-Encoding": "gzip"})
        page = await (await client.get("/", headers={"Accept-Encoding": "gzip"})).read()

        assert zipped.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await zipped.read()) == plain
        assert [each["job"] for each in json.loads(plain)["jobs"]] == ["j0", "j2"]
        assert b"</html>" in gzip.decompress(page)


async def test_two_lists_are_made_at_a_time_and_a_reader_that_waits_holds_no_turn() -> None:
    lists, made = Lists(), []

    def parts(name: str) -> Iterator[bytes]:
        for _ in range(10):
            made.append(name)
            yield b"x" * 40_000

    async def answer(request: web.Request) -> web.StreamResponse:
        return await lists.send(request, parts(request.query["name"]), "text/plain")

    application = web.Application()
    application.add_routes([web.get("/", answer)])
    async with TestClient(TestServer(application)) as client:
        async with lists.turn, lists.turn:
            waiting = asyncio.create_task(client.get("/?name=a"))
            await asyncio.sleep(0.1)
            assert made == []
        assert len(await (await waiting).read()) == 400_000
        both = await asyncio.gather(*(client.get(f"/?name={name}") for name in "bc"))
        assert [len(await each.read()) for each in both] == [400_000] * 2
    assert made.index("c") < 20, "each has its turn"


@pytest.mark.parametrize(
    ("lines", "size", "expected"),
    [(127, 1, b" 200 "), (128, 1, b" 431 "), (500, 1, b" 431 "), (1, 8000, b" 200 "), (1, 9000, b" 431 ")],
)
async def test_a_head_of_too_many_or_too_long_lines_is_told_so(lines: int, size: int, expected: bytes) -> None:
    more = b"".join(b"X-%d: %s\r\n" % (number, b"x" * size) for number in range(lines))
    async with door() as it:
        head = await answered(await it.open(SCRAPE[:-2] + more + b"\r\n"))

    assert expected in head.split(b"\r\n")[0]
