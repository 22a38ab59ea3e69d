"""The set of all registered jobs, merged from several sources.

A source is the ``jobs`` section, a job file or a discovery rule. If two sources have a job with the same (service,
name), the one with the higher rank wins. Within one rank, a later run of a service whose runs are final, in the same
project, is the next run of the same job; any other job with the name is left out.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

from exporter.model.changes import DISCOVERY, FILE, STATIC, Changes
from exporter.model.job import Job, JobKey, same_target
from exporter.model.promises import NO_PROMISES
from exporter.services.adapter import Adapter

_RANKS: Final = {STATIC: 0, FILE: 1, DISCOVERY: 2}
"""By :attr:`Job.source`; the least wins."""


class _Registered(NamedTuple):
    source: str
    job: Job


class _Refusal(NamedTuple):
    service: str
    source: str
    sentence: str


class JobSet:
    """The jobs of all sources; what is registered depends on what the sources hold now, not on what they held.

    Sources of one rank are read in the order of their names, each in the order of its jobs. So what has an order that
    crosses sources, as start times do, belongs into one source.
    """

    def __init__(self, adapters: Mapping[str, Adapter]) -> None:
        self._adapters = adapters
        self._entries: dict[JobKey, tuple[_Registered, ...]] = {}
        self._keys: dict[str, tuple[JobKey, ...]] = {}
        self._refused: Counter[tuple[str, str]] = Counter()

    def jobs(self) -> dict[JobKey, Job]:
        """Return what is registered now."""
        judged = {key: self._judge(entries)[0] for key, entries in self._entries.items()}
        return {key: job for key, job in judged.items() if job is not None}

    def problems(self) -> tuple[str, ...]:
        """Return a sentence for each entry that is left out now."""
        left = (each.sentence for entries in self._entries.values() for each in self._judge(entries)[1])
        return tuple(dict.fromkeys(left))

    def refused(self) -> Mapping[tuple[str, ...], float]:
        """Return how many entries are left out now, by service and by :attr:`Job.source`."""
        return {each: number for each, number in self._refused.items() if number}

    def update(self, contents: Mapping[str, Sequence[Job]]) -> Changes:
        """Replace the jobs of some sources at once: a job that moves from one to another is not gone in between."""
        before: dict[JobKey, tuple[_Registered, ...]] = {}
        for source, jobs in contents.items():
            grouped: dict[JobKey, list[_Registered]] = {}
            for job in jobs:
                grouped.setdefault(job.key, []).append(_Registered(source, job))
            for key in dict.fromkeys((*grouped, *self._keys.pop(source, ()))):
                old = self._entries.get(key, ())
                others = [entry for entry in old if entry.source != source]
                new = tuple(sorted((*others, *grouped.get(key, ())), key=_place))
                if new != old:
                    before.setdefault(key, old)
                    self._entries[key] = new
            if grouped:
                self._keys[source] = tuple(grouped)
        return self._difference(before)

    def _difference(self, before: Mapping[JobKey, tuple[_Registered, ...]]) -> Changes:
        added, removed, changed, problems = [], [], [], []
        for key, entries in before.items():
            (was, refused_before), (now, refusals) = self._judge(entries), self._judge(self._entries[key])
            if now is None:
                del self._entries[key]
            if was is None and now is not None:
                added.append(now)
            elif was is not None and now is None:
                removed.append(key)
            elif was != now and now is not None:
                changed.append(now)
            self._refused.subtract((each.service, each.source) for each in refused_before)
            self._refused.update((each.service, each.source) for each in refusals)
            known = {each.sentence for each in refused_before}
            problems += [each.sentence for each in refusals if each.sentence not in known]
        return Changes(tuple(added), tuple(removed), tuple(changed), tuple(dict.fromkeys(problems)))

    def _judge(self, entries: Sequence[_Registered]) -> tuple[Job | None, list[_Refusal]]:
        """Return which of the entries of one name counts, and those that are left out; *entries* are by rank."""
        if not entries:
            return None, []
        first, refusals = entries[0], []
        for entry in entries[1:]:
            if entry.job.source == first.job.source and self._same(first.job, entry.job):
                first = entry
            elif not _says_no_more(entry.job, first.job):
                refusals.append(entry)
        return first.job, [_Refusal(each.job.key.service, each.job.source, _sentence(each, first)) for each in refusals]

    def _same(self, job: Job, later: Job) -> bool:
        """Whether the later one is the same job, or its next run."""
        return later.project == job.project and self._adapters[job.key.service].same_job(job.target, later.target)


def _place(entry: _Registered) -> tuple[int, str]:
    return _RANKS[entry.job.source], entry.source


def _says_no_more(job: Job, winner: Job) -> bool:
    """Whether nothing is lost if the winner stands for the job."""
    same = job.project == winner.project and same_target(job.target, winner.target)
    no_less = job.interval in (None, winner.interval) and job.promises in (NO_PROMISES, winner.promises)
    return same and no_less and job.labels.items() <= winner.labels.items()


def _sentence(entry: _Registered, winner: _Registered) -> str:
    key = entry.job.key
    return (
        f"the {key.service} job {key.job!r} of {_described(entry)} is left out: the name is taken by that of"
        f" {_described(winner)}; give it another"
    )


def _described(entry: _Registered) -> str:
    """Say who registers what; escaped, because any of it may hold any character."""
    who = "the section jobs" if entry.source == STATIC else repr(entry.source)
    what = [f"project {entry.job.project!r}", *(f"{field} {value!r}" for field, value in entry.job.target.items())]
    if entry.job.interval is not None:
        what.append(f"interval {entry.job.interval:g}s")
    if entry.job.labels:
        what.append(f"labels {dict(entry.job.labels)!r}")
    if entry.job.promises != NO_PROMISES:
        what.append("promises")
    return f"{who} ({', '.join(what)})"
