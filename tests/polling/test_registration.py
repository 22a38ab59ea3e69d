"""Jobs that come, go and change while they are polled: nothing of one is ever booked on another."""

import asyncio
import math
from collections.abc import MutableMapping
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.cloud.projects import Projects
from exporter.config import Settings, load
from exporter.model.changes import Changes
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.run import RunId
from exporter.model.snapshot import State
from exporter.runs.accounting import KEPT
from exporter.services.dli import Dli
from exporter.simulator import CdmJob, CdmRun, Cloud, DliJob, DwsJob, Fault, Step, SubJob
from exporter.simulator.answers import gateway_error
from exporter.sources.registration import Registration
from tests.polling.harness import PACE, World, access_key, job_of, world
from tests.polling.looking import settings_of
from tests.polling.test_crashes import Crash
from tests.warp import START, WarpClock, run

CLUSTER = "6ec9a0a4-76be-4262-8697-e7af1fac7920"


def dli(there: World, seconds: float = 1000) -> Job:
    """Add a DLI job to the cloud and return its registration, always under one name."""
    job = DliJob(there.cloud.new_uuid(), "orders", there.cloud.started, (SubJob("save", tasks=100, seconds=seconds),))
    there.cloud.add(job)
    return job_of(job)


def cdm(there: World, cluster: str = CLUSTER) -> Job:
    plan = (CdmRun((Step("RUNNING", math.inf, 0.0, 1.0),), rest=15),)
    job = CdmJob(cluster, "copy", there.cloud.started, plan)
    there.cloud.add(job)
    return job_of(job)


def slow(there: World, job: Job, seconds: float) -> None:
    """Let the answers about a job come late."""
    there.cloud.faults.plan(Fault(delay=seconds), job=job.target["job_id"])


def asked(there: World, job: Job) -> int:
    return len(list(there.cloud.asked(job=job.target.get("job_id", job.key.job))))


def registered(there: World, service: str = "dli", source: str = "static") -> float | None:
    return there.sample("registered_jobs", service=service, source=source)


def test_a_job_that_is_gone_leaves_no_series_and_is_polled_no_more() -> None:
    async def main() -> None:
        async with world() as there:
            job = dli(there)
            there.poller.apply(Changes(added=(job,)))
            await there.until(40)
            assert there.lines()
            there.poller.apply(Changes(removed=(job.key,)))
            polls = asked(there, job)

            assert there.lines() == []
            assert there.store.get(job.key) is None
            assert there.poller.next_due(job.key) is None
            assert registered(there) == 0
            await there.until(2000)
            assert asked(there, job) == polls
            assert there.lines() == []
            assert there.poller.demand.stretches() == {"demo": 1}

    run(main())


def test_an_answer_that_comes_after_its_job_is_gone_does_not_bring_it_back() -> None:
    async def main() -> None:
        async with world() as there:
            job = dli(there)
            slow(there, job, 3)
            there.poller.apply(Changes(added=(job,)))
            await there.until(1)
            there.poller.apply(Changes(removed=(job.key,)))
            await there.until(60)

            assert there.lines() == []
            assert asked(there, job) == 1

    run(main())


def test_an_answer_is_not_booked_on_a_job_that_was_registered_anew() -> None:
    async def main() -> None:
        async with world() as there:
            old, new = dli(there), dli(there)
            slow(there, old, 3)
            there.poller.apply(Changes(added=(old,)))
            await there.until(1)
            there.poller.apply(Changes(removed=(old.key,)))
            there.poller.apply(Changes(added=(new,)))
            slow(there, new, 4)
            await there.until(4.5)  # the old answer came at 3
            record = there.store.get(new.key)
            assert record is not None
            assert (record.polled_at, record.snapshot, record.job) == (None, None, new)
            await there.until(9)  # the first call of all goes alone
            record = there.store.get(new.key)
            assert record is not None
            assert record.snapshot is not None
            assert record.snapshot.run.id == new.target["job_id"]
            assert (asked(there, old), asked(there, new)) == (1, 1)

    run(main())


def test_a_failure_is_not_booked_on_a_job_that_was_registered_anew() -> None:
    async def main() -> None:
        async with world(timeout=3) as there:
            old, new = dli(there), dli(there)
            slow(there, old, 10)
            there.poller.apply(Changes(added=(old,)))
            await there.until(1)
            there.poller.apply(Changes(changed=(new,)))
            await there.until(10)
            record = there.store.get(new.key)

            assert record is not None
            assert record.failures == {}
            assert record.up

    run(main())


