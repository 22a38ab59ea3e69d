"""A cloud that repeats what it was sent, and that quotes what it should not: nothing that we show repeats it."""

import base64
import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import PATIENCE, environment, eventually, exporter, fetch
from tests.fork_server import Forked

SECRETS = {
    "access key": "HPUAPLANTED7Q2ZKX1J9",
    "secret key": "pLantedSK7zVb3nRq0Lw9Tc5Yd2Hf8Kj1Ms4Xg6A",
    "security token": "gQpjbi1ub3J0aC00plantedSTS" + "Jk2Lm9Np" * 20,
    "user password": "planted-Winter-2024",
    "IAM token": "MIIEplantedIAM" + "a8Bc+d3E" * 30,
    "proxy password": "planted-proxy-pw",
    "SQL text": "planted_cards where pan = 4111",
    "JDBC password": "planted-jdbc-pw",
    "password in a DWS detail": "planted-dws-pw",
    "token in an error": "MIIFplantedTOK" + "x7Yz/w2V" * 30,
}
STEM = "planted"
"""Stands in every one of them, in any case: a part of a secret is one too."""
JOBS = {
    name: f"00000000-0000-4000-8000-{number:012d}"
    for number, name in enumerate(
        ("authorization", "x-security-token", "secret", "x-auth-token", "proxy-authorization", "token", "sql", "killed",
         "message")
    )
}  # fmt: skip
DWS, CDM = "0" * 32, "11111111-0000-4000-8000-000000000001"


