"""What the web side relies on in the HTTP library and in asyncio without their promise: new versions must pass."""

import asyncio
import inspect
from asyncio.sslproto import SSLProtocol

from aiohttp import web
from aiohttp.base_protocol import BaseProtocol


def test_each_request_is_answered_by_what_is_overridden() -> None:
    source = inspect.getsource(web.RequestHandler)

    assert "self._handle_request(request, start, request_handler)" in source
    assert "self.handle_error(" in source
    assert "self._request_count += 1" in source
    for name in ("_pause_transport_reading", "_resume_transport_reading"):
        assert hasattr(BaseProtocol, name)
    for name in ("_reading_paused", "_buffer_paused"):
        assert name in BaseProtocol.__slots__


def test_an_answer_names_its_server_where_it_is_taken_out() -> None:
    assert "hdrs.SERVER" in inspect.getsource(web.StreamResponse._prepare_headers)


def test_a_connection_by_tls_has_one_buffer_of_a_size_that_can_be_set() -> None:
    assert SSLProtocol.max_size > 0
    assert "bytearray(self.max_size)" in inspect.getsource(SSLProtocol.__init__)
    limits = inspect.signature(vars(SSLProtocol)["_set_read_buffer_limits"])
    assert list(limits.parameters) == ["self", "high", "low"]


def test_a_loop_makes_a_connection_of_an_accepted_socket() -> None:
    assert asyncio.iscoroutinefunction(asyncio.BaseEventLoop.connect_accepted_socket)
