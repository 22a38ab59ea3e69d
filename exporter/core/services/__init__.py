"""Every module in this folder is one service; this finds them."""

import importlib
import pkgutil

from exporter.core.adapter import Adapter


def load() -> dict[str, Adapter]:
    """Return every service by its name; a module without an ``ADAPTER`` stops the start, by name."""
    found: dict[str, Adapter] = {}
    for module in sorted(pkgutil.iter_modules(__path__), key=lambda info: info.name):
        adapter: Adapter = importlib.import_module(f"{__name__}.{module.name}").ADAPTER
        found[adapter.service] = adapter
    return found
