"""``demo``: runs the exporter with a simulated cloud, over real HTTP.

The simulated cloud is another process that shares no code with the exporter. The exporter has no demo mode: it gets
ordinary settings with the endpoints of that process.
"""

import argparse
import asyncio
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from exporter import logs
from exporter.app import App
from exporter.cli.options import load_settings
from exporter.model.errors import ExporterError
from exporter.services.registry import load_services

_ADDRESS = "127.0.0.1:10926"


def command(options: argparse.Namespace) -> int:
    """Serve live metrics of a pretend cloud; needs no account and no file."""
    with _simulator() as cloud:
        settings = load_settings(options, settings_for(cloud))
        logs.configure(settings.log.level, settings.log.format, settings.log.vendor_text)
        asyncio.run(App(settings).run(_say))
    return 0


def settings_for(cloud: dict[str, Any]) -> dict[str, Any]:
    """Return the configuration that fits what the simulator announced of itself."""
    services = load_services()
    project = {
        "region": cloud["region"],
        "project_id": cloud["project_id"],
        "cloud": "custom",
        "endpoints": dict.fromkeys((*services, "iam"), cloud["url"]),
        "time_zone": "Asia/Shanghai",
        "credentials": {"access_key": {"key_id": cloud["access_key"], "secret": cloud["secret_key"]}},
    }
    return {
        "log": {"level": "info", "format": "console"},
        "web": {"listen_address": _ADDRESS},
        "poll": {"interval": "4s", "idle_interval": "5s", "list_interval": "5s", "timeout": "5s", "stale_after": "2m"},
        "projects": {"demo": project},
        "jobs": cloud["jobs"],
    }


@contextmanager
def _simulator() -> Iterator[dict[str, Any]]:
    """Run the pretend cloud as a process that ends with this one, even if this one is killed."""
    arguments = [sys.executable, "-m", "exporter.simulator", "--until-eof"]
    with subprocess.Popen(arguments, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            line = process.stdout.readline() if process.stdout else ""
            if not line:
                raise ExporterError(f"the simulator did not start (exit code {process.wait()})")
            yield json.loads(line)
        finally:
            process.terminate()


def _say(address: str) -> None:
    print(f"The page:    {address}/")
    print(f"The metrics: {address}/metrics")
    print("Stop it with Ctrl-C.", flush=True)
