"""What one scrape costs, beside prometheus_client and client_golang with the same samples, and how long it holds."""

import json
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks import samples
from benchmarks.jobs import mix, settings
from benchmarks.process import MIB, REPOSITORY, Child, child, cpu, fetch, memory
from benchmarks.table import Row, median
from benchmarks.upstream import Upstream

FILL_RATE = 1000
SETTLE = 0.1
"""Seconds after a scrape in which the server may still work for it."""
GOALS = {  # (gzip, polled): the part of client_golang's and of prometheus_client's cost that ours may be
    (False, False): (12, 25),
    (False, True): (12, 25),
    (True, False): (12, 25),
    (True, True): (8, 16),
}


@contextmanager
def subject(jobs: list[dict[str, str]], upstream: str, rate: float, loop: str = "asyncio") -> Iterator[Child]:
    """Run the exporter with these jobs, none of them polled yet."""
    with tempfile.TemporaryDirectory() as home:
        path = Path(home) / "settings.json"
        path.write_text(json.dumps(settings(jobs, upstream)))
        with child(["benchmarks.subject", str(path), str(rate), loop]) as process:
            yield process


def cost(process: Child, *, gzip: bool, times: int) -> float:
    """Return the CPU seconds of one scrape."""
    before = cpu(process.pid)
    for _ in range(times):
        fetch(process.port, gzip=gzip)
    time.sleep(SETTLE)
    return (cpu(process.pid) - before) / times


def go_peer(home: Path) -> str | None:
    """Build the Go peer and return its path, ``None`` where Go or client_golang is missing."""
    if shutil.which("go") is None:
        return None
    program = home / "peer"
    environment = {
        "PATH": "/usr/bin:/bin:/usr/local/go/bin",
        "HOME": str(home),
        "GO111MODULE": "off",
        "GOPATH": "/usr/share/gocode",
        "GOCACHE": str(home / "cache"),
    }
    source = REPOSITORY / "benchmarks" / "peers" / "main.go"
    built = subprocess.run(["go", "build", "-o", str(program), str(source)], env=environment, check=False)
    return str(program) if built.returncode == 0 else None


def run(upstream: Upstream, *, quick: bool) -> Iterator[Row]:
    """Yield the rows of the scrape: sizes, costs, ratios, and the longest hold of the event loop."""
    jobs, rounds = (1000, 3) if quick else (10_000, 3)
    with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
        ours = stack.enter_context(subject(mix(jobs), upstream.changing, FILL_RATE))
        ours.ask("fill")
        scraped = fetch(ours.port, keep=True)
        count, word = len(samples.jobs_lines(scraped.body)), samples.digest(scraped.body)
        yield Row("scrape", f"samples of {jobs:,} jobs", count, "")
        yield Row("scrape", "body", scraped.size / MIB, "MiB")
        file = Path(name) / "samples.tsv"
        samples.write(scraped.body, file)
        peers: dict[str, Child] = {}
        program = go_peer(Path(name))
        if program:
            peers["client_golang"] = stack.enter_context(child([program, str(file)], python=""))
        else:
            yield Row("scrape", "client_golang", 0, "", note="skipped: go or its client library is missing")
        peers["prometheus_client"] = stack.enter_context(child(["benchmarks.peers.promclient", str(file)]))
        for peer, process in peers.items():
            found = fetch(process.port, keep=True).body
            if samples.digest(found) != word or len(samples.jobs_lines(found)) != count:
                raise RuntimeError(f"{peer} does not serve the same samples")
        yield from _costs(ours, peers, jobs // 3, rounds)
        yield from _holds(ours, jobs // 3, rounds)
        for peer, process in peers.items():
            yield Row("scrape", f"RSS of {peer} with the same samples", memory(process.pid) / MIB, "MiB")


def _costs(ours: Child, peers: dict[str, Child], third: int, rounds: int) -> Iterator[Row]:
    for gzip in (False, True):
        way = "gzip" if gzip else "identity"
        mine: dict[bool, list[float]] = {False: [], True: []}
        theirs: dict[str, list[float]] = {peer: [] for peer in peers}
        for _ in range(rounds):
            ours.ask("poll", count=third)
            mine[True].append(cost(ours, gzip=gzip, times=1))
            mine[False].append(cost(ours, gzip=gzip, times=5))
            for peer, process in peers.items():
                theirs[peer].append(cost(process, gzip=gzip, times=1))
        for peer, costs in theirs.items():
            yield Row("scrape", f"CPU, {way}: {peer}", median(costs) * 1000, "ms")
        for polled, case in ((False, "nothing changed"), (True, "a third polled")):
            value = median(mine[polled])
            yield Row("scrape", f"CPU, {way}, {case}", value * 1000, "ms")
            goals = dict(zip(("client_golang", "prometheus_client"), GOALS[gzip, polled], strict=True))
            for peer, costs in theirs.items():
                ratio = value / median(costs)
                note = f"1/{1 / ratio:.1f}, goal 1/{goals[peer]}"
                yield Row("scrape", f"CPU, {way}, {case}, of {peer}'s", ratio * 100, "%", 100 / goals[peer], note)


def _holds(ours: Child, third: int, rounds: int) -> Iterator[Row]:
    ours.ask("probe")
    for gzip in (False, True):
        wall: list[float] = []
        used: list[float] = []
        for _ in range(rounds):
            ours.ask("poll", count=third)
            time.sleep(SETTLE)
            ours.ask("probe")
            fetch(ours.port, gzip=gzip)
            time.sleep(SETTLE)
            held = ours.ask("probe")
            wall.append(held["wall"] * 1000)
            used.append(held["cpu"] * 1000)
        way = "gzip" if gzip else "identity"
        note = f"in CPU time {median(used):.1f} ms, longest of all {max(wall):.0f} ms"
        yield Row("hold", f"longest hold of the event loop, {way}, a third polled", median(wall), "ms", 30, note)
