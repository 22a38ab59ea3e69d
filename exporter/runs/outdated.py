"""Decides whether an answer is surely older than what is shown: about a run before, or from before the run's end. Pure.

The cloud keeps its data in copies, and one that is behind may answer. Such an answer may count its run, but it is not
shown.
"""

from exporter.model.record import Record
from exporter.model.run import NAMELESS, ROUNDED, Ledger
from exporter.model.snapshot import CLOCKS, Snapshot, State


def is_outdated(record: Record, answer: Snapshot) -> bool:
    """Whether the job's own *answer* comes from data that is behind.

    It does if its run surely came before the shown one, or before the one that a newer list reports; or if it is about
    the shown run, which ended, and from before that end. After a restart nothing is shown yet, and a run that waits may
    have no name; then the runs of the ledger take the place of the shown one. Once the shown run is stale, any answer
    is believed.
    """
    shown, listed = record.snapshot, record.listed
    if record.stale:
        return False
    if listed is not None and (is_before(answer, listed) or answer.run.surely_before(listed.run)):
        return True
    if answer is shown:
        return False
    if shown is not None and shown.run.same(answer.run) and _before_its_end(shown, answer):
        return True
    return _is_of_run_before(record, answer)


def _is_of_run_before(record: Record, answer: Snapshot) -> bool:
    """Whether an answer is about a run that surely came before a known one, and is not the run that the job names."""
    ledger, shown, run = record.ledger, record.snapshot, answer.run
    if run.opaque and run.id and run.id in record.job.target.values():
        return False
    known = [each for each in (ledger.floor, *ledger.beyond) if each is not None]
    if shown is not None and shown.run != NAMELESS:
        known = [shown.run, *(shown.run.merged(each) for each in known if each.same(shown.run))]
    return any(run.surely_before(each) for each in known)


def is_before(ended: Snapshot, listed: Snapshot) -> bool:
    """Whether a run that has *ended* was surely over when the run began that a list tells.

    Less than a second between the two may come of rounded times. Then start and end have to differ: an end alone
    also moves when somebody edits the job, and a start alone differs where the job's own answer tells the creation.
    """
    if ended.end is None or listed.start is None:
        return False
    if listed.start > ended.end + ROUNDED:
        return True
    if ended.start is None or listed.end is None or listed.start < ended.end - ROUNDED:
        return False
    return listed.start > ended.start + ROUNDED and listed.end > ended.end + ROUNDED


def is_outdated_in_list(record: Record, answer: Snapshot) -> bool:
    """Whether a list's *answer* comes from data that is behind.

    If it names its run, it does if that run goes on and surely came before a known one (an end is taken over, because
    it may still have to be counted), or if it waits and the job's own answer has its start. If it names none, it does
    if that run was over before the shown one was created, or began with the shown one and the answer is from before its
    end.
    """
    known = record.snapshot
    if answer.run != NAMELESS:
        waits = answer.state is State.PENDING and answer.start is None
        begun = known is not None and known.state is State.RUNNING and known.start is not None
        behind = waits and begun and known is not None and known.run.same(answer.run)
        return not (record.stale or answer.ended) and (behind or _is_of_run_before(record, answer))
    times = [time for time in (answer.start, answer.end) if time is not None]
    if known is None or record.stale or not times:
        return False
    if known.start is not None and answer.start is not None and abs(known.start - answer.start) <= ROUNDED:
        return _before_its_end(known, answer, ROUNDED)
    return known.run.created is not None and max(times) + ROUNDED < known.run.created


def is_of_earlier_run(record: Record, row: Snapshot, cloud: float) -> bool:
    """Whether a list's *row* is about a run before that of the job's own last answer, which does not name its run.

    Only for services whose runs have no id, such as Flink: their jobs have one run at a time. The row is about an
    earlier one if the run that it names is known to have ended; if it began before the run of that answer was first
    seen waiting; or if it ended before that answer, whose run goes on. *cloud* is by how many seconds the cloud's clock
    is ahead of the one that never jumps.
    """
    own = record.snapshot
    if own is None or record.stale or own.run != NAMELESS or not row.run.bare:
        return False
    if _is_closed(record.ledger, row):
        return True
    if record.waited_at is not None and row.start is not None and row.start < record.waited_at + cloud - CLOCKS:
        return True
    if own.ended or record.answered_at is None or not row.ended or row.end is None:
        return False
    return row.end < record.answered_at + cloud - CLOCKS


def _is_closed(ledger: Ledger, row: Snapshot) -> bool:
    """Whether the run of *row* is known and not awaited any more; without a name its start tells which one it was."""
    if ledger.ended == NAMELESS and ledger.ended_start is not None and row.start is not None:
        return abs(ledger.ended_start - row.start) < ROUNDED
    known = (ledger.floor, *ledger.beyond)
    return any(each is not None and each.same(row.run) for each in known) and not any(
        each.same(row.run) for each in ledger.open
    )


def _before_its_end(ended: Snapshot, answer: Snapshot, rounded: float = 0.0) -> bool:
    """Whether an *answer* about the run that is known to have *ended* was true only before its end."""
    if not ended.ended or answer.ended or ended.end is None or answer.updated is None:
        return False
    return answer.updated + rounded < ended.end
