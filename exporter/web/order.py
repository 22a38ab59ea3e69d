"""The order of the jobs on page and JSON: by group, then by what they are sorted by, then by name. Pure.

Only the jobs that are shown are sorted by name: that is most of the work, and there may be thousands of others.
"""

import re
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from heapq import nsmallest
from itertools import chain
from typing import Any, Final, NamedTuple

from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.model.standing import STANDINGS, standing
from exporter.services import registry

_PREFIX: Final = re.compile(r"[-_./:\s]")
_GROUPS: Final[Mapping[str, Callable[[Record], str]]] = {
    "project": lambda record: record.job.project,
    "service": lambda record: record.job.key.service,
    "cluster": lambda record: record.job.target.get(registry.load_services()[record.job.key.service].place_part, ""),
    "prefix": lambda record: _PREFIX.split(record.job.key.job, maxsplit=1)[0],
}
GROUPS: Final = tuple(_GROUPS)
LABEL: Final = "label."
"""Before the key of a label that jobs are grouped by."""
_PLACES: Final = {word: place for place, word in enumerate(STANDINGS)}
_SORTS: Final[Mapping[str, Callable[[Record], Any]]] = {
    "name": lambda record: record.job.key.job.casefold(),
    "service": lambda record: record.job.key.service,
    "project": lambda record: record.job.project,
    "state": standing,
    "progress": lambda record: record.shown.progress if record.shown else None,
    "start": lambda record: record.shown.start if record.shown else None,
    "end": lambda record: record.shown.end if record.shown else None,
    "last_poll": lambda record: record.polled_at,
    "last_progress": lambda record: record.last_progress if record.shown else None,
    "failing": lambda record: record.failing,
}
SORTS: Final = (*_SORTS, "next_poll")


ByStanding = Mapping[str, Sequence[Record]]
"""Jobs by what :func:`~exporter.model.standing.standing` says of them."""


def by_standing(records: Iterable[Record]) -> ByStanding:
    """Return the records of each standing."""
    return _split(records, standing)


class Order(NamedTuple):
    """How jobs are ordered; what is not known comes last in either order."""

    sort: str
    descending: bool
    group: str
    next_due: Callable[[JobKey], float | None]

    def first(self, jobs: ByStanding, most: int) -> list[Record]:
        """Return the first *most* of *jobs*."""
        found: list[Record] = []
        for alike in self._alike(jobs):
            found += nsmallest(most - len(found), alike, key=_name)
            if len(found) >= most:
                break
        return found

    def _alike(self, jobs: ByStanding) -> Iterator[Sequence[Record]]:
        """Yield those that only their names order, in the order of all else."""
        if self.sort == "state" and not self.group:
            yield from (jobs[word] for word in sorted(jobs, key=_PLACES.__getitem__, reverse=self.descending))
            return
        records = chain.from_iterable(jobs.values())
        groups = _split(records, partial(group_of, group=self.group)) if self.group else {"": records}
        read = _SORTS.get(self.sort) or (lambda record: self.next_due(record.job.key))
        place = _PLACES.__getitem__ if self.sort == "state" else None
        for name in sorted(groups):
            alike = _split(groups[name], read)
            unknown = alike.pop(None, [])
            yield from (alike[value] for value in sorted(alike, key=place, reverse=self.descending))
            yield unknown


def _split(records: Iterable[Record], read: Callable[[Record], Any]) -> dict[Any, list[Record]]:
    """Return the records of each value."""
    found: defaultdict[Any, list[Record]] = defaultdict(list)
    for record in records:
        found[read(record)].append(record)
    return found


def group_of(record: Record, group: str) -> str:
    """Return the group that a job is in; *group* is one of :data:`GROUPS`, or a label."""
    if group.startswith(LABEL):
        return record.job.labels.get(group.removeprefix(LABEL), "")
    return _GROUPS[group](record)


def _name(record: Record) -> str:
    """Return what orders by name; names that differ in their capitals alone stay in the order of registration."""
    return record.job.key.job.casefold()
