"""What polls and lists make of answers that are about an older run, and of a job that deletes itself after its run."""

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest

from exporter.model.snapshot import Measure, State
from exporter.simulator import Answer, CdmJob, CdmRun, Cloud, Fault, Step, Volume
from exporter.simulator.answers import Call
from exporter.simulator.gateway import handle
from tests.polling.harness import PACE, World, world
from tests.polling.looking import looking
from tests.warp import START, WarpClock, run

SQOOP = "org.apache.sqoop.submission.counter.SqoopCounters"
CLUSTER = "6ec9a0a4-76be-4262-8697-e7af1fac7920"
HOUR = 3600.0


def counters(written: int, skipped: int) -> dict[str, dict[str, int]]:
    """Return what a run that succeeded moved, as CDM tells it."""
    moved = {"ROWS_WRITTEN": written, "ROWS_WRITTEN_SKIPPED": skipped}
    return {"org.apache.sqoop.submission.counter.SqoopCounters": moved}


def status(cloud: Cloud, job: CdmJob) -> Answer:
    """Return what the cloud says of the job now."""
    path = f"/v1.1/{cloud.project_id}/clusters/{job.cluster_id}/cdm/job/{job.name}/status"
    answer, _ = handle(cloud, Call("GET", path, headers={"x-auth-token": cloud.token}))
    assert answer.status == 200
    return answer


def other() -> CdmJob:
    """Return a job of the same cluster that runs all the time, so that its list is worth reading."""
    return CdmJob(CLUSTER, "other", START, (CdmRun((Step("RUNNING", 9 * HOUR, 0.0, 1.0),)),))


def test_an_older_submission_that_is_answered_after_a_newer_one_is_no_news() -> None:
    first = CdmRun((Step("RUNNING", 100, 0.0, 0.5),), end="FAILED", rest=50)
    second = CdmRun((Step("RUNNING", HOUR, 0.0, 1.0),), volume=Volume(rows_written=1000))
    job = CdmJob(CLUSTER, "orders", START, (first, second), repeats=False)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there:
            there.watch(job)
            await there.until(120)
            older = status(there.cloud, job)
            await there.until(500)
            known = there.record(job)
            assert known.shown is not None
            assert known.shown.state is State.RUNNING
            assert known.runs == (0, 1, 0)
            there.cloud.faults.plan(Fault(answer=older), times=None, operation="ShowJobStatus")
            asked = len(there.cloud.requests)
            await there.until(700)
            now = there.record(job)
            assert len(there.cloud.requests) > asked + 3
            assert (now.shown, now.runs, now.failures) == (known.shown, (0, 1, 0), {})
            assert now.polled_at is not None
            assert now.polled_at <= START + 500  # an answer about another run is no poll of this one
            there.cloud.faults.clear()
            await there.until(800)
            now = there.record(job)
            assert now.shown is not None
            assert now.shown.state is State.RUNNING
            assert now.polled_at is not None
            assert now.polled_at > START + 700
            assert now.runs == (0, 1, 0)

    run(main())


def test_after_a_restart_an_older_submission_is_no_news_until_nothing_newer_came_for_long(tmp_path: Path) -> None:
    first = CdmRun((Step("RUNNING", 100, 0.0, 0.5),), end="FAILED", rest=50)
    job = CdmJob(CLUSTER, "orders", START, (first, CdmRun((Step("RUNNING", HOUR, 0.0, 1.0),))), repeats=False)
    journal = tmp_path / "journal.json"

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job), journal=journal) as there:
            there.watch(job)
            await there.until(120)
            older = status(there.cloud, job)
            await there.until(600)
        clock = there.clock
        assert isinstance(clock, WarpClock)
        async with world(lambda cloud: cloud.add(job), clock=clock, journal=journal) as there:
            there.cloud.faults.plan(Fault(answer=older), times=None, operation="ShowJobStatus")
            there.watch(job)
            await there.until(PACE.stale_after - 60)
            record = there.record(job)
            assert (record.shown, record.up, record.runs) == (None, None, (0, 1, 0))
            await there.until(2 * PACE.stale_after)
            record = there.record(job)
            assert record.shown is not None
            assert (record.shown.state, record.up, record.runs) == (State.FAILED, True, (0, 1, 0))

    run(main())


