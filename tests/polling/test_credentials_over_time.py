"""Hours in which keys are rotated, revoked, restored and expire: what is asked, what is shown, what is told."""

import asyncio
import math
import re
from collections import Counter
from collections.abc import Callable, MutableMapping
from dataclasses import replace
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.clock import Clock
from exporter.cloud.credentials.access_key import AccessKey
from exporter.cloud.credentials.password import Password
from exporter.cloud.credentials.signing import key_name
from exporter.cloud.iam import find_project_id
from exporter.cloud.identity_calls import IamCalls
from exporter.cloud.projects import Projects
from exporter.limits.circuit_breaker import PATIENCE, PROBE, WAITS
from exporter.model.changes import Changes
from exporter.model.reason import Reason
from exporter.simulator import (
    CDM_STATUS,
    Answer,
    CdmJob,
    CdmRun,
    Cloud,
    DliJob,
    Fault,
    Step,
    SubJob,
    Volume,
    refused_with_200,
    server_failure,
    too_often,
)
from tests.polling.harness import PACE, World, job_of, world
from tests.warp import run

INTERVAL = PACE.interval
IN_FLIGHT = 32
FIRST = WAITS[0]


def running(cloud: Cloud, number: int, seconds: float = math.inf) -> CdmJob:
    run = CdmRun((Step("RUNNING", seconds, 0.0, 1.0),), rest=1e9, volume=Volume(rows_read=80, rows_written=70))
    job = CdmJob(cloud.new_uuid(), f"copy {number}", cloud.started, (run,))
    cloud.add(job)
    return job


def failed_calls(there: World) -> list[float]:
    return [asked.at - there.cloud.started for asked in there.cloud.requests if asked.status == 401]


def change_at_the_vendor(cloud: Cloud, secret: str) -> None:
    """Let the key's secret be another one at the vendor's, so that signatures fail and count towards the lock."""
    cloud.gate.keys[cloud.access_key] = replace(cloud.gate.keys[cloud.access_key], secret=secret)


async def all_up(there: World, jobs: list[CdmJob], at: float) -> float:
    """Wait until all jobs are up; return when, in seconds after the start."""
    await there.until(at)
    while not all(there.record(job).up for job in jobs):
        await asyncio.sleep(0.5)
    return there.clock.now() - there.cloud.started


def events(logs: list[MutableMapping[str, Any]]) -> list[str]:
    return [str(line["event"]) for line in logs if line["log_level"] != "debug"]


def test_a_wrong_key_is_tried_less_and_less_often_and_every_six_minutes_once_the_next_would_lock_it() -> None:
    async def main() -> list[MutableMapping[str, Any]]:
        with capture_logs() as logs:
            async with world(lambda cloud: change_at_the_vendor(cloud, "another")) as there:
                jobs = [running(there.cloud, number) for number in range(200)]
                there.watch(*jobs)
                await there.until(290)

                assert len(failed_calls(there)) == PATIENCE - 1
                assert there.sample("project_paused", project="demo", reason="auth") == 1
                record = there.record(jobs[150])
                assert record.fault is not None
                assert record.fault.reason is Reason.AUTH
                assert record.fault.sentence.startswith(
                    f"calls of {key_name(there.cloud.access_key)} are paused since "
                )
                assert not record.up
                await there.until(600)

                calls = failed_calls(there)
                assert len(calls) == PATIENCE
                waits = [b - a for a, b in pairwise(calls)]
                assert all(wait <= found <= wait + 2 for wait, found in zip((0, *WAITS), waits, strict=True))
                assert there.cloud.gate.lockings == []
                await there.until(3600)
                assert all(PROBE <= b - a <= PROBE + 2 for a, b in pairwise(failed_calls(there)[PATIENCE - 1 :]))
        return list(logs)

    assert events(run(main())) == ["circuit opened"]


