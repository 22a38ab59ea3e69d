"""Which registered jobs a list reports, and whether the list costs fewer calls than polling them one by one. Pure."""

from collections.abc import Iterable, Iterator, Mapping
from typing import TypeAlias

from exporter.metrics.store import JobStore
from exporter.model.changes import DISCOVERY
from exporter.model.job import Job, JobKey
from exporter.model.record import Record
from exporter.services.adapter import Adapter
from exporter.services.listing import ListQuery

ListKey: TypeAlias = tuple[str, str, ListQuery]
"""A project, a service and one of its lists."""


class ListCoverage:
    """Which registered jobs each list would report: those that are polled, kept in step with the store."""

    def __init__(self, store: JobStore, adapters: Mapping[str, Adapter]) -> None:
        self._store = store
        self._adapters = adapters
        self._jobs: dict[ListKey, dict[JobKey, None]] = {}
        for record in store.records():
            self.changed(None, record)
        store.subscribe(self.changed)

    def changed(self, before: Record | None, after: Record | None) -> None:
        """Take over that a job came, went, moved, or is not polled any more."""
        if before is not None and after is not None and before.job is after.job and before.final == after.final:
            return
        if before is not None and (list_key := self._list_of(before.job)) in self._jobs:
            self._jobs[list_key].pop(before.job.key, None)
            if not self._jobs[list_key]:
                del self._jobs[list_key]
        if after is not None and not after.final and (list_key := self._list_of(after.job)) is not None:
            self._jobs.setdefault(list_key, {})[after.job.key] = None

    def lists(self) -> list[ListKey]:
        """Return the lists that would report any job."""
        return list(self._jobs)

    def registered(self, list_key: ListKey) -> bool:
        """Whether any job that a list would report was registered without a rule."""
        records = (self._store.get(key) for key in self._jobs.get(list_key, ()))
        return any(record is not None and record.job.source != DISCOVERY for record in records)

    def jobs(self, list_key: ListKey) -> Iterator[tuple[Record, bool]]:
        """Yield the jobs that a list is to report, each with whether it runs.

        One that runs is left to its own polls, unless the list reports more about it, or is read in any case.
        """
        lister = self._adapters[list_key[1]].lists
        always = lister is not None and lister.always
        for key in self._jobs.get(list_key, ()):
            record = self._store.get(key)
            runs = record is not None and record.newest is not None and record.newest.lives
            if record is not None and (not runs or always or self._adapters[key.service].moved_by_list):
                yield record, runs

    def _list_of(self, job: Job) -> ListKey | None:
        lister = self._adapters[job.key.service].lists
        view = None if lister is None else lister.covering(job.target)
        return None if view is None else (job.project, job.key.service, view)


def pages_worth(jobs: Iterable[bool], every: float, idle: float) -> int:
    """Return how many pages a list may have to be worth its calls; *jobs* has for each job whether it runs.

    The list is read *every* so many seconds. A job at rest would cost a call each *idle* seconds instead; of a running
    job only the list reports what it moved so far.
    """
    running = list(jobs)
    return int(running.count(False) * every / idle) + running.count(True)
