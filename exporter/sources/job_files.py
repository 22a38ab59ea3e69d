"""Watches the job files by checking them regularly, because the kernel does not report all changes: patterns, swapped
links, network file systems.

A file is read when two checks in a row found it unchanged, so a file that is being written is rarely read half. A file
that is missing loses its jobs at the second check, so a file that is being replaced does not. A file that cannot be
read keeps the jobs of its last valid content.
"""

import asyncio
import glob
import os
import stat
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from pathlib import Path
from typing import Final

import structlog

from exporter.config import Settings, job_file
from exporter.config.patterns import matches, printable_path
from exporter.local_files import Stamp, Watched, stamp
from exporter.logs import first_mistakes
from exporter.metrics.telemetry import Telemetry
from exporter.model.changes import STATIC
from exporter.model.errors import SettingsError
from exporter.model.job import Job
from exporter.services import registry
from exporter.sources.job_set import JobSet

_LOOK: Final = 0.5
"""Seconds between two looks."""
_RESTLESS: Final = 2
"""Looks in a row after which a file that never stands still is read all the same."""
_NO_FILE: Final = "expected an ordinary file; of a directory name the files, such as jobs.d/*.yaml"
_CRASHED: Final = "the exporter failed to read the file; its log says where"


@dataclass(slots=True)
class _File:
    watched: Watched[Stamp] = field(default_factory=Watched)
    digest: bytes = b""
    mistakes: tuple[str, ...] = ()
    """Those of the content with that digest."""
    jobs: int = 0
    """Those of its last good content."""
    good: bool = False
    logged: tuple[bytes, tuple[str, ...]] | None = None
    missing: bool = False


