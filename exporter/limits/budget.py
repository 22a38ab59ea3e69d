"""The rate of one limit class: never more than 60 x N calls in any 60 seconds, bursts included.

The rate is lowered when the vendor refuses calls as too many (429). The limit is per user, so other tools of the same
user may use it up although we keep to N. After a refusal no call starts for a while, and then fewer: half of the rate
for each refusal, and slowly more again (additive increase, multiplicative decrease, as in TCP). Nothing reports how
many calls the others make, and this method converges to what they leave.
"""

import heapq
import math
from collections import deque
from collections.abc import Collection, Hashable, Iterator
from itertools import count
from typing import Final, NamedTuple, TypeAlias

from exporter.limits.circuit_breaker import CircuitBreaker, Permit
from exporter.model.units import LONGEST_WAIT, THROTTLE_WAIT

Caller: TypeAlias = Hashable
"""What waits for a call: a job's key, or whatever else makes calls. Keys are never compared."""
_LOWERED: Final = 0.5
"""What is left of the rate after a refusal: enough for another tool that takes as much as we do."""
LEAST: Final = 0.1
"""The share of the configured rate that is never given up: it shows when the others are done, and no job starves."""
RECOVERY: Final = 600.0
"""Seconds from nothing to the configured rate: a tenth more each minute, which is the span that the vendor counts."""
SETTLE: Final = 10.0
"""Seconds in which refusals are of calls that were under way at the first one; a call has as long by default."""
MINUTE: Final = 60 * (1 + 1e-9)
"""Seconds after its end in which a call counts; never short of 60 by rounding."""
NOISE: Final = 1e-8
"""Seconds that rounding may cost; a minute's gaps are longer by more than that."""


class Grant(NamedTuple):
    """The right to make one call now: what docs/index.md calls a permit, by rate limiter and circuit breaker."""

    due: float
    key: Caller
    permit: Permit
    """The circuit breaker's part of that right."""
    circuit: CircuitBreaker
    budget: "Budget"
    """What the call counts against."""


