"""The agency of a node against a pretend metadata service, and the vendor's own client beside it."""

import asyncio
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from aiohttp import web
from huaweicloudsdkcore.auth.internal import MetadataAccessor

from exporter.cloud.client import Client
from exporter.cloud.credentials import Credentials
from exporter.cloud.credentials.metadata import Metadata
from exporter.cloud.credentials.signing import Signer
from exporter.cloud.identity_calls import IdentityCalls
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from tests.cloud import wire
from tests.cloud.pretend import CALL, Asked, HandClock, Pretend, iso, pretending, reply

MINUTE = 60.0
NO_AGENCY = b"Please configure Cloud Service Agency first."
SPELLINGS = [
    ("credential", "access", "secret", "securitytoken", "expires_at"),
    ("credentials", "accessKeyId", "secretAccessKey", "securityToken", "expiration"),
    ("", "access_key_id", "secret_access_key", "security_token", "expires_at"),
    ("credential", "access_key_id", "secretAccessKey", "securitytoken", "expires_at"),
]


def document(expires_at: object, number: int = 1, spelling: tuple[str, ...] = SPELLINGS[0]) -> dict[str, Any]:
    wrapper, *names = spelling
    key = dict(zip(names, (f"AK{number}", f"SK{number}", f"ST{number}", expires_at), strict=True))
    return {wrapper: key} if wrapper else key


def node(
    key: Callable[[], web.Response], token: Callable[[], web.Response] = lambda: reply(b"IMDS")
) -> Callable[[Asked], web.Response]:
    return lambda asked: token() if asked.method == "PUT" else key()


class Rotating:
    """Hands out a key that lives an hour, and the next one ten minutes before its end."""

    def __init__(self, clock: HandClock) -> None:
        self.clock = clock
        self.number = 1
        self.expires_at = clock.at + 60 * MINUTE

    def __call__(self) -> web.Response:
        if self.clock.at >= self.expires_at - 10 * MINUTE:
            self.number += 1
            self.expires_at = self.clock.at + 60 * MINUTE
        return reply(document(iso(self.expires_at), self.number))


@asynccontextmanager
async def metadata(
    answer: Callable[[Asked], web.Response], clock: HandClock
) -> AsyncIterator[tuple[Pretend, Metadata]]:
    async with pretending(answer) as server, Client(wire.LATE, proxy="") as transport:
        yield server, Metadata(IdentityCalls(transport, Telemetry()), clock, server.url)


@pytest.fixture
def clock() -> HandClock:
    return HandClock()


def signed(number: int = 1) -> dict[str, str]:
    return Signer(f"AK{number}", f"SK{number}", f"ST{number}").headers(CALL)


async def refusal(credentials: Credentials) -> PollError:
    with pytest.raises(PollError) as caught:
        await credentials.headers(CALL)
    return caught.value


async def test_the_second_version_is_asked_with_a_token(clock: HandClock) -> None:
    async with metadata(node(Rotating(clock)), clock) as (server, agency):
        assert await agency.headers(CALL) == signed()
        assert agency.expires_at == pytest.approx(clock.at + 60 * MINUTE)

    put, get = server.asked
    assert (put.method, put.target) == ("PUT", "/meta-data/latest/api/token")
    assert put.headers["X-Metadata-Token-Ttl-Seconds"] == "21600"
    assert (get.method, get.target) == ("GET", "/openstack/latest/securitykey")
    assert get.headers["X-Metadata-Token"] == "IMDS"
    assert put.body + get.body == b""
    assert agency.identity == "agency of this node"


@pytest.mark.parametrize("status", [404, 405, 503])
async def test_the_first_version_is_asked_without(clock: HandClock, status: int) -> None:
    async with metadata(node(Rotating(clock), lambda: reply(b"", status)), clock) as (server, agency):
        assert await agency.headers(CALL) == signed()

    assert "X-Metadata-Token" not in server.asked[1].headers


