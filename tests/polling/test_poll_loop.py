"""The poll loop over hours that pass in seconds, against the simulator over real sockets."""

import asyncio
import itertools
import math
from collections.abc import MutableMapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.model.changes import Changes
from exporter.model.reason import Reason
from exporter.model.snapshot import Measure, State
from exporter.polling.schedule import Pace
from exporter.services.dli import Dli
from exporter.simulator import (
    Answer,
    CdmJob,
    CdmRun,
    Cloud,
    DliJob,
    DwsJob,
    Fault,
    Step,
    SubJob,
    Volume,
    populate,
    server_failure,
    too_often,
)
from tests.polling.harness import PACE, SimulatedJob, World, job_of, world
from tests.warp import run


def dli(cloud: Cloud, name: str = "orders", seconds: float = 100, end: str = "FINISHED") -> DliJob:
    script = (Step("LAUNCHING", 10), SubJob("save", tasks=100, seconds=seconds))
    job = DliJob(cloud.new_uuid(), name, cloud.started, script, end=end)
    cloud.add(job)
    return job


def cdm(cloud: Cloud, name: str = "copy", seconds: float = math.inf, *, rest: float = 15) -> CdmJob:
    steps = (Step("RUNNING", seconds, 0.0, 1.0),)
    plan = (CdmRun(steps, rest=rest, volume=Volume(rows_read=80, rows_written=70)),)
    job = CdmJob("6ec9a0a4-76be-4262-8697-e7af1fac7920", name, cloud.started, plan)
    cloud.add(job)
    return job


def times(there: World, job: SimulatedJob) -> list[float]:
    """Return when a job was polled, in seconds after the start; what is asked once of a run that ended is no poll."""
    named = job.name if isinstance(job, CdmJob) else job.job_id
    return [
        asked.at - there.cloud.started
        for asked in there.cloud.asked(job=named)
        if asked.operation != "ShowSqlJobStatus"
    ]


def test_what_was_meant_is_what_is_read_for_every_job_of_the_demo() -> None:
    async def main() -> None:
        async with world(populate, pace=Pace(2, 3, 60)) as there:
            there.cloud.faults.clear()
            there.cloud.limits.per_minute.clear()
            jobs: list[SimulatedJob] = [*there.cloud.dli.values(), *there.cloud.dws.values(), *there.cloud.cdm.values()]
            there.watch(*jobs)
            compared = set()
            for second in range(20, 120, 4):
                await there.until(second)
                for job in jobs:
                    compared |= _compare(there, job)

            assert compared >= {(service, state) for service in ("dli", "dws", "cdm") for state in State}

    run(main())


def _compare(there: World, job: SimulatedJob) -> set[tuple[str, State]]:
    record = there.record(job)
    if record.polled_at is None or record.snapshot is None:
        return set()
    # an answer is computed on the way: the truth may have moved by the answer's own travel time
    candidates = [there.cloud.truth(job, record.polled_at - back) for back in (0, 0.002, 0.01, 0.05)]
    seen, names = record.snapshot, {"total": Measure("tasks_planned")}
    for truth in candidates:
        if truth is None or truth.state.value != seen.state.value:
            continue
        close = truth.progress is None or seen.progress == pytest.approx(truth.progress, abs=0.011)
        sums = {names.get(name, Measure("tasks", name)): count for name, count in truth.tasks.items()}
        if close and all(seen.counts.get(each) == pytest.approx(count, abs=2) for each, count in sums.items()):
            return {(record.job.key.service, seen.state)}
    raise AssertionError(f"{job.name}: read {seen}, meant {candidates[0]}")


def test_a_running_job_is_polled_at_its_interval() -> None:
    async def main() -> None:
        async with world() as there:
            job = cdm(there.cloud)
            there.watch(job)
            await there.until(600)

            asked = times(there, job)[1:]
            assert len(asked) in {19, 20}
            assert all(29 < later - earlier < 31 for earlier, later in itertools.pairwise(asked))

    run(main())


def test_a_jobs_own_interval_counts_before_the_common_one() -> None:
    async def main() -> None:
        async with world() as there:
            job = cdm(there.cloud)
            there.watch(job, interval=10)
            await there.until(600)

            assert 59 <= len(times(there, job)) <= 62

    run(main())


def test_polls_of_many_jobs_spread_over_the_interval() -> None:
    async def main() -> None:
        async with world() as there:
            there.cloud.limits.per_minute.clear()
            jobs = [cdm(there.cloud, f"copy {number}") for number in range(60)]
            there.watch(*jobs)
            await there.until(90)

            seconds = [math.floor(asked.at - there.cloud.started) for asked in there.cloud.requests]
            busiest = max(seconds[60:].count(second) for second in range(30, 60))
            assert busiest <= 10

    run(main())


