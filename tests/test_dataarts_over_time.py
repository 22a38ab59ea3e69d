"""The whole program against the simulator's DataArts jobs, in time that jumps: what is seen, when, and at what cost."""

import asyncio
import json
import os
import re
import signal
from collections.abc import Awaitable, Callable
from dataclasses import replace
from email.utils import formatdate
from functools import cache
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from exporter.app import App
from exporter.config import load
from exporter.simulator import Cloud, FactoryJob, Node
from exporter.simulator.answers import Call, gateway_error
from exporter.simulator.gateway import handle
from tests.cloud.pretend import Asked, pretending
from tests.warp import START, WarpClock, run

NODES = (Node("pull", "CDMJob", 60, retries=1), Node("load", "DLISQL", 120, queue="etl"))
Samples = dict[str, float]
Look = Callable[[], Awaitable[Samples]]


@cache
def clock_of(loop: asyncio.AbstractEventLoop) -> WarpClock:
    """Return the one clock of a loop."""
    return WarpClock(loop)


def now() -> float:
    return clock_of(asyncio.get_running_loop()).now()


def world(*jobs: FactoryJob) -> Cloud:
    """Return a cloud whose clocks the running loop sets."""
    cloud = Cloud(clock=lambda: START, wall=lambda: START)
    cloud.add(*jobs)
    cloud.clock = cloud.wall = now
    return cloud


def answers(cloud: Cloud) -> Callable[[Asked], web.Response]:
    def reply(asked: Asked) -> web.Response:
        path, _, query = asked.target.partition("?")
        headers = {name.lower(): value for name, value in asked.headers.items()}
        answer, _ = handle(cloud, Call(asked.method, path, query, headers, asked.body))
        return web.Response(status=answer.status, body=answer.body, headers=dict(answer.headers))

    return reply


def settings(cloud: Cloud, url: str, **more: Any) -> dict[str, Any]:
    key = {"key_id": cloud.access_key, "secret": cloud.secret_key}
    project = {
        "region": cloud.region,
        "project_id": cloud.project_id,
        "cloud": "custom",
        "endpoints": {"dataarts": url},
        "credentials": {"access_key": key},
    }
    jobs = [{"service": "dataarts", "workspace_id": "w-1", "job_name": job.name} for job in cloud.factory.values()]
    return {"web": {"listen_address": "127.0.0.1:0"}, "projects": {"prod": project}, "jobs": jobs, **more}


async def living(
    cloud: Cloud,
    scenario: Callable[[Callable[[], Awaitable[Samples]]], Awaitable[None]],
    bent: Callable[[Asked, web.Response], web.Response] = lambda _, response: response,
    **more: Any,
) -> None:
    """Run the program against *cloud* from its start to its end, and *scenario* beside it; answers are *bent*."""
    reply = answers(cloud)
    async with pretending(lambda asked: bent(asked, reply(asked))) as server, aiohttp.ClientSession() as session:
        app = App(load(None, {}, settings(cloud, server.url, **more)), clock_of(asyncio.get_running_loop()), {})
        started: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        work = asyncio.create_task(app.run(started.set_result))
        address = (await started).rstrip("/")

        async def samples() -> Samples:
            async with session.get(f"{address}/metrics") as answer:
                lines = [line for line in (await answer.text()).splitlines() if not line.startswith("#")]
            return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines}

        try:
            await scenario(samples)
        finally:
            os.kill(os.getpid(), signal.SIGTERM)
            await work


def of(name: str, job: str, **labels: str) -> str:
    """Write a series as /metrics does."""
    pairs = sorted({"service": "dataarts", "job": job, **labels}.items())
    written = ",".join(f'{key}="{value}"' for key, value in pairs)
    return f"huaweicloud_job_{name}{{{written}}}"


def counted(seen: Samples) -> float:
    return sum(value for name, value in seen.items() if re.match(r"huaweicloud_job_runs_total\{", name))


