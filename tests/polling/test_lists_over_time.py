"""Lists tell the states of many jobs: what is asked singly, what is shown, what comes and goes."""

import asyncio
import math
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.cloud.client import Response
from exporter.cloud.credentials.access_key import AccessKey
from exporter.cloud.projects import Projects
from exporter.limits.budget import Grant
from exporter.model.changes import Changes
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.polling.poller import Poller
from exporter.services.cdm import lists as cdm_lists
from exporter.services.listing import ListedJob
from exporter.services.request import Request
from exporter.simulator import CdmCluster, CdmJob, CdmRun, Cloud, DliJob, Fault, Step, SubJob, Volume, server_failure
from exporter.simulator.answers import Call, gateway_error
from exporter.simulator.gateway import handle
from tests.polling.harness import PACE, World, job_of, world
from tests.polling.looking import looking, settings_of
from tests.polling.thousand import watch
from tests.warp import START, WarpClock, run

CLUSTER = "6ec9a0a4-76be-4262-8697-e7af1fac7920"
RULE = {"service": "cdm"}
HOUR = 3600.0


def migration(number: int, begins: float = -HOUR, seconds: float = 600, **fields: object) -> CdmJob:
    """Return a job that runs once, from *begins* seconds after the start on."""
    plan = (CdmRun((Step("RUNNING", seconds, 0.0, 1.0),), volume=Volume(rows_written=1000)),)
    job = CdmJob(CLUSTER, f"copy-{number}", START + begins, plan, repeats=False, number=number)
    return replace(job, **fields)  # type: ignore[arg-type]


def query(number: int, begins: float, seconds: float, **fields: object) -> DliJob:
    script = (SubJob("save", tasks=100, seconds=seconds),)
    return replace(DliJob(f"id-{number}", f"q{number}", START + begins, script), **fields)  # type: ignore[arg-type]


def polls(there: World, job: CdmJob | DliJob) -> int:
    name, operation = (job.name, "ShowJobStatus") if isinstance(job, CdmJob) else (job.job_id, "ShowSqlJobProgress")
    return len(there.cloud.asked(operation, name))


def state(there: World, job: CdmJob | DliJob) -> State | None:
    shown = there.record(job).shown
    return None if shown is None else shown.state


def named(there: World, service: str, name: str) -> bool:
    return there.store.get(JobKey(service, name)) is not None


def found(there: World, name: str) -> Record:
    record = there.store.get(JobKey("dli", name))
    assert record is not None
    return record


def test_a_job_that_rests_is_asked_itself_once_and_one_that_runs_at_its_interval() -> None:
    resting, running = migration(1), migration(2, begins=-60, seconds=3000)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(resting, running)) as there, looking(there, RULE):
            await there.until(1805)

            assert polls(there, resting) <= 2  # a busy machine may let a call seem too slow
            assert polls(there, running) >= 60
            record = there.record(resting)
            assert (record.up, record.by_list) == (True, True)
            assert record.polled_at is not None
            assert there.clock.now() - record.polled_at <= 46
            assert record.snapshot is not None
            assert record.snapshot.run.id == "1"
            assert any('run_id="1"' in line for line in there.lines() if "run_info" in line and "copy-1" in line)

    run(main())


def test_a_run_that_begins_is_shown_and_followed_within_the_interval_of_the_lists() -> None:
    job = migration(1, begins=1000, seconds=300)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, RULE):
            await there.until(995)
            assert state(there, job) is State.PENDING
            before = polls(there, job)
            await there.until(1000 + 45 + 3)
            assert state(there, job) is State.RUNNING
            assert polls(there, job) > before
            await there.until(1000 + 45 + 3 + 33)
            assert polls(there, job) >= before + 2
            await there.until(1300 + 60)
            assert there.record(job).runs == (1, 0, 0)
            assert there.record(job).last_success == START + 1300

    run(main())


def test_a_run_between_two_lists_is_noticed_and_counted() -> None:
    job = migration(1, begins=-HOUR, seconds=10)
    twice = replace(job, plan=(*job.plan, job.plan[0]))
    twice = replace(twice, plan=(replace(job.plan[0], rest=HOUR + 1000), job.plan[0]))

    async def main() -> None:
        async with world(lambda cloud: cloud.add(twice)) as there, looking(there, RULE):
            await there.until(900)
            assert there.record(twice).runs == (0, 0, 0)
            await there.until(1010 + 60)

            assert there.record(twice).runs == (1, 0, 0)
            assert polls(there, twice) <= 3

    run(main())


def test_a_list_that_never_agrees_with_the_job_itself_does_not_overrule_it(monkeypatch: pytest.MonkeyPatch) -> None:
    read = cdm_lists._snapshot

    def differs(*arguments: Any) -> Any:
        answer = read(*arguments)
        return answer and replace(answer, state=State.FAILED, native_state="FAILED")

    monkeypatch.setattr(cdm_lists, "_snapshot", differs)
    job = migration(1)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, RULE):
            await there.until(60)
            record = there.record(job)
            assert record.shown is not None
            assert record.shown.state is State.SUCCEEDED
            await there.until(HOUR)
            assert there.record(job).last_progress == record.last_progress
            assert polls(there, job) <= 2 + HOUR / 300  # as without lists

    run(main())


