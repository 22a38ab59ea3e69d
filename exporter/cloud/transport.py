"""The only HTTP client: one call, one answer, and every failure of the wire as a :class:`PollError` with its remedy.

The deadline covers the whole answer, the size of an answer is limited, redirects are not followed, and what goes over
the wire is byte for byte what was signed.
"""

import asyncio
import os
import ssl
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC
from email.utils import parsedate_to_datetime
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import aiohttp
from yarl import URL

from exporter import __version__
from exporter.clock import Clock, SystemClock
from exporter.cloud.credentials import Call, Credentials
from exporter.cloud.credentials.signing import canonical_query
from exporter.core.adapter import Request
from exporter.core.errors import PollError, SettingsError
from exporter.core.model import Reason

SIZE_LIMIT: Final = 8 * 1024 * 1024
"""Bytes of one answer; the vendor's greatest page is far below."""
LONGEST_WAIT: Final = 3600.0
"""Seconds; no server's Retry-After is obeyed for longer."""
KEPT: Final = ("content-type", "retry-after", "date", "x-request-id")
HEADERS: Final = {
    "User-Agent": f"huaweicloud-job-exporter/{__version__}",
    "Accept": "application/json",
    "X-Language": "en-us",
}


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer, whatever its status."""

    status: int
    body: bytes
    headers: Mapping[str, str]
    """Those that count, by lower-case name."""
    seconds: float
    """From sending the call to the end of the answer."""


class Transport:
    """A pool of connections; *timeout* is seconds for one call, its whole answer included.

    Raises :class:`SettingsError` on entry if *ca_file* holds no certificates.
    """

    def __init__(
        self, timeout: float, *, ca_file: Path | None = None, proxy: str | None = None, clock: Clock | None = None
    ) -> None:
        self._timeout = timeout
        self._ca_file = ca_file
        self._proxy = proxy
        self._clock = clock or SystemClock()
        self._session: aiohttp.ClientSession

    async def __aenter__(self) -> Self:
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0, ssl=self._trust()),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(),  # ours covers the whole answer
            trust_env=True,
            headers=HEADERS,
        )
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._session.close()

    async def get(self, base_url: str, request: Request, credentials: Credentials, project_id: str) -> Answer:
        """Make one call; only :class:`PollError` leaves, and only if there is no whole answer or a redirect."""
        base = URL(base_url)
        extra = {"X-Project-Id": project_id}
        call = Call("GET", base.authority, request.path, self._clock.now(), request.query, headers=extra)
        headers = {**extra, **await credentials.headers(call)}
        query = canonical_query(request.query)
        url = URL(f"{base_url}{request.path}{'?' + query if query else ''}", encoded=True)
        began = time.perf_counter()
        with _translated(base.host or base_url, self._timeout, self._proxy):
            async with asyncio.timeout(self._timeout):
                status, kept, body = await self._fetch(url, headers)
        if 300 <= status < 400:
            target = URL(kept.get("location", "")).host or "another address"
            raise PollError(
                Reason.CONFIG,
                f"{base.host} answered with a redirect to {target} (HTTP {status}); set the project's endpoint",
            )
        return Answer(status, body, kept, time.perf_counter() - began)

    async def _fetch(self, url: URL, headers: Mapping[str, str]) -> tuple[int, dict[str, str], bytes]:
        async with self._session.get(url, headers=headers, allow_redirects=False, proxy=self._proxy) as response:
            body = await response.content.read(SIZE_LIMIT + 1)
            while len(body) <= SIZE_LIMIT and (more := await response.content.read(SIZE_LIMIT + 1 - len(body))):
                body += more
            if len(body) > SIZE_LIMIT:
                raise PollError(Reason.PAYLOAD, f"{url.host} sent an answer of more than {SIZE_LIMIT} bytes")
            kept = {name: response.headers[name] for name in (*KEPT, "location") if name in response.headers}
            return response.status, kept, body

    def _trust(self) -> ssl.SSLContext:
        try:
            return ssl.create_default_context(cafile=self._ca_file)
        except (OSError, ssl.SSLError) as error:
            sentence = f"{self._ca_file}: no certificates to trust ({error}); set ca_file to a PEM file"
            raise SettingsError([sentence]) from error


@contextmanager
def _translated(host: str, seconds: float, proxy: str | None) -> Iterator[None]:
    """Turn what the libraries below raise into a reason and a sentence, the most specific first."""
    try:
        yield
    except TimeoutError as error:
        raise PollError(
            Reason.TIMEOUT, f"no whole answer from {host} in {seconds:g} s; check the network or raise poll.timeout"
        ) from error
    except (aiohttp.ClientSSLError, ssl.SSLError) as error:
        raise PollError(
            Reason.TLS, f"no trusted TLS connection to {host}; if its certificate is of your own, set ca_file"
        ) from error
    except aiohttp.ClientHttpProxyError as error:
        raise PollError(Reason.CONFIG, f"the proxy refused the way to {host} (HTTP {error.status})") from error
    except aiohttp.ClientProxyConnectionError as error:
        raise PollError(Reason.UNREACHABLE, f"cannot reach the proxy on the way to {host}; check proxy") from error
    except aiohttp.ClientConnectorDNSError as error:
        raise PollError(Reason.UNREACHABLE, f"no address is known for {host}; check region and endpoints") from error
    except aiohttp.InvalidURL as error:
        raise PollError(Reason.CONFIG, f"the address of {host} is not valid; check endpoints") from error
    except (aiohttp.ClientError, OSError) as error:
        number = error.errno if isinstance(error, OSError) else None
        why = os.strerror(number) if number else type(error).__name__
        raise PollError(Reason.UNREACHABLE, f"no answer from {host}: {why}; check the network and endpoints") from error


def retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds that a Retry-After header asks to wait, whether it is a number or a date."""
    if value is None:
        return None
    text = value.strip()
    if text.isascii() and text.isdigit():
        return min(float(text[:9]), LONGEST_WAIT)
    moment = _date(text)
    return None if moment is None else min(max(0.0, moment - now), LONGEST_WAIT)


def server_skew(value: str | None, now: float) -> float | None:
    """Return how many seconds the clock of a Date header is ahead of *now*."""
    moment = _date(value or "")
    return None if moment is None else moment - now


def _date(text: str) -> float | None:
    try:
        moment = parsedate_to_datetime(text)
    except ValueError:
        return None
    return (moment if moment.tzinfo else moment.replace(tzinfo=UTC)).timestamp()
