"""Runs the rules of ``discovery``: registers the jobs that they find, and passes on the states in the lists."""

import asyncio
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, Final

import structlog

from exporter.clock import Clock, rest
from exporter.config import Settings
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError
from exporter.model.frozen import replace
from exporter.model.job import Job, JobKey, identity
from exporter.polling.list_poller import SOONEST
from exporter.polling.poller import Poller
from exporter.services.discovery_rule import Search
from exporter.services.list_reading import Found, key, read_rule_by_clock
from exporter.sources.findings import Findings, merged_findings
from exporter.supervise import survive

_TRIES: Final = 2
"""Calls that are made for one list if the first is refused: there may be no job yet whose poll would tell."""


class _Look:
    """One rule, and how the readings of its lists went."""

    def __init__(self, search: Search, region: str, *, ends: bool) -> None:
        self.search = search
        self.region = region
        self.findings = Findings(search, region, ends=ends)
        self.looked = False
        """Whether the first look is over, well or not."""
        self.first_at: float | None = None
        """When the first look was over, by the monotonic clock: the cloud's may be known later."""
        self.first_began: float | None = None
        """When it began: what ended before had ended before any page was read."""
        self.worked_at: float | None = None
        self.good_at: float | None = None
        """When it worked and the cloud had every place that it names."""
        self.cut = 0
        self.hidden: Mapping[str, int] = {}
        """How many jobs a name does not show though they go on, or may be newer than the one that it shows."""
        self.unreadable: Counter[str] = Counter()
        """Fields that could not be read at the last look."""
        self.logged: dict[str, Any] = {}
        self.task: asyncio.Task[None] | None = None

    @property
    def names(self) -> dict[str, str]:
        return {"service": self.search.service, "project": self.search.project}


