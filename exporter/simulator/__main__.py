"""``python -m exporter.simulator``: the pretend cloud with its demo population on a loopback port."""

import argparse
import asyncio
import ipaddress
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Sequence
from typing import Final

from aiohttp import web

from exporter.simulator.cloud import Cloud
from exporter.simulator.population import announcement, populate
from exporter.simulator.server import make_app

_GRACE: Final = 0.5
"""Seconds for which open connections may finish when the process ends."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Serve until told to end; return the exit code."""
    parser = _parser()
    options = parser.parse_args(arguments)
    address = _loopback(options.listen)
    if address is None:
        parser.error(f"--listen {options.listen}: a pretend cloud listens on loopback only, as 127.0.0.1:0")
    if not 0 < options.speed < float("inf"):
        parser.error(f"--speed {options.speed:g}: must be greater than 0")
    cloud = Cloud(clock=_clock(options.speed), seed=options.seed)
    populate(cloud)
    try:
        asyncio.run(_serve(cloud, *address, until_eof=options.until_eof))
    except OSError as error:
        print(f"cannot listen on {options.listen}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m exporter.simulator",
        description="A pretend Huawei Cloud: all services that are polled, and IAM, on one loopback port. "
        "Prints one line of JSON with its address, keys and jobs, then serves.",
    )
    parser.add_argument("--listen", default="127.0.0.1:0", metavar="HOST:PORT", help="port 0 takes a free one")
    parser.add_argument("--seed", type=int, default=0, help="the same seed gives the same ids and secrets")
    parser.add_argument("--speed", type=float, default=1.0, help="how much faster than ours its clock goes")
    parser.add_argument("--until-eof", action="store_true", help="end when standard input closes")
    return parser


def _loopback(listen: str) -> tuple[str, int] | None:
    """Return host and port of *listen*; None if it is malformed or reachable from elsewhere."""
    host, _, port = listen.rpartition(":")
    host = "127.0.0.1" if host == "localhost" else host.removeprefix("[").removesuffix("]")
    try:
        if ipaddress.ip_address(host).is_loopback and 0 <= int(port) <= 65535:
            return host, int(port)
    except ValueError:
        return None
    return None


def _clock(speed: float) -> Callable[[], float]:
    """Return a clock that starts at the present and goes *speed* times as fast as the real one."""
    begun, ticks = time.time(), time.monotonic()
    return lambda: begun + (time.monotonic() - ticks) * speed


async def _serve(cloud: Cloud, host: str, port: int, *, until_eof: bool) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    runner = web.AppRunner(make_app(cloud), access_log=None, shutdown_timeout=_GRACE)
    await runner.setup()
    try:
        await web.TCPSite(runner, host, port).start()
        shown = f"[{host}]" if ":" in host else host
        url = f"http://{shown}:{runner.addresses[0][1]}"
        print(json.dumps(announcement(cloud, url)), flush=True)
        if until_eof:
            # a daemon thread: a read that never returns must not keep the process from ending
            threading.Thread(target=_watch_input, args=(loop, stop), daemon=True).start()
        await stop.wait()
    finally:
        await runner.cleanup()


def _watch_input(loop: asyncio.AbstractEventLoop, stop: asyncio.Event) -> None:
    """Set *stop* when standard input is closed, or was never open."""
    try:
        while os.read(0, 4096):
            pass
    except OSError:
        pass
    try:
        loop.call_soon_threadsafe(stop.set)
    except RuntimeError:  # the loop has ended already
        return


if __name__ == "__main__":
    sys.exit(main())
