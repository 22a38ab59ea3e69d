"""What a metric of the jobs is: a row of data and a function that reads its samples from a record."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from operator import attrgetter
from typing import Final, Generic, Literal, TypeVar

from prometheus_client.utils import floatToGoString

from exporter.model.job import Job, job_label
from exporter.model.masking import masked
from exporter.model.measures import MeasureFamily
from exporter.model.promises import DueTime
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.model.run import UNTIMED, RunTimes
from exporter.model.snapshot import RESULTS, Measure, Snapshot, State

Samples = Iterable[tuple[tuple[str, ...], float]]
"""Label values, in the order of the family's labels, and the value."""

_T = TypeVar("_T")

PREFIX: Final = "huaweicloud_job_"
BUCKET_ENDING: Final = "_bucket"
SAMPLE_ENDINGS: Final = (BUCKET_ENDING, "_count", "_sum")
"""What the names of a summary's or histogram's samples end in; a summary has no buckets."""
LAST_POLL: Final = " (as of the job's last poll that worked)"
_ALWAYS_COUNTED: Final = (Reason.TIMEOUT, Reason.AUTH, Reason.THROTTLED)
"""Reasons that are there as 0 from the start, so that a rate() over them sees the first one."""
_UNFAILED: Final = tuple(((reason.value,), 0) for reason in _ALWAYS_COUNTED)
_STATES: Final = tuple((state, (state.value,)) for state in State)
_RESULTS: Final = tuple((result.value,) for result in RESULTS)


@dataclass(frozen=True, slots=True)
class Family:
    """One metric of the jobs; ``service`` and ``job`` stand before its own labels."""

    name: str
    """As on the sample: a counter's ends in ``_total``. Samples of a summary or a histogram add one of
    :data:`SAMPLE_ENDINGS`, which is the first of their values; the last value of a bucket is its bound."""
    kind: Literal["gauge", "counter", "summary", "histogram"]
    help: str
    read: Callable[[Record], Samples]
    labels: tuple[str, ...] = ()
    unit: str = ""
    every_poll: bool = False
    """Whether it changes at every poll that worked, so that it is rendered apart from the rest of its job."""
    guarded: bool = True
    """Whether it is left out for a job that does not fit under ``metrics.max_series``."""
    measure: str = ""
    """The name of the counts that it shows and nothing else; empty if it reads anything else."""


@dataclass(frozen=True, slots=True)
class PartReader(Generic[_T]):
    """Reads samples from a part of the record alone: as long as that is equal, so are they."""

    part: Callable[[Record], _T]
    samples: Callable[[_T], Samples]

    def __call__(self, record: Record) -> Samples:
        """Return the samples of *record*."""
        return self.samples(self.part(record))


def one(value: Callable[[Record], float | None]) -> PartReader[float | None]:
    """Read one sample from the record, none where it is not known."""
    return PartReader(value, lambda found: () if found is None else (((), found),))


def sample(value: Callable[[Snapshot], float | None]) -> PartReader[float | None]:
    """Read one sample from the last answer, none where it says nothing or is too old."""

    return one(lambda record: None if (shown := record.shown) is None else value(shown))


def of_job(samples: Callable[[Job], Samples]) -> PartReader[Job]:
    """Read what the entry of the job says."""
    return PartReader(attrgetter("job"), samples)


def info(identity: Sequence[str]) -> PartReader[Job]:
    """Read who the job is: its project, and those fields of its entry that are in *identity*."""

    def read(job: Job) -> Samples:
        return (((job.project, job.region, *(job.target.get(name, "") for name in identity)), 1),)

    return of_job(read)


def run_info(record: Record) -> Samples:
    """Read which run is shown and the vendor's own word for its state; nothing of a job that never ran."""
    sample = record.shown
    if sample is None or not (sample.run.label or sample.native_state):
        return ()
    return (((sample.run.label, sample.native_state), 1),)


def run_labels(names: Sequence[str]) -> Family:
    """Return the metric of what the cloud tells of the run that is shown, as far as *names* says."""

    def read(record: Record) -> Samples:
        words = {} if record.shown is None else record.shown.words
        # words that a user of the cloud chose, such as a name, may be anything
        return (
            ((tuple(masked(words.get(name, "")) for name in names), 1),) if any(map(words.__contains__, names)) else ()
        )

    text = "Always 1; properties of the newest run as reported by the API, other than its state and numbers" + LAST_POLL
    return Family(PREFIX + "run_labels", "gauge", text, read, tuple(names))


def job_labels(keys: Sequence[str]) -> Family:
    """Return the metric of what the operator says of the jobs; only labels of *keys* are shown."""

    def read(job: Job) -> Samples:
        said = job.labels
        return ((tuple(said.get(key, "") for key in keys), 1),) if any(key in said for key in keys) else ()

    text = "Always 1; the labels in the job's entry, as label_<key> for each key in metrics.job_labels"
    return Family(PREFIX + "labels", "gauge", text, of_job(read), tuple(map(job_label, keys)))


