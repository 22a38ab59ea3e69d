"""``kill -9`` every few seconds: the calls of all processes together keep to the limit."""

import re
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import cycle, islice
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.e2e.processes import environment
from tests.fork_server import Forked

ALLOWED = 6
"""Calls in any 60 s, one each ten seconds."""
KILLS = 8
"""On a machine that is not busy all of it is within one minute."""
LIVES = (0.3, 0.6, 0.9, 11.5)
"""Seconds from when a process polls until it is killed; only the last lives for long enough to make a call."""
CONFIG = """\
poll: {{interval: 1s, idle_interval: 1s, stale_after: 1m}}
projects:
  prod:
    region: cn-north-4
    project_id: p
    endpoints: {{dli: {url}}}
    limits: {{dli: 6/m}}
    credentials: {{access_key: {{key_id: AK, secret: secret}}}}
jobs: [{jobs}]
"""


@contextmanager
def counting() -> Iterator[tuple[list[float], str]]:
    """Serve an API that notes when it is called."""
    times: list[float] = []

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            times.append(time.monotonic())
            job_id = self.path.split("/jobs/")[1].split("/")[0]
            body = f'{{"is_success": true, "job_id": "{job_id}", "status": "RUNNING"}}'.encode()
            self.send_response(200)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
            """Keep the output of the tests clean."""

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        server.daemon_threads = True
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield times, f"http://127.0.0.1:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


def live(config: Path, seconds: float) -> None:
    """Run the exporter until so many seconds after it polls, then kill it."""
    env = environment(EXPORTER_WEB__LISTEN_ADDRESS="127.0.0.1:0", EXPORTER_LOG__FORMAT="json")
    process = Forked("-m", "exporter", "run", "--config", str(config), env=env, stderr=PIPE)
    try:
        assert process.stderr is not None
        assert any(re.search('"event": "started"', line) for line in process.stderr)
        time.sleep(seconds)
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


@pytest.mark.slow
def test_processes_that_are_killed_every_few_seconds_take_no_call_more_than_one(tmp_path: Path) -> None:
    config = tmp_path / "exporter.yaml"
    with counting() as (times, url):
        jobs = ", ".join(f"{{service: dli, job_id: id-{number}}}" for number in range(20))
        config.write_text(CONFIG.format(url=url, jobs=jobs))
        for seconds in islice(cycle(LIVES), KILLS):
            live(config, seconds)
    assert times
    assert max(sum(at <= each < at + 60 for each in times) for at in times) <= ALLOWED
