"""The image's health check, against a web side that asks for more than a connection."""

import asyncio
import errno
import http.client
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from deploy.image import healthcheck
from exporter.config.web_file import WebConfig
from tests.e2e.processes import ROOT, environment
from tests.web.certificates import Files, door, make
from tests.web.fakes import FakeExporter

PAIR = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
VERIFY = PAIR + "  client_ca_file: client_ca.pem\n  client_auth_type: RequireAndVerifyClientCert\n"
USERS = "basic_auth_users: {joe: $2y$10$qRTBuFoULoYNA7AQ/F3ck.trZBPyjV64.oA4ZsSBCIWvXuvQlQTuu}\n"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return make(tmp_path)


async def check(address: str, *path: str) -> tuple[int, str]:
    done = await asyncio.to_thread(
        subprocess.run,
        [sys.executable, "-I", "-S", str(ROOT / "deploy/image/healthcheck.py"), *path],
        env=environment(EXPORTER_WEB__LISTEN_ADDRESS=address),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return done.returncode, done.stderr


@pytest.mark.parametrize("text", ["", USERS, PAIR, PAIR + USERS, VERIFY, VERIFY + "  max_version: TLS12\n"])
async def test_what_answers_is_healthy_whatever_it_asks_for(files: Files, text: str) -> None:
    async with door(files.read(text)) as (address, _):
        assert await check(address.partition("//")[2]) == (0, "")


@pytest.mark.parametrize("text", ["{}", "{}, [::1]:1", '["{}", "[::1]:1"]'])
async def test_the_first_of_several_addresses_is_asked(text: str) -> None:
    async with door(WebConfig()) as (address, _):
        assert await check(text.format(address.partition("//")[2])) == (0, "")


async def test_what_does_not_answer_is_not_healthy(files: Files) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    assert await check(f"127.0.0.1:{port}") == (1, "not healthy: [Errno 111] Connection refused\n")
    assert await check(f"127.0.0.1:{port}", "/-/ready") == (1, "not ready: [Errno 111] Connection refused\n")
    async with door(WebConfig()) as (address, _):
        assert await check(address.partition("//")[2], "/-/other") == (1, "not healthy: HTTP 404\n")


async def test_one_of_too_many_requests_is_refused_by_an_exporter_that_works(files: Files) -> None:
    async with door(files.read("rate_limit: {interval: 1h}")) as (address, _):
        assert await check(address.partition("//")[2]) == (0, "")


@pytest.mark.parametrize(("text", "expected"), [("", (1, "not ready: HTTP 503\n")), (USERS, (0, ""))])
async def test_what_is_not_ready_says_so_to_those_it_knows(text: str, expected: tuple[int, str], files: Files) -> None:
    async with door(files.read(text), exporter=FakeExporter(unpolled=["dli/a"])) as (address, _):
        where = address.partition("//")[2]

        assert await check(where, "/-/ready") == expected
        assert await check(where) == (0, "")


def test_an_exporter_that_hangs_up_before_it_is_asked_is_healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """As one may that wants a certificate, where the check gets no processor between its handshake and its request."""
    monkeypatch.setattr(http.client.HTTPConnection, "request", _too_late)

    assert healthcheck.ask("127.0.0.1", 10926, "/-/healthy") == 200


def _too_late(connection: http.client.HTTPConnection, method: str, path: str) -> None:
    raise BrokenPipeError(errno.EPIPE, "Broken pipe")
