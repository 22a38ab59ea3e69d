"""prometheus_client's own aiohttp handler with the samples of a file: ``python -m benchmarks.peers.promclient FILE``.

The families are made once and handed out at every scrape, which is the least that a collector can do.
"""

import asyncio
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from aiohttp import web
from prometheus_client import CollectorRegistry
from prometheus_client.aiohttp import make_aiohttp_handler
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector


class Fixed(Collector):
    """Hands out families that were made before."""

    def __init__(self, families: list[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Yield each family."""
        yield from self._families


def read(path: Path) -> list[Metric]:
    """Return the families of a file."""
    families: list[Metric] = []
    with path.open() as file:
        for line in file:
            kind, *parts = line.rstrip("\n").split("\t")
            if kind == "F":
                name, word, text, *labels = parts
                family = CounterMetricFamily if word == "counter" else GaugeMetricFamily
                families.append(family(name, text, labels=labels))
            else:
                families[-1].add_metric(parts[1:], float(parts[0]))  # type: ignore[attr-defined]
    return families


async def main(path: str) -> None:
    """Serve until killed."""
    registry = CollectorRegistry()
    registry.register(Fixed(read(Path(path))))
    application = web.Application()
    application.router.add_get("/metrics", make_aiohttp_handler(registry))
    runner = web.AppRunner(application, access_log=None)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    print(json.dumps({"port": runner.addresses[0][1]}), flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
