"""Numbers of runs that begin anew, as in a CDM cluster that was made anew: creations tell what came before. Pure."""

from collections.abc import Sequence
from dataclasses import replace

from exporter.model.run import NAMELESS, Ledger, RunId


def begun_anew(ledger: Ledger, newest: RunId) -> Ledger:
    """Return the ledger once numbers began anew, if the *newest* run shows it: what came before, its creation tells."""
    floor = ledger.floor or NAMELESS
    if not newest.renumbered(floor) or any(newest == each or newest.same(each) for each in ledger.beyond):
        return ledger
    return replace(ledger, floor=RunId("", floor.created), anew=floor.created)


def came_before(ledger: Ledger, run: RunId) -> bool:
    """Whether a run came before the numbers began anew, or may have."""
    return ledger.anew is not None and (run.created is None or run.created <= ledger.anew)


def forgotten(ledger: Ledger, run: RunId) -> bool:
    """Whether a run is surely of before the numbers began anew, and none of those that are followed.

    Then one of the new runs may have its number.
    """
    if ledger.anew is None or run.created is None or run.created > ledger.anew:
        return False
    return all(each.created != run.created for each in (*ledger.open, *(entry.run for entry in ledger.paid)))


def is_cut(ledger: Ledger, runs: Sequence[RunId]) -> bool:
    """Whether the *runs* of a history lack one of those beyond the floor, though a later one is there.

    What was between the floor and that one is gone with it, as when numbers begin anew with an empty history.
    """
    gone = [run for run in ledger.beyond if not any(run.same(each) or run.doubtful(each) for each in runs)]
    return any(each.later(run) or each.renumbered(run) for run in gone for each in runs)


def before_all(ledger: Ledger, run: RunId) -> bool:
    """Whether a run has a higher number than all that are known, and an earlier creation than any.

    It came before numbers began anew: had the service's clock been set back, the newest run would be known to have a
    number at least as high. It is, if at all, once the next answer about the job tells so.
    """
    known = [each for each in (ledger.floor, *ledger.beyond) if each is not None]
    return bool(known) and all(each.id and each.renumbered(run) for each in known)
