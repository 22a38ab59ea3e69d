"""The rate limiter: decides, over the budgets of all limits, which calls may be made now."""

import math
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator

from exporter.limits.budget import Budget, Caller, Grant
from exporter.limits.circuit_breaker import CircuitBreaker


class Limiter:
    """Decides what starts: a call that waits here needs one of *slots*, and room in its bucket's budget.

    *began* is when the process did, where another one may have drawn from the same buckets just before.
    """

    def __init__(self, slots: int, began: float = float("-inf")) -> None:
        self.slots = slots
        """How many calls may be under way at a time; a lower number takes effect as calls end."""
        self._began = began
        self._held: dict[int, Grant] = {}  # whose calls are under way
        self._budgets: dict[Hashable, Budget] = {}
        self._reported: Callable[[Hashable, float], None] = lambda bucket, rate: None

    def subscribe(self, throttled: Callable[[Hashable, float], None]) -> None:
        """Have *throttled* called with each bucket that is lowered, and its rate as configured."""
        self._reported = throttled

    def budget(self, bucket: Hashable, rate: float) -> Budget:
        """Return the budget of a bucket; *rate* is as configured now, in calls a second."""
        budget = self._budgets.get(bucket)
        if budget is None:
            budget = self._budgets[bucket] = Budget(rate, self._began)
        elif budget.configured != rate:
            budget.configure(rate)
        return budget

    def wait_for(
        self, bucket: Hashable, rate: float, key: Caller, due: float, deadline: float, circuit: CircuitBreaker
    ) -> None:
        """Queue a job; *rate* is the bucket's as configured now, in calls a second, *circuit* its circuit breaker."""
        self.budget(bucket, rate).wait_for(key, due, deadline, circuit)

    def throttled(self, bucket: Hashable, now: float, retry_after: float | None) -> None:
        """Lower the rate of a bucket, because the vendor refused one of its calls as too many."""
        budget = self._budgets.get(bucket)
        if budget is not None:  # else a reload gave the job another one meanwhile
            budget.throttled(now, retry_after)
            self._reported(bucket, budget.configured)

    def pause(self, bucket: Hashable, now: float) -> float:
        """Return for how many seconds a bucket pauses."""
        return self._budgets[bucket].pause(now) if bucket in self._budgets else 0.0

    def rate(self, bucket: Hashable, configured: float, now: float) -> float:
        """Return the calls a second that a bucket allows now; *configured* is how many the operator does."""
        budget = self._budgets.get(bucket)
        return configured if budget is None else budget.rate(now) * configured / budget.configured

    def grants(self, now: float) -> Iterator[Grant]:
        """Yield what may start now."""
        while len(self._held) < self.slots:
            ready = [budget for budget in self._ready() if not budget.ready_in(now)]
            if not ready:
                return
            # over all buckets, or the first bucket would take every slot when slots are short
            budget = ready[0] if len(ready) == 1 else min(ready, key=Budget.nearest)
            grant = budget.take(now)
            self._held[id(grant)] = grant
            yield grant

    def ready_in(self, now: float) -> float | None:
        """Return the seconds until the next job may start, ``None`` if that needs more than time to pass."""
        if len(self._held) >= self.slots:
            return None
        left = min((budget.ready_in(now) for budget in self._ready()), default=math.inf)
        return None if left == math.inf else left

    def turn_away(self, circuit: CircuitBreaker) -> Iterator[Caller]:
        """Take out and yield the jobs that wait for a call through *circuit*."""
        for budget in self._budgets.values():
            yield from budget.give_up(circuit)

    def turn_all_away(self) -> Iterator[Caller]:
        """Remove and yield every waiting key."""
        for budget in self._budgets.values():
            yield from budget.give_up_all()

    def waiting(self) -> set[Caller]:
        """Return every waiting key."""
        return {key for budget in self._budgets.values() for key in budget.waiting()}

    def forget(self, keys: Collection[Caller]) -> None:
        """Remove some keys from the queues of all budgets."""
        for budget in self._budgets.values():
            budget.forget(keys)

    def _ready(self) -> list[Budget]:
        return [budget for budget in self._budgets.values() if budget.ready]

    @property
    def wanted(self) -> bool:
        """Whether any caller waits."""
        return any(budget.wanted for budget in self._budgets.values())

    def release(self, grant: Grant, now: float) -> bool:
        """Give back the slot of a call that is over; return whether it still held one, so a second time is fine."""
        if id(grant) not in self._held:
            return False
        grant.circuit.left(grant.permit, now)
        grant.budget.ended(now)
        del self._held[id(grant)]
        return True

    def tidy(self, now: float) -> None:
        """Forget the buckets that are as good as new: those of projects that are gone, or that were not used lately."""
        for bucket in [bucket for bucket, budget in self._budgets.items() if budget.unspent(now)]:
            del self._budgets[bucket]

    def recover(self, under_way: Iterable[Grant], now: float) -> None:
        """Take back the slots of calls that are not *under_way*: a crash lost them."""
        known = {id(grant) for grant in under_way}
        for grant in [grant for grant in self._held.values() if id(grant) not in known]:
            self.release(grant, now)
