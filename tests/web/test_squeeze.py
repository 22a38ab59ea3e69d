"""Sections compressed at different times make one gzip body."""

import gzip
import sys
import zlib

from hypothesis import given
from hypothesis import strategies as st

from exporter.web.squeeze import Squeezer

SECTIONS = st.lists(st.lists(st.binary(max_size=300), max_size=4), max_size=5)
FEW = st.lists(st.lists(st.sampled_from([b"", b"a", b"bb"]), max_size=2), max_size=3)
"""Bodies that often begin, or go on, with the same sections."""


@given(SECTIONS)
def test_the_body_unpacks_to_the_sections(sections: list[list[bytes]]) -> None:
    body = b"".join(Squeezer().squeeze(sections))

    plain = b"".join(part for section in sections for part in section)
    assert gzip.decompress(body) == plain
    single = zlib.decompressobj(31)
    assert single.decompress(body) == plain
    assert single.eof
    assert not single.unused_data


@given(st.lists(st.one_of(SECTIONS, FEW), min_size=2, max_size=4))
def test_what_was_compressed_before_does_not_spoil_what_comes(bodies: list[list[list[bytes]]]) -> None:
    squeezer = Squeezer()
    for sections in bodies:
        plain = b"".join(part for section in sections for part in section)

        assert gzip.decompress(b"".join(squeezer.squeeze(sections))) == plain


def test_a_section_that_did_not_change_is_not_compressed_again() -> None:
    squeezer, same = Squeezer(), [b"x" * 1000]
    first = squeezer.squeeze([same, [b"1"]])
    second = squeezer.squeeze([same, [b"2"]])

    assert second[1] is first[1]
    assert second[2] is not first[2]


def test_what_was_compressed_is_not_kept() -> None:
    squeezer, part = Squeezer(), b"huaweicloud_job_up 1.0\n" * 1000
    before = sys.getrefcount(part)
    squeezer.squeeze([[part]])
    assert sys.getrefcount(part) == before
