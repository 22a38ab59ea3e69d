"""Calls for tokens and ids of projects: permitted and counted as all others are, and in nobody's way."""

import asyncio
from collections.abc import MutableMapping
from dataclasses import replace
from functools import partial
from itertools import pairwise
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.cloud.iam import find_project_id
from exporter.model.changes import Changes
from exporter.model.reason import Reason
from exporter.simulator import Answer, Cloud, DliJob, Fault, Step, too_often
from tests.polling.harness import World, job_of, world
from tests.polling.test_credentials_over_time import by_password
from tests.warp import START, run

TOKEN = "KeystoneCreateUserTokenByPassword"
PROGRESS = "ShowSqlJobProgress"
GAP = 5.0


def running(cloud: Cloud, name: str) -> DliJob:
    job = DliJob(f"id-{name}", name, START - 60, (Step("RUNNING", 1e9),))
    cloud.add(job)
    return job


def logins(there: World) -> list[float]:
    return [asked.at - START for asked in there.cloud.asked(TOKEN)]


def in_both(there: World, number: int) -> None:
    """Register as many jobs in each of two projects."""
    for name in ("demo", "other"):
        for each in range(number):
            job = job_of(running(there.cloud, f"{name}-{each}"), interval=10)
            there.poller.apply(Changes(added=(replace(job, project=name),)))


def test_tokens_are_had_while_polls_hold_every_place() -> None:
    async def main() -> None:
        async with world(concurrency=1, iam_rate=1 / GAP, credentials=by_password, other=by_password) as there:
            in_both(there, 10)
            await there.until(60)

            assert len(logins(there)) == 2
            assert all(later - earlier >= GAP - 1 for earlier, later in pairwise(logins(there)))
            assert all(record.up for record in there.store.records())

    run(main())


def test_a_poll_does_not_hold_its_place_for_long_for_a_token_that_its_limit_does_not_allow() -> None:
    async def main() -> None:
        async with world(concurrency=1, iam_rate=1 / 40, other=by_password) as there:
            in_both(there, 5)
            await there.until(25)

            assert len(there.cloud.asked(PROGRESS)) >= 2 * 5
            for record in there.store.records():
                if record.job.project == "demo":
                    assert record.up
                else:
                    assert record.fault is not None
                    assert record.fault.reason is Reason.THROTTLED
                    assert "the limit iam of user " in record.fault.sentence
            await there.until(200)
            assert all(record.up for record in there.store.records())
            assert there.sample("api_requests_total", service="dli", operation="ShowJobProgress", code="none") is None

    run(main())


def test_a_429_of_iam_pauses_iam_and_no_other_limit() -> None:
    async def main() -> list[MutableMapping[str, Any]]:
        with capture_logs() as logs:
            async with world(other=by_password) as there:
                there.cloud.faults.plan(too_often(retry_after=1), operation=TOKEN)
                in_both(there, 5)
                await there.until(50)

                assert len(logins(there)) == 1
                assert there.sample("api_throttled_total", service="iam") == 1
                assert there.sample("api_throttled_total", service="dli") is None
                calls = {"service": "iam", "operation": TOKEN}
                assert there.sample("api_requests_total", **calls, code="429") == 1
                assert there.sample("api_request_duration_seconds_count", **calls) == 1
                mine = [record for record in there.store.records() if record.job.project == "demo"]
                assert all(record.up and not record.failures for record in mine)
                assert len(there.cloud.asked(PROGRESS)) >= 5 * 4
                await there.until(200)
                assert logins(there)[1] - logins(there)[0] >= 60
                assert all(record.up for record in there.store.records())
                await there.until(800)
        return list(logs)

    told = [(line["event"], line["limit"]) for line in run(main()) if line["event"].startswith("limit ")]

    assert told == [("limit paused", "iam"), ("limit restored", "iam")]


def test_an_iam_that_does_not_answer_is_counted_as_iam_and_not_as_the_service() -> None:
    async def main() -> None:
        async with world(credentials=by_password) as there:
            there.cloud.faults.plan(Fault(answer=Answer(503, b"")), times=None, operation=TOKEN)
            there.watch(running(there.cloud, "query"))
            await there.until(20)

            assert there.sample("api_requests_total", service="iam", operation=TOKEN, code="503") == len(logins(there))
            assert not there.cloud.asked(PROGRESS)
            assert there.sample("api_requests_total", service="dli", operation="ShowJobProgress", code="none") is None

    run(main())


@pytest.mark.parametrize("places", [1, 32])
def test_an_id_is_looked_up_once_and_counted(places: int) -> None:
    async def main() -> None:
        async with world(concurrency=places) as there:
            project = there.projects.by_name["demo"]
            project.project_id = ""
            where = (there.iam, project.endpoints["dli"], there.cloud.region, project.credentials, there.clock)
            project.find_project_id = partial(find_project_id, *where)
            there.watch(*[running(there.cloud, str(number)) for number in range(20)])
            await there.until(20)

            calls = {"service": "iam", "operation": "KeystoneListProjects", "code": "200"}
            assert there.sample("api_requests_total", **calls) == 1
            assert all(record.up for record in there.store.records())

    run(main())


def test_a_renewal_that_waits_for_its_permit_is_cancelled_with_its_poll() -> None:
    async def main() -> None:
        async with world(iam_rate=1 / 9, credentials=by_password, other=by_password) as there:
            in_both(there, 1)
            await there.until(10)
        assert len(asyncio.all_tasks()) == 1

    run(main())
