"""An answer of any size costs a bounded amount: what is beyond a bound is told and counted, never half read."""

import json
from collections.abc import Callable

import pytest

from exporter.model.errors import PollError
from exporter.model.job import Job
from exporter.model.reason import Reason
from exporter.model.snapshot import Measure, Rows, Snapshot
from exporter.services.cdm import CdmPast
from exporter.services.registry import load_services

MakeJob = Callable[..., Job]
MOST_ROWS, MOST_VALUES, MOST_SHOWN = 3000, 100_000, 500


def progress(job: MakeJob, subjobs: int) -> Snapshot:
    rows = [{"status": "RUNNING", "num_tasks": 2}] * subjobs
    body = {"is_success": True, "status": "RUNNING", "progress": 0.5, "sub_jobs": rows}
    return load_services()["dli"].parse(json.dumps(body).encode(), job("dli"), None)


def test_as_many_sub_jobs_as_are_read_are_all_summed(job: MakeJob) -> None:
    answer = progress(job, MOST_ROWS)
    assert answer.counts[Measure("tasks_planned")] == 2 * MOST_ROWS
    assert "sub_jobs" not in answer.unknown


def test_one_sub_job_too_many_is_noted_and_none_is_summed(job: MakeJob) -> None:
    answer = progress(job, MOST_ROWS + 1)
    assert answer.unknown == ("sub_jobs",)
    assert not answer.counts
    assert answer.progress == 0.5


@pytest.mark.parametrize(("subjobs", "left_out"), [(MOST_SHOWN, None), (MOST_SHOWN + 3, 3)])
def test_the_first_sub_jobs_are_shown_and_how_many_more_there_are(
    job: MakeJob, subjobs: int, left_out: int | None
) -> None:
    answer = progress(job, subjobs)
    table = answer.detail["sub_jobs"]
    assert isinstance(table, Rows)
    assert len(table.rows) == MOST_SHOWN
    assert answer.detail.get("sub_jobs_left_out") == left_out
    assert answer.counts[Measure("tasks_planned")] == 2 * subjobs


def values(number: int) -> bytes:
    return json.dumps({"is_success": True, "status": "RUNNING", "more": [0] * number}).encode()


def test_an_answer_of_more_values_than_are_read_is_a_failed_poll(job: MakeJob) -> None:
    with pytest.raises(PollError) as caught:
        load_services()["dli"].parse(values(MOST_VALUES), job("dli"), None)
    assert caught.value.reason is Reason.PAYLOAD
    assert load_services()["dli"].parse(values(MOST_VALUES - 10), job("dli"), None).native_state == "RUNNING"


def test_a_long_text_is_one_value_whatever_stands_in_it(job: MakeJob) -> None:
    body = {"is_success": True, "status": "RUNNING", "statement": 'a, "b" [{\\' * MOST_VALUES}
    assert load_services()["dli"].parse(json.dumps(body).encode(), job("dli"), None).native_state == "RUNNING"


@pytest.mark.parametrize("row", [{}, {"status": "SUCCEEDED"}])
def test_a_history_of_more_runs_than_are_read_is_a_failure(job: MakeJob, row: dict[str, str]) -> None:
    def page(rows: int) -> bytes:
        return json.dumps({"submissions": [row] * rows, "total": rows}).encode()

    with pytest.raises(PollError) as caught:
        CdmPast().parse(page(MOST_ROWS + 1), job("cdm"))
    assert caught.value.reason is Reason.PAYLOAD
    assert len(CdmPast().parse(page(MOST_ROWS), job("cdm")).runs) == MOST_ROWS
