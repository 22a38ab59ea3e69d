"""A mistake in the configuration: where it is, what was expected, and the known name that comes nearest."""

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path as FilePath
from typing import Final, TypeAlias

ENVIRONMENT: Final = "environment"
LONGEST: Final = 80
"""Characters of a value that a mistake repeats."""

Path: TypeAlias = tuple[str | int, ...]
"""The keys, and the numbers in lists, that lead to a setting."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where something is written."""

    source: str
    """The file as the operator named it, or ``environment``."""
    line: int = 0
    """Counted from 1; 0 if there is none."""
    variable: str = ""
    """The environment variable."""
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

    place: Place
    path: Path
    sentence: str

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
    """Return a line for each mistake, in the order in which they are written, none twice."""
    return list(dict.fromkeys(str(mistake) for mistake in sorted(mistakes, key=lambda one: one.order)))


def path_text(path: Path) -> str:
    """Write a path as the operator thinks of it: ``jobs[2].service``."""
    text = "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return text.removeprefix(".")


def printable(text: str) -> str:
    """Escape what would break the line or the terminal: line breaks, control characters, halves of surrogates."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def shown(value: object) -> str:
    """Return a value as it stands in a sentence: quoted, and cut if it is long."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    text = printable(str(value))
    return f'"{text}"' if len(text) <= LONGEST else f'"{text[:LONGEST]}..."'


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that the operator most likely meant, if any is near."""
    return next(iter(difflib.get_close_matches(word, list(known), n=1)), None)


def instead(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: the nearest known one, else all of them."""
    names = sorted(known)
    if near := nearest(word, names):
        return f'; did you mean "{near}"?'
    return f"; known are {', '.join(names)}" if names else ""


class Expected(ValueError):  # noqa: N818 -- the sentence starts with this word
    """A value that is not what its setting takes."""

    def __init__(self, what: str, value: object) -> None:
        super().__init__(f"expected {what}, not {shown(value)}")
