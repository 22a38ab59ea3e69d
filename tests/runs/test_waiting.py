"""Since when a run waits, whoever tells it."""

from dataclasses import replace

import pytest

from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State
from exporter.polling.list_merge import ListReport, merged_record, report_of
from exporter.runs import transitions, waiting
from exporter.services.registry import load_services

ADAPTERS = load_services()
WAITS = Snapshot(State.PENDING, "WAITING", RunId("1"))
RUNS = Snapshot(State.RUNNING, "RUNNING", RunId("1"))


def polled(service: str, *answers: Snapshot, record: Record | None = None, at: int = 100) -> Record:
    record = record or Record(Job(JobKey(service, "j"), "p", {}))
    for moment, answer in enumerate(answers, at):
        record = transitions.worked(record, answer, moment, ADAPTERS[service])
    return record


def listed(record: Record, answer: Snapshot, at: float, before: ListReport | None = None) -> Record:
    return merged_record(record, answer, at, ADAPTERS[record.job.key.service], before=before)[0]


def test_a_run_waits_since_the_first_poll_that_saw_it_wait_where_the_cloud_does_not_say() -> None:
    again = replace(WAITS, native_state="INIT")

    assert polled("dws", WAITS).pending_since == 100
    assert polled("dws", WAITS, WAITS, again, replace(again, progress=0.0)).pending_since == 100


def test_a_run_waits_since_it_was_created_where_the_cloud_says_so() -> None:
    waits = Snapshot(State.PENDING, "BOOTING", RunId("", 42.0))

    assert polled("cdm", waits).pending_since == 42
    assert polled("cdm", waits, replace(waits, run=RunId("7", 42.0), native_state="PENDING")).pending_since == 42


def test_a_run_that_was_created_in_the_future_waits_since_it_was_seen() -> None:
    waits = Snapshot(State.PENDING, "BOOTING", RunId("7", 4000.0)).credible(100)

    assert "creation" in waits.unknown
    assert polled("cdm", waits, waits).pending_since == 100
    assert "creation" not in Snapshot(State.RUNNING, "RUNNING", RunId("7", 4000.0)).credible(100).unknown


def test_a_list_that_tells_when_a_job_was_submitted_holds_also_after_answers_that_do_not() -> None:
    waits = Snapshot(State.PENDING, "LAUNCHING", RunId("1", opaque=True))
    told = replace(waits, run=RunId("1", 42.0, opaque=True), start=42.0)

    record = listed(polled("dli", waits), told, 110)
    assert record.pending_since == 42
    assert polled("dli", replace(waits, digest=b"x"), record=record, at=120).pending_since == 42


def test_a_run_that_began_or_ended_waits_no_more() -> None:
    assert polled("dws", WAITS, RUNS).pending_since is None
    assert polled("dws", WAITS, replace(WAITS, state=State.FAILED, native_state="FAIL")).pending_since is None
    assert polled("dws", WAITS, replace(WAITS, state=State.UNKNOWN, native_state="other")).pending_since is None


def test_a_run_that_waits_again_waits_since_then() -> None:
    assert polled("dws", WAITS, RUNS, WAITS).pending_since == 102


def test_the_next_run_waits_for_itself() -> None:
    assert polled("cdm", WAITS, replace(WAITS, run=RunId("2"))).pending_since == 101

    job = Job(JobKey("dws", "j"), "p", {"job_id": "2"})
    record = transitions.next_run(polled("dws", WAITS), job, 2)
    assert record.pending_since is None
    assert polled("dws", replace(WAITS, run=RunId("2")), record=record, at=200).pending_since == 200


@pytest.mark.parametrize("word", ["", "NEW", "NEVER_EXECUTED", "never_executed"])
def test_what_was_never_started_does_not_wait(word: str) -> None:
    assert polled("cdm", Snapshot(State.PENDING, word)).pending_since is None
    assert polled("cdm", Snapshot(State.PENDING, word), Snapshot(State.PENDING, "BOOTING")).pending_since == 101


def test_a_list_alone_shows_that_a_job_begins_or_waits() -> None:
    waits, runs = Snapshot(State.PENDING, "BOOTING"), Snapshot(State.RUNNING, "RUNNING")
    new = Record(Job(JobKey("cdm", "j"), "p", {}))

    first = listed(new, waits, 100)
    assert first.pending_since == 100
    assert listed(first, waits, 110, report_of(waits)).pending_since == 100
    assert listed(first, runs, 110, report_of(waits)).pending_since is None
    assert listed(polled("cdm", waits), runs, 110, report_of(waits)).pending_since is None


def test_the_same_answer_after_a_list_that_said_otherwise_waits_since_then() -> None:
    waits = Snapshot(State.PENDING, "BOOTING", RunId("7"))
    record = polled("cdm", waits)
    assert record.snapshot is not None
    between = listed(record, Snapshot(State.RUNNING, "RUNNING"), 110, report_of(waits))

    assert between.pending_since is None
    assert polled("cdm", record.snapshot, record=between, at=120).pending_since == 120


def test_a_poll_that_failed_says_nothing_of_it_and_a_job_that_is_gone_waits_no_more() -> None:
    record = polled("cdm", replace(WAITS, disposable=True))
    late = transitions.failed(record, Fault(Reason.TIMEOUT, 110, "no"))

    assert late.pending_since == 100
    assert transitions.failed(late, Fault(Reason.NOT_FOUND, 120, "no")).pending_since is None


def test_a_run_that_waits_after_it_began_was_started_again_unless_it_is_an_operation_that_was_paused() -> None:
    begun, waits = Snapshot(State.RUNNING, start=5.0), Snapshot(State.PENDING)

    assert waiting.again(begun, waits)
    assert not waiting.again(waits, waits)
    assert not waiting.again(None, waits)
    assert not waiting.again(begun, Snapshot(State.PENDING, start=5.0))
    assert not waiting.again(begun, Snapshot(State.PENDING, kind="REDISTRIBUTION"))
