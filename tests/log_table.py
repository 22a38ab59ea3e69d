"""The tables of docs/logs.md, and whether an event is what they say."""

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple

PAGE: Final = Path(__file__).parents[1] / "docs/logs.md"
REMEDY: Final = "add it to the tables of docs/logs.md: an event with its level, fields and when; a field with its type"
LEVELS: Final = ("debug", "info", "warning", "error")
ALWAYS: Final = frozenset({"event", "level", "log_level", "timestamp"})
"""What every line has."""


class Event(NamedTuple):
    levels: tuple[str, ...]
    fields: frozenset[str]


def rows(title: str) -> Iterator[list[str]]:
    """Yield the cells of the table below a heading."""
    text = PAGE.read_text().split(f"\n## {title}\n", 1)[1].split("\n## ", 1)[0]
    lines = [line for line in text.splitlines() if line.startswith("|")]
    for line in lines[2:]:
        yield [cell.strip() for cell in line.strip("|").split("|")]


EVENTS: Final = {
    name.strip("`"): Event(tuple(level.split(", ")), frozenset(re.findall(r"`(\w+)`", fields)))
    for name, level, fields, _ in rows("Events")
}
TYPES: Final = {name.strip("`"): kind for name, kind, _ in rows("Fields")}


def wrong(event: str, level: str, fields: Mapping[str, Any]) -> Iterator[str]:
    """Yield a sentence for each difference between an event that was logged and its row."""
    row = EVENTS.get(event)
    if row is None:
        yield f"the event {event!r} has no row; {REMEDY}"
        return
    if level not in row.levels:
        yield f"the event {event!r} is logged as {level}, and its row says {', '.join(row.levels)}; {REMEDY}"
    for name, value in fields.items():
        if name in ALWAYS:
            continue
        if name not in row.fields:
            yield f"the event {event!r} has a field {name!r} that its row does not name; {REMEDY}"
        if value not in (None, "") and not _is(TYPES.get(name, ""), value):
            yield f"the field {name!r} of {event!r} is {value!r}, and its row says {TYPES.get(name)}; {REMEDY}"


def _is(kind: str, value: object) -> bool:
    if kind == "list":
        return isinstance(value, list) and all(isinstance(each, str) for each in value)
    if kind == "text":
        return isinstance(value, str)
    return kind in {"number", "time"} and isinstance(value, int | float) and not isinstance(value, bool)
