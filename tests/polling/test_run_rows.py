"""What a run came to that ended: from the list that tells of it, else by one call of its own."""

import asyncio
from dataclasses import replace

from exporter.model.changes import Changes
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.model.snapshot import Measure
from exporter.simulator import DliJob, Fault, Step, SubJob, server_failure
from exporter.simulator.answers import service_error
from tests.polling.harness import World, job_of, world
from tests.polling.looking import looking
from tests.warp import START, run

STATUS = "ShowSqlJobStatus"
ROWS = {Measure("rows_read"): 1000, Measure("bad_rows"): 3, Measure("result_rows"): 997}
MOVED = ROWS | {Measure("read_bytes"): 7000}
LISTED = MOVED | {Measure("written_bytes"): 500, Measure("cpu_seconds"): 1.5}


def insert(number: int, begins: float, seconds: float, **fields: object) -> DliJob:
    script = (SubJob("save", tasks=100, seconds=seconds),)
    moved = {"rows": 1000, "bad_rows": 3, "input_bytes": 7000, "output_bytes": 500, "cpu_cost": 1500}
    job = DliJob(f"id-{number}", f"q{number}", START + begins, script, job_type="INSERT", **moved)  # type: ignore[arg-type]
    return replace(job, **fields)  # type: ignore[arg-type]


def calls(there: World, job: DliJob) -> int:
    return len(there.cloud.asked(STATUS, job.job_id))


def moved(record: Record) -> dict[Measure, float]:
    assert record.shown is not None
    return {measure: value for measure, value in record.shown.counts.items() if measure in LISTED}


def test_a_run_of_a_registered_job_is_asked_for_once_when_it_ended() -> None:
    job = insert(1, -60, 160)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there:
            there.watch(job)
            await there.until(95)
            shown = there.record(job).shown
            assert shown is not None
            assert (shown.start, shown.words, calls(there, job)) == (None, {}, 0)
            await there.until(1000)

            record = there.record(job)
            shown = record.shown
            assert shown is not None
            assert (shown.start, shown.end) == (START - 60, START + 100)
            assert moved(record) == MOVED, "the status lacks what the list alone tells"
            assert shown.counts[Measure("tasks_planned")] == 100
            assert shown.words["queue_name"] == "default"
            assert calls(there, job) == 1
            assert (record.last_run_duration, record.took[0].milliseconds) == (160, 160_000)
            assert record.last_success == START + 100
            labels = 'job="q1",job_type="INSERT",operation="",owner="svc_etl",queue_name="default",service="dli"'
            assert f"huaweicloud_job_run_labels{{{labels}}} 1.0" in there.lines()

    run(main())


def test_a_run_that_only_the_list_of_those_that_wait_told_of_is_asked_for_at_once() -> None:
    jobs = [insert(number, 0, 160) for number in range(1, 30)]
    jobs = [replace(job, script=(Step("LAUNCHING", 400), SubJob("save", 100, 20))) for job in jobs]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*jobs)) as there, looking(there):
            there.watch(*jobs)
            await there.until(500)

            assert there.record(jobs[0]).listed_at is not None
            assert [there.record(job).took[0].runs for job in jobs] == [1] * len(jobs)
            assert [calls(there, job) for job in jobs] == [1] * len(jobs)

    run(main())


def test_a_call_that_fails_is_made_again_and_one_that_finds_nothing_is_not() -> None:
    busy, gone = insert(1, -60, 70), insert(2, -60, 70)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(busy, gone)) as there:
            there.cloud.faults.plan(server_failure(), times=3, operation=STATUS, job=busy.job_id)
            lost = Fault(answer=service_error(404, "DLI.0023", "No related resource found."))
            there.cloud.faults.plan(lost, times=None, operation=STATUS, job=gone.job_id)
            there.watch(busy, gone)
            await there.until(2000)

            assert (calls(there, busy), calls(there, gone)) == (4, 1)
            assert moved(there.record(busy)) == MOVED
            assert moved(there.record(gone)) == {}
            assert there.record(gone).failures.get(Reason.NOT_FOUND) is None, "it is no failed poll"

    run(main())


def test_a_run_that_a_list_told_whole_is_not_asked_for() -> None:
    jobs = [insert(number, 50 + 7 * number, 160) for number in range(1, 6)]

    async def main() -> None:
        async with (
            world(lambda cloud: cloud.add(*jobs)) as there,
            looking(there, {"service": "dli", "name": "{job_id}"}),
        ):
            await there.until(180)
            record = there.store.get(JobKey("dli", "id-1"))
            assert record is not None
            assert record.snapshot is not None
            assert 0 < record.snapshot.counts[Measure("rows_read")] < 1000, "what the list tells so far"
            await there.until(1000)

            for job in jobs:
                record = there.store.get(JobKey("dli", job.job_id))
                assert record is not None
                assert moved(record) == LISTED
                assert record.shown is not None
                assert record.shown.counts[Measure("tasks_planned")] == 100
                assert record.shown.words["engine_type"] == "spark"
                assert record.took[0].runs == 1
            assert [calls(there, job) for job in jobs] == [0] * 5

    run(main())


