"""Parses times in all forms that the vendor uses: into Unix seconds with millisecond precision.

A time may be milliseconds since 1970, as a number or as text, ``2022-11-09T20:25:00`` or, to the minute, ``2022-11-09
20:25`` (DWS), or Java's ``Mon Jul 27 17:24:03 CST 2020`` (DLI). A text without an offset becomes a timestamp only if
the operator configured the time zone.
"""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from functools import lru_cache
from typing import Final

from exporter.services.values import NUMBER, number

_EARLIEST: Final = datetime(2010, 1, 1, tzinfo=UTC)
"""None of the services is older. What is earlier is a mistake, most often seconds that pass for milliseconds."""
_LATEST: Final = datetime(2100, 1, 1, tzinfo=UTC)
"""What is later is a mistake, or a word for "never" (the year 9999)."""
_EPOCH: Final = datetime(1970, 1, 1)  # noqa: DTZ001 - as it is written where nobody set a time
_LONGEST: Final = 64
_ISO: Final = re.compile(
    r"(\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}(?::\d{2})?)(?:(?<=:\d{2}:\d{2})[.,](\d{1,9}))?"
    r"\s?([+-]\d{2}(?::?\d{2})?|[A-Z]{1,5}(?:[+-]\d{2}:?\d{2})?)?",
    re.ASCII,
)
_JAVA: Final = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d{1,2}) (\d{2}:\d{2}:\d{2}) (\S+) (\d{4})", re.ASCII)
_OFFSET: Final = re.compile(r"(?:GMT|UTC)?([+-])(\d{2})(?::?(\d{2}))?", re.ASCII)
_MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_UNLETTERED: Final[Mapping[str, tuple[int, ...]]] = {
    "AST": (3, -4),
    "BRT": (-3,),
    "CLST": (-3,),
    "CLT": (-4,),
    "CST": (8, -6),
    "GST": (4,),
    "ICT": (7,),
    "MYT": (8,),
    "SGT": (8,),
    "TRT": (3,),
}
"""Hours that Java's letters stand for, for zones that the time zone database gives no letters."""


def moment(value: object, zone: tzinfo | None = None, absent: float | None = None) -> float | None:
    """Read a moment; ``ValueError`` if it is none, or one that no run can have.

    ``None`` is a moment that is not said (0, the midnight that 0 is written as, and *absent*, by which a service says
    that there is none), or one that stands in no known zone: *zone* is for texts that name no offset.
    """
    if isinstance(value, str):
        text = value.strip()
        if len(text) > _LONGEST:
            raise ValueError(text[:_LONGEST])
        if not NUMBER.fullmatch(text):
            return _written(text, zone)
    read = number(value)
    return None if read == absent else _seconds(read)


def _seconds(milliseconds: float) -> float | None:
    if milliseconds == 0:
        return None
    if not _EARLIEST.timestamp() * 1000 <= milliseconds < _LATEST.timestamp() * 1000:
        raise ValueError(milliseconds)
    return round(milliseconds) / 1000


@lru_cache(maxsize=4096)
def _written(text: str, zone: tzinfo | None) -> float | None:
    """Read a written time; those of a run come again with each answer about it."""
    naive, letters, millisecond = _parts(text)
    if naive == _EPOCH and letters in {"", "Z", "UTC", "GMT"}:
        return None
    exact = _placed(naive, letters, zone)
    if exact is not None:
        return _seconds(round(exact.timestamp()) * 1000 + millisecond)
    if not _EARLIEST.year <= naive.year < _LATEST.year:
        raise ValueError(text)
    return None


def _parts(text: str) -> tuple[datetime, str, int]:
    """Return the time without its zone, what is written of the zone, and the milliseconds."""
    if found := _ISO.fullmatch(text):
        return datetime.fromisoformat(found[1]), found[3] or "", round(float(f"0.{found[2] or 0}") * 1000)
    found = _JAVA.fullmatch(text)
    if found is None or found[1] not in _MONTHS:
        raise ValueError(text)
    month, day, clock, letters, year = found.groups()
    return datetime.fromisoformat(f"{year}-{_MONTHS.index(month) + 1:02}-{int(day):02}T{clock}"), letters, 0


def _placed(naive: datetime, letters: str, zone: tzinfo | None) -> datetime | None:
    """Return the exact time, ``None`` where no zone is known."""
    if letters in {"UTC", "GMT", "Z"}:
        return naive.replace(tzinfo=UTC)
    if offset := _OFFSET.fullmatch(letters):
        ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3] or 0))
        return naive.replace(tzinfo=timezone(ahead if offset[1] == "+" else -ahead))
    if zone is None:
        return None
    if letters:
        return _lettered(naive, letters, zone)
    there = naive.replace(tzinfo=zone)
    # In the hour that the change of the clocks repeats or leaves out nobody said which one it is.
    return there if there.utcoffset() == there.replace(fold=1).utcoffset() else None


def _lettered(naive: datetime, letters: str, zone: tzinfo) -> datetime:
    """Return the time in *zone*, by the *letters* that it has there; ``ValueError`` if the zone never has them.

    CST is +08:00 in Shanghai and -06:00 in Chicago, so letters alone say nothing, but in a zone they tell summer from
    winter.
    """
    there = naive.replace(tzinfo=zone)
    for near in (there, there.replace(fold=1)):
        if near.tzname() == letters:
            return near
    for month in range(1, 13):
        other = datetime(naive.year, month, 1, tzinfo=zone)
        if other.tzname() == letters:
            return naive.replace(tzinfo=timezone(other.utcoffset() or timedelta()))
    hours = [timedelta(hours=each) for each in _UNLETTERED.get(letters, ())]
    if (there.tzname() or "").isalpha() or there.utcoffset() not in hours:
        raise ValueError(letters)
    return there