def test_a_run_that_ended_for_good_is_confirmed_once_and_never_called_again() -> None:
    async def main() -> None:
        async with world() as there:
            done, failed = dli(there.cloud), dli(there.cloud, "broken", end="FAILED")
            there.watch(done, failed)
            await there.until(7200)

            for job in (done, failed):
                after = [time for time in times(there, job) if time > 110]
                record = there.record(job)
                assert len(after) == 2
                assert (record.final, record.up, record.stale) == (True, True, False)
                assert there.poller.next_due(record.job.key) is None
                assert record.polled_at == pytest.approx(there.cloud.started + after[1], abs=0.1)

    run(main())


def test_dli_counts_stay_as_last_seen_when_the_run_ends() -> None:
    async def main() -> None:
        async with world() as there:
            job = dli(there.cloud, seconds=400)
            there.watch(job)
            await there.until(900)

            counts = there.record(job).snapshot.counts  # type: ignore[union-attr]
            assert 80 <= counts[Measure("tasks", "completed")] <= 100
            assert Measure("tasks", "active") not in counts

    run(main())


def test_a_migration_that_ended_is_asked_rarely_and_its_next_run_is_seen() -> None:
    async def main() -> None:
        async with world() as there:
            job = cdm(there.cloud, seconds=60, rest=3000)
            there.watch(job)
            await there.until(3000)
            record = there.record(job)

            gaps = [later - earlier for earlier, later in zip(times(there, job), times(there, job)[1:], strict=False)]
            assert max(gaps) == pytest.approx(300, abs=1)
            assert len(times(there, job)) < 16
            assert record.runs == (1, 0, 0)
            assert record.last_success == there.cloud.started + 60
            await there.until(3400)
            assert there.record(job).runs == (2, 0, 0)

    run(main())


def test_a_slow_job_is_never_polled_twice_at_a_time_and_its_lost_turns_are_counted() -> None:
    async def main() -> None:
        async with world(timeout=200) as there:
            job = cdm(there.cloud)
            there.cloud.faults.plan(Fault(delay=100), times=None)
            there.watch(job)
            await there.until(1000)

            asked = times(there, job)
            assert all(later - earlier >= 100 for earlier, later in itertools.pairwise(asked))
            assert (there.sample("polls_skipped_total", reason="slow") or 0) >= 3 * (len(asked) - 2)

    run(main())


def test_a_failing_job_is_asked_less_and_less_until_it_works_again() -> None:
    async def main() -> None:
        async with world() as there:
            job = cdm(there.cloud)
            there.cloud.faults.plan(server_failure(), times=4)
            there.watch(job)
            await there.until(900)

            asked = times(there, job)
            gaps = [later - earlier for earlier, later in itertools.pairwise(asked)]
            assert 29 < gaps[0] < 38 < 59 < gaps[1] < 76 < 119 < gaps[2] < 151
            record = there.record(job)
            assert (record.up, record.failures) == (True, {Reason.SERVER: 4})

    run(main())


def test_a_throttled_job_waits_as_long_as_the_server_asks() -> None:
    async def main() -> None:
        async with world() as there:
            job = cdm(there.cloud)
            there.cloud.faults.plan(too_often(retry_after=200))
            there.watch(job)
            await there.until(400)

            asked = times(there, job)
            assert asked[1] - asked[0] >= 200
            assert there.sample("api_throttled_total", service="cdm") == 1

    run(main())


@pytest.mark.parametrize(
    ("said", "body"),
    [
        ("0", b'{"error_code": "APIGW.0308"}'),
        ("5", b'{"code": "429"}'),
        ("Thu, 09 Oct 2025 08:00:00 GMT", b"<html><body>Too Many Requests</body></html>"),
        ("1000000000000", b""),
    ],
)
def test_a_throttled_bucket_rests_for_a_minute_whoever_throttles_and_whatever_of_no_use_he_says(
    said: str, body: bytes
) -> None:
    async def main() -> None:
        async with world() as there:
            jobs = [cdm(there.cloud, f"copy {number}") for number in range(5)]
            there.watch(*jobs, interval=10)
            await there.until(100)
            there.cloud.faults.plan(Answer(429, body, {"Retry-After": said}))
            await there.until(500)

            (refused,) = [asked.at for asked in there.cloud.requests if asked.status == 429]
            after = [asked.at - refused for asked in there.cloud.requests if asked.at > refused]
            assert 60 <= min(each for each in after if each > 1) <= 71
            assert all(there.record(job).up for job in jobs)

    run(main())


def test_a_job_that_is_not_found_is_asked_at_the_idle_interval() -> None:
    async def main() -> None:
        async with world() as there:
            there.poller.apply(Changes(added=(job_of(DliJob("lost", "lost", 0, ())),)))
            await there.until(2000)

            assert 6 <= len(there.cloud.asked(job="lost")) <= 7

    run(main())


