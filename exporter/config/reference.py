"""Every key of the configuration with its default and its description, from the models."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from exporter.config import schema
from exporter.config.job_entries import Entry
from exporter.config.project import ProjectSettings, limit_defaults
from exporter.config.rule_entries import SearchEntry
from exporter.config.settings import Settings
from exporter.config.types import Written
from exporter.model.units import duration_text
from exporter.services import registry
from exporter.services.discovery_rule import Rule


class Row(NamedTuple):
    """One key."""

    path: str
    """Such as ``poll.interval``, ``projects.<name>.region`` or ``jobs[].service``."""
    default: str
    """As it is written; empty if there is none."""
    description: str
    """A sentence, with the unit."""


def reference() -> Iterator[Row]:
    """Yield every key, in the order of the models; tables come before what is in them."""
    yield from _rows(Settings, "")


def _rows(model: type[BaseModel], prefix: str) -> Iterator[Row]:
    for name, field in model.model_fields.items():
        path = f"{prefix}{name}"
        yield Row(path, _default(model, name, field), field.description or "")
        if (inner := schema.section(field.annotation)) is not None:
            yield from _rows(inner, f"{path}.")
        elif (inner := schema.section(schema.named(field.annotation))) is not None:
            yield from _rows(inner, f"{path}.<name>.")
        if model is Settings and name == "jobs":
            yield from _rows(Entry, f"{path}[].")
            yield from _own_fields({name: each.entry for name, each in registry.load_services().items()}, f"{path}[].")
        if model is Settings and name == "discovery":
            yield from _rows(SearchEntry, f"{path}[].")
            own = {name: each.lists.rule for name, each in registry.load_services().items() if each.lists is not None}
            yield from _own_fields(own, f"{path}[].")


def _own_fields(models: Mapping[str, type[BaseModel]], prefix: str) -> Iterator[Row]:
    """Yield the fields that only some services' entries have, each once."""
    owners: dict[str, list[str]] = {}
    rows: dict[str, tuple[str, str]] = {}
    for service, model in models.items():
        for name, field in model.model_fields.items():
            owners.setdefault(name, []).append(service)
            said = field.description or "The service's own id or name of the job."
            rows.setdefault(name, (_default(model, name, field), said))
    for name, names in owners.items():
        default, said = rows[name]
        only = "" if names == list(models) and len(names) > 1 else f" ({', '.join(names)} only)"
        yield Row(prefix + name, default, f"{said.removesuffix('.')}{only}.")


def _default(model: type[BaseModel], name: str, field: FieldInfo) -> str:
    if model is ProjectSettings and name == "limits":
        return ", ".join(f"{limit}: {rate:g}/s" for limit, rate in limit_defaults(registry.load_services()).items())
    value: Any = field.default
    if field.is_required() or value in (None, PydanticUndefined, ()) or isinstance(value, BaseModel | dict):
        return ""
    if issubclass(model, Rule):
        return (
            ", ".join(value)
            if isinstance(value, tuple)
            else duration_text(value)
            if isinstance(value, float)
            else str(value)
        )
    written = next((part for part in field.metadata if isinstance(part, Written)), None)
    return written.write(value) if written else str(value)
