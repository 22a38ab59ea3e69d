"""The status of the places where jobs run, such as clusters: a job whose place is off is not polled.

A status that no list reported recently is unknown, and then the jobs are polled as if the place were not off.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import structlog

from exporter.clock import Clock
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.frozen import replace
from exporter.model.job import Job, JobKey, comparable
from exporter.polling.plan import Plan
from exporter.polling.results import Results
from exporter.polling.schedule import ScheduleQueue
from exporter.services.listing import Location

_INTERVALS: Final = 3
"""The status of a place counts for so many idle intervals, or for ``stale_after`` if that is longer."""


@dataclass(frozen=True, slots=True)
class _Reading:
    """The places of one project and service in the last list."""

    at: float
    """By the clock that never jumps."""
    places: Mapping[str, Location]


class Places:
    """The places of all projects; *wake* makes the dispatcher look again."""

    def __init__(
        self,
        store: JobStore,
        plan: Plan,
        clock: Clock,
        telemetry: Telemetry,
        queue: ScheduleQueue,
        results: Results,
        wake: Callable[[], None],
    ) -> None:
        self._store = store
        self._plan = plan
        self._clock = clock
        self._schedule = queue
        self._results = results
        self._wake = wake
        self._reported: dict[tuple[str, str], _Reading] = {}
        self.closed: dict[tuple[str, str, str], Location] = {}
        """Those that are off, by project, service and id."""
        self._logged: set[tuple[str, str, str]] = set()  # those of them that the log has reported
        self._used: dict[tuple[str, str, str], set[str]] | None = None  # those where registered jobs run
        self._log = structlog.get_logger()
        telemetry.watch_clusters(self._available, self._words)

    def take(self, project: str, service: str, places: Sequence[Location], chosen: Collection[str] = ()) -> None:
        """Store a list of the *places* of a service in a project; discovery rules look for jobs in *chosen* ones."""
        if project not in self._plan.projects.by_name:
            return  # a reload took it away meanwhile
        named = {comparable(place.id): place for place in places if place.id}
        self._reported[project, service] = _Reading(self._clock.monotonic(), named)
        for name, place in named.items():
            key = (project, service, name)
            if place.off:
                if key not in self._logged and (place.id in chosen or key in self._where_jobs_run()):
                    self._logged.add(key)
                    self._log.info("cluster off", **_names(project, service, place))
                self.closed[key] = place
            elif self.closed.pop(key, None) is not None and key in self._logged:
                self._log.info("cluster on again", **_names(project, service, place))
        gone = [key for key in self.closed if key[:2] == (project, service) and key[2] not in named]
        for key in gone:
            del self.closed[key]
        self._logged &= self.closed.keys()
        self._poll_again(project, service)

    def jobs_changed(self) -> None:
        """Take into account that jobs were registered or are gone."""
        self._used = None

    def told_at(self, project: str, service: str) -> float | None:
        """Return when a list last reported the places, by the monotonic clock."""
        reported = self._reported.get((project, service))
        return None if reported is None else reported.at

    def skips(self, key: JobKey) -> bool:
        """Whether a job that is due is not polled, because its place is off; if so it is put off."""
        record = self._store.get(key)
        if record is None:
            return False
        place = self.off(record.job)
        if place is None:
            if record.off:
                self._store.put(replace(record, off=""))
            return False
        self._results.switched_off(key, f"{place.name or place.id}: {place.word}")
        return True

    def off(self, job: Job) -> Location | None:
        """Return the place of a job if it is off, as far as is known."""
        place = self.closed.get((job.project, job.key.service, comparable(self._place_of(job))))
        return place if place is not None and self._fresh(job.project, job.key.service) else None

    def is_off(self, project: str, service: str, place: str) -> bool:
        """Whether a place is off, as far as is known."""
        return (project, service, comparable(place)) in self.closed and self._fresh(project, service)

    def forget(self, projects: Mapping[str, object]) -> None:
        """Forget the places of projects that are none of *projects*."""
        self._reported = {key: reported for key, reported in self._reported.items() if key[0] in projects}
        self.closed = {key: place for key, place in self.closed.items() if key[0] in projects}

    def _place_of(self, job: Job) -> str:
        part = self._plan.projects.adapter(job).place_part
        return job.target.get(part, "") if part else ""

    def _poll_again(self, project: str, service: str) -> None:
        """Have the jobs polled soon that wait for a place which is not off any more."""
        waiting = [
            record.job.key
            for record in self._store.records()
            if record.off and (record.job.project, record.job.key.service) == (project, service)
        ]
        back = [key for key in waiting if not self._stays(key)]
        self._results.spread(key for key in back if self._schedule.time(key) is not None)
        if back:
            self._wake()

    def _stays(self, key: JobKey) -> bool:
        """Whether a job that waits for its place has to go on; if not it is said of it no more."""
        record = self._store.get(key)
        if record is None or self.off(record.job) is not None:
            return True
        self._store.put(replace(record, off=""))
        return False

    def _fresh(self, project: str, service: str) -> bool:
        reported, pace = self._reported.get((project, service)), self._plan.pace
        longest = max(pace.stale_after, _INTERVALS * pace.idle_interval)
        return reported is not None and self._clock.monotonic() - reported.at <= longest

    def _known(self) -> Iterator[tuple[str, Location]]:
        for (project, service), reported in self._reported.items():
            if self._fresh(project, service):
                for name, place in reported.places.items():
                    for written in sorted(self._where_jobs_run().get((project, service, name), ())):
                        yield project, replace(place, id=written)

    def _where_jobs_run(self) -> Mapping[tuple[str, str, str], set[str]]:
        """Return the places of the registered jobs, and how the jobs write their ids: queries join them by these."""
        if self._used is None:
            self._used = {}
            for job in (record.job for record in self._store.records()):
                # of a job that is itself a place, no part of its target says where it runs
                for part in job.target.values():
                    self._used.setdefault((job.project, job.key.service, comparable(part)), set()).add(part)
        return self._used

    def _available(self) -> Mapping[tuple[str, ...], float]:
        return {
            (project, place.id, place.name): float(place.available)
            for project, place in self._known()
            if place.available is not None
        }

    def _words(self) -> Mapping[tuple[str, ...], float]:
        return {
            (project, place.id, place.name, place.native_state, place.word or "available"): 1.0
            for project, place in self._known()
            if place.native_state
        }


def _names(project: str, service: str, place: Location) -> dict[str, str]:
    cluster = place.name or place.id
    return {"project": project, "service": service, "cluster": cluster, "cluster_state": place.word}
