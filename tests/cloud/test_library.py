"""What the client relies on in the HTTP library without the library's promise; a new version must pass here."""

import asyncio
import inspect
from functools import partial

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import HttpResponseParser
from aiohttp.streams import StreamReader

from exporter.cloud.client import Client
from exporter.cloud.connection import Connection


async def test_a_connector_makes_its_protocols_by_a_factory() -> None:
    async with Client(1) as transport:
        connector = transport._session.connector if transport._session else None
        assert isinstance(connector, aiohttp.TCPConnector)
        assert isinstance(connector._factory, partial)
        assert isinstance(connector._factory(), Connection)
        async with aiohttp.TCPConnector() as plain:
            assert isinstance(plain._factory(), ResponseHandler)


async def test_a_session_has_a_second_try_that_can_be_turned_off() -> None:
    async with aiohttp.ClientSession() as session:
        assert session._retry_connection is True
    assert "self._retry_connection" in inspect.getsource(aiohttp.ClientSession._request)


def test_the_protocol_calls_what_is_overridden() -> None:
    source = inspect.getsource(ResponseHandler)
    for name in (
        "set_response_params",
        "data_received",
        "connection_lost",
        "set_exception",
        "force_close",
        "abort",
        "close",
    ):
        assert f"def {name}(" in source
    assert "self.feed_data((message, payload), 0)" in source
    assert "conn.protocol.set_response_params(" in inspect.getsource(aiohttp.ClientSession._request)


async def test_the_parser_tells_whether_a_message_has_begun() -> None:
    loop = asyncio.get_running_loop()
    for tail, begun in ((b"", False), (b"\r\n", False), (b"HTTP/1.1 2", True), (b"H", True)):
        protocol = ResponseHandler(loop)
        parser = HttpResponseParser(protocol, loop, 2**16, read_until_eof=True)
        parser.feed_data(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}" + tail)
        assert (parser.feed_eof() is not None) is begun


def test_a_body_counts_its_bytes() -> None:
    assert "self.total_bytes += data_len" in inspect.getsource(StreamReader.feed_data)
