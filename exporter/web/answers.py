"""Creates responses: their headers, their compression, and how long ones are sent to slow clients."""

import asyncio
import gzip
import time
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping, MutableMapping
from typing import Final, NamedTuple, TypeVar

from aiohttp import web

from exporter.threads import compute
from exporter.web.job_json import encoded
from exporter.web.listening.turn_queue import TurnQueue
from exporter.web.metrics import compressed, header
from exporter.web.negotiate import gzip_ok
from exporter.web.sending import PIECE, hold, send, send_piece
from exporter.web.squeeze import LEVEL

POLICY: Final = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self';"
    " form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
Headers = Mapping[str, str]
_HEADERS: Final[Headers] = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
}
LISTS_AT_ONCE: Final = 2
"""Lists that are made at a time: one more would only make all slower, and with them the scrapes between."""
LISTS_WAITING: Final = 64
"""Requests that may wait for their turn: with thousands of jobs the last of them waits for some seconds. One address
may take all places that no other wants; whoever comes from another then takes the place of one of them."""
_LONG: Final = 64 * 1024
"""Bytes from which on an answer is sent in pieces."""
_STAYS: Final = 0.01
"""Seconds after which work begins: for a client that closes with its request, as a flood may, none does."""
_PIECE_SECONDS: Final = 0.01
"""Seconds for which making a piece may hold up all else; that it does is seen one job later."""
_GZIP: Final = 16
"""Added to the size of the window, as zlib has it."""
_WINDOW: Final = 13
_MEMORY: Final = 6
"""A window of 8 KiB, some jobs, makes compressing a list cost 64 KiB for each reader instead of 256."""
_Found = TypeVar("_Found")


def dress(headers: MutableMapping[str, str], configured: Headers) -> MutableMapping[str, str]:
    """Add what every answer carries: what is *configured*, and what guards the page in a browser."""
    headers.update(configured)
    for name, value in _HEADERS.items():
        headers.setdefault(name, value)
    return headers


def text_answer(text: str, status: int = 200, **headers: str) -> web.Response:
    """Return plain text."""
    headers = {"Content-Type": "text/plain; charset=utf-8", "Cache-Control": "no-store", **headers}
    return web.Response(body=text.encode("utf-8", "replace"), status=status, headers=headers)


async def json_answer(request: web.Request, value: object, status: int = 200) -> web.StreamResponse:
    """Return *value* as JSON."""
    return await body_answer(request, encoded(value), "application/json", status)


async def body_answer(
    request: web.Request, body: bytes, kind: str, status: int = 200, keep: str = "no-store"
) -> web.StreamResponse:
    """Return *body*; *keep* is what caches may do with it. A long one is kept compressed while it is read."""
    wanted = gzip_ok(header(request, "Accept-Encoding"))
    if len(body) <= _LONG:
        content, zipped = await compressed(body, wanted)
        return web.Response(body=content, status=status, headers=_about(kind, zipped, keep))
    page = await compute(pack, body)
    del body
    return await packed_answer(request, page, kind, status, keep)


class PackedPage(NamedTuple):
    """A body that is kept for whoever reads it."""

    length: int
    packed: bytes
    tag: str = ""
    """Its entity tag."""


def pack(body: bytes, tag: str = "") -> PackedPage:
    """Compress *body*; work for a thread."""
    return PackedPage(len(body), gzip.compress(body, LEVEL, mtime=0), tag)


async def packed_answer(
    request: web.Request, page: PackedPage, kind: str, status: int = 200, keep: str = "no-store", vary: str = ""
) -> web.StreamResponse:
    """Return *page*, in pieces; *vary* names what else of the request it goes by."""
    wanted = gzip_ok(header(request, "Accept-Encoding"))
    headers = _about(kind, wanted, keep)
    if vary:
        headers["Vary"] += f", {vary}"
    if page.tag:
        headers["ETag"] = page.tag
    response = web.StreamResponse(status=status, headers=headers)
    response.content_length = len(page.packed) if wanted else page.length
    hold(request, page.packed, len(page.packed))
    await send(request, response, _cut(page.packed) if wanted else _unpacked(page.packed))
    return response


