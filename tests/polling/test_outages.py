"""What the log says of failures: two lines a cause, however many jobs it has; the rest at debug."""

import asyncio
import json
import math
from collections.abc import AsyncIterator, MutableMapping
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.model.changes import Changes
from exporter.polling.schedule import Pace
from exporter.simulator import Answer, CdmJob, DliJob, Fault, server_failure, too_often
from tests.polling import test_history
from tests.polling.harness import World, job_of, world
from tests.polling.test_poll_loop import cdm, dli
from tests.warp import run

Lines = list[MutableMapping[str, Any]]


def told(logs: Lines) -> Lines:
    """Return what stands in the log at its usual level."""
    return [line for line in logs if line["log_level"] != "debug"]


@asynccontextmanager
async def polled(
    jobs: int = 1, *, limited: bool = True, **options: Any
) -> AsyncIterator[tuple[World, list[CdmJob], Lines]]:
    """Poll some jobs, ``job-0`` and so on, until all is well; provide what is logged from then on."""
    async with world(**options) as there:
        found = [cdm(there.cloud, f"job-{number}") for number in range(jobs)]
        if not limited:
            there.cloud.limits.per_minute.clear()
        there.watch(*found)
        await there.until(100)
        with capture_logs() as logs:
            yield there, found, logs


def both(logs: Lines) -> list[tuple[str, str, int]]:
    return [(line["event"], line["reason"], line["jobs_affected"]) for line in told(logs)]


@pytest.mark.parametrize(
    ("fault", "jobs"),
    [(Fault(closes=True), 60), (server_failure(), 30), (Answer(404, b"<html>no such page</html>"), 30)],
    ids=["dead", "500", "404"],
)
def test_an_outage_of_many_jobs_is_two_lines(fault: Answer | Fault, jobs: int) -> None:
    async def main() -> Lines:
        async with world() as there:
            there.watch(*[cdm(there.cloud, f"job-{number}") for number in range(jobs)])
            there.cloud.limits.per_minute.clear()
            await there.until(60)
            with capture_logs() as logs:
                there.cloud.faults.plan(fault, times=None)
                await there.until(600)
                there.cloud.faults.clear()
                await there.until(1100)
            assert all(record.up for record in there.store.records())
        return list(logs)

    logs = run(main())

    first, last = told(logs)
    assert (first["event"], first["log_level"], last["event"], last["log_level"]) == (
        "failures began",
        "warning",
        "failures ended",
        "info",
    )
    assert (first["project"], first["service"], first["operation"], first["jobs"]) == ("demo", "cdm", "poll", jobs)
    assert 1 <= first["jobs_affected"] <= jobs
    assert len(first["names"]) == min(first["jobs_affected"], 10)
    assert first["reason"] == last["reason"]
    assert (last["jobs_affected"], last["jobs_recovered"], last["jobs"]) == (jobs, jobs, jobs)
    assert 500 < last["lasted_seconds"] < 1000
    assert sum(line["event"] == "poll works again" for line in logs) == jobs


def test_a_failure_that_is_over_at_once_is_told_all_the_same() -> None:
    async def main() -> Lines:
        async with polled(pace=Pace(1, 2, 60)) as (there, _, logs):
            there.cloud.faults.plan(server_failure())
            await there.until(200)
        return list(logs)

    assert both(run(main())) == [("failures began", "server", 1), ("failures ended", "server", 1)]


def test_a_job_that_fails_for_long_hides_no_other() -> None:
    async def main() -> Lines:
        async with polled(3) as (there, _, logs):
            there.cloud.faults.plan(server_failure(), times=None, job="job-0")
            await there.until(2000)
            there.cloud.faults.plan(server_failure(), times=None, job="job-1")
            await there.until(2200)
        return list(logs)

    logs = told(run(main()))

    assert [line["names"] for line in logs] == [["job-0"], ["job-1"]]


