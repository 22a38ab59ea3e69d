"""``run``: the daemon."""

import argparse
import asyncio
import os
from pathlib import Path

import structlog

from exporter import logs
from exporter.app import App
from exporter.config import Settings, load
from exporter.threads import wait_for


def command(options: argparse.Namespace) -> int:
    """Poll the registered jobs and serve /metrics until SIGTERM."""
    settings = wait_for(lambda: load_settings(options))
    logs.configure(settings.log.level, settings.log.format, settings.log.vendor_text)
    if settings.without_effect:
        structlog.get_logger().warning("variables without effect", variables=list(settings.without_effect))
    path = Path(options.config) if options.config else None
    asyncio.run(App(settings, read=lambda: load_settings(options), path=path).run())
    return 0


def load_settings(options: argparse.Namespace) -> Settings:
    """Read the configuration that the command line names."""
    return load(Path(options.config) if options.config else None, os.environ)
