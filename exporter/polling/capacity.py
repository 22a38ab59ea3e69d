"""How many calls the jobs need, how many a limit allows, and which intervals would fit."""

import math
from bisect import bisect_left
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.model.frozen import replace
from exporter.polling.schedule import Pace

Intervals = Mapping[float | None, int]
"""How many jobs have which interval of their own, ``None`` for those that have none."""
_ROUNDING: Final = 1 + 1e-9
_LONGEST: Final = 10**12
"""Seconds; beyond what can be asked."""


@dataclass(frozen=True, slots=True)
class Capacity:
    """One limit class of all projects that share it, in calls a minute."""

    projects: tuple[str, ...]
    limit: str
    intervals: Intervals
    pace: Pace
    allowed: float
    ends: bool
    """Whether a job that ended is never asked again."""
    listed: Intervals = field(default_factory=dict)
    """Further jobs, which lists report while they wait."""
    lists: float = 0.0
    """Calls a minute that lists take at least, of jobs that wait and for the rules."""
    lists_running: float = 0.0
    """The same, of jobs that run."""

    @property
    def jobs(self) -> int:
        """How many jobs draw from it."""
        return sum(self._all.values())

    @property
    def running(self) -> float:
        """If all jobs run at once."""
        return _running(self._all, self.pace.interval) + self.lists_running

    @property
    def idle(self) -> float:
        """If all jobs wait."""
        return _idle(self.intervals, self.pace) + self.lists

    @property
    def own(self) -> float:
        """If all jobs that have an interval of their own run at once."""
        own: Intervals = {interval: number for interval, number in self._all.items() if interval}
        return _running(own, math.inf) + self.lists_running

    @property
    def _all(self) -> Intervals:
        return Counter(self.intervals) + Counter(self.listed)

    @property
    def fits_running(self) -> bool:
        """Whether all jobs can run at once."""
        return stretch(self.running, self.allowed) == 1

    @property
    def fits_idle(self) -> bool:
        """Whether all jobs can at least wait."""
        return stretch(self.idle, self.allowed) == 1

    @property
    def verdict(self) -> str:
        """What the numbers mean, in a word."""
        if not self.fits_idle:
            return "too many"
        return "fits" if self.fits_running else "fits while few run"

    @property
    def at_once(self) -> int:
        """How many jobs can run at once while the others wait, whichever they are: those that cost most."""
        if not self.fits_idle:
            return 0
        room, fit = self.allowed * _ROUNDING - self.idle, 0
        extra = [
            (_running({own: 1}, self.pace.interval) - waiting * _idle({own: 1}, self.pace), number)
            for waiting, intervals in ((1, self.intervals), (0, self.listed))
            for own, number in intervals.items()
        ]
        for each, number in sorted(extra, reverse=True):
            more = number if each * number <= room else math.floor(room / each)
            room, fit = max(0.0, room - each * more), fit + more
            if more < number:
                break
        return fit

    @property
    def interval(self) -> int | None:
        """The least ``poll.interval`` at which all jobs can run at once, in whole seconds; ``None`` if none is."""
        if None not in self._all or self.own >= self.allowed:
            return None
        return _least(lambda seconds: _running(self._all, seconds) + self.lists_running, self.allowed)

    @property
    def idle_interval(self) -> int:
        """The least ``poll.idle_interval`` at which all jobs can wait, in whole seconds."""
        return _least(
            lambda seconds: _idle(self.intervals, replace(self.pace, idle_interval=seconds)) + self.lists, self.allowed
        )


def stretch(needed_per_minute: float, allowed_per_minute: float) -> float:
    """Return the factor by which intervals must grow so that all calls fit, 1 if they do."""
    factor = needed_per_minute / allowed_per_minute
    return factor if factor > _ROUNDING else 1.0


def _running(intervals: Intervals, interval: float) -> float:
    """Return the calls a minute of jobs that all run."""
    return sum(60 / (own or interval) * number for own, number in intervals.items())


def _idle(intervals: Intervals, pace: Pace) -> float:
    """Return the calls a minute of jobs that all wait. What makes waiting cheaper belongs here."""
    return sum(60 / max(own or pace.interval, pace.idle_interval) * number for own, number in intervals.items())


def _least(needed: Callable[[int], float], allowed: float) -> int:
    """Return the fewest whole seconds at which what is needed is allowed; more seconds need less."""
    return bisect_left(range(1, _LONGEST), True, key=lambda seconds: stretch(needed(seconds), allowed) == 1) + 1
