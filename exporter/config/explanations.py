"""Translates pydantic's errors into sentences for the operator, each with its place in the file."""

from collections.abc import Mapping
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from exporter.config import schema, types
from exporter.config.errors import Mistake, Path, path_text
from exporter.config.tree import Items, MappingNode, Node, place_of
from exporter.model.messages import instead, nearest

_KEY: Final = "[key]"
"""Pydantic's mark for a mistake in a key instead of its value."""
_MAPPINGS: Final = frozenset({"model_type", "model_attributes_type", "dict_type", "mapping_type", "dataclass_type"})
LISTS: Final = frozenset({"list_type", "tuple_type"})
_FEW: Final = 3
"""Places where a key may belong that are named."""


def explained(
    error: ValidationError,
    root: Items | MappingNode,
    model: type[BaseModel],
    under: Path = (),
    also: type[BaseModel] | None = None,
) -> list[Mistake]:
    """Translate what is wrong with the table of *model* at *under*, which may have the keys of *also* besides."""
    found = []
    # neither input nor context go any further than here: they may hold secrets
    for detail in error.errors(include_url=False):
        location = tuple(part for part in detail["loc"] if part != _KEY)
        path = (*under, *location)
        if detail["type"] == "extra_forbidden":
            sentence, meant = _unknown(location, detail["input"], model, also)
            meant = [(*under, *each) for each in meant]
            found.append(Mistake(place_of(root, path, key=True), path, sentence, meant=tuple(meant)))
        else:
            lacks = (path,) if detail["type"] == "missing" else ()
            place = place_of(root, path, key=_KEY in detail["loc"])
            found.append(Mistake(place, path, _sentence(detail, location, model), lacks))
    return found


def _sentence(detail: Mapping[str, Any], location: Path, model: type[BaseModel]) -> str:
    written = detail["input"]
    match detail["type"]:
        case "missing":
            return required(location, model)
        case "value_error":
            return _with_remedy(str(detail["ctx"]["error"]), written)
        case kind_of_error if kind_of_error in _MAPPINGS:
            example = _example(schema.at(location, model))
            return f"expected a mapping of settings, not {kind(written)}; write it as {example}"
        case kind_of_error if kind_of_error in LISTS:
            return f"expected a list, not {kind(written)}; write it as [...]"
        case "string_type":
            return _with_remedy(f"expected text, not {kind(written)}", written)
        case _:
            return str(detail["msg"])


def _with_remedy(sentence: str, written: Node) -> str:
    """Add what to do about a value that was meant otherwise than YAML, or this program, reads it."""
    if isinstance(written, str) and types.VARIABLE.fullmatch(written) and "variable" not in sentence:
        return f"{sentence}; no variable is put in: write the value, or set the key's own variable"
    if sentence.startswith("expected text, not a mapping"):
        return f"{sentence}; put text that holds braces in quotes"
    if sentence.startswith("expected text, not a list"):
        return f"{sentence}; give one, and put text that holds brackets in quotes"
    return sentence


def _example(annotation: Any) -> str:
    """Return how a table is written."""
    table = schema.section(annotation)
    keys = ["key"] if table is None else list(table.model_fields)
    return f"{{{keys[0]}: ...}}" if keys else "{}"


def _unknown(
    location: Path, written: Node, model: type[BaseModel], also: type[BaseModel] | None
) -> tuple[str, list[Path]]:
    """Return the sentence about a key that its table does not know, and the paths that were most likely meant."""
    above, key = location[:-1], str(location[-1])
    tables = [table for table in (schema.section(schema.at(above, model)), None if above else also) if table]
    known = [name for table in tables for name in table.model_fields]
    if near := nearest(key, sorted(known)):
        return f'unknown key; did you mean "{near}"?', [(*above, near)]
    if "." in key and any(schema.at(tuple(key.split(".")), table) for table in tables):
        return f"unknown key; write {key.replace('.', ': {')}: ...{'}' * key.count('.')}", [(*above, *key.split("."))]
    if below := [path for table in tables for path in schema.paths_of(key, table)]:
        return f"unknown key; {_belongs(below)}", [(*above, *below[0])]
    if isinstance(written, MappingNode) and written and written.keys() <= set(known):
        return "unknown key; write what is in it without this key around it", [(*above, each) for each in written]
    if 0 < len(elsewhere := list(schema.paths_of(key, model))) <= _FEW:
        return f"unknown key; {_belongs(elsewhere)}", []
    return f"unknown key{instead(key, known)}", []


def _belongs(paths: list[Path]) -> str:
    tables = [f"under {path_text(path[:-1])}" if path[1:] else "at the top level" for path in paths]
    return f"it belongs {' or '.join(tables)}"


def required(location: Path, model: type[BaseModel]) -> str:
    """Return the sentence for a key that must be given, with what it is."""
    table = schema.section(schema.at(location[:-1], model))
    field = table.model_fields.get(str(location[-1])) if table else None
    description = (field.description or "") if field else ""
    return "required but missing" + (f": {description.removesuffix('.')}" if description else "")


def kind(value: Node) -> str:
    """Return what a value is, without repeating it."""
    if value is None:
        return "nothing"
    if isinstance(value, MappingNode | dict):
        return "a mapping"
    return "a list" if isinstance(value, Items | list) else "text"