def test_what_only_the_list_tells_of_a_job_that_runs_is_shown_beside_its_own_answer() -> None:
    job = migration(1, begins=-100, seconds=2000)
    written = Measure("rows_written")

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, RULE):
            await there.until(600)
            shown = there.record(job).shown
            assert shown is not None
            assert shown.progress is not None
            assert shown.counts[written] > 0
            there.cloud.faults.plan(Fault(closes=True), times=None, operation="ShowJobs")
            await there.until(600 + 45 + 300 + 40)
            shown = there.record(job).shown
            assert shown is not None
            assert shown.progress is not None
            assert written not in shown.counts  # lists failed for long

    run(main())


def test_what_a_list_told_is_as_old_as_its_page() -> None:
    clusters = [f"c{number:03}" for number in range(100)]
    jobs = [migration(number, cluster_id=cluster) for number, cluster in enumerate(clusters)]

    def populate(cloud: Cloud) -> None:
        cloud.add(*jobs)
        cloud.cdm_clusters.update({each: CdmCluster(each, each) for each in clusters})

    async def main() -> None:
        async with (
            world(populate, rate=1.8) as there,
            looking(there, {"service": "cdm", "name": "{job_name}"}),
        ):
            checked = 0
            for now in range(300, 600, 10):
                await there.until(now)
                asked = [each.at for each in there.cloud.asked("ShowJobs") if each.cluster == clusters[0]]
                record = there.record(jobs[0])
                if record.by_list:
                    checked += 1
                    assert record.polled_at is not None
                    assert record.polled_at <= max(asked) + 5
            assert checked > 10

    run(main())


def test_counts_that_only_lists_have_follow_although_a_poll_is_always_under_way() -> None:
    job = migration(1, begins=-100, seconds=2000)
    written = Measure("rows_written")

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job), pace=replace(PACE, interval=5)) as there, looking(there, RULE):
            await there.until(100)
            there.cloud.faults.plan(Fault(delay=4.8), times=None, operation="ShowJobStatus")
            amounts = []
            for now in (200, 300, 400, 500):
                await there.until(now)
                shown = there.record(job).shown
                assert shown is not None
                amounts.append(shown.counts[written])
            assert amounts == sorted(set(amounts))

    run(main())


def test_a_cluster_that_is_off_is_left_out_and_told() -> None:
    job, other = migration(1), migration(2, cluster_id="c-off")

    def populate(cloud: Cloud) -> None:
        cloud.add(job, other)
        cloud.cdm_clusters["c-off"] = CdmCluster("c-off", "night", "900")

    async def main() -> None:
        async with world(populate) as there, looking(there, RULE, retention="1h"):
            await there.until(100)
            assert named(there, "cdm", "cdm-etl-prod/copy-1")
            assert not named(there, "cdm", "night/copy-2")
            there.cloud.cdm_clusters["c-off"] = CdmCluster("c-off", "night")
            await there.until(200)
            assert named(there, "cdm", "night/copy-2")
            there.cloud.cdm_clusters["c-off"] = CdmCluster("c-off", "night", "900")
            await there.until(HOUR)
            assert named(there, "cdm", "night/copy-2")
            await there.until(200 + HOUR + 100)
            assert not named(there, "cdm", "night/copy-2")

    with capture_logs() as logs:
        run(main())
    told = [(entry["event"], entry["cluster"], entry["cluster_state"]) for entry in logs if "cluster" in entry["event"]]
    assert told == [("cluster off", "night", "off"), ("cluster on again", "night", ""), ("cluster off", "night", "off")]
    assert "discovery incomplete" not in {entry["event"] for entry in logs}


def test_a_list_that_fails_takes_no_job_away_and_one_that_is_gone_goes() -> None:
    jobs = [migration(1), migration(2)]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*jobs)) as there, looking(there, RULE):
            await there.until(50)
            worked = there.sample("discovery_last_success_timestamp_seconds", service="cdm", project="demo")
            assert worked is not None
            del there.cloud.cdm[CLUSTER, "copy-2"]
            there.cloud.faults.plan(gateway_error(500, "APIG.0201", "no"), times=4, operation="ShowJobs")
            await there.until(200)
            assert named(there, "cdm", "copy-2")
            await there.until(345)  # two looks that miss it
            assert not named(there, "cdm", "copy-2")
            assert named(there, "cdm", "copy-1")
            later = there.sample("discovery_last_success_timestamp_seconds", service="cdm", project="demo")
            assert later is not None
            assert later > worked + 200

    run(main())


def test_a_job_that_one_look_misses_is_asked_itself_at_once_and_stays_with_what_was_counted() -> None:
    missed, other = migration(1, begins=-30, seconds=230), migration(2)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(missed, other)) as there, looking(there, RULE):
            await there.until(500)
            assert there.record(missed).runs == (1, 0, 0)
            del there.cloud.cdm[CLUSTER, missed.name]
            path = f"/v1.1/{there.cloud.project_id}/clusters/{CLUSTER}/cdm/job/all"
            query = "page_no=1&page_size=100&jobType=NORMAL_JOB"
            without, _ = handle(there.cloud, Call("GET", path, query, {"x-auth-token": there.cloud.token}))
            there.cloud.add(missed)
            asked, looks = polls(there, missed), len(there.cloud.asked("ShowJobs"))
            assert b"copy-1" not in without.body
            there.cloud.faults.plan(without, operation="ShowJobs")
            while len(there.cloud.asked("ShowJobs")) == looks:
                await asyncio.sleep(0.5)
            await asyncio.sleep(2)
            assert polls(there, missed) == asked + 1
            for _ in range(60):
                await asyncio.sleep(2)
                assert there.record(missed).runs == (1, 0, 0)
                assert state(there, missed) is State.SUCCEEDED

    run(main())


