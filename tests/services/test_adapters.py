"""Every sample answer becomes the snapshot it should; every odd value costs only itself."""

import json
import re
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from zoneinfo import ZoneInfo

import pytest

from exporter.model.errors import PollError
from exporter.model.job import Job
from exporter.model.reason import Reason
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State, complaint
from exporter.services.registry import load_services

ADAPTERS = load_services()
MakeJob = Callable[..., Job]
SHANGHAI = ZoneInfo("Asia/Shanghai")


def read(service: str, body: bytes | object, job: MakeJob, zone: ZoneInfo | None = None) -> Snapshot:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    asked = job(service)
    return ADAPTERS[service].parse(raw, replace(asked, target={**asked.target, **named(raw)}), zone)


def named(body: bytes) -> dict[str, str]:
    """Return which job a sample is of: it is read as if that one had been asked for."""
    found = re.search(rb'"job(?:_id|-name)":\s*"([^"]*)"', body)
    return {} if found is None else dict.fromkeys(("job_id", "job_name"), found[1].decode())


def dli(**fields: object) -> dict[str, object]:
    return {"is_success": True, "message": "", "status": "RUNNING", **fields}


IDS = count()


def subjob(**fields: object) -> dict[str, object]:
    names: tuple[str, ...] = (
        "tasks",
        "active_tasks",
        "completed_tasks",
        "skipped_tasks",
        "failed_tasks",
        "killed_tasks",
    )
    names += ("completed_indices", "active_stages", "completed_stages", "skipped_stages", "failed_stages")
    return {"id": next(IDS), "status": "RUNNING", **{f"num_{name}": 1 for name in names}, **fields}


def cdm(**fields: object) -> dict[str, object]:
    dashed = {name.replace("__", "-"): value for name, value in fields.items()}
    return {"submissions": [{"status": "RUNNING", "submission-id": 7, "creation-date": 1709597421000, **dashed}]}


@pytest.mark.parametrize(
    ("name", "state", "native", "progress"),
    [
        ("dli/progress_launching.json", State.PENDING, "LAUNCHING", 0),
        ("dli/progress_running_one_subjob.json", State.RUNNING, "RUNNING", 0.37),
        ("dli/progress_running_going_back.json", State.RUNNING, "RUNNING", 0.02),
        ("dli/progress_running_between_subjobs.json", State.RUNNING, "RUNNING", 0),
        ("dli/progress_scaling.json", State.RUNNING, "SCALING", 0),
        ("dli/progress_finished.json", State.SUCCEEDED, "FINISHED", 1),
        ("dli/progress_finished_no_job_id.json", State.SUCCEEDED, "FINISHED", 1),
        ("dli/progress_failed.json", State.FAILED, "FAILED", 0),
        ("dli/progress_cancelled.json", State.CANCELLED, "CANCELLED", None),
        ("dli/progress_minimal.json", State.RUNNING, "RUNNING", None),
        ("dli/progress_unknown_status.json", State.UNKNOWN, "other", 0.4),
        ("dli/progress_unknown_extra_fields.json", State.RUNNING, "RUNNING", 0.2),
        ("dli/progress_bad_time_text.json", State.RUNNING, "RUNNING", 0.5),
        ("dws/job_running.json", State.RUNNING, "RUNNING", 0.45),
        ("dws/job_running_absent_fields.json", State.RUNNING, "RUNNING", 0.45),
        ("dws/job_success.json", State.SUCCEEDED, "SUCCESS", 1),
        ("dws/job_fail_elb.json", State.FAILED, "FAIL", 0.09),
        ("dws/job_init.json", State.PENDING, "INIT", 0),
        ("dws/job_waiting.json", State.PENDING, "WAITING", 0),
        ("dws/job_delay_scheduled.json", State.PENDING, "DELAY_SCHEDULED", 0),
        ("dws/job_unknown_status.json", State.UNKNOWN, "other", 0.45),
        ("dws/job_progress_empty_string.json", State.RUNNING, "RUNNING", None),
        ("dws/job_progress_null.json", State.RUNNING, "RUNNING", None),
        ("dws/job_progress_no_percent_sign.json", State.RUNNING, "RUNNING", 0.45),
        ("dws/job_times_sql_format.json", State.RUNNING, "RUNNING", 0.45),
        ("dws/job_extra_fields.json", State.RUNNING, "RUNNING", 0.45),
        ("dws/job_minimal.json", State.RUNNING, "RUNNING", None),
        ("cdm/status_booting_minimal.json", State.PENDING, "BOOTING", 0.01),
        ("cdm/status_running_percent.json", State.RUNNING, "RUNNING", 0.425),
        ("cdm/status_running_incrementing.json", State.RUNNING, "RUNNING", 1),
        ("cdm/status_succeeded_files.json", State.SUCCEEDED, "SUCCEEDED", 1),
        ("cdm/status_succeeded_no_counters.json", State.SUCCEEDED, "SUCCEEDED", 1),
        ("cdm/status_succeeded_counters_null.json", State.SUCCEEDED, "SUCCEEDED", 1),
        ("cdm/status_failed.json", State.FAILED, "FAILED", None),
        ("cdm/status_failure_on_submit.json", State.FAILED, "FAILURE_ON_SUBMIT", None),
        ("cdm/status_unknown.json", State.UNKNOWN, "UNKNOWN", None),
        ("cdm/status_stopped_value.json", State.CANCELLED, "STOPPED", None),
        ("cdm/status_unexpected_value.json", State.UNKNOWN, "other", 0),
        ("cdm/status_empty_submissions.json", State.PENDING, "", None),
        ("cdm/status_typo_user.json", State.RUNNING, "RUNNING", 0),
        ("cdm/status_null_fields.json", State.RUNNING, "RUNNING", None),
        ("cdm/status_extra_fields.json", State.RUNNING, "RUNNING", 0.2),
        ("cdm/status_chinese_name.json", State.RUNNING, "RUNNING", 0.05),
    ],
)
def test_a_sample_answer_becomes_its_state_and_progress(
    name: str, state: State, native: str, progress: float | None, payload: Callable[[str], bytes], job: MakeJob
) -> None:
    seen = read(name.split("/")[0], payload(name), job)

    assert (seen.state, seen.native_state, seen.progress) == (state, native, progress)