def test_a_late_run_its_nodes_and_a_schedule_that_was_stopped_are_seen() -> None:
    late = FactoryJob(1, "orders", START - 60, NODES, period=3600, workspace="w-1", delays={0: 400.0})
    stopped = FactoryJob(
        2, "legacy", START - 7200, NODES, period=3600, workspace="w-1", schedule="STOPPED", stopped_at=START - 1800
    )
    cloud = world(late, stopped)
    rules = [{"service": "dataarts", "workspaces": ["w-1"], "path": "/sales"}]

    async def scenario(samples: Look) -> None:
        await asyncio.sleep(90)
        seen = await samples()
        assert seen[of("state", "orders", state="pending")] == 1
        assert seen[of("planned_timestamp_seconds", "orders")] == START - 60
        assert seen[of("pending_since_timestamp_seconds", "orders")] == START - 60
        assert of("start_delay_seconds", "orders") not in seen
        assert seen[of("schedule_info", "legacy", schedule="stopped")] == 1
        assert seen[of("schedule_info", "orders", schedule="scheduling")] == 1
        assert seen[of("state", "legacy", state="succeeded")] == 1
        await asyncio.sleep(400)  # it began 340 s after the start, 400 s late
        seen = await samples()
        assert seen[of("state", "orders", state="running")] == 1
        assert seen[of("start_delay_seconds", "orders")] == 400
        assert seen[of("tasks_planned", "orders")] == 2
        assert seen[of("tasks", "orders", state="completed")] == 1
        assert seen[of("tasks", "orders", state="active")] == 1
        assert seen[of("retries", "orders")] == 1
        await asyncio.sleep(300)
        seen = await samples()
        assert seen[of("state", "orders", state="succeeded")] == 1
        assert seen[of("runs_total", "orders", result="succeeded")] == 1
        assert seen[of("runs_total", "legacy", result="succeeded")] == 0
        assert seen[of("tasks", "orders", state="completed")] == 2
        assert of("tasks", "orders", state="active") not in seen
        assert seen[of("last_run_duration_seconds", "orders")] == 180

    run(living(cloud, scenario, discovery=rules, jobs=[]))


@pytest.mark.parametrize("ahead", [420.0, -420.0])
def test_a_run_is_seen_when_it_begins_though_the_clock_of_the_cloud_is_another(ahead: float) -> None:
    """What is asked for ends now, by the clock that the times in the answers are of."""
    job = FactoryJob(1, "orders", START + ahead + 100, NODES, period=3600, workspace="w-1")
    ends: list[float] = []

    def dated(asked: Asked, response: web.Response) -> web.Response:
        ends.extend(float(each) / 1000 - now() for each in re.findall(r"maxPlanTime=([0-9]+)", asked.target))
        response.headers["Date"] = formatdate(now() + ahead, usegmt=True)
        return response

    async def scenario(samples: Look) -> None:
        for at, running in ((60, 0), (140, 1), (3640, 0), (3740, 1)):
            await asyncio.sleep(START + at - now())
            assert (await samples())[of("state", "orders", state="running")] == running, at

    async def main() -> None:
        cloud = world(job)
        cloud.clock = cloud.wall = lambda: now() + ahead
        await living(cloud, scenario, dated)

    run(main())
    assert ends[5:] == pytest.approx([ahead] * len(ends[5:]), abs=2)


def test_jobs_without_a_rule_show_how_they_are_scheduled_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.services.dataarts.lists._JOBS_A_PAGE", 8)
    jobs = [FactoryJob(n, f"job-{n}", START - 90, NODES, workspace="w-1", stopped_at=START - 60) for n in range(12)]
    cloud = world(*(replace(job, schedule="STOPPED" if job.number > 9 else "PAUSED") for job in jobs))

    async def scenario(samples: Look) -> None:
        await asyncio.sleep(50)
        seen = await samples()
        assert sum(seen.get(of("schedule_info", job.name, schedule="paused"), 0) for job in jobs) == 10
        assert sum(seen.get(of("schedule_info", job.name, schedule="stopped"), 0) for job in jobs) == 2
        assert len(cloud.asked("ListFactoryJobs")) == 2
        cloud.factory.update({key: replace(job, schedule="STOPPED") for key, job in cloud.factory.items()})
        await asyncio.sleep(100)
        seen = await samples()
        assert sum(seen.get(of("schedule_info", job.name, schedule="stopped"), 0) for job in jobs) == 12

    run(living(cloud, scenario, poll={"interval": "30s", "idle_interval": "60s"}))


