"""The words of the program: what a job is, what one answer says of it, what is known of it over time.

Absent is ``None`` (or a missing key), never 0. Times are Unix seconds. Everything here is frozen, so a record
handed to a scrape cannot move under it.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, NamedTuple

from exporter.core.packed import Packed
from exporter.core.run import NAMELESS
from exporter.core.run import Ledger as Ledger
from exporter.core.run import RunId as RunId

BEGUN: Final = Ledger()
NOTHING: Final[Mapping[Any, Any]] = Packed({})
"""One for all records: there may be a hundred thousand."""


def _nothing() -> Mapping[Any, Any]:
    return NOTHING


class State(StrEnum):
    """The six states every service's own words are mapped to."""

    PENDING = "pending"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"

    @property
    def ended(self) -> bool:
        """Whether a run in this state is over."""
        return self in ENDED


ENDED: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})


class Reason(StrEnum):
    """The closed list of reasons a poll can fail for; label ``reason`` of ``poll_failures_total``."""

    TIMEOUT = "timeout"
    UNREACHABLE = "unreachable"
    TLS = "tls"
    THROTTLED = "throttled"
    AUTH = "auth"
    PERMISSION = "permission"
    NOT_FOUND = "not_found"
    CONFIG = "config"
    API = "api"
    SERVER = "server"
    PAYLOAD = "payload"
    INTERNAL = "internal"


class JobKey(NamedTuple):
    """The two labels that name a job on every one of its series."""

    service: str
    job: str


class Measure(NamedTuple):
    """One number of a run: the catalogue's name of it and, where the metric has one, its label value."""

    name: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of like things, kept without repeating their names; ``None`` is what was not said."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows ready for JSON, what was not said left out."""
        return [
            {name: value for name, value in zip(self.columns, row, strict=True) if value is not None}
            for row in self.rows
        ]


LIVE: Final = frozenset({Measure("tasks", "active"), Measure("stages", "active"), Measure("subjobs", "running")})
"""Measures that mean something only while a run lives; they go when it ends."""


@dataclass(frozen=True, slots=True)
class Job:
    """A registered job."""

    key: JobKey
    project: str
    """Our name of the project, the key under ``projects``."""
    target: Mapping[str, str]
    """The service's own words for where it is, for example ``job_id`` or ``cluster_id`` and ``job_name``."""
    interval: float | None = None
    """Seconds between two polls while it runs, if the operator gave this job its own."""
    source: str = "static"
    """Who registered it: ``static`` for the ``jobs`` section, ``file`` for a job file, ``discovery`` for a rule."""
    region: str = ""
    """The project's region, for the label of ``huaweicloud_job_info``."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """What one answer says of a job's newest run."""

    state: State
    native_state: str = ""
    """The vendor's word as the vendor writes it, ``other`` for a word we do not know, empty if none came."""
    run: RunId = NAMELESS
    progress: float | None = None
    """0 to 1."""
    incremental: bool | None = None
    start: float | None = None
    end: float | None = None
    failure_code: str | None = None
    """Of a failed run: the vendor's error code, else ``other``; ``None`` for any other state, and from a list that has
    no place for it."""
    counts: Mapping[Measure, float] = field(default_factory=_nothing)
    detail: Mapping[str, Any] = field(default_factory=_nothing)
    """For page and JSON only, what was not said left out; :meth:`told` makes it ready for JSON."""
    unknown: tuple[str, ...] = ()
    """Fields that said something we cannot read, one entry for each time."""
    digest: bytes = b""
    """Of the bytes that were read: the same bytes need not be read again."""

    def told(self) -> dict[str, Any]:
        """Return the detail ready for JSON."""
        return {name: value.dicts() if isinstance(value, Table) else value for name, value in self.detail.items()}


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


RESULTS: Final = (State.SUCCEEDED, State.FAILED, State.CANCELLED)


@dataclass(frozen=True, slots=True)
class Record:
    """All that is known of one job at one moment."""

    job: Job
    snapshot: Snapshot | None = None
    """The job's own last answer that could be read; ``None`` before the first."""
    stale: bool = False
    """Whether that answer is too old to be shown."""
    up: bool = False
    polled_at: float | None = None
    """When the last poll that worked was answered."""
    final: bool = False
    """A run that ended, was confirmed, and is never asked for again."""
    fault: Fault | None = None
    """The last failed poll, while the one after it has not worked."""
    failing: int = 0
    """Polls that failed in a row."""
    failures: Mapping[Reason, int] = field(default_factory=_nothing)
    last_progress: float | None = None
    last_success: float | None = None
    last_run_duration: float | None = None
    runs: tuple[int, int, int] = (0, 0, 0)
    """Runs that ended since the job was registered, in the order of ``RESULTS``, as shown."""
    totals: Mapping[str, float] = field(default_factory=_nothing)
    """What its runs that succeeded moved since then, by measure, as shown; empty where a service adds up nothing."""
    ledger: Ledger = BEGUN
    """The same and more as counted."""
    journaled: bool = False
    """Whether counters are shown only once a journal holds them, so that they cannot fall over a crash."""
    seen: Mapping[Measure, float] = field(default_factory=_nothing)
    """The counts of the present run as last said, also where the newest answer says less."""
    seen_progress: float | None = None
    """The progress of the present run as last said."""
    estimate: float | None = None
    """When the present run may be done, by what :mod:`exporter.core.estimate` makes of its answers."""
    evidence: bytes = b""
    """What that module keeps of them."""
    durations: tuple[float, ...] = ()
    """Seconds that the last runs which succeeded took, by the vendor's own start and end, the newest last."""
    planned: tuple[float, ...] = ()
    """Tasks that the last runs which succeeded planned in all, as far as they were seen, the newest last."""
    registration: int = 0
    """Which registration, or run, of this name it is: a poll that began for another one says nothing of this one."""
    listed: Snapshot | None = None
    """What a list told since the last answer and the answer did not say; shown until the job was asked itself."""
    listed_at: float | None = None
    """When a list last told of the job."""
    by_lists: Mapping[Measure, float] = field(default_factory=_nothing)
    """Those of the present run's counts that the last list told, while it runs."""

    @property
    def newest(self) -> Snapshot | None:
        """What was last told, by the job's own answer or by a list."""
        return self.listed or self.snapshot

    @property
    def shown(self) -> Snapshot | None:
        """What was last told, unless it is too old."""
        return None if self.stale else self.newest

    @property
    def may_end(self) -> float | None:
        """The estimate, unless it is too old, or a list told since of something else than the run that it is of."""
        return None if self.stale or self.listed is not None else self.estimate

    @property
    def by_list(self) -> bool:
        """Whether the last poll that worked was a list's, so that the job need not be asked itself."""
        return self.listed_at is not None and self.listed_at == self.polled_at and self.fault is None
