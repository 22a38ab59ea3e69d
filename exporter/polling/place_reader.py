"""Reads the places where jobs run, such as clusters, and their status: one call for all jobs of a project and service.

If a discovery rule read the list of places lately, nothing is read here.
"""

from functools import partial
from typing import Final

import structlog

from exporter.clock import Clock, rest
from exporter.config import Settings
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.reason import FUTILE
from exporter.polling.poller import Poller
from exporter.supervise import survive

_LOOK: Final = 5.0
"""Seconds at least between two looks for what is to be read."""
_AGAIN: Final = 3600.0
"""Seconds after which a list that is not to be had is tried again; one that failed otherwise is sooner."""


class PlaceReader:
    """Reads the places of the jobs that are registered, each time that ``idle_interval`` passed without a reading."""

    def __init__(self, settings: Settings, poller: Poller, store: JobStore, clock: Clock, telemetry: Telemetry) -> None:
        self._settings = settings
        self._poller = poller
        self._store = store
        self._clock = clock
        self._telemetry = telemetry
        self._not_before: dict[tuple[str, str], float] = {}
        self._log = structlog.get_logger()

    def use(self, settings: Settings) -> None:
        """Go by other settings."""
        self._settings = settings
        self._not_before.clear()

    async def run(self) -> None:
        """Read until cancelled."""
        crashed = self._telemetry.crashes.labels("place_reader").inc
        while True:
            began = self._clock.monotonic()
            for project, service in sorted(self._wanted()):
                await survive(partial(self._read, project, service), crashed, "place_reader")
            await rest(self._clock, _LOOK, began, lambda: self._settings.poll.idle_interval / 10)

    def _wanted(self) -> set[tuple[str, str]]:
        """Return the projects and services whose places are to be read now."""
        adapters = self._poller.projects.adapters
        there = {name for name, each in adapters.items() if each.place_part and each.lists is not None}
        found = {(each.job.project, each.job.key.service) for each in self._store.records() if not each.final}
        return {key for key in found if key[1] in there and self._due(*key)}

    def _due(self, project: str, service: str) -> bool:
        now, told_at = self._clock.monotonic(), self._poller.places.told_at(project, service)
        known = self._poller.projects.by_name.get(project)
        # the id of a project is known once any of its jobs was polled
        if known is None or not known.project_id or now < self._not_before.get((project, service), now):
            return False
        return told_at is None or now - told_at >= self._settings.poll.idle_interval

    async def _read(self, project: str, service: str) -> None:
        there = self._poller.projects.by_name.get(project)
        adapter = self._poller.projects.adapters[service]
        request = None if there is None or adapter.lists is None else adapter.lists.places_request(there.project_id)
        if adapter.lists is None or request is None:
            return
        ask = self._poller.calls.asking(project, adapter, self._settings.poll.idle_interval)
        try:
            places, _ = await ask(request, adapter.lists.places)
        except PollError as error:
            wait = max(_AGAIN if error.reason in FUTILE else 0.0, self._settings.poll.idle_interval)
            self._not_before[project, service] = self._clock.monotonic() + wait
            self._log.debug(
                "clusters not read", project=project, service=service, reason=error.reason.value, error=error.sentence
            )
            return
        self._poller.places.take(project, service, places)
