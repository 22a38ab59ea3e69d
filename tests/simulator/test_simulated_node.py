"""What a node and a pod are told of temporary keys, and that these keys sign."""

import json
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any

import aiohttp
import pytest

from exporter.simulator import CAMEL, PLAIN, SNAKE, AccessKey, Answer, Cloud, DliJob, Spelling, SubJob
from tests.simulator.conftest import NOON, Hand
from tests.simulator.signed import Client

TOKEN = "/meta-data/latest/api/token"
KEY = "/openstack/latest/securitykey"
TTL = "X-Metadata-Token-Ttl-Seconds"
NO_AGENCY = "Please configure Cloud Service Agency first"


@pytest.fixture
def cloud(clock: Hand) -> Cloud:
    cloud = Cloud(clock=clock, wall=clock)
    cloud.add(DliJob("1", "orders", cloud.started, (SubJob("save", 10, 10**6),)))
    return cloud


@pytest.fixture
async def client(clock: Hand, url: str) -> AsyncIterator[Client]:
    async with aiohttp.ClientSession() as session:
        yield Client(session, url, clock)


def read(body: str) -> tuple[AccessKey, str]:
    told = json.loads(body)["credential"]
    return AccessKey(told["access"], told["secret"], "", told["securitytoken"]), told["expires_at"]


async def keys(client: Client, token: str | None = None) -> tuple[AccessKey, str]:
    status, body = await client.send("GET", KEY, {} if token is None else {"X-Metadata-Token": token})
    assert status == 200
    return read(body)


async def works(client: Client, cloud: Cloud, key: AccessKey) -> bool:
    return (await client.sign(f"/v1/{cloud.project_id}/jobs/1/progress", key))[0] == 200


async def test_a_node_gets_a_key_that_signs(cloud: Cloud, client: Client) -> None:
    key, ends = await keys(client)
    assert ends == "2025-11-04T05:00:00.000000Z"
    assert await works(client, cloud, key)
    assert not await works(client, cloud, replace(key, security_token=None))
    assert [(each.operation, each.service, each.user) for each in cloud.requests][:2] == [
        ("ShowSecurityKey", "metadata", None),
        ("ShowSqlJobProgress", "dli", "node_agency"),
    ]


async def test_a_key_is_replaced_before_its_end_and_both_are_valid_then(
    cloud: Cloud, clock: Hand, client: Client
) -> None:
    first, _ = await keys(client)
    clock.now = NOON + 2999
    assert (await keys(client))[0] == first
    clock.now = NOON + 3000
    second, ends = await keys(client)
    assert second.key_id != first.key_id
    assert ends == "2025-11-04T05:50:00.000000Z"
    clock.now = NOON + 3599
    assert [await works(client, cloud, key) for key in (first, second)] == [True, True]
    clock.now = NOON + 3600
    assert [await works(client, cloud, key) for key in (first, second)] == [False, True]


async def test_keys_change_at_their_times_whether_anybody_asks_or_not(
    cloud: Cloud, clock: Hand, client: Client
) -> None:
    await keys(client)
    clock.now = NOON + 10 * 3000 + 2500
    key, ends = await keys(client)
    assert ends == "2025-11-04T13:20:00.000000Z"
    assert await works(client, cloud, key)


async def test_a_key_may_be_told_late_in_its_life_and_another_life_may_be_set(
    cloud: Cloud, clock: Hand, client: Client
) -> None:
    first, _ = await keys(client)
    cloud.metadata.renew(NOON - 2900)
    second, ends = await keys(client)
    assert (second.key_id != first.key_id, ends) == (True, "2025-11-04T04:11:40.000000Z")
    assert await works(client, cloud, first)
    cloud.metadata.life, cloud.metadata.early = 100.0, 20.0
    cloud.metadata.renew(NOON)
    assert (await keys(client))[1] == "2025-11-04T04:01:40.000000Z"
    clock.now += 80
    assert (await keys(client))[1] == "2025-11-04T04:03:00.000000Z"


async def test_a_token_opens_the_service_for_as_long_as_it_asked_for(cloud: Cloud, clock: Hand, client: Client) -> None:
    cloud.metadata.token_required = True
    assert (await client.send("GET", KEY))[0] == 401
    assert (await client.send("GET", KEY, {"X-Metadata-Token": "invented"}))[0] == 401
    status, token = await client.send("PUT", TOKEN, {TTL: "60"})
    assert status == 200
    clock.now += 59
    await keys(client, token)
    clock.now += 1
    status, text = await client.send("GET", KEY, {"X-Metadata-Token": token})
    assert (status, NO_AGENCY in text) == (401, False)
    assert [each.status for each in cloud.asked("CreateMetadataToken")] == [200]


@pytest.mark.parametrize("headers", [{}, {TTL: "soon"}, {TTL: "0"}, {TTL: "-5"}])
async def test_a_token_wants_a_number_of_seconds(client: Client, headers: dict[str, str]) -> None:
    assert (await client.send("PUT", TOKEN, headers))[0] == 400


