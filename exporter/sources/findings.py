"""What one rule of ``discovery`` found over time: which jobs it registers now. Pure.

A job that runs again stays for as long as the list tells of it. One that runs once stays, also when the list tells of
it no more, until it was over for some time. Where a list could not be read nothing is known to be gone; only a place
that is off is no longer asked for its jobs after that time.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, replace
from typing import TypeAlias

from exporter.model.changes import DISCOVERY
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.model.snapshot import Snapshot
from exporter.services.discovery_rule import Search
from exporter.services.paging import Found, Key, Named, age, key

Candidate: TypeAlias = tuple[tuple[float, Key], Job]
"""A job, after what orders it among the others: the later one is the next run of one of the same name."""


@dataclass(frozen=True, slots=True)
class _Seen:
    named: Named
    job: Job
    at: float
    """When a list last told of it."""
    listed: bool
    """Whether the last list did."""
    ended_at: float | None = None
    """When it was over; ``None`` if it may go on."""


class Findings:
    """Keeps what the rule *search* found in a *region*; *ends* is whether such a job is over for good once it ended."""

    def __init__(self, search: Search, region: str, *, ends: bool) -> None:
        self._search = search
        self._region = region
        self._ends = ends
        self._seen: dict[Key, _Seen] = {}

    def take(self, found: Found, at: float, retention: float) -> Collection[JobKey]:
        """Take over what a look at *at* (Unix seconds) found; return the jobs that it found no more."""
        before, self._seen = self._seen, {}
        for each in found.jobs:
            name = key(each.listed)
            was = before.get(name)
            ended_at = _end(each.listed.snapshot, at)
            if was is not None and was.ended_at is not None and ended_at is not None:
                ended_at = was.ended_at
            self._seen[name] = _Seen(each, self._job(each), at, listed=True, ended_at=ended_at)
        off = {place.id for place in found.skipped}
        missed = []
        for name, was in before.items():
            place, sure = was.named.place.id, found.sure(was.named.place)
            if name in self._seen or (sure and not self._ends):
                continue
            if place in off and at - was.at > retention:
                continue
            self._seen[name] = replace(was, listed=False)
            if was.listed and sure:
                missed.append(was.job.key)
        return missed

    def jobs(self, at: float, retention: float, record_of: Callable[[JobKey], Record | None]) -> list[Candidate]:
        """Return the jobs to register, the newest if there are too many."""
        for name, seen in list(self._seen.items()):
            self._age(name, seen, record_of(seen.job.key), at, retention)
        kept = [
            (age(seen.named.listed), seen.job)
            for seen in self._seen.values()
            if not self._ends or seen.ended_at is None or at - seen.ended_at < retention
        ]
        return sorted(kept, key=lambda candidate: candidate[0])[-self._search.rule.max_jobs :]

    def at_once(self) -> dict[str, int]:
        """Return the names that more than one job has which is not over, and how many: only the newest is shown."""
        seen = self._seen.values() if self._ends else ()
        going = (each.job.key.job for each in seen if each.listed and each.ended_at is None)
        return {name: number for name, number in Counter(going).items() if number > 1}

    def _age(self, name: Key, seen: _Seen, record: Record | None, at: float, retention: float) -> None:
        """Note that a job is over, and forget one of which neither the list nor its own polls tell any more."""
        if not self._ends:
            return
        mine = record if record is not None and dict(record.job.target) == dict(seen.job.target) else None
        if seen.ended_at is None and mine is not None:
            seen = self._seen[name] = replace(seen, ended_at=_end(mine.shown, at))  # not the run before it
        if seen.listed:
            return
        over = seen.ended_at is not None and at - seen.ended_at >= retention
        lost = mine is not None and mine.fault is not None and mine.fault.reason is Reason.NOT_FOUND
        if mine is None or over or (lost and at - seen.at > retention):
            del self._seen[name]

    def _job(self, named: Named) -> Job:
        search = self._search
        return Job(
            JobKey(search.service, named.name), search.project, named.listed.target, None, DISCOVERY, self._region
        )


def _end(answer: Snapshot | None, at: float) -> float | None:
    """Return when a run was over, at the latest now; ``None`` if it may go on."""
    if answer is None or not answer.state.ended:
        return None
    return at if answer.end is None else min(answer.end, at)


def merged(findings: Collection[list[Candidate]]) -> Iterator[Job]:
    """Yield the jobs of several rules, each once: the one of the first rule that found it; by age."""
    found: dict[tuple[str, ...], Candidate] = {}
    for candidates in findings:
        for candidate in candidates:
            found.setdefault(tuple(candidate[1].target.values()), candidate)
    yield from (job for _, job in sorted(found.values(), key=lambda candidate: candidate[0]))
