"""Decides from which run on a job counts, also if a list reported it before its own first response.

The list shows that the job existed at that time. A run that had not ended then is counted when its end is known, and so
is every later run. A list may not have the run's id, so runs are distinguished by their start, which both have.
"""

import math
from collections.abc import Iterable, Sequence
from typing import Final

from exporter.model.frozen import replace
from exporter.model.run import NAMELESS, ROUNDED, Ledger, RunId
from exporter.model.snapshot import Snapshot, State

SOON: Final = 5.0
"""Seconds: a run that waits in a list may have begun before the list came; no run before it did in so short a time."""
_INSTANT: Final = 0.001
"""Seconds: the least difference between the creations of two runs."""


def counts_from(answer: Snapshot, at: float) -> float | None:
    """Return when a run must have begun that counts, if a list reported *answer* at *at* by the cloud's clock."""
    if answer.state is State.PENDING:
        return max(0.0, at - SOON)
    if answer.state is State.RUNNING:
        return None if answer.start is None else math.floor(answer.start)
    ends = [time for time in (answer.start, answer.end) if time is not None]
    return max(ends) + ROUNDED if ends and answer.ended else None


def begun_by_list(ledger: Ledger, answer: Snapshot, *, gaps: bool) -> Ledger:
    """Return the ledger before the job's own first *answer*, whose run counts if it began since ``counts_from``.

    With *gaps* there may have been others between, unless the run began at that moment: then the ledger begins with a
    creation before all of them, and the job's history reports which they are.
    """
    run, start, since = answer.run, answer.start, ledger.counts_from
    if ledger.floor is not None or since is None or start is None or start < since or run == NAMELESS:
        return ledger
    if not gaps or run.created is None or start < since + 2 * ROUNDED:
        return replace(ledger, floor=run, open=(run,))
    return replace(ledger, floor=RunId("", min(since, run.created) - _INSTANT))


def found_by_history(ledger: Ledger, found: Sequence[Snapshot]) -> Ledger:
    """Return the ledger before *found*, the runs of a history, are counted: those that began since ``counts_from``."""
    mark, since = ledger.floor, ledger.counts_from
    if since is None:
        return ledger
    ledger = replace(ledger, counts_from=None)
    began = [run.run.created for run in found if run.start is not None and run.start >= since]
    created = [each for each in began if each is not None]
    if mark is None or mark.id or mark.created is None or not created:
        return ledger
    return replace(ledger, floor=RunId("", min(mark.created, min(created) - _INSTANT)))


def began_after(run: Snapshot, since: float | None) -> bool:
    """Whether a run surely began after *since*, if that is known."""
    return since is not None and run.start is not None and run.start > since


def ended_before(run: Snapshot, moment: float | None) -> bool:
    """Whether a run surely ended before a *moment*, if that is known."""
    return moment is not None and run.ended and run.end is not None and run.end < moment


def without(ledger: Ledger, runs: Iterable[RunId], most: int) -> Ledger:
    """Return the ledger so that none of *runs* counts any more; at *most* so many are remembered one by one."""
    known = () if ledger.floor is None else (ledger.floor, *ledger.beyond)
    new = [run for run in runs if known and not any(run.same(each) for each in known)]
    return replace(ledger, beyond=(*ledger.beyond, *new)[-most:]) if new else ledger


def is_alive(answer: Snapshot) -> bool:
    """Whether an answer shows that its run had not ended: a state that nobody knows may be that of one that had."""
    return not answer.ended and answer.state is not State.UNKNOWN


def alive_later(ledger: Ledger, answer: Snapshot) -> bool:
    """Whether the baseline is alive, though its state was unknown before or its end was not confirmed.

    No end is known of it then, and none was counted. A run that counted does not count again, whatever is said of it.
    """
    unended = ledger.ended is None and not any(ledger.runs)
    return unended and is_alive(answer) and ledger.floor is not None and answer.run.same(ledger.floor)
