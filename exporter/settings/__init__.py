"""What the operator said, checked: YAML and environment in, frozen :class:`Settings` or every mistake out."""

from exporter.settings.load import load
from exporter.settings.model import Format, Labels, Level, Log, Metrics, Poll, Settings, Sharding, Web
from exporter.settings.project import AccessKey, Cloud, Credentials, Project
from exporter.settings.reference import Row, reference

__all__ = [
    "AccessKey",
    "Cloud",
    "Credentials",
    "Format",
    "Labels",
    "Level",
    "Log",
    "Metrics",
    "Poll",
    "Project",
    "Row",
    "Settings",
    "Sharding",
    "Web",
    "load",
    "reference",
]
