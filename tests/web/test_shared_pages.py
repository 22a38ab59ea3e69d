"""One page for all who look at the same."""

import asyncio

import pytest

from exporter.web.page.shared_pages import SharedPages
from tests.web.fakes import FakeExporter, running, serving


class Pages:
    """Makes pages slowly, and counts them; the time is set by hand."""

    def __init__(self) -> None:
        self.made = 0
        self.time = 0.0
        self.go = asyncio.Event()
        self.shared = SharedPages[bytes](lambda: self.time)

    async def make(self) -> bytes:
        self.made += 1
        number = self.made
        await self.go.wait()
        if number == 99:
            raise ValueError
        return b"%d" % number

    async def get(self, asked: str = "") -> bytes:
        return await self.shared.get(asked, self.make)


async def test_who_asks_for_the_same_within_a_second_gets_the_same() -> None:
    pages = Pages()
    waiting = [asyncio.create_task(pages.get()) for _ in range(20)]
    await asyncio.sleep(0)
    pages.go.set()
    assert await asyncio.gather(*waiting) == [b"1"] * 20

    pages.time = 0.9
    assert await pages.get() == b"1"
    assert await pages.get("?q=x") == b"2"
    pages.time = 1.1
    assert await pages.get() == b"3"


async def test_who_leaves_stops_it_for_no_other() -> None:
    pages = Pages()
    one, other = asyncio.create_task(pages.get()), asyncio.create_task(pages.get())
    await asyncio.sleep(0)
    one.cancel()
    await asyncio.sleep(0)
    pages.go.set()

    assert await other == b"1"


async def test_few_pages_are_kept() -> None:
    pages = Pages()
    pages.go.set()
    for number in range(9):
        await pages.get(str(number))

    assert await pages.get("8") == b"9"
    assert await pages.get("0") == b"10"


async def test_a_page_that_could_not_be_made_is_made_again() -> None:
    pages = Pages()
    pages.made = 98
    pages.go.set()
    with pytest.raises(ValueError):  # noqa: PT011 - it has no text
        await pages.get()
    pages.time = 2.0

    assert await pages.get() == b"100"


async def test_another_search_is_another_page() -> None:
    async with serving(FakeExporter([running()])) as client:
        first = await (await client.get("/?q=night")).text()
        other = await (await client.get("/?q=nothing")).text()

    assert "nightly" in first
    assert "No job matches." in other


async def test_a_page_that_nobody_waits_for_any_more_is_not_made() -> None:
    pages = Pages()
    both = [asyncio.create_task(pages.get()) for _ in range(2)]
    await asyncio.sleep(0)
    for one in both:
        one.cancel()
    await asyncio.gather(*both, return_exceptions=True)
    pages.go.set()

    assert await pages.get() == b"2", "the first was given up"
