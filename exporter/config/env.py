"""The ``EXPORTER_`` variables as another tree of settings."""

import re
from collections.abc import Mapping
from typing import Any, Final

from exporter.config import schema
from exporter.config.errors import ENVIRONMENT, Mistake, SourcePosition
from exporter.config.json_text import JsonError, read_json
from exporter.config.reference import reference
from exporter.config.settings import Settings
from exporter.config.tree import MappingNode, Node, Text, from_plain, merge, nested
from exporter.model.messages import nearest

_PREFIX: Final = str(Settings.model_config["env_prefix"])
_COMMAND_LINE: Final = frozenset({"EXPORTER_CONFIG"})
"""Known, but read by the command line."""
_KUBERNETES: Final = re.compile(
    r"EXPORTER([A-Z0-9_]*[A-Z0-9])?_"
    r"(SERVICE_HOST|SERVICE_PORT(_[A-Z0-9_]+)?|PORT|PORT_[0-9]+_(TCP|UDP|SCTP)(_[A-Z0-9_]+)?)"
)
"""Set in every pod for each Service whose name starts with "exporter". A Service's name does not end in a dash, so
``EXPORTER_WEB__PORT`` is none of these but a mistake of the operator."""

_JSON: Final = (("jobs",), ("discovery",))
"""Lists whose items are no words: a variable may give any other one with commas between its items."""


def read_environment(environ: Mapping[str, str], projects: list[str]) -> tuple[MappingNode, list[Mistake]]:
    """Return what the variables set; *projects* are the names that the file has."""
    names = sorted(
        (name for name in environ if name.startswith(_PREFIX) and name not in _COMMAND_LINE),
        # EXPORTER_POLL as JSON comes before EXPORTER_POLL__INTERVAL, which is laid over it
        key=lambda name: (name.count("__"), name),
    )
    root = MappingNode(SourcePosition(ENVIRONMENT))
    mistakes: list[Mistake] = []
    for name in names:
        if _KUBERNETES.fullmatch(name):
            continue
        path = _path(name, [*projects, *root.table("projects")])
        annotation = schema.at(path) if path else None
        if annotation is None:
            mistakes.append(Mistake(SourcePosition(ENVIRONMENT, variable=name), (), _unknown(name, projects)))
        elif environ[name]:
            place = SourcePosition(ENVIRONMENT, variable=name, path=path)
            try:
                root = merge(nested(path, _value(environ[name], annotation, place), place), root)
            except ValueError as error:
                mistakes.append(Mistake(place, path, str(error)))
    return root, mistakes


def _path(name: str, projects: list[str]) -> tuple[str, ...]:
    """Return the path that a variable names; empty if it can name none."""
    parts = name.removeprefix(_PREFIX).split("__")
    if name != name.upper() or not all(parts):
        return ()
    path = tuple(part.lower() for part in parts)
    if path[0] == "projects" and len(path) > 1:
        # a shell takes no dash in a variable's name
        same = (project for project in projects if project.replace("-", "_") == path[1])
        project = path[1] if path[1] in projects else next(same, path[1])
        return ("projects", project, *path[2:])
    return path


def _value(text: str, annotation: Any, place: SourcePosition) -> Node:
    many = schema.listed(annotation)
    if not many and schema.section(annotation) is None and schema.named(annotation) is None:
        return Text(text, place)
    brackets = text.strip()[:1] + text.strip()[-1:]
    if many and place.path not in _JSON and brackets not in {"[]", "{}"}:  # [::]:9999 and [a-z]*.yaml begin like JSON
        return from_plain([part.strip() for part in text.split(",") if part.strip()], place)
    return from_plain(_json(text, "[...]" if many else "{...}"), place)


def _json(text: str, example: str) -> Any:
    """Read JSON with its numbers as text. Raises ``ValueError``, which repeats nothing of it: it may hold secrets."""
    try:
        return read_json(text)
    except JsonError as error:
        raise ValueError(f"expected JSON such as {example}; {error}") from None


def _unknown(name: str, projects: list[str]) -> str:
    parts = name.upper().removeprefix(_PREFIX).split("__")
    own = [parts[1].lower()] if parts[0] == "PROJECTS" and len(parts) > 1 else []
    known = set(_COMMAND_LINE)
    for row in reference():
        # a whole table as JSON is seldom what a longer name was meant to be
        table = schema.section(schema.at(tuple(row.path.split(".")))) is not None
        if "[]" not in row.path and not (table and "__" in name):
            known.update(_variable(row.path.replace("<name>", project)) for project in [*projects, *own, "prod"])
    near = nearest(name.upper(), sorted(known))
    return "unknown variable" + (f'; did you mean "{near}"?' if near else "; the reference lists every name")


def _variable(path: str) -> str:
    return _PREFIX + path.replace(".", "__").replace("-", "_").upper()
