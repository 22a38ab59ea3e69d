"""Renders records as bytes: a job's lines are rendered when its record changes, and a scrape joins them.

The line of a sample is the same in the text format 0.0.4 and in OpenMetrics 1.0; only the lines above a family differ.
The lines equal those of prometheus_client for the same samples byte for byte.

The lines of many jobs are stored together in blocks, one bytes object for each family and block, because a separate
object for each line would need more memory for its overhead than for its text. If a job changes, its block is copied
with the new lines, so a response that is still sending the old block is not affected.
"""

from array import array
from collections.abc import Callable, Iterator, Sequence
from functools import lru_cache
from operator import itemgetter
from typing import Any, Final

from prometheus_client.utils import floatToGoString

from exporter.metrics.family import BUCKET_ENDING, SAMPLE_ENDINGS, Family
from exporter.model.job import JobKey
from exporter.model.record import Record

_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_ENDED: Final = frozenset({"summary", "histogram"})
_BLOCK: Final = 64
"""Jobs in a block: many enough that few parts are joined, few enough that copying one costs little."""


class _Blocks:
    """Chunks of bytes by slot, most of them small, kept together."""

    __slots__ = ("_sizes", "texts")

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self._sizes: list[array[int] | None] = []

    def empty(self, slot: int) -> bool:
        """Whether the slot holds nothing."""
        block, at = divmod(slot, _BLOCK)
        return block >= len(self._sizes) or (sizes := self._sizes[block]) is None or not sizes[at]

    def get(self, slot: int) -> bytes:
        """Return what the slot holds."""
        block, at = divmod(slot, _BLOCK)
        if block >= len(self._sizes) or (sizes := self._sizes[block]) is None:
            return b""
        start = sum(sizes[:at])
        return self.texts[block][start : start + sizes[at]]

    def put(self, slot: int, chunk: bytes) -> None:
        """Put *chunk* in the place of what the slot holds."""
        block, at = divmod(slot, _BLOCK)
        while len(self.texts) <= block:
            self.texts.append(b"")
            self._sizes.append(None)
        text, sizes = self.texts[block], self._sizes[block]
        if sizes is None:
            sizes = self._sizes[block] = array("I", bytes(4 * _BLOCK))
        start = sum(sizes[:at])
        end = start + sizes[at]
        if text[start:end] != chunk:
            self.texts[block] = b"".join((text[:start], chunk, text[end:]))
            sizes[at] = len(chunk)


class _Lines:
    """The lines of one family, a chunk a job."""

    __slots__ = ("_blocks", "_form", "_order", "family", "headers", "value")

    def __init__(self, family: Family, service: str, job: str) -> None:
        names = (service, job, *family.labels)
        self.family = family
        self.value = family.read.value
        self.headers = (_text_header(family).encode(), _openmetrics_header(family).encode())
        labels = ",".join(f'{name}="%s"' for name in sorted(names))
        self._form = f"{family.name}{{{labels}}} %s\n"
        self._order = itemgetter(*[names.index(name) for name in sorted(names)])
        self._blocks = _Blocks()

    def put(self, slot: int, key: tuple[str, str], part: Any) -> int:
        """Render the lines of one job from the part that is read, and return how many they are."""
        samples = list(self.family.read.of_part(part))
        if samples or not self._blocks.empty(slot):  # else as most families of the other services
            self._render(slot, key, samples)
        return len(samples)

    def change(self, slot: int, key: tuple[str, str], part: Any, before: Any) -> int:
        """Render what says another thing than *before*, and return how many more lines it is."""
        samples = list(self.family.read.of_part(part))
        self._render(slot, key, samples)
        return len(samples) - sum(1 for _ in self.family.read.of_part(before))

    def _render(self, slot: int, key: tuple[str, str], samples: list[tuple[tuple[str, ...], float]]) -> None:
        self._blocks.put(slot, "".join([self._line(key, values, value) for values, value in samples]).encode())

    def remove(self, slot: int) -> None:
        """Take the lines of one job out."""
        self._blocks.put(slot, b"")

    def of(self, slot: int) -> bytes:
        """Return the lines of one job."""
        return self._blocks.get(slot)

    def parts(self) -> list[bytes]:
        """Return the lines of all jobs."""
        return self._blocks.texts

    def named(self, names: frozenset[str]) -> list[bytes] | None:
        """Return the lines of the samples that are in *names*, ``None`` if it has no such samples."""
        return self.parts() if self.family.name in names else None

    def _line(self, key: tuple[str, str], values: tuple[str, ...], value: float) -> str:
        return self._form % (*self._order((*key, *map(escaped, values))), _number(value))


class _EndedLines(_Lines):
    """The lines of a summary or a histogram, whose samples have other names than it has."""

    __slots__ = ("_forms",)

    def __init__(self, family: Family, service: str, job: str) -> None:
        super().__init__(family, service, job)
        self._forms: dict[str, tuple[str, itemgetter[Any]]] = {}
        for ending in SAMPLE_ENDINGS:
            names = (service, job, *family.labels, *(("le",) if ending == BUCKET_ENDING else ()))
            labels = ",".join(f'{name}="%s"' for name in sorted(names))
            order = itemgetter(*[names.index(name) for name in sorted(names)])
            self._forms[ending] = (f"{family.name}{ending}{{{labels}}} %s\n", order)

    def named(self, names: frozenset[str]) -> list[bytes] | None:
        """Return the lines of the samples that are in *names*."""
        starts = tuple(
            f"{self.family.name}{each}{{".encode() for each in SAMPLE_ENDINGS if self.family.name + each in names
        )
        if not starts:
            return None
        return [line for text in self.parts() for line in text.splitlines(keepends=True) if line.startswith(starts)]

    def _line(self, key: tuple[str, str], values: tuple[str, ...], value: float) -> str:
        ending, *labels = values
        form, order = self._forms[ending]
        return form % (*order((*key, *labels)), _number(value))


