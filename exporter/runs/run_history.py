"""Reads the history of a job as far back as its ledger needs. Pure: the caller passes *ask*, which makes a call.

A failed call ends the reading. The next reading starts from the beginning, because the history has changed by then. A
reading has an upper bound: of a longer history the newest runs are read, and the others are missing.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

from exporter.model.errors import PollError
from exporter.model.job import Job
from exporter.model.reason import Reason
from exporter.model.run import NAMELESS, Ledger, RunId
from exporter.model.snapshot import Snapshot
from exporter.services.adapter import RunHistory
from exporter.services.page_cursor import PageCursor
from exporter.services.request import Ask

MOST_RUNS: Final = 2000
"""Runs of one reading: 20 pages."""


@dataclass(frozen=True, slots=True)
class _RunsRead:
    """What was read of a history."""

    runs: tuple[Snapshot, ...]
    """Those that began since the ledger's floor, and those that are open; some of them twice, and older ones too."""
    missing: int | None = 0
    """Runs at most that the cloud counted and that were not read, or cannot be distinguished from others, and that may
    be newer than the floor; ``None`` if there may be some and it gave no total."""


async def read_history(past: RunHistory, job: Job, project_id: str, ledger: Ledger, ask: Ask) -> _RunsRead:
    """Read until the runs that the ledger knows are passed, to the end, or the bound.

    A history that is not sorted from new to old is read to its end, and its newest runs are kept.
    """
    known = (ledger.floor, *ledger.open, *(each.run for each in ledger.paid if each.waits))
    found = _Found([run for run in known if run is not None])
    cursor = PageCursor(past.page_size, each=True)
    while not (cursor.over or found.full):
        page, _ = await ask(past.request(job, project_id, cursor.number), partial(past.parse, job=job))
        cursor.take({each.run for each in page.runs}, len(page.runs), page.total)
        found.take(page.runs)
        if found.passed and cursor.number > 1:
            # what follows is known, but a page that is not the last one and lacks rows may lack newer ones
            return _RunsRead(tuple(found.runs), found.nameless_before + cursor.gaps)
    if found.nameless and not found.runs:
        raise PollError(Reason.PAYLOAD, "the history has no readable run")
    missing = cursor.missing_rows
    return _RunsRead(tuple(found.runs), None if missing is None else missing + found.cut + found.nameless)


class _Found:
    """The rows that were read so far, as far back as the last of the *goals*.

    Nobody promised that they come from new to old, but it can be seen.
    """

    def __init__(self, goals: Sequence[RunId]) -> None:
        self._goals = sorted(goals, key=lambda run: run.order)  # the next one is last
        self._passed: set[RunId] = set()
        self._seen: set[RunId] = set()
        self._oldest: tuple[float, float] | None = None
        self._dated = any(not goal.id for goal in goals)
        self._descending = True
        self.runs: list[Snapshot] = []
        """Those with a name."""
        self.cut = 0
        """Rows that are beyond the bound."""
        self.nameless = 0
        """Rows that cannot be distinguished from others."""
        self.nameless_before = 0
        """Those of them before the last of the goals was passed."""

    @property
    def passed(self) -> bool:
        """Whether all goals were passed, and whatever follows is older."""
        return self._descending and not self._goals

    @property
    def full(self) -> bool:
        """Whether no row that follows is wanted."""
        return self._descending and len(self.runs) >= MOST_RUNS

    def take(self, page: Sequence[Snapshot]) -> None:
        """Take over a page: a constant effort for each of its rows, because there may be many."""
        for row, each in enumerate(page):
            if self.full:
                self.cut += len(page) - row
                return
            if each.run == NAMELESS:
                self.nameless += 1
                continue
            self.runs.append(each)
            if self._descending and each.run not in self._seen:
                self._follow(each.run)
            if each.run in self._passed:
                self.nameless_before = self.nameless
        if len(self.runs) > MOST_RUNS:
            self.cut += len(self.runs) - MOST_RUNS
            self.runs = sorted(self.runs, key=lambda each: each.run.order, reverse=True)[:MOST_RUNS]

    def _follow(self, run: RunId) -> None:
        self._seen.add(run)
        self._descending = self._oldest is None or self._before(run.order, self._oldest)
        self._oldest = run.order
        while self._goals and not run.newer(self._goals[-1]):
            self._goals.pop()
            self._passed.add(run)

    def _before(self, order: tuple[float, float], other: tuple[float, float]) -> bool:
        """Whether a row came before another: also by its creation if that is all that a goal has."""
        return order <= other and not (self._dated and order[1] > other[1])
