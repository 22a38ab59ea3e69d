"""Long lists and many looks: nothing is registered twice or lost, and nothing is kept that is over."""

import asyncio
import gc
import sys
import tracemalloc
from collections import Counter
from collections.abc import Callable, Collection, Iterable
from dataclasses import replace
from itertools import pairwise
from statistics import median
from typing import Any

import pytest

from exporter.metrics import family
from exporter.metrics.store import JobStore
from exporter.model import masking, packed
from exporter.model.changes import Changes
from exporter.model.job import JobKey
from exporter.model.snapshot import Snapshot, State
from exporter.polling import list_results
from exporter.polling.schedule import Pace
from exporter.services import timestamps, values
from exporter.services.listing import ListedJob
from exporter.simulator import Cloud, DliJob, Step, SubJob
from tests.polling.harness import World, job_of, world
from tests.polling.looking import looking
from tests.warp import START, run

MANY = 4000
KEPT = 48 * 1024
"""Bytes that the exporter may hold more after a hundred looks: what it holds for one job is a tenth of it."""


def query(number: int, begun: float) -> DliJob:
    """Return a job that began *begun* seconds after the start and took a second."""
    return DliJob(f"id-{number:05}", f"q{number}", START + begun, (SubJob("save", tasks=10, seconds=1),))


def registered(there: World) -> Counter[str]:
    """Return the ids of the jobs on the board."""
    return Counter(record.job.target["job_id"] for record in there.store.records())


def ids(jobs: Iterable[DliJob]) -> Counter[str]:
    return Counter(job.job_id for job in jobs)


