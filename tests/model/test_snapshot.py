"""Which answers without a name of their run are about one run."""

import pytest

from exporter.model.snapshot import Snapshot, State


@pytest.mark.parametrize(
    ("before", "after", "same"),
    [
        (Snapshot(State.PENDING), Snapshot(State.RUNNING), True),
        (Snapshot(State.RUNNING), Snapshot(State.SUCCEEDED), True),
        (Snapshot(State.RUNNING), Snapshot(State.PENDING), False),
        (Snapshot(State.FAILED), Snapshot(State.PENDING), False),
        (Snapshot(State.UNKNOWN), Snapshot(State.PENDING), True),
        (Snapshot(State.UNKNOWN, start=5.0), Snapshot(State.PENDING), False),
        (Snapshot(State.RUNNING, kind="REDISTRIBUTION"), Snapshot(State.PENDING, kind="REDISTRIBUTION"), True),
        (Snapshot(State.FAILED, kind="RESIZE"), Snapshot(State.RUNNING, kind="RESIZE"), False),
        (Snapshot(State.FAILED, kind="RESIZE", resumable=True), Snapshot(State.RUNNING, kind="RESIZE"), True),
    ],
)
def test_a_run_that_had_begun_does_not_wait_and_an_operation_may_be_paused(
    before: Snapshot, after: Snapshot, same: bool
) -> None:
    assert before.of_same_run(after) is same
