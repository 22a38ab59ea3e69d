"""The query parameters of list and page: which jobs to show, and in which order. Pure."""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from difflib import get_close_matches
from itertools import pairwise
from math import inf
from typing import Final, NamedTuple

from exporter.model.errors import ExporterError
from exporter.model.job import JobKey
from exporter.model.masking import VendorText, repeated
from exporter.model.record import Record
from exporter.model.snapshot import State, complaint
from exporter.model.standing import STANDINGS, standing
from exporter.services import registry
from exporter.web.order import GROUPS, LABEL, SORTS, ByStanding, Order
from exporter.web.page.texts import LANGUAGES

_NextDue = Callable[[JobKey], float | None]
PARAMETERS: Final = (
    *("q", "service", "state", "error", "failed", "group", "sort", "order", "limit", "offset", "clock", "lang", "job"),
)
FAILED: Final[Mapping[str, float]] = {"1h": 3600.0, "8h": 28_800.0, "24h": 86_400.0, "7d": 604_800.0}
"""Within how many seconds the last failed run of a job ended."""
CLOCK_WORDS: Final = ("utc", "cloud")
"""By which clock the page tells times: UTC, or that of the project's time zone."""
LONGEST_SEARCH: Final = 256
"""Letters of a search; a name that is searched for has at most half of that."""
_MOST_WORDS: Final = 16
"""Different words of a search: each is looked for in all that is shown of every job."""
GREATEST_NUMBER: Final = 999_999_999
"""Of ``limit`` and ``offset``."""
_CANDIDATES: Final = 2000
"""Jobs whose names are compared to find the nearest; anybody may ask, so it has to be some milliseconds of work."""
_LETTERS: Final = 64
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
    failed: str = ""
    """Only jobs of which a run failed so lately, one of :data:`FAILED`."""
    group: str = ""
    sort: str = "name"
    descending: bool = False
    limit: int | None = None
    offset: int = 0
    clock: str = "utc"
    lang: str = ""
    """The language of the page, if the query says it."""
    jobs: tuple[JobKey, ...] = ()
    """Only these, whatever else is asked for."""


class Asking(NamedTuple):
    """What is to be known of the exporter to find the jobs."""

    now: float
    next_due: _NextDue = lambda key: None
    last_failure: _NextDue = lambda key: None
    """When the last run of a job that failed ended."""
    vendor_text: VendorText = VendorText.REDACTED
    """How much of the vendor's own text is searched: as much as is shown."""


def parse_query(pairs: Iterable[tuple[str, str]], sort: str = "name") -> Query:
    """Read the query parameters; one that is empty was not said, as a form sends them. *sort* is the default."""
    said: dict[str, list[str]] = {}
    for name, value in pairs:
        said.setdefault(_known("parameter", name, PARAMETERS), []).extend([value] if value.strip() else [])
    services = tuple(registry.load_services())
    single = {name: values[-1].strip() for name, values in said.items() if values}
    return Query(
        q=_search(single.get("q", "")),
        services=frozenset(_known("service", service, services) for service in said.get("service", ())),
        states=frozenset(_known("state", state, STANDINGS) for state in said.get("state", ())),
        error=_known("error", single.get("error", "0"), ("0", "1")) == "1",
        failed=_known("failed", single.get("failed", ""), ("", *FAILED)),
        group=_group(single.get("group", "")),
        clock=_known("clock", single.get("clock", "utc"), CLOCK_WORDS),
        lang=_known("lang", single.get("lang", ""), ("", *LANGUAGES)),
        jobs=tuple(_job_key(text) for text in said.get("job", ())),
        sort=_known("sort", single.get("sort", sort), SORTS),
        descending=_known("order", single.get("order", "asc"), ("asc", "desc")) == "desc",
        limit=_number("limit", single["limit"]) if "limit" in single else None,
        offset=_number("offset", single.get("offset", "0")),
    )


def matching(jobs: ByStanding, query: Query, asking: Asking) -> ByStanding:
    """Return the jobs that *query* asks for, in no order."""
    found = {word: records for word, records in jobs.items() if not query.states or word in query.states}
    for wanted in _conditions(query, asking):
        found = {word: [record for record in records if wanted(record)] for word, records in found.items()}
    return found