class Budget:
    """A bucket of *rate* calls a second, and the calls that wait for it, the nearest deadline first.

    A burst of a tenth of a second's calls is allowed and taken off the steady rate, and a part of a call is none, so
    that the sum over a minute holds whenever the minute begins. A job's deadline is when its next poll would be due, so
    a running job goes before a waiting one. None waits for ever: a job that comes after another's deadline has a later
    one, so from then on at most those go before it that waited already, each once.

    A call reaches the vendor some time after it was granted: a connection that is slow to open, a token to be renewed,
    and what was granted meanwhile arrives all at once. When it arrives nobody here can tell, only that it does before
    the call is over: a call that is given up is reset, which discards what did not arrive yet, unless a proxy has it.
    So a call counts from its grant until a minute after its end, and one more is granted only while fewer than a
    minute's calls count. All calls that arrive in the same 60 seconds count when the last of them is granted, so they
    are never more than that, whatever each one took on its way. Short calls cost nothing by it: for those of 50 ms a
    minute has 60.05 s.

    The process before this one may have spent all it was allowed until the moment it died, and whoever starts again
    knows nothing of it. So the bucket is empty when the process *began*: the first call comes when one would have come
    after a call at that moment, and no minute over a restart has more calls than any other. Only those calls of the
    dead process that were late are not known: as many may come on top, once.
    """

    def __init__(self, rate: float, began: float = float("-inf")) -> None:
        self.configure(rate)
        # when the last call would have started without a burst; a call of before counts for a minute at most
        self._last = began + self._tolerance - max(0.0, self._gap - 60)
        self._paused_until = self._settled = float("-inf")
        self._share = 1.0
        self._under_way = 0
        self._ended: deque[float] = deque()  # when calls did, those of the last minute
        self._waiting: dict[CircuitBreaker, list[tuple[float, float, int, Caller]]] = {}
        self._serial = count()

    def configure(self, rate: float) -> None:
        """Set another configured rate. A minute in which it changes has at most the calls of the higher rate."""
        burst = max(1.0, rate // 10)
        steady = per_minute(rate) - (burst if burst > 1 else 0)
        self.configured = rate
        self._most = max(1, int(per_minute(rate)))
        self._gap = 60 / steady * (1 + 1e-9)  # never short of it by rounding
        self._tolerance = (burst - 1) * self._gap

    def wait_for(self, key: Caller, due: float, deadline: float, circuit: CircuitBreaker) -> None:
        """Queue a caller; *circuit* is that of its identity, because projects of one user share a bucket."""
        heapq.heappush(self._waiting.setdefault(circuit, []), (deadline, due, next(self._serial), key))

    @property
    def wanted(self) -> bool:
        """Whether any caller waits."""
        return bool(self._waiting)

    @property
    def ready(self) -> bool:
        """Whether a caller waits that its circuit breaker would let through."""
        return any(circuit.free for circuit in self._waiting)

    def nearest(self) -> float:
        """Return the earliest deadline of the callers that their circuit breakers would let through."""
        return self._waiting[self._first()][0][0]

    def _first(self) -> CircuitBreaker:
        free = [circuit for circuit in self._waiting if circuit.free]
        return free[0] if len(free) == 1 else min(free, key=self._deadline)

    def _deadline(self, circuit: CircuitBreaker) -> tuple[float, float]:
        return self._waiting[circuit][0][:2]

    def give_up(self, circuit: CircuitBreaker) -> Iterator[Caller]:
        """Remove and yield the callers that wait for *circuit*; their calls are not made."""
        for _, _, _, key in sorted(self._waiting.pop(circuit, ())):
            yield key

    def give_up_all(self) -> Iterator[Caller]:
        """Remove and yield every waiting key, without a call."""
        for circuit in list(self._waiting):
            yield from self.give_up(circuit)

    def waiting(self) -> Iterator[Caller]:
        """Yield every waiting key."""
        for waiting in self._waiting.values():
            yield from (each[-1] for each in waiting)

    def forget(self, keys: Collection[Caller]) -> None:
        """Remove some keys from the queue."""
        for circuit, waiting in list(self._waiting.items()):
            kept = [each for each in waiting if each[-1] not in keys]
            heapq.heapify(kept)
            self._keep(circuit, kept)

    def _keep(self, circuit: CircuitBreaker, waiting: list[tuple[float, float, int, Caller]]) -> None:
        """Keep the queue of a circuit breaker, or forget it if it is empty: the breaker's project may be gone."""
        if waiting:
            self._waiting[circuit] = waiting
        else:
            del self._waiting[circuit]

    def throttled(self, now: float, retry_after: float | None) -> None:
        """Lower the rate, because a call was refused as too many; *retry_after* is how long the vendor asks to wait.

        A minute at least, whatever it asks for: its limits are per minute, so only then it surely counts from zero. And
        ten at most, or one odd answer would make all jobs of the bucket stale.
        """
        share = self._share_at(now)
        if now >= max(self._paused_until, self._settled):
            share = max(LEAST, share * _LOWERED)
            self._settled = now + SETTLE
        self._share = share
        pause = min(max(THROTTLE_WAIT, retry_after or 0.0), LONGEST_WAIT)
        self._paused_until = max(self._paused_until, now + pause)

    def pause(self, now: float) -> float:
        """Return for how many seconds no call is allowed, because one was refused as too many."""
        return max(0.0, self._paused_until - now)

    def rate(self, now: float) -> float:
        """Return the calls a second that are allowed now; in a pause, those that will be after it."""
        return self.configured * self._share_at(now)

    def _share_at(self, now: float) -> float:
        """Return how much of the configured rate is allowed: from the end of a pause on more and more."""
        if self._share == 1:  # as nearly always
            return 1.0
        return min(1.0, self._share + max(0.0, now - self._paused_until) / RECOVERY)

    def _free_at(self, now: float) -> float:
        return self._last + self._gap / self._share_at(now)

    def ready_in(self, now: float) -> float:
        """Return the seconds until the next call is certainly allowed, 0 if it is now.

        Infinity if one has to end before: then it takes a minute more from there.
        """
        left = max(self._free_at(now) - self._tolerance, self._paused_until, self._uncounted_at()) - now
        return left if left > NOISE else 0.0

    def _uncounted_at(self) -> float:
        """Return when fewer than a minute's calls count."""
        over = self._under_way + len(self._ended) - self._most
        if over < 0:
            return float("-inf")
        return self._ended[over] + MINUTE if over < len(self._ended) else float("inf")

    def spend(self, now: float) -> None:
        """Count a call that begins."""
        self._last = max(now, self._free_at(now))
        self._under_way += 1

    def take(self, now: float) -> Grant:
        """Spend a call on the caller with the earliest deadline of those that their circuit breakers let through."""
        self.spend(now)
        circuit = self._first()
        _, due, _, key = heapq.heappop(self._waiting[circuit])
        self._keep(circuit, self._waiting[circuit])
        return Grant(due, key, circuit.enter(), circuit, self)

    def ended(self, now: float) -> None:
        """Note that a call is over, whether it left or not: nothing here knows."""
        self._under_way -= 1
        while self._ended and self._ended[0] + MINUTE <= now:
            self._ended.popleft()
        self._ended.append(now)

    def unspent(self, now: float) -> bool:
        """Whether a new budget would allow no more than this one."""
        if self.wanted or self._under_way or (self._ended and self._ended[-1] + MINUTE > now):
            return False
        return self._free_at(now) <= now and self._paused_until <= now and self._share_at(now) == 1


def per_minute(rate: float) -> float:
    """Return the calls a minute that *rate*, in calls a second, allows: whole ones, unless it is less than one."""
    calls = 60 * rate
    return math.floor(calls + 1e-9) if calls >= 1 else calls
