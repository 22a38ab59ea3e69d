"""The way of one poll whose answer changed, and of one scrape, through the modules of the program."""

import asyncio
import inspect
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import exporter
from exporter.metrics.store import JobStore
from exporter.polling.schedule import interval_for_state
from exporter.runs.timelines import Timelines
from exporter.simulator import Cloud, DliJob, Step, SubJob
from exporter.views import WebView
from exporter.web.metrics import Bodies, Kind
from exporter.web.scrapes import Scrapes
from tests.polling.harness import World, job_of, world
from tests.warp import run

HOME = f"{Path(exporter.__file__).parent}/"
LOOP = {"_dispatch", "_pause"}
"""What the loop does for all jobs at once is part of no poll."""


@dataclass(frozen=True)
class Entered:
    """One call: into which function of which module, and from where."""

    module: str
    code: CodeType
    caller: str
    by: str

    @property
    def crosses(self) -> bool:
        """Whether it leads out of one module into another, the words that all share left out."""
        return bool(self.caller) and self.caller != self.module and not self.module.startswith("model/")


class Trace:
    """Notes every call into the exporter, each resumed coroutine once."""

    def __init__(self) -> None:
        self.calls: list[Entered] = []
        self._resumed: dict[int, FrameType] = {}

    def __call__(self, frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not (module := _module(frame)) or id(frame) in self._resumed:
            return
        if frame.f_code.co_flags & inspect.CO_COROUTINE:
            self._resumed[id(frame)] = frame
        caller = frame.f_back
        while caller is not None and not _module(caller):
            caller = caller.f_back
        by = caller.f_code.co_name if caller else ""
        self.calls.append(Entered(module, frame.f_code, _module(caller) if caller else "", by))

    def number(self, function: Any) -> int:
        return sum(each.code is function.__code__ for each in self.calls)


def _module(frame: FrameType) -> str:
    name = frame.f_code.co_filename
    inside = name.startswith(HOME) and not name.startswith(f"{HOME}simulator/")
    return name.removeprefix(HOME) if inside else ""


@contextmanager
def traced() -> Iterator[Trace]:
    trace = Trace()
    sys.setprofile(trace)
    try:
        yield trace
    finally:
        sys.setprofile(None)


def way(calls: list[Entered]) -> list[str]:
    """Return the modules in the order in which they are entered."""
    modules = [each.module for each in calls]
    return [module for before, module in zip(["", *modules], modules, strict=False) if module != before]


def returns(modules: list[str]) -> list[str]:
    """Return each module that is entered though it was left before."""
    return [module for index, module in enumerate(modules) if module in modules[:index]]


async def one_poll() -> tuple[Trace, World, DliJob]:
    jobs = list[DliJob]()

    def populate(cloud: Cloud) -> None:
        script = (Step("LAUNCHING", 10), SubJob("save", tasks=100, seconds=1000))
        jobs.append(DliJob(cloud.new_uuid(), "orders", cloud.started, script))
        cloud.add(*jobs)

    async with world(populate) as there:
        (job,) = jobs
        there.watch(job)
        await there.until(100)
        before, due = there.record(job).snapshot, there.poller.next_due(job_of(job).key)
        assert due is not None
        await asyncio.sleep(due - there.clock.now() - 0.5)
        with traced() as trace:
            await asyncio.sleep(1)
        after = there.record(job).snapshot
        assert before is not None
        assert after is not None
        assert after != before
        return trace, there, job


def test_a_poll_whose_answer_changed_goes_through_the_modules_almost_once() -> None:
    trace, _, _ = run(one_poll())
    first = next(index for index, each in enumerate(trace.calls) if each.code.co_name == "_queue")
    last = next(index for index, each in enumerate(trace.calls) if each.code.co_name == "_over")
    steps = [
        each
        for each in trace.calls[first:last]
        if each.crosses
        and each.by not in LOOP
        and each.caller != "supervise.py"
        and "polling" in {each.caller.split("/")[0], each.module.split("/")[0]}
    ]
    passed = way(steps)

    assert {"limits/rate_limiter.py", "cloud/projects.py", "runs/transitions.py", "metrics/store.py"} <= set(passed)
    assert len(returns(passed)) <= 12, "\n".join(passed)


def test_a_poll_looks_its_record_up_once_and_works_its_interval_out_once() -> None:
    trace, _, _ = run(one_poll())

    assert trace.number(JobStore.get) == 1
    assert trace.number(JobStore.update) == 1
    assert trace.number(interval_for_state) == 1


def test_a_scrape_returns_to_two_modules_at_most() -> None:
    async def main() -> None:
        _, there, job = await one_poll()
        view = WebView(there.store, there.telemetry, there.poller, there.clock, Timelines(0, there.clock.now))
        bodies = Bodies(view, Scrapes())
        with traced() as trace:
            body = await bodies.get(Kind(openmetrics=False, gzip=False, names=frozenset()))
        asked = "metrics/watched.py"  # the exporter's own metrics ask each for their values
        passed = way([each for each in trace.calls if each.crosses and asked not in {each.module, each.caller}])

        assert job.name.encode() in b"".join(body.parts)
        assert {"views.py", "metrics/store.py", "metrics/exposition.py"} <= set(passed)
        assert len(returns(passed)) <= 2, passed

    run(main())
