"""The settings: every key with its default, unit and description. They are validated and frozen."""

import re
from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator, Field, PrivateAttr, SkipValidation, ValidationInfo, field_validator
from pydantic.fields import FieldInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from exporter.config import types
from exporter.config.metrics_settings import MetricsSettings
from exporter.config.project import ProjectSettings
from exporter.config.push_settings import Push
from exporter.config.section import HOST_NAME, WRITTEN, Section
from exporter.config.web_file import WebConfig
from exporter.config.web_settings import Web
from exporter.model.job import Job
from exporter.model.masking import VendorText
from exporter.model.messages import Expected, quoted
from exporter.model.units import duration_text
from exporter.services.discovery_rule import Search


class Level(StrEnum):
    """How much is logged."""

    DEBUG = "debug"
    INFO = "info"
    WARNING = "warning"
    ERROR = "error"


class Format(StrEnum):
    """What a log line looks like."""

    JSON = "json"
    CONSOLE = "console"


class Log(Section):
    """The log, which goes to standard error."""

    level: Annotated[Level, types.choice(Level)] = Field(
        default=Level.INFO, description="The lowest level that is logged: debug, info, warning or error."
    )
    format: Annotated[Format, types.choice(Format)] = Field(
        default=Format.JSON, description="One event per line, as json or as text for a console."
    )
    vendor_text: Annotated[VendorText, types.choice(VendorText)] = Field(
        default=VendorText.OFF,
        description="The vendor's own error texts in the log: off, redacted (secrets and literals masked) or full.",
    )


class Poll(Section):
    """How often the cloud is asked."""

    interval: types.Interval = Field(
        default=30.0, description="Time between two polls of a job that runs (a duration)."
    )
    idle_interval: types.Interval = Field(
        default=300.0,
        description="Time between two polls of a job that waits, or ended and may run again (a duration).",
    )
    list_interval: types.Interval = Field(
        default=45.0,
        description="Time between two readings of a list, which returns many jobs at once (a duration).",
    )
    timeout: types.Timeout = Field(
        default=10.0, description="Time that one call may take, including its whole response (a duration)."
    )
    concurrency: types.Few = Field(default=32, description="Calls that may be under way at once (a number).")
    stale_after: types.Duration = Field(
        default=600.0,
        description=(
            "Time without a successful poll after which a job's values are removed; longer than idle_interval (a"
            " duration)."
        ),
    )
    retention: types.Duration = Field(
        default=86400.0,
        description=(
            "How long a discovered DLI job stays registered after its end, unless the next run of its name begins"
            " first; at least a day if it failed (a duration). The journal keeps jobs that are no longer registered"
            " for the same time."
        ),
    )

    @field_validator("stale_after")
    @classmethod
    def _outlasts_a_pause(cls, value: float, info: ValidationInfo) -> float:
        idle = info.data.get("idle_interval")
        if idle is not None and value <= idle:
            raise ValueError(
                f"expected longer than poll.idle_interval ({duration_text(idle)}), not {duration_text(value)}"
            )
        return value


class Sharding(Section):
    """Which part of the jobs this process polls."""

    shards: types.Few = Field(default=1, description="Number of exporters that divide the jobs among them (a number).")
    shard: Annotated[int, types.reading('a whole number or "auto"', types.whole)] = Field(
        default=0,
        description='Number of this exporter, counted from 0; "auto" is the ordinal at the end of the host name.',
    )

    @field_validator("shard", mode="before")
    @classmethod
    def _auto(cls, value: Any) -> Any:
        if value != "auto":
            return value
        name = HOST_NAME.get()
        match = re.search(r"-([0-9]{1,9})$", name.partition(".")[0])
        if match is None:
            raise ValueError(f"auto needs a host name that ends in its ordinal, such as exporter-3, not {quoted(name)}")
        return int(match[1])

    @field_validator("shard")
    @classmethod
    def _one_of_them(cls, value: int, info: ValidationInfo) -> int:
        shards = info.data.get("shards")
        if shards is not None and value >= shards:
            raise Expected(f"a number below sharding.shards ({shards})", value)
        return value


def _projects(value: Any) -> Any:
    """A project without a key in it is a project all the same: its mistakes are reported."""
    if not isinstance(value, dict):
        return value
    return {name: {} if project is None else project for name, project in value.items()}


class _Tree(PydanticBaseSettingsSource):
    """What was written in the file and in the environment, merged."""

    def get_field_value(self, field: FieldInfo, field_name: str) -> tuple[Any, str, bool]:
        """Return one key; the last part says that its value was not written as JSON."""
        del field
        return WRITTEN.get().get(field_name), field_name, False

    def __call__(self) -> dict[str, Any]:
        """Return all keys, the unknown ones too, so that they are refused."""
        return dict(WRITTEN.get())


class Settings(BaseSettings, Section):
    """Everything the operator said, checked, with the defaults filled in.

    The one source is the tree that :mod:`exporter.config.load` put together: the library's own sources for the
    environment and for YAML cannot tell the line of a mistake, nor refuse a variable that sets nothing.
    """

    model_config = SettingsConfigDict(env_prefix="EXPORTER_", env_nested_delimiter="__")

    _without_effect: tuple[str, ...] = PrivateAttr(default=())
    _web_config: WebConfig = PrivateAttr(default=WebConfig())
    _credentials_at: Mapping[str, str] = PrivateAttr(default={})

    @property
    def without_effect(self) -> tuple[str, ...]:
        """A sentence for each variable of the vendor's tools that is set and not honoured."""
        return self._without_effect

    @property
    def credentials_at(self) -> Mapping[str, str]:
        """Where the credentials of each project are written: a file with the line, or a variable."""
        return self._credentials_at

    @property
    def web_config(self) -> WebConfig:
        """What ``web.config_file`` says; without one nothing is asked for."""
        return self._web_config

    @classmethod
    def settings_customise_sources(
        cls, settings_cls: type[BaseSettings], *_: PydanticBaseSettingsSource, **others: PydanticBaseSettingsSource
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Return the one source."""
        del others
        return (_Tree(settings_cls),)

    log: Log = Field(default=Log(), description="The log.")
    web: Web = Field(default=Web(), description="The web server.")
    poll: Poll = Field(default=Poll(), description="How often jobs are polled.")
    journal: types.File | None = Field(
        default=None,
        description="The file that keeps counters and runs over a restart. Another file needs a restart.",
    )
    metrics: MetricsSettings = Field(default=MetricsSettings(), description="What /metrics exposes.")
    push: Push = Field(default=Push(), description="A push at the end, for pods that end without a scrape.")
    sharding: Sharding = Field(default=Sharding(), description="The part of the jobs that this process polls.")
    projects: Annotated[Mapping[types.ProjectName, ProjectSettings], BeforeValidator(_projects)] = Field(
        default={}, description="The projects of the cloud, each under a name of your choice ([a-z0-9_-]+, no __)."
    )
    jobs: Annotated[tuple[Job, ...], SkipValidation] = Field(
        default=(), description="The jobs to watch, each with the fields of its service."
    )
    job_files: tuple[types.Pattern, ...] = Field(
        default=(), description="Patterns of files with more jobs, such as jobs.d/*.yaml; read again when they change."
    )
    discovery: Annotated[tuple[Search, ...], SkipValidation] = Field(
        default=(),
        description="Rules that find jobs in the API's lists, each with the fields of its service's rule.",
    )
