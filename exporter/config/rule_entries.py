"""The rules of ``discovery``: each entry has a service, a few common keys, and the fields of the service's rule."""

from collections.abc import Mapping

from pydantic import BaseModel, Field

from exporter.config import types
from exporter.config.entries import EntryReader
from exporter.config.errors import Path
from exporter.config.promise_entries import PromiseEntry
from exporter.config.regions import ALL, in_regions
from exporter.config.section import Section
from exporter.config.tree import MappingNode, Node, Text
from exporter.model.packed import Packed
from exporter.services import name_template
from exporter.services.adapter import Adapter
from exporter.services.discovery_rule import PROJECT, Rule, Search


class SearchEntry(Section):
    """The keys that a rule for any service has."""

    service: types.Opaque = Field(description="The service whose jobs the rule finds.")
    project: types.Opaque | None = Field(
        default=None,
        description=(
            "The project in which to find jobs: one with regions is each of its regions, and all is every project; may"
            " be left out if there is only one project."
        ),
    )
    interval: types.Interval | None = Field(
        default=None, description="Time between two readings of the lists, instead of poll.list_interval (a duration)."
    )
    labels: Mapping[types.Opaque, types.AnyText] = Field(
        default={},
        description=(
            "Labels of your own for each job that the rule finds: text, or templates with the words of name, such as"
            " {team: {tags.team}}."
        ),
    )
    promises: PromiseEntry | None = Field(
        default=None, description="Promises of each job that the rule finds, for alerts."
    )


class Searches(EntryReader):
    """Reads the rules."""

    common = SearchEntry
    what = "rules"

    def read(self, entries: Node, under: Path = ("discovery",)) -> tuple[Search, ...]:
        """Return the rules that can be read."""
        found = [self._search(*each) for each in self._tables(entries, under)]
        return tuple(search for searches in found for search in searches)

    def _search(self, path: Path, entry: MappingNode) -> list[Search]:
        """Return the rule, once for each project in which it finds jobs."""
        common, adapter = self._shared(path, entry), self._adapter(path, entry)
        projects = self._several(path, entry)
        if adapter is None:
            return []
        if adapter.lists is None:
            listed = ", ".join(sorted(name for name, each in self._adapters.items() if each.lists is not None))
            self._tell(
                (*path, "service"),
                f"{adapter.service} has no list of its jobs, so none can be found; services that have one: {listed}",
            )
            return []
        rule = self._own(path, entry, adapter.lists.rule)
        found = [self._of_project(path, common, adapter, project, rule) for project in projects or [""]]
        return [search for search in found if search is not None]

    def _several(self, path: Path, entry: MappingNode) -> list[str]:
        """Return the projects in which to find jobs; none if that is a mistake."""
        name = entry.get("project")
        if isinstance(name, Text) and name not in self._projects:
            several = list(self._projects) if name == ALL else in_regions(name, self._projects)
            if several:
                return several
        if name is None and len(self._projects) > 1:
            names = ", ".join(sorted(self._known))
            self._tell((*path, "project"), f"required but missing; one of {names}, or {ALL}")
            return []
        return [project] if (project := self._project(path, entry)) else []

    def _of_project(
        self, path: Path, common: BaseModel | None, adapter: Adapter, project: str, rule: BaseModel | None
    ) -> Search | None:
        if project:
            self._reachable(path, adapter, project)
        if not isinstance(common, SearchEntry):
            return None
        promises = self._promises(path, common.promises, adapter, project)
        if promises is None or not isinstance(rule, Rule) or not project:
            return None
        labels = self._labels(path, common.labels, rule, project)
        return Search(adapter.service, project, rule.of_project(project), common.interval, promises, labels)

    def _labels(self, path: Path, templates: Mapping[str, str], rule: Rule, project: str) -> Mapping[str, str]:
        for name, template in templates.items():
            if (sentence := name_template.mistake(template, (*rule.words, PROJECT), "label")) is not None:
                self._tell((*path, "labels", name), sentence)
        return Packed({name: text.replace(f"{{{PROJECT}}}", project) for name, text in templates.items()})
