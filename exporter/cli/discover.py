"""``discover``: prints the existing jobs as a ``jobs:`` section that can be pasted into a configuration."""

import argparse
import asyncio
import json
import sys
from collections import Counter
from collections.abc import Collection, Iterator
from datetime import UTC, datetime
from functools import partial
from typing import Any

from exporter import logs
from exporter.app import App
from exporter.cli.calls import CommandCalls
from exporter.cli.options import load_settings, tell_config
from exporter.cloud import offload
from exporter.cloud.project import Project
from exporter.config import Settings
from exporter.model.errors import ExporterError, PollError
from exporter.model.job import Job
from exporter.model.masking import masked
from exporter.model.messages import printable
from exporter.services.adapter import Adapter
from exporter.services.discovery_rule import Rule
from exporter.services.list_reading import Found, Named, read_rule_by_clock
from exporter.services.listing import Lister
from exporter.services.request import FOLDERS, Request
from exporter.sources.job_files import all_jobs


def command(options: argparse.Namespace) -> int:
    """Ask the lists of every project and print a jobs: section of what they tell."""
    settings = load_settings(options, jobs_needed=False)
    tell_config(options)
    logs.configure(settings.log.level, settings.log.format, settings.log.vendor_text)
    if options.rules and not settings.discovery:
        raise ExporterError("there is no rule under discovery; without --rules all jobs are listed")
    return asyncio.run(_discover(App(settings), rules=options.rules))


async def _discover(app: App, *, rules: bool) -> int:
    failed, settings = False, app.settings
    jobs, _ = all_jobs(settings)
    print("jobs:")
    async with app.projects() as projects:
        calls = CommandCalls(projects, app.permits)
        for project in projects.by_name.values():
            try:
                for search in settings.discovery if rules else ():
                    if search.project == project.name:
                        adapter = projects.adapters[search.service]
                        failed |= await _service(calls, project, adapter, search.rule, "a rule for ")
                for adapter in () if rules else projects.adapters.values():
                    if adapter.service in project.endpoints:
                        failed |= await _service(calls, project, adapter, _all_known(settings, jobs, project, adapter))
            except PollError as error:  # the other services would be refused too, and the key locked
                print(f"project {project.name}: {error.sentence}", file=sys.stderr)
                print(f"  # project {project.name}: not known, {error.reason.value}")
                failed = True
    return 1 if failed else 0


def _all_known(settings: Settings, jobs: Collection[Job], project: Project, adapter: Adapter) -> Rule | None:
    """Return the rule that finds all jobs of a service, as far as the configuration says where they are."""
    if adapter.lists is None:
        return None
    here = (project.name, adapter.service)
    rules = [search.rule for search in settings.discovery if (search.project, search.service) == here]
    known: Rule = adapter.lists.all_known(rules, [job.target for job in jobs if (job.project, job.key.service) == here])
    return known


async def _service(calls: CommandCalls, project: Project, adapter: Adapter, rule: Rule | None, title: str = "") -> bool:
    """Print what a *rule* finds of one service of one project, if it has lists; return whether something is missing.

    Raises :class:`PollError` if the cloud refuses the credentials.
    """
    service = f"{title}{adapter.service} of project {project.name}"
    if adapter.lists is None or rule is None:
        print(f"  # {service}: the cloud has no list of its jobs; their ids come from what started them")
        return False
    try:
        found = await ask_lists(calls, project, adapter, adapter.lists, rule)
    except PollError as error:
        if error.refused:
            raise
        print(f"{service}: {error.sentence}", file=sys.stderr)
        print(f"  # {service}: not known, {error.reason.value}")
        return True
    for line in _lines(service, project, adapter, found):
        print(line)
    for place, failure in found.failures:
        where = ", ".join(part for part in (service, printable(place.name or place.id)) if part)
        print(f"{where}: {failure.sentence}", file=sys.stderr)
    return bool(found.failures)


async def ask_lists(calls: CommandCalls, project: Project, adapter: Adapter, lister: Lister[Any], rule: Rule) -> Found:
    """Ask for the jobs, one call after the other and within the limits."""

    async def ask(request: Request) -> bytes:
        return await calls.call(project, request.limit, lambda: project.ask(adapter, request))

    project_id = await project.project_id_of()
    monotonic = project.clock.monotonic
    reader = offload.asking(ask, monotonic, partial(project.unread, adapter.service))
    return await read_rule_by_clock(lister, rule, project_id, project.cloud_time, monotonic, reader)


def _lines(service: str, project: Project, adapter: Adapter, found: Found) -> Iterator[str]:
    left = f", {found.cut} more are older" if found.cut else ""
    if found.missing_rows or found.missing_rows is None:
        left += ", and the list goes on"
    if found.broken:
        left += f", and {found.broken} rows cannot be read"
    if found.jobs or not found.failures:
        yield f"  # {service}: {len(found.jobs)} jobs{left}"
    for place, failure in found.failures:
        where = ", ".join(part for part in (service, printable(place.name or place.id)) if part)
        yield f"  # {where}: not known, {failure.reason.value}"
    names = Counter(job.name for job in found.jobs)
    for name, number in names.items():
        if number > 1:
            fate = (
                "they count as runs of one, the newest is shown" if adapter.found.final else "all but one are left out"
            )
            yield f"  # {printable(name)}: {number} jobs have this name: {fate}"
    for place in found.skipped:
        state = f"is {printable(place.word)}" if place.word else "is not there"
        yield f"  # left out: {printable(place.name or place.id)} {state}"
    for job in reversed(found.jobs):
        if FOLDERS.isdisjoint(job.listed.target.values()):
            yield f"  - {_entry(project, adapter, job)}  # {_comment(job)}"
        else:
            yield f"  # left out: {printable(job.name)}, a name that means a folder in a URL"


def _entry(project: Project, adapter: Adapter, job: Named) -> str:
    """Write one entry; JSON's strings are YAML's too, and stay text."""
    entry = {"service": adapter.service, "project": project.name, **job.listed.target}
    if job.name != adapter.entry.model_validate(dict(job.listed.target)).default_name:
        entry["name"] = job.name
    return "{" + ", ".join(f"{key}: {json.dumps(value, ensure_ascii=False)}" for key, value in entry.items()) + "}"


def _comment(job: Named) -> str:
    """Say what the job is, in the words of its list."""
    listed = job.listed
    unknown = f"schedule {listed.schedule}" if listed.schedule else "state not reported"
    state = listed.snapshot.native_state if listed.snapshot else unknown
    parts = [state, *(f"{word} {value}" for word, value in listed.words.items() if value not in listed.target.values())]
    start = listed.snapshot.start if listed.snapshot else None  # of the run, not of the job's definition
    if start is not None:
        parts.append(f"since {datetime.fromtimestamp(start, UTC):%Y-%m-%d %H:%M:%S} UTC")
    return printable(masked(", ".join(parts)))
