"""The web configuration file as docs/security.md shows it, with the real command, Prometheus and curl."""

import http.client
import json
import re
import shutil
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import ROOT, environment, eventually, exporter, fetch, prometheus, query, serving
from tests.web.certificates import Files, make

NAME = "huaweicloud-job-exporter"
PAGE = (ROOT / "docs/security.md").read_text()
CLOSED = "EOF|reset|broken pipe|server closed"
"""What Prometheus calls a connection that the exporter closes."""


def block(first_line: str) -> str:
    """Return the fenced block that begins with a line."""
    found = re.search(rf"```\w*\n({re.escape(first_line)}.*?)```", PAGE, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """Make the files that the page names, and its web.yml."""
    made = make(tmp_path)
    made.authority.cert_pem.write_to_path(str(tmp_path / "server-ca.crt"))
    (tmp_path / "client-ca.crt").write_bytes((tmp_path / "client_ca.pem").read_bytes())
    for name in ("client", "other"):
        pem = (tmp_path / f"{name}.pem").read_text()
        key, begin, chain = pem.partition("-----BEGIN CERTIFICATE-----")
        (tmp_path / f"{name}.key").write_text(key)
        (tmp_path / f"{name}.crt").write_text(begin + chain)
    (tmp_path / "password").write_text("carol123")
    (tmp_path / "wrong-password").write_text("carol124")
    made.write(block("tls_server_config:"))
    return made


def connection(address: str, tls: ssl.SSLContext) -> http.client.HTTPSConnection:
    return http.client.HTTPSConnection("localhost", int(address.rsplit(":", 1)[1]), timeout=20, context=tls)


class Scraper(threading.Thread):
    """Scrapes by a new connection each time, as fast as it can, and keeps what came of it."""

    def __init__(self, files: Files, address: str) -> None:
        super().__init__()
        self._files, self._address = files, address
        self.answers: list[tuple[str, bytes]] = []
        self._over = threading.Event()

    def run(self) -> None:
        tls = self._files.trusting("client.pem")
        login = {"Authorization": "Basic cHJvbWV0aGV1czpjYXJvbDEyMw=="}
        while not self._over.is_set():
            opened = connection(self._address, tls)
            try:
                opened.request("GET", "/metrics", headers=login)
                certificate = opened.sock.getpeercert(binary_form=True) or b""
                self.answers.append((str(opened.getresponse().status), certificate))
            except OSError as error:
                self.answers.append((repr(error), b""))
            finally:
                opened.close()

    def end(self) -> None:
        self._over.set()
        self.join(60)


def test_the_page_s_file_is_accepted_and_its_curl_is_answered(files: Files) -> None:
    with serving("demo", EXPORTER_WEB__CONFIG_FILE=str(files.folder / "web.yml")) as (_, address):
        command = block("curl ").strip().replace("localhost:10926", address.removeprefix("https://"))

        def curl(text: str) -> str:
            done = subprocess.run(
                ["sh", "-c", f"{text} --silent --show-error --output body --write-out '%{{http_code}}'"],
                cwd=files.folder,
                env=environment(),
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            return f"{done.returncode} {done.stdout}"

        assert address.startswith("https://")
        assert curl(command) == "0 200"
        assert "huaweicloud_job_exporter_web_config_last_reload_successful 1.0" in (files.folder / "body").read_text()
        assert curl(command.replace("carol123", "carol124")) == "0 401"
        assert curl(re.sub(r"--user \S+", "", command)) == "0 401"
        assert curl(command.replace("client.", "other.")).split()[1] == "000"
        assert curl(re.sub(r"--cert \S+ --key \S+", "", command)).split()[1] == "000"
        assert curl(command.replace("--cacert server-ca.crt", "")).split()[0] == "60", "the authority is not known"
        assert curl(command.replace("https://", "http://")).split()[1] == "000"


@pytest.mark.needs("prometheus")
def test_prometheus_scrapes_as_the_page_says_through_rotations_and_no_other_way(files: Files, tmp_path: Path) -> None:
    right: str = block("scrape_configs:")

    def job(name: str, change: Callable[[str], str]) -> str:
        return change(right.removeprefix("scrape_configs:\n")).replace(NAME, name)

    with serving("demo", EXPORTER_WEB__CONFIG_FILE=str(files.folder / "web.yml")) as (_, address):
        config = (
            "global: {scrape_interval: 3s, scrape_timeout: 3s}\n"
            + right
            + job("wrong-password", lambda text: text.replace("password_file: ", "password_file: wrong-"))
            + job("no-password", lambda text: re.sub(r"    basic_auth:\n(      .*\n)+", "", text))
            + job("wrong-certificate", lambda text: text.replace(": client.", ": other."))
            + job("no-certificate", lambda text: re.sub(r"      (cert|key)_file: .*\n", "", text))
            + job("http", lambda text: re.sub(r"    tls_config:\n(      .*\n)+", "", text).replace("https", "http"))
        ).replace("10926", address.rsplit(":", 1)[1])
        with prometheus(tmp_path, config) as server:

            def targets() -> dict[str, Any]:
                found = json.loads(fetch(f"{server}/api/v1/targets")[1])["data"]["activeTargets"]
                return {each["labels"]["job"]: each for each in found}

            def tried() -> bool:
                health = {name: each["health"] for name, each in targets().items()}
                return len(health) == 6 and "unknown" not in health.values() and health[NAME] == "up"

            eventually(tried, "all were tried, and the right one works")
            began = time.time()
            rotate(files, address)
            scraped = f"min_over_time(up[{int(time.time() - began)}s])"
            worked = {each["metric"]["job"]: each["value"][1] for each in query(server, scraped)}
            found = targets()

        assert worked == {name: "1" if name == NAME else "0" for name in found}
        for name in ("wrong-password", "no-password"):
            assert "401 Unauthorized" in found[name]["lastError"]
        for name in ("wrong-certificate", "no-certificate"):
            assert re.search(rf"tls:|{CLOSED}", found[name]["lastError"]), found[name]["lastError"]
        assert re.search(rf"malformed|{CLOSED}", found["http"]["lastError"]), found["http"]["lastError"]


def rotate(files: Files, address: str) -> None:
    """Rotate the certificate three times while somebody scrapes, once by way of a half-written file."""
    scraper = Scraper(files, address)
    scraper.start()
    try:
        eventually(lambda: scraper.answers, "it scrapes")
        for rotation in range(3):
            seen = {certificate for _, certificate in scraper.answers}
            if rotation == 1:
                whole = (files.folder / "server.crt").read_bytes()
                (files.folder / "server.crt").write_bytes(whole[:300])
                time.sleep(2.5)
            files.server()
            eventually(lambda seen=seen: scraper.answers[-1][1] not in {*seen, b""}, "the new certificate is shown")
    finally:
        scraper.end()
    assert {answer for answer, _ in scraper.answers} == {"200"}
    assert len({certificate for _, certificate in scraper.answers}) == 4
    assert len(scraper.answers) > 20


def mounted(folder: Path, files: Mapping[str, bytes]) -> None:
    """Mount a Secret as the kubelet does, or other content of it: files are links into a folder that is swapped."""
    content = folder / f"..{time.time_ns()}"
    content.mkdir(parents=True)
    for name, data in files.items():
        (content / name).write_bytes(data)
    old = (folder / "..data").resolve()
    (folder / "..data_tmp").symlink_to(content.name)
    (folder / "..data_tmp").replace(folder / "..data")
    for name in files:
        if not (folder / name).is_symlink():
            (folder / name).symlink_to(f"..data/{name}")
    if old != (folder / "..data"):
        shutil.rmtree(old)


def test_secrets_that_kubernetes_mounts_are_rotated_without_a_failed_scrape(files: Files, tmp_path: Path) -> None:
    web, pair = tmp_path / "run/web", tmp_path / "run/certificates/server"

    def rotate_links() -> None:
        files.server()
        parts = {f"tls.{part}": (files.folder / f"server.{part}").read_bytes() for part in ("crt", "key")}
        mounted(pair, parts)

    text = (files.folder / "web.yml").read_text().replace(": client-ca", f": {files.folder}/client-ca")
    text = text.replace(": server.", f": {pair}/tls.")
    rotate_links()
    mounted(web, {"web.yml": text.encode()})
    with serving("demo", EXPORTER_WEB__CONFIG_FILE=str(web / "web.yml")) as (_, address):
        scraper = Scraper(files, address)
        scraper.start()
        try:
            eventually(lambda: scraper.answers, "it scrapes")
            for _ in range(2):
                seen = {certificate for _, certificate in scraper.answers}
                rotate_links()
                eventually(lambda seen=seen: scraper.answers[-1][1] not in {*seen, b""}, "the new certificate is shown")
            assert {answer for answer, _ in scraper.answers} == {"200"}
            mounted(web, {"web.yml": text.replace("prometheus: ", "somebody: ").encode()})
            eventually(lambda: scraper.answers[-1][0] == "401", "another user is asked for")
        finally:
            scraper.end()


def test_check_accepts_the_page_s_file_and_tells_what_may_not_be_meant(files: Files) -> None:
    config = files.folder / "exporter.yaml"
    config.write_text((ROOT / "config/minimal.yaml").read_text() + "web: {config_file: web.yml}\n")
    keys = {"HUAWEICLOUD_SDK_AK": "AK", "HUAWEICLOUD_SDK_SK": "SK"}
    good = exporter("check", "--config", str(config), **keys)
    files.write(
        PAGE[:0] + "basic_auth_users:\n" + block("tls_server_config:").split("basic_auth_users:")[1].split("\n", 1)[1]
    )
    plain = exporter("check", "--config", str(config), **keys)

    assert (good.returncode, good.stderr, "warning" in good.stdout) == (0, "", False)
    assert "web.yml: warning: basic_auth_users: without TLS passwords can be read on the way" in plain.stdout
