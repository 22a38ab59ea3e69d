"""Which deadline of a job is shown, and whether it is met.

A run that succeeds meets the next deadline. A run that succeeds after a missed deadline settles the missed one, and
meets the next one only if its end is nearer to the next one. So a job that is a minute late every day misses its
deadline every day. A success that the API later takes back settles nothing. Deadlines count from the registration of
the job with this deadline; a journal keeps a missed one over a restart.
"""

from exporter.model.frozen import replace
from exporter.model.promises import Deadline, DueTime, MetDeadlines
from exporter.model.record import Record


def with_due_time(record: Record, now: float, *, clock_set: bool = False) -> Record:
    """Return the record with the deadline that is to be shown at *now* (Unix seconds).

    *clock_set* says that the machine's clock may have gone back.
    """
    deadline, ledger = record.job.promises.deadline, record.ledger
    if deadline is None:
        return record if record.due is None else replace(record, due=None)
    known, due = ledger.met, record.due
    same = known is not None and known.deadline == deadline.text
    settled = known is not None and same and known.success == ledger.last_success
    if settled and due is not None and not clock_set and (now < due.at or not due.met):
        return record
    if known is None or not same or known.until > deadline.after(now):  # or the clock was ahead
        known = MetDeadlines(deadline.text, deadline.last(now), None)
    met = _succeeded(known, deadline, ledger.last_success)
    due = _due_time(met, deadline, now)
    if met == ledger.met and due == record.due:
        return record
    return replace(record, due=due, ledger=ledger if met == ledger.met else replace(ledger, met=met))


def _succeeded(met: MetDeadlines, deadline: Deadline, success: float | None) -> MetDeadlines:
    """Return which deadlines are settled if a run last succeeded at *success*."""
    if success == met.success:
        return met
    before = (met.until, met.success)
    if met.before is not None and (success is None or (met.success is not None and success < met.success)):
        before = met.before  # the last success was taken back, or its time is known better
    until, earlier = before
    if success is None or success == earlier:
        return MetDeadlines(met.deadline, until, success)
    owed = deadline.after(until)
    if success > owed:
        missed, following = deadline.last(success), deadline.after(success)
        until = missed if success - missed < following - success else following
    elif success > until:
        until = owed
    return MetDeadlines(met.deadline, until, success, before)


def _due_time(met: MetDeadlines, deadline: Deadline, now: float) -> DueTime:
    owed, following = deadline.after(met.until), deadline.after(now)
    return DueTime(owed, met=False) if owed <= now else DueTime(following, met=owed > following)
