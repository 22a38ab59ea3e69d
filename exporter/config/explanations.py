"""Translates pydantic's errors into sentences for the operator, each with its place in the file."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from pydantic import BaseModel, ValidationError

from exporter.config import schema
from exporter.config.errors import Mistake, Path
from exporter.config.tree import Items, MappingNode, Node, place_of
from exporter.model.messages import instead

_KEY: Final = "[key]"
"""Pydantic's mark for a mistake in a key instead of its value."""
_MAPPINGS: Final = frozenset({"model_type", "model_attributes_type", "dict_type", "mapping_type", "dataclass_type"})
LISTS: Final = frozenset({"list_type", "tuple_type"})


def explained(
    error: ValidationError,
    root: Items | MappingNode,
    model: type[BaseModel],
    under: Path = (),
    also: Sequence[str] = (),
) -> list[Mistake]:
    """Translate what is wrong with the table of *model* at *under*; *also* are keys that it may have besides."""
    found = []
    # neither input nor context go any further than here: they may hold secrets
    for detail in error.errors(include_url=False):
        location = tuple(part for part in detail["loc"] if part != _KEY)
        in_key = _KEY in detail["loc"] or detail["type"] == "extra_forbidden"
        place = place_of(root, (*under, *location), key=in_key)
        found.append(Mistake(place, (*under, *location), _sentence(detail, location, model, also)))
    return found


def _sentence(detail: Mapping[str, Any], location: Path, model: type[BaseModel], also: Sequence[str]) -> str:
    match detail["type"]:
        case "missing":
            return required(location, model)
        case "extra_forbidden":
            return "unknown key" + instead(str(location[-1]), [*schema.keys_at(location[:-1], model), *also])
        case "value_error":
            return str(detail["ctx"]["error"])
        case kind_of_error if kind_of_error in _MAPPINGS:
            return f"expected a mapping of settings, not {kind(detail['input'])}"
        case kind_of_error if kind_of_error in LISTS:
            return f"expected a list, not {kind(detail['input'])}"
        case "string_type":
            return f"expected text, not {kind(detail['input'])}"
        case _:
            return str(detail["msg"])


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
