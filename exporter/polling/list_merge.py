"""Merges a row of a list into the record of a job. A list has the states of many jobs, but not all fields. Pure.

For a job that is not running, a list counts as a poll. For a running job, a list has no progress and in some services
no run id. So a running job is still polled itself, at once if it just began, and the list only adds to its own
responses. If the list does not say which run it is about, its values are shown until the job was polled itself, and
nothing is counted. If the job's own response differs from the list, the own response holds until the list changes:
CDM's list, for example, shows a stopped job as failed. If polls of the job fail, the values of the list are shown, but
the polls are retried, and the failure is shown until a poll succeeds, because a list cannot show that.
"""

from typing import NamedTuple

from exporter.model.frozen import replace
from exporter.model.packed import Packed
from exporter.model.record import Record
from exporter.model.run import NAMELESS, ROUNDED, RunId
from exporter.model.snapshot import NOTHING, Snapshot, State
from exporter.runs import listed_counts, transitions, waiting
from exporter.runs.outdated import is_before, is_of_earlier_run, is_outdated_in_list
from exporter.runs.same_run import LISTED_FOR, at_rest, with_reason, with_words
from exporter.services.adapter import Adapter


class ListReport(NamedTuple):
    """What is compared between one list and the next. Other responses may write the same times differently."""

    state: State
    start: float | None
    end: float | None
    kind: str = ""


def report_of(answer: Snapshot) -> ListReport:
    """Return what the next list is compared with."""
    return ListReport(answer.state, answer.start, answer.end, answer.kind)


class _When(NamedTuple):
    """One moment by three clocks."""

    wall: float
    """Unix seconds: to show."""
    steady: float
    """By the clock that never jumps: to compare."""
    cloud: float
    """Unix seconds by the cloud's clock: what the times in its responses are compared with."""


def merged_record(
    record: Record,
    answer: Snapshot,
    at: float,
    adapter: Adapter,
    *,
    before: ListReport | None,
    steady: float | None = None,
    cloud: float | None = None,
) -> tuple[Record, bool]:
    """Return the record after a list reported *answer* at *at* (Unix seconds), and whether to poll the job itself.

    *before* is what the previous list reported of it, if there was one; *steady* is the same moment by the clock that
    never jumps, and *cloud* by the cloud's. Where they are left out, the clocks agree.
    """
    when = _When(at, at if steady is None else steady, at if cloud is None else cloud)
    after, soon = _listed(record, answer, when, adapter, before)
    after = _waiting(record, after, answer, at, adapter)
    if record.fault is not None and not after.final:
        after = replace(after, fault=record.fault, failing=record.failing)
    return after, soon


def _listed(
    record: Record, answer: Snapshot, at: _When, adapter: Adapter, before: ListReport | None
) -> tuple[Record, bool]:
    news = before is not None and before != report_of(answer) and not _edited(before, report_of(answer))
    if record.final:
        return _completed(record, answer, at, adapter), False
    if (rest := at_rest(record, answer)) is not answer:
        return replace(_confirmed(record, None, at), snapshot=rest), False
    if is_of_earlier_run(record, answer, at.cloud - at.steady):
        return transitions.listed_earlier(replace(record, listed_at=at.steady), answer, at.cloud), False
    if is_outdated_in_list(record, answer):
        return replace(record, listed_at=at.steady), False
    if before == report_of(answer) and _disputed(record, answer):
        return replace(record, listed_at=at.steady), answer.lives and record.fault is None
    record = transitions.first_listed(record, answer, at.cloud)
    if answer.lives:
        return _lives(record, answer, at, news=news)
    if answer.run != RunId():
        return _rests(record, answer, at, adapter), False
    return _rests_unnamed(record, answer, at, news=news, first=before is None)


def _waiting(record: Record, after: Record, answer: Snapshot, at: float, adapter: Adapter) -> Record:
    """Return the record with since when its run waits: the list may tell when it was submitted, where polls do not."""
    newest = after.newest
    if newest is not None and newest.run.same(answer.run) and newest.state is answer.state:
        newest = answer
    elif newest is None or after.listed is record.listed:
        return after
    since = waiting.since(record, newest, at, adapter)
    return after if since == after.pending_since else replace(after, pending_since=since)


def _edited(before: ListReport, now: ListReport) -> bool:
    """Whether only the end of a run moved, though it had ended: somebody changed the job."""
    return before.end is not None and now.start is not None and before[:2] == now[:2] and now.state.ended


