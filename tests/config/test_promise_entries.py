"""Promises: read beside jobs, in job files and in rules; what nobody could keep or see is refused by its place."""

from collections.abc import Callable
from pathlib import Path

import pytest

from exporter.config import job_file, load
from exporter.model.errors import SettingsError
from exporter.model.promises import NO_PROMISES, Deadline, Promises

ZONED = "region: cn-north-4, project_id: p, time_zone: Asia/Shanghai, credentials: {access_key: {key_id: a, secret: b}}"
PLAIN = ZONED.replace("time_zone: Asia/Shanghai, ", "")
WEEKDAYS = frozenset(range(5))
File = Callable[[str | bytes], Path]


def text(promises: str, project: str = ZONED, job: str = "service: cdm, cluster_id: c, job_name: j") -> str:
    return f"projects: {{prod: {{{project}}}}}\njobs:\n  - {{{job},\n     promises: {promises}}}\n"


def read(file: File, promises: str, project: str = ZONED) -> Promises:
    return load(file(text(promises, project)), {}).jobs[0].promises


def test_all_promises_are_read(file: File) -> None:
    said = "{period: 1d, max_wait: 15m, max_run: 2h, stuck_after: 30m, rows_match: true, deadline: {at: 06:00}}"

    deadline = Deadline(6, 0, frozenset(range(7)), "Asia/Shanghai")
    assert read(file, said) == Promises(86_400, 900, 7_200, 1_800, deadline, rows_match=True)


def test_what_is_not_said_is_not_promised(file: File) -> None:
    job = f"projects: {{prod: {{{PLAIN}}}}}\njobs: [{{service: dli, job_id: j}}]"

    assert load(file(job), {}).jobs[0].promises == NO_PROMISES
    assert read(file, "{period: 1h}").deadline is None


@pytest.mark.parametrize(
    ("days", "expected"),
    [
        ("mon-fri", WEEKDAYS),
        ("Mon-Fri", WEEKDAYS),
        ('"mon, wed,sun"', frozenset({0, 2, 6})),
        ("[mon, thu-sat]", frozenset({0, 3, 4, 5})),
        ("fri-mon", frozenset({4, 5, 6, 0})),
        ("sat", frozenset({5})),
    ],
)
def test_days_are_words_ranges_or_lists(days: str, expected: frozenset[int], file: File) -> None:
    deadline = read(file, f'{{deadline: {{at: "6:05", days: {days}, time_zone: Europe/Berlin}}}}', PLAIN).deadline

    assert deadline == Deadline(6, 5, expected, "Europe/Berlin")


@pytest.mark.parametrize(
    ("promises", "sentence"),
    [
        ("{periode: 1d}", 'promises.periode: unknown key; did you mean "period"?'),
        ("{period: 0}", "promises.period: expected at least 1s, not 0s"),
        ("{max_wait: soon}", "promises.max_wait: expected a duration such as 30s or 5m"),
        ("{rows_match: perhaps}", "promises.rows_match: expected true or false"),
        ("often", "promises: expected a mapping of settings, not text"),
        ("{deadline: 06:00}", "promises.deadline: expected a mapping of settings, not text"),
        ("{deadline: {days: mon}}", "promises.deadline.at: required but missing"),
        ('{deadline: {at: "24:00"}}', 'promises.deadline.at: expected a time of day from "00:00" to "23:59"'),
        ("{deadline: {at: 6}}", "promises.deadline.at: expected a time of day"),
        (
            "{deadline: {at: 06:00, days: mon-fry}}",
            'promises.deadline.days: unknown day "mon-fry"; did you mean "fri"?',
        ),
        ("{deadline: {at: 06:00, days: []}}", "promises.deadline.days: expected days such as mon-fri"),
        ('{deadline: {at: 06:00, days: ""}}', "promises.deadline.days: unknown day"),
        ("{deadline: {at: 06:00, time_zone: Asia/Shangai}}", "promises.deadline.time_zone: unknown time zone"),
    ],
)
def test_a_promise_that_cannot_be_meant_is_refused_by_its_place(
    promises: str, sentence: str, mistakes: Callable[..., list[str]]
) -> None:
    (mistake,) = mistakes(text(promises))

    assert mistake.startswith(f"exporter.yaml:4: jobs[0].{sentence}"), mistake


def test_a_deadline_without_any_zone_is_refused(mistakes: Callable[..., list[str]]) -> None:
    (mistake,) = mistakes(text("{deadline: {at: 06:00}}", PLAIN))

    assert "jobs[0].promises.deadline.time_zone: required but missing, because the project has no time_zone" in mistake


def test_rows_that_no_answer_tells_cannot_be_promised_to_match(mistakes: Callable[..., list[str]]) -> None:
    (mistake,) = mistakes(text("{rows_match: true}", job="service: dli, job_id: j"))

    assert mistake.startswith("exporter.yaml:4: jobs[0].promises.rows_match: dli tells no rows of its jobs")


def test_a_job_file_promises_too_by_the_zone_of_the_project(file: File) -> None:
    projects = job_file.known_projects(load(file(text("{period: 1d}")), {}))
    line = (
        b'{"service": "dli", "job_id": "j", "promises": {"period": "1d", "deadline": {"at": "06:00", "days": "mon"}}}'
    )

    (job,) = job_file.read_job_file(line, "jobs", projects)
    assert job.promises == Promises(period=86_400, deadline=Deadline(6, 0, frozenset({0}), "Asia/Shanghai"))
    with pytest.raises(SettingsError) as refused:
        job_file.read_job_file(line.replace(b"1d", b"daily"), "jobs", projects)
    assert refused.value.mistakes[0].startswith("jobs:1: [0].promises.period: expected a duration")


def test_a_rule_promises_for_each_job_that_it_finds(file: File) -> None:
    rule = "discovery: [{service: cdm, clusters: all, promises: {max_run: 2h, rows_match: true}}]"
    settings = load(file(f"projects: {{prod: {{{PLAIN}}}}}\n{rule}"), {})

    assert settings.discovery[0].promises == Promises(max_run=7_200, rows_match=True)
