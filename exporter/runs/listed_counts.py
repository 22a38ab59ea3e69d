"""The counts that lists report of a job's run, and whether they are surely those of another run. Pure.

A list and the job's own answer may come from copies of the cloud's data of which one is behind, so each may know a run
that the other does not know.
"""

from collections.abc import Mapping

from exporter.model.frozen import replace
from exporter.model.record import Record
from exporter.model.run import ROUNDED
from exporter.model.snapshot import NOTHING, Measure, Snapshot


def of_run(record: Record, known: Snapshot) -> Mapping[Measure, float]:
    """Return what the last list counted of the run that is *known*: nothing if it reported another one."""
    return NOTHING if _began_apart(known, record.by_lists_from) else record.by_lists


def kept(record: Record, answer: Snapshot, steady: float) -> Record:
    """Return the record with the counts of a list's *answer*, and with what tells later which run they are of."""
    began = None if answer.run.id else answer.start
    return replace(record, listed_at=steady, by_lists=answer.counts, by_lists_from=began)


def is_row_of_another(known: Snapshot, answer: Snapshot) -> bool:
    """Whether the id or the start of a list's *answer* tells that its run is not the one that is *known*."""
    if known.run.id and answer.run.id:
        return not known.run.same(answer.run)
    return _began_apart(known, answer.start)


def _began_apart(known: Snapshot, start: float | None) -> bool:
    """Whether a run that began at *start* is surely not the one that is *known*."""
    return start is not None and known.start is not None and abs(start - known.start) > ROUNDED
