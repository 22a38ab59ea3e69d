"""A mistake in the configuration: its place, and what was expected there."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Final, TypeAlias

from exporter.model.messages import printable

ENVIRONMENT: Final = "environment"
Path: TypeAlias = tuple[str | int, ...]
"""The keys, and the numbers in lists, that lead to a setting."""


@dataclass(frozen=True, slots=True)
class SourcePosition:
    """Where something is written."""

    source: str
    """The file as the operator named it, or ``environment``."""
    line: int = 0
    """Counted from 1; 0 if there is none."""
    variable: str = ""
    """The environment variable, or the flag."""
    folder: FilePath = FilePath()
    """What a relative path written here is relative to."""
    path: Path = ()
    """The setting that the variable stands for: a mistake in just that one need not repeat it."""

    def __str__(self) -> str:
        if self.variable:
            return f"{self.source}: {self.variable}"
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True, slots=True)
class Mistake:
    """One sentence about one setting."""

    place: SourcePosition
    path: Path
    sentence: str
    lacks: tuple[Path, ...] = ()
    """The settings of which any would mend it, if it is about something that is not given."""
    meant: tuple[Path, ...] = ()
    """The settings that were most likely meant, if it is about a key that is not known."""

    def __str__(self) -> str:
        parts = [str(self.place), path_text(self.path), self.sentence]
        if not self.path or (self.place.variable and self.path == self.place.path):
            del parts[1]
        return printable(": ".join(parts))

    @property
    def order(self) -> tuple[bool, int]:
        """Sorts files before the environment, and by line within a file."""
        return self.place.source == ENVIRONMENT, self.place.line


def lines(mistakes: Iterable[Mistake]) -> list[str]:
    """Return a line for each mistake, in the order in which they are written, none twice.

    What is missing only because its key is misspelt, or stands elsewhere, is left out.
    """
    ordered = sorted(mistakes, key=lambda one: one.order)
    meant = {path[:length] for each in ordered for path in each.meant for length in range(1, len(path) + 1)}
    return list(dict.fromkeys(str(mistake) for mistake in ordered if meant.isdisjoint(mistake.lacks)))


def path_text(path: Path) -> str:
    """Write a path as the operator thinks of it: ``jobs[2].service``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")
