"""Processes the rows of a list: most registered jobs in it need no poll of their own, some must be polled now."""

import asyncio
from collections.abc import Callable, Collection, Iterable, Iterator
from typing import Final

from exporter.clock import Clock
from exporter.limits.rate_limiter import Limiter
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.frozen import replace
from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.model.snapshot import Snapshot, State
from exporter.polling import schedule
from exporter.polling.list_merge import ListReport, merged_record, report_of, with_older_row
from exporter.polling.plan import Plan
from exporter.polling.results import Results
from exporter.runs import accounting, transitions
from exporter.services.list_reading import key
from exporter.services.listing import ListedJob

_AT_ONCE: Final = 50
"""Rows of a list that are processed without a break: about 5 ms, in which nothing else happens."""


class ListResults:
    """Takes over what lists report; *asked* are the jobs whose poll is under way, *wake* makes the dispatcher look.

    *earlier* asks for the earlier runs of a name whose end is not known.
    """

    def __init__(
        self,
        store: JobStore,
        plan: Plan,
        clock: Clock,
        telemetry: Telemetry,
        queue: schedule.ScheduleQueue,
        limiter: Limiter,
        results: Results,
        asked: Collection[JobKey],
        wake: Callable[[], None],
        earlier: Callable[[Record], None],
    ) -> None:
        self._store = store
        self._plan = plan
        self._clock = clock
        self._telemetry = telemetry
        self._schedule = queue
        self._limiter = limiter
        self._results = results
        self._asked = asked
        self._wake = wake
        self._earlier = earlier
        self._reports: dict[JobKey, ListReport] = {}  # as the previous list reported it

    async def take(self, project: str, service: str, items: Collection[ListedJob]) -> Collection[JobKey]:
        """Take over what a list reported of the registered jobs of a project; return those that it reported.

        The rows of running jobs come first, because these are polled first. Between two parts of a long list other
        tasks go on: polls may end, and jobs may be registered.
        """
        rows, found = sorted(items, key=_is_running, reverse=True), list[JobKey]()
        for first in range(0, len(rows), _AT_ONCE):
            if first:
                await asyncio.sleep(0)
            found += self._take_part(project, service, rows[first : first + _AT_ONCE])
        return found

    def _take_part(self, project: str, service: str, items: Collection[ListedJob]) -> Collection[JobKey]:
        """Take over some rows of a list.

        Of a job whose own answer is newer, or on its way, only what lists alone report is taken: that one tells more.
        """
        now, hurried, found = self._clock.monotonic(), list[JobKey](), list[JobKey]()
        dues: dict[JobKey, float] = {}
        self._take_schedules(project, service, items)
        for record, answer, at in self._matching(project, service, items):
            name = record.job.key
            found.append(name)
            if name in self._asked or _knows_better(record, at):
                self._add_row(record, answer, at)
                continue
            after, soon = self._listed(record, answer, at)
            if soon:
                hurried.append(name)
            elif after.by_list and self._settled(after):
                dues[name] = now + self._longest(after)  # it is polled only if no list reports it for long
            elif after.by_list and after.snapshot is None and record.listed_at is None:
                dues[name] = self._schedule.time(name) or now  # it has to be asked once, but after those that run
        self._move(dues)
        self.hurry(hurried)
        return found

    async def runs(
        self, name: JobKey, project: str, items: Iterable[ListedJob], since: float | None, met: float | None
    ) -> None:
        """Count the runs of one name, oldest first, also those that began and ended between two lists.

        *since* and *met* are as for :func:`transitions.listed_runs`.
        """
        record = self._store.get(name)
        if record is None or record.job.project != project:
            return
        listed = [item.snapshot for item in items if item.snapshot is not None]
        ended: list[Snapshot] = []
        after = transitions.listed_runs(record, listed, since, self._cloud_time(project), ended, met)
        if after is not record:
            self._store.put(after)
        self._store.runs_read(name, listed)
        await self._results.counted(record.job, ended)
        if after.final and after.ledger.open:  # by lists alone: no poll follows, after which they would be asked for
            self._earlier(after)

    def hurry(self, keys: Collection[JobKey]) -> None:
        """Make jobs due now, unless their poll is under way, or they are never polled again."""
        keys = [name for name in keys if (record := self._store.get(name)) is not None and not record.final]
        self._move(dict.fromkeys(keys, self._clock.monotonic()))

    def state(self, key: JobKey) -> State | None:
        """Return the state in which a list last reported a job."""
        report = self._reports.get(key)
        return None if report is None else report.state

    def forget(self, keys: Collection[JobKey]) -> None:
        """Forget jobs that are gone or were replaced."""
        for name in keys:
            self._reports.pop(name, None)

    def _matching(
        self, project: str, service: str, items: Collection[ListedJob]
    ) -> Iterator[tuple[Record, Snapshot, float]]:
        for item in items:
            if item.snapshot is not None:
                for record in self._store.at(project, service, key(item)):
                    if record.job.target.keys() == item.target.keys():  # one kind's id may be that of another
                        yield record, item.snapshot, item.at

    def _take_schedules(self, project: str, service: str, items: Collection[ListedJob]) -> None:
        """Take over how jobs are scheduled, whatever a list says of their runs."""
        for item in items:
            for record in self._store.at(project, service, key(item)) if item.schedule else ():
                if record.schedule != item.schedule:
                    self._store.put(replace(record, schedule=item.schedule))

    def _listed(self, record: Record, answer: Snapshot, at: float) -> tuple[Record, bool]:
        name, now = record.job.key, report_of(answer)
        before = self._reports.get(name)
        self._reports[name] = now
        news = before != now
        if news:
            self._telemetry.count_unreadable(name.service, answer.unknown)
        adapter = self._plan.projects.adapter(record.job)
        ago = self._clock.monotonic() - at
        wall, cloud = self._clock.now() - ago, self._cloud_time(record.job.project) - ago
        after, soon = merged_record(record, answer, wall, adapter, before=before, steady=at, cloud=cloud)
        if after is not record:
            self._results.listed(record, after, answer)
        return after, soon and (news or self._schedule.time(name) is not None)  # else it would lose its place each time

    def _add_row(self, record: Record, answer: Snapshot, at: float) -> None:
        after = with_older_row(record, answer, self._clock.now() - (self._clock.monotonic() - at), at)
        if after is not record:
            self._reports[record.job.key] = report_of(answer)
            self._store.put(after)

    def _cloud_time(self, project: str) -> float:
        return self._plan.projects.cloud_time(project, self._clock)

    def _settled(self, record: Record) -> bool:
        """Whether the job itself has nothing to tell that the list does not: no end or number, no history to read."""
        if record.snapshot is None or record.listed is not None or record.awaits or record.unsettled:
            return False
        past = self._plan.projects.adapter(record.job).past
        return past is None or not accounting.incomplete(record.ledger, record.snapshot.run)

    def _longest(self, record: Record) -> float:
        pace = self._plan.pace
        return max(record.job.interval or pace.interval, pace.idle_interval)

    def _move(self, dues: dict[JobKey, float]) -> None:
        """Change due times; a job that waits for its permit leaves the queue until the new one."""
        mine = {name: due for name, due in dues.items() if name not in self._asked}
        waiting = {name for name in mine if self._schedule.time(name) is None}
        if waiting:
            self._limiter.forget(waiting)
        for name, due in mine.items():
            record = self._store.get(name)
            if record is not None and record.final:
                self._schedule.remove(name)
            else:
                self._schedule.put(name, due)
        self._wake()


def _is_running(item: ListedJob) -> bool:
    return item.snapshot is not None and item.snapshot.state is State.RUNNING


def _knows_better(record: Record, at: float) -> bool:
    """Whether the record is newer than a list that came *at* that time, by a poll (even a failed one) or a list."""
    failed_at = None if record.fault is None else record.failed_at
    asked_at = None if record.by_list else record.answered_at
    return any(later is not None and later > at for later in (asked_at, record.listed_at, failed_at))
