"""The warnings of ``check``: what is probably unintended in a valid configuration, and which values will be missing."""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

from pydantic import BaseModel, SecretStr

from exporter.config import Settings
from exporter.config.patterns import matches, printable_path
from exporter.config.project import Cloud
from exporter.model.job import identity
from exporter.model.messages import nearest, quoted
from exporter.model.units import duration_text
from exporter.polling.schedule import STALE_INTERVALS
from exporter.services import clouds, registry, shapes

_FEW: Final = 5
"""Regions that are named."""
_MOST: Final = 10
"""Jobs that are named for one slip."""
_STOP_WITHIN: Final = 5.0
"""Seconds that a stop takes at most, besides what is configured."""
_QUOTES: Final = ("'", '"')


def notes(settings: Settings) -> Iterator[str]:
    """Yield sentences for the operator."""
    yield from (f"environment: warning: {sentence}" for sentence in settings.without_effect)
    yield from _regions(settings)
    yield from _two_clouds(settings)
    yield from _secrets(settings)
    yield from _twice(settings)
    yield from _same_names(settings)
    yield from _ids(settings)
    if settings.poll.interval > settings.poll.stale_after:
        after = duration_text(STALE_INTERVALS * settings.poll.interval)
        yield f"poll: warning: interval is longer than stale_after; values are stale only after three of it ({after})"
    yield from _stopping(settings)
    yield from _zones(settings)
    yield from _files(settings)
    yield from _journal(settings)
    yield from (f"{settings.web.config_file}: warning: {sentence}" for sentence in settings.web_config.warnings)


def _stopping(settings: Settings) -> Iterator[str]:
    """Say how long a stop may take: what starts the exporter knows when it kills it, and the exporter does not."""
    if settings.web.linger or settings.push.within:
        most = duration_text(settings.web.linger + settings.push.within + _STOP_WITHIN)
        yield (
            f"web.linger and push: a stop may take {most}; allow more than that before it is killed"
            " (terminationGracePeriodSeconds of a pod, TimeoutStopSec of systemd, --stop-timeout of Docker)"
        )


def _regions(settings: Settings) -> Iterator[str]:
    adapters = registry.load_services()
    for name, project in settings.projects.items():
        said = f"project {name}: warning: {project.region} is"
        known = clouds.regions(adapters, project.cloud)
        others = [each.value for each in Cloud if project.region in clouds.regions(adapters, each)]
        if project.region in known or not known:
            yield from (f"{said} {sentence}" for sentence in _without(settings, name))
        elif others and project.cloud == Cloud.HUAWEICLOUD:
            yield f"{said} a region of cloud {others[0]}; set projects.{name}.cloud: {others[0]}"
        elif project.cloud == Cloud.HUAWEICLOUD:
            near = nearest(project.region, known)
            yield f"{said} no region that is known{f'; is {near} meant?' if near else ''}"
        else:
            yield f"{said} no region of cloud {project.cloud} ({', '.join(sorted(known))}); correct it or the cloud"


def _without(settings: Settings, name: str) -> Iterator[str]:
    """Say of services that are asked in a region in which the cloud does not list them."""
    project = settings.projects[name]
    for service in _services(settings, name):
        listed = registry.load_services()[service].hosts.regions.get(project.cloud)
        if listed is not None and project.region not in listed and service not in project.endpoints:
            where = f"it is in {', '.join(sorted(listed))}" if len(listed) <= _FEW else "check the region"
            yield f"a region without {service} as far as is known; {where}"


def _two_clouds(settings: Settings) -> Iterator[str]:
    """Say of an address of IAM that is in another domain than the services, which get its tokens."""
    for name, project in settings.projects.items():
        iam, adapters = project.endpoints.get("iam", ""), registry.load_services()
        usual = [service for service in _services(settings, name) if service not in project.endpoints]
        if not iam or not usual:
            continue
        host = clouds.endpoint(adapters[usual[0]], project.cloud, project.region, {})
        if _owner(iam) and _owner(iam) != _owner(host):
            remedy = f"set projects.{name}.cloud: custom and its endpoints, or HW_CLOUD"
            said = f"project {name}: warning: IAM is at {iam}, and {usual[0]} at {host}"
            yield f"{said}: are these one cloud? Else {remedy}"


def _owner(url: str) -> str:
    """Return what a domain is called below its top level; empty for an address and a name without a domain."""
    *_, name, top = ["", "", *(urlsplit(url).hostname or "").split(".")]
    return name if top.isalpha() else ""


def _services(settings: Settings, name: str) -> list[str]:
    """Return the services that are asked in a project."""
    jobs = {job.key.service for job in settings.jobs if job.project == name}
    return sorted(jobs | {search.service for search in settings.discovery if search.project == name})


