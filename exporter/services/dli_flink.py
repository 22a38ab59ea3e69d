"""Data Lake Insight: Flink jobs, which run until somebody stops them.

Source: DLI API reference, "Querying Job Details" (ShowFlinkJob) and "Listing Jobs" (ListFlinkJobs). A job keeps its id
when it is run again, so a run is identified by its start alone. While a job is submitted its ``start_time`` may still
be that of the previous run, so it is not read then. Only the list reports how long a job ran, so when it ended.
``sql_body``, ``entrypoint_args`` and ``job_config`` may hold what is secret: they are never read.
"""

from collections.abc import Mapping
from itertools import product
from typing import Annotated, Any, Final

from pydantic import Field

from exporter.model.errors import PollError, first_line
from exporter.model.job import Job
from exporter.model.measures import MeasureFamily
from exporter.model.packed import Packed
from exporter.model.reason import Reason
from exporter.model.run import NAMELESS, RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.adapter import JOB_ID, Adapter, JobEntry
from exporter.services.codes_in_text import failure_code
from exporter.services.data_lake import (
    DATA_LAKE_CODES,
    DATA_LAKE_CONSOLES,
    DATA_LAKE_HOSTS,
    is_refusal,
    refusal_in_body,
)
from exporter.services.discovery_rule import Rule, TextWord, one_of
from exporter.services.document import json_object
from exporter.services.listing import ListedJob, Lister, ListQuery, Location, Page
from exporter.services.page_cursor import PageStart
from exporter.services.request import Request, segments
from exporter.services.values import among

_TYPES: Final = ("FLINK_SQL_JOB", "FLINK_OPENSOURCE_SQL_JOB", "FLINK_JAR_JOB", "FLINK_SQL_EDGE_JOB")
STATES: Final[Mapping[str, State]] = {
    "JOB_INIT": State.PENDING,
    "JOB_SUBMITTING": State.PENDING,
    "JOB_DOWNLOADING": State.PENDING,
    "JOB_ARREARAGE_RECOVERING": State.PENDING,
    "JOB_RUNNING": State.RUNNING,
    "JOB_SAVEPOINTING": State.RUNNING,
    "JOB_CANCELING": State.RUNNING,
    "JOB_FINISH": State.SUCCEEDED,
    "JOB_SUBMIT_FAIL": State.FAILED,
    "JOB_RUNNING_EXCEPTION": State.FAILED,
    "JOB_CANCEL_SUCCESS": State.CANCELLED,
    "JOB_ARREARAGE_STOPPED": State.CANCELLED,
    "JOB_IDLE": State.UNKNOWN,
    "JOB_CANCEL_FAIL": State.UNKNOWN,
}
"""What the last two mean for a run no document says: one that could not be stopped may go on or not."""
_UNSTARTED: Final = frozenset({"JOB_INIT", "JOB_SUBMIT_FAIL"})
_RESTARTS: Final = Measure("restarts")
_STREAMING: Final = Measure("streaming")


class FlinkEntry(JobEntry):
    """A Flink job of the configuration."""

    job_id: str = Field(description=JOB_ID)

    @property
    def default_name(self) -> str:
        """The job's id; its name is a part of no call."""
        return self.job_id


class FlinkRule(Rule):
    """Which Flink jobs to find.

    None is chosen by its state: one that is to run and does not is what they are watched for.
    """

    words = ("job_id", "job_name", "job_type", "queue_name", "owner")

    queues: tuple[TextWord, ...] = Field(default=(), description="Only jobs of these queues.")
    types: tuple[Annotated[str, one_of(*_TYPES)], ...] = Field(default=(), description="Only jobs of these types.")
    owner: TextWord | None = Field(default=None, description="Only jobs of this user.")


class FlinkLister(Lister[FlinkRule]):
    """The list of Flink jobs."""

    limit = "dli_flink"
    rule = FlinkRule

    def views(self, rule: FlinkRule, place: Location, now: float) -> tuple[ListQuery, ...]:
        """Return one list for each queue and type, because the call takes one of each."""
        common = [("user_name", rule.owner)] if rule.owner else []
        queues = [[("queue_name", queue)] for queue in rule.queues] or [[]]
        types = [[("job_type", each.lower())] for each in rule.types] or [[]]
        return tuple(ListQuery(place, (*common, *queue, *each)) for queue, each in product(queues, types))

    def covering(self, target: Mapping[str, str]) -> ListQuery | None:
        """Return the list of all Flink jobs."""
        return ListQuery(Location())

    def request(self, view: ListQuery, project_id: str, page: PageStart) -> Request:
        """Ask for one page, from the oldest job on: one that is made meanwhile moves no page; rows are counted."""
        rows = (("limit", str(self.page_size)), ("offset", str(page.offset)))
        query = (*rows, ("order", "asc"), ("show_detail", "false"), *view.query)
        return Request("ListFlinkJobs", segments("v1.0", project_id, "streaming", "jobs"), self.limit, query)

    def parse(self, body: bytes, view: ListQuery) -> Page:
        """Read the jobs; ``is_success: false`` is a failure whatever stands beside it."""
        fields = json_fields.Fields(json_object(body))
        jobs = _inner(fields, "job_list")
        rows, total = error_classes.page(jobs, "jobs", "total_count", DATA_LAKE_CODES)
        items = [_listed(fields.apart(row), fields.unknown) for row in rows if row is not None]
        return Page(len(rows), tuple(item for item in items if item is not None), total, tuple(fields.unknown))

    def fits(self, rule: FlinkRule, listed: ListedJob, now: float) -> bool:
        """Compare each filter of the rule: not every cloud documents all parameters of the call."""
        words = listed.words
        return (
            among(words.get("queue_name"), rule.queues)
            and among(words.get("job_type"), rule.types)
            and among(words.get("owner"), (rule.owner,) if rule.owner else ())
        )

    def template(self, rule: FlinkRule, places: tuple[Location, ...]) -> str:
        """Return the job's id."""
        return "{job_id}"