def test_old_values_go_and_come_back() -> None:
    async def main() -> None:
        async with world() as there:
            job = cdm(there.cloud)
            there.watch(job)
            await there.until(100)
            last = there.record(job).polled_at
            there.cloud.faults.plan(server_failure(), times=None)
            await there.until(650)
            assert 'state="running"' in "".join(there.lines())
            await there.until(720)

            lines = "".join(there.lines())
            assert "huaweicloud_job_state" not in lines
            assert "huaweicloud_job_progress_ratio" not in lines
            assert 'huaweicloud_job_up{job="copy",service="cdm"} 0.0' in lines
            assert there.record(job).polled_at == last
            there.cloud.faults.clear()
            await there.until(1100)
            assert there.record(job).up
            assert "huaweicloud_job_progress_ratio" in "".join(there.lines())

    run(main())


def test_an_idle_job_grows_stale_after_three_of_its_intervals() -> None:
    async def main() -> None:
        async with world() as there:
            job = cdm(there.cloud, seconds=10, rest=100_000)
            there.watch(job)
            await there.until(400)
            there.cloud.faults.plan(server_failure(), times=None)
            last = there.record(job).polled_at or 0
            await there.until(last - there.cloud.started + 890)
            assert not there.record(job).stale
            await there.until(last - there.cloud.started + 905)
            assert there.record(job).stale

    run(main())


def test_old_values_go_soon_when_intervals_are_no_longer_than_configured_any_more() -> None:
    async def main() -> None:
        async with world() as there:
            job, factor = cdm(there.cloud), 10.0
            staleness = there.poller._results.staleness
            staleness._stretch = lambda _: factor
            there.watch(job)
            await there.until(100)
            there.cloud.faults.plan(server_failure(), times=None)
            await there.until(850)
            assert not there.record(job).stale
            factor = 1.0
            await there.until(850 + PACE.stale_after / 10 + 1)
            assert there.record(job).stale

    run(main())


def test_no_more_polls_run_at_a_time_than_allowed() -> None:
    async def main() -> None:
        async with world(concurrency=4, timeout=60) as there:
            there.cloud.limits.per_minute.clear()
            there.cloud.faults.plan(Fault(delay=7), times=None)
            there.watch(*[cdm(there.cloud, f"copy {number}") for number in range(40)])
            await there.until(150)

            arrivals = sorted(asked.at for asked in there.cloud.requests)
            for first in arrivals:
                assert sum(1 for time in arrivals if first <= time < first + 6.9) <= 4
            assert (there.sample("polls_skipped_total", reason="busy") or 0) > 0

    run(main())


def test_a_budget_keeps_the_calls_of_any_minute_under_the_vendors_limit() -> None:
    async def main() -> None:
        async with world(rate=1.8) as there:
            jobs = [cdm(there.cloud, f"copy {number}") for number in range(150)]
            there.watch(*jobs)
            await there.until(900)  # those that are known to run go before first polls, for up to the idle interval

            arrivals = sorted(asked.at for asked in there.cloud.requests)
            # they left evenly; on their way each may lose a moment
            assert max(sum(1 for time in arrivals if first <= time < first + 59.9) for first in arrivals) <= 108
            assert all(asked.status == 200 for asked in there.cloud.requests)
            assert all(len(times(there, job)) >= 5 for job in jobs)

    run(main())


def test_a_crash_on_one_answer_is_counted_and_stops_no_other_job(monkeypatch: pytest.MonkeyPatch) -> None:
    def crash(*_: object) -> None:
        raise RuntimeError("select secret from t")

    async def main() -> list[MutableMapping[str, Any]]:
        async with world() as there:
            one, other = dli(there.cloud), cdm(there.cloud)
            there.watch(one, other)
            with capture_logs() as logs:
                await there.until(100)

            assert there.record(one).failures[Reason.INTERNAL] >= 1
            assert there.record(other).up
            assert (there.sample("crashes_total", task="poll") or 0) >= 1
            return list(logs)

    monkeypatch.setattr(Dli, "parse", crash)
    logs = run(main())

    assert "secret" not in str(logs)
    assert "test_poll_loop.py" in str(logs)


def test_a_line_is_logged_when_the_outcome_changes_and_none_for_a_healthy_poll() -> None:
    async def main() -> list[MutableMapping[str, Any]]:
        with capture_logs() as logs:
            async with world() as there:
                there.watch(cdm(there.cloud))
                await there.until(300)
                there.cloud.faults.plan(server_failure(), times=3)
                await there.until(900)
                there.cloud.faults.plan(Answer(200, b"select secret from t"), times=1)
                await there.until(1200)
        return list(logs)

    logs = [line for line in run(main()) if line["log_level"] != "debug"]

    assert [(line["event"], line["reason"]) for line in logs] == [
        ("failures began", "server"),
        ("failures ended", "server"),
        ("failures began", "payload"),
        ("failures ended", "payload"),
    ]
    assert logs[0] == {
        "event": "failures began",
        "log_level": "warning",
        "service": "cdm",
        "project": "demo",
        "operation": "poll",
        "reason": "server",
        "code": "DWS.0005",
        "request_id": "7f1c9a3e5b2d4c68a0e1f2b3c4d5e6f7",
        "error": "the cloud failed to answer the call (HTTP 500, DWS.0005)",
        "vendor_text": "",
        "jobs_affected": 1,
        "jobs": 1,
        "names": ["copy"],
    }
    assert "secret" not in str(logs)