def test_the_next_run_keeps_the_counts_and_shows_nothing_of_the_old_one() -> None:
    async def main() -> None:
        async with world() as there:
            first, second = dli(there, 20), dli(there, 1000)
            there.poller.apply(Changes(added=(first,)))
            await there.until(200)
            before = there.store.get(first.key)
            assert before is not None
            assert before.final
            assert before.runs == (1, 0, 0)
            slow(there, second, 2)
            there.poller.apply(Changes(changed=(second,)))

            record = there.store.get(first.key)
            assert record is not None
            assert (record.shown, record.up, record.final, record.fault) == (None, None, False, None)
            assert (record.runs, record.polled_at) == (before.runs, before.polled_at)
            lines = "\n".join(there.lines())
            assert "huaweicloud_job_state" not in lines
            assert "huaweicloud_job_progress_ratio" not in lines
            assert "huaweicloud_job_tasks" not in lines
            assert f'job_id="{second.target["job_id"]}",job_name="",project="demo",region=""' in lines
            assert "huaweicloud_job_run_info" not in lines
            assert registered(there) == 1
            await there.until(204)
            record = there.store.get(first.key)
            assert record is not None
            assert record.shown is not None
            assert record.shown.run.id == second.target["job_id"]
            await there.until(1400)
            record = there.store.get(first.key)
            assert record is not None
            assert record.final
            assert record.runs == (2, 0, 0)

    run(main())


def test_a_next_run_that_ended_before_its_first_poll_is_counted() -> None:
    async def main() -> None:
        async with world() as there:
            first, second = dli(there, 20), dli(there, 30)
            there.poller.apply(Changes(added=(first,)))
            await there.until(200)
            there.poller.apply(Changes(changed=(second,)))
            await there.until(400)
            record = there.store.get(first.key)

            assert record is not None
            assert record.runs == (2, 0, 0)

    run(main())


def test_a_next_run_is_not_paced_by_the_failures_of_the_one_before() -> None:
    async def main() -> None:
        async with world() as there:
            lost, second = Job(JobKey("dli", "orders"), "demo", {"job_id": "lost"}), dli(there)
            there.poller.apply(Changes(added=(lost,)))
            await there.until(1000)
            there.poller.apply(Changes(changed=(second,)))
            await there.until(1002)
            record = there.store.get(second.key)

            assert record is not None
            assert record.up
            assert record.failures[Reason.NOT_FOUND] > 1

    run(main())


def test_a_job_in_another_cluster_under_the_same_name_begins_anew() -> None:
    async def main() -> None:
        async with world() as there:
            first, other = cdm(there), cdm(there, "2a4d7f6e-0000-4262-8697-e7af1fac7920")
            there.poller.apply(Changes(added=(first,)))
            await there.until(40)
            there.poller.apply(Changes(changed=(other,)))
            record = there.store.get(other.key)

            assert record is not None
            assert (record.job, record.snapshot, record.polled_at) == (other, None, None)
            assert registered(there, "cdm") == 1

    run(main())


def test_another_interval_or_source_changes_nothing_that_is_shown() -> None:
    async def main() -> None:
        async with world() as there:
            job = replace(dli(there), interval=1000.0)
            there.poller.apply(Changes(added=(job,)))
            await there.until(5)
            before = there.lines()
            polls = asked(there, job)
            there.poller.apply(Changes(changed=(replace(job, interval=10.0, source="file"),)))

            assert there.lines() == before
            assert (registered(there), registered(there, source="file")) == (0, 1)
            await there.until(56)
            assert 4 <= asked(there, job) - polls <= 6

    run(main())


