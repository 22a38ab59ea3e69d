"""The runs that a ledger knows one by one, and what later answers tell of them. Pure."""

from collections.abc import Sequence

from exporter.model.frozen import replace
from exporter.model.run import Ledger, RunId


def dated(ledger: Ledger, runs: Sequence[RunId]) -> Ledger:
    """Return the ledger with what *runs*, as a list reports them, say of those that are known."""
    known = () if ledger.floor is None else (ledger.floor, *ledger.beyond)
    for run in runs:
        if run.id and any(run.id == each.id for each in known):
            ledger = fuller(ledger, run)
    return ledger


def with_ids(ledger: Ledger, runs: Sequence[RunId]) -> Ledger:
    """Return the ledger with the ids that *runs* tell of those that are known by their creation alone.

    Each of these might else be any run that tells its id alone.
    """
    for run in runs:
        if run.id and any(run.same(each) for each in ledger.beyond if not each.id):
            ledger = fuller(ledger, run)
    return ledger


def fuller(ledger: Ledger, run: RunId) -> Ledger:
    """Keep what is known of a run by now: its id often comes later than its creation."""

    def full(runs: tuple[RunId, ...]) -> tuple[RunId, ...]:
        return tuple(run.merged(each) if run.same(each) else each for each in runs)

    (floor,) = full((ledger.floor or run,))
    if floor.created is not None and ledger.floor is not None and ledger.floor.created is not None:
        floor = replace(floor, created=max(floor.created, ledger.floor.created))  # a mark never falls
    paid = tuple(each._replace(run=full((each.run,))[0]) for each in ledger.paid)
    beyond, live, untimed = full(ledger.beyond), full(ledger.open), full(ledger.untimed)
    return replace(ledger, floor=floor, beyond=beyond, open=live, paid=paid, untimed=untimed)


def entry(runs: Sequence[RunId], run: RunId) -> RunId | None:
    """Return the one of *runs* that is *run*, as it is known there."""
    return next((each for each in runs if each == run or each.same(run)), None)


def is_among(run: RunId, runs: Sequence[RunId]) -> bool:
    """Whether *run* is one of *runs*."""
    return entry(runs, run) is not None
