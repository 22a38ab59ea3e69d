"""Copies of frozen values are what ``dataclasses.replace`` makes, or are refused."""

import dataclasses
from typing import Any

import pytest

from exporter.model import frozen
from exporter.model.job import Job, JobKey
from exporter.model.promises import Promises
from exporter.model.record import Record
from exporter.model.snapshot import Snapshot, State

RECORD = Record(Job(JobKey("dli", "a"), "prod", {"job_id": "1"}), up=False, polled_at=5.0, failing=2)


def test_a_copy_has_the_fields_that_are_given_and_all_others_of_the_value() -> None:
    copy = frozen.replace(RECORD, up=True, snapshot=Snapshot(State.RUNNING))

    assert copy == dataclasses.replace(RECORD, up=True, snapshot=Snapshot(State.RUNNING))
    assert (RECORD.up, RECORD.snapshot) == (False, None)


def test_a_field_that_does_not_exist_is_refused() -> None:
    fields: dict[str, Any] = {"upp": True}
    with pytest.raises(AttributeError):
        frozen.replace(RECORD, **fields)


def test_a_value_that_would_be_copied_wrongly_is_refused() -> None:
    with pytest.raises(TypeError, match="Promises cannot be copied"):  # it has no slots
        frozen.replace(Promises(), max_run=5.0)
    with pytest.raises(TypeError, match="Checked cannot be copied"):
        frozen.replace(Checked(1), number=-1)
    with pytest.raises(TypeError, match="Counting cannot be copied"):  # what it counted would be the copy's too
        frozen.replace(Counting(), name="b")


@dataclasses.dataclass(frozen=True, slots=True)
class Checked:
    """A value that is checked when it is made."""

    number: int

    def __post_init__(self) -> None:
        """Refuse what is negative."""
        assert self.number >= 0


@dataclasses.dataclass(frozen=True, slots=True)
class Counting:
    """A value with something that is not given to it."""

    name: str = "a"
    counts: dict[str, int] = dataclasses.field(default_factory=dict, init=False)
