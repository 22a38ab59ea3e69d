"""Every metric of the jobs: its name, type, help, unit and labels, and how its values are read from a record.

An unknown value gives no sample. The services declare the numbers of a run that they read. The exporter's own metrics
are in :mod:`exporter.metrics.telemetry`.
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
    failures,
    gauge,
    info,
    job_labels,
    of_job,
    one,
    promised_seconds,
    run_durations,
    run_failure,
    run_info,
    run_labels,
    runs,
    sample,
    schedule_info,
    states,
    total,
)
from exporter.model.measures import Declared

_USUAL: Final = 5
"""Successful runs that must have been seen before a duration counts as usual."""
_FAMILIES: Final = (
    Family(
        PREFIX + "up",
        "gauge",
        "1 if the last poll of this job worked, 0 if it failed, absent until the first poll has ended; polls run in"
        " the background, so all values of the job are as old as last_poll_timestamp_seconds",
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
        "Polls of this job that failed, by reason; polls that are skipped while calls are paused are not counted",
        failures(),
        ("reason",),
    ),
    Family(
        PREFIX + "run_info",
        "gauge",
        "Always 1; the newest run: run_id is its id at the service, native_state its state as the vendor writes it,"
        " or other for an undocumented word" + LAST_POLL,
        run_info(),
        ("run_id", "native_state"),
    ),
    Family(
        PREFIX + "schedule_info",
        "gauge",
        "Always 1; how the service schedules the job, in its own word, as the last list of jobs reported;"
        " absent where no list reports it, and while the job's values are too old",
        schedule_info(),
        ("schedule",),
    ),
    gauge(
        "state",
        "",
        "1 for the state of the newest run, from the vendor's status field, 0 for the other states; unknown is an"
        " undocumented status, or a run of which nothing is reported any more",
        states(),
        labels=("state",),
    ),
    gauge(
        "progress_ratio",
        "ratio",
        "Progress from 0 to 1; 1 once the run succeeded; absent if the API reports none",
        sample(lambda sample: sample.progress),
    ),
    gauge(
        "incremental",
        "",
        "1 if the run is an incremental migration, such as a scheduled one of the data since the last run, else 0;"
        " most such runs end",
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
        "Unix time in seconds of the last poll that saw a change of state, progress or a count; the first poll that"
        " worked counts as a change",
        one(lambda record: None if record.stale else record.last_progress),
        unit="seconds",
    ),
    Family(
        PREFIX + "last_success_timestamp_seconds",
        "gauge",
        "Unix time in seconds when a run last succeeded: its end as reported by the API, else the time of the poll"
        " that saw it change to succeeded; absent until such a run was seen",
        one(lambda record: record.last_success),
        unit="seconds",
    ),
    Family(
        PREFIX + "last_failure_timestamp_seconds",
        "gauge",
        "Unix time in seconds when a run last failed: its end as reported by the API, else the time of the poll that"
        " saw it change to failed; absent until such a run was seen",
        one(lambda record: record.last_failure),
        unit="seconds",
    ),
    gauge(
        "pending_since_timestamp_seconds",
        "seconds",
        "Unix time in seconds since when the newest run has been waiting to begin, as reported by the API, else since"
        " the poll that first saw it waiting; absent while no run waits, and for a job that was never started",
        one(lambda record: None if record.stale else record.pending_since),
    ),
    gauge(
        "waited_seconds",
        "seconds",
        "Seconds that the newest run waited between its creation and its start, both as reported by the API; absent"
        " if either is missing",
        sample(lambda sample: sample.waited),
    ),
    Family(
        PREFIX + "last_run_duration_seconds",
        "gauge",
        "Seconds from start to end of the last run that ended, both as reported by the API",
        one(lambda record: record.last_run_duration),
        unit="seconds",
    ),
    Family(
        PREFIX + "estimated_completion_timestamp_seconds",
        "gauge",
        "Unix time in seconds when the run will probably end: an estimate by the exporter, not reported by the API,"
        " from the rate of tasks or progress and from earlier runs of the same name; absent unless the run is"
        " running, and if it is incremental and continues at progress 1, is stalled, takes longer than estimated, or"
        " too little is known about it" + LAST_POLL,
        one(lambda record: record.may_end),
        unit="seconds",
    ),
    Family(
        PREFIX + "usual_run_duration_seconds",
        "gauge",
        f"Longest duration in seconds of the last {_USUAL} runs that succeeded, from start and end as reported by the"
        " API; absent while fewer such runs were seen since the exporter started",
        one(lambda record: max(record.durations) if len(record.durations) >= _USUAL else None),
        unit="seconds",
    ),
    Family(
        PREFIX + "promise_seconds",
        "gauge",
        "Promises of the job's entry in seconds: period (a run succeeds at least this often), max_wait (no run waits"
        " longer to begin), max_run (no run takes longer), stuck_after (no run is without progress for longer);"
        " absent if not promised",
        of_job(promised_seconds),
        ("promise",),
        unit="seconds",
    ),
    Family(
        PREFIX + "promise_rows_match",
        "gauge",
        "Always 1; only for a job whose entry promises that each run writes as many rows as it reads",
        of_job(lambda job: (((), 1),) if job.promises.rows_match else ()),
    ),
    Family(
        PREFIX + "deadline_timestamp_seconds",
        "gauge",
        "Unix time in seconds of the next promised deadline, or of the first missed one until a run succeeds; absent"
        " until the first poll has ended",
        deadline(lambda due: due.at),
        unit="seconds",
    ),
    Family(
        PREFIX + "deadline_met",
        "gauge",
        "1 if a run met the deadline in deadline_timestamp_seconds, 0 if no such run was seen yet",
        deadline(lambda due: float(due.met)),
    ),
    Family(
        PREFIX + "runs_total",
        "counter",
        "Runs that ended since the job was registered, by result, each counted once; a run that had ended at the"
        " first poll is not counted; runs between two polls are counted if the service keeps a history",
        runs(),
        ("result",),
    ),
    gauge(
        "failure_info",
        "",
        "Always 1, only for a run that failed; code is the first error code in the reason that the API reports, else"
        " other",
        run_failure(),
        labels=("code",),
    ),
)


def families(declared: Declared, labels: Sequence[str] = (), bounds: Sequence[float] = ()) -> tuple[Family, ...]:
    """Return every metric of the jobs, those that services declare last.

    *labels* are the keys of the jobs' labels that are shown, *bounds* the bounds of the buckets of run durations.
    """
    whose = Family(
        PREFIX + "info",
        "gauge",
        "Always 1; identity of the job: its project as named in the configuration, the region, and the identifying"
        " fields of its entry",
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
    """Add to the help from which fields the services read the metric."""
    source = sources.get(family.name.removeprefix(PREFIX))
    return replace(family, help=f"{family.help}; read from {source}") if source else family
