"""The demo as a process, scraped by a real Prometheus."""

import gzip
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from playwright.async_api import async_playwright, expect
from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as text

from tests.e2e.processes import ROOT, eventually, fetch, prometheus, query, serving
from tests.web.test_browser import ARGUMENTS

SERVICES = ("cdm", "dli", "dws")
STATES = {"pending", "running", "succeeded", "failed", "cancelled", "unknown"}


@pytest.fixture(scope="module")
def demo() -> Iterator[str]:
    """Run the demo for the tests of this module."""
    with serving("demo") as (_, address):
        yield address


@pytest.fixture(scope="module", autouse=True)
def since_its_start(demo: str) -> Iterator[set[str]]:
    """Collect the samples that the demo has had, without their values, while other tests use it."""
    samples, over = set[str](), threading.Event()

    def collect() -> None:
        while not over.wait(1):
            lines = fetch(f"{demo}/metrics")[1].decode().splitlines()
            samples.update(line.rpartition(" ")[0] for line in lines)

    thread = threading.Thread(target=collect)
    thread.start()
    yield samples
    over.set()
    thread.join()


def rules() -> str:
    files = [str(ROOT / "deploy/prometheus/rules" / each) for each in ("recording.yml", "alerts.yml")]
    return f"global: {{evaluation_interval: 2s}}\nrule_files: {files}\n"


def scrape(address: str, honor: bool) -> str:
    return f"""
scrape_configs:
  - job_name: exporter
    honor_labels: {str(honor).lower()}
    scrape_interval: 1s
    static_configs: [{{targets: ["{address.removeprefix("http://")}"]}}]
"""


@pytest.mark.needs("prometheus")
def test_prometheus_finds_progress_states_tasks_and_rows(demo: str, tmp_path: Path) -> None:
    seen: dict[str, set[str]] = {service: set() for service in SERVICES}

    with prometheus(tmp_path, rules() + scrape(demo, honor=True)) as server:

        def found(expression: str) -> bool:
            return bool(query(server, expression))

        def all_states() -> bool:
            for each in query(
                server, "last_over_time(huaweicloud_job_state[2h:1s]) == 1 or huaweicloud_job_state == 1"
            ):
                seen.setdefault(each["metric"]["service"], set()).add(each["metric"]["state"])
            for each in query(server, "max_over_time(huaweicloud_job_state[10m]) == 1"):
                seen.setdefault(each["metric"]["service"], set()).add(each["metric"]["state"])
            return all(seen[service] == STATES for service in SERVICES)

        for service in SERVICES:
            for metric in ("progress_ratio", 'state{state="running"}'):
                name, _, rest = metric.partition("{")
                expression = f'huaweicloud_job_{name}{{service="{service}"{"," + rest.rstrip("}") if rest else ""}}}'
                eventually(lambda expression=expression: found(expression), expression)
        for expression in (
            'huaweicloud_job_tasks{service="dli",state="active"} > 0',
            'huaweicloud_job_tasks{service="dli",state="failed"} > 0',
            'huaweicloud_job_stages{service="dli",state="active"} > 0',
            'huaweicloud_job_stages{service="dli",state="failed"}',
            'huaweicloud_job_rows_written{service="cdm"} > 0',
            "count(count by (service, job) (huaweicloud_job_up)) >= 12",
            'huaweicloud_job_info{job="订单 同步+对账"}',
            "rate(huaweicloud_job_exporter_api_requests_total[1m]) > 0",
            'max_over_time(huaweicloud_job_run_labels{job="dwh-lake",operation="GROWING"}[10m]) == 1',
            'max_over_time(huaweicloud_job_run_labels{job="dwh-lake",operation="REDISTRIBUTING"}[10m]) == 1',
            'max_over_time(huaweicloud_job_progress_ratio{job="dwh-lake"}[10m]) > 0.5',
            'max_over_time(huaweicloud_job_tasks{job="dwh-lake",state="completed"}[10m]) > 0',
            'huaweicloud_job_runs_total{job="dwh-lake",result="succeeded"} > 0',
            'huaweicloud_job_run_duration_seconds_count{job="dwh-lake",result="succeeded"} > 0',
            'huaweicloud_job_cluster_available{cluster_name="dwh-lake"} == 1',
            'huaweicloud_job_run_duration_seconds_sum{service="dli",result="succeeded"} > 0',
            'huaweicloud_job_rows_read{service="dli"} > 0',
            'min_over_time(huaweicloud_job_cluster_available{cluster_name="cdm-etl-night"}[10m]) == 0',
            'max_over_time(huaweicloud_job_cluster_available{cluster_name="cdm-etl-night"}[10m]) == 1',
            'max_over_time(huaweicloud_job_exporter_polls_skipped_total{reason="off"}[10m]) > 0',
            "ALERTS",
        ):
            eventually(lambda expression=expression: found(expression), expression, patience=120)
        begin = (ROOT / "docs/questions.md").read_text().partition("\n## ")[0]
        first = re.findall(r"^\| [^|]+ \| `(.+)` \|$", begin, re.MULTILINE)
        assert len(first) == 10
        for expression in first:
            eventually(lambda expression=expression: found(expression), expression)
        # what is switched off on purpose wakes nobody, and is only said to be off if it is so for long
        for woken in ('alertstate="firing"', 'severity!="info"'):
            assert query(server, f'max_over_time(ALERTS{{cluster_name="cdm-etl-night",{woken}}}[10m])') == []
        # While it stops, a poll may fail a moment before the cluster is known to be off: that is no minute of an alert.
        alerts = 'ALERTS{job="night_stock_levels",alertname!="HuaweicloudJobFailed"}'
        assert query(server, f"count_over_time({alerts}[10m]) > 10") == []
        eventually(all_states, f"every state of every service: {seen}", patience=120)


