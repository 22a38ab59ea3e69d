"""The demo's population: what somebody who looks at it sees."""

import json
from collections.abc import Iterable

import pytest

from exporter.simulator import Cloud, Job, State, announcement, populate
from exporter.simulator.answers import Call
from exporter.simulator.gateway import handle

START = 1_762_228_800.0


def demo() -> Cloud:
    cloud = Cloud(clock=lambda: START)
    populate(cloud)
    return cloud


def states(jobs: Iterable[Job], seconds: Iterable[int]) -> set[State]:
    return {truth.state for second in seconds for job in jobs if (truth := job.truth(START + second)) is not None}


@pytest.mark.parametrize("service", ["dli", "dws", "cdm"])
def test_within_ninety_seconds_every_service_shows_all_six_states(service: str) -> None:
    # a waiting job may be polled every five seconds only, and the first poll may be late
    assert states(getattr(demo(), service).values(), range(4, 91, 5)) == set(State)


@pytest.mark.parametrize("service", ["dli", "dws", "cdm"])
def test_every_moment_of_the_first_ten_minutes_has_jobs_that_run_and_jobs_that_wait(service: str) -> None:
    jobs = getattr(demo(), service).values()
    assert all({State.RUNNING, State.PENDING} <= states(jobs, [second]) for second in range(0, 601, 3))


def test_the_demo_speaks_every_word_of_the_vendor() -> None:
    cloud = demo()
    jobs: list[Job] = [*cloud.dli.values(), *cloud.dws.values(), *cloud.cdm.values()]
    words = {truth.status for second in range(90) for job in jobs if (truth := job.truth(START + second))}
    assert words - {None} == {
        *("LAUNCHING", "RUNNING", "SCALING", "SUSPENDED", "FINISHED", "FAILED", "CANCELLED"),
        *("INIT", "WAITING", "DELAY_SCHEDULED", "ROLLBACKING", "FAIL", "SUCCESS", "STOP"),
        *("NEVER_EXECUTED", "PENDING", "BOOTING", "SUCCEEDED", "FAILURE_ON_SUBMIT", "STOPPED", "UNKNOWN"),
    }


def test_a_spark_batch_dies_one_succeeds_and_others_run_and_wait() -> None:
    jobs = demo().spark.values()
    last = {job.name: truth.status for job in jobs if (truth := job.truth(START + 90)) is not None}
    assert sorted(status or "" for status in last.values()) == ["dead", "running", "starting", "success"]
    died = next(job for job in jobs if job.end == "dead")
    seen = [truth.status for second in range(0, 90, 5) if (truth := died.truth(START + second)) is not None]
    assert list(dict.fromkeys(seen)) == ["starting", "running", "recovering", "dead"]


def test_a_flink_job_restarts_one_breaks_one_runs_for_days_and_one_is_a_draft() -> None:
    jobs = demo().flink
    last = {number: truth for number, job in jobs.items() if (truth := job.truth(START + 90)) is not None}
    words = {number: truth.status for number, truth in last.items()}
    assert words == {50320: "job_running", 50321: "job_running", 50322: "job_running_exception", 50323: "job_init"}
    assert [truth.counters["restart_times"] for truth in last.values()] == [3, 0, 0, 0]


def test_a_dataarts_job_that_starts_others_is_late_once_one_fails_and_one_is_stopped() -> None:
    jobs = {job.name: job for job in demo().factory.values()}
    orders = jobs["orders_every_four_minutes"]
    assert [node.kind for node in orders.nodes if node.kind != "Dummy"] == ["CDMJob", "DLISQL"]
    runs = [orders.instance(number) for number in range(6)]
    assert [run.started_at - run.planned_at for run in runs] == [5, 45, 0, 0, 0, 0]
    truths = {name: truth for name, job in jobs.items() if (truth := job.truth(START + 60)) is not None}
    assert {name: truth.status for name, truth in truths.items()} == {
        "orders_every_four_minutes": "running",
        "refund_report": "fail",
        "legacy_customer_sync": "success",
        "month_end_close": "waiting",
    }
    assert jobs["legacy_customer_sync"].schedule == "STOPPED"


def test_the_announcement_names_every_job_and_the_keys() -> None:
    said = announcement(demo(), "http://127.0.0.1:1")
    services = [job["service"] for job in said["jobs"]]
    assert len(services) >= 15
    assert set(services) == {"dli", "dws", "cdm", "dli_spark", "dli_flink", "dataarts"}
    assert {"url", "region", "project_id", "access_key", "secret_key", "token"} <= set(said)


def test_the_same_seed_gives_the_same_cloud() -> None:
    assert announcement(demo(), "u") == announcement(demo(), "u")


def test_a_client_that_polls_politely_sees_every_sql_state_in_spite_of_the_faults() -> None:
    now = START
    cloud = Cloud(clock=lambda: now, wall=lambda: now)
    populate(cloud)
    words: set[str] = set()
    statuses: set[int] = set()
    for _ in range(45):
        for job_id in cloud.dli:
            path = f"/v1/{cloud.project_id}/jobs/{job_id}/progress"
            answer, _ = handle(cloud, Call("GET", path, headers={"x-auth-token": cloud.token}))
            statuses.add(answer.status)
            words.add(json.loads(answer.body).get("status", "none"))
        now += 2
    assert {"LAUNCHING", "RUNNING", "SCALING", "SUSPENDED", "FINISHED", "FAILED", "CANCELLED"} <= words
    assert {200, 429} <= statuses
