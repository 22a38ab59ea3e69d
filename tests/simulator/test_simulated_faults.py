"""Planned misbehaviour, as a client meets it."""

import asyncio
import math
import time
from collections.abc import AsyncIterator

import aiohttp
import pytest

from exporter.simulator import (
    Answer,
    Cloud,
    DliJob,
    Fault,
    SubJob,
    backend_timeout,
    nothing_in_it,
    queue_busy,
    refused_with_200,
    server_failure,
    too_often,
)


@pytest.fixture
async def session(cloud: Cloud, url: str) -> AsyncIterator[aiohttp.ClientSession]:
    for number in "12":
        cloud.add(DliJob(number, "orders", cloud.started, (SubJob("save", 10, 1000),)))
    headers = {"X-Auth-Token": cloud.token}
    async with aiohttp.ClientSession(url, headers=headers) as session:
        yield session


async def ask(session: aiohttp.ClientSession, cloud: Cloud, job: str = "1") -> tuple[int, bytes]:
    async with session.get(f"/v1/{cloud.project_id}/jobs/{job}/progress") as answer:
        return answer.status, await answer.read()


async def test_the_next_answers_are_the_planned_ones(session: aiohttp.ClientSession, cloud: Cloud) -> None:
    cloud.faults.plan(Answer(418, b"<html>tea</html>", {"X-Pot": "1"}), times=2)
    assert [(await ask(session, cloud))[0] for _ in range(3)] == [418, 418, 200]


async def test_a_fault_of_one_job_spares_the_others(session: aiohttp.ClientSession, cloud: Cloud) -> None:
    cloud.faults.plan(nothing_in_it(), times=None, job="1", service="dli", operation="ShowSqlJobProgress")
    assert await ask(session, cloud) == (500, b"")
    assert (await ask(session, cloud, "2"))[0] == 200


async def test_a_fault_may_come_every_third_time(session: aiohttp.ClientSession, cloud: Cloud) -> None:
    cloud.faults.plan(queue_busy(), times=None, every=3)
    assert [(await ask(session, cloud))[0] for _ in range(6)] == [200, 200, 400, 200, 200, 400]


@pytest.mark.parametrize(
    ("answer", "status", "part"),
    [
        pytest.param(too_often(7), 429, b"APIGW.0308", id="throttled"),
        pytest.param(refused_with_200("no"), 200, b'"is_success": false', id="refused with 200"),
        pytest.param(server_failure(), 500, b"errCode", id="server failure"),
        pytest.param(backend_timeout(), 504, b"APIG.0201", id="backend timeout"),
    ],
)
async def test_ready_made_answers(
    session: aiohttp.ClientSession, cloud: Cloud, answer: Answer, status: int, part: bytes
) -> None:
    cloud.faults.plan(answer)
    seen, body = await ask(session, cloud)
    assert seen == status
    assert part in body


async def test_an_answer_may_be_late_and_true(session: aiohttp.ClientSession, cloud: Cloud) -> None:
    cloud.faults.plan(Fault(delay=0.05, stall=0.05))
    begun = time.monotonic()
    status, body = await ask(session, cloud)
    assert time.monotonic() - begun >= 0.1
    assert (status, b'"RUNNING"' in body) == (200, True)


async def test_a_body_may_never_come(session: aiohttp.ClientSession, cloud: Cloud) -> None:
    cloud.faults.plan(Fault(stall=math.inf))
    async with session.get(f"/v1/{cloud.project_id}/jobs/1/progress") as answer:
        assert answer.status == 200
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(answer.read(), 0.05)


async def test_a_body_may_be_cut(session: aiohttp.ClientSession, cloud: Cloud) -> None:
    cloud.faults.plan(Fault(cut=20))
    with pytest.raises(aiohttp.ClientPayloadError):
        await ask(session, cloud)


async def test_a_connection_may_close_without_a_word(session: aiohttp.ClientSession, cloud: Cloud) -> None:
    # a GET on a kept connection would be sent again by the client; a fresh one is not
    cloud.faults.plan(Fault(closes=True), times=None)
    with pytest.raises(aiohttp.ClientConnectionError):
        await ask(session, cloud)
    cloud.faults.clear()
    assert (await ask(session, cloud))[0] == 200
