"""Which job gets the next call where there are fewer calls than jobs, and how often one that waits to run is asked."""

import asyncio
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import replace

import pytest

from exporter.model.changes import Changes
from exporter.model.snapshot import State
from exporter.polling.schedule import Pace
from exporter.simulator import CdmJob, CdmRun, Cloud, DliJob, DwsJob, Step, SubJob, Volume
from exporter.simulator.answers import gateway_error
from tests.polling.harness import SimulatedJob, World, access_key, job_of, world
from tests.polling.looking import looking
from tests.warp import START, run

CLUSTER = "6ec9a0a4-76be-4262-8697-e7af1fac7920"
PACE = Pace(interval=10, idle_interval=300, stale_after=900)
LIMIT = 1.8
SLOW = Pace(interval=300, idle_interval=300, stale_after=900)
"""Running jobs are polled as rarely as others, so that first polls are seen apart."""
HOUR = 3600.0


def migration(number: int, begins: float = -HOUR, seconds: float = 600) -> CdmJob:
    plan = (CdmRun((Step("RUNNING", seconds, 0.0, 1.0),), volume=Volume(rows_written=1000)),)
    return CdmJob(CLUSTER, f"copy-{number}", START + begins, plan, repeats=False, number=number)


def polls(there: World, job: CdmJob) -> int:
    return len(there.cloud.asked("ShowJobStatus", job.name))


@pytest.mark.parametrize("known_by", ["section", "section and lists", "rule"])
def test_jobs_that_run_keep_their_interval_while_many_others_wait_for_their_first_poll(known_by: str) -> None:
    running = [migration(number, begins=-60, seconds=3000) for number in range(11)]
    resting = [migration(number) for number in range(11, 211)]

    async def main() -> None:
        async with AsyncExitStack() as stack:
            populate = lambda cloud: cloud.add(*running, *resting)  # noqa: E731
            there = await stack.enter_async_context(world(populate, rate=LIMIT, pace=PACE))
            if known_by != "rule":
                there.watch(*running, *resting)
            if known_by != "section":
                rules = [{"service": "cdm"}] if known_by == "rule" else []
                await stack.enter_async_context(looking(there, *rules, interval=f"{PACE.interval}s"))
            await there.until(120)
            assert min(polls(there, job) for job in running) >= 9
            await there.until(400)
            assert min(polls(there, job) for job in resting) >= 1

    run(main())


def test_a_job_that_just_ended_goes_before_those_that_nobody_knows_to_run() -> None:
    ends = [migration(number, begins=-60, seconds=120) for number in range(5)]
    resting = [migration(number) for number in range(5, 400)]

    async def main() -> None:
        async with (
            world(lambda cloud: cloud.add(*ends, *resting), rate=1, pace=PACE) as there,
            looking(there, {"service": "cdm"}, interval=f"{PACE.interval}s", list_interval="5s"),
        ):
            await there.until(60 + 25)
            assert sum(polls(there, job) for job in resting) < 100  # most of them wait
            assert {there.record(job).runs for job in ends} == {(1, 0, 0)}

    run(main())


def dli(seconds: float) -> DliJob:
    return DliJob("id-1", "q1", START, (Step("LAUNCHING", seconds), SubJob("save", tasks=100, seconds=3000)))


def dws(seconds: float) -> DwsJob:
    return DwsJob("2c9080e88459fa44018459fbeb600001", "grow", START, (Step("WAITING", seconds), Step("RUNNING", 3000)))


def cdm(seconds: float) -> CdmJob:
    plan = (CdmRun((Step("BOOTING", seconds), Step("RUNNING", 3000, 0.0, 1.0))),)
    return CdmJob(CLUSTER, "copy", START, plan)


def asked(there: World) -> list[float]:
    return [call.at - START for call in there.cloud.requests]


@pytest.mark.parametrize("make", [dli, dws, cdm])
def test_a_run_that_waits_is_asked_often_at_first_and_rarely_when_it_waits_for_long(
    make: Callable[[float], SimulatedJob],
) -> None:
    pace = Pace(interval=30, idle_interval=300, stale_after=900)

    async def begin_is_seen(after: float) -> float:
        job = make(after)
        async with world(lambda cloud: cloud.add(job), pace=pace) as there:
            there.watch(job)
            while (shown := there.record(job).shown) is None or shown.state is not State.RUNNING:
                await asyncio.sleep(1)
            if after > HOUR:
                assert len([at for at in asked(there) if HOUR <= at < 2 * HOUR]) <= 13
            return there.clock.now() - START - after

    async def main() -> None:
        assert await begin_is_seen(after=100) <= 32
        assert await begin_is_seen(after=250) <= 32
        assert await begin_is_seen(after=500) <= 100
        assert await begin_is_seen(after=2.2 * HOUR) <= 302

    run(main())


