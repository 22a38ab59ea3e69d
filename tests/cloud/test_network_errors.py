"""Every exception of the library below has a reason."""

import inspect
import ssl
from types import SimpleNamespace
from typing import Any, cast

import aiohttp
import pytest
from aiohttp import client_exceptions, http_exceptions
from aiohttp.client_reqrep import ConnectionKey
from yarl import URL

from exporter.cloud.network_errors import CAUGHT, Way, network_error, proxy_refusal
from exporter.model.reason import Reason

WAY = Way("dli.example.com", 10, "proxy.example.com")
KEY = ConnectionKey("dli.example.com", 443, True, True, None, None, None)
REQUEST_INFO = cast("Any", SimpleNamespace(real_url=URL("https://dli.example.com")))

REASONS: dict[type[BaseException], Reason] = {
    aiohttp.ClientError: Reason.UNREACHABLE,
    aiohttp.ClientConnectionError: Reason.UNREACHABLE,
    aiohttp.ClientConnectionResetError: Reason.UNREACHABLE,
    aiohttp.ClientOSError: Reason.UNREACHABLE,
    aiohttp.ClientConnectorError: Reason.UNREACHABLE,
    aiohttp.ClientConnectorDNSError: Reason.UNREACHABLE,
    aiohttp.ClientProxyConnectionError: Reason.UNREACHABLE,
    aiohttp.ServerConnectionError: Reason.UNREACHABLE,
    aiohttp.ServerDisconnectedError: Reason.UNREACHABLE,
    aiohttp.ClientPayloadError: Reason.UNREACHABLE,
    client_exceptions.UploadAbortedError: Reason.UNREACHABLE,
    client_exceptions.UnixClientConnectorError: Reason.UNREACHABLE,
    aiohttp.ServerTimeoutError: Reason.TIMEOUT,
    aiohttp.ConnectionTimeoutError: Reason.TIMEOUT,
    aiohttp.SocketTimeoutError: Reason.TIMEOUT,
    aiohttp.ClientSSLError: Reason.TLS,
    aiohttp.ClientConnectorSSLError: Reason.TLS,
    aiohttp.ClientConnectorCertificateError: Reason.TLS,
    aiohttp.ServerFingerprintMismatch: Reason.TLS,
    aiohttp.ClientResponseError: Reason.PAYLOAD,
    aiohttp.ContentTypeError: Reason.PAYLOAD,
    aiohttp.WSServerHandshakeError: Reason.PAYLOAD,
    aiohttp.TooManyRedirects: Reason.PAYLOAD,
    aiohttp.ClientHttpProxyError: Reason.CONFIG,
    aiohttp.InvalidURL: Reason.CONFIG,
    aiohttp.InvalidUrlClientError: Reason.CONFIG,
    aiohttp.RedirectClientError: Reason.CONFIG,
    aiohttp.NonHttpUrlClientError: Reason.CONFIG,
    aiohttp.InvalidUrlRedirectClientError: Reason.CONFIG,
    aiohttp.NonHttpUrlRedirectClientError: Reason.CONFIG,
    http_exceptions.HttpProcessingError: Reason.PAYLOAD,
    http_exceptions.BadHttpMessage: Reason.PAYLOAD,
    http_exceptions.HttpBadRequest: Reason.PAYLOAD,
    http_exceptions.LineTooLong: Reason.PAYLOAD,
    http_exceptions.InvalidHeader: Reason.PAYLOAD,
    http_exceptions.BadStatusLine: Reason.PAYLOAD,
    http_exceptions.BadHttpMethod: Reason.PAYLOAD,
    http_exceptions.InvalidURLError: Reason.PAYLOAD,
    http_exceptions.PayloadEncodingError: Reason.UNREACHABLE,
    http_exceptions.ContentEncodingError: Reason.UNREACHABLE,
    http_exceptions.TransferEncodingError: Reason.UNREACHABLE,
    http_exceptions.ContentLengthError: Reason.UNREACHABLE,
    http_exceptions.DecompressSizeError: Reason.UNREACHABLE,
    TimeoutError: Reason.TIMEOUT,
    ConnectionResetError: Reason.UNREACHABLE,
    OSError: Reason.UNREACHABLE,
    ssl.SSLError: Reason.TLS,
    ValueError: Reason.CONFIG,
    UnicodeError: Reason.CONFIG,
}
"""What comes for each; a class that the library gains makes the first test fail."""

ELSEWHERE = {aiohttp.WSMessageTypeError}
"""A mistake in using web sockets, which are not used."""


def known_exceptions() -> set[type[BaseException]]:
    """Return every exception class of the client and of the HTTP parser."""
    return {
        each
        for module in (client_exceptions, http_exceptions)
        for each in vars(module).values()
        if inspect.isclass(each) and issubclass(each, BaseException) and each.__module__ == module.__name__
    }


def make(kind: type[BaseException]) -> Exception:
    """Build an exception of the library as the library does."""
    arguments: tuple[Any, ...] = ("text of the server",)
    if issubclass(kind, aiohttp.ClientResponseError):
        arguments = (REQUEST_INFO, ())
    elif issubclass(kind, client_exceptions.UnixClientConnectorError):
        arguments = ("/path", KEY, OSError(111, "Connection refused"))
    elif issubclass(kind, aiohttp.ClientConnectorError):
        arguments = (KEY, OSError(111, "Connection refused"))
    elif issubclass(kind, aiohttp.ServerFingerprintMismatch):
        arguments = (b"", b"", "dli.example.com", 443)
    elif issubclass(kind, http_exceptions.HttpProcessingError) and kind.__init__ is (
        http_exceptions.HttpProcessingError.__init__
    ):
        arguments = ()
    elif issubclass(kind, http_exceptions.LineTooLong):
        arguments = ("text of the server", 8190)
    error = kind(*arguments)
    assert isinstance(error, Exception)
    return error


def test_every_exception_of_the_library_is_in_the_table() -> None:
    assert known_exceptions() - set(REASONS) - ELSEWHERE == set()


@pytest.mark.parametrize("kind", REASONS, ids=lambda kind: kind.__name__)
def test_an_exception_becomes_a_reason_and_a_sentence(kind: type[BaseException]) -> None:
    error = make(kind)

    assert isinstance(error, CAUGHT)
    found = network_error(error, WAY)
    assert found.reason is REASONS[kind]
    assert "dli.example.com" in found.sentence
    assert ";" in found.sentence
    assert "text of the server" not in found.sentence


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        pytest.param(ssl.SSLError(1, "alert"), Reason.TLS, id="TLS that broke after the handshake"),
        pytest.param(http_exceptions.TransferEncodingError("x"), Reason.UNREACHABLE, id="a broken chunk"),
        pytest.param(aiohttp.ServerDisconnectedError(), Reason.UNREACHABLE, id="a lost connection"),
    ],
)
def test_the_cause_tells_the_reason(cause: Exception, reason: Reason) -> None:
    error = aiohttp.ClientError()
    error.__cause__ = cause

    assert network_error(error, WAY).reason is reason


@pytest.mark.parametrize(
    ("status", "reason"),
    [(407, Reason.CONFIG), (403, Reason.CONFIG), (502, Reason.UNREACHABLE), (503, Reason.UNREACHABLE)],
)
def test_a_proxy_that_refuses_is_named(status: int, reason: Reason) -> None:
    found = proxy_refusal(status, WAY)

    assert found.reason is reason
    assert "proxy.example.com" in found.sentence
    assert f"HTTP {status}" in found.sentence
