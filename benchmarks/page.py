"""What the page costs with 5,000 jobs: its first byte, a refresh, twenty viewers, the event loop, and the past kept."""

import http.client
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from random import Random

from benchmarks.jobs import mix
from benchmarks.process import Child, cpu, memory
from benchmarks.scrape import SETTLE, subject
from benchmarks.table import Row, median
from benchmarks.upstream import Upstream

RATE = 1000
RUNS = 20
"""Runs that each job has had."""
VIEWERS = 20
GOOD_FOR = 1.1
"""Seconds after which a page is made anew."""
REFRESH = "/?part=rows"


def fetched(port: int, path: str = REFRESH, tag: str = "") -> tuple[int, str, float]:
    """Read a page as a browser does; return its status, its tag and the seconds to its first byte."""
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
    headers = {"Accept-Encoding": "gzip", **({"If-None-Match": tag} if tag else {})}
    began = time.perf_counter()
    connection.request("GET", path, headers=headers)
    answer = connection.getresponse()
    seconds = time.perf_counter() - began
    answer.read()
    connection.close()
    return answer.status, answer.headers["ETag"], seconds


def used(process: Child, times: int, tag: str, viewers: int = 1) -> float:
    """Return the CPU seconds of one refresh by so many viewers who all have the page of *tag*."""
    before = cpu(process.pid)
    for _ in range(times):
        with ThreadPoolExecutor(viewers) as pool:
            list(pool.map(lambda _: fetched(process.port, tag=tag), range(viewers)))
    time.sleep(SETTLE)
    return (cpu(process.pid) - before) / times


def run(upstream: Upstream, *, quick: bool) -> Iterator[Row]:
    """Yield the rows."""
    jobs, rounds = (1000, 3) if quick else (5000, 5)
    shuffled = Random(1).sample(mix(jobs), jobs)  # else a third of the jobs is all of the first page, or nothing of it
    with subject(shuffled, upstream.changing, RATE) as process:
        process.ask("fill")
        before = memory(process.pid)
        kept = process.ask("remember", runs=RUNS)["bytes"] / jobs / 1024
        grown = (memory(process.pid) - before) / jobs / 1024
        note = f"{grown:.2f} KiB of RSS; at most 1.2 where a job has everything to the full"
        yield Row("page", f"{jobs:,} jobs, {RUNS} runs each: past kept a job", kept, "KiB", 1.2, note)
        yield from _rows(process, f"{jobs:,} jobs", jobs // 3, rounds)


def _rows(process: Child, name: str, third: int, rounds: int) -> Iterator[Row]:
    first: list[float] = []
    one: list[float] = []
    many: list[float] = []
    same: list[float] = []
    held: list[float] = []
    tag = fetched(process.port)[1]
    for _ in range(rounds):
        for viewers, costs in ((1, one), (VIEWERS, many)):
            process.ask("poll", count=third)
            time.sleep(GOOD_FOR)
            costs.append(used(process, 1, tag, viewers) * 1000)
        tag = fetched(process.port)[1]
        same.append(used(process, 50, tag) * 1000)
        process.ask("poll", count=third)
        time.sleep(GOOD_FOR)
        first.append(fetched(process.port, "/")[2] * 1000)
    process.ask("probe")
    for _ in range(rounds):
        process.ask("poll", count=third)
        time.sleep(GOOD_FOR)
        process.ask("probe")
        fetched(process.port, "/")
        held.append(process.ask("probe")["cpu"] * 1000)
    yield Row(
        "page", f"{name}: first byte of /, a third polled", median(first), "ms", 50, f"longest {max(first):.0f} ms"
    )
    yield Row("page", f"{name}: CPU of a refresh, a third polled", median(one), "ms", 25)
    yield Row("page", f"{name}: CPU of a refresh, nothing changed", median(same), "ms", 1)
    ratio = median(many) / median(one)
    yield Row("page", f"{name}: {VIEWERS} viewers against one, a third polled", ratio, "x", 2, f"{median(many):.1f} ms")
    yield Row("page", f"{name}: longest hold of the event loop, in CPU time", max(held), "ms", 25)
