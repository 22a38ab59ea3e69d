"""The sockets on which the web server listens, and the errors if it cannot."""

import asyncio
import errno
import os
import socket
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

from aiohttp import web

from exporter.config.urls import split_listen
from exporter.config.web_file import WebConfig
from exporter.config.web_settings import Web
from exporter.model.errors import ExporterError
from exporter.web.listening.acceptor import BACKLOG, Acceptor
from exporter.web.listening.connections import Connections
from exporter.web.listening.protocol import HttpConnection
from exporter.web.listening.security import Security
from exporter.web.listening.slots import Slot

LOOPBACK: Final = {"0.0.0.0": "127.0.0.1", "::": "::1"}  # noqa: S104 - nothing is bound here
"""Of each address that stands for all of a machine, one that answers."""
_EVERYWHERE: Final = ("", "::")
"""Hosts that stand for every interface, by IPv4 and IPv6."""
_NO_IPV6: Final = (errno.EAFNOSUPPORT, errno.EADDRNOTAVAIL)
_FIRST: Final = 3
"""The descriptor of the first socket that systemd hands over."""


@asynccontextmanager
async def served(
    application: web.Application,
    settings: Web,
    patience: float,
    security: Security | None = None,
    connections: Connections | None = None,
) -> AsyncIterator[list[str]]:
    """Serve meanwhile, and provide the addresses that answer; open requests get *patience* seconds to finish."""
    security = security or Security(WebConfig())
    connections = Connections() if connections is None else connections
    runner = web.AppRunner(application, shutdown_timeout=patience, handler_cancellation=True)
    await runner.setup()
    acceptor = Acceptor(connections, partial(_protocol, runner, security))
    try:
        for each in handed_over(os.environ) if settings.systemd_socket else await _bound(settings.listen_address):
            acceptor.listen(each)
        yield [url(each.getsockname(), security.config.tls is not None) for each in acceptor.sockets]
    finally:
        acceptor.close()
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


def _listening(descriptor: int) -> socket.socket:
    try:
        found = socket.socket(fileno=descriptor)
        if found.type == socket.SOCK_STREAM and found.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN):
            found.set_inheritable(False)
            return found
    except OSError:
        pass  # it is no socket at all
    raise ExporterError("systemd handed over what is no listening socket; use ListenStream= and Accept=no")


def _protocol(runner: web.AppRunner, security: Security, slot: Slot) -> asyncio.BaseProtocol:
    """Return what speaks on a new connection."""
    if runner.server is None:
        raise RuntimeError("connections are accepted after the end")
    return security.secured(HttpConnection(runner.server, slot, lambda: security.config.headers), slot)


async def _bound(addresses: Iterable[str]) -> list[socket.socket]:
    """Return the sockets that listen on the addresses; raises ``ExporterError``, and then none is left open."""
    sockets: list[socket.socket] = []
    for address in addresses:
        try:
            sockets += await _listening_on(*split_listen(address))
        except OSError as error:
            for each in sockets:
                each.close()
            raise ExporterError(_not_listening(address, error)) from error
    return sockets


async def _listening_on(host: str, port: int) -> list[socket.socket]:
    """Return a socket for each address that is meant; raises ``OSError``, and then none is left open."""
    if host in _EVERYWHERE:
        return [_every_interface(port)]
    kind, flags = socket.SOCK_STREAM, socket.AI_PASSIVE
    found = await asyncio.get_running_loop().getaddrinfo(host, port, type=kind, flags=flags)
    sockets: list[socket.socket] = []
    for family, where in dict.fromkeys((family, where) for family, _, _, _, where in found):
        try:
            sockets.append(socket.create_server(where, family=family, backlog=BACKLOG))
        except OSError:
            for each in sockets:
                each.close()
            raise
    return sockets


def _every_interface(port: int) -> socket.socket:
    """Return a socket for IPv6 and IPv4 at once, as other exporters listen; for IPv4 where a machine has no other."""
    try:
        return socket.create_server(("::", port), family=socket.AF_INET6, backlog=BACKLOG, dualstack_ipv6=True)
    except OSError as error:
        if error.errno not in _NO_IPV6:
            raise
    return socket.create_server(("0.0.0.0", port), backlog=BACKLOG)  # noqa: S104 - as the operator said


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
