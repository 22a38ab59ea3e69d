"""The page as a browser without JavaScript gets it."""

import re
from dataclasses import replace
from html import unescape
from typing import Any
from urllib.parse import quote

import pytest

from exporter.model.record import Record
from exporter.model.run import Ledger, RunId
from exporter.model.snapshot import Snapshot, State
from exporter.model.standing import STANDINGS
from exporter.web.page import formatting
from tests.web.fakes import FAULT, NOW, FakeExporter, in_state, job, running, serving
from tests.web.test_job_json import MANY, NAMES


async def page(path: str, *records: Record, status: int = 200) -> str:
    async with serving(FakeExporter(list(records))) as client:
        answer = await client.get(path)
        assert answer.status == status
        assert answer.headers["Content-Type"] == "text/html; charset=utf-8"
        return await answer.text()


def names(html: str) -> list[str]:
    """Return the jobs in the table."""
    return [unescape(name) for name in re.findall(r'class="c-job"><a [^>]*>(.*?)</a>', html, re.DOTALL)]


async def test_the_page_shows_a_job() -> None:
    html = await page("/", running())

    assert names(html) == ["nightly"]
    assert '<span class="chip is-running" title="the service says RUNNING">running</span>' in html
    assert 'max="1" value="0.43"' in html
    assert "43 %" in html
    assert 'title="2023-11-14 22:13:08 UTC">12 s ago</time>' in html


async def test_the_page_of_a_run_that_waits_does_not_say_that_it_began() -> None:
    """Its start on /metrics is its creation, until the cloud says that it began."""
    waits = Record(
        job(), Snapshot(State.PENDING, run=RunId("1", NOW - 840), start=NOW - 840), up=True, polled_at=NOW - 12
    )
    html = await page("/jobs/dli/nightly", waits)
    assert "<dt>created</dt>" in html
    assert "<dt>began</dt>" not in html
    assert "<dt>began</dt>" in await page("/jobs/dli/nightly", running())

    stale = await page("/jobs/dli/nightly", replace(waits, stale=True, up=False))
    assert re.findall(r"<dt>began</dt><dd>(.)", stale.replace('<span class="unknown" title="unknown">', "")) == [
        formatting.UNKNOWN
    ]


async def test_when_a_run_may_be_done_is_told_where_it_is_known() -> None:
    told = r'may be done.*title="2023-11-14 22:28:20 UTC">in 15 min</time>'

    for path in ("/", "/jobs/dli/nightly"):
        assert re.search(told, await page(path, running(estimate=NOW + 900)), re.DOTALL)
    assert "may be done" not in await page("/", running())


async def test_what_is_not_known_is_a_dash() -> None:
    html = await page("/", Record(job()))

    assert "waiting" in html
    assert "<progress" not in html
    assert "0 %" not in html
    assert html.count(formatting.UNKNOWN) >= 5


async def test_old_values_are_marked_old() -> None:
    assert ">old</span>" in await page("/", running(up=False, fault=FAULT, failing=2))
    assert ">old</span>" in await page("/", running(up=False, stale=True, fault=FAULT, failing=9))
    assert ">old</span>" not in await page("/", running())


async def test_the_error_is_told_with_the_vendors_words() -> None:
    html = await page("/", running(up=False, fault=FAULT, failing=2))

    for word in ("throttled", "×2", "over ratelimit", "dli asks to slow down (429)", "APIGW.0308", "req-1"):
        assert word in html


async def test_a_failed_run_is_told_with_its_code() -> None:
    snapshot = Snapshot(State.FAILED, failure_code="DWS.5127", detail={"failed_detail": "node did not join"})
    record = Record(job(), snapshot, up=True, polled_at=NOW, final=True)

    for path in ("/", "/jobs/dli/nightly"):
        html = await page(path, record)
        assert "DWS.5127" in html
        assert "node did not join" in html
        assert ">final</span>" in html


async def test_trouble_stands_first_and_the_filter_works_by_parameters() -> None:
    assert names(await page("/", *MANY)) == ["gamma", "zeta", "epsilon", "alpha", "Beta", "delta"]
    assert names(await page("/?q=eta&sort=name&order=desc", *MANY)) == ["zeta", "Beta"]
    html = await page("/?state=running&service=cdm", *MANY)
    assert names(html) == ["alpha"]
    assert "1 to 1 of 1 that match, of 6 jobs" in html
    assert re.search(r'class="is-running" href="[^"]*" aria-current="true"', html)


async def test_too_long_a_search_is_told_and_all_jobs_are_shown() -> None:
    html = await page("/?q=" + "+".join(map(str, range(17))), *MANY, status=400)

    assert "search for at most 256 letters and 16 words" in html
    assert len(names(html)) == len(MANY)


async def test_a_mistake_is_shown_and_all_jobs_with_it() -> None:
    html = await page("/?state=runing", *MANY, status=400)

    assert "did you mean running?" in html
    assert len(names(html)) == 6


