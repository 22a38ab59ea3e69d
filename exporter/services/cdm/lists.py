"""CDM's clusters, and the list of the jobs of one.

Source: CDM API reference, "Querying the Cluster List" (ListClusters) and "Querying a Job" (ShowJobs). The list of jobs
tells the state of the newest run, its times and what it has moved so far, but neither its progress nor its id.
``*-config-values`` hold what the operator wrote about sources and targets: they are never read.
"""

from collections.abc import Mapping
from typing import Annotated, Final

from pydantic import BeforeValidator, Field

from exporter.model.errors import PollError
from exporter.model.packed import Packed
from exporter.model.reason import Reason
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.cdm.words import CLUSTERS, CODES, NOT_APPLICABLE, OFF, STATES
from exporter.services.discovery_rule import Clusters, Rule, at_least_one, one_of
from exporter.services.document import json_object
from exporter.services.listing import ListedJob, Lister, ListQuery, Location, Page
from exporter.services.page_cursor import PageStart
from exporter.services.request import Request, segments
from exporter.services.values import among, clean, exact

_TYPES: Final = ("NORMAL_JOB", "BATCH_JOB", "SCENARIO_JOB")
LIST_LIMIT: Final = "cdm_list"
"""The vendor counts clusters, job lists and links together, and apart from the polls."""
NORMAL: Final = "200"
"""The status of a cluster that answers for its jobs; 100 creating, 300 failed, 800 frozen, 900 off, ..."""
UNREADABLE: Final = Location(name="a cluster", usable=False, word="not readable")
"""Stands for each cluster of the answer that has no id."""
COUNTS: Final[Mapping[str, Measure]] = {
    "rows_read": Measure("rows_read"),
    "rows_written": Measure("rows_written"),
    "write_rows": Measure("rows_inserted"),
    "update_rows": Measure("rows_updated"),
    "delete_rows": Measure("rows_deleted"),
    "bytes_read": Measure("read_bytes"),
    "bytes_written": Measure("written_bytes"),
    "files_read": Measure("files_read"),
    "files_written": Measure("files_written"),
}


class CdmRule(Rule):
    """Which jobs to find."""

    words = ("cluster_id", "cluster_name", "job_name", "job_type", "group_name")

    clusters: Clusters = Field(
        default=(), description="The clusters in which to find jobs: a list of names or ids, or all."
    )
    types: Annotated[tuple[Annotated[str, one_of(*_TYPES)], ...], BeforeValidator(at_least_one)] = Field(
        default=_TYPES[:1], description="Only jobs of these types; each type needs a call of its own."
    )


