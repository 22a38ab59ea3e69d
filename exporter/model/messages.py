"""Parts of messages about the configuration: the value as it is written, and the nearest known name."""

import difflib
from collections.abc import Iterable
from typing import Final

_LONGEST: Final = 80
"""Characters of a value that a mistake repeats."""

_MOST_NAMES: Final = 5
"""Names of jobs that a sentence lists, if none is near the one that is unknown."""

_ALIKE: Final = 0.7
"""How much of two words is to be the same for one to be a slip of the other, 0 to 1: SELECT is no slip of DELETE."""


def printable(text: str) -> str:
    """Escape what would break the line or the terminal: line breaks, control characters, halves of surrogates."""
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode("ascii") for char in text)


def quoted(value: object) -> str:
    """Return a value as it stands in a sentence: quoted, and cut if it is long."""
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    if value is None:
        return "nothing"
    text = printable(str(value))
    return f'"{text}"' if len(text) <= _LONGEST else f'"{text[:_LONGEST]}..."'


def nearest(word: str, known: Iterable[str]) -> str | None:
    """Return the known name that the operator most likely meant, if any is near; in whichever case it is written."""
    word, names = word.casefold(), {name.casefold(): name for name in known}
    if begun := [name for name in names if len(word) > 2 and name.startswith(word)]:
        return names[begun[0]]
    if alike := difflib.get_close_matches(word, names, n=1, cutoff=_ALIKE):
        return names[alike[0]]
    return next((name for low, name in names.items() if len(word) > 2 and _one_letter_apart(word, low)), None)


def _one_letter_apart(word: str, name: str) -> bool:
    """Whether the two differ in one letter: too little is the same of short words for :data:`_ALIKE`."""
    return len(word) == len(name) and sum(ours != theirs for ours, theirs in zip(word, name, strict=True)) == 1


def instead(word: str, known: Iterable[str]) -> str:
    """Return the end of a sentence about an unknown name: the nearest known one, else all of them."""
    names = sorted(known)
    if near := nearest(word, names):
        return f'; did you mean "{near}"?'
    return f"; known are {', '.join(names)}" if names else ""


def other_jobs(word: str, names: Iterable[str]) -> str:
    """Return the end of the sentence about an unknown job: those it may be a slip or a part of, else a few."""
    names = sorted(set(names))
    near = difflib.get_close_matches(word, names, n=3) or [name for name in names if word.casefold() in name.casefold()]
    if near:
        return f"; did you mean {' or '.join(map(repr, near[:3]))}?"
    more = f" and {len(names) - _MOST_NAMES} more" if len(names) > _MOST_NAMES else ""
    return f"; known are {', '.join(map(repr, names[:_MOST_NAMES]))}{more}" if names else ""


class Expected(ValueError):  # noqa: N818 -- the sentence starts with this word
    """A value that is not what its setting takes."""

    def __init__(self, what: str, value: object) -> None:
        super().__init__(f"expected {what}, not {quoted(value)}")
