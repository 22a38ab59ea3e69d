"""Processes the result of a poll: the record in the store, the next due time, and the line in the log."""

import asyncio
import random
from collections import Counter
from collections.abc import Collection, Iterable, Sequence
from typing import Final

import structlog

from exporter import logs, threads
from exporter.clock import Clock
from exporter.cloud.projects import Bucket
from exporter.metrics.store import JobStore
from exporter.metrics.telemetry import Telemetry
from exporter.model.errors import PollError, first_line
from exporter.model.frozen import replace
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State, complaint
from exporter.polling import schedule
from exporter.polling.demand import Demand
from exporter.polling.outages import Outages
from exporter.polling.plan import Plan
from exporter.polling.staleness import Staleness
from exporter.runs import accounting, transitions

_AT_ONCE: Final = 50
"""Lines that are logged before others get their turn."""


class Results:
    """Takes over how polls end."""

    def __init__(
        self,
        store: JobStore,
        plan: Plan,
        clock: Clock,
        telemetry: Telemetry,
        queue: schedule.ScheduleQueue,
        demand: Demand,
    ) -> None:
        self._store = store
        self._plan = plan
        self._clock = clock
        self._telemetry = telemetry
        self._schedule = queue
        self._demand = demand
        self.staleness = Staleness(store, plan, clock, demand.stretch)
        self.outages = Outages("poll", store, plan, clock)
        store.subscribe(self.outages.changed)
        self._unreadable: dict[JobKey, bytes] = {}  # which bytes were counted last, where some of them cannot be read
        self._log = structlog.get_logger()

    def began(self, record: Record, due: float, now: float, interval: float) -> None:
        """Note that a poll starts that was *due* some time ago."""
        late = max(0.0, now - due)
        self._telemetry.poll_lag.observe(late)
        if logs.debugging:
            self._log.debug("poll started", **record.job.names, waited_seconds=round(late, 3))
        self.skipped("busy", schedule.due_times_missed(due, now, interval))

    def worked(self, before: Record, record: Record, answer: Snapshot, wait: float | None, slow: int) -> None:
        """Note the answer of a poll that worked; the next one is in *wait* seconds, and *slow* were due meanwhile."""
        self.skipped("slow", slow)
        self._count_unreadable(record.job.key, answer)
        if logs.debugging:
            wait = None if wait is None else round(wait, 1)
            self._log.debug("poll worked", **record.job.names, state=answer.state.value, next_poll_seconds=wait)
        self.ended(before, record, answer, others=self._others_ended(before, record, answer))

    def _others_ended(self, before: Record, record: Record, answer: Snapshot) -> int:
        """Log the ends of other runs that an answer reported and that count now; return how many they are."""
        others: list[Snapshot] = []
        if answer.others:
            self._store.runs_read(record.job.key, answer.others)
        if answer.others and record.ledger is not before.ledger:
            accounting.others_accounted(before.ledger, answer, self._clock.now(), others, gaps=True)
        for each in others:
            self._ended(record.job, each)
        return len(others)

    def _count_unreadable(self, key: JobKey, answer: Snapshot) -> None:
        """Count what could not be read of an answer: of the same bytes once, however often they come."""
        if not answer.unknown:
            self._unreadable.pop(key, None)
        elif not answer.digest or self._unreadable.get(key) != answer.digest:
            self._unreadable[key] = answer.digest
            self._telemetry.count_unreadable(key.service, answer.unknown)

    def ended(self, before: Record, record: Record, answer: Snapshot | None, others: int = 0) -> None:
        """Log the end of a run once *answer*, and not one of its *others*, counts: until then it may be taken back."""
        self._lost(before, record)
        counted = sum(record.ledger.runs) - sum(before.ledger.runs) - others
        if answer is None or not answer.ended or counted < 1:
            return
        self._ended(before.job, answer)

    async def counted(self, job: Job, ended: Iterable[Snapshot]) -> None:
        """Log the ends of runs that the history of a job or a list reported: after days there may be many."""
        for number, answer in enumerate(ended, 1):
            self._ended(job, answer)
            if not number % _AT_ONCE:
                await asyncio.sleep(0)

    def _ended(self, job: Job, answer: Snapshot) -> None:
        facts = {**job.names, "run_id": answer.run.label, "result": answer.state.value}
        if answer.state is State.FAILED:
            text = first_line(complaint(answer.detail))
            self._log.warning("run ended", **facts, code=answer.failure_code, vendor_text=logs.vendor_text(text))
        else:
            self._log.info("run ended", **facts)

    def listed(self, before: Record, record: Record, answer: Snapshot) -> None:
        """Take over what a list reported of a job."""
        self._store.put(record)
        self.ended(before, record, record.snapshot, others=self._others_ended(before, record, answer))

    async def looked_back(self, key: JobKey, found: Sequence[Snapshot], *, whole: bool) -> int:
        """Take over the history of a job; return how many runs are lost, because it will never tell their ends.

        If it is not *whole*, some of its runs are missing.
        To count many runs takes long, so that a poll may end meanwhile.
        """
        while (before := self._store.get(key)) is not None:
            ended: list[Snapshot] = []
            now = self._plan.projects.cloud_time(before.job.project, self._clock)
            record = await threads.compute(transitions.looked_back, before, found, now, ended, whole=whole)
            if self._store.get(key) is before:
                self._store.put(record)
                self._store.runs_read(key, found)
                self._lost(before, record)
                await self.counted(record.job, ended)
                return record.ledger.lost - before.ledger.lost
        return 0

    def _lost(self, before: Record, record: Record) -> None:
        """Take over that runs were given up, by a reading of the history or because too many were open at once."""
        lost = record.ledger.lost - before.ledger.lost
        if lost > 0:
            self.missed(record.job, lost)

    def missed(self, job: Job, runs: int | None) -> None:
        """Count and log runs that are in no counter and that nothing will tell of; ``None``: nobody knows how many."""
        self._telemetry.history_missed.labels(job.key.service, job.project).inc(1 if runs is None else runs)
        self._log.warning("history incomplete", **job.names, missing=runs)

    def replaced(self, key: JobKey, answer: Snapshot) -> None:
        """Take over how a run ended that was replaced under its name."""
        if (before := self._store.get(key)) is not None:
            at = self._plan.projects.cloud_time(before.job.project, self._clock)
            record = transitions.replaced(before, answer, at)
            self._store.put(record)
            self._store.runs_read(key, [answer])
            self.ended(before, record, answer)

    def given_up(self, key: JobKey, run: RunId) -> None:
        """Wait no longer for the end of a run."""
        before = self._store.get(key)
        if before is not None:
            self._store.put(transitions.given_up(before, run))
            self._log.warning("history incomplete", **before.job.names, missing=1)

    def counts(self, asked: Record) -> bool:
        """Whether what was *asked* for is still registered: it may be gone meanwhile, or another run."""
        now = self._store.get(asked.job.key)
        return now is not None and now.registration_id == asked.registration_id

    def paused(self, key: JobKey, why: PollError) -> None:
        """Take over that a due job is not polled because calls are paused, which the log tells for all jobs at once."""
        before = self._store.get(key)
        if before is None:
            return
        self._store.put(transitions.paused(before, self._fault(why)))
        self._schedule.put(key, self._clock.monotonic() + self._demand.interval(key))
        self.skipped("paused", 1)

    def switched_off(self, key: JobKey, why: str) -> None:
        """Take over that a due job is not polled because its place is off, which the log tells once for all of them."""
        pause = max(self._demand.interval(key), self._plan.pace.idle_interval)
        self._schedule.put(key, self._clock.monotonic() + pause)
        self.skipped("off", 1)
        if (before := self._store.get(key)) is not None and before.off != why:
            self._store.put(replace(before, off=why))

    def failed(self, key: JobKey, error: PollError, *, already_logged: bool = False) -> None:
        """Take over a failed poll; *already_logged* is one whose cause the log tells for all jobs at once."""
        before = self._store.get(key)
        if before is None:
            return
        adapter = self._plan.projects.adapter(before.job)
        fault = self._fault(error)
        record = transitions.failed(before, fault, self._clock.monotonic())
        self._store.put(record)
        self.ended(before, record, before.snapshot)
        jitter = random.random()  # noqa: S311 - spreads load, keeps no secret
        wait = schedule.backoff(record, self._plan.pace, adapter, jitter, error.retry_after)
        self._schedule.put(key, self._clock.monotonic() + wait)
        if record.fault is None:  # it was deleted after its run
            if not before.final:
                self._log.info("job deleted after its run", **before.job.names)
            return
        throttled = error.reason is Reason.THROTTLED  # the limit that pauses is logged
        if not already_logged and not throttled:
            self.outages.failed(before.job, error)
        self._log.debug(
            "poll failed",
            **before.job.names,
            reason=fault.reason.value,
            code=fault.code,
            request_id=fault.request_id,
            error=fault.sentence,
            vendor_text=logs.vendor_text(fault.text),
            next_poll_seconds=round(wait, 1),
        )

    def _fault(self, error: PollError) -> Fault:
        return Fault(error.reason, self._clock.now(), error.sentence, error.code, error.request_id, error.text)

    def crashed(self, key: JobKey) -> None:
        """Take over a poll that failed through a fault of ours."""
        self.failed(key, PollError(Reason.INTERNAL, "the exporter failed to handle the answer; its log says where"))

    def again(self, key: JobKey) -> None:
        """Make a job due again that was waiting for its permit."""
        if self._store.get(key) is not None:
            self._schedule.put(key, self._clock.monotonic())

    def pace_changed(self) -> None:
        """Bring due times and ages in line with the intervals as they are now: none has to sit out a longer one."""
        now, pace = self._clock.monotonic(), self._plan.pace
        for record in list(self._store.records()):
            due, adapter = self._schedule.time(record.job.key), self._plan.projects.adapter(record.job)
            interval = schedule.interval_for_state(record, pace, adapter)
            if record.failing or record.by_list:
                interval = max(interval, pace.idle_interval)
            if due is not None and due > now + interval:
                self._schedule.put(record.job.key, schedule.next_in_phase(record.job.key, interval, now))
        self.staleness.pace_changed(now)

    def skipped(self, reason: str, number: int) -> None:
        """Count polls that were due and not made."""
        if number:
            self._telemetry.polls_skipped[reason].inc(number)

    def remove(self, record: Record) -> None:
        """Forget a job: its series, its due time, and all that is remembered of it."""
        key = record.job.key
        self._store.remove(key)
        self._schedule.remove(key)
        self._unreadable.pop(key, None)

    def try_one(self, projects: Collection[str], now: float) -> None:
        """Make one job of a paused identity due now, to see whether the cloud accepts its calls again.

        A job that was refused often in a row comes last: perhaps only this job is refused, and not the identity.
        """
        turns = {
            record.job.key: (_refused(record), due)
            for record in self._store.records()
            if record.job.project in projects and (due := self._schedule.time(record.job.key)) is not None
        }
        if turns:
            self._schedule.put(min(turns, key=turns.__getitem__), now)

    def resume(self, projects: Collection[str], *, changed: bool = False) -> None:
        """Poll soon what failed while the calls were paused, all of it if the credentials *changed*.

        With the same ones a job whose own calls were refused more than once in a row is left out: it may be the only
        one that is, and is polled when it is due, later after each refusal.
        """
        self.spread(
            record.job.key
            for record in self._store.records()
            if record.job.project in projects
            and record.fault is not None
            and record.fault.reason is Reason.AUTH
            and (changed or _refused(record) <= 1)
            and self._schedule.time(record.job.key) is not None
        )

    def spread(self, keys: Iterable[JobKey]) -> None:
        """Schedule jobs that are to be polled soon: the urgent ones of each project first, as fast as its limit allows.

        Of projects that share a limit each has a job due at the same time as the others.
        """
        needs = [(need.patience, key, need) for key in keys if (need := self._demand.of(key)) is not None]
        now, pace, places = self._clock.monotonic(), self._plan.pace, Counter[tuple[str, Bucket]]()
        for _, key, need in sorted(needs, key=lambda each: each[0]):
            place = need.project, need.bucket
            self._schedule.put(key, schedule.first_due(places[place], len(needs), pace, now, need.rate))
            places[place] += 1


def _refused(record: Record) -> int:
    """Return how many polls of a job failed in a row until the last one was refused."""
    return record.failing if record.fault is not None and record.fault.reason is Reason.AUTH else 0
