"""Data Lake Insight: SQL jobs.

Source: DLI API reference, "Querying the Job Execution Progress" (ShowJobProgress), tables 2 and 3; the list of
jobs has its own module.

The field ``progress`` is of the running sub-job while there is one, so it can fall from one poll to the next.
Sub-jobs are reported only while the job runs; DLI forgets them the moment it ends.
"""

from pydantic import Field

from exporter.model.errors import first_line
from exporter.model.job import Job
from exporter.model.packed import Packed
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State
from exporter.services import json_fields
from exporter.services.adapter import JOB_ID, Adapter, JobEntry
from exporter.services.codes_in_text import failure_code
from exporter.services.data_lake import DATA_LAKE_CODES, DATA_LAKE_CONSOLES, DATA_LAKE_HOSTS, refusal_in_body
from exporter.services.dli.lists import DliLister
from exporter.services.dli.rows import ROW_MEASURES, RUN_LABELS
from exporter.services.dli.subjobs import MEASURES, SUBJOB_PARTS, WORK, Subjobs
from exporter.services.dli.words import STATES
from exporter.services.request import Request, segments
from exporter.services.shapes import UUID


class DliEntry(JobEntry):
    """A DLI job of the configuration."""

    job_id: str = Field(description=JOB_ID)

    @property
    def default_name(self) -> str:
        """The job's id: DLI jobs have no name."""
        return self.job_id


class Dli(Adapter):
    """The adapter of Data Lake Insight."""

    service = "dli"
    entry = DliEntry
    hosts = DATA_LAKE_HOSTS
    consoles = DATA_LAKE_CONSOLES
    limits = {"dli": 5.0}
    states = STATES
    names = {"job_id": "job_id"}
    run_part = "job_id"
    shapes = {"job_id": UUID}
    codes = DATA_LAKE_CODES
    lists = DliLister()
    sources = {
        "run_info": "job_id",
        "progress_ratio": "progress, which is that of the running sub-job if there is one, so it may fall",
        "start_timestamp_seconds": "start_time of the list or the status",
        "end_timestamp_seconds": "end_time of the list, else start_time and duration",
        "pending_since_timestamp_seconds": "start_time of the list, the time of submission while the job waits",
        "failure_info": "message",
    }
    measures = (*MEASURES, *ROW_MEASURES)
    run_labels = RUN_LABELS
    work = WORK
    parts = SUBJOB_PARTS
    final = True
    forgets = True

    def request(self, job: Job, project_id: str) -> Request:
        """Ask for the progress of the job."""
        path = segments("v1", project_id, "jobs", job.target["job_id"], "progress")
        return Request("ShowJobProgress", path, self.limit)

    def snapshot(self, fields: json_fields.Fields, job: Job) -> Snapshot:
        """Read table 2 and, while the job runs, table 3."""
        word = fields.word("status")
        if word is None:
            raise refusal_in_body(fields)
        state, native = fields.state("status", word, self.states)
        progress = fields.amount("progress", full=1)
        subjobs = Subjobs(fields, job.target)
        message = fields.text("message")
        detail = {
            "job_id": fields.id("job_id"),
            "is_success": fields.flag("is_success"),
            "message": first_line(message or "") or None,
            "sub_job_id": fields.count("sub_job_id"),
            "sub_jobs": subjobs.table,
            "sub_jobs_left_out": subjobs.left_out or None,
        }
        return Snapshot(
            state=state,
            native_state=native,
            run=RunId(job.target["job_id"], opaque=True),
            progress=1.0 if state is State.SUCCEEDED else progress,
            failure_code=failure_code(message) if state is State.FAILED else None,
            counts=Packed(subjobs.sums()),
            detail=Packed({name: value for name, value in detail.items() if value is not None}),
            unknown=tuple(fields.unknown),
        )


ADAPTER = Dli()
