"""Reading the body of an answer: all of it, or an exception, and never more than the limit."""

import asyncio
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import aiohttp

from exporter.model.errors import PollError
from exporter.model.reason import Reason

SIZE_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of one answer, unpacked; the vendor's greatest page is far below."""


async def whole_body(response: aiohttp.ClientResponse, host: str) -> bytes:
    """Return the body; raises :class:`PollError` if it is too long, else what the library raises."""
    content = response.content
    if content.is_eof() and content.exception() is None:  # it came together with the headers, as a short one does
        whole = content.read_nowait(-1)
        _limit(len(whole), host)
        return whole
    body = bytearray()
    with _watched(response):
        async for chunk in response.content.iter_any():
            body += chunk
            _limit(len(body), host)
    return bytes(body)


def _limit(size: int, host: str) -> None:
    if size > SIZE_LIMIT:
        sentence = f"the answer of {host} is longer than {SIZE_LIMIT >> 20} MiB; check projects.<name>.endpoints"
        raise PollError(Reason.PAYLOAD, sentence)


@contextmanager
def _watched(response: aiohttp.ClientResponse) -> Iterator[None]:
    """Wake the reader if the connection is gone and the library does not tell it.

    When its parser meets a chunk that is none, the library closes the connection and leaves the reader waiting for
    the rest, which would cost the whole deadline and be called a timeout.
    """
    protocol = None if response.connection is None else response.connection.protocol
    closed = None if protocol is None else protocol.closed

    def wake(_: asyncio.Future[None]) -> None:
        content = response.content
        if not content.is_eof() and content.exception() is None:
            content.set_exception(aiohttp.ClientPayloadError())

    if closed is not None:
        closed.add_done_callback(wake)
        closed.remove_done_callback(_retrieve)
        closed.add_done_callback(_retrieve)
    try:
        yield
    except RuntimeError as error:
        # What the reader raises if the connection is gone before it begins to wait.
        raise aiohttp.ClientPayloadError from error
    finally:
        if closed is not None:
            closed.remove_done_callback(wake)


def _retrieve(closed: asyncio.Future[None]) -> None:
    """Look at how a connection ended: asyncio complains of an exception that nobody looked at."""
    if not closed.cancelled():
        closed.exception()
