"""Where it listens: the addresses that are announced are those that answer."""

import asyncio
import os
import socket
from collections.abc import Mapping
from typing import Any

import pytest

from exporter.config.web_settings import Web
from exporter.model.errors import ExporterError
from exporter.web.listening.listener import handed_over, served, url
from exporter.web.server import make_app
from tests.e2e.processes import fetch
from tests.web.fakes import FakeExporter


@pytest.mark.parametrize(
    ("address", "announced"),
    [
        (("127.0.0.1", 10926), "http://127.0.0.1:10926"),
        (("0.0.0.0", 10926), "http://127.0.0.1:10926"),
        (("::", 10926, 0, 0), "http://[::1]:10926"),
        (("::1", 10926, 0, 0), "http://[::1]:10926"),
        (("fe80::1", 10926, 0, 1), "http://[fe80::1%25lo]:10926"),
        ("/run/exporter.sock", "unix:/run/exporter.sock"),
    ],
)
def test_the_announced_address_answers(address: tuple[Any, ...] | str, announced: str) -> None:
    """What stands for all of a machine is announced in its own family."""
    assert url(address) == announced


async def answered(*addresses: str) -> list[int]:
    return [(await asyncio.to_thread(fetch, f"{address}/-/healthy"))[0] for address in addresses]


async def test_every_address_of_several_answers() -> None:
    settings = Web(listen_address=("127.0.0.1:0", "[::1]:0", "127.0.0.2:0"))
    async with served(make_app(FakeExporter()), settings, 1) as addresses:
        assert [each.rpartition(":")[0] for each in addresses] == [
            "http://127.0.0.1",
            "http://[::1]",
            "http://127.0.0.2",
        ]
        assert await answered(*addresses) == [200, 200, 200]


async def test_an_address_that_is_taken_is_named_and_the_others_are_let_go() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        free = socket.create_server(("127.0.0.1", 0))
        free_port, port = free.getsockname()[1], taken.getsockname()[1]
        free.close()
        settings = Web(listen_address=(f"127.0.0.1:{free_port}", f"127.0.0.1:{port}"))
        with pytest.raises(ExporterError, match=f"cannot listen on 127.0.0.1:{port}: Address already in use"):
            async with served(make_app(FakeExporter()), settings, 1):
                pass
        socket.create_server(("127.0.0.1", free_port)).close()


@pytest.mark.parametrize("host", ["", "[::]"])
async def test_every_interface_is_that_of_ipv4_and_ipv6(host: str) -> None:
    async with served(make_app(FakeExporter()), Web(listen_address=(f"{host}:0",)), 1) as (address,):
        port = address.rpartition(":")[2]

        assert await answered(address, f"http://127.0.0.1:{port}", f"http://[::1]:{port}") == [200, 200, 200]


async def test_without_ipv6_every_interface_is_that_of_ipv4(monkeypatch: pytest.MonkeyPatch) -> None:
    create = socket.create_server

    def without(address: tuple[str, int], **more: Any) -> socket.socket:
        if more.get("family") == socket.AF_INET6:
            raise OSError(97, "Address family not supported by protocol")
        return create(address, **more)

    monkeypatch.setattr(socket, "create_server", without)
    async with served(make_app(FakeExporter()), Web(listen_address=(":0",)), 1) as (address,):
        assert address.startswith("http://127.0.0.1:")
        assert await answered(address) == [200]


@pytest.mark.parametrize(
    "environ",
    [
        {},
        {"LISTEN_FDS": "1"},
        {"LISTEN_FDS": "1", "LISTEN_PID": "1"},
        {"LISTEN_FDS": "0", "LISTEN_PID": str(os.getpid())},
        {"LISTEN_FDS": "x", "LISTEN_PID": str(os.getpid())},
    ],
)
def test_sockets_that_are_not_handed_to_this_process_are_not_taken(environ: Mapping[str, str]) -> None:
    with pytest.raises(ExporterError, match="systemd handed over no socket: start the exporter by a socket unit"):
        handed_over(environ)
