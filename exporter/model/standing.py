"""The standing of a job: the state of its newest run, or why no state is known."""

from typing import Final

from exporter.model.record import Record

WAITING: Final = "waiting"
UNANSWERED: Final = "unanswered"
STALE: Final = "stale"
BLIND: Final = frozenset({UNANSWERED, STALE})
"""Nobody knows how such a job is, although it was asked for."""
STANDINGS: Final = ("failed", UNANSWERED, STALE, "running", "pending", "unknown", WAITING, "cancelled", "succeeded")
"""Every state and every reason why none is known, what needs a person first."""


def standing(record: Record) -> str:
    """Return the job's state, or why none is known: ``waiting`` (not asked yet), ``unanswered``, ``stale``."""
    newest = record.listed or record.snapshot
    if newest is not None and not record.stale:
        return newest.state._value_  # a third of what the public one costs, and it is asked for of thousands of jobs
    if record.up is None and record.fault is None:
        return WAITING  # of the next run under the same name nothing was asked, though the run before was answered
    if record.snapshot is not None or record.polled_at is not None:
        return STALE
    return UNANSWERED if record.failing else WAITING
