"""What a web configuration file asks of connections and requests, over real sockets.

The cases are those of the tests of Prometheus' own toolkit, and what those leave out.
"""

import asyncio
import logging
import socket
import ssl
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from structlog.testing import capture_logs

from exporter.clock import SystemClock
from exporter.config import load
from exporter.config.web_file import WebConfig
from exporter.metrics.telemetry import Telemetry
from exporter.web.listening import tls as tls_module
from exporter.web.listening.config_watch import ConfigWatch
from exporter.web.listening.security import Security
from tests.web.certificates import Files, door, get, make

PAIR = "tls_server_config:\n  cert_file: server.crt\n  key_file: server.key\n"
VERIFY = PAIR + "  client_ca_file: client_ca.pem\n  client_auth_type: RequireAndVerifyClientCert\n"
IF_GIVEN = VERIFY.replace("RequireAndVerify", "Verify").replace("ClientCert\n", "ClientCertIfGiven\n")
SUITES = "  cipher_suites: [TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256, TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384]\n"
TLS12 = "  min_version: TLS12\n  max_version: TLS12\n"


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return make(tmp_path)


async def status(files: Files, text: str, tls: ssl.SSLContext | None = None, **more: Any) -> int:
    """Serve by a web configuration file and return the status of one GET."""
    async with door(files.read(text)) as (address, _):
        return (await get(address, tls, **more))[0]


def with_suites(context: ssl.SSLContext, *names: str) -> ssl.SSLContext:
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(":".join(names))
    return context


async def negotiated(files: Files, text: str, tls: ssl.SSLContext) -> tuple[str, str]:
    """Return the cipher suite and the version of one connection."""
    async with door(files.read(text)) as (address, _):
        port = int(address.rsplit(":", 1)[1])
        _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=tls, server_hostname="127.0.0.1")
        suite, version, _ = writer.get_extra_info("cipher")
        writer.close()
        await writer.wait_closed()
        return suite, version


