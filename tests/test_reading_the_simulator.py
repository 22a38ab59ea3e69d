"""Reading an answer gives back what the simulator meant, for any script and any moment of it."""

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from yarl import URL

from exporter.model.job import Job, JobKey
from exporter.model.snapshot import Measure, Snapshot
from exporter.services.registry import load_services
from exporter.simulator import (
    CdmJob,
    CdmRun,
    Cloud,
    DliJob,
    DwsJob,
    FlinkJob,
    Oddity,
    SparkBatch,
    Step,
    SubJob,
    Truth,
    Volume,
)
from exporter.simulator.answers import Call
from exporter.simulator.gateway import handle
from exporter.simulator.world import SHANGHAI
from tests.known import examples

ADAPTERS = load_services()
SECONDS = st.integers(1, 200).map(float)
RATIOS = st.sampled_from([0.0, 0.25, 0.5, 1.0])
WORDS = {service: st.sampled_from(sorted(adapter.states)) for service, adapter in ADAPTERS.items()}
COUNTS = st.integers(-1, 10**12)
SUBJOBS = st.builds(
    SubJob,
    st.text(max_size=10),
    tasks=st.integers(1, 500),
    seconds=SECONDS,
    skipped=st.just(0),
    failed=st.integers(0, 9),
    killed=st.dictionaries(st.sampled_from(["oom", "stage cancelled"]), st.integers(0, 9), max_size=2),
)
STEPS = st.builds(Step, st.sampled_from(["LAUNCHING", "RUNNING", "SCALING", "SUSPENDED"]), SECONDS, RATIOS)
ENDS = ("SUCCEEDED", "FAILED", "FAILURE_ON_SUBMIT", "STOPPED")
NAMES = {
    "write_rows": "rows_inserted",
    "update_rows": "rows_updated",
    "delete_rows": "rows_deleted",
    "ROWS_READ": "rows_read",
    "ROWS_WRITTEN": "rows_written",
    "ROWS_WRITTEN_SKIPPED": "rows_skipped",
    "BYTES_READ": "read_bytes",
    "BYTES_WRITTEN": "written_bytes",
    "TOTAL_SIZE": "size_bytes",
    "TOTAL_FILES": "files",
    "FILES_READ": "files_read",
    "FILES_WRITTEN": "files_written",
    "FILES_SKIPPED": "files_skipped",
}


def world(elapsed: float) -> Cloud:
    started = 1_760_000_000.0
    now = [started]
    cloud = Cloud(clock=lambda: now[0], wall=lambda: now[0])
    now[0] += elapsed
    return cloud


AnyJob = DliJob | DwsJob | CdmJob | SparkBatch | FlinkJob
KINDS: dict[type, str] = {CdmJob: "cdm", DliJob: "dli", DwsJob: "dws", SparkBatch: "dli_spark", FlinkJob: "dli_flink"}


def asked(cloud: Cloud, job: AnyJob) -> tuple[Snapshot, Truth]:
    service = KINDS[type(job)]
    cloud.add(job)
    target = (
        {"cluster_id": job.cluster_id, "job_name": job.name} if isinstance(job, CdmJob) else {"job_id": str(job.job_id)}
    )
    registered = Job(JobKey(service, job.name), "demo", target)
    path = URL(ADAPTERS[service].request(registered, cloud.project_id).path, encoded=True)
    call = Call("GET", path.raw_path, "", {"host": "x", "x-auth-token": cloud.token}, b"")
    answer, _ = handle(cloud, call)
    truth = cloud.truth(job)
    assert answer.status == 200
    assert truth is not None
    return ADAPTERS[service].parse(answer.body, registered, SHANGHAI), truth


def same(seen: Snapshot, truth: Truth) -> None:
    assert seen.state.value == truth.state.value
    expected = 1.0 if truth.state.value == "succeeded" else truth.progress
    assert seen.progress == (None if expected is None else pytest.approx(expected, abs=1e-9))


@given(
    script=st.lists(STEPS | SUBJOBS, min_size=1, max_size=5),
    end=WORDS["dli"],
    elapsed=st.integers(0, 1200),
    lists_ended=st.booleans(),
)
@examples(2)
def test_a_dli_answer(script: list[Any], end: str, elapsed: int, lists_ended: bool) -> None:
    cloud = world(elapsed)
    job = DliJob("j", "orders", cloud.started, tuple(script), end=end, lists_ended=lists_ended, message="DLI.0999: x")

    seen, truth = asked(cloud, job)

    same(seen, truth)
    tasks = {
        Measure("tasks_planned") if name == "total" else Measure("tasks", name): n for name, n in truth.tasks.items()
    }
    assert {measure: seen.counts.get(measure) for measure in tasks} == tasks
    assert bool(seen.counts) == bool(tasks)
    assert seen.failure_code == ("DLI.0999" if truth.state.value == "failed" and truth.message else seen.failure_code)


