"""The rendered rows of the list: a row is rendered again only if its content changed."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.web.addresses import Viewer
from exporter.web.job_row import job_row
from exporter.web.ports import Exporter

_MOST: Final = 1000
"""Rows that are kept, of about 2 KiB each: two pages of 500."""
_MINUTE: Final = 60.0
"""Seconds that one unit of a row's picture of the day is wide."""
_Render = Callable[[dict[str, Any]], str]


class _Row(NamedTuple):
    record: Record
    beside: tuple[object, ...]
    """What else it is made from."""
    html: str


class RowCache:
    """The rows that were rendered last, for all viewers; threads may use it."""

    def __init__(self) -> None:
        self._kept: dict[tuple[JobKey, tuple[str, ...]], _Row] = {}

    def drawn(self, exporter: Exporter, viewer: Viewer, render: _Render) -> Callable[[Record], str]:
        """Return what gives the row of a job, made by *render* where none is kept."""
        for old in list(self._kept)[:-_MOST]:
            self._kept.pop(old, None)
        common = (int(viewer.now // _MINUTE), viewer.watch.away, exporter.vendor_text)

        def row(record: Record) -> str:
            key, due = record.job.key, exporter.next_due(record.job.key)
            marks = (exporter.past_mark(key), due if due is None else round(due), exporter.zone(record.job.project))
            place, beside = (key, viewer.choices), (*common, *marks)
            kept = self._kept.pop(place, None)
            if kept is None or kept.record is not record or kept.beside != beside:
                facts = job_row(record, exporter, exporter.past(key), viewer)
                kept = _Row(record, beside, render(facts))
            self._kept[place] = kept
            return kept.html

        return row
