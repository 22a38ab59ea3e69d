"""The machine's clock is set while jobs run: nothing is lost, grows old or moves by it.

With tokens, because the cloud refuses signatures of a clock that is wrong by more than a quarter of an hour.
"""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.model.snapshot import Measure, State
from exporter.simulator import CdmJob, CdmRun, Cloud, DliJob, Fault, Step, SubJob, Volume
from tests.polling.harness import SimulatedJob, World, world
from tests.polling.looking import looking
from tests.polling.test_credentials_over_time import by_password
from tests.warp import START, WarpClock, run

CLUSTER = "6ec9a0a4-76be-4262-8697-e7af1fac7920"
HOUR = 3600.0


class SteppingClock(WarpClock):
    """A clock of which people set the wall time."""

    ahead = 0.0

    def now(self) -> float:
        return super().now() + self.ahead


def migration(name: str, begins: float, seconds: float) -> CdmJob:
    plan = (CdmRun((Step("RUNNING", seconds, 0.0, 1.0),), volume=Volume(rows_written=1_000_000)),)
    return CdmJob(CLUSTER, name, START + begins, plan, repeats=False)


def populate(cloud: Cloud, jobs: list[SimulatedJob], clock: WarpClock) -> None:
    """The cloud has a clock of its own, which nobody sets."""
    cloud.clock = cloud.wall = lambda: WarpClock.now(clock)
    cloud.add(*jobs)


async def until(clock: WarpClock, seconds: float) -> None:
    await asyncio.sleep(max(0.0, START + seconds - WarpClock.now(clock)))


def counted(there: World) -> dict[str, tuple[object, ...]]:
    return {each.job.key.job: (each.runs, dict(each.totals), dict(each.failures)) for each in there.store.records()}


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_a_clock_that_is_set_makes_no_value_old_drops_no_job_and_moves_no_counter(step: float, tmp_path: Path) -> None:
    ended = migration("ended", 60, 120)
    running = migration("running", -60, 10 * HOUR)
    query = DliJob("85798b38-ae44-48eb-bb90-7cf0dcdafe7b", "query", START, (SubJob("save", tasks=9, seconds=90),))
    jobs: list[SimulatedJob] = [ended, running, query]
    rules = [{"service": "cdm"}, {"service": "dli"}]

    async def main() -> None:
        clock = SteppingClock(asyncio.get_running_loop())
        cloud_of: Callable[[Cloud], None] = lambda cloud: populate(cloud, jobs, clock)  # noqa: E731
        async with (
            world(cloud_of, clock=clock, credentials=by_password, journal=tmp_path / "journal.json") as there,
            looking(there, *rules, retention="50m"),
        ):
            await until(clock, 900)
            before = counted(there)
            assert before["ended"][0] == (1, 0, 0)
            clock.ahead = step
            rows = list[float]()
            for seconds in range(1000, 2000, 100):
                await until(clock, seconds)
                assert counted(there) == before
                assert all(record.up and not record.stale for record in there.store.records())
                snapshot = there.record(running).snapshot
                assert snapshot is not None
                assert snapshot.state is State.RUNNING
                rows.append(snapshot.counts[Measure("rows_written")])  # which only lists tell
            assert all(earlier < later for earlier, later in pairwise(rows))

    run(main())


@pytest.mark.parametrize("step", [-HOUR, HOUR])
def test_queries_that_begin_after_a_clock_was_set_are_found_and_counted_and_no_others(step: float) -> None:
    def query(number: int, begins: float, seconds: float) -> DliJob:
        return DliJob(f"id-{number}", f"q{number}", START + begins, (SubJob("save", tasks=9, seconds=seconds),))

    before, running, short = query(1, -600, 100), query(2, 1200, 300), query(3, 1240, 5)

    async def main() -> None:
        clock = SteppingClock(asyncio.get_running_loop())
        cloud_of: Callable[[Cloud], None] = lambda cloud: populate(cloud, [before, running, short], clock)  # noqa: E731
        async with (
            world(cloud_of, clock=clock, credentials=by_password) as there,
            looking(there, {"service": "dli"}, retention="50m"),
        ):
            await until(clock, 900)
            clock.ahead = step
            await until(clock, 1350)
            names = {each.job.key.job: each for each in there.store.records()}
            assert set(names) == {"id-1", "id-2", "id-3"}
            shown = names["id-2"].shown
            assert shown is not None
            assert shown.state is State.RUNNING
            await until(clock, 1700)
            runs = {each.job.key.job: each.runs for each in there.store.records()}
            assert runs == {"id-1": (0, 0, 0), "id-2": (1, 0, 0), "id-3": (1, 0, 0)}

    run(main())


