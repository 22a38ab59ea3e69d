"""Records as bytes: a job's lines are rendered when its record changes, and a scrape joins them.

The lines of a sample are the same in the text format 0.0.4 and in OpenMetrics 1.0; only what stands above a family
differs. They are byte for byte what prometheus_client prints for the same samples.
"""

from collections.abc import Iterable, Sequence
from typing import Final

from prometheus_client.utils import floatToGoString

from exporter.core.family import Family
from exporter.core.model import JobKey, Record

ESCAPES: Final = str.maketrans({"\\": r"\\", "\n": r"\n", '"': r"\""})


class _Lines:
    """The lines of one family, a chunk a job, and all of them joined until one changes."""

    __slots__ = ("_chunks", "_family", "_joined", "_order", "_service", "headers")

    def __init__(self, family: Family, service: str, job: str) -> None:
        names = (service, job, *family.labels)
        self._family = family
        self._order = tuple((f'{name}="', names.index(name)) for name in sorted(names))
        self._chunks: dict[JobKey, bytes] = {}
        self._joined: bytes | None = b""
        self.headers = (_text_header(family).encode(), _openmetrics_header(family).encode())

    @property
    def family(self) -> Family:
        return self._family

    def put(self, record: Record) -> int:
        """Render the lines of one job and return how many they are."""
        lines = [self._line(record.job.key, values, value) for values, value in self._family.read(record)]
        if not lines:
            self.remove(record.job.key)
        else:
            chunk = "".join(lines).encode()
            if self._chunks.get(record.job.key) != chunk:
                self._chunks[record.job.key] = chunk
                self._joined = None
        return len(lines)

    def leave_out(self, record: Record) -> int:
        """Return how many lines the job would have."""
        self.remove(record.job.key)
        return sum(1 for _ in self._family.read(record))

    def remove(self, key: JobKey) -> None:
        if self._chunks.pop(key, None) is not None:
            self._joined = None

    def joined(self) -> bytes:
        if self._joined is None:
            self._joined = b"".join(self._chunks.values())
        return self._joined

    def _line(self, key: JobKey, values: tuple[str, ...], value: float) -> str:
        texts = (*key, *values)
        labels = ",".join([f'{name}{texts[at].translate(ESCAPES)}"' for name, at in self._order])
        return f"{self._family.name}{{{labels}}} {floatToGoString(value)}\n"  # type: ignore[no-untyped-call]


class Exposition:
    """The rendered lines of all jobs; *service* and *job* are the names of the two labels."""

    def __init__(self, families: Sequence[Family], service: str = "service", job: str = "job") -> None:
        self._lines = [_Lines(family, service, job) for family in families]
        self.version = 0
        """Changes whenever the bytes may have changed."""

    def put(self, record: Record, *, whole: bool = True) -> int:
        """Render all lines of a job and return how many they are; unless *whole* keep only who and whether it is up."""
        self.version += 1
        return sum(
            lines.put(record) if whole or not lines.family.guarded else lines.leave_out(record) for lines in self._lines
        )

    def put_poll(self, record: Record, *, whole: bool = True) -> None:
        """Render only what every poll that worked changes."""
        self.version += 1
        for lines in self._lines:
            if lines.family.every_poll and (whole or not lines.family.guarded):
                lines.put(record)

    def remove(self, key: JobKey) -> None:
        """Forget the lines of a job."""
        self.version += 1
        for lines in self._lines:
            lines.remove(key)

    def parts(self, openmetrics: bool, names: frozenset[str] = frozenset()) -> Iterable[bytes]:
        """Yield the body; with *names* only the families whose samples are called so."""
        for lines in self._lines:
            if not names or lines.family.name in names:
                yield lines.headers[openmetrics]
                yield lines.joined()


def _text_header(family: Family) -> str:
    return f"# HELP {family.name} {family.help}\n# TYPE {family.name} {family.kind}\n"


def _openmetrics_header(family: Family) -> str:
    name = family.name.removesuffix("_total") if family.kind == "counter" else family.name
    unit = f"# UNIT {name} {family.unit}\n" if family.unit else ""
    return f"# HELP {name} {family.help}\n# TYPE {name} {family.kind}\n{unit}"