def test_a_job_with_more_runs_a_week_than_an_answer_has_is_read_in_whatever_order_they_come() -> None:
    busy = FactoryJob(1, "busy", START - 8 * 86_400, (Node("load", "DLISQL", 60),), period=300, workspace="w-1")
    cloud = world(busy)

    def oldest_first(asked: Asked, response: web.Response) -> web.Response:
        body = json.loads(response.text or "")
        if "instances" in body:
            body["instances"].reverse()
        return web.json_response(body, status=response.status)

    async def scenario(samples: Look) -> None:
        await asyncio.sleep(30)
        seen, truth = await samples(), busy.truth(now())
        assert truth is not None
        assert (seen[of("up", "busy")], seen[of("state", "busy", state=truth.state.value)]) == (1, 1)
        assert seen[of("run_info", "busy", native_state=str(truth.status), run_id=str(truth.run))] == 1
        assert seen[of("poll_failures_total", "busy", reason="timeout")] == 0
        assert of("poll_failures_total", "busy", reason="payload") not in seen

    run(living(cloud, scenario, oldest_first, poll={"list_interval": "5m"}))


def test_a_job_that_does_not_exist_is_not_found_until_it_does() -> None:
    later = FactoryJob(2, "later", START + 100 * 86_400, NODES, workspace="w-1")
    cloud = world(FactoryJob(1, "orders", START - 60, NODES, workspace="w-1"), later)
    created = cloud.factory.pop(next(key for key, job in cloud.factory.items() if job.name == "later"))

    async def scenario(samples: Look) -> None:
        await asyncio.sleep(300)
        seen = await samples()
        assert seen[of("up", "orders")] == 1
        assert seen[of("up", "later")] == 0
        assert 3 <= seen[of("poll_failures_total", "later", reason="not_found")] <= 6
        assert of("state", "later", state="pending") not in seen
        cloud.add(created)
        await asyncio.sleep(150)
        seen = await samples()
        assert (seen[of("up", "later")], seen[of("state", "later", state="pending")]) == (1, 1)
        assert of("pending_since_timestamp_seconds", "later") not in seen
        assert seen[of("schedule_info", "later", schedule="scheduling")] == 1

    jobs = [{"service": "dataarts", "workspace_id": "w-1", "job_name": name} for name in ("orders", "later")]
    run(living(cloud, scenario, jobs=jobs, poll={"interval": "30s", "idle_interval": "60s"}))


def test_a_job_without_a_run_for_a_week_is_looked_up_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("exporter.polling.existence._AGAIN", 700.0)
    month = 30 * 86_400
    cloud = world(FactoryJob(1, "monthly", START - 10 * 86_400, NODES, period=month, workspace="w-1"))

    async def scenario(samples: Look) -> None:
        await asyncio.sleep(120)
        for state in ("unknown", "pending", "succeeded"):
            assert (await samples())[of("state", "monthly", state=state)] == (state == "unknown")
        await asyncio.sleep(880)
        seen = await samples()
        assert (seen[of("up", "monthly")], seen[of("runs_total", "monthly", result="succeeded")]) == (1, 0)
        assert seen[of("schedule_info", "monthly", schedule="scheduling")] == 1
        assert seen[of("run_info", "monthly", native_state="SCHEDULING", run_id="")] == 1
        assert now() - seen[of("last_poll_timestamp_seconds", "monthly")] < 400
        assert 5 <= len(cloud.asked("ListFactoryJobs")) <= 7  # four for the schedules of all jobs, two for this one

    run(living(cloud, scenario))


def test_a_job_whose_existence_cannot_be_asked_for_is_a_failed_poll() -> None:
    cloud = world(FactoryJob(1, "monthly", START - 10 * 86_400, NODES, period=30 * 86_400, workspace="w-1"))
    cloud.faults.plan(gateway_error(403, "APIG.0302", "no"), times=None, operation="ListFactoryJobs")

    async def scenario(samples: Look) -> None:
        await asyncio.sleep(120)
        seen = await samples()
        assert (seen[of("up", "monthly")], seen[of("poll_failures_total", "monthly", reason="auth")]) == (0, 0)
        assert seen[of("poll_failures_total", "monthly", reason="permission")] >= 1
        assert of("state", "monthly", state="pending") not in seen

    run(living(cloud, scenario))