def _secrets(settings: Settings) -> Iterator[str]:
    """Say of keys and ids that no cloud would give, and of files that others may write."""
    for name, project in settings.projects.items():
        where = f"project {name}: warning:"
        if project.project_id is not None and shapes.PLAIN.nearest(project.project_id) != project.project_id:
            remedy = _remedy(shapes.PLAIN, project.project_id)
            yield f"{where} project_id is not {shapes.PLAIN.words} in small letters, as those here are; {remedy}"
        for kind, key, value in _credentials(project.credentials):
            text = value.get_secret_value() if isinstance(value, SecretStr) else value
            if isinstance(text, str) and text[:1] in _QUOTES:
                yield f"{where} {kind}{key} begins with a quote, which an env file keeps; write it without"
            elif isinstance(text, str) and text != text.strip():
                yield f"{where} {kind}{key} has a space before or after it; write it without"
            elif isinstance(text, Path) and text.stat().st_mode & 0o002:
                yield f"{where} {kind}{key} may be written by everybody; take that right away (chmod o-w)"


def _credentials(section: BaseModel, kind: str = "credentials.") -> Iterator[tuple[str, str, object]]:
    for key in type(section).model_fields:
        value = getattr(section, key)
        if isinstance(value, BaseModel):
            yield from _credentials(value, f"{kind}{key}.")
        else:
            yield kind, key, value


def _twice(settings: Settings) -> Iterator[str]:
    """Say of jobs that are one at the cloud."""
    first: dict[tuple[object, ...], str] = {}
    for job in settings.jobs:
        what = (job.key.service, job.project, *sorted(zip(job.target, identity(job.target), strict=True)))
        name = first.setdefault(what, job.key.job)
        if name != job.key.job:
            both = f"{printable_path(name)} and {printable_path(job.key.job)}"
            yield f"jobs: warning: {both} are the same {job.key.service} job"


def _same_names(settings: Settings) -> Iterator[str]:
    """Say of rules that may give jobs of two projects one name: only one of such jobs is registered."""
    alike: dict[tuple[str, str], list[str]] = {}
    for search in settings.discovery:
        lister = registry.load_services()[search.service].lists
        template = search.rule.name or (lister.template(search.rule, ()) if lister else "")
        if "_id}" not in template:  # no other job has it
            alike.setdefault((search.service, template), []).append(search.project)
    for (service, template), searched in alike.items():
        projects = list(dict.fromkeys(searched))
        if len(projects) > 1:
            where = f"{projects[0]} and {projects[1]}"
            where = f"{projects[0]}, {projects[1]} and {len(projects) - 2} more" if projects[2:] else where
            yield (
                f"discovery: warning: {service} jobs with the same name in the projects {where} collide: the rules"
                f" name each {quoted(template)}, so only one is registered; set name of the rules to"
                f' "{{project}}/{template}"'
            )


def _ids(settings: Settings) -> Iterator[str]:
    """Say of ids that look like none of the vendor's."""
    for service, adapter in registry.load_services().items():
        odd = [
            (job, part, shape)
            for job in settings.jobs
            for part, shape in adapter.shapes.items()
            if job.key.service == service and part in job.target and not shape.fits(job.target[part])
        ]
        for job, part, shape in odd[:_MOST]:
            said = f"jobs: warning: {service} job {quoted(job.key.job)}: {part} {quoted(job.target[part])}"
            yield f"{said} is not {shape.words}, as those of this service are; {_remedy(shape, job.target[part])}"
        if len(odd) > _MOST:
            yield f"jobs: warning: the ids of {len(odd) - _MOST} more {service} jobs look like none either; check them"


def _remedy(shape: shapes.Shape, text: str) -> str:
    near = shape.nearest(text)
    return f"is {near} meant?" if near else "check it"


def _zones(settings: Settings) -> Iterator[str]:
    adapters = registry.load_services()
    for name, project in settings.projects.items():
        kinds = [
            (job.key.service, adapters[job.key.service].of(job.target)) for job in settings.jobs if job.project == name
        ]
        kinds += [(each.service, adapters[each.service].found) for each in settings.discovery if each.project == name]
        zoneless = sorted({service for service, adapter in kinds if adapter.zoneless})
        if project.time_zone is None and zoneless:
            yield (
                f"project {name}: no time_zone is set, so start and end of its {' and '.join(zoneless)} jobs, which the"
                " API reports without a time zone, are absent"
            )


def _files(settings: Settings) -> Iterator[str]:
    for pattern in settings.job_files:
        found = len(matches(pattern))
        yield f"job_files: {printable_path(pattern)}: {found or 'no'} file{'' if found == 1 else 's'}"


def _journal(settings: Settings) -> Iterator[str]:
    if settings.journal is None:
        return
    folder = settings.journal.parent
    if settings.journal.exists() and not settings.journal.is_dir() and not settings.journal.is_file():
        yield f"journal: warning: {settings.journal} is no regular file; name another, or nothing survives a restart"
    if settings.journal.is_dir():
        yield f"journal: warning: {settings.journal} is a directory; name a file in it, or nothing survives a restart"
    if not folder.is_dir():
        yield f"journal: warning: there is no folder {folder} here; until there is, counters over runs do not change"
    elif not os.access(folder, os.W_OK | os.X_OK):
        yield f"journal: warning: {folder} cannot be written here; until it can, counters over runs do not change"
