"""A DWS task as a function of time."""

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from exporter.simulator.world import State, Step, Truth, length, locate

STATES: Final[Mapping[str, State]] = {
    "INIT": State.PENDING,
    "WAITING": State.PENDING,
    "DELAY_SCHEDULED": State.PENDING,
    "RUNNING": State.RUNNING,
    "SUCCESS": State.SUCCEEDED,
    "FAIL": State.FAILED,
    "STOP": State.CANCELLED,
}
"""The documented words of ListJobDetails; any other word is unknown."""


@dataclass(frozen=True, slots=True)
class DwsJob:
    """A cluster task and its script; *submitted_at* is Unix seconds, whole.

    *task* is the vendor's internal ``job_name``. At the *end* the progress stays where the last step left it.
    *bare* leaves keys without a value out, where others are sent as null; *sql_times* writes times as
    ``2024-03-05 08:10:00.0``, as the action details of the same service do.
    """

    job_id: str
    name: str
    submitted_at: float
    script: tuple[Step, ...]
    task: str = "ecfClusterRestartJob"
    end: str = "SUCCESS"
    failed_code: str | None = None
    failed_detail: str | None = None
    bare: bool = False
    sql_times: bool = False

    def at(self, now: float) -> "DwsMoment | None":
        """Return the task at *now*, or None before its submission."""
        elapsed = now - self.submitted_at
        if elapsed < 0:
            return None
        place = locate(self.script, elapsed)
        begun_at = self._begun_at(now)
        if place is None:
            percent = 100 if self.end == "SUCCESS" else _percent(self.script[-1].progress(math.inf))
            return DwsMoment(self, self.end, percent, begun_at, self.submitted_at + length(self.script))
        index, into = place
        step = self.script[index]
        return DwsMoment(self, step.status, _percent(step.progress(into)), begun_at)

    def truth(self, now: float) -> Truth | None:
        """Return what the answer at *now* means, or None before the submission."""
        moment = self.at(now)
        return None if moment is None else moment.truth

    def _begun_at(self, now: float) -> float | None:
        """Return when the first step other than WAITING began: a task in the queue has no begin_time."""
        begun = self.submitted_at
        for step in self.script:
            if begun > now:
                return None
            if step.status != "WAITING":
                return begun
            begun += step.seconds
        return None if begun > now else begun


@dataclass(frozen=True, slots=True)
class DwsMoment:
    """A DWS task at a moment; *percent* is the whole number before the percent sign."""

    job: DwsJob
    status: str
    percent: int | None
    begun_at: float | None
    ended_at: float | None = None

    @property
    def failed(self) -> bool:
        """Return whether failed_code and failed_detail have values."""
        return self.ended_at is not None and self.job.failed_code is not None

    @property
    def truth(self) -> Truth:
        """Return the plain values that the answer stands for."""
        return Truth(
            state=STATES.get(self.status, State.UNKNOWN),
            status=self.status,
            progress=None if self.percent is None else self.percent / 100,
            started_at=self.begun_at,
            ended_at=self.ended_at,
            message=(self.job.failed_detail or "") if self.failed else "",
        )


def _percent(progress: float | None) -> int | None:
    return None if progress is None else math.floor(100 * progress + 1e-9)
