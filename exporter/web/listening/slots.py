"""One client connection: what it does, since when, and how much memory it uses."""

import asyncio
import socket
from collections.abc import Callable
from enum import Enum
from typing import Protocol


class Asks(Enum):
    """What a client asks for, as far as it is seen."""

    NOTHING = 0
    """Nothing yet."""
    SCRAPE = 1
    """A scrape, or health."""
    OTHER = 2
    """Something else, or it cannot be seen what."""
    GONE = 3
    """Nothing that is to be answered: its client has closed the connection."""


class _Holder(Protocol):
    """What knows all connections."""

    now: Callable[[], float]

    def changed(self, slot: "Slot", *, busy: bool) -> None:
        """Note that a connection waits now, or is busy."""

    def make_room_for(self, slot: "Slot") -> None:
        """Have what a connection holds in memory."""

    def forget(self, slot: "Slot") -> None:
        """Note that a connection is gone."""


class Slot:
    """One connection."""

    def __init__(self, connections: _Holder, now: float, origin: str = "", asks: Asks = Asks.NOTHING) -> None:
        self._connections = connections
        self._unread: socket.socket | None = None
        self._transports: list[asyncio.Transport] = []
        self.origin = origin
        """What stands for the addresses of its client."""
        self.asks = asks
        self.gone = False
        """Whether we closed it."""
        self.since = now
        """Since when it waits, or is busy."""
        self.head_since: float | None = now
        """Since when the head of a request is awaited; ``None`` between two requests and during an answer."""
        self._unsent = 0
        self._moved = now
        self.held: tuple[object, int] = (None, 0)
        """What is kept in memory until the client has read it, and its bytes."""

    def unread(self, connection: socket.socket | None) -> None:
        """Note the socket of a connection that nobody reads yet; ``None`` once somebody does."""
        self._unread = connection

    def opened(self, transport: asyncio.BaseTransport) -> None:
        """Note a transport: that of the socket comes first, one by TLS above it may follow."""
        if isinstance(transport, asyncio.Transport):
            self._transports.append(transport)
            if self.gone:
                transport.abort()

    def head_begun(self) -> None:
        """Note that a part of a request's head came."""
        if self.head_since is None:
            self.head_since = self._connections.now()

    def busy(self, scrape: bool) -> None:
        """Note that a request is answered from now on; *scrape* if it is a scraper's."""
        self.asks = Asks.SCRAPE if scrape else Asks.OTHER
        self._connections.changed(self, busy=True)

    def hold(self, content: object, size: int) -> None:
        """Note what is kept in memory until the client has read it; the same *content* is there once."""
        self.held = (content, size)
        self._connections.make_room_for(self)

    def waits(self) -> None:
        """Note that the next request may come."""
        self.asks = Asks.NOTHING
        self._connections.changed(self, busy=False)

    def closed(self) -> None:
        """Note that it is gone."""
        self._connections.forget(self)

    def abort(self) -> None:
        """Close it, whatever is not sent."""
        self.gone = True
        if self._unread is not None:
            self._unread.close()
        for transport in self._transports[:1]:
            transport.abort()

    def unread_for(self, now: float) -> float:
        """Return for how many seconds the client has read nothing of what waits for it."""
        unsent = sum(transport.get_write_buffer_size() for transport in self._transports)
        if not unsent or unsent != self._unsent:
            self._unsent, self._moved = unsent, now
        return now - self._moved
