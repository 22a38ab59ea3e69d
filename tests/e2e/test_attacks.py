"""What strangers may try at the web side of the real command, with 5,000 jobs: scrapes and polls go on as before.

Every test attacks the same daemon, while it polls a cloud and is scraped by new connections. The bounds are promises
of the product. A scrape takes less than a second of the daemon's work, and less than a second of time without that in
which a thread of the daemon or of the scraper could run and another process had the processor.
"""

import base64
import http.client
import json
import os
import re
import resource
import socket
import ssl
import subprocess
import sys
import threading
import time
import zlib
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import bcrypt
import pytest

from exporter.cli.demo import settings_for
from tests.e2e.processes import PATIENCE, ROOT, environment, eventually
from tests.web.certificates import make

JOBS = 5000
GROWTH = 32 * 1024
"""KiB by which an attack may make the process grow."""
LEFT = 16 * 1024
"""KiB that may be left of that once it is over: what the process took for good while it grew."""
HOLD = 1.5
"""Seconds that an attack lasts once it is complete."""
LIMIT = 256
BODY = zlib.compress(b"\0" * 64 * 1024 * 1024)
"""A bomb: 64 MiB in 64 KiB."""


@dataclass
class Daemon:
    """The real command, which polls a simulated cloud."""

    process: subprocess.Popen[str]
    log: Path
    port: int
    tls: ssl.SSLContext | None = None
    headers: dict[str, str] = field(default_factory=dict)
    waits: dict[str, float] = field(default_factory=dict)
    """How long each of its threads waited for a processor, in seconds."""

    def rss(self) -> int:
        """Return the resident memory in KiB."""
        text = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.findall(r"VmRSS:\s*(\d+)", text)[0])

    def clocks(self) -> tuple[float, float]:
        """Return the processor time that it took until now, and the time now without waits for a processor, in s."""
        text = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        worked = (int(text[11]) + int(text[12])) / os.sysconf("SC_CLK_TCK")
        for thread in Path(f"/proc/{self.process.pid}/task").iterdir():
            with suppress(FileNotFoundError, ProcessLookupError):  # a thread that ended
                self.waits[thread.name] = int((thread / "schedstat").read_text().split()[1]) / 1e9
        waited = sum(self.waits.values()) + int(Path("/proc/thread-self/schedstat").read_text().split()[1]) / 1e9
        return worked, time.monotonic() - waited

    def lines(self) -> list[str]:
        """Return what it logged."""
        return self.log.read_text().splitlines()

    def connect(self, source: str = "127.0.0.1") -> socket.socket:
        """Return a connection."""
        plain = socket.create_connection(("127.0.0.1", self.port), timeout=20, source_address=(source, 0))
        return plain if self.tls is None else self.tls.wrap_socket(plain, server_hostname="127.0.0.1")

    def get(self, path: str, source: str = "127.0.0.1", **headers: str) -> tuple[int, bytes]:
        """Return status and body of a GET by a connection of its own."""
        client = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        with self.connect(source) as client.sock:
            client.request("GET", path, headers={**self.headers, **headers})
            with client.getresponse() as answer:
                return answer.status, answer.read()

    def metric(self, name: str) -> dict[str, float]:
        """Return the samples of a name, by their labels."""
        text = self.get(f"/metrics?name[]={name}")[1].decode()
        return {
            labels: float(value) for labels, value in re.findall(rf"^{name}(?:{{(.*)}})? (\S+)$", text, re.MULTILINE)
        }

    def polled(self) -> float:
        """Return how long ago a job was last polled; those that the cloud has are asked every few seconds."""
        return time.time() - max(self.metric("huaweicloud_job_last_poll_timestamp_seconds").values(), default=0)


