"""Connections that are accepted and not read yet: which of them is read next.

The kernel hands connections over in the order in which they came: behind a flood of searches a scrape would wait until
each of those was read. So connections are taken from it at once and looked at, which costs a tenth of reading them.
"""

import socket
from typing import Final, NamedTuple

from exporter.web.host_names import READING, SCRAPED
from exporter.web.origins import Asked
from exporter.web.slots import Slot

_SCRAPES: Final = tuple(f"{method} {path}{end}".encode() for method in READING for path in SCRAPED for end in " ?")
_SEEN: Final = max(map(len, _SCRAPES))
_CLOSE_WAIT: Final = 8
"""What the first byte of the kernel's report is where the client has closed its side."""


class Asks(NamedTuple):
    """What can be seen of a connection that nobody has read."""

    scrape: bool = False
    gone: bool = False
    """Its client has closed it, and asks for nothing that is to be answered nevertheless."""


def look_at(connection: socket.socket) -> Asks:
    """Look at what a client asks for, if that is here already, and leave it there. Over TLS it cannot be seen."""
    try:
        begins = connection.recv(_SEEN, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return Asks()
    except OSError:
        return Asks(gone=True)
    if begins.startswith(_SCRAPES):
        return Asks(scrape=True)  # a scraper may close its side at once
    return Asks(gone=not begins or (begins.startswith(b"GET ") and _closed(connection)))


def _closed(connection: socket.socket) -> bool:
    try:
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _CLOSE_WAIT
    except OSError:  # a socket that is a file
        return False


class Arrival(NamedTuple):
    """A connection and its place."""

    connection: socket.socket
    slot: Slot


class Arrivals:
    """Gives scrapes and probes first, and of either kind the connection of the address that has come least of late."""

    def __init__(self) -> None:
        self._waiting: list[Arrival] = []
        self._came = Asked()

    def put(self, connection: socket.socket, slot: Slot) -> None:
        """Add one."""
        slot.unread(connection)
        self._waiting.append(Arrival(connection, slot))

    def take(self) -> Arrival | None:
        """Return the next; ``None`` if there is none."""
        self._waiting = [each for each in self._waiting if not each.slot.gone]
        if not self._waiting:
            self._came.forget()
            return None
        following = min(self._waiting, key=lambda each: (not each.slot.scrape, self._came[each.slot.origin]))
        self._waiting.remove(following)
        self._came.add(following.slot.origin)
        return following
