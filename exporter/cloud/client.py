"""The only HTTP client: one call, one answer, and every failure of the wire as a :class:`PollError` with its remedy.

The deadline covers the whole answer, the size of an answer is limited, redirects are not followed, and what goes over
the wire is byte for byte what was signed.
"""

import asyncio
import math
import re
import ssl
import time
from collections.abc import Iterable, Mapping
from contextvars import ContextVar
from dataclasses import dataclass
from logging import DEBUG
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import structlog
from aiohttp.client_proto import ResponseHandler
from aiohttp.tracing import Trace
from yarl import URL

from exporter import __version__
from exporter.clock import Clock, SystemClock
from exporter.cloud.body import SIZE_LIMIT, whole_body
from exporter.cloud.credentials import Call, Credentials
from exporter.cloud.credentials.signing import canonical_query
from exporter.cloud.network_errors import CAUGHT, DROPPED, Way, failure, proxy_refusal
from exporter.cloud.response import Response, kept_headers, retry_after, server_skew
from exporter.cloud.urls import Base, base_of, proxy_for, redirect_target
from exporter.model.errors import PollError, SettingsError
from exporter.model.masking import masked
from exporter.model.messages import printable
from exporter.model.reason import Reason
from exporter.services.request import Request

__all__ = ["SIZE_LIMIT", "Client", "Response", "retry_after", "server_skew"]

HEADER_LIMIT: Final = 64 * 1024
"""Bytes of one header; the vendor's tokens are several thousand long."""
KEEP_ALIVE: Final = 60.0
"""Seconds that an idle connection is kept: longer than the usual interval, so that polls share connections."""
REPEATS: Final = 2
"""Idle connections in a row that may be dead before the call fails; whoever resets what it received looks the same."""
HEADERS: Final = {
    "User-Agent": f"huaweicloud-job-exporter/{__version__}",
    "Accept": "application/json",
    "X-Language": "en-us",
}
"""Sent with every call and never signed: a proxy may rewrite them, and the vendor accepts unsigned headers."""

_PATH = re.compile(r"/[!-~]*")
_UNFIT = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")


@dataclass(slots=True)
class _Flight:
    """One call on its way."""

    connected: bool = False
    """Whether a connection was opened for it."""
    answered: bool = False
    """Whether the headers of its answer came."""

    def was_none(self, error: Exception) -> bool:
        """Whether *error* looks as if it went into an idle connection that was dead, and so reached nobody."""
        return isinstance(error, DROPPED) and not self.connected and not self.answered


_FLIGHT: Final[ContextVar[_Flight]] = ContextVar("flight")


class _Connector(aiohttp.TCPConnector):
    """Notes for which call it opens a connection.

    An idle connection that turns out to be dead was never a call to the vendor, so the call is made again, unless it
    creates something. One that breaks although it is new may be one that the vendor counted, and is not repeated.
    The library's own trace would tell as well, but costs a seventh of a call.
    """

    async def _create_connection(
        self,
        req: aiohttp.ClientRequest,
        traces: list[Trace],
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - the library's signature
    ) -> ResponseHandler:
        _FLIGHT.get().connected = True
        return await super()._create_connection(req, traces, timeout)


