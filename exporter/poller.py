"""The poll loop: takes what is due, calls, reads, and puts the new record on the board.

One task decides what starts (the schedule says when, the budgets whether), a few workers do the calls. A job is put
back on the schedule only when its poll is over, so no job is ever polled twice at a time.
"""

import asyncio
import math
import random
from collections.abc import Awaitable, Callable, Collection
from functools import partial

import structlog

from exporter.clock import Clock
from exporter.cloud.fleet import Fleet
from exporter.core import runs, schedule
from exporter.core.board import Board
from exporter.core.budget import Admission
from exporter.core.errors import PollError
from exporter.core.model import Fault, Job, JobKey, Reason, Record, Snapshot
from exporter.supervise import keep_running, survive
from exporter.telemetry import Telemetry

TOGETHER = 0.005
"""Seconds by which what is due may wait, so that polls of many jobs start together."""
AGE_CHECK = 0.1
"""Seconds at least between two looks for values that became too old."""


class Poller:
    """Polls every job of the board in the background, *concurrency* at a time."""

    def __init__(
        self,
        board: Board,
        fleet: Fleet,
        pace: schedule.Pace,
        concurrency: int,
        clock: Clock,
        telemetry: Telemetry,
    ) -> None:
        self._board = board
        self._fleet = fleet
        self._pace = pace
        self._clock = clock
        self._telemetry = telemetry
        self._turns = schedule.Agenda()
        self._ages = schedule.Agenda()
        self._worked_at: dict[JobKey, float] = {}  # by the clock that never goes back: age is no matter of wall time
        self._admission = Admission(concurrency)
        self._started: asyncio.Queue[tuple[float, JobKey]] = asyncio.Queue()
        self._concurrency = concurrency
        self._wake = asyncio.Event()
        self._awake_at = 0.0  # when the dispatcher will look by itself
        self._log = structlog.get_logger()

    def add(self, jobs: Collection[Job]) -> None:
        """Register jobs: each is on the board at once, and polled soon."""
        now = self._clock.monotonic()
        for position, job in enumerate(jobs):
            self._board.put(Record(job))
            self._turns.put(job.key, schedule.first_due(position, len(jobs), self._pace, now))
            self._telemetry.registered_jobs.labels(job.key.service, job.source).inc()
        self._wake.set()

    def next_due(self, key: JobKey) -> float | None:
        """Return the Unix time of the job's next poll, which may be on its way; ``None`` if there will be none."""
        record, due = self._board.get(key), self._turns.time(key)
        if record is None or record.final:
            return None
        return self._clock.now() + (0.0 if due is None else due - self._clock.monotonic())

    async def run(self) -> None:
        """Poll until cancelled."""
        async with asyncio.TaskGroup() as group:
            self._spawn(group, "dispatch", self._dispatch)
            self._spawn(group, "age", self._age)
            for number in range(self._concurrency):
                self._spawn(group, f"worker {number}", self._work)

    async def poll_once_more(self) -> None:
        """Poll every job that is not final now, and return when all of these polls are over."""
        now = self._clock.monotonic()
        waiting = {record.job.key for record in self._board.records() if not record.final}
        for key in waiting:
            if self._turns.time(key) is not None:
                self._turns.put(key, now)
        self._wake.set()
        while any(self._underway(key, now) for key in waiting):  # noqa: ASYNC110 - once, at the end
            await asyncio.sleep(0.02)

    def _underway(self, key: JobKey, since: float) -> bool:
        """Whether a job's poll that was due at *since* is not over."""
        record, due = self._board.get(key), self._turns.time(key)
        return record is not None and not record.final and (due is None or due <= since)

    def _spawn(self, group: asyncio.TaskGroup, name: str, work: Callable[[], Awaitable[None]]) -> None:
        crashed = self._telemetry.crashes.labels(name.partition(" ")[0]).inc
        group.create_task(keep_running(work, crashed, name), name=name)

    async def _dispatch(self) -> None:
        """Hand what is due, and what the budgets allow, to the workers."""
        while True:
            self._wake.clear()
            now = self._clock.monotonic()
            for due, key in self._turns.due(now):
                self._queue(due, key)
            for start in self._admission.start(now):
                self._started.put_nowait(start)
            moments = [self._admission.ready_in(now), None if (first := self._turns.first()) is None else first - now]
            pause = max(min((moment for moment in moments if moment is not None), default=math.inf), TOGETHER)
            self._awake_at = now + pause
            try:
                async with asyncio.timeout(None if pause == math.inf else pause):
                    await self._wake.wait()
            except TimeoutError:
                pass  # something is due now

    def _queue(self, due: float, key: JobKey) -> None:
        """Let a job that is due wait for its budget."""
        record = self._board.get(key)
        if record is None:
            return
        interval = schedule.effective_interval(record, self._pace, self._fleet.adapter(record.job))
        self._admission.wait_for(*self._fleet.bucket(record.job), key, due, due + interval)

    async def _work(self) -> None:
        while True:
            due, key = await self._started.get()
            try:
                await survive(partial(self._poll, due, key), partial(self._crashed, key), "poll")
            finally:
                self._admission.leave()
                first = self._turns.first()
                if self._admission.wanted or (first is not None and first < self._awake_at):
                    self._wake.set()

    async def _poll(self, due: float, key: JobKey) -> None:
        record = self._board.get(key)
        if record is None:
            return
        adapter, started = self._fleet.adapter(record.job), self._clock.monotonic()
        interval = schedule.effective_interval(record, self._pace, adapter)
        self._telemetry.poll_lag.observe(max(0.0, started - due))
        self._skipped("busy", schedule.turns_missed(due, started, interval))
        try:
            answer = await self._fleet.ask(record.job, record.snapshot)
        except PollError as error:
            self._failed(key, error)
        else:
            self._worked(key, answer)
        self._skipped("slow", schedule.turns_missed(started, self._clock.monotonic(), interval))

    def _worked(self, key: JobKey, answer: Snapshot) -> None:
        before = self._board.get(key)
        if before is None:
            return
        adapter = self._fleet.adapter(before.job)
        record = runs.worked(before, answer, self._clock.now(), adapter)
        self._board.put(record)
        for field in answer.unknown:
            self._telemetry.unknown_values.labels(key.service, field).inc()
        now = self._worked_at[key] = self._clock.monotonic()
        due = schedule.next_due(record, self._pace, adapter, now)
        if due is not None:
            self._turns.put(key, due)
        if before.snapshot is not None and not before.snapshot.state.ended and answer.state.ended:
            self._log.info("run ended", **_names(before.job), result=answer.state.value, code=answer.failure_code or "")
        if before.fault is not None:
            self._log.info("poll works again", **_names(before.job), was=before.fault.reason.value)
        if before.polled_at is None or before.stale:
            self._watch_age(record, now)

    def _failed(self, key: JobKey, error: PollError) -> None:
        before = self._board.get(key)
        if before is None:
            return
        adapter = self._fleet.adapter(before.job)
        fault = Fault(error.reason, self._clock.now(), error.sentence, error.code, error.request_id, error.text)
        record = runs.failed(before, fault)
        self._board.put(record)
        jitter = random.random()  # noqa: S311 - spreads load, keeps no secret
        wait = schedule.backoff(record, self._pace, adapter, jitter, error.retry_after)
        self._turns.put(key, self._clock.monotonic() + wait)
        if before.fault is None or (before.fault.reason, before.fault.code) != (fault.reason, fault.code):
            self._log.warning(
                "poll failed",
                **_names(before.job),
                reason=fault.reason.value,
                code=fault.code,
                request_id=fault.request_id,
                error=fault.sentence,
                next_poll_in=round(wait, 1),
            )

    def _crashed(self, key: JobKey) -> None:
        self._telemetry.crashes.labels("poll").inc()
        self._failed(key, PollError(Reason.INTERNAL, "the exporter failed to handle the answer; its log says where"))

    def _skipped(self, reason: str, turns: int) -> None:
        if turns:
            self._telemetry.polls_skipped.labels(reason).inc(turns)

    async def _age(self) -> None:
        """Mark what became too old, whether or not it is polled."""
        longest = self._pace.stale_after / 10  # what is registered meanwhile cannot be too old before
        while True:
            now = self._clock.monotonic()
            for _, key in self._ages.due(now):
                record = self._board.get(key)
                if record is not None:
                    self._watch_age(record, now)
            first = self._ages.first()
            left = longest if first is None else first - now
            await asyncio.sleep(min(max(left, AGE_CHECK), longest))

    def _watch_age(self, record: Record, now: float) -> None:
        """Mark a record that is too old, or look again when it may be."""
        limit = schedule.stale_after(record, self._pace, self._fleet.adapter(record.job))
        if limit is None:
            return
        left = self._worked_at[record.job.key] + limit - now
        if left > 0:
            self._ages.put(record.job.key, now + min(left, self._pace.stale_after))  # the limit may shrink meanwhile
            return
        self._board.put(runs.aged(record))
        self._log.warning("values are stale", **_names(record.job), last_poll=record.polled_at)


def _names(job: Job) -> dict[str, str]:
    return {"service": job.key.service, "job": job.key.job, "project": job.project}
