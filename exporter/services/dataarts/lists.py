"""The jobs of a workspace, and the newest run of each.

Source: DataArts Studio API reference, "Querying a Job List" (ListFactoryJobs) for ``discovery``, and "Querying Job
Instances" (ListJobInstances), which returns the runs of all jobs of a workspace. The list of jobs has the schedule of
each job; what it has of runs is not enough to show a state.
"""

from collections.abc import Collection, Mapping
from typing import Final

from pydantic import Field

from exporter.model.errors import PollError
from exporter.model.frozen import replace
from exporter.model.packed import Packed
from exporter.model.reason import Reason
from exporter.model.snapshot import Snapshot, State
from exporter.services import error_classes, json_fields
from exporter.services.dataarts.instances import MOST, instance_rows, newest_of
from exporter.services.dataarts.words import CODES
from exporter.services.discovery_rule import Rule, TextWord
from exporter.services.document import json_object
from exporter.services.listing import ListedJob, Lister, ListQuery, Location, Page, RowReader
from exporter.services.page_cursor import PageStart
from exporter.services.request import Request, segments
from exporter.services.values import among, clean, exact, meaning

_JOBS: Final = (("jobType", "BATCH"),)
"""What the list of jobs is asked with; the list of runs is asked with nothing."""
_JOBS_A_PAGE: Final = 100
_DEFAULT_WORKSPACE: Final = "default"
"""The name of the workspace that is meant where none is named."""
_SCHEDULES: Final = {word.upper(): word for word in ("scheduling", "stopped", "paused")}
_WINDOW: Final = 6 * 3600.0
"""Seconds before the call since when runs of all jobs are listed: a job whose newest is older is asked itself."""


def workspace_header(workspace: str) -> tuple[tuple[str, str], ...]:
    """Return the header that names a workspace; without it the one that is called default is meant."""
    return (("workspace", workspace),) if workspace else ()


def target_of(workspace: str, name: str) -> dict[str, str]:
    """Return the identity of a job in a workspace."""
    return {**({"workspace_id": workspace} if workspace else {}), "job_name": name}


class DataArtsRule(Rule):
    """Which jobs to find.

    None is chosen by how it is scheduled: one that was stopped and should not be is what they are watched for.
    """

    words = ("workspace_id", "job_name", "owner", "path")

    workspaces: tuple[TextWord, ...] = Field(
        default=(), description="The ids of the workspaces whose jobs to find; without any the one called default."
    )
    owner: TextWord | None = Field(default=None, description="Only jobs of this user.")
    path: TextWord | None = Field(default=None, description="Only jobs in this folder and those below it.")


class DataArtsLister(Lister[DataArtsRule]):
    """The list of the jobs of a workspace, and that of their runs."""

    limit = "dataarts"
    page_size = MOST
    always = True
    rule = DataArtsRule
    matched = "job_name"

    def views(self, rule: DataArtsRule, place: Location, now: float) -> tuple[ListQuery, ...]:
        """Return the list of all batch jobs of each workspace: a real-time job has no runs.

        No call on this host lists the workspaces.
        """
        return tuple(ListQuery(Location(each, each), _JOBS) for each in rule.workspaces or ("",))

    def all_known(self, rules: Collection[DataArtsRule], targets: Collection[Mapping[str, str]]) -> DataArtsRule:
        """Return the rule for all workspaces that are named: a job without one is in the default one."""
        named = [each for rule in rules for each in rule.workspaces or ("",)]
        named += [target.get("workspace_id", "") for target in targets]
        return DataArtsRule.model_construct(workspaces=tuple(dict.fromkeys(named)))

    def covering(self, target: Mapping[str, str]) -> ListQuery | None:
        """Return the list of the runs of all jobs of the workspace."""
        return ListQuery(Location(target.get("workspace_id", "")))

    def schedules(self, covering: ListQuery) -> ListQuery | None:
        """Return the list of the jobs of the workspace."""
        return ListQuery(covering.place, _JOBS)

    def request(self, view: ListQuery, project_id: str, page: PageStart) -> Request:
        """Ask for one page of the jobs, by rows, or for the runs, which have no second page."""
        headers = workspace_header(view.place.id)
        if view.query:
            rows = (("limit", str(_JOBS_A_PAGE)), ("offset", str(page.offset)))
            path = segments("v1", project_id, "jobs")
            return Request("ListFactoryJobs", path, self.limit, (*view.query, *rows), headers=headers)
        path = segments("v1", project_id, "jobs", "instances", "detail")
        times = (("minPlanTime", _WINDOW), ("maxPlanTime", 0.0))
        return Request("ListJobInstances", path, self.limit, (("limit", str(MOST)),), times=times, headers=headers)

    def parse(self, body: bytes, view: ListQuery) -> Page:
        """Read a page of the jobs, or the newest run of each job."""
        fields = json_fields.Fields(json_object(body))
        return _jobs(fields, view.place) if view.query else _runs(fields, view.place)

    def fits(self, rule: DataArtsRule, listed: ListedJob, now: float) -> bool:
        """Compare owner and folder: the call has no filters for them."""
        path = listed.words.get("path")
        inside = rule.path is None or path is None or _folder(path).startswith(_folder(rule.path))
        return inside and among(listed.words.get("owner"), (rule.owner,) if rule.owner else ())

    def template(self, rule: DataArtsRule, places: tuple[Location, ...]) -> str:
        """Return the job's name, with the workspace before it where the rule has several: it is unique in one."""
        return "{job_name}" if len(rule.workspaces) <= 1 else "{workspace_id}/{job_name}"


