"""When runs last ended, succeeded and failed: as reported by the API, else the time of the poll that saw it. Pure.

The API may change the result of a run afterwards. A run cannot both succeed and fail, so then the previous run with the
old result counts again.
"""

from typing import NamedTuple

from exporter.model.frozen import replace
from exporter.model.run import Ledger, RunId
from exporter.model.snapshot import CLOCKS, Snapshot, State


class _Last(NamedTuple):
    run: RunId | None
    when: float | None
    before: tuple[RunId, float] | None


class _End(NamedTuple):
    answer: Snapshot
    at: float
    turned: bool
    counted: bool
    seen: float | None
    """When the run was first seen ended, while no end of it was told."""

    def before(self, known: RunId | None) -> bool:
        """Whether the run came before a known one; where number and creation disagree, one that counts now did not."""
        if known is None:
            return False
        disagree = known.renumbered(self.answer.run) or self.answer.run.renumbered(known)
        return known.later(self.answer.run) or (disagree and not self.counted)


def noted_end(ledger: Ledger, answer: Snapshot, at: float, *, turned: bool, counted: bool) -> Ledger:
    """Return the ledger after an *answer* at *at* (Unix seconds by the cloud's clock) about a run that ended.

    *turned*: an earlier answer showed the run before its end. *counted*: this answer is the one that counts the run.
    """
    for known in (ledger.ended, ledger.succeeded, ledger.failed):
        if known is not None and answer.run.created is None and known.same(answer.run):
            answer = replace(answer, run=answer.run.merged(known))
    untold = ledger.ended_end is None and ledger.ended is not None and ledger.ended.same(answer.run)
    end = _End(answer, at, turned, counted, ledger.ended_seen if untold else None)
    if not end.before(ledger.ended):
        ledger = _ended(ledger, answer, at)
    succeeded = _Last(ledger.succeeded, ledger.last_success, ledger.succeeded_before)
    failed = _Last(ledger.failed, ledger.last_failure, ledger.failed_before)
    succeeded = _after(succeeded, end, result=State.SUCCEEDED)
    failed = _after(failed, end, result=State.FAILED)
    return replace(
        ledger,
        succeeded=succeeded.run,
        last_success=succeeded.when,
        succeeded_before=succeeded.before,
        failed=failed.run,
        last_failure=failed.when,
        failed_before=failed.before,
    )


def ended_otherwise(ledger: Ledger, answer: Snapshot) -> bool:
    """Whether the run of *answer* was said to have succeeded, or failed, and now is not."""
    ends = ((ledger.succeeded, State.SUCCEEDED), (ledger.failed, State.FAILED))
    return any(run is not None and run.same(answer.run) and answer.state is not state for run, state in ends)


def _ended(ledger: Ledger, answer: Snapshot, at: float) -> Ledger:
    """Note the newest run that ended; its times may get known later, and change only with how it ended."""
    if ledger.ended is None or not ledger.ended.same(answer.run) or ended_otherwise(ledger, answer):
        return replace(ledger, ended=answer.run, ended_start=answer.start, ended_end=answer.end, ended_seen=at)
    start = answer.start if ledger.ended_start is None else ledger.ended_start
    end = answer.end if ledger.ended_end is None else ledger.ended_end
    return replace(ledger, ended=answer.run, ended_start=start, ended_end=end)


def _after(last: _Last, end: _End, result: State) -> _Last:
    """Return which run was the last to end with *result*."""
    answer = end.answer
    again = last.run is not None and last.run.same(answer.run)
    if answer.state is not result:
        if not again:
            return last
        return _Last(None, None, None) if last.before is None else _Last(*last.before, None)
    run, when = _newest(last, end, again=again)
    if again or run is last.run or last.run is None or last.when is None:
        return last._replace(run=run, when=when)
    return _Last(run, when, (last.run, last.when))


def _newest(last: _Last, end: _End, *, again: bool) -> tuple[RunId | None, float | None]:
    answer, run = end.answer, end.answer.run
    if end.before(last.run):
        return last.run, last.when
    if answer.end is None:
        return (run, end.at) if end.turned and not again else (last.run, last.when)
    if again and last.when is not None and answer.end >= last.when:
        # A first end, told soon after the run was seen ended, is right. A later one comes of a change to the job.
        told = last.when == end.seen and answer.end <= end.seen + CLOCKS
        return last.run, answer.end if told else last.when
    other = last.run is not None and not again and not run.after(last.run)
    if other and last.when is not None and answer.end < last.when:
        return last.run, last.when  # nothing but their ends shows which of both was last
    return run, answer.end