class Discovery:
    """Reads lists for what the rules ask for; *register* takes the jobs of each service and project."""

    def __init__(
        self,
        settings: Settings,
        poller: Poller,
        store: JobStore,
        register: Callable[[Mapping[str, Sequence[Job]]], None],
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._settings = settings
        self._poller = poller
        self._store = store
        self._register = register
        self._clock = clock
        self._telemetry = telemetry
        self._changed = asyncio.Event()
        self._log = structlog.get_logger()
        self._looks: list[_Look] = []
        self._replaced: list[_Look] = []  # whose jobs stay until the rules instead have read their lists
        self.use(settings)

    def use(self, settings: Settings) -> None:
        """Use other settings; a rule that stays keeps what it found."""
        before = list(self._looks)
        self._settings, self._looks = settings, []
        for search in settings.discovery:
            region = settings.projects[search.project].region
            same = next((look for look in before if (look.search, look.region) == (search, region)), None)
            if same is not None:
                before.remove(same)
            ends = self._poller.projects.adapters[search.service].found.final
            self._looks.append(same or _Look(search, region, ends=ends))
        for look in before:
            if look.task is not None:
                look.task.cancel()
        groups = {(look.search.project, look.search.service) for look in self._looks}
        regions = {name: project.region for name, project in settings.projects.items()}
        self._replaced = [
            look for look in (*self._replaced, *before) if regions.get(look.search.project) == look.region
        ]
        for project, service in {(look.search.project, look.search.service) for look in before}:
            self._publish(project, service)
            self._telemetry.forget_cut(service, project)  # other rules may leave out nothing
            if (project, service) not in groups:
                with suppress(KeyError):
                    self._telemetry.discovery_worked.remove(service, project)
            for look in self._looks:
                if (look.search.project, look.search.service) == (project, service):
                    look.cut = 0
        for project, service in groups:
            self._telemetry.discovery_cut.labels(service, project)  # 0 from the start: also of one that never worked
        self._changed.set()

    def waiting(self) -> Collection[str]:
        """Return the rules whose first look is not over."""
        return [
            f"discovery of {each.search.service} in {each.search.project}" for each in self._looks if not each.looked
        ]

    def all_read(self) -> bool:
        """Return whether each rule has read all its lists once."""
        return all(each.worked_at is not None for each in self._looks)

    async def run(self) -> None:
        """Read the lists until cancelled."""
        for look in self._looks:
            look.task = None
        async with asyncio.TaskGroup() as group:
            while True:
                self._changed.clear()
                for look in self._looks:
                    if look.task is None:
                        look.task = group.create_task(self._repeat(look), name="discovery")
                await self._changed.wait()

    async def _repeat(self, look: _Look) -> None:
        crashed = self._telemetry.crashes.labels("discovery").inc
        while True:
            began = self._clock.monotonic()
            await survive(partial(self._round, look), crashed, "discovery")
            look.looked = True
            await rest(self._clock, SOONEST, began, lambda: look.search.interval or self._settings.poll.list_interval)

    async def _round(self, look: _Look) -> None:
        search, missed, began = look.search, list[Any](), self._clock.monotonic()
        try:
            found = await self._find(search)
        except PollError as error:
            self._tell(look, {"failed": [error.sentence]})
            found = None
        if found is not None and found.places is not None:
            lister = self._poller.projects.adapters[search.service].lists
            chosen = () if lister is None else [each.id for each in lister.chosen(search.rule, found.places)]
            self._poller.places.take(search.project, search.service, found.places, chosen)
        items = {key(each.listed): each.listed for each in found.jobs} if found is not None else {}
        list_results = self._poller.list_results
        # rows are taken before the next runs of some of these jobs are registered, or the ends of theirs would never be
        # seen; what was found is shown to other rules, and the look is over, only then, because that takes a while
        for name in await list_results.take(search.project, search.service, items.values()):
            items.pop(identity(self._target(name)), None)
        if found is not None:
            missed += look.findings.take(found, self._time(search.project), self._settings.poll.retention)
            self._count(look, found)
        look.looked = True
        self._publish(search.project, search.service)
        if found is not None:
            await self._count_runs(look, found)
            look.first_began = began if look.first_began is None else look.first_began
        await list_results.take(search.project, search.service, items.values())
        list_results.hurry(missed)

    async def _count_runs(self, look: _Look, found: Found) -> None:
        """Have all runs counted that a look found of one name: only the newest of them is registered."""
        if self._poller.projects.adapters[look.search.service].found.final:
            ahead = self._time(look.search.project) - self._clock.monotonic()
            since = None if look.first_at is None else look.first_at + ahead
            first = None if look.first_began is None else look.first_began + ahead
            for name, items in found.by_name().items():
                await self._poller.list_results.runs(
                    JobKey(look.search.service, name), look.search.project, items, since, first
                )
            look.first_at = look.first_at or self._clock.monotonic()

    def _target(self, name: JobKey) -> Mapping[str, str]:
        record = self._store.get(name)
        return {} if record is None else record.job.target

    async def _find(self, search: Search) -> Found:
        projects, patience = self._poller.projects, search.interval or self._settings.poll.list_interval
        adapter, calls = projects.adapters[search.service], self._poller.calls
        assert adapter.lists is not None  # noqa: S101 - the settings have no rule for another service
        project_id = projects.by_name[search.project].project_id
        if not project_id:
            project_id = await calls.call(
                search.project, adapter.limit, patience, lambda project: project.project_id_of(), _TRIES
            )
        ask = calls.asking(search.project, adapter, patience, _TRIES)
        time, monotonic = partial(self._time, search.project), self._clock.monotonic
        found = await read_rule_by_clock(adapter.lists, search.rule, project_id, time, monotonic, ask)
        ahead = self._time(search.project) - self._clock.monotonic()
        jobs = tuple(replace(each, listed=each.listed.credible(ahead)) for each in found.jobs)
        return replace(found, jobs=jobs)

    def _time(self, project: str) -> float:
        """Return the Unix time by the clock of the cloud that a project is in; setting ours does not move it."""
        return self._poller.projects.cloud_time(project, self._clock)

    def _publish(self, project: str, service: str) -> None:
        """Register what the rules for one service and project found, as one source: start times cross rules."""
        now, retention = self._time(project), self._settings.poll.retention
        looks = [look for look in self._looks if (look.search.project, look.search.service) == (project, service)]
        replaced = [look for look in self._replaced if (look.search.project, look.search.service) == (project, service)]
        if any(look.worked_at is None for look in looks):
            looks += replaced
        else:
            self._replaced = [look for look in self._replaced if look not in replaced]
        found = [look.findings.jobs(now, retention, self._store.get) for look in looks]
        self._register({f"discovery of {service} in {project}": tuple(merged_findings(found))})

    def _count(self, look: _Look, found: Found) -> None:
        search = look.search
        unreadable = Counter(found.unknown)
        self._telemetry.count_unreadable(
            search.service, (unreadable - look.unreadable).elements()
        )  # of rows that stay, once
        look.unreadable = unreadable
        cut = found.cut + (found.missing_rows or 0) + found.broken
        if found.failures:
            cut = max(cut, look.cut)  # what could not be read leaves nothing in
        self._telemetry.discovery_cut.labels(search.service, search.project).inc(max(0, cut - look.cut))
        look.cut = cut
        look.hidden = look.findings.hidden()
        self._tell(look, dict(_news(found, look.hidden)))
        if not found.failures:
            look.worked_at = self._clock.now()
            if all(place.word for place in found.skipped):
                look.good_at = look.worked_at
        same = [each for each in self._looks if each.names == look.names]
        times = [each.good_at for each in same if each.good_at is not None]
        if len(times) == len(same):
            self._telemetry.discovery_worked.labels(search.service, search.project).set(min(times))
        if all(each.worked_at is not None for each in same):
            left = sum(each.cut + sum(each.hidden.values()) for each in same)
            self._telemetry.discovery_left_out.labels(search.service, search.project).set(left)

    def _tell(self, look: _Look, news: dict[str, Any]) -> None:
        """Log what is not as it should be when it changes, and when it is as it should be again."""
        if news != look.logged:
            look.logged = news
            if news:
                self._log.warning("discovery incomplete", **look.names, **news)
            else:
                self._log.info("discovery works again", **look.names)


def _news(found: Found, hidden: Mapping[str, int]) -> Iterator[tuple[str, Any]]:
    if hidden:
        yield "same_name", sorted(hidden)  # only the newest job of a name is shown
    skipped = [place for place in found.skipped if not place.off]  # which is reported for all rules at once
    if skipped:
        yield "skipped", [f"{place.name or place.id}: {place.word or 'not there'}" for place in skipped]
    if found.failures:
        yield "failed", [f"{place.name or place.id or 'list'}: {error.sentence}" for place, error in found.failures]
    if found.cut:
        yield "left_out", "jobs; raise max_jobs or ask for fewer"
    elif found.missing_rows:
        yield "left_out", "perhaps; rows of a list were not read: raise max_jobs or ask for fewer"
    elif found.broken:
        yield "left_out", "rows that cannot be read"
    elif found.missing_rows is None:
        yield "left_out", "perhaps; the list goes on and tells no total"
