"""A server that says exactly the bytes it is told, and credentials that prove nothing."""

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field

from exporter.cloud.credentials import Call
from exporter.services.request import Request

REQUEST = Request("showJob", "/v1/p/jobs/j/progress", "dli")
SOON = 0.2
"""Seconds: the deadline of a test that waits for it."""
LATE = 5.0
"""Seconds: the deadline of a test that must not need it."""


def answer(body: bytes = b"{}", *headers: str, status: str = "200 OK") -> bytes:
    """Write a whole HTTP answer."""
    head = "".join(f"{line}\r\n" for line in (f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers))
    return head.encode("latin-1") + b"\r\n" + body


@dataclass
class Nobody:
    """Credentials that send fixed headers and remember what they were asked to sign."""

    sent: dict[str, str] = field(default_factory=dict)
    calls: list[Call] = field(default_factory=list)
    identity: str = "nobody"
    in_use: str = "nobody"
    signs: bool = False
    expires_at: float | None = None
    generation: int = 0

    async def headers(self, call: Call) -> dict[str, str]:
        self.calls.append(call)
        return self.sent

    async def load(self) -> None:
        """There are no files."""

    async def renew(self, refused: int) -> None:
        """Nothing is better than nothing."""


class Connection:
    """One connection that a script holds."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader, self.writer = reader, writer

    async def request(self) -> bytes:
        """Read the next request's head; empty if the client has gone."""
        try:
            return await self.reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return b""

    async def say(self, *parts: bytes, pause: float = 0) -> None:
        """Send *parts*, with a pause before each."""
        for part in parts:
            await asyncio.sleep(pause)
            self.writer.write(part)
            await self.writer.drain()

    def reset(self) -> None:
        """Drop the connection with a TCP reset."""
        self.writer.transport.abort()


Script = Callable[[Connection], Awaitable[None]]


def reading_on(ended: asyncio.Future[bytes], said: bytes = b"") -> Script:
    """Return a script that sends *said*, and tells what it reads after it, or fails with."""

    async def script(to: Connection) -> None:
        await to.say(said)
        try:
            ended.set_result(await to.reader.read())
        except OSError as error:
            ended.set_exception(error)

    return script


@dataclass
class RawServer:
    """Where it listens and what came."""

    port: int
    scheme: str
    heads: list[bytes] = field(default_factory=list)
    connections: int = 0

    @property
    def url(self) -> str:
        return f"{self.scheme}://127.0.0.1:{self.port}"

    @property
    def targets(self) -> list[str]:
        """What the request lines asked for."""
        return [head.split(b" ")[1].decode("latin-1") for head in self.heads]

    def header(self, name: str) -> str | None:
        """Return a header of the last request."""
        for line in self.heads[-1].decode().split("\r\n")[1:]:
            key, _, value = line.partition(": ")
            if key.lower() == name.lower():
                return value
        return None


@asynccontextmanager
async def serving(script: Script | bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[RawServer]:
    """Serve on a free port: *script* is run once for each request, bytes are sent for each."""
    tasks: set[asyncio.Task[None]] = set()

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        server.connections += 1
        connection = Connection(reader, writer)
        try:
            with suppress(ConnectionError):
                while head := await connection.request():
                    server.heads.append(head)
                    if isinstance(script, bytes):
                        await connection.say(script)
                    else:
                        await script(connection)
        except asyncio.CancelledError:
            pass  # the end of the test; asyncio would log a stream handler that was cancelled
        finally:
            tasks.discard(task)
            writer.close()
            with suppress(ConnectionError, ssl.SSLError):
                await writer.wait_closed()

    listener = await asyncio.start_server(connected, "127.0.0.1", 0, ssl=tls)
    server = RawServer(listener.sockets[0].getsockname()[1], "https" if tls else "http")
    try:
        yield server
    finally:
        listener.close()
        for task in list(tasks):
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await listener.wait_closed()
