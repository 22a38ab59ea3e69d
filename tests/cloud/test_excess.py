"""Nothing that a cloud sends costs more than its share of the event loop or of memory."""

import asyncio
import gc
import gzip
import random
import threading
import time
import tracemalloc
import zlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from contextvars import Context

import pytest

from exporter.cloud.body import UNPACKED_IN_LOOP, unpacked
from exporter.cloud.client import Client
from exporter.cloud.connection import INTERIM_LIMIT, SIZE_LIMIT, TooLongError
from exporter.cloud.offload import UNPLACED, Place
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services.document import VALUES_LIMIT, json_object
from tests.cloud.wire import LATE, REQUEST, Connection, Nobody, Script, answer, serving

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
TURN = 0.2
"""Seconds of the processor that one turn of the loop may take, server and client together, on a machine that is busy;
on one that is not it is 0.05."""


@asynccontextmanager
async def short_turns() -> AsyncIterator[None]:
    """Fail if the loop's thread worked for long between two looks of another task."""
    longest, before = 0.0, time.thread_time()

    async def look() -> None:
        nonlocal longest, before
        while True:
            await asyncio.sleep(0)
            now = time.thread_time()
            longest, before = max(longest, now - before), now

    gc.freeze()  # a collection would look through all that other tests left, for tenths of a second
    looking = asyncio.create_task(look())
    try:
        yield
    finally:
        looking.cancel()
        gc.unfreeze()
    assert longest < TURN


async def flood(to: Connection, head: bytes, block: bytes, blocks: int = 2000) -> None:
    """Say *block* again and again, until the client has had enough."""
    await to.say(head)
    for _ in range(blocks):
        await to.say(block)
        await asyncio.sleep(0)


def flooding(head: bytes, block: bytes) -> Script:
    async def script(to: Connection) -> None:
        await flood(to, head, block)
        raise AssertionError("it was all taken")

    return script


