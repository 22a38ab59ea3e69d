"""What the list of jobs shows: one part of those that match, and what changed of all. Its work is one for a thread."""

from collections import Counter
from collections.abc import Callable, Collection, Mapping, Sequence
from itertools import islice
from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from exporter.model.record import Record
from exporter.model.snapshot import Rows, State
from exporter.model.standing import BLIND, STALE, STANDINGS, standing
from exporter.runs.past import JobPast, Watch
from exporter.services import registry
from exporter.services.adapter import Adapter
from exporter.web import charts, formatting
from exporter.web.job_json import job_facts
from exporter.web.ports import Exporter
from exporter.web.promises import broken_promises
from exporter.web.query import FAILED, GROUPS, SORTS, Asking, Query, group_of, matching

_ROWS: Final = 100
"""Rows of a page unless another number is asked for,"""
_MOST_ROWS: Final = 500
"""and at most: more would be slow on a phone, and nobody reads them."""
_CHANGES: Final = 5
"""Changes that are seen without a click,"""
_LISTED: Final = 50
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


class Tally(NamedTuple):
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


def tally(records: Collection[Record]) -> Tally:
    """Count the jobs."""
    return Tally(
        len(records),
        Counter(standing(record) for record in records),
        Counter(record.job.key.service for record in records),
        sum(record.fault is not None for record in records),
    )


class Viewer(NamedTuple):
    """For whom a page is made, and when."""

    now: float
    watch: Watch
    clock: str = "utc"

    @property
    def choices(self) -> tuple[str, ...]:
        """What two readers may have chosen differently."""
        return (self.clock,)


def job_row(record: Record, exporter: Exporter, past: JobPast | None, viewer: Viewer) -> dict[str, Any]:
    """Return what the templates show of a job."""
    due = exporter.next_due(record.job.key)
    facts = job_facts(record, exporter.place(record), due, exporter.vendor_text)
    live = live_run(record)
    usual = charts.usual(past)
    elapsed = None if live is None or live.start is None else max(0.0, live.at - live.start)
    return {
        **facts,
        "link": link(*record.job.key),
        "api": "api/v1/" + link(*record.job.key),
        "api_runs": "api/v1/" + link(*record.job.key, under="/runs"),
        "counts_short": formatting.count_lines(facts["counts"]),
        "unwritten": max(0, sum(record.ledger.runs) - sum(record.runs)),
        "old": record.polled_at is not None and not record.up and not record.final,
        "known": last_known(record),
        "part": current_part(record),
        "elapsed": elapsed,
        "slow": usual if usual is not None and elapsed is not None and elapsed > usual.p90 else None,
        "waits_since": waits_since(record),
        "broken": list(broken_promises(record, viewer.now)),
        "strip": charts.strip(past, live, viewer.watch, viewer.now),
        "zone": exporter.zone(record.job.project) if viewer.clock == "cloud" else None,
    }


def live_run(record: Record) -> charts.Live | None:
    """Return the run that was under way when the job was last answered."""
    shown = record.shown
    if shown is None or shown.state is not State.RUNNING or record.polled_at is None:
        return None
    return charts.Live(shown.start, record.polled_at)


def last_known(record: Record) -> dict[str, Any] | None:
    """Return what was last known of a job of which nothing is known any more, and since when it is not."""
    newest = record.newest
    if standing(record) != STALE or newest is None or record.polled_at is None:
        return None
    return {
        "state": newest.state.value,
        "native_state": newest.native_state,
        "progress": newest.progress,
        "start": newest.start,
        "end": newest.end,
        "run_id": newest.run.label,
        "at": record.polled_at,
    }


def waits_since(record: Record) -> float | None:
    """Return since when a run waits, where the cloud says when it was created."""
    shown = record.shown
    return shown.run.created if shown is not None and shown.state is State.PENDING else None