class CdmLister(Lister[CdmRule]):
    """The lists of clusters and of jobs."""

    limit = LIST_LIMIT
    rule = CdmRule
    matched = "job_name"

    def places_request(self, project_id: str) -> Request | None:
        """Ask for the clusters: one that is off would make all calls for its jobs fail."""
        return Request("ListClusters", segments("v1.1", project_id, "clusters"), LIST_LIMIT)

    def places(self, body: bytes) -> tuple[Location, ...]:
        """Read the clusters; of one without an id nothing is known but that there is one."""
        fields = json_fields.Fields(json_object(body))
        rows = error_classes.rows(fields, "clusters", CODES)
        places = [_place(fields.apart(row or {})) for row in rows]
        if places and not any(place.id for place in places):
            raise PollError(Reason.PAYLOAD, "the answer has no readable cluster")
        return tuple(place if place.id else UNREADABLE for place in places)

    def chosen(self, rule: CdmRule, places: tuple[Location, ...]) -> tuple[Location, ...]:
        """Return the clusters that the rule names by id or name, and those of its names that no cluster has."""
        return self.named_places(rule.clusters, places)

    def views(self, rule: CdmRule, place: Location, now: float) -> tuple[ListQuery, ...]:
        """Return one list for each type, because the call takes one."""
        return tuple(ListQuery(place, (("jobType", each),)) for each in rule.types)

    def covering(self, target: Mapping[str, str]) -> ListQuery | None:
        """Return the list of the cluster's ordinary jobs; one of another type is not in it."""
        return ListQuery(Location(target["cluster_id"]), (("jobType", _TYPES[0]),))

    def request(self, view: ListQuery, project_id: str, page: PageStart) -> Request:
        """Ask for one page."""
        path = segments("v1.1", project_id, "clusters", view.place.id, "cdm", "job", "all")
        query = (("page_no", str(page.number)), ("page_size", str(self.page_size)), *view.query)
        return Request("ShowJobs", path, LIST_LIMIT, query)

    def parse(self, body: bytes, view: ListQuery) -> Page:
        """Read the jobs."""
        fields = json_fields.Fields(json_object(body), absent=NOT_APPLICABLE)
        rows, total = error_classes.page(fields, "jobs", "total", CODES)
        listed = [_listed(fields.apart(row), view.place, fields.unknown) for row in rows if row is not None]
        return Page(len(rows), tuple(item for item in listed if item is not None), total, tuple(fields.unknown))

    def fits(self, rule: CdmRule, listed: ListedJob, now: float) -> bool:
        """Compare the type, if it is one that a rule can ask for."""
        reported = listed.words.get("job_type")
        return not among(reported, _TYPES) or among(reported, rule.types)

    def template(self, rule: CdmRule, places: tuple[Location, ...]) -> str:
        """Return the job's name, with the cluster's before it where the rule covers several, usable or not.

        Job names are unique within a cluster only.
        """
        return "{job_name}" if len(places) <= 1 else "{cluster_name}/{job_name}"


def _place(fields: json_fields.Fields) -> Location:
    """Read one cluster; one that does not tell its state is asked for its jobs."""
    place, word = fields.id("id") or "", fields.id("status") or ""
    frozen = fields.text("isFrozen") in {"1", "true"}
    usable = word in {"", NORMAL} and not frozen
    said = "frozen" if frozen else CLUSTERS.get(word, "in an unknown state" if word else "")
    known = word == NORMAL or word in CLUSTERS
    return Location(
        place,
        fields.id("name") or place,
        usable,
        "" if usable else said,
        native_state=word if known else "other" if word else "",
        available=usable if known else False if frozen else None,
        off=frozen or word in OFF,
    )


def _listed(fields: json_fields.Fields, place: Location, noted: list[str]) -> ListedJob | None:
    """Read one job; its name goes into the target exactly as it came, because it is part of an address."""
    name = fields.data.get("name")
    if not isinstance(name, str) or not (0 < len(clean(name)) <= json_fields.LONGEST_ID) or not exact(name):
        noted.append("jobs")
        return None
    words = {"cluster_id": place.id, "cluster_name": place.name or place.id, "job_name": clean(name)}
    words |= {word: text for word in ("job_type", "group_name") if (text := fields.id(word)) is not None}
    created = fields.moment("creation-date")
    snapshot = _snapshot(fields)
    if snapshot is None:
        noted += fields.unknown
    return ListedJob(Packed({"cluster_id": place.id, "job_name": name}), words, snapshot, created)


def _snapshot(fields: json_fields.Fields) -> Snapshot | None:
    word = fields.text("status")
    counts = {measure: fields.count(name) for name, measure in COUNTS.items()}
    start, updated = fields.moment("execute_start_date"), fields.moment("execute_update_date")
    incremental = fields.flag("is_incrementing")
    detail = {"external_id": fields.id("external_id"), "enabled": fields.flag("enabled")}
    if word is None:
        return None
    state, native = fields.state("status", word, STATES)
    return Snapshot(
        state=state,
        native_state=native,
        progress=1.0 if state is State.SUCCEEDED else None,
        incremental=incremental,
        start=start,
        end=updated if state.ended else None,
        updated=None if state.ended else updated,
        counts=Packed({measure: amount for measure, amount in counts.items() if amount is not None}),
        detail=Packed({name: value for name, value in detail.items() if value is not None}),
        unknown=tuple(fields.unknown),
    )