@pytest.mark.parametrize(
    ("name", "fields"),
    [
        ("dli/progress_unknown_status.json", ("status",)),
        ("dli/progress_bad_time_text.json", ("sub_jobs.submission_time",)),
        ("dws/job_unknown_status.json", ("status",)),
        ("cdm/status_unexpected_value.json", ("status",)),
        ("cdm/status_unknown.json", ()),
        ("dws/job_progress_empty_string.json", ()),
        ("cdm/status_failed.json", ()),
    ],
)
def test_what_cannot_be_read_is_noted_and_what_is_not_said_is_not(
    name: str, fields: tuple[str, ...], payload: Callable[[str], bytes], job: MakeJob
) -> None:
    assert read(name.split("/")[0], payload(name), job).unknown == fields


def test_vendor_words_are_compared_without_regard_to_case(job: MakeJob) -> None:
    for service in ("dli", "dws", "cdm"):
        for word, state in ADAPTERS[service].states.items():
            body = cdm(status=word.title()) if service == "cdm" else {"status": word.title()}
            seen = read(service, body, job)

            assert (seen.state, seen.native_state) == (state, word.title())


@pytest.mark.parametrize(
    "value",
    [-0.1, -0.0, "-0.0", 1.01, "-1", -1, "NaN", float("nan"), float("inf"), "1e999", [1], {}, True, "1_0", "half"],
)
def test_a_progress_outside_its_scale_is_absent_and_noted(value: object, job: MakeJob) -> None:
    seen = read("dli", dli(progress=value), job)

    assert (seen.progress, seen.unknown) == (None, ("progress",))


@pytest.mark.parametrize("value", [None, "", "N/A", " ", " N/A "])
def test_a_progress_that_is_not_said_is_absent_and_not_noted(value: object, job: MakeJob) -> None:
    for service, body in (
        ("dli", dli(progress=value)),
        ("dws", {"status": "RUNNING", "progress": value}),
        ("cdm", cdm(progress=value)),
    ):
        seen = read(service, body, job)

        assert (seen.progress, seen.unknown) == (None, ())


@pytest.mark.parametrize(
    ("value", "ratio", "noted"),
    [
        ("9%", 0.09, 0),
        ("9 %", 0.09, 0),
        ("100%", 1, 0),
        (9, 0.09, 0),
        ("0.5%", 0.005, 0),
        ("950%", None, 1),
        ("%", None, 1),
        ("9%%", None, 1),
    ],
)
def test_dws_progress_is_a_percentage_with_or_without_its_sign(
    value: object, ratio: float | None, noted: int, job: MakeJob
) -> None:
    seen = read("dws", {"status": "RUNNING", "progress": value}, job)

    assert (seen.progress, len(seen.unknown)) == (ratio, noted)


def test_cdm_progress_is_on_the_scale_to_100_and_never_guessed_from_the_value(job: MakeJob) -> None:
    assert read("cdm", cdm(progress=0.75), job).progress == 0.0075
    assert read("cdm", cdm(progress="-1.0"), job).progress is None
    assert read("cdm", cdm(progress=-2), job).unknown == ("progress",)


def test_a_run_that_succeeded_is_complete_whatever_figure_came_last(job: MakeJob) -> None:
    assert read("dli", dli(status="FINISHED", progress=0.2), job).progress == 1
    assert read("dws", {"status": "SUCCESS", "progress": "97%"}, job).progress == 1
    assert read("cdm", cdm(status="SUCCEEDED", progress=0), job).progress == 1


def test_dli_sums_the_numbers_of_all_subjobs(job: MakeJob) -> None:
    body = dli(sub_jobs=[subjob(num_tasks="10", num_failed_tasks=2), subjob(num_tasks=5, status="succeeded")])

    counts = read("dli", body, job).counts

    assert counts[Measure("tasks_planned")] == 15
    assert counts[Measure("tasks", "failed")] == 3
    assert counts[Measure("subjobs", "running")] == counts[Measure("subjobs", "succeeded")] == 1
    assert counts[Measure("subjobs", "failed")] == 0


