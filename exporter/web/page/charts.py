"""The pictures of a job as coordinates: its last day, its newest run, and its last runs. Pure.

Only reported values are drawn: time without observation has its own shape, and a progress value holds until the next
one, because the values in between are unknown.
"""

import math
from collections.abc import Sequence
from typing import Final, NamedTuple

from exporter.model.standing import BLIND
from exporter.runs.past import JobPast, PastRun, Watch
from exporter.web.page import formatting
from exporter.web.page.texts import ENGLISH, Texts

DAY: Final = 86_400.0
STRIP: Final = 1440
"""Units that a day is wide: one a minute."""
_LEAST: Final = 10
"""Units that a run is wide at least, so that it can be seen."""
_BACKGROUND: Final = frozenset({"blind", "unwatched"})
_PLOT: Final = (600.0, 120.0)
_AS_LONG: Final = 3.0
"""How many times as long as the present run earlier ones are shown at most."""
_BARS: Final = 60.0
"""Units that the longest run is high."""
_USUAL: Final = 5
"""Runs that succeeded of which at least the length has to be known, for anything to be slower than usual."""


class Strip(NamedTuple):
    """The last 24 hours of a job."""

    paths: tuple[tuple[str, str], ...]
    """A shape for each kind that there is: a result, ``running``, ``blind`` or ``unwatched``."""
    words: str
    """The same for those who do not see it."""


class Live(NamedTuple):
    """The run that is under way."""

    start: float | None
    at: float
    """When it was last known to run."""


def strip(past: JobPast | None, live: Live | None, watch: Watch, now: float, say: Texts = ENGLISH) -> Strip:
    """Return the last 24 hours of a job, from left to right."""
    if past is None:
        return Strip((("unwatched", _shape("unwatched", 0, STRIP)),), say("the last 24 hours are not kept"))
    first = now - DAY
    spans = [("unwatched", first, past.since)]
    if watch.away is not None:
        spans.append(("unwatched", *watch.away))
    for place, turn in enumerate(past.turns, start=1):
        if turn.now in BLIND:
            spans.append(("blind", turn.at, past.turns[place].at if place < len(past.turns) else now))
    runs = [run for run in past.runs if run.at > first and not run.over]
    spans += [(run.result, run.at if run.start is None else run.start, run.at) for run in runs]
    if live is not None:
        spans.append(("running", live.at if live.start is None else live.start, live.at))
    return Strip(tuple(_paths(spans, first).items()), _in_words(runs, live, past, now, say))


def _paths(spans: Sequence[tuple[str, float, float]], first: float) -> dict[str, str]:
    """Return one path for all spans of a kind, as far as they are in the day that begins at *first*."""
    paths: dict[str, str] = {}
    for kind, begin, end in spans:
        if end < first:
            continue
        left = int((begin - first) / 60.0) if begin > first else 0
        right = min(int((end - first) / 60.0), STRIP)
        width = right - left
        if kind not in _BACKGROUND and width < _LEAST:
            width = _LEAST
        if width > 0:
            paths[kind] = paths.get(kind, "") + _shape(kind, min(left, STRIP - width), width)
    return paths


def _shape(kind: str, x: int, width: int) -> str:
    """Return a box: of a run that failed as high as there is room, of what is no run in the middle."""
    top, height = (6, 9) if kind in _BACKGROUND else (0, 16) if kind == "failed" else (4, 12)
    return f"M{x} {top}h{width}v{height}h-{width}z"


def _in_words(runs: Sequence[PastRun], live: Live | None, past: JobPast, now: float, say: Texts) -> str:
    results = [run.result for run in runs]
    counts = [f"{results.count(result)} {say(result)}" for result in dict.fromkeys(results)]
    counts += [f"1 {say('running')}"] if live is not None else []
    since = f", {say('watched since {time}', time=formatting.utc(past.since))}" if past.since > now - DAY else ""
    return say("runs of the last 24 hours: {runs}", runs=", ".join(counts) or say("none known")) + since


class Usual(NamedTuple):
    """How long the runs of a job take that succeed."""

    runs: int
    p50: float
    p90: float


def usual(past: JobPast | None) -> Usual | None:
    """Return it, unless too few are known."""
    took = sorted(run.took for run in (past.runs if past else ()) if run.took is not None and run.result == "succeeded")
    if len(took) < _USUAL:
        return None
    return Usual(len(took), *(took[math.ceil(share * len(took)) - 1] for share in (0.5, 0.9)))


class _Bar(NamedTuple):
    """One run among the last."""

    x: float
    height: float | None
    """``None`` if it is not known how long the run took."""
    kind: str
    words: str


