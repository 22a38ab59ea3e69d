"""A metric of the jobs: its description, and a function that reads its samples from a record."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final, Generic, Literal, TypeVar

from prometheus_client.utils import floatToGoString

from exporter.model.job import Job, job_label
from exporter.model.masking import masked
from exporter.model.measures import MeasureFamily
from exporter.model.promises import DueTime
from exporter.model.reason import Reason
from exporter.model.record import Record
from exporter.model.run import UNTIMED, RunTimes
from exporter.model.snapshot import RESULTS, Measure, Snapshot, State

_Samples = Iterable[tuple[tuple[str, ...], float]]
"""Label values, in the order of the family's labels, and the value."""

_P = TypeVar("_P")
_V = TypeVar("_V")

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
    read: "_PartReader[Any, Any]"
    labels: tuple[str, ...] = ()
    unit: str = ""
    every_poll: bool = False
    """Whether it changes at every poll that worked, so that it is rendered apart from the rest of its job."""
    guarded: bool = True
    """Whether it is left out for a job that does not fit under ``metrics.max_series``."""
    measure: str = ""
    """The name of the counts that it shows and nothing else; empty if it reads anything else."""


@dataclass(frozen=True, slots=True)
class _PartReader(Generic[_P, _V]):
    """Reads samples from a *value* in a *part* of the record alone: as long as either is equal, so are they.

    Families that read the same part have one function for it, so that it is compared once for all of them. Of a part
    or a value that is ``None`` there are no samples.
    """

    part: Callable[[Record], _P | None]
    value: Callable[[_P], _V | None]
    samples: Callable[[_V], _Samples]

    def __call__(self, record: Record) -> _Samples:
        """Return the samples of *record*."""
        return self.of_part(self.part(record))

    def of_part(self, part: _P | None) -> _Samples:
        """Return the samples of a record that has this *part*."""
        value = None if part is None else self.value(part)
        return () if value is None else self.samples(value)


def _whole(part: _P) -> _P:
    return part


def _one(value: float) -> _Samples:
    return (((), value),)


def _always(labels: tuple[str, ...]) -> _Samples:
    return ((labels, 1),)


def one(value: Callable[[Record], float | None]) -> _PartReader[float, float]:
    """Read one sample from the record, none where it is not known."""
    return _PartReader(value, _whole, _one)


_JOB: Final[Callable[[Record], Job]] = attrgetter("job")
_SHOWN: Final[Callable[[Record], Snapshot | None]] = attrgetter("shown")
_DEADLINE: Final[Callable[[Record], DueTime | None]] = attrgetter("deadline")
_TOTALS: Final[Callable[[Record], Mapping[str, float]]] = attrgetter("totals")
_COUNTS: Final[Callable[[Record], Mapping[Measure, float]]] = attrgetter("counts")


def sample(value: Callable[[Snapshot], float | None]) -> _PartReader[Snapshot, float]:
    """Read one sample from the last answer, none where it says nothing or is too old."""
    return _PartReader(_SHOWN, value, _one)


def of_job(samples: Callable[[Job], _Samples]) -> _PartReader[Job, Job]:
    """Read what the entry of the job says."""
    return _PartReader(_JOB, _whole, samples)


def info(identity: Sequence[str]) -> _PartReader[Job, Job]:
    """Read who the job is: its project, and those fields of its entry that are in *identity*."""

    def read(job: Job) -> _Samples:
        return (((job.project, job.region, *(job.target.get(name, "") for name in identity)), 1),)

    return of_job(read)


def run_info() -> _PartReader[Snapshot, tuple[str, ...]]:
    """Read which run is shown and the vendor's own word for its state; nothing of a job that never ran."""

    def named(shown: Snapshot) -> tuple[str, ...] | None:
        names = (shown.run.label, shown.native_state)
        return names if any(names) else None

    return _PartReader(_SHOWN, named, _always)


def schedule_info() -> _PartReader[str, str]:
    """Read how the service schedules the job."""
    return _PartReader(
        lambda record: None if record.stale else record.schedule or None, _whole, lambda word: (((word,), 1),)
    )


def run_labels(names: Sequence[str]) -> Family:
    """Return the metric of what the cloud reports about the run that is shown, as far as *names* says."""

    def read(words: Mapping[str, str]) -> _Samples:
        if not any(map(words.__contains__, names)):
            return ()
        # words that a user of the cloud chose, such as a name, may be anything
        return _always(tuple(masked(words.get(name, "")) for name in names))

    text = "Always 1; properties of the newest run as reported by the API, other than its state and numbers" + LAST_POLL
    reader = _PartReader(_SHOWN, attrgetter("words"), read)
    return Family(PREFIX + "run_labels", "gauge", text, reader, tuple(names))