def number_of(jobs: ByStanding) -> int:
    """Return how many *jobs* are."""
    return sum(map(len, jobs.values()))


def page_of(found: ByStanding, query: Query, asking: Asking) -> list[Record]:
    """Return the part of *found* that ``limit`` and ``offset`` leave, in the order of *query*."""
    count = number_of(found)
    end = count if query.limit is None else query.offset + query.limit
    order = Order(query.sort, query.descending, query.group, asking.next_due)
    return order.first(found, min(end, count))[query.offset :]


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
        alike = ((_alike(wanted, _pairs(key.job.casefold())), key) for key in keys[:_CANDIDATES])
        found += [(share, key) for share, key in alike if share >= _ALIKE]
    found.sort(key=lambda each: (-each[0], each[1].service != service))
    return list(dict.fromkeys(key for _, key in found))[:3]


def _pairs(name: str) -> frozenset[str]:
    """Return the pairs of letters that stand side by side, with those at the ends."""
    return frozenset(map("".join, pairwise(f" {name[:_LETTERS]} ")))


def _alike(one: frozenset[str], other: frozenset[str]) -> float:
    """Return the part of the pairs of both names that they share."""
    return len(one & other) * 2 / (len(one) + len(other))


def _conditions(query: Query, asking: Asking) -> Iterator[Callable[[Record], bool]]:
    """Yield what a job has to be, the cheapest first."""
    if jobs := frozenset(query.jobs):
        yield lambda record: record.job.key in jobs
    if query.services:
        yield lambda record: record.job.key.service in query.services
    if query.error:
        yield lambda record: record.fault is not None
    if query.failed:
        since = asking.now - FAILED[query.failed]
        yield lambda record: (asking.last_failure(record.job.key) or -inf) >= since
    if words := _words(query.q):
        yield lambda record: _has_words(_text(record, asking.vendor_text), words)


def _has_words(text: str, words: Sequence[str]) -> bool:
    return all(word in text for word in words)


def _text(record: Record, how: VendorText) -> str:
    """Return all that a job may be found by: what is shown of it, and what an alert tells."""
    job, shown, fault = record.job, record.shown, record.fault
    texts = [*job.key, job.project, job.region, standing(record), *job.target.values(), *job.labels.values()]
    if shown is not None:
        texts += [shown.run.label, shown.native_state, shown.failure_code or ""]
        if shown.state is State.FAILED:
            texts.append(repeated(complaint(shown.detail), how))
    if fault is not None:
        texts += [fault.reason.value, fault.code, fault.request_id, fault.sentence, repeated(fault.text, how)]
    return "\n".join(texts).casefold()


def _words(text: str) -> list[str]:
    return list(dict.fromkeys(text.casefold().split()))


def _search(text: str) -> str:
    if len(text) > LONGEST_SEARCH or len(_words(text)) > _MOST_WORDS:
        raise QueryError(
            f"q has {len(text)} letters and {len(_words(text))} different words;"
            f" search for at most {LONGEST_SEARCH} letters and {_MOST_WORDS} words"
        )
    return text


def _group(word: str) -> str:
    return word if word.startswith(LABEL) and word != LABEL else _known("group", word, ("", *GROUPS))


def _known(what: str, word: str, words: Sequence[str]) -> str:
    if word in words:
        return word
    close = get_close_matches(word[:100], words, 1)
    hint = f"did you mean {close[0]}?" if close else f"known are {', '.join(words)}"
    raise QueryError(f"unknown {what} {word[:100]!r}; {hint}")


def _job_key(text: str) -> JobKey:
    service, slash, name = text.partition("/")
    if not slash:
        raise QueryError(f"job {text[:100]!r} is not SERVICE/JOB")
    return JobKey(service, name)


def _number(what: str, text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) <= len(str(GREATEST_NUMBER))):
        raise QueryError(f"{what} {text[:100]!r} is not a whole number from 0 to {GREATEST_NUMBER}")
    return int(text)
