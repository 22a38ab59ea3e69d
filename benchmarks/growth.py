"""How the costs grow with the number of jobs: polls and memory a job, and a scrape by its bytes."""

from collections.abc import Iterator

from benchmarks.jobs import mix
from benchmarks.process import MIB, fetch, memory
from benchmarks.scrape import cost, subject
from benchmarks.table import Row, median
from benchmarks.upstream import Upstream

POLLS = 10_000
RATE = 1000


def run(upstream: Upstream, *, quick: bool) -> Iterator[Row]:
    """Yield the rows of each size; polls come at the same rate whatever the size."""
    base = 0
    for jobs in (100, 1000, 10_000) if quick else (100, 1000, 10_000, 100_000):
        with subject(mix(jobs), upstream.changing, RATE) as process:
            process.ask("fill")
            held = memory(process.pid)
            base = base or held
            done = process.ask("poll", count=POLLS // (5 if quick else 1))
            scraped = fetch(process.port)
            cpu_ms = median([cost(process, gzip=False, times=max(1, 10_000 // jobs)) for _ in range(3)]) * 1000
            size = scraped.size / MIB
            name = f"{jobs:,} jobs"
            yield Row("growth", f"{name}: CPU of one poll", float(done["cpu"]) / int(done["polls"]) * 1e6, "us")
            if held > base:
                yield Row("growth", f"{name}: memory a job over 100 jobs", (held - base) / (jobs - 100) / 1024, "KiB")
            yield Row("growth", f"{name}: CPU of a scrape", cpu_ms, "ms", note=f"{size:.2f} MiB")
            yield Row("growth", f"{name}: CPU of a scrape, a MiB", cpu_ms / size, "ms")
