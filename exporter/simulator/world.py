"""What all pretend jobs share: the states meant, the steps of a script, and where a moment falls among them.

Everything here is a pure function of time. World time is Unix seconds; a script's lengths are seconds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, timezone
from enum import StrEnum
from typing import Final, Protocol

SHANGHAI: Final = timezone(timedelta(hours=8), "CST")
"""The zone of region cn-north-4; DWS and DLI print its local time (no daylight saving since 1991)."""


class State(StrEnum):
    """What a native status word means to somebody who watches jobs of several services."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Step:
    """A stretch of a job's life under one status word, while its progress goes from *low* to *high*.

    *seconds* may be ``math.inf``. Progress is a ratio from 0 to 1; ``None`` means that there is none.
    """

    status: str
    seconds: float
    low: float | None = 0.0
    high: float | None = None

    def progress(self, elapsed: float) -> float | None:
        """Return the ratio *elapsed* seconds into this step."""
        if self.low is None:
            return None
        high = self.low if self.high is None else self.high
        return self.low + (high - self.low) * share(elapsed, self.seconds)


@dataclass(frozen=True, slots=True)
class Truth:
    """What the simulator meant at a moment, in plain values, to compare with what a client read.

    *progress* is the ratio 0..1 that the wire figure stands for; times are Unix seconds, whole. *submitted_at* is
    DLI start_time or CDM creation-date, *started_at* DWS begin_time or CDM execute-date (DLI has none). *run* is the
    CDM submission-id. *tasks* sums the sub-jobs that the DLI answer lists (total, active, completed, skipped,
    failed, killed; empty when it lists none). *counters* holds the figures of a CDM run under their wire names;
    a figure that does not apply (-1 on the wire) is left out.
    """

    state: State
    status: str | None
    progress: float | None = None
    submitted_at: float | None = None
    started_at: float | None = None
    ended_at: float | None = None
    run: int | None = None
    tasks: Mapping[str, int] = field(default_factory=dict)
    counters: Mapping[str, int] = field(default_factory=dict)
    message: str = ""


class Timed(Protocol):
    """Whatever lasts a number of seconds."""

    @property
    def seconds(self) -> float:
        """Return how long it lasts."""


def share(elapsed: float, seconds: float) -> float:
    """Return how much of *seconds* has passed, 0 to 1; an endless stretch stays at its beginning."""
    if math.isinf(seconds) or seconds <= 0:
        return 0.0
    return min(max(elapsed / seconds, 0.0), 1.0)


def locate(steps: Sequence[Timed], elapsed: float) -> tuple[int, float] | None:
    """Return the index of the step that holds at *elapsed* and the seconds spent in it; None after the last."""
    begun = 0.0
    for index, step in enumerate(steps):
        if elapsed < begun + step.seconds:
            return index, elapsed - begun
        begun += step.seconds
    return None


def length(steps: Sequence[Timed]) -> float:
    """Return how many seconds all *steps* last together."""
    return sum(step.seconds for step in steps)


def milliseconds(at: float) -> int:
    """Return Unix milliseconds, the form of time in DLI lists and CDM answers."""
    return round(at * 1000)


def utc(at: float) -> str:
    """Return the text that IAM and the key documents use for a time."""
    return datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def local(at: float) -> datetime:
    """Return the region's local time."""
    return datetime.fromtimestamp(math.floor(at), SHANGHAI)
