"""Limits the number of connections and their durations, so that no client can keep scrapers out.

A connection *waits* for a request or is *busy* with a response. If there are too many, the one that has waited longest
is closed: a client that wants something sends its request at once, and a scraper opens another connection if its idle
one was closed. So silent connections keep nobody out, whatever their addresses are. Among connections that arrived
within the last second, one is closed that visibly does not request a scrape, of the address with the most such
connections. Clients that do not read their response are closed too, and then those whose response is not a scrape. At
most three quarters of the connections may be busy: beyond that the client that has read nothing for the longest time is
closed at once, so there is always room for new ones.
"""

import asyncio
import resource
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator
from operator import itemgetter
from typing import Final

import structlog

from exporter.memory import give_back
from exporter.web.listening.slots import Asks, Slot

HEAD_WITHIN: Final = 10.0
"""Seconds in which the head of a request must be complete, with TLS's handshake: a scraper's comes in one packet."""
IDLE_FOR: Final = 60.0
"""Seconds that a connection is kept for the next request: longer than most scrape intervals."""
READ_WITHIN: Final = 30.0
"""Seconds in which a client must have read something of what is sent to it; TCP itself has tried again six times."""
ASKS_WITHIN: Final = 1.0
"""Seconds in which a client that wants something sends its request: a round trip over any network."""
ROOM_AFTER: Final = 0.5
"""Seconds in which a client that wants an answer has read something of it: longer than TCP waits for a lost packet."""
_READS_ALL_WITHIN: Final = 5.0
"""Seconds in which a client has read a whole answer, before it may be closed because memory is short."""
HELD_MOST: Final = 16 * 1024 * 1024
"""Bytes of answers, made at different times, that clients have not read yet."""
HELD_LEAST: Final = 4
"""Answers of the same length that there may be however long they are."""
_MANY: Final = 32
"""Connections whose buffers are worth giving back once most of them are gone."""
_LOOK: Final = 1.0
"""Seconds between two looks at how long connections take."""
_TELL: Final = 60.0
"""Seconds between two lines of the log about the same."""
_LOW_FOR: Final = 60.0
"""Seconds for which there may be fewer connections after there were no open files left."""
_OWN_DESCRIPTORS: Final = 64
"""Open files besides connections and calls to the cloud: log, journal, watched files, listening sockets, and so on."""
_CALL_DESCRIPTORS: Final = 4
"""For each call that may be under way: its own connection, and kept ones to the hosts of other services."""
_LEAST: Final = 8
"""Connections that there may be at the least: some scrapers and a person."""

LIMIT, SLOW_REQUEST, SLOW_READER, DESCRIPTORS = REASONS = ("limit", "slow_request", "slow_reader", "descriptors")
"""Why a connection is closed by us before its client is done with it."""


class _Told:
    """How often something happened since it was last logged."""

    def __init__(self) -> None:
        self._times = 0
        self._next = 0.0

    def times(self, now: float) -> int:
        """Note that it happened, and return how often if that is to be logged now: once a minute at most."""
        self._times += 1
        if now < self._next:
            return 0
        self._next, times, self._times = now + _TELL, self._times, 0
        return times


