"""Validation of addresses: listen addresses, endpoints of the vendor, and proxies."""

import re
from ipaddress import ip_address
from typing import Final
from urllib.parse import SplitResult, urlsplit

from exporter.model.messages import Expected

_LISTEN: Final = re.compile(r"(?:\[(?P<v6>[0-9A-Fa-f:.]+)\]|(?P<host>[A-Za-z0-9._-]*)):(?P<port>[0-9]{1,5})")

_METRICS: Final = "/v1/metrics"
"""Where OTLP over HTTP takes metrics, below the address of the receiver."""
_NAME: Final = re.compile(r"[A-Za-z0-9_]([A-Za-z0-9_.-]*[A-Za-z0-9_])?\.?")


def split_listen(text: str) -> tuple[str, int]:
    """Return host and port; an empty host is every interface. Raises ``ValueError``."""
    expected = Expected("host:port such as 0.0.0.0:10926, [::1]:10926 or :10926", text)
    match = _LISTEN.fullmatch(text)
    if match is None or int(match["port"]) > 65535:
        raise expected
    host = match["v6"] or match["host"]
    if match["v6"] or (host and not host.strip("0123456789.")):
        try:
            ip_address(host)
        except ValueError:
            raise expected from None
    return host, int(match["port"])


def listen(text: str) -> str:
    """Return *text* if it is host:port. Raises ``ValueError``."""
    split_listen(text)
    return str(text)


def host_name(text: str) -> str:
    """Return *text* if it is a name by which the exporter may be reached. Raises ``ValueError``."""
    try:
        ip_address(text.strip("[]"))
    except ValueError:
        if not _NAME.fullmatch(text):
            raise Expected("a name such as exporter.example.com, without scheme and port", text) from None
    return str(text)


def external(text: str) -> str:
    """Return the URL at which people reach the page. Raises ``ValueError``."""
    url = _url(text, ("https", "http"), "a URL such as https://jobs.example.com")
    if url.query or url.fragment or "?" in text or "#" in text:
        raise ValueError("expected a URL without a query")
    return str(text)


def endpoint_url(text: str, what: str = "a URL such as https://dli.example.com") -> str:
    """Return the URL of a service without a slash at its end. Raises ``ValueError``."""
    url = _url(text, ("https", "http"), what)
    if url.scheme == "http" and not _is_loopback(url.hostname or ""):
        raise ValueError("expected https; http is for loopback addresses only")
    if url.path.strip("/") or url.query or url.fragment or "?" in text or "#" in text:
        raise ValueError("expected only scheme, host and port; no path and no query")
    return str(text).rstrip("/")


def pushgateway_url(text: str) -> str:
    """Return the URL of a Pushgateway without a slash at its end. Raises ``ValueError``."""
    return endpoint_url(text, "a URL such as https://pushgateway.example.com")


def otlp_url(text: str) -> str:
    """Return the URL to which metrics are posted by OTLP, at a receiver of that address. Raises ``ValueError``."""
    url = _url(text, ("https", "http"), "a URL such as https://collector.example.com:4318")
    if url.scheme == "http" and not _is_loopback(url.hostname or ""):
        raise ValueError("expected https; http is for loopback addresses only")
    if url.query or url.fragment or "?" in text or "#" in text:
        raise ValueError("expected a URL without a query")
    return str(text).rstrip("/").removesuffix(_METRICS) + _METRICS


def agent(text: str) -> str:
    """Return the URL of what hands out keys to a pod, which may be on a link-local address. Raises ``ValueError``."""
    url = _url(text, ("https", "http"), "a URL such as http://169.254.1.1/v1/credentials")
    if url.scheme == "http" and not _is_loopback(url.hostname or "") and not _is_link_local(url.hostname or ""):
        raise ValueError("expected https; http is for loopback and link-local addresses only")
    return str(text)


def proxy(text: str) -> str:
    """Return the URL of a proxy, which may hold a user and a password. Raises ``ValueError``."""
    _url(text, ("http", "https"), "a URL such as http://proxy:3128", user=True)
    return str(text)


def _is_loopback(host: str) -> bool:
    """Whether *host* is this machine: 127.0.0.0/8, ::1 or localhost."""
    if host.lower() == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _is_link_local(host: str) -> bool:
    try:
        return ip_address(host).is_link_local
    except ValueError:
        return False


def _url(text: str, schemes: tuple[str, ...], what: str, *, user: bool = False) -> SplitResult:
    # what stands before an @ may be a password
    expected = ValueError(f"expected {what}") if "@" in text else Expected(what, text)
    try:
        url = urlsplit(text)
        port = url.port
    except ValueError:
        raise expected from None
    if url.scheme not in schemes or not url.hostname or port == 0 or not text.isascii() or " " in text:
        raise expected
    if not text.isprintable() or "\\" in text:
        raise expected
    if "@" in url.netloc and not user:
        raise ValueError("expected a URL without a user and a password; those belong under credentials")
    return url
