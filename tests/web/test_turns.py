"""Lists and pages, whose making is work: whom it is done for, and how many may wait for it."""

import asyncio
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from exporter.web import site
from exporter.web.answers import LISTS_AT_ONCE, LISTS_WAITING, Lists
from exporter.web.listening.turn_queue import BusyError, TurnQueue
from exporter.web.page import list_page
from tests.web.fakes import FakeExporter, running
from tests.web.test_connections import Pair, door, until


class Held:
    """Holds up the making of pages, and counts them."""

    def __init__(self) -> None:
        self.begun = 0
        self.queries: list[str] = []
        self.go = threading.Event()

    def __call__(self, *asked: Any) -> dict[str, Any]:
        self.begun += 1
        self.queries.append(asked[0].query.q)
        assert self.go.wait(60)
        return list_page.listing(*asked)


@pytest.fixture
def held(monkeypatch: pytest.MonkeyPatch) -> Iterator[Held]:
    holding = Held()
    monkeypatch.setattr(site, "listing", holding)
    yield holding
    holding.go.set()


def asking_for(page: str) -> bytes:
    return f"GET {page} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()


async def status(pair: Pair) -> bytes:
    async with asyncio.timeout(20):
        return (await pair[0].readuntil(b"\r\n\r\n")).split(b"\r\n")[0]


@pytest.mark.parametrize("pages", ["/?q={}", "/?q=same"])
async def test_what_clients_that_left_have_asked_for_is_not_made(held: Held, pages: str) -> None:
    class Counting(FakeExporter):
        taken = 0

        def records(self) -> Any:
            self.taken += 1
            return super().records()

    exporter = Counting([running()])
    async with door(50, exporter) as it:
        first = [await it.open(asking_for(f"/?offset={number}")) for number in range(LISTS_AT_ONCE)]
        await until(lambda: held.begun == LISTS_AT_ONCE)
        gone = [await it.open(asking_for(pages.format(number))) for number in range(20)]
        await until(lambda: len(it.connections._busy) == LISTS_AT_ONCE + 20)
        assert exporter.taken == LISTS_AT_ONCE, "who waits holds no records"
        for _, writer in gone:
            writer.close()
        await until(lambda: len(it.connections) == LISTS_AT_ONCE)
        held.go.set()
        last = await it.open(asking_for("/?q=last"))
        for pair in (*first, last):
            assert b"200" in await status(pair)

    assert held.begun == exporter.taken == LISTS_AT_ONCE + 1


async def test_a_thread_keeps_its_turn_though_its_client_left(held: Held) -> None:
    async with door(50, FakeExporter([running()])) as it:
        gone = [await it.open(asking_for(f"/?q={number}")) for number in range(LISTS_AT_ONCE)]
        await until(lambda: held.begun == LISTS_AT_ONCE)
        for _, writer in gone:
            writer.close()
        await until(lambda: not len(it.connections))
        last = await it.open(asking_for("/?q=last"))
        await until(lambda: it.connections._busy)
        await asyncio.sleep(0.1)
        assert held.begun == LISTS_AT_ONCE

        held.go.set()
        assert b"200" in await status(last)


async def test_whoever_would_wait_behind_too_many_is_told_so(held: Held) -> None:
    async with door(100, FakeExporter([running()])) as it:
        there = LISTS_AT_ONCE + LISTS_WAITING
        waiting = [await it.open(asking_for(f"/?q={number}"), 1 << 20) for number in range(there)]
        await until(lambda: len(it.connections._busy) == there)
        for path in ("/?q=more", "/api/v1/jobs", "/jobs/dli/nothing"):
            async with asyncio.timeout(20):
                head = await (await it.open(asking_for(path)))[0].readuntil(b"\r\n\r\n")
            assert b" 503 " in head.split(b"\r\n")[0]
            assert b"Retry-After: 1" in head
        scrape = await it.open(asking_for("/metrics"))
        assert b"200" in await status(scrape)

        held.go.set()
        for pair in waiting:
            assert b"200" in await status(pair)


async def test_one_address_that_fills_every_place_keeps_no_other_from_the_next_turn(held: Held) -> None:
    async with door(100, FakeExporter([running()])) as it:
        there = LISTS_AT_ONCE + LISTS_WAITING
        flood = [await it.open(asking_for(f"/?q={number}"), 1 << 20) for number in range(there)]
        await until(lambda: len(it.connections._busy) == there and held.begun == LISTS_AT_ONCE)
        reader, writer = await asyncio.open_connection("127.0.0.1", it.port, local_addr=("127.0.0.2", 0))
        writer.write(asking_for("/?q=another"))
        refused = [asyncio.create_task(status(pair)) for pair in flood]
        await asyncio.wait(refused, return_when=asyncio.FIRST_COMPLETED)
        assert [b" 503 " in each.result() for each in refused if each.done()] == [True]
        held.queries.clear()
        held.go.set()
        assert b"200" in await status((reader, writer))
        writer.close()
        await asyncio.gather(*refused)

    assert "another" in held.queries[:LISTS_AT_ONCE]


async def test_whoever_leaves_the_queue_takes_no_turn() -> None:
    queue = TurnQueue(at_once=1, places=3, own_turns=1, own_places=3)
    came: list[str] = []

    async def comes(name: str, held: asyncio.Event | None = None) -> None:
        async with queue.turn(name):
            came.append(name)
            if held is not None:
                await held.wait()

    go = asyncio.Event()
    tasks = [asyncio.create_task(comes("first", go))]
    tasks += [asyncio.create_task(comes(name)) for name in ("second", "third")]
    await asyncio.sleep(0)
    tasks[1].cancel()
    go.set()  # in the same step of the loop: its turn would be given to it
    await asyncio.gather(*tasks, return_exceptions=True)
    await comes("fourth")

    assert came == ["first", "third", "fourth"]


async def test_a_turn_is_given_back_however_the_work_ends() -> None:
    lists = Lists()

    def fails() -> int:
        raise ValueError

    for begin in (fails, lambda: fails):
        for _ in range(LISTS_AT_ONCE + LISTS_WAITING):
            with pytest.raises(ValueError):  # noqa: PT011 - it has no text
                await lists.make("a", begin)  # type: ignore[arg-type]
    try:
        assert await lists.make("a", lambda: lambda: 1) == 1
    except BusyError:
        pytest.fail("turns were lost")


async def test_for_a_client_that_closes_with_its_request_nothing_is_made(held: Held) -> None:
    async with door(50, FakeExporter([running()])) as it:
        for number in range(10):
            _, writer = await asyncio.open_connection("127.0.0.1", it.port)
            writer.write(asking_for(f"/?q={number}"))
            writer.close()
        held.go.set()
        last = await asyncio.open_connection("127.0.0.1", it.port)
        last[1].write(asking_for("/?q=last"))
        assert b"200" in await status(last)
        last[1].close()

    assert held.begun < 5, "one may, on a machine that is busy"
