"""One connection to the cloud: accepts one response for each call, only during the call, and within limits.

The library's own connection class keeps bytes that arrive on an idle connection and uses them as the response to the
next call, and it reads headers, interim responses and chunks without a limit. This subclass prevents both. It uses
internals that the library does not guarantee; tests/cloud/test_library.py checks them.
"""

import asyncio
import math
import random
import select
import socket
import ssl
import struct
import time
from collections.abc import Mapping
from contextlib import suppress
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any, Final

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import RawResponseMessage
from aiohttp.streams import StreamReader

SIZE_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of one answer's body, packed and unpacked; the vendor's greatest page is far below."""
BUFFER: Final = 64 * 1024
"""Bytes that are read of any answer at once; of longer ones only a few are read at a time."""
_HEADER_LIMIT: Final = 64 * 1024
"""Bytes of one header; the vendor's tokens are several thousand long."""
_KEEP_ALIVE: Final = 60.0
"""Seconds that an idle connection is kept: longer than the usual interval, so that polls share connections."""
_HEAD_LIMIT: Final = 256 * 1024
"""Bytes before the body, all headers and interim answers together."""
INTERIM_LIMIT: Final = 16
"""Interim answers (1xx) to one call."""
_FRAMING_LIMIT: Final = 64 * 1024
"""Bytes that the framing of a body may take besides an eighth of it: chunks of a long one have 48 bytes or more."""
_SLICE: Final = 32 * 1024
"""Bytes that are parsed before the limits are looked at again."""
LIFETIME: Final = 300.0
"""Seconds after which a connection gets no further call: the address behind a name may be another one by then."""
_RESETS: Final = struct.pack("ii", 1, 0)
"""The value of SO_LINGER with which a socket that is closed discards what did not arrive yet."""
_FIRST_ERROR: Final = 500
_MISDIRECTED: Final = 421


class ExcessError(aiohttp.ClientError):
    """The answer has more framing, headers or interim answers than any that is meant to be read."""


class TooLongError(aiohttp.ClientError):
    """The body is longer than the limit of its call: :data:`SIZE_LIMIT`, unless the caller sets a lower one."""


class PackedError(aiohttp.ClientError):
    """The body came whole and cannot be unpacked."""


class UnaskedError(aiohttp.ClientError):
    """The server spoke before it was asked."""


@dataclass(slots=True)
class Flight:
    """One call on its way."""

    trusted_since: float
    """The monotonic time; a connection that is idle since then or before is not used."""
    connection: "Connection | None" = None
    """The one that it went into."""
    unsent: bool = False
    """Whether the connection was found unfit before anything was sent on it."""

    @property
    def dropped(self) -> bool:
        """Whether the connection was used before and gave no byte of an answer: it may have been dead already."""
        return self.connection is not None and self.connection.calls > 1 and not self.connection.received

    @property
    def fault(self) -> Exception | None:
        """Why the connection was given up from this side, if it was."""
        return self.connection.fault if self.connection else None


FLIGHT: Final[ContextVar[Flight | None]] = ContextVar("flight", default=None)


def open_session(timeout: float, trust: ssl.SSLContext | bool, headers: Mapping[str, str]) -> aiohttp.ClientSession:
    """Return a pool of such connections; *timeout* is seconds for a call, *headers* go with each."""
    connector = aiohttp.TCPConnector(limit=0, ssl=trust, keepalive_timeout=_KEEP_ALIVE)
    protocol = partial(Connection, asyncio.get_running_loop())
    connector._factory = protocol  # type: ignore[assignment]  # noqa: SLF001 - there is no public way
    session = aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(timeout, ceil_threshold=math.inf),  # to the moment, not to the second
        # The proxy of the environment is chosen in `urls`: with trust_env the library would also read a .netrc, and
        # refuse a signed call to a host that is in it.
        trust_env=False,
        headers=headers,
        max_field_size=_HEADER_LIMIT,
        auto_decompress=False,
        read_bufsize=BUFFER,
    )
    # Its own second try would be a call that no limiter knows of.
    session._retry_connection = False  # noqa: SLF001 - there is no public way
    return session


