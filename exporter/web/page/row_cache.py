"""The rendered rows of the list: a row is rendered again only if its content changed."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.web.page import charts
from exporter.web.page.addresses import Viewer
from exporter.web.page.formatting import count_lines
from exporter.web.page.job_row import BeforeNow, before_now, job_row, live_run
from exporter.web.ports import Exporter

_MOST: Final = 1000
"""Rows that are kept, of about 2 KiB each: two pages of 500."""
_STEP: Final = 300.0
"""Seconds by which the picture of a day moves on: less than a pixel."""
_MINUTE: Final = 60.0
"""Seconds after which a row is rendered again at the latest: promises break by time alone."""
_Render = Callable[[dict[str, Any]], str]
_Day = Callable[[charts.Strip], str]


class _Picture(NamedTuple):
    """What a row shows of its job's past: most polls leave it as it is."""

    made_from: tuple[object, ...]
    strip: str
    """The day, rendered."""
    before: BeforeNow


class _Row(NamedTuple):
    record: Record
    picture: _Picture
    due: float | None
    beside: tuple[object, ...]
    """What else it is made from."""
    html: str


class RowCache:
    """The rows that were rendered last, for all viewers; threads may use it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[JobKey, tuple[str, ...]], _Row] = {}

    def drawn(self, exporter: Exporter, viewer: Viewer, render: _Render, render_strip: _Day) -> Callable[[Record], str]:
        """Return what gives the row of a job, made by *render* and *render_strip* where none is kept."""
        for old in list(self._kept)[:-_MOST]:
            self._kept.pop(old, None)
        common = (viewer.now // _MINUTE, exporter.vendor_text)

        def row(record: Record) -> str:
            key = record.job.key
            kept = self._kept.pop((key, viewer.choices), None)
            made_from = _made_from(record, exporter, viewer)
            picture = None if kept is None or kept.picture.made_from != made_from else kept.picture
            if picture is None:
                past = exporter.past(key)
                day = charts.strip(past, live_run(record), viewer.watch, viewer.now, viewer.say)
                picture = _Picture(made_from, render_strip(day), before_now(past))
            due, beside = exporter.next_due(key), (*common, exporter.zone(record.job.project))
            same = kept is not None and kept.record is record and kept.picture is picture and kept.beside == beside
            if kept is None or not same or not _same_due(kept.due, due, viewer.now):
                facts = job_row(record, exporter, picture.before, viewer)
                more = {"strip": picture.strip, "counts_short": count_lines(facts["counts"], viewer.say)}
                kept = _Row(record, picture, due, beside, render({**facts, **more}))
            self._kept[key, viewer.choices] = kept
            return kept.html

        return row


def _made_from(record: Record, exporter: Exporter, viewer: Viewer) -> tuple[object, ...]:
    """Return what is equal as long as the picture of a job's past is the same."""
    live = live_run(record)
    running = None if live is None else (live.start, live.at // _STEP)
    return exporter.past_mark(record.job.key), running, viewer.now // _STEP, viewer.watch.away


def _same_due(one: float | None, other: float | None, now: float) -> bool:
    """Whether the page shows both due times alike. It shows no time for a poll that is due now or under way."""
    if one is None or other is None:
        return one is other
    return round(one) == round(other) or max(one, other) < now + 1.0