def test_a_migration_that_nobody_started_is_asked_at_the_idle_interval() -> None:
    never = CdmJob(CLUSTER, "never", START + 10 * HOUR, migration(1).plan)
    new = CdmJob(CLUSTER, "new", START - 60, (CdmRun((Step("NEVER_EXECUTED", 10 * HOUR),)),))

    async def main() -> None:
        async with world(lambda cloud: cloud.add(never, new)) as there:
            there.watch(never, new)
            await there.until(1500)
            assert max(polls(there, job) for job in (never, new)) <= 7

    run(main())


def test_runs_that_wait_take_only_the_calls_that_are_left_over() -> None:
    script = (Step("LAUNCHING", HOUR), SubJob("save", tasks=10, seconds=10))
    waiting = [DliJob(f"w-{number}", f"w{number}", START - 60, script) for number in range(100)]
    running = [DliJob(f"r-{number}", f"r{number}", START - 60, (Step("RUNNING", HOUR),)) for number in range(15)]

    def populate(cloud: Cloud) -> None:
        cloud.add(*running, *waiting)

    async def main() -> None:
        pace = Pace(interval=30, idle_interval=300, stale_after=900)
        async with world(populate, rate=1, pace=pace) as there:
            there.watch(*running, *waiting)
            await there.until(400)
            assert there.poller.demand.stretches()["demo"] == 1
            assert min(len(there.cloud.asked(job=job.job_id)) for job in running) >= 12

    run(main())


def queries(name: str, number: int) -> list[DliJob]:
    return [
        DliJob(f"{name}-{at}", f"{name}{at}", START, (SubJob("save", tasks=10, seconds=HOUR),)) for at in range(number)
    ]


def first_polls(there: World, jobs: list[DliJob]) -> list[float]:
    """Return when each job was polled for the first time, in seconds after the start."""
    found: dict[str | None, float] = {}
    for call in there.cloud.requests:
        found.setdefault(call.job, call.at - START)
    return [found[job.job_id] for job in jobs if job.job_id in found]


def register(there: World, jobs: list[DliJob], project: str) -> None:
    there.poller.apply(Changes(added=tuple(replace(job_of(job), project=project) for job in jobs)))


def test_first_polls_of_two_projects_of_one_key_take_turns() -> None:
    one, two = queries("one", 40), queries("two", 40)

    async def main() -> None:
        populate = lambda cloud: cloud.add(*one, *two)  # noqa: E731
        async with world(populate, rate=0.5, other=access_key, pace=SLOW) as there:
            both = [replace(job_of(job), project="demo") for job in one]
            both += [replace(job_of(job), project="other") for job in two]
            there.poller.apply(Changes(added=tuple(both)))
            await there.until(44)
            mine, others = len(first_polls(there, one)), len(first_polls(there, two))
            assert mine + others >= 20
            assert abs(mine - others) <= 1

    run(main())


def test_a_project_that_comes_later_does_not_wait_for_all_first_polls_of_another_of_its_key() -> None:
    one, two = queries("one", 200), queries("two", 5)

    async def main() -> None:
        populate = lambda cloud: cloud.add(*one, *two)  # noqa: E731
        async with world(populate, rate=0.5, other=access_key) as there:
            register(there, one, "demo")
            await there.until(10)
            register(there, two, "other")
            await there.until(10 + 2 * 5 * 2 + 6)
            assert len(first_polls(there, two)) == 5

    run(main())


def test_jobs_that_are_polled_again_after_a_pause_are_those_of_each_project_in_turn() -> None:
    one, two = queries("one", 40), queries("two", 40)

    async def main() -> None:
        populate = lambda cloud: cloud.add(*one, *two)  # noqa: E731
        async with world(populate, rate=2, other=access_key, pace=SLOW) as there:
            refusal = gateway_error(401, "APIGW.0301", "Incorrect IAM authentication information")
            there.cloud.faults.plan(refusal, times=None)
            register(there, one, "demo")
            register(there, two, "other")
            await there.until(20)
            there.cloud.faults.clear()
            before = len(there.cloud.requests)
            await there.until(100)
            polled = [call.job for call in [*there.cloud.requests][before : before + 40]]
            assert 15 <= sum(job is not None and job.startswith("one") for job in polled) <= 25

    run(main())
