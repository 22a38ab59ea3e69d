"""Where the web side listens, and what to say if it cannot."""

import asyncio
import errno
import logging
import os
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any, Final

from aiohttp import web
from aiohttp.http_exceptions import HttpProcessingError

from exporter.config.settings import Web
from exporter.config.urls import split_listen
from exporter.config.web_file import WebConfig
from exporter.model.errors import ExporterError
from exporter.web.security import Security

LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here
"""Of each address that stands for all of a machine, one that answers."""
_EVERYWHERE: Final = ("", "::")
"""Hosts that stand for every interface, by IPv4 and IPv6."""
_FIRST: Final = 3
"""The descriptor of the first socket that systemd hands over."""


@asynccontextmanager
async def served(
    application: web.Application, settings: Web, patience: float, security: Security | None = None
) -> AsyncIterator[list[str]]:
    """Serve meanwhile, and provide the addresses that answer; open requests get *patience* seconds to finish."""
    security = security or Security(WebConfig())
    logging.getLogger("aiohttp.server").addFilter(_is_ours)
    runner = web.AppRunner(application, access_log=None, shutdown_timeout=patience)
    await runner.setup()
    try:
        if settings.systemd_socket:
            for each in handed_over(os.environ):
                await _Site(runner, security, each).start()
        else:
            for address in settings.listen_address:
                try:
                    await _Site(runner, security, address).start()
                except OSError as error:
                    raise ExporterError(_not_listening(address, error)) from error
        yield [url(each, security.config.tls is not None) for each in runner.addresses]
    finally:
        await runner.cleanup()


def handed_over(environ: Mapping[str, str]) -> list[socket.socket]:
    """Return the sockets that systemd handed over: from descriptor 3 on, as many as it says, if it means this process.

    Raises :class:`~exporter.model.errors.ExporterError` if there are none, or others than a socket unit has.
    """
    count = environ.get("LISTEN_FDS", "")
    if environ.get("LISTEN_PID") != str(os.getpid()) or not count.isdigit() or not int(count):
        raise ExporterError(
            "web.systemd_socket is set, and systemd handed over no socket: start the exporter by a socket unit of the"
            " same name, or take web.systemd_socket out"
        )
    return [_listening(descriptor) for descriptor in range(_FIRST, _FIRST + int(count))]


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a line is about a fault of ours: whoever sends what is no request gets a 400, and fills no log."""
    return not (record.exc_info and isinstance(record.exc_info[1], HttpProcessingError))


def _listening(descriptor: int) -> socket.socket:
    try:
        found = socket.socket(fileno=descriptor)
        if found.type == socket.SOCK_STREAM and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            found.set_inheritable(False)
            return found
    except OSError:
        pass  # it is no socket at all
    raise ExporterError("systemd handed over what is no listening socket; use ListenStream= and Accept=no")


class _Site(web.BaseSite):
    """One place to listen, where each connection is made by what *security* asks for when it is accepted."""

    def __init__(self, runner: web.AppRunner, security: Security, where: str | socket.socket) -> None:
        super().__init__(runner)
        self._where = where
        self._security = security

    @property
    def name(self) -> str:
        """What the library calls it."""
        return str(self._where)

    async def start(self) -> None:
        """Listen; raises ``OSError``."""
        await super().start()
        if self._runner.server is None:
            return
        accept = self._security.connection(self._runner.server)
        loop = asyncio.get_running_loop()
        host, port = ("", 0) if isinstance(self._where, socket.socket) else split_listen(self._where)
        if isinstance(self._where, socket.socket):
            self._server = await loop.create_server(accept, sock=self._where, backlog=self._backlog)
        elif host in _EVERYWHERE:
            self._server = await loop.create_server(accept, sock=_every_interface(port), backlog=self._backlog)
        else:
            self._server = await loop.create_server(accept, host, port, backlog=self._backlog)


def _every_interface(port: int) -> socket.socket:
    """Return a socket for IPv6 and IPv4 at once, as other exporters listen; for IPv4 where a machine has no other."""
    try:
        return socket.create_server(("::", port), family=socket.AF_INET6, dualstack_ipv6=True)
    except OSError as error:
        if error.errno not in (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL):
            raise
    return socket.create_server(("0.0.0.0", port))  # noqa: S104 - as the operator said


def url(address: tuple[Any, ...] | str, secure: bool = False) -> str:
    """Return the URL of a socket's own address; the path of one that is a file."""
    if isinstance(address, str):
        return f"unix:{address}"
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