class Scraper(threading.Thread):
    """Scrapes four times a second, each time by a new connection, and keeps how long each took by both clocks."""

    def __init__(self, daemon: Daemon, source: str = "127.0.0.1", gap: float = 0.25) -> None:
        super().__init__()
        self._daemon, self._source, self._gap = daemon, source, gap
        self.took: list[float] = []
        self.failed: list[str] = []
        self._over = threading.Event()

    def run(self) -> None:
        while not self._over.is_set():
            began = self._daemon.clocks()
            try:
                status, _ = self._daemon.get("/metrics", self._source, **{"Accept-Encoding": "gzip"})
                self.failed += [] if status == 200 else [str(status)]
            except OSError as error:
                self.failed.append(repr(error))
            self.took += [after - before for before, after in zip(began, self._daemon.clocks(), strict=True)]
            self._over.wait(self._gap)

    def end(self) -> None:
        self._over.set()
        self.join(60)


@contextmanager
def running(folder: Path, jobs: int = 50, files: int | None = None, **web: Any) -> Iterator[Daemon]:
    """Run the command with a cloud and so many more jobs that it never gets to ask."""
    command = [sys.executable, "-m", "exporter.simulator", "--until-eof"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as simulator:
        assert simulator.stdout is not None
        cloud = json.loads(simulator.stdout.readline())
        settings = settings_for(cloud)
        settings["jobs"] = [job for job in cloud["jobs"] if job["service"] != "dws"]
        settings["web"] = {"listen_address": "127.0.0.1:0", "enable_lifecycle": "true", **web}
        settings["log"] = {"format": "json"}
        settings["job_files"] = ["many.jsonl"]
        lines = [json.dumps({"service": "dws", "job_id": f"{n:032x}", "name": f"many-{n}"}) for n in range(jobs)]
        (folder / "many.jsonl").write_text("\n".join(lines))
        (folder / "exporter.yaml").write_text(json.dumps(settings))

        def few() -> None:
            if files is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files, files))

        with (folder / "log").open("w") as log:
            process = subprocess.Popen(
                [sys.executable, "-m", "exporter", "run", "--config", str(folder / "exporter.yaml")],
                cwd=ROOT, env=environment(), stdout=log, stderr=log, text=True, preexec_fn=few,
            )  # fmt: skip
        try:
            pattern = r'"address": "https?://[^"]*:(\d+)"'
            found = eventually(lambda: re.search(pattern, (folder / "log").read_text()), "it serves")
            yield Daemon(process, folder / "log", int(found[1]))
            assert process.poll() is None, "it lives"
        finally:
            process.terminate()
            process.wait(PATIENCE)
            simulator.terminate()


def warmed(daemon: Daemon) -> Daemon:
    """Have all that is loaded at first use loaded."""
    eventually(lambda: daemon.polled() < 20, "jobs are polled")
    for path in ("/", "/api/v1/jobs", "/metrics", "/"):
        assert daemon.get(path)[0] == 200
        assert daemon.get(path, **{"Accept-Encoding": "gzip"})[0] == 200
    return daemon


