"""The rows of the result: what was measured, against what, and whether the goal is met."""

import json
import os
import platform
import statistics
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Row:
    """One number; with a *goal* it is met when the value is not above it."""

    benchmark: str
    name: str
    value: float
    unit: str
    goal: float | None = None
    note: str = ""

    @property
    def verdict(self) -> str:
        """Whether the goal is met, and by how much it is missed."""
        if self.goal is None:
            return ""
        if self.value <= self.goal:
            return "met"
        return f"missed, {self.value / self.goal:.2f} x the goal"


def median(values: Sequence[float]) -> float:
    """Return the middle value."""
    return statistics.median(values)


def against(ours: float, peer: float) -> str:
    """Return how a cost compares: the part of the peer's that ours is."""
    return f"1/{peer / ours:.1f}" if ours < peer else f"{ours / peer:.2f} x"


def as_markdown(rows: Sequence[Row]) -> str:
    """Return the table."""
    lines = ["| | | value | goal | |", "|---|---|---|---|---|"]
    for row in rows:
        goal = "" if row.goal is None else f"<= {_number(row.goal)} {row.unit}"
        after = "; ".join(filter(None, (row.verdict, row.note)))
        lines.append(f"| {row.benchmark} | {row.name} | {_number(row.value)} {row.unit} | {goal} | {after} |")
    return "\n".join(lines)


def machine() -> dict[str, str | int | None]:
    """Return where and when this is measured, as far as it matters to the numbers."""
    return {
        "date": time.strftime("%Y-%m-%d", time.gmtime()),
        "cores": os.cpu_count(),
        "python": platform.python_version(),
        "system": f"{platform.system()} {platform.machine()}",
    }


def read(path: Path) -> list[Row]:
    """Return the rows of a file that was written before, none if there is no such file."""
    if not path.exists():
        return []
    return [Row(**{name: row[name] for name in Row.__slots__}) for row in json.loads(path.read_text())["rows"]]


def merged(old: Sequence[Row], new: Sequence[Row]) -> list[Row]:
    """Return the new rows, and the old ones of the benchmarks that did not run anew."""
    measured = {row.benchmark for row in new}
    return [*new, *(row for row in old if row.benchmark not in measured)]


def write(rows: Sequence[Row], path: Path) -> None:
    """Write the rows as JSON."""
    found = {"machine": machine(), "rows": [{**asdict(row), "verdict": row.verdict} for row in rows]}
    path.write_text(json.dumps(found, indent=1) + "\n")


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 1000 else f"{value:.3g}"
