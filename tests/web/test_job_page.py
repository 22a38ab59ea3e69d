"""The page of one job: its present run, its last ones, its parts, what happened to it, and what to copy."""

import re
from dataclasses import replace
from html import unescape

import pytest

from exporter.model.job import JobKey
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import RunId
from exporter.model.snapshot import Rows, Snapshot, State
from exporter.runs.past import Failure, JobPast, PastRun, Turn
from exporter.services import registry
from exporter.web.page import charts
from tests.web.fakes import FAULT, NOW, FakeExporter, job, running, serving

KEY = JobKey("dli", "nightly")
RUNS = tuple(
    PastRun("succeeded", NOW - 5000 + 100 * n, False, NOW - 5000 + 40 * n, 60.0 * n, 5.0, 1000.0 * n, "")
    for n in range(1, 11)
)
FAILED = PastRun("failed", NOW - 900, True, None, None, None, None, "DWS.5127")
PAST = JobPast(
    NOW - 9000,
    (*RUNS, FAILED),
    ((NOW - 600, 0.0), (NOW - 300, 0.4)),
    (Turn(NOW - 9000, "waiting", "succeeded", ""), Turn(NOW - 700, "failed", "running", "")),
    (Failure(NOW - 100, "server", "APIG.0308", "req-77"),),
)


async def shown(record: Record, past: JobPast | None = PAST, path: str = "/jobs/dli/nightly") -> str:
    there = FakeExporter([record], pasts={record.job.key: past} if past else {}, console_address="https://c.example/x")
    async with serving(there) as client:
        answer = await client.get(path)
        assert answer.status == 200
        return await answer.text()


