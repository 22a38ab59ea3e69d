"""What the poll loop does about runs that went by unseen."""

import asyncio
import threading
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import pytest
from structlog.testing import capture_logs

from exporter.model.changes import Changes
from exporter.model.job import Job
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.model.snapshot import Snapshot, State
from exporter.polling.schedule import Pace
from exporter.runs import transitions, unended
from exporter.services.adapter import PastPage
from exporter.services.cdm import CdmPast
from exporter.services.request import Request
from exporter.simulator import CdmJob, CdmRun, Cloud, Fault, Step, Volume, server_failure, too_often
from exporter.simulator.answers import gateway_error
from tests.polling.harness import World, job_of, world
from tests.polling.looking import looking
from tests.warp import START, run

BEGINS = START - 100
ROWS = "rows_written"
PACE = Pace(interval=30, idle_interval=300, stale_after=900)


def busy(cloud: Cloud, step: int = 3, shown: int = 1, name: str = "orders") -> CdmJob:
    """Return a job of which a run begins each minute: between two idle polls five go by."""
    plan = tuple(
        CdmRun((Step("BOOTING", 5), Step("RUNNING", 20, 0.0, 1.0)), rest=35, volume=Volume(rows_written=2**number))
        for number in range(50)
    )
    job = CdmJob("c-1", name, BEGINS, plan, repeats=False, submission_step=step, shown=shown)
    cloud.add(job)
    return job


def moved(job: CdmJob, since: float, until: float) -> int:
    """Return the rows of all runs that had not ended at *since* and had at *until*."""
    return sum(
        moment.run.volume.rows_written
        for moment in job.runs(until)
        if moment.ended_at is not None and moment.ended_at > since
    )


def asked(there: World) -> int:
    return len(there.cloud.asked("ShowSubmissions"))


async def counted(there: World, job: CdmJob) -> None:
    """Wait until what had ended at the last poll is counted."""
    record = there.record(job)
    assert record.polled_at is not None
    assert record.totals[ROWS] == moved(job, START + 1, record.polled_at)
    assert sum(record.runs) == record.totals[ROWS].bit_count()  # type: ignore[attr-defined]


def test_runs_between_two_polls_are_found_and_counted_once() -> None:
    async def main() -> None:
        async with world(pace=PACE) as there:
            job = busy(there.cloud)
            there.watch(job)
            for seconds in range(400, 3200, 400):
                await there.until(seconds)
                await counted(there, job)
            assert there.record(job).ledger.beyond == ()
            assert 5 <= asked(there) <= 60

    run(main())