class Exposition:
    """The rendered lines of all jobs; *service* and *job* are the names of the two labels."""

    def __init__(self, families: Sequence[Family], service: str = "service", job: str = "job") -> None:
        self._lines = [(_EndedLines if family.kind in _ENDED else _Lines)(family, service, job) for family in families]
        self._parts: dict[Callable[[Record], Any], list[_Lines]] = {}
        """The families by the part of the record that they read."""
        for lines in self._lines:
            self._parts.setdefault(lines.family.read.part, []).append(lines)
        self._every_poll = [lines for lines in self._lines if lines.family.every_poll]
        self._numbers = array("I")  # of the lines of each job, by slot
        self._slots: dict[JobKey, int] = {}
        self._free: dict[str, list[int]] = {}
        self._blocks = 0

    def put(self, record: Record, before: Record | None = None, *, whole: bool = True) -> int:
        """Render the lines of a job and return how many they are.

        *before* is the record that the lines were rendered from, if they are whole; what it says as well is not
        rendered again. Unless *whole* only those families stay that say who the job is and whether it is up; the
        number is of all lines nevertheless.
        """
        key = record.job.key
        slot, names = self._slot(key), (escaped(key.service), escaped(key.job))
        if before is None:
            self._numbers[slot] = self._put_all(slot, names, record, whole=whole)
            return self._numbers[slot]
        grown = 0
        for part, families in self._parts.items():
            new, old = part(record), part(before)
            if new is not old and new != old:
                for lines in families:
                    if new is None or old is None or lines.value(new) != lines.value(old):
                        grown += lines.change(slot, names, new, old)
        self._numbers[slot] += grown
        return self._numbers[slot]

    def _put_all(self, slot: int, names: tuple[str, str], record: Record, *, whole: bool) -> int:
        number = 0
        for part, families in self._parts.items():
            found = part(record)
            for lines in families:
                if whole or not lines.family.guarded:
                    number += lines.put(slot, names, found)
                else:
                    lines.remove(slot)
                    number += sum(1 for _ in lines.family.read(record))
        return number

    def put_poll(self, record: Record, *, whole: bool = True) -> None:
        """Render only what every poll that worked changes."""
        key = record.job.key
        names = (escaped(key.service), escaped(key.job))
        for lines in self._every_poll:
            if whole or not lines.family.guarded:
                lines.put(self._slots[key], names, lines.family.read.part(record))

    def remove(self, key: JobKey) -> None:
        """Forget the lines of a job; its place is free for the next."""
        slot = self._slots.pop(key)
        self._free[key.service].append(slot)
        for lines in self._lines:
            lines.remove(slot)

    def lines(self, key: JobKey) -> bytes:
        """Return the lines of a job, a family after the other."""
        slot = self._slots.get(key)
        return b"" if slot is None else b"".join(lines.of(slot) for lines in self._lines)

    def document(self, key: JobKey) -> bytes:
        """Return the lines of a job as a body of their own, in the text format."""
        slot = self._slots.get(key)
        there = [] if slot is None else [(each.headers[False], each.of(slot)) for each in self._lines]
        return b"".join(header + lines for header, lines in there if lines)

    def sections(self, openmetrics: bool, names: frozenset[str] = frozenset()) -> Iterator[list[bytes]]:
        """Yield the body, a family after the other, each in parts that never change.

        With *names* only the families whose samples are called so.
        """
        for lines in self._lines:
            parts = lines.named(names) if names else lines.parts()
            if parts is not None:
                yield [lines.headers[openmetrics], *parts]

    def _slot(self, key: JobKey) -> int:
        """Return the place of a job: in a block of its service, so that few families have lines in each block."""
        slot = self._slots.get(key)
        if slot is None:
            free = self._free.setdefault(key.service, [])
            if not free:
                free.extend(range((self._blocks + 1) * _BLOCK - 1, self._blocks * _BLOCK - 1, -1))
                self._blocks += 1
                self._numbers.extend([0] * _BLOCK)
            slot = self._slots[key] = free.pop()
        return slot


@lru_cache(maxsize=4096)
def escaped(text: str) -> str:
    """Write a label's value; the same few words come again and again."""
    return text.translate(_ESCAPES)


def _number(value: float) -> str:
    """Write a value as prometheus_client does."""
    if type(value) is int and 0 <= value < 1_000_000:
        return f"{value}.0"  # by far the most
    text: str = floatToGoString(value)  # type: ignore[no-untyped-call]
    return text


def _text_header(family: Family) -> str:
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"


def _openmetrics_header(family: Family) -> str:
    name = family.name.removesuffix("_total") if family.kind == "counter" else family.name
    unit = f"# UNIT {name} {family.unit}\n" if family.unit else ""
    return f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n{unit}"
