"""Applies the web configuration file to connections and requests; a changed file applies from the next one on."""

import asyncio
import base64
import binascii
import time
from collections.abc import Awaitable, Callable
from typing import Any

from aiohttp import HttpVersion10, HttpVersion11, web

from exporter.config.web_file import RateLimit, WebConfig
from exporter.config.web_settings import Web
from exporter.web.answers import text_answer
from exporter.web.listening.host_names import HostNames
from exporter.web.listening.passwords import Passwords
from exporter.web.listening.slots import Slot
from exporter.web.listening.tls import NamedClients, TlsConnection
from exporter.web.listening.turn_queue import BusyError

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Security:
    """Decides who is answered, by the configuration that is in force."""

    def __init__(self, config: WebConfig, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._monotonic = monotonic
        self._passwords = Passwords()
        self._bucket: _Bucket | None = None
        self._names = HostNames()
        self.config = WebConfig()
        self.use(config)

    def reached_by(self, settings: Web) -> None:
        """Answer by the names that the settings allow."""
        self._names = HostNames.of(settings)

    def use(self, config: WebConfig) -> None:
        """Go on by another configuration. Connections that are open stay open."""
        if config.rate_limit != self.config.rate_limit:
            self._bucket = _Bucket(config.rate_limit, self._monotonic) if config.rate_limit else None
        self.config = config
        self._passwords.forget_all_but(config.users)

    def secured(self, inner: asyncio.BaseProtocol, slot: Slot) -> asyncio.BaseProtocol:
        """Return the protocol of a new connection: *inner*, which is HTTP, by TLS if that is asked for."""
        config = self.config
        if config.tls is None:
            return inner
        if config.allowed_sans is not None:
            inner = NamedClients(inner, config.allowed_sans)
        return TlsConnection(inner, config.tls, slot)

    @property
    def middleware(self) -> Any:
        """What stands before every handler."""

        @web.middleware
        async def guard(request: web.Request, handler: Handler) -> web.StreamResponse:
            refused = await self._refusal(request)
            return await handler(request) if refused is None else refused

        return guard

    async def _refusal(self, request: web.Request) -> web.Response | None:
        """Return the answer to a request that is not to be served."""
        config = self.config
        if config.tls is not None and not request.secure:
            refused = text_answer("TLS was turned on; connect again by https\n", 400)
            refused.force_close()
            return refused
        if request.version not in (HttpVersion10, HttpVersion11):
            refused = text_answer("ask by HTTP/1.1 or HTTP/1.0\n", 505)
            refused.force_close()
            return refused
        if self._bucket is not None and not self._bucket.take():
            return text_answer("too many requests\n", 429)
        if (
            misdirected := self._names.refused(request.method, request.path, _hosts(request), request.headers)
        ) is not None:
            return text_answer(misdirected.text, misdirected.status)
        if not config.users:
            return None
        given = _credentials(request.headers.get("Authorization", ""))
        try:
            if given is not None and await self._passwords.accepts(config.users, *given, request.remote or ""):
                return None
        except BusyError:
            return text_answer("too many passwords wait to be checked\n", 503, **{"Retry-After": "1"})
        return text_answer("user and password are needed\n", 401, **{"WWW-Authenticate": "Basic"})


def _hosts(request: web.Request) -> list[str]:
    """Return the names that a request carries: in its header, and in its target where that is a whole URL."""
    named = request.headers.getall("Host", [])
    return [*named, request.host] if named else []  # of a request without one the library would ask the name server


def _credentials(header: str) -> tuple[bytes, bytes] | None:
    """Read user and password; ``None`` if there are none."""
    scheme, _, text = header.partition(" ")
    if scheme.lower() != "basic":
        return None
    try:
        user, colon, password = base64.b64decode(text, validate=True).partition(b":")
    except (binascii.Error, ValueError):
        return None
    return (user, password) if colon else None


class _Bucket:
    """A token bucket: a token each interval, at most as many as a burst."""

    def __init__(self, limit: RateLimit, monotonic: Callable[[], float]) -> None:
        self._limit = limit
        self._monotonic = monotonic
        self._tokens = float(limit.burst)
        self._at = monotonic()

    def take(self) -> bool:
        """Whether there was a token."""
        now = self._monotonic()
        self._tokens = min(self._limit.burst, self._tokens + (now - self._at) / self._limit.interval)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True
