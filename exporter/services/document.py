"""A body as JSON, within bounds: an answer of more than :data:`VALUES_LIMIT` values is not read at all.

Reading JSON holds up everything else in the process, even in a thread, so what it may cost is bounded before it begins.
"""

import json
import re
from typing import Any, Final

from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services.values import LONGEST_NUMBER

VALUES_LIMIT: Final = 100_000
"""Values, objects and lists in one answer; three thousand sub-jobs have 80,000."""
LARGE: Final = 65_536
"""Bytes from which an answer may hold enough of anything to cost much time."""
LONG: Final = re.compile(rb"[0-9]{4000}")
"""Digits that Python refuses to read as a number; the rest of such an answer is as good as any."""


def document(body: bytes) -> dict[str, Any]:
    """Return the JSON object that *body* is; anything else is a :class:`PollError` of reason ``payload``."""
    if _oversized(body):
        raise PollError(Reason.PAYLOAD, f"the answer holds more than {VALUES_LIMIT} values")
    try:
        data = parsed(body)
    except ValueError as error:
        raise PollError(Reason.PAYLOAD, "the answer is not JSON") from error
    if not isinstance(data, dict):
        raise PollError(Reason.PAYLOAD, "the answer is JSON, but not an object")
    return data


def parsed(body: bytes) -> object:
    """Return the JSON value that *body* is; ``ValueError`` if it is not JSON, not UTF-8, or nested without end."""
    try:
        # Reading a long number takes the square of its length, which matters where many of them fit.
        return json.loads(body, parse_int=_whole) if len(body) > LARGE or LONG.search(body) else json.loads(body)
    except RecursionError as error:
        raise ValueError("nested without end") from error


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= LONGEST_NUMBER else float("inf")


def _oversized(body: bytes) -> bool:
    """Whether *body* holds more than is read, without reading it: JSON of 8 MiB can be three million objects."""
    if len(body) <= LARGE or _parts(body) <= VALUES_LIMIT:
        return False
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 4 * VALUES_LIMIT:
        return True
    return _parts(b"".join(bare.split(b'"')[::2])) > VALUES_LIMIT  # a long SQL text holds commas, too


def _parts(body: bytes) -> int:
    return body.count(b",") + body.count(b"{") + body.count(b"[")
