"""The parts of a CDM job's script: runs, what they move, the cluster they run on, and oddities of the answers."""

from dataclasses import dataclass, replace
from enum import StrEnum

from exporter.simulator.world import Step, length


class Oddity(StrEnum):
    """Ways in which real answers differ from the reference page."""

    TEXT_DATES = "creation-date is a string of digits"
    OLD_USER_KEY = "last-udpate-user, as the service spelled it for years"
    BOTH_USER_KEYS = "both spellings of that key"
    ZERO_WHEN_DONE = "SUCCEEDED with progress 0, as in the official example"
    BOOLEAN_STOPPING = "isStopingIncrement is a boolean, as in older releases"
    FEW_FIELDS = "while waiting, only the five fields of the official example"
    NO_LIST_STATUS = "the job list leaves the status out"
    NOT_FOUND_IS_500 = "a missing job is HTTP 500 instead of 400"


@dataclass(frozen=True, slots=True)
class Volume:
    """What a run has moved when it succeeds, by counter; -1 does not apply, None leaves the counter out."""

    rows_read: int = -1
    rows_written: int = -1
    bytes_read: int = -1
    bytes_written: int = -1
    files_read: int = -1
    files_written: int = -1
    total_files: int = -1
    total_size: int = -1
    files_skipped: int | None = None
    rows_skipped: int | None = None

    @property
    def counters(self) -> dict[str, int]:
        """Return the counters under their wire names (ShowJobStatus, table ``counters``)."""
        named = {
            "BYTES_WRITTEN": self.bytes_written,
            "TOTAL_FILES": self.total_files,
            "ROWS_READ": self.rows_read,
            "BYTES_READ": self.bytes_read,
            "ROWS_WRITTEN": self.rows_written,
            "FILES_WRITTEN": self.files_written,
            "FILES_READ": self.files_read,
            "TOTAL_SIZE": self.total_size,
            "FILES_SKIPPED": self.files_skipped,
            "ROWS_WRITTEN_SKIPPED": self.rows_skipped,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True, slots=True)
class CdmRun:
    """One run of a script: its *steps*, then the word *end* for *rest* seconds until the next run begins.

    *changes* are rows written, updated and deleted a second while it is RUNNING (an incremental run).
    """

    steps: tuple[Step, ...]
    end: str = "SUCCEEDED"
    rest: float = 15.0
    volume: Volume = Volume()
    changes: tuple[float, float, float] = (0.0, 0.0, 0.0)
    error_summary: str = ""
    error_details: str = ""

    @property
    def seconds(self) -> float:
        """Return the seconds from this run's beginning to the next run's."""
        return length(self.steps) + self.rest


@dataclass(frozen=True, slots=True)
class CdmCluster:
    """A migration cluster; *status* is a string of digits: 200 normal, 100 creating, 900 off.

    With a *cycle* it goes from one status to the next, each for so many seconds, again and again since *begun*.
    """

    cluster_id: str
    name: str
    status: str = "200"
    detail: str = "Normal"
    cycle: tuple[tuple[str, str, float], ...] = ()
    begun: float = 0.0

    def at(self, now: float) -> "CdmCluster":
        """Return the cluster as it is at *now*."""
        if not self.cycle:
            return self
        left = (now - self.begun) % sum(seconds for _, _, seconds in self.cycle)
        for status, detail, seconds in self.cycle:
            if left < seconds:
                return replace(self, status=status, detail=detail)
            left -= seconds
        return self