def test_a_change_under_way_neither_loses_nor_doubles_polls() -> None:
    """Jobs wait for a budget and for places while they are removed, added again and changed, again and again."""

    async def main() -> None:
        async with world(rate=1, concurrency=2) as there:
            runs = [dli(there) for _ in range(12)]
            jobs = [replace(job, key=JobKey("dli", f"job {number % 4}")) for number, job in enumerate(runs)]
            for round_ in range(60):
                old = {record.job.key: record.job for record in there.store.records()}
                for job in (jobs[round_ % 12], jobs[(round_ * 5 + 3) % 12]):
                    if job.key not in old:
                        there.poller.apply(Changes(added=(job,)))
                    elif round_ % 3:
                        there.poller.apply(Changes(changed=(replace(job, interval=float(round_)),)))
                    else:
                        there.poller.apply(Changes(removed=(job.key,)))
                    old = {record.job.key: record.job for record in there.store.records()}
                await asyncio.sleep(0.9)
            for job in jobs[:4]:
                changes = Changes(changed=(job,)) if there.store.get(job.key) else Changes(added=(job,))
                there.poller.apply(changes)
            await asyncio.sleep(60)
            counts = [asked(there, job) for job in jobs]
            await asyncio.sleep(300)

            more = [asked(there, job) - count for job, count in zip(jobs, counts, strict=True)]
            assert all(9 <= count <= 11 for count in more[:4]), more
            # A replaced run is asked for its end after 30, 60, 120 s and so on: at most three times in any 300 s.
            assert all(count <= 3 for count in more[4:]), more
            for job in jobs[:4]:
                record = there.store.get(job.key)
                assert record is not None
                assert record.shown is not None
                assert record.shown.run.id == job.target["job_id"]
                assert record.shown.state is State.RUNNING

    run(main())


def test_who_is_refused_may_be_removed_meanwhile() -> None:
    def wrong_key(cloud: Cloud) -> None:
        cloud.faults.plan(Fault(gateway_error(401, "APIG.0301", "Incorrect IAM authentication information"), delay=1))

    async def main() -> None:
        async with world(wrong_key) as there:
            job = dli(there)
            there.poller.apply(Changes(added=(job,)))
            await there.until(0.5)
            there.poller.apply(Changes(removed=(job.key,)))
            await there.until(1000)

            assert there.lines() == []
            assert asked(there, job) == 1

    run(main())


def test_a_crash_on_the_answer_of_a_job_that_is_gone_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError

    async def main() -> None:
        async with world() as there:
            job = dli(there)
            slow(there, job, 3)
            there.poller.apply(Changes(added=(job,)))
            await there.until(1)
            there.poller.apply(Changes(removed=(job.key,)))
            await there.until(10)

            assert there.sample("crashes_total", task="poll") == 1
            assert there.lines() == []

    monkeypatch.setattr(Dli, "parse", crash)
    run(main())


def test_nothing_is_kept_of_a_job_file_that_is_gone() -> None:
    async def main() -> None:
        async with world() as there:
            register = Registration(settings_of({"service": "dli"}), there.store, there.poller, there.telemetry)
            for number in range(300):
                job = Job(JobKey("dli", f"q{number}"), "demo", {"job_id": f"id-{number}"}, source="file")
                register.register({f"{number}.yaml": (job,)})
                register.register({f"{number}.yaml": ()})
            assert there.lines() == []
            assert not register._sources

    run(main())


def test_the_log_names_what_a_file_registers_and_the_file() -> None:
    async def main() -> list[MutableMapping[str, Any]]:
        async with world() as there:
            register = Registration(settings_of({"service": "dli"}), there.store, there.poller, there.telemetry)
            jobs = [replace(dli(there), key=JobKey("dli", f"job-{number}"), source="file") for number in range(12)]
            with capture_logs() as logs:
                register.register({"/etc/jobs.d/a.yaml": jobs})
                register.register({"/etc/jobs.d/a.yaml": jobs[1:]})
        return list(logs)

    came, went = [line for line in run(main()) if line["event"] == "jobs registered"]

    assert came["sources"] == went["sources"] == ["/etc/jobs.d/a.yaml"]
    assert (came["added"], came["removed"], came["changed"]) == (12, 0, 0)
    assert came["added_jobs"] == [f"dli/job-{number}" for number in range(10)]
    assert (went["removed"], went["added_jobs"], went["removed_jobs"]) == (1, [], ["dli/job-0"])


@pytest.mark.parametrize("seconds", [100, 700])
def test_a_run_that_is_replaced_while_polls_fail_is_counted_when_its_end_can_be_asked(seconds: float) -> None:
    async def main() -> None:
        async with world() as there:
            first, second = dli(there, seconds), dli(there, 5000)
            there.poller.apply(Changes(added=(first,)))
            await there.until(40)
            there.cloud.faults.plan(gateway_error(500, "APIG.0201", "no"), times=None, job=first.target["job_id"])
            await there.until(300)
            there.poller.apply(Changes(changed=(second,)))
            await there.until(330)
            there.cloud.faults.clear()
            await there.until(1300)
            record = there.store.get(second.key)

            assert record is not None
            assert record.runs == (1, 0, 0)
            assert record.shown is not None
            assert record.shown.run.id == second.target["job_id"]
            assert record.shown.state is State.RUNNING
            assert there.sample("history_runs_missed_total", service="dli", project="demo") is None
            before = asked(there, first)
            await there.until(4000)
            assert asked(there, first) == before

    run(main())