class JobRow(RowReader):
    """Reads whether a job exists, and how it is scheduled, where the list of runs has none of it."""

    def request(self, target: Mapping[str, str], project_id: str) -> Request:
        """Ask for the jobs of this name; the filter is a part of the name, and not every cloud documents it."""
        query = (*_JOBS, ("jobName", target["job_name"]), ("limit", str(_JOBS_A_PAGE)), ("offset", "0"))
        headers = workspace_header(target.get("workspace_id", ""))
        return Request(
            "ListFactoryJobs", segments("v1", project_id, "jobs"), DataArtsLister.limit, query, headers=headers
        )

    def parse(self, body: bytes, target: Mapping[str, str]) -> ListedJob:
        """Return the row of the job; only a list with all of its rows says that there is no such job."""
        fields = json_fields.Fields(json_object(body))
        rows, total = error_classes.page(fields, "jobs", "total", CODES)
        broken = False
        for row in (fields.apart(each or {}) for each in rows):
            listed = _job(fields, row, Location(target.get("workspace_id", "")))
            if listed is not None and listed.target["job_name"] == target["job_name"]:
                return replace(listed, snapshot=_without_run(row))
            broken = broken or listed is None
        if total is not None and total <= len(rows) and not broken:
            raise PollError(Reason.NOT_FOUND, "the workspace has no batch job of this name", known=True)
        return ListedJob(Packed(dict(target)))


def _without_run(row: json_fields.Fields) -> Snapshot:
    """Return what the row of a job says of one that no list of runs has: it waits for its first run, or had others.

    Of the run before, the row reports only how it ended, and not whether another one is under way.
    """
    before = row.text("lastInstanceStatus") is not None or row.moment("lastInstanceEndTime") is not None
    word = row.text("status") or ""
    known = meaning(word, _SCHEDULES) is not None
    return Snapshot(State.UNKNOWN, word if known or not word else "other") if before else Snapshot(State.PENDING)


def _folder(path: str) -> str:
    return "/" + "".join(f"{part}/" for part in clean(path).split("/") if part)


def _name(fields: json_fields.Fields, field: str) -> str | None:
    """Read the name of a job exactly as it came, because it is part of a query."""
    name = fields.data.get(field)
    fits = isinstance(name, str) and 0 < len(clean(name)) <= json_fields.LONGEST_ID and exact(name)
    return name if fits else None


def _jobs(fields: json_fields.Fields, place: Location) -> Page:
    rows, total = error_classes.page(fields, "jobs", "total", CODES)
    found = [_job(fields, fields.apart(row), place) for row in rows if row is not None]
    return Page(len(rows), tuple(each for each in found if each is not None), total, tuple(fields.unknown))


def _job(fields: json_fields.Fields, row: json_fields.Fields, place: Location) -> ListedJob | None:
    """Read a row of the list of jobs; what cannot be read is noted in *fields*."""
    name = _name(row, "name")
    if name is None:
        fields.unknown.append("jobs")
        return None
    words = {"job_name": clean(name), "workspace_id": place.id or _DEFAULT_WORKSPACE}
    words |= {word: text for word in ("owner", "path") if (text := row.id(word)) is not None}
    schedule = meaning(row.text("status") or "", _SCHEDULES)
    if schedule is None and row.text("status") is not None:
        row.unreadable("status")
    created = row.moment("createTime")
    fields.unknown += row.unknown
    return ListedJob(Packed(target_of(place.id, name)), words, None, created, schedule=schedule or "")


def _runs(fields: json_fields.Fields, place: Location) -> Page:
    """Read the newest run of each job; one page has all that is needed, so that no row is missing."""
    jobs: dict[str, list[json_fields.Fields]] = {}
    broken = 0
    for row in instance_rows(fields):
        data = fields.apart(row or {})
        name = _name(data, "jobName")
        if name is None:
            broken += 1
            if row is not None:
                fields.unknown.append("instances")
        else:
            jobs.setdefault(name, []).append(data)
    found: list[ListedJob] = []
    for name, rows in jobs.items():
        try:
            snapshot = newest_of(rows)
        except PollError:
            broken += 1
            continue
        if snapshot is not None:
            found.append(ListedJob(Packed(target_of(place.id, name)), {"job_name": clean(name)}, snapshot, None))
    return Page(len(found) + broken, tuple(found), len(found) + broken, tuple(fields.unknown))
