"""The identity of a run, and the counts over all runs of a job."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from exporter.model.frozen import replace
from exporter.model.promises import MetDeadlines

ROUNDED: Final = 1.0
"""Seconds by which the same time may differ in two answers of a service."""


@dataclass(frozen=True, slots=True)
class RunId:
    """What tells one run from the next: the vendor's id of it, else when it was created."""

    id: str = ""
    created: float | None = None
    opaque: bool = field(default=False, compare=False)
    """Whether the id tells no order, though it may look like a number: a service that counts its runs up tells one.

    Without an id nothing but the creation tells the run from others of its job; two begin at least a second apart.
    """

    def same(self, other: "RunId") -> bool:
        """Whether both are the same run; a run may be seen without its id at first (CDM before it is submitted)."""
        if self.id and other.id:
            return self.id == other.id
        if self.created is None or other.created is None:
            return False
        return self.created == other.created or (self._by_time(other) and abs(self.created - other.created) < ROUNDED)

    def newer(self, other: "RunId") -> bool:
        """Whether this run surely came after the other one: by number, else by creation.

        Numbers are counted up even where the service's clock is set back. Of two ids that have no order, one that
        differs came later: a job has such a run only once. A run without any name comes before all others. Where one
        has only an id and the other only a creation time, nobody knows.
        """
        if self.same(other):
            return False
        if self._numbered(other):
            return int(self.id) > int(other.id)
        if self.created is not None and other.created is not None and self.created != other.created:
            return self.created > other.created
        return self != other and (other == NAMELESS or bool(self.id and other.id))

    def doubtful(self, other: "RunId") -> bool:
        """Whether nobody knows if both are one run: one tells its id alone and the other its creation alone."""
        return not (self.same(other) or self.newer(other) or other.newer(self))

    def after(self, other: "RunId") -> bool:
        """Whether this run came after the other one, and nothing says that it was the other way round."""
        return self.newer(other) and not other.newer(self)

    def renumbered(self, other: "RunId") -> bool:
        """Whether this run came later by its creation, though its number is lower: numbers may start again."""
        if not self._numbered(other) or self.created is None or other.created is None:
            return False
        return int(self.id) < int(other.id) and self.created > other.created

    def later(self, other: "RunId") -> bool:
        """Whether this run came after the other one, and their creations do not say that it was the other way round."""
        return self.after(other) and not other.renumbered(self)

    def follows(self, other: "RunId") -> bool:
        """Whether no other run can have been between: ids are counted up by one."""
        return self._numbered(other) and int(self.id) == int(other.id) + 1

    def merged(self, other: "RunId") -> "RunId":
        """Return the same run with what either of both says of it.

        Creations differ only where one is rounded; then that of *other* holds.
        """
        theirs = self.created is None or (self._by_time(other) and other.created is not None)
        return RunId(self.id or other.id, other.created if theirs else self.created, self.opaque)

    def undated(self) -> "RunId":
        """Return the same run without its creation."""
        return RunId(self.id, None, self.opaque)

    def raised(self, run: "RunId") -> "RunId":
        """Return this mark, up to which all runs are known, once that holds up to *run* too.

        The mark has only what *run* has: of a run whose id was never seen no number can say that it is known. It does
        not fall where the service's clock was set back.
        """
        number = max(self.id, run.id, key=int) if self._numbered(run) else run.id
        both = self.created is not None and run.created is not None
        return RunId(number, max(self.created or 0.0, run.created or 0.0) if both else run.created, run.opaque)

    def _numbered(self, other: "RunId") -> bool:
        return not (self.opaque or other.opaque) and self.id.isdecimal() and other.id.isdecimal()

    def _by_time(self, other: "RunId") -> bool:
        return (self.opaque or other.opaque) and not (self.id or other.id)

    @property
    def bare(self) -> bool:
        """Whether nothing but its creation tells the run from others of its job."""
        return self.opaque and not self.id and self.created is not None

    @property
    def order(self) -> tuple[float, float]:
        """What runs are sorted by; one without a name comes first."""
        return (int(self.id) if self.id.isdecimal() else -1, -1 if self.created is None else self.created)

    @property
    def label(self) -> str:
        """The value of the label ``run_id``: the id, else the creation time in milliseconds, else empty."""
        if self.id or self.created is None:
            return self.id
        return str(round(self.created * 1000))

    def outdated(self, other: "RunId") -> bool:
        """Whether this run came before the other one by both its number and its creation."""
        if not self._numbered(other) or self.created is None or other.created is None:
            return False
        return int(self.id) < int(other.id) and self.created < other.created

    def surely_before(self, other: "RunId") -> bool:
        """Whether this run came before the other one by its creation, and no number says that it came later.

        Unlike :meth:`outdated` it holds for ids without order too. If only one of the two has a number, nobody knows.
        """
        if self.same(other) or self.created is None or other.created is None or self.created >= other.created:
            return False
        numbers = self.id.isdecimal() and other.id.isdecimal()
        return self._by_time(other) or (numbers and int(self.id) < int(other.id))


