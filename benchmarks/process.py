"""Child processes and what they cost: CPU seconds, memory, and one way to fetch a body."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

REPOSITORY = Path(__file__).resolve().parent.parent
MIB = 1024 * 1024


class Fetched(NamedTuple):
    """One answer to a scrape."""

    size: int
    """Bytes of the body as sent."""
    seconds: float
    body: bytes
    """Empty unless it was asked for."""


def free_port() -> int:
    """Return a port of loopback that nothing listens on now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def wait_for_port(port: int, seconds: float = 60.0) -> None:
    """Return once something accepts connections there."""
    end = time.monotonic() + seconds
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            if time.monotonic() > end:
                raise
            time.sleep(0.002)
        else:
            return


def cpu(pid: int) -> float:
    """Return the CPU seconds that a process, all its threads, has used, to the nanosecond."""
    return time.clock_gettime((~pid << 3) | 2)


def memory(pid: int, what: str = "VmRSS") -> int:
    """Return the bytes that a process holds now, or with ``VmHWM`` held at most."""
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith(what + ":"):
            return int(line.split()[1]) * 1024
    raise ValueError(f"{what} of {pid} is not known")


def fetch(port: int, *, gzip: bool = False, path: str = "/metrics", keep: bool = False) -> Fetched:
    """Scrape once and return how much came; the body is thrown away unless it is to be kept."""
    began = time.perf_counter()
    encoding = "gzip" if gzip else "identity"
    chunks: list[bytes] = []
    with socket.create_connection(("127.0.0.1", port), timeout=300) as connection:
        connection.sendall(
            f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\nAccept: text/plain;version=0.0.4\r\n"
            f"Accept-Encoding: {encoding}\r\nConnection: close\r\n\r\n".encode()
        )
        size, head = 0, b""
        while chunk := connection.recv(1 << 20):
            if b"\r\n\r\n" not in head:
                head += chunk
            size += len(chunk)
            if keep:
                chunks.append(chunk)
    header = head.partition(b"\r\n\r\n")[0]
    if b" 200 " not in header.split(b"\r\n")[0]:
        raise RuntimeError(f"the scrape was answered with {header[:100]!r}")
    body = b"".join(chunks).partition(b"\r\n\r\n")[2]
    if b"chunked" in header.lower():
        body = _unchunked(body)
    return Fetched(size - len(header) - 4, time.perf_counter() - began, body)


def _unchunked(body: bytes) -> bytes:
    parts: list[bytes] = []
    at = 0
    while True:
        end = body.find(b"\r\n", at)
        length = int(body[at:end] or b"0", 16) if end >= 0 else 0
        if not length:
            return b"".join(parts)
        parts.append(body[end + 2 : end + 2 + length])
        at = end + 2 + length + 2


class Child:
    """A process that is told what to do in lines of JSON and answers each with one."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self._process = process
        self.pid = process.pid
        self.hello = self._read()
        """What it said when it was ready."""

    @property
    def port(self) -> int:
        """Where it serves."""
        return int(self.hello["port"])

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        """Make it do something and return its answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"do": command, **arguments}) + "\n")
        self._process.stdin.flush()
        return self._read()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} ended with {self._process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        return answer


@contextmanager
def child(arguments: Sequence[str], *, python: str = sys.executable) -> Iterator[Child]:
    """Run a module of ours, or with an empty *python* a program, that speaks as :class:`Child` wants."""
    command = [python, "-m", *arguments] if python else list(arguments)
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, cwd=REPOSITORY) as process:
        try:
            yield Child(process)
        finally:
            process.kill()
