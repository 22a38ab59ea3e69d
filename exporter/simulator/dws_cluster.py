"""A data warehouse as a function of time: how it is, and what is done to it.

What takes hours on a warehouse returns no job id: a client sees it only here (DWS API reference, ListClusters and
ListClusterDetails; the words of ``task_status`` are those of the vendor's SDK).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from exporter.simulator.world import State, Truth, length, locate, share

_FAILURES: Final = ("_FAILED", "_FAILURE")
_KINDS: Final[Mapping[str, str]] = {
    "RESIZE_FAILURE": "GROWING",
    "REDISTRIBUTE_FAILURE": "REDISTRIBUTING",
    "REBOOT_FAILURE": "REBOOTING",
}
_WAITING: Final = frozenset({"WAITING_REDISTRIBUTION", "REDISTRIBUTION_PAUSED", "ORDER_PENDING"})


@dataclass(frozen=True, slots=True)
class ClusterStep:
    """A stretch of a warehouse's life, under one *task* word, or none, while its progress goes from *low* to *high*.

    *low* is a ratio, ``None`` if the answer has no figure for the task. *nodes* are those before and after a scale-out.
    """

    task: str | None
    seconds: float
    status: str = "AVAILABLE"
    sub_status: str = "NORMAL"
    low: float | None = None
    high: float = 1.0
    nodes: tuple[int, int] | None = None
    failed_code: str | None = None
    failed_message: str = ""
    spoiled: bool = False
    """Whether the snapshot that is taken cannot be used."""

    @property
    def kind(self) -> str | None:
        """Return the task's word while it runs, also if *task* says that it failed."""
        return _KINDS.get(self.task or "", self.task)

    @property
    def state(self) -> State:
        """Return what the words mean: none says that anything succeeded, and no task is no operation."""
        if self.task is None:
            return State.UNKNOWN
        if self.task.endswith(_FAILURES):
            return State.FAILED
        return State.PENDING if self.task in _WAITING else State.RUNNING


@dataclass(frozen=True, slots=True)
class DwsCluster:
    """A data warehouse; while the task *job_id* runs, *task_status* and its percentage are shown.

    One with a *script* goes through its steps, again and again since *begun*, Unix seconds. Keys without a value are
    sent as null, or left out if it is *bare*, as older answers do.
    """

    cluster_id: str
    name: str
    status: str = "AVAILABLE"
    sub_status: str = "NORMAL"
    job_id: str | None = None
    task_status: str | None = None
    script: tuple[ClusterStep, ...] = ()
    begun: float = 0.0
    bare: bool = False
    remembers: bool = False
    """Whether the API still reports a task after it ended."""

    def at(self, now: float) -> "ClusterMoment":
        """Return the warehouse at *now*; one without a script as it was made."""
        if not self.script:
            return ClusterMoment(ClusterStep(None, 1.0, self.status, self.sub_status), None)
        elapsed = max(0.0, now - self.begun)
        into = elapsed % length(self.script)
        index, inside = locate(self.script, into) or (len(self.script) - 1, 0.0)
        step = self.script[index]
        ratio = None if step.low is None else step.low + (step.high - step.low) * share(inside, step.seconds)
        return ClusterMoment(step, ratio, now - inside)

    def truth(self, now: float) -> Truth:
        """Return what is true at *now* of the operation under way."""
        moment = self.at(now)
        return Truth(
            state=moment.step.state,
            status=moment.step.task,
            progress=moment.percent and moment.percent / 100,
            started_at=moment.started_at if moment.step.nodes is not None else None,
            message=moment.step.failed_message,
        )


@dataclass(frozen=True, slots=True)
class ClusterMoment:
    """A warehouse at a moment."""

    step: ClusterStep
    ratio: float | None
    step_began: float | None = None

    @property
    def percent(self) -> int | None:
        """Return the whole number before the percent sign."""
        return None if self.ratio is None else int(100 * self.ratio + 1e-9)

    @property
    def started_at(self) -> float | None:
        """Return when the step began, in whole seconds."""
        return None if self.step_began is None else float(int(self.step_began))

    @property
    def progress(self) -> Mapping[str, str]:
        """Return ``action_progress``."""
        return {} if self.step.task is None or self.percent is None else {self.step.task: f"{self.percent}%"}

    @property
    def failed_reasons(self) -> dict[str, str] | None:
        """Return why the last task failed, if the answer says it."""
        code = self.step.failed_code
        return None if code is None else {"error_code": code, "error_msg": self.step.failed_message}

    @property
    def resize_info(self) -> dict[str, Any] | None:
        """Return what the details tell of a scale-out."""
        if self.step.nodes is None or self.started_at is None:
            return None
        before, after = self.step.nodes
        return {
            "target_node_num": after,
            "origin_node_num": before,
            "resize_status": self.step.task,
            "start_time": datetime.fromtimestamp(self.started_at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        }
