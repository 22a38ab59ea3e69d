"""A packed mapping is what the dict was that it was made of."""

from hypothesis import given
from hypothesis import strategies as st

from exporter.model.packed import Packed

DICTS = st.dictionaries(st.text(max_size=3), st.integers(0, 3), max_size=4)


@given(DICTS, DICTS, st.text(max_size=3))
def test_it_is_the_dict_it_was_made_of(one: dict[str, int], other: dict[str, int], key: str) -> None:
    packed = Packed(one)

    assert dict(packed) == one
    assert list(packed.items()) == list(one.items())
    assert len(packed) == len(one)
    assert packed.get(key) == one.get(key)
    assert (key in packed) == (key in one)
    assert packed == one
    assert (packed == Packed(other)) == (one == other)
    assert (Packed(one) == Packed(dict(reversed(one.items())))) is True
    assert (packed == other) == (one == other)


def test_like_mappings_share_their_keys() -> None:
    one, other = Packed({"a": 1, "b": 2}), Packed({"a": 3, "b": 4})

    assert one._places is other._places
    assert one != 3
