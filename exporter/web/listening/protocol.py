"""One HTTP connection: limits for its requests, and the responses to invalid ones."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError, LineTooLong

from exporter.web.answers import Headers, dress
from exporter.web.listening.host_names import SCRAPED
from exporter.web.listening.slots import Slot
from exporter.web.sending import HOLDS, WRITE_BUFFER

_LONGEST_HEAD: Final = 64 * 1024
"""Bytes of a request before its end; a browser's with the cookies of other programs on the machine has a tenth."""
_LONGEST_LINE: Final = 8 * 1024
"""Bytes of one of its lines."""
_MOST_LINES: Final = 128
"""Its headers."""
_LONGEST_REST: Final = 256 * 1024
"""Bytes that are read and thrown away after an answer, so that it arrives; more would be work for nothing."""
_LINGER: Final = 1.0
"""Seconds to read on after a refusal: with bytes unread the socket would be reset, and the answer lost on the way."""
_OPTIONS: Final[dict[str, Any]] = {
    "access_log": None,
    "auto_decompress": False,  # no body is ever read, so none is ever unpacked
    "lingering_time": 2.0,
    "max_headers": _MOST_LINES,
    "max_line_size": _LONGEST_LINE,
    "max_field_size": _LONGEST_LINE,
}
_TOO_MANY_LINES: Final = "Too many headers"
"""How the library's message begins, whose exception has no class of its own."""
_REFUSALS: Final = {
    400: "this is no HTTP request\n",
    431: "the head of the request is too long\n",
    500: "the exporter failed to answer; its log says why\n",
}


class HttpConnection(web.RequestHandler):
    """What the library makes of a connection, with limits; *headers* returns what the operator adds to each answer."""

    def __init__(self, server: web.Server, slot: Slot, headers: Callable[[], Headers]) -> None:
        super().__init__(server, loop=asyncio.get_running_loop(), **_OPTIONS)
        self._slot = slot
        self._headers = headers
        self._head = self._rest = 0
        self._refused = False
        self._answering = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Begin; a request is awaited."""
        self._slot.opened(transport)
        if isinstance(transport, asyncio.Transport):
            transport.set_write_buffer_limits(WRITE_BUFFER)
        super().connection_made(transport)

    def connection_lost(self, exc: BaseException | None) -> None:
        """End."""
        self._slot.closed()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Read on, and count what comes of a head until it is complete."""
        before = self._request_count
        super().data_received(data)
        if self._answering:
            self._rest += len(data)
            self._pause_transport_reading()
            if self._rest > _LONGEST_REST:
                self._slot.abort()
        elif self._request_count == before:
            self._more_of_a_head(len(data))
        else:
            self._head = 0
            self._pause_transport_reading()  # until it is known whether a scraper may have closed its side

    def _more_of_a_head(self, size: int) -> None:
        self._head += size
        self._slot.head_begun()
        if self._head > _LONGEST_HEAD:
            self._refuse_head()

    async def _handle_request(
        self,
        request: web.BaseRequest,
        start_time: float | None,
        request_handler: Callable[[web.BaseRequest], Awaitable[web.StreamResponse]],
    ) -> tuple[web.StreamResponse, bool]:
        """Answer a request, and notice if its client goes: then the work for it ends.

        What a client sends meanwhile stays with it but for the first bytes. A scraper may end its side at once.
        """
        self._answering, self._rest = True, 0
        scrape = request.path in SCRAPED
        self._slot.busy(scrape)
        request[HOLDS] = self._slot.hold
        if not scrape:
            self._read_on()
        try:
            return await super()._handle_request(request, start_time, request_handler)
        finally:
            self._read_on()
            if self._refused:
                await self._linger()
            elif not request.body_exists:  # after a body the connection ends
                self._answering = False
                self._slot.waits()

    def _read_on(self) -> None:
        if not self._reading_paused and not self._buffer_paused:
            self._resume_transport_reading()

    async def _linger(self) -> None:
        self.close()
        await asyncio.sleep(_LINGER)

    def _refuse_head(self) -> None:
        """Refuse what is no request yet, so that the library has nothing to answer."""
        self._answering = True
        if self.transport is not None:
            headers = dress({"Content-Type": "text/plain; charset=utf-8", "Connection": "close"}, self._headers())
            text = _REFUSALS[431]
            lines = [f"{name}: {value}" for name, value in {**headers, "Content-Length": str(len(text))}.items()]
            head = "\r\n".join(["HTTP/1.1 431 Request Header Fields Too Large", *lines])
            self.transport.write(f"{head}\r\n\r\n{text}".encode())
        self.close()  # what still comes is read and thrown away
        self._loop.call_later(_LINGER, self._slot.abort)

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = 500,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return the answer to what cannot be read, or to a fault of ours, which alone is logged."""
        if isinstance(exc, ConnectionError):
            raise exc  # the client is gone
        if isinstance(exc, HttpProcessingError):
            self._refused = True
            status = 431 if isinstance(exc, LineTooLong) or exc.message.startswith(_TOO_MANY_LINES) else 400
        else:
            self.log_exception("Error handling request from %s", request.remote, exc_info=exc)
        if request.writer.output_size > 0:
            raise ConnectionError("a part of the answer is sent already")
        headers = {"Cache-Control": "no-store", "Connection": "close"}
        refusal = _Refusal(text=_REFUSALS.get(status, _REFUSALS[500]), status=status, headers=headers)
        dress(refusal.headers, self._headers())
        refusal.force_close()
        return refusal


class _Refusal(web.Response):
    """An answer outside of the application, whose signals are not sent for it."""

    async def _prepare_headers(self) -> None:
        await super()._prepare_headers()
        del self.headers["Server"]
