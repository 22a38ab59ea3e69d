"""Reads local files that another process writes, and detects their changes.

Only regular files are read, and never more than the caller's limit. A change counts when two checks in a row have found
the same stamp, because the file may be half written before. All of this can hang with the disk, so call it in a thread.
"""

import errno
import os
import stat
from hashlib import blake2b
from pathlib import Path
from typing import Final, Generic, TypeAlias, TypeVar

Stamp: TypeAlias = tuple[int, ...]
LOOK: Final = 1.0
"""Seconds between two looks."""
_COMPARED: Final = 64 << 20
"""Bytes of a file that tell it from another: as many as a configuration file may have."""
_T = TypeVar("_T")

KINDS: Final = (
    (stat.S_ISDIR, "a directory"),
    (stat.S_ISFIFO, "a named pipe"),
    (stat.S_ISSOCK, "a socket"),
    (stat.S_ISCHR, "a device"),
    (stat.S_ISBLK, "a device"),
)


class NotRegularError(OSError):
    """The path leads to something that is no regular file; the text says what it is, and the remedy."""

    def __init__(self, mode: int, path: Path) -> None:
        kind = next((kind for matches, kind in KINDS if matches(mode)), "something else")
        remedy = "the file in it" if stat.S_ISDIR(mode) else "a regular file"
        self.sentence = f"this is {kind}; name {remedy}"
        super().__init__(errno.EISDIR if stat.S_ISDIR(mode) else errno.EINVAL, self.sentence, str(path))


def open_regular(path: Path, flags: int = os.O_RDONLY) -> int:
    """Open a regular file and return its descriptor; raises ``OSError``.

    Nothing else is opened for long: a named pipe would block until somebody writes, a device may do anything. What is
    no regular file is refused before it is opened, and again after, because it may be replaced in between.
    """
    try:
        _refuse(os.stat(path).st_mode, path)  # noqa: PTH116 - links are followed, as by open
    except FileNotFoundError:
        if not flags & os.O_CREAT:
            raise
    file = os.open(path, flags | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY, 0o600)
    try:
        _refuse(os.fstat(file).st_mode, path)
    except OSError:
        os.close(file)
        raise
    return file


def read_regular(path: Path, most: int) -> bytes:
    """Return up to *most* bytes of a regular file; raises ``OSError``."""
    with open(open_regular(path), "rb") as file:
        return file.read(most)


def stamp(status: os.stat_result) -> Stamp:
    """Return what changes when a file does; the time of its status too, for a file that may be read now."""
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def digest(path: Path | None) -> bytes | None:
    """Return what tells the content of a file from another; ``None`` if it cannot be read, or there is none."""
    try:
        return blake2b(read_regular(path, _COMPARED), digest_size=16).digest() if path else None
    except OSError:
        return None


class Watched(Generic[_T]):
    """A file, or files that belong together, of which each look finds a fingerprint: a stamp or a digest.

    *taken* is the fingerprint of what was read last, if anything was.
    """

    def __init__(self, taken: _T | None = None) -> None:
        self._taken = taken
        self._last = taken
        self.moves = 0
        """Looks in a row that each found another fingerprint."""

    def changed(self, now: _T) -> bool:
        """Return whether *now* is new and was found by the look before too; if so, it counts as taken from then on."""
        self.moves = 0 if now == self._last else self.moves + 1
        self._last = now
        if self.moves or now == self._taken:
            return False
        self._taken = now
        return True


def _refuse(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise NotRegularError(mode, path)
