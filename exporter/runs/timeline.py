"""The past of one job: its last runs, the progress of some, its changes, and failed polls. Pure.

All of it is packed into a few bytes, because there may be a hundred thousand jobs: at most :data:`MOST_BYTES` for each
job. Times are kept in whole seconds. An unknown value is ``None``, and nothing is invented for a time in which the job
was not observed.
"""

import math
import struct
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, NamedTuple

from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State
from exporter.model.standing import BLIND, STANDINGS
from exporter.runs import packed_progress
from exporter.runs.codes import Codes
from exporter.runs.packed_runs import (
    OUR_TIME,
    OVER,
    ROWS_MOVED,
    began,
    merged_run,
    pack_runs,
    packed_run,
    result_of,
    run_key,
    run_keys,
    run_rows,
    same_end,
    unpacked_run,
    whole_seconds,
)
from exporter.runs.past import Failure, JobPast, Turn
from exporter.services import registry

RUNS_KEPT: Final = 20
EARLIER_KEPT: Final = 5
"""Runs before the newest of which the progress is kept, as a few points."""
TURNS_KEPT: Final = 12
FAILURES_KEPT: Final = 5
MOST_BYTES: Final = 1228
"""Bytes of one job, Python's own included. What is least worth goes first: samples are thinned, old failures go."""
_OF_TIMELINE: Final = 430
"""Bytes that Python adds to what is packed: the objects, and a job's places in the dictionaries."""
_OF_EARLIER: Final = 33
_REQUEST_ID: Final = 64

_TURN: Final = struct.Struct("<IBBH")
_FAILURE: Final = struct.Struct("<IBHB")
_REASONS: Final = tuple(Reason)