def told(path: str, sent: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
    """Return what this cloud answers: an error that quotes a header, or a job that quotes what it does."""
    job = next((name for name, number in JOBS.items() if number in path), "")
    if DWS in path:
        detail = f"cannot log in as etl, password: {SECRETS['password in a DWS detail']}"
        return 200, {"job_id": DWS, "status": "FAIL", "failed_code": "DWS.5127", "failed_detail": detail}
    if CDM in path and "status" in path:
        url = f"jdbc:mysql://10.0.0.5:3306/db?user=etl&password={SECRETS['JDBC password']}"
        row = {"submission-id": 7, "job-name": "copy", "status": "FAILED", "creation-date": 1_700_000_000_000}
        return 200, {"submissions": [{**row, "error-summary": f"cannot connect to {url}", "error-details": url}]}
    sql = f"select * from {SECRETS['SQL text']}"
    if job == "sql":
        return 200, {"is_success": True, "status": "RUNNING", "sub_jobs": [{"id": 1, "name": "s", "description": sql}]}
    if job == "killed":
        killed = {"num_killed_tasks": 2, "killed_tasks_summary": {f"password={SECRETS['user password']}": 2}}
        return 200, {"is_success": True, "status": "RUNNING", "sub_jobs": [{"id": 1, "name": "s", **killed}]}
    if job == "message":
        message = f"DLI.0005: no user 'planted' at https://etl:{SECRETS['proxy password']}@db1/"
        return 200, {"is_success": True, "status": "FAILED", "message": message}
    if path.partition("?")[0].endswith("/jobs"):
        words = {"job_type": "SQL", "owner": f"password={SECRETS['user password']}", "status": "RUNNING"}
        return 200, {"is_success": True, "job_count": 1, "jobs": [{"job_id": JOBS["message"], **words}]}
    quoted = {
        "secret": f"the signature of {SECRETS['access key']} is not that of sk {SECRETS['secret key']}",
        "token": f"the token {sent.get('x-auth-token')} is not of this region",
        "proxy-authorization": f"proxy http://{base64_of(sent)}@proxy refused, {sent.get('proxy-authorization')}",
    }
    text = quoted.get(job, f"cannot read the header {job}: {sent.get(job)}")
    return 400, {"error_code": "DLI.0999", "error_msg": text}


def base64_of(sent: Mapping[str, str]) -> str:
    return base64.b64decode(sent.get("proxy-authorization", "").removeprefix("Basic ")).decode()


class Echo(BaseHTTPRequestHandler):
    """Repeats what it is sent; as a proxy, too."""

    def do_GET(self) -> None:
        """Answer a call."""
        self.answer(*told(self.path, {name.lower(): value for name, value in self.headers.items()}))

    def do_POST(self) -> None:
        """Log a user in, and refuse the other with all that he sent."""
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if '"refused"' in body:
            return self.answer(401, {"error_code": "IAM.0001", "error_msg": f"no such user: {body}"})
        token = {"expires_at": "2999-01-01T00:00:00.000000Z", "project": {"id": "login"}}
        return self.answer(201, {"token": token}, {"X-Subject-Token": SECRETS["IAM token"]})

    def answer(self, status: int, value: object, headers: Mapping[str, str] | None = None) -> None:
        """Send JSON."""
        body = json.dumps(value).encode()
        self.send_response(status)
        for name, text in {"Content-Length": str(len(body)), **(headers or {})}.items():
            self.send_header(name, text)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Stay silent."""


@pytest.fixture
def configuration(tmp_path: Path) -> Iterator[Path]:
    """Write a configuration of four projects, each with secrets of its own, all of them at the cloud that echoes."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), Echo)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    address = f"127.0.0.1:{server.server_port}"
    user = {"domain": "d", "password": SECRETS["user password"]}
    key = {"key_id": SECRETS["access key"], "secret": SECRETS["secret key"]}
    credentials: dict[str, dict[str, Any]] = {
        "signed": {"access_key": {**key, "security_token": SECRETS["security token"]}},
        "login": {"password": {"user": "etl", **user}},
        "refused": {"password": {"user": "refused", **user}},
        "fixed": {"token": SECRETS["token in an error"]},
    }
    projects: dict[str, dict[str, Any]] = {
        name: {
            "region": "cn-north-4",
            "project_id": name,
            "endpoints": dict.fromkeys(("dli", "dws", "cdm", "iam"), f"http://{address}"),
            "credentials": each,
        }
        for name, each in credentials.items()
    }
    projects["login"]["proxy"] = f"http://etl:{SECRETS['proxy password']}@{address}"
    owners = {"x-auth-token": "login", "proxy-authorization": "login", "token": "fixed"}
    jobs: list[dict[str, str]] = [
        {"service": "dli", "project": owners.get(name, "signed"), "job_id": number, "name": name}
        for name, number in JOBS.items()
    ]
    jobs += [
        {"service": "dli", "project": "refused", "job_id": JOBS["secret"], "name": "refused"},
        {"service": "dws", "project": "signed", "job_id": DWS, "name": "resize"},
        {"service": "cdm", "project": "signed", "cluster_id": CDM, "job_name": "copy"},
    ]
    path = tmp_path / "exporter.yaml"
    poll = {"interval": "1s", "idle_interval": "2s", "stale_after": "1m"}
    path.write_text(json.dumps({"projects": projects, "jobs": jobs, "journal": "journal.json", "poll": poll}))
    try:
        yield path
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def logging_to(log: Path, configuration: Path, **variables: str) -> Iterator[str]:
    """Run the exporter with its log in a file, at debug, and yield its address once each job was polled."""
    with log.open("w") as file:
        env = environment(
            EXPORTER_WEB__LISTEN_ADDRESS="127.0.0.1:0",
            EXPORTER_LOG__FORMAT="json",
            EXPORTER_LOG__LEVEL="debug",
            **variables,
        )
        command = ("-m", "exporter", "run", "--config", str(configuration))
        process = Forked(*command, env=env, stdout=file, stderr=file)

    def address() -> str:
        assert process.poll() is None, log.read_text()
        lines = [json.loads(line) for line in log.read_text().splitlines() if '"started"' in line]
        return str(lines[0]["address"]) if lines else ""

    try:
        where = eventually(address, "it started")
        eventually(lambda: fetch(f"{where}/-/ready")[0] == 200, "all jobs were tried")
        yield where
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def shown(where: str) -> dict[str, str]:
    """Return all that a visitor can read."""
    listed = json.loads(fetch(f"{where}/api/v1/jobs")[1])["jobs"]
    places = [f"{each['service']}/{each['job']}" for each in listed]
    paths = ["/", "/metrics", "/api/v1/jobs", *(f"/jobs/{each}" for each in places)]
    paths += [f"/api/v1/jobs/{each}{part}" for each in places for part in ("", "/runs")]
    paths += ["/api/v1/changes", "/?lang=zh", "/?part=rows"]
    return {path: fetch(where + path)[1].decode() for path in paths}


def leaks(texts: Mapping[str, str]) -> list[str]:
    """Return where a secret stands, or a part of one."""
    proxy = base64.b64encode(f"etl:{SECRETS['proxy password']}".encode()).decode()
    found = [f"{name} in {place}" for place, text in texts.items() for name, each in SECRETS.items() if each in text]
    found += [f"a part in {place}: {text}" for place, text in texts.items() if STEM in text.lower()]
    return found + [f"the proxy's header in {place}" for place, text in texts.items() if proxy in text]


def test_no_planted_secret_is_shown_or_logged(configuration: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    with logging_to(log, configuration, EXPORTER_LOG__VENDOR_TEXT="redacted") as where:
        texts = shown(where)
        path = tmp_path / "journal.json"
        eventually(path.exists, "the journal was written")
    texts |= {"log": log.read_text().replace(str(tmp_path), ""), "journal": path.read_text()}  # it is named after this
    texts["history"] = path.with_name("journal.json.history").read_text()

    assert '"event": "request"' in texts["log"]
    assert '"vendor_text": "' in texts["log"]
    assert "Traceback" not in texts["log"]
    assert "copy" in texts["journal"]
    assert 'reason="password=***"' in texts["/metrics"]
    assert [each[:300] for each in leaks(texts)] == []


def test_the_same_cloud_is_repeated_where_the_configuration_says_full(configuration: Path, tmp_path: Path) -> None:
    log = tmp_path / "log"
    full = {"EXPORTER_LOG__VENDOR_TEXT": "full", "EXPORTER_WEB__VENDOR_TEXT": "full"}
    with logging_to(log, configuration, **full) as where:
        seen = shown(where)["/api/v1/jobs"] + log.read_text()

    assert [name for name, each in SECRETS.items() if each[:200] not in seen] == []


def test_no_command_prints_a_planted_secret(configuration: Path) -> None:
    commands = [["check"], ["check", "--online"], ["discover"]]
    commands += [["poll", "dli", name] for name in ("secret", "proxy-authorization", "token", "sql", "killed")]
    commands += [["poll", "dli", "refused"], ["poll", "dws", "resize"], ["poll", "cdm", "copy"]]
    texts = {}
    for command in commands:
        done = exporter(*command, "--config", str(configuration), EXPORTER_LOG__LEVEL="debug")
        texts[" ".join(command)] = done.stdout + done.stderr

    assert "The configuration" in texts["check"]
    assert JOBS["message"] in texts["discover"]
    assert all("answer: " in text for command, text in texts.items() if command.startswith("poll"))
    assert [each[:300] for each in leaks(texts)] == []
