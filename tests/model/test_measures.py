"""What several services measure alike is one metric."""

import pytest

from exporter.model.measures import MeasureFamily, united


def test_a_name_that_two_services_have_is_one_family_whose_help_says_both() -> None:
    tasks = MeasureFamily("tasks", "Spark tasks", label="state", values=("active", "failed"))
    nodes = MeasureFamily("tasks", "nodes of a pipeline", label="state", values=("failed", "waiting"))
    rows = MeasureFamily("rows", "rows of a copy", total="rows")

    assert united([tasks, rows, nodes, rows]) == (
        MeasureFamily("tasks", "Spark tasks; nodes of a pipeline", "", "state", ("active", "failed", "waiting")),
        rows,
    )


def test_values_are_open_where_one_of_the_services_has_the_vendors_words() -> None:
    known = MeasureFamily("killed", "", label="reason", values=("oom",))
    words = MeasureFamily("killed", "", label="reason", values=())

    assert [united(both)[0].values for both in ((known, words), (words, known))] == [(), ()]


def test_one_name_with_two_units_or_labels_is_a_mistake() -> None:
    for other in (MeasureFamily("size_bytes", "", "bytes"), MeasureFamily("size_bytes", "", label="state", values=())):
        with pytest.raises(ValueError, match="size_bytes"):
            united([MeasureFamily("size_bytes", ""), other])
