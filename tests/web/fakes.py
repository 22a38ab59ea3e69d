"""What stands behind the web side in its tests: jobs from a list, bytes from a string, time by hand."""

from collections.abc import AsyncIterator, Collection, Hashable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import tzinfo
from typing import Any

from aiohttp import web
from aiohttp.test_utils import TestClient, TestServer

from exporter.model.job import Job, JobKey
from exporter.model.masking import VendorText
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.runs.past import Change, JobPast, Watch
from exporter.web.ports import Exporter
from exporter.web.server import make_app

NOW = 1_700_000_000.0
Client = TestClient[web.Request, web.Application]


class FakeExposition:
    """Counts how often it renders, and says what it was asked for."""

    def __init__(self) -> None:
        self.asked: list[tuple[bool, frozenset[str]]] = []
        self.line = b"up 1\n"
        self.lines = 1

    def sections(self, openmetrics: bool, names: frozenset[str]) -> list[list[bytes]]:
        """Return as many lines as it was told."""
        self.asked.append((openmetrics, names))
        return [[self.line * self.lines]]


@dataclass
class FakeExporter:
    """The jobs that a test put in."""

    known: list[Record] = field(default_factory=list)
    due: dict[JobKey, float] = field(default_factory=dict)
    unpolled: list[str] = field(default_factory=list)
    time: float = NOW
    exposition: FakeExposition = field(default_factory=FakeExposition)
    may_reload: bool = False
    reloads: int = 0
    vendor_text: VendorText = VendorText.REDACTED
    pasts: dict[JobKey, JobPast] = field(default_factory=dict)
    zones: dict[str, tzinfo] = field(default_factory=dict)
    console_address: str = ""
    since: float = NOW - 7200
    changes: tuple[Change, ...] = ()

    def sections(self, openmetrics: bool, names: frozenset[str]) -> list[list[bytes]]:
        """Return what the exposition does."""
        return self.exposition.sections(openmetrics, names)

    async def reload(self) -> dict[str, Any]:
        """Say so: no test of the web side reads a configuration."""
        self.reloads += 1
        return {}

    def records(self) -> Collection[Record]:
        """Return them."""
        return self.known

    def record(self, service: str, job: str) -> Record | None:
        """Return one."""
        return next((record for record in self.known if record.job.key == (service, job)), None)

    def next_due(self, key: JobKey) -> float | None:
        """Return what the test said."""
        return self.due.get(key)

    def waiting(self) -> Collection[str]:
        """Return what the test said."""
        return self.unpolled

    def past(self, key: JobKey) -> JobPast | None:
        """Return what the test said."""
        return self.pasts.get(key)

    def past_mark(self, key: JobKey) -> object:
        """Return the past itself."""
        return self.pasts.get(key)

    def last_failure(self, key: JobKey) -> float | None:
        """Return when the last run failed of what the test said."""
        past = self.pasts.get(key)
        return max((run.at for run in past.runs if run.result == "failed"), default=None) if past else None

    def lines(self, key: JobKey) -> bytes:
        """Return a line."""
        return f'huaweicloud_job_up{{job="{key.job}",service="{key.service}"}} 1.0\n'.encode("utf-8", "replace")

    def zone(self, project: str) -> tzinfo | None:
        """Return what the test said."""
        return self.zones.get(project)

    def console(self, record: Record) -> str:
        """Return what the test said."""
        return self.console_address

    @property
    def watch(self) -> Watch:
        """Return what the test said."""
        return Watch(self.since, None, self.changes)

    @property
    def revision(self) -> tuple[Hashable, ...]:
        """Return which objects there are."""
        return (*map(id, self.known), *map(id, self.pasts.values()), *self.due.items(), *self.changes)

    def now(self) -> float:
        """Return the time by hand."""
        return self.time

    def place(self, record: Record) -> Mapping[str, str]:
        """Return the one place."""
        return {"region": "eu-de", "project_id": "p-1"}


def job(name: str = "nightly", service: str = "dli", project: str = "prod") -> Job:
    """Return a registered job."""
    return Job(JobKey(service, name), project, {"job_id": "j-1"}, region="eu-de")


def running(name: str = "nightly", service: str = "dli", progress: float | None = 0.43, **changes: Any) -> Record:
    """Return a job that runs and was polled 12 s ago."""
    counts = {Measure("tasks", "active"): 3.0, Measure("tasks", "completed"): 10.0, Measure("rows_read"): 4000.0}
    snapshot = Snapshot(State.RUNNING, "RUNNING", RunId("r-1"), progress, start=NOW - 600, counts=counts)
    return Record(**{"job": job(name, service), "snapshot": snapshot, "up": True, "polled_at": NOW - 12, **changes})


def in_state(state: State, name: str, **changes: Any) -> Record:
    """Return a job in a state."""
    return Record(**{"job": job(name), "snapshot": Snapshot(state), "up": True, "polled_at": NOW - 12, **changes})


FAULT = Fault(Reason.THROTTLED, NOW - 5, "dli asks to slow down (429)", "APIGW.0308", "req-1", "over ratelimit")


@asynccontextmanager
async def serving(
    jobs: Exporter | None = None, exposition: FakeExposition | None = None, *, raw: bool = False, **more: Any
) -> AsyncIterator[Client]:
    """Serve the web side on a free port; *raw* leaves the answers as they were sent."""
    application = make_app(jobs or FakeExporter(exposition=exposition or FakeExposition()), **more)
    async with TestClient(TestServer(application), auto_decompress=not raw) as client:
        yield client
