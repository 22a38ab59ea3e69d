"""Runs without a known end that newer runs followed: for how long the job's history is read for them. Pure."""

from collections.abc import Sequence
from typing import Final

from exporter.model.frozen import replace
from exporter.model.run import NAMELESS, Ledger, RunId, Unended

READINGS: Final = 24
"""Readings of the history for one run at most. With the default intervals they take two hours, or less if gaps between
later runs make the history be read more often."""


def read_again(ledger: Ledger) -> Ledger:
    """Return the ledger after a reading; a run that was read for often enough is lost: no reading goes back to it."""
    marks = [run for run in (ledger.floor, *ledger.beyond, *ledger.open) if run is not None]
    followed = [run for run in ledger.open if run != NAMELESS and _followed(run, marks)]
    read = [Unended(run, _readings(ledger, run) + 1) for run in followed]
    lost = [each.run for each in read if each.readings >= READINGS]
    return replace(
        ledger,
        open=tuple(run for run in ledger.open if run not in lost),
        unended=tuple(each for each in read if each.readings < READINGS),
        lost=ledger.lost + len(lost),
    )


def _followed(run: RunId, marks: Sequence[RunId]) -> bool:
    return any(mark.after(run) or mark.renumbered(run) for mark in marks)


def _readings(ledger: Ledger, run: RunId) -> int:
    return next((each.readings for each in ledger.unended if each.run == run or each.run.same(run)), 0)