@pytest.fixture(scope="module", autouse=True)
def _many_files() -> None:
    """Let this process have as many connections as it opens."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(most, 8192), most))


@pytest.fixture(scope="module")
def daemon(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Daemon]:
    """Run one for all tests."""
    with running(tmp_path_factory.mktemp("daemon"), JOBS) as found:
        yield warmed(found)


@contextmanager
def unharmed(daemon: Daemon, source: str = "127.0.0.1", growth: int = GROWTH) -> Iterator[None]:
    """Attack in the body; afterwards see that scrapes and polls went on, in bounded memory and few lines of log."""
    rss, lines, most = daemon.rss(), len(daemon.lines()), 0
    scraper = Scraper(daemon, source)
    scraper.start()
    try:
        yield
        most = daemon.rss()
        late = daemon.polled()
    finally:
        scraper.end()
    assert scraper.failed == []
    assert max(scraper.took) < 1.0, scraper.took
    assert late < 8
    assert most - rss < growth, f"grew from {rss} KiB by {most - rss}"
    assert len(daemon.lines()) - lines < 10, daemon.lines()[lines:]
    over(daemon, rss)


def over(daemon: Daemon, rss: int) -> None:
    """See that nothing is left of an attack, before which the process had *rss* KiB."""
    eventually(lambda: daemon.metric("huaweicloud_job_exporter_web_connections")[""] < 5, "all is closed", 40)
    eventually(lambda: daemon.rss() - rss < LEFT, "memory was given back", 40)


def timed(daemon: Daemon) -> float:
    """Return how long a scrape takes by the clock that says more."""
    began = daemon.clocks()
    assert daemon.get("/metrics", **{"Accept-Encoding": "gzip"})[0] == 200
    return max(after - before for before, after in zip(began, daemon.clocks(), strict=True))


@contextmanager
def opened(daemon: Daemon, count: int, said: bytes = b"", spread: bool = False) -> Iterator[list[socket.socket]]:
    """Hold so many connections, each of which says a little, and wait a while."""
    with ExitStack() as held:
        found = []
        for number in range(count):
            with suppress(OSError):  # closed on us while it was opened
                client = daemon.connect(f"127.0.{number // 200 + 1}.{number % 200 + 1}" if spread else "127.0.0.1")
                found.append(held.enter_context(client))
                client.sendall(said)
        time.sleep(HOLD)
        yield found


def answer(client: socket.socket, said: bytes) -> bytes:
    """Return all that comes until the connection is closed."""
    got = b""
    with suppress(OSError):
        client.sendall(said)
    with suppress(OSError):
        while part := client.recv(1 << 16):
            got += part
    return got


def answers(daemon: Daemon, *said: bytes) -> list[bytes]:
    """Return what comes to each text that is sent, by connections that are open at once."""
    with ThreadPoolExecutor(len(said)) as threads, ExitStack() as held:
        clients = [held.enter_context(daemon.connect()) for _ in said]
        return list(threads.map(answer, clients, said))


def closed(client: socket.socket) -> bool:
    """Whether the other side closed a connection."""
    client.setblocking(False)
    try:
        while client.recv(1 << 16):
            pass
        return True
    except BlockingIOError:
        return False
    except OSError:
        return True


@pytest.mark.parametrize(("count", "spread"), [(1100, False), (2000, True)], ids=["one address", "many addresses"])
def test_silent_connections_shut_nobody_out(daemon: Daemon, count: int, spread: bool) -> None:
    before = daemon.metric("huaweicloud_job_exporter_web_connections_closed_total")['reason="limit"']
    with unharmed(daemon), opened(daemon, count, spread=spread) as clients:
        eventually(lambda: sum(not closed(client) for client in clients) <= LIMIT, "the others are closed")
        assert daemon.metric("huaweicloud_job_exporter_web_connections")[""] <= LIMIT
    after = daemon.metric("huaweicloud_job_exporter_web_connections_closed_total")['reason="limit"']
    assert after - before >= count - LIMIT
    told = [line for line in daemon.lines() if "too many connections" in line]
    assert 1 <= len(told) <= 2, "one line a minute"


@pytest.mark.long
def test_the_head_of_a_request_is_not_awaited_for_ever(daemon: Daemon) -> None:
    name = "huaweicloud_job_exporter_web_connections_closed_total"
    before = daemon.metric(name)['reason="slow_request"']
    with unharmed(daemon), opened(daemon, 100, b"GET /metrics HTTP/1.1\r\nHost: x\r\nX: ") as clients:
        until = time.monotonic() + 20
        while not all(closed(client) for client in clients):
            assert time.monotonic() < until
            for client in clients:
                client.setblocking(True)
                with suppress(OSError):
                    client.sendall(b"y")
            time.sleep(1)
    assert daemon.metric(name)['reason="slow_request"'] - before == 100


@pytest.mark.parametrize("path", ["/api/v1/jobs", "/", "/metrics"])
def test_slow_readers_cost_little(daemon: Daemon, path: str) -> None:
    said = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n".encode()
    with unharmed(daemon), opened(daemon, 40, said) as clients:
        time.sleep(HOLD)
        assert all(client.recv(100).startswith(b"HTTP/1.1 200") for client in clients)


def test_readers_that_fill_every_place_are_closed_for_a_scraper(daemon: Daemon) -> None:
    said = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    rss = daemon.rss()
    with opened(daemon, 2 * LIMIT, said):
        assert max(timed(daemon) for _ in range(10)) < 1.0
        assert daemon.polled() < 8
        assert daemon.rss() - rss < GROWTH
    over(daemon, rss)


def test_requests_in_one_go_are_answered_no_faster_than_they_are_read(daemon: Daemon) -> None:
    said = b"GET /metrics HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with unharmed(daemon), ExitStack() as held:
        clients = [held.enter_context(daemon.connect()) for _ in range(40)]
        for client in clients:
            client.settimeout(0.2)
            with suppress(OSError):
                client.sendall(said * 20_000)
        time.sleep(HOLD)
    last = said.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")
    with daemon.connect() as few:
        assert answer(few, said * 2 + last).count(b"HTTP/1.1 200") == 3


SMUGGLED = b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n"


BODIES = (
    (b"Content-Length: 5\r\nTransfer-Encoding: chunked", b"400"),
    (b"Transfer-Encoding: chunked\r\nContent-Length: 5", b"400"),
    (b"Content-Length: 0\r\nContent-Length: 44", b"400"),
    (b"Transfer-Encoding: xchunked", b"400"),
    (b"Transfer-Encoding : chunked", b"400"),
    (b"Content-Length: +5", b"400"),
    (b"Content-Length: 3", b"404"),
    (b"Transfer-Encoding: chunked", b"404"),
)


def test_what_stands_in_a_body_is_no_request(daemon: Daemon) -> None:
    start = b"POST /none HTTP/1.1\r\nHost: 127.0.0.1\r\n"
    got = answers(daemon, *(start + head + b"\r\n\r\n0\r\n\r\n" + SMUGGLED for head, _ in BODIES))

    assert [each.split(b" ")[1] for each in got] == [status for _, status in BODIES]
    assert [each.count(b"HTTP/1.") for each in got] == [1] * len(BODIES)


UNREADABLE = (
    (b"nonsense\r\n\r\n", b"400"),
    (b"GET / HTTP/9.9\r\n\r\n", b"400"),
    (b"GET / HTTP/2.0\r\nHost: x\r\n\r\n", b"505"),
    (b"GET /\r\n\r\n", b"505"),
    (b"\x16\x03\x01\x02\0\x01\0\x01\xfc\x03\x03\r\n\r\n", b"400"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n", b"400"),
    (b"GET / HTTP/1.1\r\nno colon\r\n\r\n", b"400"),
    (b"GET / HTTP/1.1\r\nX: \0\r\n\r\n", b"400"),
    (b"GET /" + b"x" * 10_000 + b" HTTP/1.1\r\nHost: x\r\n\r\n", b"431"),
    (b"GET / HTTP/1.1\r\nHost: x\r\nX: " + b"x" * 10_000 + b"\r\n\r\n", b"431"),
    (b"GET / HTTP/1.1\r\nHost: x\r\n" + b"X: y\r\n" * 1000 + b"\r\n", b"431"),
    (b"GET / HTTP/1.1\r\nHost: x\r\n" + (b"X: " + b"x" * 4000 + b"\r\n") * 50, b"431"),
)


def test_what_cannot_be_read_is_refused_in_our_words(daemon: Daemon) -> None:
    for got, (said, status) in zip(answers(daemon, *(said for said, _ in UNREADABLE)), UNREADABLE, strict=True):
        head, _, body = got.partition(b"\r\n\r\n")
        assert head.split(b" ")[1] == status, (said[:100], head)
        for name in (b"X-Content-Type-Options: nosniff", b"Content-Security-Policy: default-src 'none'"):
            assert name in head
        assert status == b"505" or b"Connection: close" in head, "the connection ends either way"
        assert re.search(rb"(?i)server:|aiohttp|python|traceback|exception", got) is None
        assert 0 < len(body) < 100
    assert not [line for line in daemon.lines() if "Error handling" in line]


def test_bodies_are_neither_unpacked_nor_awaited(daemon: Daemon) -> None:
    bomb = (
        b"POST /none HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Encoding: deflate\r\n"
        b"Content-Length: " + str(len(BODY)).encode() + b"\r\n\r\n" + BODY
    )
    endless = b"POST /none HTTP/1.1\r\nHost: 127.0.0.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    chunk = b"8000\r\n" + b"x" * 0x8000 + b"\r\n"
    with unharmed(daemon), ExitStack() as held:
        for _ in range(10):
            with daemon.connect() as client:
                assert answer(client, bomb).startswith(b"HTTP/1.1 404")
        clients = [held.enter_context(daemon.connect()) for _ in range(20)]
        until = time.monotonic() + 10
        for client in clients:
            client.sendall(endless)
        while clients and time.monotonic() < until:
            for client in clients[:]:
                try:
                    client.sendall(chunk)
                except OSError:
                    clients.remove(client)
        assert clients == [], "each is closed soon after its answer"


def test_heads_that_never_end_are_refused_and_cost_little(daemon: Daemon) -> None:
    line = b"X: " + b"x" * 4000 + b"\r\n"
    with unharmed(daemon), opened(daemon, 200, b"GET / HTTP/1.1\r\nHost: x\r\n" + line * 10) as clients:
        for client in clients:
            with suppress(OSError):
                client.sendall(line * 10)
        time.sleep(HOLD)
        assert all(closed(client) for client in clients)


def test_wrong_passwords_delay_no_scrape(tmp_path: Path) -> None:
    hashed = bcrypt.hashpw(b"right", bcrypt.gensalt(12)).decode()
    web = tmp_path / "web.yml"
    web.write_text(f"basic_auth_users: {{prometheus: '{hashed}'}}")
    began = time.thread_time()
    bcrypt.checkpw(b"wrong", hashed.encode())
    check = time.thread_time() - began

    def login(password: str) -> dict[str, str]:
        return {"Authorization": "Basic " + base64.b64encode(f"prometheus:{password}".encode()).decode()}

    with running(tmp_path, config_file=str(web)) as daemon:
        daemon.headers = login("right")
        found: Counter[int] = Counter()
        over = threading.Event()

        def guess(number: int) -> None:
            while not over.is_set():
                with suppress(OSError):
                    found[daemon.get("/metrics", "127.0.0.9", **login(f"wrong {number} {time.monotonic()}"))[0]] += 1

        guessing = [threading.Thread(target=guess, args=(number,)) for number in range(20)]
        for each in guessing:
            each.start()
        try:
            eventually(lambda: found.total() > 200, "200 wrong passwords")
            first = timed(daemon)
            later = max(timed(daemon) for _ in range(10))
        finally:
            over.set()
            for each in guessing:
                each.join()

    assert set(found) <= {401, 503}
    assert first < max(1.0, 5 * check), "its own check alone"
    assert later < max(1.0, 2 * check)


def test_where_files_are_few_polls_have_theirs(tmp_path: Path) -> None:
    with running(tmp_path, files=240) as daemon:
        warmed(daemon)
        told = [json.loads(line) for line in daemon.lines() if "fewer connections allowed" in line]
        assert [each["connections_allowed"] for each in told] == [240 - 64 - 4 * 32]
        # From an address of its own: until it asks, one more connection of the attackers' address is one of theirs, and
        # where only 48 are kept it may be closed before this process gets to send its request.
        with unharmed(daemon, source="127.0.8.1"), opened(daemon, 1100):
            pass
        assert not [line for line in daemon.lines() if "cannot be accepted" in line]


def test_out_of_files_is_a_line_a_minute_and_no_busy_loop(tmp_path: Path) -> None:
    with running(tmp_path) as daemon:
        warmed(daemon)
        used = len(list(Path(f"/proc/{daemon.process.pid}/fd").iterdir()))
        resource.prlimit(daemon.process.pid, resource.RLIMIT_NOFILE, (used + 40, used + 40))
        lines = len(daemon.lines())
        with opened(daemon, 1100):
            assert daemon.get("/-/healthy")[0] == 200
        told = [line for line in daemon.lines()[lines:] if "cannot be accepted" in line]
        assert 1 <= len(told) <= 2
        assert "Too many open files" in told[0]
        assert len(daemon.lines()) - lines < 10
        eventually(lambda: daemon.polled() < 10, "polls go on")


@pytest.mark.long
def test_silent_tls_connections_cost_little_too(tmp_path: Path) -> None:
    files = make(tmp_path)
    web = files.write("tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    with running(tmp_path, config_file=str(web)) as daemon:
        daemon.tls = files.trusting()
        warmed(daemon)
        with unharmed(daemon), opened(daemon, 300):
            pass