def _disputed(record: Record, answer: Snapshot) -> bool:
    """Whether the job itself said something else, if it was asked since a list first reported this."""
    known = record.snapshot
    if known is None or record.listed is not None or (known.state is answer.state and known.kind == answer.kind):
        return False
    return not ((known.lives and answer.lives) or (answer.run != RunId() and not answer.lives))


def _completed(record: Record, answer: Snapshot, at: _When, adapter: Adapter) -> Record:
    """Add what only the list reports about a run whose end is final."""
    known = record.snapshot
    if known is None or record.polled_at is None or not known.run.same(answer.run):
        return record
    more, asked = with_row(known, answer), record.answered_at or at.steady
    if more is known:
        return record
    return transitions.worked(record, more, record.polled_at, adapter, asked, at.cloud - at.steady + asked)


def _lives(record: Record, answer: Snapshot, at: _When, *, news: bool) -> tuple[Record, bool]:
    known, shown = record.snapshot, record.shown
    if record.listed_at is None and known is not None and None not in (known.start, answer.start):
        news = abs((answer.start or 0.0) - (known.start or 0.0)) > ROUNDED  # the first list is of another run
    if known is None or shown is None:
        first = record.listed_at is None or record.listed is not None
        listed = replace(answer, unknown=()) if record.listed is not None else None  # not what it reported before
        return replace(listed_counts.kept(record, answer, at.steady), listed=listed), first and record.fault is None
    if record.listed is None and known.lives and known.kind == answer.kind and not news:
        return _added(record, known, answer, at), False
    moved = shown.state is not answer.state
    # if the list before reported the same, its own poll is due already
    waits = record.listed is not None and report_of(record.listed) == report_of(answer)
    record = replace(
        listed_counts.kept(record, answer, at.steady),
        listed=replace(answer, unknown=()),
        last_progress=at.wall if moved else record.last_progress,
    )
    return record, not waits


def _added(record: Record, known: Snapshot, answer: Snapshot, at: _When) -> Record:
    """Add to the answer of a job that runs what only the list reports: since when, and what it moved so far."""
    if listed_counts.is_row_of_another(known, answer):
        answer = Snapshot(known.state)  # none of it is about the run that is shown
    more, before = with_row(known, answer), listed_counts.of_run(record, known)
    own = {measure: value for measure, value in known.counts.items() if measure not in before}
    counts = {**own, **answer.counts}
    record = listed_counts.kept(record, answer, at.steady)
    if more is known and counts == known.counts:
        return record
    moved = any(known.counts.get(measure) != value for measure, value in counts.items())
    return replace(
        record,
        snapshot=replace(more, counts=Packed(counts), digest=b""),  # read again, or the counts would never grow old
        last_counts=Packed({**record.last_counts, **counts}),
        last_progress=at.wall if moved else record.last_progress,
    )


def with_older_row(record: Record, answer: Snapshot, wall: float, steady: float) -> Record:
    """Return the record with what only a list reports of a run, though it is older than the job's own last answer.

    Where polls are frequent or a list takes long, every list is: its counts would stand still beside those of polls.
    What the own answer said holds. *wall* and *steady* are the moment of the list, as for :func:`merged_record`.
    """
    known = record.snapshot
    if known is None or record.final or record.stale:
        return record
    if not known.lives or known.state is not answer.state or known.kind != answer.kind:
        return record
    if (record.listed_at is not None and steady <= record.listed_at) or not _same_run(known, answer):
        return record
    if record.answered_at is not None and record.answered_at - steady > LISTED_FOR:
        return record
    before = listed_counts.of_run(record, known)
    own = {measure: value for measure, value in known.counts.items() if before.get(measure) != value}
    listed = Packed({measure: value for measure, value in answer.counts.items() if measure not in own})
    more, counts = with_row(known, answer), Packed({**listed, **own})
    if more is known and not (listed or record.by_lists):
        return record
    moved = any(record.last_counts.get(measure) != value for measure, value in counts.items())
    return replace(
        record,
        snapshot=replace(more, counts=counts, digest=b""),
        by_lists=listed,
        by_lists_from=None,
        listed_at=steady,
        last_counts=Packed({**record.last_counts, **counts}),
        last_progress=max(wall, record.last_progress or wall) if moved else record.last_progress,
    )


def _same_run(known: Snapshot, answer: Snapshot) -> bool:
    """Whether the name or the start of a list's answer shows that it is about the run that is known."""
    if known.run != NAMELESS and known.run.same(answer.run):
        return True
    return known.start is not None and answer.start is not None and abs(known.start - answer.start) <= ROUNDED