@pytest.mark.parametrize("bad", [{"num_failed_tasks": None}, {"num_failed_tasks": -1}, {"num_failed_tasks": "many"}])
def test_a_sum_is_absent_if_one_subjob_lacks_the_number(bad: dict[str, object], job: MakeJob) -> None:
    counts = read("dli", dli(sub_jobs=[subjob(), subjob(**bad)]), job).counts

    assert Measure("tasks", "failed") not in counts
    assert counts[Measure("tasks", "active")] == 2


def test_a_subjob_that_is_no_object_makes_every_sum_absent(job: MakeJob) -> None:
    seen = read("dli", dli(sub_jobs=[subjob(), "lost"]), job)

    assert (seen.counts, seen.unknown) == ({}, ("sub_jobs",))


def test_a_subjob_that_is_told_twice_is_summed_once(job: MakeJob) -> None:
    one = subjob(num_tasks=10)
    seen = read("dli", dli(sub_jobs=[one, subjob(num_tasks=5), one]), job)

    assert (seen.counts[Measure("tasks_planned")], seen.counts[Measure("subjobs", "running")]) == (15, 2)
    assert (len(seen.detail_json()["sub_jobs"]), seen.unknown) == (2, ())


def test_two_subjobs_that_differ_and_have_one_id_make_every_sum_absent(job: MakeJob) -> None:
    seen = read("dli", dli(sub_jobs=[subjob(id=7, num_tasks=10), subjob(id=7, num_tasks=11)]), job)

    assert (seen.counts, seen.unknown) == ({}, ("sub_jobs.id",))


def test_a_subjob_of_another_job_is_not_summed_and_noted(job: MakeJob) -> None:
    mine, other = subjob(num_tasks=10, job_group="j-1"), subjob(num_tasks=5, job_group="j-2")
    seen = read("dli", dli(sub_jobs=[other, mine, subjob(num_tasks=1)]), job)

    assert (seen.counts[Measure("tasks_planned")], seen.unknown) == (11, ("sub_jobs.job_group",))
    assert len(seen.detail_json()["sub_jobs"]) == 2


def test_killed_tasks_are_the_ten_greatest_reasons_and_the_rest(job: MakeJob) -> None:
    summary = {f"reason {number:02}": number for number in range(1, 14)}
    body = dli(sub_jobs=[subjob(killed_tasks_summary=summary), subjob(num_killed_tasks=0)])

    killed = {each.label: value for each, value in read("dli", body, job).counts.items() if each.name == "killed_tasks"}

    assert killed == {**{f"reason {number:02}": number for number in range(4, 14)}, "other": 1 + 2 + 3}


def test_killed_reasons_tie_by_name_and_are_cut_at_100_characters(job: MakeJob) -> None:
    summary = {**dict.fromkeys("lkjihgfedcba", 1), "x" * 150: 9, "x" * 120: 1}

    counts = read("dli", dli(sub_jobs=[subjob(killed_tasks_summary=summary)]), job).counts
    killed = {each.label: value for each, value in counts.items() if each.name == "killed_tasks"}

    same = read(
        "dli", dli(sub_jobs=[subjob(killed_tasks_summary={"": 3, "other": 2, " oom": 1, "oom": 2})]), job
    ).counts

    assert same[Measure("killed_tasks", "other")] == 5
    assert same[Measure("killed_tasks", "oom")] == 3
    assert killed == {"x" * 100: 10, **dict.fromkeys("abcdefghi", 1), "other": 3}


def test_killed_tasks_are_absent_if_a_subjob_with_killed_tasks_gives_no_summary(job: MakeJob) -> None:
    body = dli(sub_jobs=[subjob(killed_tasks_summary={"oom": 1}), subjob(num_killed_tasks=2)])

    assert not [each for each in read("dli", body, job).counts if each.name == "killed_tasks"]


def test_dli_subjob_times_need_a_zone_unless_they_name_one(job: MakeJob) -> None:
    times = ["Tue Mar 05 08:10:41 CST 2024", "Tue Mar 05 00:10:41 UTC 2024", "Tue Mar 05 08:10:41 GMT+08:00 2024"]
    body = dli(sub_jobs=[subjob(submission_time=time) for time in times])

    def seconds(zone: ZoneInfo | None) -> list[object]:
        return [
            each.get("submission_timestamp_seconds") for each in read("dli", body, job, zone).detail_json()["sub_jobs"]
        ]

    assert seconds(None) == [None, 1709597441.0, 1709597441.0]
    assert seconds(SHANGHAI) == [1709597441.0] * 3


def test_dws_times_need_the_projects_zone(payload: Callable[[str], bytes], job: MakeJob) -> None:
    body = payload("dws/job_success.json")

    without, within = read("dws", body, job), read("dws", body, job, SHANGHAI)

    assert (without.start, without.end, without.unknown) == (None, None, ())
    assert (within.start, within.end) == (1709597400, 1709598097)