def test_what_a_list_told_of_the_running_run_is_not_what_it_came_to() -> None:
    """A rule that asks for running jobs alone never lists the end: the list's last figure goes until it is told."""
    job = insert(1, -60, 160)

    async def main() -> None:
        async with (
            world(lambda cloud: cloud.add(job)) as there,
            looking(there, {"service": "dli", "name": "n", "states": ["RUNNING"]}),
        ):
            there.cloud.faults.plan(server_failure(), times=2, operation=STATUS)
            seen = set()
            while there.clock.now() < START + 600:
                await asyncio.sleep(5)
                record = there.store.get(JobKey("dli", "n"))
                if record is not None and record.snapshot is not None and record.snapshot.state.ended:
                    seen.add(moved(record).get(Measure("rows_read")))
            assert seen == {None, 1000}
            assert calls(there, job) == 3

    run(main())


def test_a_job_that_is_taken_out_while_it_is_asked_for_is_asked_for_no_more() -> None:
    job = insert(1, -60, 70)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there:
            there.cloud.faults.plan(server_failure(), times=None, operation=STATUS)
            there.watch(job)
            await there.until(150)
            before = calls(there, job)
            assert before > 0
            there.poller.apply(Changes(removed=(job_of(job).key,)))
            await there.until(2000)
            assert calls(there, job) == before

    run(main())


def test_a_failed_run_is_timed_too_and_keeps_its_reason() -> None:
    job = insert(1, -60, 100, end="FAILED", message="DLI.0006: The table t already exists.")
    scripted = replace(job, script=(Step("RUNNING", 100, 0.2, 0.4),))

    async def main() -> None:
        async with world(lambda cloud: cloud.add(scripted)) as there:
            there.watch(scripted)
            await there.until(600)

            record = there.record_of(Job(JobKey("dli", "q1"), "demo", {"job_id": "id-1"}))
            assert record.shown is not None
            assert (record.shown.failure_code, record.shown.end) == ("DLI.0006", START + 40)
            assert record.took[1].milliseconds == 100_000
            assert record.last_failure == START + 40

    run(main())


def totals(there: World, name: str) -> dict[str, float]:
    """Return what was added up over the runs of a job's name, as it is served."""
    record = there.store.get(JobKey("dli", name))
    assert record is not None
    return dict(record.totals)


def test_what_the_runs_of_a_name_came_to_is_added_up_each_once_and_the_tasks_of_the_run_stay() -> None:
    first, second = insert(1, -60, 160), insert(2, 700, 200)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(first, second)) as there:
            job = replace(job_of(first), key=JobKey("dli", "nightly"))
            there.poller.apply(Changes(added=(job,)))
            await there.until(90)
            assert set(totals(there, "nightly").values()) == {0}
            await there.until(680)
            moved_once = {"rows_read": 1000, "bad_rows": 3, "read_bytes": 7000, "written_bytes": 0, "cpu_seconds": 0}
            assert totals(there, "nightly") == moved_once
            assert there.record_of(job).snapshot is not None
            shown = there.record_of(job).shown
            assert shown is not None
            assert (shown.counts[Measure("tasks_planned")], shown.counts[Measure("rows_read")]) == (100, 1000)
            there.poller.apply(Changes(changed=(replace(job, target={"job_id": second.job_id}),)))
            await there.until(3000)
            assert totals(there, "nightly") == {name: 2 * number for name, number in moved_once.items()}

    run(main())


def test_what_lists_tell_of_runs_is_added_up_too() -> None:
    jobs = [insert(number, 100 * number, 60, tags={"pipeline": "nightly"}) for number in range(1, 6)]

    async def main() -> None:
        rule = {"service": "dli", "name": "{tags.pipeline}"}
        async with world(lambda cloud: cloud.add(*jobs)) as there, looking(there, rule):
            await there.until(2000)
            record = there.store.get(JobKey("dli", "nightly"))
            assert record is not None
            assert record.runs == (5, 0, 0)
            assert record.totals == {
                "rows_read": 5000,
                "bad_rows": 15,
                "read_bytes": 35000,
                "written_bytes": 2500,
                "cpu_seconds": 7.5,
            }

    run(main())


def test_runs_whose_numbers_nothing_tells_are_not_waited_for_without_end() -> None:
    jobs = [insert(number, 100 * number - 90, 60) for number in range(1, 31)]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*jobs)) as there:
            there.cloud.faults.plan(service_error(404, "DLI.0023", "gone"), times=None, operation=STATUS)
            job = replace(job_of(jobs[0]), key=JobKey("dli", "nightly"))
            there.poller.apply(Changes(added=(job,)))
            for number, each in enumerate(jobs[1:], 1):
                await there.until(100 * number + 20)
                there.poller.apply(Changes(changed=(replace(job, target={"job_id": each.job_id}),)))
            await there.until(3200)
            record = there.store.get(JobKey("dli", "nightly"))
            assert record is not None
            assert record.runs[0] > 25
            assert len(record.ledger.paid) <= 11

    run(main())
