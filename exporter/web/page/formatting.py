"""Formats numbers and times for the page. An unknown value is an en dash, never 0. Pure."""

import math
from collections.abc import Mapping
from datetime import UTC, datetime, tzinfo
from typing import Any, Final, NamedTuple

from exporter.web.page.texts import ENGLISH, Texts

UNKNOWN: Final = "\N{EN DASH}"
_STEPS: Final = ((86400, "d"), (3600, "h"), (60, "min"), (1, "s"))
_SCALE: Final = ((1e15, "P"), (1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))
_WHOLE_UNTIL: Final = 10_000
"""Up to here a count is written out."""


class _Count(NamedTuple):
    """A group of counts in one short line, and the exact numbers for the one who points at it."""

    label: str
    text: str
    exact: str


def span(seconds: float, say: Texts = ENGLISH) -> str:
    """Return a length of time in its greatest unit, two for hours and days: ``42 s``, ``3 min``, ``5 h 10 min``."""
    rest = max(0, int(seconds))
    for index, (size, unit) in enumerate(_STEPS):
        if rest >= size:
            below = _STEPS[index + 1] if index < 2 else (1, "")
            more = rest % size // below[0] if index < 2 else 0
            return f"{rest // size} {say(unit)}" + (f" {more} {say(below[1])}" if more else "")
    return f"0 {say('s')}"


def ago(at: float, now: float, say: Texts = ENGLISH) -> str:
    """Return a moment as its distance from now; what is due within the second is ``now``."""
    if abs(at - now) < 1:
        return say("now")
    return say("{span} ago", span=span(now - at, say)) if at < now else say("in {span}", span=span(at - now, say))


def due(at: float, now: float, say: Texts = ENGLISH) -> str:
    """Return how far off a moment is that is no longer shown once it has passed."""
    return say("due") if at <= now else ago(at, now, say)


def lasting(at: float, now: float, say: Texts = ENGLISH) -> str:
    """Return for how long something lasts that began then."""
    return span(now - at, say)


def utc(at: float) -> str:
    """Return a moment as an exact UTC time."""
    try:
        return f"{datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
    except (OverflowError, OSError, ValueError):  # a year that no calendar has
        return f"{at:.0f} s"


def clock(at: float, now: float, zone: tzinfo | None = None, say: Texts = ENGLISH) -> str:
    """Return a moment by the clock of *zone*, else of UTC: with its day if that is not today's."""
    try:
        there, today = (datetime.fromtimestamp(each, zone or UTC) for each in (at, now))
    except (OverflowError, OSError, ValueError):
        return utc(at)
    if there.date() == today.date():
        return f"{there:%H:%M:%S}"
    return there.strftime(say("%d %b %H:%M") if there.year == today.year else say("%d %b %Y"))


def percent(ratio: float) -> str:
    """Return a ratio in percent, cut and not rounded: 100 % means all of it."""
    return f"{math.floor(ratio * 1000 + 1e-6) / 10:g} %"


def exact_text(value: float) -> str:
    """Return a number with all its digits, in groups of three."""
    return f"{value:,}" if isinstance(value, int) or not value.is_integer() else f"{value:,.0f}"


def short(value: float, unit: str = "") -> str:
    """Return a number in at most five digits: ``9,999``, ``12.3k``, ``4.1 GB``."""
    gap = " " if unit else ""
    if abs(value) < (1000 if unit else _WHOLE_UNTIL):
        return f"{exact_text(value)}{gap}{unit}"
    for size, letter in _SCALE:
        if abs(value) >= size:
            scaled = math.floor(value / size * 10) / 10
            return f"{scaled:,g}{gap}{letter}{unit}"
    return exact_text(value)


