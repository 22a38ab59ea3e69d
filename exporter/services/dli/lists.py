"""The list of DLI's SQL jobs.

Source: DLI API reference, "Querying All Jobs" (ListSqlJobs), tables 2 to 5. It returns the states of many jobs
with their start, end and counts, but neither progress nor sub-jobs. "Querying Job Status" (ShowSqlJobStatus) returns
the row of one job.
"""

from collections.abc import Mapping
from itertools import product
from typing import Annotated, Final

from pydantic import Field

from exporter.model.errors import PollError
from exporter.model.reason import Reason
from exporter.model.snapshot import Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.data_lake import DATA_LAKE_CODES, refusal_in_body
from exporter.services.discovery_rule import Rule, Seconds, Tags, TextWord, one_of
from exporter.services.dli.rows import WORDS, listed_job
from exporter.services.dli.words import STATES
from exporter.services.document import json_object
from exporter.services.listing import ListedJob, Lister, ListQuery, Location, Page, RowReader
from exporter.services.page_cursor import PageStart
from exporter.services.request import Request, segments
from exporter.services.values import NOT_SAID, among, clean

_TYPES: Final = (
    *("DDL", "DCL", "IMPORT", "EXPORT", "QUERY", "INSERT", "DATA_MIGRATION", "UPDATE", "DELETE"),
    *("RESTART_QUEUE", "SCALE_QUEUE"),
)
_STATUSES: Final = (
    *("LAUNCHING", "RUNNING", "SCALING", "FINISHED", "FAILED", "CANCELLED"),
    *("COMPUTED", "SUSPENDED", "ACTIVE", "DELETED", "CREATING"),
)
"""The values of ``job-status``; some of them were never seen in a response."""
_DAY: Final = 86400.0
_LIMIT: Final = "dli"


class DliRule(Rule):
    """Which SQL jobs to find."""

    words = (*WORDS, "tags.")

    queues: tuple[TextWord, ...] = Field(default=(), description="Only jobs of these queues.")
    tags: Tags = Field(default_factory=dict, description="Only jobs that have all these tags.")
    types: tuple[Annotated[str, one_of(*_TYPES)], ...] = Field(default=(), description="Only jobs of these types.")
    owner: TextWord | None = Field(default=None, description="Only jobs of this user.")
    states: tuple[Annotated[str, one_of(*_STATUSES)], ...] = Field(
        default=(), description="Only jobs in these states, in DLI's words."
    )
    window: Seconds = Field(default=_DAY, description="Only jobs that started within this time (a duration).")


class SqlJobStatus(RowReader):
    """The status of one job, which has nearly all fields of its row."""

    def request(self, target: Mapping[str, str], project_id: str) -> Request:
        """Ask for the status of the job."""
        return Request("ShowSqlJobStatus", segments("v1.0", project_id, "jobs", target["job_id"], "status"), _LIMIT)

    def parse(self, body: bytes, target: Mapping[str, str]) -> ListedJob:
        """Read the status of the job; a response without a status is a failure, although it is a 200."""
        data = json_object(body)
        fields = json_fields.Fields(data)
        if fields.word("status") is None:
            raise refusal_in_body(fields)
        fields.check_job({"job_id": "job_id"}, target)
        found = listed_job({**data, **target}, [])
        if found is None:
            raise PollError(Reason.PAYLOAD, "the answer has no readable job")
        return found


class DliLister(Lister[DliRule]):
    """The list of SQL jobs."""

    limit = _LIMIT
    rule = DliRule
    newest_first = True
    row = SqlJobStatus()

    def views(self, rule: DliRule, place: Location, now: float) -> tuple[ListQuery, ...]:
        """Return one list for each queue and state, because the call takes one of each.

        All end at *now*, so that jobs which start later do not move the pages.
        """
        common = [
            ("start", str(_earliest(rule, now))),
            ("end", str(round(now * 1000))),
            ("order", "start_time_desc"),
            *([("owner", rule.owner)] if rule.owner else []),
            *([("tags", ",".join(f"{key}={value}" for key, value in rule.tags.items()))] if rule.tags else []),
            *[("job-type" if len(rule.types) == 1 else "job_types", each) for each in rule.types],
        ]
        queues = [[("queue_name", queue)] for queue in rule.queues] or [[]]
        states = [[("job-status", state)] for state in rule.states] or [[]]
        return tuple(ListQuery(place, (*common, *queue, *state)) for queue, state in product(queues, states))

    def covering(self, target: Mapping[str, str]) -> ListQuery | None:
        """Return the list of all jobs that wait: one that is not in it any more has begun."""
        return ListQuery(Location(), (("job-status", "LAUNCHING"), ("order", "start_time_desc")))

    def request(self, view: ListQuery, project_id: str, page: PageStart) -> Request:
        """Ask for one page; DLI documents no limit, so its lists draw from the same one as its polls."""
        query = (("page-size", str(self.page_size)), ("current-page", str(page.number)), *view.query)
        return Request("ListSqlJobs", segments("v1.0", project_id, "jobs"), self.limit, query)

    def parse(self, body: bytes, view: ListQuery) -> Page:
        """Read table 4; ``is_success: false`` is a failure whatever stands beside it."""
        fields = json_fields.Fields(json_object(body))
        if fields.flag("is_success") is False:
            raise refusal_in_body(fields)
        rows, total = error_classes.page(fields, "jobs", "job_count", DATA_LAKE_CODES)
        items = tuple(item for row in rows if row is not None and (item := listed_job(row, fields.unknown)) is not None)
        return Page(len(rows), items, total, tuple(fields.unknown))

    def fits(self, rule: DliRule, listed: ListedJob, now: float) -> bool:
        """Compare each filter of the rule: not every cloud documents all parameters of the call."""
        words = listed.words
        return (
            among(words.get("job_type"), rule.types)
            and among(words.get("queue_name"), rule.queues)
            and among(words.get("owner"), (rule.owner,) if rule.owner else ())
            and among(_word(rule, listed.snapshot), rule.states)
            and all(_has_tag(listed, key, value) for key, value in rule.tags.items())
            and (listed.since is None or round(listed.since * 1000) >= _earliest(rule, now))
        )

    def ends(self, rule: DliRule, page: Page, now: float) -> bool:
        """Stop below the window: a cloud that passes over ``start`` lists all jobs of months, the newest first."""
        starts = [each.since for each in page.items if each.since is not None]
        descends = len(starts) == page.rows > 1 and starts == sorted(starts, reverse=True) and starts[-1] < starts[0]
        return descends and round(starts[0] * 1000) < _earliest(rule, now)

    def template(self, rule: DliRule, places: tuple[Location, ...]) -> str:
        """Return the job's id: DLI jobs have no name."""
        return "{job_id}"


def _earliest(rule: DliRule, now: float) -> int:
    """Return the start of the rule's window as DLI has times: milliseconds."""
    return max(1, round((now - rule.window) * 1000))


def _word(rule: DliRule, snapshot: Snapshot | None) -> str | None:
    """Return the state of a row in a word that a rule can ask for, ``None`` if it may be any that the rule has."""
    if snapshot is None or (snapshot.native_state == "other" and not set(rule.states) <= set(STATES)):
        return None
    return "FINISHED" if snapshot.state is State.SUCCEEDED else snapshot.native_state


def _has_tag(listed: ListedJob, key: str, value: str) -> bool:
    reported = listed.words.get(f"tags.{key}")
    if reported is None:  # a value that says nothing is never among the words
        return not listed.tagged or clean(value) in NOT_SAID
    return reported == clean(value)
