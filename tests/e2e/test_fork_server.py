"""A process that the fork server starts is one like any other: what it does is what a real start does."""

import signal
import subprocess
import sys
from pathlib import Path
from subprocess import PIPE

import pytest

from tests.e2e.processes import PATIENCE, ROOT, environment, ran
from tests.fork_server import Forked

FACTS = """
import os, signal, sys, threading
print(sys.argv, os.getcwd(), sorted(os.environ.items()), __name__)
print([signal.getsignal(each) for each in signal.valid_signals()], signal.pthread_sigmask(signal.SIG_BLOCK, []))
print(sorted(os.listdir("/proc/self/fd")), [each.name for each in threading.enumerate()], sys.stdin.read())
print([(each.fileno(), each.encoding, each.errors, each.write_through) for each in (sys.stdin, sys.stdout, sys.stderr)])
print("said", file=sys.stderr)
sys.exit(3)
"""


def started(*arguments: str, folder: Path = ROOT) -> tuple[int, str, str]:
    """Start an interpreter and return its exit code, output and errors."""
    done = subprocess.run(
        [sys.executable, *arguments],
        cwd=folder, env=environment(GIVEN="x"), input="", capture_output=True, text=True, timeout=PATIENCE, check=False,
    )  # fmt: skip
    return done.returncode, done.stdout, done.stderr


def forked(*arguments: str, folder: Path = ROOT) -> tuple[int, str, str]:
    """Do the same with a process of the server."""
    process = Forked(*arguments, cwd=folder, env=environment(GIVEN="x"), stdin=PIPE, stdout=PIPE, stderr=PIPE)
    assert process.stdin is not None
    process.stdin.close()
    done = ran(process)
    return done.returncode, done.stdout, done.stderr


@pytest.mark.parametrize("arguments", [("-c", FACTS, "one", "two words"), ("-m", "exporter", "--version")])
def test_it_says_and_ends_as_one_that_was_started(arguments: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path if arguments[0] == "-c" else ROOT

    assert forked(*arguments, folder=folder) == started(*arguments, folder=folder)


def test_it_ends_by_a_signal_and_tells_which() -> None:
    process = Forked("-c", "import time; print('here'); time.sleep(60)", env=environment(), stdout=PIPE)
    assert process.stdout is not None
    assert process.stdout.readline() == "here\n"
    assert process.poll() is None
    with pytest.raises(subprocess.TimeoutExpired):
        process.wait(0.01)
    process.send_signal(signal.SIGKILL)

    assert (process.wait(PATIENCE), process.poll(), process.communicate()) == (-9, -9, ("", ""))


def test_a_variable_that_a_library_reads_when_it_is_imported_is_refused() -> None:
    with pytest.raises(AssertionError, match="SSL_CERT_FILE"):
        Forked("-m", "exporter", env=environment(SSL_CERT_FILE="/nowhere"))
