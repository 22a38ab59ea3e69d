"""The list of DLI's SQL jobs.

Source: DLI API reference, "Querying All Jobs" (ListSqlJobs), tables 2 to 5. It tells the state of many jobs at once,
with their start and end, but neither progress nor sub-jobs. ``statement`` is the user's SQL: it is never read.
"""

from collections.abc import Mapping
from itertools import product
from typing import Annotated, Any, Final

from pydantic import Field

from exporter.model.errors import first_line
from exporter.model.packed import Packed
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.codes_in_text import failure_code
from exporter.services.discovery_rule import Rule, Seconds, Tags, TextWord, one_of
from exporter.services.dli.words import CODES, STATES, refusal_in_body
from exporter.services.document import json_object
from exporter.services.listing import ListedJob, Lister, ListQuery, Location, Page
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
"""What ``job-status`` takes; some of these words no job is known to have."""
WORDS: Final = ("job_id", "job_type", "queue_name", "owner", "database_name")
_DAY: Final = 86400.0


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
    window: Seconds = Field(default=_DAY, description="Only jobs that started at most so long ago (a duration).")


class DliLister(Lister[DliRule]):
    """The list of SQL jobs."""

    limit = "dli"
    rule = DliRule
    newest_first = True

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

    def request(self, view: ListQuery, project_id: str, page: int) -> Request:
        """Ask for one page; DLI documents no limit, so its lists draw from the same one as its polls."""
        query = (("page-size", str(self.page_size)), ("current-page", str(page)), *view.query)
        return Request("ListSqlJobs", segments("v1.0", project_id, "jobs"), self.limit, query)

    def parse(self, body: bytes, view: ListQuery) -> Page:
        """Read table 4; ``is_success: false`` is a failure whatever stands beside it."""
        fields = json_fields.Fields(json_object(body))
        if fields.flag("is_success") is False:
            raise refusal_in_body(fields)
        rows, total = error_classes.page(fields, "jobs", "job_count", CODES)
        items = tuple(item for row in rows if row is not None and (item := _listed(row, fields.unknown)) is not None)
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
    told = listed.words.get(f"tags.{key}")
    if told is None:  # a value that says nothing is never among the words
        return not listed.tagged or clean(value) in NOT_SAID
    return told == clean(value)


def _listed(row: Mapping[str, Any], noted: list[str]) -> ListedJob | None:
    """Read table 5; a job without an id cannot be asked for, so it is noted instead."""
    fields = json_fields.Fields(row)
    job_id = fields.id("job_id")
    if job_id is None:
        noted.append("jobs")
        return None
    words = {name: text for name in WORDS if (text := fields.id(name)) is not None}
    tags, tagged = _tags(fields)
    words |= tags
    start = fields.moment("start_time")
    snapshot = _snapshot(fields, job_id, start)
    if snapshot is None:
        noted += fields.unknown
    return ListedJob(Packed({"job_id": job_id}), words, snapshot, start, tagged)


def _snapshot(fields: json_fields.Fields, job_id: str, start: float | None) -> Snapshot | None:
    word = fields.text("status")
    message, end = fields.text("message"), fields.moment("end_time")
    if word is None:
        return None
    state, native = fields.state("status", word, STATES)
    detail = {"job_id": job_id, "message": first_line(message or "") or None}
    return Snapshot(
        state=state,
        native_state=native,
        run=RunId(job_id, start, opaque=True),
        progress=1.0 if state is State.SUCCEEDED else None,
        start=start,
        end=end if state.ended else None,
        failure_code=failure_code(message) if state is State.FAILED else None,
        detail=Packed({name: value for name, value in detail.items() if value is not None}),
        unknown=tuple(fields.unknown),
    )


def _tags(fields: json_fields.Fields) -> tuple[dict[str, str], bool]:
    """Return the tags that can be read, and whether these are all that the job has."""
    words: dict[str, str] = {}
    items = fields.objects("tags")
    for item in items or []:
        tag = fields.apart(item or {})
        key, value = tag.id("key"), tag.id("value")
        if tag.unknown:
            fields.unreadable("tags")
        if key is not None and value is not None:
            words[f"tags.{key}"] = value
    return words, items is not None and len(words) == len(items)
