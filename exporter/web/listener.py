"""Where the web side listens, and what to say if it cannot."""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from exporter.config.settings import Web
from exporter.config.web_file import WebConfig
from exporter.model.errors import ExporterError
from exporter.web.security import Security

LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here
"""Of each address that stands for all of a machine, one that answers: IPv6 sockets take no IPv4 connections."""


@asynccontextmanager
async def served(
    application: web.Application, settings: Web, patience: float, security: Security | None = None
) -> AsyncIterator[str]:
    """Serve meanwhile, and provide an address that answers; open requests get *patience* seconds to finish."""
    security = security or Security(WebConfig())
    logging.getLogger("aiohttp.server").addFilter(_is_ours)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=patience)
    await runner.setup()
    try:
        try:
            await _Site(runner, settings, security).start()
        except OSError as error:
            raise ExporterError(_not_listening(settings.listen_address, error)) from error
        yield url(runner.addresses[0], security.config.tls is not None)
    finally:
        await runner.cleanup()


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a line is about a fault of ours: whoever sends what is no request gets a 400, and fills no log."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


class _Site(web.BaseSite):
    """An address to listen on, where each connection is made by what *security* asks for when it is accepted."""

    def __init__(self, runner: web.AppRunner, settings: Web, security: Security) -> None:
        super().__init__(runner)
        self._settings = settings
        self._security = security

    @property
    def name(self) -> str:
        """What the library calls it."""
        return self._settings.listen_address

    async def start(self) -> None:
        """Listen; raises ``OSError``."""
        await super().start()
        if self._runner.server is None:
            return
        accept = self._security.connection(self._runner.server)
        host, port = self._settings.host, self._settings.port
        self._server = await asyncio.get_running_loop().create_server(accept, host, port, backlog=self._backlog)


def url(address: tuple[Any, ...], secure: bool = False) -> str:
    """Return the URL of a socket's own address."""
    host, port, *rest = address
    host = LOOPBACK.get(host, host)
    if ":" in host:
        scope = rest[1] if len(rest) > 1 else 0  # a link-local address means nothing without its interface
        host = f"[{host}%25{socket.if_indextoname(scope)}]" if scope and "%" not in host else f"[{host}]"
    return f"{'https' if secure else 'http'}://{host}:{port}"


def _not_listening(address: str, error: OSError) -> str:
    """Say why nothing can be served at *address*, and what to do."""
    if isinstance(error, socket.gaierror):
        why, remedy = "no machine of that name is known", "give an address of this machine"
    else:
        why = os.strerror(error.errno or 0)
        remedy = {
            errno.EADDRINUSE: "end the program that does",
            errno.EACCES: "take a port above 1023",
            errno.EADDRNOTAVAIL: "give an address that this machine has",
        }.get(error.errno or 0, "correct it")
    return f"cannot listen on {address}: {why}; {remedy}, or set web.listen_address (EXPORTER_WEB__LISTEN_ADDRESS)"
