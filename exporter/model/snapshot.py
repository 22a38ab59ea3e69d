"""The content of one response about a job's newest run.

An unknown value is ``None`` (or a missing key), never 0. Times are Unix seconds.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from math import inf
from typing import Any, Final, NamedTuple

from exporter.model.frozen import replace
from exporter.model.packed import Packed
from exporter.model.run import NAMELESS, RunId

CLOCKS: Final = 5.0
"""Seconds by which the clock of a service may be ahead of the one that its times are compared with."""
CREATION: Final = "creation"
"""Named among what could not be read of a run that waits, if it was created in the future."""
NOTHING: Final[Mapping[Any, Any]] = Packed({})
"""One for all records: there may be a hundred thousand."""


def nothing() -> Mapping[Any, Any]:
    """Return the one mapping without items."""
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
        """Whether a run in this state is over, unless its snapshot is resumable."""
        return self in _ENDED


_ENDED: Final = frozenset({State.SUCCEEDED, State.FAILED, State.CANCELLED})
_LIVE: Final = frozenset({State.RUNNING, State.UNKNOWN})
_BEGUN: Final = frozenset({State.RUNNING, *_ENDED})


class Measure(NamedTuple):
    """One number of a run: the catalogue's name of it and, where the metric has one, its label value."""

    name: str
    label: str = ""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of like things, kept without repeating their names; ``None`` is what was not said."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]

    def column(self, name: str) -> tuple[Any, ...]:
        """Return one value of each row."""
        if name not in self.columns:
            return ()
        place = self.columns.index(name)
        return tuple([row[place] for row in self.rows])

    def dicts(self) -> list[dict[str, Any]]:
        """Return the rows ready for JSON, what was not said left out."""
        return [
            {name: value for name, value in zip(self.columns, row, strict=True) if value is not None}
            for row in self.rows
        ]


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
    counts: Mapping[Measure, float] = field(default_factory=nothing)
    words: Mapping[str, str] = field(default_factory=nothing)
    """What holds for all of the run, such as its queue: an answer that tells none of it takes nothing back."""
    detail: Mapping[str, Any] = field(default_factory=nothing)
    """For page and JSON only, what was not said left out; :meth:`detail_json` makes it ready for JSON."""
    unknown: tuple[str, ...] = ()
    """Fields that said something we cannot read, one entry for each time."""
    others: tuple["Snapshot", ...] = ()
    """Other runs of the same answer, the oldest first: they only count, once they ended."""
    disposable: bool = False
    """Whether the job is deleted after the run: that it is not found then is no failure."""
    digest: bytes = b""
    """Of the bytes that were read: the same bytes need not be read again."""
    kind: str = ""
    """What is done, by a service whose runs have no name: an answer of another kind is about another run."""
    idle: bool = False
    """Whether it says that nothing is under way; of how the last run ended it then says nothing."""
    updated: float | None = None
    """When the service last changed what it says of a run that has not ended, if it says when."""
    resumable: bool = False
    """Whether the run may go on, though its state is otherwise that of one that ended."""

    @property
    def ended(self) -> bool:
        """Whether the run is over."""
        return not self.resumable and self.state.ended

    @property
    def lives(self) -> bool:
        """Whether a run may be under way, about which the job's own answer says more than a list."""
        return self.state in _LIVE and not self.idle

    def of_same_run(self, other: "Snapshot") -> bool:
        """Whether a later answer is about the same run, as far as the service tells runs apart.

        A run without a name that had ended does not go on: what is in progress then is the next one. Its failure may be
        reported twice, by a call about it and then by the job's own response. Where nothing but runs is reported, one
        that had begun does not wait again either; an operation (``kind``) may be paused.
        """
        over = self.idle or (self.ended and bool(self.kind) and not other.ended)
        begun = over and not other.idle and not (self.state is other.state is State.FAILED)
        waits = not self.kind and other.state is State.PENDING
        begun = begun or (waits and (self.state in _BEGUN or self.start is not None))
        return self.run.same(other.run) or (self.run == other.run and self.kind == other.kind and not begun)

    def surely_another(self, other: "Snapshot") -> bool:
        """Whether both are about runs without a name that are surely not one run: of two kinds, or one succeeded."""
        succeeded = self.idle and self.state is State.SUCCEEDED and not other.idle
        return self.run == other.run == NAMELESS and (self.kind != other.kind or succeeded)

    @property
    def waited(self) -> float | None:
        """Seconds from the creation of the run to its start, as far as both were reported.

        A service that tells no start of its own may repeat the creation as such, which is no wait of 0.
        """
        start, created = self.start, self.run.created
        if start is None or created is None or created >= start:
            return None
        return (round(start * 1000) - round(created * 1000)) / 1000

    def credible(self, now: float = inf) -> "Snapshot":
        """Return it without times that cannot be: later than *now*, when the answer came, or an end before the start.

        Where it is by the creation alone that runs are put in order, one in the future tells no order either. A run
        that waits does not wait since then.
        """
        found, latest = self, now + CLOCKS
        if self.start is not None and self.start > latest:
            run = self.run.undated() if self.run.opaque and self.run.created == self.start else self.run
            found = replace(found, start=None, run=run, unknown=(*found.unknown, "start"))
        created = self.run.created
        if self.state is State.PENDING and created is not None and created > latest:
            found = replace(found, unknown=(*found.unknown, CREATION))
        earliest = -inf if found.start is None else found.start
        if found.end is not None and not earliest <= found.end <= latest:
            found = replace(found, end=None, unknown=(*found.unknown, "end"))
        others = tuple([each.credible(now) for each in self.others])
        return found if others == self.others else replace(found, others=others)

    def detail_json(self) -> dict[str, Any]:
        """Return the detail ready for JSON."""
        detail = {name: value.dicts() if isinstance(value, Rows) else value for name, value in self.detail.items()}
        return {**self.words, **detail} if self.words else detail


RESULTS: Final = (State.SUCCEEDED, State.FAILED, State.CANCELLED)


_COMPLAINTS: Final = ("summary", "detail", "message", "error")


def complaint(detail: Mapping[str, Any]) -> str:
    """Return the vendor's own text of why a run failed: what stands in a field whose name says so."""
    texts = {name: text for name, text in detail.items() if isinstance(text, str) and text}
    return next((texts[name] for word in _COMPLAINTS for name in texts if word in name and "code" not in name), "")
