"""Reads the body of a response: completely, or with an exception, and never more than the limit.

The body is decompressed here, because the HTTP library would do it in the event loop and without a limit.
"""

import asyncio
import zlib
from functools import partial
from typing import Final

import aiohttp

from exporter.cloud import offload
from exporter.cloud.connection import BUFFER, SIZE_LIMIT, PackedError, TooLongError

ENCODINGS: Final = "gzip, deflate"
"""What is asked for."""
UNPACKED_IN_LOOP: Final = 16 * 1024
"""Packed bytes that are unpacked in the event loop, unless they become a long answer."""
_ERROR_LIMIT: Final = 64 * 1024
"""Bytes of an error's body that are read; the vendor's are a few hundred."""
_FIRST_ERROR: Final = 400
_MEMBERS: Final = 16
"""Packed parts that one body may have."""
_WINDOWS: Final = {"gzip": 31, "x-gzip": 31, "deflate": 15}


async def read_body(response: aiohttp.ClientResponse, limit: int, seconds: float) -> bytes:
    """Return the body as :func:`_whole_body` does, or raise ``TimeoutError`` after *seconds*.

    Of an error that is too long, or cannot be unpacked, the status alone counts.
    """
    if (whole := _came_whole(response, limit)) is not None:
        return whole
    async with asyncio.timeout(seconds):  # the library's own deadline does not see the wait for a place
        if response.status < _FIRST_ERROR:
            return await _whole_body(response, limit)
        with offload.Place() as place:  # of its own: an error is short, and nobody parses it elsewhere
            try:
                return await _whole(response, place, _ERROR_LIMIT)
            except (TooLongError, PackedError):
                return b""


def _came_whole(response: aiohttp.ClientResponse, limit: int) -> bytes | None:
    """Return a body that came together with the headers and needs neither a place nor unpacking, as nearly all do."""
    content = response.content
    if not content.is_eof() or content.exception() is not None or content.total_bytes > min(limit, offload.UNPLACED):
        return None
    if response.headers.get("Content-Encoding", "").strip().lower() not in ("", "identity"):
        return None
    return content.read_nowait(-1)


async def _whole_body(response: aiohttp.ClientResponse, limit: int) -> bytes:
    """Return the body, unpacked, of *limit* bytes at most.

    A long one waits for room among the long answers, and for its turn to be read, and keeps both for who parses it.
    Raises what the library raises, :class:`TooLongError` and :class:`PackedError`.
    """
    place = offload.current()
    if place is None:
        with offload.Place() as place:
            return await _whole(response, place, limit)
    body = None
    try:
        body = await _whole(response, place, limit)
        return body
    finally:
        if body is None:  # the call may be made once more, under another permit
            place.leave()


async def _whole(response: aiohttp.ClientResponse, place: offload.Place, limit: int) -> bytes:
    packed = await _packed(response, place, limit)
    encoding = response.headers.get("Content-Encoding", "").strip().lower()
    if not packed or encoding in ("", "identity"):
        if len(packed) > offload.UNPLACED:
            await place.read()
        return packed
    if encoding not in _WINDOWS:
        raise PackedError
    if len(packed) <= UNPACKED_IN_LOOP:
        try:
            return unpacked(packed, encoding, min(limit, offload.UNPLACED))
        except TooLongError:
            if limit <= offload.UNPLACED:
                raise
    await place.read()
    whole = await offload.in_thread(partial(unpacked, packed, encoding, limit))
    place.size = len(whole)
    return whole


async def _packed(response: aiohttp.ClientResponse, place: offload.Place, limit: int) -> bytes:
    content = response.content
    if (response.content_length or 0) > limit:
        raise TooLongError
    if content.is_eof() and content.exception() is None:  # it came together with the headers, as a short one does
        packed = content.read_nowait(-1)
        if len(packed) > limit:
            raise TooLongError
        return packed
    body = bytearray()
    try:
        while part := await content.readany():
            body += part
            if len(body) > limit:
                raise TooLongError
            if len(body) > BUFFER:
                await place.hold(len(body))
    except RuntimeError as error:
        # What the reader raises if the connection is gone before it begins to wait.
        raise aiohttp.ClientPayloadError from error
    return bytes(body)


def unpacked(packed: bytes, encoding: str, limit: int = SIZE_LIMIT) -> bytes:
    """Undo *encoding*; raises :class:`TooLongError`, and :class:`PackedError` for what is no such encoding."""
    window = _WINDOWS[encoding]
    if encoding == "deflate" and packed[0] & 15 != 8:
        window = -15  # without the header, as some servers send it
    parts: list[bytes] = []
    left = limit + 1
    while packed and len(parts) < _MEMBERS:
        unpacker = zlib.decompressobj(window)
        try:
            part = unpacker.decompress(packed, left)
        except zlib.error as error:
            raise PackedError from error
        parts.append(part)
        left -= len(part)
        if left <= 0:
            raise TooLongError
        if not unpacker.eof:
            raise PackedError  # it breaks off, though all that was sent came
        packed = unpacker.unused_data
    if packed:
        raise TooLongError
    return parts[0] if len(parts) == 1 else b"".join(parts)
