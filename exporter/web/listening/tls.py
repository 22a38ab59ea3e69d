"""TLS connections: each uses the SSL context in force when it is accepted; the log has the reason of a refusal."""

import asyncio
import ssl
from asyncio.sslproto import SSLProtocol
from contextlib import suppress
from ipaddress import ip_address
from typing import Any, Final

import structlog

from exporter.web.listening.slots import Slot

HANDSHAKE_WITHIN: Final = 10
"""Seconds in which a client must have finished its part of the handshake."""
_GOODBYE_WITHIN: Final = 1
"""Seconds in which a client must have answered the end of a connection."""


_RECORD: Final = 16 * 1024
"""Bytes of the longest record of TLS: a longer buffer to read into (256 KiB) is never filled, and each has its own."""


class TlsConnection(SSLProtocol):
    """What asyncio itself makes of a connection, there with one context for the whole life of a server."""

    max_size = _RECORD

    def __init__(self, inner: asyncio.BaseProtocol, context: ssl.SSLContext, slot: Slot) -> None:
        loop = asyncio.get_running_loop()
        self._client = ""
        self._slot = slot
        outcome = loop.create_future()
        outcome.add_done_callback(self._report)
        super().__init__(
            loop,
            inner,
            context,
            outcome,
            server_side=True,
            ssl_handshake_timeout=HANDSHAKE_WITHIN,
            ssl_shutdown_timeout=_GOODBYE_WITHIN,
        )
        self._set_read_buffer_limits(2 * _RECORD)  # type: ignore[attr-defined]  # the stubs know no private names

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin the handshake."""
        self._client = _client_of(transport)
        self._slot.opened(transport)
        super().connection_made(transport)

    def eof_received(self) -> None:
        """End at once where a client closes its side: nothing is sent to it any more, and each try would be logged."""
        super().eof_received()
        self._slot.abort()

    def connection_lost(self, exc: BaseException | None) -> None:
        """End, though the handshake may never have."""
        self._slot.closed()
        super().connection_lost(exc)

    def _report(self, outcome: asyncio.Future[None]) -> None:
        """Log why there is no connection: the client is closed on without a word, so nothing else says it."""
        error = None if outcome.cancelled() else outcome.exception()
        if error is not None:
            why = getattr(error, "verify_message", None) or getattr(error, "reason", None) or str(error)
            _refused(self._client, str(why) or type(error).__name__)


class NamedClients(asyncio.Protocol):
    """Stands in for *inner* until the handshake is over, and ends the connection of a client of another name."""

    def __init__(self, inner: asyncio.BaseProtocol, allowed: frozenset[str]) -> None:
        self._inner = inner
        self._allowed = allowed

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Hand over to *inner*, or end it: Python cannot refuse a name within the handshake."""
        if not isinstance(transport, asyncio.Transport):
            return
        if self._allowed.isdisjoint(_names(transport.get_extra_info("ssl_object"))):
            _refused(_client_of(transport), "the certificate has none of client_allowed_sans")
            transport.abort()
            return
        transport.set_protocol(self._inner)
        self._inner.connection_made(transport)


def _client_of(transport: asyncio.BaseTransport) -> str:
    """Return the address of whoever connects; empty for a socket that is a file."""
    peer = transport.get_extra_info("peername")
    return str(peer[0]) if isinstance(peer, tuple) else ""


def _refused(client: str, why: str) -> None:
    structlog.get_logger().debug("connection refused", client=client, error=why)


def _names(connection: ssl.SSLObject) -> set[str]:
    """Return the alternative names of the client's certificate, if it showed one that was verified."""
    certificate: dict[str, Any] = connection.getpeercert() or {}
    found = set()
    for kind, value in certificate.get("subjectAltName", ()):
        if kind == "IP Address":
            with suppress(ValueError):  # the library writes "<invalid>" for what is none
                found.add(str(ip_address(value.strip())))
        elif kind in ("DNS", "email", "URI"):
            found.add(value)
    return found