FLOODS = {
    "interim answers": flooding(b"", b"HTTP/1.1 103 Early Hints\r\n\r\n" * 2000),
    "interim answers with headers": flooding(b"", (b"HTTP/1.1 103 x\r\n" + b"Link: y\r\n" * 100 + b"\r\n") * 30),
    "headers": flooding(b"HTTP/1.1 200 OK\r\n", b"".join(b"X-%d: 1\r\n" % n for n in range(4000))),
    "one header": flooding(b"HTTP/1.1 200 OK\r\nX-A: ", b"x" * 60_000),
    "a status line": flooding(b"HTTP/1.1 200 ", b"x" * 60_000),
    "chunks of a byte": flooding(CHUNKED, b"1\r\nx\r\n" * 10_000),
    "an extension of a chunk": flooding(CHUNKED + b"1;", b"x" * 60_000),
    "a body without an end": flooding(b"HTTP/1.1 200 OK\r\n\r\n", b"x" * 60_000),
    "chunks without an end": flooding(CHUNKED, b"ea60\r\n" + b"x" * 60_000 + b"\r\n"),
    "trailers": flooding(CHUNKED + b"2\r\n{}\r\n0\r\n", b"".join(b"X-%d: 1\r\n" % n for n in range(4000))),
    "a length beyond all": flooding(b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n", b"x" * 60_000),
}


@pytest.mark.parametrize("name", FLOODS)
async def test_a_flood_is_stopped_and_named(name: str) -> None:
    async with serving(FLOODS[name]) as server, Client(LATE) as transport, short_turns():
        with pytest.raises(PollError) as caught:
            await transport.send(server.url, REQUEST, Nobody())

    assert caught.value.reason is Reason.PAYLOAD


async def test_a_few_interim_answers_are_passed_over() -> None:
    said = b"HTTP/1.1 100 Continue\r\n\r\n" + b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n" * 3 + answer(b"{}")
    async with serving(said) as server, Client(LATE) as transport:
        for _ in range(2):
            assert (await transport.send(server.url, REQUEST, Nobody())).body == b"{}"

    assert server.connections == 1


EARLY = b"HTTP/1.1 103 x\r\n\r\n"


async def test_as_many_interim_answers_as_are_meant_are_passed_over() -> None:
    async with serving(EARLY * INTERIM_LIMIT + answer(b"{}")) as server, Client(LATE) as transport:
        assert (await transport.send(server.url, REQUEST, Nobody())).body == b"{}"


@pytest.mark.parametrize("pause", [0, 0.005])
@pytest.mark.parametrize("number", [INTERIM_LIMIT + 1, 3000])
async def test_one_more_interim_answer_is_too_many_though_an_answer_follows(number: int, pause: float) -> None:
    async def script(to: Connection) -> None:
        if pause:
            await to.say(*[EARLY] * INTERIM_LIMIT, pause=pause)
        await to.say(EARLY * (number - (INTERIM_LIMIT if pause else 0)) + answer(b"{}"))

    async with serving(script) as server, Client(LATE) as transport:
        with pytest.raises(PollError, match="too many headers, interim answers or chunks"):
            await transport.send(server.url, REQUEST, Nobody())


async def test_small_chunks_of_a_short_answer_are_taken() -> None:
    body = b'{"a": "%s"}' % (b"x" * 5000)
    said = CHUNKED + b"".join(b"1\r\n%c\r\n" % byte for byte in body) + b"0\r\n\r\n"
    async with serving(said) as server, Client(LATE) as transport:
        assert (await transport.send(server.url, REQUEST, Nobody())).body == body


async def test_many_long_answers_at_once_are_all_taken() -> None:
    body = b"x" * (SIZE_LIMIT // 4)
    async with serving(answer(body)) as server, Client(60) as transport:
        got = await asyncio.gather(*(transport.send(server.url, REQUEST, Nobody()) for _ in range(12)))

    assert all(each.body == body for each in got)


@pytest.mark.parametrize("status", [400, 404, 429, 503])
async def test_of_an_error_with_a_long_body_the_status_counts(status: int) -> None:
    async with serving(answer(b"[" * 1_000_000, status=f"{status} No")) as server, Client(LATE) as transport:
        got = await transport.send(server.url, REQUEST, Nobody())

    assert (got.status, got.body) == (status, b"")


def deflated(body: bytes) -> bytes:
    packer = zlib.compressobj(wbits=-15)
    return packer.compress(body) + packer.flush()


class TestPacked:
    BODY = b'{"status": "RUNNING"}' * 50

    @pytest.mark.parametrize(
        ("packed", "encoding"),
        [
            pytest.param(gzip.compress(BODY), "gzip", id="gzip"),
            pytest.param(gzip.compress(BODY), "X-GZIP", id="gzip by its old name"),
            pytest.param(gzip.compress(BODY[:99]) + gzip.compress(BODY[99:]), "gzip", id="gzip in two parts"),
            pytest.param(zlib.compress(BODY), "deflate", id="deflate"),
            pytest.param(deflated(BODY), "deflate", id="deflate without a header"),
            pytest.param(BODY, "identity", id="as it is"),
        ],
    )
    async def test_a_body_is_unpacked(self, packed: bytes, encoding: str) -> None:
        async with serving(answer(packed, f"Content-Encoding: {encoding}")) as server, Client(LATE) as transport:
            assert (await transport.send(server.url, REQUEST, Nobody())).body == self.BODY

    async def test_a_long_body_is_unpacked(self) -> None:
        body = bytes(range(256)) * 4 * 1024
        said = answer(gzip.compress(body, 1)[:], "Content-Encoding: gzip")
        async with serving(said) as server, Client(LATE) as transport:
            assert (await transport.send(server.url, REQUEST, Nobody())).body == body

    @pytest.mark.parametrize(
        ("packed", "encoding"),
        [
            pytest.param(BODY, "gzip", id="not packed"),
            pytest.param(BODY, "deflate", id="not packed, deflate"),
            pytest.param(gzip.compress(BODY)[:-9], "gzip", id="without its end"),
            pytest.param(gzip.compress(BODY)[:-1], "gzip", id="without its last byte"),
            pytest.param(gzip.compress(BODY)[:5], "gzip", id="a part of the header"),
            pytest.param(zlib.compress(BODY)[:-3], "deflate", id="without its end, deflate"),
            pytest.param(gzip.compress(BODY) + b"junk", "gzip", id="something after it"),
            pytest.param(gzip.compress(BODY)[:-8] + bytes(8), "gzip", id="another checksum"),
            pytest.param(gzip.compress(gzip.compress(BODY)), "gzip, gzip", id="packed twice"),
            pytest.param(BODY, "br", id="not asked for"),
            pytest.param(BODY, "zstd", id="not asked for either"),
        ],
    )
    async def test_what_cannot_be_unpacked_is_a_failure(self, packed: bytes, encoding: str) -> None:
        async with serving(answer(packed, f"Content-Encoding: {encoding}")) as server, Client(LATE) as transport:
            with pytest.raises(PollError) as caught:
                await transport.send(server.url, REQUEST, Nobody())

        assert caught.value.reason is Reason.PAYLOAD
        assert "cannot be unpacked" in caught.value.sentence

    @pytest.mark.parametrize("status", [401, 404, 429, 503])
    @pytest.mark.parametrize("encoding", ["br", "gzip"])
    async def test_of_an_error_that_cannot_be_unpacked_the_status_counts(self, status: int, encoding: str) -> None:
        said = answer(self.BODY, f"Content-Encoding: {encoding}", "Retry-After: 7", status=f"{status} No")
        async with serving(said) as server, Client(LATE) as transport:
            got = await transport.send(server.url, REQUEST, Nobody())

        assert (got.status, got.body, got.headers["retry-after"]) == (status, b"", "7")

    async def test_an_answer_of_which_the_network_loses_the_end_is_unreachable(self) -> None:
        async def cut(to: Connection) -> None:
            await to.say(answer(gzip.compress(self.BODY), "Content-Encoding: gzip")[:-9])
            to.reset()

        async with serving(cut) as server, Client(LATE) as transport:
            with pytest.raises(PollError) as caught:
                await transport.send(server.url, REQUEST, Nobody())

        assert caught.value.reason is Reason.UNREACHABLE

    @pytest.mark.parametrize("encoding", ["gzip", "deflate"])
    async def test_a_bomb_is_stopped(self, encoding: str) -> None:
        pack = gzip.compress if encoding == "gzip" else zlib.compress
        said = answer(pack(bytes(64 << 20)), f"Content-Encoding: {encoding}")
        async with serving(said) as server, Client(LATE) as transport, short_turns():
            with pytest.raises(PollError) as caught:
                await transport.send(server.url, REQUEST, Nobody())

        assert caught.value.reason is Reason.PAYLOAD

    async def test_only_a_short_body_is_unpacked_in_the_event_loop(self, monkeypatch: pytest.MonkeyPatch) -> None:
        where: list[bool] = []

        def noting(packed: bytes, encoding: str, limit: int) -> bytes:
            where.append(threading.current_thread() is threading.main_thread())
            return unpacked(packed, encoding, limit)

        monkeypatch.setattr("exporter.cloud.body.unpacked", noting)
        for body in (self.BODY, random.Random(1).randbytes(2 * UNPACKED_IN_LOOP)):
            said = answer(gzip.compress(body), "Content-Encoding: gzip")
            async with serving(said) as server, Client(LATE) as transport:
                assert (await transport.send(server.url, REQUEST, Nobody())).body == body

        assert where == [True, False]

    @pytest.mark.parametrize("parts", [17, 100_000])
    def test_a_thousand_parts_are_too_many(self, parts: int) -> None:
        with pytest.raises(TooLongError):
            unpacked(gzip.compress(b"") * parts, "gzip")

    def test_a_bomb_takes_a_bounded_memory(self) -> None:
        packed = gzip.compress(bytes(64 << 20))
        tracemalloc.start()
        try:
            with pytest.raises(TooLongError):
                unpacked(packed, "gzip")
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert most < 4 * SIZE_LIMIT


class TestValues:
    """How much JSON one answer may hold."""

    @pytest.mark.parametrize(
        "filling",
        [
            pytest.param(b"{}", id="objects"),
            pytest.param(b"[]", id="lists"),
            pytest.param(b"1.5", id="numbers"),
            pytest.param(b'"ab"', id="texts"),
            pytest.param(b"null", id="nothing"),
            pytest.param(b'{"a":{"b":[]}}', id="nested"),
        ],
    )
    def test_an_answer_full_of_values_is_refused_before_it_is_read(self, filling: bytes) -> None:
        body = b'{"sub_jobs": [' + b",".join([filling] * (SIZE_LIMIT // (len(filling) + 1))) + b"]}"
        tracemalloc.start()
        try:
            with pytest.raises(PollError, match="values") as caught:
                json_object(body)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert caught.value.reason is Reason.PAYLOAD
        assert most < 64 << 20

    def test_a_long_text_may_be_full_of_commas(self) -> None:
        text = '{[,\\"' * 100_000

        assert json_object(b'{"statement": "%s"}' % text.encode())["statement"] == text.replace("\\", "")

    @pytest.mark.parametrize("wide", ["\U0001f600", "\\ud83d\\ude00", "\\uD83D\\uDE00"])
    def test_a_text_of_wide_characters_takes_a_bounded_memory(self, wide: str) -> None:
        body = b'{"job_name": "%s%s"}' % (wide.encode(), b"a" * (SIZE_LIMIT - 100))
        tracemalloc.start()
        try:
            with pytest.raises(PollError, match=r"beyond U\+FFFF"):
                json_object(body)
            _, most = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()

        assert most < SIZE_LIMIT
        assert json_object(b'{"job_name": "%s"}' % (wide.encode() * 50_000))["job_name"] == "\U0001f600" * 50_000

    def test_as_many_values_as_are_meant_are_read(self) -> None:
        body = b'{"jobs": [' + b",".join([b'{"id": 1}'] * (VALUES_LIMIT // 2 - 2)) + b"]}"

        assert len(json_object(body)["jobs"]) == VALUES_LIMIT // 2 - 2

    def test_a_number_of_thousands_of_digits_costs_only_itself(self) -> None:
        body = b'{"progress": %s, "text": "%s"}' % (b"9" * 4000, b"x" * 70_000)

        assert json_object(body)["progress"] == float("inf")


async def test_a_short_answer_does_not_wait_for_the_long_ones_and_a_long_one_only_until_its_deadline() -> None:
    short, long = answer(gzip.compress(b"{}"), "Content-Encoding: gzip"), answer(b"x" * 2 * UNPLACED)
    async with serving(long) as server, serving(short) as other, Client(2) as transport, AsyncExitStack() as taken:
        await taken.enter_context(Place()).read()
        assert (await transport.send(other.url, REQUEST, Nobody())).body == b"{}"
        with pytest.raises(PollError) as caught:
            await asyncio.create_task(transport.send(server.url, REQUEST, Nobody()), context=Context())
        await taken.aclose()
        assert len((await transport.send(server.url, REQUEST, Nobody())).body) == 2 * UNPLACED

    assert caught.value.reason is Reason.TIMEOUT


async def send(transport: Client, url: str) -> bytes:
    """Make a call of its own task, as a poll does."""
    with Place():
        return (await transport.send(url, REQUEST, Nobody())).body


async def test_long_answers_that_come_slowly_hold_up_no_other_long_one() -> None:
    long, held = answer(b"x" * 20 * UNPLACED), asyncio.Event()

    async def slow(connection: Connection) -> None:
        connection.writer.write(long[: 10 * UNPLACED])
        await connection.writer.drain()
        await held.wait()
        connection.writer.write(long[10 * UNPLACED :])

    async with serving(slow) as drip, serving(long) as server, Client(LATE) as transport, asyncio.TaskGroup() as group:
        waiting = [group.create_task(send(transport, drip.url)) for _ in range(8)]
        while len(drip.heads) < len(waiting):
            await asyncio.sleep(0.01)
        quick = [await send(transport, server.url) for _ in range(8)]
        held.set()
        slowly = [await each for each in waiting]

    assert {len(body) for body in quick + slowly} == {20 * UNPLACED}


async def test_the_longest_answers_all_at_once_come_one_after_the_other() -> None:
    async with serving(answer(b"x" * SIZE_LIMIT)) as server, Client(LATE) as transport:
        sizes = [len(body) for body in await asyncio.gather(*(send(transport, server.url) for _ in range(8)))]

    assert sizes == [SIZE_LIMIT] * 8


async def test_an_error_keeps_no_place_while_its_call_is_made_once_more() -> None:
    refused = answer(gzip.compress(random.Random(1).randbytes(30_000)), "Content-Encoding: gzip", status="401 No")
    long = answer(b"x" * 2 * UNPLACED)
    async with serving(refused) as server, serving(long) as other, Client(LATE) as transport:
        with Place():
            await transport.send(server.url, REQUEST, Nobody())
            assert len(await asyncio.create_task(send(transport, other.url), context=Context())) == 2 * UNPLACED