def failures() -> PartReader[Mapping[Reason, int]]:
    """Read the failed polls by reason."""
    return PartReader(attrgetter("failures"), _by_reason)


def _by_reason(failed: Mapping[Reason, int]) -> Samples:
    if not failed:
        return _UNFAILED
    zeros = dict.fromkeys(_ALWAYS_COUNTED, 0)
    return (((reason.value,), number) for reason, number in {**zeros, **failed}.items())


def states(record: Record) -> Samples:
    """Read all states, 1 for the one that holds."""

    sample = record.shown
    return () if sample is None else [(labels, float(state is sample.state)) for state, labels in _STATES]


def runs() -> PartReader[tuple[int, int, int]]:
    """Read the runs that ended by result."""
    return PartReader(attrgetter("runs"), lambda ended: zip(_RESULTS, ended, strict=True))


def run_durations(bounds: Sequence[float]) -> Family:
    """Return the metric of how long runs took; with *bounds* it has buckets."""
    edges = (*map(_edge, bounds), "+Inf") if bounds else ()

    def read(took: tuple[RunTimes, ...]) -> Samples:
        return () if took is UNTIMED else _took(took, edges)

    text = (
        "Seconds from start to end of the runs that ended since the job was registered, both as reported by the API,"
        " by result, each run once; a run without start or end adds nothing, and a result without such runs is absent"
    )
    kind: Literal["summary", "histogram"] = "histogram" if bounds else "summary"
    return Family(
        PREFIX + "run_duration_seconds", kind, text, PartReader(attrgetter("took"), read), ("result",), "seconds"
    )


def _edge(bound: float) -> str:
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1024)
def _took(took: tuple[RunTimes, ...], edges: tuple[str, ...]) -> Samples:
    """Return the samples in the order in which prometheus_client has them."""
    samples: list[tuple[tuple[str, ...], float]] = []
    for labels, times in zip(_RESULTS, took, strict=True):
        if times.runs:
            buckets = zip(edges, (*times.buckets, times.runs), strict=True) if edges else ()
            samples += [((BUCKET_ENDING, *labels, edge), number) for edge, number in buckets]
            samples += [(("_count", *labels), times.runs), (("_sum", *labels), times.milliseconds / 1000)]
    return tuple(samples)


def total(declared: MeasureFamily) -> Family:
    """Return the counter of what a job's runs moved together."""
    name = declared.name

    read = one(lambda record: record.totals.get(name))
    text = (
        declared.total
        + ", by the runs that succeeded since the job was registered; each run is added once after its end"
    )
    return Family(f"{PREFIX}runs_{name}_total", "counter", text, read, unit=declared.unit)


def promised_seconds(job: Job) -> Samples:
    """Read the durations that the operator promises of the job."""
    return [((name,), value) for name, value in job.promises.seconds.items()]


def deadline(value: Callable[[DueTime], float]) -> PartReader[float | None]:
    """Read one sample from the deadline; none before the first try of a poll ended: the run may be done by then."""
    return one(lambda record: None if (due := record.deadline) is None else value(due))


def failure_samples(record: Record) -> Samples:
    """Read the code of a run that failed."""

    code = record.shown and record.shown.failure_code
    return (((code,), 1),) if code else ()


def gauge(
    name: str,
    unit: str,
    text: str,
    read: Callable[[Record], Samples],
    *,
    labels: tuple[str, ...] = (),
    measure: str = "",
) -> Family:
    """Return a gauge that is as of the job's last poll; *text* is its help without that."""
    return Family(PREFIX + name, "gauge", text + LAST_POLL, read, labels, unit, measure=measure)


def count_family(declared: MeasureFamily) -> Family:
    """Return the metric of the measures of one name."""
    name, label = declared.name, declared.label
    read = _read_all(name)
    if declared.values:
        measures = [Measure(name, value) for value in declared.values]
        read = _read_each(measures, labelled=bool(label))
    labels = (label,) if label else ()
    return gauge(name, declared.unit, declared.help, read, labels=labels, measure=name)


def _read_each(measures: Sequence[Measure], *, labelled: bool) -> Callable[[Record], Samples]:
    def read(record: Record) -> Samples:
        sample = record.shown
        if sample is None or not sample.counts:
            return ()
        counts = sample.counts
        return [((each.label,) if labelled else (), counts[each]) for each in measures if each in counts]

    return read


def _read_all(name: str) -> Callable[[Record], Samples]:
    """Read the measures of one name whose labels are the vendor's words."""

    def read(record: Record) -> Samples:
        counts = {} if record.shown is None else record.shown.counts
        return [((each.label,), value) for each, value in counts.items() if each.name == name]

    return read
