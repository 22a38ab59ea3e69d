"""Where a list is worth its calls: it reports many registered jobs at once, each of which would cost one. Pure."""

from collections.abc import Iterable
from typing import Any

from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.polling.list_merge import LIVE_STATES
from exporter.services.listing import Lister, ListQuery


def views(records: Iterable[Record], lister: Lister[Any], *, moved: bool) -> dict[ListQuery, dict[JobKey, bool]]:
    """Return the lists that would tell of *records*, and of each the jobs, with whether they run.

    *moved* is whether the lists tell of a job that runs more than its own answer does.
    """
    found: dict[ListQuery, dict[JobKey, bool]] = {}
    for record in records:
        runs = record.newest is not None and record.newest.state in LIVE_STATES
        if record.final or (runs and not moved):
            continue
        view = lister.covering(record.job.target)
        if view is not None:
            found.setdefault(view, {})[record.job.key] = runs
    return found


def pages_worth(jobs: Iterable[bool], every: float, idle: float) -> int:
    """Return how many pages are worth reading *every* so many seconds, for *jobs*, of each of which: whether it runs.

    One that rests would cost a call each *idle* seconds; of one that runs only the list tells what it moved so far.
    """
    running = list(jobs)
    return int(running.count(False) * every / idle) + running.count(True)
