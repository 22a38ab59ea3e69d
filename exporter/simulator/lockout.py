"""Failures in a row, by name, and the lock that too many of them bring."""

import math
from collections import defaultdict
from typing import Final

PATIENCE: Final = 5
"""How many failures in a row are forgiven; one more locks."""


class Lockout:
    """Counts failures of keys or users and locks them for *seconds*; times are Unix seconds of the gateway.

    *lockings* lists every name that got locked, and when. What is asked under a lock is refused uncounted.
    """

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.lockings: list[tuple[str, float]] = []
        self._failures: dict[str, int] = defaultdict(int)
        self._worst: dict[str, int] = defaultdict(int)
        self._locked_until: dict[str, float] = {}

    def locked(self, name: str, now: float) -> bool:
        """Return whether *name* is locked at *now*."""
        return now < self._locked_until.get(name, -math.inf)

    def worst(self, name: str) -> int:
        """Return the most failures in a row that *name* ever had."""
        return self._worst.get(name, 0)

    def succeed(self, name: str) -> None:
        """End a row of failures."""
        self._failures.pop(name, None)

    def fail(self, name: str, now: float) -> None:
        """Count a failure, and lock *name* if it is one too many."""
        self._failures[name] += 1
        self._worst[name] = max(self._worst[name], self._failures[name])
        if self._failures[name] > PATIENCE:
            self._locked_until[name] = now + self.seconds
            self.lockings.append((name, now))
            del self._failures[name]
