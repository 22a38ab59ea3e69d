"""How far estimates are from the truth: simulated runs of many shapes, ours beside elapsed / progress.

Everything is computed, nothing is measured, so the numbers are the same on every machine. A run's answers are given to
:mod:`exporter.runs.transitions` at realistic intervals, with progress in whole percent or tasks. At 1/4, 1/2 and
3/4 of its true duration the estimate shown then is compared with the true end. The error is told in parts
of the true duration: in parts of what remains it would be boundless near the end, where it matters least.
"""

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from random import Random
from statistics import fmean, median
from typing import Final

from benchmarks.table import Row
from exporter.model.job import Job, JobKey
from exporter.model.record import Record
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.runs import transitions
from exporter.services.registry import load_services
from exporter.simulator import DliJob, Step, SubJob

ALIKE: Final = frozenset({"steady", "unsteady", "DLI, one sub-job"})
"""Shapes whose rate has no trend: the mean of all is the best there is, and that is what elapsed / progress tells."""
MARKS: Final = (0.25, 0.5, 0.75)
INTERVALS: Final = (10.0, 30.0, 60.0, 300.0)
"""Seconds between two polls."""
POLLS: Final = (20, 500)
"""So often a run is polled at least and at most: of one that is over after a few polls nobody asks when it will be."""
NOISE: Final = 0.01
"""What is not farther apart than this, in parts of the duration, is equal: the step of the progress that is told."""
WRONG: Final = 0.25
"""An estimate that is wrong by more, in parts of the duration, misleads."""
BEGUN: Final = 1_760_000_000.0
ADAPTERS: Final = load_services()
Curve = Callable[[float], float]
"""Progress by the part of the duration that passed, both 0 to 1."""


@dataclass(frozen=True)
class Run:
    """One run: how long it takes, and what is answered so many seconds after it began."""

    seconds: float
    answer: Callable[[float], Snapshot]


@dataclass(frozen=True)
class Shape:
    """Runs of one kind."""

    name: str
    service: str
    make: Callable[[Random], Callable[[], Run]]
    """Takes the luck of a job and returns what makes its runs, each a little different."""
    earlier: int = 0
    """Runs of the same job that the exporter saw before."""


@dataclass
class Errors:
    """Of many runs at one mark, in parts of the duration; ``None`` where nothing was said."""

    ours: list[float | None] = field(default_factory=list)
    naive: list[float | None] = field(default_factory=list)

    def beside(self) -> tuple[list[float], list[float]]:
        """Return ours and those of the naive formula, of the runs where both said something."""
        both = [(ours, naive) for ours, naive in zip(self.ours, self.naive, strict=True) if None not in (ours, naive)]
        return [ours for ours, _ in both if ours is not None], [naive for _, naive in both if naive is not None]

    @property
    def silent(self) -> float:
        """The part of the runs in which ours said nothing."""
        return self.ours.count(None) / len(self.ours)


def misleading(errors: list[float | None]) -> float:
    """Return in which part of the runs something was said that is wrong by more than ``WRONG``."""
    return sum(error is not None and error > WRONG for error in errors) / len(errors)


def judge(shape: Shape, seeds: int) -> dict[float, Errors]:
    """Return the errors at each mark over so many jobs."""
    found = {mark: Errors() for mark in MARKS}
    for seed in range(seeds):
        for mark, (ours, naive) in _one(shape, Random(f"{shape.name} {seed}")).items():
            found[mark].ours.append(ours)
            found[mark].naive.append(naive)
    return found


def _one(shape: Shape, luck: Random) -> dict[float, tuple[float | None, float | None]]:
    """Return the errors of ours and of the naive formula in the last of a job's runs."""
    make = shape.make(luck)
    record = Record(Job(JobKey(shape.service, "j"), "p", {}))
    found: dict[float, tuple[float | None, float | None]] = {}
    begun = BEGUN
    for number in range(shape.earlier + 1):
        run = make()
        interval = luck.choice([each for each in INTERVALS if POLLS[0] <= run.seconds / each <= POLLS[1]])
        record, found = _followed(record, run, RunId(str(number)), begun, interval, luck.random())
        begun += 2 * run.seconds + 1000
    return found


