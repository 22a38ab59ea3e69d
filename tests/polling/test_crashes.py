"""Whatever crashes once, no job is lost: each is on the schedule, waits for its call, or is being polled."""

import asyncio
import inspect
import math
import random
from collections.abc import Callable, Iterator
from contextlib import nullcontext, suppress
from functools import partial
from typing import Any

import pytest

from exporter.polling import reconcile
from exporter.polling.schedule import Pace
from exporter.simulator import CdmJob, CdmRun, Cloud, DliJob, DwsJob, Step, SubJob, Volume, server_failure
from tests.polling.harness import SimulatedJob, World, job_of, world
from tests.polling.looking import looking
from tests.warp import run

PACE = Pace(interval=5, idle_interval=10, stale_after=60)
TOGETHER = 18.0
"""Seconds within which a job that is not lost has its next poll, its wait after a failure included."""
OWNERS: dict[str, Callable[[Any], Any]] = {
    "poller": lambda poller: poller,
    "results": lambda poller: poller._results,
    "staleness": lambda poller: poller._results.staleness,
    "outages": lambda poller: poller._results.outages,
    "schedule": lambda poller: poller._schedule,
    "limiter": lambda poller: poller._limiter,
    "breakers": lambda poller: poller._breakers,
    "calls": lambda poller: poller.calls,
    "demand": lambda poller: poller.demand,
    "history": lambda poller: poller._history,
    "lists": lambda poller: poller.list_results,
    "store": lambda poller: poller._store,
}
LOOPS = {"run", "_work", "_dispatch"}
"""What runs for ever is called before the crash."""


class Crash:
    """Makes one call of a method raise, before or after it did its work."""

    def __init__(self, method: Callable[..., Any], number: int, *, after: bool) -> None:
        self._method, self._left, self._after = method, number, after
        self.raised = False

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if inspect.iscoroutinefunction(self._method):
            return self._later(*args, **kwargs)
        if not self._now():
            return self._method(*args, **kwargs)
        if self._after:
            self._method(*args, **kwargs)
        raise RuntimeError

    async def _later(self, *args: Any, **kwargs: Any) -> Any:
        now = self._now()
        result = None if now and not self._after else await self._method(*args, **kwargs)
        if now:
            raise RuntimeError
        return result

    def _now(self) -> bool:
        self._left -= 1
        now = self._left < 0 and not self.raised
        self.raised |= now
        return now


def methods(owner: object) -> Iterator[str]:
    for name, _ in inspect.getmembers(type(owner), inspect.isfunction):
        if name not in LOOPS and not name.startswith("__"):
            yield name


def population(cloud: Cloud) -> list[SimulatedJob]:
    endless = (SubJob("save", tasks=10_000, seconds=1e6),)
    runs = (CdmRun((Step("RUNNING", 7, 0.0, 1.0),), rest=5, volume=Volume(rows_written=70)),)
    cluster = "6ec9a0a4-76be-4262-8697-e7af1fac7920"
    jobs: list[SimulatedJob] = [
        DliJob(cloud.new_uuid(), "query", cloud.started, endless),
        DwsJob(cloud.new_uuid(), "resize", cloud.started, (Step("RUNNING", math.inf, 0.0, 1.0),)),
        *(CdmJob(cluster, f"copy-{number}", cloud.started, runs, number=number) for number in range(4)),
    ]
    cloud.add(*jobs)
    return jobs


def places(there: World, job: SimulatedJob) -> list[str]:
    """Return where a job is."""
    poller, key = there.poller, job_of(job).key
    found = {
        "scheduled": poller._schedule.time(key) is not None,
        "waiting": key in poller._limiter.waiting(),
        "under way": key in poller._asked,
    }
    return [place for place, there_it_is in found.items() if there_it_is]


def polls(there: World, job: SimulatedJob) -> int:
    return len(there.cloud.asked(job=job.name if isinstance(job, CdmJob) else job.job_id))


def all_polled(there: World, jobs: list[SimulatedJob], before: dict[str, int]) -> bool:
    """Return whether each job had a poll since it had so many as *before*, unless a list tells of it."""
    return all(polls(there, job) > before[job.name] or there.record(job).by_list for job in jobs)


async def within(seconds: float, condition: Callable[[], bool]) -> None:
    """Let time pass until the condition is true, or for *seconds*."""
    for _ in range(math.ceil(seconds)):
        if condition():
            return
        await asyncio.sleep(1)


