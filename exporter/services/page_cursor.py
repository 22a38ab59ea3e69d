"""Decides which page of a list to read next, whatever the cloud does with page sizes and numbers. Pure.

**Where the list ends**: pages are read as long as the total says that there are more rows, however few a page has,
because a cloud may return fewer rows than requested; without a total until a page is empty. Reading also ends at an
empty first page, at the second empty page in a row, at a page that repeats the rows of the page before (a cloud that
ignores the page number), and after the largest number of pages. If the total is higher than the rows that were read,
the difference is *missing*. A list that is read by rows goes on after those that came, not after those that were
requested.

**Rows that leave while pages are read** move others up to pages that were already read. Then the total falls, and the
pages that may be affected are read once more. If as many rows come as leave, the total does not show it. Where *each*
page has a total or none has, and the first have none and a later one has, the first may be answers to other calls: the
list is read from the beginning again.
"""

from collections.abc import Collection, Hashable
from itertools import accumulate
from typing import Final, NamedTuple

MOST_PAGES: Final = 100
"""10,000 rows: the vendor's own limit where it has one."""
_EMPTY_PAGES: Final = 2
"""Empty pages in a row after which no more is asked for, whatever the total says."""


class PageStart(NamedTuple):
    """Where a page begins, for a service that counts pages and for one that counts rows."""

    number: int = 1
    """The page, counted from 1."""
    offset: int = 0
    """The rows before it."""


class PageCursor:
    """Which page to read next; *size* is how many rows of a page are asked for."""

    def __init__(self, size: int, most: int = MOST_PAGES, *, each: bool = False) -> None:
        self._size = size
        self._each = each
        self._most = min(most, MOST_PAGES)
        self._lengths: list[int] = []  # rows of the pages that need not be read again
        self._total: int | None = None
        self._keys: set[Hashable] = set()  # of the page that was read last
        self._at_end = False
        self.read = 0
        """Pages read so far."""

    @property
    def number(self) -> int:
        """The next page, counted from 1."""
        return len(self._lengths) + 1

    @property
    def start(self) -> PageStart:
        """Where that page begins; an empty page before it stands for as many rows as the longest one before has."""
        longest = accumulate(self._lengths, max)
        return PageStart(self.number, sum(rows or most for rows, most in zip(self._lengths, longest, strict=True)))

    @property
    def over(self) -> bool:
        """Whether no further page is to be read."""
        return self._at_end or self.read >= self._most

    @property
    def missing_rows(self) -> int | None:
        """Rows that the cloud counted and that did not come; ``None`` if there may be some and it gave no total."""
        if self._total is None:
            return 0 if self._at_end and self._lengths[-1:] == [0] else None
        return max(0, self._total - sum(self._lengths))

    @property
    def gaps(self) -> int:
        """Rows at most that pages before the end lack: those by which they are shorter than the longest one."""
        lacking = len(self._lengths) * max(self._lengths, default=0) - sum(self._lengths)
        return min(lacking, self.missing_rows or 0)

    def take(self, keys: Collection[Hashable], rows: int, total: int | None) -> None:
        """Note a page of so many *rows*; *keys* are what tells those that could be read from others."""
        self.read += 1
        before, self._total = self._total, self._total if total is None else total
        again = bool(keys) and self._total == before and self._keys == set(keys)
        self._keys = set(keys)
        if self._each and before is None and self._total is not None and self._lengths:
            self._lengths.clear()
            return
        if before is not None and self._total is not None and self._moved_up(before - self._total):
            return
        self._at_end = again
        if not again:
            self._lengths.append(rows)
            self._at_end = not self._more(rows)

    def _moved_up(self, left: int) -> bool:
        """Go back to where rows can be since so many *left*; return whether that is a page that was read before."""
        back = False
        end = max(0, sum(self._lengths) - left)
        while left > 0 and self._lengths and sum(self._lengths) > end:
            self._lengths.pop()
            back = True
        return back

    def _more(self, rows: int) -> bool:
        """Whether there may be rows after a page of so many."""
        if not rows and (self._total is None or not any(self._lengths[-_EMPTY_PAGES:])):
            return False
        return self._total is None or rows >= self._size or bool(self.missing_rows)