def test_a_query_stays_until_it_was_over_for_the_retention_and_leaves_its_counts() -> None:
    rule = {"service": "dli", "states": ["RUNNING"], "tags": {"pipeline": "nightly"}, "name": "{tags.pipeline}"}
    first, second = query(1, 10, 200, tags={"pipeline": "nightly"}), query(2, 1000, 200, tags={"pipeline": "nightly"})

    async def main() -> None:
        async with world(lambda cloud: cloud.add(first, second)) as there, looking(there, rule, retention="2000s"):
            await there.until(100)
            record = there.store.get(JobKey("dli", "nightly"))
            assert record is not None
            assert record.shown is not None
            assert record.shown.start == START + 10
            await there.until(900)
            record = there.store.get(JobKey("dli", "nightly"))
            assert record is not None
            assert record.final
            assert record.runs == (1, 0, 0)
            await there.until(1300)
            record = there.store.get(JobKey("dli", "nightly"))
            assert record is not None
            assert record.job.target == {"job_id": "id-2"}
            assert record.runs == (2, 0, 0)
            await there.until(3100)
            assert named(there, "dli", "nightly")
            await there.until(3400)
            assert there.lines() == []

    run(main())


def test_runs_of_one_name_that_follow_each_other_closely_are_all_counted() -> None:
    rule = {"service": "dli", "tags": {"pipeline": "nightly"}, "name": "{tags.pipeline}"}
    queries = [query(number, 100 * number, 90, tags={"pipeline": "nightly"}) for number in range(1, 11)]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*queries)) as there, looking(there, rule):
            await there.until(1300)
            record = there.store.get(JobKey("dli", "nightly"))
            assert record is not None
            assert record.runs == (10, 0, 0)
            assert record.last_success == START + 1090

    run(main())


def test_runs_that_were_never_seen_running_count_if_they_began_after_the_first_look() -> None:
    before = query(0, -300, 20)
    queries = [query(number, 100 + 120 * number, 20) for number in range(1, 6)]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(before, *queries)) as there, looking(there, {"service": "dli"}):
            await there.until(900)
            assert {found(there, job.job_id).runs for job in queries} == {(1, 0, 0)}
            assert found(there, before.job_id).runs == (0, 0, 0)

    run(main())


def test_a_run_that_began_and_ended_while_the_first_list_was_read_counts() -> None:
    rule, tags = {"service": "dli", "name": "{tags.pipeline}"}, {"pipeline": "nightly"}
    others = [query(100 + number, -3 * HOUR, 10, tags={"pipeline": f"other-{number}"}) for number in range(250)]
    queries = [query(1, -600, 20, tags=tags), query(2, 5, 2, tags=tags), query(3, 30, 1000, tags=tags)]

    def populate(cloud: Cloud) -> None:
        cloud.add(*others, *queries)
        cloud.faults.plan(Fault(delay=4.5), times=3, operation="ListSqlJobs")

    async def main() -> None:
        async with world(populate) as there, looking(there, rule):
            await there.until(10)
            assert not named(there, "dli", "nightly"), "the list is still being read"
            await there.until(120)
            assert found(there, "nightly").runs == (1, 0, 0)

    run(main())


def test_runs_of_a_name_that_were_over_at_the_first_look_never_count() -> None:
    rule = {"service": "dli", "tags": {"pipeline": "nightly"}, "name": "{tags.pipeline}"}
    begins = (-900, -600, -300, -30, 500, 1000)
    queries = [query(number, at, 100, tags={"pipeline": "nightly"}) for number, at in enumerate(begins)]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*queries)) as there, looking(there, rule):
            await there.until(400)
            assert found(there, "nightly").runs == (1, 0, 0)
            await there.until(1300)
            assert found(there, "nightly").runs == (3, 0, 0)

    run(main())


def test_all_runs_of_a_name_between_two_looks_count_once() -> None:
    rule = {"service": "dli", "tags": {"pipeline": "nightly"}, "name": "{tags.pipeline}"}
    queries = [query(number, 100 + 10 * number, 5, tags={"pipeline": "nightly"}) for number in range(30)]

    async def main() -> None:
        with capture_logs() as logs:
            async with world(lambda cloud: cloud.add(*queries)) as there, looking(there, rule):
                await there.until(1300)
                assert found(there, "nightly").runs == (30, 0, 0)
        ended = [line for line in logs if line["event"] == "run ended"]
        assert sorted(line["run_id"] for line in ended) == sorted(job.job_id for job in queries)
        assert {line["result"] for line in ended} == {"succeeded"}

    run(main())


