"""Groups the addresses of one machine, and finds the group with the fewest requests."""

from collections import Counter
from functools import lru_cache
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final

_REMEMBERED: Final = 1000
"""Origins of which is known how often they asked; with more of them all counts start from zero."""
_PREFIX: Final = 64
"""Bits of an IPv6 address that its network gave it; the others a machine chooses as it likes."""


@lru_cache(maxsize=1024)
def origin_of(address: str) -> str:
    """Return what stands for all addresses of one machine: of IPv6 its network."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:  # a socket that is a file
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Network((parsed, _PREFIX), strict=False))


class Asked:
    """How often each origin asked since there was last nothing to do."""

    def __init__(self) -> None:
        self._times: Counter[str] = Counter()

    def __getitem__(self, origin: str) -> int:
        return self._times[origin]

    def add(self, origin: str) -> None:
        """Note that it asked once more."""
        if len(self._times) > _REMEMBERED:
            self._times.clear()
        self._times[origin] += 1

    def forget(self) -> None:
        """Note that there is nothing to do."""
        self._times.clear()