def test_the_end_of_each_run_that_only_the_history_tells_is_logged_once_with_its_reason(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("exporter.logs.vendor_text", lambda text: f"<{text}>")
    good = CdmRun((Step("RUNNING", 20, 0.0, 1.0),), rest=40)
    bad = replace(good, end="FAILED", error_summary="Cdm.0104 : cannot connect to 'orders'")

    async def main() -> list[dict[str, Any]]:
        with capture_logs() as logs:
            async with world(pace=PACE) as there:
                job = CdmJob("c-1", "orders", BEGINS, (good, bad), submission_step=3)
                there.cloud.add(job)
                there.watch(job)
                await there.until(3000)

                ended = [dict(line) for line in logs if line["event"] == "run ended"]
                runs = dict(zip(("succeeded", "failed", "cancelled"), there.record(job).runs, strict=True))
                assert Counter(line["result"] for line in ended) == {each: runs[each] for each in runs if runs[each]}
                assert asked(there) >= 5
        return ended

    ended = run(main())

    assert len(ended) > 40
    assert len({line["run_id"] for line in ended}) == len(ended)
    for line in ended:
        assert line["log_level"] == ("warning" if line["result"] == "failed" else "info")
        if line["result"] == "failed":
            assert (line["code"], line["vendor_text"]) == ("Cdm.0104", "<Cdm.0104 : cannot connect to 'orders'>")


@pytest.mark.parametrize("name", ["two\nlines", "a\tb\x00\x1f\x7f", "新 作业+a/b?c#d%41&e=f"])
def test_a_name_of_any_characters_is_polled_listed_and_looked_up(name: str) -> None:
    async def main() -> None:
        async with world(pace=PACE) as there:
            busy(there.cloud, name=name)
            async with looking(there, {"service": "cdm"}, list_interval="400s"):
                for seconds in range(600, 3200, 400):
                    await there.until(seconds)
                (record,) = there.store.records()
                assert record.job.target == {"cluster_id": "c-1", "job_name": name}
                assert record.failures == {}
                assert asked(there) >= 3
                assert sum(record.runs) > 30

    run(main())


def test_no_history_is_asked_for_where_ids_exclude_runs_between() -> None:
    async def main() -> None:
        async with world(pace=Pace(interval=5, idle_interval=20, stale_after=900)) as there:
            job = busy(there.cloud, step=1)
            there.watch(job)
            await there.until(600)

            await counted(there, job)
            assert asked(there) == 0

    run(main())


def test_a_history_that_fails_is_asked_for_again_at_the_next_poll() -> None:
    async def main() -> None:
        async with world(pace=PACE) as there:
            job = busy(there.cloud)
            there.cloud.faults.plan(server_failure(), times=6, operation="ShowSubmissions")
            there.watch(job)
            await there.until(2500)

            await counted(there, job)
            assert there.record(job).up
            assert there.record(job).failures == {}

    run(main())


def test_histories_keep_to_their_budget_and_a_refusal_lowers_it() -> None:
    def throttled(cloud: Cloud) -> None:
        cloud.faults.plan(too_often(retry_after=60), operation="ShowSubmissions")

    async def main() -> None:
        async with world(throttled, pace=PACE, rate=0.2) as there:
            jobs = [busy(there.cloud)]
            for number in range(10):
                jobs.append(CdmJob("c-1", f"job {number}", BEGINS, jobs[0].plan, submission_step=3))
            there.cloud.add(*jobs[1:])
            there.watch(*jobs)
            await there.until(3000)

            assert there.cloud.busiest(there.cloud.user, "cdm_common") <= 12
            assert asked(there) > 20
            lowered = there.poller.demand.allowed()
            assert lowered["demo", "cdm_list"] <= lowered["demo", "cdm"]

    run(main())


def test_runs_that_a_cut_history_keeps_to_itself_are_counted_as_missed_and_logged(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """The cloud heeds neither size nor number of a page: it answers the ten newest runs, and how many there are."""
    documented = CdmPast.request

    def bare(*arguments: Any) -> Request:
        request = documented(*arguments)
        return replace(request, query=request.query[:1])

    monkeypatch.setattr(CdmPast, "request", bare)

    async def main() -> None:
        async with world(pace=Pace(interval=30, idle_interval=1800, stale_after=6000)) as there:
            job = busy(there.cloud)
            there.watch(job)
            await there.until(4500)
            record = there.record(job)
            assert record.polled_at is not None
            lost = moved(job, START + 1, record.polled_at).bit_count() - sum(record.runs)
            missed = there.sample("history_runs_missed_total", service="cdm", project="demo")

            assert lost >= 15
            assert missed is not None
            assert lost <= missed <= 120
            assert asked(there) <= 6

    with capture_logs() as logs:
        run(main())
    assert [entry["missing"] for entry in logs if entry["event"] == "history incomplete"]


def test_a_job_that_goes_while_its_history_is_read_leaves_nothing_behind() -> None:
    async def main() -> None:
        async with world(pace=PACE) as there:
            job = busy(there.cloud)
            there.cloud.faults.plan(Fault(delay=2), times=None, operation="ShowSubmissions")
            there.watch(job)
            for _ in range(2000):
                await asyncio.sleep(0.5)
                if asked(there):
                    break
            there.poller.apply(Changes(removed=(job_of(job).key,)))
            there.watch(job)
            begun = there.clock.now()
            await there.until(1500)
            record = there.record(job)

            assert record.polled_at is not None
            # the call of the first registration is not taken for one of the second
            assert record.totals[ROWS] in {moved(job, begun + late, record.polled_at) for late in (0, 0.5, 1, 2)}

    run(main())


def test_a_key_that_only_the_history_refuses_fails_no_poll_and_is_not_locked() -> None:
    def refused(cloud: Cloud) -> None:
        wrong = gateway_error(401, "APIG.0301", "Incorrect IAM authentication information")
        cloud.faults.plan(wrong, times=None, operation="ShowSubmissions")

    async def main() -> None:
        async with world(refused, pace=PACE) as there:
            job = busy(there.cloud)
            there.watch(job)
            await there.until(3000)
            record = there.record(job)

            assert Reason.AUTH not in record.failures or record.failures[Reason.AUTH] < 3
            assert record.up
            assert asked(there) <= 40
            until = 3000
            while not there.record(job).totals[ROWS] and until < 30_000:  # a run that a poll sees at its end counts
                until += 300
                await there.until(until)
            assert there.record(job).totals[ROWS] > 0

    run(main())


def test_runs_are_counted_outside_the_event_loop_and_what_a_poll_tells_meanwhile_stays(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    count = transitions.looked_back
    threads: list[threading.Thread] = []

    async def main() -> None:
        async with world(pace=PACE) as there:
            job, loop = busy(there.cloud), asyncio.get_running_loop()

            def counting(
                record: Record, found: Sequence[Snapshot], at: float, ended: list[Snapshot], *, whole: bool
            ) -> Record:
                threads.append(threading.current_thread())
                if len(threads) == 1:
                    polled = threading.Event()

                    def poll() -> None:
                        there.store.put(replace(there.record(job), planned=(7.0,)))
                        polled.set()

                    loop.call_soon_threadsafe(poll)
                    assert polled.wait(60)
                return count(record, found, at, ended, whole=whole)

            monkeypatch.setattr(transitions, "looked_back", counting)
            there.watch(job)
            await there.until(400)
            await counted(there, job)
            assert there.record(job).planned == (7.0,)

    run(main())
    assert len(threads) >= 2
    assert threading.main_thread() not in threads


Rows = Callable[[int, tuple[Snapshot, ...]], tuple[Snapshot, ...]]
"""What a history answers the first, second... time, instead of the rows as they are."""


def history_says(monkeypatch: pytest.MonkeyPatch, rows: Rows) -> None:
    parse, answers = CdmPast.parse, [0]

    def other(self: CdmPast, body: bytes, job: Job) -> PastPage:
        answers[0] += 1
        page = parse(self, body, job)
        runs = rows(answers[0], page.runs)
        return replace(page, runs=runs, total=len(runs))

    monkeypatch.setattr(CdmPast, "parse", other)


def three_runs(cloud: Cloud) -> CdmJob:
    """Return a job of which a run begins when the one before ends: polls see each of them run, and none that ended."""
    plan = tuple(CdmRun((Step("RUNNING", 100, 0.0, 1.0),), rest=0.001, volume=Volume(rows_written=1)) for _ in range(3))
    job = CdmJob("c-1", "orders", START, plan, repeats=False)
    cloud.add(job)
    return job


def test_a_run_that_was_seen_and_that_the_history_lacks_is_counted_as_missed_once(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    history_says(monkeypatch, lambda _, rows: tuple(row for row in rows if row.run.id != "1"))

    async def main() -> None:
        async with world(pace=PACE) as there:
            job = three_runs(there.cloud)
            there.watch(job)
            await there.until(6000)
            assert sum(there.record(job).runs) == 2
            assert there.sample("history_runs_missed_total", service="cdm", project="demo") == 1

    with capture_logs() as logs:
        run(main())
    assert [entry["missing"] for entry in logs if entry["event"] == "history incomplete"] == [1]


def test_a_history_that_lags_is_read_again_until_it_tells_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def late(answers: int, rows: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
        return tuple(replace(row, state=State.RUNNING) if answers <= 4 else row for row in rows)

    history_says(monkeypatch, late)

    async def main() -> None:
        async with world(pace=PACE) as there:
            job = three_runs(there.cloud)
            there.watch(job)
            await there.until(6000)
            assert there.record(job).runs == (3, 0, 0)
            assert there.record(job).totals[ROWS] == 3
            assert there.sample("history_runs_missed_total", service="cdm", project="demo") in {None, 0}

    run(main())


def test_a_run_without_an_end_is_read_for_so_often_and_then_counted_as_missed(monkeypatch: pytest.MonkeyPatch) -> None:
    def without(_: int, rows: tuple[Snapshot, ...]) -> tuple[Snapshot, ...]:
        return tuple(replace(row, state=State.UNKNOWN) if row.run.id == "1" else row for row in rows)

    history_says(monkeypatch, without)

    async def main() -> None:
        async with world(pace=PACE) as there:
            job = three_runs(there.cloud)
            there.watch(job)
            await there.until(1500)
            assert there.sample("history_runs_missed_total", service="cdm", project="demo") in {None, 0}
            await there.until(20_000)
            assert asked(there) == unended.READINGS
            assert there.record(job).runs == (2, 0, 0)
            assert there.sample("history_runs_missed_total", service="cdm", project="demo") == 1

    run(main())