class Timeline:
    """The past of one job, packed."""

    __slots__ = ("earlier", "failures", "progress", "runs", "since", "turns")

    def __init__(
        self,
        since: int,
        runs: bytes = b"",
        progress: bytes = b"",
        turns: bytes = b"",
        failures: bytes = b"",
        earlier: bytes = b"",
    ) -> None:
        self.since = since
        self.runs = runs
        self.progress = progress
        self.turns = turns
        self.failures = failures
        self.earlier = earlier

    @property
    def size(self) -> int:
        """The bytes that it takes."""
        packed = len(self.runs) + len(self.progress) + len(self.turns) + len(self.failures) + len(self.earlier)
        return _OF_TIMELINE + packed + (_OF_EARLIER if self.earlier else 0)

    def ended(
        self, answer: Snapshot, seen_at: float, codes: Codes, replaces: RunId | None = None, *, over: bool
    ) -> bool:
        """Note a run that ended, or what else is known of it by now; return whether it was not known to have ended.

        *replaces* is the name that the answer before had for it. *over* is a run that may have ended long before: no
        earlier answer reported it.
        """
        row = packed_run(answer, seen_at, codes, over=over)
        keys = run_keys(answer.run) | (set() if replaces is None else run_keys(replaces) or {0})
        rows = list(run_rows(self.runs))
        place = next((at for at in reversed(range(len(rows))) if rows[at][4] in keys or same_end(rows[at], row)), None)
        if place is not None:
            row = merged_run(rows.pop(place), row, named=bool(answer.run.id))
        rows.append(row)
        rows.sort(key=lambda each: each[0])
        self.runs = pack_runs(rows[-RUNS_KEPT:])
        return place is None

    def news(self, answers: Sequence[Snapshot]) -> list[Snapshot]:
        """Return those of *answers*, all about runs that ended, that add anything to what is kept."""
        rows = list(run_rows(self.runs))
        known = {row[4]: math.isnan(row[3]) for row in rows if not row[6] & OUR_TIME}
        oldest = rows[0][0] if len(rows) == RUNS_KEPT else 0
        return [
            each
            for each in answers
            if (known.get(run_key(each.run), True) and (run_key(each.run) not in known or ROWS_MOVED in each.counts))
            and (each.end is None or each.end >= oldest)
        ]

    def goes_on(self, run: RunId) -> None:
        """Take back that a run ended; one without a name may be another one."""
        keys = run_keys(run)
        self.runs = pack_runs(row for row in run_rows(self.runs) if row[4] not in keys)

    def moved(self, run: RunId, at: float, ratio: float, *, same: bool) -> None:
        """Note the progress of the newest run; that of the one before becomes a few points, if it is another run."""
        if self.progress and not same and packed_progress.run_of(self.progress) not in run_keys(run):
            self._keep_curve()
        self.progress = packed_progress.with_sample(self.progress, run, at, ratio, same=same)

    @property
    def moved_at(self) -> float:
        """When a progress was last reported; 0 if none was."""
        samples = packed_progress.unpacked_progress(self.progress)
        return samples[-1][0] if samples else 0.0

    def _keep_curve(self) -> None:
        """Keep the progress of a run that succeeded, where the cloud said when it began and ended.

        It is the one run in whose time the samples are: some answers name the run, and others do not.
        """
        times = [at for at, _ in packed_progress.unpacked_progress(self.progress)]
        rows = [row for row in run_rows(self.runs) if began(row) <= times[-1] and times[0] <= row[0]]
        if len(rows) == 1 and rows[0][1] > 0 and not rows[0][6] & OUR_TIME and result_of(rows[0]) is State.SUCCEEDED:
            curve = packed_progress.curve(self.progress, began(rows[0]), rows[0][1])
            self.earlier = (self.earlier + curve)[-EARLIER_KEPT * len(curve) :]

    def turned(self, at: float, was: str, now: str, code: int) -> None:
        """Note that the job turned from one standing into another."""
        turn = _TURN.pack(whole_seconds(at), STANDINGS.index(was), STANDINGS.index(now), code)
        self.turns = (self.turns + turn)[-TURNS_KEPT * _TURN.size :]

    def amend_turn(self, code: int) -> None:
        """Note why the job failed, where the first answer that reported the failure did not say."""
        *whole, known = _TURN.unpack_from(self.turns, len(self.turns) - _TURN.size)
        if not known:
            self.turns = self.turns[: -_TURN.size] + _TURN.pack(*whole, code)

    def failed(self, at: float, reason: Reason, code: int, request_id: str) -> None:
        """Note a poll that failed."""
        encoded = request_id.encode("utf-8", "replace")
        encoded = encoded if len(encoded) <= _REQUEST_ID else b""  # a part of an id finds nothing
        self.failures += _FAILURE.pack(whole_seconds(at), _REASONS.index(reason), code, len(encoded)) + encoded
        parts = list(_failure_parts(self.failures))
        self.failures = b"".join(parts[-FAILURES_KEPT:])

    def last(self) -> str | None:
        """Return what the job turned into last."""
        if not self.turns:
            return None
        return STANDINGS[_TURN.unpack_from(self.turns, len(self.turns) - _TURN.size)[2]]

    @property
    def seen(self) -> bool:
        """Whether anything was known of the job before."""
        return any(STANDINGS[now] not in BLIND for _, _, now, _ in _TURN.iter_unpack(self.turns))

    def took(self, run: RunId) -> float | None:
        """Return how long a run took that ended."""
        keys = run_keys(run)
        return next((unpacked_run(row, "").took for row in run_rows(self.runs) if row[4] in keys), None)

    def last_failure(self) -> float | None:
        """Return when the last run ended that failed; of one that was over at first sight only that it had begun."""
        failed = [row for row in run_rows(self.runs) if result_of(row) is State.FAILED]
        times = [row[0] - row[1] if row[6] & OVER else float(row[0]) for row in failed]
        return max((time for time in times if not math.isnan(time)), default=None)

    def unpacked(self, codes: Codes) -> JobPast:
        """Return all of it, in a thread too; ``ValueError`` or ``IndexError`` if this version did not pack it."""
        turns = self.turns
        if len(turns) % _TURN.size:
            raise ValueError("cut short")
        return JobPast(
            float(self.since),
            tuple(unpacked_run(row, codes.word(row[5])) for row in run_rows(self.runs)),
            packed_progress.unpacked_progress(self.progress),
            tuple(
                Turn(float(at), STANDINGS[was], STANDINGS[now], codes.word(code))
                for at, was, now, code in _TURN.iter_unpack(turns)
            ),
            tuple(_unpacked_failure(part, codes) for part in _failure_parts(self.failures)),
            tuple(packed_progress.unpacked_curves(self.earlier)),
        )

    def fit(self) -> int:
        """Make room, if there is need: thin the progress, then drop the oldest of earlier runs, failures and turns.

        Return the bytes that are taken then.
        """
        while (size := self.size) > MOST_BYTES:
            if packed_progress.sample_count(self.progress) > packed_progress.FEW_SAMPLES:
                self.progress = packed_progress.thinned(self.progress)
            elif self.earlier:
                self.earlier = self.earlier[packed_progress.CURVE_SIZE :]
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
        return registry.load_services()[job.key.service].same_job(self.target, job.target)


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
