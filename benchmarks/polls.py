"""What one poll costs, signed and all included, beside the vendor's SDK and beside bare aiohttp."""

import importlib.util
from collections.abc import Iterator

from benchmarks.jobs import dli_only
from benchmarks.process import child
from benchmarks.scrape import subject
from benchmarks.table import Row, median
from benchmarks.upstream import Upstream

JOBS = 2000
AS_FAST_AS_IT_GOES = 10_000_000


def run(upstream: Upstream, *, quick: bool) -> Iterator[Row]:
    """Yield the rows of the poll; every process makes its calls 32 at a time, as fast as it can."""
    rounds, calls = (1, 2000) if quick else (3, 6000)
    path = f"{upstream.fixed}/v1/05f2cff45100d5112f4bc00b794ea08e/jobs/1/progress"
    loops = ["asyncio", *(["uvloop"] if importlib.util.find_spec("uvloop") else [])]
    sdk = importlib.util.find_spec("huaweicloudsdkdli") is not None
    equal: dict[str, list[float]] = {loop: [] for loop in loops}
    changed: dict[str, list[float]] = {loop: [] for loop in loops}
    bare: dict[str, list[float]] = {loop: [] for loop in loops}
    vendor: list[float] = []
    for _ in range(rounds):
        for loop in loops:
            equal[loop].append(_ours(upstream.fixed, calls, loop))
            changed[loop].append(_ours(upstream.changing, calls, loop))
            with child(["benchmarks.peers.bare", path, str(calls), loop]) as process:
                bare[loop].append(float(process.hello["cpu"]) * 1e6)
        if sdk:
            with child(["benchmarks.peers.sdk", upstream.fixed, str(calls // 4)]) as process:
                vendor.append(float(process.hello["cpu"]) * 1e6)
    if vendor:
        yield Row("poll", "CPU of a call of the vendor's SDK", median(vendor), "us")
    else:
        yield Row("poll", "the vendor's SDK", 0, "", note="skipped: huaweicloudsdkdli is not installed")
    if len(loops) == 1:
        yield Row("poll", "with uvloop", 0, "", note="skipped: uvloop is not installed")
    for loop in loops:
        yield from _compared(loop, equal[loop], changed[loop], bare[loop], vendor)


def _compared(
    loop: str, equal: list[float], changed: list[float], bare: list[float], vendor: list[float]
) -> Iterator[Row]:
    goal = loop == "asyncio"
    yield Row("poll", f"CPU of a bare GET and json.loads, {loop}", median(bare), "us")
    yield Row("poll", f"CPU of a poll, same answer, {loop}", median(equal), "us")
    yield Row("poll", f"CPU of a poll, another answer, {loop}", median(changed), "us")
    ratio = median(equal) / median(bare)
    yield Row("poll", f"CPU of a poll, same answer, {loop}, of bare aiohttp's", ratio, "x", 1.8 if goal else None)
    yield Row("poll", f"CPU of a poll, another answer, {loop}, of bare aiohttp's", median(changed) / median(bare), "x")
    if vendor:
        ratio = median(equal) / median(vendor)
        name = f"CPU of a poll, same answer, {loop}, of the SDK's"
        yield Row("poll", name, ratio * 100, "%", 20 if goal else None, f"1/{1 / ratio:.1f}, goal 1/5")


def _ours(upstream: str, calls: int, loop: str) -> float:
    with subject(dli_only(JOBS), upstream, AS_FAST_AS_IT_GOES, loop=loop) as process:
        process.ask("fill")
        done = process.ask("poll", count=calls)
        if done["failed"]:
            raise RuntimeError(f"{done['failed']} polls failed")
        return float(done["cpu"]) / int(done["polls"]) * 1e6
