"""Accepted connections that were not read yet, and the order in which they are read.

The kernel returns connections in the order of their arrival, so a scrape would have to wait behind a flood of other
requests. Therefore connections are accepted at once and only peeked at, which costs a tenth of reading a request.
"""

import socket
from collections import Counter
from typing import Final, NamedTuple

from exporter.web.listening.host_names import READING, SCRAPED
from exporter.web.listening.origins import Asked
from exporter.web.listening.slots import Asks, Slot

_SCRAPES: Final = tuple(f"{method} {path}{end}".encode() for method in READING for path in SCRAPED for end in " ?")
_SEEN: Final = max(map(len, _SCRAPES))
_CLOSE_WAIT: Final = 8
"""What the first byte of the kernel's report is where the client has closed its side."""


def look_at(connection: socket.socket) -> Asks:
    """Look at what a client asks for, if that is here already, and leave it there. Over TLS it cannot be seen."""
    try:
        begins = connection.recv(_SEEN, socket.MSG_PEEK | socket.MSG_DONTWAIT)
    except BlockingIOError:
        return Asks.NOTHING
    except OSError:
        return Asks.GONE
    if begins.startswith(_SCRAPES):
        return Asks.SCRAPE  # a scraper may close its side at once
    return Asks.GONE if not begins or (begins.startswith(b"GET ") and _closed(connection)) else Asks.OTHER


def _closed(connection: socket.socket) -> bool:
    try:
        return connection.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, 1)[0] == _CLOSE_WAIT
    except OSError:  # a socket that is a file
        return False


class _Arrival(NamedTuple):
    """A connection and its place."""

    connection: socket.socket
    slot: Slot


class Arrivals:
    """Gives scrapes and probes first, and of either kind the connection of the address that has come least of late."""

    def __init__(self) -> None:
        self._waiting: list[_Arrival] = []
        self._came = Asked()

    def put(self, connection: socket.socket, slot: Slot) -> None:
        """Add one."""
        slot.unread(connection)
        self._waiting.append(_Arrival(connection, slot))

    def take(self, count: int) -> list[_Arrival]:
        """Return the next, at most so many."""
        there = [each for each in self._waiting if not each.slot.gone]
        if not there:
            self._came.forget()
        ranks = Counter[str]()
        order = []
        for place, (_, slot) in enumerate(there):
            order.append((slot.asks is not Asks.SCRAPE, self._came[slot.origin] + ranks[slot.origin], place))
            ranks[slot.origin] += 1
        order.sort()
        taken = [there[place] for _, _, place in order[:count]]
        for _, slot in taken:
            self._came.add(slot.origin)
        self._waiting = [there[place] for place in sorted(place for _, _, place in order[count:])]
        return taken
