"""The past of all jobs, kept up to date as their records change, within a bound of memory.

Above the bound, jobs that are no longer registered lose their past first, then those that ended longest ago.
"""

import math
from collections import deque
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import Final

import structlog

from exporter.model.job import Job, JobKey
from exporter.model.record import Record
from exporter.model.run import NAMELESS
from exporter.model.snapshot import Snapshot
from exporter.model.standing import BLIND, UNANSWERED, WAITING, standing
from exporter.runs.codes import Codes
from exporter.runs.past import Change, JobPast
from exporter.runs.same_run import told_again
from exporter.runs.timeline import RUNS_KEPT, Kept, Timeline

CHANGES_KEPT: Final = 500
"""Changes of all jobs that are kept."""
_TOGETHER: Final = 60.0
"""Seconds within which jobs that turn blind, or are seen again, are one change: it may be all of them."""
_LOOKED_AT: Final = 16
"""Changes among which such a one is looked for."""
_SHORT_GAP: Final = 3_600.0
"""Seconds without a watch after which nobody can say when a run ended meanwhile."""
_LEFT_FOR: Final = 86_400.0
"""Seconds for which the past of a job is kept that is not registered any more: lists fail, and clusters are off."""


class Timelines:
    """The timelines of all jobs, *most* bytes of them; *now* tells the Unix time.

    A job that was known before counts as unanswered when no poll worked for *stale_after* seconds, as any other job
    counts as stale.
    """

    def __init__(self, most: int, now: Callable[[], float], stale_after: float = 0.0) -> None:
        self.codes = Codes()
        self.changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        """The newest last."""
        self.since = now()
        """When jobs began to be watched."""
        self.away: tuple[float, float] | None = None
        """From when to when nobody watched, the last time."""
        self.revision = 0
        """How often anything changed that is worth a place on a disk."""
        self.version = 0
        """How often anything changed that the page shows."""
        self.size = 0
        """The bytes of all of them."""
        self.stale_after = stale_after
        self._most = most
        self._now = now
        self._kept: dict[JobKey, Kept] = {}
        self._left: dict[JobKey, tuple[Kept, float]] = {}
        self._ended: dict[JobKey, None] = {}  # those whose run is over, the longest ended first
        self._returned: dict[JobKey, float] = {}  # since when those that were known before are to be answered again
        self._full = False
        self._log = structlog.get_logger()

    def limit(self, most: int) -> None:
        """Keep at most so many bytes from now on."""
        self._most, self._full = most, False
        self._fit()

    def past(self, key: JobKey) -> JobPast | None:
        """Return what is known of a job's past; ``None`` if nothing is kept of it."""
        kept = self._kept.get(key)
        return None if kept is None else kept.timeline.unpacked(self.codes)

    def mark(self, key: JobKey) -> object:
        """Return what is equal as long as the runs and the turns of a job's past are the same."""
        kept = self._kept.get(key)
        return None if kept is None else (kept.timeline.since, kept.timeline.runs, kept.timeline.turns)

    def last_failure(self, key: JobKey) -> float | None:
        """Return when the last run of a job ended that failed, or was seen so."""
        kept = self._kept.get(key)
        return None if kept is None else kept.timeline.last_failure()

    def kept(self) -> list[Kept]:
        """Return the past of all jobs, of those that left too."""
        return [*self._kept.values(), *(kept for kept, _ in self._left.values())]

    def resume(self, kept: Iterable[Kept], codes: Codes, changes: Iterable[Change], since: float, saved: float) -> None:
        """Go on from what was kept before a restart, at *saved*: jobs take theirs over as they are registered."""
        self.codes = codes
        self.version += 1
        self.changes.extendleft(reversed(tuple(changes)))
        now = self._now()
        self.since, self.away = min(since, now), (min(saved, now), self.since)
        for each in kept:
            self._left[each.key] = each, now
            self.size += each.timeline.size
        self._fit()

    def changed(self, before: Record | None, after: Record | None) -> None:
        """Note what became of a job: a listener of the store."""
        if before is not None and after is not None:
            if (
                after.snapshot is before.snapshot
                and after.listed is before.listed
                and after.fault is before.fault
                and after.stale is before.stale
                and after.up is before.up
                and after.job is before.job
            ):
                return
            self._note(before, after)
        elif after is not None:
            self._register(after)
        elif before is not None:
            self._leave(before.job.key)

    def runs_read(self, record: Record, found: Sequence[Snapshot]) -> None:
        """Note runs that a history or a list reported, whether or not the job's own answers did."""
        ended = [each for each in found if each.ended and each.run.label]
        if not ended or not self._most:
            return
        now = self._now()
        ended.sort(key=lambda each: now if each.end is None else each.end)
        kept = self._of(record.job)
        size = kept.timeline.size
        news = kept.timeline.news(ended[-RUNS_KEPT:])
        for each in news:
            over = _may_be_long_over(record, each, kept.timeline.since)
            kept.timeline.ended(each, now, self.codes, over=over)
        if news:  # the same runs are read again and again
            self._grown(kept, size)

    def _register(self, record: Record) -> None:
        job = record.job
        left, _ = self._left.pop(job.key, (None, 0.0))
        if left is not None:
            self.size -= left.timeline.size
            if left.of(job):
                self._keep(left._replace(target=job.target))
                self._returned[job.key] = self._now()
                if left.timeline.runs:
                    self._ended[job.key] = None
        if record.snapshot is not None:
            self._note(Record(job), record)

    def _note(self, before: Record, after: Record) -> None:
        if not self._most:
            return
        kept = self._of(after.job)
        timeline, size, now = kept.timeline, kept.timeline.size, self._now()
        if after.fault is not None and after.fault is not before.fault and after.failing > before.failing:
            fault = after.fault
            timeline.failed(fault.at, fault.reason, self.codes.number(fault.code), fault.request_id)
        newest, old = after.shown, before.newest
        ended = False
        if newest is not None and newest is not old:
            ended = self._follow(kept, newest, old, now, before.snapshot)
        self._turn(kept, after, ended=ended, now=now)
        if newest is not None and newest is not old and newest.ended and not ended:
            self._amend(kept, newest)
        self._grown(kept, size)

    def _follow(self, kept: Kept, newest: Snapshot, old: Snapshot | None, now: float, own: Snapshot | None) -> bool:
        """Note what an answer says of the newest run; return whether it tells the end of another run."""
        timeline, key = kept.timeline, kept.key
        same = old is not None and old.of_same_run(newest)
        had_ended = old is not None and old.ended and (same or told_again(old, newest, own))
        new = False
        self._ended.pop(key, None)
        if newest.ended:
            self._ended[key] = None
            over = had_ended or (old is None and self._may_be_over(timeline, newest))
            replaces = old.run if had_ended and old is not None else None
            new = timeline.ended(newest, now, self.codes, replaces, over=over)
        elif had_ended:
            timeline.goes_on(newest.run)
        if newest.progress is not None:
            timeline.moved(newest.run, now, newest.progress, same=same or _same_start(timeline, newest, old))
        # at first sight after a restart nothing tells a run without a name from the one before
        return new and (old is not None or newest.run != NAMELESS)

    def _may_be_over(self, timeline: Timeline, first: Snapshot) -> bool:
        """Whether a run that the *first* answer reports as ended may have ended long before."""
        gap = 0.0 if self.away is None else self.away[1] - self.away[0]
        return first.run == NAMELESS or not timeline.seen or gap > _SHORT_GAP

    def _turn(self, kept: Kept, after: Record, *, ended: bool, now: float) -> None:
        """Note what the job turned into, if it did; of the next run under its name nothing is known yet."""
        turned, was = standing(after), kept.timeline.last()
        if turned == UNANSWERED and now - self._returned.get(kept.key, -math.inf) < self.stale_after:
            return
        if turned != WAITING:
            self._returned.pop(kept.key, None)
        if turned == WAITING or (turned == was and not ended):
            return
        code, took = "", None
        if turned in BLIND:
            code = "" if after.fault is None else after.fault.reason.value
        elif after.shown is not None:
            code = after.shown.failure_code or ""
            took = kept.timeline.took(after.shown.run) if ended else None
        kept.timeline.turned(now, was or WAITING, turned, self.codes.number(code))
        self.revision += 1
        if was is not None:  # how a job is found at first sight is no news
            self._tell(Change(now, kept.key, kept.project, was, turned, code, took))

    def _amend(self, kept: Kept, newest: Snapshot) -> None:
        """Note what another answer says of a run whose end was reported: a list gives neither code nor duration."""
        code, took = newest.failure_code or "", kept.timeline.took(newest.run)
        if kept.timeline.last() != newest.state.value or not (code or took is not None):
            return
        kept.timeline.amend_turn(self.codes.number(code))
        for back, each in enumerate(islice(reversed(self.changes), _LOOKED_AT), start=1):
            if each.key == kept.key:
                if each.now == newest.state.value and each.jobs == 1:
                    length = took if each.took is None else each.took
                    self.changes[-back] = each._replace(code=each.code or code, took=length)
                return

    def _tell(self, change: Change) -> None:
        """Add a change; many jobs that turn blind, or are seen again, are one change."""
        for back, each in enumerate(islice(reversed(self.changes), _LOOKED_AT), start=1):
            if _together(each, change):
                self.changes[-back] = each._replace(jobs=each.jobs + 1, took=None)
                return
        self.changes.append(change)

    def _of(self, job: Job) -> Kept:
        kept = self._kept.get(job.key)
        if kept is None:
            kept = Kept(job.key, job.project, job.target, Timeline(int(self._now())))
        elif kept.target is not job.target:
            self.size -= kept.timeline.size
            kept = kept._replace(project=job.project, target=job.target)
        else:
            return kept
        self._keep(kept)
        return kept

    def _keep(self, kept: Kept) -> None:
        self._kept[kept.key] = kept
        self.size += kept.timeline.size

    def _leave(self, key: JobKey) -> None:
        kept, now = self._kept.pop(key, None), self._now()
        self._ended.pop(key, None)
        self._returned.pop(key, None)
        if kept is not None and kept.timeline.turns:
            self._left[key] = kept, now
        elif kept is not None:
            self.size -= kept.timeline.size
        while self._left and now - next(iter(self._left.values()))[1] > _LEFT_FOR:
            self._drop(next(iter(self._left)))
        self.revision += 1

    def _grown(self, kept: Kept, before: int) -> None:
        self.version += 1
        self.size += kept.timeline.fit() - before
        if self.size > self._most:
            self._fit()

    def _fit(self) -> None:
        while self.size > self._most and (self._left or self._kept):
            if not self._full:
                self._full = True
                self._log.warning("history full", bytes=self._most, jobs=len(self._kept))
            self._drop(next(iter(self._left or self._ended or self._kept)))

    def _drop(self, key: JobKey) -> None:
        self.version += 1
        left, _ = self._left.pop(key, (None, 0.0))
        kept = left or self._kept.pop(key)
        if left is None:
            self._ended.pop(key, None)
        self.size -= kept.timeline.size


def _same_start(timeline: Timeline, newest: Snapshot, old: Snapshot | None) -> bool:
    """Whether the progress that is known is of the *newest* run, by its start: lists leave out what a run is called."""
    begun = newest.start
    return old is not None and begun is not None and begun == old.start and timeline.moved_at >= begun


def _may_be_long_over(record: Record, run: Snapshot, since: float) -> bool:
    """Whether a run that a history or a list reports as ended may have ended before the job was watched."""
    newest, begun = record.newest, run.run.created if run.start is None else run.start
    ran = newest is not None and not newest.ended and (newest.run == run.run or newest.run.same(run.run))
    return not ran and (begun is None or begun < since)


def _together(one: Change, other: Change) -> bool:
    if not (one.now == other.now and one.code == other.code and abs(one.at - other.at) < _TOGETHER):
        return False
    if (one.key.service, one.project) != (other.key.service, other.project):
        return False
    return one.now in BLIND or (one.was in BLIND and other.was in BLIND)