@pytest.mark.parametrize(
    ("text", "seconds", "noted"),
    [
        ("2024-03-05T08:10:00Z", 1709626200, 0),
        ("2024-03-05T08:10:00+08:00", 1709597400, 0),
        ("2024-03-05 08:10:00.0", 1709622600, 0),
        ("2024-10-27T02:30:00", None, 0),
        ("2024-03-31T02:30:00", None, 0),
        ("2024-13-05T08:10:00", None, 1),
        ("20240305", None, 1),
        ("1709597400000", 1709597400, 0),
        (1709597400758, 1709597400.758, 0),
        ("2023-10-15T10:17:00.758GMT", 1697365020.758, 0),
        ("2023-10-15 10:17:00 UTC", 1697365020, 0),
        ("2023-10-15T10:17:00GMT+02:00", 1697357820, 0),
        ("2023-10-15T10:17:00 CEST", 1697357820, 0),
        ("2024-10-27T02:30:00 CET", 1729992600, 0),
        ("2023-10-15T10:17:00 CST", None, 1),
        ("1970-01-01T00:00:00Z", None, 0),
        ("1970-01-01T00:00:00", None, 0),
        ("0", None, 0),
        (0, None, 0),
        (1709597400, None, 1),
        ("2009-12-31T23:59:59Z", None, 1),
        ("2009-06-01T00:00:00", None, 1),
        ("0001-01-01T00:00:00", None, 1),
        ("yesterday", None, 1),
    ],
)
def test_a_dws_time_is_read_where_it_is_clear_and_never_guessed(
    text: str | int, seconds: float | None, noted: int, job: MakeJob
) -> None:
    seen = read("dws", {"status": "RUNNING", "begin_time": text}, job, ZoneInfo("Europe/Berlin"))

    assert (seen.start, len(seen.unknown)) == (seconds, noted)