def test_runs_of_a_name_that_began_and_failed_while_the_exporter_was_down_count_with_a_journal(tmp_path: Path) -> None:
    rule = {"service": "dli", "tags": {"pipeline": "nightly"}, "name": "{tags.pipeline}"}
    tags = {"pipeline": "nightly"}
    queries = [query(number, 100 + 1000 * number, 20, tags=tags, end="FAILED") for number in range(5)]

    async def main() -> None:
        clock = WarpClock(asyncio.get_running_loop())
        journal = tmp_path / "journal"
        async with (
            world(lambda cloud: cloud.add(*queries), clock=clock, journal=journal) as there,
            looking(there, rule),
        ):
            await there.until(1500)
            assert found(there, "nightly").ledger.runs == (0, 2, 0)
        await asyncio.sleep(START + 7000 - clock.now())
        async with (
            world(lambda cloud: cloud.add(*queries), clock=clock, journal=journal) as there,
            looking(there, rule),
        ):
            await asyncio.sleep(120)
            record = found(there, "nightly")
            assert record.runs == (0, 5, 0)
            assert record.shown is not None
            assert record.shown.state is State.FAILED

    run(main())


@pytest.mark.parametrize("polls", ["work", "fail"])
def test_a_run_that_was_followed_while_the_exporter_was_down_counts_though_the_next_one_is_over_too(
    tmp_path: Path, polls: str
) -> None:
    """No poll of that one may be needed: lists report twice that it ended."""
    rule = {"service": "dli", "tags": {"pipeline": "nightly"}, "name": "{tags.pipeline}"}
    tags = {"pipeline": "nightly"}
    queries = [query(1, 100, 3000, tags=tags), query(2, 3200, 20, tags=tags, end="FAILED")]

    def populate(cloud: Cloud) -> None:
        cloud.add(*queries)
        if polls == "fail":
            cloud.faults.plan(Fault(closes=True), times=None, operation="ShowSqlJobProgress", job="id-2")

    async def main() -> None:
        clock = WarpClock(asyncio.get_running_loop())
        journal = tmp_path / "journal"
        async with world(populate, clock=clock, journal=journal) as there, looking(there, rule):
            await there.until(1500)
            assert found(there, "nightly").runs == (0, 0, 0)
        await asyncio.sleep(START + 7000 - clock.now())
        async with world(populate, clock=clock, journal=journal) as there, looking(there, rule):
            await asyncio.sleep(600)
            record = found(there, "nightly")
            assert record.runs == (1, 1, 0)
            assert record.last_run_duration == pytest.approx(20, abs=2)

    run(main())


def test_what_was_counted_of_a_job_that_leaves_and_comes_back_goes_on() -> None:
    job = migration(1, begins=-30, seconds=230)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, RULE):
            await there.until(100)
            there.cloud.faults.plan(gateway_error(500, "APIG.0201", "no"), operation="ShowJobStatus")
            await there.until(300)
            before = there.record(job)
            assert before.runs == (1, 0, 0)
            assert before.failures
            del there.cloud.cdm[CLUSTER, job.name]
            await there.until(500)
            assert not named(there, "cdm", job.name)
            there.cloud.add(job)
            await there.until(700)
            after = there.record(job)
            assert (after.runs, after.totals, after.last_success) == (before.runs, before.totals, before.last_success)
            assert after.failures.items() >= before.failures.items()

    run(main())


def test_a_run_that_a_job_had_while_it_was_gone_counts_though_none_had_counted_before() -> None:
    job = migration(1, begins=-HOUR, seconds=10)
    twice = replace(job, plan=(replace(job.plan[0], rest=HOUR + 400), job.plan[0]))

    async def main() -> None:
        async with world(lambda cloud: cloud.add(twice)) as there, looking(there, RULE):
            await there.until(200)
            assert there.record(twice).runs == (0, 0, 0)
            hidden = there.cloud.cdm.pop((CLUSTER, twice.name))
            await there.until(390)
            assert not named(there, "cdm", twice.name)
            await there.until(500)
            there.cloud.cdm[CLUSTER, twice.name] = hidden
            await there.until(700)
            assert there.record(twice).runs == (1, 0, 0)

    run(main())


def test_each_run_of_a_name_moves_the_last_success() -> None:
    rule = {"service": "dli", "tags": {"pipeline": "nightly"}, "name": "{tags.pipeline}"}
    queries = [query(number, 1000 * number, 200, tags={"pipeline": "nightly"}) for number in (1, 2)]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*queries)) as there, looking(there, rule):
            await there.until(2400)
            record = there.store.get(JobKey("dli", "nightly"))
            assert record is not None
            assert record.last_success == START + 2200

    run(main())


def test_queries_that_ended_long_ago_are_not_registered_and_recent_ones_need_no_call_of_their_own() -> None:
    old, recent = query(1, -4 * HOUR, 100), query(2, -600, 100)

    async def main() -> None:
        async with (
            world(lambda cloud: cloud.add(old, recent)) as there,
            looking(there, {"service": "dli"}, retention="1h"),
        ):
            await there.until(130)
            assert not named(there, "dli", "id-1")
            record = there.store.get(JobKey("dli", "id-2"))
            assert record is not None
            assert record.final
            assert record.up
            assert record.last_run_duration == 100
            assert record.runs == (0, 0, 0)  # it had ended at first sight
            assert polls(there, recent) == 0

    run(main())