@pytest.mark.parametrize("status", [404, 405, 503])
async def test_an_older_service_has_no_tokens_and_does_without(cloud: Cloud, client: Client, status: int) -> None:
    cloud.metadata.token_refusal = status
    assert (await client.send("PUT", TOKEN, {TTL: "60"}))[0] == status
    await keys(client)


async def test_a_node_without_an_agency_gets_no_key(cloud: Cloud, client: Client) -> None:
    cloud.metadata.agency = False
    assert await client.send("GET", KEY) == (401, NO_AGENCY)
    cloud.metadata.agency = True
    await keys(client)


async def test_what_a_node_tells_carries_no_mark_of_the_gateway(client: Client) -> None:
    async with client.session.put(client.url + TOKEN, headers={TTL: "60"}) as answer:
        assert (answer.content_type, "X-Request-Id" in answer.headers) == ("text/plain", False)
    async with client.session.get(client.url + KEY) as answer:
        assert (answer.content_type, "X-Request-Id" in answer.headers) == ("application/json", False)


@pytest.mark.parametrize(("method", "path"), [("GET", TOKEN), ("POST", KEY), ("GET", "/v1/pod-identity/credentials")])
async def test_another_method_is_not_allowed(client: Client, method: str, path: str) -> None:
    assert (await client.send(method, path))[0] == 405


async def test_faults_happen_to_a_node_too(cloud: Cloud, client: Client) -> None:
    cloud.faults.plan(Answer(500, b"<html>"), service="metadata", operation="ShowSecurityKey")
    assert (await client.send("PUT", TOKEN, {TTL: "60"}))[0] == 200
    assert await client.send("GET", KEY) == (500, "<html>")
    await keys(client)
    assert [each.status for each in cloud.asked("ShowSecurityKey")] == [500, 200]


@pytest.mark.parametrize(
    ("spelling", "names"),
    [
        (PLAIN, {"access", "secret", "securitytoken", "expires_at"}),
        (CAMEL, {"accessKeyId", "secretAccessKey", "securityToken", "expires_at"}),
        (SNAKE, {"access_key_id", "secret_access_key", "security_token", "expires_at"}),
    ],
)
@pytest.mark.parametrize("wrapper", ["credential", "credentials", None])
@pytest.mark.parametrize("pod", [False, True], ids=["node", "pod"])
async def test_a_key_is_spelled_as_set(
    cloud: Cloud, client: Client, spelling: Spelling, names: set[str], wrapper: str | None, pod: bool
) -> None:
    source = cloud.pod_identity if pod else cloud.metadata
    source.spelling = replace(spelling, wrapper=wrapper)
    _, body = await (ask_pod(client, cloud) if pod else client.send("GET", KEY))
    told = json.loads(body)
    assert (list(told) == [wrapper]) == (wrapper is not None)
    inner = told if wrapper is None else told[wrapper]
    key = cloud.gate.keys[inner[spelling.access]]
    assert set(inner) == names
    assert (inner[spelling.secret], inner[spelling.token]) == (key.secret, key.security_token)


async def ask_pod(client: Client, cloud: Cloud, body: Any = None, **headers: str) -> tuple[int, str]:
    sent = {"Authorization": cloud.pod_identity.authorization, **headers}
    return await client.send("POST", cloud.pod_identity.path, sent, {} if body is None else body)


async def test_a_pod_gets_keys_that_sign_and_rotate(cloud: Cloud, clock: Hand, client: Client) -> None:
    cloud.pod_identity.authorization = "from the file"
    first, ends = read((await ask_pod(client, cloud))[1])
    assert ends == "2025-11-04T05:00:00.000000Z"
    assert await works(client, cloud, first)
    clock.now += 3000
    second, _ = read((await ask_pod(client, cloud))[1])
    assert second.key_id != first.key_id
    assert [await works(client, cloud, key) for key in (first, second)] == [True, True]
    assert {each.user for each in cloud.asked("ShowSqlJobProgress")} == {"pod_agency"}


async def test_a_pod_must_know_the_content_of_its_file(cloud: Cloud, client: Client) -> None:
    assert (await ask_pod(client, cloud, Authorization="guessed"))[0] == 401
    assert (await client.send("POST", cloud.pod_identity.path, body={}))[0] == 401
    assert (await ask_pod(client, cloud, body=["no object"]))[0] == 400
    assert [each.status for each in cloud.asked("CreatePodKey")] == [401, 401, 400]


async def test_the_seed_gives_the_same_keys_again(clock: Hand) -> None:
    pair = [Cloud(clock=clock, wall=clock, seed=5) for _ in range(2)]
    assert pair[0].metadata.document(NOON) == pair[1].metadata.document(NOON)
    assert pair[0].metadata.document(NOON) != pair[0].pod_identity.document(NOON)
