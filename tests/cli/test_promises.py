"""What check says of the promises."""

from typing import Any

from exporter.cli.promises import promise_notes
from exporter.config import load
from tests.cli.test_notes import GOOD

NOW = 1_795_867_200.0  # 2026-11-28T12:00Z, a Saturday


def told(jobs: list[dict[str, Any]], **more: Any) -> list[str]:
    return list(promise_notes(load(None, {}, {"projects": {"p": {**GOOD}}, "jobs": jobs, **more}), NOW))


def dli(name: str, **promises: Any) -> dict[str, Any]:
    return {"service": "dli", "job_id": name, "name": name, **({"promises": promises} if promises else {})}


def test_without_promises_nothing_is_told() -> None:
    assert told([dli("a")]) == []


def test_promises_are_counted_and_the_next_deadline_is_named() -> None:
    weekdays = {"at": "06:00", "days": "mon-fri", "time_zone": "Asia/Shanghai"}
    rule = {"service": "cdm", "clusters": "all", "promises": {"rows_match": "true"}}
    jobs = [dli("a", period="1d", deadline=weekdays), dli("b", deadline={"at": "05:00", "time_zone": "UTC"})]

    assert told(jobs, discovery=[rule]) == [
        "promises of 2 jobs and 1 rule: 1 period, 2 deadline, 1 rows_match",
        'the next deadline is that of dli job "b": 2026-11-29T05:00+00:00 (UTC)',
    ]
    assert told(jobs[:1])[-1].endswith("2026-11-30T06:00+08:00 (Asia/Shanghai)")


def test_promises_shorter_than_the_time_between_two_polls_are_warned_of() -> None:
    lines = told([dli("a", max_wait="1m", stuck_after="10s", max_run="1h")])

    warned = [line.partition(", so it is seen late")[0] for line in lines if "warning" in line]
    assert warned == [
        'promises: warning: dli job "a": max_wait 1m is shorter than poll.idle_interval (5m)',
        'promises: warning: dli job "a": stuck_after 10s is shorter than poll.interval (30s)',
    ]
