"""Every metric of the jobs, once: its name, type, help, unit and labels, and how it is read from a record.

A value that is not known gives no sample. The exporter's own metrics are in :mod:`exporter.telemetry`.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from exporter.core.model import RESULTS, Measure, Reason, Record, Snapshot, State

Samples = Iterable[tuple[tuple[str, ...], float]]
"""Label values, in the order of the family's labels, and the value."""

PREFIX: Final = "huaweicloud_job_"
LAST_POLL: Final = " (as of the job's last poll that worked)"
ALWAYS_COUNTED: Final = (Reason.TIMEOUT, Reason.AUTH, Reason.THROTTLED)
"""Reasons that are there as 0 from the start, so that a rate() over them sees the first one."""


@dataclass(frozen=True, slots=True)
class Family:
    """One metric of the jobs; ``service`` and ``job`` stand before its own labels."""

    name: str
    """As on the sample: a counter's ends in ``_total``."""
    kind: Literal["gauge", "counter"]
    help: str
    read: Callable[[Record], Samples]
    labels: tuple[str, ...] = ()
    unit: str = ""
    every_poll: bool = False
    """Whether it changes at every poll that worked, so that it is rendered apart from the rest of its job."""
    guarded: bool = True
    """Whether it is left out for a job that does not fit under ``metrics.max_series``."""


def _one(value: Callable[[Record], float | None]) -> Callable[[Record], Samples]:
    def read(record: Record) -> Samples:
        found = value(record)
        return () if found is None else (((), found),)

    return read


def _shown(value: Callable[[Snapshot], float | None]) -> Callable[[Record], Samples]:
    return _one(lambda record: None if record.shown is None else value(record.shown))


def _info(record: Record) -> Samples:
    shown, target = record.shown, record.job.target
    run_id, native = ("", "") if shown is None else (shown.run.label, shown.native_state)
    return (
        (
            (
                record.job.project,
                record.job.region,
                target.get("cluster_id", ""),
                target.get("job_id", ""),
                run_id,
                native,
            ),
            1,
        ),
    )


def _failures(record: Record) -> Samples:
    zeros = dict.fromkeys(ALWAYS_COUNTED, 0)
    return (((reason.value,), count) for reason, count in {**zeros, **record.failures}.items())


def _states(record: Record) -> Samples:
    shown = record.shown
    return () if shown is None else (((state.value,), float(state is shown.state)) for state in State)


def _runs(record: Record) -> Samples:
    return (((result.value,), count) for result, count in zip(RESULTS, record.runs, strict=True))


def _failure(record: Record) -> Samples:
    code = record.shown and record.shown.failure_code
    return (((code,), 1),) if code else ()


def _gauge(  # one line of the catalogue
    name: str, unit: str, text: str, read: Callable[[Record], Samples], *, labels: tuple[str, ...] = ()
) -> Family:
    return Family(PREFIX + name, "gauge", text + LAST_POLL, read, labels, unit)


def _count(name: str, unit: str, text: str, label: str = "", values: Sequence[str] = ("",)) -> Family:
    """Return the family of one measure with a fixed set of label values."""
    measures = [Measure(name, value) for value in values]

    def read(record: Record) -> Samples:
        shown = record.shown
        if shown is None or not shown.counts:
            return ()
        counts = shown.counts
        return [((each.label,) if label else (), counts[each]) for each in measures if each in counts]

    return _gauge(name, unit, text, read, labels=(label,) if label else ())


def _open_count(name: str, text: str, label: str) -> Family:
    """Return the family of one measure whose label values are the vendor's words."""

    def read(record: Record) -> Samples:
        counts = {} if record.shown is None else record.shown.counts
        return [((each.label,), value) for each, value in counts.items() if each.name == name]

    return _gauge(name, "", text, read, labels=(label,))


KEPT: Final = "; after the run ended, as last seen while it ran: a lower bound"

