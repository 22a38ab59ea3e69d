"""Which jobs a reader wants, and in which order: the query parameters of the list and of the page. Pure."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from typing import Any, Final

from exporter.model.errors import ExporterError
from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.services.registry import load_services
from exporter.web.job_json import STALE, UNANSWERED, WAITING, standing

STANDINGS: Final = ("failed", UNANSWERED, STALE, "running", "pending", "unknown", WAITING, "cancelled", "succeeded")
"""Every state and every reason why none is known, what needs a person first."""

NextDue = Callable[[JobKey], float | None]
_PARAMETERS: Final = ("q", "service", "state", "error", "sort", "order", "limit", "offset")
_SORTS: Final[Mapping[str, Callable[[Record], Any]]] = {
    "name": lambda record: record.job.key.job.casefold(),
    "service": lambda record: record.job.key.service,
    "project": lambda record: record.job.project,
    "state": lambda record: STANDINGS.index(standing(record)),
    "progress": lambda record: record.shown.progress if record.shown else None,
    "start": lambda record: record.shown.start if record.shown else None,
    "last_poll": lambda record: record.polled_at,
    "last_progress": lambda record: record.last_progress if record.shown else None,
    "failing": lambda record: record.failing,
}
SORTS: Final = (*_SORTS, "next_poll")
CANDIDATES: Final = 2000
"""Jobs whose names are compared to find the nearest; anybody may ask, so it has to be some milliseconds of work."""
LETTERS: Final = 64
"""Letters of a name that are compared."""
_ALIKE: Final = 0.4
"""The part of its pairs of letters that a near name shares, from 0 to 1."""


class QueryError(ExporterError):
    """A query parameter that cannot be meant; its text says which and what was expected."""


@dataclass(frozen=True, slots=True)
class Query:
    """What is asked for; empty means everything."""

    q: str = ""
    services: frozenset[str] = frozenset()
    states: frozenset[str] = frozenset()
    error: bool = False
    """Only jobs whose last poll failed."""
    sort: str = "name"
    descending: bool = False
    limit: int | None = None
    offset: int = 0


def parse_query(pairs: Iterable[tuple[str, str]], sort: str = "name") -> Query:
    """Read the query parameters; one that is empty was not said, as a form sends them. *sort* is the default."""
    said: dict[str, list[str]] = {}
    for name, value in pairs:
        said.setdefault(_known("parameter", name, _PARAMETERS), []).extend([value] if value.strip() else [])
    services = tuple(load_services())
    single = {name: values[-1].strip() for name, values in said.items() if values}
    return Query(
        q=single.get("q", ""),
        services=frozenset(_known("service", service, services) for service in said.get("service", ())),
        states=frozenset(_known("state", state, STANDINGS) for state in said.get("state", ())),
        error=_known("error", single.get("error", "0"), ("0", "1")) == "1",
        sort=_known("sort", single.get("sort", sort), SORTS),
        descending=_known("order", single.get("order", "asc"), ("asc", "desc")) == "desc",
        limit=_number("limit", single["limit"]) if "limit" in single else None,
        offset=_number("offset", single.get("offset", "0")),
    )


def matching(records: Iterable[Record], query: Query, next_due: NextDue) -> list[Record]:
    """Return the jobs that *query* asks for, in its order; what is not known comes last in either order."""
    needle = query.q.casefold()
    found = [record for record in records if _matches(record, query, needle)]
    found.sort(key=_name)
    read: Callable[[Record], Any] = _SORTS.get(query.sort) or (lambda record: next_due(record.job.key))
    known = [record for record in found if read(record) is not None]
    unknown = [record for record in found if read(record) is None] if len(known) < len(found) else []
    known.sort(key=read, reverse=query.descending)
    return known + unknown


def page_of(found: Sequence[Record], query: Query) -> Sequence[Record]:
    """Return the part of *found* that ``limit`` and ``offset`` leave."""
    end = None if query.limit is None else query.offset + query.limit
    return found[query.offset : end]


def nearest_jobs(records: Collection[Record], service: str, job: str) -> list[JobKey]:
    """Return up to three registered jobs whose names are like the one asked for, the likest first."""
    keys, folded = [record.job.key for record in records], job.casefold()
    found: list[tuple[float, JobKey]] = []
    for key in keys:
        name = key.job.casefold()
        if name == folded or (folded and folded in name):
            found.append((2.0 if name == folded else 1.0, key))
    if len(found) < 3:
        wanted = _pairs(folded)
        alike = ((_alike(wanted, _pairs(key.job.casefold())), key) for key in keys[:CANDIDATES])
        found += [(share, key) for share, key in alike if share >= _ALIKE]
    found.sort(key=lambda each: (-each[0], each[1].service != service))
    return list(dict.fromkeys(key for _, key in found))[:3]


def _pairs(name: str) -> frozenset[str]:
    """Return the pairs of letters that stand side by side, with those at the ends."""
    return frozenset(map("".join, pairwise(f" {name[:LETTERS]} ")))


def _alike(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the part of the pairs of both names that they share."""
    return len(one & other) * 2 / (len(one) + len(other))


def _name(record: Record) -> str:
    """Return what orders by name; one text and not a tuple, because a long sort holds up every other thread."""
    key = record.job.key
    return f"{key.job.casefold()}\0{key.job}\0{key.service}"


def _matches(record: Record, query: Query, needle: str) -> bool:
    if query.services and record.job.key.service not in query.services:
        return False
    if query.error and record.fault is None:
        return False
    if query.states and standing(record) not in query.states:
        return False
    return not needle or any(needle in text.casefold() for text in (*record.job.key, record.job.project))


def _known(what: str, word: str, words: Sequence[str]) -> str:
    if word in words:
        return word
    close = get_close_matches(word[:100], words, 1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(words)}"
    raise QueryError(f"unknown {what} {word[:100]!r}; {hint}")


def _number(what: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise QueryError(f"{what} {text[:100]!r} is not a whole number from 0 up")
    return int(text)