def current_part(record: Record) -> str:
    """Return which part of the run the progress is of, where the service tells it so."""
    declared, shown = service_of(record).parts, record.shown
    if declared is None or shown is None or shown.state is not State.RUNNING or shown.progress is None:
        return ""
    current, told = shown.detail.get(declared.current), shown.detail.get(declared.field)
    if current is None:
        return ""
    ids = told.column(declared.id) if isinstance(told, Rows) else ()
    more = shown.detail.get(declared.left_out) or 0
    if current in ids and ids[0] == 0:
        return f"of {declared.word} {ids.index(current) + 1} of {formatting.exact_text(len(ids) + more)}"
    return f"of {declared.word} {formatting.exact_text(current)}"  # the answer may leave out those that ended


def service_of(record: Record) -> Adapter:
    """Return what is declared of a job's service."""
    return registry.load_services()[record.job.key.service]


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
    size = min(query.limit or _ROWS, _MOST_ROWS)
    offset = query.offset if query.offset < len(found) else max(0, (len(found) - 1) // size * size)
    return {
        "now": asking.now,
        "rows": [(asked.draw(record), _group(record, query)) for record in found[offset : offset + size]],
        "group_states": _group_states(found, query),
        "matches": len(found),
        "offset": offset,
        "size": size,
        "pages": _pages(len(found), offset, size),
        "query": query,
        "href": lambda **changed: address(query, **changed),
        "mistake": asked.mistake,
        **_choices(query),
        **_counts(tally(asked.records), query),
        **_changed(exporter, asked.viewer.watch),
    }


def _choices(query: Query) -> dict[str, Any]:
    """Return what can be asked for."""
    choices = {"columns": _COLUMNS, "sorts": SORTS, "group_words": GROUPS, "failed_words": tuple(FAILED)}
    return {**choices, "all_states": STANDINGS, "blind_words": sorted(BLIND), "blind_chosen": query.states & BLIND}


def _counts(counted: Tally, query: Query) -> dict[str, Any]:
    """Return how many of all jobs are what."""
    return {
        "total": counted.total,
        "states": [(word, counted.states[word]) for word in STANDINGS if counted.states[word] or word in query.states],
        "failed": counted.states["failed"],
        "blind": counted.blind,
        "services": sorted(counted.services.items()),
        "failing": counted.failing,
    }


def _changed(exporter: Exporter, watch: Watch) -> dict[str, Any]:
    """Return what changed of all jobs, the newest first."""
    changes = [
        (each, link(*each.key), exporter.zone(each.project)) for each in islice(reversed(watch.changes), _LISTED)
    ]
    return {"changes": changes, "shown_changes": _CHANGES, "watch": watch}


def _group(record: Record, query: Query) -> str:
    return group_of(record, query) if query.group else ""


def _group_states(found: Sequence[Record], query: Query) -> Mapping[str, Counter[str]]:
    """Return how many jobs of each group are what."""
    states: dict[str, Counter[str]] = {}
    for record in found if query.group else ():
        states.setdefault(group_of(record, query), Counter())[standing(record)] += 1
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


def address(query: Query, **changes: Any) -> str:
    """Return the query string of *query* with some parameters changed; an empty one is left out."""
    pairs: dict[str, Any] = {
        "q": query.q,
        "service": sorted(query.services),
        "state": sorted(query.states),
        "error": "1" if query.error else "",
        "failed": query.failed,
        "group": query.group,
        "sort": "" if query.sort == "state" else query.sort,
        "order": "desc" if query.descending else "",
        "limit": "" if query.limit in (None, _ROWS) else str(query.limit),
        "clock": "" if query.clock == "utc" else query.clock,
        **changes,
    }
    said = {name: value for name, value in pairs.items() if value}
    return "?" + urlencode(said, doseq=True, errors="replace")


def link(service: str, job: str, under: str = "") -> str:
    """Return the address of a job's page, or of what is *under* it, relative to the root.

    Browsers take dots alone for folders.
    """
    if job in {".", ".."}:
        return f"job{under}?" + urlencode({"service": service, "job": job})
    return f"jobs/{_path(service, job)}{under}"


def _path(*parts: str) -> str:
    return "/".join(quote(part, safe="", errors="replace") for part in parts)
