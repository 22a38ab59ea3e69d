"""A network in memory: names, connections, and packets that take their time, are late, or never come.

Bytes of one direction arrive in order, as TCP has it: a packet that is lost is one that comes late, with all after it.
Whatever lies between sending and arriving belongs to no process, so it outlives the one that sent it.
"""

import asyncio
import contextvars
import errno
import random
import socket
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, cast

from tests.world.timepieces import HOST, Host

HIGH: Final = 64 * 1024
"""Bytes on their way at which a writer is asked to pause, as asyncio does it."""
PATIENCE: Final = 20.0
"""Seconds after which nobody answers a connection that is asked for."""
LATEST: Final = 120.0
"""Seconds that a packet waits for a way that is cut, before TCP gives up on it."""
_END: Final = object()
_RESET: Final = object()


@dataclass
class Weather:
    """How the network is at the moment; what goes wrong changes it."""

    latency: float = 0.003
    jitter: float = 0.01
    loss: float = 0.0
    cut: bool = False
    """Nothing arrives at all."""
    names_fail: bool = False
    names_slow: float = 0.0
    refused: bool = False


class FakeSocket:
    """As much of a socket as asyncio and aiohttp ask for."""

    family = socket.AF_INET
    type = socket.SOCK_STREAM
    proto = 0

    def __init__(self, number: int, own: tuple[str, int], peer: tuple[str, int] | None = None) -> None:
        self._number = number
        self._own, self._peer = own, peer
        self.resets = False
        self.target: Listener | None = None
        self.wire: Wire | None = None
        """The connection that was accepted with it."""

    def fileno(self) -> int:
        """Return its number."""
        return self._number

    def getsockname(self) -> tuple[str, int]:
        """Return its own address."""
        return self._own

    def getpeername(self) -> tuple[str, int] | None:
        """Return that of the other end."""
        return self._peer

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """Note who wants a reset."""
        if level == socket.SOL_SOCKET and option == socket.SO_LINGER:
            self.resets = True

    def recv(self, most: int, _: int) -> bytes:
        """Return the first bytes that came on a connection that was accepted, and leave them there."""
        kernel = self.wire.kernel if self.wire is not None else ()
        if not kernel:
            raise BlockingIOError
        if kernel[0] is _RESET:
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        return b"".join(each for each in kernel if isinstance(each, bytes))[:most]

    def getsockopt(self, *_: int) -> bytes:
        """Return the first byte of the kernel's report: whether the other end has closed its side."""
        return bytes([8 if self.wire is not None and _END in self.wire.kernel else 1])

    def setblocking(self, _: bool) -> None:
        """Do nothing: nothing here blocks."""

    def close(self) -> None:
        """Close a connection that was accepted and that nobody took over."""
        if self.wire is not None and self.wire.get_protocol() is None:
            self.wire.vanish()


class ListeningSocket(FakeSocket):
    """A socket that takes connections and keeps them until they are accepted."""

    def __init__(self, network: "Network", listener: "Listener") -> None:
        super().__init__(network.number(), listener.address)
        self._network = network
        self._listener = listener
        self._queue: deque[Wire] = deque()
        self._reader: tuple[Callable[..., Any], tuple[Any, ...]] | None = None
        self._called = False
        listener.take = self.take

    def take(self, wire: "Wire") -> None:
        """Keep a connection until it is accepted."""
        self._queue.append(wire)
        self._call()

    def accept(self) -> tuple[FakeSocket, Any]:
        """Return a connection."""
        if not self._queue:
            raise BlockingIOError
        wire = self._queue.popleft()
        sock = cast("FakeSocket", wire.get_extra_info("socket"))
        sock.wire = wire
        return sock, sock.getpeername()

    def watch(self, reader: Callable[..., Any] | None, *args: Any) -> None:
        """Call *reader* whenever there is a connection; with none nobody is called any more."""
        self._reader = None if reader is None else (reader, args)
        self._call()

    def _call(self) -> None:
        if self._queue and self._reader is not None and not self._called:
            self._called = True
            self._network.loop.call_soon(self._read, context=self._listener.context.copy())

    def _read(self) -> None:
        self._called = False
        if self._reader is not None:
            reader, args = self._reader
            reader(*args)
            self._call()

    def close(self) -> None:
        """Take no more connections."""
        self._network.unlisten(self._listener)


