"""The real command on several addresses, and on a socket that systemd hands over."""

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.processes import ONE_JOB, PATIENCE, ROOT, environment, eventually, exporter, fetch


@pytest.fixture
def config(tmp_path: Path) -> str:
    """Return the path of a configuration that wants systemd's sockets."""
    path = tmp_path / "exporter.yaml"
    path.write_text(ONE_JOB + "web: {systemd_socket: true}\n")
    return str(path)


@pytest.mark.needs("systemd-socket-activate")
def test_it_answers_on_the_sockets_of_systemd_and_on_no_other(config: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as one, socket.create_server(("127.0.0.1", 0)) as two:
        ports = [each.getsockname()[1] for each in (one, two)]
    kept = [f"--setenv={name}={value}" for name, value in environment(PYTHONPATH=str(ROOT)).items()]
    listen = [f"--listen=127.0.0.1:{port}" for port in ports]
    command = [sys.executable, "-m", "exporter", "run", "--config", config]
    process = subprocess.Popen(
        ["systemd-socket-activate", *listen, *kept, *command], cwd=ROOT, stderr=subprocess.PIPE, text=True
    )
    try:
        eventually(lambda: fetch(f"http://127.0.0.1:{ports[0]}/-/healthy")[0] == 200, "the first answers")
        assert fetch(f"http://127.0.0.1:{ports[1]}/-/healthy")[0] == 200
    finally:
        process.terminate()
        told = process.communicate(timeout=PATIENCE)[1]
    assert f'"address": "http://127.0.0.1:{ports[0]}"' in told
    assert f'"more_addresses": ["http://127.0.0.1:{ports[1]}"]' in told
    assert process.returncode == 0


def test_without_a_socket_of_systemd_it_tells_so(config: str) -> None:
    done = exporter("run", "--config", config)

    assert done.returncode == 1
    assert "systemd handed over no socket: start the exporter by a socket unit" in done.stderr.splitlines()[-1]
