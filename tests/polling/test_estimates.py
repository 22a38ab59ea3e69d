"""Estimates over hours that pass in seconds: polled from the simulator, told on /metrics, gone when they must be."""

from itertools import pairwise

from exporter.model.changes import Changes
from exporter.model.snapshot import State
from exporter.polling.schedule import Pace
from exporter.simulator import Cloud, DliJob, DwsJob, Step, SubJob, server_failure
from tests.polling.harness import SimulatedJob, World, job_of, world
from tests.warp import run

NAME = "huaweicloud_job_estimated_completion_timestamp_seconds"
SUB_JOBS = (200, 150, 250, 200)
"""The tasks of each; four run in a second."""
LENGTH = 10 + sum(SUB_JOBS) / 4


def nightly(cloud: Cloud, begins: float) -> DliJob:
    sub_jobs = [SubJob("save", tasks, tasks / 4) for tasks in SUB_JOBS]
    script: tuple[Step | SubJob, ...] = (Step("LAUNCHING", 10), *sub_jobs)
    job = DliJob(cloud.new_uuid(), "nightly", cloud.started + begins, script)
    cloud.add(job)
    return job


def told(there: World) -> float | None:
    """Return the only estimate on /metrics, in seconds after the start; it is never past."""
    values = [float(line.rpartition(" ")[2]) for line in there.lines() if line.startswith(NAME + "{")]
    assert all(value > there.clock.now() for value in values)
    return values[0] - there.cloud.started if values else None


def test_a_run_of_many_subjobs_is_estimated_by_the_runs_before_it_until_it_ends() -> None:
    async def main() -> None:
        async with world(pace=Pace(10, 10, 600)) as there:
            jobs = [nightly(there.cloud, begins) for begins in (0, 300, 600)]
            there.watch(jobs[0])
            falls, estimates = [], []
            for number, job in enumerate(jobs):
                if number:
                    there.poller.apply(Changes(changed=(job_of(job),)))
                begins = number * 300
                for second in range(begins + 1, begins + 290, 3):
                    await there.until(second)
                    shown = there.record(job).shown
                    if number == 2:
                        falls.append(shown.progress if shown else None)
                        estimates.append(told(there))
                    elif second > begins + 70:
                        assert told(there) is None  # nobody can know how many sub-jobs are to come
            assert there.record(jobs[2]).runs == (3, 0, 0)
            running = estimates[: round(LENGTH / 3) - 1]
            said = [each for each in running if each is not None]

            assert falls.count(None) < 5
            assert any(one and two is not None and two < one for one, two in pairwise(falls))
            assert len(said) > 0.6 * len(running)
            assert all(abs(each - (600 + LENGTH)) < 0.15 * LENGTH for each in said)
            assert estimates[round(LENGTH / 3) + 4 :].count(None) == len(estimates[round(LENGTH / 3) + 4 :])

    run(main())


def slowing(cloud: Cloud) -> DwsJob:
    """Return a task that is nine tenths done after five minutes and takes an hour for the rest."""
    steps = (Step("RUNNING", 300, 0.0, 0.9), Step("RUNNING", 3600, 0.9, 1.0))
    job = DwsJob(cloud.new_hex(), "resize", cloud.started, steps)
    cloud.add(job)
    return job


async def watched(there: World, job: SimulatedJob, seconds: int) -> dict[int, float | None]:
    """Return what is told at each second."""
    there.watch(job, interval=60)
    found = {}
    for second in range(1, seconds):
        await there.until(second)
        found[second] = told(there)
    return found


def test_an_estimate_that_passes_between_two_polls_is_gone_in_time() -> None:
    async def main() -> None:
        async with world() as there:
            job = slowing(there.cloud)
            found = await watched(there, job, 420)

            shown = there.record(job).shown
            assert shown is not None
            assert shown.state is State.RUNNING
            last = max(second for second, estimate in found.items() if estimate is not None)
            passes = found[last]
            assert passes is not None
            assert last < passes < last + 1.5
            polls = [asked.at - there.cloud.started for asked in there.cloud.asked(job=job.job_id)]
            assert all(abs(poll - passes) > 3 for poll in polls)

    run(main())


def test_an_estimate_that_passes_while_polls_fail_is_gone_in_time() -> None:
    async def main() -> None:
        async with world() as there:
            job = slowing(there.cloud)
            await watched(there, job, 250)
            assert told(there) is not None

            there.cloud.faults.plan(server_failure(), times=None)
            for second in range(250, 450):
                await there.until(second)
                told(there)

            assert not there.record(job).up
            assert not there.record(job).stale
            assert told(there) is None

    run(main())