class Client:
    """A pool of connections; *timeout* is seconds for one call, its whole answer included.

    *ca_file* holds the authorities to trust instead of the machine's. *proxy* is for every call; without it
    HTTPS_PROXY and NO_PROXY count, and if it is empty there is none. Raises :class:`SettingsError` on entry if
    *ca_file* holds no certificates.
    """

    def __init__(
        self, timeout: float, *, ca_file: Path | None = None, proxy: str | None = None, clock: Clock | None = None
    ) -> None:
        self._log = structlog.get_logger()
        self._timeout = timeout
        self._ca_file = ca_file
        self._proxy = proxy
        self._clock = clock or SystemClock()
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        trust = await asyncio.to_thread(self._trust)
        self._session = aiohttp.ClientSession(
            connector=_Connector(limit=0, ssl=trust, keepalive_timeout=KEEP_ALIVE),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(self._timeout, ceil_threshold=math.inf),  # to the moment, not to the second
            # The proxy of the environment is chosen in `route`: with trust_env the library would also read a
            # .netrc, and refuse a signed call to a host that is in it.
            trust_env=False,
            headers=HEADERS,
            skip_auto_headers=("Content-Type",),  # the library would name one where there is no body
            max_field_size=HEADER_LIMIT,
        )
        # Its own second try does not tell a new connection from an idle one; `_send` does.
        self._session._retry_connection = False  # noqa: SLF001 - there is no public way
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def send(
        self,
        base_url: str,
        request: Request,
        credentials: Credentials,
        project_id: str = "",
        *,
        keep: Iterable[str] = (),
    ) -> Response:
        """Make one call and return its answer, whatever the status.

        *keep* are lower-case names of headers that the answer shall hold besides the usual ones, uncut.
        Raises :class:`PollError`, and nothing else, if no whole answer came or if it was a redirect.
        """
        base = base_of(base_url)
        extra = {"X-Project-Id": project_id} if project_id else {}
        if request.body:
            extra["Content-Type"] = "application/json"
        call = _call(base, request, self._clock.now(), extra)
        headers = {**call.headers, **await credentials.headers(call)}
        _check(headers, base)
        began = time.perf_counter()
        try:
            answer = await self._send(base, call, headers, tuple(keep))
        except PollError as error:
            if self._log.is_enabled_for(DEBUG):
                facts = _facts(base, call, began)
                self._log.debug("request failed", **facts, reason=error.reason.value, error=error.sentence)
            raise
        if self._log.is_enabled_for(DEBUG):
            request_id = answer.headers.get("x-request-id", "")
            self._log.debug("request", **_facts(base, call, began), status=answer.status, request_id=request_id)
        return answer

    async def _send(self, base: Base, call: Call, headers: Mapping[str, str], keep: Iterable[str]) -> Response:
        session = self._session
        if session is None or session.closed:
            raise PollError(Reason.INTERNAL, f"a call to {base.host} was made while no connections are open")
        query = f"?{canonical_query(call.query)}" if call.query else ""
        url = URL(f"{base.scheme}://{call.host}{call.path}{query}", encoded=True)
        proxy = proxy_for(base, self._proxy)
        way = Way(base.host, self._timeout, (proxy.host or "") if proxy else "")
        began = time.perf_counter()
        timeout, repeats = session.timeout, REPEATS
        while True:
            flight = _Flight()
            _FLIGHT.set(flight)
            try:
                async with session.request(
                    call.method,
                    url,
                    data=call.body or None,
                    headers=headers,
                    allow_redirects=False,
                    proxy=proxy,
                    timeout=timeout,
                ) as response:
                    flight.answered = True
                    _refuse(response, base, way)
                    body = await whole_body(response, base.host)
            except CAUGHT as error:
                left = self._timeout - (time.perf_counter() - began)
                if left <= 0 or not repeats or call.method == "POST" or not flight.was_none(error):
                    raise failure(error, way._replace(answered=flight.answered)) from error
                timeout, repeats = aiohttp.ClientTimeout(left, ceil_threshold=math.inf), repeats - 1
            else:
                return Response(
                    response.status, body, kept_headers(response.headers, keep), time.perf_counter() - began
                )

    def _trust(self) -> ssl.SSLContext | bool:
        if self._ca_file is None:
            return True  # the library has the machine's authorities already; another copy would take 2 MB
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except (OSError, ValueError) as error:
            sentence = f"ca_file {self._ca_file}: no certificates to trust ({error}); name a file in PEM format"
            raise SettingsError([sentence]) from error


def _facts(base: Base, call: Call, began: float) -> dict[str, Any]:
    """Return what the log says of a call: nothing of its headers and its body, and no secret of its query."""
    query = masked("&".join(f"{name}={value}" for name, value in call.query))
    path = printable(f"{call.path}?{query}" if query else call.path)
    took = round(time.perf_counter() - began, 3)
    return {"host": base.host, "method": call.method, "path": path, "took_seconds": took}


def _call(base: Base, request: Request, now: float, headers: Mapping[str, str]) -> Call:
    """Return the call to be signed, or raise :class:`PollError` if it cannot be written as HTTP."""
    path = base.prefix + request.path
    if not _PATH.fullmatch(path) or "?" in path or "#" in path:
        raise PollError(Reason.CONFIG, f"the path of a call to {base.host} is not percent-encoded; check the job's ids")
    fit = {name: value.strip() for name, value in headers.items()}
    return Call(request.method, base.authority, path, now, request.query, request.body, fit)


def _check(headers: Mapping[str, str], base: Base) -> None:
    """Refuse what would end a header early or cannot be written; the value is not told, it may be a secret."""
    for name, value in headers.items():
        if _UNFIT.search(value):
            sentence = f"the header {name} of a call to {base.host} holds a line break or another control character"
            raise PollError(Reason.CONFIG, f"{sentence}; check project_id and credentials")


def _refuse(response: aiohttp.ClientResponse, base: Base, way: Way) -> None:
    """Raise for an answer that another than the vendor gave, or that names another place."""
    if 300 <= response.status < 400:
        target = redirect_target(response.headers.get("location", ""), base)
        raise PollError(
            Reason.CONFIG,
            f"{base.host} answered with a redirect to {target} (HTTP {response.status}), which is not followed;"
            " set projects.<name>.endpoints",
        )
    if response.status == 407 and way.proxy:
        raise proxy_refusal(response.status, way)