@given(
    script=st.lists(st.builds(Step, WORDS["dli_spark"] | st.just("idle"), SECONDS), min_size=1, max_size=4),
    end=WORDS["dli_spark"],
    elapsed=st.integers(0, 900),
    bare=st.booleans(),
)
@examples(2)
def test_a_spark_answer(script: list[Step], end: str, elapsed: int, bare: bool) -> None:
    cloud = world(elapsed)
    job = SparkBatch("b-1", "sessions", cloud.started, tuple(script), end=end, bare=bare)

    seen, truth = asked(cloud, job)

    same(seen, truth)
    assert seen.start == truth.submitted_at
    if elapsed >= sum(step.seconds for step in script) and seen.state.ended:
        assert seen.end == truth.ended_at


FLINK_WORDS = WORDS["dli_flink"].map(str.lower)


@given(
    script=st.lists(st.builds(Step, FLINK_WORDS | st.just("job_rescaling"), SECONDS), min_size=1, max_size=4),
    end=FLINK_WORDS,
    elapsed=st.integers(0, 900),
    every=st.sampled_from([0.0, 20.0]),
    zero=st.booleans(),
)
@examples(2)
def test_a_flink_answer(script: list[Step], end: str, elapsed: int, every: float, zero: bool) -> None:
    cloud = world(elapsed)
    job = FlinkJob(7, "clicks", cloud.started, tuple(script), end=end, restarts_every=every, zero=zero)

    seen, truth = asked(cloud, job)

    same(seen, truth)
    pending = truth.state.value == "pending"
    # a submission that failed began no run: the start beside it may be that of the run before
    began = not pending and truth.status != "job_submit_fail"
    assert seen.start == (truth.started_at if began else None)
    assert seen.counts.get(Measure("restarts")) == (None if pending else truth.counters["restart_times"])


@given(
    script=st.lists(st.builds(Step, WORDS["dws"], SECONDS, RATIOS, RATIOS), min_size=1, max_size=4),
    end=WORDS["dws"],
    elapsed=st.integers(0, 900),
    bare=st.booleans(),
    sql_times=st.booleans(),
)
@examples(2)
def test_a_dws_answer(script: list[Step], end: str, elapsed: int, bare: bool, sql_times: bool) -> None:
    cloud = world(elapsed)
    job = DwsJob("a" * 32, "resize", cloud.started, tuple(script), end=end, bare=bare, sql_times=sql_times)

    seen, truth = asked(cloud, job)

    # the words that only clients know are unknown to the simulator, which has the documented ones alone
    if truth.status not in {"FAILED", "ERROR"}:
        same(seen, truth)
    assert seen.start == truth.started_at
    assert seen.end == (truth.ended_at if seen.state.ended else None)


@given(
    steps=st.lists(
        st.builds(Step, WORDS["cdm"].filter(lambda word: word not in ENDS), SECONDS, RATIOS | st.none(), RATIOS),
        min_size=1,
        max_size=3,
    ),
    end=st.sampled_from(ENDS),
    volume=st.builds(Volume, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, COUNTS, st.none() | COUNTS),
    oddities=st.sets(st.sampled_from(Oddity)).map(frozenset),
    shown=st.integers(1, 4),
    elapsed=st.integers(0, 2000),
)
@examples(3)
def test_a_cdm_answer(
    steps: list[Step], end: str, volume: Volume, oddities: frozenset[Oddity], shown: int, elapsed: int
) -> None:
    cloud = world(elapsed)
    plan = (CdmRun(tuple(steps), end=end, volume=volume),)
    job = CdmJob(cloud.new_uuid(), "订单 a+b", cloud.started, plan, oddities=oddities, shown=shown)

    seen, truth = asked(cloud, job)

    same(seen, truth)
    assert seen.run.id in {str(truth.run), ""}
    assert seen.run.created in {truth.submitted_at, None}
    for name, count in truth.counters.items():
        if Oddity.FEW_FIELDS not in oddities:
            assert seen.counts.get(Measure(NAMES[name])) == count
    assert seen.end == (truth.ended_at if seen.state.ended and seen.end is not None else None)
    assert not math.isnan(seen.progress or 0)
