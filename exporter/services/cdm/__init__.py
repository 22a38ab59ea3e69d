"""Cloud Data Migration: jobs that run again and again, each run a *submission*.

Source: CDM API reference, "Querying Job Status" (ShowJobStatus), tables 3 to 6.
"""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import Field

from exporter.model.errors import PollError, first_line
from exporter.model.frozen import replace
from exporter.model.job import Job
from exporter.model.measures import MeasureFamily
from exporter.model.packed import Packed
from exporter.model.reason import Reason
from exporter.model.run import NAMELESS, RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.adapter import CLUSTER_ID, JOB_NAME, Adapter, Hosts, JobEntry, PastPage, RunHistory
from exporter.services.cdm.lists import LIST_LIMIT, CdmLister
from exporter.services.cdm.subjobs import SUBJOBS, is_subjob, parent_state, subjob_counts, subjob_rows
from exporter.services.cdm.words import CODES, NOT_APPLICABLE, REGIONS, STATES
from exporter.services.codes_in_text import failure_code
from exporter.services.document import json_object
from exporter.services.request import Request, segments
from exporter.services.shapes import UUID
from exporter.services.values import hundredth

_NAMES: Final = {"job-name": "job_name"}
"""What a run repeats of the job that was asked for."""
MOST_OTHERS: Final = 64
"""Runs besides the newest one that are read of a status answer."""
COUNTERS: Final = "org.apache.sqoop.submission.counter.SqoopCounters"
_ROWS: Final[Mapping[str, Measure]] = {
    "write_rows": Measure("rows_inserted"),
    "update_rows": Measure("rows_updated"),
    "delete_rows": Measure("rows_deleted"),
}
"""Table 4."""
_MOVED: Final[Mapping[str, Measure]] = {
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
"""Table 6; reported only for a run that succeeded."""


def _total(name: str, field: str, what: str, done: str, unit: str = "") -> MeasureFamily:
    """Return a measure that is added up over the runs, such as *what* "Rows" and *done* "read"."""
    reported = f"from CDM counters {field}"
    return MeasureFamily(name, f"{what} {done} by the newest run, {reported}", unit, total=f"{what} {done}, {reported}")


_MEASURES: Final = (
    _total("rows_read", "ROWS_READ", "Rows", "read"),
    _total("rows_written", "ROWS_WRITTEN", "Rows", "written"),
    _total("rows_skipped", "ROWS_WRITTEN_SKIPPED", "Rows", "skipped"),
    MeasureFamily("rows_inserted", "Rows inserted by the newest run, from CDM write_rows"),
    MeasureFamily("rows_updated", "Rows updated by the newest run, from CDM update_rows"),
    MeasureFamily("rows_deleted", "Rows deleted by the newest run, from CDM delete_rows"),
    _total("read_bytes", "BYTES_READ", "Bytes", "read", "bytes"),
    _total("written_bytes", "BYTES_WRITTEN", "Bytes", "written", "bytes"),
    MeasureFamily(
        "size_bytes", "Bytes that the newest run has to move in total, from CDM counters TOTAL_SIZE", "bytes"
    ),
    MeasureFamily("files", "Files that the newest run has to move in total, from CDM counters TOTAL_FILES"),
    MeasureFamily("files_read", "Files read by the newest run, from CDM counters FILES_READ"),
    _total("files_written", "FILES_WRITTEN", "Files", "written"),
    MeasureFamily("files_skipped", "Files skipped by the newest run, from CDM counters FILES_SKIPPED"),
    SUBJOBS,
)


class CdmEntry(JobEntry):
    """A CDM job of the configuration."""

    cluster_id: str = Field(description=CLUSTER_ID)
    job_name: str = Field(description=JOB_NAME)

    @property
    def default_name(self) -> str:
        """The job's own name."""
        return self.job_name


class CdmPast(RunHistory):
    """The submissions of a job, as far back as 30 days (ShowSubmissions)."""

    def request(self, job: Job, project_id: str, page: int) -> Request:
        """Ask for one page of the runs."""
        path = segments("v1.1", project_id, "clusters", job.target["cluster_id"], "cdm", "submissions")
        query = (("jname", job.target["job_name"]), ("page_no", str(page)), ("page_size", str(self.page_size)))
        return Request("ShowSubmissions", path, LIST_LIMIT, query)

    def parse(self, body: bytes, job: Job) -> PastPage:
        """Read the runs of one page, and how many there are: the service may heed neither number nor size of a page.

        The row of a run of another job stays in its place without saying anything.
        """
        answer = json_fields.Fields(json_object(body), absent=NOT_APPLICABLE)
        total = answer.count("total")
        rows = _rows(answer)
        own = _own([answer.apart(row or {}) for row in rows], job)
        runs = tuple([_snapshot(row or answer.apart({}), detailed=False) for row in own])
        return PastPage(runs, None if total is None or total < len(runs) else total)


class Cdm(Adapter):
    """The adapter of Cloud Data Migration."""

    service = "cdm"
    entry = CdmEntry
    hosts = Hosts(
        {
            "huaweicloud": "https://cdm.{region}.myhuaweicloud.com",
            "otc": "https://cdm.{region}.otc.t-systems.com",
        },
        regions={"huaweicloud": REGIONS, "otc": frozenset({"eu-de"})},
    )
    limits = {"cdm": 1.8, "cdm_list": 1.8}
    states = STATES
    unstarted = frozenset({"NEW", "NEVER_EXECUTED"})
    place_part = "cluster_id"
    shapes = {"cluster_id": UUID}
    absent = NOT_APPLICABLE
    codes = CODES
    lists = CdmLister()
    moved_by_list = True
    past = CdmPast()
    sources = {
        "run_info": "submission-id, else creation-date",
        "progress_ratio": "progress",
        "incremental": "isIncrementing",
        "start_timestamp_seconds": "execute-date, else creation-date",
        "end_timestamp_seconds": "last-update-date",
        "pending_since_timestamp_seconds": "creation-date of the run that waits",
        "failure_info": "error-summary",
    }
    measures = _MEASURES
    final = False

    def request(self, job: Job, project_id: str) -> Request:
        """Ask for the runs of the job."""
        cluster, name = job.target["cluster_id"], job.target["job_name"]
        path = segments("v1.1", project_id, "clusters", cluster, "cdm", "job", name, "status")
        return Request("ShowJobStatus", path, self.limit)

    def snapshot(self, fields: json_fields.Fields, job: Job) -> Snapshot:
        """Read the newest submission; a job without any has never run."""
        submissions, subjobs = _submissions(fields, job)
        if not submissions and not subjobs:
            return Snapshot(State.PENDING, unknown=tuple(fields.unknown))
        if not submissions:
            return _with_subjobs(parent_state(_newest_of_each(subjobs, None).values()), subjobs, fields)
        newest = max(submissions, key=_age)
        if newest.word("status") is None:
            raise PollError(Reason.PAYLOAD, "the newest run of the answer has no status")
        others = sorted((each for each in submissions if each is not newest), key=_age)[-MOST_OTHERS:]
        found, reported = _snapshot(newest), [_snapshot(each.apart(each.data), detailed=False) for each in others]
        ended = (each for each in reported if each.ended and each.run != NAMELESS and not each.run.same(found.run))
        found = replace(found, others=tuple(ended))
        return _with_subjobs(found, subjobs, fields) if subjobs else found


def _submissions(answer: json_fields.Fields, job: Job) -> tuple[list[json_fields.Fields], list[json_fields.Fields]]:
    """Return the runs of a status answer, and those of sub-jobs; a job without any has never run."""
    rows = _rows(answer)
    submissions = [answer.row(row) for row in rows if row is not None]
    if rows and not submissions:
        raise PollError(Reason.PAYLOAD, "the field submissions of the answer is not a list of runs")
    subjobs = [row for row in submissions if is_subjob(row, job)]
    others = [row for row in submissions if row not in subjobs]
    own = [row for row in _own(others, job) if row is not None]
    if len(own) < len(others):
        answer.unreadable("submissions.job-name")
    return own, subjobs


def _with_subjobs(found: Snapshot, subjobs: list[json_fields.Fields], answer: json_fields.Fields) -> Snapshot:
    """Return what is known of a parent with what its sub-jobs of the same run add."""
    reported = _newest_of_each(subjobs, found.run.created)
    counts = subjob_counts(reported.values(), found.counts)
    detail = Packed({**found.detail, "sub_jobs": subjob_rows(reported)})
    return replace(found, counts=Packed({**counts, **found.counts}), detail=detail, unknown=tuple(answer.unknown))


def _newest_of_each(subjobs: list[json_fields.Fields], since: float | None) -> dict[str, Snapshot]:
    """Return the newest run of each sub-job by its name; what began before the parent's run is of another one."""
    newest: dict[str, json_fields.Fields] = {}
    for row in sorted(subjobs, key=_age):
        created = row.apart(row.data).moment("creation-date")
        if since is None or created is None or created >= since:
            newest[row.text("job-name") or ""] = row
    return {name: _snapshot(row, detailed=False) for name, row in sorted(newest.items())}


def _own(rows: list[json_fields.Fields], job: Job) -> list[json_fields.Fields | None]:
    """Return the rows with ``None`` for those of another job; an answer that has no others is not of this job.

    A job that makes others run may be answered with their runs besides its own.
    """
    own = [row if row.of_job(_NAMES, job.target) else None for row in rows]
    if rows and not any(own):
        rows[0].check_job(_NAMES, job.target)
    return own


def _rows(answer: json_fields.Fields) -> list[dict[str, Any] | None]:
    data = answer.data
    if not data.get("submissions"):
        found = error_classes.from_object(data)
        if found.codes or "submissions" not in data:
            raise error_classes.refusal(200, found, CODES, otherwise=Reason.API if found.codes else Reason.PAYLOAD)
    if data["submissions"] is None or data["submissions"] == []:
        return []
    rows = answer.objects("submissions")
    if not rows:
        sentence = f"the field submissions of the answer is not a list of runs, or of more than {json_fields.MOST_ROWS}"
        raise PollError(Reason.PAYLOAD, sentence)
    return rows


def _snapshot(fields: json_fields.Fields, *, detailed: bool = True) -> Snapshot:
    word = fields.text("status") or ""
    state, native = fields.state("status", word, STATES)
    created, executed, updated = (fields.moment(name) for name in ("creation-date", "execute-date", "last-update-date"))
    progress = fields.amount("progress", full=100)
    submission_id = fields.count("submission-id")
    failed = state is State.FAILED
    return Snapshot(
        state=state,
        native_state=native,
        run=RunId("" if submission_id is None else str(submission_id), created),
        progress=1.0 if state is State.SUCCEEDED else progress and hundredth(progress),
        incremental=fields.flag("isIncrementing"),
        start=created if executed is None else executed,
        end=updated if state.ended else None,
        updated=None if state.ended else updated,
        failure_code=failure_code(fields.text("error-summary")) if failed else None,
        counts=Packed(_counts(fields)),
        detail=Packed(_detail(fields, created, updated) if detailed else _reason(fields) if failed else {}),
        unknown=tuple(fields.unknown),
        disposable=fields.flag("isDeleteJob") is True,
    )


def _age(submission: json_fields.Fields) -> tuple[float, float]:
    """Order submissions by creation date, then by id; what cannot be read counts as the oldest."""
    silent = submission.apart(submission.data)
    created, number = silent.moment("creation-date"), silent.count("submission-id")
    return (-1 if created is None else created, -1 if number is None else number)


def _counts(fields: json_fields.Fields) -> dict[Measure, float]:
    moved = fields.within("counters", "counters.").within(COUNTERS)
    amounts = {
        **{measure: fields.count(name) for name, measure in _ROWS.items()},
        **{measure: moved.count(name) for name, measure in _MOVED.items()},
    }
    return {measure: amount for measure, amount in amounts.items() if amount is not None}


def _detail(fields: json_fields.Fields, created: float | None, updated: float | None) -> dict[str, Any]:
    """Return what page and JSON alone show; the user's key has two spellings in the vendor's own documents."""
    detail = {
        "job_name": fields.id("job-name"),
        "external_id": fields.id("external-id"),
        "creation_user": fields.id("creation-user"),
        "last_update_user": fields.id("last-update-user") or fields.id("last-udpate-user"),
        "is_execute_auto": fields.flag("is-execute-auto"),
        "is_delete_job": fields.flag("isDeleteJob"),
        "is_stoping_increment": fields.id("isStopingIncrement"),
        "creation_timestamp_seconds": created,
        "last_update_timestamp_seconds": updated,
    }
    return {name: value for name, value in detail.items() if value is not None} | _reason(fields)


def _reason(fields: json_fields.Fields) -> dict[str, Any]:
    """Return what the vendor says of why a run failed."""
    lines = {name: first_line(fields.text(name) or "") for name in ("error-summary", "error-details")}
    return {name.replace("-", "_"): line for name, line in lines.items() if line}


ADAPTER = Cdm()