async def test_every_job_of_many_is_on_some_page() -> None:
    jobs = [in_state(State.RUNNING, f"j{number}") for number in range(703)]
    seen: list[str] = []
    address, pages, html = "/?sort=name", 0, ""
    while address:
        html = unescape(await page(address, *jobs))
        seen += names(html)
        pages += 1
        following = re.search(r'aria-current="page">\d+</a> (?:<span>…</span> )?<a href="([^"]*)"', html)
        address = "/" + following[1] if following else ""

    assert pages == 8
    assert sorted(seen) == sorted(record.job.key.job for record in jobs)
    assert "701 to 703 of 703 jobs" in html


async def test_a_page_beyond_the_last_one_is_the_last_one() -> None:
    html = await page("/?offset=9000", *(in_state(State.RUNNING, f"j{number}") for number in range(130)))

    assert len(names(html)) == 30


async def test_as_many_rows_are_shown_as_are_asked_for_up_to_five_hundred() -> None:
    jobs = [in_state(State.RUNNING, f"j{number}") for number in range(703)]

    assert len(names(await page("/?limit=7&offset=3", *jobs))) == 7
    assert len(names(await page("/?limit=600", *jobs))) == 500


@pytest.mark.parametrize("path", ["/", "/?q=nothing"])
async def test_an_empty_table_says_why(path: str) -> None:
    assert "No job is registered yet." in await page(path)
    assert ("No job matches." in await page(path, running())) is ("?" in path)


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_is_shown_as_it_is_and_its_link_leads_to_it(name: str) -> None:
    html = await page("/", running(name))
    link = re.search(r'class="c-job"><a href="\./([^"]*)"', html)

    assert link is not None
    assert names(html) == [name]
    assert "<script>alert" not in html
    inner = await page("/" + unescape(link[1]), running(name))
    assert "<script>alert" not in inner
    assert f'<h1 dir="auto">{name}</h1>' in unescape(inner)
    assert 'href="../../static/page.css' in inner


async def test_what_was_typed_comes_back_escaped() -> None:
    html = await page("/?q=" + quote('"><script>alert(1)</script>'), running())

    assert "<script>alert" not in html


async def test_a_broken_name_does_not_break_the_page() -> None:
    assert "b?c" in await page("/", running("b\ud800c"))


async def test_an_unknown_job_has_a_page_that_names_the_nearest() -> None:
    html = await page("/jobs/dli/nightl%3Cb%3E", running(), status=404)

    assert "No such job" in html
    assert 'href="../../jobs/dli/nightly"' in html
    assert "<b>" not in html


DETAIL: dict[str, Any] = {
    "creation_user": "ops <b>",
    "last_update_timestamp_seconds": NOW - 60,
    "is_execute_auto": False,
    "empty": [],
    "object": {"a": 1, "b": "x"},
    "external_id": 1_234_567.0,
    "sub_jobs": [
        {"id": 7.0, "status": "RUNNING", "submission_time": "raw", "submission_timestamp_seconds": NOW - 120},
        {"id": 8.0, "stage_ids": [1, 2], "killed_tasks_summary": {"lost node": 2.0}},
    ],
}


async def test_a_jobs_page_shows_all_the_detail_whatever_it_is() -> None:
    snapshot = Snapshot(State.RUNNING, "RUNNING", progress=0.999, detail=DETAIL)
    html = await page("/jobs/dli/nightly", running(snapshot=snapshot, last_run_duration=4000.0))

    for text in ("ops &lt;b&gt;", "1 min ago", "<dd>no</dd>", "1234567", "RUNNING", "1, 2", "lost node 2", "99.9 %"):
        assert text in html, text
    assert "2 min ago" in html
    assert "1 h 6 min" in html
    assert "raw" not in html, "the time is shown once, as the moment it was read as"


async def test_static_files_are_kept_by_their_content() -> None:
    async with serving() as client:
        html = await (await client.get("/")).text()
        for path in re.findall(r"static/[^\"]*", html):
            answer = await client.get("/" + path)
            assert answer.headers["Cache-Control"] == "max-age=31536000, immutable"
            assert (await client.get("/" + path.partition("?")[0])).headers["Cache-Control"] == "no-cache"


def test_every_state_has_its_place_in_the_order() -> None:
    assert {state.value for state in State} <= set(STANDINGS)


async def test_what_the_runs_moved_is_told_and_what_waits_for_the_journal() -> None:
    totals: dict[str, Any] = {"runs": (3, 1, 0), "totals": {"rows_written": 1234}, "ledger": Ledger(runs=(5, 1, 0))}
    html = re.sub(r"\s+", " ", await page("/jobs/dli/nightly", running(**totals)))

    assert "3 succeeded, 1 failed, 0 cancelled; 2 more once the journal is written" in html
    assert "rows written 1,234" in html
