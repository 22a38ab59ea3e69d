"""What an answer's headers say of time."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cloud.response import cached_for, kept_headers, retry_after, server_skew
from exporter.model.units import LONGEST_WAIT

NOW = 784111777.0
"""Sun, 06 Nov 1994 08:49:37 GMT"""


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("", None),
        ("soon", None),
        ("-5", None),
        ("nan", None),
        ("１２", None),
        ("0", None),
        ("0.0", None),
        (" 120 ", 120.0),
        ("1.5", 1.5),
        ("1800", LONGEST_WAIT),
        ("3601", None),
        ("1000000000000", None),
        ("9" * 5000, None),
        ("Sun, 06 Nov 1994 08:50:07 GMT", 30.0),
        ("Sun Nov  6 08:50:07 1994", 30.0),
        ("Sunday, 06-Nov-94 08:50:07 GMT", 30.0),
        ("Sun, 06 Nov 1994 09:49:37 GMT", LONGEST_WAIT),
        ("Sun, 06 Nov 1994 08:49:37 GMT", None),
        ("Sun, 06 Nov 1994 08:49:07 GMT", None),
        ("Mon, 06 Nov 1995 08:49:37 GMT", None),
        ("Sun, 99 Nov 1994 08:49:37 GMT", None),
    ],
)
def test_a_server_says_how_long_to_wait_where_that_can_be_meant(value: str | None, expected: float | None) -> None:
    assert expected == retry_after({} if value is None else {"retry-after": value}, NOW)


@pytest.mark.parametrize("ours_is_off_by", [-400, 0, 300, 1e7])
def test_a_date_to_wait_for_is_read_by_the_clock_of_the_server_that_said_it(ours_is_off_by: float) -> None:
    said = {"retry-after": "Sun, 06 Nov 1994 08:51:17 GMT", "date": "Sun, 06 Nov 1994 08:49:37 GMT"}

    assert retry_after(said, NOW + ours_is_off_by) == pytest.approx(100)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (None, None),
        ("yesterday", None),
        ("Sun, 06 Nov 1994 09:49:37 GMT", 3600.0),
        ("Sun, 06 Nov 1994 08:49:27 GMT", -10.0),
        ("Sun, 06 Nov 1994 08:49:37 -0000", 0.0),
    ],
)
def test_a_servers_clock_is_ahead_of_ours(value: str | None, expected: float | None) -> None:
    assert expected == server_skew(value, NOW)


@given(st.one_of(st.text(), st.text(st.sampled_from("Sun, 06 Nov 1994 08:49:37 GMT+-9"), max_size=40)))
def test_no_text_breaks_the_reading(value: str) -> None:
    for said in ({"retry-after": value}, {"retry-after": value, "date": value}):
        wait = retry_after(said, NOW)
        assert wait is None or 0 < wait <= LONGEST_WAIT
    assert isinstance(server_skew(value, NOW), float | None)


def test_kept_headers_are_short_and_printable() -> None:
    kept = kept_headers({"x-request-id": "a\x1b[31m\udcff" + "b" * 999, "set-cookie": "secret"})

    assert kept == {"x-request-id": "a[31m" + "b" * 193}


@pytest.mark.parametrize(("value", "seconds"), [("0", 0), ("3600", 3600), (" 7 ", 7), ("", 0), ("-1", 0), ("soon", 0)])
def test_the_age_of_a_copy_is_what_a_cache_says(value: str, seconds: float) -> None:
    assert cached_for({"age": value}) == seconds
    assert cached_for({}) == 0