@pytest.mark.parametrize("service", ["dli", "dws"])
@pytest.mark.parametrize("replaced_while_down", [False, True])
def test_a_run_that_was_replaced_before_a_restart_is_counted_when_its_end_can_be_asked(
    service: str, replaced_while_down: bool, tmp_path: Path
) -> None:
    def script(cloud: Cloud) -> tuple[DliJob | DwsJob, DliJob | DwsJob]:
        if service == "dws":
            short, long = (Step("RUNNING", 700),), (Step("RUNNING", 9000),)
            return DwsJob("0" * 32, "orders", START, short), DwsJob("1" * 32, "orders", START, long)
        return (
            DliJob("id-1", "orders", START, (SubJob("save", tasks=9, seconds=700),)),
            DliJob("id-2", "orders", START, (SubJob("save", tasks=9, seconds=9000),)),
        )

    async def main() -> None:
        clock, journal = WarpClock(asyncio.get_running_loop()), tmp_path / "journal"
        async with world(lambda cloud: cloud.add(*script(cloud)), clock=clock, journal=journal) as there:
            first, second = map(job_of, script(there.cloud))
            there.poller.apply(Changes(added=(first,)))
            await asyncio.sleep(40)
            there.cloud.faults.plan(gateway_error(500, "APIG.0201", "no"), times=None)
            await asyncio.sleep(200)
            if not replaced_while_down:
                there.poller.apply(Changes(changed=(second,)))
                await asyncio.sleep(30)
        await asyncio.sleep(1000)
        async with world(lambda cloud: cloud.add(*script(cloud)), clock=clock, journal=journal) as there:
            there.poller.apply(Changes(added=(second,)))
            await asyncio.sleep(400)
            record = there.store.get(second.key)

            assert record is not None
            assert record.shown is not None
            assert (record.shown.run.id, record.shown.state) == (second.target["job_id"], State.RUNNING)
            assert record.ledger.runs == (1, 0, 0)
            assert there.sample("history_runs_missed_total", service=service, project="demo") is None

    run(main())


def test_of_a_run_that_ended_as_the_next_was_registered_end_and_duration_are_those_of_the_service() -> None:
    async def main() -> None:
        async with world() as there:
            first, second = dli(there, 100), dli(there, 50_000)
            there.poller.apply(Changes(added=(first,)))
            await there.until(90)
            there.cloud.faults.plan(gateway_error(500, "APIG.0201", "no"), times=3, operation="ShowSqlJobStatus")
            await there.until(100)
            there.poller.apply(Changes(changed=(second,)))
            await there.until(900)
            record = there.store.get(second.key)

            assert record is not None
            assert record.runs == (1, 0, 0)
            assert record.last_success == pytest.approx(START + 100, abs=1)
            assert record.took[0].runs == 1
            assert record.took[0].milliseconds == pytest.approx(100_000, abs=1000)

    run(main())


def test_a_run_that_is_replaced_and_of_which_nothing_tells_its_end_is_counted_as_missed() -> None:
    async def main() -> None:
        async with world() as there:
            first, second = dli(there, 100), dli(there, 50_000)
            there.poller.apply(Changes(added=(first,)))
            await there.until(40)
            del there.cloud.dli[first.target["job_id"]]
            there.poller.apply(Changes(changed=(second,)))
            await there.until(400)
            record = there.store.get(second.key)

            assert record is not None
            assert (record.runs, record.ledger.open) == ((0, 0, 0), (RunId(second.target["job_id"]),))
            assert there.sample("history_runs_missed_total", service="dli", project="demo") == 1

    run(main())


@pytest.mark.slow
def test_of_more_runs_that_are_open_at_once_than_are_remembered_the_oldest_are_counted_as_missed() -> None:
    async def main() -> list[MutableMapping[str, Any]]:
        with capture_logs() as logs:
            async with world() as there:
                jobs = [dli(there, 50_000) for _ in range(KEPT + 3)]
                for number, job in enumerate(jobs):
                    there.poller.apply(Changes(changed=(job,)) if number else Changes(added=(job,)))
                    await there.until(2 * (number + 1))
                record = there.store.get(jobs[0].key)
                assert record is not None
                assert len(record.ledger.open) == KEPT
                assert there.sample("history_runs_missed_total", service="dli", project="demo") == 3
        return list(logs)

    assert [line["missing"] for line in run(main()) if line["event"] == "history incomplete"] == [1, 1, 1]


