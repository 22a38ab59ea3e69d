"""The section ``promises`` of a job's entry or of a rule: what only the operator knows about the jobs."""

import re
from collections.abc import Callable, Collection
from typing import Annotated, Any, Final

from pydantic import BeforeValidator, Field

from exporter.config import types
from exporter.config.section import Section
from exporter.model.messages import Expected, nearest, quoted
from exporter.model.promises import DAYS, NO_PROMISES, Deadline, Promises
from exporter.services.adapter import Adapter

_ROWS: Final = ("rows_read", "rows_written")
_ALL_DAYS: Final = frozenset(range(7))


def _time_of_day(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([0-9]{1,2}):([0-9]{2})", text)
    if found is None or int(found[1]) > 23 or int(found[2]) > 59:
        raise Expected('a time of day from "00:00" to "23:59"', text)
    return int(found[1]), int(found[2])


def _days(value: Any) -> Any:
    """Read ``mon-fri``, ``mon,wed`` or a list of such words."""
    if isinstance(value, frozenset):
        return value
    words = value if isinstance(value, list) else value.split(",") if isinstance(value, str) else None
    if not words:
        raise Expected("days such as mon-fri or mon,wed,sat", value)
    found: set[int] = set()
    for word in words:
        if not isinstance(word, str):
            raise Expected("days such as mon-fri or mon,wed,sat", word)
        first, dash, last = (part.strip().lower() for part in word.partition("-"))
        begin, end = _day(first, word), _day(last if dash else first, word)
        found.update((begin + number) % 7 for number in range((end - begin) % 7 + 1))
    return frozenset(found)


def _day(word: str, written: str) -> int:
    if word not in DAYS:
        near = nearest(word, DAYS)
        remedy = f'did you mean "{near}"?' if near else "write days such as mon-fri or mon,wed,sat"
        raise ValueError(f"unknown day {quoted(written.strip())}; {remedy}")
    return DAYS.index(word)


class _DeadlineEntry(Section):
    """When a run has to be done."""

    at: Annotated[tuple[int, int], types.reading("a time of day such as 06:00", _time_of_day)] = Field(
        description='The time of day by which a run must have succeeded, such as "06:00".'
    )
    days: Annotated[
        frozenset[int], BeforeValidator(_days), types.Written(lambda days: Deadline(0, 0, days, "").day_words)
    ] = Field(default=_ALL_DAYS, description="The days of the week with this deadline, such as mon-fri or mon,wed.")
    time_zone: types.Zone | None = Field(
        default=None,
        description="The time zone of the time of day, such as Asia/Shanghai; by default the project's.",
    )


class PromiseEntry(Section):
    """What is promised of a job."""

    period: types.Interval | None = Field(
        default=None, description="A run succeeds at least this often; the alert fires after two periods (a duration)."
    )
    max_wait: types.Interval | None = Field(
        default=None, description="No run waits longer than this to begin (a duration)."
    )
    max_run: types.Interval | None = Field(default=None, description="No run takes longer than this (a duration).")
    stuck_after: types.Interval | None = Field(
        default=None,
        description="A run without progress for this long is stuck; the alert's default is 30m (a duration).",
    )
    deadline: _DeadlineEntry | None = Field(default=None, description="A run must have succeeded by this time.")
    rows_match: types.Switch = Field(
        default=False, description="Every run that succeeds writes as many rows as it reads."
    )


def promises_of(
    said: PromiseEntry | None, adapter: Adapter, zone: str | None, tell: Callable[[Collection[str], str], None]
) -> Promises | None:
    """Return what an entry promises of a job of *adapter*; ``None`` after the mistake in it was reported.

    *zone* is that of the project, and *tell* takes the keys of a mistake and its sentence.
    """
    if said is None:
        return NO_PROMISES
    deadline, mistaken = None, False
    if said.rows_match and not {each.name for each in adapter.measures} >= set(_ROWS):
        tell(("rows_match",), f"{adapter.service} tells no rows of its jobs, so nobody can compare them; take it out")
        mistaken = True
    if said.deadline is not None:
        name = said.deadline.time_zone.key if said.deadline.time_zone else zone
        if name is None:
            sentence = "required but missing, because the project has no time_zone either; such as Asia/Shanghai or UTC"
            tell(("deadline", "time_zone"), sentence)
            mistaken = True
        else:
            deadline = Deadline(*said.deadline.at, said.deadline.days, name)
    if mistaken:
        return None
    return Promises(said.period, said.max_wait, said.max_run, said.stuck_after, deadline, said.rows_match)
