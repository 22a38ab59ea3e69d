"""Reads the fields of a response, and checks that it is about the requested job.

Every field is optional and nullable, and a number may be sent as text. A missing value is absent. A value that cannot
be read, is negative, not finite or outside its scale is absent too, and its name is noted, so that an invalid field
costs only itself and can be counted. :mod:`exporter.services.values` and :mod:`exporter.services.timestamps` define
numbers, words and times.

A list of more than :data:`MOST_ROWS` rows is noted as unreadable, because a part of it must not be taken for all of it.
"""

import json
import unicodedata
from collections.abc import Collection, Mapping
from datetime import tzinfo
from typing import Any, Final

from exporter.model.errors import PollError
from exporter.model.job import comparable
from exporter.model.reason import Reason
from exporter.model.snapshot import State
from exporter.services import timestamps
from exporter.services.values import NOT_SAID, SHORT, clean, exact, meaning, number, said

_LARGEST: Final = 2**63 - 1
"""The vendor's longest type is Long."""
MOST_ROWS: Final = 3000
"""Rows of one list in one answer: sub-jobs, runs, jobs. The vendor's pages have 100."""
LONGEST_ID: Final = 512
"""Characters of an id; the vendor's longest name has 240."""
_FLAGS: Final = {"true": True, "false": False}


