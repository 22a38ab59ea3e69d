"""The sub-jobs of a whole-database migration (BATCH_JOB), from the response about their parent job.

For each run CDM creates one sub-job per table, named PARENT_TABLE. No document says whether the response about the
parent contains the parent's own run, one run per sub-job, or both, so both are read. The parent's own run decides. If
it is missing, the state is derived from the sub-jobs: running if one runs, failed if one failed. If all succeeded,
the parent is not reported as succeeded, because more sub-jobs may exist.
"""

from collections import Counter
from collections.abc import Iterable, Mapping
from typing import Final

from exporter.model.job import Job
from exporter.model.measures import MeasureFamily
from exporter.model.snapshot import Measure, Rows, Snapshot, State
from exporter.services import json_fields
from exporter.services.values import clean

_STATES: Final = tuple(state.value for state in State)
SUBJOBS: Final = MeasureFamily(
    "subjobs",
    "Sub-jobs of a whole-database migration (BATCH_JOB) in the answer about it, by their status, from CDM submissions",
    label="state",
    values=_STATES,
    live=("pending", "running"),
)
MOST_SHOWN: Final = 500
"""Sub-jobs that page and JSON show; all of them are counted."""
_LOUDEST: Final = (State.RUNNING, State.PENDING, State.FAILED, State.CANCELLED, State.UNKNOWN)
"""Which state of a sub-job stands for the parent, if no other one before it is there."""


def is_subjob(run: json_fields.Fields, job: Job) -> bool:
    """Whether a run is that of a sub-job of *job*, by its name."""
    name, parent = run.text("job-name"), clean(job.target["job_name"])
    return name is not None and len(name) > len(parent) + 1 and name.startswith(f"{parent}_")


def subjob_counts(reported: Iterable[Snapshot], own: Mapping[Measure, float]) -> dict[Measure, float]:
    """Return how many sub-jobs are in which state, and the sum of each number that all of them tell and *own* has not.

    *own* is what the parent says of itself; where it says any number of a run, none is added up.
    """
    runs = list(reported)
    states = Counter(run.state.value for run in runs)
    counts: dict[Measure, float] = {Measure("subjobs", state): states[state] for state in _STATES} if runs else {}
    if not own and runs:
        shared = set.intersection(*(set(run.counts) for run in runs))
        counts |= {measure: sum(run.counts[measure] for run in runs) for measure in sorted(shared)}
    return counts


def subjob_rows(reported: Mapping[str, Snapshot]) -> Rows:
    """Return what page and JSON show of sub-jobs, by their names."""
    names = ("name", "status", "progress", "rows_read", "rows_written", "failure_code")
    read, written = Measure("rows_read"), Measure("rows_written")
    return Rows(
        names,
        tuple(
            (
                name,
                run.native_state or None,
                run.progress,
                run.counts.get(read),
                run.counts.get(written),
                run.failure_code,
            )
            for name, run in list(reported.items())[:MOST_SHOWN]
        ),
    )


def parent_state(reported: Iterable[Snapshot]) -> Snapshot:
    """Return the run of a parent whose own run is missing in the response, derived from its sub-jobs."""
    runs = list(reported)
    state = next((each for each in _LOUDEST if any(run.state is each for run in runs)), State.UNKNOWN)
    code = next((run.failure_code for run in runs if run.failure_code), None) if state is State.FAILED else None
    return Snapshot(state, next((run.native_state for run in runs if run.state is state), ""), failure_code=code)
