"""Whatever bytes come, each parser does what it promises; the same bytes in every run."""

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.fuzz.parsers import PARSERS, Parser

PIECES = [*(bytes([each]) for each in b'"{}[]:,\n\0\xff'), b"", b"-1", b"1e999", b"null", b"\\ud800", b"9" * 40]


def mutated(parser: Parser) -> st.SearchStrategy[bytes]:
    """Bytes that the parser knows, some of which are cut out and others put in, and bytes of any kind."""

    def change(known: bytes, places: list[tuple[int, int, bytes]]) -> bytes:
        for at, length, piece in places:
            start = at % (len(known) + 1)
            known = known[:start] + piece + known[start + length :]
        return known

    pieces = st.sampled_from(PIECES) | st.binary(max_size=4)
    places = st.lists(st.tuples(st.integers(0, 1 << 14), st.integers(0, 12), pieces), min_size=0, max_size=6)
    return st.builds(change, st.sampled_from(parser.examples), places) | st.binary(max_size=60)


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_a_parser_does_what_it_promises_whatever_comes(name: str) -> None:
    parser = PARSERS[name]

    @settings(derandomize=True, max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))
    @given(mutated(parser))
    def feed(data: bytes) -> None:
        parser.feed(data)

    feed()


@pytest.mark.parametrize("name", sorted(PARSERS))
def test_what_a_parser_knows_is_what_it_promises(name: str) -> None:
    assert PARSERS[name].examples

    for known in PARSERS[name].examples:
        PARSERS[name].feed(known)
