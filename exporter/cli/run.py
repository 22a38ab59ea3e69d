"""``run``: the daemon."""

import argparse
import asyncio

import structlog

from exporter import logs
from exporter.app import App
from exporter.cli.options import load_settings
from exporter.threads import wait_for


def command(options: argparse.Namespace) -> int:
    """Poll the registered jobs and serve /metrics until SIGTERM."""
    settings = wait_for(lambda: load_settings(options))
    logs.configure(settings.log.level, settings.log.format, settings.log.vendor_text)
    if settings.without_effect:
        structlog.get_logger().warning("variables without effect", variables=list(settings.without_effect))
    asyncio.run(App(settings, read=lambda: load_settings(options), path=options.file).run())
    return 0
