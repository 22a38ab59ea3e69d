"""The durations of runs, from the start and end that the API reports: each counted run is timed once."""

from bisect import bisect_left

from exporter.model.frozen import replace
from exporter.model.run import Ledger, RunId, RunTimes, milliseconds
from exporter.model.snapshot import RESULTS, Snapshot

_KEPT = 8
"""Counted runs of one job that are still to be timed, at most; older ones will not be reported any better."""


def counted_untimed(untimed: tuple[RunId, ...], run: RunId) -> tuple[RunId, ...]:
    """Return the runs that are to be timed once *run* is counted; one without a name is no other's after the next."""
    return (*(each for each in untimed if each != run), run)[-_KEPT:]


def timed(ledger: Ledger, answer: Snapshot) -> Ledger:
    """Return the ledger after an *answer* about a run that ended; the first that tells its start and end times it."""
    if not ledger.untimed:
        return ledger
    run, took = answer.run, milliseconds(answer.start, answer.end)
    entry = next((each for each in ledger.untimed if each == run or each.same(run)), None)
    if entry is None or took is None:
        return ledger
    new = tuple(
        _with(times, took, ledger.bounds) if result is answer.state else times
        for result, times in zip(RESULTS, ledger.took, strict=True)
    )
    return replace(
        ledger, took=(new[0], new[1], new[2]), untimed=tuple(each for each in ledger.untimed if each != entry)
    )


def _with(times: RunTimes, took: int, bounds: tuple[float, ...]) -> RunTimes:
    first = bisect_left(bounds, took / 1000)
    before = times.buckets or (0,) * len(bounds)
    buckets = tuple(number + (place >= first) for place, number in enumerate(before))
    return RunTimes(times.runs + 1, times.milliseconds + took, buckets)
