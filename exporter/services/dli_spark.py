"""Data Lake Insight: Spark batches, each of which runs once.

Source: DLI API reference, "Querying Batch Processing Job Details" (ShowSparkJob) and "Listing Batch Processing Jobs"
(ListSparkJobs); the SDK has the fields of both. No field is mandatory, no answer reports progress, why a batch died, or
that somebody cancelled it: that is ``dead`` too. ``log`` and ``req_body`` may hold what is secret: they are never read.
"""

from collections.abc import Mapping
from typing import Annotated, Any, Final

from pydantic import Field

from exporter.model.job import Job
from exporter.model.packed import Packed
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.adapter import JOB_ID, Adapter, JobEntry
from exporter.services.codes_in_text import OTHER
from exporter.services.data_lake import (
    DATA_LAKE_CODES,
    DATA_LAKE_CONSOLES,
    DATA_LAKE_HOSTS,
    is_refusal,
    refusal_in_body,
)
from exporter.services.discovery_rule import Rule, Seconds, TextWord, one_of
from exporter.services.document import json_object
from exporter.services.listing import PAGE_SIZE, ListedJob, Lister, ListQuery, Location, Page
from exporter.services.page_cursor import PageStart
from exporter.services.request import Request, segments
from exporter.services.shapes import UUID
from exporter.services.values import among

STATES: Final[Mapping[str, State]] = {
    "STARTING": State.PENDING,
    "RUNNING": State.RUNNING,
    "RECOVERING": State.RUNNING,
    "SUCCESS": State.SUCCEEDED,
    "DEAD": State.FAILED,
}
_DAY: Final = 86400.0
_DETAIL: Final = {"appId": "app_id", "kind": "kind", "proxyUser": "proxy_user", "spark_version": "spark_version"}
"""What page and JSON show besides, and what they call it."""


class SparkEntry(JobEntry):
    """A Spark batch of the configuration."""

    job_id: str = Field(description=JOB_ID)

    @property
    def default_name(self) -> str:
        """The batch's id: its name need not be its own, and is often empty."""
        return self.job_id


class SparkRule(Rule):
    """Which Spark batches to find."""

    words = ("job_id", "job_name", "queue_name", "owner")

    queues: tuple[TextWord, ...] = Field(default=(), description="Only jobs of these queues.")
    owner: TextWord | None = Field(default=None, description="Only jobs of this user.")
    states: tuple[Annotated[str, one_of(*STATES)], ...] = Field(
        default=(), description="Only batches in these states, in DLI's words."
    )
    window: Seconds = Field(default=_DAY, description="Only jobs that were submitted at most so long ago (a duration).")


class SparkLister(Lister[SparkRule]):
    """The list of Spark batches.

    Not every cloud documents an order of it, so the newest may be on any page.
    """

    limit = "dli_spark"
    rule = SparkRule

    def views(self, rule: SparkRule, place: Location, now: float) -> tuple[ListQuery, ...]:
        """Return one list for each queue and state, because the call takes one of each; all end at *now*."""
        common = (
            ("start", str(_earliest(rule, now))),
            ("end", str(round(now * 1000))),
            ("order", "CREATE_TIME_DESC"),
            *([("owner", rule.owner)] if rule.owner else []),
        )
        queues = [[("queue_name", queue)] for queue in rule.queues] or [[]]
        states = [[("state", state.lower())] for state in rule.states] or [[]]
        return tuple(ListQuery(place, (*common, *queue, *state)) for queue in queues for state in states)

    def covering(self, target: Mapping[str, str]) -> ListQuery | None:
        """Return the list of all batches that wait: one that is not in it any more has begun."""
        return ListQuery(Location(), (("state", "starting"),))

    def request(self, view: ListQuery, project_id: str, page: PageStart) -> Request:
        """Ask for one page; the list counts rows, not pages."""
        query = (("from", str(page.offset)), ("size", str(self.page_size)), *view.query)
        return Request("ListSparkJobs", segments("v2.0", project_id, "batches"), self.limit, query)

    def parse(self, body: bytes, view: ListQuery) -> Page:
        """Read the batches; one without an id cannot be asked for, so it is noted instead."""
        fields = json_fields.Fields(json_object(body))
        rows = error_classes.rows(fields, "sessions", DATA_LAKE_CODES, fields.count("total"))
        items = [_listed(fields.apart(row), fields.unknown) for row in rows if row is not None]
        found = tuple(item for item in items if item is not None)
        return Page(len(rows), found, _total(fields, len(rows)), tuple(fields.unknown))

    def fits(self, rule: SparkRule, listed: ListedJob, now: float) -> bool:
        """Compare each filter of the rule: not every cloud documents all parameters of the call."""
        words, snapshot = listed.words, listed.snapshot
        word = None if snapshot is None or snapshot.native_state == "other" else snapshot.native_state
        return (
            among(words.get("queue_name"), rule.queues)
            and among(words.get("owner"), (rule.owner,) if rule.owner else ())
            and among(word, rule.states)
            and (listed.since is None or round(listed.since * 1000) >= _earliest(rule, now))
        )

    def ends(self, rule: SparkRule, page: Page, now: float) -> bool:
        """Stop below the window, because a cloud that ignores ``start`` lists all batches that it has."""
        starts = [each.since for each in page.items if each.since is not None]
        descends = len(starts) == page.rows > 1 and starts == sorted(starts, reverse=True) and starts[-1] < starts[0]
        return descends and round(starts[0] * 1000) < _earliest(rule, now)

    def template(self, rule: SparkRule, places: tuple[Location, ...]) -> str:
        """Return the batch's id."""
        return "{job_id}"


