"""One connection, one call, one answer: what comes unasked, and which connections are used again."""

import asyncio
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from yarl import URL

from exporter.cloud import connection
from exporter.cloud.client import Client
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services.request import Request
from tests.cloud.wire import LATE, REQUEST, SOON, Connection, Nobody, RawServer, answer, reading_on, serving

STALE = answer(b"stale")
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


async def ask(transport: Client, url: str, request: Request = REQUEST) -> bytes:
    return (await transport.send(url, request, Nobody())).body


async def lost(transport: Client, url: str, request: Request = REQUEST) -> PollError:
    with pytest.raises(PollError) as caught:
        await transport.send(url, request, Nobody())
    return caught.value


class TestWhatNobodyAskedFor:
    @pytest.mark.parametrize(
        "tail",
        [
            pytest.param(STALE, id="a whole answer"),
            pytest.param(STALE + STALE, id="two answers"),
            pytest.param(STALE[:-3], id="most of an answer"),
            pytest.param(b"H", id="the first byte of one"),
            pytest.param(b"junk HTTP/1.1 200 OK\r\n", id="no HTTP"),
            pytest.param(b"HTTP/1.1 100 Continue\r\n\r\n", id="an interim answer"),
        ],
    )
    @pytest.mark.parametrize("when", ["in one packet", "with the end of the body", "a moment later"])
    async def test_is_never_the_answer_to_the_next_call(self, tail: bytes, when: str) -> None:
        async def script(to: Connection) -> None:
            said = answer(b"answer %d" % len(server.heads))
            if when == "in one packet":
                await to.say(said + tail)
            elif when == "with the end of the body":
                await to.say(said[:-4])
                await to.say(said[-4:] + tail, pause=0.02)
            else:
                await to.say(said)
                await to.say(tail, pause=0.02)

        async with serving(script) as server, Client(LATE) as transport:
            for number in range(1, 4):
                try:
                    assert await ask(transport, server.url) == b"answer %d" % number
                except PollError as error:
                    assert error.reason is Reason.PAYLOAD  # noqa: PT017 - what cannot be parsed at all may fail
                await asyncio.sleep(0.05)

        assert (len(server.heads), server.connections) == (3, 3)

    async def test_is_seen_although_the_loop_did_not_read_it_yet(self) -> None:
        with late_talker() as (url, late):
            async with Client(LATE) as transport:
                assert await ask(transport, url) == b"1"
                late.set()
                time.sleep(0.05)  # the loop stands still while the bytes come
                assert await ask(transport, url) == b"2"

    async def test_before_the_first_call_is_a_failure(self) -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(STALE)
            await reader.read()
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server:
            # whether the bytes are seen before the call is sent is the system's to say
            for _ in range(3):
                async with Client(LATE) as transport:
                    try:
                        url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
                        assert await ask(transport, url) == b"stale"
                    except PollError as error:
                        assert error.reason is Reason.PAYLOAD  # noqa: PT017 - either is fine
                await asyncio.sleep(0.02)  # for the server to see the end

    async def test_line_breaks_after_an_answer_are_no_answer(self) -> None:
        async with serving(answer(b"{}") + b"\r\n") as server, Client(LATE) as transport:
            for _ in range(3):
                assert await ask(transport, server.url) == b"{}"


@contextmanager
def late_talker() -> Iterator[tuple[str, threading.Event]]:
    """Serve in a thread: an answer to each call, and one more on the first connection when the event says so."""
    late = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as listener:

        def serve() -> None:
            first, _ = listener.accept()
            first.recv(65536)
            first.sendall(answer(b"1"))
            late.wait(LATE)
            first.sendall(STALE)
            second, _ = listener.accept()
            second.recv(65536)
            second.sendall(answer(b"2"))
            first.close()
            second.close()

        thread = threading.Thread(target=serve)
        thread.start()
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", late
        thread.join(LATE)


