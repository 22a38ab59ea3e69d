"""NO_PROXY with the rules of curl and Go: names including their subdomains, addresses, networks, ports, and ``*``."""

import re
from functools import lru_cache
from ipaddress import ip_address, ip_network
from typing import Final

_SEPARATORS: Final = re.compile(r"[\s,]+")
_PORT: Final = re.compile(r"(\[[^\]]*\]|[^:]*):([0-9]+)")


@lru_cache(maxsize=256)
def is_direct(authority: str, port: int, no_proxy: str) -> bool:
    """Return whether *no_proxy*, the variable's value, names the host of *authority*; *port* is the one called."""
    host = _bare(authority)
    entries = [entry for entry in _SEPARATORS.split(no_proxy.lower()) if entry]
    return any(_names(entry, host, port) for entry in entries)


def _names(entry: str, host: str, port: int) -> bool:
    if entry == "*":
        return True
    with_port = _PORT.fullmatch(entry)
    if with_port and int(with_port[2]) != port:
        return False
    name = _bare(entry)
    try:
        address = ip_address(host)
    except ValueError:
        # `*.name` and `.name` leave no doubt that names below are meant; plain names mean these as well
        if name.startswith("*."):
            return host.endswith(name[1:])
        domain = name.lstrip(".")
        return bool(domain) and (host == domain or host.endswith(f".{domain}"))
    try:
        return address in ip_network(name, strict=False)
    except ValueError:
        return False  # a name, which an address never is


def _bare(authority: str) -> str:
    """Return the host without a port, brackets, a zone and a dot at its end."""
    if with_port := _PORT.fullmatch(authority):
        authority = with_port[1]
    return authority.strip("[]").partition("%")[0].rstrip(".").lower()
