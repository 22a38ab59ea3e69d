"""A DLI SQL job as a function of time: it waits, runs sub-jobs one after the other, and ends."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.simulator.world import State, Step, Truth, length, locate, share

SLOTS: Final = 16
"""How many tasks of a sub-job run at once."""

STATES: Final[Mapping[str, State]] = {
    "LAUNCHING": State.PENDING,
    "RUNNING": State.RUNNING,
    "SCALING": State.RUNNING,
    "FINISHED": State.SUCCEEDED,
    "FINISH": State.SUCCEEDED,
    "FAILED": State.FAILED,
    "CANCELLED": State.CANCELLED,
}
"""The documented words of the progress answer; any other word is unknown."""


@dataclass(frozen=True, slots=True)
class SubJob:
    """One Spark job of a script.

    *skipped* tasks never run (their stage's result was at hand); *failed* and *killed* count attempts, the
    killed ones by reason. *reach* is the share of its tasks that are complete when it ends with *outcome*.
    """

    name: str
    tasks: int
    seconds: float
    description: str = ""
    stages: int = 2
    skipped: int = 0
    failed: int = 0
    killed: Mapping[str, int] = field(default_factory=dict)
    outcome: str = "SUCCEEDED"
    reach: float = 1.0


@dataclass(frozen=True, slots=True)
class SubJobMoment:
    """A sub-job at a moment; times are Unix seconds, counts are tasks or stages."""

    script: SubJob
    id: int
    first_stage: int
    submitted_at: float
    completed_at: float | None
    status: str
    active: int
    completed: int
    failed: int
    killed: Mapping[str, int]
    completed_stages: int


@dataclass(frozen=True, slots=True)
class DliJob:
    """A SQL job and its script; *submitted_at* is Unix seconds, whole.

    A ``Step("RUNNING", ...)`` among *script* is the pause between two sub-jobs. *cut* ends the job so many
    seconds after its submission, wherever its script then stands. *lists_ended* says whether the sub-jobs
    that are over stay in the answer. *last_progress* is the figure sent at the end; None leaves it out.
    """

    job_id: str
    name: str
    submitted_at: float
    script: tuple[Step | SubJob, ...]
    end: str = "FINISHED"
    last_progress: float | None = 1.0
    message: str = ""
    cut: float = math.inf
    lists_ended: bool = True
    tells_job_id: bool = True
    job_type: str = "QUERY"
    queue: str = "default"
    owner: str = "svc_etl"
    engine: str = "spark"
    database: str | None = None
    table: str | None = None
    statement: str = "select 1"
    tags: Mapping[str, str] = field(default_factory=dict)
    rows: int = 0
    bad_rows: int = 0
    input_bytes: int = 0
    output_bytes: int = 0
    cpu_cost: int = 0

    def at(self, now: float) -> "DliMoment | None":
        """Return the job at *now*, or None before its submission."""
        elapsed = now - self.submitted_at
        if elapsed < 0:
            return None
        place = locate(self.script, elapsed) if elapsed < self.cut else None
        if place is None:
            ended_at = self.submitted_at + min(self.cut, length(self.script))
            return DliMoment(self, self.end, self.last_progress, ended_at=ended_at)
        index, into = place
        current = self.script[index]
        if isinstance(current, Step):
            listed = self._listed(index, now, between=True) if current.status == "RUNNING" else None
            return DliMoment(self, current.status, current.progress(into), sub_jobs=listed)
        listed = self._listed(index + 1, now, between=False)
        running = listed[-1]
        progress = round(running.completed / current.tasks, 4)
        return DliMoment(self, "RUNNING", progress, sub_job_id=running.id, sub_jobs=listed)

    def truth(self, now: float) -> Truth | None:
        """Return what the progress answer at *now* means, or None before the submission."""
        moment = self.at(now)
        return None if moment is None else moment.truth

    def _listed(self, until: int, now: float, *, between: bool) -> "tuple[SubJobMoment, ...]":
        """Return the sub-jobs among the first *until* items of the script that the answer shows."""
        if between and not self.lists_ended:
            return ()
        seen: list[SubJobMoment] = []
        begun, stage = self.submitted_at, 0
        for item in self.script[:until]:
            if isinstance(item, SubJob):
                seen.append(_moment(item, len(seen), stage, begun, now))
                stage += item.stages
            begun += item.seconds
        return tuple(seen if self.lists_ended else seen[-1:])


@dataclass(frozen=True, slots=True)
class DliMoment:
    """A DLI job at a moment; *sub_jobs* is None when the answer has no such key."""

    job: DliJob
    status: str
    progress: float | None
    ended_at: float | None = None
    sub_job_id: int | None = None
    sub_jobs: tuple[SubJobMoment, ...] | None = None

    @property
    def message(self) -> str:
        """Return the text beside the status; only an end has one."""
        return "" if self.ended_at is None else self.job.message

    @property
    def truth(self) -> Truth:
        """Return the plain values that the progress answer stands for."""
        return Truth(
            state=STATES.get(self.status, State.UNKNOWN),
            status=self.status,
            progress=self.progress,
            submitted_at=self.job.submitted_at,
            ended_at=self.ended_at,
            tasks=_sums(self.sub_jobs or ()),
            message=self.message,
        )


def _sums(sub_jobs: tuple[SubJobMoment, ...]) -> dict[str, int]:
    if not sub_jobs:
        return {}
    return {
        "total": sum(each.script.tasks for each in sub_jobs),
        "active": sum(each.active for each in sub_jobs),
        "completed": sum(each.completed for each in sub_jobs),
        "skipped": sum(each.script.skipped for each in sub_jobs),
        "failed": sum(each.failed for each in sub_jobs),
        "killed": sum(sum(each.killed.values()) for each in sub_jobs),
    }


def _moment(script: SubJob, number: int, first_stage: int, begun: float, now: float) -> SubJobMoment:
    done = share(now - begun, script.seconds)
    reached = done * script.reach
    over = done >= 1
    to_run = script.tasks - script.skipped
    completed = math.floor(reached * to_run)
    return SubJobMoment(
        script=script,
        id=number,
        first_stage=first_stage,
        submitted_at=begun,
        completed_at=begun + script.seconds if over else None,
        status=script.outcome if over else "RUNNING",
        active=0 if over else min(SLOTS, to_run - completed),
        completed=completed,
        failed=math.floor(done * script.failed),
        killed={reason: math.floor(done * count) for reason, count in script.killed.items()},
        completed_stages=math.floor(reached * (script.stages - (1 if script.skipped else 0))),
    )
