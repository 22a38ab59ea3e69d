"""A job of DataArts Factory as a function of time: a schedule that makes instances, and the nodes of each."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.simulator.world import State, Truth

STATES: Final[Mapping[str, State]] = {
    "waiting": State.PENDING,
    "waiting-confirm": State.PENDING,
    "pause": State.PENDING,
    "running": State.RUNNING,
    "success": State.SUCCEEDED,
    "fail": State.FAILED,
    "running-exception": State.FAILED,
    "manual-stop": State.CANCELLED,
    "skip-by-depend": State.CANCELLED,
    "freeze": State.CANCELLED,
}
"""The documented words; any other word is unknown."""
_INSTANCES_A_JOB: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Node:
    """One step of a job: *kind* is the vendor's word for what it starts; *retries* is how often it is tried again."""

    name: str
    kind: str
    seconds: float
    retries: int = 0
    queue: str | None = None


@dataclass(frozen=True, slots=True)
class FactoryJob:
    """A job and its schedule; *created_at* is Unix seconds, whole.

    Instance number n is planned *period* seconds times n after the creation, begins *delays[n]* seconds later, works
    its *nodes* off one by one and ends under the word *ends[n]*, ``success`` unless it says so. One that fails does so
    at its last node. *stopped_at* ends the schedule, under the word *schedule*. *forced* are the numbers of instances
    that somebody set to success.
    """

    number: int
    name: str
    created_at: float
    nodes: tuple[Node, ...]
    period: float = 3600.0
    workspace: str = ""
    delays: Mapping[int, float] = field(default_factory=dict)
    ends: Mapping[int, str] = field(default_factory=dict)
    forced: frozenset[int] = frozenset()
    error: str = ""
    schedule: str = "SCHEDULING"
    stopped_at: float = math.inf
    owner: str = "etl_ops"
    path: str = "/sales/"

    def instances(self, now: float) -> "list[FactoryRun]":
        """Return the instances that are planned up to *now*, the newest first."""
        until = min(now, self.stopped_at) - self.created_at
        return [self.instance(number) for number in range(int(until // self.period), -1, -1)] if until >= 0 else []

    def instance(self, number: int) -> "FactoryRun":
        """Return one instance."""
        planned = self.created_at + number * self.period
        return FactoryRun(self, number, planned, planned + self.delays.get(number, 0.0))

    def truth(self, now: float) -> Truth | None:
        """Return what is true of the newest instance at *now*, or None before the first is planned."""
        found = self.instances(now)
        return found[0].truth(now) if found else None


@dataclass(frozen=True, slots=True)
class FactoryRun:
    """One instance; times are Unix seconds."""

    job: FactoryJob
    index: int
    planned_at: float
    started_at: float

    @property
    def id(self) -> int:
        """Return its id: numbers are counted up over all jobs of a workspace."""
        return self.job.number * _INSTANCES_A_JOB + self.index

    @property
    def ended_at(self) -> float:
        """Return when it ends."""
        return self.started_at + sum(node.seconds for node in self.job.nodes)

    def status(self, now: float) -> str:
        """Return its word at *now*."""
        if now < self.started_at:
            return "waiting"
        return "running" if now < self.ended_at else self.job.ends.get(self.index, "success")

    def node_status(self, place: int, now: float) -> tuple[str, float, float]:
        """Return the word of one node at *now*, and when it begins and ends."""
        begun = self.started_at + sum(node.seconds for node in self.job.nodes[:place])
        ended = begun + self.job.nodes[place].seconds
        if now < begun:
            return "waiting", begun, ended
        if now < ended:
            return "running", begun, ended
        failed = self.job.ends.get(self.index) == "fail" and place == len(self.job.nodes) - 1
        return "fail" if failed else "success", begun, ended

    def truth(self, now: float) -> Truth:
        """Return what the answer at *now* means."""
        word = self.status(now)
        return Truth(
            state=STATES.get(word, State.UNKNOWN),
            status=word,
            submitted_at=self.planned_at,
            started_at=None if word == "waiting" else self.started_at,
            ended_at=self.ended_at if now >= self.ended_at else None,
            run=self.id,
            message=self.job.error if word == "fail" else "",
        )
