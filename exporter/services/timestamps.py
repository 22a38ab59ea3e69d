"""Times as text: only one that names its zone, or one whose zone the operator named, becomes a timestamp.

Both functions return Unix seconds, ``None`` for a time that can be read but stands in no known zone, and raise
``ValueError`` for a text that is no time.
"""

import re
from datetime import UTC, datetime, timedelta, timezone, tzinfo
from typing import Final

ISO: Final = re.compile(r"\d{4}-\d{2}-\d{2}[T ]\d{2}:\d{2}:\d{2}(?:[.,]\d{1,9})?\s?(?:Z|[+-]\d{2}:?\d{2})?", re.ASCII)
JAVA: Final = re.compile(r"[A-Z][a-z]{2} ([A-Z][a-z]{2}) (\d{1,2}) (\d{2}):(\d{2}):(\d{2}) (\S+) (\d{4})", re.ASCII)
OFFSET: Final = re.compile(r"(?:GMT|UTC)([+-])(\d{2}):?(\d{2})", re.ASCII)
MONTHS: Final = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")


def iso_time(text: str, zone: tzinfo | None) -> float | None:
    """Read DWS's ``2022-11-09T20:25:00`` and ``2025-05-19 09:06:18.0``, also with an offset."""
    if not ISO.fullmatch(text):
        raise ValueError(text)
    return _seconds(datetime.fromisoformat(text.replace(",", ".").replace(" +", "+").replace(" Z", "Z")), zone)


def java_time(text: str, zone: tzinfo | None) -> float | None:
    """Read Java's ``Mon Jul 27 17:24:03 CST 2020``.

    The letters of the zone are ambiguous (CST is +08:00 in Shanghai and -06:00 in Chicago), so only UTC and
    offsets are believed; for all others *zone* counts.
    """
    found = JAVA.fullmatch(text)
    if found is None or found[1] not in MONTHS:
        raise ValueError(text)
    _, day, hour, minute, second, letters, year = found.groups()
    naive = datetime(  # noqa: DTZ001 - the zone is decided below
        int(year), MONTHS.index(found[1]) + 1, int(day), int(hour), int(minute), int(second)
    )
    return _seconds(naive.replace(tzinfo=_zone(letters)), zone)


def _zone(letters: str) -> tzinfo | None:
    if letters in {"UTC", "GMT", "Z"}:
        return UTC
    offset = OFFSET.fullmatch(letters)
    if offset is None:
        return None
    ahead = timedelta(hours=int(offset[2]), minutes=int(offset[3]))
    return timezone(ahead if offset[1] == "+" else -ahead)


def _seconds(moment: datetime, zone: tzinfo | None) -> float | None:
    if moment.year < 1970:
        raise ValueError(moment)
    if moment.tzinfo is None:
        if zone is None:
            return None
        moment = moment.replace(tzinfo=zone)
        if moment.utcoffset() != moment.replace(fold=1).utcoffset():
            return None  # the hour that the change of the clocks repeats or leaves out: which one it is was not said
    seconds = moment.timestamp()
    if seconds < 0:
        raise ValueError(moment)
    return seconds
