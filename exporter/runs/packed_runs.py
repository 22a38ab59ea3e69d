"""A run that ended, packed into a few bytes, and the merge of two responses about the same run. Pure."""

import math
import struct
from collections.abc import Iterable, Iterator
from typing import Final, TypeAlias
from zlib import crc32

from exporter.model.run import RunId
from exporter.model.snapshot import RESULTS, Measure, Snapshot, State
from exporter.runs.codes import Codes
from exporter.runs.past import PastRun

_LATEST: Final = 0xFFFF_FFFF
"""The year 2106."""
ROWS_MOVED: Final = Measure("rows_written")
_RUN: Final = struct.Struct("<IffdIHB")  # end, seconds since its start, waited, rows, which run, code, result and flags
OUR_TIME: Final = 0x80
"""Set where the end is when a poll saw it, because the cloud did not say."""
OVER: Final = 0x40
"""Set too where no poll saw the run before it was over, so that nobody knows when it ended."""

_RunRow: TypeAlias = tuple[int, float, float, float, int, int, int]
"""End, seconds since the start, waited, rows, which run, code, and result with flags; what is not known is NaN."""


def run_rows(packed: bytes) -> Iterator[_RunRow]:
    """Yield the runs that are packed. Raises ``ValueError`` if they are cut."""
    if len(packed) % _RUN.size:
        raise ValueError("cut short")
    yield from _RUN.iter_unpack(packed)


def pack_runs(rows: Iterable[_RunRow]) -> bytes:
    """Pack runs."""
    return b"".join(_RUN.pack(*row) for row in rows)


def run_key(run: RunId) -> int:
    """Return a number that tells a run from the others that are kept of its job; 0 for one without a name."""
    return crc32(run.label.encode("utf-8", "replace")) or 1 if run.label else 0


def run_keys(run: RunId) -> set[int]:
    """Return the numbers by which a run may be kept: an answer may tell its id, its creation, or both."""
    by_creation = RunId("", run.created)
    return {run_key(each) for each in (run, by_creation) if each.label}


def same_end(row: _RunRow, other: _RunRow) -> bool:
    """Whether both ended at the same second, by the cloud's word, in the same way: they are one run."""
    return not row[6] & OUR_TIME and (row[0], row[6]) == (other[0], other[6])


def result_of(row: _RunRow) -> State:
    """Return how a run ended."""
    return RESULTS[row[6] & ~(OUR_TIME | OVER)]


def began(row: _RunRow) -> float:
    """Return when a run began; of one whose start is not known, when it ended."""
    return row[0] - (0.0 if math.isnan(row[1]) else row[1])


def whole_seconds(at: float) -> int:
    """Return a time as it is kept."""
    return min(max(int(at), 0), _LATEST) if math.isfinite(at) else 0


def packed_run(answer: Snapshot, seen_at: float, codes: Codes, *, over: bool) -> _RunRow:
    """Return what an answer says of a run that ended, first seen so at *seen_at*; *over* if it may be long over."""
    reported, start, created = (_possible(at) for at in (answer.end, answer.start, answer.run.created))
    end = seen_at if reported is None else reported
    flags = RESULTS.index(answer.state) | (0 if reported is not None else OUR_TIME | OVER if over else OUR_TIME)
    span = math.nan if start is None or start > end else end - start
    # a service that tells no start of its own may repeat the creation as such, which is no wait of 0
    waited = math.nan if start is None or created is None or created >= start else start - created
    rows = answer.counts.get(ROWS_MOVED)
    code = codes.number(answer.failure_code)
    return whole_seconds(end), span, waited, math.nan if rows is None else rows, run_key(answer.run), code, flags


def _possible(at: float | None) -> float | None:
    """Return a time, unless no run can be of that time: it is not known then."""
    return at if at is not None and 0 < at < _LATEST else None


def merged_run(old: _RunRow, new: _RunRow, *, named: bool) -> _RunRow:
    """Return what is known of a run by two answers: the later one, and what only the one before said.

    The run is kept by its id once that is known; *named* is an answer that tells it.
    """
    ours, was_ours = new[6] & OUR_TIME, old[6] & OUR_TIME
    if ours and old[4] and not new[4] and math.isnan(new[1]):
        return old  # without name and times nothing shows that its rows are those of this run
    first = ours and (not was_ours or old[0] < new[0])  # the end was known better before, or seen earlier
    end = old[0] if first else new[0]
    begun = new[0] - new[1] if math.isnan(old[1]) or not (math.isnan(new[1]) or first) else old[0] - old[1]
    span = new[1] if not first and not math.isnan(new[1]) else end - begun
    waited, rows = (old[at] if math.isnan(new[at]) else new[at] for at in (2, 3))
    flags = (new[6] & ~(OUR_TIME | OVER)) | ((old if ours else new)[6] & (OUR_TIME | OVER))
    return (
        end,
        span if span >= 0 else math.nan,
        waited,
        rows,
        new[4] if named else old[4] or new[4],
        new[5] or old[5],
        flags,
    )


def unpacked_run(row: _RunRow, code: str) -> PastRun:
    """Return the run that a row holds; *code* is its error code, which the row has as a number."""
    end, span, waited, rows, _, _, flags = row
    seen, known = bool(flags & OUR_TIME), not math.isnan(span)
    return PastRun(
        result_of(row).value,
        float(end),
        seen,
        float(math.ceil(end - span - 0.01)) if known else None,
        round(span, 3) if known and not seen else None,
        None if math.isnan(waited) else round(waited, 3),
        None if math.isnan(rows) else rows,
        code,
        bool(flags & OVER),
    )
