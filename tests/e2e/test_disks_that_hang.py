"""What is no regular file is refused by name, and a disk that never answers stops neither the web side nor SIGTERM."""

import os
import re
import signal
import socket
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.e2e.processes import ONE_JOB, PATIENCE, environment, eventually, exporter, fetch, serving
from tests.fork_server import Forked

CONFIG = (
    re.sub("(credentials: ).*", r"\1{token_file: token}", ONE_JOB)
    + """\
journal: journal.json
job_files: [jobs.yaml]
"""
)
FILES = ("exporter.yaml", "token", "journal.json", "journal.json.new", "journal.json.lock", "jobs.yaml")
STOPS_WITHIN = 15.0
"""Seconds: the five that are promised, and what a busy machine takes."""
HANGING = """\
import builtins, contextlib, ctypes, os, signal, sys
flag = sys.argv.pop(1)
def sleep():  # as in the kernel: no signal ends it
    with contextlib.suppress(FileExistsError):
        os.mkdir(os.path.dirname(flag) + "/reached")
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
    ctypes.CDLL(None).sleep(3600)
def hangs(call):
    def instead(path, *rest, **more):
        if flag in str(path) or (isinstance(path, int) and flag in os.readlink(f"/proc/self/fd/{path}")):
            while os.access(os.path.dirname(flag) + "/hang", os.F_OK):
                sleep()
        return call(path, *rest, **more)
    return instead
os.open, os.stat, os.fsync, builtins.open = map(hangs, (os.open, os.stat, os.fsync, builtins.open))
from exporter.__main__ import main
sys.exit(main())
"""


def pipe(path: Path) -> None:
    """Put a named pipe there."""
    os.mkfifo(path)


def folder(path: Path) -> None:
    """Put a directory there."""
    path.mkdir()


def listening(path: Path) -> None:
    """Put a socket there."""
    with socket.socket(socket.AF_UNIX) as bound:
        bound.bind(str(path))


def device(path: Path) -> None:
    """Put a link to a device there that never ends."""
    path.symlink_to("/dev/zero")


@pytest.fixture
def place(tmp_path: Path) -> Path:
    """Return a folder with a configuration and what it names."""
    (tmp_path / "exporter.yaml").write_text(CONFIG)
    (tmp_path / "token").write_text("t")
    (tmp_path / "jobs.yaml").write_text("- {service: dli, job_id: j2, name: more}\n")
    return tmp_path


def ends(process: Forked) -> float:
    """Tell a process to stop and return the seconds that it took; it must say that all went well."""
    began = time.monotonic()
    process.send_signal(signal.SIGTERM)
    assert process.wait(timeout=PATIENCE) == 0
    return time.monotonic() - began


OTHERS = (folder, listening, device)
PAIRS = [(name, kind) for number, name in enumerate(FILES) for kind in (pipe, OTHERS[number % len(OTHERS)])]
"""Each file as a pipe, which hangs where the others fail, and as one of the others."""


@pytest.mark.parametrize(("name", "kind"), PAIRS)
def test_a_file_that_becomes_something_else_stops_nothing(name: str, kind: Callable[[Path], None], place: Path) -> None:
    with serving("run", "--config", str(place / "exporter.yaml")) as (process, address):
        path = place / name
        if path.exists():
            path.rename(place / "before")
        kind(path)
        process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 3
        while time.monotonic() < until:
            assert fetch(f"{address}/-/healthy")[0] == 200
            assert fetch(f"{address}/metrics")[0] == 200
            time.sleep(0.1)

        assert ends(process) < STOPS_WITHIN


@pytest.mark.parametrize("name", ["journal.json", "journal.json.lock", "jobs.yaml"])
def test_what_is_a_pipe_from_the_start_delays_neither_start_nor_stop(name: str, place: Path) -> None:
    (place / name).unlink(missing_ok=True)
    pipe(place / name)

    with serving("run", "--config", str(place / "exporter.yaml")) as (process, address):
        assert fetch(f"{address}/-/healthy")[0] == 200
        assert ends(process) < STOPS_WITHIN


@pytest.mark.parametrize(("name", "kind"), [("exporter.yaml", pipe), ("token", pipe), ("token", listening)])
def test_a_configuration_of_pipes_is_refused_by_name(name: str, kind: Callable[[Path], None], place: Path) -> None:
    (place / name).unlink()
    kind(place / name)

    ended = exporter("run", "--config", str(place / "exporter.yaml"))

    assert ended.returncode == 1
    assert "exporter.yaml" in ended.stderr
    assert re.search(r"this is a (named pipe|socket); name a regular file", ended.stderr)


@contextmanager
def hanging(place: Path, name: str) -> Iterator[Forked]:
    """Run the exporter where every call to the file *name* hangs once there is a file ``hang``."""
    command = ("-c", HANGING, str(place / name), "run", "--config", str(place / "exporter.yaml"))
    env = environment(EXPORTER_WEB__LISTEN_ADDRESS="127.0.0.1:0", EXPORTER_LOG__FORMAT="json")
    process = Forked(*command, env=env, stderr=PIPE)
    try:
        yield process
    finally:
        process.kill()
        process.communicate()


@pytest.mark.parametrize("name", FILES)
def test_a_file_on_a_mount_that_hangs_stops_nothing(name: str, place: Path) -> None:
    with hanging(place, name) as process:
        assert process.stderr is not None
        address = next(found[1] for line in process.stderr if (found := re.search(r'"address": "([^"]+)"', line)))
        (place / "hang").touch()
        process.send_signal(signal.SIGHUP)
        until = time.monotonic() + 3
        while time.monotonic() < until:
            assert fetch(f"{address}/-/healthy")[0] == 200
            assert fetch(f"{address}/metrics")[0] == 200
            time.sleep(0.1)

        assert ends(process) < STOPS_WITHIN


@pytest.mark.parametrize("name", FILES)
def test_a_mount_that_hangs_from_the_start_on_does_not_delay_the_stop(name: str, place: Path) -> None:
    (place / "hang").touch()
    with hanging(place, name) as process:
        eventually((place / "reached").exists, "a call that hangs")

        assert ends(process) < STOPS_WITHIN


def test_other_job_files_are_read_while_one_is_a_pipe(place: Path) -> None:
    (place / "exporter.yaml").write_text(CONFIG.replace("[jobs.yaml]", "[jobs.yaml, other.yaml]"))
    with serving("run", "--config", str(place / "exporter.yaml")) as (_, address):
        pipe(place / "jobs.pipe")
        (place / "jobs.pipe").rename(place / "jobs.yaml")
        (place / "other.yaml").write_text("- {service: dli, job_id: j3, name: other}\n")

        assert eventually(lambda: b'job="other"' in fetch(f"{address}/metrics")[1], "the other file's job")
