"""Every metric of the jobs, once: its name, type, help, unit and labels, and how it is read from a record.

A value that is not known gives no sample. The exporter's own metrics are in :mod:`exporter.metrics.telemetry`.
"""

from collections.abc import Sequence
from typing import Final

from exporter.metrics.family import (
    LAST_POLL,
    PREFIX,
    Family,
    count,
    failure,
    failures,
    gauge,
    info,
    one,
    open_count,
    run_info,
    runs,
    shown,
    states,
    total,
)

KEPT: Final = "; after the run ended, as last seen while it ran: a lower bound"

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
        "Polls of this job that failed, by reason; while calls are paused every turn counts as auth, though no call is"
        " made",
        failures,
        ("reason",),
    ),
    Family(
        PREFIX + "run_info",
        "gauge",
        "Always 1; the run that is shown: run_id (CDM submission-id, else its creation-date; DLI and DWS job_id) and"
        " native_state, the state as the vendor writes it, or other for a word that is not documented" + LAST_POLL,
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
        "Progress from 0 to 1, from the field progress; DLI's is of the running sub-job, so it may fall; 1 once the"
        " run succeeded; absent where the vendor gives none",
        shown(lambda shown: shown.progress),
    ),
    gauge(
        "incremental",
        "",
        "1 if CDM's isIncrementing says that the run is an incremental migration, such as a scheduled one for the dates"
        " since the last, else 0; most such runs end",
        shown(lambda shown: None if shown.incremental is None else float(shown.incremental)),
    ),
    gauge(
        "start_timestamp_seconds",
        "seconds",
        "Unix time in seconds when the newest run began: CDM execute-date, else creation-date; DWS begin_time"
        " (needs the project's time_zone)",
        shown(lambda shown: shown.start),
    ),
    gauge(
        "end_timestamp_seconds",
        "seconds",
        "Unix time in seconds when the newest run ended: CDM last-update-date, DWS end_time (needs the project's"
        " time_zone); absent while it runs",
        shown(lambda shown: shown.end),
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
        PREFIX + "runs_total",
        "counter",
        "Runs that ended since the job was registered, by result, each counted once; one that had ended at first sight"
        " is not counted; runs between two polls are found in CDM's history",
        runs,
        ("result",),
    ),
    gauge(
        "failure_info",
        "",
        "Always 1, only of a run that failed; code is the first vendor code in DLI message, DWS failed_code or CDM"
        " error-summary, else other",
        failure,
        labels=("code",),
    ),
    count(
        "tasks",
        "",
        "Spark tasks by state, summed over the sub-jobs of the answer, from DLI num_*_tasks" + KEPT,
        "state",
        ("active", "completed", "skipped", "failed", "killed"),
    ),
    count("tasks_planned", "", "Spark tasks planned, summed over the sub-jobs, from DLI num_tasks" + KEPT),
    count(
        "stages",
        "",
        "Spark stages by state, summed over the sub-jobs, from DLI num_*_stages" + KEPT,
        "state",
        ("active", "completed", "skipped", "failed"),
    ),
    count(
        "completed_indices",
        "",
        "Spark completed indices, summed over the sub-jobs, from DLI num_completed_indices" + KEPT,
    ),
    open_count(
        "killed_tasks",
        "Killed Spark tasks by reason, from DLI killed_tasks_summary: the 10 greatest reasons, the rest as other"
        + KEPT,
        "reason",
    ),
    count(
        "subjobs",
        "",
        "Sub-jobs of the answer by their status, from DLI sub_jobs" + KEPT,
        "state",
        ("running", "succeeded", "failed", "unknown"),
    ),
    count("rows_read", "", "Rows read by the newest run, from CDM counters ROWS_READ"),
    count("rows_written", "", "Rows written by the newest run, from CDM counters ROWS_WRITTEN"),
    count("rows_skipped", "", "Rows skipped by the newest run, from CDM counters ROWS_WRITTEN_SKIPPED"),
    count("rows_inserted", "", "Rows inserted by the newest run, from CDM write_rows"),
    count("rows_updated", "", "Rows updated by the newest run, from CDM update_rows"),
    count("rows_deleted", "", "Rows deleted by the newest run, from CDM delete_rows"),
    count("read_bytes", "bytes", "Bytes read by the newest run, from CDM counters BYTES_READ"),
    count("written_bytes", "bytes", "Bytes written by the newest run, from CDM counters BYTES_WRITTEN"),
    count("size_bytes", "bytes", "Bytes the newest run has to move in all, from CDM counters TOTAL_SIZE"),
    count("files", "", "Files the newest run has to move in all, from CDM counters TOTAL_FILES"),
    count("files_read", "", "Files read by the newest run, from CDM counters FILES_READ"),
    count("files_written", "", "Files written by the newest run, from CDM counters FILES_WRITTEN"),
    count("files_skipped", "", "Files skipped by the newest run, from CDM counters FILES_SKIPPED"),
    total("rows_read", "", "Rows read, from CDM counters ROWS_READ,"),
    total("rows_written", "", "Rows written, from CDM counters ROWS_WRITTEN,"),
    total("rows_skipped", "", "Rows skipped, from CDM counters ROWS_WRITTEN_SKIPPED,"),
    total("read_bytes", "bytes", "Bytes read, from CDM counters BYTES_READ,"),
    total("written_bytes", "bytes", "Bytes written, from CDM counters BYTES_WRITTEN,"),
    total("files_written", "", "Files written, from CDM counters FILES_WRITTEN,"),
)


def families(identity: Sequence[str]) -> tuple[Family, ...]:
    """Return every metric of the jobs; *identity* are the labels of ``huaweicloud_job_info`` that services declare."""
    whose = Family(
        PREFIX + "info",
        "gauge",
        "Always 1; who the job is: its project as named in the configuration, the region, and the fields of its entry",
        info(identity),
        ("project", "region", *identity),
        guarded=False,
    )
    return (*_FAMILIES[:3], whose, *_FAMILIES[3:])
