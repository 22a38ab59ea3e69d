"""Takes over the web configuration file when it, or a file that it names, changes: no restart for a certificate."""

import asyncio
from pathlib import Path
from typing import Final

import structlog

from exporter.clock import Clock
from exporter.config import Settings, web_file
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import SettingsError
from exporter.web.security import Security

_LOOK: Final = 1.0
"""Seconds between two checks of the files. A change is taken over when two checks in a row find the same content."""
_TOLD: Final = 10
"""Mistakes that the log repeats."""


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
        self._tried = settings.web_config.fingerprint
        self._security.use(settings.web_config)
        if self._path is None:
            self._telemetry.no_web_config()
        else:
            self._telemetry.web_config_read(True, self._clock.now())

    async def run(self) -> None:
        """Read the file whenever it is different from what was tried last, until cancelled."""
        before = b""
        while True:
            path, now = self._path, b""
            if path is not None:
                now = await asyncio.to_thread(web_file.fingerprint, path)
                if now == before and now != self._tried and path == self._path:
                    await self._read(path, now)
            before = now
            await asyncio.sleep(_LOOK)

    async def _read(self, path: Path, now: bytes) -> None:
        try:
            config = await asyncio.to_thread(web_file.read_web_config, path)
        except SettingsError as error:
            if path == self._path:
                self._tried = now
                self._telemetry.web_config_read(False, self._clock.now())
                told = error.mistakes[:_TOLD]
                self._log.error("web configuration refused", mistakes=list(told), more=len(error.mistakes) - len(told))
            return
        if path == self._path:  # else a reload of the settings named another meanwhile
            self._tried = config.fingerprint
            self._security.use(config)
            self._telemetry.web_config_read(True, self._clock.now())
            self._log.info("web configuration reloaded", file=str(path))
