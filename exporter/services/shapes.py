"""The usual form of ids, if the vendor shows any. Ids are opaque, so another form is only a warning, never an error."""

import re
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_DIGITS: Final = 32
"""Hexadecimal digits of a UUID."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One way to write a UUID."""

    words: str
    """What it is, as in "is not ..."."""
    groups: tuple[int, ...]
    """Digits between two dashes."""

    def fits(self, text: str) -> bool:
        """Whether *text* looks so, in small letters or capitals."""
        return re.fullmatch("-".join(f"[0-9a-fA-F]{{{number}}}" for number in self.groups), text) is not None

    def nearest(self, text: str) -> str:
        """Return *text* written so, where it has the digits of a UUID and no more; else nothing."""
        digits = re.sub(r"[\s\"'{}()-]", "", text).lower()
        if not re.fullmatch(f"[0-9a-f]{{{_DIGITS}}}", digits):
            return ""
        ends = [sum(self.groups[:place]) for place in range(len(self.groups) + 1)]
        return "-".join(digits[start:end] for start, end in pairwise(ends))


UUID: Final = Shape("a UUID", (8, 4, 4, 4, 12))
PLAIN: Final = Shape(f"{_DIGITS} hexadecimal digits", (_DIGITS,))
