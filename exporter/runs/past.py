"""The past as it is shown: of one job its runs, changes and failed polls, of all jobs their changes. Pure.

An unknown value is ``None``. Times are Unix seconds.
"""

from typing import NamedTuple

from exporter.model.job import JobKey


class PastRun(NamedTuple):
    """A run that ended."""

    result: str
    at: float
    """When it ended."""
    seen: bool
    """Whether *at* is when it was first seen ended, because the cloud did not say when it ended."""
    start: float | None
    took: float | None
    """Seconds by the cloud's own start and end."""
    waited: float | None
    """Seconds from its creation to its start, where the cloud reports both."""
    rows: float | None
    code: str
    over: bool = False
    """Whether it was over when it was first seen: it ended at any time before *at*."""


class Turn(NamedTuple):
    """A job that turned into something else, as it was seen."""

    at: float
    was: str
    now: str
    code: str
    """The vendor's code if it failed, the reason if nothing is known of it any more."""


class Failure(NamedTuple):
    """A poll that failed."""

    at: float
    reason: str
    code: str
    request_id: str


class JobPast(NamedTuple):
    """All that is kept of one job."""

    since: float
    runs: tuple[PastRun, ...] = ()
    """The newest last, as all of these."""
    progress: tuple[tuple[float, float], ...] = ()
    """Of the newest run: when a progress was first said, and 0 to 1. It holds until the next."""
    turns: tuple[Turn, ...] = ()
    failures: tuple[Failure, ...] = ()
    earlier: tuple[tuple[tuple[float, float], ...], ...] = ()
    """Of runs before it that succeeded, some points: seconds since the run's start, and its progress."""


class Change(NamedTuple):
    """A job that turned into something else, or whose next run ended."""

    at: float
    key: JobKey
    project: str
    was: str
    now: str
    code: str
    """The vendor's code if it failed, the reason if nothing is known of it any more."""
    took: float | None = None
    """Seconds that the run which ended took, by the cloud's own start and end."""
    jobs: int = 1
    """How many jobs of the project turned so, *key* the first of them."""


class Watch(NamedTuple):
    """How long all jobs are watched, and what was seen to change."""

    since: float
    away: tuple[float, float] | None
    """From when to when nobody watched, the last time."""
    changes: tuple[Change, ...]
    """The newest last."""
