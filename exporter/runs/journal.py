"""The journal: the ledgers of all jobs in one file that survives a restart. Counters are shown once they are in it.

The new file is written next to the old one and replaces it when it is on disk, so after a crash one of them is
complete. An unreadable file is renamed and never overwritten. An error here stops no poll.
"""

import asyncio
import errno
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import chain, count
from pathlib import Path
from typing import Final

import structlog

from exporter.clock import Clock, steady_time
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import ExporterError
from exporter.model.frozen import replace
from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.model.run import Ledger
from exporter.runs import counters, journal_format, transitions
from exporter.runs.atomic_file import LOCK, Disk, replace_whole
from exporter.runs.write_pace import WRITE_INTERVAL, WritePace
from exporter.services.adapter import Adapter

_PARTS: Final = 1 << 16
"""Bytes that are written at once."""
_PATIENCE: Final = 10.0
"""Seconds to wait for another process to let go of the journal: one that stops needs less."""


class Journal:
    """Keeps the ledgers of the store's jobs in the file *path*.

    What it holds of a job that nothing registers any more is kept for *retention* seconds, so that a job which comes
    back goes on where it was, and the file does not grow for ever.
    """

    def __init__(
        self,
        path: Path,
        retention: float,
        store: JobStore,
        clock: Clock,
        telemetry: Telemetry,
        disk: Disk | None = None,
    ) -> None:
        self.retention = retention
        self._path = path
        self._store = store
        self._clock = clock
        self._steady = steady_time(clock)
        self._telemetry = telemetry
        self._disk = disk or Disk()
        self._lock: int | None = None
        self._gone: dict[JobKey, journal_format.JournalEntry] = {}
        self._unclaimed: frozenset[JobKey] = frozenset()  # what was there at the start and may yet be registered
        self._all_read: Callable[[], bool] = lambda: True
        self._held: dict[JobKey, Ledger] = {}  # what the file holds
        self._changed = False  # whether something else in it is news
        self._writing = asyncio.Lock()
        self._pace = WritePace(str(path))
        telemetry.watch_journal(self._pace.seconds)
        self._failing = False
        self._in_the_way = False  # a file that is not ours to write over, and not set aside yet
        self._log = structlog.get_logger()

    async def open(self) -> None:
        """Read the file; raises :class:`ExporterError` if another process uses it and goes on to."""
        await self._take()
        try:
            text = await asyncio.to_thread(self._disk.read, self._path)
            entries = await asyncio.to_thread(journal_format.read_journal, text)
        except FileNotFoundError:
            # if there was no folder to lock it in, the folder may come with the journal of a process before
            self._in_the_way = self._lock is None
            return
        except (OSError, journal_format.ForeignError) as error:
            await self._set_aside(error)
            return
        now = self._steady()
        for entry in entries:
            since = now if entry.gone is None else min(entry.gone, now)
            self._gone[entry.key] = replace(entry, gone=since)
            self._held[entry.key] = entry.ledger
        self._unclaimed = frozenset(self._gone)
        self._log.info("journal read", file=str(self._path), jobs=len(entries))

    def wait_for(self, all_read: Callable[[], bool]) -> None:
        """Keep all that was there at the start until *all_read*: a source may be down for longer than *retention*."""
        self._all_read = all_read

    def resume(self, record: Record, adapter: Adapter) -> Record:
        """Return the record of a job that is registered now, with what is kept of it, unless that is of another job."""
        job = record.job
        entry = self._gone.pop(job.key, None)
        self._changed = True
        if entry is None or entry.project != job.project or not adapter.same_job(entry.target, job.target):
            self._held.pop(job.key, None)
            return replace(record, journaled=True)
        return transitions.resumed(record, entry.ledger, self._held.get(job.key), adapter)

    def leave(self, record: Record) -> None:
        """Note that a job is registered no more."""
        self._unclaimed -= {record.job.key}
        self._gone[record.job.key] = journal_format.JournalEntry.of(record.job, record.ledger, self._steady())
        self._changed = True

    async def run(self) -> None:
        """Write what is new until cancelled."""
        while True:
            await asyncio.sleep(self._pace.pause)
            await self.write()

    async def write(self) -> None:
        """Write if anything is new, and then show it; a failure is logged and counted."""
        await asyncio.shield(asyncio.ensure_future(self._write()))  # a thread that writes cannot be called back

    async def close(self) -> None:
        """Write a last time, and let go of the file."""
        await self.write()
        if self._lock is not None:
            self._disk.close(self._lock)
            self._lock = None

    async def _write(self) -> None:
        async with self._writing:
            records, gone = list(self._store.records()), self._still_kept()
            if not self._changed and all(record.ledger is self._held.get(record.job.key) for record in records):
                return
            self._changed = False
            try:
                with self._pace.timed():
                    await asyncio.to_thread(self._replace, records, gone)
            except OSError as error:
                self._changed = True
                if not self._failing:
                    self._failed("the journal cannot be written; counters stand still until it can", error)
                else:
                    self._telemetry.journal_errors.inc()
                self._failing = True
            else:
                await self._wrote(records, gone)

    def _replace(self, records: Sequence[Record], gone: Sequence[journal_format.JournalEntry]) -> None:
        """Write the file, in a thread; raises ``OSError``."""
        if self._lock is None:  # there was no folder, or no lock to be had, and that may be over
            self._lock_late()
        if self._in_the_way:  # what could not be read may be read by another, or another time
            with suppress(FileNotFoundError):
                self._rename()
        replace_whole(self._disk, self._path, _parts(records, gone))
        self._in_the_way = False

    def _lock_late(self) -> None:
        try:
            self._lock = self._disk.lock(self._path.with_name(self._path.name + LOCK))
        except OSError:
            return  # it was logged at the start, and where there are no locks the journal is written without
        if self._lock is None:
            raise OSError(errno.EBUSY, "another process uses it; give each exporter, and each shard, its own")

    def _still_kept(self) -> list[journal_format.JournalEntry]:
        """Return what is kept of jobs that are gone, and forget those that are gone for too long."""
        oldest = self._steady() - self.retention
        if self._unclaimed and self._all_read():
            self._unclaimed = frozenset()
        old = [key for key, entry in self._gone.items() if entry.gone is not None and entry.gone < oldest]
        for key in old:
            if key in self._unclaimed:
                continue
            del self._gone[key]
            self._changed = True
        return list(self._gone.values())

    async def _wrote(self, records: Sequence[Record], gone: Sequence[journal_format.JournalEntry]) -> None:
        """Show what is on the disk now."""
        self._held = {entry.key: entry.ledger for entry in gone}
        self._held |= {record.job.key: record.ledger for record in records}
        self._telemetry.journal_wrote(self._clock.now())
        if self._failing:
            self._failing = False
            self._log.info("journal works again", file=str(self._path))
        for record in records:
            now = self._store.get(record.job.key)
            if now is None:
                continue
            if now.registration_id != record.registration_id:  # it is another one meanwhile, which the next write shows
                if (now.job.project, now.job.target) != (record.job.project, record.job.target):
                    self._held.pop(record.job.key, None)  # of the next run too, or there might be no next write
                continue
            written = record.ledger.bucketed(now.ledger.bounds)  # a reload may have changed them meanwhile
            if (now.runs, now.took) != (written.runs, written.took) or now.totals != written.totals:
                self._store.put(counters.with_ledger(now, written))
                await asyncio.sleep(0)  # after a full disk it may be all of them

    async def _take(self) -> None:
        """Lock the file, so that no two processes undo each other's totals."""
        path = self._path.with_name(self._path.name + LOCK)
        until = self._clock.monotonic() + _PATIENCE
        try:
            self._lock = await asyncio.to_thread(self._disk.lock, path)
            while self._lock is None and self._clock.monotonic() < until:
                await asyncio.sleep(WRITE_INTERVAL / 10)
                self._lock = await asyncio.to_thread(self._disk.lock, path)
        except OSError as error:
            self._failed("the journal cannot be locked against another process that uses it", error)
            return
        if self._lock is None:
            raise ExporterError(
                f"another process uses the journal {self._path}; give each exporter, and each shard, its own"
            )

    async def _set_aside(self, error: Exception) -> None:
        """Begin again, and keep what is there under another name; a folder is none of ours."""
        try:
            if isinstance(error, OSError) and error.errno == errno.EISDIR:
                raise error
            aside = await asyncio.to_thread(self._rename)
        except OSError as failure:
            self._in_the_way = failure.errno != errno.EISDIR
            self._failed("the journal can neither be read nor set aside; counters begin at 0", failure)
        else:
            self._failed("the journal cannot be read and is set aside; counters begin at 0", error, aside=str(aside))

    def _rename(self) -> Path:
        """Give the file a name that nothing has; raises ``OSError``."""
        name = f"{self._path.name}.{self._clock.now():.0f}"
        for number in count():
            aside = self._path.with_name(f"{name}{f'-{number}' if number else ''}.aside")
            if not self._disk.exists(aside):
                self._disk.rename(self._path, aside)
                return aside
        raise AssertionError

    def _failed(self, problem: str, error: Exception, **more: str) -> None:
        """Count a failure and tell it."""
        self._telemetry.journal_errors.inc()
        reason = error.strerror or "I/O error" if isinstance(error, OSError) else str(error)
        self._log.error("journal failed", problem=problem, file=str(self._path), error=reason, **more)


def _parts(records: Iterable[Record], gone: Iterable[journal_format.JournalEntry]) -> Iterator[bytes]:
    """Yield the text, the lines of many jobs together."""
    there = (journal_format.JournalEntry.of(record.job, record.ledger) for record in records)
    part = bytearray()
    for line in journal_format.written(chain(there, gone)):
        part += line
        if len(part) >= _PARTS:
            yield bytes(part)
            part.clear()
    if part:
        yield bytes(part)
