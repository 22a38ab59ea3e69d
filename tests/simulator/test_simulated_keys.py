"""Keys, tokens and passwords that end, are revoked or get locked, and how often each user asked."""

import json
import random
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from exporter.simulator import CDM_LISTS, CDM_STATUS, AccessKey, CdmJob, Cloud, DliJob, SubJob, too_often
from exporter.simulator.limits import busiest
from tests.simulator.conftest import Hand
from tests.simulator.signed import Client

GONE = "Incorrect IAM authentication information: Get secretKey failed,ak:***,err:ak not exist"
CLUSTER = "6ec9a0a4-76be-4262-8697-e7af1fac7920"


@pytest.fixture
def cloud(clock: Hand) -> Cloud:
    cloud = Cloud(clock=clock, wall=clock)
    cloud.add(DliJob("1", "orders", cloud.started, (SubJob("save", 10, 10**6),)))
    cloud.add(CdmJob(CLUSTER, "orders", cloud.started))
    return cloud


@pytest.fixture
async def client(clock: Hand, url: str) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, url, clock)


@pytest.fixture
def own(cloud: Cloud) -> AccessKey:
    return cloud.gate.keys[cloud.access_key]


def path(cloud: Cloud, project: str | None = None) -> str:
    return f"/v1/{project or cloud.project_id}/jobs/1/progress"


def error(answer: tuple[int, str]) -> tuple[int, str, str]:
    body = json.loads(answer[1])
    return answer[0], body["error_code"], body["error_msg"]


async def test_a_temporary_key_ends_at_its_time_and_is_not_locked_for_it(
    cloud: Cloud, clock: Hand, client: Client
) -> None:
    key = cloud.new_key("agency", clock.now + 60)
    clock.now += 59
    assert (await client.sign(path(cloud), key))[0] == 200
    clock.now += 1
    for _ in range(7):
        assert error(await client.sign(path(cloud), key)) == (401, "APIGW.0301", GONE)
    assert (cloud.gate.worst(key.key_id), cloud.gate.lockings) == (0, [])


@pytest.mark.parametrize("security_token", [None, "another"])
async def test_a_temporary_key_fails_with_another_security_token(
    cloud: Cloud, clock: Hand, client: Client, security_token: str | None
) -> None:
    key = cloud.new_key("agency", clock.now + 60)
    status, _, _ = error(await client.sign(path(cloud), replace(key, security_token=security_token)))
    assert (status, cloud.gate.worst(key.key_id)) == (401, 1)


async def test_a_revoked_key_does_not_exist_until_it_is_restored(cloud: Cloud, client: Client, own: AccessKey) -> None:
    other = cloud.new_key("svc_backup")
    cloud.gate.revoke(own.key_id)
    for _ in range(7):
        assert error(await client.sign(path(cloud), own)) == (401, "APIGW.0301", GONE)
    assert (await client.sign(path(cloud), other))[0] == 200
    cloud.gate.restore(own.key_id)
    assert (await client.sign(path(cloud), own))[0] == 200
    assert [(each.credential, each.user) for each in cloud.requests][6:] == [
        (own.key_id, None),
        (other.key_id, "svc_backup"),
        (own.key_id, cloud.user),
    ]
    with pytest.raises(KeyError):
        cloud.gate.revoke("unknown")


async def test_the_worst_row_of_failures_and_every_locking_are_remembered(
    cloud: Cloud, clock: Hand, client: Client, own: AccessKey
) -> None:
    begun, wrong = clock.now, replace(own, secret="wrong")
    for _ in range(4):
        await client.sign(path(cloud), wrong)
    assert (await client.sign(path(cloud), own))[0] == 200
    for _ in range(2):
        await client.sign(path(cloud), wrong)
    assert (cloud.gate.worst(own.key_id), cloud.gate.lockings) == (4, [])
    clock.now += 10
    for _ in range(20):
        assert (await client.sign(path(cloud), wrong))[0] == 401
    assert (cloud.gate.worst(own.key_id), cloud.gate.lockings) == (6, [(own.key_id, begun + 10)])
    clock.now += 300
    assert (await client.sign(path(cloud), own))[0] == 200
    for _ in range(6):
        await client.sign(path(cloud), wrong)
    assert cloud.gate.lockings == [(own.key_id, begun + 10), (own.key_id, begun + 310)]
    assert cloud.gate.worst("never seen") == 0


async def test_a_revoked_token_cannot_be_decrypted(cloud: Cloud, client: Client) -> None:
    other = cloud.new_token()
    cloud.gate.revoke_token(cloud.token)
    status, code, message = error(await client.show(path(cloud), cloud.token))
    assert (status, code, message.rpartition(": ")[2]) == (401, "APIGW.0301", "decrypt token fail")
    assert (await client.show(path(cloud), other.text))[0] == 200


async def test_a_token_is_of_one_project_and_a_key_of_all(cloud: Cloud, client: Client, own: AccessKey) -> None:
    second = cloud.projects["eu-de"] = cloud.new_hex()
    there = cloud.new_token(60, second)
    assert (await client.show(path(cloud), cloud.token))[0] == 200
    assert (await client.show(path(cloud, second), there.text))[0] == 200
    for project, token in ((second, cloud.token), (cloud.project_id, there.text)):
        assert error(await client.show(path(cloud, project), token))[:2] == (401, "APIGW.0307")
        assert (await client.sign(path(cloud, project), own))[0] == 200
    assert error(await client.show(path(cloud, "nobodys"), there.text))[:2] == (403, "APIGW.0310")
    assert [each.user for each in cloud.requests if each.status == 401] == [None, None]


