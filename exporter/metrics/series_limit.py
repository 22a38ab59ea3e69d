"""Decides which jobs fit under the largest number of series: the oldest with all series, the newest with only a few."""

from collections import deque
from collections.abc import Iterator
from typing import Final

from exporter.model.job import JobKey

_SLIM: Final = 2
"""Series that stay of a job that is left out: who it is, and whether it is up, which is counted before it is known."""


class SeriesLimit:
    """Keeps the sizes of all jobs, in series; the jobs in full are those registered first."""

    def __init__(self, max_series: int) -> None:
        self._max = max_series
        self._whole: dict[JobKey, int] = {}
        self._out: deque[JobKey] = deque()
        self._out_sizes: dict[JobKey, int] = {}
        self.series = 0
        """Series shown now."""
        self.dropped = 0
        """Series left out since the start, counted each time a job is."""

    @property
    def reduced(self) -> int:
        """Jobs that are left out now but for who they are and whether they are up."""
        return len(self._out)

    def limit(self, max_series: int) -> None:
        """Take another greatest number; :meth:`changes` tells what follows."""
        self._max = max_series

    def whole(self, key: JobKey) -> bool:
        """Whether the job is shown in full."""
        return key not in self._out_sizes

    def resize(self, key: JobKey, size: int) -> None:
        """Take the size of a job; one that is not known yet is the newest."""
        if key in self._whole:
            self.series += size - self._whole[key]
            self._whole[key] = size
        elif key in self._out_sizes:
            self._out_sizes[key] = size
        elif self._out:
            self._leave_out(key, size, newest=True)
            self.series += _SLIM
        else:
            self._whole[key] = size
            self.series += size

    def remove(self, key: JobKey) -> None:
        """Forget a job."""
        if key in self._whole:
            self.series -= self._whole.pop(key)
        elif key in self._out_sizes:
            del self._out_sizes[key]
            self._out.remove(key)
            self.series -= _SLIM

    def changes(self) -> Iterator[tuple[JobKey, bool]]:
        """Yield each job that has to become slim (False) or can be whole again (True)."""
        while self.series > self._max and self._whole:
            key, size = self._whole.popitem()
            self._leave_out(key, size, newest=False)
            self.series += _SLIM - size
            yield key, False
        while self._out and self.series - _SLIM + self._out_sizes[self._out[0]] <= self._max:
            key = self._out.popleft()
            self._whole[key] = self._out_sizes.pop(key)
            self.series += self._whole[key] - _SLIM
            yield key, True

    def _leave_out(self, key: JobKey, size: int, *, newest: bool) -> None:
        if newest:
            self._out.append(key)
        else:
            self._out.appendleft(key)
        self._out_sizes[key] = size
        self.dropped += size - _SLIM