def test_the_newest_submission_counts_by_date_then_id_then_place(job: MakeJob) -> None:
    def newest(*runs: tuple[object, object]) -> str:
        submissions = [{"creation-date": date, "submission-id": number, "status": "RUNNING"} for date, number in runs]
        return read("cdm", {"submissions": submissions}, job).run.id

    old, new = 1709597421000, 1709597422000
    assert newest((old, 9), (str(new), 1), (None, 50)) == "1"
    assert newest((new, 3), (new, "12"), (old, 99)) == "12"
    assert newest((new, None), (new, None)) == ""
    assert newest((old // 1000, 1), (new // 1000, 2), (0, 3)) == "3"


def test_cdm_counters_say_minus_one_for_what_does_not_apply(job: MakeJob) -> None:
    counters = {
        "ROWS_READ": "10",
        "ROWS_WRITTEN": 8,
        "BYTES_READ": -1,
        "FILES_READ": "-1",
        "TOTAL_SIZE": -5,
        "TOTAL_FILES": None,
    }
    body = cdm(
        status="SUCCEEDED", counters={"org.apache.sqoop.submission.counter.SqoopCounters": counters}, write_rows=3
    )

    seen = read("cdm", body, job)

    assert seen.counts == {Measure("rows_inserted"): 3, Measure("rows_read"): 10, Measure("rows_written"): 8}
    assert seen.unknown == ("counters.TOTAL_SIZE",)


@pytest.mark.parametrize(
    ("status", "end", "updated"), [("RUNNING", None, 1709597488.0), ("FAILED", 1709597488.0, None)]
)
def test_the_last_update_of_a_cdm_run_is_its_end_once_it_ended(
    status: str, end: float | None, updated: float | None, job: MakeJob
) -> None:
    seen = read("cdm", cdm(**{"status": status, "last-update-date": 1709597488000}), job)
    assert (seen.end, seen.updated) == (end, updated)


def test_cdm_times_come_as_number_or_text(job: MakeJob) -> None:
    body = cdm(status="FAILED", execute__date="1709597422000", last__update__date=1709597488000)

    seen = read("cdm", body, job)

    assert (seen.start, seen.end) == (1709597422.0, 1709597488.0)
    assert read("cdm", cdm(last__update__date=1709597488000), job).end is None
    assert read("cdm", cdm(), job).start == 1709597421.0


def test_both_spellings_of_the_user_key_are_read(job: MakeJob) -> None:
    assert read("cdm", cdm(**{"last-udpate-user": "ann"}), job).detail["last_update_user"] == "ann"
    assert read("cdm", cdm(**{"last-update-user": "bea"}), job).detail["last_update_user"] == "bea"


def test_a_stopping_flag_may_be_text_or_flag(job: MakeJob) -> None:
    assert read("cdm", cdm(isStopingIncrement="true"), job).detail["is_stoping_increment"] == "true"
    assert read("cdm", cdm(isStopingIncrement=False), job).detail["is_stoping_increment"] == "false"
    assert "is_stoping_increment" not in read("cdm", cdm(isStopingIncrement=""), job).detail


@pytest.mark.parametrize(
    ("service", "body", "code"),
    [
        ("dli", dli(status="FAILED", message="DLI.0999: SparkException"), "DLI.0999"),
        ("dli", dli(status="FAILED", message="out of memory"), "other"),
        ("dli", dli(status="RUNNING", message="DLI.0999: a warning"), None),
        ("dws", {"status": "FAIL", "failed_code": "CreateELBTask-fail:DWS.0114"}, "DWS.0114"),
        ("dws", {"status": "FAIL"}, "other"),
        ("cdm", cdm(status="FAILED", **{"error-summary": "x Cdm.0901 y APIGW.0301"}), "Cdm.0901"),
        ("cdm", cdm(status="FAILURE_ON_SUBMIT"), "other"),
        ("cdm", cdm(status="STOPPED"), None),
        ("dws", {"status": "FAIL", "failed_code": "not found: DWS.20240101_orders"}, "other"),
        ("dli", dli(status="FAILED", message="Table db.DWS.2024 of /data/DLI.0001/part, x-DLI.0999.csv"), "other"),
        ("dli", dli(status="FAILED", message="看DLI.0999：失败"), "DLI.0999"),
        ("dli", dli(status="FAILED", message="[DLI.0999]. See DLI.0001."), "DLI.0999"),
        ("cdm", cdm(status="FAILED", **{"error-summary": "Cdm.0901.", "error-details": "at Cdm.0100"}), "Cdm.0901"),
    ],
)
def test_a_failed_run_is_named_by_the_vendors_code(service: str, body: object, code: str | None, job: MakeJob) -> None:
    assert read(service, body, job).failure_code == code


def test_a_run_is_told_by_its_id_else_by_when_it_was_created(job: MakeJob) -> None:
    assert read("dli", dli(), job).run == RunId("j-1")
    assert read("cdm", cdm(), job).run == RunId("7", 1709597421.0)
    assert RunId("", 1709597421.0).same(RunId("7", 1709597421.0))
    assert RunId("", 1709597421.0).label == "1709597421000"
    assert not RunId().same(RunId())


@pytest.mark.parametrize(
    ("service", "body", "reason", "code"),
    [
        ("dli", {"is_success": False, "message": "no"}, Reason.API, ""),
        ("dli", {"is_success": "false", "message": "DLI.0015: token"}, Reason.AUTH, "DLI.0015"),
        ("dli", {"is_success": False, "message": '{"error_code":"DLI.0999"}'}, Reason.SERVER, "DLI.0999"),
        ("dli", {"is_success": True, "message": ""}, Reason.PAYLOAD, ""),
        ("dli", {"error_code": "DLI.0023", "error_msg": "gone"}, Reason.NOT_FOUND, "DLI.0023"),
        ("dli", {"is_success": True, "status": 5}, Reason.PAYLOAD, ""),
        ("dli", {"is_success": True, "status": "N/A"}, Reason.PAYLOAD, ""),
        ("dws", {}, Reason.PAYLOAD, ""),
        ("dws", {"error_code": "DWS.0000"}, Reason.PAYLOAD, ""),
        ("dws", {"error_code": "DWS.0047", "status": "RUNNING"}, Reason.NOT_FOUND, "DWS.0047"),
        ("dws", {"errCode": "DWS.4711", "status": "RUNNING"}, Reason.API, "DWS.4711"),
        ("cdm", {}, Reason.PAYLOAD, ""),
        ("cdm", {"errCode": "Cdm.0100"}, Reason.NOT_FOUND, "Cdm.0100"),
        ("cdm", {"submissions": None, "errCode": "Cdm.0100"}, Reason.NOT_FOUND, "Cdm.0100"),
        ("cdm", {"submissions": [], "errCode": "Cdm.0032"}, Reason.PERMISSION, "Cdm.0032"),
        ("cdm", {"submissions": {"status": "RUNNING"}}, Reason.PAYLOAD, ""),
        ("cdm", {"submissions": ["RUNNING"]}, Reason.PAYLOAD, ""),
        ("cdm", cdm(status=None), Reason.PAYLOAD, ""),
        ("cdm", [], Reason.PAYLOAD, ""),
        ("dws", b"<html>", Reason.PAYLOAD, ""),
        ("dws", b"", Reason.PAYLOAD, ""),
        ("dws", b"[" * 100_000, Reason.PAYLOAD, ""),
        ("dws", b'{"status": ' + b"9" * 5000 + b"}", Reason.PAYLOAD, ""),
        ("dws", b'{"status": "RUN', Reason.PAYLOAD, ""),
    ],
)
def test_a_200_answer_that_is_no_answer_is_a_failure(
    service: str, body: object, reason: Reason, code: str, job: MakeJob
) -> None:
    with pytest.raises(PollError) as caught:
        read(service, body, job)

    assert (caught.value.reason, caught.value.code) == (reason, code)


def test_with_a_status_dlis_is_success_does_not_count(job: MakeJob) -> None:
    assert read("dli", dli(is_success=False, status="FAILED"), job).state is State.FAILED


def test_dws_null_errors_and_the_code_of_success_are_no_failure(job: MakeJob) -> None:
    assert read("dws", {"status": "RUNNING", "error_code": "DWS.0000"}, job).state is State.RUNNING
    assert read("dws", {"status": "RUNNING", "error_code": "N/A"}, job).state is State.RUNNING
    quiet = {"status": "RUNNING", "error_code": None, "code": "X.1", "sub": {"error_code": "DWS.1"}}
    assert read("dws", quiet, job).state is State.RUNNING


@pytest.mark.parametrize("half", [b"\\ud800", b"\xe5\x90", b"\xff"])
def test_text_that_utf8_cannot_say_is_replaced_and_an_id_is_unknown(half: bytes, job: MakeJob) -> None:
    """A text may be cut within a character: the answer says the rest of it, and all else."""
    run = b'{"status":"FAILED","submission-id":7,"error-summary":"a%s Cdm.0901","creation-user":"a%s"}' % (half, half)
    failed = read("cdm", b'{"submissions":[' + run + b"]}", job)
    running = read("dli", b'{"status":"RUNNING","progress":0.5,"message":"SELECT \'%s\'"}' % half, job)

    assert (failed.state, failed.run.id, failed.failure_code) == (State.FAILED, "7", "Cdm.0901")
    assert failed.detail["error_summary"].replace("?", "") == "a Cdm.0901"
    assert ("creation_user" in failed.detail, failed.unknown) == (False, ("creation-user",))
    assert (running.progress, running.unknown) == (0.5, ())
    assert running.detail["message"].encode()


@pytest.mark.parametrize("half", [b"\\ud800", b"\xe5\x90"])
def test_a_word_or_the_name_of_a_job_that_utf8_cannot_say_is_none_that_is_known(half: bytes, job: MakeJob) -> None:
    seen = read("dws", b'{"status":"RUNNING%s"}' % half, job)

    assert (seen.state, seen.native_state, seen.unknown) == (State.UNKNOWN, "other", ("status",))
    for service, name in (("dli", "job_id"), ("dws", "job_id")):
        with pytest.raises(PollError, match="about another job"):
            ADAPTERS[service].parse(b'{"status":"RUNNING","%s":"j-1%s"}' % (name.encode(), half), job(service), None)


def test_a_name_is_percent_encoded_in_the_path(job: MakeJob) -> None:
    request = ADAPTERS["cdm"].request(job("cdm", "同步 a+b~c/d"), "p")

    assert request.path == "/v1.1/p/clusters/c-1/cdm/job/%E5%90%8C%E6%AD%A5%20a%2Bb~c%2Fd/status"
    assert ADAPTERS["dli"].request(job("dli"), "p").path == "/v1/p/jobs/j-1/progress"
    assert ADAPTERS["dws"].request(job("dws"), "p").path == "/v1.0/p/job/j-1"


@pytest.mark.parametrize(
    ("service", "asked", "said"),
    [
        ("dli", "a-1", "a-2"),
        ("dws", "2c9080e88459fa44018459fbeb600001", "2c9080e88459fa44018459fbeb600002"),
        ("cdm", "orders", "orders2"),
        ("cdm", "orders", "ORDERS"),
        ("cdm", "orders", "orders "),
        ("dws", "x", "\tx"),
    ],
)
def test_an_answer_that_names_another_job_tells_nothing_of_this_one(
    service: str, asked: str, said: str, job: MakeJob
) -> None:
    for ended in ("RUNNING", "FAILED"):
        body = cdm(status=ended, **{"job-name": said}) if service == "cdm" else {"status": ended, "job_id": said}
        with pytest.raises(PollError, match="about another job") as caught:
            ADAPTERS[service].parse(json.dumps(body).encode(), asking(service, asked, job), None)
        assert caught.value.reason is Reason.PAYLOAD


@pytest.mark.parametrize(
    ("service", "asked", "said"),
    [
        ("dli", "85798B38-AE44-48EB-BB90-7CF0DCDAFE7B", "85798b38-ae44-48eb-bb90-7cf0dcdafe7b"),
        ("dws", "17", 17),
        ("dws", "x", None),
        ("dws", "x", ["x"]),
        ("cdm", " orders ", "orders"),
        ("cdm", "a\ud800b", "a?b"),
        ("cdm", "caf\u00e9", "cafe\u0301"),
        ("cdm", "N/A", "N/A"),
    ],
)
def test_a_name_that_is_written_another_way_or_not_said_is_no_other_job(
    service: str, asked: str, said: object, job: MakeJob
) -> None:
    body = cdm(**{"job-name": said}) if service == "cdm" else {"status": "RUNNING", "job_id": said}

    assert ADAPTERS[service].parse(json.dumps(body).encode(), asking(service, asked, job), None).state is State.RUNNING


def test_runs_of_other_jobs_among_those_of_this_one_are_left_out_and_noted(job: MakeJob) -> None:
    runs = [
        {"status": "RUNNING", "submission-id": number, "job-name": name}
        for number, name in ((1, "nightly"), (2, "other"))
    ]
    body = json.dumps({"submissions": runs}).encode()
    adapter = ADAPTERS["cdm"]
    assert adapter.past is not None

    seen = adapter.parse(body, job("cdm"), None)

    assert (seen.run.id, seen.unknown) == ("1", ("submissions.job-name",))
    assert [each.run.id for each in adapter.past.parse(body, job("cdm")).runs] == ["1", ""]
    with pytest.raises(PollError):
        adapter.past.parse(body, asking("cdm", "third", job))


def test_the_other_runs_of_an_answer_that_ended_are_told_too(job: MakeJob) -> None:
    runs = [
        {"status": status, "submission-id": number, "creation-date": 1709597421000 + number, **more}
        for number, status, more in (
            (7, "RUNNING", {}),
            (5, "FAILED", {"error-summary": "Cdm.0901 disk", "progress": "odd"}),
            (4, "SUCCEEDED", {"write_rows": 3}),
            (6, "BOOTING", {}),
            (7, "SUCCEEDED", {}),
            (3, None, {}),
        )
    ]
    seen = read("cdm", {"submissions": runs}, job)
    assert (seen.run.id, seen.state, seen.unknown) == ("7", State.RUNNING, ())
    assert [(each.run.id, each.state, each.failure_code) for each in seen.others] == [
        ("4", State.SUCCEEDED, None),
        ("5", State.FAILED, "Cdm.0901"),
    ]
    many = [{**runs[1], "submission-id": number, "creation-date": 1709597421000 + number} for number in range(200)]
    assert len(read("cdm", {"submissions": many}, job).others) == 64


def asking(service: str, name: str, job: MakeJob) -> Job:
    """Return a job that is asked for as *name*."""
    asked = job(service)
    return replace(asked, target={**asked.target, "job_id": name, "job_name": name})


@pytest.mark.parametrize("nothing", [0, "0", -1, None, "", "1970-01-01T00:00:00Z"])
def test_a_date_that_is_nought_is_not_said(nothing: object, job: MakeJob) -> None:
    dates = {"execute-date": nothing, "last-update-date": nothing}

    seen = read("cdm", cdm(status="SUCCEEDED", **dates), job)

    assert (seen.start, seen.end, seen.unknown) == (1709597421.0, None, ())


def test_a_number_below_zero_is_not_said_only_where_the_service_says_so_by_it(job: MakeJob) -> None:
    assert read("cdm", cdm(progress=-1, **{"creation-date": -1}), job).unknown == ()
    seen = read("dws", {"status": "RUNNING", "progress": "-1%", "begin_time": -1}, job)
    assert (seen.progress, seen.start, seen.unknown) == (None, None, ("progress", "begin_time"))


def test_a_date_before_there_was_such_a_cloud_is_unknown_and_noted_once(job: MakeJob) -> None:
    dates = {"execute-date": 1709597421, "last-update-date": 1262303999999, "creation-date": "soon"}

    seen = read("cdm", cdm(status="SUCCEEDED", **dates), job)

    assert (seen.start, seen.end, seen.run.created) == (None, None, None)
    assert seen.unknown == ("creation-date", "execute-date", "last-update-date")
    assert read("cdm", cdm(**{"execute-date": 1262304000000}), job).start == 1262304000


def test_a_date_that_no_run_can_have_yet_is_unknown_and_noted(job: MakeJob) -> None:
    assert read("cdm", cdm(**{"execute-date": 4102444800000}), job).unknown == ("execute-date",)
    never = read("dws", {"status": "RUNNING", "begin_time": "9999-12-31T23:59:59"}, job)
    assert (never.start, never.unknown) == (None, ("begin_time",))


def test_a_number_of_thousands_of_digits_costs_only_its_field(job: MakeJob) -> None:
    body = json.dumps(cdm(status="RUNNING")).replace('"RUNNING"', '"RUNNING", "write_rows": ' + "9" * 6000, 1)

    seen = read("cdm", body.encode(), job)

    assert (seen.state, seen.unknown) == (State.RUNNING, ("write_rows",))


def test_a_field_that_is_looked_at_twice_is_noted_once(job: MakeJob) -> None:
    odd = {"begin_time": ["now"], "end_time": {}, "failed_detail": []}

    assert read("dws", {"status": "FAIL", **odd}, job).unknown == ("begin_time", "end_time", "failed_detail")
    assert read("cdm", cdm(status="FAILED", **{"error-summary": []}), job).unknown == ("error-summary",)


@pytest.mark.parametrize("word", ["SUCCEEDED", "FAILED"])
def test_a_subjob_that_ended_has_nothing_active(word: str, job: MakeJob) -> None:
    ended = subjob(status=word, num_active_stages=-2, num_active_tasks=-1)

    seen = read("dli", dli(sub_jobs=[ended, subjob()]), job)

    assert (seen.counts[Measure("stages", "active")], seen.counts[Measure("tasks", "active")]) == (1, 1)
    assert seen.unknown == ()
    assert read("dli", dli(sub_jobs=[subjob(num_active_stages=-2)]), job).unknown == ("sub_jobs.num_active_stages",)


@pytest.mark.parametrize(
    ("letters", "zone", "read_as"),
    [
        ("CST", "Asia/Shanghai", 1595841843),
        ("CST", "America/Mexico_City", 1595892243),
        ("CDT", "America/Mexico_City", 1595888643),
        ("CEST", "Asia/Shanghai", None),
        ("CEST", "Asia/Singapore", None),
        ("SGT", "Asia/Singapore", 1595841843),
        ("CEST", "Europe/Berlin", 1595863443),
        ("CET", "Europe/Berlin", 1595867043),
        ("CST", "Europe/Berlin", None),
        ("GMT", "Asia/Shanghai", 1595870643),
    ],
)
def test_letters_of_a_zone_are_believed_where_the_projects_zone_has_them(
    letters: str, zone: str, read_as: float | None, job: MakeJob
) -> None:
    body = dli(sub_jobs=[subjob(submission_time=f"Mon Jul 27 17:24:03 {letters} 2020")])

    (told,) = read("dli", body, job, ZoneInfo(zone)).detail_json()["sub_jobs"]

    assert told.get("submission_timestamp_seconds") == read_as


@pytest.mark.parametrize(("percent", "ratio"), [("9.7%", 0.097), ("0.07%", 0.0007), (57, 0.57), ("29.0%", 0.29)])
def test_a_percentage_becomes_the_ratio_that_a_person_would_write(percent: object, ratio: float, job: MakeJob) -> None:
    value = str(percent).removesuffix("%")

    assert repr(read("dws", {"status": "RUNNING", "progress": percent}, job).progress) == repr(ratio)
    assert repr(read("cdm", cdm(progress=value), job).progress) == repr(ratio)


@pytest.mark.parametrize("word", ["\ufb01nished", "\u017fuccess", "runn\u0131ng", "\uff32UNNING"])
def test_words_are_compared_as_ascii(word: str, job: MakeJob) -> None:
    for service in ("dli", "dws", "cdm"):
        body = cdm(status=word) if service == "cdm" else {"status": word}
        seen = read(service, body, job)

        assert (seen.state, seen.native_state, seen.unknown) == (State.UNKNOWN, "other", ("status",))
    counts = read("dli", dli(sub_jobs=[subjob(status="\u017fucceeded")]), job).counts
    assert (counts[Measure("subjobs", "succeeded")], counts[Measure("subjobs", "unknown")]) == (0, 1)


def test_the_summary_of_a_failure_goes_before_its_stack_trace(job: MakeJob) -> None:
    body = cdm(status="FAILED", **{"error-details": "at java.lang", "error-summary": "the source is gone"})

    assert complaint(read("cdm", body, job).detail) == "the source is gone"


@pytest.mark.parametrize("part", [3.5, "3.5", 1e-7, "0.1"])
def test_a_part_of_a_row_or_of_a_task_is_no_count_and_noted(part: object, job: MakeJob) -> None:
    counters = {"ROWS_READ": part, "ROWS_WRITTEN": 5.0, "BYTES_READ": "6e2"}
    moved = {"counters": {"org.apache.sqoop.submission.counter.SqoopCounters": counters}}

    run = read("cdm", cdm(status="SUCCEEDED", write_rows=part, **moved), job)
    query = read("dli", dli(sub_jobs=[subjob(num_tasks=part, killed_tasks_summary={"oom": part})]), job)
    unnumbered = read("cdm", {"submissions": [{"status": "RUNNING", "submission-id": part}]}, job)

    assert run.counts == {Measure("rows_written"): 5, Measure("read_bytes"): 600}
    assert all(type(value) is int for value in run.counts.values())
    assert run.unknown == ("write_rows", "counters.ROWS_READ")
    assert Measure("tasks_planned") not in query.counts
    assert query.unknown == ("sub_jobs.num_tasks", "sub_jobs.killed_tasks_summary")
    assert (unnumbered.run.id, unnumbered.unknown) == ("", ("submission-id",))


def test_a_number_of_a_run_that_is_written_another_way_is_the_same_run(job: MakeJob) -> None:
    numbers = {
        read("cdm", {"submissions": [{"status": "RUNNING", "submission-id": number}]}, job).run.id
        for number in (7, 7.0, "7", "7.0", " 7 ")
    }

    assert numbers == {"7"}


def test_a_field_that_is_said_twice_and_differs_is_unknown_and_noted(job: MakeJob) -> None:
    twice = read("dli", b'{"status":"RUNNING","progress":0.5,"progress":0.7,"message":"a","message":"a"}', job)
    nested = b'{"status":"RUNNING","sub_jobs":[{"status":"RUNNING","num_tasks":1,"num_tasks":true}]}'

    assert (twice.progress, twice.unknown, twice.detail["message"]) == (None, ("progress",), "a")
    assert read("dli", nested, job).unknown == ("sub_jobs.num_tasks",)
    for service, body in (
        ("dli", b'{"status":"RUNNING","status":"FAILED"}'),
        ("dws", b'{"status":"RUNNING","status":"FAIL"}'),
        ("cdm", b'{"submissions":[{"status":"RUNNING","status":"FAILED"}]}'),
        ("cdm", b'{"submissions":[{"status":"RUNNING"}],"submissions":[]}'),
    ):
        with pytest.raises(PollError) as caught:
            read(service, body, job)
        assert caught.value.reason is Reason.PAYLOAD
    assert read("dws", b'{"status":"RUNNING","status":"RUNNING"}', job).state is State.RUNNING
    with pytest.raises(PollError) as caught:
        read("dws", b'{"status":"RUNNING","error_code":null,"error_code":"DWS.0047"}', job)
    assert caught.value.reason is Reason.API
