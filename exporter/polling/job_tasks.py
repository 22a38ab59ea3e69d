"""Background tasks of jobs: at most one for each job, cancelled when the job is removed."""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from functools import partial

from exporter.model.job import JobKey
from exporter.supervise import survive


class JobTasks:
    """The tasks under way; *crashed* counts a crash, and *name* is what the log calls such a task."""

    def __init__(self, name: str, crashed: Callable[[], None]) -> None:
        self._name = name
        self._crashed = crashed
        self._tasks: dict[JobKey, asyncio.Task[None]] = {}

    def __contains__(self, key: object) -> bool:
        return key in self._tasks

    def __len__(self) -> int:
        return len(self._tasks)

    def start(self, key: JobKey, work: Callable[[], Awaitable[None]], group: asyncio.TaskGroup) -> None:
        """Run *work* for a job that has no task, in a task of *group*."""
        task = self._tasks[key] = group.create_task(survive(work, self._crashed, self._name), name=self._name)
        task.add_done_callback(partial(self._done, key))

    def cancel(self, keys: Collection[JobKey]) -> None:
        """Cancel the tasks of some jobs."""
        for key in keys:
            if (task := self._tasks.pop(key, None)) is not None:
                task.cancel()

    def _done(self, key: JobKey, task: asyncio.Task[None]) -> None:
        if self._tasks.get(key) is task:
            del self._tasks[key]
