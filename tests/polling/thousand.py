"""A thousand migrations in ten clusters, twenty of them running at any time, and what /metrics tells of them.

Time is scripted and calls are real, over sockets; a test asserts what the benchmark prints.
"""

import re
from collections import Counter
from collections.abc import Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, Final

from exporter.model.changes import Changes
from exporter.model.job import Job, JobKey
from exporter.polling.schedule import Pace
from exporter.simulator import CDM_LISTS, CDM_STATUS, CdmCluster, CdmJob, CdmRun, Cloud, Step, Volume
from tests.polling.harness import World, world
from tests.polling.looking import looking
from tests.warp import START

CLUSTERS: Final = [f"cluster-{number}" for number in range(10)]
JOBS: Final = 1000
RATE: Final = 1.8
"""Calls a second that the vendor allows, for each class."""
INTERVAL: Final = 25.0
LIST_INTERVAL: Final = 45.0
RUN: Final = 600.0
"""Seconds for which a migration runs."""
EVERY: Final = 30.0
"""Seconds after which the next one begins, so that twenty run."""
BEGIN: Final = 660.0
"""Seconds after which the looks begin: by then each job was asked once, and twenty run."""
LOOK: Final = 5.0
"""Seconds between two looks; what they see too late may have been there for as long."""
SHOWN: Final = re.compile(rb'^huaweicloud_job_state\{job="([^"]+)",service="cdm",state="(\w+)"\} 1\.0$', re.MULTILINE)
POLLED: Final = re.compile(
    rb'^huaweicloud_job_last_poll_timestamp_seconds\{job="([^"]+)",service="cdm"\} (\S+)$', re.MULTILINE
)
PROGRESS: Final = re.compile(rb'^huaweicloud_job_progress_ratio\{job="([^"]+)",service="cdm"\} ', re.MULTILINE)
FAMILIES: Final = frozenset(
    {"huaweicloud_job_state", "huaweicloud_job_progress_ratio", "huaweicloud_job_last_poll_timestamp_seconds"}
)


@dataclass
class Watched:
    """What the looks saw."""

    calls: Counter[str] = field(default_factory=Counter)
    """By limit class, while it was looked."""
    busiest: dict[str, int] = field(default_factory=dict)
    """The most calls in any minute since the start, by limit class."""
    latest: float = 0.0
    """Seconds from a change of state to the look that shows it, at most."""
    oldest: float = 0.0
    """Seconds since the last poll of a job whose progress is shown while it runs, at most."""
    fewest: int = JOBS
    """Jobs whose state is shown, at least."""
    changes: int = 0
    """Runs that began or ended while it was looked."""


def migrations(seconds: float) -> Iterator[CdmJob]:
    """Yield the jobs: those that begin within *seconds* after the start, and those that rest."""
    begins = [EVERY * (number + 1) for number in range(int(seconds / EVERY))]
    for number in range(JOBS):
        begun = begins[number] if number < len(begins) else -3600.0
        plan = (CdmRun((Step("RUNNING", RUN, 0.0, 1.0),), volume=Volume(rows_written=1000)),)
        cluster = CLUSTERS[number % len(CLUSTERS)]
        yield CdmJob(cluster, f"copy-{number}", START + begun, plan, repeats=False, number=number)


async def watch(seconds: float, *, lists: bool, idle_interval: float = 300.0) -> Watched:
    """Look at the jobs for *seconds*; without *lists* each job is registered and polled by itself."""
    jobs = list(migrations(BEGIN + seconds))
    pace = Pace(INTERVAL, idle_interval, max(600.0, 2 * idle_interval))

    def populate(cloud: Cloud) -> None:
        cloud.add(*jobs)
        cloud.cdm_clusters.update({cluster: CdmCluster(cluster, cluster) for cluster in CLUSTERS})

    async with AsyncExitStack() as stack:
        there = await stack.enter_async_context(world(populate, rate=RATE, pace=pace, timeout=30))
        if lists:
            paces: dict[str, Any] = {"interval": f"{INTERVAL}s", "list_interval": f"{LIST_INTERVAL}s"}
            await stack.enter_async_context(looking(there, {"service": "cdm", "max_jobs": str(JOBS)}, **paces))
        else:
            there.poller.apply(Changes(added=tuple(_registered(job) for job in jobs)))
        return await _looks(there, jobs, seconds)


def _name(job: CdmJob) -> str:
    return f"{job.cluster_id}/{job.name}"


def _registered(job: CdmJob) -> Job:
    return Job(JobKey("cdm", _name(job)), "demo", {"cluster_id": job.cluster_id, "job_name": job.name})


async def _looks(there: World, jobs: list[CdmJob], seconds: float) -> Watched:
    seen, behind = Watched(), dict[str, float]()
    await there.until(BEGIN)
    before = len(there.cloud.requests)
    now, end = BEGIN, BEGIN + seconds
    while now < end:
        now += LOOK
        await there.until(now)
        _look(there, jobs, seen, behind)
    for asked in list(there.cloud.requests)[before:]:
        seen.calls[asked.limit_class] += 1
    seen.busiest = {limit: there.cloud.busiest(there.cloud.user, limit) for limit in (CDM_STATUS, CDM_LISTS)}
    changes = [change for job in jobs for change in (job.begins_at, job.begins_at + RUN)]
    seen.changes = sum(START + BEGIN < change <= START + end for change in changes)
    return seen


def _look(there: World, jobs: list[CdmJob], seen: Watched, behind: dict[str, float]) -> None:
    """Compare /metrics with what is true; *behind* are the jobs shown in a state that they left, and since when."""
    parts = there.store.sections(openmetrics=False, names=FAMILIES)
    text, now = b"".join(part for section in parts for part in section), there.clock.now()
    states = {name.decode(): state.decode() for name, state in SHOWN.findall(text)}
    polled = {name.decode(): float(at) for name, at in POLLED.findall(text)}
    moving = {name.decode() for name in PROGRESS.findall(text)}
    seen.fewest = min(seen.fewest, len(states))
    for job in jobs:
        if job.begins_at < START:
            continue  # nothing changes there
        name, truth = _name(job), there.cloud.truth(job)
        if truth is None or truth.state.value != states.get(name):
            since = job.begins_at + RUN if now >= job.begins_at + RUN else job.begins_at
            behind.setdefault(name, since)
            seen.latest = max(seen.latest, now - behind[name])
        elif name in behind:
            seen.latest = max(seen.latest, now - behind.pop(name))
        if states.get(name) == "running" and name in moving:  # a list tells that it runs, and not how far it is
            seen.oldest = max(seen.oldest, now - polled[name])