class Wire(asyncio.Transport):
    """One end of a connection."""

    def __init__(self, network: "Network", sock: FakeSocket, host: Host | None) -> None:
        super().__init__()
        self._network = network
        self._socket = sock
        self._context = contextvars.copy_context()
        self.host = host
        self.peer: Wire
        self._protocol: Any = None
        self.kernel: deque[Any] = deque()
        """What arrived and was not handed over."""
        self._paused = False
        self._closing = False
        self._ended = False
        self._lost = False
        self.arrives = 0.0
        """When the newest packet to this end arrives."""
        self.under_way = 0
        self._full = False
        self._pumping = False

    def begin(self, protocol: Any) -> None:
        """Hand over to a protocol."""
        self._protocol = protocol
        protocol.connection_made(self)
        self.pump()

    @property
    def resets(self) -> bool:
        """Whether it was closed by a reset: its machine keeps nothing that is still to be sent."""
        return self._closing and self._socket.resets

    # what protocols ask

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        """Return what is known."""
        known = {"socket": self._socket, "sockname": self._socket.getsockname(), "peername": self._socket.getpeername()}
        return known.get(name, default)

    def is_closing(self) -> bool:
        """Return whether it is closed from this side."""
        return self._closing

    def set_protocol(self, protocol: Any) -> None:
        """Go on with another protocol."""
        self._protocol = protocol

    def get_protocol(self) -> Any:
        """Return the protocol."""
        return self._protocol

    def is_reading(self) -> bool:
        """Return whether what comes is handed over."""
        return not self._paused and not self._closing

    def pause_reading(self) -> None:
        """Hand nothing over."""
        self._paused = True

    def resume_reading(self) -> None:
        """Hand over what came meanwhile."""
        self._paused = False
        self._wake()

    def set_write_buffer_limits(self, high: int | None = None, low: int | None = None) -> None:
        """Do nothing: the limits are those of asyncio."""

    def get_write_buffer_size(self) -> int:
        """Return how much is on its way."""
        return self.under_way

    def can_write_eof(self) -> bool:
        """Say that half a connection can be closed."""
        return True

    def write(self, data: Any) -> None:
        """Send."""
        if self._closing or self._ended or self._lost or not data:
            return
        self._network.send(self, bytes(data))
        self.under_way += len(data)
        if self.under_way > HIGH and not self._full:
            self._full = True
            self._protocol.pause_writing()

    def writelines(self, list_of_data: Any) -> None:
        """Send all."""
        self.write(b"".join(list_of_data))

    def write_eof(self) -> None:
        """Say that nothing more comes from this side."""
        if not self._ended:
            self._ended = True
            self._network.send(self, _END)

    def close(self) -> None:
        """Close once all is sent."""
        if self._closing:
            return
        self._closing = True
        self.write_eof()
        self._network.loop.call_soon(self._lose, None, context=self._context)

    def abort(self) -> None:
        """Close at once."""
        if self._lost:
            return
        first, self._closing = not self._closing, True
        if not self._ended or self._socket.resets:
            self._ended = True
            self._network.send(self, _RESET if self._socket.resets else _END)
        if first:
            self._network.loop.call_soon(self._lose, None, context=self._context)

    # what the network does

    def arrive(self, what: Any) -> None:
        """Take what came for this end into the kernel."""
        if self._lost or self._closing:
            if isinstance(what, bytes):
                self.peer.consumed(len(what))
                if not self.peer._lost:
                    self._network.send(self, _RESET)
            return
        self.kernel.append(what)
        self._wake()

    def _wake(self) -> None:
        if not self._pumping and self.kernel:
            self._pumping = True
            self._network.loop.call_soon(self.pump, context=self._context)

    def pump(self) -> None:
        """Hand over what came."""
        self._pumping = False
        while self.kernel and not self._paused and not self._closing and self._protocol is not None:
            what = self.kernel.popleft()
            if what is _RESET:
                self._closing = self._ended = True
                self._lose(ConnectionResetError(errno.ECONNRESET, "Connection reset by peer"))
            elif what is _END:
                if not self._protocol.eof_received():
                    self.close()
            else:
                self.peer.consumed(len(what))
                self._protocol.data_received(what)

    def consumed(self, size: int) -> None:
        """Note that the other end took bytes."""
        self.under_way -= size
        if self._full and self.under_way < HIGH // 4 and not self._lost:
            self._full = False
            self._network.loop.call_soon(self._resume, context=self._context)

    def _resume(self) -> None:
        if not self._lost:
            self._protocol.resume_writing()

    def _lose(self, error: Exception | None) -> None:
        if self._lost:
            return
        self._lost = True
        self._network.wires.pop(self, None)
        if self._protocol is not None:
            self._protocol.connection_lost(error)

    def vanish(self) -> None:
        """End with the process: the machine tells the other side, and nobody is told here."""
        if not self._lost:
            self._lost = self._closing = self._ended = True
            self._network.wires.pop(self, None)
            self._network.send(self, _RESET)