@asynccontextmanager
async def crowded() -> AsyncIterator[World]:
    """Let a rule take three of the ten jobs that there are."""
    jobs = [query(number, number, 1000) for number in range(10)]
    rule = {"service": "dli", "max_jobs": "3"}
    async with world(lambda cloud: cloud.add(*jobs)) as there, looking(there, rule):
        yield there


def test_too_many_jobs_are_cut_counted_and_told_once() -> None:
    async def main() -> None:
        async with crowded() as there:
            await there.until(200)
            names = {record.job.key.job for record in there.store.records()}
            assert names == {"id-7", "id-8", "id-9"}
            of = {"service": "dli", "project": "demo"}
            assert there.sample("discovery_jobs_cut_total", **of) == 7
            assert there.sample("discovery_jobs_left_out", **of) == 7

    with capture_logs() as logs:
        run(main())
    assert len([entry for entry in logs if entry["event"] == "discovery incomplete"]) == 1


def test_jobs_that_are_left_out_are_so_while_the_lists_fail_and_count_once() -> None:
    async def main() -> None:
        async with crowded() as there:
            await there.until(200)
            there.cloud.faults.plan(gateway_error(500, "APIG.0201", "no"), times=6, operation="ListSqlJobs")
            of = {"service": "dli", "project": "demo"}
            for time in range(220, 900, 20):
                await there.until(time)
                assert there.sample("discovery_jobs_left_out", **of) == 7
            assert there.sample("discovery_jobs_cut_total", **of) == 7

    run(main())


def test_a_rule_that_names_a_cluster_which_is_not_there_does_not_work() -> None:
    async def main() -> None:
        rule = {"service": "cdm", "clusters": [CLUSTER, "misspelt"]}
        async with world(lambda cloud: cloud.add(migration(1))) as there, looking(there, rule):
            await there.until(200)
            assert len(there.store.records()) == 1
            of = {"service": "cdm", "project": "demo"}
            assert there.sample("discovery_last_success_timestamp_seconds", **of) is None
            assert there.sample("discovery_jobs_left_out", **of) == 0

    run(main())


def test_jobs_of_one_name_that_go_on_at_once_are_told_and_counted() -> None:
    tags = {"pipeline": "nightly"}
    jobs = [query(number, 10 * number, 300 + 300 * number, tags=tags) for number in range(3)]
    rule = {"service": "dli", "tags": tags, "name": "{tags.pipeline}"}

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*jobs)) as there, looking(there, rule):
            of = {"service": "dli", "project": "demo"}
            await there.until(200)
            assert there.sample("discovery_jobs_left_out", **of) == 2
            await there.until(2000)
            assert there.sample("discovery_jobs_left_out", **of) == 0

    with capture_logs() as logs:
        run(main())
    assert [entry["same_name"] for entry in logs if "same_name" in entry] == [["nightly"]]


def test_the_count_of_jobs_that_are_cut_begins_anew_with_other_rules() -> None:
    jobs = [query(number, number, 1000) for number in range(10)]

    async def main() -> None:
        rule = {"service": "dli", "max_jobs": "3"}
        async with world(lambda cloud: cloud.add(*jobs)) as there, looking(there, rule) as found:
            await there.until(100)
            found.use(settings_of(rule | {"max_jobs": "10"}), there)
            of = {"service": "dli", "project": "demo"}
            assert there.sample("discovery_jobs_left_out", **of) is None
            await there.until(200)
            assert there.sample("discovery_jobs_cut_total", **of) == 0
            assert there.sample("discovery_jobs_left_out", **of) == 0

    run(main())


def test_registered_jobs_of_one_cluster_are_listed_where_that_is_cheaper() -> None:
    jobs = [migration(number) for number in range(40)]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*jobs)) as there, looking(there):
            there.watch(*jobs)
            await there.until(HOUR)

            singles, lists = len(there.cloud.asked("ShowJobStatus")), len(there.cloud.asked("ShowJobs"))
            assert 40 <= singles <= 64  # those drawn a turn before the first list: 6 of 40 as a rule, 24 in no draw
            assert 75 <= lists <= 81

    run(main())


def test_a_list_that_is_mostly_of_other_jobs_is_not_read_again_for_an_hour() -> None:
    others, mine = [migration(number) for number in range(2000)], [migration(5000 + number) for number in range(7)]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*others, *mine)) as there, looking(there):
            there.watch(*mine)
            await there.until(HOUR - 10)

            assert len(there.cloud.asked("ShowJobs")) == 1
            assert polls(there, mine[0]) >= 11

    run(main())


def test_a_run_between_the_jobs_own_answer_and_the_first_list_is_noticed() -> None:
    once, others = migration(1, seconds=10), [migration(10 + number) for number in range(10)]
    twice = replace(once, plan=(replace(once.plan[0], rest=HOUR + 20), once.plan[0]))

    async def main() -> None:
        async with world(lambda cloud: cloud.add(twice, *others)) as there, looking(there):
            there.watch(twice)  # of one job alone no list is read
            await there.until(60)
            assert polls(there, twice) == 1
            there.watch(*others)
            await there.until(500)
            assert there.record(twice).runs == (1, 0, 0)

    run(main())