def test_nodes_that_may_not_be_read_are_asked_for_once_a_minute() -> None:
    cloud = world(FactoryJob(1, "orders", START - 60, (Node("load", "DLISQL", 5000),), period=9000, workspace="w-1"))
    cloud.faults.plan(gateway_error(403, "APIG.0302", "no"), times=None, operation="ShowJobInstance")

    async def scenario(samples: Look) -> None:
        await asyncio.sleep(1800)
        assert (await samples())[of("up", "orders")] == 1

    run(living(cloud, scenario, poll={"interval": "10s", "idle_interval": "10s"}))
    assert 20 <= len(cloud.asked("ShowJobInstance")) <= 31


@pytest.mark.parametrize(("word", "asked"), [("running-exception", range(20, 200)), ("fail", range(1, 8))])
def test_the_nodes_of_an_instance_that_failed_are_asked_for_as_long_as_it_may_be_resumed(
    word: str, asked: range
) -> None:
    ends = dict.fromkeys(range(9), word)
    nodes = (Node("load", "DLISQL", 60),)
    cloud = world(FactoryJob(1, "orders", START - 30, nodes, period=9000, workspace="w-1", ends=ends))

    async def scenario(samples: Look) -> None:
        await asyncio.sleep(1800)
        assert counted(await samples()) == (word == "fail")

    run(living(cloud, scenario, poll={"interval": "10s", "idle_interval": "10s"}))
    assert len(cloud.asked("ShowJobInstance")) in asked


def test_each_instance_counts_once_over_a_restart_and_while_the_program_was_down(tmp_path: Path) -> None:
    jobs = [
        FactoryJob(n, f"job-{n}", START - 30 * n, NODES[:1], period=420, workspace="w-1", ends={3: "fail", 5: "fail"})
        for n in range(1, 5)
    ]
    cloud, journal = world(*jobs), str(tmp_path / "journal.json")

    async def scenario(samples: Look) -> None:
        await asyncio.sleep(1000)
        totals.append((counted(await samples()), now()))

    async def twice() -> None:
        await living(cloud, scenario, journal=journal)
        await asyncio.sleep(700)
        await living(cloud, scenario, journal=journal)

    totals: list[tuple[float, float]] = []
    run(twice())

    for total, at in totals:
        ends = [each.ended_at for job in jobs for each in job.instances(at)]
        since = [end for end in ends if end > START + 10]
        # one that ended within the last minute may be seen by the next list only
        assert sum(end < at - 60 for end in since) <= total <= sum(end < at for end in since)


def test_the_log_has_a_line_for_each_run_that_counts_also_between_two_lists(capsys: pytest.CaptureFixture[str]) -> None:
    cloud = world(FactoryJob(1, "quick", START - 100, (Node("load", "DLISQL", 4),), period=14, workspace="w-1"))

    async def scenario(samples: Look) -> None:
        await asyncio.sleep(300)
        totals.append(counted(await samples()))

    totals: list[float] = []
    run(living(cloud, scenario))

    lines = re.findall(r"run ended .*run_id=(\d+)", capsys.readouterr().out)
    assert len(lines) == len(set(lines)) == totals[0] > 10


def test_a_change_of_any_job_is_seen_within_a_minute_by_few_calls() -> None:
    """Some jobs of ten instances a day each, as 500 with 5,000 would be: all of them are in one list."""
    number, period = 24, 8640.0
    jobs = [
        FactoryJob(n, f"job-{n}", START - period + 200 + period * n / number, NODES, period=period, workspace="w-1")
        for n in range(number)
    ]
    cloud = world(*jobs)
    late: list[float] = []

    async def scenario(samples: Look) -> None:
        await asyncio.sleep(120)
        begun = len(cloud.requests)
        for _ in range(60):
            await asyncio.sleep(30)
            seen, at = await samples(), now()
            for job in jobs:
                truth = job.truth(at)
                if truth is None or seen[of("state", job.name, state=truth.state.value)] == 1:
                    continue
                changed = truth.ended_at or truth.started_at or at
                late.append(at - changed)
        calls.append(len(cloud.requests) - begun)

    calls: list[int] = []
    run(living(cloud, scenario))

    assert max(late, default=0) <= 60
    # the list every 45 s; a few runs of three minutes, polled every 30 s, their nodes every minute, and what follows
    assert calls[0] <= 30 * 60 / 45 + 6 * (7 + 4 + 3)
