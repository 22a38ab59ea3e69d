"""Runs that the history reports late, when newer runs are known already. Pure.

A CDM cluster numbers the runs of all its jobs together. So a number that is skipped may be a run of another job, and
says nothing until the history reports a run of this job with it: then that run is counted. Only a run that came after
one known run and before another by number and by creation is surely none of them.
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
    earlier = [each for each in known if each.outdated(run)]
    later = [each for each in known if run.outdated(each)]
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
    ordered = all(each.outdated(run) or run.outdated(each) for each in known)
    return ordered and known[0].outdated(run) and run.outdated(known[-1])


def linked(ledger: Ledger, run: RunId) -> bool:
    """Whether no unknown run of the job can have been between the known ones and a new *run*.

    Where the newest known run skipped a number, the history is read once more.
    """
    if ledger.floor is None or not run.follows(ledger.floor) or ledger.beyond:
        return False
    if any(each != NAMELESS for each in ledger.open):
        return False
    return not ledger.lately or ledger.lately[-1].follows(ledger.lately[-2])
