"""Whose password is checked next: a flood of wrong ones, from few addresses or many, keeps no other address out."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from ipaddress import IPv6Address, IPv6Network, ip_address
from typing import Final, NamedTuple

MOST_WAITING: Final = 16
"""Checks that may wait, or be under way."""
AT_ONCE: Final = 2
"""Checks under way, each of another address: so a flood from one address delays no login from another by its own. As
the library lets go of Python's lock meanwhile, both take no longer than one where there are two processors."""
OF_ONE_ADDRESS: Final = 4
"""How many checks one address may have waiting, or under way, so that a flood from there leaves room for others."""
_REMEMBERED: Final = 1000
"""Addresses of which is known how often they asked; with more of them all begin anew."""
_PREFIX: Final = 64
"""Bits of an IPv6 address that its network gave it; the others a machine chooses as it likes."""


class BusyError(Exception):
    """So many passwords wait to be checked that this one was not."""


class _Waiting(NamedTuple):
    address: str
    turn: asyncio.Future[None]


class PasswordQueue:
    """Gives turns, first to the address that has asked least since there was nothing to do."""

    def __init__(self) -> None:
        self._waiting: list[_Waiting] = []
        self._under_way: list[str] = []
        self._asked: Counter[str] = Counter()

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Provide a turn; raises :class:`BusyError` if there is no place for one, or no more."""
        address = _origin(address)
        self._admit(address)
        self._asked[address] += 1
        waiting = _Waiting(address, asyncio.get_running_loop().create_future())
        self._waiting.append(waiting)
        self._give_turns()
        await waiting.turn
        try:
            yield
        finally:
            self._under_way.remove(address)
            self._give_turns()
            if not self._under_way or len(self._asked) > _REMEMBERED:
                self._asked.clear()

    def _admit(self, address: str) -> None:
        there = [*self._under_way, *(each.address for each in self._waiting)]
        if there.count(address) >= OF_ONE_ADDRESS:
            raise BusyError
        if len(there) >= MOST_WAITING:
            other = max(self._waiting, key=lambda each: self._asked[each.address])
            if self._asked[other.address] <= self._asked[address] + 1:
                raise BusyError
            self._waiting.remove(other)
            other.turn.set_exception(BusyError())

    def _give_turns(self) -> None:
        while len(self._under_way) < AT_ONCE:
            ready = [each for each in self._waiting if each.address not in self._under_way]
            if not ready:
                break
            following = min(ready, key=lambda each: self._asked[each.address])
            self._waiting.remove(following)
            self._under_way.append(following.address)
            following.turn.set_result(None)


def _origin(address: str) -> str:
    """Return what stands for all addresses of one machine: of IPv6 its network."""
    try:
        parsed = ip_address(address.partition("%")[0])
    except ValueError:  # a socket that is a file
        return address
    if not isinstance(parsed, IPv6Address):
        return str(parsed)
    return str(parsed.ipv4_mapped or IPv6Network((parsed, _PREFIX), strict=False))
