"""/metrics: simultaneous scrapes of one kind share the rendering and the compression."""

import asyncio
import gzip
from collections.abc import Iterable, Iterator
from typing import Final, NamedTuple

from aiohttp import web

from exporter.threads import compute
from exporter.web.negotiate import OPENMETRICS, TEXT, gzip_ok, openmetrics
from exporter.web.ports import Exporter
from exporter.web.scrapes import Scraper, Scrapes
from exporter.web.sending import hold, longest, send
from exporter.web.squeeze import LEVEL, Squeezer

_GZIP_OVER: Final = 1024
"""Bytes from which on a body is worth compressing."""


class Kind(NamedTuple):
    """What makes two scrapes the same."""

    openmetrics: bool
    gzip: bool
    names: frozenset[str]


class _Body(NamedTuple):
    """A rendered body, ready to be sent in parts that never change."""

    parts: list[bytes]
    length: int
    zipped: bool
    rendering: int


async def compressed(content: bytes, wanted: bool) -> tuple[bytes, bool]:
    """Compress *content* off the event loop if that is wanted and worth it; tell whether it was done."""
    if not wanted or len(content) <= _GZIP_OVER:
        return content, False
    return await compute(gzip.compress, content, LEVEL, mtime=0), True


class Bodies:
    """Renders a body once for all who want the same kind while it is being made."""

    def __init__(self, exporter: Exporter, scrapes: Scrapes) -> None:
        self._exporter = exporter
        self._scrapes = scrapes
        self._making: dict[Kind, asyncio.Task[_Body]] = {}
        self._squeezers = {False: Squeezer(), True: Squeezer()}

    async def get(self, kind: Kind) -> _Body:
        """Return a body of that kind; a client that stops waiting does not stop it for the others."""
        task = self._making.get(kind)
        if task is None:
            task = asyncio.create_task(self._make(kind), name="render metrics")
            self._making[kind] = task
            task.add_done_callback(lambda done: self._made(kind, done))
        return await asyncio.shield(task)

    def _made(self, kind: Kind, done: asyncio.Task[_Body]) -> None:
        del self._making[kind]
        if not done.cancelled():
            done.exception()  # read, so that asyncio does not log it as lost if no client waits any more

    async def _make(self, kind: Kind) -> _Body:
        rendering = self._scrapes.rendering()
        sections = self._exporter.sections(kind.openmetrics, kind.names)
        parts = [part for section in sections for part in section]
        length = sum(map(len, parts))
        zipped = kind.gzip and length > _GZIP_OVER
        if zipped:
            # what was compressed is kept for whole bodies alone: there are few kinds of these
            squeezer = Squeezer() if kind.names else self._squeezers[kind.openmetrics]
            parts = await compute(squeezer.squeeze, sections)
            length = sum(map(len, parts))
        return _Body(parts, length, zipped, rendering)


def pieces(parts: Iterable[bytes]) -> Iterator[bytes]:
    """Join small parts to pieces that are worth a write of their own."""
    waiting: list[bytes] = []
    size, enough = 0, longest()
    for part in parts:
        waiting.append(part)
        size += len(part)
        if size >= enough:
            yield b"".join(waiting)
            waiting, size, enough = [], 0, longest()
    if waiting:
        yield b"".join(waiting)


def header(request: web.Request, name: str) -> str:
    """Return a header that may be sent in several lines as the one list that it is."""
    return ",".join(request.headers.getall(name, []))


class Metrics:
    """The handler of /metrics."""

    def __init__(self, exporter: Exporter, scrapes: Scrapes) -> None:
        self._bodies = Bodies(exporter, scrapes)
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
        response = web.StreamResponse(headers=headers)
        response.content_length = body.length
        hold(request, body.rendering, body.length)
        await send(request, response, pieces(body.parts))
        if request.method == "GET" and not kind.names:  # a part of the metrics is no scrape that saw the end
            self._scrapes.sent(body.rendering, Scraper(request.remote or "", request.headers.get("User-Agent", "")))
        return response
