"""Which services there are: each module or package of this folder that has an ``ADAPTER``."""

import importlib
import pkgutil

from exporter import services
from exporter.services.adapter import Adapter


def load() -> dict[str, Adapter]:
    """Return the adapter of every service by the service's name."""
    found: dict[str, Adapter] = {}
    for info in sorted(pkgutil.iter_modules(services.__path__), key=lambda each: each.name):
        module = importlib.import_module(f"{services.__name__}.{info.name}")
        adapter: Adapter | None = getattr(module, "ADAPTER", None)
        if adapter is not None:
            found[adapter.service] = adapter
    return found


def identity() -> tuple[str, ...]:
    """Return the fields of all entries, which tell one job from another: labels of ``huaweicloud_job_info``."""
    return tuple(dict.fromkeys(name for adapter in load().values() for name in adapter.entry.model_fields))
