"""The systemd unit, by the word of systemd's own tools; it is not started, because tests have no systemd to ask."""

import re
import subprocess
from pathlib import Path

import pytest

from tests.e2e.processes import ROOT

UNIT = ROOT / "deploy/systemd/huaweicloud-job-exporter.service"
MOST_EXPOSED = 12
"""Tenths, of 100: what is left is a network, the host's /proc and nothing that can be written."""

pytestmark = pytest.mark.needs("systemd-analyze")


def verified(text: str, folder: Path) -> str:
    """Return what systemd complains of in a unit whose programs are there."""
    program = folder / "huaweicloud-job-exporter"
    program.touch(mode=0o755)
    unit = folder / UNIT.name
    unit.write_text(text.replace("/opt/huaweicloud-job-exporter/bin/huaweicloud-job-exporter", str(program)))
    verify = ["systemd-analyze", "verify", "--man=no", str(unit)]
    done = subprocess.run(verify, capture_output=True, text=True, check=False)
    return done.stderr + ("" if done.returncode == 0 else f"ended with {done.returncode}")


def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    assert verified(UNIT.read_text(), tmp_path) == ""


def test_systemd_would_tell_a_mistake_in_it(tmp_path: Path) -> None:
    assert "Unknown key 'PrivatTmp'" in verified(UNIT.read_text().replace("PrivateTmp=", "PrivatTmp="), tmp_path)


def test_the_unit_is_exposed_to_little() -> None:
    security = ["systemd-analyze", "security", "--offline=true", "--no-pager", f"--threshold={MOST_EXPOSED}", str(UNIT)]
    done = subprocess.run(security, capture_output=True, text=True, check=False)

    assert re.search(r"Overall exposure level .*: \d+\.\d", done.stdout)
    assert done.returncode == 0, done.stdout