class Connections:
    """All connections of the web side, at most *limit*; *closed* is called with the reason of each that is closed."""

    def __init__(
        self,
        limit: int = 256,
        closed: Callable[[str], None] = lambda reason: None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.limit = limit
        self.now = monotonic
        self._closed = closed
        self._waiting: dict[Slot, None] = {}  # the longest first
        self._busy: dict[Slot, None] = {}  # the longest first
        self._low, self._low_until = limit, 0.0
        self._too_many, self._none_accepted = _Told(), _Told()
        self._looking: asyncio.TimerHandle | None = None
        self._most_lately = 0
        self._log = structlog.get_logger()

    def __len__(self) -> int:
        return len(self._waiting) + len(self._busy)

    def allow(self, wanted: int, calls: int) -> None:
        """Allow as many connections as are *wanted*, or what open files there may be beside *calls* to the cloud."""
        files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
        spare = files - _OWN_DESCRIPTORS - _CALL_DESCRIPTORS * calls
        before, self.limit = self.limit, min(wanted, max(_LEAST, spare)) if files != resource.RLIM_INFINITY else wanted
        if before != self.limit < wanted:
            self._log.warning(
                "fewer connections allowed",
                connections_allowed=self.limit,
                connections_configured=wanted,
                open_files_allowed=files,
                problem="raise the limit of open files (LimitNOFILE of systemd, ulimit -n), or set web.max_connections",
            )

    @property
    def most(self) -> int:
        """How many there may be now."""
        return self.limit if self.now() >= self._low_until else min(self._low, self.limit)

    def admit(self, origin: str = "", asks: Asks = Asks.NOTHING) -> Slot | None:
        """Return the place of a new connection; ``None`` if there is none, and no other can make room.

        *origin* stands for the addresses of its client; *asks* is what it is seen to ask for.
        """
        if len(self) >= self.most and not self._make_room(LIMIT):
            self._count(LIMIT)
            return None
        slot = Slot(self, self.now(), origin, asks)
        self._waiting[slot] = None
        self._most_lately = max(self._most_lately, len(self))
        if self._looking is None:
            self._look_again()
        return slot

    def cannot_accept(self, error: str) -> None:
        """Note that there is no open file for another one, and do with a quarter fewer: polls need files too."""
        self._low, self._low_until = max(_LEAST, len(self) * 3 // 4), self.now() + _LOW_FOR
        while len(self) > self._low and self._make_room(DESCRIPTORS):
            pass
        if times := self._none_accepted.times(self.now()):
            self._log.warning("connections cannot be accepted", error=error, connections=len(self), times=times)

    def changed(self, slot: Slot, *, busy: bool) -> None:
        """Put a connection at the end of those that wait, or are busy."""
        if slot in self._waiting or slot in self._busy:
            self._waiting.pop(slot, None)
            self._busy.pop(slot, None)
            (self._busy if busy else self._waiting)[slot] = None
            slot.since, slot.head_since, slot.held = self.now(), None, (None, 0)
            if busy and (unread := self._unread(self.now())) and self._too_many_busy:
                self._end(unread[0], LIMIT)

    def make_room_for(self, slot: Slot) -> None:
        """Close clients that read slowly until what all have not read fits into memory beside what *slot* holds."""
        most = max(HELD_MOST, HELD_LEAST * slot.held[1])
        now = self.now()
        while sum(dict(each.held for each in self._busy).values()) > most:
            slow = [each for each in self._unread(now) if each.unread_for(now) >= ROOM_AFTER]
            slow += [each for each in self._busy if now - each.since >= _READS_ALL_WITHIN]
            victim = next((each for each in slow if each.held[1] and each is not slot), None)
            if victim is None:
                break
            self._end(victim, SLOW_READER)

    def forget(self, slot: Slot) -> None:
        """Note that a connection is gone."""
        self._waiting.pop(slot, None)
        self._busy.pop(slot, None)

    def _make_room(self, reason: str) -> bool:
        victim = next(self._victims(self.now()), None)
        if victim is not None:
            self._end(victim, reason)
        return victim is not None

    def _victims(self, now: float) -> Iterator[Slot]:
        """Yield connections that may be closed for another one, and whom that hurts least first."""
        patient = [slot for slot in self._waiting if now - slot.since >= ASKS_WITHIN]
        crowd = _of_a_crowd(self._waiting)
        if len(crowd) > self.most // 2:
            yield from (slot for slot in crowd if now - slot.since >= ASKS_WITHIN)
            yield from _by_what_they_ask(crowd)
        yield from patient
        grace = 0.0 if self._too_many_busy else ROOM_AFTER
        yield from (slot for slot in self._unread(now) if slot.unread_for(now) >= grace)
        yield from _by_what_they_ask(self._waiting)
        yield from self._waiting
        yield from (slot for slot in self._busy if slot.asks is not Asks.SCRAPE)

    @property
    def _too_many_busy(self) -> bool:
        return len(self._busy) > self.most - self.most // 4

    def _unread(self, now: float) -> list[Slot]:
        """Return the busy ones whose clients read nothing, the longest first."""
        seconds = {slot: slot.unread_for(now) for slot in self._busy}
        return sorted((slot for slot in seconds if seconds[slot] > 0), key=seconds.__getitem__, reverse=True)

    def _end(self, slot: Slot, reason: str) -> None:
        self.forget(slot)
        slot.abort()
        self._count(reason)

    def _count(self, reason: str) -> None:
        self._closed(reason)
        if reason == LIMIT and (times := self._too_many.times(self.now())):
            self._log.warning("too many connections", connections_allowed=self.most, times=times)

    def _look_again(self) -> None:
        self._looking = asyncio.get_running_loop().call_later(_LOOK, self.look)

    def look(self) -> None:
        """End each connection that takes too long, and look again while there are any."""
        self._looking = None
        if len(self):
            self._look_again()
        now = self.now()
        for slot in [*self._waiting, *self._busy]:
            if slot.unread_for(now) >= READ_WITHIN:
                self._end(slot, SLOW_READER)
            elif slot.head_since is not None and now - slot.head_since >= HEAD_WITHIN:
                self._end(slot, SLOW_REQUEST)
            elif slot in self._waiting and now - slot.since >= IDLE_FOR:
                self.forget(slot)
                slot.abort()
        if self._most_lately >= _MANY > 4 * len(self):
            self._most_lately = len(self)
            give_back()


def _by_what_they_ask(slots: Collection[Slot]) -> Iterator[Slot]:
    """Yield those that ask for no scrape, of the address that has most; first those seen to ask at all."""
    for asks in (Asks.OTHER, Asks.NOTHING):
        yield from _of_a_crowd([slot for slot in slots if slot.asks is asks])


def _of_a_crowd(slots: Collection[Slot]) -> list[Slot]:
    """Return those of the address that has most of them."""
    crowd, _ = max(Counter(slot.origin for slot in slots).items(), key=itemgetter(1), default=("", 0))
    return [slot for slot in slots if slot.origin == crowd]
