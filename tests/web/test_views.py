"""What the web side asks of the rest."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from exporter.metrics.store import JobStore
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State
from exporter.runs.timelines import Timelines
from exporter.services import registry
from exporter.views import WebView
from tests.polling.harness import world
from tests.warp import run
from tests.web.fakes import NOW, running, serving


def test_a_job_whose_project_was_taken_away_is_still_told_without_its_place() -> None:
    """A reload may take a project away while an answer is being written that holds one of its jobs."""

    async def main() -> None:
        async with world() as there:
            record, store = running("nightly"), JobStore(10**9, registry.declared())
            assert record.job.project not in there.projects.by_name
            store.put(record)
            timelines = Timelines(0, there.clock.now)
            async with serving(WebView(store, there.telemetry, there.poller, there.clock, timelines)) as client:
                for path in ("/api/v1/jobs", "/api/v1/jobs/dli/nightly", "/jobs/dli/nightly"):
                    answer = await client.get(path)
                    assert answer.status == 200, path
                    assert "nightly" in await answer.text()

    run(main())


@pytest.mark.parametrize(
    ("tried", "waiting"),
    [
        ({}, ["dli/nightly"]),
        ({"polled_at": NOW}, []),
        ({"fault": Fault(Reason.TIMEOUT, NOW, "no answer"), "failing": 1}, []),
        ({"off": "night: off"}, []),
    ],
    ids=["not yet", "polled", "failed", "not polled because its cluster is off"],
)
def test_readiness_waits_for_the_rules_and_the_jobs_that_are_still_to_be_tried(
    tried: dict[str, Any], waiting: list[str]
) -> None:
    async def main() -> None:
        async with world() as there:
            record, store = Record(running("nightly").job), JobStore(10**9, registry.declared())
            store.put(replace(record, **tried))
            parts = there.telemetry, there.poller, there.clock, Timelines(0, there.clock.now)
            assert WebView(store, *parts).waiting() == waiting
            assert WebView(store, *parts, unstarted_rules=lambda: ["rule"]).waiting() == ["rule", *waiting]

    run(main())


def test_every_change_that_can_be_shown_is_another_revision() -> None:
    async def main() -> None:
        async with world() as there:
            record, store = running("nightly"), JobStore(10**9, registry.declared())
            timelines = Timelines(1 << 20, there.clock.now)
            store.subscribe(timelines.changed)
            store.subscribe_runs(timelines.runs_read)
            view, seen = WebView(store, there.telemetry, there.poller, there.clock, timelines), list[object]()
            ended = Snapshot(State.SUCCEEDED, run=RunId("r-0"), start=NOW - 900, end=NOW - 800)
            changes: list[Callable[[], object]] = [
                lambda: None,
                lambda: store.put(record),
                lambda: store.put(replace(record, polled_at=NOW)),
                lambda: store.runs_read(record.job.key, [ended]),
                lambda: there.poller._schedule.put(record.job.key, 5.0),
                lambda: there.poller._schedule.remove(record.job.key),
                lambda: timelines.limit(0),
                lambda: store.remove(record.job.key),
            ]
            for change in changes:
                change()
                assert view.revision not in seen
                seen.append(view.revision)
            assert view.revision == seen[-1]

    run(main())


def test_the_mark_of_a_past_is_another_when_its_runs_or_turns_are() -> None:
    timelines = Timelines(1 << 20, lambda: NOW)
    record = running("nightly")
    assert timelines.mark(record.job.key) is None
    timelines.changed(None, record)
    first = timelines.mark(record.job.key)
    timelines.changed(record, replace(record, polled_at=NOW))
    assert timelines.mark(record.job.key) == first
    stale = replace(record, stale=True, up=False)
    timelines.changed(record, stale)
    second = timelines.mark(record.job.key)
    timelines.runs_read(record, [Snapshot(State.SUCCEEDED, run=RunId("r-0"), start=NOW - 900, end=NOW - 800)])
    assert len({first, second, timelines.mark(record.job.key)}) == 3
