"""What page and JSON say of a job's promises."""

from typing import Any

import pytest

from exporter.model.job import JobKey
from exporter.model.promises import Deadline, DueTime, Promises
from exporter.model.record import Record
from exporter.model.run import Ledger
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.runs.past import JobPast
from exporter.web.job_json import job_document
from exporter.web.page.promises import broken_promises
from tests.web.fakes import NOW, FakeExporter, in_state, job, running, serving

DEADLINE = Deadline(6, 0, frozenset(range(5)), "Asia/Shanghai")
MISSED, MET = DueTime(NOW - 60, met=False), DueTime(NOW + 60, met=True)


def promised(record: Record, promises: Promises, **more: Any) -> Record:
    values = {name: getattr(record, name) for name in Record.__dataclass_fields__}
    original = record.job
    whose = type(original)(original.key, original.project, original.target, promises=promises)
    return Record(**{**values, "job": whose, **more})


def names(record: Record) -> list[str]:
    return [each.name for each in broken_promises(record, NOW)]


@pytest.mark.parametrize(
    ("promises", "more", "broken"),
    [
        (Promises(deadline=DEADLINE), {"due": MISSED}, ["deadline"]),
        (Promises(deadline=DEADLINE), {"due": MET}, []),
        (Promises(period=60), {"last_success": NOW - 121}, ["period"]),
        (Promises(period=60), {"last_success": NOW - 119}, []),
        (Promises(period=60), {}, []),
        (
            Promises(period=86400, deadline=DEADLINE),
            {"last_success": NOW - 200_000, "due": MISSED},
            ["deadline", "period"],
        ),
        (Promises(period=86400, deadline=DEADLINE), {"last_success": NOW - 200_000, "due": MET}, []),
        (Promises(period=3600, deadline=DEADLINE), {"last_success": NOW - 200_000, "due": MET}, ["period"]),
        (Promises(max_wait=60), {"pending_since": NOW - 61}, ["max_wait"]),
        (Promises(max_wait=60), {}, []),
        (Promises(max_run=1), {}, ["max_run"]),
        (Promises(max_run=1e6), {}, []),
        (Promises(stuck_after=60), {"last_progress": NOW - 100, "polled_at": NOW - 10}, ["stuck_after"]),
        (Promises(stuck_after=60), {"last_progress": NOW - 100, "polled_at": NOW - 50}, []),
        (Promises(), {"pending_since": NOW - 1e6}, []),
    ],
)
def test_a_promise_is_told_as_broken_once_it_is(promises: Promises, more: dict[str, Any], broken: list[str]) -> None:
    assert names(promised(running(), promises, **more)) == broken


@pytest.mark.parametrize(
    ("watched", "more", "broken"),
    [
        (NOW - 121, {}, ["period"]),
        (NOW - 119, {}, []),
        (NOW - 121, {"last_success": NOW - 119}, []),
        (NOW - 119, {"last_success": NOW - 121}, ["period"]),
        (NOW - 121, {"ledger": Ledger(runs=(1, 0, 0))}, []),  # nothing told when it succeeded
        (NOW - 121, {"ledger": Ledger(runs=(0, 2, 1))}, ["period"]),
    ],
)
def test_periods_of_a_job_that_was_not_seen_to_succeed_count_from_when_it_was_first_seen(
    watched: float, more: dict[str, Any], broken: list[str]
) -> None:
    record = promised(running(), Promises(period=60), **more)

    assert [each.name for each in broken_promises(record, NOW, watched)] == broken


@pytest.mark.parametrize(
    ("state", "counts", "broken"),
    [
        (State.SUCCEEDED, {"rows_read": 5, "rows_written": 3}, ["rows_match"]),
        (State.SUCCEEDED, {"rows_read": 5, "rows_written": 5}, []),
        (State.SUCCEEDED, {"rows_read": 5}, []),
        (State.FAILED, {"rows_read": 5, "rows_written": 3}, []),
    ],
)
def test_rows_differ_where_a_run_succeeded_and_told_both(
    state: State, counts: dict[str, float], broken: list[str]
) -> None:
    snapshot = Snapshot(state, "x", counts={Measure(name): value for name, value in counts.items()})

    assert names(promised(Record(job(), snapshot), Promises(rows_match=True))) == broken
    assert names(promised(Record(job(), snapshot), Promises())) == []


def test_of_values_that_are_too_old_nothing_is_told_but_what_time_alone_tells() -> None:
    record = promised(running(), Promises(max_run=1, deadline=DEADLINE), stale=True, due=MISSED)

    assert names(record) == ["deadline"]


async def test_json_tells_the_promises_and_the_deadline() -> None:
    record = promised(running(), Promises(period=3600.0, deadline=DEADLINE), due=MET)
    facts = job_document(record, {}, None)

    told = {"period": 3600.0, "deadline": {"at": "06:00", "days": "mon-fri", "time_zone": "Asia/Shanghai"}}
    assert (facts["promises"], facts["deadline"], facts["deadline_met"]) == (told, NOW + 60, True)
    none = job_document(Record(job()), {}, None)
    assert (none["promises"], none["deadline"], none["deadline_met"]) == ({}, None, None)


async def test_the_pages_tag_a_job_that_did_not_succeed_for_two_periods_since_it_is_watched() -> None:
    record = promised(in_state(State.FAILED, "nightly"), Promises(period=3600.0))
    key = record.job.key
    for watched, tagged in ((NOW - 7300, True), (NOW - 7100, False)):
        async with serving(FakeExporter([record], pasts={key: JobPast(watched)})) as client:
            for page in (f"/jobs/{key.service}/{key.job}", "/"):
                assert ("no success for two periods" in await (await client.get(page)).text()) == tagged


async def test_the_pages_show_the_promises_and_what_broke() -> None:
    promises = Promises(period=3600.0, rows_match=True, deadline=DEADLINE)
    record = promised(in_state(State.FAILED, "nightly"), promises, due=MISSED, up=True)
    key = JobKey(*record.job.key)
    async with serving(FakeExporter([record])) as client:
        one = await (await client.get(f"/jobs/{key.service}/{key.job}")).text()
        many = await (await client.get("/")).text()

    assert "06:00 mon-fri Asia/Shanghai" in one
    assert "rows written are those read" in one
    for page in (one, many):
        assert "missed its deadline" in page
