"""What a job is at a glance: the state of its newest run, or why none is known."""

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
    shown = record.shown
    if shown is not None:
        return shown.state.value
    if record.up is None and record.fault is None:
        return WAITING  # of the next run under the same name nothing was asked, though the run before was answered
    if record.snapshot is not None or record.polled_at is not None:
        return STALE
    return UNANSWERED if record.failing else WAITING