class TestTls:
    async def test_without_a_file_it_is_plain_http(self, files: Files) -> None:
        async with door(WebConfig()) as (address, _):
            assert address.startswith("http://")
            assert (await get(address))[0] == 200
            assert (await get(address.replace("http", "https"), files.trusting()))[0] == 0

    async def test_with_a_certificate_it_is_https_alone(self, files: Files) -> None:
        async with door(files.read(PAIR)) as (address, _):
            assert address.startswith("https://")
            assert (await get(address, files.trusting()))[0] == 200
            assert (await get(address.replace("https", "http")))[0] == 0
            assert (await get(address))[0] == 0, "the client knows another authority"

    @pytest.mark.parametrize("policy", ["NoClientCert", "RequestClientCert", "VerifyClientCertIfGiven"])
    async def test_a_client_without_a_certificate_is_served_unless_one_is_required(
        self, files: Files, policy: str
    ) -> None:
        assert await status(files, f"{PAIR}  client_auth_type: {policy}\n", files.trusting()) == 200

    async def test_inline_certificate_key_and_authority_serve_too(self, files: Files) -> None:
        def inline(key: str, name: str) -> str:
            return f"  {key}: |\n" + "".join(f"    {line}\n" for line in (files.folder / name).read_text().splitlines())

        text = "tls_server_config:\n" + inline("cert", "server.crt") + inline("key", "server.key")
        policy = inline("client_ca", "client_ca.pem") + "  client_auth_type: RequireAndVerifyClientCert\n"

        assert await status(files, text, files.trusting()) == 200
        assert await status(files, text + policy, files.trusting("client.pem")) == 200
        assert await status(files, text + policy, files.trusting()) == 0

    @pytest.mark.parametrize(
        ("certificate", "required", "if_given"),
        [(None, 0, 200), ("client.pem", 200, 200), ("other.pem", 0, 0), ("expired.pem", 0, 0)],
    )
    async def test_a_client_certificate_is_verified(
        self, files: Files, certificate: str | None, required: int, if_given: int
    ) -> None:
        """None of another authority, none that expired: that of Go's VerifyClientCertIfGiven too."""
        assert await status(files, VERIFY, files.trusting(certificate)) == required
        assert await status(files, IF_GIVEN, files.trusting(certificate)) == if_given

    async def test_an_intermediate_authority_is_believed_without_its_root(self, files: Files) -> None:
        """As in Go: each certificate of client_ca_file is an anchor."""
        intermediate = files.clients.create_child_ca()
        files.client("below.pem", intermediate)
        files.client("beside.pem", files.clients.create_child_ca())
        intermediate.cert_pem.write_to_path(str(files.folder / "client_ca.pem"))

        assert await status(files, VERIFY, files.trusting("below.pem")) == 200
        assert await status(files, VERIFY, files.trusting("beside.pem")) == 0
        assert await status(files, VERIFY, files.trusting("client.pem")) == 0

    async def test_without_authorities_no_client_certificate_is_good(self, files: Files) -> None:
        text = VERIFY.replace("  client_ca_file: client_ca.pem\n", "")

        assert await status(files, text, files.trusting("client.pem")) == 0
        assert await status(files, text, files.trusting()) == 0

    @pytest.mark.parametrize("allowed", ["scraper.example", "10.1.2.3", "fd00::1", "ops@example.org"])
    @pytest.mark.parametrize("policy", [VERIFY, IF_GIVEN])
    async def test_a_client_is_served_by_one_of_its_names(self, files: Files, allowed: str, policy: str) -> None:
        text = f"{policy}  client_allowed_sans: [one, '{allowed}', two]\n"

        assert await status(files, text, files.trusting("client.pem")) == 200
        assert await status(files, text, files.trusting("other.pem")) == 0
        assert await status(files, text, files.trusting()) == 0

    @pytest.mark.parametrize("allowed", ["scraper", "SCRAPER.example", "*.example", "10.1.2.30", "fd00::2", "example"])
    async def test_a_client_of_another_name_is_not_served(self, files: Files, allowed: str) -> None:
        text = f"{VERIFY}  client_allowed_sans: ['{allowed}']\n"

        assert await status(files, text, files.trusting("client.pem")) == 0

    @pytest.mark.parametrize(
        ("certificate", "more", "why"),
        [
            (None, "", "PEER_DID_NOT_RETURN_A_CERTIFICATE"),
            ("other.pem", "", "unable to get local issuer certificate"),
            ("expired.pem", "", "certificate has expired"),
            ("client.pem", "  client_allowed_sans: [one]\n", "the certificate has none of client_allowed_sans"),
        ],
    )
    async def test_why_a_client_is_refused_is_in_the_log(
        self, files: Files, certificate: str | None, more: str, why: str
    ) -> None:
        with capture_logs() as log:
            assert await status(files, VERIFY + more, files.trusting(certificate)) == 0

        refused = {"event": "connection refused", "client": "127.0.0.1", "error": why, "log_level": "debug"}
        assert refused in log
        assert [each for each in log if each != refused] == []

    async def test_an_old_version_is_refused_and_a_new_one_as_the_file_says(self, files: Files) -> None:
        old = files.trusting(maximum_version=ssl.TLSVersion.TLSv1_2)

        assert await status(files, PAIR, old) == 200
        assert await status(files, PAIR + "  min_version: TLS13\n", old) == 0
        assert await status(files, PAIR + "  min_version: TLS13\n", files.trusting()) == 200
        assert (await negotiated(files, PAIR, files.trusting()))[1] == "TLSv1.3"
        assert (await negotiated(files, PAIR + TLS12, files.trusting()))[1] == "TLSv1.2"

    @pytest.mark.filterwarnings("ignore:ssl.TLSVersion.TLSv1_1 is deprecated")
    async def test_tls_1_1_is_served_only_if_the_file_says_so(self, files: Files) -> None:
        old = files.trusting()
        old.set_ciphers("ALL:@SECLEVEL=0")
        old.minimum_version = old.maximum_version = ssl.TLSVersion.TLSv1_1

        assert await status(files, PAIR, old) == 0
        assert await status(files, PAIR + "  min_version: TLS11\n", old) == 200
        assert await status(files, PAIR + "  min_version: TLS11\n", files.trusting()) == 200

    async def test_the_first_suite_of_the_file_is_taken_whatever_the_client_prefers(self, files: Files) -> None:
        client = with_suites(files.trusting(), "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256")

        assert (await negotiated(files, PAIR + SUITES + TLS12, client))[0] == "ECDHE-RSA-AES128-GCM-SHA256"

    async def test_the_client_chooses_the_suite_where_the_file_says_so(self, files: Files) -> None:
        client = with_suites(files.trusting(), "ECDHE-RSA-AES256-GCM-SHA384", "ECDHE-RSA-AES128-GCM-SHA256")
        text = PAIR + SUITES + TLS12 + "  prefer_server_cipher_suites: false\n"

        assert (await negotiated(files, text, client))[0] == "ECDHE-RSA-AES256-GCM-SHA384"

    async def test_without_a_common_suite_there_is_no_connection(self, files: Files) -> None:
        client = with_suites(files.trusting(), "ECDHE-RSA-AES256-SHA")

        assert await status(files, PAIR + SUITES + TLS12, client) == 0
        usual, alone = files.trusting(maximum_version=ssl.TLSVersion.TLSv1_2), "[TLS_AES_128_GCM_SHA256]"
        assert await status(files, f"{PAIR}  cipher_suites: {alone}\n", usual) == 0, "none is left for TLS 1.2"
        assert await status(files, f"{PAIR}  cipher_suites: {alone}\n", files.trusting()) == 200

    async def test_without_a_common_curve_there_is_no_connection(self, files: Files) -> None:
        text = PAIR + "  min_version: TLS13\n  curve_preferences: [CurveP521]\n"
        same, other = files.trusting(), files.trusting()
        same.set_ecdh_curve("secp521r1")
        other.set_ecdh_curve("secp384r1")

        assert await status(files, text, same) == 200
        assert await status(files, text, other) == 0

    @pytest.mark.parametrize(
        "leave", [ssl.SSLSocket.close, lambda client: client.shutdown(socket.SHUT_WR), ssl.SSLSocket.unwrap]
    )
    async def test_requests_of_a_client_that_left_fill_no_log(
        self, files: Files, caplog: pytest.LogCaptureFixture, leave: Callable[[ssl.SSLSocket], Any]
    ) -> None:
        asked = [f"GET /?q={number} HTTP/1.1\r\nHost: localhost\r\n\r\n" for number in range(50)]

        def ask_and_leave(host: str, port: int) -> None:
            with files.trusting().wrap_socket(socket.create_connection((host, port)), server_hostname=host) as client:
                client.sendall("".join(asked).encode())
                client.recv(1)
                client.settimeout(0.1)
                with suppress(OSError):
                    leave(client)
                time.sleep(1)

        async with door(files.read(PAIR)) as (address, _):
            host, _, port = address.rpartition("/")[2].rpartition(":")
            await asyncio.to_thread(ask_and_leave, host, int(port))

        assert [each.getMessage() for each in caplog.records if each.levelno >= logging.WARNING] == []

    async def test_a_client_that_knows_http_2_gets_http_1(self, files: Files) -> None:
        client = files.trusting()
        client.set_alpn_protocols(["h2", "http/1.1"])
        async with door(files.read(PAIR)) as (address, _):
            port = int(address.rsplit(":", 1)[1])
            _, writer = await asyncio.open_connection("127.0.0.1", port, ssl=client, server_hostname="127.0.0.1")
            assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
            writer.close()
            await writer.wait_closed()

    async def test_a_client_that_never_finishes_its_handshake_is_cut_off_and_nobody_waits_for_it(
        self, files: Files, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(tls_module, "HANDSHAKE_WITHIN", 1)
        async with door(files.read(PAIR)) as (address, _):
            port = int(address.rsplit(":", 1)[1])
            silent = [await asyncio.open_connection("127.0.0.1", port) for _ in range(50)]
            assert (await get(address, files.trusting()))[0] == 200
            async with asyncio.timeout(30):
                for reader, writer in silent:
                    assert await reader.read() == b""
                    writer.close()


class TestHeaders:
    async def test_the_file_sets_headers_over_ours_and_others_stay(self, files: Files) -> None:
        text = (
            "http_server_config:\n  headers:\n    X-Frame-Options: sameorigin\n    X-XSS-Protection: 1\n"
            "    Strict-Transport-Security: max-age=31536000; includeSubDomains\n    Content-Security-Policy: ''\n"
        )
        async with door(files.read(text)) as (address, _):
            _, headers = await get(address)

        assert headers["X-Frame-Options"] == "sameorigin"
        assert headers["X-XSS-Protection"] == "1"
        assert headers["Strict-Transport-Security"] == "max-age=31536000; includeSubDomains"
        assert headers["X-Content-Type-Options"] == "nosniff"
        assert "default-src 'none'" in headers["Content-Security-Policy"], "an empty one sets nothing"


class TestRateLimit:
    async def test_without_an_interval_nothing_is_limited(self, files: Files) -> None:
        async with door(files.read("rate_limit: {interval: 0, burst: 0}")) as (address, _):
            assert [(await get(address))[0] for _ in range(10)] == [200] * 10

    async def test_without_a_burst_nothing_comes_through(self, files: Files) -> None:
        assert await status(files, "rate_limit: {interval: 1s, burst: 0}") == 429

    async def test_a_burst_comes_through_and_then_one_each_interval(self, files: Files) -> None:
        time = [100.0]
        async with door(files.read("rate_limit: {interval: 2s, burst: 3}"), monotonic=lambda: time[0]) as (address, _):
            assert [(await get(address))[0] for _ in range(5)] == [200, 200, 200, 429, 429]
            time[0] += 2
            assert [(await get(address))[0] for _ in range(2)] == [200, 429]
            time[0] += 3600
            assert [(await get(address))[0] for _ in range(4)] == [200, 200, 200, 429]


def settings_of(path: Path) -> Any:
    project = {"region": "eu-de", "project_id": "1", "credentials": {"token": "T"}}
    return load(None, {}, {"web": {"config_file": path}, "projects": {"prod": project}}, jobs_needed=False)


def told(telemetry: Telemetry) -> float | None:
    return telemetry.registry.get_sample_value("huaweicloud_job_exporter_web_config_last_reload_successful")


async def until(condition: Any) -> None:
    async with asyncio.timeout(60):
        while not condition():
            await asyncio.sleep(0.05)


@pytest.mark.slow
class TestReload:
    async def test_a_new_certificate_is_shown_from_the_next_connection_on_and_open_ones_stay(
        self, files: Files
    ) -> None:
        settings = settings_of(files.write(PAIR))
        async with door(WebConfig()) as (address, security):
            watch = ConfigWatch(settings, security, SystemClock(), Telemetry())
            watching = asyncio.create_task(watch.run())
            address = address.replace("http:", "https:")
            before, first = security.config.tls, (files.folder / "server.crt").read_text().split("\n-----END")[0]
            connector = aiohttp.TCPConnector(ssl=files.trusting())
            async with aiohttp.ClientSession(connector=connector) as kept:
                async with kept.get(f"{address}/metrics") as answer:
                    assert answer.status == 200
                files.server()
                await until(lambda: security.config.tls is not before)
                async with kept.get(f"{address}/metrics") as answer:
                    assert answer.status == 200
            port = int(address.rsplit(":", 1)[1])
            shown = await asyncio.to_thread(ssl.get_server_certificate, ("127.0.0.1", port))
            assert shown.split("\n-----END")[0] != first
            assert shown.strip() in (files.folder / "server.crt").read_text()
            watching.cancel()

    async def test_a_bad_file_is_told_and_the_last_good_one_stays_until_it_is_mended(self, files: Files) -> None:
        telemetry, path = Telemetry(), files.write(VERIFY)
        security = Security(WebConfig())
        watch = ConfigWatch(settings_of(path), security, SystemClock(), telemetry)
        watching = asyncio.create_task(watch.run())
        assert told(telemetry) == 1
        good = security.config
        for bad in ("tls_server_config: {cert_", "basic_auth_users: {a: b}", VERIFY + "  min_version: TLS99\n"):
            path.write_text(bad)
            await until(lambda: told(telemetry) == 0)
            assert security.config is good
            path.write_text(VERIFY)
            await until(lambda: told(telemetry) == 1)
            good = security.config
        path.unlink()
        await until(lambda: told(telemetry) == 0)
        assert security.config is good
        path.write_text(VERIFY)
        await until(lambda: told(telemetry) == 1)
        authority = files.folder / "client_ca.pem"
        kept = authority.read_bytes()
        authority.write_bytes(kept[:100])
        await until(lambda: told(telemetry) == 0)
        authority.write_bytes(kept)
        await until(lambda: told(telemetry) == 1)
        watching.cancel()

    async def test_client_certificates_can_be_required_and_tls_turned_on_and_off_without_a_restart(
        self, files: Files
    ) -> None:
        async with door(WebConfig()) as (plain, security):
            secure = plain.replace("http:", "https:")
            assert (await get(plain))[0] == 200
            async with aiohttp.ClientSession() as kept:
                async with kept.get(f"{plain}/metrics") as answer:
                    assert answer.status == 200
                security.use(files.read(PAIR))
                async with kept.get(f"{plain}/metrics") as answer:
                    assert answer.status == 400, "what was asked for in the clear gets no answer any more"
            assert (await get(plain))[0] == 0
            assert (await get(secure, files.trusting()))[0] == 200
            security.use(files.read(VERIFY))
            assert (await get(secure, files.trusting()))[0] == 0
            assert (await get(secure, files.trusting("client.pem")))[0] == 200
            security.use(WebConfig())
            assert (await get(plain))[0] == 200

    async def test_settings_without_a_file_have_no_metric_of_it(self, files: Files) -> None:
        telemetry, security = Telemetry(), Security(WebConfig())
        watch = ConfigWatch(settings_of(files.write(PAIR)), security, SystemClock(), telemetry)
        assert (told(telemetry), security.config.tls is None) == (1, False)
        project = {"region": "eu-de", "project_id": "1", "credentials": {"token": "T"}}
        watch.use(load(None, {}, {"projects": {"prod": project}}, jobs_needed=False))

        assert (told(telemetry), security.config.tls) == (None, None)