@pytest.mark.parametrize("spelling", SPELLINGS)
async def test_every_spelling_is_read_as_the_vendors_client_reads_it(
    clock: HandClock, spelling: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    told = document(iso(clock.at + 60 * MINUTE), spelling=spelling)
    async with metadata(node(lambda: reply(told)), clock) as (server, agency):
        assert await agency.headers(CALL) == signed()
        assert agency.expires_at == pytest.approx(clock.at + 60 * MINUTE)
        monkeypatch.setattr(MetadataAccessor, "_METADATA_ENDPOINT", server.url)
        theirs = await asyncio.to_thread(MetadataAccessor().get_credential)

    assert (theirs.access, theirs.secret, theirs.security_token) == ("AK1", "SK1", "ST1")
    ours, sdk = server.asked[:2], server.asked[2:]
    assert [(each.method, each.target) for each in ours] == [(each.method, each.target) for each in sdk]
    assert ours[1].headers["X-Metadata-Token"] == sdk[1].headers["X-Metadata-Token"]


async def test_fifty_at_once_share_one_key(clock: HandClock) -> None:
    async with metadata(node(Rotating(clock)), clock) as (server, agency):
        server.pause = 0.02
        seen = await asyncio.gather(*(agency.headers(CALL) for _ in range(50)))

    assert all(each == signed() for each in seen)
    assert len(server.asked) == 2


async def test_an_hour_of_polls_asks_seldom_and_never_signs_with_a_key_that_is_over(clock: HandClock) -> None:
    rotating = Rotating(clock)
    async with metadata(node(rotating), clock) as (server, agency):
        generations, first = set(), await agency.headers(CALL)
        for _ in range(6 * 60):
            clock.at += 10
            await agency.headers(CALL)
            generations.add(agency.generation)
            assert agency.expires_at is not None
            assert agency.expires_at > clock.at
            if clock.at - rotating.expires_at < -41 * MINUTE:
                assert await agency.headers(CALL) == signed(rotating.number)

    assert first == signed(1)
    assert rotating.number == 2
    assert len(generations) == 2  # the same key handed out again is no new one
    assert len(server.asked) < 2 * 12


async def test_a_renewal_that_fails_keeps_the_key_until_its_end(clock: HandClock) -> None:
    async with metadata(node(Rotating(clock)), clock) as (server, agency):
        await agency.headers(CALL)
        server.answer = lambda _: reply(b"", 500)
        clock.at += 30 * MINUTE
        for _ in range(5):
            assert await agency.headers(CALL) == signed()
        assert len(server.asked) == 3
        clock.at += 30 * MINUTE + 1
        assert (await refusal(agency)).reason is Reason.SERVER


async def test_a_node_without_an_agency_is_told_so_and_found_later(clock: HandClock) -> None:
    async with metadata(node(lambda: reply(NO_AGENCY, 401)), clock) as (server, agency):
        error = await refusal(agency)
        await refusal(agency)
        assert len(server.asked) == 2
        assert error.reason is Reason.AUTH
        assert "this node has no agency" in error.sentence
        server.answer = node(Rotating(clock))
        clock.at += 31
        assert await agency.headers(CALL) == signed()


async def test_a_key_that_the_cloud_refused_is_asked_for_again_once(clock: HandClock) -> None:
    numbers = iter(range(1, 9))
    key = node(lambda: reply(document(iso(clock.at + 60 * MINUTE), next(numbers))))
    async with metadata(key, clock) as (server, agency):
        await agency.headers(CALL)
        refused = agency.generation
        await asyncio.gather(*(agency.renew(refused) for _ in range(50)))
        await agency.renew(refused)

        assert await agency.headers(CALL) == signed(2)
        assert len(server.asked) == 4


@pytest.mark.parametrize(
    ("answer", "reason", "told"),
    [
        pytest.param(lambda: reply(b"<html>"), Reason.PAYLOAD, "not JSON", id="not JSON"),
        pytest.param(lambda: reply([]), Reason.PAYLOAD, "not an object", id="no object"),
        pytest.param(lambda: reply({"credential": "x"}), Reason.PAYLOAD, "no access key id", id="no key"),
        pytest.param(
            lambda: reply({"credential": {"access": "AK"}}), Reason.PAYLOAD, "no secret", id="only the key id"
        ),
        pytest.param(
            lambda: reply({"credential": {"access": "AK", "secret": "hunter2", "securitytoken": None}}),
            Reason.PAYLOAD,
            "no security token",
            id="no security token",
        ),
        pytest.param(
            lambda: reply({"access": "AK", "secret": "hunter2\r\nX-Evil: 1", "securitytoken": "T"}),
            Reason.PAYLOAD,
            "secret of the metadata service holds",
            id="a line break",
        ),
        pytest.param(lambda: reply(b"x" * (9 << 20)), Reason.PAYLOAD, "longer than", id="huge"),
        pytest.param(lambda: reply(b"", 404), Reason.CONFIG, "choose an agency", id="not found"),
        pytest.param(lambda: reply(b"", 401), Reason.AUTH, "refused its own token", id="token refused"),
        pytest.param(lambda: reply(b"", 418), Reason.API, "no key", id="another status"),
        pytest.param(lambda: reply(b"", 302, Location="http://x/"), Reason.CONFIG, "redirect", id="redirect"),
    ],
)
async def test_an_answer_without_a_key_is_told(
    clock: HandClock, answer: Callable[[], web.Response], reason: Reason, told: str
) -> None:
    async with metadata(node(answer), clock) as (_, agency):
        error = await refusal(agency)

    assert error.reason is reason
    assert told in error.sentence
    assert "hunter2" not in error.sentence


async def test_a_key_that_was_over_when_it_came_is_used_and_soon_renewed(clock: HandClock) -> None:
    async with metadata(node(lambda: reply(document("2024-03-05T09:10:00.423000Z"))), clock) as (server, agency):
        assert "Authorization" in await agency.headers(CALL)
        assert agency.expires_at is None
        keys = len(server.asked)
        clock.at += 301
        await agency.headers(CALL)
        assert len(server.asked) > keys


@pytest.mark.parametrize("token", [b"", b"a\nb", b"\xff", b"<html> </html>"])
async def test_a_token_that_is_none_is_told(clock: HandClock, token: bytes) -> None:
    async with metadata(node(Rotating(clock), lambda: reply(token)), clock) as (_, agency):
        assert (await refusal(agency)).reason is Reason.PAYLOAD


@pytest.mark.parametrize("said", [None, "", "soon", 17])
async def test_an_expiry_that_cannot_be_read_is_unknown_and_looked_at_again_soon(
    clock: HandClock, said: object
) -> None:
    async with metadata(node(lambda: reply(document(said))), clock) as (server, agency):
        await agency.headers(CALL)
        assert agency.expires_at is None
        clock.at += 299
        await agency.headers(CALL)
        assert len(server.asked) == 2
        clock.at += 2
        assert await agency.headers(CALL) == signed()
        assert len(server.asked) == 4


async def test_outside_of_the_cloud_the_sentence_says_so(clock: HandClock) -> None:
    async def stall(connection: wire.Connection) -> None:
        await asyncio.Event().wait()

    async with wire.serving(stall) as server, Client(wire.SOON, proxy="") as transport:
        error = await refusal(Metadata(IdentityCalls(transport, Telemetry()), clock, server.url))

    assert error.reason is Reason.TIMEOUT
    assert re.search("metadata service does not answer.* only where the cloud provides it", error.sentence)


async def test_no_proxy_is_on_the_way(clock: HandClock, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    async with metadata(node(Rotating(clock)), clock) as (_, agency):
        assert await agency.headers(CALL) == signed()


async def test_no_secret_is_in_what_is_printed(clock: HandClock) -> None:
    async with metadata(node(Rotating(clock)), clock) as (_, agency):
        await agency.headers(CALL)
        assert repr(agency) == "Metadata('agency of this node')"
        assert "SK1" not in repr(vars(agency)["_lease"])
        assert "ST1" not in repr(vars(agency)["_lease"])
