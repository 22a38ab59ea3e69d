"""The page in a real browser: it filters as one types, refreshes itself, and says when it cannot."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import Page, async_playwright, expect

from exporter.model.record import Record
from exporter.model.snapshot import Snapshot, State
from exporter.runs.past import Change, JobPast, PastRun
from exporter.web.page.addresses import link
from tests.web.certificates import door, make
from tests.web.fakes import FAULT, NOW, Client, FakeExporter, in_state, running, serving

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
PATIENCE = 12_000
"""Milliseconds; a refresh comes every 5 s."""

pytestmark = pytest.mark.needs("chromium")


@asynccontextmanager
async def browsing(
    *records: Record, zone: str = "UTC", scheme: str = "light", script: bool = True
) -> AsyncIterator[tuple[Page, FakeExporter, list[str], Client]]:
    """Open the page; the list takes every complaint of the browser."""
    jobs, complaints = FakeExporter(list(records)), list[str]()
    async with serving(jobs) as client, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        try:
            page = await browser.new_page(
                timezone_id=zone,
                color_scheme="dark" if scheme == "dark" else "light",
                java_script_enabled=script,
            )
            page.on("console", lambda message: complaints.append(message.text))
            page.on("pageerror", lambda error: complaints.append(str(error)))
            await page.goto(str(client.make_url("/")))
            yield page, jobs, complaints, client
        finally:
            await browser.close()


async def test_the_page_filters_and_refreshes_and_keeps_what_is_open() -> None:
    old = running("old & <b>slow</b>", progress=0.2, fault=FAULT, failing=2, up=False)
    async with browsing(running("nightly"), old) as (page, jobs, complaints, _):
        await expect(page.get_by_role("progressbar", name="progress of nightly")).to_have_attribute("value", "0.43")
        await expect(page.locator("#rows tr")).to_have_count(2)

        await page.get_by_label("Filter").press_sequentially("SLOW")
        await expect(page.locator("#rows tr")).to_have_count(1)
        await page.locator("#rows summary").click()
        await page.get_by_role("link", name="old & <b>slow</b>").focus()
        assert page.url.endswith("?q=SLOW")

        jobs.known[1] = running("old & <b>slow</b>", progress=0.6, fault=FAULT, failing=3, up=False)
        await expect(page.locator(".figure")).to_have_text("60 %", timeout=PATIENCE)
        await expect(page.locator("#rows details")).to_have_attribute("open", "")
        await expect(page.get_by_role("link", name="old & <b>slow</b>")).to_be_focused()
        await expect(page.get_by_label("Filter")).to_have_value("SLOW")

        assert complaints == []


async def test_a_row_that_goes_takes_the_focus_of_no_other() -> None:
    async with browsing(running("alpha"), running("beta")) as (page, jobs, complaints, _):
        await page.get_by_role("link", name="beta").focus()

        del jobs.known[0]

        await expect(page.locator("#rows tr")).to_have_count(1, timeout=PATIENCE)
        await expect(page.get_by_role("link", name="beta")).to_be_focused()
        assert complaints == []


async def test_the_page_says_that_it_lost_the_exporter() -> None:
    async with browsing(running()) as (page, _, __, client):
        await client.server.close()

        await expect(page.locator("#status")).to_have_text("connection lost, data from 22:13:20 UTC", timeout=PATIENCE)
        await expect(page.locator("#news")).to_have_text("connection lost")


async def test_a_job_opens_by_its_link() -> None:
    async with browsing(running("c1/每日 订单+x")) as (page, _, complaints, __):
        await page.get_by_role("link", name="c1/每日 订单+x").click()

        await expect(page.get_by_role("heading", level=1)).to_have_text("c1/每日 订单+x")
        assert complaints == []


async def test_a_deep_link_survives_a_search_a_refresh_and_going_back() -> None:
    records = [in_state(State.FAILED, "alpha"), running("beta"), in_state(State.SUCCEEDED, "gamma")]
    async with browsing(*records) as (page, _, complaints, client):
        await page.goto(str(client.make_url("/?state=failed&state=running&group=prefix")))
        await expect(page.locator("#rows tr[data-key^=jobs]")).to_have_count(2)
        await page.get_by_label("Filter").press_sequentially("beta")
        await expect(page.locator("#rows tr[data-key^=jobs]")).to_have_count(1)
        assert "state=failed&state=running" in page.url
        await page.reload()
        await expect(page.locator("#rows tr[data-key^=jobs]")).to_have_count(1)
        await page.get_by_role("link", name="beta").click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("beta")
        await page.go_back()
        await expect(page.get_by_label("Filter")).to_have_value("beta")
        assert complaints == []


async def test_a_run_that_ends_joins_the_bars_and_the_title_and_icon_count_it() -> None:
    record = running("nightly")
    ended = (PastRun("failed", NOW - 60, False, NOW - 660, 600.0, None, None, "DWS.5127"),)
    async with browsing(record) as (page, jobs, complaints, client):
        jobs.pasts[record.job.key] = JobPast(NOW - 7200)
        await page.goto(str(client.make_url("/jobs/dli/nightly")))
        await expect(page.locator(".bars .m-running")).to_have_count(1)

        failed = Snapshot(State.FAILED, failure_code="DWS.5127", detail={"failed_detail": "node did not join"})
        jobs.known[0] = replace(record, snapshot=failed)
        jobs.pasts[record.job.key] = JobPast(NOW - 7200, ended)
        await expect(page.locator(".bars .m-failed")).to_have_count(1, timeout=PATIENCE)
        await expect(page.locator(".bars .m-running")).to_have_count(0)
        await expect(page.get_by_text("node did not join")).to_be_visible()
        await expect(page).to_have_title("failed · nightly")
        await expect(page.locator("#icon")).to_have_attribute("href", "../../favicon.svg?failed=1")
        assert complaints == []


async def test_a_job_that_is_removed_while_its_page_is_open_says_so() -> None:
    async with browsing(running()) as (page, jobs, _, client):
        await page.goto(str(client.make_url("/jobs/dli/nightly")))
        jobs.known.clear()

        await expect(page.get_by_text("not registered any more")).to_be_visible(timeout=PATIENCE)
        await expect(page.locator("body.lost")).to_have_count(0)


async def test_the_keyboard_is_enough() -> None:
    async with browsing(running("alpha"), running("beta")) as (page, _, complaints, __):
        await page.keyboard.press("Tab")
        await expect(page.get_by_role("link", name="Skip to the jobs")).to_be_focused()
        await page.keyboard.press("j")
        await page.keyboard.press("j")
        await expect(page.get_by_role("link", name="beta")).to_be_focused()
        await page.keyboard.press("k")
        await expect(page.get_by_role("link", name="alpha")).to_be_focused()
        await page.keyboard.press("/")
        await expect(page.get_by_label("Filter")).to_be_focused()
        await page.keyboard.type("jk/")
        await expect(page.get_by_label("Filter")).to_have_value("jk/")
        assert complaints == []


async def test_times_are_told_by_the_readers_clock_until_it_is_let_go() -> None:
    async with browsing(running(), zone="Asia/Tokyo") as (page, _, complaints, __):
        began = page.locator(".c-span time").first
        await expect(began).to_have_text("22:03:20")
        await page.get_by_role("button", name="local").click()
        await expect(began).to_have_text("07:03:20")
        async with page.expect_response("**/?part=rows", timeout=PATIENCE):
            pass
        await expect(began).to_have_text("07:03:20")
        await page.reload()
        await expect(began).to_have_text("07:03:20")
        await page.get_by_role("button", name="local").click()
        await expect(began).to_have_text("22:03:20")
        assert complaints == []


async def test_what_is_copied_is_a_call_that_works_from_elsewhere() -> None:
    async with browsing(running()) as (page, _, complaints, client):
        await page.context.grant_permissions(["clipboard-read", "clipboard-write"])
        await page.goto(str(client.make_url("/jobs/dli/nightly")))
        await page.get_by_text("Its numbers").click()
        await page.get_by_role("button", name="copy the command").click()

        await expect(page.locator("#news")).to_have_text("copied")
        copied = await page.evaluate("navigator.clipboard.readText()")
        assert copied == f"curl '{client.make_url('/api/v1/jobs/dli/nightly')}'"
        assert complaints == []


@pytest.mark.parametrize("width", [360, 820, 1500])
@pytest.mark.parametrize("scheme", ["light", "dark"])
async def test_nothing_is_cut_off_and_no_request_leaves_at_any_width(width: int, scheme: str) -> None:
    long = running("每日订单" * 60, fault=FAULT, failing=2, up=False)
    past = JobPast(
        NOW - 90_000, tuple(PastRun("succeeded", NOW - n, False, NOW - n - 9, 9.0, 1.0, 5.0, "") for n in (9, 5))
    )
    async with browsing(long, running(), zone="UTC", scheme=scheme) as (page, jobs, complaints, client):
        jobs.pasts[long.job.key] = past
        asked: list[str] = []
        page.on("request", lambda request: asked.append(request.url))
        await page.set_viewport_size({"width": width, "height": 900})
        for path in ("/", "/?group=project", link(*long.job.key)):
            await page.goto(str(client.make_url("/")) + path.removeprefix("/"))
            assert await page.evaluate("document.documentElement.scrollWidth") <= width, path
        assert {urlsplit(url).netloc for url in asked} == {urlsplit(str(client.make_url("/"))).netloc}
        assert complaints == []


async def test_the_page_tells_all_without_javascript() -> None:
    async with browsing(running(), script=False) as (page, _, __, client):
        await page.goto(str(client.make_url("/")))
        await page.get_by_label("Filter").fill("night")
        await page.get_by_role("button", name="Show").click()
        await expect(page.locator("#rows tr")).to_have_count(1)
        await expect(page.get_by_role("button", name="local")).to_have_count(0)
        await page.get_by_role("link", name="nightly", exact=True).click()
        await expect(page.get_by_role("heading", level=1)).to_have_text("nightly")


async def test_print_and_high_contrast_keep_bars_and_shapes_and_two_hundred_percent_all_of_it() -> None:
    record = in_state(State.FAILED, "broken")
    runs = (PastRun("failed", NOW - 60, False, NOW - 3660, 3600.0, None, None, "X.1"),)
    async with browsing(record, running(), scheme="dark") as (page, jobs, complaints, client):
        jobs.pasts[record.job.key] = JobPast(NOW - 90_000, runs)
        await page.goto(str(client.make_url("/?limit=50")))  # another page than the first, which is kept for a second

        async def style(selector: str, name: str, pseudo: str = "") -> str:
            code = f"getComputedStyle(document.querySelector('{selector}'), '{pseudo}')['{name}']"
            return str(await page.evaluate(code))

        await page.emulate_media(media="print")
        assert await style("#filter", "display") == "none"
        assert await style("body", "backgroundColor") == "rgb(255, 255, 255)"
        assert await style(".strip", "print-color-adjust") == await style("progress", "print-color-adjust") == "exact"

        await page.emulate_media(media="screen", forced_colors="active")
        assert await style(".strip .m-failed", "fill") != await style(".strip .base", "fill")
        assert await style(".chip.is-failed", "background-color", "::before") != "rgba(0, 0, 0, 0)"
        assert await style(".chip.is-failed", "transform", "::before") != "none", "a shape, not a color alone"

        await page.emulate_media(forced_colors="none")
        await page.set_viewport_size({"width": 640, "height": 450})  # 1280 x 900 at 200 %
        assert await page.evaluate("document.documentElement.scrollWidth") <= 640
        assert complaints == []


async def test_the_page_works_by_tls_for_a_user_with_a_client_certificate(tmp_path: Path) -> None:
    files, complaints = make(tmp_path), list[str]()
    config = files.read(
        "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n  client_ca_file: client_ca.pem\n"
        "  client_auth_type: RequireAndVerifyClientCert\n"
        "basic_auth_users: {carol: $2y$10$qRTBuFoULoYNA7AQ/F3ck.trZBPyjV64.oA4ZsSBCIWvXuvQlQTuu}\n"
    )
    client = str(tmp_path / "client.pem")
    async with door(config) as (address, _), async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        try:
            for password, status in (("carol123", 200), ("carol124", 401)):
                context = await browser.new_context(
                    ignore_https_errors=True,
                    http_credentials={"username": "carol", "password": password},
                    client_certificates=[{"origin": address, "certPath": client, "keyPath": client}],
                )
                page = await context.new_page()
                page.on("pageerror", lambda error: complaints.append(str(error)))
                answer = await page.goto(f"{address}/")
                assert answer is not None
                assert answer.status == status
                if status == 200:
                    async with page.expect_response("**/*", timeout=PATIENCE) as refreshed:
                        pass
                    assert (await refreshed.value).status == 200
                await context.close()
        finally:
            await browser.close()
        assert complaints == []


async def test_favourites_are_kept_in_the_browser_and_are_a_list_of_their_own() -> None:
    records = [running("alpha"), running("每日 订单+x/1"), running("gamma")]
    async with browsing(*records) as (page, jobs, complaints, client):
        await expect(page.locator("#starred")).to_be_hidden()
        star = page.locator("tr", has_text="每日").get_by_role("button", name="favourite")
        await star.click()
        await expect(star).to_have_attribute("aria-pressed", "true")
        jobs.known[1] = replace(jobs.known[1], polled_at=NOW)
        async with page.expect_response("**/?part=rows", timeout=PATIENCE):
            pass
        await expect(star).to_have_attribute("aria-pressed", "true")

        await page.reload()
        await expect(star).to_have_attribute("aria-pressed", "true")
        await page.locator("#starred").click()
        await expect(page.locator("#rows tr")).to_have_count(1)
        assert await page.locator("#starred").get_attribute("aria-current") == "true"
        await page.get_by_role("link", name="每日").click()
        await page.get_by_role("button", name="favourite").click()
        await page.goto(str(client.make_url("/")))
        await expect(page.locator("#starred")).to_be_hidden()
        assert complaints == []


async def test_a_tab_that_nobody_sees_asks_once_a_minute_for_what_changed() -> None:
    async with browsing(running()) as (page, _, complaints, client):
        asked: list[str | None] = []
        page.on("request", lambda request: asked.append(request.headers.get("if-none-match")))
        await page.clock.install()
        await page.goto(str(client.make_url("/")))
        async with page.expect_response("**/?part=rows"):
            await page.clock.run_for(10_000)
        asked.clear()
        await page.evaluate(
            "Object.defineProperty(document, 'hidden', {get: () => true});"
            "document.dispatchEvent(new Event('visibilitychange'))"
        )
        await page.clock.run_for(59_000)
        assert asked == []
        async with page.expect_response("**/?part=rows") as unchanged:
            await page.clock.run_for(1_000)
        assert (await unchanged.value).status == 304
        assert len(asked) == 1
        assert complaints == []


async def test_the_page_speaks_chinese_to_who_wants_it() -> None:
    async with browsing(running()) as (page, jobs, complaints, client):
        await page.goto(str(client.make_url("/?lang=zh")))
        await expect(page.locator(".chip.is-running").first).to_have_text("运行中")
        jobs.known[0] = replace(jobs.known[0], polled_at=NOW - 100)
        await expect(page.locator(".c-polls time").first).to_have_text("1 分钟前", timeout=PATIENCE)
        await expect(page.locator("#status")).to_contain_text("数据时间")
        await page.get_by_role("link", name="nightly").click()
        await expect(page.get_by_text("最近运行")).to_be_visible()
        await page.get_by_role("link", name="EN", exact=True).click()
        await expect(page.get_by_text("Polling and place")).to_be_visible()
        assert complaints == []


NOTICES = """
window.notices = [];
window.Notification = class {
  static permission = "default";
  static async requestPermission() { return (this.permission = "granted"); }
  constructor(title, options) { window.notices.push(`${title}: ${options.body}`); }
};
"""


async def test_who_asks_for_it_is_notified_of_jobs_that_fail_or_turn_blind() -> None:
    record = running()
    failed = Change(NOW + 2, record.job.key, "prod", "running", "failed", "X.1")
    began = failed._replace(at=NOW + 1, was="failed", now="running", code="")
    blind = failed._replace(at=NOW + 9, now="stale", code="server")
    async with browsing(record) as (page, jobs, complaints, client):
        await page.add_init_script(NOTICES)
        await page.goto(str(client.make_url("/")))
        button = page.get_by_role("button", name="notify")
        await expect(button).to_have_attribute("aria-pressed", "false")
        await button.click()
        await expect(button).to_have_attribute("aria-pressed", "true")

        for time, changes in ((NOW + 5, (began, failed)), (NOW + 10, (began, failed, blind))):
            jobs.time, jobs.changes = time, changes
            await asyncio.sleep(1.1)  # for so long equal requests get the same page
            await page.evaluate("refresh()")
        await expect(page.locator("#changes li")).to_have_count(3)
        notices = await page.evaluate("window.notices")
        assert [each.partition("nightly")[2] for each in notices] == [
            " running → failed X.1",
            " running → stale server",
        ]

        await button.click()
        await page.reload()
        await expect(button).to_have_attribute("aria-pressed", "false")
        assert complaints == []
