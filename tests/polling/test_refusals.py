"""Hours in which a cloud refuses everybody: no key and no user is locked, whoever makes the calls."""

from collections import Counter
from dataclasses import replace
from itertools import pairwise

import pytest
from structlog.testing import capture_logs

from exporter.limits.circuit_breaker import AGAIN, PATIENCE, PROBE, Decision
from exporter.model.changes import Changes
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.polling.schedule import Pace
from exporter.simulator import Answer, CdmJob, CdmRun, Cloud, DliJob, Fault, Step, SubJob, Volume
from tests.polling.harness import PACE, World, job_of, world
from tests.polling.looking import looking
from tests.polling.test_credentials_over_time import by_password
from tests.warp import START, run

REFUSAL = Answer(401, b'{"error_code": "APIGW.0301", "error_msg": "Incorrect IAM authentication information"}')
TOO_MANY = Answer(429, b'{"error_code": "APIGW.0308", "error_msg": "The throttling threshold has been reached"}')
LOCK = 300.0
"""Seconds for which the vendor locks a key."""
HOURS = 7200.0
LATE = AGAIN + 15.0
"""Seconds: until a user may log in again a probe looks every minute whether he may, each up to a second late, and the
machine may be busy."""
CLUSTER = "6ec9a0a4-76be-4262-8697-e7af1fac7920"


def quick(number: int) -> CdmJob:
    """A migration of which several runs go by between two polls, so that its history is read."""
    plan = (CdmRun((Step("RUNNING", 4, 0.0, 1.0),), rest=5, volume=Volume(rows_written=10)),)
    return CdmJob(CLUSTER, f"quick-{number}", START - 60, plan, number=number)


def query(number: int) -> DliJob:
    return DliJob(f"id-{number}", f"query-{number}", START, (SubJob("save", tasks=100, seconds=1e6),))


def refused(there: World, *, by_key: bool) -> list[float]:
    """Return when calls of one identity were refused: signed ones, or logins and tokens."""
    key = there.cloud.access_key
    mine = [asked for asked in there.cloud.requests if (asked.credential == key) is by_key]
    return [asked.at - START for asked in mine if asked.status == 401]


@pytest.mark.slow
@pytest.mark.parametrize("begins", [0, 300])
def test_of_polls_lists_histories_and_logins_at_most_five_are_refused_before_they_come_every_six_minutes(
    begins: float,
) -> None:
    migrations, queries = [quick(number) for number in range(4)], [query(number) for number in range(8)]
    others = [query(number) for number in range(8, 12)]

    def populate(cloud: Cloud) -> None:
        cloud.add(*migrations, *queries, *others)
        if not begins:
            cloud.faults.plan(Fault(answer=REFUSAL), times=None)

    async def main() -> None:
        async with (
            world(populate, other=by_password) as there,
            looking(there, {"service": "cdm"}),
        ):
            there.watch(*queries)
            there.poller.apply(Changes(added=tuple(replace(job_of(each), project="other") for each in others)))
            await there.until(begins)
            if begins:
                assert there.cloud.asked("ShowSubmissions"), "histories are read"
                assert len(there.cloud.asked("ShowJobs")) > 2, "lists are read"
                for token in [*there.cloud.gate.tokens]:
                    there.cloud.gate.revoke_token(token)
                there.cloud.faults.plan(Fault(answer=REFUSAL), times=None)
            await there.until(begins + HOURS)

            for by_key in (True, False):
                times = refused(there, by_key=by_key)
                waits = [later - earlier for earlier, later in pairwise(times)]
                assert len(times) >= PATIENCE + HOURS / PROBE - 4, times
                assert all(wait >= PROBE for wait in waits[PATIENCE - 1 :]), times
                assert all(wait <= PROBE + LATE for wait in waits), times
                assert max(sum(at <= each < at + LOCK for each in times) for at in times) < PATIENCE, times
            there.cloud.faults.clear()
            await there.until(begins + HOURS + PROBE + PACE.interval + 5)
            records = list(there.store.records())
            assert {"quick-0", "query-0", "query-8"} <= {record.job.key.job for record in records}
            assert all(record.up for record in records)

    run(main())


def test_a_refusal_of_too_many_calls_does_not_pass_for_an_accepted_key() -> None:
    """A gateway may count calls before it looks at who asks: no answer here shows that the key is right."""
    migrations, queries = [quick(number) for number in range(4)], [query(number) for number in range(4)]

    def populate(cloud: Cloud) -> None:
        cloud.add(*migrations, *queries)
        cloud.faults.plan(Fault(answer=TOO_MANY), times=None, every=2)
        cloud.faults.plan(Fault(answer=REFUSAL), times=None)

    async def main() -> None:
        async with world(populate) as there:
            there.watch(*migrations, *queries)
            await there.until(1500)
            assert any(asked.status == 429 for asked in there.cloud.requests)
            times = refused(there, by_key=True)
            assert len(times) > PATIENCE
            assert all(later - before >= PROBE - 1 for before, later in pairwise(times[PATIENCE - 1 :]))

    run(main())