class Flink(Adapter):
    """The adapter of Flink jobs."""

    service = "dli_flink"
    entry = FlinkEntry
    hosts = DATA_LAKE_HOSTS
    consoles = DATA_LAKE_CONSOLES
    limits = {"dli_flink": 5.0}
    states = STATES
    unstarted = _UNSTARTED
    codes = DATA_LAKE_CODES
    lists = FlinkLister()
    sources = {
        "run_info": "start_time",
        "start_timestamp_seconds": "start_time",
        "end_timestamp_seconds": "start_time and duration of the list",
        "failure_info": "status_desc",
    }
    measures = (
        MeasureFamily("restarts", "Restarts of the job, from DLI Flink restart_times"),
        MeasureFamily(
            "streaming",
            "1 while a streaming job runs (DLI Flink), which continues until it is stopped or its source ends",
            live=("",),
        ),
    )
    run_labels = ("queue_name", "owner", "job_type")
    final = False

    def request(self, job: Job, project_id: str) -> Request:
        """Ask for the job."""
        path = segments("v1.0", project_id, "streaming", "jobs", job.target["job_id"])
        return Request("ShowFlinkJob", path, self.limit)

    def snapshot(self, fields: json_fields.Fields, job: Job) -> Snapshot:
        """Read the job's detail; ``is_success: false`` is a failure whatever stands beside it."""
        detail = _inner(fields, "job_detail")
        detail.check_job({"job_id": "job_id"}, job.target)
        word = detail.word("status")
        if word is None:
            raise refusal_in_body(fields)
        return _snapshot(detail, word)


def _inner(fields: json_fields.Fields, name: str) -> json_fields.Fields:
    """Return the object in a response that has all fields of the job; raises :class:`PollError` if it is missing."""
    if is_refusal(fields):
        raise refusal_in_body(fields)
    data = fields.object(name)
    if data is None:
        raise PollError(Reason.PAYLOAD, f"the answer holds no {name}")
    return fields.row(data)


def _listed(fields: json_fields.Fields, noted: list[str]) -> ListedJob | None:
    """Read a row; a job without an id cannot be asked for, so it is noted instead."""
    job_id = fields.id("job_id")
    if job_id is None:
        noted.append("jobs")
        return None
    words = {"job_id": job_id, **_words(fields)}
    if (name := fields.id("name")) is not None:
        words["job_name"] = name
    word, created = fields.text("status"), fields.moment("create_time")
    snapshot = None if word is None else _snapshot(fields, word)
    if snapshot is None:
        noted += fields.unknown
    return ListedJob(Packed({"job_id": job_id}), words, snapshot, created)


def _words(fields: json_fields.Fields) -> dict[str, str]:
    fields_of = {"queue_name": "queue_name", "owner": "user_name", "job_type": "job_type"}
    return {name: text for name, field in fields_of.items() if (text := fields.id(field)) is not None}


def _snapshot(fields: json_fields.Fields, word: str) -> Snapshot:
    """Read one job, from its own answer or from a row of the list."""
    state, native = fields.state("status", word, STATES)
    # a submission that failed began no run: a start that stands there is that of the run before
    begun = None if state is State.PENDING or native.upper() in _UNSTARTED else fields.moment("start_time")
    took, restarts, text = fields.amount("duration"), fields.count("restart_times"), fields.text("status_desc")
    counts: dict[Measure, float] = {} if restarts is None or state is State.PENDING else {_RESTARTS: restarts}
    detail: dict[str, Any] = {
        "job_name": fields.id("name"),
        "message": first_line(text or "") or None,
        "has_savepoint": fields.flag("has_savepoint"),
        "creation_timestamp_seconds": fields.moment("create_time"),
    }
    return Snapshot(
        state=state,
        native_state=native,
        run=NAMELESS if begun is None else RunId("", begun, opaque=True),
        progress=1.0 if state is State.SUCCEEDED else None,
        start=begun,
        end=_end(begun, took) if state.ended else None,
        failure_code=failure_code(text) if state is State.FAILED else None,
        counts=Packed(counts | ({_STREAMING: 1} if state is State.RUNNING else {})),
        words=Packed(_words(fields)),
        detail=Packed({name: value for name, value in detail.items() if value is not None}),
        unknown=tuple(fields.unknown),
    )


def _end(begun: float | None, took: float | None) -> float | None:
    """Return when a run ended; a duration of 0 is that of a job that never ran."""
    return None if begun is None or not took else (round(begun * 1000) + round(took)) / 1000


ADAPTER = Flink()
