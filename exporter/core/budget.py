"""How many calls a limit class allows: never more than 60 x N in any 60 seconds, a burst included."""

import heapq
import math
from collections.abc import Hashable, Iterator

from exporter.core.model import JobKey


class Budget:
    """A bucket of *rate* calls a second, and the jobs that wait for it, the nearest deadline first.

    A burst of a tenth of a second's calls is allowed and taken off the steady rate, and a part of a call is none, so
    that the sum over a minute holds whenever the minute begins. A job's deadline is when its next turn would come, so
    a running job goes before a waiting one, and none waits for ever.
    """

    def __init__(self, rate: float) -> None:
        burst = max(1.0, rate // 10)
        steady = per_minute(rate) - (burst if burst > 1 else 0)
        self._gap = 60 / steady * (1 + 1e-9)  # never short of it by rounding
        self._tolerance = (burst - 1) * self._gap
        self._free_at = float("-inf")
        self._waiting: list[tuple[float, float, JobKey]] = []

    def wait_for(self, key: JobKey, due: float, deadline: float) -> None:
        """Let a job wait for its call."""
        heapq.heappush(self._waiting, (deadline, due, key))

    @property
    def wanted(self) -> bool:
        """Whether a job waits."""
        return bool(self._waiting)

    def nearest(self) -> float:
        """Return the nearest deadline of the jobs that wait."""
        return self._waiting[0][0]

    def ready_in(self, now: float) -> float:
        """Return the seconds until the next call is allowed, 0 if it is now."""
        return max(0.0, self._free_at - self._tolerance - now)

    def take(self, now: float) -> tuple[float, JobKey]:
        """Spend a call on the job with the nearest deadline; return when it was due, and the job."""
        self._free_at = max(now, self._free_at) + self._gap
        _, due, key = heapq.heappop(self._waiting)
        return due, key


class Admission:
    """Decides what starts: a call needs one of *places*, and room in its bucket's budget."""

    def __init__(self, places: int) -> None:
        self._free = places
        self._budgets: dict[Hashable, Budget] = {}

    def wait_for(self, bucket: Hashable, rate: float, key: JobKey, due: float, deadline: float) -> None:
        """Let a job wait; *rate* is the bucket's, in calls a second."""
        if bucket not in self._budgets:
            self._budgets[bucket] = Budget(rate)
        self._budgets[bucket].wait_for(key, due, deadline)

    def start(self, now: float) -> Iterator[tuple[float, JobKey]]:
        """Yield what may start now: when it was due, and the job."""
        while self._free:
            ready = [budget for budget in self._budgets.values() if budget.wanted and not budget.ready_in(now)]
            if not ready:
                return
            self._free -= 1
            # over all buckets, or the first one would keep every place to itself when places are short
            yield min(ready, key=Budget.nearest).take(now)

    def ready_in(self, now: float) -> float | None:
        """Return the seconds until the next job may start, ``None`` if none waits or a place must come free first."""
        if not self._free:
            return None
        return min((budget.ready_in(now) for budget in self._budgets.values() if budget.wanted), default=None)

    @property
    def wanted(self) -> bool:
        """Whether a job waits."""
        return any(budget.wanted for budget in self._budgets.values())

    def leave(self) -> None:
        """Give a place back."""
        self._free += 1


def per_minute(rate: float) -> float:
    """Return the calls a minute that *rate*, in calls a second, allows: whole ones, unless it is less than one."""
    calls = 60 * rate
    return math.floor(calls + 1e-9) if calls >= 1 else calls
