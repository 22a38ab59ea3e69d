"""Whole-database migrations: what is told of their tables, in both forms, and nothing that nobody says."""

import json
from typing import Any

import pytest

from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.snapshot import Measure, Rows, Snapshot, State
from exporter.services.registry import load_services

CDM = load_services()["cdm"]
JOB = Job(JobKey("cdm", "mig_all"), "demo", {"cluster_id": "c", "job_name": "mig_all"})
AT = 1_772_619_300_000


def row(name: str | None, status: str, number: int, **fields: Any) -> dict[str, Any]:
    named = {} if name is None else {"job-name": name}
    return {**named, "status": status, "submission-id": number, "creation-date": AT + 1000 * number, **fields}


def moved(read: int, written: int) -> dict[str, Any]:
    counters = {"ROWS_READ": read, "ROWS_WRITTEN": written}
    return {"counters": {"org.apache.sqoop.submission.counter.SqoopCounters": counters}}


def read(*rows: dict[str, Any]) -> Snapshot:
    return CDM.parse(json.dumps({"submissions": rows}).encode(), JOB, None)


def states(answer: Snapshot) -> dict[str, float]:
    return {each.label: number for each, number in answer.counts.items() if each.name == "subjobs" and number}


def test_a_table_that_failed_shows_whatever_the_parent_says_of_itself() -> None:
    answer = read(
        row("mig_all", "SUCCEEDED", 1, **moved(90, 80)),
        row("mig_all_ORDERS", "SUCCEEDED", 2, **moved(40, 40)),
        row("mig_all_USERS", "FAILED", 3, **{"error-summary": "Cdm.0901 : no connection"}),
        row("mig_all_ITEMS", "RUNNING", 4, progress=64.5),
    )

    assert (answer.state, answer.run.id, answer.failure_code) == (State.SUCCEEDED, "1", None)
    assert states(answer) == {"succeeded": 1, "failed": 1, "running": 1}
    assert answer.counts[Measure("rows_read")] == 90, "what the parent says counts"
    parts = answer.detail["sub_jobs"]
    assert isinstance(parts, Rows)
    assert parts.dicts() == [
        {"name": "mig_all_ITEMS", "status": "RUNNING", "progress": 0.645},
        {"name": "mig_all_ORDERS", "status": "SUCCEEDED", "progress": 1.0, "rows_read": 40, "rows_written": 40},
        {"name": "mig_all_USERS", "status": "FAILED", "failure_code": "Cdm.0901"},
    ]
    assert answer.unknown == ()


def test_numbers_are_added_up_if_all_tables_tell_them_and_the_parent_none() -> None:
    tables = [row("mig_all_A", "SUCCEEDED", 2, **moved(40, 39)), row("mig_all_B", "SUCCEEDED", 3, **moved(2, 1))]
    answer = read(row("mig_all", "RUNNING", 1), *tables)
    assert (answer.counts[Measure("rows_read")], answer.counts[Measure("rows_written")]) == (42, 40)
    some = read(row("mig_all", "RUNNING", 1), *tables, row("mig_all_C", "RUNNING", 4))
    assert Measure("rows_read") not in some.counts


def test_of_a_table_the_newest_run_counts_and_none_of_a_run_before_the_parents() -> None:
    answer = read(
        row("mig_all_A", "FAILED", 1),
        row("mig_all_B", "FAILED", 2),
        row("mig_all", "RUNNING", 3),
        row("mig_all_A", "FAILED", 4),
        row("mig_all_A", "SUCCEEDED", 5),
    )
    assert states(answer) == {"succeeded": 1}


@pytest.mark.parametrize(
    ("words", "state"),
    [
        (["SUCCEEDED", "RUNNING", "FAILED"], State.RUNNING),
        (["SUCCEEDED", "BOOTING", "FAILED"], State.PENDING),
        (["SUCCEEDED", "FAILED"], State.FAILED),
        (["SUCCEEDED", "STOPPED"], State.CANCELLED),
        (["SUCCEEDED", "SUCCEEDED"], State.UNKNOWN),
        (["SUCCEEDED", "ODD"], State.UNKNOWN),
    ],
)
def test_without_a_run_of_the_parent_its_tables_say_what_is_known_and_never_that_it_succeeded(
    words: list[str], state: State
) -> None:
    answer = read(*(row(f"mig_all_T{number}", word, number) for number, word in enumerate(words)))
    assert answer.state is state
    assert sum(states(answer).values()) == len(words)
    assert (answer.failure_code is None) == (state is not State.FAILED)


def test_a_job_of_another_name_is_no_table_and_counts_for_nothing() -> None:
    answer = read(row("mig_all", "RUNNING", 1), row("mig", "FAILED", 2), row("mig_allORDERS", "FAILED", 3))
    assert (answer.state, states(answer)) == (State.RUNNING, {})
    assert answer.unknown == ("submissions.job-name",)
    with pytest.raises(PollError, match="another job"):
        read(row("mig_all2_X", "RUNNING", 1))
    with pytest.raises(PollError, match="another job"):
        read(row("mig_all_", "RUNNING", 1))


def test_an_ordinary_job_tells_of_no_tables() -> None:
    for answer in (read(row("mig_all", "RUNNING", 1)), read(row(None, "SUCCEEDED", 1))):
        assert not states(answer)
        assert "sub_jobs" not in answer.detail
