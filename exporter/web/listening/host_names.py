"""Host names and origins from which browsers may use the exporter.

The owner of a web site can let a name resolve to this machine (DNS rebinding). A browser then treats both as one site,
and lets that site's page read the jobs and reload the configuration; the requests carry that name. So page, JSON and
POST answer only to known names. An IP address instead of a name is always accepted: nobody else can make it resolve
elsewhere, and behind NAT or a published port the exporter does not know its own addresses.
"""

import re
import socket
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final
from urllib.parse import urlsplit

from exporter.config.web_settings import Web

SCRAPED: Final = frozenset({"/metrics", "/-/healthy", "/-/ready"})
"""What scrapers and probes ask for, by whatever name they know."""
READING: Final = frozenset({"GET", "HEAD"})
_AUTHORITY: Final = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::[0-9]*)?")
_SHOWN: Final = 100
"""Characters of a name that are repeated."""


@dataclass(frozen=True)
class Refused:
    """Why a request is not answered."""

    status: int
    text: str


@dataclass(frozen=True)
class HostNames:
    """The names besides loopback ones and addresses, and the site that people see where a proxy has another name."""

    names: frozenset[str] = frozenset()
    site: str = ""

    @classmethod
    def of(cls, settings: Web) -> "HostNames":
        """Return the names that the settings allow, and the machine's own."""
        external = urlsplit(settings.external_url or "")
        names = {socket.gethostname(), external.hostname or "", *settings.allowed_hosts}
        return cls(frozenset(map(_canonical, names)) - {""}, external.netloc.lower())

    def refused(self, method: str, path: str, hosts: Iterable[str], headers: Mapping[str, str]) -> Refused | None:
        """Return why a request is not answered; *hosts* are the names that it carries, each with a port or without."""
        if method in READING and path in SCRAPED:
            return None
        for host in hosts:
            if not self._known(host):
                return Refused(
                    421,
                    f"{host[:_SHOWN]!r} is not a name of this exporter; to reach it by that name put it into"
                    " web.allowed_hosts (EXPORTER_WEB__ALLOWED_HOSTS), or set web.external_url\n",
                )
        if method not in READING and self._of_another_site(hosts, headers):
            return Refused(
                403,
                "a page of another site may not do this; if it is the exporter's own page behind a"
                " proxy, set web.external_url\n",
            )
        return None

    def _known(self, host: str) -> bool:
        match = _AUTHORITY.fullmatch(host)
        if match is None:
            return False
        name = _canonical(match[1])
        # no browser sends an empty one, and nobody else resolves what ends in .localhost (RFC 6761, section 6.3)
        return name in {"", "localhost", *self.names} or name.endswith(".localhost") or _is_address(name)

    def _of_another_site(self, hosts: Iterable[str], headers: Mapping[str, str]) -> bool:
        """Whether a browser sends this for a page of another site. What is no browser says neither header."""
        if headers.get("Sec-Fetch-Site", "none") not in {"same-origin", "none"}:
            return True
        origin = headers.get("Origin")
        own = {*(host.lower() for host in hosts), self.site} - {""}
        return origin is not None and origin.partition("://")[2].lower() not in own


def _canonical(name: str) -> str:
    """Return *name* as it is compared: case and a dot at the end make no difference."""
    return name.lower().removesuffix(".")


def _is_address(name: str) -> bool:
    try:
        ip_address(name.strip("[]"))
    except ValueError:
        return False
    return True
