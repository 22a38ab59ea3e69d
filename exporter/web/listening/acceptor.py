"""Accepts connections, up to the limit.

asyncio's own server accepts every connection before it can be refused. If no file descriptor is left, it logs that once
for each place in its backlog, and tries again as often.
"""

import asyncio
import math
import os
import socket
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, Final

from exporter.web.listening.arrivals import Arrivals, look_at
from exporter.web.listening.connections import Connections
from exporter.web.listening.origins import origin_of
from exporter.web.listening.slots import Asks, Slot

_Maker = Callable[[Slot], asyncio.BaseProtocol]
"""Makes the protocol of a new connection."""
BACKLOG: Final = 4096
"""Connections that the kernel keeps until they are accepted; others have to try again after a second."""
_PART_ACCEPTED: Final = 1 / 4
"""Part of the connections that there may be, accepted before all else has its turn: some milliseconds."""
_PART_READ: Final = 1 / 16
"""Part of them that are begun to be read then, which is ten times the work, and that may be silent or ask for a scrape:
others of these stay with the kernel, where they wait for their turn and are not closed. It takes four turns until a
request is read: a client that asks at once is then still far from the one that waits longest and is closed."""
_PAUSE: Final = 0.2
"""Seconds after which it is tried again where no connection can be accepted."""
_RECEIVED: Final = 32 * 1024
"""Bytes that the kernel takes from a client before they are read: requests are short, so more is nothing that helps."""
_SENT: Final = 256 * 1024
"""Bytes that the kernel keeps for a client that reads slowly; by itself it keeps up to 4 MiB, outside of any bound of
ours, and copies as much for each. A scrape over 10 ms of network still gets some 25 MB a second."""


class Acceptor:
    """Accepts the connections of listening sockets, each with the protocol that *make* returns for its place."""

    def __init__(self, connections: Connections, make: _Maker) -> None:
        self.sockets: list[socket.socket] = []
        self._connections = connections
        self._make = make
        self._loop = asyncio.get_running_loop()
        self._arrivals = Arrivals()
        self._following: asyncio.Handle | None = None
        self._tasks: set[asyncio.Task[None]] = set()

    def listen(self, listening: socket.socket) -> None:
        """Accept the connections of one more socket."""
        listening.setblocking(False)
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, _RECEIVED)  # connections have both from here
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, _SENT)
        self.sockets.append(listening)
        self._resume(listening)

    def close(self) -> None:
        """Accept no more."""
        sockets, self.sockets = self.sockets, []
        for listening in sockets:
            self._loop.remove_reader(listening)
            listening.close()
        for arrival in self._arrivals.take(self._connections.limit):
            arrival.slot.closed()
            arrival.slot.abort()

    def _resume(self, listening: socket.socket) -> None:
        if listening in self.sockets:
            self._loop.add_reader(listening, self._accept, listening)

    def _accept(self, listening: socket.socket) -> None:
        patience = self._some(_PART_READ)
        for connection, address in self._accepted(listening):
            asks = look_at(connection)
            slot = None
            if asks is not Asks.GONE:
                client = address[0] if isinstance(address, tuple) else ""
                slot = self._connections.admit(origin_of(client), asks)
            if slot is None:
                connection.close()
            else:
                self._arrivals.put(connection, slot)
            patience -= asks in (Asks.NOTHING, Asks.SCRAPE)
            if not patience:
                break
        if self._following is None:
            self._read_some()

    def _some(self, part: float) -> int:
        return math.ceil(self._connections.most * part)

    def _accepted(self, listening: socket.socket) -> Iterator[tuple[socket.socket, Any]]:
        for _ in range(self._some(_PART_ACCEPTED)):
            try:
                yield listening.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                self._connections.cannot_accept(os.strerror(error.errno or 0))
                self._loop.remove_reader(listening)
                self._loop.call_later(_PAUSE, self._resume, listening)
                return

    def _read_some(self) -> None:
        arrived = self._arrivals.take(self._some(_PART_READ))
        for each in arrived:
            task = self._loop.create_task(self._open(*each), name="connection")
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        self._following = self._loop.call_soon(self._read_some) if arrived else None

    async def _open(self, connection: socket.socket, slot: Slot) -> None:
        if slot.gone:
            return
        slot.unread(None)
        try:
            await self._loop.connect_accepted_socket(partial(self._make, slot), connection)
        except OSError:  # it is gone already
            slot.closed()
            connection.close()
