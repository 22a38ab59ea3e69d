"""A signal at any moment ends a command cleanly, also while it still starts."""

import re
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.e2e.processes import ONE_JOB, PATIENCE, ROOT, environment, eventually, serving
from tests.fork_server import Forked


def heeds(process: subprocess.Popen[str], number: int) -> bool:
    """Whether a signal would not end a process any more: on a busy machine it may not have begun to run."""
    status = Path(f"/proc/{process.pid}/status").read_text()
    masks = re.findall(r"^Sig(?:Cgt|Ign):\s*([0-9a-f]+)$", status, re.MULTILINE)
    # Python itself catches SIGINT, so the handlers are there when that of SIGTERM is
    return all(any(int(mask, 16) >> each - 1 & 1 for mask in masks) for each in (number, signal.SIGTERM))


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
@pytest.mark.parametrize("after", [0.0, 0.4, 1.0])
def test_a_daemon_that_is_told_to_stop_while_it_starts_did_well(number: int, after: float, tmp_path: Path) -> None:
    (tmp_path / "exporter.yaml").write_text(ONE_JOB)
    process = subprocess.Popen(
        [sys.executable, "-m", "exporter", "run", "--config", str(tmp_path / "exporter.yaml")],
        cwd=ROOT,
        env=environment(EXPORTER_WEB__LISTEN_ADDRESS="127.0.0.1:0"),
        stderr=subprocess.PIPE,
        text=True,
    )
    eventually(lambda: heeds(process, number), "its handlers are set")
    time.sleep(after)
    process.send_signal(number)
    _, said = process.communicate(timeout=PATIENCE)

    assert (process.returncode, "Traceback" in said) == (0, False)


@pytest.mark.parametrize("after", [0.0, 0.4])
def test_a_hang_up_while_it_starts_does_not_end_a_daemon(after: float, tmp_path: Path) -> None:
    (tmp_path / "exporter.yaml").write_text(ONE_JOB)
    process = subprocess.Popen(
        [sys.executable, "-m", "exporter", "run", "--config", str(tmp_path / "exporter.yaml")],
        cwd=ROOT,
        env=environment(EXPORTER_WEB__LISTEN_ADDRESS="127.0.0.1:0"),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    eventually(lambda: heeds(process, signal.SIGHUP), "its handlers are set")
    time.sleep(after)
    process.send_signal(signal.SIGHUP)
    started = next(line for line in process.stderr if "started" in line)
    process.send_signal(signal.SIGHUP)
    reloaded = next(line for line in process.stderr if "configuration reloaded" in line)
    process.terminate()
    process.communicate(timeout=PATIENCE)

    assert (bool(started), bool(reloaded), process.returncode) == (True, True, 0)


def test_an_interrupted_poll_is_a_failed_command_without_a_traceback(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / "exporter.yaml").write_text(ONE_JOB.replace("http://127.0.0.1:9", address))
        command = ("-m", "exporter", "poll", "dli", "orders", "--config", str(tmp_path / "exporter.yaml"))
        process = Forked(*command, env=environment(), stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        with silent.accept()[0] as call:
            call.recv(100)
            process.send_signal(signal.SIGINT)
            _, said = process.communicate(timeout=PATIENCE)

    assert (process.returncode, said) == (1, "")


@pytest.mark.parametrize("after", [0.0, 0.05, 0.2])
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGHUP])
def test_a_second_signal_while_it_stops_changes_nothing(number: int, after: float, tmp_path: Path) -> None:
    (tmp_path / "exporter.yaml").write_text(ONE_JOB)
    with serving("run", "--config", str(tmp_path / "exporter.yaml")) as (process, _):
        process.send_signal(signal.SIGTERM)
        time.sleep(after)
        process.send_signal(number)
        _, said = process.communicate(timeout=PATIENCE)

        assert (process.returncode, "Traceback" in said) == (0, False)


def test_signals_are_handled_before_anything_is_imported_that_takes_time() -> None:
    loaded = "import sys; before = set(sys.modules); import exporter.__main__; print(*set(sys.modules) - before)"
    said = subprocess.run([sys.executable, "-c", loaded], cwd=ROOT, capture_output=True, text=True, check=True)

    assert set(said.stdout.split()) <= {"exporter", "exporter.__main__", "_signal", "os", "sys", "types"}
