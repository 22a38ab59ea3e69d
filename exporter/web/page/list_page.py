"""The content of the list of jobs: one page of the matching jobs, and the changes of all jobs. Runs in a thread."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any, Final, NamedTuple

from exporter.model.record import Record
from exporter.model.standing import BLIND, STANDINGS, standing
from exporter.web.order import GROUPS, LABEL, SORTS, group_of
from exporter.web.page.addresses import ROWS, Viewer, address, hidden_fields, link
from exporter.web.ports import Exporter
from exporter.web.query import FAILED, Asking, Query, matching, page_of

_MOST_ROWS: Final = 500
"""Rows of a page at most: more would be slow on a phone, and nobody reads them."""
_MOST_LABELS = 8
"""Labels that the page offers to group by."""
_CHANGES: Final = 5
"""Changes that are seen without a click,"""
_LISTED: Final = 20
"""and by one; the others are in the JSON."""
_COLUMNS: Final = (
    ("State", "state"),
    ("Job", "name"),
    ("Last 24 hours", ""),
    ("Progress", "progress"),
    ("Began, ended", "start"),
    ("Polls", "last_poll"),
    ("Trouble", "failing"),
)


class _Tally(NamedTuple):
    """How many of all jobs are what."""

    total: int
    states: Counter[str]
    services: Counter[str]
    failing: int
    """Jobs whose last poll failed."""

    @property
    def blind(self) -> int:
        """Jobs of which nobody knows how they are, although they were asked for."""
        return sum(self.states[word] for word in BLIND)


def _tally(records: Collection[Record]) -> _Tally:
    """Count the jobs."""
    return _Tally(
        len(records),
        Counter(map(standing, records)),
        Counter([record.job.key.service for record in records]),
        len([record for record in records if record.fault is not None]),
    )


class Listing(NamedTuple):
    """What the list is made from."""

    records: Sequence[Record]
    query: Query
    exporter: Exporter
    viewer: Viewer
    draw: Callable[[Record], str]
    """Gives the row of a job."""
    mistake: str = ""


def listing(asked: Listing) -> dict[str, Any]:
    """Return the view of the list: one part of the jobs that match."""
    query, exporter = asked.query, asked.exporter
    asking = Asking(asked.viewer.now, exporter.next_due, exporter.last_failure, exporter.vendor_text)
    found = matching(asked.records, query, asking)
    size = min(query.limit or ROWS, _MOST_ROWS)
    offset = query.offset if query.offset < len(found) else max(0, (len(found) - 1) // size * size)
    shown = page_of(found, replace(query, limit=size, offset=offset), asking)
    return {
        "now": asking.now,
        "rows": [(asked.draw(record), _group(record, query)) for record in shown],
        "group_states": _group_states(found, query),
        "matches": len(found),
        "offset": offset,
        "size": size,
        "pages": _pages(len(found), offset, size),
        "query": query,
        "viewer": asked.viewer,
        "href": lambda **changed: address(query, **changed),
        "here": lambda **changed: address(query, **{"offset": query.offset or "", **changed}),
        "hidden": hidden_fields(query),
        "mistake": asked.mistake,
        **_choices(query, asked.records),
        **_counts(_tally(asked.records), query),
        **_changed(exporter, asked.viewer),
    }


def _choices(query: Query, records: Collection[Record]) -> dict[str, Any]:
    """Return what can be asked for."""
    keys = sorted({key for record in records if record.job.labels for key in record.job.labels})[:_MOST_LABELS]
    labels = [f"{LABEL}{key}" for key in keys]
    choices = {"columns": _COLUMNS, "sorts": SORTS, "group_words": (*GROUPS, *labels), "failed_words": tuple(FAILED)}
    return {**choices, "all_states": STANDINGS, "blind_words": sorted(BLIND), "blind_chosen": query.states & BLIND}


def _counts(counted: _Tally, query: Query) -> dict[str, Any]:
    """Return how many of all jobs are what."""
    return {
        "total": counted.total,
        "states": [(word, counted.states[word]) for word in STANDINGS if counted.states[word] or word in query.states],
        "failed": counted.states["failed"],
        "blind": counted.blind,
        "services": sorted(counted.services.items()),
        "failing": counted.failing,
    }


def _changed(exporter: Exporter, viewer: Viewer) -> dict[str, Any]:
    """Return what changed of all jobs, the newest first."""
    newest = islice(reversed(viewer.watch.changes), _LISTED)
    changes = [(each, viewer.to(link(*each.key)), exporter.zone(each.project)) for each in newest]
    return {"changes": changes, "shown_changes": _CHANGES, "watch": viewer.watch}


def _group(record: Record, query: Query) -> str:
    return group_of(record, query.group) if query.group else ""


def _group_states(found: Sequence[Record], query: Query) -> Mapping[str, Counter[str]]:
    """Return how many jobs of each group are what."""
    states: dict[str, Counter[str]] = {}
    for record in found if query.group else ():
        states.setdefault(_group(record, query), Counter())[standing(record)] += 1
    return states


def _pages(matches: int, offset: int, size: int) -> list[tuple[int, int] | None]:
    """Return the numbers of pages and where each begins: the first, the last, those beside this one, gaps between."""
    last, here = max(1, -(-matches // size)), offset // size + 1
    shown = sorted({1, last, *range(max(1, here - 1), min(last, here + 1) + 1)})
    pages: list[tuple[int, int] | None] = []
    for before, number in zip([0, *shown], shown, strict=False):
        if number > before + 1:
            pages.append(None)
        pages.append((number, (number - 1) * size))
    return pages
