"""What ``check`` says besides of a configuration that is valid: what may not be meant, and what will be missing."""

import os
from collections.abc import Iterator
from typing import Final

from exporter.config import Settings
from exporter.config.patterns import matches, shown

OTC: Final = frozenset({"eu-de", "eu-nl", "eu-ch2"})
"""Regions of Open Telekom Cloud."""


def notes(settings: Settings) -> Iterator[str]:
    """Yield sentences for the operator."""
    yield from (f"environment: warning: {sentence}" for sentence in settings.without_effect)
    yield from _regions(settings)
    yield from _zones(settings)
    yield from _files(settings)
    yield from _journal(settings)


def _regions(settings: Settings) -> Iterator[str]:
    for name, project in settings.projects.items():
        said = f"project {name}: warning: {project.region} is"
        if project.cloud == "huaweicloud" and project.region in OTC:
            yield f"{said} a region of Open Telekom Cloud; set projects.{name}.cloud: otc"
        elif project.cloud == "otc" and project.region not in OTC:
            yield f"{said} no region of Open Telekom Cloud ({', '.join(sorted(OTC))}); correct it, or take cloud out"


def _zones(settings: Settings) -> Iterator[str]:
    for name, project in settings.projects.items():
        if project.time_zone is None and any((job.project, job.key.service) == (name, "dws") for job in settings.jobs):
            yield (
                f"project {name}: no time_zone is set, so start and end of its DWS tasks, which the cloud tells without"
                " one, stay absent"
            )


def _files(settings: Settings) -> Iterator[str]:
    for pattern in settings.job_files:
        found = len(matches(pattern))
        yield f"job_files: {shown(pattern)}: {found or 'no'} file{'' if found == 1 else 's'}"


def _journal(settings: Settings) -> Iterator[str]:
    if settings.journal is None:
        return
    folder = settings.journal.parent
    if not folder.is_dir():
        yield f"journal: warning: there is no folder {folder} here; until there is, all counters over runs stand still"
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield f"journal: warning: {folder} cannot be written here; until it can, all counters over runs stand still"
