"""The bytes of the jobs: what prometheus_client would print for the same samples, and nothing that is not known."""

from collections.abc import Callable, Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
    SummaryMetricFamily,
)
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from exporter.metrics.catalogue import families
from exporter.metrics.family import Family
from exporter.metrics.store import JobStore
from exporter.model.job import Job, JobKey
from exporter.model.promises import DueTime, Promises
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import RunId, RunTimes
from exporter.model.snapshot import RESULTS, Measure, Snapshot, State
from exporter.runs import transitions
from exporter.services import registry
from exporter.services.registry import load_services
from tests.known import examples

ADAPTERS = load_services()
MakeJob = Callable[..., Job]
TEXT = st.text(max_size=12)
AMOUNTS = st.floats(0, allow_infinity=False) | st.integers(0, 10**20).map(float)
MEASURES = st.sampled_from(
    [Measure("tasks", "active"), Measure("tasks_planned"), Measure("rows_read"), Measure("subjobs", "failed")]
) | st.builds(Measure, st.just("killed_tasks"), TEXT)
SNAPSHOTS = st.builds(
    Snapshot,
    st.sampled_from(State),
    TEXT,
    st.builds(RunId, TEXT, st.none() | st.floats(0, 1e10)),
    progress=st.none() | st.floats(0, 1),
    incremental=st.none() | st.booleans(),
    start=st.none() | st.floats(0, 1e10),
    end=st.none() | st.floats(0, 1e10),
    failure_code=st.none() | TEXT,
    counts=st.dictionaries(MEASURES, AMOUNTS, max_size=6),
)
RECORDS = st.builds(
    Record,
    st.builds(Job, st.builds(JobKey, st.sampled_from(["dli", "cdm"]), TEXT), TEXT, st.just({}), region=TEXT),
    st.none() | SNAPSHOTS,
    stale=st.booleans(),
    up=st.booleans(),
    polled_at=st.none() | st.floats(0, 1e10),
    failures=st.dictionaries(st.sampled_from(Reason), st.integers(1, 10**7), max_size=4),
    last_success=st.none() | st.floats(0, 1e10),
    last_failure=st.none() | st.floats(0, 1e10),
    pending_since=st.none() | st.floats(0, 1e10),
    runs=st.tuples(st.integers(0, 10**9), st.integers(0, 9), st.just(0)),
    took=st.tuples(*[st.builds(RunTimes, st.integers(0, 10**7), st.integers(0, 10**13))] * 3),
)
BOUNDS = (0.5, 60.0, 3600.0)
TIMED = st.integers(0, 10**7).flatmap(
    lambda runs: st.builds(RunTimes, st.just(runs), st.integers(0, 10**13), st.just((0, runs // 2, runs)))
)
BUCKETED = st.builds(replace, RECORDS, took=st.tuples(TIMED, TIMED, TIMED))


class Peer(Collector):
    """The same samples through prometheus_client's own types."""

    def __init__(self, records: list[Record], service: str, job: str, bounds: tuple[float, ...] = ()) -> None:
        self.records, self.service, self.job, self.bounds = records, service, job, bounds

    def collect(self) -> Iterator[Metric]:
        for family in families(registry.declared(), bounds=self.bounds):
            yield self._durations(family) if family.kind in {"summary", "histogram"} else self._family(family)

    def _durations(self, family: Family) -> Metric:
        labels = (self.service, self.job, "result")
        made = HistogramMetricFamily if self.bounds else SummaryMetricFamily
        metric: Any = made(family.name, family.help, labels=labels)
        metric.unit = family.unit
        for record in self.records:
            for result, times in zip(RESULTS, record.took, strict=True):
                values, seconds = (*record.job.key, result.value), times.milliseconds / 1000
                if self.bounds and times.runs:
                    edges = [*map(floatToGoString, self.bounds), "+Inf"]
                    counts = [*times.buckets, times.runs]
                    metric.add_metric(values, list(zip(edges, counts, strict=True)), seconds)
                elif times.runs:
                    metric.add_metric(values, times.runs, seconds)
        return metric  # type: ignore[no-any-return]

    def _family(self, family: Family) -> Metric:
        labels = (self.service, self.job, *family.labels)
        made: Any = CounterMetricFamily if family.kind == "counter" else GaugeMetricFamily
        metric = made(family.name, family.help, labels=labels)
        metric.unit = family.unit
        for record in self.records:
            for values, value in family.read(record):
                metric.add_metric((*record.job.key, *values), value)
        return metric  # type: ignore[no-any-return]


def body(store: JobStore, openmetrics: bool, *names: str) -> str:
    return b"".join(part for section in store.sections(openmetrics, frozenset(names)) for part in section).decode()


def board_of(*records: Record, **options: Any) -> JobStore:
    store = JobStore(**{"max_series": 10**9, "declared": registry.declared(), **options})
    for record in records:
        store.put(record)
    return store


@given(st.lists(RECORDS, max_size=4, unique_by=lambda record: record.job.key), st.sampled_from(["service", "zzz"]))
@examples(2)
def test_the_bytes_are_those_of_prometheus_client(records: list[Record], service: str) -> None:
    registry = CollectorRegistry()
    services = [record.job.key.service for record in records]
    together = sorted(records, key=lambda record: services.index(record.job.key.service))
    registry.register(Peer(together, service, "job"))
    store = board_of(*records, service=service)

    assert body(store, False) == generate_latest(registry).decode()
    assert body(store, True) + "# EOF\n" == generate_openmetrics(registry).decode()  # type: ignore[no-untyped-call]


@given(st.lists(BUCKETED, max_size=3, unique_by=lambda record: record.job.key))
@examples(2)
def test_with_buckets_the_bytes_are_those_of_prometheus_client_too(records: list[Record]) -> None:
    registry = CollectorRegistry()
    services = [record.job.key.service for record in records]
    together = sorted(records, key=lambda record: services.index(record.job.key.service))
    registry.register(Peer(together, "service", "job", BOUNDS))
    store = board_of()
    store.show(bounds=BOUNDS)
    for record in records:
        store.put(record)

    assert body(store, False) == generate_latest(registry).decode()
    assert body(store, True) + "# EOF\n" == generate_openmetrics(registry).decode()  # type: ignore[no-untyped-call]


@given(st.lists(RECORDS, min_size=2, max_size=5))
@examples(2)
def test_changes_leave_the_bytes_that_a_fresh_board_has(records: list[Record]) -> None:
    changes = [replace(each, job=records[0].job) for each in records]
    store, fresh = board_of(*changes), board_of(changes[-1])

    assert (body(store, False), store.series) == (body(fresh, False), fresh.series)


WHOLE = Record(
    Job(JobKey("dli", "j"), "p", {"job_id": "1"}, labels={"team": "sales"}, promises=Promises(max_run=60.0)),
    Snapshot(
        State.FAILED, "FAILED", RunId("7", 10.0), 0.5, True, 20.0, 30.0, "DLI.0999",
        {Measure("tasks", "active"): 3, Measure("tasks_planned"): 9, Measure("killed_tasks", "lost"): 1},
        {"queue_name": "q"},
    ),
    up=True, polled_at=40.0, failures={Reason.SERVER: 2}, due=DueTime(99.0, met=False), last_progress=38.0,
    pending_since=9.0, last_success=8.0, last_failure=30.0, last_run_duration=10.0, runs=(4, 3, 2),
    took=(RunTimes(1, 2000, (1, 1)), RunTimes(), RunTimes()), totals={"rows_read": 5}, estimate=50.0,
    durations=(1.0, 2.0, 3.0, 4.0, 5.0),
)  # fmt: skip
OTHERWISE = {
    "job": Job(
        JobKey("dli", "j"), "q", {"job_id": "2"}, region="r", labels={"team": "art"}, promises=Promises(max_run=1.0)
    ),
    "snapshot": None,
    "stale": True,
    "up": False,
    "polled_at": 41.0,
    "failures": {Reason.SERVER: 3},
    "due": DueTime(99.0, met=True),
    "last_progress": 39.0,
    "pending_since": None,
    "last_success": 8.5,
    "last_failure": None,
    "last_run_duration": 11.0,
    "runs": (4, 3, 3),
    "took": (RunTimes(2, 2500, (1, 2)), RunTimes(), RunTimes()),
    "totals": {"rows_read": 6},
    "estimate": None,
    "durations": (1.0, 2.0, 3.0, 4.0, 6.0),
    "listed": Snapshot(State.PENDING, "WAITING"),
    "schedule": "stopped",
}
SAID_OTHERWISE = {
    "state": State.RUNNING,
    "native_state": "other",
    "run": RunId("8", 11.0),
    "progress": 0.75,
    "incremental": None,
    "start": 21.0,
    "end": None,
    "failure_code": None,
    "counts": {Measure("tasks", "active"): 4, Measure("tasks", "failed"): 1, Measure("killed_tasks", "disk"): 1},
    "words": {"queue_name": "other"},
}
CHANGES = {
    **{name: replace(WHOLE, **{name: value}) for name, value in OTHERWISE.items()},  # type: ignore[arg-type]
    **{
        f"snapshot.{name}": replace(WHOLE, snapshot=replace(WHOLE.snapshot, **{name: value}))  # type: ignore[type-var]
        for name, value in SAID_OTHERWISE.items()
    },
}


@pytest.mark.parametrize("name", CHANGES)
def test_whatever_changes_alone_is_shown_as_if_all_were_rendered_anew(name: str) -> None:
    changed = CHANGES[name]

    def shown(*records: Record) -> tuple[str, int]:
        store = board_of()
        store.show(("team",), BOUNDS[:2])
        for record in records:
            store.put(record)
        return body(store, False), store.series

    assert shown(WHOLE) != shown(changed)
    assert shown(WHOLE, changed) == shown(changed)
    assert shown(changed, WHOLE) == shown(WHOLE)


def test_of_each_field_of_a_record_that_any_metric_reads_the_change_is_tried() -> None:
    """A record that tells which of its fields were read, and an answer that does."""
    read: set[str] = set()

    class Telling:
        def __init__(self, what: Any, prefix: str) -> None:
            self.what, self.prefix = what, prefix

        def __getattr__(self, name: str) -> Any:
            if name in {each.name for each in fields(self.what)}:
                read.add(self.prefix + name)
            found = getattr(type(self.what), name)
            found = found.__get__(self) if isinstance(found, property) else getattr(self.what, name)
            return Telling(found, "snapshot.") if isinstance(found, Snapshot) else found

    for family in families(registry.declared(), ("team",), BOUNDS[:2]):
        list(family.read(Telling(WHOLE, "")))  # type: ignore[arg-type]

    assert read == CHANGES.keys()


@given(RECORDS, st.floats(0, 1e10))
@examples(1)
def test_a_poll_that_says_the_same_moves_only_the_time_of_the_poll(record: Record, at: float) -> None:
    polled = replace(record, polled_at=at)

    assert body(board_of(replace(polled, polled_at=0.0), polled), False) == body(board_of(polled), False)


def test_a_job_that_was_never_polled_shows_only_what_is_true_of_it(job: MakeJob) -> None:
    lines = [line for line in body(board_of(Record(job("cdm"))), False).splitlines() if not line.startswith("#")]

    identity = dict.fromkeys(registry.declared().identity, "") | {"cluster_id": "c-1", "job_name": "nightly"}
    labels = identity | {"job": "nightly", "project": "prod", "region": "eu-de", "service": "cdm"}
    who = ",".join(f'{name}="{value}"' for name, value in sorted(labels.items()))
    assert lines == [
        'huaweicloud_job_poll_failures_total{job="nightly",reason="timeout",service="cdm"} 0.0',
        'huaweicloud_job_poll_failures_total{job="nightly",reason="auth",service="cdm"} 0.0',
        'huaweicloud_job_poll_failures_total{job="nightly",reason="throttled",service="cdm"} 0.0',
        f"huaweicloud_job_info{{{who}}} 1.0",
        'huaweicloud_job_runs_total{job="nightly",result="succeeded",service="cdm"} 0.0',
        'huaweicloud_job_runs_total{job="nightly",result="failed",service="cdm"} 0.0',
        'huaweicloud_job_runs_total{job="nightly",result="cancelled",service="cdm"} 0.0',
    ]


def test_up_is_there_once_the_first_try_ended(job: MakeJob) -> None:
    record = transitions.registered(job("cdm"), ADAPTERS["cdm"])
    tried = transitions.failed(record, Fault(Reason.SERVER, 60, "no"))
    asked = transitions.worked(tried, Snapshot(State.RUNNING), 90, ADAPTERS["cdm"])

    found = [body(board_of(each), False, "huaweicloud_job_up").splitlines()[2:] for each in (record, tried, asked)]
    assert [[line.rpartition(" ")[2] for line in lines] for lines in found] == [[], ["0.0"], ["1.0"]]


def test_a_stale_job_keeps_only_what_age_does_not_make_false(job: MakeJob) -> None:
    answer = Snapshot(
        State.FAILED, "FAILED", RunId("9"), 0.5, True, 10, 20, "other", counts={Measure("rows_read"): 5.0}
    )
    record = transitions.worked(transitions.registered(job("cdm"), ADAPTERS["cdm"]), answer, 50, ADAPTERS["cdm"])
    record = replace(record, last_success=5.0, last_progress=50.0, pending_since=40.0)
    record = transitions.aged(transitions.failed(record, Fault(Reason.SERVER, 60, "no")))

    names = {line.split("{")[0] for line in body(board_of(record), False).splitlines() if not line.startswith("#")}

    assert names == {
        "huaweicloud_job_up",
        "huaweicloud_job_last_poll_timestamp_seconds",
        "huaweicloud_job_poll_failures_total",
        "huaweicloud_job_info",
        "huaweicloud_job_last_success_timestamp_seconds",
        "huaweicloud_job_last_failure_timestamp_seconds",
        "huaweicloud_job_last_run_duration_seconds",
        "huaweicloud_job_runs_total",
        *(f"huaweicloud_job_runs_{name}_total" for name in ADAPTERS["cdm"].sums),
    }


def test_names_choose_families_by_their_sample_names(job: MakeJob) -> None:
    store = board_of(Record(job("cdm"), up=True))

    assert body(store, False, "huaweicloud_job_up").count("\n") == 3
    assert "runs_total" in body(store, True, "huaweicloud_job_runs_total")
    assert body(store, True, "huaweicloud_job_runs") == ""


def test_names_choose_samples_of_how_long_runs_took(job: MakeJob) -> None:
    store, name = board_of(), "huaweicloud_job_run_duration_seconds"
    store.show(bounds=(60.0,))
    store.put(Record(job("cdm"), took=(RunTimes(2, 90_500, (1,)), RunTimes(), RunTimes())))
    labels = 'job="nightly",result="succeeded",service="cdm"} '
    bucket = 'job="nightly",le="{}",result="succeeded",service="cdm"}} '

    chosen = body(store, False, f"{name}_sum", f"{name}_bucket").splitlines()
    assert chosen[1:] == [
        f"# TYPE {name} histogram",
        f"{name}_bucket{{{bucket.format('60.0')}1.0",
        f"{name}_bucket{{{bucket.format('+Inf')}2.0",
        f"{name}_sum{{{labels}90.5",
    ]
    assert f"{name}_count{{{labels}2.0" in body(store, False).splitlines()
    assert body(store, False, name) == ""


def test_a_removed_job_leaves_nothing(job: MakeJob) -> None:
    store = board_of(Record(job("cdm")))
    store.remove(JobKey("cdm", "nightly"))
    store.remove(JobKey("cdm", "nightly"))

    assert not [line for line in body(store, False).splitlines() if not line.startswith("#")]
    assert (store.series, len(store.records())) == (0, 0)


def shown(store: JobStore) -> dict[str, int]:
    counts: dict[str, int] = {}
    for line in body(store, False).splitlines():
        if not line.startswith("#"):
            name = line.split('job="')[1].split('"')[0]
            counts[name] = counts.get(name, 0) + 1
    return counts


def test_above_max_series_the_newest_jobs_are_left_out_but_for_two_series(job: MakeJob) -> None:
    records = [Record(job("cdm", name), up=True) for name in "abc"]
    store = board_of(*records, max_series=19)

    assert shown(store) == {"a": 8, "b": 8, "c": 2}
    assert (store.series, store.dropped) == (18, 6)


def test_a_job_that_grows_pushes_the_newest_out_and_one_that_goes_lets_it_back(job: MakeJob) -> None:
    first, second, third = (Record(job("cdm", name), up=True) for name in "abc")
    store = board_of(first, second, third, max_series=24)
    store.put(replace(first, snapshot=Snapshot(State.RUNNING), polled_at=1.0))

    assert shown(store) == {"a": 15, "b": 2, "c": 2}
    store.put(replace(third, up=False))
    assert shown(store) == {"a": 15, "b": 2, "c": 2}
    store.remove(first.job.key)
    assert shown(store) == {"b": 8, "c": 8}
    store.put(Record(job("cdm", "d"), up=True))
    assert shown(store) == {"b": 8, "c": 8, "d": 8}
    assert store.series == 24


@pytest.mark.parametrize("family", families(registry.declared()), ids=lambda family: family.name)
def test_a_family_keeps_the_rules_of_the_field(family: Family) -> None:
    assert family.name.startswith("huaweicloud_job_")
    assert family.name.endswith("_total") == (family.kind == "counter")
    assert not family.unit or family.name.removesuffix("_total").endswith("_" + family.unit)
    assert len(family.help) > 30
    assert not set('"\\\n') & set(family.help)
    assert "percent" not in family.name


def test_jobs_that_come_when_others_are_left_out_are_left_out_before_their_first_poll(job: MakeJob) -> None:
    store = JobStore(30, registry.declared())
    for number in range(20):
        store.put(Record(job("dli", f"job {number}"), up=False))
    lines = [line for line in body(store, False).splitlines() if not line.startswith("#")]

    assert len(lines) == store.series
    assert [line.partition("{")[0] for line in lines if '"job 19"' in line] == [
        "huaweicloud_job_up",
        "huaweicloud_job_info",
    ]


def test_of_an_incremental_run_no_text_says_that_it_never_ends() -> None:
    """The vendor means jobs that a schedule starts, each run for the dates since the last: such a run ends."""
    (incremental,) = (each for each in families(registry.declared()) if each.name == "huaweicloud_job_incremental")
    about = [line for line in Path("docs/api.md").read_text().splitlines() if line.startswith("| `incremental`")]

    assert "scheduled" in incremental.help
    for text in (incremental.help, *about):
        assert "most such runs end" in text
        assert "for ever" not in text
