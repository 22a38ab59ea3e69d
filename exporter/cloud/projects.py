"""The known services, and the projects by name."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import tzinfo
from functools import partial
from hashlib import blake2b
from typing import NamedTuple

from exporter.clock import Clock
from exporter.cloud import offload
from exporter.cloud.project import Project
from exporter.model.errors import PollError
from exporter.model.frozen import replace
from exporter.model.job import Job
from exporter.model.reason import Reason
from exporter.model.snapshot import Snapshot
from exporter.services.adapter import Adapter
from exporter.services.request import Request


class Bucket(NamedTuple):
    """What the vendor counts calls by."""

    identity: str
    region: str
    limit: str
    """The limit class."""


@dataclass(frozen=True, slots=True)
class Projects:
    """Brings each job together with its service's adapter and its project."""

    adapters: Mapping[str, Adapter]
    by_name: Mapping[str, Project]
    _buckets: dict[tuple[str, str], tuple[Bucket, float]] = field(default_factory=dict, init=False)

    def expiries(self) -> dict[str, float | None]:
        """Return by project when its credentials expire."""
        return {name: project.credentials.expires_at for name, project in self.by_name.items()}

    def skews(self) -> dict[str, float | None]:
        """Return by project how far the cloud's clock is ahead of ours."""
        return {name: project.skew for name, project in self.by_name.items()}

    def cloud_time(self, project: str, clock: Clock) -> float:
        """Return the Unix time by the clock of the cloud that a project is in; setting our *clock* does not move it."""
        there = self.by_name.get(project)
        return clock.now() if there is None else there.cloud_time()  # a reload took it away

    def named(self, project: str) -> Project:
        """Return a project; raises :class:`PollError` if a reload took it away."""
        found = self.by_name.get(project)
        if found is None:
            raise PollError(Reason.CONFIG, f"the project {project} is not configured any more")
        return found

    def adapter(self, job: Job) -> Adapter:
        """Return the adapter of the job, by its service and its kind."""
        return self.adapters[job.key.service].of(job.target)

    async def request(self, job: Job) -> Request:
        """Return the call that tells the state of *job*; raises :class:`PollError` if its project is not found."""
        return self.adapter(job).request(job, await self.by_name[job.project].project_id_of())

    def share(self, project: Project, limit: str) -> tuple[Bucket, float]:
        """Return what a project's calls of one limit class are counted by, and the calls a second it allows.

        Projects of one user in one region share a bucket, because the vendor counts by user; the least of their
        limits counts. A key that is renewed does not begin a new bucket: its user is the same.
        """
        rates = [each.limits[limit] for each in self.by_name.values() if each.owner == project.owner]
        return Bucket(*project.owner, limit), min(rates)

    def in_use(self, bucket: Bucket) -> str:
        """Return what proves now who draws from *bucket*, for people: its key may have been rotated."""
        owners = (each for each in self.by_name.values() if each.owner == (bucket.identity, bucket.region))
        return next((each.credentials.in_use for each in owners), bucket.identity)

    def same_job(self, before: Job, job: Job) -> bool:
        """Whether *before*, of the same service, and *job* are one job, or two runs of one."""
        return before.project == job.project and self.adapters[job.key.service].same_job(before.target, job.target)

    def bucket(self, job: Job) -> tuple[Bucket, float]:
        """Return the bucket that the calls for *job* draw from, and the calls a second that it allows."""
        found = self._buckets.get((job.project, job.key.service))
        if found is None:
            share = self.share(self.by_name[job.project], self.adapter(job).limit)
            found = self._buckets[job.project, job.key.service] = share
        return found

    async def ask(self, job: Job, before: Snapshot | None = None, narrowed: int = 0) -> Snapshot:
        """Make the call and read its answer; :class:`PollError` says why it could not be done.

        *narrowed* is as for :meth:`Request.narrowed`.

        If the answer is byte for byte the one that *before* was read from, *before* itself is returned: most polls
        find nothing new, and reading costs more than the call's own share.
        """
        project, adapter = self.named(job.project), self.adapter(job)
        request = (await self.request(job)).narrowed(narrowed)
        with offload.Place():
            body = await project.ask(adapter, request)
            now = project.cloud_time()
            try:
                return await offload.offloaded(body, partial(_read, adapter, body, job, project.zone, now, before))
            except PollError as error:
                project.unread(adapter.service, error)
                raise


def _read(
    adapter: Adapter, body: bytes, job: Job, zone: tzinfo | None, now: float, before: Snapshot | None
) -> Snapshot:
    # another time zone reads the same times otherwise
    digest = blake2b(body, digest_size=16, key=str(zone).encode()[:64]).digest()
    # What is kept of a run that ended is not only what its last answer said.
    if before is not None and before.digest == digest and not before.ended:
        return before
    try:
        return replace(adapter.parse(body, job, zone), digest=digest).credible(now)
    except PollError as error:
        error.known = error.reason is not Reason.PAYLOAD  # else anybody may have answered
        raise
