"""The calculation of ``check``: how many calls a configuration needs from each limit class."""

import math
from collections import Counter
from collections.abc import Collection, Hashable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from exporter.limits.budget import per_minute
from exporter.model.job import Job
from exporter.polling.capacity import Capacity
from exporter.polling.list_coverage import ListKey, pages_worth
from exporter.polling.schedule import Pace
from exporter.services.adapter import Adapter
from exporter.services.discovery_rule import Search
from exporter.services.listing import PAGE_SIZE, Lister, ListQuery, Location


@dataclass(slots=True)
class _Group:
    """What draws from one limit class of one owner."""

    projects: set[str] = field(default_factory=set)
    ends: bool = True
    single: Counter[float | None] = field(default_factory=Counter)
    listed: Counter[float | None] = field(default_factory=Counter)
    lists: float = 0.0
    lists_running: float = 0.0

    def need(self, limit: str, pace: Pace, allowed: float) -> Capacity:
        """Return what it needs of the calls a minute that are *allowed*."""
        projects = tuple(sorted(self.projects))
        lists = (self.listed, self.lists, self.lists_running)
        return Capacity(projects, limit, self.single, pace, allowed, self.ends, *lists)

    def read(self, calls: float, *, running: bool) -> None:
        """Add the calls a minute of a list; *running* is whether it is read of jobs that run, too."""
        self.lists += calls
        self.lists_running += calls if running else 0.0


def capacity_plan(
    jobs: Iterable[Job],
    pace: Pace,
    adapters: Mapping[str, Adapter],
    limits: Mapping[str, Mapping[str, float]],
    owners: Mapping[str, Hashable],
    shards: int = 1,
    *,
    list_interval: float,
    searches: Collection[Search] = (),
) -> list[Capacity]:
    """Return what each limit class needs.

    *limits* are calls a second by project and class; *owners* tells, by project, whose calls the vendor counts:
    projects with the same owner share a limit, and the least of theirs counts. *jobs* are those of one of *shards*
    exporters, which divide the limits among them. Lists are taken to hold no other jobs than *jobs*; what *searches*
    find is not known, so only their own calls count, as few as there can be.
    """
    groups: dict[tuple[Hashable, str], _Group] = {}
    for (project, service, view), group in _covered(jobs, adapters).items():
        adapter = adapters[service].of(group[0].target)
        found = _group(groups, owners[project], adapter.limit, project, ends=adapter.final)
        lister = adapters[service].lists
        pages = math.ceil(len(group) / lister.page_size) if lister else 0
        worth = pages_worth([False] * len(group), list_interval, pace.idle_interval)
        if view is None or lister is None or not (pages <= worth or lister.always):
            found.single.update(job.interval for job in group)
            continue
        found.listed.update(job.interval for job in group)
        lists = _group(groups, owners[project], lister.limit, project)
        if not any(_reads_all(each, (project, service, view), lister, list_interval) for each in searches):
            lists.read(60 / list_interval * pages, running=adapter.moved_by_list or lister.always)
        if lister.schedules(view) is not None:
            lists.read(60 / pace.idle_interval * math.ceil(len(group) / PAGE_SIZE), running=True)
    _add_searches(groups, searches, adapters, owners, list_interval)
    needed: list[Capacity] = []
    for (owner, limit), each in groups.items():
        shared = [limits[project][limit] for project in owners if owners[project] == owner]
        needed.append(each.need(limit, pace, per_minute(min(shared) / shards)))
    return sorted(needed, key=lambda need: (need.projects, need.limit))


def _add_searches(
    groups: dict[tuple[Hashable, str], _Group],
    searches: Iterable[Search],
    adapters: Mapping[str, Adapter],
    owners: Mapping[str, Hashable],
    list_interval: float,
) -> None:
    for search in searches:
        limit, calls = _calls(search, adapters[search.service])
        found = _group(groups, owners[search.project], limit, search.project)
        found.read(60 / (search.interval or list_interval) * calls, running=True)


def _reads_all(search: Search, list_key: ListKey, lister: Lister[Any], list_interval: float) -> bool:
    """Whether a rule reports all jobs of a list, as often as the list would be read for jobs that are registered."""
    if (search.project, search.service) != list_key[:2] or (search.interval or list_interval) > list_interval:
        return False
    return not search.rule.selects and list_key[2] in lister.views(search.rule, Location(), 0.0)


def _covered(
    jobs: Iterable[Job], adapters: Mapping[str, Adapter]
) -> dict[tuple[str, str, ListQuery | None], list[Job]]:
    """Return the jobs by project, service and the list that reports them while they wait."""
    found: dict[tuple[str, str, ListQuery | None], list[Job]] = {}
    for job in jobs:
        lister = adapters[job.key.service].lists
        view = None if lister is None else lister.covering(job.target)
        found.setdefault((job.project, job.key.service, view), []).append(job)
    return found


def _group(
    groups: dict[tuple[Hashable, str], _Group], owner: Hashable, limit: str, project: str, *, ends: bool = True
) -> _Group:
    found = groups.setdefault((owner, limit), _Group())
    found.projects.add(project)
    found.ends &= ends
    return found


def _calls(search: Search, adapter: Adapter) -> tuple[str, int]:
    """Return the limit class of a rule's lists, and how many calls a look takes at least."""
    lister = adapter.lists
    if lister is None:
        raise ValueError(adapter.service)
    views = lister.views(search.rule, Location(), 0.0)
    return lister.limit, len(views) + (lister.places_request("") is not None)
