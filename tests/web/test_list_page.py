"""The list of jobs: found by what an alert tells, grouped, with what each did for a day, and what changed."""

import json
import re
from dataclasses import replace
from html import unescape
from urllib.parse import urljoin
from zoneinfo import ZoneInfo

import pytest

from exporter.model.job import Job, JobKey
from exporter.model.masking import VendorText
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.runs.past import Change, JobPast, PastRun, Turn, Watch
from exporter.web.page import charts
from tests.web.fakes import FAULT, NOW, FakeExporter, in_state, job, running, serving


def run(result: str = "succeeded", ago: float = 3600.0, took: float | None = 600.0, code: str = "") -> PastRun:
    start = None if took is None else NOW - ago - took
    return PastRun(result, NOW - ago, took is None, start, took, None, None, code)


async def shown(path: str, there: FakeExporter, status: int = 200) -> str:
    async with serving(there) as client:
        answer = await client.get(path)
        assert answer.status == status
        return await answer.text()


def names(html: str) -> list[str]:
    return [unescape(name) for name in re.findall(r'class="c-job"><a [^>]*>(.*?)</a>', html, re.DOTALL)]


def test_the_strip_shows_no_run_that_was_over_when_it_was_first_seen() -> None:
    over = run("failed", 600, None)._replace(over=True)
    past, watch = JobPast(NOW - 600, (over, run(ago=60, took=120))), Watch(NOW - 600, None, ())

    kinds = [kind for kind, _ in charts.strip(past, None, watch, NOW).paths]
    assert kinds == ["unwatched", "succeeded"]


CDM = Job(JobKey("cdm", "订单 同步"), "prod", {"cluster_id": "c-77", "job_name": "订单 同步"}, region="cn-north-4")
FAILED = Record(
    job("bind-elb"),
    Snapshot(
        State.FAILED, "FAIL", RunId("run-9"), failure_code="DWS.0114", detail={"failed_detail": "password=geheim no IP"}
    ),
    up=True,
    polled_at=NOW,
)
LATE = Fault(Reason.SERVER, NOW, "no answer", "APIG.0101", "req-42", "token=geheim timed out")
ALL = (
    running("nightly-orders"),
    Record(CDM, Snapshot(State.SUCCEEDED, run=RunId("411")), up=True, polled_at=NOW),
    FAILED,
    running(
        "slow", fault=Fault(Reason.SERVER, NOW, "no answer", "APIG.0101", "req-42", "token=geheim timed out"), up=False
    ),
)


@pytest.mark.parametrize(
    ("words", "found"),
    [
        ("nightly running", ["nightly-orders"]),
        ("orders nightly", ["nightly-orders"]),
        ("nightly elb", []),
        ("c-77", ["订单 同步"]),
        ("订单 411", ["订单 同步"]),
        ("run-9", ["bind-elb"]),
        ("dws.0114", ["bind-elb"]),
        ("no ip", ["bind-elb"]),
        ("req-42", ["slow"]),
        ("apig.0101 timed", ["slow"]),
        ("geheim", []),
        ("password", ["bind-elb"]),
    ],
)
async def test_a_job_is_found_by_all_words_of_what_is_shown_of_it(words: str, found: list[str]) -> None:
    html = await shown("/?q=" + words, FakeExporter(list(ALL)))

    assert names(html) == found


async def test_the_list_says_how_many_jobs_of_each_service_there_are() -> None:
    html = await shown("/", FakeExporter(list(ALL)))

    assert re.findall(r">(\w+) <b>(\d+)</b></a>", html) == [("cdm", "1"), ("dli", "3")]


async def test_what_is_not_shown_is_not_searched() -> None:
    assert names(await shown("/?q=timed", FakeExporter(list(ALL), vendor_text=VendorText.OFF))) == []
    assert names(await shown("/?q=geheim", FakeExporter(list(ALL), vendor_text=VendorText.FULL))) == [
        "bind-elb",
        "slow",
    ]


