"""Parses a body as JSON within bounds: a response of more than :data:`VALUES_LIMIT` values is not parsed at all.

Parsing JSON blocks everything else in the process, even in a thread, so its cost is bounded before it begins.
"""

import json
import re
from typing import Any, Final

from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services.values import DOUBLED, LONGEST_NUMBER

VALUES_LIMIT: Final = 100_000
"""Values, objects and lists in one answer; three thousand sub-jobs have 80,000."""
_LARGE: Final = 65_536
"""Bytes from which an answer may hold enough of anything to cost much time."""
_WIDE_LIMIT: Final = 4 * 1024 * 1024
"""Bytes of an answer with a character beyond U+FFFF: each character of its text takes four bytes in memory."""
_WIDE_LEADS: Final = tuple(bytes([lead]) for lead in range(0xF0, 0xF5))
_WIDE_ESCAPE: Final = re.compile(rb"\\u[dD][89abAB]")
LONG: Final = re.compile(rb"[0-9]{4000}")
"""Digits that Python refuses to read as a number; the rest of such an answer is as good as any."""


def json_object(body: bytes) -> dict[str, Any]:
    """Return the JSON object that *body* is; anything else is a :class:`PollError` of reason ``payload``."""
    if _oversized(body):
        raise PollError(Reason.PAYLOAD, f"the answer holds more than {VALUES_LIMIT} values")
    if len(body) > _WIDE_LIMIT and _wide(body):
        raise PollError(Reason.PAYLOAD, f"the answer has more than {_WIDE_LIMIT} bytes, and characters beyond U+FFFF")
    try:
        data = parsed(body)
    except ValueError as error:
        raise PollError(Reason.PAYLOAD, "the answer is not JSON") from error
    if not isinstance(data, dict):
        raise PollError(Reason.PAYLOAD, "the answer is JSON, but not an object")
    return data


def parsed(body: bytes) -> object:
    """Return the JSON value that *body* is; ``ValueError`` if it is not JSON, or nested without end.

    Bytes that are no UTF-8 cost only the text that they stand in: a text may be cut within a character. They become
    half characters, as JSON can also escape them. A name that an object has twice, with different values, has the
    value :data:`~exporter.services.values.DOUBLED`: which of them is meant is not known.
    """
    encoding = json.detect_encoding(body)
    try:
        text = body.decode(encoding, "surrogateescape" if encoding.startswith("utf-8") else "surrogatepass")
        # Reading a long number takes the square of its length, which matters where many of them fit.
        return (_WARY if len(body) > _LARGE or LONG.search(body) else _READER).decode(text)
    except RecursionError as error:
        raise ValueError("nested without end") from error


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        found |= {name: DOUBLED for name, value in pairs if not _same(found[name], value)}
    return found


def _same(value: object, other: object) -> bool:
    return type(value) is type(other) and value == other


def _whole(digits: str) -> float:
    return int(digits) if len(digits) <= LONGEST_NUMBER else float("inf")


_READER: Final = json.JSONDecoder(object_pairs_hook=_object)
_WARY: Final = json.JSONDecoder(object_pairs_hook=_object, parse_int=_whole)


def _oversized(body: bytes) -> bool:
    """Whether *body* holds more than is read, without reading it: JSON of 8 MiB can be three million objects."""
    if len(body) <= _LARGE or _parts(body) <= VALUES_LIMIT:
        return False
    bare = body.replace(b"\\\\", b"").replace(b'\\"', b"")
    if bare.count(b'"') > 4 * VALUES_LIMIT:
        return True
    return _parts(b"".join(bare.split(b'"')[::2])) > VALUES_LIMIT  # a long SQL text holds commas, too


def _wide(body: bytes) -> bool:
    return any(lead in body for lead in _WIDE_LEADS) or _WIDE_ESCAPE.search(body) is not None


def _parts(body: bytes) -> int:
    return body.count(b",") + body.count(b"{") + body.count(b"[")
