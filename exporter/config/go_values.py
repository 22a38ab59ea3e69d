"""Numbers, switches and durations as Go parses them in YAML, so that a file for other exporters means the same here.

Numbers in a base other than ten are not accepted, because they are probably mistakes.
"""

import re
from decimal import Decimal
from typing import Final

from exporter.model.messages import Expected

_UNITS: Final = {
    "ns": 1,
    "us": 1000,
    "µs": 1000,
    "μs": 1000,
    "ms": 10**6,
    "s": 10**9,
    "m": 60 * 10**9,
    "h": 3600 * 10**9,
}
"""Nanoseconds."""
_PART: Final = re.compile(rf"([0-9]+\.?[0-9]*|\.[0-9]+)({'|'.join(sorted(_UNITS, key=len, reverse=True))})")
_NUMBER: Final = re.compile(r"[-+]?(?:0|[1-9][0-9]*)(?:\.[0-9]*)?(?:[eE][-+]?[0-9]{1,3})?|[-+]?\.[0-9]+")
_LARGEST: Final = 2**63 - 1
_SWITCHES: Final = {
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}


def go_switch(text: str) -> bool:
    """Read a switch. Raises ``ValueError``."""
    if text not in _SWITCHES:
        raise Expected("true or false", text)
    return _SWITCHES[text]


def go_whole(text: str) -> int:
    """Read a whole number; what stands behind a point is dropped. Raises ``ValueError``."""
    if not _NUMBER.fullmatch(text) or abs(found := int(Decimal(text))) > _LARGEST:
        raise Expected("a whole number", text)
    return found


def go_duration(text: str) -> float:
    """Read a duration in seconds; a number without unit is one of nanoseconds. Raises ``ValueError``."""
    if _NUMBER.fullmatch(text):
        return go_whole(text) / 1e9
    sign, rest, nanoseconds = (-1 if text[:1] == "-" else 1), text[text[:1] in ("-", "+") :], 0
    if not rest or _PART.sub("", rest):
        raise Expected("a duration such as 100ms, 5s or 1h30m", text)
    for number, unit in _PART.findall(rest):
        nanoseconds += int(Decimal(number) * _UNITS[unit])
    if nanoseconds > _LARGEST:
        raise Expected("a duration of at most 2562047h", text)
    return sign * nanoseconds / 1e9
