"""Cloud Data Migration: jobs that run again and again, each run a *submission*.

Source: CDM API reference, "Querying Job Status" (ShowJobStatus), tables 3 to 6.
"""

from collections.abc import Mapping
from datetime import tzinfo
from typing import Any, Final

from exporter.model.errors import PollError, first_line
from exporter.model.job import Job
from exporter.model.packed import Packed
from exporter.model.reason import Reason
from exporter.model.record import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.adapter import Adapter, Hosts, JobEntry, PastPage, RunHistory, known_word
from exporter.services.cdm.lists import LIMIT, CdmLister
from exporter.services.cdm.words import CODES, NOT_APPLICABLE, STATES
from exporter.services.listing import PAGE_SIZE
from exporter.services.request import Request, segments

COUNTERS: Final = "org.apache.sqoop.submission.counter.SqoopCounters"
ROWS: Final[Mapping[str, Measure]] = {
    "write_rows": Measure("rows_inserted"),
    "update_rows": Measure("rows_updated"),
    "delete_rows": Measure("rows_deleted"),
}
"""Table 4."""
MOVED: Final[Mapping[str, Measure]] = {
    "ROWS_READ": Measure("rows_read"),
    "ROWS_WRITTEN": Measure("rows_written"),
    "ROWS_WRITTEN_SKIPPED": Measure("rows_skipped"),
    "BYTES_READ": Measure("read_bytes"),
    "BYTES_WRITTEN": Measure("written_bytes"),
    "TOTAL_SIZE": Measure("size_bytes"),
    "TOTAL_FILES": Measure("files"),
    "FILES_READ": Measure("files_read"),
    "FILES_WRITTEN": Measure("files_written"),
    "FILES_SKIPPED": Measure("files_skipped"),
}
"""Table 6; told only of a run that succeeded."""


class CdmEntry(JobEntry):
    """A CDM job of the configuration."""

    cluster_id: str
    job_name: str

    @property
    def default_name(self) -> str:
        """The job's own name."""
        return self.job_name


class CdmPast(RunHistory):
    """The submissions of a job, as far back as 30 days (ShowSubmissions)."""

    def request(self, job: Job, project_id: str, page: int) -> Request:
        """Ask for one page of the runs."""
        path = segments("v1.1", project_id, "clusters", job.target["cluster_id"], "cdm", "submissions")
        query = (("jname", job.target["job_name"]), ("page_no", str(page)), ("page_size", str(PAGE_SIZE)))
        return Request("ShowSubmissions", path, LIMIT, query)

    def parse(self, body: bytes) -> PastPage:
        """Read the runs of one page, and how many there are: the service may heed neither number nor size of a page."""
        data = json_fields.document(body)
        total = json_fields.Fields(data, []).amount("total", absent=NOT_APPLICABLE)
        runs = tuple(_snapshot(row or {}, []) for row in _rows(data, []))
        return PastPage(runs, None if total is None or total < len(runs) else int(total))


class Cdm(Adapter):
    """The adapter of Cloud Data Migration."""

    service = "cdm"
    entry = CdmEntry
    hosts = Hosts(
        {
            "huaweicloud": "https://cdm.{region}.myhuaweicloud.com",
            "otc": "https://cdm.{region}.otc.t-systems.com",
        }
    )
    limits = {"cdm": 1.8, "cdm_list": 1.8}
    states = STATES
    unstarted = frozenset({"NEW", "NEVER_EXECUTED"})
    codes = CODES
    lists = CdmLister()
    moved_by_list = True
    past = CdmPast()
    sums = ("rows_read", "rows_written", "rows_skipped", "read_bytes", "written_bytes", "files_written")
    final = False

    def request(self, job: Job, project_id: str) -> Request:
        """Ask for the runs of the job."""
        cluster, name = job.target["cluster_id"], job.target["job_name"]
        path = segments("v1.1", project_id, "clusters", cluster, "cdm", "job", name, "status")
        return Request("ShowJobStatus", path, "cdm")

    def parse(self, body: bytes, job: Job, zone: tzinfo | None) -> Snapshot:
        """Read the newest submission; a job without any has never run."""
        unknown: list[str] = []
        submissions = _submissions(body, unknown)
        if not submissions:
            return Snapshot(State.PENDING)
        newest = max(submissions, key=_age)
        if json_fields.Fields(newest, []).word("status") is None:
            raise PollError(Reason.PAYLOAD, "the newest run of the answer tells no status")
        return _snapshot(newest, unknown)