async def test_jobs_that_failed_lately_are_found_whatever_they_are_now() -> None:
    records = [running("a"), running("b"), running("c")]
    pasts = {
        records[0].job.key: JobPast(NOW - 90_000, (run("failed", 1800), run(ago=60))),
        records[1].job.key: JobPast(NOW - 90_000, (run("failed", 20_000),)),
        records[2].job.key: JobPast(NOW - 90_000, (run(),)),
    }
    there = FakeExporter(records, pasts=pasts)

    assert names(await shown("/?failed=1h", there)) == ["a"]
    assert names(await shown("/?failed=8h&sort=name", there)) == ["a", "b"]
    assert (await shown("/?failed=2h", there, 400)).count("unknown failed") == 1


async def test_groups_stand_together_with_their_counts() -> None:
    records = [
        replace(running("etl-a"), job=job("etl-a", project="x")),
        replace(in_state(State.FAILED, "etl-b"), job=job("etl-b", project="y")),
        replace(running("bi_c"), job=job("bi_c", project="x")),
    ]
    html = await shown("/?group=project&sort=name", FakeExporter(records))
    assert names(html) == ["bi_c", "etl-a", "etl-b"]
    heads = re.findall(r'rowgroup" role="rowheader"><b dir="auto">(.*?)</b> <span class="quiet">(.*?)</span>', html)
    assert heads == [("x", "2 jobs · 2 running"), ("y", "1 jobs · 1 failed")]

    html = await shown("/?group=prefix&sort=name", FakeExporter(records))
    assert names(html) == ["bi_c", "etl-a", "etl-b"]
    assert re.findall(r'rowheader"><b dir="auto">(.*?)</b>', html) == ["bi", "etl"]


async def test_jobs_are_grouped_and_found_by_what_the_operator_says_of_them() -> None:
    records = [
        replace(running("a"), job=replace(job("a"), labels={"team": "sales"})),
        replace(running("b"), job=replace(job("b"), labels={"team": "bi", "tier": "1"})),
        running("c"),
    ]
    there = FakeExporter(records)

    html = await shown("/?group=label.team&sort=name", there)
    assert names(html) == ["c", "b", "a"]
    assert re.findall(r'rowheader"><b dir="auto">(.*?)</b>', html) == ["no team", "bi", "sales"]
    assert "group=label.tier" in html
    assert names(await shown("/?q=sales", there)) == ["a"]
    assert "unknown group" in await shown("/?group=label.", there, 400)


async def test_the_cluster_is_where_a_service_says_that_its_jobs_run() -> None:
    html = await shown("/?group=cluster", FakeExporter([running("x"), ALL[1]]))

    assert re.findall(r'rowheader"><b dir="auto">(.*?)</b>', html) == ["no cluster", "c-77"]


async def test_title_and_icon_count_what_failed_and_what_is_blind() -> None:
    blind = running("old", stale=True, up=False)
    never = Record(job("never"), fault=FAULT, failing=1, up=False)
    async with serving(FakeExporter([FAILED, blind, never, running()])) as client:
        html = await (await client.get("/")).text()
        icon = re.search(r'id="icon" href="\./([^"]*)"', html)
        assert icon is not None
        picture = await client.get("/" + unescape(icon[1]))
        plain = await client.get("/favicon.svg")

        assert "<title>1 failed · 2 blind · Huawei Cloud jobs</title>" in html
        assert picture.headers["Content-Type"].startswith("image/svg+xml")
        assert ">1</text>" in await picture.text()
        assert "<text" not in await plain.text()
        assert "99+" in await (await client.get("/favicon.svg?blind=400")).text()
        assert (await client.get("/favicon.svg?failed=%3Cscript%3E&blind=-1")).status == 200


async def test_the_blind_are_one_tile() -> None:
    blind = running("old", stale=True, up=False)
    html = await shown("/?state=stale&state=unanswered", FakeExporter([blind, running()]))

    assert names(html) == ["old"]
    assert "<b>1</b> blind" in html


async def test_what_is_known_of_a_stale_job_is_told_with_its_age() -> None:
    blind = running("old", progress=0.36, stale=True, up=False, polled_at=NOW - 780)
    html = await shown("/", FakeExporter([blind]))

    assert "last known 36 %" in html
    assert re.search(r"last known running, <time [^>]*>13 min ago</time>", html)
    assert "36 %" not in await shown("/", FakeExporter([replace(blind, up=None, fault=None, failing=0)]))


