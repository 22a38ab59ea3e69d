"""Secrets that live in files and change under us.

A secret manager replaces its files at any moment. They are looked at with ``stat`` at most once a second, and read
together, so that a key and its secret come from the same rotation. What was read last stays in use while a file is
missing, empty or not text: it is in the middle of being replaced.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Final

from exporter.model.errors import PollError
from exporter.model.reason import Reason

LOOK_EVERY: Final = 1.0
"""Seconds between two looks at the files."""
SIZE_LIMIT: Final = 64 * 1024
"""Bytes; a secret is shorter, and a path mistyped to a device or a log must not be read whole."""

_Stamp = tuple[tuple[int, int, int], ...]


class SecretFiles:
    """A set of files whose contents belong together."""

    def __init__(self, paths: Sequence[Path]) -> None:
        self._paths = tuple(paths)
        self._contents: tuple[str, ...] | None = None
        self._generation = 0
        self._stamp: _Stamp = ()
        self._looked_at: float | None = None
        self._fault = ""

    def __repr__(self) -> str:
        return f"SecretFiles({[str(path) for path in self._paths]})"

    def contents(self, at: float) -> tuple[str, ...]:
        """Return the text of each file, in the order of the paths, without line breaks at its end.

        *at* is monotonic seconds. Raises :class:`~exporter.model.errors.PollError` of reason ``auth`` while the
        whole set was never read.
        """
        self._look_if_due(at)
        if self._contents is None:
            raise PollError(Reason.AUTH, self._fault)
        return self._contents

    def generation(self, at: float) -> int:
        """Return how often other contents were read; *at* is monotonic seconds."""
        self._look_if_due(at)
        return self._generation

    def look_again(self) -> None:
        """Let the next look not wait for its second."""
        self._looked_at = None

    def _look_if_due(self, at: float) -> None:
        if self._looked_at is None or at - self._looked_at >= LOOK_EVERY:
            self._looked_at = at
            self._look()

    def _look(self) -> None:
        try:
            stamp = self._stamps()
            if self._contents is not None and stamp == self._stamp:
                return
            contents = tuple(_read(path) for path in self._paths)
            if self._stamps() != stamp:
                # Replaced while we read, so the parts may not belong together: the next look takes them.
                self._fault = f"the secret files change while they are read: {self._named}"
                return
        except OSError as error:
            self._fault = f"cannot read the secret file {error.filename}: {error.strerror}; check path and rights"
            return
        except ValueError:
            self._fault = f"a secret file is empty, not text or longer than 64 KiB: {self._named}"
            return
        self._stamp = stamp
        if contents != self._contents:
            self._contents = contents
            self._generation += 1

    @property
    def _named(self) -> str:
        return ", ".join(str(path) for path in self._paths)

    def _stamps(self) -> _Stamp:
        stats = [path.stat() for path in self._paths]
        return tuple((stat.st_mtime_ns, stat.st_size, stat.st_ino) for stat in stats)


def _read(path: Path) -> str:
    """Read one secret; raises ``OSError`` or ``ValueError``."""
    with path.open("rb") as file:
        raw = file.read(SIZE_LIMIT + 1)
    text = raw.decode("utf-8-sig").rstrip("\r\n")
    if len(raw) > SIZE_LIMIT or not text.strip():
        raise ValueError(path)
    return text


def one_word(text: str, what: str, reason: Reason = Reason.AUTH) -> str:
    """Return *text* without white space around it, fit to be a header's value.

    *what* names it for the operator. Raises :class:`~exporter.model.errors.PollError` of *reason* if there is none,
    or if it holds a line break or another character that no key has.
    """
    word = text.strip()
    if not word:
        raise PollError(reason, f"the {what} is empty")
    if not (word.isascii() and word.isprintable()) or " " in word:
        raise PollError(reason, f"the {what} holds a line break, a space or another character that none has")
    return word
