"""A refresh of the page: nothing is sent where nothing changed, and nothing is rendered that did not change."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest

from exporter.model.masking import VendorText
from exporter.model.snapshot import State
from exporter.runs.past import JobPast
from exporter.web.page import rendering
from exporter.web.page.addresses import Viewer, link
from tests.web.fakes import FAULT, NOW, Client, FakeExporter, in_state, running, serving

PATHS = ("/", "/?part=rows", "/?q=night", "/jobs/dli/nightly", "/jobs/dli/nightly?part=rows")


async def tag_of(client: Client, path: str = "/") -> str:
    answer = await client.get(path)
    assert answer.status == 200
    return answer.headers["ETag"]


async def asked_again(client: Client, tag: str, path: str = "/") -> int:
    """Return the status of the answer to a client that has the page of *tag*."""
    return (await client.get(path, headers={"If-None-Match": tag})).status


@asynccontextmanager
async def two_jobs() -> AsyncIterator[tuple[Client, FakeExporter]]:
    there = FakeExporter([running("nightly"), in_state(State.SUCCEEDED, "other")])
    async with serving(there) as client:
        yield client, there


@pytest.mark.parametrize("path", PATHS)
async def test_a_page_that_the_client_has_is_not_sent_again(path: str) -> None:
    async with two_jobs() as (client, there):
        tag = await tag_of(client, path)
        answer = await client.get(path)
        for known in (tag, f'"other", {tag}', tag.removeprefix("W/"), "*"):
            answer = await client.get(path, headers={"If-None-Match": known})
            assert (answer.status, await answer.read()) == (304, b"")
        assert answer.headers["ETag"] == tag
        assert answer.headers["Cache-Control"] == "no-store"
        assert "Date" in answer.headers, "the page tells by it as of when it is"
        assert await asked_again(client, 'W/"other"', path) == 200

        there.known[0] = replace(there.known[0], polled_at=NOW)
        assert await asked_again(client, tag, path) == 200


async def test_pages_move_on_by_the_minute_and_with_the_process() -> None:
    async with two_jobs() as (client, there):
        tag = await tag_of(client)
        there.time += 60
        assert await asked_again(client, tag) == 200
    async with two_jobs() as (client, there):
        assert await asked_again(client, tag) == 200


async def test_what_was_not_found_has_no_page_that_is_kept() -> None:
    async with two_jobs() as (client, _):
        tag = await tag_of(client)
        for known in (tag, "*"):
            assert await asked_again(client, known, "/jobs/dli/none") == 404
            assert await asked_again(client, known, "/?state=none") == 400


async def test_a_job_that_comes_or_goes_has_its_page_at_once() -> None:
    async with two_jobs() as (client, there):
        for known, status in ((there.known[:], 200), ([], 404), (there.known[:], 200)):
            there.known[:] = known
            answer = await client.get("/jobs/dli/nightly")
            assert answer.status == status
            assert ("No such job" in await answer.text()) == (status == 404)


async def test_the_part_has_what_changes_and_is_the_same_as_on_the_whole_page() -> None:
    async with two_jobs() as (client, _):
        for path in ("/", "/jobs/dli/nightly"):
            whole, part = [await (await client.get(path + more)).text() for more in ("", "?part=rows")]
            live = re.findall(r"<(section|article) id=\"(\w+)\" data-live(.*?)\n</\1>", whole, re.DOTALL)
            assert live
            assert re.findall(r"<(section|article) id=\"(\w+)\" data-live(.*?)\n</\1>", part, re.DOTALL) == live
            for kept in (r"<title>.*?</title>", r'id="icon" href="[^"]*"', r'data-now="[^"]*"'):
                assert re.findall(kept, part) == re.findall(kept, whole)
            assert "<form" not in part
            assert "stylesheet" not in part
            assert len(part) < len(whole)


@pytest.fixture
def rendered(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Note of which jobs rows are rendered."""
    names: list[str] = []
    once = rendering.render_row

    def noting(job: Any, viewer: Viewer) -> str:
        names.append(job["job"])
        return once(job, viewer)

    monkeypatch.setattr(rendering, "render_row", noting)
    return names


async def test_only_rows_that_show_something_else_are_rendered_again(rendered: list[str]) -> None:
    async with two_jobs() as (client, there):

        async def again(path: str = "/") -> list[str]:
            rendered.clear()
            there.time += 0.001  # another page for each
            await (await client.get(f"{path}?offset={len(seen)}&q=")).read()
            seen.append(path)
            return sorted(rendered)

        seen: list[str] = []
        assert await again() == ["nightly", "other"]
        assert await again() == []
        there.known[0] = replace(there.known[0], fault=FAULT)
        assert await again() == ["nightly"]
        there.pasts[there.known[1].job.key] = JobPast(NOW - 5)
        assert await again() == ["other"]
        there.due[there.known[1].job.key] = NOW + 30
        assert await again() == ["other"]
        there.time += 31
        assert await again() == [], "the mark of a time tells that it has passed"
        there.due[there.known[1].job.key] = there.time + 0.01
        assert await again() == [], "nor does it tell more that it is under way"
        there.vendor_text = VendorText.OFF
        assert await again() == ["nightly", "other"]
        there.time += 60
        assert await again() == ["nightly", "other"]


async def test_the_past_of_a_job_is_read_again_only_when_there_is_more_of_it(rendered: list[str]) -> None:
    there = FakeExporter([running("nightly")])
    key, read = there.known[0].job.key, list[str]()
    there.pasts[key] = JobPast(NOW - 5)
    there.past = lambda key: (read.append(key.job), there.pasts[key])[1]  # type: ignore[method-assign,func-returns-value]
    async with serving(there) as client:
        for progress, more in ((0.1, 0), (0.2, 0), (0.3, 1), (0.4, 1)):
            there.known[0] = running("nightly", progress=progress, polled_at=NOW + progress)
            there.pasts[key] = JobPast(NOW - 5 + more)
            html = await (await client.get(f"/?q=nightly&limit={int(progress * 10)}")).text()
            assert f"{progress * 100:g} %" in html
    assert rendered == ["nightly"] * 4
    assert read == ["nightly"] * 2


async def test_a_row_that_is_kept_tells_its_age_as_of_now(rendered: list[str]) -> None:
    async with two_jobs() as (client, there):
        assert "12 s ago</time>" in await (await client.get("/?q=nightly")).text()
        there.time += 7
        rendered.clear()
        html = await (await client.get("/?q=nightly&sort=state")).text()
        assert rendered == []
        assert "19 s ago</time>" in html
        assert "12 s ago" not in html


async def test_a_name_cannot_stand_for_a_time() -> None:
    there = FakeExporter([running("\x02ago 1.0\x03")])
    async with serving(there) as client:
        for path in ("/", "/" + link(*there.known[0].job.key)):
            assert "\x02ago 1.0\x03" in await (await client.get(path)).text()