@pytest.mark.parametrize("after", [False, True], ids=["before its work", "after its work"])
@pytest.mark.parametrize(
    ("step", "number"),
    [
        *(("poller.apply", number) for number in range(2)),
        *(("store.put", number) for number in range(4)),
        ("poller._results.remove", 0),
        ("poller.use", 0),
        ("poller.calls.queue_anew", 0),
        ("poller.demand.recount", 0),
        ("poller._results.pace_changed", 0),
    ],
)
def test_a_reload_that_a_crash_ended_in_its_middle_is_done_whole_by_the_next(
    step: str, number: int, *, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One project moves to another region, one goes and one comes: what was said of the first's jobs is not theirs."""

    def settings(region: str, gone: str, interval: str, jobs: list[Job]) -> Settings:
        one = {"region": region, "project_id": "p", "credentials": {"token": "t"}}
        made = {"projects": {"demo": one, gone: one}, "poll": {"interval": interval}}
        return load(None, {}, made, jobs_needed=False).model_copy(update={"jobs": tuple(jobs)})

    async def main() -> None:
        async with world(other=access_key) as there:
            jobs = [replace(dli(there), key=JobKey("dli", f"job-{each}"), source="static") for each in range(6)]
            demo, there_projects = there.projects.by_name["demo"], there.projects
            before = Projects(there_projects.adapters, {"demo": demo, "other": there_projects.by_name["other"]})
            there.poller.use(before, PACE, 32)
            old = [*jobs[:2], *(replace(job, project="other") for job in jobs[2:4])]
            new = [*jobs[:2], *(replace(job, project="third") for job in jobs[3:])]
            register = Registration(settings("a", "other", "30s", old), there.store, there.poller, there.telemetry)
            register.register({"static": old})
            await there.until(60)
            were = {record.job.key: record.registration_id for record in there.store.records()}
            after_it = Projects(there_projects.adapters, {"demo": demo, "third": there_projects.by_name["other"]})
            owner: Any = there
            *path, name = step.split(".")
            for each in path:
                owner = getattr(owner, each)
            crash = Crash(getattr(owner, name), number, after=after)
            changed = settings("b", "third", "10s", new)
            with monkeypatch.context() as patch, suppress(RuntimeError):
                patch.setattr(owner, name, crash)
                register.swap(changed, after_it)
            assert crash.raised
            register.swap(changed, after_it)

            records = {record.job.key: record for record in there.store.records()}
            assert {key: record.job for key, record in records.items()} == {job.key: job for job in new}
            assert there.poller.projects is after_it
            assert not [key for key in were if key in records and records[key].registration_id == were[key]]
            calls = [asked(there, job) for job in new]
            await there.until(85)
            assert all(asked(there, job) >= before + 2 for job, before in zip(new, calls, strict=True))

    run(main())


@pytest.mark.parametrize("after", [False, True], ids=["before its work", "after its work"])
@pytest.mark.parametrize("number", range(4))
@pytest.mark.parametrize(
    "step", ["poller.apply", "poller._membership.apply", "poller._results.remove", "store.put", "store._render"]
)
def test_what_a_crash_kept_from_being_registered_is_registered_with_the_next_news(
    step: str, number: int, *, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def main() -> None:
        async with world() as there:
            register = Registration(settings_of({"service": "dli"}), there.store, there.poller, there.telemetry)
            jobs = [replace(dli(there), key=JobKey("dli", f"job-{each}"), source="file") for each in range(8)]
            other = replace(jobs[0], target=jobs[7].target)
            register.register({"a.yaml": jobs[:4], "b.yaml": ()})
            owner: Any = there
            *path, name = step.split(".")
            for each in path:
                owner = getattr(owner, each)
            crash = Crash(getattr(owner, name), number, after=after)
            with monkeypatch.context() as patch, suppress(RuntimeError):
                patch.setattr(owner, name, crash)
                for now in ([other, *jobs[2:6]], jobs[:1], jobs[:7], [other, *jobs[1:7]]):
                    register.register({"a.yaml": now})
            assert crash.raised
            last = [other, *jobs[2:7]]
            register.register({"a.yaml": last})
            register.register({"b.yaml": ()})
            assert {record.job.key: record.job for record in there.store.records()} == {job.key: job for job in last}
            await there.until(90)
            assert [job.key.job for job in last if asked(there, job) == 0] == []

    run(main())
