"""The poll loop against the simulator, over real sockets, in time that jumps."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from aiohttp.test_utils import TestServer

from exporter.clock import Clock
from exporter.cloud.client import Client
from exporter.cloud.credentials import Credentials
from exporter.cloud.credentials.access_key import AccessKey
from exporter.cloud.identity_calls import IamCalls
from exporter.cloud.project import Project
from exporter.cloud.projects import Bucket, Projects
from exporter.config.project import limit_defaults
from exporter.limits.permits import Permits
from exporter.limits.rate_limiter import Limiter
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.changes import Changes
from exporter.model.job import Job, JobKey
from exporter.model.record import Record
from exporter.polling.poller import Poller
from exporter.polling.schedule import Pace
from exporter.runs.journal import Journal
from exporter.services import registry
from exporter.services.registry import load_services
from exporter.simulator import CdmJob, Cloud, DliJob, DwsCluster, DwsJob, make_app
from tests.warp import WarpClock

PACE = Pace(interval=30, idle_interval=300, stale_after=600)
Kind = Callable[[Cloud, IamCalls, str, Clock], Credentials]
"""Makes credentials of the cloud, how its IAM is called, its address and the clock."""
SimulatedJob = DliJob | DwsJob | DwsCluster | CdmJob


@dataclass
class World:
    """All that a test looks at."""

    clock: WarpClock
    cloud: Cloud
    store: JobStore
    telemetry: Telemetry
    poller: Poller
    projects: Projects
    permits: Permits
    iam: IamCalls

    def watch(self, *jobs: SimulatedJob, interval: float | None = None) -> None:
        """Register simulated jobs."""
        self.poller.apply(Changes(added=tuple(job_of(job, interval) for job in jobs)))

    def record(self, job: SimulatedJob) -> Record:
        """Return what is known of a simulated job."""
        return self.record_of(job_of(job))

    def record_of(self, job: Job) -> Record:
        """Return what is known of a registered job."""
        record = self.store.get(job.key)
        assert record is not None
        return record

    async def until(self, seconds: float) -> None:
        """Let time pass until *seconds* after the start."""
        await asyncio.sleep(max(0.0, self.cloud.started + seconds - self.clock.now()))

    def sample(self, name: str, **labels: str) -> float | None:
        """Return one of the exporter's own metrics."""
        return self.telemetry.registry.get_sample_value(f"huaweicloud_job_exporter_{name}", labels)

    def lines(self) -> list[str]:
        """Return the samples of the jobs."""
        text = b"".join(part for section in self.store.sections(openmetrics=False) for part in section).decode()
        return [line for line in text.splitlines() if not line.startswith("#")]


def job_of(job: SimulatedJob, interval: float | None = None) -> Job:
    """Return the registration of a simulated job."""
    if isinstance(job, CdmJob):
        return Job(JobKey("cdm", job.name), "demo", {"cluster_id": job.cluster_id, "job_name": job.name}, interval)
    if isinstance(job, DwsCluster):
        return Job(JobKey("dws", job.name), "demo", {"cluster_id": job.cluster_id}, interval)
    service = "dli" if isinstance(job, DliJob) else "dws"
    return Job(JobKey(service, job.name), "demo", {"job_id": job.job_id}, interval)


def access_key(cloud: Cloud, *_: object) -> AccessKey:
    """Return the key of the cloud's user."""
    return AccessKey(key_id=cloud.access_key, secret=cloud.secret_key)


@asynccontextmanager
async def world(
    populate: Callable[[Cloud], None] = lambda cloud: None,
    *,
    pace: Pace = PACE,
    timeout: float = 5,
    concurrency: int = 32,
    rate: float = 1000,
    iam_rate: float = 1000,
    credentials: Kind | None = None,
    other: Kind | None = None,
    clock: WarpClock | None = None,
    journal: Path | None = None,
    elsewhere: str = "",
) -> AsyncIterator[World]:
    """Start a pretend cloud and a poll loop against it; *other* is for a second project of that name.

    *elsewhere* is the URL of another server that the services are at.

    With the *clock* of a world before it time goes on, and with its *journal* what was counted does.
    """
    clock = clock or WarpClock(asyncio.get_running_loop())
    cloud = Cloud(clock=clock.now, wall=clock.now)
    populate(cloud)
    store, telemetry, adapters = JobStore(10**9, registry.declared()), Telemetry(), load_services()
    limiter = Limiter(concurrency, clock.monotonic())
    async with TestServer(make_app(cloud)) as server, Client(timeout, clock=clock) as transport:
        url = str(server.make_url("")).rstrip("/")
        permits = Permits(limiter, clock)
        iam = IamCalls(
            transport, telemetry, permits, lambda who: (Bucket(who.identity, "cn-north-4", "iam"), iam_rate), clock
        )
        kinds = {"demo": credentials or access_key, **({"other": other} if other else {})}
        each = {
            name: Project(
                name=name,
                region="cn-north-4",
                project_id=cloud.project_id,
                endpoints=dict.fromkeys(adapters, elsewhere or url),
                limits=dict.fromkeys(limit_defaults(adapters), rate) | {"iam": iam_rate},
                zone=None,
                credentials=kind(cloud, iam, url, clock),
                transport=transport,
                clock=clock,
                telemetry=telemetry,
            )
            for name, kind in kinds.items()
        }
        projects = Projects(adapters, each)
        kept = None if journal is None else Journal(journal, 3600, store, clock, telemetry)
        if kept is not None:
            await kept.open()
        poller = Poller(store, projects, pace, limiter, clock, telemetry, kept)
        running = [asyncio.create_task(each.run()) for each in (poller, kept) if each is not None]
        try:
            yield World(clock, cloud, store, telemetry, poller, projects, permits, iam)
        finally:
            for task in running:
                task.cancel()
                with suppress(asyncio.CancelledError):
                    await task
            if kept is not None:
                await kept.close()
