"""The known services: each module or package in this folder that has an ``ADAPTER``."""

import importlib
import pkgutil
from collections.abc import Collection, Mapping
from functools import cache

from exporter import services
from exporter.model.measures import Declared, united
from exporter.services.adapter import Adapter


def load_services() -> Mapping[str, Adapter]:
    """Return the adapter of every service by the service's name."""
    return _load(tuple(services.__path__))


@cache
def _load(folders: tuple[str, ...]) -> Mapping[str, Adapter]:
    """Return the adapters in some folders; looked up once, for a reload must not wait for a disk."""
    found: dict[str, Adapter] = {}
    for name in sorted(info.name for info in pkgutil.iter_modules(folders)):
        module = importlib.import_module(f"{services.__name__}.{name}")
        adapter: Adapter | None = getattr(module, "ADAPTER", None)
        if adapter is not None:
            found[adapter.service] = adapter
    return found


def example() -> dict[str, str]:
    """Return an entry of a job for messages and documents: that of the service whose entry has the fewest fields."""
    adapter = min(load_services().values(), key=lambda each: (len(each.entry.model_fields), each.service))
    return {"service": adapter.service, **dict.fromkeys(adapter.entry.model_fields, "...")}


def declared() -> Declared:
    """Return what all services declare of their jobs."""
    return _declared(tuple(services.__path__))


@cache
def _declared(folders: tuple[str, ...]) -> Declared:
    return declared_by(_load(folders).values())


def declared_by(adapters: Collection[Adapter]) -> Declared:
    """Return what some services declare of their jobs."""
    sources: dict[str, list[str]] = {}
    for adapter in adapters:
        for metric, fields in adapter.sources.items():
            sources.setdefault(metric, []).append(f"{adapter.service} {fields}")
    identity = dict.fromkeys(name for adapter in adapters for name in adapter.entry.model_fields)
    return Declared(
        tuple(identity),
        united(each for adapter in adapters for each in adapter.measures),
        tuple(dict.fromkeys(name for adapter in adapters for name in adapter.run_labels)),
        {metric: "; ".join(texts) for metric, texts in sources.items()},
    )
