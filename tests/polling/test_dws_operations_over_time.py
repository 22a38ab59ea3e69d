"""What calls about an operation on a DWS cluster add: its steps, its times, and how it ended if the cloud says so."""

from dataclasses import replace
from pathlib import Path

import pytest

from exporter.model.snapshot import Measure, Snapshot, State
from exporter.simulator import ClusterStep, DwsCluster, Fault, server_failure
from exporter.simulator.answers import answer, service_error
from exporter.simulator.world import SHANGHAI
from tests.polling.harness import SimulatedJob, World, world
from tests.polling.looking import looking
from tests.warp import START, run

DETAILS, MOVES = "ListClusterDetails", "ShowClusterRedistribution"
SAVES, ACTIONS = "ListSnapshots", "ListClusterActions"
CLUSTER = "3b9d2f10-6a41-4c77-9e02-5d8c1f7a0b11"
IDLE = ClusterStep(None, 1000)
REST = replace(IDLE, seconds=100_000)
GROW = ClusterStep("GROWING", 1000, low=0.0, nodes=(3, 6))
MOVE = ClusterStep("REDISTRIBUTING", 1000, sub_status="UNBALANCED | REDISTRIBUTING", low=0.0)
SAVE = ClusterStep("SNAPSHOTTING", 1000, low=0.0)
MINUTE = 60.0


def warehouse(*script: ClusterStep, **fields: object) -> DwsCluster:
    return DwsCluster(CLUSTER, "dwh", script=script, begun=START, **fields)  # type: ignore[arg-type]


def calls(there: World, operation: str) -> int:
    return len(there.cloud.asked(operation))


def in_shanghai(there: World) -> None:
    there.projects.by_name["demo"].zone = SHANGHAI


def shown(there: World, cluster: SimulatedJob) -> Snapshot:
    known = there.record(cluster).shown
    assert known is not None
    return known


def states(there: World, cluster: SimulatedJob) -> tuple[str, str, float | None]:
    known = shown(there, cluster)
    return known.state.value, known.native_state, known.progress


def to_the_minute(at: float) -> float:
    return at // MINUTE * MINUTE


