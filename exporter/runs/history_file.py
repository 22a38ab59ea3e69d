"""Stores the past of all jobs in a file next to the journal, so that the page is not empty after a restart.

It is written rarely, because no counter depends on it: a crash loses the last half minute of what page and JSON show.
"""

import asyncio
from contextlib import suppress
from pathlib import Path
from typing import Final

import structlog

from exporter.clock import Clock
from exporter.runs.atomic_file import Disk, replace_whole
from exporter.runs.timeline_format import Saved, read_saved, saved_lines
from exporter.runs.timelines import Timelines

_ENDING: Final = ".history"
"""What the file's name has more than the journal's."""
_ASIDE: Final = ".unreadable"
_WRITTEN_EVERY: Final = 30.0
"""Seconds between two writes, at least."""
_SHARE: Final = 20
"""The pause after a write is also at least so many times as long as the write took."""


class HistoryFile:
    """Keeps *timelines* in a file beside *journal*, which is locked for this process."""

    def __init__(self, journal: Path, timelines: Timelines, clock: Clock, disk: Disk | None = None) -> None:
        self._path = journal.with_name(journal.name + _ENDING)
        self._timelines = timelines
        self._clock = clock
        self._disk = disk or Disk()
        self._written = -1
        self._failing = False
        self._log = structlog.get_logger()

    async def open(self) -> None:
        """Go on from what the file holds; without one, or if it cannot be read, history begins now."""
        try:
            text = await asyncio.to_thread(self._disk.read, self._path)
            saved = await asyncio.to_thread(read_saved, text)
        except FileNotFoundError:
            return
        except (OSError, ValueError) as error:
            with suppress(OSError):
                aside = self._path.with_name(self._path.name + _ASIDE)
                await asyncio.to_thread(self._disk.rename, self._path, aside)
            self._failed("the history of page and JSON starts again", error)
            return
        self._timelines.resume(saved.kept, saved.codes, saved.changes, saved.since, saved.saved)

    async def run(self) -> None:
        """Write what is new until cancelled."""
        while True:
            began = self._clock.monotonic()
            await self.write()
            await asyncio.sleep(max(_WRITTEN_EVERY, _SHARE * (self._clock.monotonic() - began)))

    async def write(self) -> None:
        """Write if anything is new."""
        timelines = self._timelines
        revision = timelines.revision
        if revision == self._written:
            return
        changes = tuple(timelines.changes)
        saved = Saved(timelines.since, self._clock.now(), timelines.codes, timelines.kept(), changes)
        try:
            await asyncio.to_thread(replace_whole, self._disk, self._path, saved_lines(saved))
        except OSError as error:
            if not self._failing:
                self._failed("the history of page and JSON will not survive a restart", error)
            self._failing = True
        else:
            self._written, self._failing = revision, False

    def _failed(self, problem: str, error: Exception) -> None:
        reason = error.strerror or "I/O error" if isinstance(error, OSError) else str(error)
        self._log.warning("history file failed", problem=problem, file=str(self._path), error=reason)
