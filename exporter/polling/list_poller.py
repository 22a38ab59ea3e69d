"""Lists instead of single calls, for jobs that no rule of ``discovery`` found: where they cost less.

A list of which too much is about other jobs is not read again for an hour.
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
from exporter.model.job import JobKey
from exporter.model.reason import Reason
from exporter.polling.list_coverage import ListCoverage, ListKey, pages_worth
from exporter.polling.poller import Poller
from exporter.services.paging import HOPELESS, Reading, pages
from exporter.supervise import survive

SOONEST: Final = 1.0
"""Seconds at least between two readings."""

_AGAIN: Final = 3600.0
"""Seconds after which a list that was not worth its calls, or is not to be had, is tried again."""
FUTILE: Final = frozenset({Reason.PERMISSION, Reason.NOT_FOUND, Reason.CONFIG, Reason.API})
"""Failures that asking again soon does not mend."""
LATELY: Final = 2.5
"""Readings by a rule within which it must have reported a job that is left to it."""


class ListPoller:
    """Reads the lists that tell of registered jobs, as long as that saves calls."""

    def __init__(self, settings: Settings, poller: Poller, store: JobStore, clock: Clock, telemetry: Telemetry) -> None:
        self._settings = settings
        self._poller = poller
        self._coverage = ListCoverage(store, poller.projects.adapters)
        self._clock = clock
        self._telemetry = telemetry
        self._not_before: dict[ListKey, float] = {}
        self._failing: set[ListKey] = set()
        self._told: dict[ListKey, frozenset[JobKey]] = {}  # the jobs that the last reading of a list reported
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
        crashed, found = self._telemetry.crashes.labels("list_poller").inc, self._places()
        self._told = {place: told for place, told in self._told.items() if place in found}
        for place, jobs in found.items():
            await survive(partial(self._visit, place, jobs), crashed, "list_poller")

    def _places(self) -> dict[ListKey, dict[JobKey, bool]]:
        """Return the lists that would report jobs that no rule reports, with these jobs, and whether they run."""
        found: dict[ListKey, dict[JobKey, bool]] = {}
        mine, now = frozenset[JobKey]().union(*self._told.values()), self._clock.monotonic()
        lately = now - LATELY * self._settings.poll.list_interval
        for place in self._coverage.lists():
            project = self._poller.projects.by_name.get(place[0])
            # the id of a project is known once any of its jobs was polled
            if project is None or not project.project_id or now < self._not_before.get(place, now):
                continue
            jobs = {
                record.job.key: runs
                for record, runs in self._coverage.jobs(place)
                if record.job.key in mine or record.listed_at is None or record.listed_at < lately
            }
            if jobs:
                found[place] = jobs
        return found

    async def _visit(self, place: ListKey, jobs: dict[JobKey, bool]) -> None:
        """Read one list if it is worth it, and if no reload took its project away."""
        if place[0] not in self._poller.projects.by_name:
            return
        worth, before, now = self._worth(jobs.values()), self._told.pop(place, frozenset()), self._clock.monotonic()
        if not worth:
            return
        try:
            reading = await self._read(place, worth)
        except PollError as error:
            self._failed(place, error)
            return
        self._failing.discard(place)
        project, service, _ = place
        told = frozenset(self._poller.list_results.take(project, service, reading.items)) & jobs.keys()
        if reading.unread == 0 and not reading.broken:  # a job that was in it and is not any more has changed
            self._poller.list_results.hurry(before & jobs.keys() - told)
        if self._worth(jobs[each] for each in told) < reading.pages:
            self._not_before[place] = now + _AGAIN
        else:
            self._told[place] = told

    def _worth(self, jobs: Iterable[bool]) -> int:
        return pages_worth(jobs, self._settings.poll.list_interval, self._settings.poll.idle_interval)

    def _failed(self, place: ListKey, error: PollError) -> None:
        if error.reason in FUTILE:
            self._not_before[place] = self._clock.monotonic() + _AGAIN
        if place not in self._failing and error.reason not in HOPELESS:  # which are told for all calls alike
            self._failing.add(place)
            self._log.warning(
                "list failed", project=place[0], service=place[1], reason=error.reason.value, error=error.sentence
            )

    async def _read(self, place: ListKey, most_pages: int) -> Reading:
        project, service, view = place
        adapter, patience = self._poller.projects.adapters[service], self._settings.poll.list_interval
        assert adapter.lists is not None  # noqa: S101 - there would be no such place
        project_id = self._poller.projects.by_name[project].project_id
        ask = self._poller.calls.asking(project, adapter, patience)
        return await pages(adapter.lists, view, project_id, ask, most_pages=most_pages)
