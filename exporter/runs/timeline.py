"""What is kept of one job's past: its last runs, the progress of the newest, what it turned into, and failed polls.

All of it is packed into a few bytes, because there may be a hundred thousand jobs: at most :data:`MOST_BYTES` a job.
Moments are kept as whole seconds. What is not known is ``None``, and nothing is made up where something was not seen.
Pure.
"""

import math
import struct
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple, TypeAlias
from zlib import crc32

from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.run import RunId
from exporter.model.snapshot import RESULTS, Measure, Snapshot, State
from exporter.model.standing import STANDINGS
from exporter.runs.codes import Codes
from exporter.runs.past import Failure, JobPast, PastRun, Turn
from exporter.services import registry

RUNS_KEPT: Final = 20
SAMPLES_KEPT: Final = 64
TURNS_KEPT: Final = 12
FAILURES_KEPT: Final = 5
MOST_BYTES: Final = 1228
"""Bytes of one job, Python's own included. What is least worth goes first: samples are thinned, old failures go."""
_FEW_SAMPLES: Final = 16
_OF_TIMELINE: Final = 422
"""Bytes that Python adds to what is packed: the objects, and a job's places in the dictionaries."""
_WHOLE: Final = 65_000
"""The number that stands for a progress of 1."""
_LATEST: Final = 0xFFFF_FFFF
_REQUEST_ID: Final = 64
_MOVED: Final = Measure("rows_written")

_RUN: Final = struct.Struct("<IffdIHB")  # end, seconds since its start, waited, rows, which run, code, result and flag
_HEAD: Final = struct.Struct("<IIH")  # which run, time of the first sample, seconds that a unit of time has
_SAMPLE: Final = struct.Struct("<HH")
_TURN: Final = struct.Struct("<IBBH")
_FAILURE: Final = struct.Struct("<IBHB")
_OUR_TIME: Final = 0x80
_REASONS: Final = tuple(Reason)


