"""Another configuration while the exporter runs: read whole, taken over whole, or refused whole."""

import asyncio
from collections.abc import Awaitable, Callable
from hashlib import blake2b
from pathlib import Path
from typing import Any, Final

import structlog

from exporter.clock import Clock
from exporter.config import Settings
from exporter.config.yaml_reader import LARGEST
from exporter.local_files import read_regular
from exporter.metrics.telemetry import Telemetry
from exporter.model.changes import Changes
from exporter.model.errors import SettingsError
from exporter.model.masking import VendorText

_LOOK: Final = 1.0
"""Seconds between two checks of the configuration file; it is read once two checks found the same."""
TOLD: Final = 10
"""Mistakes, and names of jobs, that the log repeats."""
FIXED: Final[dict[str, Callable[[Settings], object]]] = {
    "web.listen_address": lambda settings: settings.web.listen_address,
    "web.systemd_socket": lambda settings: settings.web.systemd_socket,
    "journal": lambda settings: settings.journal,
    "metrics.labels": lambda settings: settings.metrics.labels,
}
"""What only a restart changes."""


class Reloader:
    """Reads the configuration again with *read* and hands it to *take*, one after the other.

    *take* returns what became of the jobs, or raises :class:`SettingsError` and then has changed nothing. *path* is the
    file that is watched, and *tried* the digest of what it held when *settings* were read.
    """

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Settings],
        take: Callable[[Settings], Awaitable[Changes]],
        clock: Clock,
        telemetry: Telemetry,
        path: Path | None = None,
        tried: bytes | None = None,
    ) -> None:
        self._path = path
        self._tried = tried
        self._settings = settings
        self._read = read
        self._take = take
        self._clock = clock
        self._telemetry = telemetry
        self._lock = asyncio.Lock()
        self._log = structlog.get_logger()
        self._worked()

    @property
    def enabled(self) -> bool:
        """Whether a request may reload."""
        return self._settings.web.enable_lifecycle

    @property
    def vendor_text(self) -> VendorText:
        """Return how much of the vendor's own text page and JSON repeat."""
        return self._settings.web.vendor_text

    def cloud(self, project: str) -> str:
        """Return which cloud a project is in, empty if there is none of that name."""
        there = self._settings.projects.get(project)
        return "" if there is None else str(there.cloud)

    async def reload(self) -> Changes:
        """Take over what is written now; raises :class:`SettingsError` with every mistake, and then nothing changed."""
        async with self._lock:
            try:
                self._tried = await asyncio.to_thread(digest, self._path)
                settings = await asyncio.to_thread(self._read)
                fixed = [name for name, value in FIXED.items() if value(settings) != value(self._settings)]
                if fixed:
                    raise SettingsError([f"{name}: another value needs a restart" for name in fixed])  # noqa: TRY301
                changes = await self._take(settings)
            except SettingsError as error:
                self._telemetry.config_good.set(0)
                told = error.mistakes[:TOLD]
                self._log.error("configuration refused", mistakes=list(told), more=len(error.mistakes) - len(told))
                raise
            self._settings = settings
            self._worked()
            self._log.info("configuration reloaded", **numbers(changes), **names(changes))
            return changes

    async def run(self, asked: asyncio.Event) -> None:
        """Reload whenever it is *asked* for, until cancelled."""
        while True:
            await asked.wait()
            asked.clear()
            await self.reload_quietly()

    async def watch(self) -> None:
        """Reload whenever the file holds something else than what was tried last, until cancelled.

        A file that is gone or cannot be read is in the middle of being replaced.
        """
        before = None
        while True:
            now = await asyncio.to_thread(digest, self._path)
            if now is not None and now == before and now != self._tried:
                await self.reload_quietly()
            before = now
            await asyncio.sleep(_LOOK)

    async def watch_authorities(self) -> None:
        """Reload whenever a ``ca_file`` holds something else, until cancelled; secrets look after themselves."""
        tried: dict[Path, bytes] = {}
        before: dict[Path, bytes | None] = {}
        while True:
            files = {each.ca_file for each in self._settings.projects.values() if each.ca_file}
            now = {file: await asyncio.to_thread(digest, file) for file in files}
            good = {file: found for file, found in now.items() if found is not None and found == before.get(file)}
            others = [file for file, found in good.items() if tried.get(file, found) != found]
            tried |= good
            if others:
                await self.reload_quietly()
            before = now
            await asyncio.sleep(_LOOK)

    async def reload_quietly(self) -> None:
        """Reload; the outcome is in the log."""
        try:
            await self.reload()
        except SettingsError:
            return  # it was logged

    def _worked(self) -> None:
        self._telemetry.config_good.set(1)
        self._telemetry.config_time.set(self._clock.now())


def numbers(changes: Changes) -> dict[str, int]:
    """Return how many jobs came, went and became different."""
    return {"added": len(changes.added), "removed": len(changes.removed), "changed": len(changes.changed)}


def names(changes: Changes) -> dict[str, list[str]]:
    """Return the names of the first jobs that came, went and became different, for the log."""
    return {
        "added_jobs": ["/".join(job.key) for job in changes.added[:TOLD]],
        "removed_jobs": ["/".join(key) for key in changes.removed[:TOLD]],
        "changed_jobs": ["/".join(job.key) for job in changes.changed[:TOLD]],
    }


def difference(changes: Changes) -> dict[str, Any]:
    """Return what became of the jobs, ready for JSON."""
    return {
        "added": ["/".join(job.key) for job in changes.added],
        "removed": ["/".join(key) for key in changes.removed],
        "changed": ["/".join(job.key) for job in changes.changed],
        "left_out": list(changes.problems),
    }


def digest(path: Path | None) -> bytes | None:
    """Return what tells the content of a file from another; ``None`` if it cannot be read, or there is none."""
    if path is None:
        return None
    try:
        return blake2b(read_regular(path, LARGEST), digest_size=16).digest()
    except OSError:
        return None
