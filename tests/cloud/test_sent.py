"""The one HTTP client against real sockets: what it sends."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter import __version__
from exporter.cloud.client import Client
from exporter.cloud.credentials.access_key import AccessKey
from exporter.cloud.credentials.signing import canonical_query
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.services.request import Request, segments
from tests.cloud.pretend import pretending, reply
from tests.cloud.wire import LATE, REQUEST, Connection, Nobody, answer, serving

NAMES = ["同步 a+b~c", "50%", "a/b", "%2F", "...", ".a", "*'\"();:@&=$,?#[]", "é\u0301😀", "x" * 240]

TEXT = st.text(st.characters(exclude_categories=["Cs", "Cc"]), max_size=8)


async def test_the_headers_are_these_and_no_more() -> None:
    async with serving(answer()) as server, Client(LATE) as transport:
        await transport.send(server.url, REQUEST, Nobody({"X-Auth-Token": "T"}), "P")

    head = server.heads[0].decode().split("\r\n")
    names = {line.split(":")[0] for line in head[1:] if line}
    assert head[0] == "GET /v1/p/jobs/j/progress HTTP/1.1"
    assert names == {
        "Host",
        "User-Agent",
        "Accept",
        "Accept-Encoding",
        "Cache-Control",
        "X-Language",
        "X-Project-Id",
        "X-Auth-Token",
    }
    assert server.header("User-Agent") == f"huaweicloud-job-exporter/{__version__}"
    assert server.header("Accept") == "application/json"
    assert server.header("Cache-Control") == "no-cache"
    assert server.header("X-Language") == "en-us"
    assert server.header("X-Project-Id") == "P"


@pytest.mark.parametrize("name", NAMES)
async def test_the_path_on_the_wire_is_the_one_that_was_signed(name: str) -> None:
    nobody, path = Nobody(), segments("v1.1", name, "status")
    async with serving(answer()) as server, Client(LATE) as transport:
        await transport.send(f"{server.url}/prefix/", Request("o", path, "l"), nobody)

    assert server.targets == [f"/prefix{path}"]
    assert nobody.calls[0].path == f"/prefix{path}"
    assert nobody.calls[0].host == server.header("Host") == f"127.0.0.1:{server.port}"


@given(pairs=st.lists(st.tuples(TEXT, TEXT), min_size=1, max_size=4))
@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_the_query_on_the_wire_is_the_one_that_was_signed(pairs: list[tuple[str, str]]) -> None:
    request = Request("o", "/v1/p", "l", tuple(pairs))
    async with serving(answer()) as server, Client(LATE) as transport:
        await transport.send(server.url, request, Nobody())

    assert server.targets == [f"/v1/p?{canonical_query(pairs)}"]


async def test_a_signed_call_carries_its_signature() -> None:
    async with serving(answer()) as server, Client(LATE) as transport:
        await transport.send(server.url, REQUEST, AccessKey(key_id="AK", secret="SK"), "P")

    sent = server.header("Authorization")
    assert sent is not None
    assert sent.startswith("SDK-HMAC-SHA256 Access=AK, SignedHeaders=host;x-project-id;x-sdk-date, Signature=")


async def test_connections_are_used_again() -> None:
    async with serving(answer()) as server, Client(LATE) as transport:
        for _ in range(5):
            await transport.send(server.url, REQUEST, Nobody())

    assert (len(server.heads), server.connections) == (5, 1)


async def test_cookies_are_not_kept() -> None:
    said = answer(b"{}", "Set-Cookie: session=1", "Set-Cookie: \x80=;;,;expires=never; domain=..")
    async with serving(said) as server, Client(LATE) as transport:
        await transport.send(server.url, REQUEST, Nobody())
        await transport.send(server.url, REQUEST, Nobody())

    assert server.header("Cookie") is None


async def test_a_netrc_file_changes_nothing(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path_factory.mktemp("home") / "netrc"
    netrc.write_text("machine 127.0.0.1 login root password hidden\n")
    monkeypatch.setenv("NETRC", str(netrc))
    async with serving(answer()) as server, Client(LATE) as transport:
        await transport.send(server.url, REQUEST, Nobody({"Authorization": "ours"}))

    assert server.header("Authorization") == "ours"


@pytest.mark.parametrize(
    ("request_", "project_id", "sent"),
    [
        pytest.param(REQUEST, "p\r\nX-Evil: 1", {}, id="line break in a header to sign"),
        pytest.param(REQUEST, "p\udcff", {}, id="half a character"),
        pytest.param(REQUEST, "p", {"X-Auth-Token": "a\nb"}, id="line break in a header of the credentials"),
        pytest.param(Request("o", segments("a", ".."), "l"), "p", {}, id="the folder above"),
        pytest.param(Request("o", segments("a", ".", "b"), "l"), "p", {}, id="the folder itself"),
        pytest.param(Request("o", "/a/%2E%2e/b", "l"), "p", {}, id="the folder above, encoded"),
        pytest.param(Request("o", "/a/.%2e", "l"), "p", {}, id="the folder above, half encoded"),
        pytest.param(Request("o", "/a b", "l"), "p", {}, id="space in the path"),
        pytest.param(Request("o", "/a\r\nX-Evil:1", "l"), "p", {}, id="line break in the path"),
        pytest.param(Request("o", "/a?b=1", "l"), "p", {}, id="a query that would not be signed"),
        pytest.param(Request("o", "/同步", "l"), "p", {}, id="path that is not encoded"),
        pytest.param(Request("o", "/a", "l", (("k", "\udcff"),)), "p", {}, id="half a character in the query"),
    ],
)
async def test_what_cannot_be_written_is_not_sent(request_: Request, project_id: str, sent: dict[str, str]) -> None:
    async with serving(answer()) as server, Client(LATE) as transport:
        with pytest.raises(PollError) as caught:
            await transport.send(server.url, request_, Nobody(sent), project_id)

    assert caught.value.reason is Reason.CONFIG
    assert server.heads == []
    assert "Evil" not in caught.value.sentence


async def test_a_body_is_sent_and_signed_as_json() -> None:
    nobody = Nobody()
    request = Request("o", "/v3/auth/tokens", "l", (("nocatalog", "true"),), "POST", b'{"a": 1}')
    async with pretending(lambda _: reply({})) as server, Client(LATE) as transport:
        await transport.send(server.url, request, nobody)
        await transport.send(server.url, request, AccessKey(key_id="AK", secret="SK"))

    assert {(asked.method, asked.target, asked.body) for asked in server.asked} == {
        ("POST", "/v3/auth/tokens?nocatalog=true", b'{"a": 1}')
    }
    assert server.asked[0].headers["Content-Type"] == "application/json"
    assert "SignedHeaders=content-type;host;x-sdk-date," in server.asked[1].headers["Authorization"]
    (call,) = nobody.calls
    assert (call.method, call.body, call.headers) == ("POST", b'{"a": 1}', {"Content-Type": "application/json"})


async def test_a_call_without_a_body_has_no_type() -> None:
    async with pretending(lambda _: reply({})) as server, Client(LATE) as transport:
        await transport.send(server.url, Request("o", "/", "l", method="PUT"), Nobody())

    assert (server.asked[0].method, server.asked[0].headers.get("Content-Type")) == ("PUT", None)


async def test_a_header_that_is_asked_for_comes_whole_and_is_not_printed() -> None:
    said = answer(b"{}", f"X-Subject-Token: {'x' * 8000}", f"X-Request-Id: {'y' * 8000}")
    async with serving(said) as server, Client(LATE) as transport:
        got = await transport.send(server.url, REQUEST, Nobody(), keep=("x-subject-token", "x-other"))
        usual = await transport.send(server.url, REQUEST, Nobody())

    assert got.headers["x-subject-token"] == "x" * 8000
    assert len(got.headers["x-request-id"]) == 200
    assert "x-other" not in got.headers
    assert "x-subject-token" not in usual.headers
    assert "xxx" not in repr(got)


async def test_a_post_is_never_sent_twice() -> None:
    async def once(connection: Connection) -> None:
        if len(server.heads) == 1:
            await connection.say(answer())
        else:
            connection.reset()

    async with serving(once) as server, Client(LATE) as transport:
        await transport.send(server.url, Request("o", "/", "l"), Nobody())
        with pytest.raises(PollError):
            await transport.send(server.url, Request("o", "/", "l", method="POST"), Nobody())

    assert len(server.heads) == 2