@pytest.mark.needs("prometheus")
def test_with_renamed_labels_prometheus_needs_no_honor_labels(tmp_path: Path) -> None:
    renamed = '{"service": "cloud_service", "job": "cloud_job"}'
    with (
        serving("demo", EXPORTER_METRICS__LABELS=renamed) as (_, address),
        prometheus(tmp_path, scrape(address, honor=False)) as server,
    ):
        expression = 'huaweicloud_job_progress_ratio{cloud_service="cdm",job="exporter"}'
        found = eventually(lambda: query(server, expression), expression)

        assert all("exported_job" not in each["metric"] and each["metric"]["cloud_job"] for each in found)
        own = 'huaweicloud_job_exporter_api_requests_total{cloud_service="cdm"}'
        assert eventually(lambda: query(server, own), own)


@pytest.mark.needs("promtool")
def test_promtool_finds_nothing_to_say(demo: str) -> None:
    eventually(lambda: b"huaweicloud_job_killed_tasks{" in fetch(f"{demo}/metrics")[1], "all families have samples")
    _, body = fetch(f"{demo}/metrics")

    done = subprocess.run(["promtool", "check", "metrics"], input=body, capture_output=True, check=False)

    assert (done.returncode, done.stdout, done.stderr) == (0, b"", b"")


def test_both_formats_are_read_back_and_say_the_same(demo: str) -> None:
    _, plain = fetch(f"{demo}/metrics?name[]=huaweicloud_job_info&name[]=huaweicloud_job_up")
    status, strict = fetch(f"{demo}/metrics", Accept="application/openmetrics-text; version=1.0.0")

    assert status == 200
    assert strict.endswith(b"# EOF\n")
    families = {family.name: family for family in openmetrics(strict.decode())}  # type: ignore[no-untyped-call]
    assert families["huaweicloud_job_runs"].type == "counter"
    assert {family.name for family in text(plain.decode())} == {"huaweicloud_job_info", "huaweicloud_job_up"}
    jobs = {(sample.labels["service"], sample.labels["job"]) for sample in families["huaweicloud_job_up"].samples}
    assert len(jobs) >= 12


def test_gzip_is_answered_where_it_is_accepted(demo: str) -> None:
    _, body = fetch(f"{demo}/metrics", Accept_Encoding="gzip")

    assert gzip.decompress(body).startswith(b"# HELP huaweicloud_job_up")


def test_the_demo_becomes_ready_and_is_healthy(demo: str) -> None:
    assert fetch(f"{demo}/-/healthy")[0] == 200
    eventually(lambda: fetch(f"{demo}/-/ready")[0] == 200, "ready")


def test_the_page_shows_the_jobs(demo: str) -> None:
    eventually(lambda: fetch(f"{demo}/-/ready")[0] == 200, "ready")
    _, page = fetch(f"{demo}/")

    assert "mysql_orders_to_dws" in page.decode()
    assert "订单 同步+对账" in page.decode()


@pytest.mark.needs("chromium")
async def test_in_a_browser_bars_move_and_a_run_that_fails_joins_the_others_with_its_reason(demo: str) -> None:
    complaints, hosts = list[str](), set[str]()
    async with async_playwright() as playwright:
        browser = await playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        page = await browser.new_page()
        page.on("console", lambda message: complaints.append(message.text))
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda request: hosts.add(urlsplit(request.url).netloc))
        await page.goto(f"{demo}/?service=cdm")
        values = "[...document.querySelectorAll('#rows progress')].map((bar) => bar.value).join()"
        await page.wait_for_function(
            f"(before) => {values} !== before", arg=await page.evaluate(values), timeout=60_000
        )

        await page.get_by_role("link", name="oracle_crm_contacts_to_obs").first.click()
        failed = page.locator(".bars .m-failed")
        before = await failed.count()
        await expect(failed).to_have_count(before + 1, timeout=120_000)
        # A list may tell that it failed; why, only the job's own poll, which waits for its permit.
        await expect(page.get_by_role("heading", name="The run failed: Cdm.0901")).to_be_visible(timeout=60_000)
        await expect(page.locator(".trouble .said")).to_contain_text("Connect to source")

        await page.go_back()
        assert page.url.endswith("?service=cdm")
        await browser.close()
    assert complaints == []
    assert hosts == {urlsplit(demo).netloc}


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_ends_it_cleanly_within_five_seconds(number: signal.Signals) -> None:
    with serving("demo") as (process, address):
        eventually(lambda: fetch(f"{address}/metrics")[0] == 200, "serving")
        began = time.monotonic()
        process.send_signal(number)

        assert process.wait(timeout=10) == 0
        assert time.monotonic() - began < 5
        assert "Traceback" not in (process.stderr.read() if process.stderr else "")


def test_the_metrics_in_the_readme_are_those_of_the_demo(since_its_start: set[str]) -> None:
    """From its start on, as a newcomer sees it: what runs there ends, and some of it does not begin again."""
    sample = (ROOT / "README.md").read_text().partition("```text\n")[2].partition("```")[0]
    told = {line.rpartition(" ")[0] for line in sample.splitlines()}
    assert 10 < len(told) < 20

    eventually(lambda: told <= since_its_start, "every line of the README is in the demo", patience=120)
