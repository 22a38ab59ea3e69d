"""Reading a vendor's JSON: everything optional, nullable, and a number may come as text.

*Not said* is: missing, null, ``""``, ``"N/A"``, and what a service uses as its own mark (CDM's -1). It is absent.
Anything else that cannot be read, is negative, not finite or outside its scale is absent too, and noted by name, so
that a bad field costs only itself and can be counted.
"""

import json
import re
from collections.abc import Mapping
from functools import lru_cache
from math import isfinite
from typing import Any, Final

from exporter.model.errors import PollError
from exporter.model.reason import Reason

NUMBER: Final = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,3})?")
WHOLE: Final = re.compile(r"[+-]?[0-9]{1,300}")
NOT_SAID: Final = frozenset({"", "N/A"})
LATEST_MILLISECOND: Final = 253_402_300_799_999
"""The last millisecond of the year 9999: a greater date is a mistake, not a date."""
LARGEST: Final = 2**63 - 1
"""The vendor's longest type is Long."""
SHORT_BODY: Final = 64 * 1024
"""Bytes of an answer that is read without a look at how much it holds."""
VALUES_LIMIT: Final = 100_000
"""Values of one answer: these are read in 50 ms; the vendor's greatest page holds a quarter of it."""
SHORT: Final = 64
"""Characters of a text that is likely to come again: a word, a user, a stage's name."""
FLAGS: Final = {"true": True, "false": False}


def document(body: bytes) -> dict[str, Any]:
    """Return the JSON object that *body* is; anything else is a :class:`PollError` of reason ``payload``."""
    try:
        data = json.loads(body) if len(body) <= SHORT_BODY else _long(body)
    except (
        ValueError,
        RecursionError,
    ) as error:  # not JSON, not UTF-8, a number without end, nested without end
        raise PollError(Reason.PAYLOAD, "the answer is not JSON") from error
    if not isinstance(data, dict):
        raise PollError(Reason.PAYLOAD, "the answer is JSON, but not an object")
    return data


def _long(body: bytes) -> object:
    """Read a long answer, unless it holds so many values that this would take long and much memory."""
    if _values(body) > VALUES_LIMIT:
        # text may be full of commas: only what stands between the texts counts
        quotes = body.count(b'"')
        plain = [] if quotes > 4 * VALUES_LIMIT else body.replace(b"\\\\", b"").replace(b'\\"', b"").split(b'"')[::2]
        if not plain or _values(b"".join(plain)) > VALUES_LIMIT:
            raise PollError(Reason.PAYLOAD, f"the answer holds more than {VALUES_LIMIT} values")
    return json.loads(body, parse_int=_whole)


def _values(body: bytes) -> int:
    return sum(map(body.count, (b",", b"[", b"{")))


def _whole(text: str) -> float:
    """Read a whole number; one of thousands of digits would take long, and is none that anybody means."""
    return int(text) if len(text) <= 300 else float("inf")


def clean(text: str) -> str:
    """Strip *text* and replace what UTF-8 cannot say (JSON can escape half a surrogate pair).

    Of short texts, which come again and again, one copy is kept in memory.
    """
    return _one_copy(text) if len(text) <= SHORT else _clean(text)


def _clean(text: str) -> str:
    return (text if text.isascii() else text.encode("utf-8", "replace").decode()).strip()


_one_copy = lru_cache(maxsize=4096)(_clean)


def said(value: object) -> bool:
    """Whether a field says anything at all."""
    return value is not None and not (isinstance(value, str) and clean(value) in NOT_SAID)