def _followed(
    record: Record, run: Run, name: RunId, begun: float, interval: float, phase: float
) -> tuple[Record, dict[float, tuple[float | None, float | None]]]:
    """Poll a run from its beginning until its end was confirmed, and note the errors at the marks."""
    adapter, end = ADAPTERS[record.job.key.service], begun + run.seconds
    tells_times = not adapter.forgets  # the progress answer of DLI has none
    found: dict[float, tuple[float | None, float | None]] = {}
    polls, first, marks = 0, None, list(MARKS)
    while not polls or record.snapshot is None or not record.snapshot.state.ended or not found:
        at = begun + (phase + polls) * interval
        polls += 1
        while marks and at - begun >= marks[0] * run.seconds:
            found[marks.pop(0)] = (_error(record.estimate, run, end), _error(_naive(record, first), run, end))
        if at >= end:
            start, ended = (begun, end) if tells_times else (None, None)
            answer = Snapshot(State.SUCCEEDED, run=name, progress=1.0, start=start, end=ended)
            record = transitions.worked(transitions.worked(record, answer, at, adapter), answer, at + interval, adapter)
            break
        answer = run.answer(at - begun)
        told = Snapshot(
            answer.state, run=name, progress=answer.progress, counts=answer.counts, start=begun if tells_times else None
        )
        record = transitions.worked(record, told, at, adapter)
        if first is None and told.state is State.RUNNING:
            first = at
    return record, found


def _naive(record: Record, first: float | None) -> float | None:
    """Return the end by elapsed / progress, since the vendor's start or, without one, since it was seen to run."""
    shown, at = record.shown, record.polled_at
    if shown is None or at is None or shown.state is not State.RUNNING or not shown.progress:
        return None
    since = shown.start if shown.start is not None else first
    return None if since is None or at <= since else since + (at - since) / shown.progress


def _error(estimate: float | None, run: Run, end: float) -> float | None:
    return None if estimate is None else abs(estimate - end) / run.seconds


def _duration(luck: Random) -> float:
    """Return ten minutes to four hours, shorter ones more often."""
    return math.exp(luck.uniform(math.log(600), math.log(14400)))


def _by(curve: Callable[[Random], Curve]) -> Callable[[Random], Callable[[], Run]]:
    """Return runs whose progress is told in whole percent, cut and not rounded; each takes a little longer or less."""

    def make(luck: Random) -> Callable[[], Run]:
        usual, of_part = _duration(luck), curve(luck)

        def run() -> Run:
            seconds = max(600.0, usual * luck.uniform(0.85, 1.15))

            def answer(passed: float) -> Snapshot:
                return Snapshot(State.RUNNING, progress=math.floor(of_part(passed / seconds) * 100 + 1e-9) / 100)

            return Run(seconds, answer)

        return run

    return make


def _steady(luck: Random) -> Curve:
    return lambda part: part


def _accelerating(luck: Random) -> Curve:
    power = luck.uniform(1.5, 2.5)
    return lambda part: part**power


def _decelerating(luck: Random) -> Curve:
    power = luck.uniform(1.5, 2.5)
    return lambda part: 1 - (1 - part) ** power


def _late(luck: Random) -> Curve:
    waits = luck.uniform(0.1, 0.3)
    return lambda part: max(0.0, (part - waits) / (1 - waits))


def _stalls(least: int, most: int, first: float, last: float) -> Callable[[Random], Curve]:
    """Return stalls that take a tenth to four tenths of the time, between *first* and *last* in parts of the work."""

    def curve(luck: Random) -> Curve:
        pieces = luck.randint(least, most)
        weights = [luck.uniform(0.2, 1.2) for _ in range(pieces)]
        still = luck.uniform(0.1, 0.4)
        stalls = [still * weight / sum(weights) for weight in weights]
        begins = sorted(luck.uniform(first, last) for _ in range(pieces))

        def progress(part: float) -> float:
            left = part
            done = 0.0
            for begin, stall in zip(begins, stalls, strict=True):
                moving = (begin - done) * (1 - still)
                if left <= moving:
                    break
                done, left = begin, left - moving
                if left <= stall:
                    return done
                left -= stall
            return min(1.0, done + left / (1 - still))

        return progress

    return curve


def _unsteady(luck: Random) -> Curve:
    """Return a rate that changes fifty times by chance, so that the mean of all is the best there is."""
    pieces = [luck.expovariate(1) for _ in range(50)]
    sums = [sum(pieces[:number]) / sum(pieces) for number in range(51)]

    def progress(part: float) -> float:
        piece = min(int(part * 50), 49)
        return sums[piece] + (sums[piece + 1] - sums[piece]) * (part * 50 - piece)

    return progress


