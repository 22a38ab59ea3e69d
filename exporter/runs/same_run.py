"""What is kept from earlier responses when there is a new one about the same run.

A response may contain less than an earlier one, and may lack the id or the creation that tell its run from others.
Once a run has ended, its start and end do not change any more, because the vendor's "last update" also changes when
somebody edits the job; they may only become known.
"""

from collections.abc import Mapping
from typing import Any, Final

from exporter.model.frozen import replace
from exporter.model.packed import Packed
from exporter.model.record import Record
from exporter.model.run import NAMELESS, ROUNDED, Ledger, RunId
from exporter.model.snapshot import CLOCKS, Measure, Snapshot, State
from exporter.runs import listed_counts, waiting
from exporter.runs.accounting import TRIES
from exporter.runs.last_ends import ended_otherwise
from exporter.runs.outdated import is_before
from exporter.services.adapter import Adapter
from exporter.services.codes_in_text import OTHER

LISTED_FOR: Final = 300.0
"""Seconds for which counts that only lists have are shown: after that, lists have failed for some time."""
COUNTED_BY: Final = 600.0
"""Seconds after the end of a run from which on its numbers are not expected to change any more."""


def continued(record: Record, before: Snapshot | None, answer: Snapshot, steady: float, adapter: Adapter) -> Snapshot:
    """Return an *answer* about the run that the answer *before* was about, with what is still true of that one."""
    if record.listed is not None and record.listed.run.same(answer.run):
        answer = with_words(record.listed, answer)
    if before is None:  # after a restart, perhaps
        known = next((run for run in record.ledger.open if run != answer.run and run.same(answer.run)), None)
        answer = answer if known is None else _told_before(answer, known)
        return _ended_before(record.ledger, answer, adapter) if answer.ended else answer
    if before.run != answer.run and before.run.same(answer.run):
        answer = _told_before(answer, before.run)
    if before.ended and answer.ended:
        answer = _still_ended(record, before, answer, adapter)
    elif answer.start is None and before.start is not None and not waiting.again(before, answer):
        answer = replace(answer, start=before.start).credible()
    if before.state is answer.state:
        answer = with_reason(before, answer)
    if record.details is not None and not waiting.again(before, answer):
        answer = _with_details(answer, record.details)
    answer = with_words(before, answer)
    fresh = record.listed_at is not None and steady - record.listed_at <= LISTED_FOR
    if fresh and (listed := listed_counts.of_run(record, answer)) and not (before.ended or answer.ended):
        return replace(answer, counts=Packed({**listed, **answer.counts}), digest=b"")
    return answer


def with_words(before: Snapshot, answer: Snapshot) -> Snapshot:
    """Return an answer with the words of the one *before*, about the same run, that it does not tell itself."""
    words = {**before.words, **answer.words}
    return answer if words == answer.words else replace(answer, words=Packed(words))


def _told_before(answer: Snapshot, run: RunId) -> Snapshot:
    """Return an answer with what was known before of its *run*.

    If the answer's start is the run's creation, both are those of before, and the end moves with them: it is computed
    from the start and a duration.
    """
    merged = answer.run.merged(run)
    if answer.start is None or merged.created is None or answer.start != answer.run.created:
        return replace(answer, run=merged)
    end = None if answer.end is None else answer.end + merged.created - answer.start
    return replace(answer, run=merged, start=merged.created, end=end)


def _with_details(answer: Snapshot, details: Snapshot) -> Snapshot:
    """Return an answer with what the last call about this run alone said and the answer does not."""
    agrees = details.state is answer.state
    return replace(
        answer,
        progress=details.progress if agrees and answer.progress is None else answer.progress,
        start=details.start if answer.start is None else answer.start,
        end=details.end if agrees and answer.end is None else answer.end,
        counts=Packed({**details.counts, **answer.counts}),
        words=Packed({**details.words, **answer.words}),
        detail=Packed({**details.detail, **answer.detail}),
    )


def _without_details(known: Snapshot, details: Snapshot, newer: Snapshot) -> Snapshot:
    """Return what is known without what an earlier call about this run alone said; a newer one may say less or else."""
    return replace(
        known,
        start=None if known.start == details.start and newer.start is not None else known.start,
        progress=None if known.progress == details.progress else known.progress,
        counts=_less(known.counts, details.counts),
        words=_less(known.words, details.words),
        detail=_less(known.detail, details.detail),
    )


