"""The id of a project that was not given: asked for once, when it is needed, and never guessed."""

import asyncio
from collections.abc import Callable
from email.utils import formatdate
from functools import partial
from typing import Any

import pytest
from aiohttp import web

from exporter.cloud.client import Client
from exporter.cloud.credentials.access_key import AccessKey
from exporter.cloud.credentials.token_file import TokenFile
from exporter.cloud.iam import find_project_id
from exporter.cloud.project import Project
from exporter.cloud.projects import Projects
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.services.registry import load_services
from tests.cloud import wire
from tests.cloud.pretend import Asked, HandClock, Pretend, iam_calls, pretending, reply

PROJECTS = {"projects": [{"id": "0123", "name": "eu-de"}], "links": {"next": None}}
JOB = Job(JobKey("dws", "resize"), "prod", {"job_id": "j"})


async def ask(server: Pretend, credentials: Any) -> str:
    async with Client(wire.LATE) as transport:
        clock = HandClock()
        return await find_project_id(iam_calls(transport, clock), server.url, "eu-de", credentials, clock)


async def test_it_is_the_id_of_the_project_that_is_called_like_the_region() -> None:
    async with pretending(lambda _: reply(PROJECTS)) as server:
        assert await ask(server, TokenFile(token="T")) == "0123"
        assert await ask(server, AccessKey(key_id="AK", secret="SK")) == "0123"

    assert {asked.target for asked in server.asked} == {"/v3/projects?name=eu-de"}
    assert server.asked[0].headers["X-Auth-Token"] == "T"
    assert "SignedHeaders=host;x-sdk-date," in server.asked[1].headers["Authorization"]
    assert "X-Project-Id" not in server.asked[1].headers


def named(*rows: tuple[str, str | None]) -> web.Response:
    return reply({"projects": [{"id": each, "name": name} for each, name in rows]})


async def test_of_all_projects_it_is_the_one_of_the_name_that_was_asked_for() -> None:
    async with pretending(lambda _: named(("1", "eu-de_other"), ("2", "eu-de"), ("3", None))) as server:
        assert await ask(server, TokenFile(token="T")) == "2"


@pytest.mark.parametrize(
    ("answer", "reason", "told"),
    [
        (lambda: reply({"projects": []}), Reason.CONFIG, "no project"),
        (lambda: reply({}), Reason.CONFIG, "no project"),
        (lambda: reply({"projects": [None]}), Reason.CONFIG, "no project"),
        (lambda: reply({"projects": [{"name": "eu-de"}]}), Reason.CONFIG, "no project"),
        (lambda: named(("1", "eu-de"), ("2", "eu-de")), Reason.CONFIG, "2 projects by the name of eu-de"),
        (lambda: named(("1", "eu-de_other")), Reason.CONFIG, "no project by the name of eu-de"),
        (lambda: named(("1", "EU-DE"), ("2", "eu-de_etl")), Reason.CONFIG, "no project by the name of eu-de"),
        (lambda: named(("1", None)), Reason.CONFIG, "no project by the name of eu-de"),
        (lambda: reply(b"<html>"), Reason.PAYLOAD, "not JSON"),
        (lambda: reply({"error_code": "APIGW.0301", "error_msg": "x"}, 401), Reason.AUTH, "refused the credentials"),
        (lambda: reply({}, 403), Reason.PERMISSION, "set projects.<name>.project_id"),
        (lambda: reply({}, 404), Reason.CONFIG, "set projects.<name>.project_id"),
        (lambda: reply({}, 500), Reason.SERVER, "IAM failed"),
    ],
)
async def test_anything_but_one_project_is_told(answer: Callable[[], web.Response], reason: Reason, told: str) -> None:
    async with pretending(lambda _: answer()) as server:
        with pytest.raises(PollError) as caught:
            await ask(server, TokenFile(token="T"))

    assert caught.value.reason is reason
    assert told in caught.value.sentence
    if reason is Reason.CONFIG:
        assert "set projects.<name>.project_id" in caught.value.sentence


def projects(server: Pretend, transport: Client, clock: HandClock, project_id: str = "") -> Projects:
    credentials = TokenFile(token="T")
    project = Project(
        name="prod",
        region="eu-de",
        project_id=project_id,
        endpoints={"dws": server.url},
        limits={"dws": 5.0},
        zone=None,
        credentials=credentials,
        transport=transport,
        clock=clock,
        telemetry=Telemetry(),
        find_project_id=partial(find_project_id, iam_calls(transport, clock), server.url, "eu-de", credentials, clock),
    )
    return Projects(load_services(), {"prod": project})


def cloud(asked: Asked) -> web.Response:
    return reply(PROJECTS) if "/v3/projects" in asked.target else reply({"status": "RUNNING"})


async def test_fifty_polls_at_once_look_it_up_once() -> None:
    async with pretending(cloud, pause=0.02) as server, Client(wire.LATE) as transport:
        polled = projects(server, transport, HandClock())
        polled.bucket(JOB)
        assert server.asked == []
        await asyncio.gather(*(polled.ask(JOB) for _ in range(50)))

    targets = [asked.target for asked in server.asked]
    assert targets == ["/v3/projects?name=eu-de"] + ["/v1.0/0123/job/j"] * 50
    assert {asked.headers.get("X-Project-Id") for asked in server.asked[1:]} == {"0123"}
    assert polled.by_name["prod"].project_id == "0123"


