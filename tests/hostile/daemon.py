"""The real exporter as a process against a hostile cloud, and what it shows and uses."""

import asyncio
import json
import math
import os
import re
import signal
import sys
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from tests.e2e.processes import PATIENCE, ROOT, environment
from tests.hostile.counted import FILE
from tests.hostile.truth import World

POLL = {"interval": "1s", "idle_interval": "2s", "list_interval": "2s", "timeout": "2s", "stale_after": "12s"}
PLENTY = {"cdm": "200/s", "cdm_list": "100/s", "dli": "200/s", "dws": "200/s"}
PASSWORD = {"password": {"domain": "acme", "user": "exporter", "password": "correct horse"}}
RULES = (
    {"service": "dli", "tags": {}, "name": "{tags.pipeline}"},
    {"service": "cdm", "clusters": "all", "name": "{cluster_name}/{job_name}"},
)
SAMPLE = re.compile(r"^([a-zA-Z_:][a-zA-Z0-9_:]*)(?:\{(.*)\})? (\S+)$")
LABEL = re.compile(r'([a-zA-Z_][a-zA-Z0-9_]*)="((?:[^"\\]|\\.)*)"')
Labels = tuple[tuple[str, str], ...]


class Cloud(Protocol):
    """A cloud, in this process or in another."""

    @property
    def world(self) -> World:
        """What is true in it."""

    @property
    def ports(self) -> dict[str, int]:
        """Where its services listen."""

    def endpoint(self, service: str) -> str:
        """Return the address of a service."""


def configuration(
    clouds: Mapping[str, Cloud],
    *,
    region: str = "",
    poll: Mapping[str, str] | None = None,
    limits: Mapping[str, str] | None = None,
    by_key: bool = False,
    rules: tuple[Mapping[str, Any], ...] = RULES,
    journal: Path | None = None,
) -> str:
    """Return a configuration (JSON is YAML too): each cloud is a project, in a region of its own or in *region*."""
    projects = {
        name: {
            "region": region or f"region-{number}",
            "project_id": cloud.world.project,
            "cloud": "custom",
            "endpoints": {service: cloud.endpoint(service) for service in cloud.ports},
            "time_zone": "Asia/Shanghai",
            "limits": {**PLENTY, **(limits or {})},
            "credentials": key_of(cloud) if by_key else PASSWORD,
        }
        for number, (name, cloud) in enumerate(clouds.items())
    }
    jobs = [
        {"service": "dws", "project": name, "job_id": job.runs[0].ident, "name": job.name}
        for name, cloud in clouds.items()
        for job in cloud.world.of("dws")
        if job.runs
    ]
    whole = {
        "poll": {**POLL, **(poll or {})},
        "web": {"listen_address": "127.0.0.1:0", "enable_lifecycle": True},
        "log": {"format": "json", "level": "info"},
        "projects": projects,
        "discovery": [{**rule, "project": name} for rule in rules for name in clouds],
        "jobs": jobs,
        **({"journal": str(journal)} if journal else {}),
    }
    return json.dumps(whole, indent=1, ensure_ascii=False)


def key_of(cloud: Cloud) -> Mapping[str, Any]:
    """Return the access key of a world as credentials."""
    key, secret = next(iter(cloud.world.keys.items()))
    return {"access_key": {"key_id": key, "secret": secret}}


@dataclass(frozen=True)
class Scrape:
    """What /metrics said at a moment, and how long it took."""

    at: float
    took: float
    status: int
    samples: Mapping[tuple[str, Labels], float]

    def value(self, name: str, **labels: str) -> float | None:
        """Return the value of a sample."""
        return self.samples.get((name, tuple(sorted(labels.items()))))

    def all(self, name: str) -> dict[Labels, float]:
        """Return every sample of a name."""
        return {labels: value for (each, labels), value in self.samples.items() if each == name}


def parsed(text: str) -> dict[tuple[str, Labels], float]:
    """Read the text format; two samples of one series are a mistake."""
    samples: dict[tuple[str, Labels], float] = {}
    for line in text.splitlines():
        if line.startswith("#") or not line:
            continue
        found = SAMPLE.match(line)
        assert found is not None, line
        labels = tuple(sorted((key, _unescaped(value)) for key, value in LABEL.findall(found[2] or "")))
        assert (found[1], labels) not in samples, line
        samples[found[1], labels] = math.nan if found[3] == "NaN" else float(found[3])
    return samples


def _unescaped(text: str) -> str:
    return re.sub(r"\\(.)", lambda found: "\n" if found[1] == "n" else found[1], text)


