"""Real programs for the end-to-end tests: the demo, and Prometheus scraping it."""

import json
import os
import re
import socket
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE
from typing import Any

from tests.fork_server import Forked

ROOT = Path(__file__).parents[2]
PATIENCE = 60.0
"""Seconds that a test waits for something to come true; the machine may be busy."""
ONE_JOB = """\
projects:
  prod:
    region: cn-north-4
    project_id: p
    endpoints: {dli: "http://127.0.0.1:9"}
    credentials: {access_key: {key_id: a, secret: b}}
jobs:
  - {service: dli, job_id: j1, name: orders}
"""
"""A configuration with one job, in a cloud where nobody answers."""


def environment(**variables: str) -> dict[str, str]:
    """Return this process's environment without what would configure the exporter, and with *variables*."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("EXPORTER_", "HUAWEICLOUD_", "HW_", "OS_")) and not name.lower().endswith("_proxy")
    }
    return {**kept, "PYTHONUNBUFFERED": "1", **variables}


def exporter(*arguments: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the exporter to its end."""
    return ran(Forked("-m", "exporter", *arguments, env=environment(**variables), stdout=PIPE, stderr=PIPE))


def ran(process: Forked) -> subprocess.CompletedProcess[str]:
    """Return what a process did until its end."""
    output, errors = process.communicate(timeout=PATIENCE)
    return subprocess.CompletedProcess(process.args, process.wait(), output, errors)


@contextmanager
def serving(*arguments: str, **variables: str) -> Iterator[tuple[Forked, str]]:
    """Run the exporter and yield its process and its address, as it logs it."""
    env = environment(EXPORTER_WEB__LISTEN_ADDRESS="127.0.0.1:0", EXPORTER_LOG__FORMAT="json", **variables)
    process = Forked("-m", "exporter", *arguments, env=env, stdout=PIPE, stderr=PIPE)
    assert process.stderr is not None
    try:
        for line in process.stderr:
            if found := re.search(r'"address": "([^"]+)"', line):
                yield process, found[1]
                break
        else:
            raise AssertionError(f"the exporter ended with {process.wait()}")
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


@contextmanager
def prometheus(folder: Path, config: str) -> Iterator[str]:
    """Run a real Prometheus with *config* on a free loopback port and yield its address."""
    (folder / "prometheus.yml").write_text(config)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    log = (folder / "prometheus.log").open("w")
    process = subprocess.Popen(
        [
            "prometheus",
            f"--config.file={folder}/prometheus.yml",
            f"--storage.tsdb.path={folder}/data",
            f"--web.listen-address={address}",
        ],
        stdout=log,
        stderr=subprocess.STDOUT,
    )
    try:
        eventually(lambda: fetch(f"http://{address}/-/ready")[0] == 200, "Prometheus is ready")
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)
        log.close()


def query(address: str, expression: str) -> list[dict[str, Any]]:
    """Return the result of an instant query, each with its metric and value."""
    _, body = fetch(f"{address}/api/v1/query?{urllib.parse.urlencode({'query': expression})}")
    result: list[dict[str, Any]] = json.loads(body)["data"]["result"]
    return result


def fetch(url: str, **headers: str) -> tuple[int, bytes]:
    """Return status and body of a GET; status 0 if nobody answers."""
    request = urllib.request.Request(url, headers={name.replace("_", "-"): value for name, value in headers.items()})
    try:
        with urllib.request.urlopen(request, timeout=10) as answer:
            return answer.status, answer.read()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read()
    except (OSError, urllib.error.URLError):
        return 0, b""


def eventually(condition: Any, what: str | Callable[[], str], patience: float = PATIENCE) -> Any:
    """Wait until *condition* returns something true, and return it; *what* is told if it never does."""
    deadline = time.monotonic() + patience
    while True:
        result = condition()
        if result:
            return result
        assert time.monotonic() < deadline, f"in {patience:g} s never: {what() if callable(what) else what}"
        time.sleep(0.25)
