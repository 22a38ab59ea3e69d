"""How bytes come and go: connections, requests read by hand, answers written by hand, and what was called when.

The cloud asks its plan what to do with each connection and each request, and lets the function of that name in
`misbehaviours` do it. Whatever a function does not do itself, it leaves to the honest way.
"""

import asyncio
import contextlib
import random
import socket
import struct
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Protocol

from tests.hostile import honest
from tests.hostile.callers import Callers
from tests.hostile.exchange import Answer, Request
from tests.hostile.honest import Question
from tests.hostile.truth import World

REASONS = {200: "OK", 201: "Created", 204: "No Content", 400: "Bad Request", 401: "Unauthorized", 404: "Not Found"}
PATIENCE = 30.0
"""Seconds after which the cloud gives up on a connection that it stalls."""
Stage = str
"""When a misbehaviour happens: at `accept`, before anything is read, or with a `call` in hand."""


class Plan(Protocol):
    """Says what goes wrong."""

    def choose(self, stage: Stage, asked: Question | None, now: float) -> str | None:
        """Return the name of the misbehaviour, or None to be honest."""


class Misbehaviours(Protocol):
    """The table, as far as the wire has to know it."""

    async def run(self, name: str, exchange: "Exchange") -> None:
        """Do what the misbehaviour of this name does."""


@dataclass(frozen=True)
class Call:
    """One request that arrived."""

    at: float
    limit: str
    identity: str
    target: str
    did: str
    connection: int
    nth: int


@dataclass
class Connection:
    """One connection of a client."""

    number: int
    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    served: int = 0
    sour: bool = False
    open: bool = True
    clean: bool = True

    def reset(self) -> None:
        """Close it so that the peer gets a reset."""
        handle: socket.socket | None = self.writer.get_extra_info("socket")
        if handle is not None:
            with contextlib.suppress(OSError):
                handle.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.writer.transport.abort()
        self.open = False

    def close(self) -> None:
        """Close it as one does; what is written still leaves."""
        self.writer.close()
        self.open = False

    async def gone(self, patience: float = PATIENCE) -> None:
        """Wait until the peer closes."""
        with contextlib.suppress(TimeoutError, OSError):
            async with asyncio.timeout(patience):
                while await self.reader.read(65536):
                    pass


@dataclass
class Exchange:
    """A request in the hands of a misbehaviour: what was asked, what is right, and the means to say something else."""

    cloud: "Cloud"
    connection: Connection
    request: Request
    asked: Question
    right: Answer
    now: float
    rng: random.Random

    async def send(self, data: bytes) -> None:
        """Write bytes as they are."""
        self.connection.writer.write(data)
        await self.connection.writer.drain()

    async def say(self, answer: Answer) -> None:
        """Answer as HTTP wants it."""
        if answer.status == 401 and not self.connection.writer.is_closing():
            self.cloud.callers.refused(self.request, self.now)
        await self.send(message(answer))

    async def tell_the_truth(self) -> None:
        """Answer honestly."""
        await self.say(self.right)

    def truth(self, now: float) -> Answer:
        """Return the right answer to this question at another moment; a refusal of who asks holds at any."""
        return (
            self.right if self.right.status == 401 else honest.answer(self.cloud.world, self.asked, self.request, now)
        )


def head(status: int, headers: dict[str, str]) -> bytes:
    """Return a status line and headers."""
    lines = [
        f"HTTP/1.1 {status} {REASONS.get(status, 'Whatever')}",
        *(f"{key}: {text}" for key, text in headers.items()),
    ]
    return "\r\n".join(lines).encode("latin-1") + b"\r\n\r\n"


def message(answer: Answer) -> bytes:
    """Return an answer as bytes, with a right length and date unless its headers say otherwise."""
    body = answer.encoded()
    usual = {"Content-Type": "application/json", "Date": formatdate(usegmt=True), "Content-Length": str(len(body))}
    return head(answer.status, {**usual, **answer.headers}) + body