class Timeline:
    """The past of one job, packed."""

    __slots__ = ("failures", "progress", "runs", "since", "turns")

    def __init__(
        self, since: int, runs: bytes = b"", progress: bytes = b"", turns: bytes = b"", failures: bytes = b""
    ) -> None:
        self.since = since
        self.runs = runs
        self.progress = progress
        self.turns = turns
        self.failures = failures

    @property
    def size(self) -> int:
        """The bytes that it takes."""
        return _OF_TIMELINE + len(self.runs) + len(self.progress) + len(self.turns) + len(self.failures)

    def ended(self, answer: Snapshot, seen_at: float, codes: Codes, replaces: RunId | None = None) -> bool:
        """Note a run that ended, or what else is known of it by now; return whether it was not known to have ended.

        *replaces* is the name that the answer before had for it.
        """
        row = _packed_run(answer, seen_at, codes)
        keys = _keys(answer.run) | (set() if replaces is None else _keys(replaces) or {0})
        rows = list(_rows(self.runs))
        place = next((at for at in reversed(range(len(rows))) if rows[at][4] in keys or _alike(rows[at], row)), None)
        if place is not None:
            row = _merged(rows.pop(place), row, named=bool(answer.run.id))
        rows.append(row)
        rows.sort(key=lambda each: each[0])
        self.runs = b"".join(_RUN.pack(*each) for each in rows[-RUNS_KEPT:])
        return place is None

    def goes_on(self, run: RunId) -> None:
        """Take back that a run ended; one without a name may be another one."""
        keys = _keys(run)
        self.runs = b"".join(_RUN.pack(*row) for row in _rows(self.runs) if row[4] not in keys)

    def moved(self, run: RunId, at: float, ratio: float, *, same: bool) -> None:
        """Note the progress of the newest run; that of another one goes, unless it is the *same* as before."""
        now = _moment(at)
        value = math.floor(min(max(ratio, 0.0), 1.0) * _WHOLE + 1e-6)
        if not self.progress or not (same or _HEAD.unpack_from(self.progress)[0] in _keys(run)):
            self.progress = _HEAD.pack(_key(run), now, 1) + _SAMPLE.pack(0, value)
            return
        key, first, unit = _HEAD.unpack_from(self.progress)
        last, told = _SAMPLE.unpack_from(self.progress, len(self.progress) - _SAMPLE.size)
        if told == value:
            return
        now = max(now, first + last * unit)  # a clock that is set back turns no run round
        if (len(self.progress) - _HEAD.size) // _SAMPLE.size >= SAMPLES_KEPT:
            self._thin()
        while (now - first) // unit > 0xFFFF:
            unit *= 2
            samples = [_SAMPLE.pack(since // 2, each) for since, each in _samples(self.progress)]
            self.progress = _HEAD.pack(key, first, unit) + b"".join(samples)
        self.progress += _SAMPLE.pack((now - first) // unit, value)

    def turned(self, at: float, was: str, now: str, code: int) -> None:
        """Note that the job turned from one standing into another."""
        turn = _TURN.pack(_moment(at), STANDINGS.index(was), STANDINGS.index(now), code)
        self.turns = (self.turns + turn)[-TURNS_KEPT * _TURN.size :]

    def failed(self, at: float, reason: Reason, code: int, request_id: str) -> None:
        """Note a poll that failed."""
        told = request_id.encode("utf-8", "replace")
        told = told if len(told) <= _REQUEST_ID else b""  # a part of an id finds nothing
        self.failures += _FAILURE.pack(_moment(at), _REASONS.index(reason), code, len(told)) + told
        parts = list(_failure_parts(self.failures))
        self.failures = b"".join(parts[-FAILURES_KEPT:])

    def last(self) -> str | None:
        """Return what the job turned into last."""
        if not self.turns:
            return None
        return STANDINGS[_TURN.unpack_from(self.turns, len(self.turns) - _TURN.size)[2]]

    def took(self, run: RunId) -> float | None:
        """Return how long a run took that ended."""
        keys = _keys(run)
        return next((_unpacked_run(row, "").took for row in _rows(self.runs) if row[4] in keys), None)

    def last_failure(self) -> float | None:
        """Return when the last run ended that failed."""
        ends = [row[0] for row in _rows(self.runs) if RESULTS[row[6] & ~_OUR_TIME] is State.FAILED]
        return float(max(ends)) if ends else None

    def unpacked(self, codes: Codes) -> JobPast:
        """Return all of it, in a thread too; ``ValueError`` or ``IndexError`` if this version did not pack it."""
        progress, turns = self.progress, self.turns
        if len(turns) % _TURN.size or (progress and len(progress) < _HEAD.size):
            raise ValueError("cut short")
        first, unit = _HEAD.unpack_from(progress)[1:] if progress else (0, 1)
        return JobPast(
            float(self.since),
            tuple(_unpacked_run(row, codes.word(row[5])) for row in _rows(self.runs)),
            tuple((float(first + since * unit), value / _WHOLE) for since, value in _samples(progress)),
            tuple(
                Turn(float(at), STANDINGS[was], STANDINGS[now], codes.word(code))
                for at, was, now, code in _TURN.iter_unpack(turns)
            ),
            tuple(_unpacked_failure(part, codes) for part in _failure_parts(self.failures)),
        )

    def _thin(self) -> None:
        """Drop every second sample but the first and the last."""
        samples = list(_samples(self.progress))
        kept = [*samples[:-1:2], samples[-1]]
        self.progress = self.progress[: _HEAD.size] + b"".join(_SAMPLE.pack(*each) for each in kept)

    def fit(self) -> int:
        """Make room, if there is need: thin the progress first, then drop the oldest failures, then the oldest turns.

        Return the bytes that are taken then.
        """
        while (size := self.size) > MOST_BYTES:
            if len(self.progress) > _HEAD.size + _FEW_SAMPLES * _SAMPLE.size:
                self._thin()
            elif len(parts := list(_failure_parts(self.failures))) > 1:
                self.failures = b"".join(parts[1:])
            else:
                self.turns = self.turns[_TURN.size :]
        return size


class Kept(NamedTuple):
    """One job's past, with what tells the job from others of its name."""

    key: JobKey
    project: str
    target: Mapping[str, str]
    timeline: Timeline

    def of(self, job: Job) -> bool:
        """Whether it is the past of *job*: of the same one, or of the run before it under its name."""
        if (self.key, self.project) != (job.key, job.project):
            return False
        return self.target == job.target or registry.load_services()[job.key.service].final


_Row: TypeAlias = tuple[int, float, float, float, int, int, int]


def _rows(packed: bytes) -> Iterator[_Row]:
    """Yield the runs that are packed. Raises ``ValueError`` if they are cut."""
    if len(packed) % _RUN.size:
        raise ValueError("cut short")
    yield from _RUN.iter_unpack(packed)


def _samples(progress: bytes) -> Iterator[tuple[int, int]]:
    """Yield when a progress was said, and which. Raises ``ValueError`` if they are cut."""
    if progress and (len(progress) - _HEAD.size) % _SAMPLE.size:
        raise ValueError("cut short")
    yield from _SAMPLE.iter_unpack(progress[_HEAD.size :])


def _key(run: RunId) -> int:
    """Return a number that tells a run from the others that are kept of its job; 0 for one without a name."""
    return crc32(run.label.encode("utf-8", "replace")) or 1 if run.label else 0


def _keys(run: RunId) -> set[int]:
    """Return the numbers by which a run may be kept: an answer may tell its id, its creation, or both."""
    by_creation = RunId("", run.created)
    return {_key(each) for each in (run, by_creation) if each.label}


def _alike(row: _Row, other: _Row) -> bool:
    """Whether both ended at the same second, by the cloud's word, in the same way: they are one run."""
    return not row[6] & _OUR_TIME and (row[0], row[6]) == (other[0], other[6])


def _moment(at: float) -> int:
    return min(max(int(at), 0), _LATEST) if math.isfinite(at) else 0


def _packed_run(answer: Snapshot, seen_at: float, codes: Codes) -> _Row:
    told, start, created = (_possible(at) for at in (answer.end, answer.start, answer.run.created))
    end = seen_at if told is None else told
    flags = RESULTS.index(answer.state) | (_OUR_TIME if told is None else 0)
    span = math.nan if start is None or start > end else end - start
    # a service that tells no start of its own may repeat the creation as such, which is no wait of 0
    waited = math.nan if start is None or created is None or created >= start else start - created
    rows = answer.counts.get(_MOVED)
    code = codes.number(answer.failure_code)
    return _moment(end), span, waited, math.nan if rows is None else rows, _key(answer.run), code, flags


def _possible(at: float | None) -> float | None:
    """Return a time, unless no run can be of that time: it is not known then."""
    return at if at is not None and 0 < at < _LATEST else None


def _merged(old: _Row, new: _Row, *, named: bool) -> _Row:
    """Return what is known of a run by two answers: the later one, and what only the one before said.

    The run is kept by its id once that is known; *named* is an answer that tells it.
    """
    ours, was_ours = new[6] & _OUR_TIME, old[6] & _OUR_TIME
    first = ours and (not was_ours or old[0] < new[0])  # the end was known better before, or seen earlier
    end, end_flag = (old[0], was_ours) if first else (new[0], ours)
    begun = new[0] - new[1] if math.isnan(old[1]) or not (math.isnan(new[1]) or first) else old[0] - old[1]
    span = new[1] if not first and not math.isnan(new[1]) else end - begun
    waited, rows = (old[at] if math.isnan(new[at]) else new[at] for at in (2, 3))
    flags = (new[6] & ~_OUR_TIME) | end_flag
    return (
        end,
        span if span >= 0 else math.nan,
        waited,
        rows,
        new[4] if named else old[4] or new[4],
        new[5] or old[5],
        flags,
    )


def _unpacked_run(row: _Row, code: str) -> PastRun:
    end, span, waited, rows, _, _, flags = row
    seen, known = bool(flags & _OUR_TIME), not math.isnan(span)
    return PastRun(
        RESULTS[flags & ~_OUR_TIME].value,
        float(end),
        seen,
        float(math.ceil(end - span - 0.01)) if known else None,
        round(span, 3) if known and not seen else None,
        None if math.isnan(waited) else round(waited, 3),
        None if math.isnan(rows) else rows,
        code,
    )


def _failure_parts(packed: bytes) -> Iterator[bytes]:
    """Yield each failure. Raises ``ValueError`` if they are cut."""
    at = 0
    while at < len(packed):
        if len(packed) - at < _FAILURE.size:
            raise ValueError("cut short")
        end = at + _FAILURE.size + _FAILURE.unpack_from(packed, at)[3]
        if end > len(packed):
            raise ValueError("cut short")
        yield packed[at:end]
        at = end


def _unpacked_failure(part: bytes, codes: Codes) -> Failure:
    at, reason, code, _ = _FAILURE.unpack_from(part)
    return Failure(at, _REASONS[reason].value, codes.word(code), part[_FAILURE.size :].decode("utf-8", "replace"))