def _less(known: Mapping[Any, Any], told: Mapping[Any, Any]) -> Mapping[Any, Any]:
    return Packed({name: value for name, value in known.items() if name not in told or told[name] != value})


def detailed(record: Record, answer: Snapshot, at: float, adapter: Adapter) -> Record:
    """Return the record with what a call about this run alone returned at *at* (Unix seconds).

    What the job's own answers say holds; of another run than the one that is known it says nothing.
    """
    known = record.snapshot
    if known is None or not known.of_same_run(answer):
        return record
    told = {name: value for name, value in answer.counts.items() if not (known.ended and name in adapter.live)}
    details = replace(answer, counts=Packed(told))
    own = known if record.details is None else _without_details(known, record.details, answer)
    after = _with_details(own, details).credible()
    moved = any(known.counts.get(measure) != value for measure, value in told.items()) or (
        after.progress not in (None, known.progress)
    )
    return replace(
        record,
        snapshot=after,
        details=details,
        last_counts=Packed({**record.last_counts, **told}),
        last_said_progress=record.last_said_progress if after.progress is None else after.progress,
        last_progress=at if moved and known.state is State.RUNNING else record.last_progress,
    )


def without_details(record: Record) -> Record:
    """Return the record so that its next answer is shown without what an earlier call about the run alone returned."""
    known = record.snapshot
    return replace(record, details=None, snapshot=known and replace(known, digest=b""))


def _ended_before(ledger: Ledger, answer: Snapshot, adapter: Adapter) -> Snapshot:
    """Return an *answer* about a run that ended; if it is known of old, as after a restart, its times stand still."""
    if ledger.ended is None or not ledger.ended.same(answer.run) or ended_otherwise(ledger, answer):
        return answer
    answer = _told_before(answer, ledger.ended)
    start = answer.start if ledger.ended_start is None else ledger.ended_start
    end = _end(ledger.ended_end, answer, ledger.ended_seen, adapter)
    return replace(answer, start=start, end=end).credible()


def ended_at(record: Record, answer: Snapshot, at: float, *, had_ended: bool) -> float | None:
    """Return when the run of an *answer* at *at* was first seen ended, by the cloud's clock; a journal may know it."""
    if not answer.ended:
        return None
    known = record.ledger.ended is not None and record.ledger.ended.same(answer.run)
    seen = record.ended_at if had_ended else record.ledger.ended_seen if known else at
    return at if seen is None else seen


def _still_ended(record: Record, before: Snapshot, answer: Snapshot, adapter: Adapter) -> Snapshot:
    """Return a further answer about a run that had ended."""
    if before.run.same(answer.run):
        start = answer.start if before.start is None else before.start
        end = _end(before.end, answer, record.ended_at, adapter)
    else:  # without a name it may be another run
        start = before.start if answer.start is None else answer.start
        end = before.end if answer.end is None and before.state is answer.state else answer.end
    return replace(answer, start=start, end=end).credible()


def _end(known: float | None, answer: Snapshot, seen: float | None, adapter: Adapter) -> float | None:
    """Return when the run ended: a time after its end was *seen*, by the cloud's clock, may be another change.

    Where nothing can move an end (``adapter.final``), it is true whenever it is said.
    """
    if known is not None or answer.end is None or adapter.final:
        return answer.end if known is None else known
    return None if seen is not None and answer.end > seen + CLOCKS else answer.end


def told_again(old: Snapshot, answer: Snapshot, own: Snapshot | None) -> bool:
    """Whether two answers are about the same ended run, where only one of them names it.

    They are if both give a start in the same second. They are not if the run of *answer* began after the end of the run
    of *old*. If neither is known: an *answer* without name and times is about the run of *old*. If *old*, from a list,
    has no name, its run is the one that *answer* names, unless the job's *own* last answer was about another run.
    """
    if old.state is not answer.state or (old.run == NAMELESS) is (answer.run == NAMELESS):
        return False
    if old.start is not None and answer.start is not None:
        return abs(old.start - answer.start) < ROUNDED
    if is_before(old, answer):
        return False
    if answer.run == NAMELESS:
        return answer.start is answer.end is None
    return own is None or own.of_same_run(answer)


