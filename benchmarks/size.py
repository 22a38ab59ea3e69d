"""How small the exporter is, and how soon it answers: the real command, with a configuration file.

It runs in an environment with nothing but what it needs, as it does in an image: among the tools of development are
packages that its own would load as well if they are there.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.jobs import mix, settings
from benchmarks.process import MIB, REPOSITORY, cpu, fetch, free_port, memory
from benchmarks.table import Row, median
from benchmarks.upstream import Upstream

PATIENCE = 300.0
FIRST = "/metrics?name[]=huaweicloud_job_exporter_poll_lag_seconds_count"


@contextmanager
def runtime() -> Iterator[tuple[str, str]]:
    """Make an environment of the pinned runtime dependencies; gives its interpreter, and a note if there is none."""
    with tempfile.TemporaryDirectory() as home:
        python = f"{home}/bin/python"
        wanted = str(REPOSITORY / "requirements" / "runtime.txt")
        try:
            subprocess.run([sys.executable, "-m", "venv", home], check=True, capture_output=True)
            install = [python, "-m", "pip", "install", "--quiet", "--require-hashes", "--requirement", wanted]
            subprocess.run(install, check=True, capture_output=True)
        except (OSError, subprocess.CalledProcessError):
            yield sys.executable, "; among the tools of development, because pip could not install the runtime alone"
        else:
            yield python, ""


@contextmanager
def exporter(python: str, jobs: int, upstream: str, **poll: str) -> Iterator[tuple[int, int]]:
    """Run the command with that many jobs; gives its process id and its port at once, before it answers."""
    port = free_port()
    config = settings(mix(jobs), upstream, **poll)
    config["web"] = {"listen_address": f"127.0.0.1:{port}"}
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "config.yaml"
        path.write_text(json.dumps(config, indent=0))  # JSON is YAML, but for the tabs
        command = [python, "-m", "exporter", "run", "--config", str(path)]
        with subprocess.Popen(command, cwd=REPOSITORY) as process:
            try:
                yield process.pid, port
            finally:
                process.kill()


def answered(port: int, path: str = "/metrics") -> str:
    """Return the first answer, however often it takes to ask."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return fetch(port, path=path, keep=True).body.decode()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.005)


def polls(port: int) -> float:
    """Return how many polls began so far."""
    lines = [line for line in answered(port, FIRST).splitlines() if not line.startswith("#")]
    return float(lines[0].split()[1]) if lines else 0.0


def until_polled(port: int, jobs: int) -> None:
    """Return once every job was polled."""
    end = time.monotonic() + PATIENCE
    while polls(port) < jobs * 1.05 and time.monotonic() < end:
        time.sleep(0.5)


def run(upstream: Upstream, *, quick: bool) -> Iterator[Row]:
    """Yield the rows of start and memory."""
    with runtime() as (python, note):
        yield from _starts(python, upstream, 3 if quick else 7, note)
        yield from _sizes(python, upstream, 1000 if quick else 10_000, note)


def _sizes(python: str, upstream: Upstream, jobs: int, note: str) -> Iterator[Row]:
    with exporter(python, 100, upstream.changing, interval="3s", idle_interval="3s") as (pid, port):
        answered(port)
        until_polled(port, 100)
        answered(port)
        yield Row("size", "RSS with 100 jobs, polled and scraped", memory(pid) / MIB, "MiB", 60e6 / MIB, note)
    with exporter(python, jobs, upstream.changing, interval="20s", idle_interval="20s") as (pid, port):
        answered(port, FIRST)
        yield Row("size", f"RSS with {jobs:,} jobs, before the first poll", memory(pid) / MIB, "MiB")
        until_polled(port, jobs)
        yield Row("size", f"RSS with {jobs:,} jobs, polled, never scraped", memory(pid) / MIB, "MiB")
        for gzip in (False, True, False, True):
            fetch(port, gzip=gzip)
            time.sleep(2)
        note = f"at most {memory(pid, 'VmHWM') / MIB:.0f} MiB{note}"
        yield Row("size", f"RSS with {jobs:,} jobs, polled and scraped", memory(pid) / MIB, "MiB", 160e6 / MIB, note)


def _starts(python: str, upstream: Upstream, rounds: int, note: str) -> Iterator[Row]:
    wall: list[float] = []
    used: list[float] = []
    for _ in range(rounds):
        began = time.perf_counter()
        with exporter(python, 100, upstream.same) as (pid, port):
            answered(port)
            wall.append(time.perf_counter() - began)
            used.append(cpu(pid))
    note = f"{median(used):.2f} s of CPU{note}"
    yield Row("size", "start to the first /metrics, 100 jobs", median(wall), "s", 0.8, note)
