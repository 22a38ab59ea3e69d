"""Every network failure as a reason and a sentence that names the host and the remedy."""

import ssl
from collections.abc import Iterator
from typing import Final, NamedTuple

import aiohttp
from aiohttp.http import HttpProcessingError
from aiohttp.http_exceptions import BadHttpMessage, PayloadEncodingError

from exporter.cloud.connection import ExcessError, PackedError, TooLongError, UnaskedError
from exporter.model.errors import PollError
from exporter.model.reason import Reason


class Way(NamedTuple):
    """What a sentence says of the call that failed."""

    host: str
    seconds: float
    """The timeout of the call."""
    proxy: str = ""
    """Host of the proxy, if there is one."""
    answered: bool = False
    """Whether the headers of the answer had come."""


CAUGHT: Final = (aiohttp.ClientError, HttpProcessingError, OSError, ValueError)
"""All that the libraries below raise. ``TimeoutError`` and ``ssl.SSLError`` are of ``OSError``; ``ValueError`` is what
comes for a header, a host name or an address that cannot be written."""

DROPPED: Final = (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError)
"""What a connection raises that the other side had closed."""

_TABLE: Final[tuple[tuple[tuple[type[Exception], ...], Reason, str], ...]] = (
    # The most specific first.
    (
        (TooLongError,),
        Reason.PAYLOAD,
        "the answer of {host} is longer than any that can be meant; check projects.<name>.endpoints",
    ),
    (
        (ExcessError,),
        Reason.PAYLOAD,
        "the answer of {host} has too many headers, interim answers or chunks; check any proxy on the way",
    ),
    (
        (PackedError,),
        Reason.PAYLOAD,
        "what {host} answered cannot be unpacked; check any proxy on the way",
    ),
    (
        (UnaskedError,),
        Reason.PAYLOAD,
        "{host} sent something before it was asked; check projects.<name>.endpoints and any proxy on the way",
    ),
    (
        (aiohttp.ClientSSLError, aiohttp.ServerFingerprintMismatch, ssl.SSLError),
        Reason.TLS,
        (
            "no trusted TLS connection to {host}: {why}; check the name and dates of its certificate; a private"
            " authority goes into projects.<name>.ca_file"
        ),
    ),
    (
        (aiohttp.ClientProxyConnectionError,),
        Reason.UNREACHABLE,
        "cannot reach the proxy {proxy} on the way to {host}: {why}; check projects.<name>.proxy or HTTPS_PROXY",
    ),
    (
        (aiohttp.ClientConnectorDNSError,),
        Reason.UNREACHABLE,
        "no address is known for {host}; check the region, projects.<name>.endpoints and the DNS",
    ),
    (
        (aiohttp.InvalidURL, aiohttp.NonHttpUrlClientError, aiohttp.RedirectClientError),
        Reason.CONFIG,
        "the address of {host} cannot be called; check projects.<name>.endpoints",
    ),
    (
        (aiohttp.ClientPayloadError, PayloadEncodingError),
        Reason.UNREACHABLE,
        "the answer of {host} broke off; check the network and any proxy on the way",
    ),
    (
        (aiohttp.ClientResponseError, HttpProcessingError),
        Reason.PAYLOAD,
        "what {host} answered is not HTTP as we can read it; check projects.<name>.endpoints and any proxy on the way",
    ),
    (
        (aiohttp.ServerDisconnectedError, ConnectionResetError),
        Reason.UNREACHABLE,
        "{host} closed the connection without an answer; check the network and any proxy on the way",
    ),
    (
        (aiohttp.ClientError, OSError),
        Reason.UNREACHABLE,
        "cannot connect to {host}: {why}; check the network and projects.<name>.endpoints",
    ),
    (
        (ValueError,),
        Reason.CONFIG,
        "a call to {host} cannot be written; check projects.<name>.endpoints, project_id and proxy",
    ),
)


def network_error(error: Exception, way: Way) -> PollError:
    """Return what to raise ``from`` *error*, one of :data:`CAUGHT`."""
    chain = list(_chain(error))
    if isinstance(chain[0], TimeoutError):
        return PollError(Reason.TIMEOUT, _late(way))
    if isinstance(chain[0], aiohttp.ClientHttpProxyError):
        return proxy_refusal(chain[0].status, way)
    # TLS that fails after the handshake comes as a plain connection error that TLS is only the cause of.
    broken = next((each for each in chain if isinstance(each, ssl.SSLError)), chain[0])
    if any(map(_in_body, chain)):
        broken = aiohttp.ClientPayloadError()
    for kinds, reason, sentence in _TABLE:
        if isinstance(broken, kinds):
            return PollError(reason, sentence.format(host=way.host, proxy=way.proxy, why=_why(broken)))
    raise AssertionError(f"no rule for {type(error).__name__}") from error


def proxy_refusal(status: int, way: Way) -> PollError:
    """Return what to raise if the proxy on the way answered *status* itself."""
    if status == 407:
        remedy = "it wants a user and a password: set projects.<name>.proxy to http://user:password@host:port"
        return PollError(Reason.CONFIG, f"the proxy {way.proxy} refused the way to {way.host} (HTTP 407); {remedy}")
    if status >= 500:
        sentence = f"the proxy {way.proxy} cannot reach {way.host} (HTTP {status}); check its network and its DNS"
        return PollError(Reason.UNREACHABLE, sentence)
    sentence = f"the proxy {way.proxy} refused the way to {way.host} (HTTP {status}); allow the host there"
    return PollError(Reason.CONFIG, sentence)


def _late(way: Way) -> str:
    remedy = "check the network or raise poll.timeout"
    if way.answered:
        return f"{way.host} began to answer, but the answer was not whole after {way.seconds:g} s; {remedy}"
    return f"{way.host} did not begin to answer within {way.seconds:g} s; {remedy}"


def _chain(error: BaseException) -> Iterator[BaseException]:
    """Yield what failed and its causes."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__


def _in_body(error: BaseException) -> bool:
    """Whether the parser stumbled in the body: one fault must not have two reasons, by how it was cut into packets.

    The compiled parser has no class of its own for a broken chunk, but names it in the first line of its message.
    """
    if isinstance(error, BadHttpMessage):
        return isinstance(error, PayloadEncodingError) or "chunk" in error.message.partition("\n")[0].lower()
    return False


def _why(error: BaseException) -> str:
    """Return the operating system's or OpenSSL's own words; never the server's."""
    inner = error.certificate_error if isinstance(error, aiohttp.ClientConnectorCertificateError) else error
    if isinstance(inner, ssl.SSLCertVerificationError):
        return inner.verify_message
    if isinstance(inner, ssl.SSLError) and (reason := getattr(inner, "reason", None)):
        return str(reason).lower().replace("_", " ")
    return (isinstance(inner, OSError) and inner.strerror) or type(inner).__name__
