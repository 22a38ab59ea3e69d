"""Whatever a client sends as headers or query, it gets an answer, and none that says that the server failed."""

import asyncio
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest
from aiohttp.test_utils import TestServer
from hypothesis import example, given
from hypothesis import strategies as st

from exporter.config.web_settings import Web
from exporter.model.changes import Changes
from exporter.web.listening.listener import served
from exporter.web.server import make_app
from tests.known import examples
from tests.web.fakes import FAULT, FakeExporter, running

PATHS = (
    "/", "/metrics", "/api/v1/jobs", "/api/v1/jobs/dli/nightly", "/api/v1/jobs/dli/none", "/jobs/dli/nightly",
    "/jobs/dli/none", "/static/page.css", "/favicon.ico", "/-/healthy", "/-/ready", "/-/reload", "/nothing",
)  # fmt: skip
NAMES = (
    "Accept", "Accept-Charset", "Accept-Encoding", "Accept-Language", "Authorization", "Cache-Control", "Connection",
    "Content-Encoding", "Content-Length", "Content-Type", "Cookie", "Date", "Expect", "Forwarded", "From", "Host",
    "If-Match", "If-Modified-Since", "If-None-Match", "If-Range", "If-Unmodified-Since", "Keep-Alive", "Origin",
    "Pragma", "Range", "Referer", "TE", "Trailer", "Transfer-Encoding", "Upgrade", "User-Agent", "Via",
    "X-Forwarded-For", "X-Forwarded-Proto", "X-Prometheus-Scrape-Timeout-Seconds",
)  # fmt: skip
WORDS = st.sampled_from([
    "*", "*/*", "text/plain", "application/openmetrics-text", "gzip", "identity", "chunked", "bytes=0-", "bytes=9-1",
    "100-continue", "close", "keep-alive", "upgrade", "websocket", "h2c", "0", "-1", "1e9", "99999999999999999999",
    "q=", "q=1", ";", ",", "=", '"', "\\", "W/", "\t", " ", "Basic", "Thu, 01 Jan 1970 00:00:00 GMT", "%", "\x7f",
])  # fmt: skip
VALUE = st.one_of(
    st.lists(WORDS, max_size=6).map("".join),
    st.text(st.characters(max_codepoint=255, exclude_characters="\r\n\0"), max_size=30),
)
HEADERS = st.lists(st.tuples(st.sampled_from(NAMES), VALUE), max_size=4)
QUERY = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters="#"), max_size=30)


class Quick(FakeExporter):
    """An exporter that reloads nothing."""

    may_reload = True

    async def reload(self) -> dict[str, Any]:
        """Return that nothing changed."""
        return {name: [] for name in Changes.__slots__}


@pytest.fixture(scope="module")
def port() -> Iterator[int]:
    """Serve in a thread of its own: hypothesis waits for each answer."""
    loop = asyncio.new_event_loop()
    exporter = Quick([running(), running("broken", fault=FAULT)])
    exporter.exposition.lines = 1000

    async def start() -> TestServer:
        server = TestServer(make_app(exporter))
        await server.start_server()
        return server

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    server = asyncio.run_coroutine_threadsafe(start(), loop).result(20)
    assert server.port is not None
    yield server.port
    asyncio.run_coroutine_threadsafe(server.close(), loop).result(20)
    loop.call_soon_threadsafe(loop.stop)
    thread.join(20)
    loop.close()


def answer(port: int, request: bytes) -> bytes:
    """Return at least the head of the answer."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
        client.sendall(request)
        said = b""
        while b"\r\n\r\n" not in said and (part := client.recv(1 << 16)):
            said += part
    return said


@examples(5)
@given(st.sampled_from(["GET", "HEAD", "POST", "PUT", "OPTIONS"]), st.sampled_from(PATHS), QUERY, HEADERS)
@example("GET", "/metrics", "", [("Accept", ";")])
@example("GET", "/metrics", "", [("Accept", "text/plain,;")])
@example("GET", "/", "", [("Accept-Encoding", ";")])
@example("GET", "/static/page.css", "", [("If-None-Match", 'W/"'), ("Range", "bytes=9-1")])
@example("GET", "/metrics", "", [("Host", "\xff")])
@example("GET", "/metrics", "", [("Expect", "\x80")])
@example("GET", "/nothing", "", [("Expect", "\x80")])
@example("POST", "/-/reload", "", [("Content-Length", "0"), ("Expect", "100-continue")])
def test_any_request_gets_an_answer(
    port: int, method: str, path: str, query: str, headers: list[tuple[str, str]]
) -> None:
    lines = [f"{method} {path}{'?' * bool(query)}{query} HTTP/1.1", "Connection: close"]
    lines += ["Host: x"] * all(name != "Host" for name, _ in headers)
    lines += [f"{name}: {value}" for name, value in headers]
    said = answer(port, "\r\n".join([*lines, "", ""]).encode("latin-1"))

    version, status = said.split(b" ")[:2]
    assert version in {b"HTTP/1.0", b"HTTP/1.1"}
    assert int(status) < 500 or (path, status) == ("/-/ready", b"503"), said[:300]


@pytest.mark.parametrize(
    "request_", [b"\x16\x03\x01\x02\0", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"GET /\0 HTTP/9\r\n\r\n"]
)
async def test_what_is_no_request_is_answered_and_no_error_of_ours(
    request_: bytes, caplog: pytest.LogCaptureFixture
) -> None:
    async with served(make_app(FakeExporter()), Web(listen_address="127.0.0.1:0"), 1) as (address,):
        port = int(address.rpartition(":")[2])
        said = await asyncio.to_thread(answer, port, request_ + b"\r\n\r\n")
        assert said.split(b" ")[1] == b"400"

    assert [record.getMessage() for record in caplog.records if record.levelname in {"ERROR", "WARNING"}] == []
