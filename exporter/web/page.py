"""The page: the jobs as a table that refreshes itself, and one job with everything that is known of it.

The template engine and the templates are loaded at the first view, so that a start is not slowed by a page that
nobody may open.
"""

import hashlib
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from exporter import __version__
from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.services import registry
from exporter.web import formatting
from exporter.web.job_json import job_document, standing
from exporter.web.ports import Exporter
from exporter.web.query import SORTS, STANDINGS, Query

if TYPE_CHECKING:
    from jinja2 import Environment

_ROWS: Final = 500
"""Rows shown at most: more would be slow on a phone, and nobody reads them."""
REFRESH: Final = 5
"""Seconds between two refreshes."""
_COLUMNS: Final = (
    ("State", "state"),
    ("Job", "name"),
    ("Service", "service"),
    ("Project", "project"),
    ("Progress", "progress"),
    ("Counts", ""),
    ("Last poll", "last_poll"),
    ("Next poll", "next_poll"),
    ("Last error", "failing"),
)
ASSETS: Final = {"page.css": "text/css", "page.js": "text/javascript"}
_FOLDER: Final = Path(__file__).parent / "templates"
_STAMP: Final = "stamp_seconds"


@cache
def static(name: str) -> tuple[bytes, str]:
    """Return a static file and a short name of its content, so that a browser may keep it for ever."""
    content = (_FOLDER / name).read_bytes()
    return content, hashlib.sha256(content).hexdigest()[:12]


@cache
def _environment() -> "Environment":
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    environment = Environment(
        loader=FileSystemLoader(_FOLDER),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(version=__version__, words=formatting, refresh=REFRESH, columns=_COLUMNS, sorts=SORTS)
    environment.globals.update(asset=lambda name: f"static/{name}?v={static(name)[1]}", tabular=tabular)
    environment.tests["moment"] = lambda name: str(name).endswith(_STAMP)
    return environment


def render_page(template: str, view: Mapping[str, Any]) -> bytes:
    """Return a page as bytes; slow enough for a thread of its own, and it may be one: *view* is no longer shared."""
    return _environment().get_template(template).render(view).encode("utf-8", "replace")


def link(key: JobKey) -> str:
    """Return the address of a job's page, relative to the root."""
    return "jobs/" + "/".join(quote(part, safe="", errors="replace") for part in key)


def row(record: Record, exporter: Exporter) -> dict[str, Any]:
    """Return what the templates show of a job."""
    due = exporter.next_due(record.job.key)
    facts = job_document(record, exporter.place(record), due, exporter.vendor_text)
    return {
        **facts,
        "link": link(record.job.key),
        "counts_short": formatting.count_lines(facts["counts"]),
        "unwritten": max(0, sum(record.ledger.runs) - sum(record.runs)),
        "old": record.polled_at is not None and not record.up and not record.final,
    }


class Tally(NamedTuple):
    """How many of all jobs are what."""

    total: int
    states: Counter[str]
    services: Counter[str]
    failing: int
    """Jobs whose last poll failed."""


def tally(records: Collection[Record]) -> Tally:
    """Count the jobs."""
    return Tally(
        len(records),
        Counter(standing(record) for record in records),
        Counter(record.job.key.service for record in records),
        sum(record.fault is not None for record in records),
    )


def listing(
    counted: Tally, found: Sequence[Record], query: Query, exporter: Exporter, mistake: str = ""
) -> dict[str, Any]:
    """Return the view of the table: *found* of all jobs."""
    states = counted.states
    return {
        "now": exporter.now(),
        "rows": [row(record, exporter) for record in found[:_ROWS]],
        "matches": len(found),
        "total": counted.total,
        "states": [(word, states[word]) for word in STANDINGS if states[word] or word in query.states],
        "all_states": STANDINGS,
        "services": sorted(counted.services.items()),
        "failing": counted.failing,
        "query": query,
        "href": lambda **changes: address(query, **changes),
        "mistake": mistake,
    }


def address(query: Query, **changes: str) -> str:
    """Return the query string of *query* with some parameters changed; an empty one is left out."""
    pairs = {
        "q": query.q,
        "service": sorted(query.services),
        "state": sorted(query.states),
        "error": "1" if query.error else "",
        "sort": "" if query.sort == "state" else query.sort,
        "order": "desc" if query.descending else "",
        **changes,
    }
    said = {name: value for name, value in pairs.items() if value}
    return "?" + urlencode(said, doseq=True, errors="replace")


def single(record: Record, exporter: Exporter) -> dict[str, Any]:
    """Return the view of one job."""
    return {"now": exporter.now(), "job": row(record, exporter), "identity": list(registry.declared().identity)}


def tabular(value: object) -> list[str] | None:
    """Return the columns if *value* is a list of objects, which is shown as a table; else ``None``.

    A time that was read is shown once: as the moment, not as the text that it was read from too.
    """
    if not isinstance(value, list) or not value or not all(isinstance(item, Mapping) for item in value):
        return None
    names = list(dict.fromkeys(str(name) for item in value for name in item))
    return [name for name in names if f"{name}{_STAMP}" not in names]
