"""Parses one value of a response: missing or not, a number, a text, a word. All services use these functions.

*Missing* means: no key, null, ``""``, ``"N/A"``, and a marker of the service (CDM's -1).
"""

import re
from collections.abc import Collection, Mapping
from decimal import Decimal
from functools import lru_cache
from math import copysign, isfinite
from typing import Final, TypeVar

NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
_WHOLE: Final = re.compile(r"[+-]?[0-9]{1,300}")
_HALF: Final = re.compile("[\ud800-\udfff]")
LONGEST_NUMBER: Final = 400
"""Characters of a number that is sent as text."""
NOT_SAID: Final = frozenset({"", "N/A"})
SHORT: Final = 64
"""Characters of a text that is likely to come again: a word, a user, a stage's name."""
LONGEST_TEXT: Final = 65_536
"""Characters of a text that are read. Page and JSON show 300 of them, so nobody misses the rest."""
DOUBLED: Final = object()
"""The value of a name that one object of an answer has twice, with different values: nothing can read it."""
_V = TypeVar("_V")


def clean(text: str) -> str:
    """Strip *text* and replace what UTF-8 cannot say (JSON can escape half a surrogate pair).

    Of short texts, which come again and again, one copy is kept in memory.
    """
    return _one_copy(text) if len(text) <= SHORT else _clean(text[:LONGEST_TEXT])


def _clean(text: str) -> str:
    return (text if text.isascii() else text.encode("utf-8", "replace").decode()).strip()


_one_copy = lru_cache(maxsize=4096)(_clean)


def exact(text: str) -> bool:
    """Whether a text came as it was meant: half a character stands for bytes that cannot be read, or were cut."""
    return text.isascii() or not _HALF.search(text)


def said(value: object) -> bool:
    """Whether a field says anything at all."""
    return value is not None and not (isinstance(value, str) and len(value) <= SHORT and clean(value) in NOT_SAID)


def number(value: object) -> float:
    """Read a finite number, also one sent as text; ``ValueError`` if it is none.

    A whole number stays whole: small ones cost no memory, and page and JSON show them as they were sent.
    """
    if isinstance(value, str) and len(value) <= LONGEST_NUMBER and NUMBER.fullmatch(value.strip()):
        text, value = value.strip(), float(value)
        if value.is_integer() and not _minus_zero(value):
            value = int(text) if _WHOLE.fullmatch(text) else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(value)  # noqa: TRY004 - whatever the type, it is an unreadable value
    try:
        finite = isfinite(value)
    except OverflowError as error:
        raise ValueError(value) from error
    if not finite or _minus_zero(value):
        raise ValueError(value)
    return value


def _minus_zero(value: float) -> bool:
    """Whether it is -0.0, which is no amount: nobody counts down to it."""
    return value == 0 and copysign(1, value) < 0


def hundredth(percent: float) -> float:
    """Return a percentage as a ratio, as a person would write it: 9.7 is 0.097 and not 0.09699999999999999."""
    return float(Decimal(repr(percent)).scaleb(-2))


def meaning(word: str, table: Mapping[str, _V]) -> _V | None:
    """Return what a vendor's word means by *table*, whose keys are in upper case; ``None`` if it is not in it.

    Only ASCII letters have two cases here: in Unicode ``ﬁnished`` (with a ligature) would become FINISHED.
    """
    return table.get(word.upper()) if word.isascii() else None


def among(reported: str | None, asked: Collection[str]) -> bool:
    """Whether the word that is *reported* is among those *asked* for, in any case; a missing word counts as asked for.

    With no words all are asked for.
    """
    return reported is None or not asked or reported.lower() in {clean(word).lower() for word in asked}