def words(html: str) -> str:
    return unescape(re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", html)))


async def test_the_run_is_drawn_as_it_was_told_with_its_expected_end() -> None:
    html = await shown(running(estimate=NOW + 588, polled_at=NOW - 12))

    assert '<path class="told" d="M0.0 120.0H151.5V72.0H297.0"/>' in html, "a progress holds until the next"
    assert '<path class="expected" d="M297.0 72.0L600.0 0"/>' in html
    assert "expected end 22:23:08" in words(html)
    assert 'aria-label="progress of the newest run: 0 % at 2023-11-14 22:03:20 UTC' in html


CURVE = ((0.0, 0.0), (300.0, 0.5), (900.0, 1.0))


async def test_earlier_runs_are_pale_beside_it_from_their_own_start_on() -> None:
    past = PAST._replace(earlier=(CURVE, ((0.0, 0.2), (30_000.0, 1.0))))
    html = await shown(running(polled_at=NOW - 12), past)

    assert html.count('class="earlier"') == 2
    # 588 s of the run are told, and at most three times as much is shown of others
    assert '<path class="earlier" d="M0.0 120.0H102.0V60.0H306.1V0.0H306.1"/>' in html
    assert '<path class="earlier" d="M0.0 96.0H600.0"/>' in html, "of what lies beyond nothing is drawn"
    assert '<path class="told" d="M0.0 120.0H102.0V72.0H200.0"/>' in html
    assert "pale: earlier runs that succeeded" in html
    waited = await shown(running(polled_at=NOW - 12), past._replace(progress=((NOW - 700, 0.0), (NOW - 300, 0.4))))
    assert '<path class="earlier" d="M29.1 120.0H' in waited, "a progress was reported before it began"
    unknown = running(snapshot=replace(running().snapshot, start=None))  # type: ignore[type-var]
    assert 'class="earlier"' not in await shown(unknown, past), "nobody knows how far into the run it is"


async def test_nothing_is_expected_that_nobody_estimated() -> None:
    html = await shown(running(polled_at=NOW - 12))

    assert 'class="told"' in html
    assert 'class="expected"' not in html
    assert 'class="told"' not in await shown(running(), JobPast(NOW - 60)), "nor drawn what was not told"


async def test_the_last_runs_are_bars_with_what_is_usual_and_a_table() -> None:
    html = await shown(running())

    bars = html.partition('<svg class="bars"')[2].partition("</svg>")[0]
    assert bars.count('<g class="m-succeeded">') == 10
    assert re.search(
        r'<g class="m-failed"><title>failed DWS.5127, took an unknown time, seen ended [^<]*</title><circle', bars
    )
    assert '<path class="cross"' in bars, "not by colour alone"
    assert '<g class="m-running"><title>running for 9 min</title>' in bars
    assert "half took at most 5 min, 9 of 10 at most 9 min (of 10 that succeeded)" in words(html)
    rows = re.findall(r"<tr><td><span class=\"chip is-(\w+)\">(.*?)</tr>", html, re.DOTALL)
    assert [result for result, _ in rows] == ["failed", *["succeeded"] * 10]
    assert "seen" in rows[0][1]
    assert rows[0][1].count("\N{EN DASH}") == 4, "start, took, waited and rows are not known"
    assert "10,000" in rows[1][1]


def test_what_is_usual_is_not_said_of_few_runs() -> None:
    assert charts.usual(JobPast(0, RUNS[:4])) is None
    assert charts.usual(JobPast(0, (FAILED,) * 20)) is None
    assert charts.usual(PAST) == charts.Usual(10, 300.0, 540.0)


async def test_a_job_without_a_past_says_since_when_it_is_watched() -> None:
    assert "No run was seen to end since 22:12:20" in words(await shown(running(polled_at=None), JobPast(NOW - 60)))
    assert "web.history is full" in words(await shown(running(), None))


def parted(current: float | None = 1.0, more: float | None = None, first: int = 0) -> Record:
    rows = Rows(
        ("id", "name", "status", "submission_timestamp_seconds", "completion_timestamp_seconds", "num_tasks",
         "num_completed_tasks", "num_failed_tasks"),
        (
            (0.0 + first, "save at Report:20", "SUCCEEDED", NOW - 600, NOW - 420, 100.0, 100.0, 0.0),
            (1.0 + first, "save at <b>", "RUNNING", NOW - 420, None, 269.0, 233.0, 2.0),
            (2.0 + first, None, None, None, None, None, None, None),
        ),
    )  # fmt: skip
    detail = {"sub_job_id": current, "sub_jobs": rows, "sub_jobs_left_out": more}
    told = {name: value for name, value in detail.items() if value is not None}
    return running(snapshot=Snapshot(State.RUNNING, "RUNNING", RunId("r-1"), 0.45, start=NOW - 600, detail=told))


async def test_parts_of_a_run_are_bars_of_what_is_done() -> None:
    html = await shown(parted())

    table = html.partition('<table class="parts">')[2].partition("</table>")[0]
    rows = [words(row).strip() for row in re.findall(r"<tr.*?</tr>", table, re.DOTALL)[1:]]
    assert rows[0] == "0 save at Report:20 SUCCEEDED 100 of 100 0 22:03:20 3 min"
    assert rows[1] == "1 save at <b> RUNNING 233 of 269 2 22:06:20 7 min so far"
    assert rows[2] == "2 \N{EN DASH} \N{EN DASH} \N{EN DASH} of \N{EN DASH} \N{EN DASH} \N{EN DASH} \N{EN DASH}"
    assert table.count("<progress") == 2
    assert 'class="current" aria-current="step"><td>1</td>' in table
    assert "<b>" not in table.replace("save at &lt;b&gt;", "")


@pytest.mark.parametrize(
    ("record", "said"),
    [
        (parted(), "of sub-job 2 of 3"),
        (parted(more=12.0), "of sub-job 2 of 15"),
        (parted(current=9.0), "of sub-job 9"),
        (parted(current=8.0, first=7), "of sub-job 8"),
        (parted(current=None), ""),
        (running(), ""),
    ],
)
async def test_the_progress_says_which_part_it_is_of_where_the_service_does(record: Record, said: str) -> None:
    for path in ("/", "/jobs/dli/nightly"):
        found = re.findall(r'<span class="part">([^<]*)</span>', await shown(record, path=path))
        assert found == ([said] if said else [])


async def test_events_are_told_the_newest_first_with_request_ids_to_copy() -> None:
    html = await shown(running())
    events = [
        words(each).strip() for each in re.findall(r"<li>(.*?)</li>", html.partition('class="events"')[2], re.DOTALL)
    ]

    assert events[:3] == [
        "22:11:40 poll failed: server APIG.0308 request req-77 copy",
        "22:01:40 failed → running",
        "19:43:20 first seen succeeded",
    ]
    assert 'data-copy="req-77"' in html


async def test_a_stale_job_tells_what_was_last_known_and_when() -> None:
    record = running(progress=0.36, stale=True, up=False, fault=FAULT, failing=9, polled_at=NOW - 780)
    html = await shown(record)

    assert "Its state is unknown now: last known 13 min ago" in words(html)
    assert "was running (the service said RUNNING)" in words(html)
    assert "last known 36 %" in words(html)
    assert re.search(r'<progress class="is-stale" max="1" value="0.36" aria-label="last known progress', html)
    assert "so far" not in words(html), "nobody knows whether it still runs"
    assert "Nothing is known" not in await shown(running())


async def test_its_own_lines_its_ids_and_calls_are_there_to_copy() -> None:
    html = await shown(running())

    assert "<code>huaweicloud_job_up{job=&#34;nightly&#34;,service=&#34;dli&#34;} 1.0</code>" in html
    assert 'data-copy="huaweicloud_job_up{job=&#34;nightly&#34;,service=&#34;dli&#34;}"' in html
    assert 'data-copy="curl &#39;../../api/v1/jobs/dli/nightly&#39;"' in html
    assert 'data-copy="j-1"' in html
    assert '<a href="https://c.example/x" rel="noreferrer noopener external">' in html


@pytest.mark.parametrize("name", ["a'b; rm -rf $HOME #", "x/runs", "每日 订单+x", "line\nbreak", "b\ud800c"])
async def test_what_is_copied_quotes_any_name(name: str) -> None:
    record = running(name)
    there = FakeExporter([record])
    async with serving(there) as client:
        link = re.search(r'class="c-job"><a href="\./([^"]*)"', await (await client.get("/")).text())
        assert link is not None
        html = await (await client.get("/" + unescape(link[1]))).text() if "\ud800" not in name else ""
    for command in re.findall(r'data-copy="curl ([^"]*)"', html):
        assert re.fullmatch(r"'[\w./%?=&+-]*'", unescape(command)), command


async def test_a_failed_run_says_why() -> None:
    snapshot = Snapshot(
        State.FAILED, failure_code="DLI.0005", start=NOW - 100, end=NOW - 40, detail={"message": "secret=abc no table"}
    )
    html = words(await shown(replace(running(), snapshot=snapshot)))

    assert "The run failed: DLI.0005 secret=*** no table" in html
    assert "ended 22:12:40 40 s ago , took 1 min" in html


async def test_the_present_run_of_a_job_that_ended_is_not_expected_to_end() -> None:
    snapshot = Snapshot(State.SUCCEEDED, progress=1.0, start=NOW - 100, end=NOW - 40)
    html = await shown(Record(job(), snapshot, up=True, polled_at=NOW, final=True))

    assert 'class="expected"' not in html
    assert '<g class="m-running">' not in html


async def test_a_code_is_told_with_what_the_vendors_own_table_says_of_it_and_without_a_guess() -> None:
    fault = Fault(Reason.SERVER, NOW, "no answer", "DLI.0999", "req-1", "busy")
    failed = Snapshot(State.FAILED, "FAIL", failure_code="dli.0012", detail={"message": "DLI.0012: none left"})
    for record, said in (
        (running(fault=fault, failing=1), "by the vendor: the queue backend version is too old or the queue is busy"),
        (running(snapshot=failed), "by the vendor: resource unavailable"),
    ):
        for path in ("/jobs/dli/nightly", "/"):
            assert said in words(await shown(record, path=path))
    for other in (replace(fault, code="DLI.7777"), replace(fault, code="DWS.5064"), replace(fault, code="")):
        assert "by the vendor" not in await shown(running(fault=other, failing=1))


async def test_a_run_that_failed_before_the_newest_is_told_with_what_the_vendors_own_table_says_of_its_code() -> None:
    def row(code: str) -> PastRun:
        return PastRun("failed", NOW - 900, False, NOW - 1200, 300.0, None, None, code)

    html = words(await shown(running(), PAST._replace(runs=(row("DLI.7777"), row("dli.0012"), row("")))))
    table = html.partition("3 as a table")[2]

    assert "dli.0012 by the vendor: resource unavailable" in table
    assert table.count("by the vendor") == 1, "of the other codes nothing is known, and nothing is guessed"


def test_meanings_are_of_codes_of_their_own_service() -> None:
    for service in registry.load_services().values():
        for code in service.codes.meanings:
            assert code == code.upper()
            assert service.codes.include(code)
