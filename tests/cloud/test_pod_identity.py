"""The identity of a pod against a pretend agent, and the vendor's own client beside it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web
from huaweicloudsdkcore.auth.internal import PodIdentityAccessor

from exporter.cloud.client import Client
from exporter.cloud.credentials.pod_identity import PodIdentity
from exporter.cloud.credentials.signing import Signer
from exporter.cloud.identity_calls import IdentityCalls
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from tests.cloud import wire
from tests.cloud.pretend import CALL, Asked, HandClock, Pretend, iso, pretending, reply

SIGNED = Signer("AK", "SK", "ST").headers(CALL)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("eyJ.one\n")
    return path


def key(clock: HandClock, **changed: Any) -> dict[str, Any]:
    told = {"accessKeyId": "AK", "secretAccessKey": "SK", "securityToken": "ST", "expiration": iso(clock.at + 3600)}
    return {"credentials": told | changed}


@asynccontextmanager
async def pod(
    answer: Callable[[Asked], web.Response], clock: HandClock, token: Path
) -> AsyncIterator[tuple[Pretend, PodIdentity]]:
    async with pretending(answer) as server, Client(wire.LATE, proxy="") as transport:
        yield (
            server,
            PodIdentity(f"{server.url}/v1/credentials?a=b", token, IdentityCalls(transport, Telemetry()), clock),
        )


async def refusal(identity: PodIdentity) -> PollError:
    with pytest.raises(PollError) as caught:
        await identity.headers(CALL)
    return caught.value


async def test_the_agent_is_asked_as_the_vendors_client_asks_it(clock: HandClock, token: Path) -> None:
    async with pod(lambda _: reply(key(clock)), clock, token) as (server, identity):
        assert await identity.headers(CALL) == SIGNED
        assert identity.expires_at == pytest.approx(clock.at + 3600)
        accessor = PodIdentityAccessor(f"{server.url}/v1/credentials?a=b", str(token))
        theirs = await asyncio.to_thread(accessor.get_credential)

    assert (theirs.access, theirs.secret, theirs.security_token) == ("AK", "SK", "ST")
    ours, sdk = server.asked
    assert (ours.method, ours.target, ours.body) == (sdk.method, sdk.target, sdk.body)
    assert (ours.target, ours.body) == ("/v1/credentials?a=b", b"{}")
    for name in ("Authorization", "Content-Type"):
        assert ours.headers[name] == sdk.headers[name]
    assert ours.headers["Authorization"] == "eyJ.one"
    assert identity.identity == "identity of this pod"


async def test_fifty_at_once_share_one_key(clock: HandClock, token: Path) -> None:
    async with pod(lambda _: reply(key(clock)), clock, token) as (server, identity):
        server.pause = 0.02
        await asyncio.gather(*(identity.headers(CALL) for _ in range(50)))

    assert len(server.asked) == 1


async def test_the_key_is_renewed_with_less_than_forty_minutes_left(clock: HandClock, token: Path) -> None:
    async with pod(lambda _: reply(key(clock)), clock, token) as (server, identity):
        await identity.headers(CALL)
        clock.at += 20 * 60 - 1
        await identity.headers(CALL)
        assert len(server.asked) == 1
        clock.at += 2
        await identity.headers(CALL)
        assert len(server.asked) == 2


async def test_a_rotated_token_is_read_again(clock: HandClock, token: Path) -> None:
    async with pod(lambda _: reply(key(clock)), clock, token) as (server, identity):
        await identity.headers(CALL)
        before = identity.generation
        token.write_text("eyJ.two\n")
        clock.at += 1
        await identity.headers(CALL)
        assert identity.generation != before
        await identity.headers(CALL)

    assert [asked.headers["Authorization"] for asked in server.asked] == ["eyJ.one", "eyJ.two"]


async def test_a_refused_token_is_told_and_its_successor_asked_with_at_once(clock: HandClock, token: Path) -> None:
    def answer(asked: Asked) -> web.Response:
        return reply(key(clock)) if asked.headers["Authorization"] == "eyJ.two" else reply({"message": "no"}, 401)

    async with pod(answer, clock, token) as (server, identity):
        error = await refusal(identity)
        await refusal(identity)
        assert len(server.asked) == 1
        assert error.reason is Reason.AUTH
        assert "pod identity association" in error.sentence
        token.write_text("eyJ.two\n")
        clock.at += 1
        assert await identity.headers(CALL) == SIGNED


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        pytest.param(lambda clock: reply(b"no"), Reason.PAYLOAD, id="not JSON"),
        pytest.param(lambda clock: reply({}), Reason.PAYLOAD, id="nothing in it"),
        pytest.param(lambda clock: reply(key(clock, securityToken="a\nb")), Reason.PAYLOAD, id="a line break"),
        pytest.param(lambda clock: reply(b"", 404), Reason.CONFIG, id="not found"),
        pytest.param(lambda clock: reply(b"", 500), Reason.SERVER, id="broken"),
    ],
)
async def test_an_answer_without_a_key_is_told(
    clock: HandClock, token: Path, answer: Callable[[HandClock], web.Response], reason: Reason
) -> None:
    async with pod(lambda _: answer(clock), clock, token) as (_, identity):
        error = await refusal(identity)

    assert error.reason is reason
    assert "SK" not in error.sentence + repr(identity)


async def test_a_token_that_is_none_is_not_sent(clock: HandClock, token: Path) -> None:
    token.write_text("a\nb")
    async with pod(lambda _: reply(key(clock)), clock, token) as (server, identity):
        assert (await refusal(identity)).reason is Reason.AUTH
    assert server.asked == []
