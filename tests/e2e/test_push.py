"""The push at the end: for pods that no scrape catches, once, and never for longer than it may take."""

import base64
import json
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.parse import unquote_plus

import pytest

from tests.e2e.processes import ONE_JOB, serving

Pushed = list[tuple[str, str]]
Answer = Callable[[int], int]


@contextmanager
def gateway(answer: Answer) -> Iterator[tuple[str, Pushed]]:
    """Run what a Pushgateway is to a client; *answer* gives the status of each request by its number."""
    pushed: Pushed = []

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            pushed.append((self.path, body))
            status = answer(len(pushed))
            self.send_response(status)
            if status == 302:
                self.send_header("Location", "/login")
            self.end_headers()

        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()

        def log_request(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}", pushed
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "exporter.yaml"
    path.write_text(ONE_JOB)
    return str(path)


def stopped(config: str, url: str, **more: str) -> float:
    """Run it, stop it, and return how long that took."""
    with serving("run", "--config", config, EXPORTER_PUSH__PUSHGATEWAY=url, **more) as (process, _):
        began = time.monotonic()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        return time.monotonic() - began


def test_each_job_is_pushed_once_as_a_group_of_its_own(config: str) -> None:
    jobs = '[{"service": "dli", "job_id": "a", "name": "one"}, {"service": "dws", "job_id": "b", "name": "x/y 订单"}]'
    with gateway(lambda number: 200) as (url, pushed):
        stopped(config, url, EXPORTER_JOBS=jobs)

    groups = {}
    for path, body in pushed:
        parts = path.strip("/").split("/")[1:]
        labels = dict(zip(parts[::2], parts[1::2], strict=True))
        name = labels.get("job") or base64.urlsafe_b64decode(labels["job@base64"]).decode()
        groups[labels["service"], unquote_plus(name)] = body
    assert groups.keys() == {("dli", "one"), ("dws", "x/y 订单")}
    assert len(pushed) == 2
    for (service, job), body in groups.items():
        samples = [line for line in body.splitlines() if not line.startswith("#")]
        assert any(line.startswith("huaweicloud_job_info{") for line in samples)
        assert all(f'service="{service}"' in line and f'job="{job}"' in line for line in samples)
        assert "# TYPE huaweicloud_job_runs_total counter" in body
        assert "huaweicloud_job_exporter_" not in body


def test_a_push_that_fails_is_tried_once_more(config: str) -> None:
    with gateway(lambda number: 503 if number == 1 else 200) as (url, pushed):
        stopped(config, url)
    assert len(pushed) == 2
    assert pushed[0] == pushed[1]


def test_a_gateway_that_hangs_does_not_hold_up_the_end(config: str) -> None:
    def hang(number: int) -> int:
        time.sleep(30)
        return 200

    with gateway(hang) as (url, pushed):
        assert stopped(config, url, EXPORTER_PUSH__TIMEOUT="2s") < 8
    assert pushed


def test_a_redirect_takes_no_metrics(config: str) -> None:
    with (
        gateway(lambda number: 302) as (url, pushed),
        serving("run", "--config", config, EXPORTER_PUSH__PUSHGATEWAY=url) as (process, _),
    ):
        assert process.stderr is not None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        events = [json.loads(line) for line in process.stderr]
    (done,) = [each for each in events if each["event"] == "pushed"]
    assert (done["jobs"], done["of_jobs"]) == (0, 1)
    assert "302" in next(each["error"] for each in events if each["event"] == "push failed")
    assert len(pushed) == 2


def test_without_a_gateway_nothing_is_pushed(config: str) -> None:
    with gateway(lambda number: 200) as (_, pushed), serving("run", "--config", config) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert pushed == []