def test_the_first_list_after_a_start_has_the_newest_run_though_the_clock_is_behind() -> None:
    runs = [
        DliJob(f"id-{number}", "nightly", START + begins, (SubJob("save", tasks=9, seconds=9000),))
        for number, begins in enumerate((-1800, -120))
    ]

    async def main() -> None:
        clock = SteppingClock(asyncio.get_running_loop())
        clock.ahead = -300.0
        cloud_of: Callable[[Cloud], None] = lambda cloud: populate(cloud, list(runs), clock)  # noqa: E731
        async with (
            world(cloud_of, clock=clock, credentials=by_password) as there,
            looking(there, {"service": "dli", "name": "{job_type}"}),
        ):
            await until(clock, 20)
            (record,) = there.store.records()
            assert record.job.target["job_id"] == "id-1"

    run(main())


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_a_clock_that_is_wrong_all_the_time_counts_the_runs_that_began_after_the_first_look_and_no_others(
    ahead: float,
) -> None:
    queries = [
        DliJob(f"id-{number}", f"q{number}", START + begins, (SubJob("save", tasks=9, seconds=4),))
        for number, begins in enumerate((-1800, -120, 415, 820))
    ]

    async def main() -> None:
        clock = SteppingClock(asyncio.get_running_loop())
        clock.ahead = ahead
        cloud_of: Callable[[Cloud], None] = lambda cloud: populate(cloud, list(queries), clock)  # noqa: E731
        async with (
            world(cloud_of, clock=clock, credentials=by_password) as there,
            looking(there, {"service": "dli"}),
        ):
            await until(clock, 1000)
            runs = {each.job.key.job: each.runs for each in there.store.records()}
            assert runs == {"id-0": (0, 0, 0), "id-1": (0, 0, 0), "id-2": (1, 0, 0), "id-3": (1, 0, 0)}

    run(main())


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_a_run_that_ended_before_a_list_saw_the_next_one_wait_does_not_count_by_a_clock_that_is_wrong(
    ahead: float,
) -> None:
    ended = CdmRun((Step("RUNNING", 60, 0.0, 1.0),), rest=20, volume=Volume(rows_written=70))
    waiting = CdmRun((Step("BOOTING", 12), Step("RUNNING", 100, 0.0, 1.0)), volume=Volume(rows_written=500))
    job = CdmJob(CLUSTER, "copy", START - 80, (ended, waiting), repeats=False)

    async def main() -> None:
        clock = SteppingClock(asyncio.get_running_loop())
        clock.ahead = ahead
        cloud_of: Callable[[Cloud], None] = lambda cloud: populate(cloud, [job], clock)  # noqa: E731
        async with (
            world(cloud_of, clock=clock, credentials=by_password) as there,
            looking(there, {"service": "cdm"}),
        ):
            await until(clock, 100)
            assert there.record(job).runs == (0, 0, 0)
            await until(clock, 300)
            assert (there.record(job).runs, dict(there.record(job).totals)["rows_written"]) == ((1, 0, 0), 500)

    run(main())


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_a_run_of_which_no_end_is_told_ended_when_the_poll_saw_it_by_the_clouds_clock(ahead: float) -> None:
    job = DliJob("id", "query", START, (SubJob("save", tasks=9, seconds=100),))

    async def main() -> None:
        clock = SteppingClock(asyncio.get_running_loop())
        clock.ahead = ahead
        cloud_of: Callable[[Cloud], None] = lambda cloud: populate(cloud, [job], clock)  # noqa: E731
        async with world(cloud_of, clock=clock, credentials=by_password) as there:
            there.watch(job)
            await until(clock, 300)
            record = there.record(job)
            assert record.runs == (1, 0, 0)
            assert record.last_success is not None
            assert START + 100 <= record.last_success <= START + 140
            assert record.ended_at is not None
            assert START + 99 <= record.ended_at <= START + 140

    run(main())


@pytest.mark.parametrize("ahead", [-HOUR, HOUR])
def test_a_first_look_that_reached_nobody_counts_the_runs_that_began_after_it_though_the_clock_is_wrong(
    ahead: float,
) -> None:
    queries = [
        DliJob(f"id-{number}", "nightly", START + begins, (SubJob("save", tasks=9, seconds=seconds),))
        for number, (begins, seconds) in enumerate(((-1800, 100), (-120, 100), (55, 5), (200, 9000)))
    ]

    def cut_off(cloud: Cloud, clock: WarpClock) -> None:
        populate(cloud, list(queries), clock)
        cloud.faults.plan(Fault(closes=True), times=3, service="dli")

    async def main() -> None:
        clock = SteppingClock(asyncio.get_running_loop())
        clock.ahead = ahead
        async with (
            world(lambda cloud: cut_off(cloud, clock), clock=clock, credentials=by_password) as there,
            looking(there, {"service": "dli", "name": "{job_type}"}),
        ):
            await until(clock, 400)
            (record,) = there.store.records()
            assert record.job.target["job_id"] == "id-3"
            assert record.runs == (1, 0, 0)

    run(main())


def test_the_end_of_a_run_that_ended_while_the_machine_slept_is_the_one_that_the_cloud_reports() -> None:
    """The clock that the exporter waits by stands still meanwhile; the cloud's goes on, and so does the wall clock."""
    running = migration("running", -60, HOUR)

    async def main() -> None:
        clock = SteppingClock(asyncio.get_running_loop())

        def awake(cloud: Cloud) -> None:
            cloud.clock = cloud.wall = clock.now
            cloud.add(running)

        async with world(awake, clock=clock, credentials=by_password) as there:
            there.watch(running)
            await until(clock, 20)
            clock.ahead = 3 * HOUR
            await until(clock, 55)
            record = there.record(running)
            assert (record.runs, record.last_success) == ((1, 0, 0), START - 60 + HOUR)
            assert record.last_run_duration == HOUR

    run(main())