class Spark(Adapter):
    """The adapter of Spark batches."""

    service = "dli_spark"
    entry = SparkEntry
    hosts = DATA_LAKE_HOSTS
    consoles = DATA_LAKE_CONSOLES
    limits = {"dli_spark": 5.0}
    states = STATES
    names = {"id": "job_id"}
    run_part = "job_id"
    shapes = {"job_id": UUID}
    codes = DATA_LAKE_CODES
    lists = SparkLister()
    sources = {
        "run_info": "id",
        "start_timestamp_seconds": "create_time, which is when the batch was submitted",
        "end_timestamp_seconds": "update_time of a batch that ended",
        "pending_since_timestamp_seconds": "create_time",
        "failure_info": "other, as no response has a code",
    }
    run_labels = ("queue_name", "owner")
    final = True

    def request(self, job: Job, project_id: str) -> Request:
        """Ask for the batch."""
        return Request("ShowSparkJob", segments("v2.0", project_id, "batches", job.target["job_id"]), self.limit)

    def snapshot(self, fields: json_fields.Fields, job: Job) -> Snapshot:
        """Read one batch; a response with an error in it is a failed poll, whatever other fields it has."""
        word = fields.word("state")
        if word is None or is_refusal(fields):
            raise refusal_in_body(fields)
        return _snapshot(fields, word, job.target["job_id"])


def _earliest(rule: SparkRule, now: float) -> int:
    """Return the start of the rule's window as DLI has times: milliseconds."""
    return max(1, round((now - rule.window) * 1000))


def _total(fields: json_fields.Fields, rows: int) -> int | None:
    """Return how many rows all pages have, as far as it is known by this one.

    ``total`` is that in one document, and the rows of the page in another: only one that is more than the rows so far
    says anything. A page that is not full is the last.
    """
    seen, reported = (fields.count("from") or 0) + rows, fields.count("total")
    if reported is not None and reported > seen:
        return reported
    return seen if rows < PAGE_SIZE else None


def _listed(fields: json_fields.Fields, noted: list[str]) -> ListedJob | None:
    job_id = fields.id("id")
    if job_id is None:
        noted.append("sessions")
        return None
    words = {"job_id": job_id, **_words(fields)}
    if (name := fields.id("name")) is not None:
        words["job_name"] = name
    word, created = fields.text("state"), fields.moment("create_time")
    snapshot = None if word is None else _snapshot(fields, word, job_id)
    if snapshot is None:
        noted += fields.unknown
    return ListedJob(Packed({"job_id": job_id}), words, snapshot, created)


def _words(fields: json_fields.Fields) -> dict[str, str]:
    """Return the queue, which has two names in the vendor's answers, and the owner."""
    reported = {"queue_name": fields.id("queue") or fields.id("cluster_name"), "owner": fields.id("owner")}
    return {name: text for name, text in reported.items() if text is not None}


def _snapshot(fields: json_fields.Fields, word: str, job_id: str) -> Snapshot:
    """Read one batch, from its own answer or from a row of the list."""
    state, native = fields.state("state", word, STATES)
    created, updated = fields.moment("create_time"), fields.moment("update_time")
    took = fields.amount("duration")
    detail: dict[str, Any] = {name: fields.id(field) for field, name in _DETAIL.items() if field in fields.data}
    detail |= {"job_id": job_id, "job_name": fields.id("name"), "sc_type": fields.id("sc_type")}
    detail["ran_seconds"] = None if took is None else took / 1000
    return Snapshot(
        state=state,
        native_state=native,
        run=RunId(job_id, created, opaque=True),
        progress=1.0 if state is State.SUCCEEDED else None,
        start=created,
        end=updated if state.ended else None,
        failure_code=OTHER if state is State.FAILED else None,
        words=Packed(_words(fields)),
        detail=Packed({name: value for name, value in detail.items() if value is not None}),
        unknown=tuple(fields.unknown),
    )


ADAPTER = Spark()