def _dli(least: int, most: int, *, lists_ended: bool = True) -> Callable[[Random], Callable[[], Run]]:
    """Return SQL jobs; every run of one has the same sub-jobs, a little longer and larger or less."""

    def make(luck: Random) -> Callable[[], Run]:
        number = luck.randint(least, most)
        shares = [luck.lognormvariate(0, 0.7) for _ in range(number)]
        usual, tasks = _duration(luck), [round(luck.lognormvariate(5, 0.8)) + 2 for _ in range(number)]

        def run() -> Run:
            whole = max(700.0, usual * luck.uniform(0.85, 1.15))
            script = [
                SubJob("", max(1, round(each * luck.uniform(0.9, 1.1))), whole * share / sum(shares))
                for each, share in zip(tasks, shares, strict=True)
            ]
            job = DliJob("", "", 0.0, (Step("LAUNCHING", 20), *script), lists_ended=lists_ended)
            return Run(20 + sum(each.seconds for each in script), lambda passed: _answer(job, passed))

        return run

    return make


def _answer(job: DliJob, passed: float) -> Snapshot:
    moment = job.at(passed)
    if moment is None or not moment.sub_jobs:
        return Snapshot(State.PENDING)
    truth, names = moment.truth, {"total": Measure("tasks_planned")}
    counts = {names.get(name, Measure("tasks", name)): float(count) for name, count in truth.tasks.items()}
    counts[Measure("subjobs", "succeeded")] = len(moment.sub_jobs) - 1.0
    counts[Measure("subjobs", "running")] = 1.0
    return Snapshot(State.RUNNING, progress=truth.progress, counts=counts)


STEADY: Final = Shape("steady", "cdm", _by(_steady))
FIRST_OF_MANY: Final = Shape("DLI, 3 to 12 sub-jobs, first run", "dli", _dli(3, 12))
SHAPES: Final = (
    STEADY,
    Shape("accelerating", "cdm", _by(_accelerating)),
    Shape("decelerating", "cdm", _by(_decelerating)),
    Shape("waits at 0 %, then steady", "cdm", _by(_late)),
    Shape("steady, a stall in the first fifth", "cdm", _by(_stalls(1, 1, 0.03, 0.2))),
    Shape("steady, a stall anywhere", "cdm", _by(_stalls(1, 1, 0.03, 0.97))),
    Shape("steady, three to six stalls", "cdm", _by(_stalls(3, 6, 0.03, 0.97))),
    Shape("unsteady", "cdm", _by(_unsteady)),
    Shape("accelerating, third run", "cdm", _by(_accelerating), earlier=2),
    Shape("unsteady, third run", "cdm", _by(_unsteady), earlier=2),
    Shape("DLI, one sub-job", "dli", _dli(1, 1)),
    Shape("DLI, 3 to 12 sub-jobs, third run", "dli", _dli(3, 12), earlier=2),
    Shape("DLI, 3 to 12 sub-jobs, only the running one told, third run", "dli", _dli(3, 12, lists_ended=False), 2),
    FIRST_OF_MANY,
)


def run(upstream: object, *, quick: bool) -> Iterator[Row]:
    """Yield a row for each shape and mark; no cloud is asked. The goal is the mean error of elapsed / progress.

    In a first run of many sub-jobs little can be said that is true, so there it counts how seldom it misleads.
    """
    for shape in SHAPES:
        for mark, errors in judge(shape, 60 if quick else 400).items():
            ours, naive = errors.beside()
            name = f"{shape.name}, at {mark:.0%}"
            misled, by_naive = misleading(errors.ours) * 100, misleading(errors.naive) * 100
            rest = f"silent in {errors.silent:.0%}"
            if shape is FIRST_OF_MANY:
                yield Row("estimates", f"{name}: misleading", misled, "%", by_naive, rest)
                continue
            rest = f"misleading {misled:.0f}%, {by_naive:.0f}%; {rest}"
            rest = f"median {median(ours):.1%}, {median(naive):.1%}; {rest}"
            goal = fmean(naive) + (NOISE if shape.name in ALIKE else 0)
            yield Row("estimates", name, fmean(ours) * 100, "%", goal * 100, rest)