class _Bars(NamedTuple):
    """The last runs side by side, the newest on the right."""

    bars: tuple[_Bar, ...]
    lines: tuple[tuple[str, float], ...]
    """Names of lengths, and how high they are."""
    longest: float | None
    width: float


def bars(past: JobPast, running: float | None, say: Texts = ENGLISH) -> _Bars:
    """Return the last runs; *running* is for how long the present one has been running so far."""
    took = [run.took for run in past.runs if run.took is not None]
    longest = max([*took, running or 0.0], default=0.0)
    scale = _BARS / longest if longest else 0.0
    drawn = [
        _Bar(
            index * 14.0,
            None if run.took is None else round(max(run.took * scale, 2.0), 1),
            run.result,
            _run_words(run, say),
        )
        for index, run in enumerate(past.runs)
    ]
    if running is not None:
        words = say("running for {span}", span=formatting.span(running, say))
        drawn.append(_Bar(len(drawn) * 14.0, round(max(running * scale, 2.0), 1), "running", words))
    known = usual(past)
    lines = () if known is None else (("p50", round(known.p50 * scale, 1)), ("p90", round(known.p90 * scale, 1)))
    return _Bars(tuple(drawn), lines, longest or None, max(len(drawn), 20) * 14.0)


def _run_words(run: PastRun, say: Texts) -> str:
    took = say("took an unknown time") if run.took is None else say("took {span}", span=formatting.span(run.took, say))
    time = formatting.utc(run.at)
    when = say("ended {time}", time=time)
    if run.over or run.seen:
        when = say("ended before {time}", time=time) if run.over else say("seen ended {time}", time=time)
    return f"{say(run.result)}{f' {run.code}' if run.code else ''}, {took}, {when}"


class _Scale(NamedTuple):
    """The axes of the plot: time, and progress."""

    begin: float
    end: float

    def at(self, time: float, ratio: float) -> tuple[float, float]:
        """Return where a progress is."""
        wide, high = _PLOT
        return round((time - self.begin) / max(self.end - self.begin, 1.0) * wide, 1), round(high - ratio * high, 1)

    def steps(self, samples: Sequence[tuple[float, float]], until: float) -> str:
        """Return a path through *samples*, each of which holds until the next, the last *until* then."""
        points = [self.at(*each) for each in samples]
        path = f"M{points[0][0]} {points[0][1]}" + "".join(f"H{x}V{y}" for x, y in points[1:])
        return f"{path}H{self.at(until, 0)[0]}"

    def curve(self, samples: Sequence[tuple[float, float]]) -> str:
        """Return a path through *samples* as far as there is room."""
        seen = [each for each in samples if each[0] <= self.end]
        return self.steps(seen, self.end if len(seen) < len(samples) else seen[-1][0]) if seen else ""


class Plot(NamedTuple):
    """The progress of a run over time."""

    path: str
    """The reported values, as steps."""
    expected: tuple[float, float, float] | None
    """Where the line to the expected end begins, and when that is."""
    earlier: tuple[str, ...]
    """The same of runs before it, each from its own start on."""
    begin: float
    end: float
    words: str


def plot(past: JobPast, start: float | None, until: float, expected: float | None, say: Texts = ENGLISH) -> Plot | None:
    """Return the progress of the newest run up to *until*, and when it is *expected* to end."""
    if not past.progress:
        return None
    first = past.progress[0][0]
    begin = first if start is None or start > first else start
    last = max(until, past.progress[-1][0])
    end = max(last, expected or last)
    earlier = _earlier_runs(past, start)
    if last <= first and not earlier:
        return None
    longest = max([samples[-1][0] for samples in earlier], default=begin)
    scale = _Scale(begin, max(end, min(longest, begin + _AS_LONG * (end - begin))))
    after = None
    if expected is not None and expected > until:
        after = (*scale.at(until, past.progress[-1][1]), scale.at(expected, 1.0)[0])
    words = say(
        "progress of the newest run: {first} at {begin}, {last} since {then}",
        first=formatting.percent(past.progress[0][1]),
        begin=formatting.utc(first),
        last=formatting.percent(past.progress[-1][1]),
        then=formatting.utc(past.progress[-1][0]),
    )
    curves = tuple(scale.curve(samples) for samples in earlier)
    return Plot(scale.steps(past.progress, last), after, curves, begin, scale.end, words)


def _earlier_runs(past: JobPast, start: float | None) -> list[list[tuple[float, float]]]:
    """Return the progress of earlier runs as if they began at *start*, where that is known."""
    return [] if start is None else [[(start + at, ratio) for at, ratio in points] for points in past.earlier]
