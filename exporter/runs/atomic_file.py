"""Replaces a file atomically: after a crash at any moment either the old or the new content is complete."""

import fcntl
import os
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from exporter.local_files import open_regular, read_regular

_LARGEST = 1 << 30
"""Bytes of one file: far more than the journal of any number of jobs."""
NEW = ".new"
"""The end of the name under which a file is written before it takes the place of the old one."""
LOCK = ".lock"
"""The end of the name of the file that says that another one is in use."""


class Disk:
    """The machine's disk; each method is one step that either happened or did not. All raise :class:`OSError`."""

    def read(self, path: Path) -> bytes:
        """Return what a file holds."""
        return read_regular(path, _LARGEST)

    def create(self, path: Path) -> int:
        """Make an empty file that its owner alone may read, in the place of one that is there."""
        return open_regular(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def write(self, file: int, data: bytes) -> int:
        """Write some of *data* and return how much."""
        return os.write(file, data)

    def sync(self, file: int) -> None:
        """Return once what was written is on the disk, and not only on its way."""
        os.fsync(file)

    def close(self, file: int) -> None:
        """Let go of a file."""
        os.close(file)

    def rename(self, path: Path, other: Path) -> None:
        """Give a file another name, at once."""
        path.replace(other)

    def exists(self, path: Path) -> bool:
        """Return whether anything has the name."""
        return os.path.lexists(path)

    def remove(self, path: Path) -> None:
        """Take a file away."""
        path.unlink()

    def sync_folder(self, path: Path) -> None:
        """Return once the names in a folder are on the disk."""
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)

    def lock(self, path: Path) -> int | None:
        """Lock a file for this process until it ends or lets go; ``None`` if another one has it."""
        file = open_regular(path, os.O_RDWR | os.O_CREAT)
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(file)
            return None
        except OSError:
            os.close(file)
            raise
        return file


def replace_whole(disk: Disk, path: Path, parts: Iterable[bytes]) -> None:
    """Put *parts* into the file *path*; when this returns they are on the disk, before that the old content counts."""
    new = path.with_name(path.name + NEW)
    try:
        file = disk.create(new)
        try:
            for part in parts:
                rest = part
                while rest:
                    rest = rest[disk.write(file, rest) :]
            disk.sync(file)
        finally:
            disk.close(file)
        disk.rename(new, path)
        disk.sync_folder(path.parent)
    except OSError:
        with suppress(OSError):  # on a full disk half a journal is better gone
            disk.remove(new)
        raise
