"""No view of many jobs holds the event loop, which polls and scrapes wait for."""

import asyncio
import gc
import time
from collections.abc import Iterator
from typing import Any, cast

import pytest

from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.model.run import RunId
from exporter.model.snapshot import Rows, Snapshot, State
from exporter.runs.past import Change, Failure, JobPast, PastRun, Turn
from exporter.runs.timelines import Timelines
from exporter.web import metrics, sending
from tests.runs.test_timelines import Watched, ended, seen
from tests.web.fakes import NOW, FakeExporter, in_state, running, serving

MOST = 0.025
"""Seconds of a processor that one step of the loop may take."""
RUNS = tuple(
    PastRun("succeeded", NOW - 4000 * n, False, NOW - 4000 * n - 600, 600.0, 4.0, 9.0, "") for n in range(20, 0, -1)
)
PAST = JobPast(
    NOW - 90_000,
    RUNS,
    tuple((NOW - 600 + 9 * n, n / 64) for n in range(64)),
    tuple(Turn(NOW - 100 * n, "running", "stale", "server") for n in range(12, 0, -1)),
    tuple(Failure(NOW - n, "server", "APIG.0308", "r" * 32) for n in range(5, 0, -1)),
)
PARTS = Rows(
    ("id", "name", "description", "status", "num_tasks", "num_completed_tasks", "num_failed_tasks"),
    tuple((float(n), f"save at {n}", "select 1 from t where x = 'y'", "RUNNING", 9.0, 4.0, 0.0) for n in range(500)),
)


class Many(FakeExporter):
    """Five thousand jobs, each with all the past that is kept."""

    def __init__(self) -> None:
        detail = {"sub_job_id": 4.0, "sub_jobs": PARTS}
        parted = Snapshot(State.RUNNING, "RUNNING", RunId("r-1"), 0.45, start=NOW - 600, detail=detail)
        states = (State.FAILED, State.SUCCEEDED)
        records = [
            running(f"j{n}", snapshot=parted) if n % 3 else in_state(states[n % 2], f"j{n}") for n in range(5000)
        ]
        changes = tuple(
            Change(NOW - n, JobKey("dli", f"j{n}"), "prod", "running", "failed", "X.1") for n in range(500, 0, -1)
        )
        super().__init__(records, changes=changes)
        self.by_key = {record.job.key: record for record in records}

    def past(self, key: JobKey) -> JobPast | None:
        return PAST

    def record(self, service: str, job: str) -> Record | None:
        return self.by_key.get(JobKey(service, job))

    def last_failure(self, key: JobKey) -> float | None:
        return NOW - 100


@pytest.fixture(autouse=True)
def only_its_own_garbage() -> Iterator[None]:
    """A collection would look through all that other tests left, for tenths of a second, and it counts as a step."""
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> list[tuple[float, str]]:
    """Take the time of the processor, and not that of the clock, that each step of the loop takes."""
    taken: list[tuple[float, str]] = []
    once = asyncio.Handle._run

    def timed(handle: Any) -> None:
        began = time.thread_time()
        once(handle)
        taken.append((time.thread_time() - began, repr(handle)))

    monkeypatch.setattr(asyncio.Handle, "_run", timed)
    return taken


@pytest.mark.parametrize(
    "path",
    [
        "/", "/?limit=500", "/?q=save j499", "/?q=nothing", "/?failed=1h", "/?group=prefix", "/?sort=next_poll",
        "/jobs/dli/j1", "/jobs/dli/none", "/api/v1/jobs/dli/j1/runs", "/api/v1/changes", "/api/v1/openapi.json",
    ],
)  # fmt: skip
async def test_no_view_of_five_thousand_jobs_holds_the_loop(path: str, steps: list[tuple[float, str]]) -> None:
    async with serving(Many(), raw=True) as client:
        await (await client.get("/static/page.css")).read()
        steps.clear()
        answer = await client.get(path, headers={"Accept-Encoding": "gzip"})
        await answer.read()

        assert answer.status in {200, 404}
        assert max(steps)[0] < MOST, max(steps)


def test_the_past_of_many_jobs_is_taken_to_the_disk_without_holding_the_loop() -> None:
    there = Watched()
    for number in range(2000):
        there.answer(there.register(f"j{number}"), seen(State.RUNNING, progress=0.5), ended(1))
    began = time.thread_time()
    kept = there.timelines.kept()
    taken = time.thread_time() - began

    assert taken < MOST
    again = Timelines(1 << 25, lambda: NOW)
    began = time.thread_time()
    again.resume(kept[:1000], there.timelines.codes, (), NOW, NOW)
    assert time.thread_time() - began < MOST


class Reader:
    """A response, its request and the request's writer: its client has read everything at once, or *never* reads."""

    method = "GET"

    def __init__(self, *, never: bool = False) -> None:
        self.sent = 0
        self.writer = self
        self._never = never

    async def prepare(self, request: object) -> None: ...

    async def write(self, piece: bytes) -> None:
        self.sent += len(piece)

    async def drain(self) -> None:
        if self._never:
            await asyncio.Event().wait()

    async def write_eof(self) -> None: ...


async def test_a_long_body_that_is_read_as_fast_as_it_is_sent_lets_others_have_their_turn() -> None:
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    beside, client = asyncio.create_task(other()), cast(Any, Reader())
    await sending.send(client, client, [bytes(sending.PIECE)] * 1000)
    beside.cancel()

    assert client.sent == 1000 * sending.PIECE
    assert turns >= 25


async def test_pieces_are_long_for_one_client_and_short_where_many_leave_theirs_unread() -> None:
    clients = [cast(Any, Reader(never=True)) for _ in range(200)]
    under_way = []
    for client in clients:
        pieces = metrics.pieces([bytes(1000)] * 10_000)
        under_way.append(asyncio.create_task(sending.send(client, client, pieces)))
        await asyncio.sleep(0)
    for task in under_way:
        task.cancel()
    await asyncio.wait(under_way)

    assert clients[0].sent > 4 * sending.PIECE
    assert clients[-1].sent <= sending.PIECE + 1000
    assert sum(client.sent for client in clients) < 200 * (sending.PIECE + 1000) + 4 * 1024 * 1024
    assert sending.longest() > 4 * sending.PIECE, "they are gone"