async def test_no_call_goes_to_a_project_of_another_name() -> None:
    async with pretending(lambda _: named(("ffff", "eu-de_other"))) as server, Client(wire.LATE) as transport:
        with pytest.raises(PollError, match="no project by the name of eu-de"):
            await projects(server, transport, HandClock()).ask(JOB)

    assert [asked.target for asked in server.asked] == ["/v3/projects?name=eu-de"]


async def test_an_id_that_was_given_is_never_looked_up() -> None:
    async with pretending(cloud) as server, Client(wire.LATE) as transport:
        await projects(server, transport, HandClock(), "given").ask(JOB)

    assert [asked.target for asked in server.asked] == ["/v1.0/given/job/j"]


async def test_a_failed_lookup_rests_before_the_next() -> None:
    clock = HandClock()
    async with pretending(lambda _: reply({}, 500)) as server, Client(wire.LATE) as transport:
        polled = projects(server, transport, clock)
        for _ in range(5):
            with pytest.raises(PollError):
                await polled.ask(JOB)
        assert len(server.asked) == 1
        server.answer = cloud
        clock.at += 31
        await polled.ask(JOB)


async def test_a_project_that_nobody_can_find_names_the_remedy() -> None:
    async with pretending(cloud) as server, Client(wire.LATE) as transport:
        polled = projects(server, transport, HandClock())
        polled.by_name["prod"].find_project_id = None
        with pytest.raises(PollError, match=r"set projects\.prod\.project_id"):
            await polled.ask(JOB)


@pytest.mark.parametrize("code", ["APIGW.0310", "APIG.0310"])
async def test_a_project_that_the_cloud_refuses_is_named_with_its_id_and_no_job(code: str) -> None:
    refused = {"error_code": code, "error_msg": "The project is unavailable."}
    async with pretending(lambda _: reply(refused, 403)) as server, Client(wire.LATE) as transport:
        with pytest.raises(PollError) as caught:
            await projects(server, transport, HandClock(), "aaaa").ask(JOB)

    assert caught.value.reason is Reason.CONFIG
    assert caught.value.sentence == (
        "the call does not fit the cloud; check project_id, region and endpoints of the project"
        f' (HTTP 403, {code}); prod has project_id "aaaa" and region "eu-de"'
    )


@pytest.mark.parametrize(("ahead", "shown"), [(0.0, 0.0), (-0.9, 0.0), (-1.5, -0.5), (0.5, 0.5), (420.0, 420.0)])
async def test_a_date_within_the_second_before_our_clock_shows_no_difference(ahead: float, shown: float) -> None:
    clock = HandClock()
    date = float(int(clock.now()))
    clock.at = date - ahead

    def dated(asked: Asked) -> web.Response:
        return reply({"status": "RUNNING"}, Date=formatdate(date, usegmt=True))

    async with pretending(dated) as server, Client(wire.LATE) as transport:
        polled = projects(server, transport, clock, project_id="0123")
        await polled.ask(JOB)

    assert polled.cloud_time("prod", clock) == pytest.approx(clock.now() + shown, rel=0, abs=0.01)
    assert polled.cloud_time("gone", clock) == clock.now()
    assert polled.skews()["prod"] == pytest.approx(ahead)


@pytest.mark.parametrize(("ahead", "shown"), [(0.0, 0.0), (-3.0, -2.0), (3.0, 0.0), (-60.0, -59.0), (60.0, 56.0)])
async def test_the_date_of_an_answer_that_came_late_is_of_some_moment_since_its_call(
    ahead: float, shown: float
) -> None:
    clock = HandClock()
    clock.at = float(int(clock.now()))

    def dated(asked: Asked) -> web.Response:
        date = formatdate(clock.now() + ahead, usegmt=True)
        clock.at += 4
        return reply({"status": "RUNNING"}, Date=date)

    async with pretending(dated) as server, Client(wire.LATE) as transport:
        polled = projects(server, transport, clock, project_id="0123")
        await polled.ask(JOB)

    assert polled.cloud_time("prod", clock) - clock.now() == pytest.approx(shown, abs=0.01)


async def test_another_clock_of_the_cloud_is_believed_once_two_answers_say_so() -> None:
    clock, ahead = HandClock(), iter([0.0, 3600.0, 0.0, 3600.0, 1800.0, 1800.0])

    def dated(asked: Asked) -> web.Response:
        return reply({"status": "RUNNING"}, Date=formatdate(clock.now() + next(ahead), usegmt=True))

    shown: list[float] = []
    async with pretending(dated) as server, Client(wire.LATE) as transport:
        polled = projects(server, transport, clock, project_id="0123")
        for _ in range(6):
            await polled.ask(JOB)
            shown.append(round(polled.cloud_time("prod", clock) - clock.now(), -1))
            clock.at += 61

    assert shown == [0.0, 0.0, 0.0, 0.0, 0.0, 1800.0]
