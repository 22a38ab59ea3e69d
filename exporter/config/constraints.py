"""Rules about which keys are given, checked on the tree: they apply even if values are invalid."""

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from exporter.config import schema
from exporter.config.errors import Mistake, Path
from exporter.config.project import Cloud
from exporter.config.section import Section
from exporter.config.settings import Settings
from exporter.config.tree import MappingNode, Node, place_of


def needs_iam(project: MappingNode) -> bool:
    """Whether IAM is asked for a project: for its id, or for a token."""
    return project.get("project_id") is None or project.table("credentials").get("password") is not None


def no_iam(root: MappingNode) -> list[Mistake]:
    """Refuse a project that needs IAM where nobody can know its address."""
    found = []
    projects = root.table("projects")
    for name, project in projects.items():
        if not isinstance(project, MappingNode) or project.get("cloud") != Cloud.CUSTOM.value or not needs_iam(project):
            continue
        if not isinstance(project.get("endpoints"), MappingNode | None):
            continue  # reported where it is read
        if project.table("endpoints").get("iam") is None:
            path = ("projects", name, "endpoints", "iam")
            why = "without project_id" if project.get("project_id") is None else "with credentials.password"
            sentence = f"required but missing: cloud custom has no usual one, and {why} it is needed"
            found.append(Mistake(place_of(root, path), path, sentence))
    return found


def exactly_one(root: MappingNode) -> list[Mistake]:
    """Refuse sets of keys of which too many or too few are given."""
    found = []
    for model, table, path in _sections(Settings, root, ()):
        for keys in model.one_of:
            given = [key for key in keys if table.get(key) is not None]
            if len(given) != 1:
                sentence = f"expected exactly one of {_either(keys, given)}"
                lacks = () if given else tuple((*path, key) for key in keys)
                if not given and (bare := next((key for key in keys if key in table), "")):
                    whole = schema.section(schema.below(model, bare))
                    empty = whole is not None and not whole.model_fields
                    sentence += f", as {bare} has no value; write {f'{bare}: {{}}' if empty else 'it after the colon'}"
                found.append(Mistake(place_of(root, path), path, sentence, lacks))
        for keys in model.not_both:
            given = [key for key in keys if table.get(key) is not None]
            if len(given) > 1:
                found.append(Mistake(place_of(root, path), path, f"expected at most one of {_either(keys, given)}"))
    return found


def _either(keys: tuple[str, ...], given: list[str]) -> str:
    return f"{', '.join(keys[:-1])} and {keys[-1]}; given {'are ' + ' and '.join(given) if given else 'is none'}"


def _sections(annotation: Any, node: Node, path: Path) -> Iterator[tuple[type[Section], MappingNode, Path]]:
    if not isinstance(node, MappingNode):
        return
    model: type[BaseModel] | None = schema.section(annotation)
    if model is not None and issubclass(model, Section):
        yield model, node, path
    for key, inner in node.items():
        if (kind := schema.below(annotation, key)) is not None:
            yield from _sections(kind, inner, (*path, key))
