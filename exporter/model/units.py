"""Parses and writes durations, rates and sizes: ``1h30m`` is 5400 seconds, ``120/m`` is 2 calls a second."""

import re
from decimal import Decimal
from typing import Final

from exporter.model.messages import Expected

LONGEST_WAIT: Final = 600.0
"""Seconds after which a call tries at the latest, whatever a server asks for: it may mean it otherwise, or err."""

THROTTLE_WAIT: Final = 60.0
"""Seconds to wait after a throttled call whose answer gives no time: the vendor's limits are per minute."""

UNITS: Final = {"d": 86_400_000, "h": 3_600_000, "m": 60_000, "s": 1000, "ms": 1}
"""Milliseconds."""
_LONGEST: Final = 3650 * UNITS["d"]
_SIZES: Final = {"GiB": 1 << 30, "MiB": 1 << 20, "KiB": 1 << 10, "B": 1}
_SIZE: Final = re.compile(r"([0-9]{1,9})(GiB|MiB|KiB|B)")
_NUMBER: Final = r"([0-9]{1,12}(?:\.[0-9]{1,6})?)"
_DURATION: Final = re.compile("".join(f"(?:{_NUMBER}{unit})?" for unit in UNITS))
_RATE: Final = re.compile(_NUMBER + r"/([smh])")
_UNITLESS: Final = re.compile(r"[0-9]+(\.[0-9]+)?")
_OTHER_UNIT: Final = re.compile(r"[0-9.,]+ ?[A-Za-z]+")
_UNIT_NAMES: Final = f"{', '.join([*UNITS][:0:-1])} and {next(iter(UNITS))}"


def seconds(text: str) -> float:
    """Read a duration in seconds. Raises ``ValueError`` with what was expected."""
    if text == "0":
        return 0.0
    if _UNITLESS.fullmatch(text):
        raise ValueError(f'expected a duration with its unit, such as {text[:12]}s, not "{text[:80]}"')
    match = _DURATION.fullmatch(text)
    if match is None or not text:
        units = f" (the units are {_UNIT_NAMES})" if _OTHER_UNIT.fullmatch(text) else ""
        raise Expected(f"a duration such as 30s or 5m{units}", text)
    parts = zip(match.groups(), UNITS.values(), strict=True)
    milliseconds = sum((Decimal(part) * unit for part, unit in parts if part is not None), Decimal(0))
    if milliseconds > _LONGEST:
        raise Expected("a duration of at most 3650d", text)
    return float(milliseconds / 1000)


def duration_text(value: float) -> str:
    """Write seconds as a duration, the longest units first; exact to the millisecond."""
    rest = round(value * 1000)
    text = ""
    for unit, size in UNITS.items():
        count, rest = divmod(rest, size)
        text += f"{count}{unit}" if count else ""
    return text or "0s"


def rate(text: str) -> float:
    """Read a rate in calls a second. Raises ``ValueError`` with what was expected."""
    match = _RATE.fullmatch(text)
    if match is None or not (count := Decimal(match[1])):
        raise Expected("a rate such as 5/s or 120/m", text)
    return float(count * 1000 / UNITS[match[2]])


def size(text: str) -> int:
    """Read a size in bytes. Raises ``ValueError`` with what was expected."""
    match = _SIZE.fullmatch(text)
    if match is None and text != "0":
        raise Expected(f"a size such as 32MiB (the units are {', '.join(_SIZES)})", text)
    return 0 if match is None else int(match[1]) * _SIZES[match[2]]


def size_text(value: int) -> str:
    """Write a size in the largest unit of which it is a whole number."""
    unit = next(unit for unit, size in _SIZES.items() if value % size == 0)
    return f"{value // _SIZES[unit]}{unit}" if value else "0"
