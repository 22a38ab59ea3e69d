"""The only HTTP client: one call, one response, and every network failure as a :class:`PollError` with its remedy.

The timeout covers the whole response, the size of a response is limited, redirects are not followed, and the bytes that
are sent are exactly those that were signed.
"""

import asyncio
import encodings.idna  # noqa: F401 - else the first TLS connection imports it, from a disk, in the event loop
import math
import re
import ssl
import time
import traceback
from collections.abc import Iterable, Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

import aiohttp
import structlog
from yarl import URL

from exporter import __version__, logs
from exporter.clock import Clock, SystemClock
from exporter.cloud.body import ENCODINGS, read_body
from exporter.cloud.connection import FLIGHT, SIZE_LIMIT, Flight, open_session
from exporter.cloud.credentials import Call, Credentials
from exporter.cloud.credentials.signing import canonical_query
from exporter.cloud.network_errors import CAUGHT, DROPPED, Way, network_error, proxy_refusal
from exporter.cloud.response import Response, kept_headers, retry_after, server_skew
from exporter.cloud.urls import Base, base_of, proxy_for, redirect_target
from exporter.model.errors import PollError, SettingsError
from exporter.model.masking import masked
from exporter.model.messages import printable
from exporter.model.reason import Reason
from exporter.services.request import Request

__all__ = ["SIZE_LIMIT", "Client", "Response", "retry_after", "server_skew"]

DISTRUST: Final = 60.0
"""After a host closed a reused connection, no connection to it is reused for so many seconds."""
_HEADERS: Final = {
    "User-Agent": f"huaweicloud-job-exporter/{__version__}",
    "Accept": "application/json",
    "Accept-Encoding": ENCODINGS,
    "Cache-Control": "no-cache",
    "X-Language": "en-us",
}
"""Sent with every call and never signed: a proxy may rewrite them, and the vendor accepts unsigned headers."""

_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
"""The statuses that name another place."""

_PATH = re.compile(r"/[!\"$->@-~]*")
"""Printable ASCII without `#` and `?`."""
_DOTS = re.compile(r"/(?:\.|%2[Ee]){1,2}(?:/|$)")
"""A name that every reader of URLs takes for the folder or the one above it, also percent-encoded (RFC 3986, 6.2.2)."""
_HALF = re.compile("[\ud800-\udfff]")
_UNFIT = re.compile("[\x00-\x08\x0a-\x1f\x7f\ud800-\udfff]")


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
        self._ssl: ssl.SSLContext | bool = True
        self._session: aiohttp.ClientSession | None = None
        self._under_way = 0
        self._retired = False
        self._ended = False
        self._trusted_since: dict[str, float] = {}

    async def __aenter__(self) -> Self:
        self._ssl = await asyncio.to_thread(self._trust)
        self._session = self._open()
        return self

    def _open(self) -> aiohttp.ClientSession:
        return open_session(self._timeout, self._ssl, _HEADERS)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        session, self._session = self._session, None
        self._ended = True
        if session is not None:
            await session.close()

    async def retire(self) -> None:
        """Close the connections as soon as no call is under way, and after each that still comes."""
        self._retired = True
        await self._close_idle()

    @property
    def open(self) -> bool:
        """Whether there are connections."""
        return self._session is not None

    async def _close_idle(self) -> None:
        if not self._under_way and self._session is not None:
            session, self._session = self._session, None
            await session.close()

    def doubt(self, base_url: str) -> None:
        """Use no connection again that is idle now: what came on one of them was no answer to its call."""
        host = base_of(base_url).authority
        self._trusted_since[host] = max(time.monotonic(), self._trusted_since.get(host, -math.inf))

    async def send(
        self,
        base_url: str,
        request: Request,
        credentials: Credentials,
        project_id: str = "",
        *,
        keep: Iterable[str] = (),
        most: int = SIZE_LIMIT,
    ) -> Response:
        """Make one call and return its answer, whatever the status.

        *keep* are lower-case names of headers that the answer shall hold besides the usual ones, uncut. *most* is how
        many bytes the body may have.
        Raises :class:`PollError`, and nothing else: no call could be made, no whole answer came, or a redirect.
        """
        self._under_way += 1
        try:
            return await self._ask(base_url, request, credentials, project_id, tuple(keep), most)
        finally:
            FLIGHT.set(None)  # the caller keeps its context, which would keep the connection and the response
            self._under_way -= 1
            if self._retired:
                await self._close_idle()

    async def _ask(
        self,
        base_url: str,
        request: Request,
        credentials: Credentials,
        project_id: str,
        keep: tuple[str, ...],
        most: int,
    ) -> Response:
        base = base_of(base_url)
        extra = dict(request.headers) | ({"X-Project-Id": project_id} if project_id else {})
        if request.body:
            extra["Content-Type"] = "application/json"
        call = _call(base, request, self._clock.now(), extra)
        headers = {**call.headers, **await _proof(credentials, call)}
        _check(headers, base)
        began = time.perf_counter()
        try:
            answer = await self._send(base, call, headers, keep, most)
        except PollError as error:
            if logs.debugging:
                facts = _facts(base, call, began)
                self._log.debug("request failed", **facts, reason=error.reason.value, error=error.sentence)
            raise
        if logs.debugging:
            request_id = answer.headers.get("x-request-id", "")
            self._log.debug("request", **_facts(base, call, began), status=answer.status, request_id=request_id)
        return answer

    async def _send(
        self, base: Base, call: Call, headers: Mapping[str, str], keep: Iterable[str], most: int
    ) -> Response:
        url = _url(base, call)
        proxy = proxy_for(base, self._proxy)
        way = Way(base.host, self._timeout, (proxy.host or "") if proxy else "")
        if self._session is None and self._retired and not self._ended:
            self._session = self._open()  # of a call that was begun before a reload
        session = self._session
        if session is None:
            raise PollError(Reason.INTERNAL, f"a call to {base.host} while no connections are open; please report it")
        began = time.perf_counter()
        deadline, answered = session.timeout, False
        untyped = ("Content-Type",) if call.method != "GET" else None  # it would add one without a body, to a GET none
        while True:
            flight = Flight(self._trusted_since.get(call.host, -math.inf))
            FLIGHT.set(flight)
            try:
                async with session.request(
                    call.method,
                    url,
                    data=call.body or None,
                    headers=headers,
                    skip_auto_headers=untyped,
                    allow_redirects=False,
                    proxy=proxy,
                    timeout=deadline,
                ) as response:
                    answered = True
                    _refuse(response, base, way)
                    body = await read_body(response, most, self._timeout - (time.perf_counter() - began))
            except CAUGHT as error:
                left = self._timeout - (time.perf_counter() - began)
                if flight.unsent and left > 0:  # nothing left this process, so it counts as no call
                    deadline = aiohttp.ClientTimeout(left, ceil_threshold=math.inf)
                    continue
                raise self._failure(flight.fault or error, flight, call, way._replace(answered=answered)) from error
            else:
                took = time.perf_counter() - began
                return Response(response.status, body, kept_headers(response.headers, keep), took)

    def _failure(self, error: Exception, flight: Flight, call: Call, way: Way) -> PollError:
        """Return what a call failed with; it is not made again here, because each call needs a permit."""
        # The reader of an answer keeps its error, the error its frames, and these the reader with all that came.
        traceback.clear_frames(error.__traceback__)
        found = network_error(error, way)
        if flight.dropped and isinstance(error, DROPPED):
            # who hung up on this one has closed the others as well, or hangs up on each that is used again
            self._trusted_since[call.host] = time.monotonic() + DISTRUST
            found.dropped = call.method != "POST"
        return found

    def _trust(self) -> ssl.SSLContext | bool:
        if self._ca_file is None:
            return True  # the library has the machine's authorities already; another copy would take 2 MB
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except (OSError, ValueError) as error:
            sentence = f"ca_file {self._ca_file}: no certificates to trust ({error}); name a file in PEM format"
            raise SettingsError([sentence]) from error


