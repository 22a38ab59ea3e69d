"""Loads a changed configuration while the exporter runs: all of it takes effect, or none."""

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Final

import structlog

from exporter.clock import Clock
from exporter.config import Settings
from exporter.local_files import LOOK, Watched, digest
from exporter.logs import first_mistakes, job_names, job_numbers
from exporter.metrics.telemetry import Telemetry
from exporter.model.changes import Changes
from exporter.model.errors import SettingsError
from exporter.model.masking import VendorText

_REPLACED: Final = 5
"""Looks in a row after which a file that cannot be read is not being replaced any more."""
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
    file that is watched, and *written* the digest of what it held when *settings* were read.
    """

    def __init__(
        self,
        settings: Settings,
        read: Callable[[], Settings],
        take: Callable[[Settings], Awaitable[Changes]],
        clock: Clock,
        telemetry: Telemetry,
        path: Path | None = None,
        written: bytes | None = None,
    ) -> None:
        self._path = path
        self._files: dict[Path, Watched[bytes]] = {path: Watched(written)} if path else {}
        self._settings = settings
        self._read = read
        self._take = take
        self._clock = clock
        self._telemetry = telemetry
        self._lock = asyncio.Lock()
        self._log = structlog.get_logger()
        self.revision = 0
        """How often the configuration was taken over."""
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
            whole = False
            try:
                self._files = {file: Watched(found) for file, found in (await self._digests()).items()}
                settings = await asyncio.to_thread(self._read)
                fixed = [name for name, value in FIXED.items() if value(settings) != value(self._settings)]
                if fixed:
                    raise SettingsError([f"{name}: another value needs a restart" for name in fixed])  # noqa: TRY301
                changes = await self._take(settings)
                whole = True
            except SettingsError as error:
                whole = True  # refused whole
                self._telemetry.config_good.set(0)
                self._log.error("configuration refused", **first_mistakes(error.mistakes))
                raise
            finally:
                if not whole:  # a crash, perhaps in the middle of it: the same files are to be tried again
                    self._files = {file: Watched() for file in self._files}
                    self._telemetry.config_good.set(0)
            self._settings = settings
            self._worked()
            self._log.info("configuration reloaded", **job_numbers(changes), **job_names(changes))
            return changes

    async def run(self, asked: asyncio.Event) -> None:
        """Reload whenever it is *asked* for, until cancelled."""
        while True:
            await asked.wait()
            asked.clear()
            await self.reload_quietly()

    async def watch(self) -> None:
        """Reload whenever the file, or a ``ca_file``, holds something else than what was tried last, until cancelled.

        One that is gone or cannot be read may be in the middle of being replaced, for some looks. Secrets look after
        themselves.
        """
        unreadable: Counter[Path] = Counter()
        while True:
            changed = False
            for file, found in (await self._digests()).items():
                if found is not None:
                    unreadable[file] = 0
                    changed |= self._files.setdefault(file, Watched(found)).changed(found)
                else:
                    unreadable[file] += 1
                    changed |= unreadable[file] == _REPLACED
            if changed:
                await self.reload_quietly()
            await asyncio.sleep(LOOK)

    async def _digests(self) -> dict[Path, bytes | None]:
        """Read all files that are watched now."""
        authorities = {each.ca_file for each in self._settings.projects.values()}
        files = [file for file in {self._path, *authorities} if file is not None]
        return {file: await asyncio.to_thread(digest, file) for file in files}

    async def reload_quietly(self) -> None:
        """Reload; the outcome is in the log."""
        try:
            await self.reload()
        except SettingsError:
            return  # it was logged

    def _worked(self) -> None:
        self.revision += 1
        self._telemetry.config_good.set(1)
        self._telemetry.config_time.set(self._clock.now())
