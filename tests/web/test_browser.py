"""The page in a real browser: it filters as one types, refreshes itself, and says when it cannot."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from playwright.async_api import Page, async_playwright, expect

from exporter.model.record import Record
from tests.web.certificates import door, make
from tests.web.fakes import FAULT, Client, FakeExporter, running, serving

ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
ARGUMENTS += ["--disable-component-update", "--disable-sync"]
PATIENCE = 12_000
"""Milliseconds; a refresh comes every 5 s."""

pytestmark = pytest.mark.needs("chromium")


@asynccontextmanager
async def browsing(*records: Record) -> AsyncIterator[tuple[Page, FakeExporter, list[str], Client]]:
    """Open the page; the list takes every complaint of the browser."""
    jobs, complaints = FakeExporter(list(records)), list[str]()
    async with serving(jobs) as client, async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        try:
            page = await browser.new_page()
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
