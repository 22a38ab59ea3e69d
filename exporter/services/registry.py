"""Which services there are: each module or package of this folder that has an ``ADAPTER``."""

import importlib
import pkgutil
from functools import cache

from exporter import services
from exporter.services.adapter import Adapter


def load() -> dict[str, Adapter]:
    """Return the adapter of every service by the service's name."""
    found: dict[str, Adapter] = {}
    for name in _modules(tuple(services.__path__)):
        module = importlib.import_module(f"{services.__name__}.{name}")
        adapter: Adapter | None = getattr(module, "ADAPTER", None)
        if adapter is not None:
            found[adapter.service] = adapter
    return found


@cache
def _modules(folders: tuple[str, ...]) -> tuple[str, ...]:
    """Return the names of the modules in some folders; looked up once, for a reload must not wait for a disk."""
    return tuple(sorted(info.name for info in pkgutil.iter_modules(folders)))


def identity() -> tuple[str, ...]:
    """Return the fields of all entries, which tell one job from another: labels of ``huaweicloud_job_info``."""
    return tuple(dict.fromkeys(name for adapter in load().values() for name in adapter.entry.model_fields))
