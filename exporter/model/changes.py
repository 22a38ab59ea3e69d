"""The sources of jobs, and the differences between two readings of a source."""

from dataclasses import dataclass
from typing import Final

from exporter.model.job import Job, JobKey

STATIC: Final = "static"
"""The source that the ``jobs`` section is, and what its jobs call their source."""
FILE: Final = "file"
DISCOVERY: Final = "discovery"


@dataclass(frozen=True, slots=True)
class Changes:
    """What became different; a job is in one of the first three at most."""

    added: tuple[Job, ...] = ()
    removed: tuple[JobKey, ...] = ()
    changed: tuple[Job, ...] = ()
    """Jobs under a name that was there before, with anything else: target, project, interval, source, region."""
    problems: tuple[str, ...] = ()
    """Printable sentences about jobs that are left out, each logged when it becomes true."""
