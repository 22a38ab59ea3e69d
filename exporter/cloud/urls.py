"""URLs of endpoints as the HTTP client and the signature need them, and the proxy for them."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.request import getproxies_environment

from yarl import URL

from exporter.cloud.no_proxy import is_direct
from exporter.model.errors import PollError
from exporter.model.reason import Reason

_SCHEMES: Final = ("http", "https")


@dataclass(frozen=True, slots=True)
class Base:
    """A base URL, taken apart."""

    scheme: str
    host: str
    """For sentences."""
    authority: str
    """What the ``Host`` header will be: in lower case, with the port if it is not the scheme's own."""
    prefix: str
    """The path before every request's own; percent-encoded, no slash at its end."""
    root: URL
    """Scheme and authority: what a call adds its path to, as it is."""


@lru_cache(maxsize=256)
def base_of(base_url: str) -> Base:
    """Take a base URL apart; raises :class:`PollError` of reason ``config`` if no call can be made to it."""
    remedy = "set projects.<name>.endpoints to URLs such as https://dli.cn-north-4.myhuaweicloud.com"
    try:
        url = URL(base_url)
        authority = url.host_port_subcomponent
    except ValueError as error:
        # The text itself is not repeated: it may hold a password.
        raise PollError(Reason.CONFIG, f"an endpoint is not a URL; {remedy}") from error
    if url.scheme not in _SCHEMES or not url.host or not authority:
        raise PollError(Reason.CONFIG, f"an endpoint is not an http or https URL; {remedy}")
    if url.raw_user is not None or url.raw_password is not None or url.raw_query_string or url.raw_fragment:
        raise PollError(
            Reason.CONFIG, f"the endpoint with host {url.host} holds more than scheme, host, port and path; {remedy}"
        )
    root = URL(f"{url.scheme}://{authority}", encoded=True)
    return Base(url.scheme, url.host, authority, url.raw_path.rstrip("/"), root)


def proxy_for(base: Base, given: str | None) -> URL | None:
    """Return the proxy to use: the one *given*, else that of HTTPS_PROXY unless NO_PROXY names the host.

    If *given* is empty there is none, whatever the environment says.

    The environment counts for https only: plain http goes to loopback and link-local addresses, which a proxy cannot
    reach. Raises :class:`PollError` of reason ``config`` if the proxy is none that can be used.
    """
    text = _from_environment(base) if given is None else given
    if not text:
        return None
    source = "projects.<name>.proxy" if given else "HTTPS_PROXY"
    try:
        # Other tools take a bare host and port, so the variable often holds that.
        proxy = URL(text if "://" in text else f"http://{text}")
    except ValueError as error:
        raise PollError(Reason.CONFIG, f"{source} is not a URL; write it like http://proxy:3128") from error
    if proxy.scheme not in _SCHEMES or not proxy.host:
        raise PollError(Reason.CONFIG, f"{source} is not an http or https URL; write it like http://proxy:3128")
    return proxy


def _from_environment(base: Base) -> str:
    if base.scheme != "https":
        return ""
    proxies: Mapping[str, str] = getproxies_environment()
    port = URL(f"{base.scheme}://{base.authority}").port or 0
    if is_direct(base.authority, port, proxies.get("no", "")):
        return ""
    return proxies.get("https", "")


def redirect_target(location: str, base: Base) -> str:
    """Return the host that a Location header names, and nothing else of it: the rest may hold what is secret."""
    try:
        host = URL(location).raw_host
    except ValueError:
        return "an invalid address"
    return host[:253] if host and host.isascii() and host.isprintable() else base.host
