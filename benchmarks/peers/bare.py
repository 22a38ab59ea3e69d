"""The limit: aiohttp's own GET and json.loads, nothing signed: ``python -m benchmarks.peers.bare URL COUNT LOOP``."""

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterator

import aiohttp

CONCURRENCY = 32


async def main(url: str, count: int) -> None:
    """Make the calls, once to warm up and once measured, and tell the CPU seconds of one."""
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:

        async def work(calls: Iterator[int]) -> None:
            for _ in calls:
                async with session.get(url) as response:
                    if json.loads(await response.read())["status"] != "RUNNING":
                        raise RuntimeError("another answer than the one to be measured with")

        used = 0.0
        for calls in (count // 10, count):
            left = iter(range(calls))
            began = time.process_time()
            await asyncio.gather(*(work(left) for _ in range(CONCURRENCY)))
            used = time.process_time() - began
    print(json.dumps({"cpu": used / count}), flush=True)


def runner(loop: str) -> Callable[..., object]:
    """Return what runs a coroutine on that loop."""
    if loop == "uvloop":
        import uvloop  # type: ignore[import-not-found, unused-ignore]

        return uvloop.run  # type: ignore[no-any-return, unused-ignore]
    return asyncio.run


if __name__ == "__main__":
    runner(sys.argv[3])(main(sys.argv[1], int(sys.argv[2])))
