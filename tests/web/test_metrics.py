"""/metrics over real HTTP."""

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from typing import Any

import pytest

from exporter.web.metrics import Bodies, Kind
from exporter.web.negotiate import OPENMETRICS, TEXT
from exporter.web.scrapes import Scraper, Scrapes
from exporter.web.server import SCRAPES
from tests.web.fakes import FakeExporter, FakeExposition, serving

KIND = Kind(openmetrics=False, gzip=True, names=frozenset())


async def test_a_scrape_gets_text_unless_it_asks_for_openmetrics() -> None:
    async with serving() as client:
        text = await client.get("/metrics", headers={"Accept": "*/*"})
        other = await client.get("/metrics", headers={"Accept": "application/openmetrics-text"})

        assert (text.headers["Content-Type"], await text.read()) == (TEXT, b"up 1\n")
        assert other.headers["Content-Type"] == OPENMETRICS
        assert text.headers["Vary"] == "Accept, Accept-Encoding"


async def test_an_accept_header_in_several_lines_is_one_list() -> None:
    headers = [("Accept", "text/plain;q=0.1"), ("Accept", "application/openmetrics-text")]
    async with serving() as client:
        answer = await client.get("/metrics", headers=headers)

        assert answer.headers["Content-Type"] == OPENMETRICS


async def test_a_long_body_is_compressed_and_a_short_one_is_not() -> None:
    exposition = FakeExposition()
    async with serving(exposition=exposition, raw=True) as client:
        short = await client.get("/metrics", headers={"Accept-Encoding": "gzip"})
        exposition.lines = 1000
        long = await client.get("/metrics", headers={"Accept-Encoding": "gzip"})
        refused = await client.get("/metrics", headers={"Accept-Encoding": "gzip;q=0"})

        assert "Content-Encoding" not in short.headers
        assert long.headers["Content-Encoding"] == "gzip"
        assert gzip.decompress(await long.read()) == await refused.read() == b"up 1\n" * 1000


async def test_head_has_the_headers_of_get_and_no_body() -> None:
    exposition = FakeExposition()
    exposition.lines = 1000
    async with serving(exposition=exposition, raw=True) as client:
        got = await client.get("/metrics", headers={"Accept-Encoding": "gzip"})
        head = await client.head("/metrics", headers={"Accept-Encoding": "gzip"})

        assert {**head.headers, "Date": ""} == {**got.headers, "Date": ""}
        assert await head.read() == b""


@pytest.mark.parametrize(
    ("query", "names"),
    [
        ("", set()),
        ("?name[]=up", {"up"}),
        ("?name%5B%5D=up&name[]=x_total", {"up", "x_total"}),
        ("?name[]=", set()),
        ("?other=1", set()),
    ],
)
async def test_name_parameters_are_passed_on(query: str, names: set[str]) -> None:
    exposition = FakeExposition()
    async with serving(exposition=exposition) as client:
        await client.get("/metrics" + query)

        assert exposition.asked == [(False, frozenset(names))]


async def test_scrapes_at_once_share_one_rendering() -> None:
    exposition = FakeExposition()
    exposition.lines = 200_000
    bodies = Bodies(FakeExporter(exposition=exposition), Scrapes())

    answers = await asyncio.gather(*(bodies.get(KIND) for _ in range(20)))
    await bodies.get(KIND)

    assert len({id(answer.parts) for answer in answers}) == 1
    assert len(exposition.asked) == 2, "one for the twenty, one for the late one"


async def test_scrapes_of_another_kind_do_not_share() -> None:
    exposition = FakeExposition()
    bodies = Bodies(FakeExporter(exposition=exposition), Scrapes())

    await asyncio.gather(bodies.get(KIND), bodies.get(KIND._replace(openmetrics=True)))

    assert len(exposition.asked) == 2