class TestUsedAgain:
    @pytest.mark.parametrize("status", [500, 502, 503, 504, 599, 421])
    async def test_a_connection_that_leads_to_a_broken_server_is_not(self, status: int) -> None:
        async with serving(answer(status=f"{status} No")) as server, Client(LATE) as transport:
            for _ in range(3):
                await ask(transport, server.url)

        assert (len(server.heads), server.connections) == (3, 3)

    @pytest.mark.parametrize("status", [200, 400, 401, 404, 429])
    async def test_a_connection_that_works_is(self, status: int) -> None:
        async with serving(answer(status=f"{status} Well")) as server, Client(LATE) as transport:
            for _ in range(3):
                await ask(transport, server.url)

        assert (len(server.heads), server.connections) == (3, 1)

    async def test_a_connection_whose_answer_was_that_of_another_call_is_not(self) -> None:
        async with serving(answer()) as server, Client(LATE) as transport:
            for _ in range(3):
                await ask(transport, server.url)
                transport.doubt(server.url)

        assert (len(server.heads), server.connections) == (3, 3)

    async def test_one_that_is_being_closed_is_not(self) -> None:
        """Its socket is open until the loop comes round, and nothing came on it."""
        async with serving(answer()) as server:
            loop, url = asyncio.get_running_loop(), URL(server.url)
            assert url.host
            assert url.port
            transport, protocol = await loop.create_connection(lambda: connection.Connection(loop), url.host, url.port)
            protocol.calls = 1
            transport.close()
            flight = connection.Flight(float("-inf"))
            connection.FLIGHT.set(flight)
            protocol.set_response_params()

        assert flight.unsent

    async def test_an_old_connection_is_not(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(connection, "LIFETIME", 0.0)
        async with serving(answer()) as server, Client(LATE) as transport:
            for _ in range(3):
                await ask(transport, server.url)

        assert server.connections == 3


class TestDropped:
    """A call into an idle connection that was dead is told from others, and never repeated here."""

    async def test_a_call_into_a_dead_connection_says_so_and_leaves_once(self) -> None:
        async with serving(only_first) as server, Client(LATE) as transport:
            servers.append(server)
            await ask(transport, server.url)
            error = await lost(transport, server.url)

        assert error.dropped
        assert error.reason is Reason.UNREACHABLE
        assert len(server.heads) == 2

    async def test_a_new_connection_that_breaks_does_not(self) -> None:
        async def close(to: Connection) -> None:
            to.writer.close()

        async with serving(close) as server, Client(LATE) as transport:
            assert not (await lost(transport, server.url)).dropped

        assert len(server.heads) == 1

    async def test_an_answer_that_began_does_not(self) -> None:
        async def script(to: Connection) -> None:
            await to.say(answer() if len(server.heads) == 1 else b"HTTP/1.1 2")
            if len(server.heads) > 1:
                to.writer.close()

        async with serving(script) as server, Client(LATE) as transport:
            await ask(transport, server.url)
            assert not (await lost(transport, server.url)).dropped

    async def test_a_call_that_creates_something_does_not(self) -> None:
        async with serving(only_first) as server, Client(LATE) as transport:
            servers.append(server)
            await ask(transport, server.url)
            assert not (await lost(transport, server.url, Request("o", "/", "l", method="POST"))).dropped

        assert len(server.heads) == 2

    async def test_the_next_call_takes_a_new_connection(self) -> None:
        bad: list[Connection] = []

        async def script(to: Connection) -> None:
            if to in bad:
                to.writer.close()  # after it has read the request
                return
            if len(server.heads) < 3:
                bad.append(to)
                while len(server.heads) < 3:  # so that three connections are idle afterwards
                    await asyncio.sleep(0.001)
            elif len(bad) < 3:
                bad.append(to)
            await to.say(answer())

        async with serving(script) as server, Client(LATE) as transport:
            await asyncio.gather(*(ask(transport, server.url) for _ in range(3)))
            assert (await lost(transport, server.url)).dropped
            assert await ask(transport, server.url) == b"{}"

        assert (len(server.heads), server.connections) == (5, 4)


servers: list[RawServer] = []
"""The server of a test, for a script that is not told it."""


async def only_first(to: Connection) -> None:
    """Answer the first call and hang up on the second."""
    if len(servers[-1].heads) == 1:
        await to.say(answer())
    else:
        to.writer.close()


class TestEnds:
    """What the server reads after its answer, or instead of one."""

    async def test_a_call_that_is_given_up_is_reset_so_that_nothing_of_it_arrives_later(self) -> None:
        ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async with serving(reading_on(ended)) as server, Client(SOON) as transport:
            assert (await lost(transport, server.url)).reason is Reason.TIMEOUT
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(ended, LATE)

    async def test_a_connection_at_rest_is_closed_in_order(self) -> None:
        ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async with serving(reading_on(ended, answer())) as server:
            async with Client(LATE) as transport:
                assert await ask(transport, server.url) == b"{}"
            assert await asyncio.wait_for(ended, LATE) == b""


class TestRetired:
    """Connections that a reload left behind."""

    async def test_a_call_under_way_ends_on_the_connection_it_began_with(self) -> None:
        go = asyncio.Event()

        async def script(to: Connection) -> None:
            await go.wait()
            await to.say(answer(b"late"))

        async with serving(script) as server, Client(LATE) as transport:
            call = asyncio.create_task(ask(transport, server.url))
            while not server.heads:
                await asyncio.sleep(0.001)
            await transport.retire()
            await transport.retire()
            assert transport.open
            go.set()

            assert await call == b"late"
            assert not transport.open

    async def test_a_call_that_was_about_to_begin_is_made(self) -> None:
        async with serving(answer()) as server, Client(LATE) as transport:
            await transport.retire()

            assert await ask(transport, server.url) == b"{}"
            assert not transport.open

    async def test_credentials_that_take_their_time_lose_nothing(self) -> None:
        class Slow(Nobody):
            async def headers(self, call: object) -> dict[str, str]:
                await transport.retire()
                return {}

        async with serving(answer()) as server, Client(LATE) as transport:
            assert (await transport.send(server.url, REQUEST, Slow())).body == b"{}"
            assert not transport.open
