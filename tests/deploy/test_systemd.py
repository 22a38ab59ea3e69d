"""The systemd unit, by the word of systemd's own tools; it is not started, because tests have no systemd to ask."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.processes import ROOT, serving
from tests.web.certificates import make

UNIT = ROOT / "deploy/systemd/huaweicloud-job-exporter.service"
SOCKET = UNIT.with_suffix(".socket")
TLS = UNIT.with_name("tls.conf")
MOST_EXPOSED = 12
"""Tenths, of 100: what is left is a network, the host's /proc and nothing that can be written."""

pytestmark = pytest.mark.needs("systemd-analyze")


def verified(text: str, folder: Path, *others: str) -> str:
    """Return what systemd complains of in a unit whose programs are there, and in *others* of the same folder."""
    program = folder / "huaweicloud-job-exporter"
    program.touch(mode=0o755)
    unit = folder / UNIT.name
    unit.write_text(text.replace("/opt/huaweicloud-job-exporter/bin/huaweicloud-job-exporter", str(program)))
    verify = ["systemd-analyze", "verify", "--man=no", str(unit), *(str(folder / each) for each in others)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    return done.stderr + ("" if done.returncode == 0 else f"ended with {done.returncode}")


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    assert verified(UNIT.read_text(), tmp_path) == ""


def test_systemd_would_tell_a_mistake_in_it(tmp_path: Path) -> None:
    assert "Unknown key 'PrivatTmp'" in verified(UNIT.read_text().replace("PrivateTmp=", "PrivatTmp="), tmp_path)


def dropped_in(text: str, folder: Path) -> None:
    """Put a drop-in of the unit where systemd looks for it."""
    where = folder / f"{UNIT.name}.d/tls.conf"
    where.parent.mkdir(exist_ok=True)
    where.write_text(text)


def test_systemd_accepts_the_unit_with_tls(tmp_path: Path) -> None:
    dropped_in(TLS.read_text(), tmp_path)
    assert verified(UNIT.read_text(), tmp_path) == ""

    dropped_in(TLS.read_text().replace("LoadCredential=web", "LoadCredentials=web"), tmp_path)
    assert "Unknown key 'LoadCredentials'" in verified(UNIT.read_text(), tmp_path)


def test_systemd_accepts_the_unit_with_its_socket(tmp_path: Path) -> None:
    (tmp_path / SOCKET.name).write_text(SOCKET.read_text())
    assert verified(UNIT.read_text(), tmp_path, SOCKET.name) == ""

    (tmp_path / SOCKET.name).write_text(SOCKET.read_text().replace("ListenStream=127.0.0.1:", "ListenStream=nowhere:"))
    assert "nowhere:10926" in verified(UNIT.read_text(), tmp_path, SOCKET.name)


def test_the_exporter_reads_what_the_unit_hands_over_for_tls(tmp_path: Path) -> None:
    files = make(tmp_path)
    (example,) = re.findall(r"^#   (tls_server_config: .*)$", TLS.read_text(), re.MULTILINE)
    handed = dict(re.findall(r"^LoadCredential=(\S+?):(\S+)$", TLS.read_text(), re.MULTILINE))
    assert {Path(path).name for path in handed.values()} == set(handed) == {"web.yml", "server.crt", "server.key"}
    files.write(example, "web.yml")
    (named,) = re.findall(r"^Environment=EXPORTER_WEB__CONFIG_FILE=%d/(\S+)$", TLS.read_text(), re.MULTILINE)

    with serving("demo", EXPORTER_WEB__CONFIG_FILE=str(tmp_path / named)) as (_, address):
        assert address.startswith("https://")


def test_the_unit_allows_more_files_than_connections_and_calls_need() -> None:
    (limit,) = re.findall(r"^LimitNOFILE=(\d+)$", UNIT.read_text(), re.MULTILINE)

    assert int(limit) >= 4 * (256 + 32)


def test_the_unit_is_exposed_to_little() -> None:
    security = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", str(UNIT)]
    done = subprocess.run(security, capture_output=True, text=True, check=False)

    assert re.search(r"Overall exposure level .*: \d+\.\d", done.stdout)
    assert done.returncode == 0, done.stdout
