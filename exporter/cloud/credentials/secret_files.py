"""Secrets in files that may change at any time.

A secret manager may replace its files at any moment. They are checked with ``stat`` at most once a second and read
together, so that a key and its secret come from the same rotation. While a file is missing, empty or not text, the
previous content stays in use, because the file is probably being replaced. After a refused call the new key is needed
at once. So a changed file is read without waiting for a second check (unlike :class:`exporter.local_files.Watched`); it
must have the same stamp before and after reading. A thread does this, because a disk may hang; a call waits at most one
second for it and then uses the previous content.
"""

import asyncio
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from exporter.config.files import SECRET_LIMIT, secret_text
from exporter.local_files import LOOK, Stamp, read_regular, stamp
from exporter.model.errors import PollError
from exporter.model.reason import Reason

_PATIENCE: Final = 1.0
"""Seconds that a call waits for a look, from its beginning."""


class _Look(NamedTuple):
    """What a check of the files found."""

    contents: tuple[str, ...] | None = None
    """``None`` if they are as they were, or cannot be read."""
    stamps: Sequence[Stamp] = ()
    fault: str = ""


class SecretFiles:
    """A set of files whose contents belong together; *monotonic* is the clock for their looks, in seconds."""

    def __init__(self, paths: Sequence[Path], monotonic: Callable[[], float]) -> None:
        self._paths = tuple(paths)
        self._monotonic = monotonic
        self._contents: tuple[str, ...] | None = None if paths else ()
        self._generation = 0
        self._stamps: Sequence[Stamp] = ()
        self._due_at = float("-inf")  # when the next look may begin
        self._looking: asyncio.Future[_Look] | None = None
        self._fault = f"the secret files are not read yet: {self._named}"

    def __repr__(self) -> str:
        return f"SecretFiles({[str(path) for path in self._paths]})"

    @property
    def known(self) -> tuple[str, ...] | None:
        """What was read last, ``None`` before."""
        return self._contents

    async def contents(self) -> tuple[str, ...]:
        """Return the text of each file, in the order of the paths, without line breaks at its end.

        Raises :class:`~exporter.model.errors.PollError` of reason ``auth`` while the whole set was never read.
        """
        self._look_if_due()
        await self._looked()
        if self._contents is None:
            raise PollError(Reason.AUTH, self._fault)
        return self._contents

    @property
    def generation(self) -> int:
        """How often the contents became others; to ask for it lets a look begin that is due."""
        self._look_if_due()
        return self._generation

    async def look_again(self) -> None:
        """Look now, and not after a second."""
        await self._looked()
        self._due_at = float("-inf")
        self._look_if_due()
        await self._looked()

    async def _looked(self) -> None:
        """Return when the look that is under way is over, or has taken too long to be waited for."""
        if self._looking is not None:
            left = self._due_at - LOOK + _PATIENCE - self._monotonic()
            await asyncio.wait({self._looking}, timeout=max(left, 0.0))

    def _look_if_due(self) -> None:
        now = self._monotonic()
        if not self._paths or self._looking is not None:
            return
        if now >= self._due_at:
            self._due_at = now + LOOK
            before = self._stamps if self._contents is not None else None
            self._looking = asyncio.get_running_loop().run_in_executor(None, self._look, before)
            self._looking.add_done_callback(self._take)

    def _take(self, looking: "asyncio.Future[_Look]") -> None:
        """Take over what a look found."""
        self._looking = None
        if looking.cancelled() or looking.exception() is not None:
            return
        found = looking.result()
        if found.fault:
            self._fault = found.fault
        elif found.contents is not None:
            self._stamps = found.stamps
            if found.contents != self._contents:
                self._generation += self._contents is not None
                self._contents = found.contents

    def _look(self, before: Sequence[Stamp] | None) -> _Look:
        """Read the files unless they are as they were *before*; runs in a thread."""
        try:
            stamps = self._stamped()
            if stamps == before:
                return _Look()
            contents = tuple(_read(path) for path in self._paths)
            if self._stamped() == stamps:
                return _Look(contents, stamps)
            # Replaced while we read, so the parts may not belong together: the next look takes them.
            fault = f"the secret files change while they are read: {self._named}"
        except OSError as error:
            fault = f"cannot read the secret file {error.filename}: {error.strerror}; check path and rights"
        except ValueError as error:
            fault = f"a secret file cannot be used: {self._named}: {error}"
        return _Look(fault=fault)

    @property
    def _named(self) -> str:
        return ", ".join(str(path) for path in self._paths)

    def _stamped(self) -> list[Stamp]:
        return [stamp(path.stat()) for path in self._paths]


def _read(path: Path) -> str:
    """Read one secret; raises ``OSError`` or ``ValueError``."""
    return secret_text(read_regular(path, SECRET_LIMIT + 1))


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
