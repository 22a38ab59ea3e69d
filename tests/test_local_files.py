"""How it is noticed that a file changed."""

from pathlib import Path

import pytest

from exporter.local_files import Watched, digest, stamp


def looks(watched: Watched[str], found: str) -> list[str]:
    """Return what is found to have changed, look by look; a point is nothing."""
    return [each if watched.changed(each) else "." for each in found]


@pytest.mark.parametrize(
    ("found", "changes"),
    [
        ("aaa", "..."),
        ("abbbb", "..b.."),
        ("abcdd", "....d"),
        ("abaaa", "....."),
        ("abbaa", "..b.a"),
    ],
)
def test_a_change_counts_once_two_looks_in_a_row_found_it(found: str, changes: str) -> None:
    assert "".join(looks(Watched("a"), found)) == changes


def test_what_was_never_read_counts_at_the_second_look() -> None:
    assert looks(Watched(), "aaa") == [".", "a", "."]


def test_it_counts_how_long_a_file_does_not_stand_still() -> None:
    watched = Watched("a")
    looks(watched, "bcd")
    assert watched.moves == 3
    looks(watched, "d")
    assert watched.moves == 0


def test_a_digest_tells_contents_and_a_stamp_tells_files(tmp_path: Path) -> None:
    one, other = tmp_path / "one", tmp_path / "other"
    one.write_text("x")
    other.write_text("x")

    assert digest(one) == digest(other)
    assert stamp(one.stat()) != stamp(other.stat())
    other.write_text("y")
    assert digest(one) != digest(other)
    assert (digest(tmp_path), digest(tmp_path / "none"), digest(None)) == (None, None, None)