def test_a_list_that_comes_while_a_poll_is_handed_over_does_not_start_another(monkeypatch: pytest.MonkeyPatch) -> None:
    job, hand_over = migration(1), Poller._hand_over

    def followed(poller: Poller, start: Grant) -> None:
        hand_over(poller, start)
        poller.list_results.hurry([job_of(job).key])

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there:
            monkeypatch.setattr(Poller, "_hand_over", followed)
            there.watch(job)
            await there.until(20)
            assert polls(there, job) == 1

    run(main())


def test_a_query_that_waits_is_asked_when_the_list_of_those_that_wait_tells_of_it_no_more() -> None:
    def waiting(number: int) -> DliJob:
        script = (Step("LAUNCHING", 1000), SubJob("save", tasks=100, seconds=500))
        return DliJob(f"id-{number}", f"id-{number}", START, script)

    jobs = [waiting(number) for number in range(20)]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*jobs)) as there, looking(there):
            there.watch(*jobs)
            await there.until(60)  # the list was read by now, at the latest once each 45 s
            first = [polls(there, job) for job in jobs]
            assert max(first) <= 3
            await there.until(990)
            assert [polls(there, job) for job in jobs] == first
            await there.until(1000 + 45 + 5)
            assert {state(there, job) for job in jobs} == {State.RUNNING}

    run(main())


def test_who_is_refused_lists_no_more_until_a_probe_and_no_key_is_locked() -> None:
    async def main() -> None:
        async with world(lambda cloud: cloud.add(migration(1))) as there, looking(there, RULE):
            right = there.cloud.gate.keys[there.cloud.access_key]
            there.cloud.gate.keys[right.key_id] = replace(right, secret="another")
            await there.until(800)
            assert 2 <= there.cloud.gate.worst(right.key_id) <= 5
            assert there.sample("project_paused", project="demo", reason="auth") == 1
            of = {"service": "cdm", "project": "demo"}  # an alert knows by these two that no look ever worked
            assert there.sample("discovery_last_success_timestamp_seconds", **of) is None
            assert there.sample("discovery_jobs_cut_total", **of) == 0
            there.cloud.gate.keys[right.key_id] = right
            await there.until(800 + 360 + 60 + 45)
            assert named(there, "cdm", "copy-1")
            assert there.sample("project_paused", project="demo", reason="auth") is None

    run(main())


def test_a_list_that_comes_back_after_it_was_gone_is_logged_again_if_it_fails() -> None:
    jobs = [migration(number) for number in range(20)]

    async def main() -> int:
        with capture_logs() as logs:
            async with world(lambda cloud: cloud.add(*jobs)) as there, looking(there):
                there.cloud.faults.plan(server_failure(), times=None, operation="ShowJobs")
                for begins in (0, 1000):
                    there.watch(*jobs)
                    await there.until(begins + 500)
                    there.poller.apply(Changes(removed=tuple(job_of(job).key for job in jobs)))
                    await there.until(begins + 1000)
        return sum(line["event"] == "list failed" for line in logs)

    assert run(main()) == 2


@pytest.mark.parametrize("known", [True, False], ids=["known", "never asked with success"])
def test_a_list_does_not_end_the_failures_of_the_jobs_own_calls(known: bool) -> None:
    job, others = migration(1), [migration(number) for number in range(2, 5)]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job, *others)) as there, looking(there, RULE):
            await there.until(400 if known else 0)
            since = there.clock.now() - START
            with capture_logs() as logs:
                there.cloud.faults.plan(server_failure(), times=None, operation="ShowJobStatus", job=job.name)
                there.poller.list_results.hurry([job_of(job).key])
                await there.until(since + 3600)
                async with asyncio.timeout(60):  # its own call may just have failed; the next list tells of it again
                    while not there.record(job).up:
                        await asyncio.sleep(1)
                record, calls = there.record(job), polls(there, job)
                assert record.shown is not None
                assert record.shown.state is State.SUCCEEDED
                assert record.up, "a list is a poll of a job that does not run"
                assert record.polled_at is not None
                assert record.polled_at > START + since + 3500
                assert record.fault is not None
                assert record.fault.reason is Reason.SERVER
                assert record.failing == record.failures[Reason.SERVER] >= 10
                assert 10 <= calls <= 20, "they come less and less often, and then each five minutes"
                told = [line["event"] for line in logs if line["event"].startswith("failures ")]
                assert told == ["failures began"]
                there.cloud.faults.clear()
                await there.until(since + 4200)
                told = [line["event"] for line in logs if line["event"].startswith("failures ")]
                assert told == ["failures began", "failures ended"]
                assert (there.record(job).fault, there.record(job).failing) == (None, 0)
                calls = polls(there, job)
                await there.until(since + 6000)
                assert polls(there, job) == calls, "from now on the list is enough again"

    run(main())


def test_another_rule_after_a_reload_registers_its_jobs_and_the_old_ones_go() -> None:
    jobs = [migration(1), migration(2)]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*jobs)) as there, looking(there, RULE) as found:
            await there.until(100)
            found.use(settings_of({"service": "cdm", "match": "2$"}), there)
            await there.until(150)
            assert {record.job.key.job for record in there.store.records()} == {"copy-2"}
            found.use(settings_of(), there)
            assert there.lines() == []
            assert there.sample("discovery_last_success_timestamp_seconds", service="cdm", project="demo") is None

    run(main())


