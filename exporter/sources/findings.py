"""The jobs that one ``discovery`` rule registers, from its readings over time. Pure.

A job that runs again stays as long as the list has it; two readings in a row without it remove it. A job that runs once
stays, even if the list no longer has it, until some time after its end, or until the next run of its name. The order of
runs is that of their starts; an unfinished run without a start, or with one in the future, counts as begun when it was
first seen. If a list could not be read, no job is considered gone. Only a job whose place is off, or that its own poll
does not find either, is no longer polled after ``poll.retention``.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from exporter.model.changes import DISCOVERY
from exporter.model.frozen import replace
from exporter.model.job import Job, JobKey, identity, same_target
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.model.snapshot import Snapshot, State
from exporter.services.discovery_rule import Search
from exporter.services.list_reading import Found, Named, PageKey, key

_Order: TypeAlias = tuple[float, float, PageKey]
_Candidate: TypeAlias = tuple[_Order, Job]
"""A job, after what orders it among the others: the later one is the next run of one of the same name."""


_DAY: Final = 86400.0
_NEVER: Final = -1.0


@dataclass(frozen=True, slots=True)
class _Seen:
    named: Named
    job: Job
    at: float
    """When a list last reported it."""
    listed: bool
    """Whether the last list did."""
    ended_at: float | None = None
    """When it was over; ``None`` if it may go on."""
    failed: bool = False
    """Whether it failed then."""
    missed: int = 0
    """Looks in a row that were sure to tell of it and did not."""
    began: float = _NEVER
    """What orders it among others, as it was first seen."""
    lived_at: float = _NEVER
    """When a list last reported that it goes on: of two that began at the same time such a one is the later."""

    @property
    def order(self) -> _Order:
        return self.began, self.lived_at, key(self.named.listed)

    def kept_for(self, retention: float) -> float:
        """Return the seconds for which it stays once it is over: a failure for at least a day, so that it is seen."""
        return max(retention, _DAY) if self.failed else retention


class Findings:
    """Keeps what the rule *search* found in a *region*; *ends* is whether such a job is over for good once it ended."""

    def __init__(self, search: Search, region: str, *, ends: bool) -> None:
        self._search = search
        self._region = region
        self._ends = ends
        self._seen: dict[PageKey, _Seen] = {}

    def take(self, found: Found, at: float, retention: float) -> Collection[JobKey]:
        """Take over what a reading at *at* found; return the jobs that it found no more.

        *at* is in Unix seconds that go on steadily, also if the machine's clock is set. A job that
        runs again is gone when two readings in a row missed it: a list may change between two pages of one reading.
        """
        before, self._seen = self._seen, {}
        for each in found.jobs:
            name, snapshot = key(each.listed), each.listed.snapshot
            was = before.get(name)
            ended_at = _end(snapshot, at)
            if was is not None and was.ended_at is not None and ended_at is not None:
                ended_at = was.ended_at
            failed = snapshot is not None and snapshot.state is State.FAILED
            seen = _Seen(each, self._job(each), at, listed=True, ended_at=ended_at, failed=failed)
            self._seen[name] = self._ordered(seen, was)
        off = {place.id for place in found.skipped}
        missed = []
        for name, was in before.items():
            place, times = was.named.place, was.missed + found.sure(was.named.place)
            if name in self._seen or (times > 1 and not self._ends):
                continue
            if place.id in off and at - was.at > retention:
                continue
            self._seen[name] = replace(was, listed=False, missed=times)
            if times > was.missed == 0:
                missed.append(was.job.key)
        return missed

    def _ordered(self, seen: _Seen, was: _Seen | None) -> _Seen:
        """Return a job with its place among the others; one that runs again has none but its creation."""
        since = seen.named.listed.since
        if not self._ends:
            return replace(seen, began=_NEVER if since is None else since)
        lives = seen.at if seen.ended_at is None else _NEVER
        if was is None:
            return replace(seen, began=lives if since is None else since, lived_at=lives)
        return replace(seen, began=was.began, lived_at=max(was.lived_at, lives))

    def jobs(self, at: float, retention: float, record_of: Callable[[JobKey], Record | None]) -> list[_Candidate]:
        """Return the jobs to register, the newest if there are too many."""
        for name, seen in list(self._seen.items()):
            self._age(name, seen, record_of(seen.job.key), at, retention)
        ordered = sorted(self._seen.values(), key=lambda seen: seen.order)
        newest = {seen.job.key: seen for seen in ordered}
        kept = [
            (seen.order, seen.job)
            for seen in ordered
            if seen.ended_at is None
            or not self._ends
            or (newest[seen.job.key] is seen and at - seen.ended_at < seen.kept_for(retention))
        ]
        return kept[-self._search.rule.max_jobs :]

    def hidden(self) -> dict[str, int]:
        """Return of how many jobs that go on, or tell no start, a name shows none, because it shows the newest one."""
        seen = sorted(self._seen.values(), key=lambda seen: seen.order) if self._ends else []
        newest = {each.job.key: each for each in seen}
        others = (each for each in seen if each.listed and newest[each.job.key] is not each)
        return dict(Counter(each.job.key.job for each in others if each.ended_at is None or each.began == _NEVER))

    def _age(self, name: PageKey, seen: _Seen, record: Record | None, at: float, retention: float) -> None:
        """Note that a job is over, and forget one of which neither the list nor its own polls report any more."""
        mine = record if record is not None and same_target(record.job.target, seen.job.target) else None
        if (
            self._ends and seen.ended_at is None and mine is not None and mine.shown is not None
        ):  # not the run before it
            failed = mine.shown.state is State.FAILED
            seen = self._seen[name] = replace(seen, ended_at=_end(mine.shown, at), failed=failed)
        if seen.listed:
            return
        over = seen.ended_at is not None and at - seen.ended_at >= seen.kept_for(retention)
        lost = mine is not None and mine.fault is not None and mine.fault.reason is Reason.NOT_FOUND
        if (self._ends and (mine is None or over)) or (lost and at - seen.at > retention):
            del self._seen[name]

    def _job(self, named: Named) -> Job:
        search = self._search
        return Job(
            JobKey(search.service, named.name),
            search.project,
            named.listed.target,
            source=DISCOVERY,
            region=self._region,
            labels=search.labels_of(named.listed.words),
            promises=search.promises,
        )


def _end(answer: Snapshot | None, at: float) -> float | None:
    """Return when a run was over, at the latest now; ``None`` if it may go on."""
    if answer is None or not answer.ended:
        return None
    return at if answer.end is None else min(answer.end, at)


def merged_findings(findings: Collection[list[_Candidate]]) -> Iterator[Job]:
    """Yield the jobs of several rules, each once: the one of the first rule that found it; by age."""
    found: dict[tuple[str, ...], _Candidate] = {}
    for candidates in findings:
        for candidate in candidates:
            found.setdefault(identity(candidate[1].target), candidate)
    yield from (job for _, job in sorted(found.values(), key=lambda candidate: candidate[0]))
