"""A registered job: its name, and the ids with which to poll it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple

from exporter.model.packed import Packed
from exporter.model.promises import NO_PROMISES, Promises

_HEXADECIMAL: Final = re.compile(r"[0-9A-Fa-f-]{8,}")
UNLABELLED: Final[Mapping[str, str]] = Packed({})


class JobKey(NamedTuple):
    """The two labels that name a job on every one of its series."""

    service: str
    job: str


@dataclass(frozen=True, slots=True)
class Job:
    """A registered job."""

    key: JobKey
    project: str
    """Our name of the project, the key under ``projects``."""
    target: Mapping[str, str]
    """The service's own words for where it is, for example ``job_id`` or ``cluster_id`` and ``job_name``."""
    interval: float | None = None
    """Seconds between two polls while it runs, if the operator gave this job its own."""
    source: str = "static"
    """Who registered it: ``static`` for the ``jobs`` section, ``file`` for a job file, ``discovery`` for a rule."""
    region: str = ""
    """The project's region, for the label of ``huaweicloud_job_info``."""
    labels: Mapping[str, str] = field(default_factory=lambda: UNLABELLED)
    """What the operator says of it: texts by their names."""
    promises: Promises = NO_PROMISES
    """What the operator promises of it."""

    @property
    def names(self) -> dict[str, str]:
        """What tells it from others in a line of the log."""
        return {"service": self.key.service, "job": self.key.job, "project": self.project}


def comparable(text: str) -> str:
    """Return an id as it is compared: in hexadecimal, capitals make no difference."""
    return text.lower() if _HEXADECIMAL.fullmatch(text) else text


def identity(target: Mapping[str, str]) -> tuple[str, ...]:
    """Return what tells the job of a :attr:`Job.target` from others of its service; names are compared as written."""
    return tuple([comparable(text) if part.endswith("_id") else text for part, text in target.items()])


def same_target(one: Mapping[str, str], other: Mapping[str, str]) -> bool:
    """Whether both are one job of a service."""
    return one == other or (one.keys() == other.keys() and identity(one) == identity(other))


def job_label(key: str) -> str:
    """Return the label of ``huaweicloud_job_labels`` that shows what the operator says under *key*."""
    return "label_" + re.sub(r"[^a-zA-Z0-9_]", "_", key)
