"""The job store: the newest record of every job and its rendered lines, for /metrics, the page and the schedule."""

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import fields
from operator import attrgetter
from typing import TypeAlias

from exporter.metrics.catalogue import families
from exporter.metrics.exposition import Exposition
from exporter.metrics.series_limit import SeriesLimit
from exporter.model.frozen import replace
from exporter.model.job import Job, JobKey, identity
from exporter.model.measures import Declared
from exporter.model.record import Record
from exporter.model.run import UNTIMED
from exporter.model.snapshot import Snapshot

_Target: TypeAlias = tuple[str, ...]
"""A project, a service, and what tells one job of it from the others."""
Listener: TypeAlias = Callable[[Record | None, Record | None], None]
"""Takes a job's record before and after a change; ``None`` is a job that was not there, or is gone."""
_Complete: TypeAlias = Callable[[Record], Record]
_RunsListener: TypeAlias = Callable[[Record, Sequence[Snapshot]], None]
"""Takes a job's record and runs of it that its own answers did not report, or not all of."""

_REST = attrgetter(
    *[each.name for each in fields(Record) if each.name not in {"polled_at", "answered_at", "listed_at"}]
)


class JobStore:
    """All jobs and their lines; above *max_series* whole jobs are left out, the newest first.

    *declared* is what the services say of their jobs (:func:`exporter.services.registry.declared`).
    *service* and *job* are the names of the two labels that every series has.
    """

    def __init__(self, max_series: int, declared: Declared, service: str = "service", job: str = "job") -> None:
        self.revision = 0
        """How often a record was put or removed."""
        self._records: dict[JobKey, Record] = {}
        self._by_target: dict[_Target, tuple[JobKey, ...]] = {}
        self._declared = declared
        self._names = (service, job)
        self._job_labels: tuple[str, ...] = ()
        self.bounds: tuple[float, ...] = ()
        """Of the buckets for how long runs took, in seconds."""
        self._exposition = Exposition(families(declared), service, job)
        self._series_limit = SeriesLimit(max_series)
        self._listeners: list[Listener] = []
        self._runs_listeners: list[_RunsListener] = []
        self._complete: _Complete = lambda record: record

    def subscribe(self, listener: Listener) -> None:
        """Call *listener* after each change of a record, in the order of subscription."""
        self._listeners.append(listener)

    def complete_with(self, complete: _Complete) -> None:
        """Store of each record what *complete* makes of it."""
        self._complete = complete

    def subscribe_runs(self, listener: _RunsListener) -> None:
        """Call *listener* whenever a history or a list reported runs of a job."""
        self._runs_listeners.append(listener)

    def runs_read(self, key: JobKey, runs: Sequence[Snapshot]) -> None:
        """Tell the listeners that a history or a list reported *runs* of a job."""
        record = self._records.get(key)
        if record is not None:
            for listener in self._runs_listeners:
                listener(record, runs)

    @property
    def series(self) -> int:
        """Series of the jobs that are shown now."""
        return self._series_limit.series

    @property
    def dropped(self) -> int:
        """Series left out since the start, counted each time a job is."""
        return self._series_limit.dropped

    @property
    def reduced(self) -> int:
        """Jobs that are left out now but for who they are and whether they are up."""
        return self._series_limit.reduced

    def limit(self, max_series: int) -> None:
        """Show at most so many series from now on."""
        self._series_limit.limit(max_series)
        self._fit()

    def show(self, labels: tuple[str, ...] = (), bounds: tuple[float, ...] = ()) -> None:
        """Show from now on what the operator says of the jobs under the keys *labels*, and buckets with these *bounds*.

        With other bounds the durations of runs are counted from zero.
        """
        if (labels, bounds) == (self._job_labels, self.bounds):
            return
        if bounds != self.bounds:
            for key, record in self._records.items():
                self._records[key] = replace(record, ledger=record.ledger.bucketed(bounds), took=UNTIMED)
        self._job_labels, self.bounds = labels, bounds
        self._exposition = Exposition(families(self._declared, labels, bounds), *self._names)
        for record in self._records.values():
            self._render(None, record)

    def records(self) -> Collection[Record]:
        """Return the record of every job, in the order of registration."""
        return self._records.values()

    def get(self, key: JobKey) -> Record | None:
        """Return the record of one job."""
        return self._records.get(key)

    def at(self, project: str, service: str, target: Collection[str]) -> list[Record]:
        """Return the records of the jobs that are *target*, as :func:`~exporter.model.job.identity` returns it."""
        return [self._records[key] for key in self._by_target.get((project, service, *target), ())]

    def update(self, asked: Record, change: Callable[[Record], Record]) -> tuple[Record, Record] | None:
        """Change the newest record of the job that was *asked*; return it before and after.

        Return ``None`` if the job is not registered any more, or its name stands for another run.
        """
        before = self._records.get(asked.job.key)
        if before is None or before.registration_id != asked.registration_id:
            return None
        return before, self._put(before, change(before))

    def put(self, record: Record) -> None:
        """Take the newest record of a job."""
        self._put(self._records.get(record.job.key), record)

    def _put(self, before: Record | None, record: Record) -> Record:
        record = self._complete(record)
        self._records[record.job.key] = record
        self.revision += 1
        if before is None or before.job is not record.job:
            self._index(None if before is None else before.job, record.job)
        self._render(before, record)
        for listener in self._listeners:
            listener(before, record)
        return record

    def _render(self, before: Record | None, record: Record) -> None:
        """Render the lines of a job as far as they change."""
        key = record.job.key
        if _only_polled_again(before, record):
            self._exposition.put_poll(record, whole=self._series_limit.whole(key))
            return
        whole = self._series_limit.whole(key)
        self._series_limit.resize(key, self._exposition.put(record, before if whole else None, whole=whole))
        if whole and not self._series_limit.whole(key):  # it is new, and others are left out already
            self._exposition.put(record, whole=False)
        self._fit()

    def remove(self, key: JobKey) -> None:
        """Forget a job and its series."""
        record = self._records.pop(key, None)
        if record is not None:
            self.revision += 1
            self._index(record.job, None)
            self._exposition.remove(key)
            self._series_limit.remove(key)
            self._fit()
            for listener in self._listeners:
                listener(record, None)

    def lines(self, key: JobKey) -> bytes:
        """Return the lines of a job."""
        return self._exposition.lines(key)

    def document(self, key: JobKey) -> bytes:
        """Return the lines of a job as a body of their own, in the text format."""
        return self._exposition.document(key)

    def sections(self, openmetrics: bool, names: frozenset[str] = frozenset()) -> Iterator[list[bytes]]:
        """Yield the lines of the jobs, a family after the other, each in parts that never change."""
        return self._exposition.sections(openmetrics, names)

    def _index(self, before: Job | None, after: Job | None) -> None:
        if before is not None:
            target = _target(before)
            others = tuple(key for key in self._by_target.pop(target) if key != before.key)
            if others:
                self._by_target[target] = others
        if after is not None:
            target = _target(after)
            self._by_target[target] = (*self._by_target.get(target, ()), after.key)

    def _fit(self) -> None:
        for key, whole in self._series_limit.changes():
            self._exposition.put(self._records[key], whole=whole)


def _target(job: Job) -> _Target:
    return (job.project, job.key.service, *identity(job.target))


def _only_polled_again(before: Record | None, record: Record) -> bool:
    if before is None or before.polled_at is None or record.polled_at is None:
        return False
    return record.snapshot is before.snapshot and _REST(before) == _REST(record)
