"""A Spark batch as a function of time."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from exporter.simulator.world import State, Step, Truth, length, locate

STATES: Final[Mapping[str, State]] = {
    "starting": State.PENDING,
    "running": State.RUNNING,
    "recovering": State.RUNNING,
    "success": State.SUCCEEDED,
    "dead": State.FAILED,
}
"""The documented words; any other word is unknown. A batch that a user cancelled is dead too."""


@dataclass(frozen=True, slots=True)
class SparkBatch:
    """A batch and its script; *submitted_at* is Unix seconds, whole.

    *bare* leaves out what not every answer has: the queue under its newer name, the owner, the name, the update.
    """

    job_id: str
    name: str
    submitted_at: float
    script: tuple[Step, ...]
    end: str = "success"
    queue: str = "spark_queue"
    owner: str = "svc_etl"
    sc_type: str = "A"
    bare: bool = False

    def at(self, now: float) -> "SparkMoment | None":
        """Return the batch at *now*, or None before its submission."""
        elapsed = now - self.submitted_at
        if elapsed < 0:
            return None
        place = locate(self.script, elapsed)
        if place is None:
            return SparkMoment(self, self.end, self.submitted_at + length(self.script), ended=True)
        index, _ = place
        changed = self.submitted_at + length(self.script[:index])
        return SparkMoment(self, self.script[index].status, changed)

    def truth(self, now: float) -> Truth | None:
        """Return what the answer at *now* means, or None before the submission."""
        moment = self.at(now)
        return None if moment is None else moment.truth


@dataclass(frozen=True, slots=True)
class SparkMoment:
    """A batch at a moment; *changed_at* is when its state last changed, Unix seconds."""

    job: SparkBatch
    state: str
    changed_at: float
    ended: bool = False

    @property
    def truth(self) -> Truth:
        """Return the plain values that the answer stands for."""
        return Truth(
            state=STATES.get(self.state.lower(), State.UNKNOWN),
            status=self.state,
            submitted_at=self.job.submitted_at,
            ended_at=self.changed_at if self.ended and not self.job.bare else None,
        )
