"""The list of DWS clusters: in one answer how each is, and what is under way on it (ListClusters).

It has no pages and tells no tasks by their id: their ids come from what started them.
"""

from collections.abc import Mapping

from pydantic import Field

from exporter.model.packed import Packed
from exporter.services import error_classes, json_fields
from exporter.services.discovery_rule import Clusters, Rule
from exporter.services.document import json_object
from exporter.services.dws import words
from exporter.services.dws.clusters import cluster_snapshot
from exporter.services.listing import ListedJob, Lister, ListQuery, Location, Page
from exporter.services.page_cursor import PageStart
from exporter.services.request import Request, segments
from exporter.services.values import meaning

_LIMIT = next(iter(words.LIMITS))


class DwsRule(Rule):
    """Which clusters to find."""

    words = ("cluster_id", "cluster_name")

    clusters: Clusters = Field(default=(), description="The clusters to find: a list of names or ids, or all.")


class DwsLister(Lister[DwsRule]):
    """The list of clusters."""

    limit = _LIMIT
    rule = DwsRule
    always = True
    matched = "cluster_name"

    def chosen(self, rule: DwsRule, places: tuple[Location, ...]) -> tuple[Location, ...]:
        """Return the clusters that the rule names by id or name, and those of its names that no cluster has."""
        return self.named_places(rule.clusters, places)

    def views(self, rule: DwsRule, place: Location, now: float) -> tuple[ListQuery, ...]:
        """Return the one list there is."""
        return (ListQuery(),)

    def covering(self, target: Mapping[str, str]) -> ListQuery | None:
        """Return the list for a cluster, and ``None`` for a task, because no list contains tasks."""
        return ListQuery() if "cluster_id" in target else None

    def request(self, view: ListQuery, project_id: str, page: PageStart) -> Request:
        """Ask for all clusters."""
        return Request("ListClusters", segments("v1.0", project_id, "clusters"), _LIMIT)

    def parse(self, body: bytes, view: ListQuery) -> Page:
        """Read the clusters; where the answer does not tell how many there are, they are those that it has."""
        fields = json_fields.Fields(json_object(body))
        rows, total = error_classes.page(fields, "clusters", "count", words.CODES)
        clusters = [fields.apart(row or {}) for row in rows]
        items = [_listed(each, fields.unknown) for each in clusters]
        return Page(
            rows=len(rows),
            items=tuple(item for item in items if item is not None),
            total=len(rows) if total is None else total,
            unknown=tuple(fields.unknown),
            places=tuple(_location(fields.apart(each.data)) for each in clusters),
        )

    def fits(self, rule: DwsRule, listed: ListedJob, now: float) -> bool:
        """Compare the name and the id: the call has no parameter for them."""
        place = Location(listed.words["cluster_id"], listed.words["cluster_name"])
        return not rule.clusters or place.is_one_of(rule.clusters)

    def template(self, rule: DwsRule, places: tuple[Location, ...]) -> str:
        """Return the cluster's name: there is one of a name."""
        return "{cluster_name}"


def _listed(fields: json_fields.Fields, noted: list[str]) -> ListedJob | None:
    cluster = fields.id("id")
    if cluster is None:
        noted.append("clusters.id")
        return None
    names = {"cluster_id": cluster, "cluster_name": fields.id("name") or cluster}
    created, snapshot = fields.moment("created"), cluster_snapshot(fields)
    if snapshot is None:
        noted += fields.unknown
    return ListedJob(Packed({"cluster_id": cluster}), names, snapshot, created)


def _location(fields: json_fields.Fields) -> Location:
    """Read the state of a cluster; one without an id counts only as present."""
    place, word = fields.id("id") or "", fields.text("status") or ""
    if not place:
        return Location(name="a cluster", usable=False, word="not readable")
    known, task = meaning(word, words.CLUSTERS), (fields.text("task_status") or "").upper()
    switched, works = words.SWITCHED.get(task), word.upper() in words.AVAILABLE
    frozen = word.upper() in words.FROZEN
    return Location(
        place,
        fields.id("name") or place,
        word="" if works and not switched else switched or known or ("in an unknown state" if word else ""),
        native_state=word if known else "other" if word else "",
        available=None if known is None else works,
        off=frozen or switched is not None,
    )
