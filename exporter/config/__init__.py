"""The configuration: YAML and environment are validated and become frozen :class:`Settings` or a list of mistakes."""

from exporter.config.load import load
from exporter.config.metrics_settings import Labels, MetricsSettings
from exporter.config.project import AccessKeySettings, Cloud, CredentialsSettings, ProjectSettings
from exporter.config.reference import Row, reference
from exporter.config.settings import Format, Level, Log, Poll, Settings, Sharding
from exporter.config.web_settings import Web

__all__ = [
    "AccessKeySettings",
    "Cloud",
    "CredentialsSettings",
    "Format",
    "Labels",
    "Level",
    "Log",
    "MetricsSettings",
    "Poll",
    "ProjectSettings",
    "Row",
    "Settings",
    "Sharding",
    "Web",
    "load",
    "reference",
]