def unsettled(record: Record, answer: Snapshot, at: float, *, same: bool, adapter: Adapter) -> int:
    """Return how many more answers are waited for before the numbers of a run that ended are taken for its last.

    One that says the same confirms them; if a run succeeded and has no counters yet, several are waited for. Those of
    a run that was over long before its first answer are settled.
    """
    before = record.snapshot
    if adapter.final or not answer.ended:
        return 0
    if before is None or not same or before.state is not answer.state:
        late = answer.end is not None and at > answer.end + COUNTED_BY
        return 0 if late else TRIES if _silent(answer, adapter) else 1
    if _silent(answer, adapter):
        return max(0, record.unsettled - 1)
    return int(any(before.counts.get(measure) != amount for measure, amount in answer.counts.items()))


def _silent(answer: Snapshot, adapter: Adapter) -> bool:
    """Whether a run succeeded and nothing tells what it moved, though the service has counters of it."""
    reported = any(Measure(name) in answer.counts for name in adapter.sums)
    return bool(adapter.sums) and answer.state is State.SUCCEEDED and not reported


def at_rest(record: Record, answer: Snapshot) -> Snapshot:
    """Return *answer*; if it says that nothing is under way, with how the last run ended, if that was reported.

    If a list reported another operation since, or no response came for long, nobody knows how the last one ended.
    """
    known = record.snapshot
    if not answer.idle or known is None or not (known.kind and known.idle and known.ended):
        return answer
    if record.stale or record.listed is not None:
        return answer
    detail = Packed({**known.detail, **answer.detail})
    return known if detail == known.detail else replace(known, detail=detail)


def of_known_run(record: Record, answer: Snapshot, adapter: Adapter) -> Snapshot:
    """Return an *answer* without a start as one about the run that was under way at the last answer.

    Only for services whose runs have no id, such as Flink: their jobs have one run at a time. The answer stays as it is
    if it says that the job waits or that no run began (``adapter.unstarted``), if a list reported another run since, or
    if the last run had ended and the answer's word is another one.
    """
    known, listed = record.snapshot, record.listed
    if known is None or record.stale or not known.run.bare or answer.run != NAMELESS or answer.idle:
        return answer
    another = known.ended and known.native_state != answer.native_state
    if another or answer.state is State.PENDING or answer.native_state.upper() in adapter.unstarted:
        return answer
    return answer if listed is not None and not listed.ended else replace(answer, run=known.run)


def moved(record: Record, answer: Snapshot) -> bool:
    """Whether *answer* is news of the same run: another state, progress or count than was last said."""
    return (
        record.snapshot is None
        or record.snapshot.state is not answer.state
        or answer.progress not in (None, record.last_said_progress)
        or any(record.last_counts.get(measure) != value for measure, value in answer.counts.items())
    )


def with_reason(before: Snapshot, answer: Snapshot) -> Snapshot:
    """Return the answer with what the one before, of the same state, says of a failure and this one does not."""
    if answer.state is not State.FAILED:
        return answer
    code = answer.failure_code
    if code in {None, OTHER} and before.failure_code is not None:
        code = before.failure_code
    detail: Mapping[str, Any] = Packed({**before.detail, **answer.detail})
    return replace(answer, failure_code=code, detail=detail)


def _remembered(record: Record, answer: Snapshot) -> Mapping[Measure, float]:
    """Return the last counts of the running run, unless *answer* has some of them itself.

    What lists reported of the run while it ran are not its final counts.
    """
    last = {measure: value for measure, value in record.last_counts.items() if measure not in record.by_lists}
    return {} if last.keys() & answer.counts.keys() else last


def final_counts(record: Record, answer: Snapshot, *, same: bool, adapter: Adapter) -> Mapping[Measure, float]:
    """Return the counts to show of a run that ended: each as it was last said, less those of what lives.

    Of answers about the running run only the last one counts, and only where the service forgets them at the end. What
    was said before the service had its counters holds until the next answer: it may be a 0 that stands for nothing.
    """
    before = record.snapshot
    if same and before is not None and before.state is answer.state:
        early = record.awaits and not adapter.forgets  # a service that forgets its counts says none early
        found = {**(listed_counts.of_run(record, answer) if early else before.counts), **answer.counts}
    else:
        found = {**(_remembered(record, answer) if same and adapter.forgets else {}), **answer.counts}
    return Packed({measure: value for measure, value in found.items() if measure not in adapter.live})
