"""Reading files that somebody else writes: regular files only, and never more than a caller wants."""

import errno
import os
import stat
from pathlib import Path
from typing import Final

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
    """Return up to *most* bytes of a regular file; raises ``OSError``. Call it in a thread: a disk may hang."""
    with open(open_regular(path), "rb") as file:
        return file.read(most)


def _refuse(mode: int, path: Path) -> None:
    if not stat.S_ISREG(mode):
        raise NotRegularError(mode, path)