class Answered(NamedTuple):
    """A request that was made of an exporter."""

    path: str
    seconds: float
    own: float
    """Seconds without those in which the exporter, or who asked it, was ready to run and other processes did."""
    status: int


def waited(*processes: int) -> float:
    """Return the seconds that the first threads of these processes were ready and did not run: the machine's load."""
    try:
        return sum(int(Path(f"/proc/{each}/schedstat").read_text().split()[1]) for each in processes) / 1e9
    except OSError:
        return 0.0  # a kernel that does not tell


@dataclass
class Exporter:
    """A running exporter."""

    process: asyncio.subprocess.Process
    port: int
    log: Path
    began: float
    """Before the process began (Unix seconds): nothing was seen by it then."""
    answers: list[Answered] = field(default_factory=list)
    """Every request that was made of it."""

    async def get(self, path: str, method: str = "GET", patience: float = 15.0) -> tuple[int, str, float]:
        """Ask the exporter, by hand, and return status, body and seconds; status 0 if there is no answer."""
        began, load = time.monotonic(), waited(self.process.pid, os.getpid())
        status, body = 0, ""
        try:
            async with asyncio.timeout(patience):
                status, body = await self._get(path, method)
        except (OSError, TimeoutError, asyncio.IncompleteReadError):
            pass
        took = time.monotonic() - began
        own = max(0.0, took - (waited(self.process.pid, os.getpid()) - load))
        self.answers.append(Answered(path.partition("?")[0], took, own, status))
        return status, body, took

    async def _get(self, path: str, method: str) -> tuple[int, str]:
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        try:
            host = f"127.0.0.1:{self.port}"
            writer.write(f"{method} {path} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
            heads = (await reader.readuntil(b"\r\n\r\n")).decode()
            found = re.search(r"(?i)content-length: (\d+)", heads)
            body = await (reader.readexactly(int(found[1])) if found else reader.read())
            return int(heads.split(" ")[1]), body.decode()
        finally:
            writer.close()

    async def scrape(self) -> Scrape:
        """Return what /metrics says now."""
        status, text, took = await self.get("/metrics")
        return Scrape(time.time(), took, status, parsed(text) if status == 200 else {})

    def memory(self) -> float:
        """Return the resident memory in MiB."""
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        found = re.search(r"VmRSS:\s+(\d+) kB", status)
        return int(found[1]) / 1024 if found else 0.0

    def sockets(self) -> int:
        """Return how many sockets it has."""
        count = 0
        for handle in Path(f"/proc/{self.process.pid}/fd").iterdir():
            try:
                count += str(handle.readlink()).startswith("socket:")
            except OSError:
                continue
        return count

    def threads(self) -> int:
        """Return how many threads it has."""
        return len(list(Path(f"/proc/{self.process.pid}/task").iterdir()))

    async def tasks(self) -> int:
        """Return how many asyncio tasks it has."""
        file = self.log.with_suffix(".tasks")
        file.unlink(missing_ok=True)
        self.process.send_signal(signal.SIGUSR2)
        async with asyncio.timeout(PATIENCE):
            while not file.exists():
                await asyncio.sleep(0.02)
        return int(file.read_text())

    def events(self) -> list[dict[str, Any]]:
        """Return the log."""
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    async def stop(self) -> int:
        """End it as an operator does and return its exit code."""
        if self.process.returncode is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                await asyncio.wait_for(self.process.wait(), PATIENCE)
            except TimeoutError:
                self.process.kill()
        return await self.process.wait()


@asynccontextmanager
async def running(config: str, folder: Path, patience: float = 120.0) -> AsyncIterator[Exporter]:
    """Run the real command with a configuration until the block ends."""
    (folder / "exporter.yaml").write_text(config)
    began = time.time()
    log = folder / f"log-{os.urandom(3).hex()}.txt"
    with log.open("w") as out:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.hostile.counted", "run", "--config", str(folder / "exporter.yaml")),
            cwd=ROOT,
            env=environment(**{FILE: str(log.with_suffix(".tasks"))}),
            stdout=out,
            stderr=out,
        )
    try:
        async with asyncio.timeout(patience):
            while (found := re.search(r'"address": "http://[^"]*:(\d+)"', log.read_text())) is None:
                assert process.returncode is None, log.read_text()
                await asyncio.sleep(0.1)
        exporter = Exporter(process, int(found[1]), log, began)
        yield exporter
        assert await exporter.stop() == 0, log.read_text()[-3000:]
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
