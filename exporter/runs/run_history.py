"""Reading the history of a job as far back as its ledger needs: pure; who calls feeds the answers in.

As in :mod:`exporter.services.paging`, the generator yields a request and is sent the body of its 200 answer. A failed
call ends it: whoever asks begins anew another time, because meanwhile the history went on.
"""

from collections.abc import Generator
from typing import Final

from exporter.model.job import Job
from exporter.model.record import Ledger, RunId
from exporter.model.snapshot import Snapshot
from exporter.services.adapter import RunHistory
from exporter.services.request import Request

MOST_PAGES: Final = 100
"""10,000 runs, or a month of runs of four minutes: the vendor keeps no more than the month."""


def read(
    past: RunHistory, job: Job, project_id: str, ledger: Ledger
) -> Generator[Request, bytes, tuple[Snapshot, ...]]:
    """Return the runs that began since the ledger's floor, and those that are open; some of them twice.

    It ends where those are passed, at an empty page, and at one that tells nothing new: not every release of the
    service is known to heed the number of the page.
    """
    found: list[Snapshot] = []
    seen: dict[RunId, None] = {}
    goals = [run for run in (ledger.floor, *ledger.open) if run is not None]
    for page in range(1, MOST_PAGES + 1):
        runs, before = past.parse((yield past.request(job, project_id, page))), len(seen)
        found += runs
        seen |= {each.run: None for each in runs}
        orders = [run.order for run in seen]
        in_order = orders == sorted(orders, reverse=True)  # as it is seen to be, though nobody promised it
        passed = in_order and all(any(not run.newer(goal) for run in seen) for goal in goals)
        if passed or len(seen) == before:
            break
    return tuple(found)