async def test_a_runs_times_are_told() -> None:
    ended = Record(
        job("done"), Snapshot(State.SUCCEEDED, start=NOW - 3600, end=NOW - 660), up=True, polled_at=NOW, final=True
    )
    created = Record(job("waits"), Snapshot(State.PENDING, run=RunId("1", NOW - 840)), up=True, polled_at=NOW)
    html = re.sub(r"<[^>]*>", "", await shown("/", FakeExporter([ended, created, running("now")])))

    assert "ended 22:02:20 11 min ago, took 49 min" in html
    assert "created 21:59:20 waits 14 min" in html
    assert "began 22:03:20 10 min so far" in html


async def test_what_is_idle_or_endless_and_what_nothing_starts_any_more_is_told() -> None:
    idle = Record(job("idle"), Snapshot(State.UNKNOWN, "AVAILABLE", idle=True), up=True, polled_at=NOW)
    stream = Snapshot(State.RUNNING, counts={Measure("restarts"): 3.0, Measure("streaming"): 1.0})
    still = replace(in_state(State.SUCCEEDED, "still"), schedule="stopped")
    due = replace(in_state(State.SUCCEEDED, "due"), schedule="scheduling")
    there = FakeExporter([idle, running("stream", snapshot=stream), still, due])
    html = re.sub(r"\s+", " ", re.sub(r"<[^>]*>", " ", await shown("/?sort=name", there)))

    assert re.search(r" due .* idle idle .* stream ", html)
    assert " restarts 3 " in html
    assert "streaming 1" not in html
    assert html.count(" streaming ") == html.count(" schedule stopped ") == 1
    assert "schedule scheduling" not in html
    assert "schedule scheduling" in re.sub(r"<[^>]*>", " ", await shown("/jobs/dli/due", there)).replace("  ", " ")


async def test_times_are_told_by_the_clock_of_the_cloud_too() -> None:
    there = FakeExporter([running()], zones={"prod": ZoneInfo("Asia/Shanghai")})

    assert ">15 Nov 06:03<" not in await shown("/", there)
    assert ">06:03:20<" in await shown("/?clock=cloud", there)
    assert ">06:03:20<" in await shown("/jobs/dli/nightly?clock=cloud", there)


@pytest.mark.parametrize(("minutes", "slow"), [(9, False), (19, True)])
async def test_a_run_that_takes_longer_than_nine_of_ten_is_slower_than_usual(minutes: int, slow: bool) -> None:
    record = replace(running(), snapshot=Snapshot(State.RUNNING, progress=0.5, start=NOW - 60 * minutes), polled_at=NOW)
    runs = tuple(run(ago=1000.0 * number, took=60.0 * (number + 5)) for number in range(1, 11))
    usual = {record.job.key: JobPast(NOW - 90_000, runs)}

    assert ("slower than usual" in await shown("/", FakeExporter([record], pasts=usual))) is slow
    few = {record.job.key: JobPast(NOW - 90_000, runs[:4])}
    assert "slower than usual" not in await shown("/", FakeExporter([record], pasts=few)), "too few are known"


def marks(html: str) -> list[tuple[str, int, int]]:
    """Return what stands on the strip: kind, beginning and width."""
    return [
        (kind, int(x), int(width))
        for kind, path in re.findall(r'<path class="m-(\w+)" d="([^"]*)"', html)
        for x, width in re.findall(r"M(\d+) \d+h(\d+)v", path)
    ]


async def test_a_strip_shows_runs_and_blindness_and_where_nobody_watched() -> None:
    record = replace(running(), snapshot=Snapshot(State.RUNNING, start=NOW - 600), polled_at=NOW)
    past = JobPast(
        NOW - 43_200,
        (run(ago=21_600, took=3600.0), run("failed", ago=7200, took=None)),
        turns=(Turn(NOW - 18_000, "running", "stale", "server"), Turn(NOW - 14_400, "stale", "running", "")),
    )
    html = await shown("/", FakeExporter([record], pasts={record.job.key: past}))

    assert marks(html) == [
        ("unwatched", 0, 720),
        ("blind", 1140, 60),
        ("succeeded", 1020, 60),
        ("failed", 1320, 10),
        ("running", 1430, 10),
    ]
    assert "runs of the last 24 hours: 1 succeeded, 1 failed, 1 running, watched since" in html


