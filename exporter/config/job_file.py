"""Job files: the same entries as under ``jobs:``, as YAML or as JSON lines, whatever the file is called.

A file is read as JSON lines if its first significant line is a JSON object, or if every significant line begins with
``{``; blank lines and lines that begin with ``#`` are not significant. A file that is one mapping with ``jobs:`` is not
read as JSON lines. Everything else is YAML, of which JSON is a subset: a list of entries, or a mapping with ``jobs:``.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from exporter.config import explanations, yaml_reader
from exporter.config.errors import Mistake, SourcePosition, lines
from exporter.config.job_entries import Reader
from exporter.config.json_text import JsonError, read_json
from exporter.config.settings import Settings
from exporter.config.tree import Items, MappingNode, Node, from_plain, place_of, without_halves
from exporter.model.changes import FILE
from exporter.model.errors import SettingsError
from exporter.model.job import Job
from exporter.model.messages import instead
from exporter.services import registry


def _expected() -> str:
    return f"expected one JSON object a line such as {json.dumps(registry.example())}"


def known_projects(settings: Settings) -> MappingNode:
    """Return what entries need to know of the projects."""
    known = {
        name: {
            "region": project.region,
            "cloud": project.cloud.value,
            "endpoints": project.endpoints,
            "time_zone": project.time_zone and project.time_zone.key,
        }
        for name, project in settings.projects.items()
    }
    table = from_plain(known, SourcePosition("the configuration"))
    return table if isinstance(table, MappingNode) else MappingNode(SourcePosition(""))


def job_file_bytes(path: str, source: str) -> bytes:
    """Return the bytes of a file; raises ``FileNotFoundError``, or :class:`SettingsError` with what is wrong."""
    try:
        return yaml_reader.configuration_bytes(Path(path))
    except yaml_reader.YamlError as error:
        raise SettingsError([str(_mistake(SourcePosition(source), error))]) from None


def read_job_file(data: bytes, source: str, projects: MappingNode) -> tuple[Job, ...]:
    """Return the jobs of a file in their order; *source* is the file's name.

    Raises :class:`~exporter.model.errors.SettingsError` with every mistake, each with its line.
    """
    place = SourcePosition(source)
    try:
        root, mistakes = _written(yaml_reader.decoded(data), place)
    except yaml_reader.YamlError as error:
        raise SettingsError([str(_mistake(place, error))]) from None
    jobs: tuple[Job, ...] = ()
    if isinstance(root, Items | MappingNode):
        mistakes += without_halves(root)
        reader = Reader(root, projects, registry.load_services(), FILE)
        if isinstance(root, Items):
            jobs = reader.read(root, ())
        elif "jobs" in root:
            jobs = reader.read(root["jobs"])
        mistakes += [*reader.mistakes, *_other_keys(root)]
    elif root is not None:
        mistakes.append(Mistake(root.place, (), f"expected a list of jobs, not {explanations.kind(root)}"))
    if mistakes:
        raise SettingsError(lines(mistakes))
    return jobs


def _other_keys(root: Node) -> Iterator[Mistake]:
    if not isinstance(root, MappingNode):
        return
    if "jobs" not in root:
        one = f'"- {{service: {registry.example()["service"]}, ...}}"'
        yield Mistake(root.place, (), f"expected a list of jobs, each as {one}, or a mapping with jobs")
    else:
        for key in root:
            if key != "jobs":
                yield Mistake(place_of(root, (key,), key=True), (key,), "unknown key" + instead(key, ["jobs"]))


def _written(text: str, place: SourcePosition) -> tuple[Node, list[Mistake]]:
    """Return what is written. Raises :class:`YamlError` if it cannot be read."""
    rows = [(number, row) for number, row in enumerate(text.split("\n"), start=1) if row.strip() and _says(row)]
    if not rows or not (_is_object(rows[0][1]) or all(row.lstrip().startswith("{") for _, row in rows)):
        root, doubled = yaml_reader.parse_yaml(text, place)
    else:
        try:
            root, doubled = yaml_reader.parse_yaml(text, place)
        except yaml_reader.YamlError:
            root, doubled = None, []
        if not (isinstance(root, MappingNode) and "jobs" in root):
            return _rows(rows, place)
    return root, [_mistake(place, error) for error in doubled]


def _says(row: str) -> bool:
    return not row.lstrip().startswith("#")


def _is_object(row: str) -> bool:
    try:
        return isinstance(json.loads(row), dict)
    except (ValueError, RecursionError):
        return False


def _rows(rows: list[tuple[int, str]], place: SourcePosition) -> tuple[Items, list[Mistake]]:
    """Read JSON lines."""
    items = Items(place)
    mistakes: list[Mistake] = []
    for number, row in rows:
        at = replace(place, line=number)
        try:
            items.put(at, from_plain(_object(row), at))
        except ValueError as error:
            mistakes.append(Mistake(at, (), str(error)))
    return items, mistakes


def _object(row: str) -> Any:
    """Read one line; every number stays as it is written. Raises ``ValueError`` with the remedy."""
    try:
        found = read_json(row)
    except JsonError as error:
        bare = _without_quotes(row)
        if bare is not None:
            return bare
        raise ValueError(f"{_expected()}; {error}") from None
    if not isinstance(found, dict):
        raise ValueError(_expected())  # noqa: TRY004 - the operator's mistake
    return found


def _without_quotes(row: str) -> MappingNode | None:
    """Read a line that is no JSON but as YAML has it, where text needs no quotes: ``{job_id: 0123}``."""
    try:
        found, doubled = yaml_reader.parse_yaml(row, SourcePosition(""))
    except yaml_reader.YamlError:
        return None
    if doubled:
        raise ValueError(doubled[0].sentence.partition(",")[0])
    return found if isinstance(found, MappingNode) else None


def _mistake(place: SourcePosition, error: yaml_reader.YamlError) -> Mistake:
    return Mistake(replace(place, line=error.line), (), error.sentence)
