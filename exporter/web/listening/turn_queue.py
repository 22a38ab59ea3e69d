"""A fair queue for expensive work: a flood, from few addresses or many, does not keep another address out."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NamedTuple

from exporter.web.listening.origins import Asked, origin_of


class BusyError(Exception):
    """So many wait for a turn that this one waits no longer."""


class _Waiting(NamedTuple):
    origin: str
    turn: asyncio.Future[None]


class TurnQueue:
    """Gives turns, first to the address that has asked least since there was nothing to do.

    There are *at_once* turns and *places* for those who wait and those whose turn it is. One address may have
    *own_turns* and *own_places* of them: what it has more would only wait for itself.
    """

    def __init__(self, *, at_once: int, places: int, own_turns: int, own_places: int) -> None:
        self._at_once, self._places = at_once, places
        self._own_turns, self._own_places = own_turns, own_places
        self._waiting: list[_Waiting] = []
        self._under_way: list[_Waiting] = []
        self._asked = Asked()

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """Provide a turn; raises :class:`BusyError` if there is no place for one, or no more."""
        waiting = _Waiting(origin_of(address), asyncio.get_running_loop().create_future())
        self._admit(waiting.origin)
        self._asked.add(waiting.origin)
        self._waiting.append(waiting)
        self._give_turns()
        try:
            await waiting.turn
            yield
        finally:
            if waiting in self._under_way:
                self._under_way.remove(waiting)
            elif waiting in self._waiting:  # whoever asked has left
                self._waiting.remove(waiting)
            self._give_turns()
            if not self._under_way:
                self._asked.forget()

    def _admit(self, origin: str) -> None:
        there = [each.origin for each in (*self._under_way, *self._waiting)]
        if there.count(origin) >= self._own_places:
            raise BusyError
        if len(there) >= self._places:
            other = max(self._patient(), key=lambda each: self._asked[each.origin], default=None)
            if other is None or self._asked[other.origin] <= self._asked[origin] + 1:
                raise BusyError
            self._waiting.remove(other)
            other.turn.set_exception(BusyError())

    def _patient(self) -> list[_Waiting]:
        """Return who waits and has not left."""
        return [each for each in self._waiting if not each.turn.done()]

    def _give_turns(self) -> None:
        while len(self._under_way) < self._at_once:
            busy = [each.origin for each in self._under_way]
            ready = [each for each in self._patient() if busy.count(each.origin) < self._own_turns]
            if not ready:
                break
            following = min(ready, key=lambda each: self._asked[each.origin])
            self._waiting.remove(following)
            self._under_way.append(following)
            following.turn.set_result(None)
