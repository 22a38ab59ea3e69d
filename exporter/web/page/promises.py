"""Which promises of a job are broken now, for the page. Pure."""

import math
from collections.abc import Iterator
from typing import Final, NamedTuple

from exporter.model.record import Record
from exporter.model.snapshot import Measure, State
from exporter.model.units import duration_text

_DAY: Final = 86_400.0


class _BrokenPromise(NamedTuple):
    """A promise that a job breaks now."""

    name: str
    """As in the configuration."""
    words: str
    """For a tag beside the job."""
    promised: str
    """What was promised, with a place for its value."""
    value: str


def broken_promises(record: Record, now: float, watched: float | None = None) -> Iterator[_BrokenPromise]:
    """Yield the promises that a job breaks at *now*, as far as its last answer and the time tell.

    Of a job that was not seen to succeed since it is *watched*, the time counts from then.
    """
    said, shown, due = record.job.promises.seconds, record.shown, record.deadline
    if due is not None and not due.met and due.at <= now:
        yield _BrokenPromise("deadline", "missed its deadline", "by {value}", str(record.job.promises.deadline))
    calendar = due is not None and due.at > now and said.get("period", 0) >= _DAY  # the deadline knows its days
    succeeded, _, _ = record.ledger.runs
    since = watched if record.last_success is None and not succeeded else record.last_success
    if since is not None and now - since > 2 * said.get("period", math.inf) and not calendar:
        yield _BrokenPromise("period", "no success for two periods", "every {value}", duration_text(said["period"]))
    if shown is None:
        return
    read, wrote = (shown.counts.get(Measure(name)) for name in ("rows_read", "rows_written"))
    ended = record.job.promises.rows_match and shown.state is State.SUCCEEDED
    if ended and None not in {read, wrote} and read != wrote:
        yield _BrokenPromise("rows_match", "rows differ", "rows written are those read", "")
    waits, runs = record.pending_since, shown.start if shown.state is State.RUNNING else None
    for name, since, words in (("max_wait", waits, "waits too long"), ("max_run", runs, "runs too long")):
        if name in said and since is not None and now - since > said[name]:
            yield _BrokenPromise(name, words, "at most {value}", duration_text(said[name]))
    moved, polled = record.last_progress, record.polled_at
    if "stuck_after" in said and shown.state is State.RUNNING and moved is not None and polled is not None:
        endless = shown.incremental and shown.progress == 1
        if polled - moved > said["stuck_after"] and not endless:
            yield _BrokenPromise(
                "stuck_after", "no progress", "for at most {value}", duration_text(said["stuck_after"])
            )