def test_an_hour_of_the_demo_leaves_no_secret_and_no_vendor_text_in_the_log() -> None:
    async def main() -> tuple[str, Cloud]:
        with capture_logs() as logs:
            async with world(populate, pace=PACE) as there:
                there.watch(*there.cloud.dli.values(), *there.cloud.dws.values(), *there.cloud.cdm.values())
                await there.until(3600)
        assert len([line for line in logs if line["log_level"] != "debug" and line["event"] != "run ended"]) < 60
        return str(logs), there.cloud

    text, cloud = run(main())

    assert cloud.secret_key not in text
    assert "obs://" not in text
    assert "select" not in text.lower()
    assert "throttling threshold" not in text


def test_unknown_words_are_counted_by_field() -> None:
    async def main() -> None:
        async with world() as there:
            job = DwsJob(there.cloud.new_hex(), "odd", there.cloud.started, (Step("ROLLBACKING", math.inf),))
            there.cloud.add(job)
            there.watch(job)
            await there.until(100)

            assert there.sample("unknown_values_total", service="dws", field="status") == 1  # the same answer each time
            assert there.record(job).snapshot.state is State.UNKNOWN  # type: ignore[union-attr]

    run(main())


def test_calls_lag_and_registrations_are_measured() -> None:
    async def main() -> None:
        async with world() as there:
            there.watch(cdm(there.cloud))
            await there.until(100)

            polls = there.sample("poll_lag_seconds_count") or 0
            assert polls == len(there.cloud.requests)
            assert there.sample("poll_lag_seconds_sum") == pytest.approx(0, abs=0.5)
            assert there.sample("api_requests_total", service="cdm", operation="ShowJobStatus", code="200") == polls
            count = there.sample("api_request_duration_seconds_count", service="cdm", operation="ShowJobStatus")
            assert count == polls
            assert there.sample("registered_jobs", service="cdm", source="static") == 1

    run(main())


def test_everything_that_is_not_final_is_polled_once_more_on_request() -> None:
    async def main() -> None:
        async with world(pace=Pace(3000, 3000, 9000)) as there:
            ended, running = dli(there.cloud, seconds=5), cdm(there.cloud)
            there.watch(ended, running)
            await there.until(1)
            asked = len(there.cloud.requests)
            async with asyncio.timeout(5):
                await there.poller.poll_once_more()

            assert len(there.cloud.requests) == asked + 2

    run(main())


def test_an_end_that_the_last_poll_told_is_confirmed_and_counted_at_once() -> None:
    async def main() -> None:
        async with world(pace=Pace(3000, 3000, 9000)) as there:
            jobs = [dli(there.cloud, f"orders-{number}", seconds=5) for number in range(4)]
            there.watch(*jobs, cdm(there.cloud))
            await there.until(100)
            asked = len(there.cloud.requests)
            async with asyncio.timeout(5):
                await there.poller.poll_once_more()

            assert len(there.cloud.requests) == asked + 4 + 4 + 4 + 1
            assert len(there.cloud.asked("ShowSqlJobStatus")) == 4  # what only this call tells of a run that ended
            counted = [line for line in there.lines() if line.startswith("huaweicloud_job_runs_total{")]
            assert sum('result="succeeded"' in line and line.endswith(" 1.0") for line in counted) == 4

    run(main())


def test_a_copy_that_a_cache_kept_is_no_answer_of_the_cloud() -> None:
    async def main() -> None:
        async with world() as there:
            job = dli(there.cloud, seconds=10_000)
            there.watch(job)
            await there.until(100)
            polled = there.record(job).polled_at
            copy = Answer(200, b'{"status": "FINISHED", "sub_job_id": 0}', {"Age": "3600"})
            there.cloud.faults.plan(copy, times=None, job=job.job_id)
            await there.until(150)
            record = there.record(job)

            assert record.snapshot is not None
            assert record.snapshot.state is State.RUNNING
            assert record.polled_at is not None
            assert polled is not None
            assert record.polled_at < polled + PACE.interval
            assert record.failures[Reason.PAYLOAD] > 0
            assert record.fault is not None
            assert "a copy that is 3600 s old" in record.fault.sentence

    run(main())
