"""Deadlines of jobs that are polled: met, missed and made up for, over time, restarts and reloads."""

from dataclasses import replace
from pathlib import Path

from exporter.model.changes import Changes
from exporter.model.job import Job
from exporter.model.promises import Deadline, Promises
from exporter.simulator import CdmJob, CdmRun, Step
from tests.polling.harness import World, job_of, world
from tests.polling.test_registration import CLUSTER
from tests.warp import START, WarpClock, run

DEADLINE = Deadline(9, 0, frozenset(range(7)), "UTC")
DUE = DEADLINE.after(START)
assert DUE - START < 3600


def watched(there: World, seconds: float, deadline: Deadline = DEADLINE) -> Job:
    """Register a job whose run begins at once and succeeds after *seconds*."""
    plan = (CdmRun((Step("RUNNING", seconds, 0.0, 1.0), Step("SUCCEEDED", 0.0, 1.0, 1.0)), rest=1e9),)
    simulated = CdmJob(CLUSTER, "copy", there.cloud.started, plan)
    there.cloud.add(simulated)
    job = replace(job_of(simulated), promises=Promises(deadline=deadline, period=60.0))
    there.poller.apply(Changes(added=(job,)))
    return job


def shown(there: World) -> tuple[float | None, float | None]:
    lines = dict(line.rsplit(" ", 1) for line in there.lines() if "_deadline_" in line)
    labels = '{job="copy",service="cdm"}'
    told = [lines.get(f"huaweicloud_job_deadline_{name}{labels}") for name in ("timestamp_seconds", "met")]
    at, met = (None if value is None else float(value) for value in told)
    return at, met


def test_a_deadline_that_is_missed_stays_until_the_run_succeeds() -> None:
    async def main() -> None:
        async with world() as there:
            watched(there, DUE - START + 500)
            assert shown(there) == (None, None), "nothing is known before the first poll"
            await there.until(40)
            assert shown(there) == (DUE, 0)
            await there.until(DUE - START + 400)
            assert shown(there) == (DUE, 0)
            await there.until(DUE - START + 600)
            assert shown(there) == (DUE + 86_400, 0)

    run(main())


def test_a_deadline_that_is_met_moves_on_when_it_passes_without_a_poll() -> None:
    async def main() -> None:
        async with world() as there:
            watched(there, 100)
            await there.until(200)
            assert shown(there) == (DUE, 1)
            await there.until(DUE - START - 2)
            assert shown(there) == (DUE, 1)
            await there.until(DUE - START + 3)
            assert shown(there) == (DUE + 86_400, 0)

    run(main())


def test_a_missed_deadline_outlives_a_restart_with_a_journal(tmp_path: Path) -> None:
    clocks: list[WarpClock] = []

    async def main() -> None:
        async with world(journal=tmp_path / "journal") as there:
            clocks.append(there.clock)
            watched(there, 1e8)
            await there.until(DUE - START + 60)
        async with world(journal=tmp_path / "journal", clock=clocks[0]) as again:
            watched(again, 1e8)
            await again.until(DUE - START + 200)
            assert shown(again) == (DUE, 0)
        async with world(clock=clocks[0]) as without:
            watched(without, 1e8)
            await without.until(DUE - START + 400)
            assert shown(without) == (DUE + 86_400, 0), "without one nobody knows what was before"

    run(main())


def test_another_promise_is_taken_over_at_once() -> None:
    async def main() -> None:
        async with world() as there:
            job = watched(there, 1e8)
            await there.until(DUE - START + 60)
            later = Deadline(10, 30, DEADLINE.days, "UTC")
            there.poller.apply(Changes(changed=(replace(job, promises=Promises(deadline=later, max_run=5.0)),)))

            assert shown(there) == (DUE + 5_400, 0)
            promises = [line for line in there.lines() if "_promise_" in line]
            assert promises == ['huaweicloud_job_promise_seconds{job="copy",promise="max_run",service="cdm"} 5.0']
            there.poller.apply(Changes(changed=(replace(job, promises=Promises()),)))
            assert shown(there) == (None, None)

    run(main())