def test_a_job_that_fails_for_another_reason_is_told_again_and_one_that_is_gone_recovered_from_nothing() -> None:
    async def main() -> Lines:
        async with polled() as (there, (job,), logs):
            there.cloud.faults.plan(server_failure(), times=None)
            await there.until(400)
            there.cloud.faults.clear()
            there.cloud.faults.plan(Answer(200, b"select secret from t"), times=None)
            await there.until(1200)
            there.poller.apply(Changes(removed=(job_of(job).key,)))
        return list(logs)

    logs = told(run(main()))

    assert both(logs) == [
        ("failures ended" if number % 2 else "failures began", reason, 1)
        for number, reason in enumerate(["server", "server", "payload", "payload"])
    ]
    assert [line["jobs_recovered"] for line in logs if "jobs_recovered" in line] == [0, 0]
    assert "secret" not in str(logs)


def test_histories_that_cannot_be_read_are_two_lines_too() -> None:

    async def main() -> Lines:
        async with world(pace=test_history.PACE) as there:
            there.watch(test_history.busy(there.cloud))
            await there.until(400)
            with capture_logs() as logs:
                there.cloud.faults.plan(server_failure(), times=None, operation="ShowSubmissions")
                await there.until(1600)
                there.cloud.faults.clear()
                await there.until(2400)
        return list(logs)

    logs = [line for line in told(run(main())) if line["event"] != "run ended"]

    assert both(logs) == [("failures began", "server", 1), ("failures ended", "server", 1)]
    assert {line["operation"] for line in logs} == {"history"}


