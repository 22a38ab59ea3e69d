"""Reads the history of a job as far back as its ledger needs. Pure: it is handed *ask*, which makes a call.

A failed call ends the reading. The next one begins anew, because the history went on meanwhile.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial

from exporter.model.errors import PollError
from exporter.model.job import Job
from exporter.model.reason import Reason
from exporter.model.record import Ledger, RunId
from exporter.model.run import NAMELESS
from exporter.model.snapshot import Snapshot
from exporter.services.adapter import RunHistory
from exporter.services.pages import Paging
from exporter.services.request import Ask


@dataclass(frozen=True, slots=True)
class RunsRead:
    """What was read of a history."""

    runs: tuple[Snapshot, ...]
    """Those that began since the ledger's floor, and those that are open; some of them twice, and older ones too."""
    missing: int | None = 0
    """Runs at most that the cloud told of and did not give, or that cannot be told from others, and that may be newer
    than the floor; ``None`` if there may be some and it told no total."""


async def read_history(past: RunHistory, job: Job, project_id: str, ledger: Ledger, ask: Ask) -> RunsRead:
    """Read until the runs that the ledger knows are passed, or to the end (:mod:`exporter.services.pages`)."""
    found: list[Snapshot] = []
    known = (ledger.floor, *ledger.open, *(each.run for each in ledger.owed))
    goals = [run for run in known if run is not None]
    paging = Paging(past.page_size)
    while not paging.over:
        page, _ = await ask(past.request(job, project_id, paging.number), partial(past.parse, job=job))
        found += page.runs
        paging.take({each.run for each in page.runs}, len(page.runs), page.total)
        newer = _newer(found, goals)
        if newer is not None:
            return RunsRead(tuple(found), _nameless(newer))
    if found and _nameless(found) == len(found):
        raise PollError(Reason.PAYLOAD, "no run of the history can be read")
    return RunsRead(tuple(found), None if paging.unread is None else paging.unread + _nameless(found))


def _newer(found: Sequence[Snapshot], goals: Sequence[RunId]) -> Sequence[Snapshot] | None:
    """Return the runs before the last of the *goals* was passed, if all were, and the order is from new to old.

    Nobody promised that order, but it can be seen.
    """
    seen = list(dict.fromkeys(each.run for each in found if each.run != NAMELESS))
    orders = [run.order for run in seen]
    if orders != sorted(orders, reverse=True):
        return None
    passed = [next((run for run in seen if not run.newer(goal)), None) for goal in goals]
    if None in passed:
        return None
    last = max((index for index, each in enumerate(found) if each.run in passed), default=-1)
    return found[: last + 1]


def _nameless(runs: Sequence[Snapshot]) -> int:
    return sum(each.run == NAMELESS for each in runs)
