"""How many calls an hour a thousand mixed jobs cost, by operation, against what they cost before more of them was read.

Time is scripted: an hour against the simulator over real sockets, in a few minutes. A fifth of the jobs run at any
time; half of those of DLI and CDM are found by rules, the others are registered by hand.
"""

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any, Final

import structlog

from benchmarks.table import Row
from benchmarks.upstream import Upstream
from exporter.simulator import CdmCluster, CdmJob, CdmRun, Cloud, DliJob, DwsJob, Step, SubJob, Volume
from tests.polling.harness import PACE, SimulatedJob, world
from tests.polling.looking import looking
from tests.warp import START
from tests.warp import run as scripted

HOUR: Final = 3600.0
BEGIN: Final = 660.0
"""Seconds after which calls are counted: by then each job was asked once."""
BEFORE: Final = 12_212
"""Calls of that hour at commit 2e1f139, when no more was read of a run than its progress."""
MORE: Final = 1.03
"""What may be asked for more than that."""
_FOUND: Final = "found"
"""The queue, and the cluster, whose jobs rules find."""


def run(upstream: Upstream, *, quick: bool) -> Iterator[Row]:
    """Yield the calls of an hour by operation."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    seconds = HOUR / 6 if quick else HOUR
    calls = scripted(mixed_calls(seconds))
    for operation, number in sorted(calls.items()):
        yield Row("calls", operation, number * HOUR / seconds, "calls/h")
    note = f"{BEFORE:,} before more was read"
    yield Row("calls", "all of 1,000 mixed jobs", calls.total() * HOUR / seconds, "calls/h", MORE * BEFORE, note)


async def mixed_calls(seconds: float) -> Counter[str]:
    """Return the calls of *seconds*, by operation."""
    jobs = list(mixed_jobs(BEGIN + seconds))
    rules: list[dict[str, Any]] = [
        {"service": "dli", "queues": [_FOUND], "window": "1d", "max_jobs": "1000"},
        {"service": "cdm", "clusters": [_FOUND], "max_jobs": "1000"},
    ]

    def populate(cloud: Cloud) -> None:
        cloud.add(*jobs)
        cloud.cdm_clusters.update({each: CdmCluster(each, each) for each in (_FOUND, "by-hand")})

    async with world(populate, rate=1000, pace=PACE, timeout=30) as there, looking(there, *rules, places=True):
        there.watch(*(job for job in jobs if not _found(job)))
        await there.until(BEGIN)
        before = len(there.cloud.requests)
        await there.until(BEGIN + seconds)
        return Counter(asked.operation for asked in list(there.cloud.requests)[before:])


def _found(job: SimulatedJob) -> bool:
    if isinstance(job, CdmJob):
        return job.cluster_id == _FOUND
    return isinstance(job, DliJob) and job.queue == _FOUND


def mixed_jobs(seconds: float) -> Iterator[SimulatedJob]:
    """Yield 600 DLI jobs, 250 CDM jobs and 150 DWS tasks, a third of which begins within *seconds* after the start."""
    for number in range(600):
        queue, begun = (_FOUND, "by_hand")[number % 2], _begun(number, 600, seconds)
        yield DliJob(f"dli-{number:04}", f"q{number}", begun, (SubJob("save", tasks=100, seconds=1200),), queue=queue)
    for number in range(250):
        plan = (CdmRun((Step("RUNNING", 900, 0.0, 1.0),), volume=Volume(rows_written=1000)),)
        cluster, begun = (_FOUND, "by-hand")[number % 2], _begun(number, 250, seconds)
        yield CdmJob(cluster, f"copy-{number}", begun, plan, repeats=False, number=number)
    for number in range(150):
        yield DwsJob(
            f"{number:032x}", f"task {number}", _begun(number, 150, seconds), (Step("RUNNING", 1800, 0.0, 0.9),)
        )


def _begun(number: int, jobs: int, seconds: float) -> float:
    """Return when a job begins: each third one within *seconds* after the start, the others were over before it."""
    return START + seconds * number / jobs if number % 3 == 0 else START - 7200 - number