def count_lines(groups: Mapping[str, Any], say: Texts = ENGLISH) -> list[_Count]:
    """Return the counts of a run in a few short lines; those of a kind that has no line of its own as they come."""
    lines = [_tasks(groups, say), _stages(groups, say), _moved(groups, say, "rows", "rows_read", "rows_written")]
    lines += [_moved(groups, say, "data", "read_bytes", "written_bytes", "B"), _files(groups, say)]
    found = [line for line in lines if line is not None]
    if found:
        return found
    others = [(name, value) for name, value in groups.items() if not name.endswith("_timestamp_seconds")]
    return [_plain(name, value, say) for name, value in others[:3]]


def field_title(name: str) -> str:
    """Return what a field is called on the page: how a time or a span is shown tells its unit."""
    return (
        name.removesuffix("_timestamp_seconds").removesuffix("stamp_seconds").removesuffix("_seconds").replace("_", " ")
    )


def _plain(name: str, value: Any, say: Texts) -> _Count:
    label = say(field_title(name))
    if not isinstance(value, Mapping):
        return _Count(label, span(value, say) if name.endswith("_seconds") else short(value), exact_text(value))
    texts = [f"{short(each)} {say(kind)}" for kind, each in value.items()]
    exact = ", ".join(f"{exact_text(each)} {say(kind)}" for kind, each in value.items())
    return _Count(label, ", ".join(texts[:3]), exact)


def _tasks(groups: Mapping[str, Any], say: Texts) -> _Count | None:
    tasks, planned = groups.get("tasks", {}), groups.get("tasks_planned")
    if not tasks and planned is None:
        return None
    done = tasks.get("completed")
    text = ""
    if planned is not None:
        text = say("{done} of {planned}", done=UNKNOWN if done is None else short(done), planned=short(planned))
    elif done is not None:
        text = f"{short(done)} {say('done')}"
    return _with_rest(say, "tasks", text, tasks, planned)


def _stages(groups: Mapping[str, Any], say: Texts) -> _Count | None:
    stages = groups.get("stages", {})
    if not stages:
        return None
    done = stages.get("completed")
    return _with_rest(say, "stages", "" if done is None else f"{short(done)} {say('done')}", stages, None)


def _with_rest(say: Texts, label: str, text: str, group: Mapping[str, float], planned: float | None) -> _Count:
    """Add the states that something is in, and all numbers for the one who points at it."""
    rest = [f"{short(group[state])} {say(state)}" for state in ("active", "failed", "killed") if group.get(state)]
    numbers = [f"{exact_text(value)} {say(state)}" for state, value in group.items()]
    numbers += [] if planned is None else [f"{exact_text(planned)} {say('planned')}"]
    return _Count(say(label), ", ".join([text, *rest] if text else rest) or "0", ", ".join(numbers))


def _moved(groups: Mapping[str, Any], say: Texts, label: str, read: str, written: str, unit: str = "") -> _Count | None:
    """Return what went in and what came out."""
    came, went = groups.get(read), groups.get(written)
    if came is None and went is None:
        return None
    names = [(name, groups[name]) for name in (read, written) if groups.get(name) is not None]
    exact = ", ".join(f"{say(name.replace('_', ' '))}: {exact_text(value)}" for name, value in names)
    if came is None or went is None:
        name, value = names[0]
        word = say("written") if name == written else say("read")
        return _Count(say(label), f"{short(value, unit)} {word}", exact)
    return _Count(say(label), f"{short(came, unit)} \N{RIGHTWARDS ARROW} {short(went, unit)}", exact)


def _files(groups: Mapping[str, Any], say: Texts) -> _Count | None:
    total, written = groups.get("files"), groups.get("files_written")
    parts = [short(value) for value in (written, total) if value is not None]
    if not parts:
        return None
    names = ("files", "files_read", "files_written", "files_skipped")
    counted = ", ".join(
        f"{say(name.replace('_', ' '))}: {exact_text(groups[name])}" for name in names if name in groups
    )
    text = parts[0] if len(parts) == 1 else say("{done} of {planned}", done=parts[0], planned=parts[1])
    return _Count(say("files"), text, counted)
