"""Another configuration while polls are under way: other credentials, other intervals, another project of the name."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest

from exporter.cloud.client import Response
from exporter.cloud.credentials.access_key import AccessKey
from exporter.cloud.projects import Projects
from exporter.model.job import JobKey
from exporter.model.snapshot import State
from exporter.polling.schedule import Pace
from exporter.simulator import DliJob, Fault, SubJob
from tests.polling.harness import PACE, World, world
from tests.polling.looking import Looking, settings_of
from tests.polling.test_credentials_over_time import change_at_the_vendor, running
from tests.warp import START, run


def use(there: World, key: AccessKey, pace: Pace = PACE) -> None:
    """Go on with another key, as a reload does."""
    project = replace(there.projects.by_name["demo"], credentials=key)
    there.poller.use(Projects(there.projects.adapters, {"demo": project}), pace, 32)


@pytest.mark.parametrize("typo", [False, True], ids=["good", "typo"])
def test_jobs_that_wait_for_a_call_wait_for_one_of_the_new_key(typo: bool) -> None:
    async def main() -> None:
        async with world(rate=1.8) as there:
            there.watch(*[running(there.cloud, number) for number in range(200)])
            await there.until(300)
            key = there.cloud.new_key(there.cloud.user)
            use(there, AccessKey(key_id=key.key_id, secret="typo" if typo else key.secret))
            await there.until(600)

            mine = [call for call in there.cloud.requests if call.credential == key.key_id]
            if typo:
                assert sum(call.status == 401 for call in mine) == 4  # at once, and after half a minute, one and two
                assert there.cloud.gate.lockings == []
            else:
                assert len(mine) > 400
                for first in mine:
                    assert sum(first.at <= call.at < first.at + 60 for call in mine) <= 108

    run(main())


def test_no_job_is_lost_that_waited_behind_a_probe_of_the_old_key(monkeypatch: pytest.MonkeyPatch) -> None:
    pace = replace(PACE, interval=300)

    async def main() -> None:
        async with world(pace=pace) as there:
            there.watch(*[running(there.cloud, number) for number in range(250)])
            await there.until(600)
            change_at_the_vendor(there.cloud, "another")
            await there.until(700)
            transport, begun = there.projects.by_name["demo"].transport, asyncio.Event()
            send = transport.send

            async def slowly(*arguments: Any, **named: Any) -> Response:
                begun.set()
                await asyncio.sleep(4.5)
                return await send(*arguments, **named)

            monkeypatch.setattr(transport, "send", slowly)
            await begun.wait()  # the probe, behind which others wait
            monkeypatch.setattr(transport, "send", send)
            await asyncio.sleep(4)
            key = there.cloud.new_key(there.cloud.user)
            use(there, AccessKey(key_id=key.key_id, secret=key.secret), pace)
            at = there.clock.now()
            await there.until(at - START + 700)

            assert all(record.polled_at is not None and record.polled_at > at for record in there.store.records())

    run(main())


def test_an_answer_to_the_old_key_proves_nothing_of_the_new_one() -> None:
    async def main() -> None:
        async with world() as there:
            there.watch(*[running(there.cloud, number) for number in range(2)])
            await there.until(300)
            there.cloud.faults.plan(Fault(delay=2))
            calls = len(there.cloud.requests)
            while len(there.cloud.requests) == calls:
                await asyncio.sleep(0.1)
            use(there, AccessKey(key_id=there.cloud.new_key(there.cloud.user).key_id, secret="typo"))
            await asyncio.sleep(2.5)
            jobs = [running(there.cloud, 10 + number) for number in range(40)]
            refused = [call for call in there.cloud.requests if call.status == 401]
            there.watch(*jobs)
            for job in jobs:
                there.poller.list_results.hurry([JobKey("cdm", job.name)])  # all at once
            await there.until(380)  # two calls at once and the first probe; the second is due at 417

            assert len([call for call in there.cloud.requests if call.status == 401]) - len(refused) <= 3
            assert there.cloud.gate.lockings == []

    run(main())


def test_shorter_intervals_and_ages_count_at_once() -> None:
    """Whoever waits for four hours is asked within the new interval, and what is older than the new limit goes."""

    async def main() -> None:
        rare = Pace(interval=14400, idle_interval=14400, stale_after=86400)
        async with world(pace=rare) as there:
            there.watch(*[running(there.cloud, number) for number in range(20)])
            await there.until(3000)
            there.poller.use(there.projects, PACE, 32)
            at = there.clock.now()
            await there.until(3000 + PACE.interval + 1)
            assert all(record.polled_at is not None and record.polled_at > at for record in there.store.records())

            there.poller.use(there.projects, rare, 32)
            await there.until(4000)
            there.cloud.faults.plan(Fault(closes=True), times=None)
            there.poller.use(there.projects, replace(rare, stale_after=600, interval=100), 32)
            await there.until(5000)
            assert all(record.stale for record in there.store.records())

    run(main())


def test_nothing_that_one_project_said_is_told_of_another_of_the_name() -> None:
    async def main() -> None:
        async with world() as there:
            looking = Looking(there, settings_of())
            job = DliJob(there.cloud.new_uuid(), "orders", START - 100, (SubJob("save", tasks=10, seconds=10),))
            there.cloud.add(job)
            there.watch(job)
            mine = settings_of().model_copy(update={"jobs": (there.record(job).job,)})
            looking.use(mine, there)
            await there.until(100)
            assert there.record(job).final

            elsewhere = mine.projects["demo"].model_copy(update={"project_id": "another"})
            looking.use(mine.model_copy(update={"projects": {"demo": elsewhere}}), there)
            record = there.store.get(JobKey("dli", "orders"))
            assert record is not None
            assert (record.up, record.shown, record.final) == (None, None, False)
            await there.until(200)
            assert there.record(job).shown is not None
            assert there.record(job).snapshot.state is State.SUCCEEDED  # type: ignore[union-attr]

    run(main())
