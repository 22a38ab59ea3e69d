"""A CDM job as a function of time: it runs again and again, each run with its own submission-id and counters."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from exporter.simulator.cdm_script import CdmRun, Oddity
from exporter.simulator.world import State, Truth, length, locate, share

HISTORY: Final = 30 * 86400.0
"""Seconds for which the service keeps the runs of a job (30 days)."""

STATES: Final[Mapping[str, State]] = {
    "NEVER_EXECUTED": State.PENDING,
    "NEW": State.PENDING,
    "PENDING": State.PENDING,
    "BOOTING": State.PENDING,
    "RUNNING": State.RUNNING,
    "SUCCEEDED": State.SUCCEEDED,
    "FAILED": State.FAILED,
    "FAILURE_ON_SUBMIT": State.FAILED,
    "STOPPED": State.CANCELLED,
}
"""The words of ShowJobStatus, its examples and the console; UNKNOWN and any other word is unknown."""


@dataclass(frozen=True, slots=True)
class CdmJob:
    """A migration job; *begins_at* is the first run's beginning, Unix seconds, whole.

    The *plan* of runs is gone through once, or over and over if *repeats*; an empty plan is a job that never ran.
    Submissions are numbered from *first_submission* on by *submission_step*: more than 1 is a cluster whose other jobs
    run too. *shown* is how many of the newest runs the status answer lists. *deletes_itself* removes the job when its
    last run is over (isDeleteJob).
    """

    cluster_id: str
    name: str
    begins_at: float
    plan: tuple[CdmRun, ...] = ()
    repeats: bool = True
    first_submission: int = 1
    submission_step: int = 1
    shown: int = 1
    deletes_itself: bool = False
    incremental: bool = False
    scheduled: bool = False
    oddities: frozenset[Oddity] = frozenset()
    job_type: str = "NORMAL_JOB"
    number: int = 1
    group: str = "DEFAULT"
    user: str = "svc_etl"
    from_connector: str = "generic-jdbc-connector"
    to_connector: str = "dws-connector"
    from_link: str = "mysql_link"
    to_link: str = "dws_link"

    def at(self, now: float) -> "CdmMoment | None":
        """Return the newest run at *now*, or None when none has begun."""
        return next(self.runs(now), None)

    def exists(self, now: float) -> bool:
        """Return whether the job is still there: one that deletes itself goes when its last run is over."""
        if not self.deletes_itself or self.repeats or not self.plan:
            return True
        return now < self.begins_at + sum(run.seconds for run in self.plan) - self.plan[-1].rest

    def truth(self, now: float) -> Truth:
        """Return what the status answer at *now* means; a job that never ran is pending, with no values."""
        moment = self.at(now)
        return Truth(State.PENDING, None) if moment is None else moment.truth

    def runs(self, now: float) -> "Iterator[CdmMoment]":
        """Yield the runs begun until *now*, newest first, as far back as the service remembers."""
        index = self._index(now)
        while index >= 0:
            moment = self._run(index, now)
            if moment.created_at < now - HISTORY:
                return
            yield moment
            index -= 1

    def _index(self, now: float) -> int:
        elapsed = now - self.begins_at
        if elapsed < 0 or not self.plan:
            return -1
        cycle = sum(run.seconds for run in self.plan)
        rounds = 0 if math.isinf(cycle) or not self.repeats else math.floor(elapsed / cycle)
        place = locate(self.plan, elapsed - rounds * cycle if rounds else elapsed)
        return rounds * len(self.plan) + (len(self.plan) - 1 if place is None else place[0])

    def _run(self, index: int, now: float) -> "CdmMoment":
        rounds, position = divmod(index, len(self.plan))
        before = sum(run.seconds for run in self.plan[:position])
        if rounds:
            before += rounds * sum(run.seconds for run in self.plan)
        number = self.first_submission + index * self.submission_step
        return CdmMoment(self, self.plan[position], number, self.begins_at + before, now)


@dataclass(frozen=True, slots=True)
class CdmMoment:
    """One run at the moment *now*; times are Unix seconds."""

    job: CdmJob
    run: CdmRun
    submission: int
    created_at: float
    now: float

    @property
    def _place(self) -> tuple[int, float] | None:
        return locate(self.run.steps, self.now - self.created_at)

    @property
    def status(self) -> str:
        """Return the native word."""
        place = self._place
        return self.run.end if place is None else self.run.steps[place[0]].status

    @property
    def progress(self) -> float | None:
        """Return the ratio meant; None is -1 on the wire."""
        place = self._place
        if place is None:
            return 1.0 if self.run.end == "SUCCEEDED" else None
        ratio = self.run.steps[place[0]].progress(place[1])
        # rounded to the figure that goes over the wire, so that truth and answer are equal
        return None if ratio is None else round(100 * ratio, 1) / 100

    @property
    def ended_at(self) -> float | None:
        """Return when the run ended, None while it has not."""
        return self.created_at + length(self.run.steps) if self._place is None else None

    @property
    def executed_at(self) -> float | None:
        """Return when the run first went RUNNING, None if it has not."""
        begun = self.created_at
        for step in self.run.steps:
            if begun > self.now:
                return None
            if step.status == "RUNNING":
                return begun
            begun += step.seconds
        return None

    @property
    def rows(self) -> tuple[int, int, int]:
        """Return the rows written, updated and deleted so far."""
        ran, total, begun = 0.0, 0.0, self.created_at
        for step in self.run.steps:
            if step.status == "RUNNING":
                total += step.seconds
                ran += min(max(self.now - begun, 0.0), step.seconds)
            begun += step.seconds
        written = math.floor(share(ran, total) * max(self.run.volume.rows_written, 0))
        inserts, updates, deletes = (math.floor(rate * ran) for rate in self.run.changes)
        return written + inserts, updates, deletes

    @property
    def truth(self) -> Truth:
        """Return the plain values that the status answer stands for."""
        written, updated, deleted = self.rows
        counters = {"write_rows": written, "update_rows": updated, "delete_rows": deleted}
        if self.status == "SUCCEEDED":
            counters |= {name: value for name, value in self.run.volume.counters.items() if value >= 0}
        return Truth(
            state=STATES.get(self.status, State.UNKNOWN),
            status=self.status,
            progress=self.progress,
            submitted_at=self.created_at,
            started_at=self.executed_at,
            ended_at=self.ended_at,
            run=self.submission,
            counters=counters,
            message=self.run.error_summary if self.status == "FAILED" else "",
        )