def _submissions(body: bytes, unknown: list[str]) -> list[dict[str, Any]]:
    """Return the runs of a status answer; a job without any has never run."""
    rows = _rows(json_fields.document(body), unknown)
    submissions = [row for row in rows if row is not None]
    if rows and not submissions:
        raise PollError(Reason.PAYLOAD, "the field submissions of the answer is not a list of runs")
    return submissions


def _rows(data: dict[str, Any], unknown: list[str]) -> list[dict[str, Any] | None]:
    if not data.get("submissions"):
        found = error_classes.from_object(data)
        if found.codes or "submissions" not in data:
            raise error_classes.refusal(200, found, CODES, otherwise=Reason.API if found.codes else Reason.PAYLOAD)
    if data["submissions"] is None or data["submissions"] == []:
        return []
    rows = json_fields.Fields(data, unknown).objects("submissions")
    if not rows:
        raise PollError(Reason.PAYLOAD, "the field submissions of the answer is not a list of runs")
    return rows


def _snapshot(submission: dict[str, Any], unknown: list[str]) -> Snapshot:
    fields = json_fields.Fields(submission, unknown)
    word = fields.word("status") or ""
    state = STATES.get(word.upper())
    if state is None:
        unknown.append("status")
        state = State.UNKNOWN
    created = fields.moment("creation-date")
    executed, updated = fields.moment("execute-date"), fields.moment("last-update-date")
    progress = fields.amount("progress", full=100, absent=NOT_APPLICABLE)
    if progress is not None:
        progress /= 100
    submission_id = fields.amount("submission-id", absent=NOT_APPLICABLE)
    failed = state is State.FAILED
    return Snapshot(
        state=state,
        native_state=known_word(word, STATES),
        run=RunId("" if submission_id is None else str(submission_id), created),
        progress=1.0 if state is State.SUCCEEDED else progress,
        incremental=fields.flag("isIncrementing"),
        start=created if executed is None else executed,
        end=updated if state.ended else None,
        failure_code=error_classes.failure_code(fields.text("error-summary")) if failed else None,
        counts=Packed(_counts(fields, unknown)),
        detail=Packed(_detail(fields)),
        unknown=tuple(unknown),
        disposable=fields.flag("isDeleteJob") is True,
    )


def _age(submission: Mapping[str, Any]) -> tuple[float, float]:
    """Order submissions by creation date, then by id; what cannot be read counts as the oldest."""
    silent = json_fields.Fields(submission, [])
    created, number = silent.moment("creation-date"), silent.amount("submission-id")
    return (-1 if created is None else created, -1 if number is None else number)


def _counts(fields: json_fields.Fields, unknown: list[str]) -> dict[Measure, float]:
    counters = fields.object("counters") or {}
    moved = json_fields.Fields(
        json_fields.Fields(counters, unknown, "counters.").object(COUNTERS) or {}, unknown, "counters."
    )
    amounts = {
        **{measure: fields.amount(name, absent=NOT_APPLICABLE) for name, measure in ROWS.items()},
        **{measure: moved.amount(name, absent=NOT_APPLICABLE) for name, measure in MOVED.items()},
    }
    return {measure: amount for measure, amount in amounts.items() if amount is not None}


def _detail(fields: json_fields.Fields) -> dict[str, Any]:
    """Return what page and JSON alone show; the user's key has two spellings in the vendor's own documents."""
    detail = {
        "job_name": fields.text("job-name"),
        "external_id": fields.text("external-id"),
        "creation_user": fields.text("creation-user"),
        "last_update_user": fields.text("last-update-user") or fields.text("last-udpate-user"),
        "is_execute_auto": fields.flag("is-execute-auto"),
        "is_delete_job": fields.flag("isDeleteJob"),
        "is_stoping_increment": fields.text("isStopingIncrement"),
        "creation_timestamp_seconds": fields.moment("creation-date"),
        "last_update_timestamp_seconds": fields.moment("last-update-date"),
        "error_summary": first_line(fields.text("error-summary") or "") or None,
        "error_details": first_line(fields.text("error-details") or "") or None,
    }
    return {name: value for name, value in detail.items() if value is not None}


ADAPTER = Cdm()
