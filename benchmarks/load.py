"""100,000 jobs in one process, each polled once a minute: does it keep up, and what does a job cost in memory."""

import json
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from pathlib import Path

from benchmarks.jobs import mix, settings
from benchmarks.process import MIB, Child, child, cpu, fetch, memory
from benchmarks.table import Row
from benchmarks.upstream import Upstream

INTERVAL = 60
WARM = 3.1
"""Rounds of polls before anything is measured."""
LAG = "huaweicloud_job_exporter_poll_lag_seconds"
BUCKETS = f"/metrics?name[]={LAG}_bucket&name[]={LAG}_count"

_BUCKET = re.compile(rf'{LAG}_bucket{{le="([^"]+)"}} (\S+)')


def lags(port: int) -> dict[float, float]:
    """Return how many polls began so late at most, by seconds."""
    return {
        float(le): float(count) for le, count in _BUCKET.findall(fetch(port, path=BUCKETS, keep=True).body.decode())
    }


def quantile(share: float, before: Mapping[float, float], after: Mapping[float, float]) -> float:
    """Return a quantile of what was observed between the two, as Prometheus' histogram_quantile does."""
    counts = {le: after[le] - before.get(le, 0.0) for le in sorted(after)}
    wanted = share * counts[float("inf")]
    below, seen = 0.0, 0.0
    for le, count in counts.items():
        if count >= wanted:
            if le == float("inf"):
                return below
            return below + (le - below) * (wanted - seen) / max(count - seen, 1e-9)
        below, seen = le, count
    return below


def run(upstream: Upstream, *, quick: bool) -> Iterator[Row]:
    """Yield the rows of the load."""
    jobs, minutes = (10_000, 1) if quick else (100_000, 1)
    with tempfile.TemporaryDirectory() as home:
        paths = {count: Path(home) / f"{count}.json" for count in (100, jobs)}
        for count, path in paths.items():
            path.write_text(json.dumps(settings(mix(count), upstream.changing)))
        with child(["benchmarks.daemon", str(paths[100])]) as process:
            time.sleep(10)
            base = memory(process.pid)
        with child(["benchmarks.daemon", str(paths[jobs])]) as process:
            yield from _watched(process, jobs, minutes, base)


def _watched(process: Child, jobs: int, minutes: int, base: int) -> Iterator[Row]:
    registered = memory(process.pid)
    # the first polls render all lines, and come by place; the second ones go to each job's own phase
    time.sleep(INTERVAL * WARM)
    before, used, began = lags(process.port), cpu(process.pid), time.perf_counter()
    time.sleep(INTERVAL * minutes)
    after, seconds = lags(process.port), time.perf_counter() - began
    polls = after[float("inf")] - before[float("inf")]
    share = polls / (jobs * seconds / INTERVAL)
    each = (memory(process.pid) - base) / jobs
    name = f"{jobs:,} jobs"
    yield Row("load", f"{name}: polls made of those due", share * 100, "%", note="once a minute each is 100 %")
    yield Row("load", f"{name}: p99 of the lag", quantile(0.99, before, after), "s", 1)
    yield Row("load", f"{name}: p50 of the lag", quantile(0.5, before, after), "s")
    yield Row("load", f"{name}: CPU", (cpu(process.pid) - used) / seconds * 100, "% of a core")
    yield Row("load", f"{name}: CPU of one poll", (cpu(process.pid) - used) / polls * 1e6, "us")
    yield Row("load", f"{name}: memory a job, registered", (registered - base) / jobs / 1024, "KiB")
    yield Row("load", f"{name}: memory a job, polled", each / 1024, "KiB", 6000 / 1024)
    yield Row("load", f"{name}: RSS", memory(process.pid) / MIB, "MiB")
    scraped = fetch(process.port)
    each = (memory(process.pid) - base) / jobs
    most = memory(process.pid, "VmHWM") / MIB
    note = f"a body of {scraped.size / MIB:.0f} MiB in {scraped.seconds:.2f} s; RSS at most {most:.0f} MiB"
    yield Row("load", f"{name}: memory a job, polled and scraped", each / 1024, "KiB", note=note)