def job_labels(keys: Sequence[str]) -> Family:
    """Return the metric of what the operator says of the jobs; only labels of *keys* are shown."""

    def read(job: Job) -> _Samples:
        said = job.labels
        return ((tuple(said.get(key, "") for key in keys), 1),) if any(key in said for key in keys) else ()

    text = "Always 1; the labels in the job's entry or rule, as label_<key> for each key in metrics.job_labels"
    return Family(PREFIX + "labels", "gauge", text, of_job(read), tuple(map(job_label, keys)))


def failures() -> _PartReader[Mapping[Reason, int], Mapping[Reason, int]]:
    """Read the failed polls by reason."""
    return _PartReader(attrgetter("failures"), _whole, _by_reason)


def _by_reason(failed: Mapping[Reason, int]) -> _Samples:
    if not failed:
        return _UNFAILED
    zeros = dict.fromkeys(_ALWAYS_COUNTED, 0)
    return (((reason.value,), number) for reason, number in {**zeros, **failed}.items())


def states() -> _PartReader[Snapshot, State]:
    """Read all states, 1 for the one that holds."""

    def read(found: State) -> _Samples:
        return [(labels, float(found is state)) for state, labels in _STATES]

    return _PartReader(_SHOWN, attrgetter("state"), read)


def runs() -> _PartReader[tuple[int, int, int], tuple[int, int, int]]:
    """Read the runs that ended by result."""
    return _PartReader(attrgetter("runs"), _whole, lambda ended: zip(_RESULTS, ended, strict=True))


def run_durations(bounds: Sequence[float]) -> Family:
    """Return the metric of how long runs took; with *bounds* it has buckets."""
    edges = (*map(_edge, bounds), "+Inf") if bounds else ()

    def read(took: tuple[RunTimes, ...]) -> _Samples:
        return () if took is UNTIMED else _took(took, edges)

    text = (
        "Seconds from start to end of the runs that ended since the job was registered, both as reported by the API,"
        " by result, each run once; a run without start or end adds nothing, and a result without such runs is absent"
    )
    kind: Literal["summary", "histogram"] = "histogram" if bounds else "summary"
    reader = _PartReader(attrgetter("took"), _whole, read)
    return Family(PREFIX + "run_duration_seconds", kind, text, reader, ("result",), "seconds")


def _edge(bound: float) -> str:
    return str(floatToGoString(bound))  # type: ignore[no-untyped-call]


@lru_cache(maxsize=1024)
def _took(took: tuple[RunTimes, ...], edges: tuple[str, ...]) -> _Samples:
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
    read = _PartReader(_TOTALS, lambda totals: totals.get(name), _one)
    text = (
        declared.total
        + ", by the runs that succeeded since the job was registered; each run is added once after its end"
    )
    return Family(f"{PREFIX}runs_{name}_total", "counter", text, read, unit=declared.unit)


def promised_seconds(job: Job) -> _Samples:
    """Read the durations that the operator promises of the job."""
    return [((name,), value) for name, value in job.promises.seconds.items()]


def deadline(value: Callable[[DueTime], float]) -> _PartReader[DueTime, float]:
    """Read one sample from the deadline; none before the first try of a poll ended: the run may be done by then."""
    return _PartReader(_DEADLINE, value, _one)


def run_failure() -> _PartReader[Snapshot, str]:
    """Read the code of a run that failed."""
    return _PartReader(_SHOWN, attrgetter("failure_code"), lambda code: _always((code,)) if code else ())


def gauge(name: str, unit: str, text: str, read: _PartReader[Any, Any], *, labels: tuple[str, ...] = ()) -> Family:
    """Return a gauge that is as of the job's last poll; *text* is its help without that."""
    return Family(PREFIX + name, "gauge", text + LAST_POLL, read, labels, unit)


def count_family(declared: MeasureFamily) -> Family:
    """Return the metric of the measures of one name."""
    name, labelled = declared.name, bool(declared.label)
    known = [(Measure(name, value), (value,) if labelled else ()) for value in declared.values]

    def read(counts: Mapping[Measure, float]) -> _Samples:
        """Return those of the values that were declared, in their order; where none were, the vendor's words."""
        if known:
            return [(values, found) for each, values in known if (found := counts.get(each)) is not None]
        return [((each.label,) if labelled else (), found) for each, found in counts.items() if each.name == name]

    reader = _PartReader(_COUNTS, _whole, read)
    labels = (declared.label,) if labelled else ()
    return replace(gauge(name, declared.unit, declared.help, reader, labels=labels), measure=name)