@dataclass
class Cloud:
    """A cloud on loopback ports, one for each service."""

    world: World
    plan: Plan
    table: Misbehaviours
    rng: random.Random
    clock: Callable[[], float] = time.time
    ports: dict[str, int] = field(default_factory=dict)
    calls: deque[Call] = field(default_factory=lambda: deque(maxlen=2_000_000))
    unauthorized_until: float = 0.0
    told: dict[str, tuple[str, float]] = field(default_factory=dict)
    """The newest run of each CDM job that an undisturbed answer told of, and when."""
    memory: dict[str, float] = field(default_factory=dict)
    """Whatever a misbehaviour has to remember between two calls."""

    def __post_init__(self) -> None:
        self.callers = Callers(self.world, self.rng)
        self._servers: dict[str, asyncio.Server] = {}
        self._connections: dict[int, tuple[Connection, asyncio.Task[None]]] = {}
        self._count = 0

    async def __aenter__(self) -> "Cloud":
        for service in ("dli", "dws", "cdm", "iam"):
            await self._listen(service)
        return self

    async def __aexit__(self, *_: object) -> None:
        for server in self._servers.values():
            server.close()
        tasks = [task for _, task in self._connections.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def endpoint(self, service: str) -> str:
        """Return the address of a service."""
        return f"http://127.0.0.1:{self.ports[service]}"

    @property
    def connections(self) -> int:
        """How many connections are open."""
        return len(self._connections)

    async def refuse(self, seconds: float) -> None:
        """Refuse every new connection and reset all that there are, for a time."""
        for server in self._servers.values():
            server.close()
        for connection, _ in list(self._connections.values()):
            connection.reset()
        await asyncio.sleep(seconds)
        for service in list(self._servers):
            await self._listen(service)

    async def _listen(self, service: str) -> None:
        port = self.ports.get(service, 0)
        server = await asyncio.start_server(self._accept, "127.0.0.1", port, reuse_address=True, limit=1 << 20)
        self._servers[service] = server
        self.ports[service] = server.sockets[0].getsockname()[1]

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._count += 1
        connection = Connection(self._count, reader, writer)
        task = asyncio.current_task()
        assert task is not None
        self._connections[connection.number] = connection, task
        try:
            if self.plan.choose("accept", None, self.clock()) is not None:
                connection.reset()
            while connection.open and (request := await _read(reader)) is not None:
                await self._serve(connection, request)
        except (OSError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            pass  # the peer went, or talks nonsense
        except asyncio.CancelledError:
            pass  # the cloud ends; asyncio would log it
        finally:
            del self._connections[connection.number]
            connection.reset()

    async def _serve(self, connection: Connection, request: Request) -> None:
        now = self.clock()
        asked = honest.question(request)
        identity = self.callers.identity(request, now)
        name = "sour" if connection.sour else self.plan.choose("call", asked, now)
        connection.served += 1
        self.calls.append(
            Call(
                time.monotonic(),
                asked.limit,
                identity or "",
                request.target,
                name or "honest",
                connection.number,
                connection.served,
            )
        )
        right = self._right(asked, request, identity, now)
        exchange = Exchange(self, connection, request, asked, right, now, self.rng)
        if name is None:
            await exchange.tell_the_truth()
            self._remember(exchange)
        else:
            connection.clean = False
            await self.table.run(name, exchange)
        if request.headers.get("connection", "").lower() == "close" and connection.open:
            connection.close()

    def _right(self, asked: Question, request: Request, identity: str | None, now: float) -> Answer:
        if asked.operation == "iam.token":
            return self.callers.token(request, now)
        if now < self.unauthorized_until or identity is None:
            return self.callers.refusal(request)
        return honest.answer(self.world, asked, request, now)

    def _remember(self, exchange: Exchange) -> None:
        if exchange.asked.operation == "cdm.status" and exchange.connection.clean and exchange.right.status == 200:
            rows = exchange.right.body["submissions"]
            known = self.told.get(exchange.request.path)
            if rows and (known is None or known[0] != str(rows[0]["submission-id"])):
                self.told[exchange.request.path] = str(rows[0]["submission-id"]), exchange.now


async def _read(reader: asyncio.StreamReader) -> Request | None:
    """Read one request, or None where the peer closed."""
    try:
        text = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    except asyncio.IncompleteReadError:
        return None
    first, *lines = text[:-4].split("\r\n")
    method, target, _ = first.split(" ")
    headers = {key.strip().lower(): value.strip() for key, _, value in (line.partition(":") for line in lines)}
    length = int(headers.get("content-length", "0"))
    return Request(method, target, headers, await reader.readexactly(length) if length else b"")
