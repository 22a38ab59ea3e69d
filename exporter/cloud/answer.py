"""A whole answer of the vendor's, and what its headers say of time."""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Final

LONGEST_WAIT: Final = 3600.0
"""Seconds; no server's Retry-After is obeyed for longer."""
KEPT: Final = ("content-type", "retry-after", "date", "x-request-id")
"""The headers that anything reads."""
VALUE_LIMIT: Final = 200
"""Characters of a header that are kept: a request id reaches the log and the page."""

_SECONDS = re.compile(r"[0-9]+(?:\.[0-9]+)?")


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, whatever its status."""

    status: int
    body: bytes = field(repr=False)
    """Decoded, so without the compression of the wire."""
    headers: Mapping[str, str] = field(repr=False)
    """Those of :data:`KEPT` that came, by lower-case name, without control characters; those that the caller asked
    for besides are as they came."""
    seconds: float
    """From the start of the call to the end of the answer."""


def kept_headers(headers: Mapping[str, str], keep: Iterable[str] = ()) -> dict[str, str]:
    """Return the headers of :data:`KEPT`, fit to be shown, and those of *keep* as they came.

    *headers* finds names in any case.
    """
    shown = {name: printable(value) for name in KEPT if (value := headers.get(name)) is not None}
    return shown | {name: headers[name] for name in keep if name in headers} if keep else shown


def printable(text: str) -> str:
    """Cut what a server sent to what a log line can hold: its first 200 characters, without control characters."""
    text = text[:VALUE_LIMIT]
    return text if text.isprintable() else "".join(filter(str.isprintable, text))


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks to wait: 0 to 3600, or ``None`` if it says nothing readable.

    It is a number of seconds or an HTTP date (RFC 9110, 10.2.3), which is compared with *now*, in Unix seconds.
    """
    text = (value or "").strip()
    # A number too long for a float is infinite, and bounded below.
    wait = float(text) if _SECONDS.fullmatch(text) else server_skew(text, now)
    return None if wait is None else min(max(wait, 0.0), LONGEST_WAIT)


def server_skew(value: str | None, now: float) -> float | None:
    """Return how many seconds the moment of a Date header is ahead of *now*; ``None`` if it cannot be read."""
    try:
        moment = parsedate_to_datetime(value or "")
        # An HTTP date is in GMT, also where it does not say so.
        return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp() - now
    except (ValueError, TypeError, OverflowError, IndexError):
        # The parser was made for mail and raises any of these for hostile text.
        return None
