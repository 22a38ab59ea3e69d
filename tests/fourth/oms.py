"""A pretend service: copies between buckets. One file like this one is all that a service needs."""

from collections.abc import Mapping
from typing import Final

from pydantic import Field

from exporter.model.job import Job
from exporter.model.measures import MeasureFamily, Work
from exporter.model.reason import Reason
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.adapter import Adapter, Hosts, JobEntry
from exporter.services.codes_in_text import failure_code
from exporter.services.discovery_rule import Rule, TextWord
from exporter.services.document import json_object
from exporter.services.error_codes import ErrorCodes
from exporter.services.listing import ListedJob, Lister, ListQuery, Location, Page
from exporter.services.page_cursor import PageStart
from exporter.services.request import Request, segments

STATES: Final = {
    "WAITING": State.PENDING,
    "COPYING": State.RUNNING,
    "DONE": State.SUCCEEDED,
    "BROKEN": State.FAILED,
}
CODES: Final = ErrorCodes(("OMS", "Oms"), {"OMS.1001": Reason.NOT_FOUND})
NONE: Final = -1
"""What a copy says that has no plan."""
WINDOW: Final = 86_400.0
"""Seconds before the call since when copies are listed."""
HEADERS: Final = (("workspace", "default"),)
OBJECTS: Final = ("copied", "failed", "waiting")


class CopyEntry(JobEntry):
    """A copy of the configuration."""

    bucket: str
    copy_id: str

    @property
    def default_name(self) -> str:
        """The bucket, which every copy of it has in common."""
        return self.bucket


class CopyRule(Rule):
    """Which copies to find."""

    words = ("bucket", "copy_id")

    buckets: tuple[TextWord, ...] = Field(default=(), description="Only copies of these buckets.")


class CopyLister(Lister[CopyRule]):
    """The list of copies."""

    limit = "oms_list"
    page_size = 2
    rule = CopyRule

    def views(self, rule: CopyRule, place: Location, now: float) -> tuple[ListQuery, ...]:
        """Return one list for each bucket."""
        return tuple(ListQuery(place, (("bucket", bucket),)) for bucket in rule.buckets) or (ListQuery(place),)

    def covering(self, target: Mapping[str, str]) -> ListQuery | None:
        """Return the list of the copies of the same bucket."""
        return ListQuery(Location(), (("bucket", target["bucket"]),))

    def request(self, view: ListQuery, project_id: str, page: PageStart) -> Request:
        """Ask for one page."""
        query = (("page", str(page.number)), ("size", str(self.page_size)), *view.query)
        path = segments("v2", project_id, "copies")
        return Request("ListCopies", path, self.limit, query, times=(("since", WINDOW),), headers=HEADERS)

    def parse(self, body: bytes, view: ListQuery) -> Page:
        """Read the copies; one without its ids cannot be asked for."""
        fields = json_fields.Fields(json_object(body), absent=NONE)
        rows, total = error_classes.page(fields, "copies", "count", CODES)
        found = []
        for row in (fields.apart(each) for each in rows if each is not None):
            target = {name: text for name in ("bucket", "copy_id") if (text := row.id(name)) is not None}
            if len(target) == 2:
                snapshot = read(row, target["copy_id"]) if row.text("state") else None
                found.append(ListedJob(target, target, snapshot, row.moment("began")))
        return Page(len(rows), tuple(found), total, tuple(fields.unknown))

    def template(self, rule: CopyRule, places: tuple[Location, ...]) -> str:
        """Return the bucket."""
        return "{bucket}"


class Copies(Adapter):
    """The adapter of the pretend service."""

    service = "oms"
    entry = CopyEntry
    hosts = Hosts(
        {"huaweicloud": "https://copy.{region}.myhuaweicloud.com"}, regions={"huaweicloud": frozenset({"cn-north-4"})}
    )
    limits = {"oms": 20.0, "oms_list": 10.0}
    states = STATES
    names = {"bucket": "bucket", "copy_id": "copy_id"}
    run_part = "copy_id"
    zoneless = True
    absent = NONE
    codes = CODES
    lists = CopyLister()
    sources = {"run_info": "copy_id", "start_timestamp_seconds": "began"}
    measures = (
        MeasureFamily("objects", "Objects, from OMS objects", label="state", values=OBJECTS, live=("waiting",)),
        MeasureFamily("objects_planned", "Objects to copy in all, from OMS planned"),
        MeasureFamily("written_bytes", "Bytes copied, from OMS bytes", "bytes", total="Bytes copied, from OMS bytes"),
    )
    work = Work(Measure("objects_planned"), Measure("objects", "copied"))
    final = True
    forgets = True

    def request(self, job: Job, project_id: str) -> Request:
        """Ask for the copy."""
        path = segments("v2", project_id, "copies", job.target["copy_id"])
        return Request("ShowCopy", path, self.limit, headers=HEADERS)

    def snapshot(self, fields: json_fields.Fields, job: Job) -> Snapshot:
        """Read what it says."""
        if fields.word("state") is None:
            raise error_classes.refusal(200, error_classes.from_object(fields.data), CODES)
        return read(fields, job.target["copy_id"])


def read(fields: json_fields.Fields, copy_id: str) -> Snapshot:
    """Read one copy, from its own answer or from a row of the list."""
    state, native = fields.state("state", fields.word("state") or "", STATES)
    objects = fields.within("objects", "objects.")
    counts = {Measure("objects", name): objects.count(name) for name in OBJECTS}
    counts |= {Measure("objects_planned"): fields.count("planned"), Measure("written_bytes"): fields.count("bytes")}
    start, end = fields.moment("began"), fields.moment("ended")
    return Snapshot(
        state,
        native,
        RunId(copy_id, opaque=True),
        progress=1.0 if state is State.SUCCEEDED else None,
        start=start,
        end=end if state.ended else None,
        failure_code=failure_code(fields.text("message")) if state is State.FAILED else None,
        counts={measure: number for measure, number in counts.items() if number is not None},
        unknown=tuple(fields.unknown),
    )


ADAPTER = Copies()
