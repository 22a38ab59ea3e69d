"""Reads lists for jobs that no ``discovery`` rule found, if a list costs fewer calls than polls.

A list with too many other jobs is read again only after an hour.
"""

from collections.abc import Iterable
from functools import partial
from typing import Final

import structlog

from exporter.clock import Clock, rest
from exporter.config import Settings
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.frozen import replace
from exporter.model.job import JobKey
from exporter.model.reason import FUTILE
from exporter.polling.list_coverage import ListCoverage, ListKey, pages_worth
from exporter.polling.poller import Poller
from exporter.services.list_reading import HOPELESS, Reading, read_list
from exporter.services.page_cursor import MOST_PAGES
from exporter.supervise import survive

SOONEST: Final = 1.0
"""Seconds at least between two readings."""

_AGAIN: Final = 3600.0
"""Seconds after which a list that was not worth its calls, or is not to be had, is tried again."""
_LATELY: Final = 2.5
"""List intervals within which a rule must have reported a job; else the job's list is read here too."""


class ListPoller:
    """Reads the lists that report registered jobs, as long as that saves calls."""

    def __init__(self, settings: Settings, poller: Poller, store: JobStore, clock: Clock, telemetry: Telemetry) -> None:
        self._settings = settings
        self._poller = poller
        self._coverage = ListCoverage(store, poller.projects.adapters)
        self._clock = clock
        self._telemetry = telemetry
        self._not_before: dict[ListKey, float] = {}
        self._failing: set[ListKey] = set()
        self._reported: dict[ListKey, frozenset[JobKey]] = {}  # the jobs that the last reading of a list reported
        self._log = structlog.get_logger()

    def use(self, settings: Settings) -> None:
        """Go by other settings."""
        self._settings = settings
        self._not_before.clear()

    async def run(self) -> None:
        """Read lists until cancelled."""
        while True:
            began = self._clock.monotonic()
            await self._look()
            await rest(self._clock, SOONEST, began, lambda: self._settings.poll.list_interval)

    async def _look(self) -> None:
        crashed, found = self._telemetry.crashes.labels("list_poller").inc, self._lists_wanted()
        self._reported = {list_key: reported for list_key, reported in self._reported.items() if list_key in found}
        schedules = self._schedules_wanted()
        self._failing &= {*self._coverage.lists(), *schedules}
        self._not_before = {each: at for each, at in self._not_before.items() if at > self._clock.monotonic()}
        for list_key, jobs in found.items():
            await survive(partial(self._visit, list_key, jobs), crashed, "list_poller")
        for list_key in schedules:
            await survive(partial(self._read_schedules, list_key), crashed, "list_poller")

    def _lists_wanted(self) -> dict[ListKey, dict[JobKey, bool]]:
        """Return the lists that would report jobs that no rule reports, with these jobs, and whether they run."""
        found: dict[ListKey, dict[JobKey, bool]] = {}
        mine, now = frozenset[JobKey]().union(*self._reported.values()), self._clock.monotonic()
        lately = now - _LATELY * self._settings.poll.list_interval
        for list_key in self._coverage.lists():
            project = self._poller.projects.by_name.get(list_key[0])
            # the id of a project is known once any of its jobs was polled
            if project is None or not project.project_id or now < self._not_before.get(list_key, now):
                continue
            if self._poller.places.is_off(*list_key[:2], list_key[2].place.id):
                continue
            jobs = {
                record.job.key: runs
                for record, runs in self._coverage.jobs(list_key)
                if record.job.key in mine or record.listed_at is None or record.listed_at < lately
            }
            if jobs:
                found[list_key] = jobs
        return found

    def _schedules_wanted(self) -> list[ListKey]:
        """Return the lists that say how jobs are scheduled, where some were registered without a rule."""
        found: list[ListKey] = []
        for project, service, covering in self._coverage.lists():
            lister = self._poller.projects.adapters[service].lists
            view = None if lister is None else lister.schedules(covering)
            if view is not None and self._coverage.registered((project, service, covering)):
                found.append((project, service, view))
        return found

    async def _read_schedules(self, list_key: ListKey) -> None:
        """Read how jobs are scheduled, as often as jobs are polled that rest."""
        now, project = self._clock.monotonic(), self._poller.projects.by_name.get(list_key[0])
        if project is None or not project.project_id or now < self._not_before.get(list_key, now):
            return
        try:
            reading = await self._read(list_key, MOST_PAGES)
        except PollError as error:
            self._failed(list_key, error)
            return
        self._failing.discard(list_key)
        self._not_before[list_key] = now + self._settings.poll.idle_interval
        await self._poller.list_results.take(*list_key[:2], reading.items)

    async def _visit(self, list_key: ListKey, jobs: dict[JobKey, bool]) -> None:
        """Read one list if it is worth it, and if no reload took its project away."""
        if list_key[0] not in self._poller.projects.by_name:
            return
        worth, before, now = (
            self._worth(list_key, jobs.values()),
            self._reported.pop(list_key, frozenset()),
            self._clock.monotonic(),
        )
        if not worth:
            return
        try:
            reading = await self._read(list_key, worth)
        except PollError as error:
            self._failed(list_key, error)
            return
        self._failing.discard(list_key)
        project, service, _ = list_key
        if reading.places is not None:
            self._poller.places.take(project, service, reading.places)
        reported = frozenset(await self._poller.list_results.take(project, service, reading.items)) & jobs.keys()
        if reading.missing_rows == 0 and not reading.broken:  # a job that was in it and is not any more has changed
            self._poller.list_results.hurry(before & jobs.keys() - reported)
        if self._worth(list_key, [jobs[each] for each in reported]) < reading.pages:
            self._not_before[list_key] = now + _AGAIN
        else:
            self._reported[list_key] = reported

    def _worth(self, list_key: ListKey, jobs: Iterable[bool]) -> int:
        """Return how many pages of a list are worth reading; *jobs* has for each job whether it runs."""
        lister = self._poller.projects.adapters[list_key[1]].lists
        least = 1 if lister is not None and lister.always else 0
        return max(least, pages_worth(jobs, self._settings.poll.list_interval, self._settings.poll.idle_interval))

    def _failed(self, list_key: ListKey, error: PollError) -> None:
        if error.reason in FUTILE:
            self._not_before[list_key] = self._clock.monotonic() + _AGAIN
        if list_key not in self._failing and error.reason not in HOPELESS:  # which are reported for all calls together
            self._failing.add(list_key)
            self._log.warning(
                "list failed", project=list_key[0], service=list_key[1], reason=error.reason.value, error=error.sentence
            )

    async def _read(self, list_key: ListKey, most_pages: int) -> Reading:
        project, service, view = list_key
        adapter, patience = self._poller.projects.adapters[service], self._settings.poll.list_interval
        assert adapter.lists is not None  # noqa: S101 - there would be no such place
        there = self._poller.projects.by_name[project]
        ask = self._poller.calls.asking(project, adapter, patience)
        reading = await read_list(adapter.lists, view, there.project_id, ask, most_pages=most_pages)
        ahead = there.cloud_time() - self._clock.monotonic()
        return replace(reading, items=tuple(each.credible(ahead) for each in reading.items))