@pytest.mark.parametrize(("end", "level"), [("FAILED", "warning"), ("FINISHED", "info")])
def test_the_end_of_a_run_is_a_warning_if_it_failed(end: str, level: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.logs.vendor_text", lambda text: f"<{text}>")

    async def main() -> tuple[Lines, World, DliJob]:
        async with world() as there:
            job = replace(dli(there.cloud, end=end), message="DLI.0005: no table 't'\nat line 3")
            there.cloud.add(job)
            there.watch(job)
            with capture_logs() as logs:
                await there.until(600)
            return list(logs), there, job

    logs, there, job = run(main())

    (line,) = [line for line in logs if line["event"] == "run ended"]
    answer = there.record(job).snapshot
    assert answer is not None
    assert line["log_level"] == level
    assert line["run_id"] == answer.run.label
    if end == "FAILED":
        assert line["code"] == answer.failure_code
        assert line["vendor_text"] == "<DLI.0005: no table 't'>"


def test_a_limit_that_the_cloud_enforces_is_told_once_and_again_when_it_is_back() -> None:
    async def main() -> Lines:
        async with polled(4, rate=1.8) as (there, _, logs):
            there.cloud.faults.plan(too_often(), times=5)
            await there.until(1500)
        return list(logs)

    paused, restored = told(run(main()))

    assert (paused["event"], paused["log_level"], restored["event"], restored["log_level"]) == (
        "limit paused",
        "warning",
        "limit restored",
        "info",
    )
    assert (paused["limit"], paused["calls_a_second"], paused["calls_a_second_configured"]) == ("cdm", 0.9, 1.8)
    assert paused["pause_seconds"] == 60
    assert restored["calls_a_second"] == 1.8


def test_debug_tells_of_each_call_and_each_decision_and_no_secret() -> None:
    async def main() -> tuple[Lines, str]:
        with capture_logs() as logs:
            async with world() as there:
                there.watch(cdm(there.cloud))
                await there.until(100)
                there.cloud.faults.plan(Fault(closes=True), times=3)
                await there.until(200)
        return list(logs), there.cloud.secret_key

    logs, secret = run(main())

    calls = [line for line in logs if line["event"] == "request"]
    assert {(line["method"], line["status"], line["host"]) for line in calls} == {("GET", 200, "127.0.0.1")}
    assert all(line["path"].endswith("/cdm/job/copy/status") and line["request_id"] for line in calls)
    (failed,) = {line["reason"] for line in logs if line["event"] == "request failed"}
    assert failed == "unreachable"
    started, worked = ([line for line in logs if line["event"] == event] for event in ("poll started", "poll worked"))
    assert len(started) == len(calls) + sum(line["event"] == "request failed" for line in logs)
    assert all(line["waited_seconds"] >= 0 for line in started)
    assert {line["state"] for line in worked} == {"running"}
    assert all(0 < line["next_poll_seconds"] <= 60 for line in worked)
    assert secret not in str(logs)


@pytest.mark.parametrize("end", ["FAILED", "FINISHED"])
def test_the_end_of_a_run_is_told_once_it_is_confirmed_as_it_counts(end: str) -> None:
    async def main() -> Lines:
        async with world() as there:
            job = dli(there.cloud, seconds=1000, end=end)
            there.watch(job)
            await there.until(100)
            said = {"is_success": True, "message": "", "job_id": job.job_id, "status": "FINISHED"}
            with capture_logs() as logs:
                there.cloud.faults.plan(Answer(200, json.dumps(said).encode()))
                await there.until(140)
                assert there.record(job).runs == (0, 0, 0)
                assert [line["event"] for line in told(list(logs))] == []
                await there.until(1500)
            assert sum(there.record(job).runs) == 1
        return list(logs)

    assert [line["result"] for line in run(main()) if line["event"] == "run ended"] == [
        {"FAILED": "failed", "FINISHED": "succeeded"}[end]
    ]


def test_the_end_of_a_run_that_another_replaces_before_it_is_confirmed_is_told() -> None:
    async def main() -> Lines:
        async with world() as there:
            job = replace(dli(there.cloud, seconds=50, end="FAILED"), message="DLI.0005: no")
            there.cloud.add(job)
            there.watch(job)
            with capture_logs() as logs:
                while not ((seen := there.record(job).snapshot) and seen.state.ended):
                    await asyncio.sleep(1)
                assert not there.record(job).final
                later = dli(there.cloud, seconds=math.inf)
                there.poller.apply(Changes(changed=(job_of(later),)))
                await there.until(400)
        return list(logs)

    (line,) = [line for line in run(main()) if line["event"] == "run ended"]
    assert (line["log_level"], line["result"]) == ("warning", "failed")


def test_the_first_line_counts_the_jobs_of_a_whole_interval() -> None:
    async def main() -> Lines:
        async with polled(60, limited=False) as (there, _, logs):
            there.cloud.faults.plan(server_failure(), times=None)
            await there.until(200)
        return list(logs)

    (line,) = told(run(main()))
    assert (line["event"], line["jobs"]) == ("failures began", 60)
    assert line["jobs_affected"] >= 55


def test_an_outage_that_joins_the_cause_of_one_job_is_told_when_it_comes() -> None:
    async def main() -> Lines:
        async with polled(60, limited=False) as (there, _, logs):
            there.cloud.faults.plan(server_failure(), times=None, job="job-0")
            await there.until(200)
            there.cloud.faults.plan(server_failure(), times=None)
            await there.until(400)
            assert [line["event"] for line in told(list(logs))] == ["failures began", "failures spread"]
            there.cloud.faults.clear()
            await there.until(1500)
        return list(logs)

    lines = told(run(main()))
    assert [(line["event"], line["jobs_affected"]) for line in lines[:1]] == [("failures began", 1)]
    assert lines[1]["jobs_affected"] >= 55
    assert (lines[2]["event"], lines[2]["jobs_affected"], lines[2]["jobs_recovered"]) == ("failures ended", 60, 60)


def test_what_began_to_fail_right_before_a_stop_is_told_at_the_stop() -> None:
    async def main() -> Lines:
        with capture_logs() as logs:
            async with world() as there:
                there.watch(cdm(there.cloud))
                there.cloud.faults.plan(server_failure(), times=None)
                await there.until(4)
                assert told(list(logs)) == []
        return list(logs)

    assert [line["event"] for line in told(run(main()))] == ["failures began"]