def number(value: object) -> float:
    """Read a finite number, also one sent as text; ``ValueError`` if it is none.

    A whole number stays whole: small ones cost no memory, and page and JSON show them as they were sent.
    """
    if isinstance(value, str) and NUMBER.fullmatch(value.strip()):
        text, value = value.strip(), float(value)
        if value.is_integer():
            value = int(text) if WHOLE.fullmatch(text) else int(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise ValueError(value)  # noqa: TRY004 - whatever the type, it is an unreadable value
    try:
        finite = isfinite(value)
    except OverflowError as error:
        raise ValueError(value) from error
    if not finite:
        raise ValueError(value)
    return value


class Fields:
    """The fields of one JSON object; what cannot be read is appended to *unknown* as ``prefix`` + name."""

    __slots__ = ("_data", "_prefix", "_unknown")

    def __init__(self, data: Mapping[str, Any], unknown: list[str], prefix: str = "") -> None:
        self._data = data
        self._unknown = unknown
        self._prefix = prefix

    def unreadable(self, name: str) -> None:
        """Note that the field *name* says something that cannot be read."""
        self._unknown.append(self._prefix + name)

    def amount(
        self, name: str, *, full: float = LARGEST, absent: float | None = None, suffix: str = ""
    ) -> float | None:
        """Read a number that cannot be negative nor above *full*.

        *absent* is the service's mark for "not said"; *suffix* is a sign that may follow a number sent as text.
        """
        value = self._data.get(name)
        if type(value) is int and 0 <= value <= full:
            return value  # by far the most
        if not said(value):
            return None
        if suffix and isinstance(value, str):
            value = value.strip().removesuffix(suffix).rstrip()
        try:
            read = number(value)
        except ValueError:
            self.unreadable(name)
            return None
        if read == absent:
            return None
        if not 0 <= read <= full:
            self.unreadable(name)
            return None
        return read + 0  # a negative zero is zero

    def moment(self, name: str) -> float | None:
        """Read a time in milliseconds since 1970, number or text, as Unix seconds; -1 is "not said"."""
        read = self.amount(name, full=LATEST_MILLISECOND, absent=-1)
        return None if read is None else read / 1000

    def text(self, name: str) -> str | None:
        """Read a text; a number or a flag becomes its JSON text."""
        value = self._data.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            text = clean(value)
            return None if text in NOT_SAID else text
        if isinstance(value, bool | int | float):
            return json.dumps(value)
        self.unreadable(name)
        return None

    def flag(self, name: str) -> bool | None:
        """Read true or false, also as text."""
        value = self._data.get(name)
        if isinstance(value, bool) or not said(value):
            return value if isinstance(value, bool) else None
        read = FLAGS.get(value.strip().lower()) if isinstance(value, str) else None
        if read is None:
            self.unreadable(name)
        return read

    def word(self, name: str) -> str | None:
        """Read the word that tells the state, ``None`` if it is not said.

        A word of another type than text leaves the state unreadable: a :class:`PollError` of reason ``payload``.
        """
        value = self._data.get(name)
        if not said(value):
            return None
        if not isinstance(value, str):
            raise PollError(Reason.PAYLOAD, f"the field {name} of the answer is not text, so the state is unknown")
        return clean(value)

    def objects(self, name: str) -> list[dict[str, Any] | None] | None:
        """Read a list of objects; an item that is none stays in its place as ``None``, and is noted."""
        value = self._data.get(name)
        if not said(value):
            return None
        if not isinstance(value, list):
            self.unreadable(name)
            return None
        items: list[dict[str, Any] | None] = []
        for item in value:
            if not isinstance(item, dict):
                self.unreadable(name)
            items.append(item if isinstance(item, dict) else None)
        return items

    def items(self, name: str) -> list[int] | None:
        """Read a list of whole numbers."""
        value = self._data.get(name)
        if not said(value):
            return None
        if not isinstance(value, list) or not all(type(item) is int for item in value):
            self.unreadable(name)
            return None
        return value

    def object(self, name: str) -> dict[str, Any] | None:
        """Read an object."""
        value = self._data.get(name)
        if not said(value):
            return None
        if not isinstance(value, dict):
            self.unreadable(name)
            return None
        return value
