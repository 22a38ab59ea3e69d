"""Decides whether an answer is surely about a run before the one that is shown. Pure.

The cloud keeps its data in copies, and one that is behind may answer. Such an answer may count its run, but it is not
shown.
"""

from exporter.model.record import Record
from exporter.model.run import NAMELESS
from exporter.model.snapshot import Snapshot
from exporter.runs.first_seen import ROUNDED


def is_outdated(record: Record, answer: Snapshot) -> bool:
    """Whether the job's own *answer* is outdated: the id of its run is lower, or its run was over too early.

    It was over too early if it ended before the start of the run that a newer list reports. Where nothing is shown yet,
    after a restart, the ids that were known before it are compared. Once that run is stale, any answer is believed.
    """
    ledger, shown, listed = record.ledger, record.snapshot, record.listed
    if answer is shown or record.stale:
        return False
    begun = None if listed is None else listed.start
    if begun is not None and answer.end is not None and answer.end + ROUNDED < begun:
        return True
    known = (ledger.floor, *ledger.beyond) if shown is None else (shown.run,)
    return any(run is not None and answer.run.outdated(run) for run in known)


def is_outdated_in_list(record: Record, answer: Snapshot) -> bool:
    """Whether a list's *answer* that names no run is outdated: its run was over before the shown one was created."""
    known, times = record.snapshot, [time for time in (answer.start, answer.end) if time is not None]
    if known is None or record.stale or known.run.created is None or answer.run != NAMELESS or not times:
        return False
    return max(times) + ROUNDED < known.run.created
