"""Every metric of the jobs, once: its name, type, help, unit and labels, and how it is read from a record.

A value that is not known gives no sample. The numbers of a run are declared by the services that read them. The
exporter's own metrics are in :mod:`exporter.metrics.telemetry`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from exporter.metrics.family import (
    LAST_POLL,
    PREFIX,
    Family,
    count_family,
    deadline,
    failure_samples,
    failures,
    gauge,
    info,
    job_labels,
    of_job,
    one,
    promised_seconds,
    run_durations,
    run_info,
    run_labels,
    runs,
    sample,
    states,
    total,
)
from exporter.model.measures import Declared

_USUAL: Final = 5
"""Runs from which on it is known what is usual."""
_FAMILIES: Final = (
    Family(
        PREFIX + "up",
        "gauge",
        "1 if the last poll of this job worked, 0 if it failed, absent until the first try ended; polls run in the"
        " background, so all values of the job are as old as last_poll_timestamp_seconds says",
        one(lambda record: None if record.up is None else float(record.up)),
        guarded=False,
    ),
    Family(
        PREFIX + "last_poll_timestamp_seconds",
        "gauge",
        "Unix time in seconds of the last poll of this job that worked; a failed poll does not move it",
        one(lambda record: record.polled_at),
        unit="seconds",
        every_poll=True,
    ),
    Family(
        PREFIX + "poll_failures_total",
        "counter",
        "Polls of this job that failed, by reason; polls that are skipped while calls are paused are not among them",
        failures(),
        ("reason",),
    ),
    Family(
        PREFIX + "run_info",
        "gauge",
        "Always 1; the run that is shown: run_id, as the service names it, and native_state, the state as the vendor"
        " writes it, or other for a word that is not documented" + LAST_POLL,
        run_info,
        ("run_id", "native_state"),
    ),
    gauge(
        "state",
        "",
        "1 for the state that the vendor's status field gives, 0 for the others; unknown is a status that is not"
        " documented",
        states,
        labels=("state",),
    ),
    gauge(
        "progress_ratio",
        "ratio",
        "Progress from 0 to 1; 1 once the run succeeded; absent where the vendor gives none",
        sample(lambda sample: sample.progress),
    ),
    gauge(
        "incremental",
        "",
        "1 if the run is an incremental migration, such as a scheduled one for the dates since the last, else 0; most"
        " such runs end",
        sample(lambda sample: None if sample.incremental is None else float(sample.incremental)),
    ),
    gauge(
        "start_timestamp_seconds",
        "seconds",
        "Unix time in seconds when the newest run began",
        sample(lambda sample: sample.start),
    ),
    gauge(
        "end_timestamp_seconds",
        "seconds",
        "Unix time in seconds when the newest run ended; absent while it runs",
        sample(lambda sample: sample.end),
    ),
    Family(
        PREFIX + "last_progress_timestamp_seconds",
        "gauge",
        "Unix time in seconds of the poll that last saw state, progress or a count change; the first poll that"
        " worked counts as a change",
        one(lambda record: None if record.stale else record.last_progress),
        unit="seconds",
    ),
    Family(
        PREFIX + "last_success_timestamp_seconds",
        "gauge",
        "Unix time in seconds when a run last succeeded: its end as the vendor gives it, else the poll that saw it"
        " turn to succeeded; absent until one was seen",
        one(lambda record: record.last_success),
        unit="seconds",
    ),
    Family(
        PREFIX + "last_failure_timestamp_seconds",
        "gauge",
        "Unix time in seconds when a run last failed: its end as the vendor gives it, else the poll that saw it turn to"
        " failed; absent until one was seen",
        one(lambda record: record.last_failure),
        unit="seconds",
    ),
    gauge(
        "pending_since_timestamp_seconds",
        "seconds",
        "Unix time in seconds since when the newest run waits to begin, as the vendor gives it, else since a poll first"
        " saw it wait; absent while no run waits, and for a job that was never started",
        one(lambda record: None if record.stale else record.pending_since),
    ),
    gauge(
        "waited_seconds",
        "seconds",
        "Seconds that the newest run waited between its creation and its start, both as the vendor gives them; absent"
        " where either is not given",
        sample(lambda sample: sample.waited),
    ),
    Family(
        PREFIX + "last_run_duration_seconds",
        "gauge",
        "Seconds from start to end of the last run that ended, both as the vendor gives them",
        one(lambda record: record.last_run_duration),
        unit="seconds",
    ),
    Family(
        PREFIX + "estimated_completion_timestamp_seconds",
        "gauge",
        "Unix time in seconds when the run may be done: an estimate by the exporter and not the vendor's word, from the"
        " rate of tasks or progress and from earlier runs of the same name; absent unless running, and where the run"
        " is incremental and continues at progress 1, stalled, longer than estimated, or too little is known of it"
        + LAST_POLL,
        one(lambda record: record.may_end),
        unit="seconds",
    ),
    Family(
        PREFIX + "usual_run_duration_seconds",
        "gauge",
        f"Seconds that the last {_USUAL} runs that succeeded took at most, by the vendor's start and end; absent while"
        " fewer were seen since the start",
        one(lambda record: max(record.durations) if len(record.durations) >= _USUAL else None),
        unit="seconds",
    ),
    Family(
        PREFIX + "promise_seconds",
        "gauge",
        "Seconds that the operator promises of the job under promises: period (a run succeeds at least this often),"
        " max_wait (no run waits longer to begin), max_run (none takes longer), stuck_after (none is without progress"
        " for longer); only what is promised",
        of_job(promised_seconds),
        ("promise",),
        unit="seconds",
    ),
    Family(
        PREFIX + "promise_rows_match",
        "gauge",
        "Always 1; only of a job of which the operator promises that each run writes as many rows as it reads",
        of_job(lambda job: (((), 1),) if job.promises.rows_match else ()),
    ),
    Family(
        PREFIX + "deadline_timestamp_seconds",
        "gauge",
        "Unix time in seconds of the next deadline that the operator promises, or of the first that was missed until a"
        " run succeeds; absent until the first try of a poll ended",
        deadline(lambda due: due.at),
        unit="seconds",
    ),
    Family(
        PREFIX + "deadline_met",
        "gauge",
        "1 if a run succeeded for the deadline that deadline_timestamp_seconds shows, 0 if none was seen to yet",
        deadline(lambda due: float(due.met)),
    ),
    Family(
        PREFIX + "runs_total",
        "counter",
        "Runs that ended since the job was registered, by result, each counted once; one that had ended at first sight"
        " is not counted; runs between two polls are found where the service keeps a history",
        runs(),
        ("result",),
    ),
    gauge(
        "failure_info",
        "",
        "Always 1, only of a run that failed; code is the first of the vendor's codes that the service gives as the"
        " reason, else other",
        failure_samples,
        labels=("code",),
    ),
)


def families(declared: Declared, labels: Sequence[str] = (), bounds: Sequence[float] = ()) -> tuple[Family, ...]:
    """Return every metric of the jobs, those of which the services declare what they are last.

    *labels* are the keys of the jobs' labels that are shown, *bounds* those of the buckets of how long runs took.
    """
    whose = Family(
        PREFIX + "info",
        "gauge",
        "Always 1; who the job is: its project as named in the configuration, the region, and the fields of its entry",
        info(declared.identity),
        ("project", "region", *declared.identity),
        guarded=False,
    )
    common = (
        _with_sources(each, declared.sources)
        for each in (
            *_FAMILIES[:3],
            whose,
            job_labels(labels),
            run_labels(declared.run_labels),
            *_FAMILIES[3:],
            run_durations(bounds),
        )
    )
    totals = (total(each) for each in declared.measures if each.total)
    return (*common, *map(count_family, declared.measures), *totals)


def _with_sources(family: Family, sources: Mapping[str, str]) -> Family:
    """Add to the help from which fields the services read it."""
    source = sources.get(family.name.removeprefix(PREFIX))
    return replace(family, help=f"{family.help}; read from {source}") if source else family
