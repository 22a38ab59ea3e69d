"""The one HTTP client against real sockets: every fault is a reason and a sentence."""

import asyncio
import socket
import time
import zlib
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from exporter.cloud.client import SIZE_LIMIT, Client
from exporter.model.errors import PollError
from exporter.model.reason import Reason
from tests.cloud.wire import LATE, REQUEST, SOON, Connection, Nobody, Script, answer, serving


async def refusal(script: Script | bytes, timeout: float = LATE) -> PollError:
    """Return how a call to a server that says *script* fails."""
    async with serving(script) as server, Client(timeout) as transport:
        with pytest.raises(PollError) as caught:
            await transport.send(server.url, REQUEST, Nobody())
    return caught.value


def bomb() -> bytes:
    """Return 128 MiB of zeros, packed into 128 KiB; the end, which nobody gets to see, is missing."""
    packer = zlib.compressobj(9, zlib.DEFLATED, 31)
    first, again = (packer.compress(bytes(1 << 20)) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    return first + 127 * again


async def reset(to: Connection) -> None:
    to.reset()


async def half_then_close(to: Connection) -> None:
    await to.say(answer(b"x" * 100)[:-50])
    to.writer.close()


async def half_then_reset(to: Connection) -> None:
    await to.say(answer(b"x" * 100)[:-50], pause=0.01)
    await asyncio.sleep(0.02)
    to.reset()


async def chunk_then_close(to: Connection) -> None:
    await to.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
    to.writer.close()


async def close_in_headers(to: Connection) -> None:
    await to.say(b"HTTP/1.1 200 OK\r\nContent-Ty")
    to.writer.close()


async def close(to: Connection) -> None:
    to.writer.close()


async def chunk_later(to: Connection) -> None:
    await to.say(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"zz\r\n", pause=0.02)


async def gzip_later(to: Connection) -> None:
    said = answer(b"plain text", "Content-Encoding: gzip")
    await to.say(said[:-10], said[-10:], pause=0.02)


FAULTS: dict[str, tuple[Script | bytes, Reason]] = {
    "reset": (reset, Reason.UNREACHABLE),
    "closed without a word": (close, Reason.UNREACHABLE),
    "closed in the headers": (close_in_headers, Reason.UNREACHABLE),
    "half a body, then closed": (half_then_close, Reason.UNREACHABLE),
    "half a body, then reset": (half_then_reset, Reason.UNREACHABLE),
    "last chunk missing": (chunk_then_close, Reason.UNREACHABLE),
    "chunk without a size": (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n", Reason.UNREACHABLE),
    "gzip that is none": (answer(b"plain text", "Content-Encoding: gzip"), Reason.PAYLOAD),
    "gzip that is none, later": (gzip_later, Reason.PAYLOAD),
    "chunk without a size, later": (chunk_later, Reason.UNREACHABLE),
    "status line that is none": (b"hello, world\r\n\r\n", Reason.PAYLOAD),
    "status that is no number": (b"HTTP/1.1 abc OK\r\n\r\n", Reason.PAYLOAD),
    "another protocol": (b"SSH-2.0-OpenSSH_9.6\r\n", Reason.PAYLOAD),
    "TLS alert": (b"\x15\x03\x01\x00\x02\x02\x50", Reason.PAYLOAD),
    "header too long": (answer(b"", "X-Long: " + "x" * 200_000), Reason.PAYLOAD),
    "too many headers": (answer(b"", *(f"X-{n}: 1" for n in range(5000))), Reason.PAYLOAD),
    "header without a name": (answer(b"", ": value"), Reason.PAYLOAD),
    "two lengths": (answer(b"{}", "Content-Length: 3"), Reason.PAYLOAD),
    "length that is no number": (b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n", Reason.PAYLOAD),
    "huge": (answer(bytes(SIZE_LIMIT + 1)), Reason.PAYLOAD),
    "gzip bomb": (answer(bomb(), "Content-Encoding: gzip"), Reason.PAYLOAD),
    "redirect": (answer(b"", "Location: https://other.example/secret?a=b", status="302 Found"), Reason.CONFIG),
}


@pytest.mark.parametrize("name", FAULTS)
async def test_a_fault_has_its_reason_and_names_the_host(name: str) -> None:
    script, reason = FAULTS[name]

    error = await refusal(script)

    assert error.reason is reason
    assert "127.0.0.1" in error.sentence
    assert ";" in error.sentence, "a sentence ends with the remedy"
    assert error.sentence.isprintable()


@pytest.mark.parametrize("name", ["reset", "closed without a word", "half a body, then closed", "gzip that is none"])
async def test_the_cause_is_kept(name: str) -> None:
    error = await refusal(FAULTS[name][0])

    assert error.__cause__ is not None


@pytest.mark.parametrize("script", [reset, close])
async def test_a_lost_call_is_not_made_again_unasked(script: Script) -> None:
    async with serving(script) as server, Client(LATE) as transport:
        with pytest.raises(PollError):
            await transport.send(server.url, REQUEST, Nobody())

    assert len(server.heads) == 1


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ("https://other.example:8443/secret?token=hidden", "other.example"),
        ("https://user:hidden@other.example/", "other.example"),
        ("/login?hidden", "127.0.0.1"),
        ("http://[hidden", "an invalid address"),
        ("", "127.0.0.1"),
    ],
)
@pytest.mark.parametrize("status", [301, 303, 307])
async def test_a_redirect_tells_the_host_alone(location: str, told: str, status: int) -> None:
    error = await refusal(answer(b"", f"Location: {location}", status=f"{status} Moved"))

    assert error.reason is Reason.CONFIG
    assert f"redirect to {told} (HTTP {status})" in error.sentence
    assert "hidden" not in error.sentence


@pytest.mark.parametrize("status", [300, 304, 305, 306])
async def test_what_names_no_other_place_is_no_redirect_but_no_answer_either(status: int) -> None:
    error = await refusal(answer(b"", "Location: https://other.example/", status=f"{status} Whatever"))

    assert error.reason is Reason.PAYLOAD
    assert f"HTTP {status}" in error.sentence


@pytest.mark.parametrize(
    ("said", "phase"),
    [
        pytest.param(b"", "did not begin to answer", id="nothing"),
        pytest.param(b"HTTP/1.1 200 OK\r\nContent-", "did not begin to answer", id="half the headers"),
        pytest.param(answer(b"x" * 9)[:-9], "began to answer", id="no body"),
        pytest.param(answer(b"x" * 9)[:-4], "began to answer", id="half the body"),
    ],
)
async def test_a_stall_is_a_timeout_that_tells_where(said: bytes, phase: str) -> None:
    async def stall(to: Connection) -> None:
        await to.say(said)
        await asyncio.sleep(60)

    began = time.monotonic()
    error = await refusal(stall, SOON)

    assert error.reason is Reason.TIMEOUT
    assert phase in error.sentence
    assert "0.2 s" in error.sentence
    assert time.monotonic() - began < 10 * SOON


@pytest.mark.parametrize("part", ["headers", "body"])
async def test_a_drip_does_not_move_the_deadline(part: str) -> None:
    async def drip(to: Connection) -> None:
        if part == "body":
            await to.say(answer(b"x" * 1000)[:-1000])
        await to.say(*([b"H"] + [b"x"] * 200), pause=0.02)

    began = time.monotonic()
    error = await refusal(drip, SOON)

    assert error.reason is Reason.TIMEOUT or part == "headers"
    assert time.monotonic() - began < 10 * SOON


async def test_a_refused_connection_is_unreachable() -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        async with Client(LATE) as transport:
            with pytest.raises(PollError, match=r"cannot connect to 127\.0\.0\.1: ") as caught:
                await transport.send(f"http://127.0.0.1:{port}", REQUEST, Nobody())

    assert caught.value.reason is Reason.UNREACHABLE


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        pytest.param("http://no-such-host.invalid", Reason.UNREACHABLE, id="unknown name"),
        pytest.param(f"http://{'x' * 64}.example", Reason.CONFIG, id="name too long"),
        pytest.param("http://a..b", Reason.CONFIG, id="empty label"),
        pytest.param("http://127.0.0.1:99999", Reason.CONFIG, id="no such port"),
        pytest.param("http://user:hidden@127.0.0.1", Reason.CONFIG, id="password in the endpoint"),
        pytest.param("ftp://127.0.0.1/hidden", Reason.CONFIG, id="another scheme"),
        pytest.param("127.0.0.1", Reason.CONFIG, id="no scheme"),
        pytest.param("http://127.0.0.1/?hidden=1", Reason.CONFIG, id="query in the endpoint"),
        pytest.param("https://", Reason.CONFIG, id="no host"),
        pytest.param("", Reason.CONFIG, id="nothing"),
    ],
)
async def test_an_endpoint_that_cannot_be_called_is_told(url: str, reason: Reason) -> None:
    async with Client(LATE) as transport:
        with pytest.raises(PollError, match="endpoints") as caught:
            await transport.send(url, REQUEST, Nobody())

    assert caught.value.reason is reason
    assert "hidden" not in caught.value.sentence


@pytest.mark.parametrize("make", [lambda transport: transport, lambda transport: transport.__aenter__()])
async def test_a_call_without_connections_is_our_own_fault(make: Callable[[Client], object]) -> None:
    transport = Client(LATE)
    if asyncio.iscoroutine(entering := make(transport)):
        await entering
        await transport.__aexit__(None, None, None)

    with pytest.raises(PollError) as caught:
        await transport.send("http://127.0.0.1", REQUEST, Nobody())

    assert caught.value.reason is Reason.INTERNAL


@given(said=st.one_of(st.binary(max_size=60), st.binary(max_size=40).map(lambda tail: b"HTTP/1.1 200 OK\r\n" + tail)))
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_no_bytes_get_anything_else_out_of_it(said: bytes) -> None:
    async def say(to: Connection) -> None:
        await to.say(said)
        to.writer.close()

    async with serving(say) as server, Client(LATE) as transport:
        try:
            await transport.send(server.url, REQUEST, Nobody())
        except PollError as error:
            assert error.reason in (Reason.UNREACHABLE, Reason.PAYLOAD, Reason.CONFIG)  # noqa: PT017 - either is fine
