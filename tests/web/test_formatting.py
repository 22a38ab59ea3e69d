"""Numbers and times as a person reads them."""

from typing import Any

import pytest

from exporter.web.page import formatting


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (-5, "0 s"),
        (0, "0 s"),
        (59.9, "59 s"),
        (60, "1 min"),
        (3599, "59 min"),
        (3600, "1 h"),
        (5400, "1 h 30 min"),
        (86400, "1 d"),
        (90000, "1 d 1 h"),
        (1e8, "1157 d 9 h"),
    ],
)
def test_a_span_is_short(seconds: float, text: str) -> None:
    assert formatting.span(seconds) == text


@pytest.mark.parametrize(("at", "text"), [(88, "12 s ago"), (100.5, "now"), (112, "in 12 s")])
def test_a_moment_is_told_by_its_distance(at: float, text: str) -> None:
    assert formatting.ago(at, 100) == text


@pytest.mark.parametrize("ratio", [0.9999, 0.99999999 - 1e-6])
def test_a_hundred_percent_means_all_of_it(ratio: float) -> None:
    assert formatting.percent(ratio) == "99.9 %"


@pytest.mark.parametrize(
    ("ratio", "text"), [(0, "0 %"), (0.29, "29 %"), (0.57, "57 %"), (0.125, "12.5 %"), (1, "100 %")]
)
def test_a_ratio_is_told_in_percent(ratio: float, text: str) -> None:
    assert formatting.percent(ratio) == text


@pytest.mark.parametrize(
    ("value", "unit", "text"),
    [
        (0, "", "0"),
        (9999, "", "9,999"),
        (12_345, "", "12.3k"),
        (999_999, "", "999.9k"),
        (4.1e9, "B", "4.1 GB"),
        (999, "B", "999 B"),
        (1000, "B", "1 kB"),
        (2.5, "", "2.5"),
    ],
)
def test_a_number_is_told_in_few_digits(value: float, unit: str, text: str) -> None:
    assert formatting.short(value, unit) == text


def test_a_year_that_no_calendar_has_is_no_error() -> None:
    assert formatting.utc(1e18) == "1000000000000000000 s"


@pytest.mark.parametrize(
    ("groups", "lines"),
    [
        pytest.param({}, [], id="nothing"),
        pytest.param(
            {"tasks": {"active": 3, "completed": 10, "failed": 0}, "tasks_planned": 40},
            ["tasks 10 of 40, 3 active"],
            id="tasks with a plan",
        ),
        pytest.param({"tasks": {"killed": 2}}, ["tasks 2 killed"], id="one state"),
        pytest.param({"tasks_planned": 40}, ["tasks – of 40"], id="only the plan"),
        pytest.param({"stages": {"completed": 0}}, ["stages 0 done"], id="stages"),
        pytest.param({"rows_read": 5}, ["rows 5 read"], id="only what went in"),
        pytest.param(
            {"read_bytes": 2e9, "written_bytes": 1e3, "files": 3, "files_written": 1},
            ["data 2 GB → 1 kB", "files 1 of 3"],
            id="bytes and files",
        ),
        pytest.param(
            {"objects_copied": 12, "odd": {"a": 1}}, ["objects copied 12", "odd 1 a"], id="a kind without a line"
        ),
        pytest.param(
            {"planned_timestamp_seconds": 1.7e9, "start_delay_seconds": 300},
            ["start delay 5 min"],
            id="a length is one, and a moment is none",
        ),
    ],
)
def test_counts_are_told_in_short_lines(groups: dict[str, Any], lines: list[str]) -> None:
    assert [f"{line.label} {line.text}" for line in formatting.count_lines(groups)] == lines
