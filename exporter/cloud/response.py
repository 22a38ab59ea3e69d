"""A complete response, and the times in its headers."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

from exporter.model.units import LONGEST_WAIT

_ABSURD: Final = 3600.0
"""Seconds. No limit of the vendor's is counted over a longer time, so a longer ``Retry-After`` is ignored."""
_KEPT: Final = ("age", "retry-after", "date", "x-request-id")
"""The headers that anything reads."""
_VALUE_LIMIT: Final = 200
"""Characters of a header that are kept: a request id reaches the log and the page."""

_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Response:
    """A whole answer, whatever its status."""

    status: int
    body: bytes = field(repr=False)
    """Decoded, so without the compression of the wire."""
    headers: Mapping[str, str] = field(repr=False)
    """Those of :data:`_KEPT` that came, by lower-case name, without control characters; those that the caller asked
    for besides are as they came."""
    seconds: float
    """From the start of the call to the end of the answer."""


def kept_headers(headers: Mapping[str, str], keep: Iterable[str] = ()) -> dict[str, str]:
    """Return the headers of :data:`_KEPT`, fit to be shown, and those of *keep* as they came.

    *headers* finds names in any case.
    """
    shown = {name: _printable(value) for name in _KEPT if (value := headers.get(name)) is not None}
    return shown | {name: headers[name] for name in keep if name in headers} if keep else shown


def _printable(text: str) -> str:
    """Cut what a server sent to what a log line can hold: its first 200 characters, without control characters."""
    text = text[:_VALUE_LIMIT]
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def retry_after(headers: Mapping[str, str], now: float) -> float | None:
    """Return the seconds that the Retry-After of an answer asks to wait, at most :data:`LONGEST_WAIT`.

    ``None`` if it says nothing of use: it cannot be read, lies in the past or is absurd. It is a number of seconds or
    an HTTP date (RFC 9110, 10.2.3). The date is one of the server's clock, so it is read against the answer's own
    Date; only where there is none against ours, *now*, in Unix seconds.
    """
    text = headers.get("retry-after", "").strip()
    if _SECONDS.fullmatch(text):
        wait: float | None = float(text)  # a number too long for a float is infinite, and so absurd
    else:
        skew = server_skew(headers.get("date"), now) or 0.0
        wait = server_skew(text, now + skew)
    return min(wait, LONGEST_WAIT) if wait is not None and 0 < wait <= _ABSURD else None


def cached_for(headers: Mapping[str, str]) -> float:
    """Return how many seconds ago a cache got the answer; 0 if it comes from the server itself (RFC 9111, 5.1)."""
    text = headers.get("age")
    return float(text) if text is not None and _SECONDS.fullmatch(text := text.strip()) else 0.0


def server_skew(value: str | None, now: float) -> float | None:
    """Return how many seconds the moment of a Date header is ahead of *now*; ``None`` if it cannot be read."""
    try:
        moment = parsedate_to_datetime(value or "")
        # An HTTP date is in GMT, also where it does not say so.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        # The parser was made for mail and raises any of these for hostile text.
        return None
