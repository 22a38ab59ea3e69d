"""Projects with ``regions``: each region becomes a project ``NAME-REGION`` before anything is checked.

Whatever reads the settings knows projects of one region only. A mistake in such a project is reported at the key that
the operator wrote, once for all regions.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Final, NamedTuple

from exporter.config.errors import Mistake, Path, SourcePosition, path_text
from exporter.config.tree import Items, MappingNode, Node, Text, place_of
from exporter.model.messages import quoted
from exporter.services.clouds import REGION

ALL: Final = "all"
"""What a rule says for every project."""
_REGIONS: Final = ("region", "regions")
_UNREADABLE: Final = "unreadable-"
"""The region of a project whose regions are a mistake, so that its other keys are checked; each a different one."""
_WANTED: Final = "expected a list of regions such as [cn-north-4, cn-east-3], or a mapping of regions to keys"
_EITHER: Final = ("project_id", "project_name")
"""Keys of which a region that has one does not take over the other."""
_TEMPLATES: Final = ("project_name", "endpoints")
"""Keys in whose text ``{region}`` stands for the name of the region."""


class _Part(NamedTuple):
    """Where a project of one region comes from."""

    name: str
    """The project with ``regions``."""
    regions: Path
    """Where its regions are written, from the project on."""
    own: MappingNode
    """The keys that hold in this region only."""


class Regions:
    """The projects that were made of one with ``regions``; collects the mistakes in these keys."""

    def __init__(self, root: MappingNode) -> None:
        self._root = root
        self._parts: dict[str, _Part] = {}
        self.mistakes: list[Mistake] = []
        projects = root.table("projects")
        if any(_several(each) for each in projects.values()):
            spread = MappingNode(projects.place)
            for name, at, project in self._spread(projects):
                spread.put(name, at, project)
            root.put("projects", root.keys_at["projects"], spread)

    def written(self, mistake: Mistake) -> Mistake:
        """Return a mistake in a project of one region as one in what the operator wrote."""
        path, part = mistake.path, self._parts.get(str(mistake.path[1])) if len(mistake.path) > 1 else None
        if path[:1] != ("projects",) or part is None:
            return mistake
        found: Path = ("projects", part.name, *path[2:])
        instead = found[:2]
        if path[2:3] == ("region",):
            found = (*found[:2], *part.regions)
            instead = (*instead, "regions", str(path[1]).removeprefix(f"{part.name}-"))
        elif len(path) > 2 and _has(part.own, path[2:]):
            found = (*found[:2], *part.regions, *path[2:])
        sentence = mistake.sentence.replace(f"{path_text(path[:2])}.", f"{path_text(instead)}.")
        sentence = sentence.replace(quoted(str(path[1])), quoted(part.name))
        return replace(mistake, path=found, sentence=sentence)

    def _spread(self, projects: MappingNode) -> Iterator[tuple[str, SourcePosition, Node]]:
        taken: dict[str, Path] = {name: ("projects", name) for name, each in projects.items() if not _several(each)}
        for name, project in projects.items():
            at = projects.keys_at[name]
            if not isinstance(project, MappingNode) or not _several(project):
                yield name, at, project
                continue
            if project.get("region") is not None:
                place = place_of(self._root, ("projects", name))
                self._tell(place, ("projects", name), "expected at most one of region and regions; given are both")
            shared = MappingNode(project.place)
            for key, node in project.items():
                if key not in _REGIONS:
                    shared.put(key, project.keys_at[key], node)
            for which, region, own in self._regions(name, project):
                made = f"{name}-{region}" if which else name
                path: Path = ("projects", name, "regions", *which)
                if made in taken:
                    sentence = f"its project would be called {quoted(made)} like {path_text(taken[made])}"
                    self._tell(region.place, path, f"{sentence}; take one of them out, or rename a project")
                    continue
                taken[made] = path
                self._parts[made] = _Part(name, path[2:], own)
                yield made, at, _of_region(shared, region, own)

    def _regions(self, name: str, project: MappingNode) -> Iterator[tuple[Path, Text, MappingNode]]:
        """Yield the regions, each with where it is written and the keys that hold there only."""
        regions, path = project.get("regions"), ("projects", name, "regions")
        place = project.keys_at["regions"]
        if not isinstance(regions, Items | MappingNode) or not regions:
            given = f"not {quoted(regions)}" if isinstance(regions, Text) else "this is empty"
            self._tell(place, path, f"{_WANTED}; {given}")
            yield (), self._stand_in(place), MappingNode(place)
        elif isinstance(regions, Items):
            for number, (at, region) in enumerate(zip(regions.items_at, regions, strict=True)):
                yield (number,), self._region(region, at, (*path, number)), MappingNode(at)
        else:
            for named, own in regions.items():
                at, here = regions.keys_at[named], (*path, named)
                yield (named,), self._region(Text(named, at), at, here), self._own(own, at, here)

    def _own(self, own: Node, at: SourcePosition, path: Path) -> MappingNode:
        """Return the keys that differ in one region."""
        keys = MappingNode(at)
        if isinstance(own, MappingNode):
            for key, node in own.items():
                if key in _REGIONS:
                    self._tell(own.keys_at[key], (*path, key), "unknown key here: the key above names the region")
                else:
                    keys.put(key, own.keys_at[key], node)
        elif own is not None:
            example = f", such as {{project_id: {own}}}" if isinstance(own, Text) and own else ""
            self._tell(at, path, f"expected the keys that differ in this region{example}, or nothing")
        return keys

    def _region(self, region: Node, at: SourcePosition, path: Path) -> Text:
        if isinstance(region, Text) and REGION.fullmatch(region):
            return Text(region, at)
        given = f", not {quoted(region)}" if isinstance(region, Text) else ""
        self._tell(at, path, f"expected a region such as cn-north-4{given}")
        return self._stand_in(at)

    def _stand_in(self, at: SourcePosition) -> Text:
        return Text(f"{_UNREADABLE}{len(self.mistakes)}", at)

    def _tell(self, place: SourcePosition, path: Path, sentence: str) -> None:
        self.mistakes.append(Mistake(place, path, sentence))


def in_regions(name: str, projects: Mapping[str, Node]) -> list[str]:
    """Return the names of the projects that were made of the one called *name*."""
    regions = {made: str(each.get("region")) for made, each in projects.items() if isinstance(each, MappingNode)}
    return [made for made, region in regions.items() if made == f"{name}-{region}"]


def readable(names: Iterable[str]) -> list[str]:
    """Return those of the *names* of projects that an operator wrote: some have a region that could not be read."""
    return [name for name in names if _UNREADABLE not in name]


def _several(project: Node) -> bool:
    return isinstance(project, MappingNode) and project.get("regions") is not None


def _of_region(shared: MappingNode, region: Text, own: MappingNode) -> MappingNode:
    """Return the project of one region."""
    project = MappingNode(shared.place)
    replaced = {*own, *(_EITHER if any(own.get(key) is not None for key in _EITHER) else ())}
    for table in ({key: node for key, node in shared.items() if key not in replaced}, own):
        at = own.keys_at if table is own else shared.keys_at
        for key, node in table.items():
            project.put(key, at[key], node)
    project.put("region", region.place, region)
    for key in _TEMPLATES:
        if key in project:
            project[key] = _filled(project[key], region)
    return project


def _filled(node: Node, region: str) -> Node:
    if isinstance(node, Text):
        return Text(node.replace("{region}", region), node.place)
    if isinstance(node, MappingNode):
        filled = MappingNode(node.place)
        for key, inner in node.items():
            filled.put(key, node.keys_at[key], _filled(inner, region))
        return filled
    return node


def _has(node: Node, path: Path) -> bool:
    """Whether *path* is written in *node*."""
    for part in path:
        if not isinstance(node, MappingNode) or part not in node:
            return False
        node = node[str(part)]
    return True