NAMELESS: Final = RunId()
"""The run of a vendor who tells no name of it, and of a job that has never run."""


class Paid(NamedTuple):
    """A run that succeeded, and what of its counters was added."""

    run: RunId
    waits: int
    """Answers about the run that are still waited for, because its counters could not be read yet."""
    amounts: Mapping[str, float]
    """What was added, by measure: of a later answer that tells more the rest is added."""


class Unended(NamedTuple):
    """A run whose end the history did not tell yet, though a newer one began."""

    run: RunId
    readings: int
    """How often the history was read for it."""


class RunTimes(NamedTuple):
    """How long the runs of one result took, as far as the vendor reported it."""

    runs: int = 0
    milliseconds: int = 0
    """Of all of them together."""
    buckets: tuple[int, ...] = ()
    """How many took no longer than each of the bounds."""


UNTIMED: Final = (RunTimes(), RunTimes(), RunTimes())
"""One for all jobs of which no run was timed yet; in the order of ``RESULTS``."""


@dataclass(frozen=True, slots=True)
class Ledger:
    """What was counted over the runs of one job, and which runs count no more.

    A restart with a journal keeps all but what says otherwise.
    """

    floor: RunId | None = None
    """The run up to which nothing is left to count but what is open; ``None`` before the first poll that worked, and
    without a name if there was no run then."""
    counts_from: float | None = None
    """Where a list reported the job before its own first answer: runs count that began at this time or later, by the
    cloud's clock. ``None`` once it is known which runs these are."""
    beyond: tuple[RunId, ...] = ()
    """Known runs above the floor: there may be unknown runs between them and it, or nothing puts them in order."""
    lately: tuple[RunId, ...] = ()
    """The latest known runs, from old to new, if numbers between them were skipped: a run with one of these numbers,
    reported late, is new."""
    open: tuple[RunId, ...] = ()
    """Known runs whose end is still to be counted."""
    anew: float | None = None
    """The last creation before the numbers of the runs started again: no run up to it is new, whatever its number."""
    paid: tuple[Paid, ...] = ()
    """Runs that succeeded: those whose counters are waited for, and the newest one."""
    unnamed: bool = False
    """Whether the first runs had no name. Which runs of the history came before them is then not known."""
    ended: RunId | None = None
    """The newest run that was seen ended."""
    ended_start: float | None = None
    ended_end: float | None = None
    ended_seen: float | None = None
    """When it was first seen so, by the cloud's clock; its start and end, by the vendor, stand still from then on."""
    succeeded: RunId | None = None
    """The newest run that was seen to succeed, if it is known when."""
    failed: RunId | None = None
    """The newest run that was seen to fail, if it is known when."""
    succeeded_before: tuple[RunId, float] | None = None
    failed_before: tuple[RunId, float] | None = None
    """The ones before these two: the service may take back how a run ended."""
    runs: tuple[int, int, int] = (0, 0, 0)
    """Runs that ended, in the order of ``RESULTS``."""
    totals: Mapping[str, float] = field(default_factory=dict)
    """What the runs that succeeded moved, by measure."""
    last_success: float | None = None
    last_failure: float | None = None
    took: tuple[RunTimes, RunTimes, RunTimes] = UNTIMED
    """How long the runs took that are in *runs*, in the order of ``RESULTS``."""
    bounds: tuple[float, ...] = ()
    """The bounds of the buckets of *took*, in seconds, from low to high."""
    untimed: tuple[RunId, ...] = ()
    """Runs that are in *runs* and not in *took*: nothing has reported yet how long they took."""
    met: MetDeadlines | None = None
    """Which deadlines are settled, of a job that has one."""
    unended: tuple[Unended, ...] = ()
    """Of the open runs those that newer ones followed; empty after a restart."""
    lost: int = 0
    """Runs whose end will never be known, since the last restart."""

    @property
    def last_run_duration(self) -> float | None:
        """How long the newest run took that ended, by the vendor's own start and end."""
        return duration(self.ended_start, self.ended_end)

    def bucketed(self, bounds: tuple[float, ...]) -> "Ledger":
        """Return it with other *bounds*: durations are counted from zero, as their buckets are unknown."""
        return self if bounds == self.bounds else replace(self, took=UNTIMED, bounds=bounds, untimed=())


def milliseconds(start: float | None, end: float | None) -> int | None:
    """Return how many milliseconds a run took, if both times are known and can be true."""
    return None if start is None or end is None or end < start else round(end * 1000) - round(start * 1000)


def duration(start: float | None, end: float | None) -> float | None:
    """Return the same in seconds."""
    took = milliseconds(start, end)
    return None if took is None else took / 1000
