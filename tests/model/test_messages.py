"""The nearest known name is offered for a slip, and none where nothing is near."""

import pytest

from exporter.model.messages import nearest, other_jobs


@pytest.mark.parametrize(
    ("word", "known", "expected"),
    [
        ("intervall", ["interval", "name"], "interval"),
        ("dly", ["cdm", "dli", "dws"], "dli"),
        ("reg", ["region", "project_id"], "region"),
        ("SELECT", ["DELETE", "INSERT", "QUERY"], None),
        ("x", ["y"], None),
    ],
)
def test_a_slip_has_a_nearest_name_and_another_word_has_none(word: str, known: list[str], expected: str | None) -> None:
    assert nearest(word, known) == expected


@pytest.mark.parametrize(
    ("word", "names", "expected"),
    [
        ("order", ["orders", "night"], "; did you mean 'orders'?"),
        ("nope", ["orders", "night", "night"], "; known are 'night', 'orders'"),
        ("nope", list("abcdefg"), "; known are 'a', 'b', 'c', 'd', 'e' and 2 more"),
        ("load", ["cdm-etl-production/Load", "orders"], "; did you mean 'cdm-etl-production/Load'?"),
        ("nope", [], ""),
    ],
)
def test_an_unknown_job_is_told_with_the_nearest_else_with_a_few(word: str, names: list[str], expected: str) -> None:
    assert other_jobs(word, names) == expected
