"""Run numbers that restart at a lower value, as after a CDM cluster was created again. Pure.

Runs from before the restart are recognized by their creation time, because the new runs reuse their numbers.
"""

from collections.abc import Sequence

from exporter.model.frozen import replace
from exporter.model.run import NAMELESS, Ledger, RunId


def begun_anew(ledger: Ledger, newest: RunId) -> Ledger:
    """Return the ledger with the restart of the numbers noted, if the *newest* run shows that they restarted."""
    floor = ledger.floor or NAMELESS
    if not newest.renumbered(floor) or any(newest == each or newest.same(each) for each in ledger.beyond):
        return ledger
    return replace(ledger, floor=RunId("", floor.created), anew=floor.created, lately=())


def came_before(ledger: Ledger, run: RunId) -> bool:
    """Whether a run is from before the restart of the numbers, or may be."""
    return ledger.anew is not None and (run.created is None or run.created <= ledger.anew)


def last_before(ledger: Ledger, floor: RunId) -> float | None:
    """Return the last creation before the restart of the numbers, once all runs up to *floor* are known.

    A copy of the service's data that is behind may have reported runs from between the last known one and the restart.
    """
    if ledger.anew is None:
        return None
    old = [run.created for run in ledger.beyond if run.created is not None and floor.renumbered(run)]
    return max([ledger.anew, *old])


def forgotten(ledger: Ledger, run: RunId) -> bool:
    """Whether a run is certainly from before the restart, and its end or its counters are not awaited.

    A new run may have the same number.
    """
    if ledger.anew is None or run.created is None or run.created > ledger.anew:
        return False
    return all(each.created != run.created for each in (*ledger.open, *(entry.run for entry in ledger.paid)))


def is_cut(ledger: Ledger, runs: Sequence[RunId]) -> bool:
    """Whether the *runs* of a history contain a later run than one beyond the floor, but not that run itself.

    Then runs between the floor and the missing one may be lost too, as when numbers restart with an empty history.
    """
    gone = [run for run in ledger.beyond if not any(run.same(each) or run.doubtful(each) for each in runs)]
    return any(each.later(run) or each.renumbered(run) for run in gone for each in runs)


def before_all(ledger: Ledger, run: RunId) -> bool:
    """Whether a run was created before all known runs, though its number, if they have one, is higher.

    It is taken for a run from before the restart of the numbers. The other explanation is a clock of the service that
    was set back; then a later response about the job shows a number at least as high, and the run counts.
    """
    known = [each for each in (ledger.floor, *ledger.beyond) if each is not None]
    awaited = (*ledger.open, *(entry.run for entry in ledger.paid))
    return bool(known) and all(_before(run, each) for each in known) and not any(run.same(each) for each in awaited)


def _before(run: RunId, known: RunId) -> bool:
    if known.id:
        return known.renumbered(run)
    return None not in (run.created, known.created) and (run.created or 0.0) < (known.created or 0.0)
