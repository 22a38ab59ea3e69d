"""The content of the list of jobs: one page of the matching jobs, and the changes of all jobs. Runs in a thread."""

from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial
from itertools import groupby, islice
from typing import Any, Final, NamedTuple

from exporter.model.job import UNLABELLED
from exporter.model.record import Record
from exporter.model.standing import BLIND, STANDINGS, standing
from exporter.web.order import GROUPS, LABEL, SORTS, ByStanding, group_of
from exporter.web.page.addresses import ROWS, Viewer, address, hidden_fields, link
from exporter.web.ports import Exporter
from exporter.web.query import FAILED, Asking, Query, matching, number_of, page_of

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


class _Census(NamedTuple):
    """What all jobs are."""

    jobs: ByStanding
    services: Counter[str]
    labels: set[str]
    failing: int
    """Jobs whose last poll failed."""


def _census(records: Sequence[Record]) -> _Census:
    """Look at every job once: records are more than a processor's cache holds, so that each look costs."""
    jobs: defaultdict[str, list[Record]] = defaultdict(list)
    services: list[str] = []
    labels: set[str] = set()
    failing = 0
    for record in records:
        job = record.job
        jobs[standing(record)].append(record)
        services.append(job.key.service)
        if job.labels is not UNLABELLED:
            labels.update(job.labels)
        if record.fault is not None:
            failing += 1
    return _Census(jobs, Counter(services), labels, failing)


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
    census = _census(asked.records)
    found = matching(census.jobs, query, asking)
    matches = number_of(found)
    size = min(query.limit or ROWS, _MOST_ROWS)
    offset = query.offset if query.offset < matches else max(0, (matches - 1) // size * size)
    shown = page_of(found, replace(query, limit=size, offset=offset), asking)
    return {
        "now": asking.now,
        "groups": _groups(shown, query, asked.draw),
        "shown": len(shown),
        "group_states": _group_states(found, query),
        "matches": matches,
        "offset": offset,
        "size": size,
        "pages": _pages(matches, offset, size),
        "query": query,
        "viewer": asked.viewer,
        "href": lambda **changed: address(query, **changed),
        "here": lambda **changed: address(query, **{"offset": query.offset or "", **changed}),
        "hidden": hidden_fields(query),
        "mistake": asked.mistake,
        **_choices(query, census.labels),
        **_counts(query, census),
        **_changed(exporter, asked.viewer),
    }


def _choices(query: Query, labels: Collection[str]) -> dict[str, Any]:
    """Return what can be asked for."""
    groups = (*GROUPS, *[f"{LABEL}{key}" for key in sorted(labels)[:_MOST_LABELS]])
    choices = {"columns": _COLUMNS, "sorts": SORTS, "group_words": groups, "failed_words": tuple(FAILED)}
    return {**choices, "all_states": STANDINGS, "blind_words": sorted(BLIND), "blind_chosen": query.states & BLIND}


def _counts(query: Query, census: _Census) -> dict[str, Any]:
    """Return how many of all jobs are what; *blind* are those of which nobody knows how they are."""
    states = Counter({word: len(records) for word, records in census.jobs.items()})
    return {
        "total": states.total(),
        "states": [(word, states[word]) for word in STANDINGS if states[word] or word in query.states],
        "failed": states["failed"],
        "blind": sum(states[word] for word in BLIND),
        "services": sorted(census.services.items()),
        "failing": census.failing,
    }


def _changed(exporter: Exporter, viewer: Viewer) -> dict[str, Any]:
    """Return what changed of all jobs, the newest first."""
    newest = islice(reversed(viewer.watch.changes), _LISTED)
    changes = [(each, viewer.to(link(*each.key)), exporter.zone(each.project)) for each in newest]
    return {"changes": changes, "shown_changes": _CHANGES, "watch": viewer.watch}


def _groups(shown: Sequence[Record], query: Query, draw: Callable[[Record], str]) -> list[tuple[str, str]]:
    """Return the rows that are shown, by their groups."""
    return [(name, "\n".join(map(draw, records))) for name, records in groupby(shown, partial(_group, query=query))]


def _group(record: Record, query: Query) -> str:
    return group_of(record, query.group) if query.group else ""


def _group_states(found: ByStanding, query: Query) -> Mapping[str, Counter[str]]:
    """Return how many jobs of each group are what."""
    states: defaultdict[str, Counter[str]] = defaultdict(Counter)
    for word, records in found.items() if query.group else ():
        for record in records:
            states[_group(record, query)][word] += 1
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
