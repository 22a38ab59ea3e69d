"""The nearest known name is offered for a slip, and none where nothing is near."""

import pytest

from exporter.model.messages import nearest


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
