"""``check --online`` against the simulator: one call for each project and service, and what came of it."""

import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from typing import Any

import pytest

from exporter.cli.demo import settings_for
from tests.e2e.processes import exporter


def written(cloud: dict[str, Any], path: Path, **changes: Any) -> str:
    settings = settings_for(cloud)
    del settings["web"]
    path.write_text(json.dumps({**settings, **changes}))
    return str(path)


def online(*arguments: str, **variables: str) -> tuple[int, str]:
    """Return the exit code, and what is printed of the calls."""
    result = exporter("check", "--online", *arguments, **variables)
    assert "Traceback" not in result.stderr
    return result.returncode, result.stdout.partition("online, one call for each project and service:")[2]


def test_each_service_is_called_once_and_what_it_takes_is_named(cloud: dict[str, Any], tmp_path: Path) -> None:
    path = written(cloud, tmp_path / "exporter.yaml", discovery=[{"service": "cdm"}])
    code, said = online("--config", path, EXPORTER_LOG__LEVEL="debug")

    assert code == 0
    for service, operation in (("dli", "ShowJobProgress"), ("dws", "ListJobDetails"), ("cdm", "ShowJobStatus")):
        assert said.count(f"\n  {service}: http://127.0.0.1:") == 1
        (line,) = re.findall(rf"allowed \({operation} for job .*\)", said)
        assert re.search(rf"; limit {service}: (1\.8|5)/s\)$", line)
    assert f": access_key ({path}:1)" in said
    assert "clock: as the cloud's" in said
    assert settings_for(cloud)["projects"]["demo"]["credentials"]["access_key"]["secret"] not in said


def test_of_a_rule_its_first_call_is_made(cloud: dict[str, Any], tmp_path: Path) -> None:
    rules = [{"service": "cdm"}, {"service": "dli"}]
    code, said = online("--config", written(cloud, tmp_path / "exporter.yaml", jobs=[], discovery=rules))

    assert code == 0
    assert "allowed (ListClusters for a rule of discovery, " in said
    assert "allowed (ListSqlJobs for a rule of discovery, " in said
    assert "dws" not in said


def test_refused_credentials_are_tried_once(cloud: dict[str, Any], tmp_path: Path) -> None:
    wrong = settings_for(cloud)["projects"]
    wrong["demo"]["credentials"] = {"access_key": {"key_id": "nobody", "secret": "wrong"}}
    code, said = online("--config", written(cloud, tmp_path / "exporter.yaml", projects=wrong))

    assert code == 1
    assert said.count("http://127.0.0.1:") == 1
    (failed,) = re.findall(r"failed: the cloud refused the credentials.*", said)
    assert re.search(r"\(HTTP 401, APIGW\.0301\).* \(code APIGW\.0301, request id [\w-]{2,}, text [^-)].+\)$", failed)
    tried, *others = sorted({job["service"] for job in settings_for(cloud)["jobs"]})
    assert f"\n  {tried}: http" in said
    assert f"  not tried: {', '.join(others)}; refused credentials that are tried again may lock the key\n" in said


def test_a_job_that_is_not_there_shows_that_the_call_is_allowed(cloud: dict[str, Any], tmp_path: Path) -> None:
    jobs = [{"service": "dli", "job_id": "00000000-0000-4000-8000-000000000000", "name": "gone"}]
    code, said = online("--config", written(cloud, tmp_path / "exporter.yaml", jobs=jobs))

    assert code == 0
    assert 'allowed, but job "gone" is not there (ShowJobProgress; code DLI.' in said


def test_nobody_who_answers_is_a_failure_and_the_way_is_named(cloud: dict[str, Any], tmp_path: Path) -> None:
    projects = settings_for(cloud)["projects"]
    projects["demo"] |= {"proxy": "http://someone:secret@127.0.0.1:9", "endpoints": {"dli": "https://dli.example.com"}}
    jobs = [{"service": "dli", "job_id": "00000000-0000-4000-8000-000000000000", "name": "gone"}]
    code, said = online("--config", written(cloud, tmp_path / "exporter.yaml", jobs=jobs, projects=projects))

    assert code == 1
    assert "dli: https://dli.example.com, by the proxy http://127.0.0.1:9 (proxy), trusting the authorities of" in said
    assert "    failed: " in said
    assert "secret" not in said


def test_credentials_of_a_variable_are_named_by_it(cloud: dict[str, Any], tmp_path: Path) -> None:
    projects = settings_for(cloud)["projects"]
    key = projects["demo"].pop("credentials")["access_key"]
    variables = {"HUAWEICLOUD_SDK_AK": key["key_id"], "HUAWEICLOUD_SDK_SK": key["secret"]}
    code, said = online("--config", written(cloud, tmp_path / "exporter.yaml", projects=projects), **variables)

    assert code == 0
    assert "project demo: access_key (environment: HUAWEICLOUD_SDK_AK)" in said


@contextmanager
def answering(body: bytes, kind: str) -> Iterator[str]:
    """Run a server that answers whatever is asked with 200 and *body*."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, *_: object) -> None:
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>log in to the network</html>", "text/html"),
        (b"{}", "application/json"),
        (b"[1]", "application/json"),
        (b'{"is_success": false, "message": "DLI.0999: busy"}', "application/json"),
        (b'{"error_code": "DWS.5045", "error_msg": "tenant"}', "application/json"),
    ],
)
@pytest.mark.parametrize("registered", [True, False])
def test_an_answer_that_says_nothing_of_the_call_is_no_leave(
    tmp_path: Path, body: bytes, kind: str, *, registered: bool
) -> None:
    jobs = [
        {"service": "dli", "job_id": "a", "name": "a"},
        {"service": "dws", "job_id": "b", "name": "b"},
        {"service": "cdm", "cluster_id": "c", "job_name": "c"},
    ]
    rules = [{"service": "dli"}, {"service": "cdm"}]
    asked = {"jobs": jobs} if registered else {"discovery": rules}
    with answering(body, kind) as url:
        project = {
            "region": "cn-north-4",
            "project_id": "p",
            "endpoints": dict.fromkeys(("dli", "dws", "cdm", "iam"), url),
            "credentials": {"access_key": {"key_id": "k", "secret": "s"}},
        }
        (tmp_path / "exporter.yaml").write_text(json.dumps({"projects": {"prod": project}, **asked}))
        code, said = online("--config", str(tmp_path / "exporter.yaml"))

    assert code == 1
    assert "allowed" not in said.replace("not allowed", "")
    assert said.count("    failed: ") == len(jobs if registered else rules)


def test_one_poll_makes_the_call_for_the_steps_of_a_run_too(cloud: dict[str, Any], tmp_path: Path) -> None:
    path = written(cloud, tmp_path / "exporter.yaml")
    done = exporter("poll", "dataarts", "orders_every_four_minutes", "--config", path)

    assert done.returncode == 0
    assert [line.split()[-1] for line in done.stdout.splitlines() if line.startswith("request:")] == [
        "(ListJobInstances)",
        "(ShowJobInstance)",
    ]
    assert 'huaweicloud_job_tasks_planned{job="orders_every_four_minutes",service="dataarts"} 3.0' in done.stdout
