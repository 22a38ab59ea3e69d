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
from typing import Any
from urllib.parse import unquote_plus

import pytest

from tests.e2e.processes import ONE_JOB, serving
from tests.otlp import received

Pushed = list[tuple[str, str]]
Answer = Callable[[int], int]


@contextmanager
def gateway(answer: Answer, said: bytes = b"") -> Iterator[tuple[str, Pushed]]:
    """Run what a receiver is to a client; *answer* gives the status of each request by its number."""
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
            self.wfile.write(said)

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


def stopped(config: str, url: str, to: str = "PUSHGATEWAY", **more: str) -> float:
    """Run it, stop it, and return how long that took."""
    with serving("run", "--config", config, **{f"EXPORTER_PUSH__{to}": url}, **more) as (process, _):
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


@pytest.mark.parametrize("to", ["PUSHGATEWAY", "OTLP"])
def test_a_receiver_that_hangs_does_not_hold_up_the_end(config: str, to: str) -> None:
    def hang(number: int) -> int:
        time.sleep(30)
        return 200

    with gateway(hang) as (url, pushed):
        assert stopped(config, url, to, EXPORTER_PUSH__TIMEOUT="2s") < 8
    assert pushed


def logged(config: str, **variables: str) -> list[dict[str, Any]]:
    """Run it, stop it, and return what it logged."""
    with serving("run", "--config", config, **variables) as (process, _):
        assert process.stderr is not None
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        return [json.loads(line) for line in process.stderr]


@pytest.mark.parametrize("to", ["PUSHGATEWAY", "OTLP"])
def test_a_redirect_takes_no_metrics(config: str, to: str) -> None:
    with gateway(lambda number: 302) as (url, pushed):
        events = logged(config, **{f"EXPORTER_PUSH__{to}": url})
    (done,) = [each for each in events if each["event"] == "pushed"]
    assert (done["to"], done["jobs"], done["of_jobs"]) == (to.lower(), 0, 1)
    assert "302" in next(each["error"] for each in events if each["event"] == "push failed")
    assert len(pushed) == (2 if to == "PUSHGATEWAY" else 1)


def test_by_otlp_all_jobs_are_one_request_of_which_every_sample_is_a_point(config: str) -> None:
    jobs = '[{"service": "dli", "job_id": "a", "name": "one"}, {"service": "dws", "job_id": "b", "name": "x/y 订单"}]'
    with gateway(lambda number: 200, b"{}") as (url, pushed), gateway(lambda number: 200) as (other, groups):
        stopped(config, f"{url}/api/v1/otlp", "OTLP", EXPORTER_JOBS=jobs, EXPORTER_PUSH__PUSHGATEWAY=other)

    ((path, body),) = pushed
    assert path == "/api/v1/otlp/v1/metrics"
    told = received(json.loads(body))
    assert told["huaweicloud_job_runs_total"].kind == "sum"
    points = [point.labels for each in told.values() for point in each.points]
    assert {(labels["service"], labels["job"]) for labels in points} == {("dli", "one"), ("dws", "x/y 订单")}
    assert not any(name.startswith("huaweicloud_job_exporter_") for name in told)
    samples = [line for _, group in groups for line in group.splitlines() if not line.startswith("#")]
    summaries = [line for line in samples if "run_duration_seconds_sum" in line]
    assert len(points) == len(samples) - len(summaries)  # sum and count of a summary are one point


@pytest.mark.parametrize(("status", "times"), [(503, 2), (429, 2), (400, 1), (401, 1), (500, 1)])
def test_otlp_is_tried_once_more_only_where_the_protocol_allows_it(config: str, status: int, times: int) -> None:
    with gateway(lambda number: status if number == 1 else 200) as (url, pushed):
        stopped(config, url, "OTLP")
    assert len(pushed) == times


def test_metrics_that_an_otlp_receiver_rejects_are_not_said_to_be_pushed(config: str) -> None:
    said = b'{"partialSuccess": {"rejectedDataPoints": "7", "errorMessage": "too old"}}'
    with gateway(lambda number: 200, said) as (url, pushed):
        events = logged(config, EXPORTER_PUSH__OTLP=url)
    (done,) = [each for each in events if each["event"] == "pushed"]
    (failed,) = [each for each in events if each["event"] == "push failed"]
    assert (done["jobs"], done["of_jobs"]) == (0, 1)
    assert "7 data points were rejected: too old" in failed["error"]
    assert len(pushed) == 1


def test_without_a_gateway_nothing_is_pushed(config: str) -> None:
    with gateway(lambda number: 200) as (_, pushed), serving("run", "--config", config) as (process, _):
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    assert pushed == []
