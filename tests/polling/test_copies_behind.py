"""What a job shows whose own answers and lists come from copies of the cloud's data, each of them behind.

Flink: nothing but its start tells a run from the next, and the own answer may leave it out. DataArts: a number that
tells no order, and a plan.
"""

import math
from dataclasses import dataclass
from itertools import cycle

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.job import Job, JobKey
from exporter.model.run import RunId
from exporter.model.snapshot import RESULTS, Snapshot, State
from exporter.polling.list_merge import ListReport, merged_record, report_of
from exporter.runs import transitions
from exporter.services.registry import load_services
from tests.known import examples

ADAPTERS = load_services()
TARGETS = {"dli_flink": {"job_id": "7"}, "dataarts": {"job_name": "clicks"}}


@dataclass(frozen=True)
class Run:
    """One run: submitted, begun, over."""

    submitted: float
    start: float
    end: float
    result: State
    breaks: bool
    """Whether it fails for a while and goes on, of a service whose runs may."""


class Truth:
    """What the cloud knows of one job at each moment."""

    def __init__(self, service: str, runs: list[Run]) -> None:
        self.service, self.runs = service, runs

    def at(self, now: float, *, starts: bool) -> Snapshot:
        """Return what an answer says that knows all until *now*; *starts* is whether it tells any."""
        run = max((run for run in self.runs if run.submitted <= now), key=lambda run: run.submitted, default=None)
        if run is None:
            return Snapshot(State.PENDING, "job_init")
        state = State.PENDING if now < run.start else State.RUNNING if now < run.end else run.result
        word = next(
            word for word, each in ADAPTERS[self.service].states.items() if each is state and "INIT" not in word
        )
        start = None if state is State.PENDING else run.start
        end = run.end if state.ended else None
        if self.service == "dataarts":
            name = RunId(str(100 + self.runs.index(run)), run.submitted, opaque=True)
            if run.breaks and run.start + 2 <= now < run.end - 1:
                return Snapshot(State.FAILED, "running-exception", name, start=start, resumable=True)
        elif start is None or not starts:
            return Snapshot(state, word)
        else:
            name = RunId("", start, opaque=True)
        return Snapshot(state, word, name, start=start, end=end)

    def counted(self, since: float, now: float) -> tuple[int, ...]:
        """Return how many runs ended after *since*, by result."""
        return tuple(sum(since < run.end <= now and run.result is result for run in self.runs) for result in RESULTS)

    def begun(self, since: float, now: float) -> set[float]:
        """Return the starts of the runs that were the newest at any moment from *since* to *now*."""
        ends = [run.submitted for run in self.runs[1:]] + [now + 1]
        return {run.start for run, end in zip(self.runs, ends, strict=True) if run.start <= now and end > since}


class Watch:
    """One record that polls and lists change as they do in the program."""

    def __init__(self, truth: Truth, *, starts: bool, behind: list[float], late: float) -> None:
        self.truth, self.starts, self.late = truth, starts, late
        self.copies, self.most = cycle(behind), max(behind)
        self.adapter, job = (
            ADAPTERS[truth.service],
            Job(JobKey(truth.service, "clicks"), "prod", TARGETS[truth.service]),
        )
        self.record = transitions.registered(job, self.adapter)
        self.before: ListReport | None = None
        self.polled = 0.0
        self.first: float | None = None
        self.looked = math.inf
        """When a poll or a list first told of the job."""
        self.newest = -math.inf

    def poll(self, at: float) -> None:
        self.polled = at
        self.first = at if self.first is None else self.first
        self.looked = min(self.looked, at)
        self.record = transitions.worked(
            self.record, self.truth.at(at - self.late, starts=self.starts), at, self.adapter
        )

    def list(self, at: float) -> None:
        self.looked = min(self.looked, at)
        row = self.truth.at(at - next(self.copies), starts=True)
        self.record, soon = merged_record(self.record, row, at, self.adapter, before=self.before)
        self.before = report_of(row)
        if soon:
            self.poll(at + 0.25)


def timeline(service: str, steps: list[tuple[float, float, float, State, bool]], begins: float) -> Truth:
    """Return the truth of runs that each wait, run and rest for so long."""
    runs, now = [], begins
    for waits, lasts, rests, result, breaks in steps:
        runs.append(Run(now, now + waits, now + waits + lasts, result, breaks))
        now += waits + lasts + rests
    return Truth(service, runs)


RUNS = st.lists(
    st.tuples(
        st.integers(6, 30).map(float),
        st.integers(6, 60).map(float),
        st.integers(1, 40).map(lambda number: number / 2),
        st.sampled_from(RESULTS),
        st.booleans(),
    ),
    min_size=1,
    max_size=6,
)


@pytest.mark.parametrize("service", sorted(TARGETS))
@given(
    steps=RUNS,
    begins=st.sampled_from([-400.0, -40.0, -3.0, 10.0]),
    behind=st.lists(st.sampled_from([0.0, 2.0, 4.0, 12.0]), min_size=1, max_size=3),
    late=st.sampled_from([0.0, 3.0]),
    starts=st.booleans(),
    polls=st.integers(1, 20),
    lists=st.integers(2, 20),
    first=st.booleans(),
)
@examples(5)
def test_no_run_counts_twice_and_none_shows_the_start_of_another(
    service: str,
    steps: list[tuple[float, float, float, State, bool]],
    begins: float,
    behind: list[float],
    late: float,
    starts: bool,
    polls: int,
    lists: int,
    first: bool,
) -> None:
    # where answers tell no start, a run that nobody saw waiting may be the one before
    polls = polls if starts else min(polls, 5)
    truth = timeline(service, steps, begins)
    watch = Watch(truth, starts=starts, behind=behind, late=late)
    for at in range(1, 330):
        if at % polls == 0:
            watch.poll(float(at))
        if at % lists == 0 and (first or watch.first is not None):
            watch.list(at + 0.5)
        check(watch, at + 0.9)
    told = polls if starts else max(polls, lists)
    if all(rests > told for *_, rests, _, _ in steps) and max(behind) + late < 1 and watch.first is not None:
        fewest, most = (truth.counted(watch.first, end) for end in (329.0 - told, 330.0))  # each end was told
        assert all(low <= n <= high for low, n, high in zip(fewest, watch.record.ledger.runs, most, strict=True))


def check(watch: Watch, now: float) -> None:
    record, shown = watch.record, watch.record.shown
    most = watch.truth.counted(watch.looked - watch.most - watch.late - 1, now)
    assert all(told <= there for told, there in zip(record.ledger.runs, most, strict=True)), (now, record.ledger)
    if shown is None:
        return
    if shown.state is State.PENDING:
        assert shown.start is None
    elif shown.start is not None:
        assert shown.start >= watch.newest
        watch.newest = shown.start
        assert shown.start in watch.truth.begun(min(watch.polled - watch.late, now - watch.most), now), now
