"""Registers the jobs of the section ``jobs``, of job files and of rules that belong to this shard."""

from collections.abc import Mapping, Sequence

import structlog

from exporter.cloud.projects import Projects
from exporter.config import ProjectSettings, Settings
from exporter.logs import NAMED, job_names, job_numbers
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.changes import STATIC, Changes
from exporter.model.frozen import replace
from exporter.model.job import Job
from exporter.model.sharding import shard_of
from exporter.polling.poller import Poller
from exporter.polling.schedule import Pace
from exporter.sources.job_set import JobSet


def pace_of(settings: Settings) -> Pace:
    """Return how often jobs are polled."""
    poll = settings.poll
    return Pace(poll.interval, poll.idle_interval, poll.stale_after)


class Registration:
    """Brings what the sources hold to the poller: those jobs that are this shard's, and of a project that there is."""

    def __init__(self, settings: Settings, store: JobStore, poller: Poller, telemetry: Telemetry) -> None:
        self._settings = settings
        self._projects = settings.projects  # as the poller has them
        self._store = store
        self._poller = poller
        self._job_set = JobSet(poller.projects.adapters)
        self._sources: dict[str, Sequence[Job]] = {}
        self._behind = False  # whether a crash may have kept changes from the poller
        self._log = structlog.get_logger()
        telemetry.watch_refused(self._job_set.refused)

    def register(self, contents: Mapping[str, Sequence[Job]]) -> None:
        """Take over what sources hold now."""
        for source, jobs in contents.items():  # what holds nothing any more may be a file that is gone
            if jobs:
                self._sources[source] = jobs
            else:
                self._sources.pop(source, None)
        behind, self._behind = self._behind, True
        changes = self._job_set.update(self._mine(contents))
        if behind:
            changes = replace(self._difference(), problems=changes.problems)
        self._poller.apply(changes)
        self._behind = False
        self._complain(changes)
        if STATIC not in contents and any(job_numbers(changes).values()):  # the section's are logged at the start
            sources = list(contents)[:NAMED]
            self._log.info("jobs registered", sources=sources, **job_numbers(changes), **job_names(changes))

    def swap(self, settings: Settings, projects: Projects) -> Changes:
        """Use other settings and projects, all at once; what other sources hold stays.

        The problems of what is returned are all there are, those that were logged before too. One that a crash ended is
        done whole by the next.
        """
        behind, self._behind = self._behind, True
        before, self._settings = self._projects, settings
        self._sources[STATIC] = settings.jobs
        changes = self._job_set.update(self._mine(self._sources))
        same = {name for name, project in settings.projects.items() if name in before and _same(project, before[name])}
        gone = {record.job.key for record in self._store.records() if record.job.project not in same}
        self._poller.apply(Changes(removed=tuple({*changes.removed, *gone})))
        self._poller.use(projects, pace_of(settings), settings.poll.concurrency)
        new = {job.key for job in changes.added}
        moved = tuple(job for key, job in self._job_set.jobs().items() if key in gone and key not in new)
        stays = tuple(job for job in changes.changed if job.key not in gone)
        self._poller.apply(Changes(added=(*changes.added, *moved), changed=stays))
        if behind:
            self._poller.apply(self._difference())
        self._projects, self._behind = settings.projects, False
        self._complain(changes)
        other = tuple(job for job in moved if job not in changes.changed)  # what their project is
        return replace(changes, changed=(*changes.changed, *other), problems=self._job_set.problems())

    def _difference(self) -> Changes:
        """Return what is registered and the poller does not have, or has otherwise."""
        there, jobs = {record.job.key: record.job for record in self._store.records()}, self._job_set.jobs()
        return Changes(
            added=tuple(job for key, job in jobs.items() if key not in there),
            removed=tuple(key for key in there if key not in jobs),
            changed=tuple(job for key, job in jobs.items() if key in there and there[key] != job),
        )

    def _mine(self, contents: Mapping[str, Sequence[Job]]) -> dict[str, list[Job]]:
        shards, shard = self._settings.sharding.shards, self._settings.sharding.shard
        return {
            source: [
                job for job in jobs if shard_of(job.key, shards) == shard and job.project in self._settings.projects
            ]
            for source, jobs in contents.items()
        }

    def _complain(self, changes: Changes) -> None:
        for problem in changes.problems:
            self._log.warning("job refused", problem=problem)


def _same(project: ProjectSettings, before: ProjectSettings) -> bool:
    """Whether a name still means the same project: nothing that another one said is known of this one's jobs."""
    return (project.cloud, project.region, project.project_id) == (before.cloud, before.region, before.project_id)
