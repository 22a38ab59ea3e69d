"""The past as JSON: the runs of one job, and the changes of all jobs. An unknown value is ``null``. Pure."""

from typing import Any

from exporter.model.job import JobKey
from exporter.runs.past import Change, JobPast, PastRun, Watch


def runs_document(key: JobKey, past: JobPast | None, watch: Watch) -> dict[str, Any]:
    """Return what is kept of a job's past, the newest first; ``since`` is ``null`` if nothing is."""
    past = past or JobPast(0)
    return {
        "service": key.service,
        "job": key.job,
        "since": past.since or None,
        "away": watch.away,
        "runs": [_run(each) for each in reversed(past.runs)],
        "progress": [{"at": at, "ratio": ratio} for at, ratio in past.progress],
        "turns": [{**each._asdict(), "code": each.code or None} for each in reversed(past.turns)],
        "failures": [
            {**each._asdict(), "code": each.code or None, "request_id": each.request_id or None}
            for each in reversed(past.failures)
        ],
    }


def changes_document(watch: Watch) -> dict[str, Any]:
    """Return what changed of all jobs, the newest first."""
    return {"since": watch.since, "away": watch.away, "changes": [_change(each) for each in reversed(watch.changes)]}


def _run(run: PastRun) -> dict[str, Any]:
    return {
        "result": run.result,
        "start": run.start,
        "end": None if run.seen else run.at,
        "seen_ended": run.at if run.seen and not run.over else None,
        "ended_before": run.at if run.over else None,
        "took": run.took,
        "waited": run.waited,
        "rows_written": run.rows,
        "code": run.code or None,
    }


def _change(change: Change) -> dict[str, Any]:
    return {
        "at": change.at,
        **change.key._asdict(),
        "project": change.project,
        "was": change.was,
        "now": change.now,
        "code": change.code or None,
        "took": change.took,
        "jobs": change.jobs,
    }