def test_jobs_that_another_rule_finds_too_keep_their_counts_over_a_reload_and_while_lists_fail() -> None:
    job, other = migration(1, begins=100, seconds=100), migration(2)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job, other)) as there, looking(there, RULE) as found:
            await there.until(400)
            assert there.record(job).runs == (1, 0, 0)
            there.cloud.faults.plan(gateway_error(500, "APIG.0201", "no"), times=4, operation="ShowJobs")
            found.use(settings_of({"service": "cdm", "match": "1$"}), there)
            await there.until(450)
            assert there.record(job).runs == (1, 0, 0)
            assert named(there, "cdm", "copy-2")
            await there.until(700)
            assert there.record(job).runs == (1, 0, 0)
            assert not named(there, "cdm", "copy-2")

    run(main())


def test_jobs_that_a_rule_finds_are_of_the_region_that_a_reload_gives_their_project() -> None:
    job = migration(1)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, RULE) as found:
            await there.until(100)
            settings = settings_of(RULE)
            project = settings.projects["demo"].model_copy(update={"region": "cn-east-3"})
            found.use(settings.model_copy(update={"projects": {"demo": project}}), there)
            await there.until(150)
            assert there.record(job).job.region == "cn-east-3"

    run(main())


def test_a_registered_job_keeps_its_place_over_one_that_is_found() -> None:
    job = migration(1)
    mine = replace(job_of(job, 10.0), source="static")

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, RULE) as found:
            found.registration.register({"static": [mine]})
            await there.until(100)
            assert [record.job.source for record in there.store.records()] == ["static"]
            assert there.sample("refused_jobs", service="cdm", source="discovery") is None

    run(main())


def test_a_thousand_migrations_stay_within_the_limits_and_each_change_is_seen_in_a_minute() -> None:
    """Ten clusters, twenty of the jobs running at any time, at the vendor's own limits."""
    seen = run(watch(HOUR / 8, lists=True))

    assert seen.fewest == 1000
    assert seen.changes == 30
    assert seen.calls.total() <= 7200 / 8, seen.calls
    assert max(seen.busiest.values()) <= 120
    assert seen.latest <= 60
    assert 0 < seen.oldest <= 35


def test_a_job_that_is_not_found_by_its_own_call_is_told_so_until_the_retention_is_over() -> None:
    rule = {"service": "dli", "states": ["RUNNING"]}
    job = query(1, 0, math.inf)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, rule, retention="1000s"):
            await there.until(100)
            del there.cloud.dli["id-1"]
            await there.until(300)
            record = there.store.get(JobKey("dli", "id-1"))
            assert record is not None
            assert record.fault is not None
            assert record.fault.reason is Reason.NOT_FOUND
            await there.until(1300)
            assert there.lines() == []

    run(main())


def test_jobs_of_another_project_or_service_are_not_touched_by_a_list() -> None:
    job = query(1, 0, 1000)
    other = Job(JobKey("dli", "mine"), "other", {"job_id": "id-1"})

    async def main() -> None:
        async with (
            world(lambda cloud: cloud.add(job), other=lambda cloud, *_: _key(cloud)) as there,
            looking(there, {"service": "dli"}),
        ):
            there.poller.apply(Changes(added=(other,)))
            await there.until(100)
            records = {record.job.project: record.listed_at for record in there.store.records()}
            assert records["demo"] is not None
            assert records["other"] is None

    run(main())


def test_a_list_about_the_next_run_adds_nothing_to_the_one_before_after_a_list_that_came_late() -> None:
    job = migration(1, begins=-100, seconds=2000)
    written = Measure("rows_written")

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there:
            there.poller.apply(Changes(added=(job_of(job),)))
            await there.until(40)
            known = there.record(job).snapshot
            assert known is not None
            assert known.start is not None
            for start, count, later in ((known.start, 5.0, -1.0), (known.start + 400, 1.0, 1.0)):
                answered = there.record(job).answered_at
                assert answered is not None
                row = Snapshot(State.RUNNING, start=start, counts={written: count})
                item = ListedJob(job_of(job).target, {}, row, at=answered + later)
                await there.poller.list_results.take("demo", "cdm", [item])
            record = there.record(job)
            assert record.snapshot is not None
            assert record.snapshot.counts[written] == 5
            assert record.listed is not None
            assert record.listed.counts[written] == 1

    run(main())


def test_a_list_looks_only_at_the_jobs_that_it_tells_of(monkeypatch: pytest.MonkeyPatch) -> None:
    job = query(1, 0, 1000)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there:
            named_twice = Job(JobKey("dli", "again"), "demo", {"job_id": job.job_id})
            there.watch(job, *(query(number, 0, 1000) for number in range(2, 50)))
            there.poller.apply(Changes(added=(named_twice,)))
            await there.until(5)
            item = ListedJob({"job_id": job.job_id}, snapshot=Snapshot(State.RUNNING), at=there.clock.monotonic())

            def every() -> None:
                raise AssertionError("all jobs are looked at")

            with monkeypatch.context() as patched:
                patched.setattr(there.store, "records", every)
                told = await there.poller.list_results.take("demo", "dli", [item])
                assert set(told) == {job_of(job).key, named_twice.key}
                there.poller.apply(Changes(removed=(named_twice.key,)))
                assert await there.poller.list_results.take("demo", "dli", [item]) == [job_of(job).key]
                assert await there.poller.list_results.take("other", "dli", [item]) == []

    run(main())