def _rests(record: Record, answer: Snapshot, at: _When, adapter: Adapter) -> Record:
    """Take the list for the job's own answer: it tells which run it is, and all there is to tell while it rests."""
    known = record.snapshot
    if known is not None and known.run.same(answer.run) and (known.state, known.ended) == (answer.state, answer.ended):
        answer = replace(with_row(known, answer), digest=b"")  # it confirms, and takes nothing back
    return replace(transitions.worked(record, answer, at.wall, adapter, at.steady, at.cloud), listed_at=at.steady)


def _rests_unnamed(record: Record, answer: Snapshot, at: _When, *, news: bool, first: bool) -> tuple[Record, bool]:
    """Take the list for a poll; the *first* one may report a run that began and ended after the job was asked.

    One that tells no times of a run that ended, or that waits and has an id, may be about any: it leaves the job to
    its own polls. Nor does the same state confirm a run of which nothing was heard for so long that it is not shown any
    more: another may have begun.
    """
    known = record.snapshot
    changed = known is not None and (news or known.state is not answer.state or known.kind != answer.kind)
    any_run = answer.ended or (known is not None and known.run != NAMELESS and not record.stale)
    if known is not None and not changed and any_run and (answer.start, answer.end) == (None, None):
        return replace(record, listed_at=at.steady), first
    if known is not None and not changed:
        changed = is_before(known, answer) or (record.stale and not _same_times(known, answer))
    waits = record.listed is not None and report_of(record.listed) == report_of(answer)
    before = record.newest
    moved = before is None or before.state is not answer.state
    differs = known is None or changed or waits
    if known is not None and not differs and answer.ended:
        record = _with_counts(record, known, answer, at)
    record = _confirmed(record, replace(answer, unknown=()) if differs else None, at)
    record = replace(record, last_progress=at.wall if moved else record.last_progress)
    return record, (changed and not waits) or (first and known is not None)


def _confirmed(record: Record, listed: Snapshot | None, at: _When) -> Record:
    """Return the record with a list as the last poll that worked; *listed* is what only the list says."""
    return replace(
        record,
        listed=listed,
        listed_at=at.steady,
        polled_at=at.wall,
        answered_at=at.steady,
        stale=False,
        up=True,
        fault=None,
        failing=0,
    )


def _with_counts(record: Record, known: Snapshot, answer: Snapshot, at: _When) -> Record:
    """Take over what a list says that a run moved which ended, if its times show that it is that run.

    What the job's own answer said before it had its counters is older than this list, and not true any more.
    """
    listed = answer.counts if _same_times(known, answer) else NOTHING
    own = listed_counts.of_run(record, known) if record.awaits else known.counts
    counts = Packed({**own, **listed})
    if counts == known.counts:
        return record
    moved = any(known.counts.get(measure) != value for measure, value in listed.items())
    return replace(
        record,
        snapshot=replace(known, counts=counts, digest=b""),
        by_lists=listed or record.by_lists,
        by_lists_from=None if listed else record.by_lists_from,
        last_counts=Packed({**record.last_counts, **counts}),
        last_progress=at.wall if moved else record.last_progress,
    )


def _same_times(known: Snapshot, answer: Snapshot) -> bool:
    """Whether the start or the end of a list's answer shows that it is about the run that is known."""
    pairs = ((known.start, answer.start), (known.end, answer.end))
    return any(time is not None and time == reported for time, reported in pairs)


def with_row(known: Snapshot, answer: Snapshot) -> Snapshot:
    """Return the known answer with what only the list says: its times, why it failed, what it came to, whose it is.

    Where nothing but its start names a run, the list may be all that tells it.
    """
    if known.state is answer.state and known.state is State.FAILED:
        fuller = with_reason(answer, known)
        known = known if (fuller.failure_code, fuller.detail) == (known.failure_code, known.detail) else fuller
    named = known.run == NAMELESS and answer.run.bare and known.state is answer.state and known.start is None
    start = answer.start if known.start is None else known.start
    end = answer.end if known.end is None and known.ended else known.end
    run, words, counts = answer.run if named else known.run, with_words(known, answer).words, known.counts
    if known.ended and known.state is answer.state and answer.counts:
        counts = Packed({**known.counts, **answer.counts})
    if (run, start, end, words, counts) == (known.run, known.start, known.end, known.words, known.counts):
        return known
    return replace(known, run=run, start=start, end=end, words=words, counts=counts)