async def test_a_strip_of_a_job_whose_past_is_not_kept_says_so() -> None:
    html = await shown("/", FakeExporter([running()]))

    assert marks(html) == [("unwatched", 0, 1440)]
    assert "the last 24 hours are not kept" in html


async def test_what_changed_is_told_the_newest_first() -> None:
    changes = (
        Change(NOW - 900, JobKey("dli", "nightly"), "prod", "running", "succeeded", "", 2460.0),
        Change(NOW - 300, JobKey("dli", "a&b"), "tok", "running", "stale", "auth", None, 12),
    )
    html = await shown("/", FakeExporter([running()], changes=changes))
    items = [
        re.sub(r"\s+", " ", re.sub(r"<[^>]*>", "", each)) for each in re.findall(r"<li>(.*?)</li>", html, re.DOTALL)
    ]

    assert [unescape(each).strip() for each in items if (":" in each and "jobs" in each) or "→" in each] == [
        "22:08:20 12 jobs of tok stale, first a&b auth",
        "21:58:20 nightly running → succeeded in 41 min",
    ]


async def test_two_states_of_a_link_survive_a_search() -> None:
    html = await shown("/?state=running&state=failed&service=dli&limit=500&clock=cloud", FakeExporter(list(ALL)))
    form = html.partition('<form id="filter"')[2].partition("</form>")[0]
    hidden = re.findall(r'type="hidden" name="(\w+)" value="(\w+)"', form)

    assert hidden == [
        ("service", "dli"),
        ("state", "failed"),
        ("state", "running"),
        ("limit", "500"),
        ("clock", "cloud"),
    ]


@pytest.mark.parametrize("name", [".", ".."])
async def test_a_job_whose_name_is_dots_is_reached(name: str) -> None:
    html = await shown("/", FakeExporter([running(name)]))
    link = re.search(r'class="c-job"><a href="\./([^"]*)"', html)
    assert link is not None
    inner = await shown("/" + unescape(link[1]), FakeExporter([running(name)]))

    assert f'<h1 dir="auto">{name}</h1>' in inner


@pytest.mark.parametrize("name", [".", ".."])
async def test_the_json_of_a_job_whose_name_is_dots_is_reached_from_its_page(name: str) -> None:
    there = FakeExporter([running(name)])
    here = f"/job?service=dli&job={name}"
    links = re.findall(r'href="([^"]*)">JSON', await shown(here, there))
    one, runs = [urljoin(here, unescape(each)) for each in links]  # as a browser does

    assert json.loads(await shown(one, there))["job"] == name
    assert json.loads(await shown(runs, there))["runs"] == []
    await shown("/api/v1/job/runs?service=dli&job=other", there, 404)
    await shown("/api/v1/job", there, 404)


async def test_the_list_can_be_read_without_seeing_it() -> None:
    html = await shown("/", FakeExporter(list(ALL)))

    assert '<a class="skip" href="#main">' in html
    assert '<p class="quiet matches" role="status">1 to 4 of 4 jobs</p>' in html
    assert html.count("<time ") == html.count("<time datetime=")
    for role in ("table", "row", "columnheader", "rowheader", "cell", "img", "search"):
        assert f'role="{role}"' in html, role
    assert "style=" not in html


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("DWS.0114:ELB private IP is missing", "ELB private IP is missing"),
        ("dws.0114 : no node", "no node"),
        ("at once: DWS.0114", "at once: DWS.0114"),
        ("DWS.0114", "DWS.0114"),
    ],
)
async def test_a_code_that_its_text_begins_with_stands_there_once(text: str, told: str) -> None:
    failed = replace(FAILED, snapshot=Snapshot(State.FAILED, failure_code="DWS.0114", detail={"failed_detail": text}))
    html = await shown("/", FakeExporter([failed]))

    assert f"<b>DWS.0114</b> <span>{told}</span></summary>" in html
    assert f'<p class="said">{text}</p>' in html, "and whole where there is room"
