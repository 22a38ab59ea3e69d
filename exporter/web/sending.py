"""Sends a long response in pieces, each when the connection has room for it, so a slow client needs little memory."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from aiohttp import web

PIECE: Final = 32 * 1024
"""Bytes that a piece has at least: each client may leave one unread."""
_LONGEST: Final = 256 * 1024
"""Bytes of a piece while few clients read: longer ones need fewer writes."""
_SHARED: Final = 1024 * 1024
"""Divided by the number of clients that read, it is the bytes of a piece, within these two bounds."""
WRITE_BUFFER: Final = 16 * 1024
"""Bytes that may wait in a connection before the answer to it pauses: one piece more is what a slow reader costs."""
_TURN: Final = 1024 * 1024
"""Bytes after which others have their turn: a client that reads quickly never makes an answer wait."""
_READING: Final[set[web.StreamResponse]] = set()
"""The answers that are being sent."""
HOLDS: Final[web.RequestKey[Callable[[object, int], None]]] = web.RequestKey("holds")
"""What to call with the content that an answer keeps in memory until its client has read it, and with its bytes."""


def hold(request: web.Request, content: object, size: int) -> None:
    """Note what is kept in memory for this client; the same *content* counts once for all who read it."""
    note = request.get(HOLDS)
    if note is not None:
        note(content, size)


def longest() -> int:
    """Return how many bytes the next piece should have."""
    return max(PIECE, min(_LONGEST, _SHARED // max(1, len(_READING))))


async def send(request: web.Request, response: web.StreamResponse, pieces: Iterable[bytes]) -> None:
    """Send an answer, or the headers of one to HEAD."""
    await response.prepare(request)
    if request.method == "HEAD":
        return
    _READING.add(response)
    try:
        sent = 0
        for piece in pieces:
            await send_piece(request, response, piece)
            sent += len(piece)
            if sent >= _TURN:
                sent = 0
                await asyncio.sleep(0)
        await response.write_eof()
    finally:
        _READING.discard(response)


async def send_piece(request: web.Request, response: web.StreamResponse, piece: bytes) -> None:
    """Send a piece, and wait until there is room for the next; the library waits after the second one only."""
    await response.write(piece)
    await request.writer.drain()