@pytest.mark.parametrize("owner", OWNERS)
@pytest.mark.parametrize("after", [False, True], ids=["before its work", "after its work"])
def test_a_crash_of_any_step_loses_no_job(owner: str, *, after: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "EVERY", 5.0)
    chance = random.Random(f"{owner} {after}")

    async def main() -> None:
        jobs: list[SimulatedJob] = []
        async with (
            world(lambda cloud: jobs.extend(population(cloud)), pace=PACE, concurrency=64) as there,
            looking(there, list_interval="4s") if owner == "lists" else nullcontext(),
        ):
            there.watch(*jobs)
            there.cloud.faults.plan(server_failure(), times=None, every=9)
            await asyncio.sleep(10)
            part = OWNERS[owner](there.poller)
            raised = 0
            for name in methods(part):
                crash = Crash(getattr(part, name), chance.randrange(3), after=after)
                with monkeypatch.context() as patch:
                    patch.setattr(part, name, crash)
                    await within(12, partial(getattr, crash, "raised"))
                raised += crash.raised
                await asyncio.sleep(reconcile.EVERY + 2)
                before = {job.name: polls(there, job) for job in jobs}
                # one that a crash left among those under way stays there until its next poll
                await within(TOGETHER, lambda: all(len(places(there, job)) == 1 for job in jobs))
                assert {job.name: len(places(there, job)) for job in jobs} == dict.fromkeys(before, 1), name
                await within(TOGETHER, partial(all_polled, there, jobs, before))
                assert all_polled(there, jobs, before), name
            assert raised > 0

    run(main())


@pytest.mark.parametrize("after", [False, True], ids=["before its work", "after its work"])
def test_a_crash_of_what_listens_to_changed_records_loses_no_job(
    *, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "EVERY", 5.0)

    async def main() -> None:
        jobs: list[SimulatedJob] = []
        async with world(lambda cloud: jobs.extend(population(cloud)), pace=PACE, concurrency=64) as there:
            listeners = there.store._listeners
            for number, listener in enumerate(list(listeners)):
                crash = Crash(listener, 0, after=after)
                listeners[number] = crash
                if number == 0:
                    with suppress(RuntimeError):
                        there.watch(*jobs[:1])
                    there.watch(*jobs[1:])
                await asyncio.sleep(12)
                listeners[number] = listener
                assert crash.raised
                await asyncio.sleep(reconcile.EVERY + 2)
                before = {job.name: polls(there, job) for job in jobs}
                await asyncio.sleep(TOGETHER)
                assert [job.name for job in jobs if polls(there, job) == before[job.name]] == []
            assert len(listeners) >= 3

    run(main())


@pytest.mark.parametrize("after", [False, True], ids=["before its work", "after its work"])
@pytest.mark.parametrize("part", ["_limiter", "gate"])
def test_a_crash_at_the_end_of_a_call_costs_no_place(
    part: str, *, after: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "EVERY", 5.0)

    async def main() -> None:
        jobs: list[SimulatedJob] = []
        async with world(lambda cloud: jobs.extend(population(cloud)), pace=PACE, concurrency=1) as there:
            there.watch(*jobs)
            await asyncio.sleep(10)
            owner: Any = there.poller._limiter if part == "_limiter" else there.poller._breakers.of("demo").circuit
            name = "release" if part == "_limiter" else "left"
            for number in range(3):
                crash = Crash(getattr(owner, name), number, after=after)
                with monkeypatch.context() as patch:
                    patch.setattr(owner, name, crash)
                    await asyncio.sleep(12)
                assert crash.raised
            before = {job.name: polls(there, job) for job in jobs}
            await asyncio.sleep(30)
            assert [job.name for job in jobs if polls(there, job) == before[job.name]] == []

    run(main())


def test_a_crash_at_the_end_of_a_list_costs_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "EVERY", 5.0)

    async def main() -> None:
        async with world(pace=PACE, concurrency=1) as there:
            job = population(there.cloud)[0]
            await asyncio.sleep(1)

            async def work(_: Any) -> None:
                return None

            crash = Crash(there.poller._limiter.release, 0, after=False)
            with monkeypatch.context() as patch:
                patch.setattr(there.poller._limiter, "release", crash)
                with pytest.raises(RuntimeError):
                    await there.poller.calls.call("demo", "dli", 1, work)
            there.watch(job)
            await asyncio.sleep(20)
            assert polls(there, job) > 0

    run(main())


def test_a_job_that_is_nowhere_is_found_and_polled_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reconcile, "EVERY", 5.0)

    async def main() -> None:
        jobs: list[SimulatedJob] = []
        async with world(lambda cloud: jobs.extend(population(cloud)), pace=PACE) as there:
            there.watch(*jobs)
            await asyncio.sleep(10)
            for job in jobs:
                while places(there, job) != ["scheduled"]:
                    await asyncio.sleep(0.1)
                there.poller._schedule.remove(job_of(job).key)
            before = {job.name: polls(there, job) for job in jobs}
            await asyncio.sleep(20)
            assert [job.name for job in jobs if polls(there, job) == before[job.name]] == []

    run(main())
