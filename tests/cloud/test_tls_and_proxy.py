"""Certificates that are good or not, and proxies on the way."""

import asyncio
import base64
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest
import trustme

from exporter.clock import SystemClock
from exporter.cloud.client import Client
from exporter.cloud.projects import Projects
from exporter.cloud.urls import base_of, proxy_for
from exporter.config import Settings, load
from exporter.metrics.telemetry import Telemetry
from exporter.model.changes import Changes
from exporter.model.errors import PollError, SettingsError
from exporter.model.reason import Reason
from exporter.reload import Reloader
from tests.cloud.pretend import project_pool
from tests.cloud.wire import (
    LATE,
    REQUEST,
    SOON,
    Connection,
    Nobody,
    RawServer,
    Script,
    answer,
    reading_on,
    serving,
)


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> Path:
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return path


def server_tls(authority: trustme.CA, name: str = "127.0.0.1") -> ssl.SSLContext:
    context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert(name).configure_cert(context)
    return context


async def refusal(transport: Client, url: str) -> PollError:
    with pytest.raises(PollError) as caught:
        await transport.send(url, REQUEST, Nobody())
    return caught.value


class TestTls:
    async def test_a_private_authority_is_trusted_by_its_file(self, authority: trustme.CA, ca_file: Path) -> None:
        async with (
            serving(answer(), server_tls(authority)) as server,
            Client(LATE, ca_file=ca_file) as transport,
        ):
            for _ in range(3):
                assert (await transport.send(server.url, REQUEST, Nobody())).body == b"{}"

        assert server.connections == 1

    async def test_a_call_that_is_given_up_is_reset(self, authority: trustme.CA, ca_file: Path) -> None:
        ended: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        async with (
            serving(reading_on(ended), server_tls(authority)) as server,
            Client(SOON, ca_file=ca_file) as transport,
        ):
            assert (await refusal(transport, server.url)).reason is Reason.TIMEOUT
            with pytest.raises(ConnectionResetError):
                await asyncio.wait_for(ended, LATE)

    async def test_an_unknown_authority_is_refused(self, authority: trustme.CA) -> None:
        async with serving(answer(), server_tls(authority)) as server, Client(LATE) as transport:
            error = await refusal(transport, server.url)

        assert error.reason is Reason.TLS
        assert "127.0.0.1" in error.sentence
        assert "ca_file" in error.sentence
        assert server.heads == []

    @pytest.mark.slow
    async def test_an_authority_that_is_replaced_under_the_same_path_is_trusted_after_a_reload_that_comes_by_itself(
        self, authority: trustme.CA, ca_file: Path
    ) -> None:
        other = trustme.CA()
        async with (
            serving(answer(), server_tls(authority)) as old,
            serving(answer(), server_tls(other)) as new,
            project_pool(SystemClock()) as pool,
        ):

            def read() -> Settings:
                where = {"dli": new.url}
                project = {"region": "eu-de", "project_id": "1", "ca_file": str(ca_file), "endpoints": where}
                base = {"projects": {"prod": project | {"credentials": {"token": "T"}}}}
                return load(None, {}, base, jobs_needed=False)

            async def take(settings: Settings) -> Changes:
                used.append(await pool.use(settings))
                return Changes()

            used: list[Projects] = []
            await take(read())
            assert (await refusal(used[-1].by_name["prod"].transport, new.url)).reason is Reason.TLS
            reloader = Reloader(read(), read, take, SystemClock(), Telemetry())
            watching = asyncio.create_task(reloader.watch())
            await asyncio.sleep(1.5)  # so that it has seen the first
            other.cert_pem.write_to_path(str(ca_file))
            async with asyncio.timeout(30):
                while len(used) == 1:
                    await asyncio.sleep(0.05)
            transport = used[-1].by_name["prod"].transport

            assert (await transport.send(new.url, REQUEST, Nobody())).body == b"{}"
            assert (await refusal(transport, old.url)).reason is Reason.TLS
            await asyncio.sleep(1.5)
            assert len(used) == 2
            watching.cancel()

    async def test_a_file_of_another_authority_is_refused(self, ca_file: Path) -> None:
        async with (
            serving(answer(), server_tls(trustme.CA())) as server,
            Client(LATE, ca_file=ca_file) as transport,
        ):
            assert (await refusal(transport, server.url)).reason is Reason.TLS

    async def test_a_certificate_of_another_host_is_refused(self, authority: trustme.CA, ca_file: Path) -> None:
        async with (
            serving(answer(), server_tls(authority, "other.example")) as server,
            Client(LATE, ca_file=ca_file) as transport,
        ):
            error = await refusal(transport, server.url)

        assert error.reason is Reason.TLS
        assert "not valid for" in error.sentence

    async def test_a_server_that_speaks_no_tls_is_refused(self) -> None:
        async def greet(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            writer.write(b"220 mail.example ESMTP\r\n")
            await reader.read(1)
            writer.close()

        async with await asyncio.start_server(greet, "127.0.0.1", 0) as server, Client(LATE) as transport:
            error = await refusal(transport, f"https://127.0.0.1:{server.sockets[0].getsockname()[1]}")

        assert error.reason is Reason.TLS
        assert "wrong version number" in error.sentence

    @pytest.mark.parametrize("content", [None, "", "no certificate"])
    async def test_a_file_without_certificates_is_refused_at_once(self, tmp_path: Path, content: str | None) -> None:
        path = tmp_path / "ca.pem"
        if content is not None:
            path.write_text(content)

        with pytest.raises(SettingsError, match=r"ca_file .*ca\.pem"):
            async with Client(LATE, ca_file=path):
                pass


def tunnel(*said: bytes) -> Script:
    """Return a proxy that lets CONNECT through, or says *said* instead."""

    async def pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while some := await reader.read(65536):
                writer.write(some)
                await writer.drain()
        writer.close()

    async def script(to: Connection) -> None:
        if said:
            await to.say(*said)
            return
        host, port = proxies[-1].targets[-1].rsplit(":", 1)
        reader, writer = await asyncio.open_connection(host, int(port))
        await to.say(b"HTTP/1.1 200 Connection established\r\n\r\n")
        await asyncio.gather(pump(to.reader, writer), pump(reader, to.writer))

    return script


proxies: list[RawServer] = []
"""The proxies that serve now: a script is not told its server."""


@asynccontextmanager
async def proxying(*said: bytes) -> AsyncIterator[RawServer]:
    async with serving(tunnel(*said)) as server:
        proxies.append(server)
        try:
            yield server
        finally:
            proxies.remove(server)


class TestProxy:
    async def test_a_plain_call_goes_through_the_given_proxy(self) -> None:
        async with serving(answer(b"proxied")) as proxy, Client(LATE, proxy=proxy.url) as transport:
            got = await transport.send("http://nowhere.invalid", REQUEST, Nobody())

        assert got.body == b"proxied"
        assert proxy.targets == [f"http://nowhere.invalid{REQUEST.path}"]

    async def test_a_user_of_the_proxy_is_told_to_the_proxy(self) -> None:
        async with serving(answer()) as proxy:
            url = proxy.url.replace("//", "//user:p%40ss@")
            async with Client(LATE, proxy=url) as transport:
                await transport.send("http://nowhere.invalid", REQUEST, Nobody({"Authorization": "ours"}))

        assert proxy.header("Proxy-Authorization") == f"Basic {base64.b64encode(b'user:p@ss').decode()}"
        assert proxy.header("Authorization") == "ours"

    @pytest.mark.parametrize("named", ["HTTPS_PROXY", "https_proxy"])
    async def test_the_environments_proxy_tunnels_https(
        self, named: str, authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with serving(answer(), server_tls(authority)) as server, proxying() as proxy:
            monkeypatch.setenv(named, proxy.url)
            async with Client(LATE, ca_file=ca_file) as transport:
                got = await transport.send(server.url, REQUEST, Nobody())

        assert got.body == b"{}"
        assert proxy.targets == [f"127.0.0.1:{server.port}"]
        assert server.targets == [REQUEST.path]

    async def test_a_host_that_needs_no_proxy_is_called_directly(
        self, authority: trustme.CA, ca_file: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        async with serving(answer(), server_tls(authority)) as server, proxying() as proxy:
            monkeypatch.setenv("HTTPS_PROXY", proxy.url)
            monkeypatch.setenv("NO_PROXY", "localhost,127.0.0.1")
            async with Client(LATE, ca_file=ca_file) as transport:
                await transport.send(server.url, REQUEST, Nobody())

        assert proxy.heads == []

    @pytest.mark.parametrize(
        ("said", "reason"),
        [
            pytest.param(answer(b"", status="407 Proxy Authentication Required"), Reason.CONFIG, id="wants a user"),
            pytest.param(answer(b"", status="403 Forbidden"), Reason.CONFIG, id="forbids the host"),
            pytest.param(answer(b"", status="502 Bad Gateway"), Reason.UNREACHABLE, id="cannot get through"),
        ],
    )
    async def test_a_refused_tunnel_names_the_proxy(self, said: bytes, reason: Reason) -> None:
        async with proxying(said) as proxy, Client(LATE, proxy=proxy.url) as transport:
            error = await refusal(transport, "https://nowhere.invalid")

        assert error.reason is reason
        assert "proxy 127.0.0.1" in error.sentence
        assert "nowhere.invalid" in error.sentence

    async def test_a_plain_call_that_the_proxy_wants_a_user_for_is_a_mistake_in_the_settings(self) -> None:
        async with (
            serving(answer(b"", status="407 Proxy Authentication Required")) as proxy,
            Client(LATE, proxy=proxy.url) as transport,
        ):
            assert (await refusal(transport, "http://nowhere.invalid")).reason is Reason.CONFIG

    @pytest.mark.parametrize("scheme", ["http", "https"])
    async def test_a_proxy_that_is_not_there_is_named(self, scheme: str) -> None:
        async with serving(answer()) as gone:
            pass
        async with Client(LATE, proxy=gone.url.replace("//", "//user:hidden@")) as transport:
            error = await refusal(transport, f"{scheme}://nowhere.invalid")

        assert error.reason is Reason.UNREACHABLE
        assert "proxy 127.0.0.1" in error.sentence
        assert "hidden" not in error.sentence

    @pytest.mark.parametrize("proxy", ["socks5://user:hidden@proxy:1080", "http://", "http://proxy:hidden"])
    async def test_a_proxy_that_cannot_be_used_is_told(self, proxy: str) -> None:
        async with Client(LATE, proxy=proxy) as transport:
            error = await refusal(transport, "https://nowhere.invalid")

        assert error.reason is Reason.CONFIG
        assert "hidden" not in error.sentence

    @pytest.mark.parametrize(
        ("url", "environment", "expected"),
        [
            ("https://dli.example.com", {}, None),
            ("https://dli.example.com", {"HTTPS_PROXY": "http://p:1"}, "http://p:1"),
            ("https://dli.example.com", {"HTTPS_PROXY": "p:1"}, "http://p:1"),
            ("https://dli.example.com", {"HTTPS_PROXY": ""}, None),
            ("https://dli.example.com", {"HTTP_PROXY": "http://p:1"}, None),
            ("https://dli.example.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "*"}, None),
            ("https://dli.example.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": ".example.com"}, None),
            ("https://dli.example.com", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "ple.com"}, "http://p:1"),
            ("https://dli.example.com:8443", {"HTTPS_PROXY": "http://p:1", "NO_PROXY": "dli.example.com:8443"}, None),
            ("http://127.0.0.1:8080", {"HTTP_PROXY": "http://p:1", "HTTPS_PROXY": "http://p:1"}, None),
        ],
    )
    def test_the_environment_counts_for_https_alone(
        self, url: str, environment: dict[str, str], expected: str | None, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)

        found = proxy_for(base_of(url), None)

        assert expected == (str(found) if found else None)


@pytest.mark.parametrize(
    ("url", "no_proxy", "direct"),
    [
        ("https://10.1.2.3", "10.0.0.0/8", True),
        ("https://11.1.2.3", "10.0.0.0/8", False),
        ("https://10.1.2.3", "192.168.0.0/16,10.1.2.3", True),
        ("https://10.1.2.3:8443", "10.1.2.3:8443", True),
        ("https://10.1.2.3", "10.1.2.3:8443", False),
        ("https://10.1.2.3", "10.1.2.3:443", True),
        ("https://[fd00::1]", "fd00::/8", True),
        ("https://[fd00::1]", "[fd00::1]", True),
        ("https://[fd00::1]:8443", "[fd00::1]:8443", True),
        ("https://[fd00::1]", "FD00:0:0::1", True),
        ("https://[fe80::1]", "fd00::/8", False),
        ("https://dli.example.com", "*.example.com", True),
        ("https://a.dli.example.com", "*.example.com", True),
        ("https://example.com", "*.example.com", False),
        ("https://dli.example.com", "example.com", True),
        ("https://dli.example.com", ".example.com", True),
        ("https://dli.notexample.com", "example.com", False),
        ("https://dli.example.com", "example.com:443", True),
        ("https://dli.example.com", "example.com:8443", False),
        ("https://dli.example.com", " other.com , Example.COM. ", True),
        ("https://dli.example.com", "other.com example.com", True),
        ("https://dli.example.com", "a,*,b", True),
        ("https://dli.example.com", "*", True),
        ("https://dli.example.com", ",,.,", False),
        ("https://dli.example.com", "10.0.0.0/8", False),
        ("https://10.1.2.3", "10.0.0.0/99,x/y", False),
    ],
)
def test_no_proxy_is_read_as_curl_and_go_read_it(
    url: str, no_proxy: str, direct: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HTTPS_PROXY", "http://p:1")
    monkeypatch.setenv("NO_PROXY", no_proxy)

    assert (proxy_for(base_of(url), None) is None) is direct
