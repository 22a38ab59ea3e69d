"""Deadlines by the clock on the wall: days of the week, zones, and nights in which the clocks change."""

from datetime import datetime
from itertools import pairwise
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.promises import DAYS, Deadline, Promises

WEEKDAYS = frozenset(range(5))
ALL = frozenset(range(7))


def unix(text: str, zone: str = "UTC") -> float:
    return datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp()


@pytest.mark.parametrize(
    ("deadline", "now", "expected"),
    [
        (Deadline(6, 0, ALL, "Asia/Shanghai"), "2026-11-28T21:59", "2026-11-28T22:00"),
        (Deadline(6, 0, ALL, "Asia/Shanghai"), "2026-11-28T22:00", "2026-11-29T22:00"),
        (Deadline(6, 0, WEEKDAYS, "UTC"), "2026-11-27T06:00", "2026-11-30T06:00"),
        (Deadline(0, 0, frozenset({6}), "UTC"), "2026-11-29T00:00", "2026-12-06T00:00"),
        (Deadline(6, 0, ALL, "Europe/Berlin"), "2026-03-28T12:00", "2026-03-29T04:00"),  # an hour less of sleep
        (Deadline(6, 0, ALL, "Europe/Berlin"), "2026-03-28T04:00", "2026-03-28T05:00"),
        (Deadline(2, 30, ALL, "Europe/Berlin"), "2026-03-28T12:00", "2026-03-29T01:30"),  # there is no half past two
        (Deadline(2, 30, ALL, "Europe/Berlin"), "2026-10-24T12:00", "2026-10-25T00:30"),  # the first of both
        (Deadline(2, 30, ALL, "Europe/Berlin"), "2026-10-25T00:30", "2026-10-26T01:30"),
    ],
)
def test_the_next_deadline_is_by_the_clock_of_its_zone(deadline: Deadline, now: str, expected: str) -> None:
    assert deadline.after(unix(now)) == unix(expected)
    assert deadline.last(unix(expected)) == unix(expected)


@given(
    st.floats(0, 4e9),
    st.frozensets(st.integers(0, 6), min_size=1),
    st.integers(0, 23),
    st.integers(0, 59),
    st.sampled_from(["UTC", "Asia/Shanghai", "Europe/Berlin", "America/St_Johns", "Australia/Lord_Howe"]),
)
def test_deadlines_follow_one_another_without_a_gap(
    when: float, days: frozenset[int], hour: int, minute: int, zone: str
) -> None:
    deadline = Deadline(hour, minute, days, zone)
    last, following = deadline.last(when), deadline.after(when)

    assert last <= when < following
    assert deadline.after(last) == following
    assert datetime.fromtimestamp(following, ZoneInfo(zone)).weekday() in days
    assert following - last <= 7 * 86_400 + 7_200


def test_days_are_written_as_they_are_read() -> None:
    assert Deadline(0, 0, WEEKDAYS, "").day_words == "mon-fri"
    assert Deadline(0, 0, frozenset({0, 2}), "").day_words == "mon,wed"
    assert Deadline(0, 0, ALL, "").day_words == "mon-sun"
    assert all(first != second for first, second in pairwise(DAYS))


def test_what_was_not_promised_is_not_told() -> None:
    assert Promises().plain() == {}
    assert Promises(period=60.0, rows_match=True).plain() == {"period": 60.0, "rows_match": True}
