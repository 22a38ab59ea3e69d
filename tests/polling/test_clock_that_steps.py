"""The machine's clock is set while jobs run: nothing is lost, grows old or moves by it.

With tokens, because the cloud refuses signatures of a clock that is wrong by more than a quarter of an hour.
"""

import asyncio
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.model.snapshot import State
from exporter.simulator import CdmJob, CdmRun, Cloud, DliJob, Step, SubJob, Volume
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
            rows = []
            for seconds in range(1000, 2000, 100):
                await until(clock, seconds)
                assert counted(there) == before
                assert all(record.up and not record.stale for record in there.store.records())
                snapshot = there.record(running).snapshot
                assert snapshot is not None
                assert snapshot.state is State.RUNNING
                rows.append(dict(snapshot.counts))
            assert all(earlier != later for earlier, later in pairwise(rows))

    run(main())
