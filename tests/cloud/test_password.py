"""A user and a password against a pretend IAM: one token for all, renewed early, and never asked for in a loop."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from email.utils import formatdate
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from exporter.cloud.client import Client
from exporter.cloud.credentials import Credentials
from exporter.cloud.credentials.password import Password
from exporter.config import Settings, load
from exporter.model.errors import PollError, SettingsError
from exporter.model.reason import Reason
from tests.cloud import wire
from tests.cloud.pretend import CALL, Asked, HandClock, iam_calls, iso, pretending, project_pool, reply
from tests.cloud.wire import LATE

HOUR = 3600.0
WRONG = {"error": {"code": 401, "message": "The username or password is wrong.", "title": "Unauthorized"}}
SERVICES = ("dli", "dws", "cdm", "iam")
LONG = "MII" + "x" * 8000


def granted(clock: HandClock, life: float = 24 * HOUR) -> Callable[[Asked], web.Response]:
    """Answer with another token for each request, of the project that it asks for."""
    tokens = iter(range(1, 1000))

    def answer(asked: Asked) -> web.Response:
        project = {"id": "0123", "name": "eu-de"} | asked.json["auth"]["scope"]["project"]
        token = {"expires_at": iso(clock.at + life), "project": project}
        return reply({"token": token}, 201, X_Subject_Token=f"T{next(tokens)}")

    return answer


@asynccontextmanager
async def iam(answer: Callable[[Asked], web.Response], clock: HandClock, **given: Any) -> AsyncIterator[Any]:
    async with pretending(answer) as server, Client(LATE) as transport:
        kind = {"password": "hunter2"} if "password_file" not in given else {}
        yield (
            server,
            Password(
                domain="acme",
                user="exporter",
                region="eu-de",
                iam=iam_calls(transport, clock),
                iam_url=server.url,
                clock=clock,
                **{**kind, **given},
            ),
        )


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


async def token(credentials: Credentials) -> str:
    return (await credentials.headers(CALL))["X-Auth-Token"]


async def refusal(credentials: Credentials) -> PollError:
    with pytest.raises(PollError) as caught:
        await credentials.headers(CALL)
    return caught.value


@pytest.mark.parametrize(
    ("project_id", "scope"),
    [("", {"name": "eu-de"}), ("0123", {"id": "0123"})],
)
async def test_a_token_is_asked_for_as_iam_documents_it(
    clock: HandClock, project_id: str, scope: dict[str, str]
) -> None:
    async with iam(granted(clock), clock, project_id=project_id) as (server, password):
        assert await token(password) == "T1"

    asked = server.asked[0]
    assert (asked.method, asked.target) == ("POST", "/v3/auth/tokens?nocatalog=true")
    assert asked.headers["Content-Type"] == "application/json"
    assert not {"Authorization", "X-Auth-Token", "X-Project-Id"} & set(asked.headers)
    user = {"name": "exporter", "password": "hunter2", "domain": {"name": "acme"}}
    assert asked.json == {
        "auth": {"identity": {"methods": ["password"], "password": {"user": user}}, "scope": {"project": scope}}
    }


async def test_fifty_at_once_share_one_request(clock: HandClock) -> None:
    async with iam(granted(clock), clock) as (server, password):
        server.pause = 0.05
        tokens = await asyncio.gather(*(token(password) for _ in range(50)))

    assert (set(tokens), len(server.asked)) == ({"T1"}, 1)


async def test_fifty_at_once_share_one_failure(clock: HandClock) -> None:
    async with iam(lambda _: reply(b"", 500), clock) as (server, password):
        server.pause = 0.05
        errors = await asyncio.gather(*(password.headers(CALL) for _ in range(50)), return_exceptions=True)

    assert {error.reason for error in errors if isinstance(error, PollError)} == {Reason.SERVER}
    assert len(server.asked) == 1


async def test_a_caller_that_gives_up_does_not_take_the_others_with_it(clock: HandClock) -> None:
    async with iam(granted(clock), clock) as (server, password):
        server.pause = 0.5
        first = asyncio.create_task(token(password))
        while not server.asked:
            await asyncio.sleep(0.005)
        second = asyncio.create_task(token(password))
        for _ in range(20):
            await asyncio.sleep(0)  # until it waits for the answer to the first one
        first.cancel()

        assert await second
        assert len(server.asked) == 2


async def test_a_token_is_renewed_at_half_its_life(clock: HandClock) -> None:
    async with iam(granted(clock), clock) as (server, password):
        assert password.expires_at is None
        before = password.generation
        assert await token(password) == "T1"
        first = password.generation
        assert password.expires_at == pytest.approx(clock.at + 24 * HOUR)
        clock.at += 12 * HOUR - 1
        assert await token(password) == "T1"
        assert password.generation == first
        clock.at += 2
        assert await token(password) == "T2"
        assert password.expires_at == pytest.approx(clock.at + 24 * HOUR)

    assert len({before, first, password.generation}) == 3
    assert len(server.asked) == 2


async def test_during_a_renewal_nobody_waits(clock: HandClock) -> None:
    async with iam(granted(clock), clock) as (server, password):
        await token(password)
        clock.at += 13 * HOUR
        server.pause = 0.05
        tokens = await asyncio.gather(*(token(password) for _ in range(50)))

    assert sorted(tokens) == ["T1"] * 49 + ["T2"]
    assert len(server.asked) == 2


async def test_a_renewal_that_fails_keeps_the_token_while_it_is_valid_and_rests(
    clock: HandClock, capsys: pytest.CaptureFixture[str]
) -> None:
    async with iam(granted(clock), clock) as (server, password):
        await token(password)
        works, server.answer = server.answer, lambda _: reply(b"", 503, Retry_After="100")
        clock.at += 13 * HOUR
        assert [await token(password) for _ in range(5)] == ["T1"] * 5
        assert len(server.asked) == 2
        clock.at += 101
        assert await token(password) == "T1"
        assert len(server.asked) == 3
        assert capsys.readouterr().out.count("credentials not renewed") == 1
        clock.at += 11 * HOUR
        assert (await refusal(password)).reason is Reason.SERVER
        server.answer = works
        assert (await refusal(password)).reason is Reason.SERVER  # it rests
        clock.at += 101
        assert await token(password) == "T2"


async def test_a_wrong_password_is_asked_for_once_until_the_file_changes(clock: HandClock, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("hunter2\n")
    right = granted(clock)

    def answer(asked: Asked) -> web.Response:
        user = asked.json["auth"]["identity"]["password"]["user"]
        return right(asked) if user["password"] == "right one" else reply(WRONG, 401)

    async with iam(answer, clock, password_file=file) as (server, password):
        first = password.generation
        for _ in range(5):
            await refusal(password)
            clock.at += HOUR
        error = await refusal(password)
        assert len(server.asked) == 1
        assert (error.reason, error.code) == (Reason.AUTH, "401")
        assert "user exporter of acme" in error.sentence
        assert "password" in error.sentence
        assert "hunter2" not in str(error) + error.text

        file.write_text("right one\n")
        clock.at += 1
        assert await token(password) == "T1"
        assert password.generation > first


async def test_a_refused_password_is_asked_for_again_through_renew(clock: HandClock) -> None:
    async with iam(lambda _: reply(WRONG, 401), clock) as (server, password):
        await refusal(password)
        server.pause = 0.05
        clock.at += 29
        for _ in range(3):
            with pytest.raises(PollError):
                await password.renew(password.generation)
        assert len(server.asked) == 1
        clock.at += 1
        errors = await asyncio.gather(*(password.renew(password.generation) for _ in range(50)), return_exceptions=True)
        assert {type(error) for error in errors} == {PollError}
        assert len(server.asked) == 2
        server.answer = granted(clock)
        clock.at += 359
        assert (await refusal(password)).reason is Reason.AUTH
        assert len(server.asked) == 2
        clock.at += 1
        await password.renew(password.generation)
        assert await token(password) == "T1"
        assert len(server.asked) == 3


async def test_a_token_that_the_cloud_refused_is_renewed_once(clock: HandClock) -> None:
    async with iam(granted(clock), clock) as (server, password):
        await token(password)
        refused = password.generation
        await asyncio.gather(*(password.renew(refused) for _ in range(50)))
        await password.renew(refused)

        assert await token(password) == "T2"
        assert password.generation != refused
        assert len(server.asked) == 2


async def test_a_changed_password_gets_a_new_token_and_a_wrong_one_keeps_the_old(
    clock: HandClock, tmp_path: Path
) -> None:
    file = tmp_path / "password"
    file.write_text("one")
    async with iam(granted(clock), clock, password_file=file) as (server, password):
        assert await token(password) == "T1"
        file.write_text("two")
        clock.at += 1
        assert await token(password) == "T2"
        server.answer = lambda _: reply(WRONG, 401)
        file.write_text("three")
        clock.at += 1
        assert [await token(password) for _ in range(3)] == ["T2"] * 3
        clock.at += 13 * HOUR
        assert await token(password) == "T2"
        assert len(server.asked) == 3
        clock.at += 11 * HOUR
        assert (await refusal(password)).reason is Reason.AUTH
        assert len(server.asked) == 3


async def test_a_password_file_that_was_never_there_is_not_a_refusal(clock: HandClock, tmp_path: Path) -> None:
    file = tmp_path / "password"
    async with iam(granted(clock), clock, password_file=file) as (server, password):
        assert str(file) in (await refusal(password)).sentence
        with pytest.raises(PollError, match="cannot read"):
            await password.renew(password.generation)
        assert server.asked == []
        file.write_text("hunter2")
        clock.at += 1
        assert await token(password) == "T1"


async def test_a_renewed_proof_looks_at_the_file_at_once(clock: HandClock, tmp_path: Path) -> None:
    file = tmp_path / "password"
    file.write_text("one")
    async with iam(granted(clock), clock, password_file=file) as (server, password):
        await token(password)
        file.write_text("two")
        await password.renew(password.generation)
        assert await token(password) == "T2"

    user = server.asked[1].json["auth"]["identity"]["password"]["user"]
    assert user["password"] == "two"
    assert len(server.asked) == 2


async def test_the_token_tells_the_project_id(clock: HandClock) -> None:
    async with iam(granted(clock), clock) as (server, password):
        assert await password.project_id() == "0123"
        assert await token(password) == "T1"
    assert len(server.asked) == 1


async def test_a_token_without_a_project_names_the_remedy(clock: HandClock) -> None:
    async with iam(lambda _: reply({}, 201, X_Subject_Token="T"), clock) as (_, password):
        assert await token(password) == "T"
        with pytest.raises(PollError, match=r"set projects\.<name>\.project_id") as caught:
            await password.project_id()

    assert caught.value.reason is Reason.CONFIG


@pytest.mark.parametrize(
    ("asked", "told", "scope"),
    [
        ({}, {"id": "eeee", "name": "another"}, "name eu-de"),
        ({}, {"id": "eeee", "name": "EU-DE"}, "name eu-de"),
        ({"project_name": "eu-de_etl"}, {"id": "eeee", "name": "eu-de"}, "name eu-de_etl"),
        ({"project_id": "0123"}, {"id": "eeee", "name": "eu-de"}, "id 0123"),
    ],
)
async def test_a_token_of_another_project_than_was_asked_for_is_not_used(
    clock: HandClock, asked: dict[str, str], told: dict[str, str], scope: str
) -> None:
    async with iam(of_project(clock, told), clock, **asked) as (server, password):
        error = await refusal(password)
        with pytest.raises(PollError):
            await password.project_id()
        assert error.reason is Reason.CONFIG
        assert f"a token of another project than that of the {scope};" in error.sentence
        assert len(server.asked) == 1
        server.answer = of_project(clock, {"id": "0123", "name": asked.get("project_name", "eu-de")})
        clock.at += 31
        assert (await token(password), await password.project_id()) == ("T", "0123")


def of_project(clock: HandClock, told: dict[str, str]) -> Callable[[Asked], web.Response]:
    answer = {"token": {"expires_at": iso(clock.at + HOUR), "project": told}}
    return lambda _: reply(answer, 201, X_Subject_Token="T")


async def test_an_id_in_other_letters_is_the_one_that_was_asked_for(clock: HandClock) -> None:
    told = {"id": "0123456789AB", "name": "any"}
    async with iam(of_project(clock, told), clock, project_id="0123456789ab") as (_, password):
        assert await token(password) == "T"


async def test_the_id_of_a_project_that_is_not_named_is_not_taken_for_the_one_that_was_asked_for_by_name(
    clock: HandClock,
) -> None:
    async with iam(of_project(clock, {"id": "eeee"}), clock) as (_, password):
        with pytest.raises(PollError, match=r"set projects\.<name>\.project_id") as caught:
            await password.project_id()

    assert caught.value.reason is Reason.CONFIG


async def test_a_token_with_a_control_character_is_none(clock: HandClock) -> None:
    said = wire.answer(b"{}", "X-Subject-Token: a\x01b", status="201 Created")
    async with wire.serving(said) as server, Client(LATE) as transport:
        password = Password(
            domain="d",
            user="u",
            password="p",
            region="r",
            iam=iam_calls(transport, clock),
            iam_url=server.url,
            clock=clock,
        )
        assert (await refusal(password)).reason is Reason.PAYLOAD


def answered(expires_at: object, header: str = "T") -> web.Response:
    return reply({"token": {"expires_at": expires_at}}, 201, X_Subject_Token=header)


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(lambda: reply(b"<html>", 201, X_Subject_Token="T"), Reason.PAYLOAD, id="not JSON"),
        pytest.param(lambda: reply([], 201, X_Subject_Token="T"), Reason.PAYLOAD, id="no object"),
        pytest.param(lambda: reply({}, 201), Reason.PAYLOAD, id="no token"),
        pytest.param(lambda: reply({}, 201, X_Subject_Token=""), Reason.PAYLOAD, id="an empty token"),
        pytest.param(lambda: reply({}, 201, X_Subject_Token="tök"), Reason.PAYLOAD, id="not ASCII"),
        pytest.param(lambda: reply({}, 201, X_Subject_Token="a b"), Reason.PAYLOAD, id="a space"),
        pytest.param(lambda: reply(b"x" * (9 << 20), 201, X_Subject_Token="T"), Reason.PAYLOAD, id="huge"),
        pytest.param(lambda: reply({}, 200, X_Subject_Token="T"), Reason.PAYLOAD, id="another status"),
        pytest.param(lambda: reply({}, 404), Reason.CONFIG, id="not found"),
        pytest.param(lambda: reply({}, 429), Reason.THROTTLED, id="throttled"),
        pytest.param(
            lambda: reply({"error_msg": "no", "error_code": "IAM.0004"}, 400), Reason.API, id="the other shape"
        ),
    ],
)
async def test_an_answer_that_gives_no_token_is_told_and_asked_for_again_later(
    clock: HandClock, answer: Callable[[], web.Response], reason: Reason
) -> None:
    async with iam(lambda _: answer(), clock) as (server, password):
        error = await refusal(password)
        await refusal(password)
        assert len(server.asked) == 1
        assert error.reason is reason
        assert "hunter2" not in str(error)
        server.answer = granted(clock)
        clock.at += 61 if reason is Reason.THROTTLED else 31  # a limit pauses for a minute at least
        assert await token(password) == "T1"


async def test_a_token_whose_end_lies_behind_our_clock_is_kept_as_long_as_it_lives_by_the_clock_of_iam(
    clock: HandClock,
) -> None:
    def an_hour_by_its_own_clock(_: Asked) -> web.Response:
        behind = clock.at - 3 * HOUR
        token = {"expires_at": iso(behind + HOUR), "project": {"id": "0123", "name": "eu-de"}}
        return reply({"token": token}, 201, X_Subject_Token="T", Date=formatdate(behind, usegmt=True))

    async with iam(an_hour_by_its_own_clock, clock) as (server, password):
        assert await token(password) == "T"
        assert password.expires_at == pytest.approx(clock.at + HOUR, abs=1)
        clock.at += HOUR / 2 - 10
        await token(password)
        assert len(server.asked) == 1
        clock.at += 20
        await token(password)
        assert len(server.asked) == 2


async def test_a_token_that_was_over_when_it_came_is_tried_and_its_end_is_unknown(clock: HandClock) -> None:
    async with iam(lambda _: answered("2024-03-06T08:10:00.855000Z"), clock) as (server, password):
        assert await token(password) == "T"
        assert password.expires_at is None
        clock.at += HOUR - 1
        assert await token(password) == "T"
        assert len(server.asked) == 1


async def test_a_login_that_is_forbidden_is_tried_as_rarely_as_a_refused_one(clock: HandClock) -> None:
    locked = {"error": {"code": 403, "message": "account locked", "title": "Forbidden"}}
    async with iam(lambda _: reply(locked, 403), clock) as (server, password):
        error = await refusal(password)
        assert (error.reason, error.refused) == (Reason.PERMISSION, True)
        logins: list[float] = []
        for _ in range(4 * 36):
            clock.at += 10
            with pytest.raises(PollError):
                await password.headers(CALL)
            with pytest.raises(PollError):
                await password.renew(password.generation)
            if len(server.asked) > 1 + len(logins):
                logins.append(clock.at)
        assert len(logins) == 4
        assert [later - earlier for earlier, later in pairwise(logins)] == [360] * 3


@pytest.mark.parametrize("said", ["", None, 7, "soon", "2024-13-01T00:00:00Z", ["x"]])
async def test_an_expiry_that_cannot_be_read_is_unknown_and_the_token_renewed_within_the_hour(
    clock: HandClock, said: object
) -> None:
    async with iam(lambda _: answered(said), clock) as (server, password):
        assert await token(password) == "T"
        assert password.expires_at is None
        clock.at += HOUR - 1
        await token(password)
        assert len(server.asked) == 1
        clock.at += 2
        await token(password)
        assert len(server.asked) == 2
        server.answer = lambda _: reply(b"", 500)
        clock.at += 9 * HOUR
        assert await token(password) == "T"


async def test_a_token_of_years_is_renewed_all_the_same(clock: HandClock) -> None:
    async with iam(lambda _: answered("9999-12-31T23:59:59-14:00"), clock) as (server, password):
        await token(password)
        clock.at += 12 * HOUR + 1
        await token(password)

    assert len(server.asked) == 2


async def test_a_long_token_arrives_whole(clock: HandClock) -> None:
    async with iam(lambda _: answered(None, LONG), clock) as (_, password):
        assert await token(password) == LONG


@pytest.mark.parametrize("secret", ["hunter2", 'with "quotes" \\ and ü'])
async def test_the_password_is_nowhere_to_be_seen(clock: HandClock, secret: str) -> None:
    def echo(asked: Asked) -> web.Response:
        return reply(asked.body, 400)

    def quote(asked: Asked) -> web.Response:
        return reply({"error_msg": f"bad request: {asked.body.decode()}", "error_code": "IAM.0001"}, 400)

    for answer in (echo, quote):
        async with iam(answer, clock, password=secret) as (_, password):
            error = await refusal(password)
            shown = f"{error} {error.text} {error!r} {password!r} {password.identity} {vars(password)['_asked']}"
            assert secret not in shown
            assert json.dumps(secret)[1:-1] not in shown


async def test_the_token_is_not_in_what_is_printed(clock: HandClock) -> None:
    async with iam(granted(clock), clock) as (_, password):
        await token(password)
        assert repr(password) == "Password('user exporter of acme')"
        assert "T1" not in repr(vars(password)["_lease"])


def test_one_of_password_and_file_is_wanted(clock: HandClock) -> None:
    iam = iam_calls(Client(1), clock)
    for given in ({}, {"password": "a", "password_file": Path("b")}):
        with pytest.raises(SettingsError):
            Password(domain="d", user="u", region="r", iam=iam, iam_url="", clock=clock, **given)  # type: ignore[arg-type]


def settings_of_one_user(url: str, projects: int, password: str = "hunter2") -> Settings:
    user = {"domain": "acme", "user": "exporter", "password": password}
    named = {
        f"p{number}": {"region": f"r{number}", "cloud": "custom", "endpoints": dict.fromkeys(SERVICES, url)}
        | {"credentials": {"password": user}, "limits": {"iam": "1000/s"}}  # the clock stands still
        for number in range(projects)
    }
    return load(None, {}, {"projects": named}, jobs_needed=False)


async def test_a_wrong_password_of_many_projects_is_tried_as_often_as_of_one(clock: HandClock) -> None:
    times: list[float] = []

    def wrong(_: Asked) -> web.Response:
        times.append(clock.at)
        return reply(WRONG, 401)

    async with pretending(wrong, pause=0.01) as server, project_pool(clock) as pool:
        projects = await pool.use(settings_of_one_user(server.url, 7))
        users = [project.credentials for project in projects.by_name.values()]
        errors = await asyncio.gather(*(refusal(user) for user in users))
        assert all(error.refused for error in errors), "all of the projects are to pause"
        for _ in range(2 * 60 * 2):
            clock.at += 30
            tries = [user.renew(user.generation) for user in users]
            assert all(isinstance(each, PollError) for each in await asyncio.gather(*tries, return_exceptions=True))
        assert times[:3] == [times[0], times[0] + 30, times[0] + 390]
        assert max(sum(at <= each < at + 900 for each in times) for at in times) <= 4

        server.answer = granted(clock)
        clock.at += 360
        await asyncio.gather(*(user.renew(user.generation) for user in users))
        assert len({await token(user) for user in users}) == len(users)

        projects = await pool.use(settings_of_one_user(server.url, 7, "another"))
        assert len({await token(project.credentials) for project in projects.by_name.values()}) == 7
