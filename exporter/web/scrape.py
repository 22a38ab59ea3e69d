"""One answer for all who ask at once: the rendering and the compression of /metrics are shared while in flight."""

import asyncio
import gzip
from typing import Final, NamedTuple

from aiohttp import web

from exporter.web.negotiate import OPENMETRICS, TEXT, gzip_ok, openmetrics
from exporter.web.ports import Exposition

GZIP_OVER: Final = 1024
"""Bytes from which on a body is worth compressing."""
GZIP_LEVEL: Final = 4
"""Level 9 takes four times as long for a twentieth less of such text."""


class Scrapes:
    """Counts answered scrapes, so that a stopping exporter can wait until its last values were fetched."""

    def __init__(self) -> None:
        self.answered = 0
        """Scrapes whose whole answer was handed to the connection."""
        self._rendered = 0
        self._waiters: list[tuple[int, asyncio.Future[None]]] = []

    def rendering(self) -> int:
        """Note that a body is rendered now and return its number."""
        self._rendered += 1
        return self._rendered

    def sent(self, rendering: int) -> None:
        """Note that the body of that number was answered, and wake those who waited for it."""
        self.answered += 1
        for number, waiter in self._waiters:
            if number < rendering and not waiter.done():
                waiter.set_result(None)

    async def wait_next(self) -> None:
        """Return once a scrape was answered whose body was rendered after this call."""
        entry = (self._rendered, asyncio.get_running_loop().create_future())
        self._waiters.append(entry)
        try:
            await entry[1]
        finally:
            self._waiters.remove(entry)


class Kind(NamedTuple):
    """What makes two scrapes the same."""

    openmetrics: bool
    gzip: bool
    names: frozenset[str]


class Body(NamedTuple):
    """A rendered body, ready to be sent."""

    content: bytes
    zipped: bool
    rendering: int


async def packed(content: bytes, wanted: bool) -> tuple[bytes, bool]:
    """Compress *content* off the event loop if that is wanted and worth it; tell whether it was done."""
    if not wanted or len(content) <= GZIP_OVER:
        return content, False
    return await asyncio.to_thread(gzip.compress, content, GZIP_LEVEL, mtime=0), True


class Bodies:
    """Renders a body once for all who want the same kind while it is being made."""

    def __init__(self, exposition: Exposition, scrapes: Scrapes) -> None:
        self._exposition = exposition
        self._scrapes = scrapes
        self._making: dict[Kind, asyncio.Task[Body]] = {}

    async def get(self, kind: Kind) -> Body:
        """Return a body of that kind; who stops waiting does not stop it for the others."""
        task = self._making.get(kind)
        if task is None:
            task = asyncio.create_task(self._make(kind), name="render metrics")
            self._making[kind] = task
            task.add_done_callback(lambda done: self._made(kind, done))
        return await asyncio.shield(task)

    def _made(self, kind: Kind, done: asyncio.Task[Body]) -> None:
        del self._making[kind]
        if not done.cancelled():
            done.exception()  # seen, so that it is not told as lost where every waiter has gone

    async def _make(self, kind: Kind) -> Body:
        rendering = self._scrapes.rendering()
        content = self._exposition.render(kind.openmetrics, kind.names)
        return Body(*await packed(content, kind.gzip), rendering)


class _Answer(web.Response):
    """A scrape's answer, counted when all of it was handed to the connection."""

    def __init__(self, body: Body, scrapes: Scrapes | None, headers: dict[str, str]) -> None:
        super().__init__(body=body.content, headers=headers)
        self._rendering = body.rendering
        self._scrapes = scrapes

    async def write_eof(self, data: bytes = b"") -> None:
        """Send the body, then count it once."""
        await super().write_eof(data)
        if self._scrapes is not None:
            self._scrapes.sent(self._rendering)
            self._scrapes = None


def header(request: web.Request, name: str) -> str:
    """Return a header that may be sent in several lines as the one list that it is."""
    return ",".join(request.headers.getall(name, []))


class Metrics:
    """The handler of /metrics."""

    def __init__(self, exposition: Exposition, scrapes: Scrapes) -> None:
        self._bodies = Bodies(exposition, scrapes)
        self._scrapes = scrapes

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a scrape, or the headers of one to HEAD."""
        kind = Kind(
            openmetrics(header(request, "Accept")),
            gzip_ok(header(request, "Accept-Encoding")),
            frozenset(name for name in request.query.getall("name[]", []) if name),
        )
        body = await self._bodies.get(kind)
        headers = {"Content-Type": OPENMETRICS if kind.openmetrics else TEXT, "Vary": "Accept, Accept-Encoding"}
        if body.zipped:
            headers["Content-Encoding"] = "gzip"
        return _Answer(body, self._scrapes if request.method == "GET" else None, headers)
