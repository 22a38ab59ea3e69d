"""The files that match a pattern."""

import glob
import os


def matches(pattern: str) -> set[str]:
    """Return the paths that fit; ``**`` is any folders below, but for links to folders, which may go round."""
    head, deep, tail = pattern.partition("/**")
    if not deep or (tail and not tail.startswith("/")):
        return set(glob.glob(pattern))  # noqa: PTH207 - that of Path takes no absolute pattern
    found = set[str]()
    for top in glob.glob(head or "/"):  # noqa: PTH207
        for folder, below, _ in os.walk(top):
            below[:] = [name for name in below if not name.startswith(".")]
            found |= matches(glob.escape(folder) + (tail or "/*"))
    return found


def printable_path(path: str) -> str:
    """Return a path as text that can be logged and be a label, whatever bytes it is."""
    return os.fsencode(path).decode("utf-8", "replace")
