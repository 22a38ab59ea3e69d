"""How often a user may ask: calls are counted per user and limit class over the last minute."""

import math
from collections import defaultdict, deque
from collections.abc import Iterable
from typing import Final

MINUTE: Final = 60.0

CDM_STATUS: Final = "cdm_d"
"""The limit class of ShowJobStatus (CDM API overview, throttling)."""

CDM_LISTS: Final = "cdm_common"
"""The limit class that clusters, job list and submissions share (the same page)."""


def busiest(times: Iterable[float], seconds: float) -> int:
    """Return the most of *times* that lie in one window of *seconds*, wherever it begins.

    As with the limits themselves, of two calls that are *seconds* apart only one is in a window.
    """
    window: deque[float] = deque()
    most = 0
    for at in sorted(times):
        window.append(at)
        while window and window[0] <= at - seconds:
            window.popleft()
        most = max(most, len(window))
    return most


class Limits:
    """Counts over a sliding minute; a refused call is not counted.

    *per_minute* holds the calls a user may make in any 60 s, by limit class; None is without limit.
    """

    def __init__(self) -> None:
        self.per_minute: dict[str, int | None] = {CDM_STATUS: 120, CDM_LISTS: 120, "dli": None, "dws": None}
        self._calls: dict[tuple[str, str], deque[float]] = defaultdict(deque)

    def count(self, user: str, limit_class: str, now: float) -> int:
        """Return how many calls of the last minute were let through."""
        calls = self._calls[user, limit_class]
        while calls and calls[0] <= now - MINUTE:
            calls.popleft()
        return len(calls)

    def admit(self, user: str, limit_class: str, now: float) -> int | None:
        """Count a call and return None, or refuse it and return the seconds to wait."""
        limit = self.per_minute.get(limit_class)
        count = self.count(user, limit_class, now)
        calls = self._calls[user, limit_class]
        if limit is not None and count >= limit:
            return max(1, math.ceil((calls[0] + MINUTE - now) if calls else MINUTE))
        calls.append(now)
        return None