def _key(cloud: Cloud) -> AccessKey:
    return AccessKey(key_id=cloud.access_key, secret=cloud.secret_key)


def test_the_ends_of_more_runs_than_there_are_calls_for_are_all_counted() -> None:
    """The list that tells of the ends for the second time must not take away the calls that it asked for."""
    jobs = [migration(number, begins=-60, seconds=260) for number in range(12)]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*jobs), rate=0.2) as there, looking(there, RULE, list_interval="5s"):
            await there.until(400)

            assert {there.record(job).runs for job in jobs} == {(1, 0, 0)}
            assert {there.record(job).totals["rows_written"] for job in jobs} == {1000}

    run(main())


def test_an_end_whose_own_call_failed_is_asked_for_again_though_lists_tell_it() -> None:
    job = migration(1, begins=-60, seconds=120)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, RULE):
            await there.until(55)
            there.cloud.faults.plan(gateway_error(500, "APIG.0201", "no"), times=None, operation="ShowJobStatus")
            await there.until(100)
            there.cloud.faults.clear()
            await there.until(500)

            assert there.record(job).runs == (1, 0, 0)

    run(main())


def test_a_history_that_failed_is_read_again_though_lists_tell_of_the_job() -> None:
    plan = tuple(CdmRun((Step("RUNNING", 5, 0.0, 1.0),), rest=5, volume=Volume(rows_written=1)) for _ in range(4))
    job = CdmJob(CLUSTER, "copy-1", START + 60, plan, repeats=False, submission_step=3)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, RULE):
            there.cloud.faults.plan(gateway_error(500, "APIG.0201", "no"), times=None, operation="ShowSubmissions")
            await there.until(600)
            there.cloud.faults.clear()
            await there.until(2000)

            assert there.record(job).runs == (4, 0, 0)

    run(main())


def test_an_older_page_takes_back_nothing_that_was_told_since() -> None:
    """A look over many clusters hands over its first pages late: another list, or the job itself, was asked since."""
    job = migration(1)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there:
            there.watch(job)
            await there.until(100)
            assert state(there, job) is State.SUCCEEDED
            listing, now, target = there.poller.list_results, there.clock.monotonic(), there.record(job).job.target

            async def told(state: State, at: float) -> None:
                snapshot = Snapshot(state, start=START - HOUR, end=START - HOUR + 600)
                await listing.take("demo", "cdm", [ListedJob(target, snapshot=snapshot, at=at)])

            await told(State.FAILED, now)
            await told(State.SUCCEEDED, now - 5)
            record = there.record(job)
            assert (state(there, job), record.answered_at) == (State.FAILED, now)

            there.cloud.faults.plan(gateway_error(500, "APIG.0201", "no"), times=None, operation="ShowJobStatus")
            await there.until(120)
            failed = there.record(job)
            assert failed.failed_at is not None
            await told(State.SUCCEEDED, (now + failed.failed_at) / 2)
            assert there.record(job) is failed

    run(main())


def test_a_project_that_a_reload_takes_away_while_lists_are_read_crashes_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    here = [migration(number) for number in range(12)]
    elsewhere = [migration(number + 20, cluster_id=CLUSTER[:-1] + "1") for number in range(12)]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*here, *elsewhere), other=lambda cloud, *_: _key(cloud)) as there:
            registered = [job_of(job) for job in here] + [replace(job_of(job), project="other") for job in elsewhere]
            there.poller.apply(Changes(added=tuple(registered)))
            transport, begun = there.projects.by_name["demo"].transport, asyncio.Event()
            send = transport.send

            async def slowly(base: str, request: Request, *arguments: Any, **more: Any) -> Response:
                if request.operation == "ShowJobs" and not begun.is_set():
                    begun.set()
                    await asyncio.sleep(3)
                return await send(base, request, *arguments, **more)

            monkeypatch.setattr(transport, "send", slowly)
            async with looking(there):
                await begun.wait()
                await asyncio.sleep(1)
                there.poller.apply(Changes(removed=tuple(job.key for job in registered if job.project == "other")))
                there.poller.use(Projects(there.projects.adapters, {"demo": there.projects.by_name["demo"]}), PACE, 32)
                await asyncio.sleep(20)
                assert not there.sample("crashes_total", task="list_poller")

    run(main())


def test_found_jobs_have_the_name_and_the_labels_that_their_rule_makes_of_the_project_and_the_list() -> None:
    job = query(1, -60, 900, queue="etl")
    rule = {"service": "dli", "name": "{project}/{job_id}", "labels": {"team": "{queue_name}", "owner": "{tags.owner}"}}

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, rule):
            there.store.show(("team", "owner"))
            await there.until(100)
            (record,) = there.store.records()
            assert (record.job.key.job, dict(record.job.labels)) == ("demo/id-1", {"team": "etl"})
            labels = 'job="demo/id-1",label_owner="",label_team="etl",service="dli"'
            assert f"huaweicloud_job_labels{{{labels}}} 1.0" in there.lines()

    run(main())
