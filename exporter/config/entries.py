"""What entries of jobs and rules have in common: a service, a project, and fields of the service."""

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import BaseModel, ValidationError

from exporter.config import explanations
from exporter.config.errors import Mistake, Path, path_text
from exporter.config.project import Cloud
from exporter.config.promise_entries import PromiseEntry, promises_of
from exporter.config.regions import in_regions, readable
from exporter.config.section import Section
from exporter.config.tree import Items, MappingNode, Node, Text, place_of
from exporter.model.changes import STATIC
from exporter.model.errors import SettingsError
from exporter.model.messages import instead, nearest, quoted
from exporter.model.promises import Promises
from exporter.services import registry
from exporter.services.adapter import Adapter
from exporter.services.clouds import REGION, endpoint


def _such() -> str:
    """Return how an entry begins."""
    return f"{{service: {registry.example()['service']}, ...}}"


class EntryReader:
    """Reads the entries of one configuration, or of one job file; collects their mistakes.

    *root* is the whole file, and *source* what the jobs will call their source.
    """

    common: type[Section]
    """The keys that an entry of any service has."""
    what: str
    """What a list of such entries is of."""

    def __init__(
        self, root: Items | MappingNode, projects: MappingNode, adapters: Mapping[str, Adapter], source: str = STATIC
    ) -> None:
        self._root = root
        self._adapters = adapters
        self._projects = projects
        self._known = readable(projects)
        self._source = source
        self._regions: dict[str, str] = {}
        self._addressed: set[tuple[str, str]] = set()
        self.mistakes: list[Mistake] = []

    def _tables(self, entries: Node, under: Path) -> Iterator[tuple[Path, MappingNode]]:
        if isinstance(entries, Text | MappingNode):
            wrong = explanations.kind(entries)
            self._tell(under, f"expected a list of {self.what}, not {wrong}; write each as - {_such()}")
        for number, entry in enumerate(entries if isinstance(entries, Items) else ()):
            path = (*under, number)
            if isinstance(entry, MappingNode):
                yield path, entry
            else:
                self._tell(path, f"expected a mapping such as {_such()}, not {explanations.kind(entry)}")

    def _shared(self, path: Path, entry: MappingNode) -> BaseModel | None:
        keys = self.common.model_fields
        return self._valid(path, self.common, {key: entry[key] for key in keys if key in entry})

    def _region(self, project: str) -> str:
        """Return the project's region: one text for all its jobs."""
        return self._regions.setdefault(project, str(self._projects.table(project).get("region") or ""))

    def _adapter(self, path: Path, entry: MappingNode) -> Adapter | None:
        service = entry.get("service")
        if "service" not in entry:
            self._misspelt(path, entry)
        if not isinstance(service, Text) or not service:
            return None  # reported already
        if service not in self._adapters:
            self._tell((*path, "service"), f"unknown service {quoted(service)}{instead(service, self._adapters)}")
        return self._adapters.get(service)

    def _misspelt(self, path: Path, entry: MappingNode) -> None:
        """Find the key that was meant to be the service; no other key can be checked without one."""
        for key in entry.keys() - self.common.model_fields.keys():
            if nearest(key, ["service"]):
                place, meant = place_of(self._root, (*path, key), key=True), ((*path, "service"),)
                self.mistakes.append(Mistake(place, (*path, key), 'unknown key; did you mean "service"?', meant=meant))

    def _own(self, path: Path, entry: MappingNode, model: type[BaseModel]) -> BaseModel | None:
        own, shared = model.model_fields, self.common.model_fields
        rest = {key: value for key, value in entry.items() if key not in shared}
        given = {key: value for key, value in rest.items() if value is not None or key not in own}
        unfit = {key: why for key, value in given.items() if key in own and (why := self._unfit(value))}
        read = self._valid(path, model, given, self.common)
        reported = {mistake.path for mistake in self.mistakes}
        for key, why in unfit.items():
            if (*path, key) not in reported:
                self._tell((*path, key), why)
        return None if unfit else read

    def _unfit(self, value: Node) -> str:
        """Say why a value is none of the service's fields, whichever it is of; empty if it may be."""
        return "expected text; this is empty" if value == "" else ""

    def _valid(
        self, path: Path, model: type[BaseModel], given: dict[str, Any], also: type[BaseModel] | None = None
    ) -> BaseModel | None:
        try:
            return model.model_validate(given)
        except ValidationError as error:
            self.mistakes += explanations.explained(error, self._root, model, path, also)
        return None

    def _project(self, path: Path, entry: MappingNode) -> str:
        """Return the name of the job's project; empty if that is a mistake, here or elsewhere."""
        name = entry.get("project")
        if not self._projects or name == "":
            return ""
        if isinstance(name, Text):
            if name in self._projects:
                return str(name)
            several = in_regions(name, self._projects)
            if several != readable(several):
                return ""  # reported where its regions are written
            remedy = f"; of its regions name one: {', '.join(several)}" if several else instead(name, self._known)
            self._tell((*path, "project"), f"unknown project {quoted(name)}{remedy}")
        elif name is None and len(self._projects) == 1:
            return next(iter(self._projects))
        elif name is None:
            self._tell((*path, "project"), f"required but missing; one of {', '.join(sorted(self._known))}")
        return ""

    def _promises(self, path: Path, said: PromiseEntry | None, adapter: Adapter, project: str) -> Promises | None:
        """Return what is promised of the jobs of an entry; ``None`` if that is a mistake."""
        zone = self._projects.table(project).get("time_zone")
        if not project:
            zone = zone or Text("UTC", self._root.place)  # the project is a mistake already
        known = str(zone) if isinstance(zone, Text) else None
        return promises_of(said, adapter, known, lambda keys, why: self._tell((*path, "promises", *keys), why))

    def _reachable(self, path: Path, adapter: Adapter, project: str) -> None:
        """Refuse a service whose address is not known in the project's cloud; reported once for each."""
        table = self._projects.table(project)
        cloud = table.get("cloud") or Cloud.HUAWEICLOUD.value
        seen = (project, adapter.service) in self._addressed
        self._addressed.add((project, adapter.service))
        if not isinstance(table.get("endpoints"), MappingNode | None):
            return  # reported where it is read
        if seen or cloud not in list(Cloud) or table.table("endpoints").get(adapter.service) is not None:
            return
        region = str(table.get("region") or "")
        if cloud in adapter.hosts.patterns:
            if not REGION.fullmatch(region):
                return  # reported where the region is read
            try:
                endpoint(adapter, str(cloud), region, {})
            except SettingsError as error:
                self._tell(("projects", project, "region"), str(error).replace("<name>", project), path)
        else:
            where = ("projects", project, "endpoints", adapter.service)
            sentence = f"required but missing: cloud {cloud} has no usual one, and {path_text(path)} needs it"
            self._tell(where, sentence, path)

    def _tell(self, path: Path, sentence: str, entry: Path = ()) -> None:
        """Note a mistake; one in the settings that a job file needs is reported at the *entry* that needs it."""
        at = path if self._source == STATIC else entry or path
        self.mistakes.append(Mistake(place_of(self._root, at), path, sentence))
