"""The one HTTP client against real sockets: answers, fast and slow, of every status."""

import asyncio
import gzip

import pytest
from aiohttp import web
from aiohttp.test_utils import TestServer

from exporter.cloud.client import SIZE_LIMIT, Client
from exporter.services.request import Request
from tests.cloud.wire import LATE, REQUEST, Connection, Nobody, answer, serving


@pytest.mark.parametrize("status", ["200 OK", "204 No Content", "400 Bad", "401 No", "404 ?", "429 ", "500 x", "599 y"])
async def test_any_status_but_a_redirect_is_an_answer(status: str) -> None:
    body = b"" if status.startswith("204") else b'{"error_code": "APIG.0301"}'
    async with serving(answer(body, status=status)) as server, Client(LATE) as transport:
        got = await transport.send(server.url, REQUEST, Nobody())

    assert (got.status, got.body) == (int(status[:3]), body)
    assert 0 < got.seconds < LATE


async def test_the_headers_that_count_are_kept() -> None:
    said = answer(b"{}", "X-Request-ID: abc\xff", "RETRY-AFTER: 5", "Date: today", "Server: api-gateway")
    async with serving(said) as server, Client(LATE) as transport:
        got = await transport.send(server.url, REQUEST, Nobody())

    assert got.headers == {"x-request-id": "abc", "retry-after": "5", "date": "today"}


async def test_a_compressed_answer_is_unpacked() -> None:
    said = answer(gzip.compress(b'{"a": 1}'), "Content-Encoding: gzip")
    async with serving(said) as server, Client(LATE) as transport:
        assert (await transport.send(server.url, REQUEST, Nobody())).body == b'{"a": 1}'


async def test_a_real_server_is_understood() -> None:
    async def handle(request: web.Request) -> web.Response:
        return web.json_response({"path": request.raw_path})

    app = web.Application()
    app.router.add_get("/{tail:.*}", handle)
    async with TestServer(app) as server, Client(LATE) as transport:
        got = await transport.send(str(server.make_url("")), Request("o", "/a%2Fb", "l", (("q", "x y"),)), Nobody())

    assert got.body == b'{"path": "/a%2Fb?q=x%20y"}'
    assert got.headers["date"]


async def test_a_slow_drip_within_the_deadline_is_an_answer() -> None:
    async def drip(to: Connection) -> None:
        await to.say(*(bytes([byte]) for byte in answer(b"{}")), pause=0.002)

    async with serving(drip) as server, Client(LATE) as transport:
        assert (await transport.send(server.url, REQUEST, Nobody())).body == b"{}"


async def test_a_full_size_answer_passes() -> None:
    async with serving(answer(b"x" * SIZE_LIMIT)) as server, Client(LATE) as transport:
        assert len((await transport.send(server.url, REQUEST, Nobody())).body) == SIZE_LIMIT


async def test_cancelling_passes_through() -> None:
    async def stall(to: Connection) -> None:
        await asyncio.sleep(60)

    async with serving(stall) as server, Client(LATE) as transport:
        task = asyncio.create_task(transport.send(server.url, REQUEST, Nobody()))
        while not server.heads:
            await asyncio.sleep(0.01)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