class Connection(ResponseHandler):
    """The library's protocol of one connection, within limits."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        super().__init__(loop)
        self.calls = 0
        self.received = 0
        """Bytes of the answer under way."""
        self.fault: Exception | None = None
        self._out = False  # whether a call is out
        self._head = 0  # bytes that had come when the head was whole
        self._interim = 0
        self._second = False  # whether a second answer came to one call
        self._held = False
        self._answer: StreamReader | None = None
        self._poll: select.poll | None = None
        self._idle_since = time.monotonic()
        self._expires = time.monotonic() + LIFETIME * random.uniform(0.8, 1)  # noqa: S311 - not all at once

    def set_response_params(self, **params: Any) -> None:
        """Begin a call: the library says this right before it sends, without a pause in between."""
        super().set_response_params(**params)
        self.calls += 1
        self.received = self._interim = 0
        self._answer, self._out = None, True
        flight = FLIGHT.get()
        if flight is None:
            return
        flight.connection = self
        if self.calls > 1 and (self._idle_since <= flight.trusted_since or self._has_unread()):
            flight.unsent = True
            self.abort()  # so that sending fails

    def _has_unread(self) -> bool:
        """Whether something came that the loop did not hand over yet: bytes that nobody asked for, or the end."""
        transport = self.transport
        if transport is None or transport.is_closing():
            return True
        if self._poll is None:
            self._poll = select.poll()
            self._poll.register(transport.get_extra_info("socket").fileno(), select.POLLIN)
        return bool(self._poll.poll(0))

    def data_received(self, data: bytes) -> None:
        """Parse what came, if a call is out."""
        for start in range(0, len(data), _SLICE) or (0,):
            part = data if len(data) <= _SLICE else data[start : start + _SLICE]
            if not self._out:
                if part:
                    self._give_up(UnaskedError())
                return
            self.received += len(part)
            super().data_received(part)
            self._check()

    def feed_data(self, data: tuple[RawResponseMessage, StreamReader], size: int = 0) -> None:
        """Take the head of an answer from the parser."""
        message, body = data
        if self._answer is not None:
            self._second = True  # the first one was whole, so it stays
            return
        interim = 100 <= message.code < 200 and message.code != 101
        self._interim += interim
        if self._interim > INTERIM_LIMIT:
            return  # whatever follows them
        if not interim:
            self._answer, self._head = body, self.received
            if message.code >= _FIRST_ERROR or message.code == _MISDIRECTED or time.monotonic() > self._expires:
                self.force_close()  # another connection may lead to a server that works
        super().feed_data(data, size)

    def _check(self) -> None:
        body = self._answer
        if body is None:
            if self.received > _HEAD_LIMIT or self._interim > INTERIM_LIMIT:
                self._give_up(ExcessError())
        elif body.is_eof():
            self._end()
        elif not self._held and self._framing(body) > _FRAMING_LIMIT + body.total_bytes // 8:
            self._give_up(ExcessError())

    def _framing(self, body: StreamReader) -> int:
        return self.received - self._head - body.total_bytes

    def _end(self) -> None:
        """Note that the answer is whole; what came after it in the same packet spoils the connection."""
        self._out, self._idle_since = False, time.monotonic()
        if self._second or (self._parser is not None and self._parser.feed_eof() is not None):
            self._give_up(UnaskedError())

    def _give_up(self, fault: Exception) -> None:
        """End the connection, and the call that is out on it, from this side."""
        body = self._answer
        self.fault, self._out = self.fault or fault, False
        self.abort()
        self.set_exception(self.fault)
        if body is not None and not body.is_eof():
            body.set_exception(self.fault)

    def pause_reading(self) -> None:
        """Note that what came is not parsed for the moment, so its framing cannot be distinguished from its body."""
        self._held = True
        super().pause_reading()

    def resume_reading(self, resume_parser: bool = True) -> None:
        """Go on."""
        self._held = False
        super().resume_reading(resume_parser)

    def close(self) -> None:
        """End the connection; the call that is out on it, if any, is given up and must not arrive any more.

        A closed socket still delivers what was sent, once the network works again: after minutes, when the call counts
        against no limit any longer and nobody reads its answer. A reset discards it; what a proxy has is the proxy's.
        """
        if self._out and self.transport is not None:
            with suppress(OSError):  # it may be closed already
                self.transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESETS)
            self.abort()
        super().close()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End the body too: the library leaves its reader waiting if a chunk could not be parsed."""
        super().connection_lost(exc)
        self._out = False
        body, self._answer = self._answer, None
        if body is not None and not body.is_eof() and body.exception() is None:
            body.set_exception(aiohttp.ClientPayloadError())
