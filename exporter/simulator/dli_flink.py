"""A Flink job as a function of time: drafts and submissions, and a stream that may restart."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from exporter.simulator.world import State, Step, Truth, length, locate

STATES: Final[Mapping[str, State]] = {
    "job_init": State.PENDING,
    "job_submitting": State.PENDING,
    "job_downloading": State.PENDING,
    "job_arrearage_recovering": State.PENDING,
    "job_running": State.RUNNING,
    "job_savepointing": State.RUNNING,
    "job_canceling": State.RUNNING,
    "job_finish": State.SUCCEEDED,
    "job_submit_fail": State.FAILED,
    "job_running_exception": State.FAILED,
    "job_cancel_success": State.CANCELLED,
    "job_arrearage_stopped": State.CANCELLED,
}
"""The documented words that say what becomes of the job; of any other word nobody knows."""


@dataclass(frozen=True, slots=True)
class FlinkJob:
    """A job and its script; *created_at* is Unix seconds, whole. It keeps its id when it is run again.

    The first step that runs is its start. From then on it restarts each *restarts_every* seconds, if that is not 0.
    After the script it stays under the word *end*. *zero* writes a start that is not there yet as 0 and not as null.
    """

    job_id: int
    name: str
    created_at: float
    script: tuple[Step, ...]
    end: str = "job_cancel_success"
    reason: str = ""
    job_type: str = "flink_opensource_sql_job"
    queue: str = "flink_queue"
    user: str = "svc_stream"
    restarts_every: float = 0.0
    zero: bool = False

    def at(self, now: float) -> "FlinkMoment | None":
        """Return the job at *now*, or None before its creation."""
        elapsed = now - self.created_at
        if elapsed < 0:
            return None
        begun = self._begun_at(now)
        place = locate(self.script, elapsed)
        if place is None:
            return FlinkMoment(self, self.end, begun, self.created_at + length(self.script), over=True)
        return FlinkMoment(self, self.script[place[0]].status, begun, now)

    def truth(self, now: float) -> Truth | None:
        """Return what the answer at *now* means, or None before the creation."""
        moment = self.at(now)
        return None if moment is None else moment.truth

    def _begun_at(self, now: float) -> float | None:
        begun = self.created_at
        for step in self.script:
            if STATES.get(step.status) is not State.PENDING:
                return begun if begun <= now else None
            begun += step.seconds
        return None


@dataclass(frozen=True, slots=True)
class FlinkMoment:
    """A job at a moment; *until* is the end of what it has run so far, Unix seconds."""

    job: FlinkJob
    status: str
    begun_at: float | None
    until: float
    over: bool = False

    @property
    def ran(self) -> float:
        """Return for how many seconds it has run."""
        return 0.0 if self.begun_at is None else self.until - self.begun_at

    @property
    def restarts(self) -> int:
        """Return how often it was restarted."""
        return int(self.ran // self.job.restarts_every) if self.job.restarts_every else 0

    @property
    def truth(self) -> Truth:
        """Return the plain values that the answer stands for."""
        return Truth(
            state=STATES.get(self.status, State.UNKNOWN),
            status=self.status,
            submitted_at=self.job.created_at,
            started_at=self.begun_at,
            ended_at=self.until if self.over and self.begun_at is not None else None,
            counters={"restart_times": self.restarts},
            message=self.job.reason if self.over else "",
        )
