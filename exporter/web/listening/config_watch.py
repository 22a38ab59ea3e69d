"""Reloads the web configuration file when it, or a file that it names, changes: a new certificate needs no restart."""

import asyncio
from pathlib import Path

import structlog

from exporter.clock import Clock
from exporter.config import Settings, web_file
from exporter.local_files import LOOK, Watched
from exporter.logs import first_mistakes
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import SettingsError
from exporter.web.listening.security import Security


class ConfigWatch:
    """Keeps *security* at what the web configuration file says; a bad one is reported, and the last good one stays."""

    def __init__(self, settings: Settings, security: Security, clock: Clock, telemetry: Telemetry) -> None:
        self._security = security
        self._clock = clock
        self._telemetry = telemetry
        self._log = structlog.get_logger()
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Go by other settings, with which the file was read."""
        self._path = settings.web.config_file
        self._files = Watched(settings.web_config.fingerprint)
        self._security.use(settings.web_config)
        if self._path is None:
            self._telemetry.no_web_config()
        else:
            self._telemetry.web_config_read(True, self._clock.now())

    async def run(self) -> None:
        """Read the file whenever it is different from what was tried last, until cancelled."""
        while True:
            path, files = self._path, self._files
            if path is not None and files.changed(await asyncio.to_thread(web_file.fingerprint, path)):
                await self._read(path, files)
            await asyncio.sleep(LOOK)

    async def _read(self, path: Path, files: Watched[bytes]) -> None:
        config, mistakes = None, tuple[str, ...]()
        try:
            config = await asyncio.to_thread(web_file.read_web_config, path)
        except SettingsError as error:
            mistakes = error.mistakes
        if files is not self._files:
            return  # a reload of the settings read the file meanwhile, or names another
        if config is None:
            self._telemetry.web_config_read(False, self._clock.now())
            self._log.error("web configuration refused", **first_mistakes(mistakes))
        else:
            self._files = Watched(config.fingerprint)
            self._security.use(config)
            self._telemetry.web_config_read(True, self._clock.now())
            self._log.info("web configuration reloaded", file=str(path))
