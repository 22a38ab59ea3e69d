"""Renders records as bytes: a job's lines are rendered when its record changes, and a scrape joins them.

The line of a sample is the same in the text format 0.0.4 and in OpenMetrics 1.0; only the lines above a family differ.
The lines equal those of prometheus_client for the same samples byte for byte.

The lines of many jobs are stored together in blocks, one bytes object for each family and block, because a separate
object for each line would need more memory for its overhead than for its text. If a job changes, its block is copied
with the new lines, so a response that is still sending the old block is not affected.
"""

from array import array
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import lru_cache
from typing import Any, Final

from prometheus_client.utils import floatToGoString

from exporter.metrics.family import BUCKET_ENDING, SAMPLE_ENDINGS, Family
from exporter.model.job import JobKey
from exporter.model.record import Record

_ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})
_ENDED: Final = frozenset({"summary", "histogram"})
_BLOCK: Final = 64
"""Jobs in a block: many enough that few parts are joined, few enough that copying one costs little."""
_FORMS: Final = 32
"""Lines without the job and the value that a family keeps: more than it has, but for labels that are free text."""


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

    def put(self, slot: int, chunk: bytes) -> bytes:
        """Put *chunk* in the place of what the slot holds, and return that."""
        block, at = divmod(slot, _BLOCK)
        while len(self.texts) <= block:
            self.texts.append(b"")
            self._sizes.append(None)
        text, sizes = self.texts[block], self._sizes[block]
        if sizes is None:
            sizes = self._sizes[block] = array("I", bytes(4 * _BLOCK))
        start = sum(sizes[:at])
        end = start + sizes[at]
        before = text[start:end]
        if before != chunk:
            view = memoryview(text)  # slices of it are no copies
            self.texts[block] = b"".join((view[:start], chunk, view[end:]))
            sizes[at] = len(chunk)
        return before


class _Lines:
    """The lines of one family, a chunk a job."""

    __slots__ = ("_blocks", "_form", "_whose", "family", "headers", "value")

    def __init__(self, family: Family, whose: tuple[str, str]) -> None:
        self.family = family
        self.value = family.read.value
        self.headers = (_text_header(family).encode(), _openmetrics_header(family).encode())
        self._whose = whose
        self._form = lru_cache(maxsize=_FORMS)(self._line_of)
        self._blocks = _Blocks()

    def put(self, slot: int, names: tuple[str, str], part: Any) -> tuple[int, int]:
        """Render the lines of one job from the part that is read; return how many they are, and how many they were.

        *names* are the values of the two labels that all jobs have, in the order of *whose*.
        """
        samples = list(self.family.read.of_part(part))
        if not samples and self._blocks.empty(slot):
            return 0, 0  # as most families of the other services
        lines = [self._form(values) % (*names, _number(value)) for values, value in samples]
        return len(lines), self._blocks.put(slot, "".join(lines).encode()).count(b"\n")

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

    def _line_of(self, values: tuple[str, ...]) -> str:
        """Return the line of a sample with these label values, without the names of its job and its value."""
        return self._written(self.family.name, dict(zip(self.family.labels, values, strict=True)))

    def _written(self, name: str, labels: Mapping[str, str]) -> str:
        escapes = {label: escaped(value).replace("%", "%%") for label, value in labels.items()}
        all_labels = sorted({**escapes, **dict.fromkeys(self._whose, "%s")}.items())
        pairs = ",".join([f'{label}="{value}"' for label, value in all_labels])
        return f"{name}{{{pairs}}} %s\n"


class _EndedLines(_Lines):
    """The lines of a summary or a histogram, whose samples have other names than it has."""

    __slots__ = ()

    def named(self, names: frozenset[str]) -> list[bytes] | None:
        """Return the lines of the samples that are in *names*."""
        starts = tuple(
            f"{self.family.name}{each}{{".encode() for each in SAMPLE_ENDINGS if self.family.name + each in names
        )
        if not starts:
            return None
        return [line for text in self.parts() for line in text.splitlines(keepends=True) if line.startswith(starts)]

    def _line_of(self, values: tuple[str, ...]) -> str:
        ending, *labels = values
        names = (*self.family.labels, *(("le",) if ending == BUCKET_ENDING else ()))
        return self._written(self.family.name + ending, dict(zip(names, labels, strict=True)))


class Exposition:
    """The rendered lines of all jobs; *service* and *job* are the names of the two labels."""

    def __init__(self, families: Sequence[Family], service: str = "service", job: str = "job") -> None:
        self._service_first = service < job
        whose = (service, job) if self._service_first else (job, service)
        self._lines = [(_EndedLines if family.kind in _ENDED else _Lines)(family, whose) for family in families]
        self._measured = {lines.family.measure: lines for lines in self._lines if lines.family.measure}
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
        slot, names = self._slot(record.job.key), self._names(record.job.key)
        if before is None:
            self._numbers[slot] = self._put_all(slot, names, record, whole=whole)
            return self._numbers[slot]
        grown = 0
        for part, families in self._parts.items():
            new, old = part(record), part(before)
            if new is not old and new != old:
                for lines in self._changed(families, new, old):
                    now, then = lines.put(slot, names, new)
                    grown += now - then
        self._numbers[slot] += grown
        return self._numbers[slot]

    def _changed(self, families: list[_Lines], new: Any, old: Any) -> list[_Lines]:
        """Return those of *families*, which read the same part, for which it is another one."""
        if new is None or old is None:
            return families
        if families[0].family.measure:
            names = {measure.name for measure, _ in new.items() ^ old.items()}
            return [self._measured[name] for name in names if name in self._measured]
        return [lines for lines in families if lines.value(new) != lines.value(old)]

    def _put_all(self, slot: int, names: tuple[str, str], record: Record, *, whole: bool) -> int:
        number = 0
        for part, families in self._parts.items():
            found = part(record)
            for lines in families:
                if whole or not lines.family.guarded:
                    number += lines.put(slot, names, found)[0]
                else:
                    lines.remove(slot)
                    number += sum(1 for _ in lines.family.read.of_part(found))
        return number

    def put_poll(self, record: Record, *, whole: bool = True) -> None:
        """Render only what every poll that worked changes."""
        slot, names = self._slots[record.job.key], self._names(record.job.key)
        for lines in self._every_poll:
            if whole or not lines.family.guarded:
                lines.put(slot, names, lines.family.read.part(record))

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
                yield [lines.headers[openmetrics], *filter(None, parts)]

    def _names(self, key: JobKey) -> tuple[str, str]:
        """Return the values of the two labels of a job in the order of the labels."""
        service, job = escaped(key.service), escaped(key.job)
        return (service, job) if self._service_first else (job, service)

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


def escaped(text: str) -> str:
    """Write a label's value; hardly any holds what is escaped."""
    return text.translate(_ESCAPES) if '"' in text or "\\" in text or "\n" in text else text


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
