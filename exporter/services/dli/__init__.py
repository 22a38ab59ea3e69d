"""Data Lake Insight: SQL jobs.

Source: DLI API reference, "Querying the Job Execution Progress" (ShowJobProgress), tables 2 and 3; the list of
jobs has its own module.

The field ``progress`` is of the running sub-job while there is one, so it can fall from one poll to the next.
Sub-jobs are told only while the job runs; DLI forgets them the moment it ends.
"""

from datetime import tzinfo

from exporter.model.errors import first_line
from exporter.model.job import Job
from exporter.model.packed import Packed
from exporter.model.record import RunId
from exporter.model.snapshot import Rows, Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.adapter import Adapter, Hosts, JobEntry, known_word
from exporter.services.dli.lists import DliLister
from exporter.services.dli.subjobs import COLUMNS, Subjob, sums
from exporter.services.dli.words import CODES, STATES, refusal
from exporter.services.request import Request, segments


class DliEntry(JobEntry):
    """A DLI job of the configuration."""

    job_id: str

    @property
    def default_name(self) -> str:
        """The job's id: DLI jobs have no name."""
        return self.job_id


class Dli(Adapter):
    """The adapter of Data Lake Insight."""

    service = "dli"
    entry = DliEntry
    hosts = Hosts(
        {
            "huaweicloud": "https://dli.{region}.myhuaweicloud.com",
            "otc": "https://dli.{region}.otc.t-systems.com",
        },
        {"eu-west-101": "https://dli.eu-west-101.myhuaweicloud.eu"},
    )
    limits = {"dli": 5.0}
    states = STATES
    codes = CODES
    lists = DliLister()
    final = True
    forgets = True

    def request(self, job: Job, project_id: str) -> Request:
        """Ask for the progress of the job."""
        path = segments("v1", project_id, "jobs", job.target["job_id"], "progress")
        return Request("ShowJobProgress", path, "dli")

    def parse(self, body: bytes, job: Job, zone: tzinfo | None) -> Snapshot:
        """Read table 2 and, while the job runs, table 3."""
        data = json_fields.document(body)
        unknown: list[str] = []
        fields = json_fields.Fields(data, unknown)
        word = fields.word("status")
        if word is None:
            raise refusal(data, fields)
        state = self.states.get(word.upper(), State.UNKNOWN)
        if state is State.UNKNOWN:
            unknown.append("status")
        progress = fields.amount("progress", full=1)
        items = fields.objects("sub_jobs") or []
        subjobs = [Subjob(item, unknown, zone) for item in items]
        message = fields.text("message")
        detail = {
            "job_id": fields.text("job_id"),
            "is_success": fields.flag("is_success"),
            "message": first_line(message or "") or None,
            "sub_job_id": fields.amount("sub_job_id"),
            "sub_jobs": Rows(COLUMNS, tuple(subjob.row for subjob in subjobs)) if subjobs else None,
        }
        return Snapshot(
            state=state,
            native_state=known_word(word, self.states),
            run=RunId(job.target["job_id"], opaque=True),
            progress=1.0 if state is State.SUCCEEDED else progress,
            failure_code=error_classes.failure_code(message) if state is State.FAILED else None,
            counts=Packed(sums(subjobs)),
            detail=Packed({name: value for name, value in detail.items() if value is not None}),
            unknown=tuple(unknown),
        )


ADAPTER = Dli()
