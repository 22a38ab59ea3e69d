"""Reads JSON that people write: numbers stay text, a key stands once, and a mistake has a remedy. Pure."""

import json
from typing import Any, Final

_PROBLEMS: Final = {
    "Expecting value": "a value is missing, or is no JSON: put text in double quotes",
    "Expecting property name": "a key is missing, or is not in double quotes; write no comma after the last value",
    "Illegal trailing comma": "a comma after the last value; take it away",
    "Expecting ':'": "a colon is missing between a key and its value",
    "Expecting ','": "a comma is missing between two values, or a bracket or brace does not end",
    "Unterminated string": "a text does not end; close its double quote",
    "Invalid control character": "a tab or another control character in a text; write it as \\t or \\u....",
    "Invalid \\": "a backslash that begins no escape; write it twice",
    "Extra data": "more follows where the value has ended; write one value, and nothing after it",
}
"""What the parser says, and what that is to who wrote the text. Nothing of the text is repeated: it may be a secret."""


class JsonError(ValueError):
    """What is wrong with a text that is no JSON, where, and the remedy."""


def read_json(text: str) -> Any:
    """Read *text*. Raises :class:`JsonError`, or a plain ``ValueError`` if a key stands twice."""
    try:
        return json.loads(text, parse_int=str, parse_float=str, parse_constant=str, object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        said = next((ours for theirs, ours in _PROBLEMS.items() if error.msg.startswith(theirs)), "this is no JSON")
        raise JsonError(f"at character {error.pos + 1}: {said}") from None
    except RecursionError:
        raise ValueError("expected JSON; this is nested too deeply") from None


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make an object of its keys and values. Raises ``ValueError`` if a key stands twice."""
    found: dict[str, Any] = {}
    for key, value in pairs:
        if key in found:
            raise ValueError(f'the key "{key}" stands twice')
        found[key] = value
    return found