async def test_who_stops_waiting_does_not_stop_the_others() -> None:
    exposition = FakeExposition()
    exposition.lines = 200_000
    bodies = Bodies(FakeExporter(exposition=exposition), Scrapes())
    first, second = (asyncio.create_task(bodies.get(KIND)) for _ in range(2))
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    first.cancel()

    assert gzip.decompress(b"".join((await second).parts)).startswith(b"up 1\n")
    assert first.cancelled()
    assert len(exposition.asked) == 1


async def test_waiting_for_the_next_scrape_ends_with_its_answer() -> None:
    async with serving() as client:
        scrapes = client.server.app[SCRAPES]  # type: ignore[attr-defined]
        await client.get("/metrics")
        waiter = asyncio.create_task(scrapes.wait_for_all())
        await client.head("/metrics")
        await client.get("/-/healthy")
        assert not waiter.done(), "neither HEAD nor health is a scrape"

        await client.get("/metrics")
        await asyncio.wait_for(waiter, 1)

        assert scrapes.answered == 2


ONE, OTHER = Scraper("192.0.2.1", "Prometheus"), Scraper("192.0.2.2", "Prometheus")


async def test_a_scrape_rendered_before_the_wait_does_not_end_it() -> None:
    scrapes = Scrapes()
    early = scrapes.rendering()
    async with ended_by(scrapes.wait_for_all(), lambda: scrapes.sent(scrapes.rendering(), ONE)):
        scrapes.sent(early, ONE)


async def test_everyone_who_scraped_lately_is_waited_for() -> None:
    now = 0.0
    scrapes = Scrapes(lambda: now)
    scrapes.sent(scrapes.rendering(), Scraper("192.0.2.3", "long gone"))
    now = 200.0
    scrapes.sent(scrapes.rendering(), ONE)
    scrapes.sent(scrapes.rendering(), OTHER)
    now = 400.0
    async with ended_by(scrapes.wait_for_all(), lambda: scrapes.sent(scrapes.rendering(), OTHER)):
        for _ in range(3):
            scrapes.sent(scrapes.rendering(), ONE)


async def test_a_number_of_scrapes_is_waited_for_whoever_makes_them() -> None:
    scrapes = Scrapes()
    scrapes.sent(scrapes.rendering(), OTHER)
    async with ended_by(scrapes.wait_for_all(2), lambda: scrapes.sent(scrapes.rendering(), ONE)):
        scrapes.sent(scrapes.rendering(), ONE)


async def test_of_many_clients_the_latest_are_waited_for() -> None:
    scrapes = Scrapes()
    for number in range(100):
        scrapes.sent(scrapes.rendering(), Scraper("192.0.2.1", f"scanner {number}"))
    last = [Scraper("192.0.2.1", f"scanner {number}") for number in range(36, 100)]
    async with ended_by(scrapes.wait_for_all(), lambda: scrapes.sent(scrapes.rendering(), last[-1])):
        for each in last[:-1]:
            scrapes.sent(scrapes.rendering(), each)


@asynccontextmanager
async def ended_by(wait: Coroutine[Any, Any, None], end: Callable[[], None]) -> AsyncIterator[None]:
    """Wait while the body runs, and see that it is over after *end* and not before."""
    waiter = asyncio.create_task(wait)
    await asyncio.sleep(0)
    yield
    for _ in range(5):
        await asyncio.sleep(0)
    assert not waiter.done()
    end()
    await asyncio.wait_for(waiter, 1)


async def test_a_rendering_that_fails_is_a_500_and_the_next_scrape_works(caplog: pytest.LogCaptureFixture) -> None:
    class Broken(FakeExposition):
        def sections(self, openmetrics: bool, names: frozenset[str]) -> list[list[bytes]]:
            if not self.asked:
                self.asked.append((openmetrics, names))
                raise ValueError("broken")
            return super().sections(openmetrics, names)

    async with serving(exposition=Broken()) as client:
        assert (await client.get("/metrics")).status == 500
        assert (await client.get("/metrics")).status == 200
    assert "broken" in caplog.text
