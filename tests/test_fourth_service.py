"""A service is one file: a pretend fourth one, dropped into a folder, works everywhere without an edit."""

import asyncio
import json
import os
import re
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import aiohttp
import pytest
import yaml
from aiohttp import web

from exporter import services
from exporter.app import App
from exporter.cli import main
from exporter.cli.configuration import render_configuration as reference_of_settings
from exporter.config import load
from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.services import error_classes, registry
from tests.cloud.pretend import Asked, pretending, reply
from tests.warp import START, WarpClock, run

FOLDER = Path(__file__).parent / "fourth"
SHANGHAI = ZoneInfo("Asia/Shanghai")
PROJECT = "05f2cff45100d5112f4bc00b794ea08e"


@pytest.fixture(autouse=True)
def fourth(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Put a fourth service beside the others."""
    monkeypatch.setattr(services, "__path__", [*services.__path__, str(FOLDER)])
    yield
    sys.modules.pop("exporter.services.oms", None)


class Copying:
    """The service's side: copies by id, as they are told."""

    def __init__(self) -> None:
        self.copies: dict[str, dict[str, Any]] = {}
        self.since: list[float] = []

    def put(self, copy_id: str, bucket: str, state: str, **more: Any) -> None:
        self.copies[copy_id] = {"copy_id": copy_id, "bucket": bucket, "state": state, **more}

    def answer(self, path: str) -> tuple[int, dict[str, Any]]:
        """Return the status and the body for a path with its query."""
        path, _, query = path.partition("?")
        if path == f"/v2/{PROJECT}/copies":
            bucket = re.search(r"bucket=([^&]+)", query)
            rows = [each for each in self.copies.values() if bucket is None or each["bucket"] == bucket[1]]
            page = int(re.findall(r"\bpage=(\d+)", query)[0])
            return 200, {"copies": rows[2 * page - 2 : 2 * page], "count": len(rows)}
        found = self.copies.get(path.removeprefix(f"/v2/{PROJECT}/copies/"))
        return (404, {"error_code": "OMS.1001", "error_msg": "no such copy"}) if found is None else (200, found)

    def reply(self, asked: Asked) -> web.Response:
        assert asked.headers["workspace"] == "default"
        assert "workspace" in asked.headers["Authorization"]
        if since := re.search(r"since=(\d+)", asked.target):
            self.since.append(int(since[1]) / 1000)
        status, body = self.answer(asked.target)
        return reply(body, status)


def settings(url: str = "", **more: Any) -> dict[str, Any]:
    project: dict[str, Any] = {
        "region": "cn-north-4",
        "project_id": PROJECT,
        "time_zone": "Asia/Shanghai",
        "credentials": {"access_key": {"key_id": "a", "secret": "b"}},
    }
    project |= {"cloud": "custom", "endpoints": {"oms": url}} if url else {}
    return {
        "projects": {"prod": project},
        "jobs": [{"service": "oms", "bucket": "backup", "copy_id": "c-1", "name": "nightly"}],
        **more,
    }


class Program:
    """The whole program in time that jumps, and what it serves."""

    def __init__(self, address: str, session: aiohttp.ClientSession) -> None:
        self.address, self.session = address.rstrip("/"), session

    async def samples(self) -> dict[str, float]:
        async with self.session.get(f"{self.address}/metrics") as answer:
            lines = [line for line in (await answer.text()).splitlines() if not line.startswith("#")]
        return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

    async def json(self, path: str) -> Any:
        async with self.session.get(self.address + path) as answer:
            assert answer.status == 200
            return await answer.json()


def running(copying: Copying, scenario: Callable[[Program], Awaitable[None]], **more: Any) -> None:
    """Run the program against *copying*, and *scenario* beside it."""

    async def whole() -> None:
        async with pretending(copying.reply) as cloud, aiohttp.ClientSession() as session:
            clock = WarpClock(asyncio.get_running_loop())
            web = {"listen_address": "127.0.0.1:0"}
            app = App(load(None, {}, settings(cloud.url, web=web, **more)), clock, {})
            started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
            work = asyncio.create_task(app.run(started.set_result))
            try:
                await scenario(Program(await started, session))
            finally:
                os.kill(os.getpid(), signal.SIGTERM)
                await work

    run(whole())


def of(name: str, service: str = "oms", job: str = "nightly", **labels: str) -> str:
    """Write a series as /metrics does."""
    pairs = sorted({"service": service, "job": job, **labels}.items())
    written = ",".join(f'{key}="{value}"' for key, value in pairs)
    return f"huaweicloud_job_{name}{{{written}}}"


def test_it_is_polled_shown_estimated_and_counted_and_its_live_counts_go() -> None:
    copying = Copying()
    began = "2025-10-09T16:53:20"  # START, in the project's zone

    async def scenario(program: Program) -> None:
        for minute in range(10):
            objects = {"copied": 10 * minute, "failed": 0, "waiting": 100 - 10 * minute}
            copying.put("c-1", "backup", "Copying", began=began, objects=objects, planned=100, bytes=1000 * minute)
            await asyncio.sleep(60)
        seen = await program.samples()
        identity = dict.fromkeys(registry.declared().identity, "")
        identity |= {"bucket": "backup", "copy_id": "c-1"}
        assert seen[of("info", project="prod", region="cn-north-4", **identity)] == 1
        assert seen[of("run_info", run_id="c-1", native_state="Copying")] == 1
        assert seen[of("state", state="running")] == 1
        assert seen[of("start_timestamp_seconds")] == START
        assert (seen[of("objects", state="copied")], seen[of("objects", state="waiting")]) == (90, 10)
        assert seen[of("estimated_completion_timestamp_seconds")] == pytest.approx(START + 630, abs=60)
        assert seen[of("runs_written_bytes_total")] == 0

        ended = {"copied": 95, "failed": 5, "waiting": 0}
        copying.put("c-1", "backup", "Broken", began=began, objects=ended, message="write failed: Oms.0042 (5)")
        await asyncio.sleep(120)
        seen = await program.samples()
        assert seen[of("failure_info", code="Oms.0042")] == 1
        assert seen[of("runs_total", result="failed")] == 1
        assert (seen[of("objects", state="copied")], seen[of("objects", state="failed")]) == (95, 5)
        assert of("objects", state="waiting") not in seen
        assert of("estimated_completion_timestamp_seconds") not in seen
        job = await program.json("/api/v1/jobs/oms/nightly")
        assert (job["bucket"], job["copy_id"], job["final"]) == ("backup", "c-1", True)
        assert job["counts"]["objects"] == {"copied": 95, "failed": 5}
        assert (await program.json("/api/v1/jobs?service=oms"))["total"] == 1

    running(copying, scenario)


def test_its_rules_find_jobs_whose_runs_are_counted_and_added_up() -> None:
    copying = Copying()
    found = {"discovery": [{"service": "oms", "buckets": ["weekly"], "name": "{bucket}-copy"}], "jobs": []}

    async def scenario(program: Program) -> None:
        copying.put("c-0", "other", "Copying")
        for number in range(1, 4):
            copying.put(f"c-{number}", "weekly", "Copying", began=(1_760_000_000 + 600 * (number - 1)) * 1000)
            await asyncio.sleep(300)
            copying.copies[f"c-{number}"] |= {"state": "Done", "bytes": 1000, "planned": -1}
            await asyncio.sleep(300)
        seen = await program.samples()
        assert seen[of("runs_total", job="weekly-copy", result="succeeded")] == 3
        assert seen[of("runs_written_bytes_total", job="weekly-copy")] == 3000
        assert seen[of("progress_ratio", job="weekly-copy")] == 1
        assert seen['huaweicloud_job_exporter_registered_jobs{service="oms",source="discovery"}'] == 1
        assert seen['huaweicloud_job_exporter_api_budget_requests_per_second{limit="oms_list",project="prod"}'] == 10
        assert not [name for name in seen if "unknown_values_total{" in name and seen[name]]
        assert not [name for name in seen if 'job="other' in name]
        assert copying.since[0] == pytest.approx(START - 86_400, abs=10)
        assert copying.since[-1] == pytest.approx(START + 1800 - 86_400, abs=60)

    running(copying, scenario, **found)


def test_it_is_found_in_a_partners_cloud_below_the_domain_of_that() -> None:
    project = settings()["projects"]["prod"]
    told = load(None, {"HW_CLOUD": "cloud.example.com"}, settings(projects={"prod": project}))

    assert told.projects["prod"].endpoints["oms"] == "https://copy.cn-north-4.cloud.example.com"


def test_a_copy_that_is_not_there_is_not_found_by_the_services_own_code() -> None:
    async def scenario(program: Program) -> None:
        await asyncio.sleep(60)
        seen = await program.samples()
        assert seen[of("up")] == 0
        assert seen[of("poll_failures_total", reason="not_found")] == 1

    running(Copying(), scenario)


@contextmanager
def served(copying: Copying) -> Iterator[str]:
    """Serve from a thread, for commands that have an event loop of their own."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, body = copying.answer(self.path)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(json.dumps(body).encode())

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@pytest.fixture
def command(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Callable[..., str]]:
    """Return a function that runs a command and returns what it prints."""
    copying, path = Copying(), tmp_path / "exporter.yaml"
    copying.put("c-1", "backup", "Copying", objects={"copied": 3, "waiting": 4})
    copying.put("c-2", "weekly", "Waiting")
    for name in [name for name in os.environ if name.startswith(("EXPORTER_", "HUAWEICLOUD_", "HW_", "OS_"))]:
        monkeypatch.delenv(name)
    with served(copying) as url:

        def run_command(*arguments: str, own: bool = True, **more: Any) -> str:
            path.write_text(json.dumps(settings(url if own else "", **more)))
            code = main([*arguments, *(() if arguments[0] == "metrics" else ("--config", str(path)))])
            told = capsys.readouterr()
            assert code == 0, told.err
            return told.out

        yield run_command


def test_check_counts_its_calls_and_knows_its_address_regions_and_zone(command: Callable[..., str]) -> None:
    said = command("check", own=False)

    assert "project prod: 1 oms job at https://copy.cn-north-4.myhuaweicloud.com" in said
    assert re.search(r"prod/oms +1 +2\.0 +0\.2 +1200\.0 +fits", said)
    project = settings()["projects"]["prod"] | {"region": "cn-east-3"}
    del project["time_zone"]
    said = command("check", own=False, projects={"prod": project})
    assert "cn-east-3 is a region without oms as far as is known; it is in cn-north-4" in said
    assert "start and end of its oms jobs, which the API reports without a time zone, are absent" in said


def test_discover_lists_its_jobs_as_they_can_be_pasted(command: Callable[..., str]) -> None:
    found = yaml.safe_load(command("discover"))["jobs"]
    ruled = yaml.safe_load(command("discover", "--rules", discovery=[{"service": "oms", "buckets": ["weekly"]}]))[
        "jobs"
    ]

    weekly = {"service": "oms", "project": "prod", "bucket": "weekly", "copy_id": "c-2"}
    assert weekly in found
    assert len(found) == 2
    assert ruled == [weekly]


def test_poll_asks_for_one_by_name_or_by_its_ids(command: Callable[..., str]) -> None:
    by_name = command("poll", "oms", "nightly")
    by_id = command("poll", "oms", "--bucket", "weekly", "--copy-id", "c-2")

    assert f"/v2/{PROJECT}/copies/c-1  (ShowCopy)" in by_name
    assert f"{of('objects', state='copied')} 3.0" in by_name
    assert '"native_state": "Waiting"' in by_id
    assert 'copy_id="c-2"' in by_id


def test_the_references_describe_it(command: Callable[..., str]) -> None:
    told = command("metrics")

    assert "| `huaweicloud_job_objects` | gauge | `state` | Objects, from OMS objects" in told
    assert re.search(r"`huaweicloud_job_written_bytes` .*CDM counters BYTES_WRITTEN; .*Bytes copied, from OMS", told)
    assert re.search(r"`huaweicloud_job_run_info` .*; read from cdm .*; oms copy_id \|", told)
    assert re.search(r"`huaweicloud_job_info` \| gauge \| .*`bucket`, `copy_id`", told)
    assert {"bucket", "copy_id", "buckets"} <= set(re.findall(r"\w+", reference_of_settings()))


def test_what_an_answer_is_need_not_be_said_again() -> None:
    adapter = registry.load_services()["oms"]
    job = Job(JobKey("oms", "nightly"), "prod", {"bucket": "backup", "copy_id": "c-1"})

    def seen(**fields: object) -> Snapshot:
        return adapter.parse(json.dumps({"state": "Copying", **fields}).encode(), job, SHANGHAI)

    assert seen(began="2024-03-05T08:10:00", bucket="backup").start == 1709597400
    assert (seen(began=0, planned=-1, ended=-1).counts, seen(began=0, planned=-1, ended=-1).unknown) == ({}, ())
    assert seen(began=1709597400, planned="1e999").unknown == ("planned", "began")
    assert seen(state="\uff23OPYING").state is State.UNKNOWN
    assert seen(objects={"copied": "7"}).counts == {Measure("objects", "copied"): 7}
    for strange in ({"bucket": "other"}, {"bucket": " backup"}, {"state": 7}, {"x": [0] * 200_000}):
        with pytest.raises(PollError):
            seen(**strange)


def test_its_codes_count_in_its_errors_and_in_the_messages_of_other_services() -> None:
    adapters = registry.load_services()
    missing = error_classes.envelope(b'{"error_code": "OMS.9999"}')
    body = json.dumps({"status": "FAILED", "message": "export failed: OMS.0042"}).encode()

    assert error_classes.refusal(404, missing, adapters["oms"].codes).reason is Reason.NOT_FOUND
    assert error_classes.refusal(404, missing, adapters["dws"].codes).reason is Reason.API
    job = Job(JobKey("dli", "nightly"), "prod", {"job_id": "j"})
    assert adapters["dli"].parse(body, job, None).failure_code == "OMS.0042"