def test_thousands_of_queries_are_listed_while_others_begin_and_none_comes_twice_or_is_lost() -> None:
    there_already = [query(number, number - MANY) for number in range(MANY)]  # the last began a second ago
    begin = [query(MANY + number, 3 + number // 25) for number in range(500)]  # 25 a second, for 20 s
    newest = Counter({each.job_id: 1 for each in (*there_already, *begin)[-MANY:]})

    async def main() -> None:
        async with (
            world(lambda cloud: cloud.add(*there_already, *begin), rate=2) as there,
            looking(there, {"service": "dli", "max_jobs": f"{MANY}", "interval": "100s"}, retention="1d"),
        ):
            while not (found := registered(there)):
                await there.until(there.clock.now() - START + 0.2)
            pages = there.cloud.asked("ListSqlJobs")
            assert len(pages) >= MANY / 100
            assert pages[MANY // 100 - 1].at - pages[0].at > 10  # others began while it was listed
            assert found == ids(there_already)
            await there.until(180)
            assert registered(there) == newest
            assert there.sample("discovery_jobs_cut_total", service="dli", project="demo") == 500
            assert not there.cloud.asked("ShowSqlJobProgress")

    run(main())


def held(there: World) -> int:
    """Return the bytes that the exporter holds; the pretend cloud is none of it, nor are copies of a few texts."""
    for known in (
        values._one_copy, timestamps._written, packed._places, masking.masked, family._took
    ):  # fmt: skip
        known.cache_clear()
    for each in vars(sys.modules["yarl._url"]).values():  # the last addresses
        if hasattr(each, "cache_clear"):
            each.cache_clear()
    gc.collect()
    there.cloud.requests.clear()
    mine = [tracemalloc.Filter(True, "*/exporter/*"), tracemalloc.Filter(False, "*/exporter/simulator/*")]
    return sum(each.size for each in tracemalloc.take_snapshot().filter_traces(mine).traces)


async def usually_held(there: World, look: int, every: float) -> float:
    """Return the median of what the exporter holds at five looks: calls under way come and go, a leak stays."""
    found = []
    for number in range(5):
        await there.until((look + number) * every)
        found.append(held(there))
    return median(found)


def test_memory_is_flat_over_a_hundred_looks_while_jobs_come_and_go() -> None:
    every = 5.0
    jobs = [query(number, number - 200) for number in range(1050)]  # one a second

    async def main() -> None:
        rule = {"service": "dli", "window": "60s", "interval": f"{every}s"}
        async with world(lambda cloud: cloud.add(*jobs)) as there, looking(there, rule, retention="30s"):
            before, names = await usually_held(there, 60, every), set(registered(there))  # the last changes are full
            after = await usually_held(there, 160, every)
            assert not names & set(registered(there))
            assert len(registered(there)) >= 25
            assert after - before < KEPT / 2  # that is 50 bytes a job

    tracemalloc.start()
    try:
        run(main())
    finally:
        tracemalloc.stop()


def test_memory_is_flat_over_a_hundred_looks_at_the_same_jobs() -> None:
    every = 5.0

    def populate(cloud: Cloud) -> None:
        script = (Step("LAUNCHING", 1e6),)
        for name in ("one", "two", "three"):  # a turn of one of them always comes before theirs
            cloud.add(DliJob(name, name, START - 60, (Step("RUNNING", 1e6),)))
        cloud.add(*(DliJob(f"id-{number}", f"q{number}", START - 60, script) for number in range(30)))

    async def main() -> None:
        pace = Pace(interval=300, idle_interval=86_400, stale_after=90_000)
        async with (
            world(populate, pace=pace) as there,
            looking(there, {"service": "dli", "interval": f"{every}s"}),
        ):
            await there.until(40 * every)
            before = held(there)
            await there.until(140 * every)
            assert there.store.get(JobKey("dli", "id-0")) is not None
            assert held(there) - before < KEPT

    tracemalloc.start()
    try:
        run(main())
    finally:
        tracemalloc.stop()


def test_a_list_looks_up_its_jobs_and_walks_over_no_others(monkeypatch: pytest.MonkeyPatch) -> None:
    async def main() -> None:
        async with world(rate=1e6) as there:
            jobs = [query(number, number) for number in range(300)]
            there.watch(*jobs)
            asked, other = jobs[7], jobs[8]
            running = Snapshot(State.RUNNING)
            item = ListedJob({"job_id": asked.job_id}, snapshot=running, at=there.clock.monotonic())
            with monkeypatch.context() as patch:
                patch.setattr(JobStore, "records", lambda _: pytest.fail("all jobs were walked over"))
                found = await there.poller.list_results.take("demo", "dli", [item])
            assert [(name.service, name.job) for name in found] == [("dli", asked.name)]
            assert there.record(asked).listed_at is not None
            assert there.record(other).listed_at is None

    run(main())


def test_a_long_list_is_taken_in_parts_those_that_run_first_and_other_tasks_go_on_between() -> None:
    async def main() -> None:
        async with world(rate=1e6) as there:
            jobs = [query(number, number) for number in range(300)]
            there.watch(*jobs)
            states = [State.RUNNING if number % 6 == 0 else State.SUCCEEDED for number in range(300)]
            at = there.clock.monotonic()
            items = [
                ListedJob({"job_id": job.job_id}, snapshot=Snapshot(state), at=at)
                for job, state in zip(jobs, states, strict=True)
            ]
            taken: list[int] = []

            async def other() -> None:
                while True:
                    taken.append(sum(there.record(job).listed_at == at for job in jobs))
                    if taken[-1] == 50:
                        assert all(there.record(job).listed_at == at for job in jobs[::6])
                        there.poller.apply(Changes(removed=(job_of(jobs[299]).key,)))
                        jobs.pop()
                    await asyncio.sleep(0)

            beside = asyncio.create_task(other())
            found = await there.poller.list_results.take("demo", "dli", items)
            beside.cancel()
            assert max(after - before for before, after in pairwise(taken)) <= 50
            assert set(found) == {job_of(job).key for job in jobs}
            assert len(found) == 299

    run(main())


def test_a_look_is_not_over_while_its_rows_are_taken_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Else the journal could forget the jobs of an exporter that was down for long, before they are registered."""
    jobs = [query(number, -number) for number in range(300)]
    seen: list[tuple[int, bool, bool]] = []

    async def main() -> None:
        async with world(lambda cloud: cloud.add(*jobs)) as there:
            taken = there.poller.list_results.take

            async def take(*args: Any) -> Collection[JobKey]:
                reported = await taken(*args)
                discovery = found.discovery
                seen.append((len(there.store.records()), discovery.all_read(), not discovery.waiting()))
                return reported

            monkeypatch.setattr(there.poller.list_results, "take", take)
            async with looking(there, {"service": "dli", "max_jobs": "300"}) as found:
                await there.until(30)

    run(main())
    assert seen[:2] == [(0, False, False), (300, True, True)]


class _Between:
    """The module asyncio, but that something happens whenever other tasks are let go on."""

    def __init__(self, act: Callable[[], object]) -> None:
        self._act = act

    async def sleep(self, seconds: float) -> None:
        self._act()
        await asyncio.sleep(seconds)


def test_short_runs_count_though_another_rule_registers_what_was_found_between_two_parts(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Each of them begins and ends between two looks, under a name that is new."""
    others = [replace(query(100 + number, number - 200), tags={"pipeline": f"other-{number}"}) for number in range(120)]
    mine = [replace(query(number, 130 + number), tags={"pipeline": f"night-{number}"}) for number in range(1, 9)]
    rule = {"service": "dli", "name": "{tags.pipeline}", "max_jobs": "500", "interval": "100s"}

    async def main() -> None:
        pace = Pace(interval=300, idle_interval=300, stale_after=900)
        async with (
            world(lambda cloud: cloud.add(*others, *mine), rate=1000, pace=pace) as there,
            looking(there, rule, retention="1d", interval="300s", list_interval="100s") as found,
        ):
            publish = _Between(lambda: found.discovery._publish("demo", "dli"))
            monkeypatch.setattr(list_results, "asyncio", publish)
            await there.until(900)
            records = [there.store.get(JobKey("dli", f"night-{number}")) for number in range(1, 9)]
            assert [record and record.ledger.runs for record in records] == [(1, 0, 0)] * 8

    run(main())
