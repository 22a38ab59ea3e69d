"""Starts the program as a process of its own, without the most of a second of CPU that importing it takes.

A server that has imported it forks each process. Such a process is one like any other: it has its own working
directory, environment, arguments, streams, signals and exit code, and runs what ``python -m`` or ``python -c`` would.
What depends on how an interpreter starts wants a real start: a signal in the first moments, or a variable that is read
before the first line of ours.
"""

import atexit
import gc
import json
import os
import runpy
import socket
import struct
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from functools import cache
from pathlib import Path
from typing import IO, Any

ROOT = Path(__file__).parents[1]
EARLY = ("PYTHON", "LD_", "LC_", "LANG", "MALLOC_", "SSL_", "OPENSSL_", "AIOHTTP_")
"""How variables begin that are read when an interpreter starts or a library is imported."""
ORDER = 1 << 18
"""Bytes that an order has at most."""
NUMBER = struct.Struct("i")


class Forked(subprocess.Popen[str]):
    """A process that the server forked; *arguments* are those of a Python interpreter, from ``-m`` or ``-c`` on."""

    def __init__(
        self,
        *arguments: str,
        env: Mapping[str, str],
        cwd: Path = ROOT,
        stdin: int | None = None,
        stdout: int | IO[str] | None = None,
        stderr: int | IO[str] | None = None,
    ) -> None:
        server = _server()
        early = {name for name in env if name.startswith(EARLY) and server.environ.get(name) != env[name]}
        assert early <= {"PYTHONPATH"}, f"read before the fork: {early}"
        self.args = arguments
        self.returncode: int | None = None
        self._status, status = socket.socketpair()
        with status, ExitStack() as theirs:
            self.stdin, first = _stream(stdin, 0, theirs)
            self.stdout, second = _stream(stdout, 1, theirs)
            self.stderr, third = _stream(stderr, 2, theirs)
            order = {"arguments": arguments, "cwd": str(cwd), "env": dict(env)}
            server.order(order, [first, second, third, status.fileno()])
        self.pid = self._number()
        self._said = ["", ""]

    def _number(self) -> int:
        (number,) = NUMBER.unpack(self._status.recv(NUMBER.size))
        return int(number)

    def poll(self) -> int | None:
        """Return the exit code, or None while it runs."""
        try:
            return self.wait(0)
        except subprocess.TimeoutExpired:
            return None

    def wait(self, timeout: float | None = None) -> int:
        """Return the exit code once it ended."""
        if self.returncode is None:
            self._status.settimeout(timeout)
            try:
                self.returncode = self._number()
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._status.close()
        return self.returncode

    def communicate(self, input: str | None = None, timeout: float | None = None) -> tuple[str, str]:  # noqa: A002
        """Return what it wrote to its output and its errors, once it ended."""
        assert input is None
        streams = [(number, each) for number, each in enumerate((self.stdout, self.stderr)) if each and not each.closed]
        readers = [threading.Thread(target=self._read, args=each, daemon=True) for each in streams]
        for reader in readers:
            reader.start()
        self.wait(timeout)
        for reader in readers:
            reader.join()
        return self._said[0], self._said[1]

    def _read(self, number: int, stream: IO[str]) -> None:
        with stream:
            self._said[number] = stream.read()


def _stream(wanted: int | IO[str] | None, number: int, theirs: ExitStack) -> tuple[IO[str] | None, int]:
    """Return our end of a stream, if it is a pipe, and their end, which is closed with *theirs*."""
    if wanted is None:
        return None, number
    if not isinstance(wanted, int):
        return None, wanted.fileno()
    assert wanted == subprocess.PIPE
    read, write = os.pipe()
    ours, end = (write, read) if number == 0 else (read, write)
    theirs.callback(os.close, end)
    return os.fdopen(ours, "w" if number == 0 else "r"), end


class _Server:
    """A process that has imported the program."""

    def __init__(self) -> None:
        early = {name: value for name, value in os.environ.items() if name.startswith(EARLY)}
        self.environ = {**early, "PYTHONUNBUFFERED": "1", "PYTHONPATH": str(ROOT)}
        self._orders, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._orders.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ORDER)
        with theirs:
            command = [sys.executable, "-m", "tests.fork_server"]
            self._process = subprocess.Popen(command, cwd=ROOT, env=self.environ, stdin=theirs.fileno())
        atexit.register(self._end)

    def order(self, order: Mapping[str, Any], files: Sequence[int]) -> None:
        """Have it start a process."""
        socket.send_fds(self._orders, [json.dumps(order).encode()], files)

    def _end(self) -> None:
        self._orders.close()
        self._process.wait()


@cache
def _server() -> _Server:
    return _Server()


def main() -> None:
    """Fork a process for each order until nobody can order any more; returns in that process once it is done."""
    import exporter.cli
    import exporter.simulator.population
    import exporter.simulator.server  # noqa: F401 - that is all that it is for

    gc.collect()
    gc.freeze()  # a collection in each process would copy all that it could share with the others
    orders = socket.socket(fileno=os.dup(0))
    while True:
        said, files, _, _ = socket.recv_fds(orders, ORDER, 4)
        if not said:
            return
        if os.fork() == 0:
            orders.close()
            _fork(json.loads(said), *files)
            return
        for file in files:
            os.close(file)
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass


def _fork(order: dict[str, Any], stdin: int, stdout: int, stderr: int, status: int) -> None:
    """Fork the process, and tell its number, and later its exit code; returns in that process once it is done."""
    number = os.fork()
    if number:
        for file in (0, 1, 2, stdin, stdout, stderr):
            os.close(file)
        os.write(status, NUMBER.pack(number))
        os.write(status, NUMBER.pack(os.waitstatus_to_exitcode(os.waitpid(number, 0)[1])))
        os._exit(0)
    os.close(status)
    for standard, file in enumerate((stdin, stdout, stderr)):
        os.dup2(file, standard)
        os.close(file)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    how, what, *arguments = order["arguments"]
    sys.argv = [how, *arguments]
    if how == "-m":
        runpy.run_module(what, run_name="__main__", alter_sys=True)
    else:
        exec(compile(what, "<string>", "exec"), {"__name__": "__main__"})


if __name__ == "__main__":
    main()