async def _proof(credentials: Credentials, call: Call) -> Mapping[str, str]:
    """Return the headers that prove who asks; a failure is none of the call, which was not made."""
    try:
        return await credentials.headers(call)
    except PollError as error:
        error.asked = False
        raise


def _facts(base: Base, call: Call, began: float) -> dict[str, Any]:
    """Return what the log says of a call: nothing of its headers and its body, and no secret of its query."""
    query = masked("&".join(f"{name}={value}" for name, value in call.query))
    path = printable(f"{call.path}?{query}" if query else call.path)
    took = round(time.perf_counter() - began, 3)
    return {"host": base.host, "method": call.method, "path": path, "took_seconds": took}


def _call(base: Base, request: Request, now: float, headers: Mapping[str, str]) -> Call:
    """Return the call to be signed, or raise :class:`PollError` if it cannot be written as HTTP."""
    path = base.prefix + request.path
    if not _PATH.fullmatch(path):
        sentence = f"the path of a call to {base.host} is not percent-encoded; check endpoints and the job's ids"
        raise PollError(Reason.CONFIG, sentence)
    if ("/." in path or "/%" in path) and _DOTS.search(path):
        sentence = f"a call to {base.host} names something `.` or `..`, which no URL can say; check the job's ids"
        raise PollError(Reason.CONFIG, sentence)
    query = request.query_at(now)
    if query and any(_HALF.search(part) for pair in query for part in pair):
        sentence = f"the query of a call to {base.host} holds half of a surrogate pair, which UTF-8 cannot encode"
        raise PollError(Reason.CONFIG, f"{sentence}; check the job's names")
    fit = {name: value.strip() for name, value in headers.items()}
    return Call(request.method, base.authority, path, now, query, request.body, fit)


def _url(base: Base, call: Call) -> URL:
    url = base.root.with_path(call.path, encoded=True)
    return URL(f"{url}?{canonical_query(call.query)}", encoded=True) if call.query else url


def _check(headers: Mapping[str, str], base: Base) -> None:
    """Refuse what would end a header early or cannot be written; the value is not named, it may be a secret."""
    if "".join(headers.values()).isprintable():  # as nearly always, and quicker than to search for what is unfit
        return
    for name, value in headers.items():
        if _UNFIT.search(value):
            sentence = f"the header {name} of a call to {base.host} holds a line break or another control character"
            raise PollError(Reason.CONFIG, f"{sentence}; check project_id, credentials and the job's ids")


def _refuse(response: aiohttp.ClientResponse, base: Base, way: Way) -> None:
    """Raise for an answer that another than the vendor gave, or that names another place."""
    if response.status in _REDIRECTS:
        target = redirect_target(response.headers.get("location", ""), base)
        raise PollError(
            Reason.CONFIG,
            f"{base.host} answered with a redirect to {target} (HTTP {response.status}), which is not followed;"
            " set projects.<name>.endpoints",
        )
    if 300 <= response.status < 400:
        sentence = f"{base.host} answered HTTP {response.status}, which is no answer to this call"
        raise PollError(Reason.PAYLOAD, f"{sentence}; check projects.<name>.endpoints and any proxy on the way")
    if response.status == 407 and way.proxy:
        raise proxy_refusal(response.status, way)
