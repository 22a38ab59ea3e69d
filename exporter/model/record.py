"""Everything known about one job at one time: the newest snapshot, the counts over its runs, and the last failed poll.

An unknown value is ``None`` (or a missing key), never 0. Times are Unix seconds. A record is frozen, so it cannot
change while a scrape uses it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from exporter.model.job import Job
from exporter.model.promises import DueTime
from exporter.model.reason import Reason
from exporter.model.run import UNTIMED, Ledger, RunTimes
from exporter.model.snapshot import Measure, Snapshot, nothing

BEGUN: Final = Ledger()


@dataclass(frozen=True, slots=True)
class Fault:
    """The last poll that failed: for the log, the page and the JSON."""

    reason: Reason
    at: float
    sentence: str
    """For the operator; holds nothing of the vendor's text."""
    code: str = ""
    request_id: str = ""
    text: str = ""
    """First line of the vendor's own text, at most 300 characters: page and JSON only."""


@dataclass(frozen=True, slots=True)
class Record:
    """All that is known of one job at one moment."""

    job: Job
    snapshot: Snapshot | None = None
    """The job's own last answer that could be read; ``None`` before the first."""
    stale: bool = False
    """Whether that answer is too old to be shown."""
    up: bool | None = None
    """Whether the last poll worked; ``None`` before the first try ended."""
    polled_at: float | None = None
    """When the last poll that worked was answered, in Unix seconds: to show, because the machine's clock may be set."""
    answered_at: float | None = None
    """The same by the clock that never jumps: to compare."""
    failed_at: float | None = None
    """When the last poll that failed did, by that clock."""
    ended_at: float | None = None
    """When the newest run was first seen ended, in Unix seconds by the cloud's clock."""
    final: bool = False
    """A run that ended and was confirmed. A job that was deleted after its run is final too, but still asked for."""
    fault: Fault | None = None
    """The last failed poll, while the one after it has not worked."""
    off: str = ""
    """Why it is not polled though nothing failed: its place is off. Empty once it is polled again."""
    failing: int = 0
    """Polls that failed in a row."""
    failures: Mapping[Reason, int] = field(default_factory=nothing)
    due: DueTime | None = None
    """The deadline that is shown, of a job that has one."""
    last_progress: float | None = None
    pending_since: float | None = None
    """Since when the newest run waits to begin, by the vendor, else since it was first seen so."""
    waited_at: float | None = None
    """When the last run that waited was first seen so by its own answers, by the clock that never jumps."""
    last_success: float | None = None
    last_failure: float | None = None
    last_run_duration: float | None = None
    runs: tuple[int, int, int] = (0, 0, 0)
    """Runs that ended since the job was registered, in the order of ``RESULTS``, as shown."""
    took: tuple[RunTimes, RunTimes, RunTimes] = UNTIMED
    """How long those took of which it is known, as shown."""
    totals: Mapping[str, float] = field(default_factory=nothing)
    """What its runs that succeeded moved since then, by measure, as shown; empty where a service adds up nothing."""
    ledger: Ledger = BEGUN
    """The same and more as counted."""
    journaled: bool = False
    """Whether counters are shown only once a journal holds them, so that they cannot fall over a crash."""
    last_counts: Mapping[Measure, float] = field(default_factory=nothing)
    """The counts of the present run as last said, also where the newest answer says less."""
    last_said_progress: float | None = None
    """The progress of the present run as last said."""
    estimate: float | None = None
    """When the present run may be done, by what :mod:`exporter.runs.estimate` makes of its answers."""
    evidence: bytes = b""
    """What that module keeps of them."""
    durations: tuple[float, ...] = ()
    """Seconds that the last runs which succeeded took, by the vendor's own start and end, the newest last."""
    planned: tuple[float, ...] = ()
    """Tasks that the last runs which succeeded planned in all, as far as they were seen, the newest last."""
    registration_id: int = 0
    """Which registration, or run, of this name it is: a poll that began for another one says nothing of this one."""
    listed: Snapshot | None = None
    """What a list reported since the last answer, if the answer did not say it; shown until the job is polled."""
    listed_at: float | None = None
    """When a list last reported the job, by the clock that never jumps."""
    details: Snapshot | None = None
    """Counts of the run from the last call about this run alone; the job's own responses lack them."""
    schedule: str = ""
    """How the service schedules the job, by the last list that said it; empty if none did."""
    by_lists: Mapping[Measure, float] = field(default_factory=nothing)
    """The counts that the last list reported of the present run, since it runs or since it ended."""
    by_lists_from: float | None = None
    """When the run began that this list reported, if nothing else told that it is the present one."""
    unsettled: int = 0
    """Answers about the present run, which ended, that are waited for before its numbers are taken for its last."""

    @property
    def newest(self) -> Snapshot | None:
        """What was last reported, by the job's own answer or by a list."""
        return self.listed or self.snapshot

    @property
    def shown(self) -> Snapshot | None:
        """What was last reported, unless it is too old."""
        return None if self.stale else self.newest

    @property
    def counts(self) -> Mapping[Measure, float]:
        """The counts that were last reported, unless they are too old."""
        shown = self.shown
        return nothing() if shown is None else shown.counts

    @property
    def may_end(self) -> float | None:
        """The estimate, unless it is too old, or a list has reported another run since."""
        return None if self.stale or self.listed is not None else self.estimate

    @property
    def deadline(self) -> DueTime | None:
        """The deadline, once the first try of a poll ended: a run may have met it while nobody looked."""
        return None if self.up is None and self.snapshot is None else self.due

    @property
    def awaits(self) -> bool:
        """Whether the newest run succeeded and the answers that are to tell what it moved are waited for."""
        if self.unsettled > 1 or self.snapshot is None or not self.ledger.paid:
            return self.unsettled > 1
        run, awaited = self.snapshot.run, [each.run for each in self.ledger.paid if each.waits]
        return any(each == run or each.same(run) for each in awaited)

    @property
    def by_list(self) -> bool:
        """Whether the last poll that worked was a list's, so that the job need not be asked itself."""
        return self.listed_at is not None and self.listed_at == self.answered_at and self.fault is None
