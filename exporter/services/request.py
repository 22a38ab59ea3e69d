"""One call to a service, as its adapter describes it."""

import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeVar
from urllib.parse import quote

from exporter.model.frozen import replace

_T = TypeVar("_T")
FOLDERS: Final = frozenset({".", ".."})
"""Names that no path can say, encoded or not: every reader of URLs takes them for the folder or the one above it."""

MOST_NARROWED: Final = 2
"""How often the time that a call asks for is made shorter."""
_NARROWER: Final = 7.0

_PLAIN = re.compile(r"[A-Za-z0-9_.~/-]+")  # as nearly every id is


@dataclass(frozen=True, slots=True)
class Request:
    """One call to make, relative to the service's endpoint."""

    operation: str
    """The vendor's name of the call, label ``operation``."""
    path: str
    """Percent-encoded, starts with a slash."""
    limit: str
    """The limit class whose budget it draws from."""
    query: tuple[tuple[str, str], ...] = ()
    method: str = "GET"
    body: bytes = field(default=b"", repr=False)
    """JSON, if there is any."""
    times: tuple[tuple[str, float], ...] = ()
    """More of the query: Unix milliseconds, each by how many seconds before the call it is. The clock is the
    cloud's once an answer told it, else this machine's."""
    headers: tuple[tuple[str, str], ...] = ()
    """Besides those that every call has; they are signed too."""

    def narrowed(self, times: int) -> "Request":
        """Return the call for a part of its time that still ends now, the shorter the more *times*."""
        if not times:
            return self
        return replace(self, times=tuple((name, before / _NARROWER**times) for name, before in self.times))

    def at(self, now: float) -> "Request":
        """Return the call that is made at *now*, in Unix seconds by the cloud's clock."""
        return replace(self, query=self.query_at(now), times=()) if self.times else self

    def query_at(self, now: float) -> tuple[tuple[str, str], ...]:
        """Return the whole query of a call that is made at *now*, in Unix seconds."""
        return (*self.query, *((name, str(round((now - before) * 1000))) for name, before in self.times))


class Ask(Protocol):
    """Makes one call and reads the body of its 200 answer."""

    def __call__(self, request: Request, read: Callable[[bytes], _T], /) -> Awaitable[tuple[_T, float]]:
        """Return what *read* makes of the body, and when it came, by the clock that never jumps.

        Raises :class:`~exporter.model.errors.PollError` if no such answer came, or *read* does.
        """


def segments(*parts: str) -> str:
    """Join path segments, each percent-encoded as the vendor's signature wants them."""
    path = "/" + "/".join(parts)
    if _PLAIN.fullmatch(path) and path.count("/") == len(parts):
        return path
    return "/" + "/".join([quote(part, safe="~") for part in parts])