@pytest.mark.parametrize(("kind", "seconds"), [("key", 1.5), ("token", 10)])
def test_a_cloud_that_refuses_everybody_for_seconds_is_asked_again_after_half_a_minute(
    kind: str, seconds: float
) -> None:
    async def main() -> None:
        async with world(credentials=by_password if kind == "token" else None) as there:
            there.cloud.limits.per_minute[CDM_STATUS] = 10**6
            jobs = [running(there.cloud, number) for number in range(200)]
            there.watch(*jobs, interval=10)
            there.cloud.faults.plan(Fault(delay=0.9), times=None)  # so that some calls are always under way
            await there.until(100)
            there.cloud.faults.clear()
            refusal = Answer(
                401, b'{"error_code": "APIGW.0301", "error_msg": "Incorrect IAM authentication information"}'
            )
            there.cloud.faults.plan(Fault(delay=0.9, answer=refusal), times=None)
            await there.until(100 + seconds)
            there.cloud.faults.clear()
            await there.until(100 + FIRST + 12)

            assert len(failed_calls(there)) > 5
            assert there.sample("project_paused", project="demo", reason="auth") is None
            await there.until(100 + FIRST + 25)
            assert all(there.record(job).up for job in jobs)

    run(main())


def test_a_key_that_stops_working_and_is_restored_costs_no_more_than_a_probe_and_an_interval() -> None:
    async def main() -> list[MutableMapping[str, Any]]:
        with capture_logs() as logs:
            async with world() as there:
                jobs = [running(there.cloud, number) for number in range(40)]
                there.watch(*jobs)
                await there.until(600)
                secret = there.cloud.secret_key
                change_at_the_vendor(there.cloud, "another")
                await there.until(1500)

                calls = failed_calls(there)
                first = calls[0]
                assert sum(1 for call in calls if call < first + FIRST - 1) <= IN_FLIGHT
                assert not [call for call in calls if first + 10 < call < first + FIRST - 1]
                assert not any(there.record(job).up for job in jobs)
                failures = sum(sum(there.record(job).failures.values()) for job in jobs)
                assert failures <= len(calls)  # a turn that was not called is no failed poll
                assert (there.sample("polls_skipped_total", reason="paused") or 0) >= 40 * (900 // INTERVAL - 2)
                change_at_the_vendor(there.cloud, secret)
                back = await all_up(there, jobs, 1500)

                probe = min(asked.at for asked in there.cloud.requests if asked.at > there.cloud.started + 1500)
                assert back - (probe - there.cloud.started) <= INTERVAL
                assert back <= 1500 + PROBE + INTERVAL
                assert there.sample("project_paused", project="demo", reason="auth") is None
        return list(logs)

    assert events(run(main())) == ["circuit opened", "circuit closed"]


def from_files(folder: Path) -> Callable[[Cloud, IamCalls, str, Clock], AccessKey]:
    def make(cloud: Cloud, iam: IamCalls, url: str, clock: Clock) -> AccessKey:
        del iam, url
        (folder / "ak").write_text(cloud.access_key)
        (folder / "sk").write_text(cloud.secret_key)
        return AccessKey(key_id_file=folder / "ak", secret_file=folder / "sk", monotonic=clock.monotonic)

    return make


def rotate(cloud: Cloud, folder: Path) -> None:
    new = cloud.new_key(cloud.user)
    (folder / "ak").write_text(new.key_id)
    (folder / "sk").write_text(new.secret)


def test_a_key_rotated_on_disk_is_tried_at_once(tmp_path: Path) -> None:
    async def main() -> list[MutableMapping[str, Any]]:
        with capture_logs() as logs:
            async with world(credentials=from_files(tmp_path)) as there:
                jobs = [running(there.cloud, number) for number in range(40)]
                there.watch(*jobs)
                await there.until(600)
                there.cloud.gate.revoke(there.cloud.access_key)
                await there.until(700)
                assert there.sample("project_paused", project="demo", reason="auth") == 1
                rotate(there.cloud, tmp_path)
                back = await all_up(there, jobs, 700)

                assert back <= 700 + 3 + INTERVAL
                assert len(failed_calls(there)) <= 1 + 3
                await there.until(900)
                assert all(there.record(job).up for job in jobs)
                old = there.cloud.access_key
                assert not [
                    each
                    for each in there.cloud.requests
                    if each.credential == old and each.at > there.cloud.started + 705
                ]
        return list(logs)

    logs = [line for line in run(main()) if line["log_level"] != "debug"]

    assert events(logs).count("credentials changed") == 1
    assert logs[-1]["event"] == "circuit closed"
    paused = next(line for line in logs if line["event"] == "circuit opened")
    assert logs[-1]["identity"] != paused["identity"]
    assert logs[-1]["identity"] == next(line["identity"] for line in logs if line["event"] == "credentials changed")


def test_keys_rotated_while_both_are_valid_lose_nothing(tmp_path: Path) -> None:
    async def main() -> None:
        async with world(credentials=from_files(tmp_path)) as there:
            jobs = [running(there.cloud, number) for number in range(40)]
            there.watch(*jobs)
            await there.until(600)
            rotate(there.cloud, tmp_path)
            await there.until(610)
            there.cloud.gate.revoke(there.cloud.access_key)
            await there.until(1200)

            assert failed_calls(there) == []
            assert not any(there.record(job).failures for job in jobs)

    run(main())


def test_after_a_rotation_the_log_of_limits_names_the_key_in_use(tmp_path: Path) -> None:
    async def main() -> list[MutableMapping[str, Any]]:
        with capture_logs() as logs:
            async with world(credentials=from_files(tmp_path)) as there:
                there.watch(running(there.cloud, 1))
                await there.until(100)
                rotate(there.cloud, tmp_path)
                await there.until(200)
                there.cloud.faults.plan(too_often())
                await there.until(300)
        return list(logs)

    (paused,) = (line for line in run(main()) if line["event"] == "limit paused")

    assert paused["identity"] == key_name((tmp_path / "ak").read_text())
    assert paused["identity"] not in (tmp_path / "ak").read_text()


def with_password(password: str) -> Callable[[Cloud, IamCalls, str, Clock], Password]:
    def make(cloud: Cloud, iam: IamCalls, url: str, clock: Clock) -> Password:
        return Password(
            domain=cloud.domain,
            user=cloud.user,
            password=password,
            region=cloud.region,
            iam=iam,
            iam_url=url,
            clock=clock,
        )

    return make


def by_password(cloud: Cloud, iam: IamCalls, url: str, clock: Clock) -> Password:
    return with_password(cloud.password)(cloud, iam, url, clock)


def test_a_token_that_is_revoked_is_renewed_and_the_poll_is_repeated() -> None:
    async def main() -> list[MutableMapping[str, Any]]:
        with capture_logs() as logs:
            async with world(credentials=by_password) as there:
                jobs = [running(there.cloud, number) for number in range(40)]
                there.watch(*jobs)
                await there.until(600)
                for token in [*there.cloud.gate.tokens]:
                    there.cloud.gate.revoke_token(token)
                await there.until(1200)

                assert all(there.record(job).up for job in jobs)
                assert not any(there.record(job).failures for job in jobs)
                assert 1 <= len(failed_calls(there)) <= IN_FLIGHT
                assert len(there.cloud.asked("KeystoneCreateUserTokenByPassword")) == 2
        return list(logs)

    told = events(run(main()))

    assert told == ["credentials refused"]


def test_tokens_are_renewed_before_they_expire() -> None:
    async def main() -> None:
        async with world(credentials=by_password, pace=replace(PACE, interval=300)) as there:
            job = running(there.cloud, 1)
            there.watch(job)
            await there.until(30 * 3600)

            assert failed_calls(there) == []
            assert there.record(job).failures == {}
            assert len(there.cloud.asked("KeystoneCreateUserTokenByPassword")) == 3

    run(main())


def test_five_hundred_migrations_share_their_limit_and_the_running_ones_stay_fresher() -> None:
    async def main() -> list[MutableMapping[str, Any]]:
        with capture_logs() as logs:
            async with world(rate=1.8) as there:
                moving = [running(there.cloud, number) for number in range(40)]
                waiting = [running(there.cloud, number, seconds=20) for number in range(40, 500)]
                there.watch(*moving, *waiting)
                await there.until(900)
                ages: dict[bool, list[float]] = {True: [], False: []}
                while there.clock.now() < there.cloud.started + 1500:
                    await asyncio.sleep(10)
                    for job in moving + waiting:
                        polled_at = there.record(job).polled_at
                        assert polled_at is not None
                        ages[job in moving].append(there.clock.now() - polled_at)

                assert not [asked for asked in there.cloud.requests if asked.status == 429]
                assert there.cloud.busiest(there.cloud.user, CDM_STATUS) <= 120
                factor = there.poller.demand.stretches()["demo"]
                needed = 40 * 60 / PACE.interval + 460 * 60 / PACE.idle_interval
                assert math.isclose(factor, needed / 108, rel_tol=0.01)
                assert max(ages[True]) < PACE.interval * factor * 1.5
                assert max(ages[False]) < PACE.idle_interval * factor * 1.5
                assert max(ages[True]) < sum(ages[False]) / len(ages[False])
                assert not any(there.record(job).stale for job in moving + waiting)
        return list(logs)

    logs = run(main())

    (line,) = [line for line in logs if line["event"] == "intervals stretched"]
    assert line["calls_a_minute_allowed"] == 108
    assert line["limit"] == "cdm"


def test_refused_calls_lower_the_rate_for_all_jobs_of_the_user() -> None:
    async def main() -> None:
        async with world(rate=1.8) as there:
            there.cloud.limits.per_minute[CDM_STATUS] = 60  # another tool of the same user takes the other half
            jobs = [running(there.cloud, number) for number in range(45)]
            there.watch(*jobs)
            await there.until(1800)

            refused = [asked for asked in there.cloud.requests if asked.status == 429]
            assert 1 <= len(refused) <= 20
            assert all(there.record(job).polled_at is not None for job in jobs)
            assert not any(there.record(job).stale for job in jobs)

    run(main())


def test_a_clock_that_is_off_is_told_with_the_refusal() -> None:
    def off(cloud: Cloud, iam: IamCalls, url: str, clock: Clock) -> AccessKey:
        del iam, url
        right = cloud.wall
        cloud.wall = lambda: right() + 1200
        del clock
        return AccessKey(key_id=cloud.access_key, secret=cloud.secret_key)

    async def main() -> None:
        async with world(credentials=off) as there:
            job = running(there.cloud, 1)
            there.watch(job)
            await there.until(60)

            fault = there.record(job).fault
            assert fault is not None
            assert fault.reason is Reason.AUTH
            assert re.search(r"this machine's clock is (1200|1199) s behind the cloud's", fault.sentence)

    run(main())


def test_a_project_whose_token_is_refused_stops_no_other_project_of_the_user() -> None:
    async def main() -> None:
        async with world(credentials=by_password, other=with_password("wrong")) as there:
            good, bad = running(there.cloud, 1), running(there.cloud, 2)
            there.watch(good)
            there.poller.apply(Changes(added=(replace(job_of(bad), project="other"),)))
            await there.until(1800)

            assert there.record(good).failures == {}
            assert there.sample("project_paused", project="demo", reason="auth") is None
            assert there.sample("project_paused", project="other", reason="auth") == 1
            assert len(there.cloud.asked("KeystoneCreateUserTokenByPassword")) <= 1 + 2 + 1800 / 360

    run(main())


def test_a_service_that_finds_fault_with_the_user_fails_its_own_job_alone() -> None:
    async def main() -> None:
        async with world() as there:
            one = DliJob(there.cloud.new_uuid(), "orders", there.cloud.started, (SubJob("save", 100, 10_000),))
            there.cloud.add(one)
            other = running(there.cloud, 1)
            there.cloud.faults.plan(refused_with_200("DLI.0015: The token is invalid."), times=None, job=one.job_id)
            there.watch(one, other)
            await there.until(900)

            assert there.record(one).failures[Reason.AUTH] > 1
            assert there.record(other).failures == {}
            assert there.sample("project_paused", project="demo", reason="auth") is None

    run(main())


def test_a_token_that_the_service_itself_cannot_read_is_renewed() -> None:
    async def main() -> None:
        async with world(credentials=by_password) as there:
            job = DliJob(there.cloud.new_uuid(), "orders", there.cloud.started, (SubJob("save", 100, 10_000),))
            there.cloud.add(job)
            there.watch(job)
            await there.until(60)
            refusal = Answer(400, b'{"error_code": "DLI.0015", "error_msg": "Failed to parse the token."}')
            there.cloud.faults.plan(refusal, times=1, job=job.job_id)
            logins = len(there.cloud.asked("KeystoneCreateUserTokenByPassword"))
            await there.until(120)

            assert len(there.cloud.asked("KeystoneCreateUserTokenByPassword")) == logins + 1
            assert there.record(job).failures == {}

    run(main())


def test_a_job_whose_calls_alone_are_refused_does_not_pause_the_others_again_and_again() -> None:
    async def main() -> None:
        async with world() as there:
            jobs = [running(there.cloud, number) for number in range(20)]
            refusal = Answer(
                401, b'{"error_code": "APIGW.0301", "error_msg": "Incorrect IAM authentication information"}'
            )
            there.cloud.faults.plan(refusal, times=None, job=jobs[7].name)
            there.watch(*jobs)
            await there.until(1800)

            polls = Counter(asked.job for asked in there.cloud.requests)
            assert there.record(jobs[7]).failures[Reason.AUTH] == polls[jobs[7].name] == len(failed_calls(there))
            assert polls.pop(jobs[7].name) < 1800 / PACE.idle_interval + 8
            assert min(polls.values()) > 0.7 * 1800 / INTERVAL

    run(main())


def test_a_failure_of_iam_proves_nothing_and_is_asked_again_gently() -> None:
    async def main() -> None:
        async with world(credentials=with_password("wrong")) as there:
            job = running(there.cloud, 1)
            there.watch(job)
            await there.until(300)
            there.cloud.faults.plan(server_failure(), times=None, operation="KeystoneCreateUserTokenByPassword")
            before = len(there.cloud.requests)
            await there.until(1200)

            assert there.sample("project_paused", project="demo", reason="auth") == 1
            assert not there.record(job).up
            assert 5 <= len(there.cloud.requests) - before <= 900 / 60

    run(main())


def test_a_lookup_that_was_refused_is_made_again_with_other_credentials(tmp_path: Path) -> None:
    secret = tmp_path / "sk"
    secret.write_text("wrong")

    def from_file(cloud: Cloud, iam: IamCalls, url: str, clock: Clock) -> AccessKey:
        del iam, url
        return AccessKey(key_id=cloud.access_key, secret_file=secret, monotonic=clock.monotonic)

    async def main() -> None:
        async with world(credentials=from_file) as there:
            project = there.projects.by_name["demo"]
            project.project_id = ""
            project.find_project_id = partial(
                find_project_id,
                there.iam,
                project.endpoints["cdm"],
                there.cloud.region,
                project.credentials,
                there.clock,
            )
            jobs = [running(there.cloud, number) for number in range(40)]
            there.watch(*jobs)
            await there.until(5)
            secret.write_text(there.cloud.secret_key)
            back = await all_up(there, jobs, 5)

            assert back <= 5 + 3 + INTERVAL

    run(main())


def test_a_refusal_that_comes_after_a_reload_took_its_project_away_crashes_nothing() -> None:
    async def main() -> None:
        async with world(credentials=by_password, other=with_password("wrong")) as there:
            bad = replace(job_of(running(there.cloud, 1)), project="other")
            there.cloud.faults.plan(Fault(delay=3), times=None, operation="KeystoneCreateUserTokenByPassword")
            there.poller.apply(Changes(added=(bad,)))
            await there.until(2)  # the login that will be refused is on its way
            there.poller.apply(Changes(removed=(bad.key,)))
            projects = {"demo": there.projects.by_name["demo"]}
            there.poller.use(Projects(there.projects.adapters, projects), PACE, 32)
            await there.until(60)

            assert len(there.cloud.asked("KeystoneCreateUserTokenByPassword")) == 1
            assert there.sample("crashes_total", task="poll") is None
            assert there.sample("project_paused", project="other", reason="auth") is None

    run(main())