@dataclass(eq=False)
class Listener:
    """A place where a host takes connections."""

    factory: Callable[[], Any]
    host: Host
    address: tuple[str, int]
    context: contextvars.Context
    open: bool = True
    take: Callable[["Wire"], None] | None = None
    """What gets a connection, instead of a protocol that the factory makes."""


class Server:
    """What `create_server` returns."""

    def __init__(self, network: "Network", listener: Listener) -> None:
        self._network = network
        self._listener = listener
        self.sockets = (FakeSocket(network.number(), listener.address),)

    def close(self) -> None:
        """Take no more connections."""
        self._network.unlisten(self._listener)

    async def wait_closed(self) -> None:
        """Return."""

    def is_serving(self) -> bool:
        """Return whether it takes connections."""
        return self._listener.open

    async def start_serving(self) -> None:
        """Do nothing: it does."""


@dataclass(eq=False)
class Network:
    """All machines, names and connections."""

    loop: Any
    rng: random.Random
    weather: Weather = field(default_factory=Weather)
    """Between the exporters and the cloud."""
    names: dict[str, list[str]] = field(default_factory=dict)
    hosts: dict[str, Host] = field(default_factory=dict)
    """By address; a process that is started anew takes the place of the one before."""
    listeners: dict[tuple[str, int], Listener] = field(default_factory=dict)
    wires: dict[Wire, None] = field(default_factory=dict)
    cloud: str = "cloud"
    _count: int = 100

    def __post_init__(self) -> None:
        self._nobody = contextvars.Context()

    def number(self) -> int:
        """Return a number that no socket has."""
        self._count += 1
        return self._count

    def wire(self, descriptor: int) -> Wire | None:
        """Return the connection with a socket of this number."""
        return next((wire for wire in self.wires if wire._socket.fileno() == descriptor), None)

    def _delay(self, wire: Wire) -> float:
        weather = self.weather
        there = self._far(wire)
        delay = 0.0005 + (weather.latency + self.rng.random() * weather.jitter if there else 0.0)
        if there and weather.loss and self.rng.random() < weather.loss:
            delay += self.rng.choice((0.2, 0.4, 1.0, 3.0))
        return delay

    def _far(self, wire: Wire) -> bool:
        names = {wire.host.name if wire.host else "", wire.peer.host.name if wire.peer.host else ""}
        return self.cloud in names

    def send(self, wire: Wire, what: Any) -> None:
        """Let bytes, an end or a reset travel to the other end."""
        parts = [what]
        if isinstance(what, bytes) and len(what) > 40 and self.rng.random() < 0.1:
            cut = self.rng.randrange(1, len(what))
            parts = [what[:cut], what[cut:]]
        for part in parts:
            peer = wire.peer
            peer.arrives = max(peer.arrives + 1e-7, self.loop.time() + self._delay(wire))
            self.loop.call_at(peer.arrives, self._deliver, peer, part, 0.0, context=self._nobody.copy())

    def _deliver(self, wire: Wire, what: Any, waited: float) -> None:
        if waited and wire.peer.resets:
            return  # what has to be sent again is not, and a reset is sent once
        if self.weather.cut and self._far(wire):
            if waited < LATEST:
                wire.arrives = max(wire.arrives + 1e-7, self.loop.time() + 1.0)
                self.loop.call_at(wire.arrives, self._deliver, wire, what, waited + 1.0, context=self._nobody.copy())
            elif isinstance(what, bytes):
                wire.peer.consumed(len(what))
            return
        wire.arrive(what)

    async def getaddrinfo(self, name: Any, port: Any) -> list[Any]:
        """Look up a name, as the machine's resolver does."""
        text = name.decode() if isinstance(name, bytes) else name
        if text.replace(".", "").isdigit():
            return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (text, port))]
        await asyncio.sleep(self.rng.uniform(0.001, 0.01) + self.weather.names_slow)
        if self.weather.names_fail or text not in self.names:
            raise socket.gaierror(socket.EAI_AGAIN, "Temporary failure in name resolution")
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, port)) for each in self.names[text]]

    async def start_connection(self, addr_infos: Any, **_: Any) -> FakeSocket:
        """Stand for the function of aiohappyeyeballs by which aiohttp connects."""
        problem: OSError | None = None
        for *_rest, (address, port, *_more) in addr_infos:
            try:
                return await self._connect(address, port)
            except OSError as error:
                problem = error
        assert problem is not None
        raise problem

    async def _connect(self, address: str, port: int) -> FakeSocket:
        host = HOST.get()
        if address == "127.0.0.1" and host is not None:
            address = host.address
        target = self.hosts.get(address)
        far = target is not None and self.cloud in (target.name, host.name if host else "")
        waited = 0.0
        while target is None or not target.alive or (far and self.weather.cut):
            if target is not None and not target.alive and not (far and self.weather.cut):
                break
            await asyncio.sleep(1.0)
            waited += 1.0
            if waited >= PATIENCE:
                raise OSError(errno.ETIMEDOUT, "Connection timed out")
            target = self.hosts.get(address)
        await asyncio.sleep(self.weather.latency + self.rng.random() * self.weather.jitter if far else 0.0005)
        listener = self.listeners.get((address, port))
        if listener is None or not listener.host.alive or (far and self.weather.refused):
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")
        sock = FakeSocket(self.number(), (host.address if host else "10.9.9.9", self.number()), (address, port))
        sock.target = listener
        return sock

    async def create_connection(self, factory: Any, host: Any, port: Any, sock: FakeSocket | None) -> tuple[Wire, Any]:
        """Make a connection to where a socket was connected, or to an address."""
        if sock is None:
            sock = await self.start_connection(await self.getaddrinfo(host, port))
        listener = sock.target
        assert listener is not None
        if not listener.open or not listener.host.alive:
            raise ConnectionResetError(errno.ECONNRESET, "Connection reset by peer")
        mine = Wire(self, sock, HOST.get())
        theirs = listener.context.copy().run(
            Wire, self, FakeSocket(self.number(), listener.address, sock.getsockname()), listener.host
        )
        mine.peer, theirs.peer = theirs, mine
        self.wires[mine] = self.wires[theirs] = None
        self.loop.call_soon(self._accept, theirs, listener, context=theirs._context)
        protocol = factory()
        mine.begin(protocol)
        return mine, protocol

    def _accept(self, wire: Wire, listener: Listener) -> None:
        if listener.open and listener.take is not None:
            listener.take(wire)
        elif listener.open:
            wire.begin(listener.factory())
        else:
            wire.vanish()

    def listen(self, factory: Any, port: Any) -> Server:
        """Take connections from now on, each with a protocol of its own."""
        return Server(self, self._listener(factory, port))

    def create_server(self, address: tuple[str, int], **_: Any) -> ListeningSocket:
        """Stand for the function of the module `socket`."""
        return ListeningSocket(self, self._listener(None, address[1]))

    def move(self, *, refuses: bool) -> None:
        """Let the names of the cloud lead to another address from now on; the old one *refuses* new connections."""
        old = next(address for addresses in self.names.values() for address in addresses)
        new = f"10.0.{self.number()}.1"
        self.hosts[new] = self.hosts[old]
        for (address, port), listener in list(self.listeners.items()):
            if address == old:
                self.listeners[new, port] = listener
                if refuses:
                    del self.listeners[old, port]
        self.names = {name: [new] for name in self.names}

    def unlisten(self, listener: Listener) -> None:
        """Take no more connections."""
        listener.open = False
        if self.listeners.get(listener.address) is listener:
            del self.listeners[listener.address]

    def _listener(self, factory: Any, port: Any) -> Listener:
        host = HOST.get()
        assert host is not None
        place = (host.address, port or self.number() + 20_000)
        there = self.listeners.get(place)
        if there is not None and there.host.alive:
            raise OSError(errno.EADDRINUSE, "Address already in use")
        listener = Listener(factory, host, place, contextvars.copy_context())
        self.listeners[place] = listener
        return listener

    def kill(self, host: Host) -> None:
        """End a process: its connections end, its places are free."""
        host.alive = False
        for wire in [wire for wire in self.wires if wire.host is host]:
            wire.vanish()
        for place in [place for place, each in self.listeners.items() if each.host is host]:
            self.listeners[place].open = False
            del self.listeners[place]
