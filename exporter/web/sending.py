"""Sends a long response in pieces, each when the connection has room for it, so a slow client needs little memory."""

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from aiohttp import web

PIECE: Final = 32 * 1024
"""Bytes of a piece."""
WRITE_BUFFER: Final = 16 * 1024
"""Bytes that may wait in a connection before the answer to it pauses: one piece more is what a slow reader costs."""
_TURN: Final = 32
"""Pieces after which others have their turn: a client that reads quickly never makes an answer wait."""
HOLDS: Final[web.RequestKey[Callable[[object, int], None]]] = web.RequestKey("holds")
"""What to call with the content that an answer keeps in memory until its client has read it, and with its bytes."""


def hold(request: web.Request, content: object, size: int) -> None:
    """Note what is kept in memory for this client; the same *content* counts once for all who read it."""
    note = request.get(HOLDS)
    if note is not None:
        note(content, size)


async def send(request: web.Request, response: web.StreamResponse, pieces: Iterable[bytes]) -> None:
    """Send an answer, or the headers of one to HEAD."""
    await response.prepare(request)
    if request.method != "HEAD":
        for number, piece in enumerate(pieces, start=1):
            await send_piece(request, response, piece)
            if not number % _TURN:
                await asyncio.sleep(0)
        await response.write_eof()


async def send_piece(request: web.Request, response: web.StreamResponse, piece: bytes) -> None:
    """Send a piece, and wait until there is room for the next; the library waits after the second one only."""
    await response.write(piece)
    await request.writer.drain()
