"""What the operator said, checked: YAML and environment in, frozen :class:`Settings` or every mistake out."""

from exporter.config.load import load
from exporter.config.project import AccessKey, Cloud, Credentials, Project
from exporter.config.reference import Row, reference
from exporter.config.settings import Format, Labels, Level, Log, Metrics, Poll, Settings, Sharding, Web

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