def has(request: web.Request, tag: str) -> bool:
    """Whether the client says that it has what *tag* stands for."""
    known = {each.strip().removeprefix("W/") for each in header(request, "If-None-Match").split(",")}
    return tag.removeprefix("W/") in known or "*" in known


def not_modified(tag: str, vary: str) -> web.Response:
    """Return that the client has what *tag* stands for."""
    headers = {"Cache-Control": "no-store", "ETag": tag, "Vary": f"Accept-Encoding, {vary}"}
    return web.Response(status=304, headers=headers)


class Lists:
    """Sends lists of jobs, in pieces that are made when the client has read those before."""

    def __init__(self) -> None:
        self.turn = asyncio.Semaphore(LISTS_AT_ONCE)
        """What to hold while a piece is made, and not while a client reads."""
        places = LISTS_AT_ONCE + LISTS_WAITING
        self._queue = TurnQueue(at_once=LISTS_AT_ONCE, places=places, own_turns=LISTS_AT_ONCE, own_places=places)

    async def make(self, address: str, begin: Callable[[], Callable[[], _Found]]) -> _Found:
        """Wait for a turn of *address*, call *begin*, and run what it returns in a thread.

        *begin* takes the records: so those who wait hold none of them. A thread cannot be stopped, so its turn ends
        with it and not with the client. Raises
        :class:`~exporter.web.listening.turn_queue.BusyError` if too many wait already.
        """
        await asyncio.sleep(_STAYS)
        async with self._queue.turn(address):
            working = asyncio.ensure_future(compute(begin()))
            try:
                return await asyncio.shield(working)
            except asyncio.CancelledError:
                await asyncio.wait((working,))
                raise

    async def send(self, request: web.Request, parts: Iterator[bytes], kind: str) -> web.StreamResponse:
        """Answer by what *parts* yields. It is taken in the event loop, a few parts at a time."""
        zipped = gzip_ok(header(request, "Accept-Encoding"))
        response = web.StreamResponse(headers=_about(kind, zipped))
        await response.prepare(request)
        if request.method == "HEAD":
            return response
        pack = zlib.compressobj(LEVEL, zlib.DEFLATED, _GZIP + _WINDOW, _MEMORY)
        more = True
        while more:
            async with self.turn:
                piece, more = _piece(parts)
                if zipped:
                    piece = pack.compress(piece) + (b"" if more else pack.flush())
                await asyncio.sleep(0)  # in its turn still: of all lists two pieces at most are between two scrapes
            if piece:
                await send_piece(request, response, piece)
        await response.write_eof()
        return response


def _piece(parts: Iterator[bytes]) -> tuple[bytes, bool]:
    """Return some parts, joined, and whether more may follow."""
    found: list[bytes] = []
    size, until = 0, time.perf_counter() + _PIECE_SECONDS
    for part in parts:
        found.append(part)
        size += len(part)
        if size >= PIECE or time.perf_counter() >= until:
            return b"".join(found), True
    return b"".join(found), False


def _cut(content: bytes) -> Iterable[bytes]:
    return (content[at : at + PIECE] for at in range(0, len(content), PIECE))


def _unpacked(packed: bytes) -> Iterator[bytes]:
    unpack = zlib.decompressobj(_GZIP + zlib.MAX_WBITS)
    for part in _cut(packed):
        rest = part
        while rest:
            yield unpack.decompress(rest, PIECE)
            rest = unpack.unconsumed_tail


def _about(kind: str, zipped: bool, keep: str = "no-store") -> dict[str, str]:
    headers = {"Content-Type": f"{kind}; charset=utf-8", "Cache-Control": keep, "Vary": "Accept-Encoding"}
    return {**headers, "Content-Encoding": "gzip"} if zipped else headers
