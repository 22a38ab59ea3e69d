"""Permits for calls that need only their rate limit: neither a slot nor a circuit breaker."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from exporter.clock import Clock
from exporter.cloud.projects import Bucket
from exporter.limits.rate_limiter import Limiter
from exporter.model.errors import PollError
from exporter.model.reason import Reason

_LOOK: Final = 1.0
"""Seconds between two checks whether a waiting call may be made: other calls start and end meanwhile."""
_T = TypeVar("_T")


class Permits:
    """Gives permits out of the budgets of *limiter*."""

    def __init__(self, limiter: Limiter, clock: Clock) -> None:
        self._limiter = limiter
        self._clock = clock

    async def call(
        self, bucket: Bucket, rate: float, work: Callable[[], Awaitable[_T]], patience: float = math.inf
    ) -> _T:
        """Make a call once the budget of *bucket*, of *rate* calls a second, allows it: *work* makes it.

        Raises :class:`PollError` if that is not in *patience* seconds.
        """
        until = self._clock.monotonic() + patience
        while left := (budget := self._limiter.budget(bucket, rate)).ready_in(now := self._clock.monotonic()):
            if now + left > until:
                raise _too_late(bucket, left)
            await asyncio.sleep(min(left, _LOOK))
        budget.spend(now)
        try:
            return await work()
        finally:
            budget.ended(self._clock.monotonic())

    def throttled(self, bucket: Bucket, retry_after: float | None) -> None:
        """Pause a bucket, because the cloud refused one of its calls as too many."""
        self._limiter.throttled(bucket, self._clock.monotonic(), retry_after)

    def pause(self, bucket: Bucket) -> float:
        """Return for how many seconds a bucket pauses."""
        return self._limiter.pause(bucket, self._clock.monotonic())


def _too_late(bucket: Bucket, left: float) -> PollError:
    soon = math.isfinite(left)
    when = f"in {math.ceil(left)} s" if soon else "once others have ended"
    error = PollError(
        Reason.THROTTLED,
        f"the limit {bucket.limit} of {bucket.identity} allows the next call {when}; it is tried again then",
        retry_after=left if soon else None,
    )
    error.asked = False
    return error
