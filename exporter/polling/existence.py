"""A second call of a poll: whether the job exists, if the response about its runs is the same when it does not.

The poll makes both calls, each under a permit of its own, and works only if both do. A job that exists is not asked for
again within an hour.
"""

from collections.abc import Collection
from typing import Final

from exporter.clock import Clock
from exporter.model.errors import PollError
from exporter.model.frozen import replace
from exporter.model.job import Job, JobKey
from exporter.model.record import Record
from exporter.model.snapshot import Snapshot
from exporter.polling.calls import Calls
from exporter.polling.list_results import ListResults
from exporter.polling.plan import Plan
from exporter.polling.tries import Tries
from exporter.services.adapter import Adapter, confirmed

_AGAIN: Final = 3600.0
"""Seconds after which a job that existed is asked for again."""


class Existence:
    """The second calls of polls, and when a job was last seen to exist."""

    def __init__(self, plan: Plan, clock: Clock, calls: Calls, lists: ListResults) -> None:
        self._plan = plan
        self._clock = clock
        self._calls = calls
        self._lists = lists
        self._seen: dict[JobKey, float] = {}  # when a job that has no run was last seen to exist

    async def ask(self, job: Job, idle: Snapshot) -> Snapshot:
        """Make the second call of a poll whose first answer was *idle*; return what both say.

        Raises :class:`~exporter.model.errors.PollError`, also if the job does not exist.
        """
        projects = self._plan.projects
        project, adapter = projects.named(job.project), projects.adapter(job)
        reader = adapter.job_reader
        if reader is None:
            return idle
        self._seen.pop(job.key, None)
        body = await project.ask(adapter, reader.request(job.target, project.project_id))
        try:
            row = reader.parse(body, job.target)
        except PollError as error:
            project.unread(adapter.service, error)
            raise
        self._seen[job.key] = self._clock.monotonic()
        await self._lists.take(job.project, job.key.service, [row] if row.schedule else [])
        return confirmed(idle, row)

    def unsure(self, record: Record, adapter: Adapter, answer: Snapshot, tries: Tries) -> bool:
        """Whether the job may not exist, judging by an idle *answer*; if so, queue the second call of the poll."""
        if adapter.job_reader is None or tries.idle is not None:
            return False
        seen = self._seen.get(record.job.key)
        if seen is not None and self._clock.monotonic() < seen + _AGAIN:
            return False
        self._calls.poll_again(record, replace(tries, idle=answer))
        return True

    def forget(self, keys: Collection[JobKey]) -> None:
        """Forget jobs that are gone or were replaced."""
        for key in keys:
            self._seen.pop(key, None)