def test_a_redistribution_has_its_times_and_its_tables_and_succeeded_only_by_its_own_answer() -> None:
    cluster = warehouse(IDLE, MOVE, REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            in_shanghai(there)
            there.watch(cluster)
            await there.until(900)
            assert calls(there, MOVES) == 0
            await there.until(1500)
            known = shown(there, cluster)
            assert (known.state, known.start) == (State.RUNNING, to_the_minute(START + 1000))
            assert known.counts[Measure("tasks_planned")] == 200
            done, left = (known.counts[Measure("tasks", each)] for each in ("completed", "waiting"))
            assert (done + left, done in range(84, 101)) == (200, True)
            assert known.detail["rate"] == "38 MB/s"
            assert known.detail["tables"].dicts()[0]["schema"] == "sales"
            assert calls(there, MOVES) in range(5, 11), "at most one a minute"

            await there.until(2500)
            record = there.record(cluster)
            assert states(there, cluster) == ("succeeded", "SUCCESS", 1.0)
            assert record.runs == (1, 0, 0)
            end = to_the_minute(START + 2000)
            assert (record.last_success, shown(there, cluster).end) == (end, end)
            assert record.took[0].milliseconds == 1000 * (end - to_the_minute(START + 1000))
            assert shown(there, cluster).counts == {
                Measure("tasks_planned"): 200,
                Measure("tasks", "completed"): 200,
            }
            asked = calls(there, MOVES)
            assert asked <= 18
            own = calls(there, DETAILS)
            await there.until(9000)
            assert states(there, cluster) == ("succeeded", "SUCCESS", 1.0), "until the next operation begins"
            assert (there.record(cluster).runs, there.record(cluster).up) == ((1, 0, 0), True)
            assert calls(there, MOVES) == asked
            assert calls(there, DETAILS) <= own + 1

    run(main())


def test_of_an_operation_that_was_seen_to_run_only_by_a_list_nothing_is_said() -> None:
    cluster = warehouse(IDLE, replace(MOVE, seconds=100), REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            in_shanghai(there)
            there.cloud.faults.plan(server_failure(), times=None, operation=DETAILS)
            there.watch(cluster)
            await there.until(3000)
            record = there.record(cluster)
            assert (record.runs, record.last_success, calls(there, MOVES)) == ((0, 0, 0), None, 0)

    run(main())


def test_a_redistribution_that_ended_before_it_was_watched_is_not_this_one() -> None:
    """The call may still tell of the one before."""
    cluster = warehouse(MOVE, IDLE, ClusterStep("REBOOTING", 500), REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            in_shanghai(there)
            await there.until(1100)
            there.watch(cluster)
            await there.until(4000)
            assert states(there, cluster) == ("unknown", "AVAILABLE", None)
            assert there.record(cluster).runs == (0, 0, 0)

    run(main())


@pytest.mark.parametrize(
    ("fault", "times"),
    [
        (Fault(answer=service_error(403, "DWS.5045", "not allowed")), None),
        (Fault(answer=service_error(400, "DWS.0001", "no such task")), None),
        (server_failure(), None),
    ],
    ids=["not allowed", "not known", "broken"],
)
def test_without_the_call_nothing_is_said_of_the_end_and_the_job_is_well(fault: Fault, times: int | None) -> None:
    cluster = warehouse(IDLE, MOVE, REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            there.cloud.faults.plan(fault, times=times, operation=MOVES)
            there.watch(cluster)
            await there.until(1500)
            assert states(there, cluster)[:2] == ("running", "REDISTRIBUTING")
            await there.until(5000)
            record = there.record(cluster)
            assert (states(there, cluster)[0], record.runs, record.up) == ("unknown", (0, 0, 0), True)
            assert calls(there, MOVES) <= 20

    run(main())


def test_the_end_is_asked_for_again_if_the_call_fails_or_lags() -> None:
    cluster = warehouse(IDLE, MOVE, REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            there.watch(cluster)
            await there.until(1990)
            there.cloud.faults.plan(server_failure(), times=3, operation=MOVES)
            await there.until(3000)
            record = there.record(cluster)
            assert (states(there, cluster)[0], record.runs) == ("succeeded", (1, 0, 0))
            assert shown(there, cluster).start is None, "the project has no time zone"
            seen = record.last_success
            assert seen is not None
            assert START + 2000 <= seen <= START + 2400

    run(main())


def test_a_redistribution_that_failed_has_its_end_and_counts_once() -> None:
    failed = ClusterStep("REDISTRIBUTE_FAILURE", 3000, sub_status="REDISTRIBUTION-FAILURE", failed_code="DWS.6003")
    cluster = warehouse(IDLE, MOVE, failed, REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            in_shanghai(there)
            there.watch(cluster)
            await there.until(4000)
            known, record = shown(there, cluster), there.record(cluster)
            assert (known.state, known.failure_code) == (State.FAILED, "DWS.6003")
            assert (known.start, known.end) == (to_the_minute(START + 1000), to_the_minute(START + 2000))
            assert known.counts[Measure("tasks", "completed")] == 200
            asked = calls(there, MOVES)
            await there.until(8000)
            record = there.record(cluster)
            assert (record.runs, states(there, cluster)[0]) == ((0, 1, 0), "unknown")
            assert calls(there, MOVES) == asked

    run(main())


@pytest.mark.parametrize(("spoiled", "state", "runs"), [(False, "succeeded", (1, 0, 0)), (True, "failed", (0, 1, 0))])
def test_a_snapshot_is_available_or_not(spoiled: bool, state: str, runs: tuple[int, int, int]) -> None:
    cluster = warehouse(IDLE, SAVE, IDLE, replace(SAVE, spoiled=spoiled), REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            there.watch(cluster)
            await there.until(2600)
            assert states(there, cluster) == ("succeeded", "AVAILABLE", 1.0)
            assert (shown(there, cluster).start, shown(there, cluster).end) == (START + 1000, START + 2000)
            assert shown(there, cluster).detail["size_gb"] == 512.5
            await there.until(3500)
            assert states(there, cluster)[:2] == ("running", "SNAPSHOTTING")
            assert shown(there, cluster).start == START + 3000
            await there.until(4600)
            record = there.record(cluster)
            assert record.shown is not None
            assert (record.shown.state.value, record.shown.end) == (state, START + 4000)
            assert (record.runs[0], record.runs[1]) == (1 + runs[0], runs[1])
            assert record.shown.failure_code == ("other" if spoiled else None)

    run(main())


@pytest.mark.parametrize("remembers", [True, False])
def test_a_scale_out_has_its_steps_and_ended_as_the_task_says_if_the_service_still_tells_of_it(remembers: bool) -> None:
    cluster = warehouse(IDLE, GROW, replace(MOVE, task="WAITING_REDISTRIBUTION", low=None), REST, remembers=remembers)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            in_shanghai(there)
            there.watch(cluster)
            await there.until(1600)
            known = shown(there, cluster)
            assert (known.state, known.start) == (State.RUNNING, START + 1000)
            steps = {
                each: known.counts[Measure("tasks", each)] for each in ("active", "completed", "failed", "waiting")
            }
            assert steps == {"active": 1, "completed": 2, "failed": 0, "waiting": 1}
            assert [each["sub_item_name"] for each in known.detail["steps"].dicts()][-1] == "Check cluster"
            await there.until(2900)
            record = there.record(cluster)
            assert states(there, cluster)[:2] == ("pending", "WAITING_REDISTRIBUTION")
            assert record.runs == ((1, 0, 0) if remembers else (0, 0, 0)), "it counts, though another one is shown"
            assert record.last_success == (START + 2000 if remembers else None)

    run(main())


def test_the_call_may_go_on_about_a_redistribution_that_failed_and_that_is_no_end_of_the_next_one() -> None:
    failed = ClusterStep("REDISTRIBUTE_FAILURE", 1000, sub_status="REDISTRIBUTION-FAILURE")
    cluster = warehouse(IDLE, MOVE, failed, replace(MOVE, low=None), REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            in_shanghai(there)
            there.watch(cluster)
            await there.until(2500)
            first = shown(there, cluster)
            assert (first.state, there.record(cluster).runs) == (State.FAILED, (0, 1, 0))
            old = {"id": first.detail["redistribution_id"], "status": "FAIL", "start_time": "2026-03-04 08:30"}
            there.cloud.faults.plan(Fault(answer=answer(200, {"redis_info": old})), times=None, operation=MOVES)
            await there.until(3500)
            assert states(there, cluster) == ("running", "REDISTRIBUTING", None)
            assert (shown(there, cluster).start, shown(there, cluster).counts) == (None, {}), "not those of the first"
            await there.until(6000)
            assert (states(there, cluster)[0], there.record(cluster).runs) == ("unknown", (0, 1, 0))

    run(main())


def test_an_operation_that_follows_one_that_failed_has_a_start_of_its_own_or_none() -> None:
    cluster = warehouse(IDLE, GROW, ClusterStep("RESIZE_FAILURE", 1000), replace(GROW, nodes=None), REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            there.watch(cluster)
            await there.until(2900)
            assert (states(there, cluster)[0], shown(there, cluster).start) == ("failed", START + 1000)
            await there.until(3500)
            assert (states(there, cluster)[0], shown(there, cluster).start) == ("running", None)

    run(main())


def test_a_failure_that_is_seen_at_once_after_a_success_of_its_kind_counts() -> None:
    failed = ClusterStep("REDISTRIBUTE_FAILURE", 1000, failed_code="DWS.6003")
    cluster = warehouse(IDLE, MOVE, IDLE, failed, REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            there.watch(cluster)
            await there.until(2900)
            assert (states(there, cluster)[0], there.record(cluster).runs) == ("succeeded", (1, 0, 0))
            await there.until(3900)
            record = there.record(cluster)
            assert (states(there, cluster)[0], record.runs) == ("failed", (1, 1, 0))
            assert record.last_failure is not None
            assert record.last_failure >= START + 3000

    run(main())


def test_a_failure_that_the_call_reports_before_the_cluster_keeps_its_times_and_counts_once() -> None:
    failed = ClusterStep("REDISTRIBUTE_FAILURE", 2000, failed_code="DWS.6003")
    cluster = warehouse(IDLE, MOVE, replace(IDLE, seconds=600), failed, REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            in_shanghai(there)
            there.watch(cluster)
            await there.until(1900)
            over = {"id": shown(there, cluster).detail["redistribution_id"], "status": "FAIL"}
            over |= {"start_time": "2025-10-09 17:10", "end_time": "2025-10-09 17:26"}
            there.cloud.faults.plan(Fault(answer=answer(200, {"redis_info": over})), times=None, operation=MOVES)
            await there.until(2590)
            assert (states(there, cluster)[:2], there.record(cluster).runs) == (("failed", "FAIL"), (0, 1, 0))
            times = shown(there, cluster).start, shown(there, cluster).end
            assert None not in times
            await there.until(4000)
            known = shown(there, cluster)
            assert (known.native_state, known.start, known.end) == ("REDISTRIBUTE_FAILURE", *times)
            assert there.record(cluster).runs == (0, 1, 0)

    run(main())


def test_what_the_call_said_is_shown_no_longer_once_it_has_failed_for_some_minutes() -> None:
    cluster = warehouse(IDLE, replace(MOVE, low=None, seconds=2000), REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            there.watch(cluster)
            await there.until(1500)
            tasks = shown(there, cluster).counts
            assert (shown(there, cluster).progress is not None, len(tasks)) == (True, 3)
            there.cloud.faults.plan(server_failure(), times=12, operation=MOVES)
            await there.until(1600)
            assert shown(there, cluster).counts == tasks
            await there.until(2000)
            assert (shown(there, cluster).progress, shown(there, cluster).counts) == (None, {})
            assert there.record(cluster).up
            await there.until(4200)
            assert states(there, cluster)[0] == "succeeded", "it is still the redistribution that was seen to run"

    run(main())


def test_the_end_of_one_operation_leaves_the_next_one_open() -> None:
    failed = ClusterStep("REDISTRIBUTE_FAILURE", 3000, sub_status="REDISTRIBUTION-FAILURE")
    cluster = warehouse(IDLE, GROW, replace(MOVE, low=None), failed, REST, remembers=True)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            there.watch(cluster)
            await there.until(4000)
            assert there.record(cluster).runs == (1, 1, 0)

    run(main())


@pytest.mark.parametrize("answers", [True, False], ids=["seen by polls", "seen by a list alone"])
def test_an_operation_that_came_and_went_since_takes_back_that_the_last_one_succeeded(answers: bool) -> None:
    cluster = warehouse(IDLE, MOVE, IDLE, ClusterStep("REBOOTING", 200), REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            there.watch(cluster)
            await there.until(2900)
            assert states(there, cluster)[0] == "succeeded"
            if not answers:
                there.cloud.faults.plan(server_failure(), times=None, operation=DETAILS)
            await there.until(3600)
            assert states(there, cluster) == ("unknown", "AVAILABLE", None)
            assert there.record(cluster).runs == (1, 0, 0)

    run(main())


def test_what_succeeded_is_remembered_over_a_restart_and_counts_no_second_time(tmp_path: Path) -> None:
    cluster = warehouse(IDLE, MOVE, REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster), journal=tmp_path / "journal") as there, looking(there):
            there.watch(cluster)
            await there.until(1500)
            clock = there.clock
        async with (
            world(lambda cloud: cloud.add(cluster), journal=tmp_path / "journal", clock=clock) as there,
            looking(there),
        ):
            in_shanghai(there)
            there.cloud.started = START
            there.watch(cluster)
            await there.until(2600)
            assert states(there, cluster)[0] == "succeeded", "it was seen to run by this one too"
            assert there.record(cluster).ledger.runs == (1, 0, 0)
        async with (
            world(lambda cloud: cloud.add(cluster), journal=tmp_path / "journal", clock=clock) as there,
            looking(there),
        ):
            there.cloud.started = START
            there.watch(cluster)
            await there.until(4000)
            record = there.record(cluster)
            assert states(there, cluster)[0] == "unknown", "nobody says it any more"
            assert (record.ledger.runs, record.last_success) == ((1, 0, 0), to_the_minute(START + 2000))

    run(main())


def test_an_end_that_is_reported_after_the_next_operation_only_counts() -> None:
    cluster = warehouse(IDLE, MOVE, replace(IDLE, seconds=60), ClusterStep("REBOOTING", 100), REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            there.watch(cluster)
            await there.until(1990)
            there.cloud.faults.plan(server_failure(), times=5, operation=MOVES)
            await there.until(3500)
            record = there.record(cluster)
            assert record.runs == (1, 0, 0)
            assert states(there, cluster) == ("unknown", "AVAILABLE", None), "how the last one ended"

    run(main())


def test_other_operations_cost_no_call_of_their_own() -> None:
    cluster = warehouse(IDLE, ClusterStep("REBOOTING", 1000), REST)

    async def main() -> None:
        async with world(lambda cloud: cloud.add(cluster)) as there, looking(there):
            there.watch(cluster)
            await there.until(3000)
            assert [calls(there, each) for each in (MOVES, SAVES, ACTIONS)] == [0, 0, 0]

    run(main())