async def test_projects_are_listed_and_found_by_name(cloud: Cloud, client: Client) -> None:
    cloud.projects["eu-de"] = "second"

    async def listed(query: str) -> list[tuple[str, str]]:
        status, body = await client.show("/v3/projects" + query, cloud.token)
        assert status == 200
        return [(each["name"], each["id"]) for each in json.loads(body)["projects"]]

    assert await listed("") == [(cloud.region, cloud.project_id), ("eu-de", "second")]
    assert await listed("?name=eu-de") == [("eu-de", "second")]
    assert await listed("?name=eu") == []


def login(cloud: Cloud, password: str, **project: str) -> dict[str, Any]:
    user = {"name": cloud.user, "password": password, "domain": {"name": cloud.domain}}
    identity = {"methods": ["password"], "password": {"user": user}}
    return {"auth": {"identity": identity, "scope": {"project": project}}}


@pytest.mark.parametrize("scope", [{"id": "second"}, {"name": "eu-de"}], ids=["by id", "by name"])
async def test_a_login_buys_a_token_of_the_project_that_it_names(
    cloud: Cloud, client: Client, scope: dict[str, str]
) -> None:
    cloud.projects["eu-de"] = "second"
    body = login(cloud, cloud.password, **scope)
    async with client.session.post(client.url + "/v3/auth/tokens", json=body) as answer:
        token = answer.headers["X-Subject-Token"]
        project = (await answer.json())["token"]["project"]
    assert (project["id"], project["name"]) == ("second", "eu-de")
    assert (await client.show(path(cloud, "second"), token))[0] == 200
    assert (await client.show(path(cloud), token))[0] == 401


@pytest.mark.parametrize("scope", [{"id": "unknown"}, {"name": "unknown"}, {}])
async def test_a_login_for_an_unknown_project_is_refused(cloud: Cloud, client: Client, scope: dict[str, str]) -> None:
    status, body = await client.send("POST", "/v3/auth/tokens", body=login(cloud, cloud.password, **scope))
    assert (status, json.loads(body)["error"]["code"]) == (401, 401)


async def test_the_sixth_wrong_password_locks_logins_for_a_quarter_of_an_hour(
    cloud: Cloud, clock: Hand, client: Client, own: AccessKey
) -> None:
    async def attempt(password: str) -> int:
        answer = await client.send("POST", "/v3/auth/tokens", body=login(cloud, password, name=cloud.region))
        assert answer[0] == 201 or json.loads(answer[1])["error"]["title"] == "Unauthorized"
        return answer[0]

    assert [await attempt("wrong") for _ in range(5)] == [401] * 5
    assert await attempt(cloud.password) == 201
    assert [await attempt("wrong") for _ in range(5)] == [401] * 5
    assert (cloud.logins.worst(cloud.user), cloud.logins.lockings) == (5, [])
    assert await attempt("wrong") == 401
    assert (cloud.logins.worst(cloud.user), cloud.logins.lockings) == (6, [(cloud.user, clock.now)])
    clock.now += 899
    assert await attempt(cloud.password) == 401
    assert (await client.sign(path(cloud), own))[0] == 200, "the lock is of logins alone"
    clock.now += 1
    assert await attempt(cloud.password) == 201
    assert {each.credential for each in cloud.asked("KeystoneCreateUserTokenByPassword")} == {"password"}


async def test_the_busiest_minute_is_of_one_user_and_one_limit(
    cloud: Cloud, clock: Hand, client: Client, own: AccessKey
) -> None:
    other = cloud.new_key("svc_backup")
    status = f"/v1.1/{cloud.project_id}/clusters/{CLUSTER}/cdm/job/orders/status"
    begun = clock.now
    for second, key in ((0, own), (50, own), (70, own), (80, own), (85, other), (109, own), (110, own), (171, own)):
        clock.now = begun + second
        assert (await client.sign(status, key))[0] == 200
    await client.sign(f"/v1.1/{cloud.project_id}/clusters", own)
    await client.show(status, "no token")
    assert cloud.busiest(cloud.user, CDM_STATUS) == 4, "of 50 and 110 only one is in a minute"
    assert cloud.busiest(cloud.user, CDM_STATUS, 61) == 5
    assert cloud.busiest("svc_backup", CDM_STATUS) == 1
    assert cloud.busiest(cloud.user, CDM_LISTS) == 1
    assert cloud.busiest("nobody", CDM_STATUS) == 0


async def test_the_busiest_minute_counts_what_was_throttled(cloud: Cloud, client: Client) -> None:
    cloud.limits.per_minute["dli"] = 2
    assert [(await client.show(path(cloud), cloud.token))[0] for _ in range(3)] == [200, 200, 429]
    cloud.limits.per_minute["dli"] = None
    cloud.faults.plan(too_often())
    assert (await client.show(path(cloud), cloud.token))[0] == 429
    assert cloud.busiest(cloud.user, "dli") == 4
    assert {each.credential for each in cloud.requests} == {"token"}


def test_the_busiest_window_is_the_one_that_a_plain_count_finds() -> None:
    chance = random.Random(7)
    for _ in range(50):
        times = [chance.randrange(400) / 4 for _ in range(chance.randrange(1, 60))]
        seconds = chance.randrange(1, 80) / 4
        assert busiest(times, seconds) == max(sum(0 <= at - begun < seconds for at in times) for begun in times)


def test_as_many_requests_as_are_remembered_are_counted_at_once() -> None:
    # a count that looked at each pair of requests would take hours
    assert busiest((at / 1024 for at in range(100_000)), 60) == 60 * 1024