FAMILIES: Final = (
    Family(
        PREFIX + "up",
        "gauge",
        "1 if the last poll of this job worked, 0 if it failed or none was made yet; polls run in the background,"
        " so all values of the job are as old as last_poll_timestamp_seconds says",
        _one(lambda record: float(record.up)),
        guarded=False,
    ),
    Family(
        PREFIX + "last_poll_timestamp_seconds",
        "gauge",
        "Unix time in seconds of the last poll of this job that worked; a failed poll does not move it",
        _one(lambda record: record.polled_at),
        unit="seconds",
        every_poll=True,
    ),
    Family(
        PREFIX + "poll_failures_total",
        "counter",
        "Polls of this job that failed, by reason",
        _failures,
        ("reason",),
    ),
    Family(
        PREFIX + "info",
        "gauge",
        "Always 1; who the job is: project as named in the configuration, region, CDM cluster_id, DLI or DWS job_id,"
        " run_id of the newest run (CDM submission-id, else its creation-date), native_state as the vendor writes it,"
        " or other" + LAST_POLL,
        _info,
        ("project", "region", "cluster_id", "job_id", "run_id", "native_state"),
        guarded=False,
    ),
    _gauge(
        "state",
        "",
        "1 for the state that the vendor's status field tells, 0 for the others; unknown is a status that is not"
        " documented",
        _states,
        labels=("state",),
    ),
    _gauge(
        "progress_ratio",
        "ratio",
        "Progress from 0 to 1, from the field progress; DLI's is of the running sub-job, so it may fall; 1 once the"
        " run succeeded; absent where the vendor tells none",
        _shown(lambda shown: shown.progress),
    ),
    _gauge(
        "incremental",
        "",
        "1 if CDM's isIncrementing says that the run migrates for ever and never ends by itself, else 0",
        _shown(lambda shown: None if shown.incremental is None else float(shown.incremental)),
    ),
    _gauge(
        "start_timestamp_seconds",
        "seconds",
        "Unix time in seconds when the newest run began: CDM execute-date, else creation-date; DWS begin_time"
        " (needs the project's time_zone)",
        _shown(lambda shown: shown.start),
    ),
    _gauge(
        "end_timestamp_seconds",
        "seconds",
        "Unix time in seconds when the newest run ended: CDM last-update-date, DWS end_time (needs the project's"
        " time_zone); absent while it runs",
        _shown(lambda shown: shown.end),
    ),
    Family(
        PREFIX + "last_progress_timestamp_seconds",
        "gauge",
        "Unix time in seconds of the poll that last saw state, progress or a count change; the first poll that"
        " worked counts as a change",
        _one(lambda record: None if record.stale else record.last_progress),
        unit="seconds",
    ),
    Family(
        PREFIX + "last_success_timestamp_seconds",
        "gauge",
        "Unix time in seconds when a run last succeeded: its end as the vendor tells it, else the poll that saw it"
        " turn to succeeded; absent until one was seen",
        _one(lambda record: record.last_success),
        unit="seconds",
    ),
    Family(
        PREFIX + "last_run_duration_seconds",
        "gauge",
        "Seconds from start to end of the last run that ended, both as the vendor tells them",
        _one(lambda record: record.last_run_duration),
        unit="seconds",
    ),
    Family(
        PREFIX + "runs_total",
        "counter",
        "Runs that ended since the job was registered, by result; one that had ended at first sight is not counted",
        _runs,
        ("result",),
    ),
    _gauge(
        "failure_info",
        "",
        "Always 1, only of a run that failed; code is the first vendor code in DLI message, DWS failed_code or CDM"
        " error-summary, else other",
        _failure,
        labels=("code",),
    ),
    _count(
        "tasks",
        "",
        "Spark tasks by state, summed over the sub-jobs of the answer, from DLI num_*_tasks" + KEPT,
        "state",
        ("active", "completed", "skipped", "failed", "killed"),
    ),
    _count("tasks_planned", "", "Spark tasks planned, summed over the sub-jobs, from DLI num_tasks" + KEPT),
    _count(
        "stages",
        "",
        "Spark stages by state, summed over the sub-jobs, from DLI num_*_stages" + KEPT,
        "state",
        ("active", "completed", "skipped", "failed"),
    ),
    _count(
        "completed_indices",
        "",
        "Spark completed indices, summed over the sub-jobs, from DLI num_completed_indices" + KEPT,
    ),
    _open_count(
        "killed_tasks",
        "Killed Spark tasks by reason, from DLI killed_tasks_summary: the 10 greatest reasons, the rest as other"
        + KEPT,
        "reason",
    ),
    _count(
        "subjobs",
        "",
        "Sub-jobs of the answer by their status, from DLI sub_jobs" + KEPT,
        "state",
        ("running", "succeeded", "failed", "unknown"),
    ),
    _count("rows_read", "", "Rows read by the newest run, from CDM counters ROWS_READ"),
    _count("rows_written", "", "Rows written by the newest run, from CDM counters ROWS_WRITTEN"),
    _count("rows_skipped", "", "Rows skipped by the newest run, from CDM counters ROWS_WRITTEN_SKIPPED"),
    _count("rows_inserted", "", "Rows inserted by the newest run, from CDM write_rows"),
    _count("rows_updated", "", "Rows updated by the newest run, from CDM update_rows"),
    _count("rows_deleted", "", "Rows deleted by the newest run, from CDM delete_rows"),
    _count("read_bytes", "bytes", "Bytes read by the newest run, from CDM counters BYTES_READ"),
    _count("written_bytes", "bytes", "Bytes written by the newest run, from CDM counters BYTES_WRITTEN"),
    _count("size_bytes", "bytes", "Bytes the newest run has to move in all, from CDM counters TOTAL_SIZE"),
    _count("files", "", "Files the newest run has to move in all, from CDM counters TOTAL_FILES"),
    _count("files_read", "", "Files read by the newest run, from CDM counters FILES_READ"),
    _count("files_written", "", "Files written by the newest run, from CDM counters FILES_WRITTEN"),
    _count("files_skipped", "", "Files skipped by the newest run, from CDM counters FILES_SKIPPED"),
)
