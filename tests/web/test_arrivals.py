"""Which of the connections is read first that came while the loop had other work, over real sockets."""

import asyncio
import gc
import socket
import time
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager
from typing import Any

import pytest

from tests.web.fakes import FakeExporter, running
from tests.web.test_connections import Door, door, until
from tests.web.test_turns import asking_for

LIMIT = 64
AT_ONCE = 4
"""Connections that are begun to be read before the loop looks for others."""


class Ordered(FakeExporter):
    """Notes in which order it is asked for what."""

    def __init__(self) -> None:
        super().__init__([running()])
        self.order: list[str] = []

    def sections(self, openmetrics: bool, names: frozenset[str]) -> list[list[bytes]]:
        self.order.append("scrape")
        return super().sections(openmetrics, names)

    def records(self) -> Any:
        self.order.append("list")
        return super().records()

    def waiting(self) -> list[str]:
        self.order.append("probe")
        return []


@asynccontextmanager
async def doors(limit: int, exporter: FakeExporter) -> AsyncIterator[tuple[Door, ExitStack]]:
    """Provide a web side, and what holds its clients; they are gone before it is."""
    async with door(limit, exporter) as it:
        with ExitStack() as clients:
            yield it, clients
        await until(lambda: not len(it.connections))


def came(held: ExitStack, it: Door, said: bytes = b"", source: str = "127.0.0.1") -> socket.socket:
    """Open a connection that the kernel keeps until the loop comes to it: it does not run meanwhile."""
    client = socket.create_connection(("127.0.0.1", it.port), timeout=20, source_address=(source, 0))
    held.enter_context(client)
    client.sendall(said)
    client.setblocking(False)
    return client


async def read(client: socket.socket) -> bytes:
    async with asyncio.timeout(20):
        return await asyncio.get_running_loop().sock_recv(client, 100)


@pytest.mark.parametrize("path", ["/metrics", "/metrics?name[]=up", "/-/ready"])
async def test_a_scrape_is_read_before_all_that_came_earlier_and_is_none(path: str) -> None:
    exporter = Ordered()
    async with doors(LIMIT, exporter) as (it, clients):
        for number in range(LIMIT - 1):
            came(clients, it, asking_for(f"/api/v1/jobs?q={number}"))
        scraper = came(clients, it, asking_for(path))
        assert b"200" in await read(scraper)
        await until(lambda: len(exporter.order) == LIMIT)

    first = next(place for place, what in enumerate(exporter.order) if what != "list")
    assert first < AT_ONCE


async def test_of_the_others_the_address_comes_first_of_which_least_came() -> None:
    async with doors(LIMIT, Ordered()) as (it, clients):
        flood = [came(clients, it, asking_for("/static/page.css")) for _ in range(LIMIT - 1)]
        person = came(clients, it, asking_for("/"), "127.0.0.9")
        seen: list[int] = []
        busy = it.connections.changed

        def changed(slot: Any, *, busy: bool, then: Any = busy) -> None:
            seen.append(slot.origin == "127.0.0.9")
            then(slot, busy=busy)

        it.connections.changed = changed  # type: ignore[method-assign]
        assert b"200" in await read(person)
        for each in flood:
            assert b"200" in await read(each)

    assert seen.index(True) < LIMIT, "it was accepted in the fourth turn; of each two notes were taken"


async def test_where_more_came_than_there_may_be_scrapes_and_other_addresses_stay() -> None:
    async with doors(LIMIT, Ordered()) as (it, clients):
        person = came(clients, it, asking_for("/"), "127.0.0.9")
        scraper = came(clients, it, asking_for("/metrics"))
        for number in range(10 * LIMIT):
            came(clients, it, asking_for(f"/?q={number}"))
        last = came(clients, it, asking_for("/metrics"))
        for each in (scraper, person, last):
            assert b"200" in await read(each)

        assert it.closed["limit"] >= 9 * LIMIT
        assert len(it.connections) <= LIMIT


async def test_what_is_closed_before_it_was_read_costs_no_place() -> None:
    exporter = Ordered()
    async with doors(4, exporter) as (it, clients):
        kept = came(clients, it)
        await until(lambda: len(it.connections) == 1)
        for number in range(50):
            came(clients, it, asking_for(f"/?q={number}") if number % 2 else b"").close()
        half = came(clients, it, asking_for("/metrics"))
        half.shutdown(socket.SHUT_WR)
        assert b"200" in await read(half), "a scraper may close its side"
        kept.sendall(asking_for("/metrics"))
        assert b"200" in await read(kept)

        assert exporter.order == ["scrape", "scrape"]
        assert it.closed == {}


async def test_no_turn_of_the_loop_is_long_however_many_come() -> None:
    async with doors(256, Ordered()) as (it, clients):
        for _ in range(1000):
            came(clients, it, asking_for("/none"))
        turns: list[float] = []
        gc.collect()
        gc.disable()  # what other tests left takes long to look through
        while len(it.connections) + it.closed.total() < 1000:
            began = time.thread_time()
            await asyncio.sleep(0)
            turns.append(time.thread_time() - began)
        gc.enable()

    assert max(turns) < 0.05, "seconds of a processor; all of them in one turn take a quarter of a second"