@pytest.mark.parametrize(
    ("status", "code"), [(403, "DLI.0003"), (404, "DLI.0023"), (400, "DLI.0001")], ids=["403", "404", "400"]
)
def test_a_refusal_behind_the_check_of_the_key_shows_that_it_is_accepted(status: int, code: str) -> None:
    """The calls that are refused for the key in between are then those of some jobs alone: no pause for all."""
    queries = [query(number) for number in range(8)]

    def populate(cloud: Cloud) -> None:
        cloud.add(*queries)
        body = f'{{"error_code": "{code}", "error_msg": "no"}}'.encode()
        cloud.faults.plan(Fault(answer=Answer(status, body)), times=None, every=2)
        cloud.faults.plan(Fault(answer=REFUSAL), times=None)

    async def main() -> None:
        async with world(populate) as there:
            there.watch(*queries)
            await there.until(1500)
            times = refused(there, by_key=True)
            assert any(later - before < PROBE - 1 for before, later in pairwise(times[PATIENCE - 1 :]))

    run(main())


def test_a_burst_after_which_one_more_refusal_could_lock_the_key_makes_no_job_due_for_six_minutes() -> None:
    async def main() -> None:
        async with world() as there:
            breakers = there.poller._breakers
            breaker, no = breakers.of("demo"), PollError(Reason.AUTH, "no")
            first = breaker.circuit.enter()
            breakers.accepted("demo", first, "one")
            breaker.circuit.left(first, 0)
            permits = [breaker.circuit.enter() for _ in range(PATIENCE)]
            with capture_logs() as logs:
                decisions = [await breakers.refused("demo", permit, "one", no) for permit in permits]

            assert decisions[-1] is Decision.PAUSE
            assert there.sample("project_paused", project="demo", reason="auth") == 1
            assert [line["next_try_seconds"] for line in logs if line["event"] == "circuit opened"] == [PROBE]
            now = there.clock.monotonic()
            assert not breakers.due(now + PROBE - 1)
            assert not breaker.circuit.free
            assert breakers.due(now + PROBE) == [breaker]
            assert breaker.circuit.free

    run(main())


def alone(there: World, jobs: list[DliJob]) -> dict[str, list[float]]:
    """Return when each job was polled, in seconds after the start."""
    return {job.name: [asked.at - START for asked in there.cloud.requests if asked.job == job.job_id] for job in jobs}


@pytest.mark.parametrize(
    ("code", "begins", "by_token"),
    [("APIGW.0301", 0, True), ("APIGW.0301", 60, False), ("DLI.0013", 0, False), ("DLI.0013", 60, True)],
)
def test_a_job_that_alone_is_refused_is_polled_less_and_less_often_and_the_others_as_before(
    code: str, begins: float, by_token: bool
) -> None:
    jobs = [query(number) for number in range(3)]

    async def main() -> None:
        every_second = Pace(interval=1, idle_interval=1, stale_after=600)
        async with world(
            lambda cloud: cloud.add(*jobs), pace=every_second, credentials=by_password if by_token else None
        ) as there:
            there.watch(*jobs)
            await there.until(begins)
            refusal = Answer(401, b'{"error_code": "%s", "error_msg": "no"}' % code.encode())
            there.cloud.faults.plan(refusal, times=None, job=jobs[0].job_id)
            await there.until(begins + 600)
            polls = alone(there, jobs)
            refused = [at for at in polls.pop(jobs[0].name) if at >= begins]

            assert len(refused) <= 8, refused
            for times in polls.values():
                assert max(later - earlier for earlier, later in pairwise(times)) < 10, times
            assert there.record(jobs[0]).up is False
            assert all(not there.record(job).failures for job in jobs[1:])
            assert len(there.cloud.asked("KeystoneCreateUserTokenByPassword")) <= 2 * by_token

    run(main())


def test_a_service_whose_calls_are_all_refused_costs_the_other_ones_little() -> None:
    good = [
        CdmJob(CLUSTER, f"copy-{number}", START - 60, (CdmRun((Step("RUNNING", 1e6, 0.0, 1.0),)),))
        for number in range(20)
    ]
    bad = [query(number) for number in range(20)]

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*good, *bad)) as there:
            there.cloud.faults.plan(Fault(answer=REFUSAL), times=None, service="dli")
            there.watch(*(job for pair in zip(good, bad, strict=True) for job in pair))
            await there.until(3600)

            polls = Counter(asked.job for asked in there.cloud.requests)
            assert min(polls[job.name] for job in good) > 0.9 * 3600 / PACE.interval
            assert max(polls[job.job_id] for job in bad) < 3600 / PACE.idle_interval + 8

    run(main())


def test_a_list_that_alone_is_refused_leads_to_one_login_and_pauses_nothing() -> None:
    jobs = [quick(number) for number in range(4)]

    async def main() -> None:
        async with (
            world(lambda cloud: cloud.add(*jobs), credentials=by_password) as there,
            looking(there, {"service": "cdm"}),
        ):
            await there.until(60)
            there.cloud.faults.plan(Fault(answer=REFUSAL), times=None, operation="ShowJobs")
            await there.until(900)

            assert len([asked for asked in there.cloud.asked("ShowJobs") if asked.status == 401]) > 3
            assert len(there.cloud.asked("KeystoneCreateUserTokenByPassword")) <= 2
            assert there.sample("polls_skipped_total", reason="paused") == 0

    run(main())
