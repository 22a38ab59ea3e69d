"""Since when a run has been waiting to begin: as reported by the API, else since it was first seen waiting."""

from exporter.model.record import Record
from exporter.model.run import NAMELESS
from exporter.model.snapshot import CREATION, Snapshot, State
from exporter.services.adapter import Adapter


def since(record: Record, answer: Snapshot, at: float, adapter: Adapter) -> float | None:
    """Return since when the run of *answer* waits; ``None`` if it does not, or was never started.

    *record* is what was known before *answer*, which came at *at* (Unix seconds). A run that waits was created when it
    was submitted. An answer that tells no creation goes on with what was known of the run.
    """
    if answer.state is not State.PENDING or not answer.native_state or answer.native_state.upper() in adapter.unstarted:
        return None
    if answer.run.created is not None and CREATION not in answer.unknown:
        return answer.run.created
    known = record.newest
    if known is None or known.state is not State.PENDING or record.pending_since is None:
        return at
    same = known.run.same(answer.run) or NAMELESS in (known.run, answer.run) or known.run == answer.run
    return record.pending_since if same and known.kind == answer.kind else at


def seen_at(record: Record, answer: Snapshot, steady: float) -> float | None:
    """Return when the last run that waited was first seen so, by the job's own answers and the clock that never jumps.

    *record* is what was known before *answer*, which came at *steady*.
    """
    waited = record.snapshot is not None and record.snapshot.state is State.PENDING and record.waited_at is not None
    return record.waited_at if waited or answer.state is not State.PENDING else steady


def again(before: Snapshot | None, answer: Snapshot) -> bool:
    """Whether an *answer* about a run that had begun says that it waits: it was started again under its id.

    An operation (``kind``) that waits after it began is paused.
    """
    begun = before is not None and before.state is not State.PENDING
    return begun and not answer.kind and (answer.state, answer.start) == (State.PENDING, None)