class JobFiles:
    """The files that ``job_files`` names; *register* takes what each holds now, nothing of one that is gone."""

    def __init__(
        self,
        settings: Settings,
        telemetry: Telemetry,
        register: Callable[[Mapping[str, Sequence[Job]]], None],
        every: float = _LOOK,
    ) -> None:
        self._next: Settings | None = None  # what the next look goes by
        # of the thread that looks, and of nobody else while it does:
        self._patterns = settings.job_files
        self._projects = job_file.known_projects(settings)
        self._telemetry = telemetry
        self._register = register
        self._every = every
        self._files: dict[str, _File] = {}
        self._unmatched: set[str] = set()  # patterns that were logged as matching nothing
        self._first = True
        self._narrowed = False  # whether a file may be there that no pattern names any more
        self._found: dict[str, Sequence[Job]] = {}
        # of the event loop:
        self._all_read = True
        self._log = structlog.get_logger()

    def use(self, settings: Settings) -> None:
        """Use other settings from the next check on: the same file may mean something else under them."""
        self._next = settings

    def all_read(self) -> bool:
        """Return whether what each file that is there holds is registered."""
        return self._all_read

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await asyncio.sleep(self._every)
            await self.look()

    async def look(self) -> None:
        """Read what changed, in a thread because a file system may take its time, and register it all at once.

        What was found is taken only from a look that is over, and given up only once it is registered.
        """
        settings, self._next = self._next, None
        looking = asyncio.ensure_future(asyncio.to_thread(self._look, settings))
        await asyncio.wait({looking})
        self._all_read = all(file.good for file in self._files.values())
        if self._found:
            self._register(self._found)
            self._found = {}
        await looking  # it may have crashed

    def _go_by(self, settings: Settings) -> None:
        self._narrowed |= settings.job_files != self._patterns
        self._patterns = settings.job_files
        self._projects = job_file.known_projects(settings)
        for file in self._files.values():
            file.watched, file.digest = Watched(), b""

    def _look(self, settings: Settings | None) -> None:
        if settings is not None:
            self._go_by(settings)
        matching = self._matching()
        if self._narrowed:
            self._narrowed = False
            for path in [path for path in self._files if path not in matching]:
                self._files[path].missing = True
                self._miss(path)
        for path in sorted(self._files.keys() | matching):
            self._visit(path)
        self._first = False

    def _matching(self) -> set[str]:
        found: set[str] = set()
        for pattern in self._patterns:
            paths = matches(pattern)
            if not paths and pattern not in self._unmatched:
                self._unmatched.add(pattern)
                self._log.info("no job file", pattern=printable_path(pattern))
            found.update(paths)
        return found

    def _visit(self, path: str) -> None:
        try:
            status = os.stat(path)  # noqa: PTH116 - a link counts as what it leads to, and a look should cost little
        except (FileNotFoundError, NotADirectoryError):
            self._miss(path)
            return
        except OSError as error:
            self._judge(path, (f"{printable_path(path)}: the file cannot be read: {error.strerror}",))
            return
        if not stat.S_ISREG(status.st_mode):
            if glob.escape(path) in self._patterns:
                self._judge(path, (f"{printable_path(path)}: {_NO_FILE}",))
            else:
                self._miss(path)
            return
        self._notice(path, status)

    def _notice(self, path: str, status: os.stat_result) -> None:
        """Read a file if it may hold anything new."""
        file = self._files.setdefault(path, _File())
        file.missing = False
        changed, moves = file.watched.changed(stamp(status)), file.watched.moves
        if changed or self._first or moves > _RESTLESS or not (moves or file.good):
            self._judge(path, self._read(path, file))

    def _read(self, path: str, file: _File) -> tuple[str, ...]:
        """Take over what a file holds; return what is wrong with it."""
        try:
            data = job_file.job_file_bytes(path, printable_path(path))
        except FileNotFoundError:
            return file.mistakes  # the next look finds it missing
        except SettingsError as error:
            return error.mistakes
        digest = blake2b(data).digest()
        if digest != file.digest:
            file.digest, file.mistakes = (
                digest,
                (f"{printable_path(path)}: {_CRASHED}",),
            )  # unless what follows says better
            try:
                jobs = job_file.read_job_file(data, printable_path(path), self._projects)
            except SettingsError as error:
                file.mistakes = error.mistakes
            else:
                self._found[path], file.jobs, file.mistakes = jobs, len(jobs), ()
        return file.mistakes

    def _judge(self, path: str, mistakes: tuple[str, ...]) -> None:
        """Tell how the reading went, once for each content."""
        file = self._files.setdefault(path, _File())
        file.good, file.missing = not mistakes, False
        self._telemetry.job_files.labels(printable_path(path)).set(file.good)
        outcome = (file.digest, mistakes)
        if outcome == file.logged:
            return
        file.logged = outcome
        if mistakes:
            self._log.warning("job file refused", file=printable_path(path), **first_mistakes(mistakes))
        else:
            self._log.info("job file read", file=printable_path(path), jobs=file.jobs)

    def _miss(self, path: str) -> None:
        """Forget a file that is not there, unless it was at the last look."""
        file = self._files.get(path)
        if file is None:
            return
        if not file.missing:
            file.missing = True
            return
        del self._files[path]
        self._found[path] = ()
        if file.logged is not None:
            self._telemetry.job_files.remove(printable_path(path))
            self._log.info("job file gone", file=printable_path(path))


def all_jobs(settings: Settings) -> tuple[tuple[Job, ...], tuple[str, ...]]:
    """Return all jobs that are registered at this moment, and what is wrong with the job files."""
    projects = job_file.known_projects(settings)
    found: dict[str, Sequence[Job]] = {STATIC: settings.jobs}
    mistakes: list[str] = []
    for path in sorted({path for pattern in settings.job_files for path in matches(pattern)}):
        try:
            if Path(path).is_file():
                found[path] = job_file.read_job_file(
                    job_file.job_file_bytes(path, printable_path(path)), printable_path(path), projects
                )
            elif glob.escape(path) in settings.job_files:
                mistakes.append(f"{printable_path(path)}: {_NO_FILE}")
        except FileNotFoundError:
            continue
        except SettingsError as error:
            mistakes += error.mistakes
        except OSError as error:
            mistakes.append(f"{printable_path(path)}: cannot be read: {error.strerror}")
    jobs = JobSet(registry.load_services())
    problems = jobs.update(found).problems
    return tuple(jobs.jobs().values()), (*mistakes, *problems)
