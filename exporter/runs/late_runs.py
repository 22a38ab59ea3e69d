"""Runs that the history reports late, when newer runs are known already. Pure.

A CDM cluster numbers the runs of all its jobs together. So a number that is skipped may be a run of another job, and
says nothing until the history reports a run of this job with it: then that run is counted. Only a run whose number is
between those of known runs, and whose creation does not contradict that, is surely none of them.
"""

from typing import Final

from exporter.model.run import NAMELESS, Ledger, RunId

LATELY_KEPT: Final = 8
"""Known runs between which a late one is still recognized."""


def with_known(ledger: Ledger, run: RunId) -> tuple[RunId, ...]:
    """Return the latest known runs once *run* is one of them: none if some have no order.

    All known runs since the first of them are there. Without a skipped number among them there are none.
    """
    known = ledger.lately or (() if ledger.beyond or ledger.floor is None else (ledger.floor,))
    earlier = [each for each in known if _before(each, run)]
    later = [each for each in known if _before(run, each)]
    if len(earlier) + len(later) < len(known):
        return ()
    if not earlier:
        return ledger.lately
    kept = [*earlier, run, *later][-LATELY_KEPT:]
    while len(kept) > 1 and kept[1].follows(kept[0]):
        del kept[0]
    return tuple(kept) if len(kept) > 1 else ()


def skipped(ledger: Ledger, run: RunId) -> bool:
    """Whether a run below the floor is not known."""
    known, floor = ledger.lately, ledger.floor
    if not known or floor is None or run.newer(floor):
        return False
    ordered = all(_before(each, run) or _before(run, each) for each in known)
    return ordered and _before(known[0], run) and _before(run, known[-1])


def _before(run: RunId, other: RunId) -> bool:
    """Whether a run has a lower number than another one, and was not created after it."""
    named = "" not in {run.id, other.id} and None not in {run.created, other.created}
    return named and other.later(run)


def linked(ledger: Ledger, run: RunId) -> bool:
    """Whether no unknown run of the job can have been between the known ones and a new *run*.

    Where the newest known run skipped a number, the history is read once more.
    """
    if ledger.floor is None or not run.follows(ledger.floor) or ledger.beyond:
        return False
    if any(each != NAMELESS for each in ledger.open):
        return False
    return not ledger.lately or ledger.lately[-1].follows(ledger.lately[-2])