class Fields:
    """The fields of one JSON object; what cannot be read is appended to *unknown* as ``prefix`` + name.

    *zone* is how to read times that name none. *absent* is the number by which the service says that there is none.
    """

    __slots__ = ("_noted", "_prefix", "absent", "data", "unknown", "zone")

    def __init__(
        self,
        data: Mapping[str, Any],
        unknown: list[str] | None = None,
        prefix: str = "",
        zone: tzinfo | None = None,
        absent: float | None = None,
    ) -> None:
        self.data = data
        self.unknown: list[str] = [] if unknown is None else unknown
        self._prefix = prefix
        self.zone = zone
        self.absent = absent
        self._noted: tuple[str, ...] = ()

    def unreadable(self, name: str) -> None:
        """Note that the field *name* says something that cannot be read: once, however often it is looked at."""
        if name not in self._noted:
            self._noted += (name,)
            self.unknown.append(self._prefix + name)

    def row(self, data: Mapping[str, Any], prefix: str = "") -> "Fields":
        """Return the fields of another object of the same answer; what they note begins with *prefix*."""
        return Fields(data, self.unknown, self._prefix + prefix, self.zone, self.absent)

    def apart(self, data: Mapping[str, Any]) -> "Fields":
        """Return the fields of another object of the same answer, which note for themselves."""
        return Fields(data, zone=self.zone, absent=self.absent)

    def within(self, name: str, prefix: str = "") -> "Fields":
        """Return the fields of the object *name*, none if it is not said; what they note begins with *prefix*."""
        return self.row(self.object(name) or {}, prefix)

    def only(self, names: Collection[str]) -> dict[str, Any]:
        """Return the fields *names* that are there, as they came."""
        return {name: self.data[name] for name in names if name in self.data}

    def check_job(self, names: Mapping[str, str], target: Mapping[str, str]) -> None:
        """Raise :class:`PollError` of reason ``payload`` if these fields are of another job than *target*.

        *names* says which field of the answer repeats which part of the target.
        """
        if not self.of_job(names, target):
            raise PollError(Reason.PAYLOAD, "the answer is about another job than the requested one")

    def of_job(self, names: Mapping[str, str], target: Mapping[str, str]) -> bool:
        """Whether these fields name the job that was asked for, or none."""
        for field, part in names.items():
            reported = self.data.get(field)
            if reported is not None and self.text(field) is not None and not _same(reported, target[part]):
                return False
        return True

    def amount(self, name: str, *, full: float = _LARGEST, suffix: str = "") -> float | None:
        """Read a number that cannot be negative nor above *full*; *suffix* may follow one that is sent as text."""
        value = self.data.get(name)
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
        if read == self.absent:
            return None
        if not 0 <= read <= full:
            self.unreadable(name)
            return None
        return read

    def count(self, name: str) -> int | None:
        """Read how many there are of something, as :meth:`amount` does: a whole number."""
        value = self.data.get(name)
        if type(value) is int and 0 <= value <= _LARGEST:
            return value  # by far the most
        read = self.amount(name)
        if read is None:
            return None
        if not float(read).is_integer():
            self.unreadable(name)
            return None
        return int(read)

    def moment(self, name: str) -> float | None:
        """Read a moment as Unix seconds, in any form that :mod:`exporter.services.timestamps` knows."""
        value = self.data.get(name)
        if value is None or not said(value):
            return None
        try:
            return timestamps.moment(value, self.zone, self.absent)
        except ValueError:
            self.unreadable(name)
            return None

    def text(self, name: str) -> str | None:
        """Read a text; a number or a flag becomes its JSON text."""
        value = self.data.get(name)
        if value is None:
            return None
        if isinstance(value, str):
            text = clean(value)
            return None if text in NOT_SAID else text
        if isinstance(value, bool | int | float):
            return json.dumps(value)
        self.unreadable(name)
        return None

    def id(self, name: str) -> str | None:
        """Read an id: a text that is opaque, but not without end, and whole: of a part of it nothing can be known."""
        value = self.data.get(name)
        text = None if value is None else self.text(name)
        if text is not None and (len(text) > LONGEST_ID or (isinstance(value, str) and not exact(value))):
            self.unreadable(name)
            return None
        return text

    def state(self, name: str, word: str, table: Mapping[str, State]) -> tuple[State, str]:
        """Return what *word*, read from the field *name*, means by *table*, and how a label may tell it.

        A word that is not in the table is noted; its label is ``other``, because it could be anything.
        """
        state = meaning(word, table)
        if state is None:
            self.unreadable(name)
            return State.UNKNOWN, "other"
        return state, word

    def flag(self, name: str) -> bool | None:
        """Read true or false, also as text."""
        value = self.data.get(name)
        if isinstance(value, bool) or not said(value):
            return value if isinstance(value, bool) else None
        read = _FLAGS.get(value.strip().lower()) if isinstance(value, str) and len(value) <= SHORT else None
        if read is None:
            self.unreadable(name)
        return read

    def word(self, name: str) -> str | None:
        """Read the word that tells the state, ``None`` if it is not said.

        A word of another type than text leaves the state unreadable: a :class:`PollError` of reason ``payload``.
        """
        value = self.data.get(name)
        if not said(value):
            return None
        if not isinstance(value, str):
            raise PollError(Reason.PAYLOAD, f"the field {name} of the answer is not text, so the state is unknown")
        return clean(value)

    def objects(self, name: str) -> list[dict[str, Any] | None] | None:
        """Read a list of objects; an item that is no object stays in its place as ``None``, and is noted.

        A list of more than :data:`MOST_ROWS` rows is noted once, and unreadable as a whole.
        """
        value = self.data.get(name)
        if not said(value):
            return None
        if not isinstance(value, list) or len(value) > MOST_ROWS:
            self.unreadable(name)
            return None
        items = [item if isinstance(item, dict) else None for item in value]
        self.unknown += [self._prefix + name] * items.count(None)
        return items

    def items(self, name: str) -> list[int] | None:
        """Read a list of whole numbers."""
        value = self.data.get(name)
        if value is None or not said(value):
            return None
        if not isinstance(value, list) or not set(map(type, value)) <= {int}:
            self.unreadable(name)
            return None
        return value

    def object(self, name: str) -> dict[str, Any] | None:
        """Read an object."""
        value = self.data.get(name)
        if value is None or not said(value):
            return None
        if not isinstance(value, dict):
            self.unreadable(name)
            return None
        return value


def _same(reported: object, asked: str) -> bool:
    """Whether the *reported* value is the *asked* one, whatever the case of an id and the Unicode form of a name.

    The service may have stripped spaces around the name; a space that was not asked for makes it another name.
    """
    text = unicodedata.normalize("NFC", reported if isinstance(reported, str) else json.dumps(reported))
    names = {unicodedata.normalize("NFC", name) for name in (asked, clean(asked))}
    return text in names or comparable(text) == comparable(asked)