@pytest.mark.parametrize("early", [{"counters": None, "write_rows": 0}, {"counters": counters(7, 1), "write_rows": 7}])
def test_numbers_that_are_told_too_early_are_asked_for_again_though_a_list_tells_of_the_job(
    early: dict[str, Any],
) -> None:
    moved = Volume(rows_written=1000, rows_skipped=5)
    job = CdmJob(CLUSTER, "orders", START, (CdmRun((Step("RUNNING", 100, 0.0, 1.0),), volume=moved),), repeats=False)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job, other())) as there, looking(there, {"service": "cdm"}):
            await there.until(101)
            body = json.loads(status(there.cloud, job).body)
            body["submissions"][0] |= early
            there.cloud.faults.plan(Answer(500, b""), times=None, operation="ShowJobStatus", job="orders")
            await there.until(150)  # so that a list tells the end first
            there.cloud.faults.clear()
            there.cloud.faults.plan(
                Answer(200, json.dumps(body).encode()), times=1, operation="ShowJobStatus", job="orders"
            )
            await there.until(1200)  # a failed poll, then two more, each 300 s later or at the job's phase in them
            shown = there.record(job).shown
            assert shown is not None
            counts = {
                name: shown.counts.get(Measure(name)) for name in ("rows_inserted", "rows_written", "rows_skipped")
            }
            assert counts == {"rows_inserted": 1000, "rows_written": 1000, "rows_skipped": 5}
            asked = len(there.cloud.asked("ShowJobStatus", "orders"))
            await there.until(2500)
            assert len(there.cloud.asked("ShowJobStatus", "orders")) == asked  # from now on the list is enough

    run(main())


@pytest.mark.parametrize("listed", [False, True])
def test_a_job_that_deletes_itself_is_over_with_a_result_that_nobody_knows(listed: bool) -> None:
    steps = (Step("RUNNING", 200, 0.0, 1.0),)
    job = CdmJob(CLUSTER, "once", START, (CdmRun(steps),), repeats=False, deletes_itself=True)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job, other()), pace=PACE) as there:
            there.watch(job, other())
            if listed:
                async with looking(there):
                    await over(there)
            else:
                await over(there)

    async def over(there: World) -> None:
        await there.until(150)
        before = there.record(job)
        assert before.shown is not None
        assert before.shown.state is State.RUNNING
        for seconds in (400, 2 * HOUR):
            await there.until(seconds)
            record = there.record(job)
            assert record.shown is not None
            assert record.shown.state is State.UNKNOWN
            assert (record.up, record.stale, record.failures, record.runs) == (True, False, {}, (0, 0, 0))

    run(main())


@pytest.mark.parametrize("listed", [False, True])
@pytest.mark.parametrize(
    "late", ['"counters": null, "write_rows": 0', f'"counters": {{"{SQOOP}": {{"ROWS_WRITTEN": NaN}}}}']
)
def test_a_run_whose_counters_come_after_its_end_is_added_once_within_an_interval_and_then_rests(
    late: str, listed: bool
) -> None:
    once = CdmRun((Step("RUNNING", 100, 0.0, 1.0),), volume=Volume(rows_written=1000))
    job = CdmJob(CLUSTER, "orders", START, (once,), repeats=False)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there:
            there.watch(job)
            if listed:
                async with looking(there):
                    await over(there)
            else:
                await over(there)

    async def over(there: World) -> None:
        await there.until(101)
        (run_,) = json.loads(status(there.cloud, job).body)["submissions"]
        names = ("job-name", "submission-id", "creation-date", "execute-date", "last-update-date")
        told = json.dumps({name: run_[name] for name in names})[1:-1]
        early = Answer(200, f'{{"submissions": [{{"status": "SUCCEEDED", {told}, {late}}}]}}'.encode())
        there.cloud.faults.plan(early, operation="ShowJobStatus")
        ended = len(there.cloud.asked("ShowJobStatus"))
        while len(there.cloud.asked("ShowJobStatus")) == ended:
            await asyncio.sleep(0.5)
        await asyncio.sleep(1)
        first = there.record(job)
        assert (first.runs, first.totals["rows_written"]) == ((1, 0, 0), 0)
        assert first.snapshot is not None
        assert first.snapshot.counts.get(Measure("rows_written")) in ({None, 1000} if listed else {None})
        await asyncio.sleep(PACE.interval + 1)
        second = there.record(job)
        assert (second.runs, second.totals["rows_written"]) == ((1, 0, 0), 1000)
        assert second.snapshot is not None
        assert second.snapshot.counts[Measure("rows_written")] == 1000
        asked = len(there.cloud.asked("ShowJobStatus"))
        await asyncio.sleep(10 * PACE.interval)
        assert len(there.cloud.asked("ShowJobStatus")) <= asked + 1
        assert there.record(job).totals["rows_written"] == 1000

    run(main())
