"""URLs of the page: of a job, and of the list with its parameters and the viewer's settings. Pure."""

from typing import Any, Final, NamedTuple
from urllib.parse import quote, urlencode

from exporter.runs.past import Watch
from exporter.web.page.texts import ENGLISH, Texts
from exporter.web.query import Query

ROWS: Final = 100
"""Rows of a page unless another number is asked for."""


class Viewer(NamedTuple):
    """For whom a page is made, and when."""

    now: float
    watch: Watch
    clock: str = "utc"
    say: Texts = ENGLISH
    chosen: str = ""
    """The language, if the address says it."""

    @property
    def choices(self) -> tuple[str, ...]:
        """What two viewers may have chosen differently."""
        return self.clock, self.say.lang, self.chosen

    def to(self, path: str, **changes: str) -> str:
        """Return *path* for a link to another page, which keeps what was chosen but for *changes*."""
        kept = {"clock": "" if self.clock == "utc" else self.clock, "lang": self.chosen, **changes}
        said = urlencode({name: value for name, value in kept.items() if value})
        return f"{path}{'&' if '?' in path else '?'}{said}" if said else path


def address(query: Query, **changes: Any) -> str:
    """Return the query string of *query* with some parameters changed; an empty one is left out."""
    said = {name: value for name, value in {**_pairs(query), **changes}.items() if value}
    return "?" + urlencode(said, doseq=True, errors="replace")


def hidden_fields(query: Query) -> list[tuple[str, str]]:
    """Return what a form keeps of the query besides its own fields."""
    fields = [(name, value) for name, value in _pairs(query).items() if name not in {"q", "sort", "order"}]
    several = [(name, [value] if isinstance(value, str) else value) for name, value in fields]
    return [(name, each) for name, values in several for each in values if each]


def _pairs(query: Query) -> dict[str, Any]:
    return {
        "q": query.q,
        "job": ["/".join(key) for key in query.jobs],
        "service": sorted(query.services),
        "state": sorted(query.states),
        "error": "1" if query.error else "",
        "failed": query.failed,
        "group": query.group,
        "sort": "" if query.sort == "state" else query.sort,
        "order": "desc" if query.descending else "",
        "limit": "" if query.limit in (None, ROWS) else str(query.limit),
        "clock": "" if query.clock == "utc" else query.clock,
        "lang": query.lang,
    }


def link(service: str, job: str, under: str = "") -> str:
    """Return the address of a job's page, or of what is *under* it, relative to the root.

    Browsers take dots alone for folders.
    """
    if job in {".", ".."}:
        return f"job{under}?" + urlencode({"service": service, "job": job})
    return f"jobs/{_path(service, job)}{under}"


def _path(*parts: str) -> str:
    return "/".join(quote(part, safe="", errors="replace") for part in parts)
