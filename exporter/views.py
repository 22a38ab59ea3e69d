"""What the web server reads from the exporter, and the actions that it may trigger
(:class:`exporter.web.ports.Exporter`).
"""

import time
from collections.abc import Callable, Collection, Mapping
from datetime import tzinfo
from typing import Any

from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from exporter.clock import Clock
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.changes import Changes
from exporter.model.job import JobKey
from exporter.model.masking import VendorText
from exporter.model.record import Record
from exporter.polling.poller import Poller
from exporter.reload import Reloader
from exporter.runs.past import JobPast, Watch
from exporter.runs.timelines import Timelines
from exporter.services import registry


class WebView:
    """One face of all parts; *unstarted_rules* returns the rules that did not read their lists yet."""

    def __init__(
        self,
        store: JobStore,
        telemetry: Telemetry,
        poller: Poller,
        clock: Clock,
        timelines: Timelines,
        unstarted_rules: Callable[[], Collection[str]] = tuple,
        reloader: Reloader | None = None,
    ) -> None:
        self._store = store
        self._telemetry = telemetry
        self._poller = poller
        self._clock = clock
        self._timelines = timelines
        self._unstarted_rules = unstarted_rules
        self._reloader = reloader

    def sections(self, openmetrics: bool, names: frozenset[str]) -> list[list[bytes]]:
        """Return the lines of all jobs and the exporter's own; with *names* only the samples that are called so."""
        began = time.perf_counter()
        registry = self._telemetry.registry
        own = registry.restricted_registry(names) if names else registry
        last = generate_openmetrics(own) if openmetrics else generate_latest(own)  # type: ignore[no-untyped-call]
        sections = [*self._store.sections(openmetrics, names), [last]]
        self._telemetry.render_seconds.observe(time.perf_counter() - began)
        return sections

    def records(self) -> Collection[Record]:
        """Return the record of every job."""
        return self._store.records()

    def record(self, service: str, job: str) -> Record | None:
        """Return the record of one job."""
        return self._store.get(JobKey(service, job))

    def next_due(self, key: JobKey) -> float | None:
        """Return the Unix time of the job's next poll, if it will be polled again and its cluster is not off."""
        return self._poller.next_due(key)

    def waiting(self) -> Collection[str]:
        """Return the jobs that were not tried yet, and the rules that did not read their lists.

        A job whose cluster is off is not asked for, so nothing of it is still to come.
        """
        untried = (
            record.job.key
            for record in self._store.records()
            if record.polled_at is None and record.fault is None and not record.off
        )
        return [*self._unstarted_rules(), *(f"{service}/{name}" for service, name in untried)]

    def past(self, key: JobKey) -> JobPast | None:
        """Return what is kept of a job's past."""
        return self._timelines.past(key)

    def past_mark(self, key: JobKey) -> object:
        """Return what is equal as long as the runs and the turns of a job's past are the same."""
        return self._timelines.mark(key)

    def last_failure(self, key: JobKey) -> float | None:
        """Return when the last run of a job ended that failed."""
        return self._timelines.last_failure(key)

    def lines(self, key: JobKey) -> bytes:
        """Return the lines of a job."""
        return self._store.lines(key)

    def zone(self, project: str) -> tzinfo | None:
        """Return the time zone of a project's cloud."""
        there = self._poller.projects.by_name.get(project)
        return None if there is None else there.zone

    def console(self, record: Record) -> str:
        """Return the address of the vendor's own page of the job's service."""
        job = record.job
        cloud = "" if self._reloader is None else self._reloader.cloud(job.project)
        pattern = registry.load_services()[job.key.service].consoles.get(cloud, "")
        return pattern.format(region=job.region) if job.region else ""

    @property
    def watch(self) -> Watch:
        """Return since when the jobs are watched, and what changed."""
        return Watch(self._timelines.since, self._timelines.away, tuple(self._timelines.changes))

    @property
    def revision(self) -> tuple[int, ...]:
        """Return what is another as soon as anything changed that can be shown."""
        taken_over = 0 if self._reloader is None else self._reloader.revision
        return self._store.revision, self._timelines.version, self._poller.revision, taken_over

    def now(self) -> float:
        """Return the Unix time."""
        return self._clock.now()

    def place(self, record: Record) -> Mapping[str, str]:
        """Return where the job's project is."""
        project = self._poller.projects.by_name.get(record.job.project)
        if project is None:  # an answer that is being written holds a job whose project a reload took away
            return {}
        return {"region": project.region, "project_id": project.project_id}

    @property
    def vendor_text(self) -> VendorText:
        """Return how much of the vendor's own text page and JSON repeat."""
        return VendorText.REDACTED if self._reloader is None else self._reloader.vendor_text

    @property
    def may_reload(self) -> bool:
        """Whether a request may have the configuration read again."""
        return self._reloader is not None and self._reloader.enabled

    async def reload(self) -> dict[str, Any]:
        """Read the configuration again."""
        if self._reloader is None:
            return {}
        return _difference(await self._reloader.reload())


def _difference(changes: Changes) -> dict[str, Any]:
    """Return what became of the jobs, ready for JSON."""
    return {
        "added": ["/".join(job.key) for job in changes.added],
        "removed": ["/".join(key) for key in changes.removed],
        "changed": ["/".join(job.key) for job in changes.changed],
        "left_out": list(changes.problems),
    }
