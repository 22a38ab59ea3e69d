"""Jobs as functions of time, without any wire."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.simulator import CdmJob, CdmRun, DliJob, DwsJob, State, Step, SubJob, Volume

START = 1_762_228_800.0
LAUNCH = Step("LAUNCHING", 10)
FIRST = SubJob("count", tasks=100, seconds=50)
SECOND = SubJob("save", tasks=40, seconds=20, skipped=10, failed=4, killed={"stage cancelled": 2})


def sql(*script: Step | SubJob, end: str = "FINISHED", cut: float = math.inf) -> DliJob:
    return DliJob("an-id", "orders", START, script, end=end, cut=cut)


@pytest.mark.parametrize(
    ("second", "state", "progress", "completed"),
    [
        pytest.param(5, State.PENDING, 0.0, None, id="launching"),
        pytest.param(35, State.RUNNING, 0.5, 50, id="half of the first sub-job"),
        pytest.param(60, State.RUNNING, 0.0, 100, id="the next sub-job: progress falls back, the sum does not"),
        pytest.param(70, State.RUNNING, 0.375, 115, id="half of the tasks that are not skipped"),
        pytest.param(80, State.SUCCEEDED, 1.0, None, id="the end forgets the sub-jobs"),
    ],
)
def test_a_sql_job_goes_through_its_script(second: int, state: State, progress: float, completed: int | None) -> None:
    truth = sql(LAUNCH, FIRST, SECOND).truth(START + second)
    assert truth is not None
    assert (truth.state, truth.progress, truth.tasks.get("completed")) == (state, progress, completed)


def test_a_job_is_unknown_to_the_world_before_its_submission() -> None:
    assert sql(FIRST).truth(START - 1) is None


def test_a_cut_ends_a_sql_job_in_the_middle_of_its_script() -> None:
    truth = sql(LAUNCH, FIRST, end="CANCELLED", cut=30).truth(START + 30)
    assert truth is not None
    assert (truth.state, truth.ended_at) == (State.CANCELLED, START + 30)


@given(st.floats(min_value=0, max_value=200))
def test_task_counts_never_exceed_the_tasks(second: float) -> None:
    truth = sql(LAUNCH, FIRST, Step("RUNNING", 5), SECOND).truth(START + second)
    assert truth is not None
    tasks = truth.tasks or {"completed": 0, "active": 0, "skipped": 0, "total": 0}
    assert tasks["completed"] + tasks["active"] + tasks["skipped"] <= tasks["total"]


def test_a_task_in_the_queue_has_not_begun() -> None:
    job = DwsJob("an-id", "resize", START, (Step("WAITING", 30), Step("RUNNING", 100, 0.0, 1.0)))
    assert [truth.started_at for t in (0, 29, 30, 131) if (truth := job.truth(START + t))] == [
        None,
        None,
        START + 30,
        START + 30,
    ]


def test_a_task_that_failed_keeps_its_progress() -> None:
    job = DwsJob("an-id", "elb", START, (Step("RUNNING", 10, 0.0, 0.09),), end="FAIL", failed_code="x")
    truth = job.truth(START + 10)
    assert truth is not None
    assert (truth.state, truth.progress, truth.ended_at) == (State.FAILED, 0.09, START + 10)


def migration(*, repeats: bool = True, deletes_itself: bool = False) -> CdmJob:
    steps = (Step("BOOTING", 5, 0.01), Step("RUNNING", 20, 0.0, 1.0))
    run = CdmRun(steps, rest=15, volume=Volume(rows_read=1000, rows_written=1000))
    return CdmJob("a-cluster", "orders", START, (run,), repeats, first_submission=7, deletes_itself=deletes_itself)


@pytest.mark.parametrize(
    ("second", "run", "progress", "rows"),
    [
        pytest.param(0, 7, 0.01, 0, id="booting"),
        pytest.param(15, 7, 0.5, 500, id="half way"),
        pytest.param(39, 7, 1.0, 1000, id="resting"),
        pytest.param(40, 8, 0.01, 0, id="the next run counts anew"),
        pytest.param(40 * 1000 + 10, 1007, 0.25, 250, id="a thousand runs later"),
    ],
)
def test_a_migration_runs_again_and_again(second: int, run: int, progress: float, rows: int) -> None:
    truth = migration().truth(START + second)
    assert (truth.run, truth.progress, truth.counters["write_rows"]) == (run, progress, rows)


def test_a_plan_that_does_not_repeat_stays_at_its_end() -> None:
    truth = migration(repeats=False).truth(START + 10_000)
    assert (truth.run, truth.state, truth.counters["ROWS_READ"]) == (7, State.SUCCEEDED, 1000)
    assert "BYTES_READ" not in truth.counters


def test_a_job_that_deletes_itself_is_gone_when_its_run_is_over() -> None:
    job = migration(repeats=False, deletes_itself=True)
    assert [job.exists(START + second) for second in (0, 24, 25)] == [True, True, False]


def test_the_service_forgets_runs_older_than_thirty_days() -> None:
    runs = list(migration().runs(START + 40 * 86400))
    assert len(runs) == 30 * 86400 // 40 + 1
    assert runs[0].submission > runs[-1].submission > 7


def test_a_job_that_never_ran_is_pending_and_has_no_values() -> None:
    truth = CdmJob("a-cluster", "new", START).truth(START)
    assert (truth.state, truth.status, truth.progress, truth.run) == (State.PENDING, None, None, None)
