"""``check``: reports what a configuration will do, or all mistakes in it."""

import argparse
import asyncio
import math
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator
from typing import Final

from exporter import logs
from exporter.app import App
from exporter.cli.capacity import capacity_plan
from exporter.cli.notes import notes
from exporter.cli.online import try_online
from exporter.cli.options import load_settings, tell_config
from exporter.cli.promises import promise_notes
from exporter.config import Settings
from exporter.model.errors import ExporterError, SettingsError
from exporter.model.job import Job
from exporter.model.sharding import shard_of
from exporter.model.units import duration_text
from exporter.polling.capacity import Capacity, stretch
from exporter.polling.schedule import Pace
from exporter.services.clouds import endpoint
from exporter.services.registry import load_services
from exporter.sources.job_files import all_jobs

LISTED: Final = (
    "\nLists report waiting jobs as long as they hold few other jobs; otherwise these are polled one by one."
)


def command(options: argparse.Namespace) -> int:
    """Check the configuration: every mistake at once, or a report of what it will do."""
    settings = load_settings(options)
    tell_config(options)
    jobs, mistakes = all_jobs(settings)
    if mistakes:
        raise SettingsError(mistakes)
    settings = settings.model_copy(update={"jobs": jobs})
    for line in report(settings):
        print(line)
    found = _needs(settings)
    sentences = list(_sentences(found))
    if not all(need.fits_idle for need in found):
        sys.stdout.flush()  # the report comes first, whatever both are written to
        raise ExporterError("\n".join(sentences))
    for line in sentences:
        print(line)
    if any(need.listed for need in found):
        print(LISTED)
    if options.online:
        logs.configure(settings.log.level, settings.log.format, settings.log.vendor_text)
        return 0 if asyncio.run(try_online(App(settings))) else 1
    return 0


def report(settings: Settings) -> list[str]:
    """Return the lines of the report: jobs by project and service, and calls a minute against each limit."""
    adapters, jobs, found = load_services(), _jobs(settings), _needs(settings)
    fits = all(need.fits_idle for need in found)
    lines = ["The configuration is valid." if fits else "The configuration asks for more than its limits allow.", ""]
    if (shards := settings.sharding.shards) > 1:
        part = f"{len(jobs)} of {len(settings.jobs)} jobs, 1/{shards} of each limit"
        lines.append(f"shard {settings.sharding.shard} of {shards}: {part}")
    for (project, service), count in sorted(Counter((job.project, job.key.service) for job in jobs).items()):
        config = settings.projects[project]
        where = endpoint(adapters[service], config.cloud, config.region, config.endpoints)
        lines.append(f"project {project}: {count} {service} job{'s' if count > 1 else ''} at {where}")
    for (name, service), count in sorted(Counter((each.project, each.service) for each in settings.discovery).items()):
        rules = f"{count} rule{'s' if count > 1 else ''} for {service} jobs"
        lines.append(f"project {name}: {rules}; discover --rules shows how many jobs they find")
    lines += [*notes(settings), *promise_notes(settings, time.time())]
    width = max([18, *(len(_name(need)) for need in found)])
    if found:
        lines += ["", f"{'calls a minute':<{width}} jobs   all running   all waiting   allowed"]
    for need in found:
        lines.append(
            f"{_name(need):<{width}} {need.jobs:>4} {need.running:>13.1f} {need.idle:>13.1f} {need.allowed:>9.1f}"
            f"   {need.verdict}"
        )
    return lines


def _jobs(settings: Settings) -> list[Job]:
    """Return the jobs of this shard."""
    sharding = settings.sharding
    return [job for job in settings.jobs if shard_of(job.key, sharding.shards) == sharding.shard]


def _needs(settings: Settings) -> list[Capacity]:
    poll = settings.poll
    owners = asyncio.run(_owners(settings))
    return capacity_plan(
        _jobs(settings),
        Pace(poll.interval, poll.idle_interval, poll.stale_after),
        load_services(),
        {name: project.limits for name, project in settings.projects.items()},
        owners,
        settings.sharding.shards,
        searches=settings.discovery,
        list_interval=poll.list_interval,
    )


async def _owners(settings: Settings) -> dict[str, tuple[str, str]]:
    """Return the identity and region of each project; nothing is called."""
    async with App(settings).projects() as projects:
        return {name: project.owner for name, project in projects.by_name.items()}


def _name(need: Capacity) -> str:
    return f"{'+'.join(need.projects)}/{need.limit}"


def _sentences(found: Iterable[Capacity]) -> Iterator[str]:
    """Say of each limit that may be too small what to do; nothing if all calls fit."""
    tight = [need for need in found if not need.fits_running]
    for need in tight:
        yield from ["", *(_waiting(need) if not need.fits_idle else _running(need))]
    if tight:
        limits = " and ".join(sorted({f"limits.{need.limit}" for need in tight}))
        yield "Otherwise: fewer jobs; some under another user or in another region, since the vendor counts by both;"
        yield f"or a higher {limits} in every project of the user, if the vendor allows more."
        yield "Sharding does not help: shards divide the user's limit among them."


def _waiting(need: Capacity) -> Iterator[str]:
    """Say what to do about jobs that do not fit even if they wait."""
    ended = " A job that ended for good needs none." if need.ends else ""
    yield (
        f"{_name(need)}: too many jobs. {need.idle:.1f} calls a minute are needed even if all of them ({need.jobs})"
        f" wait, and {need.allowed:.1f} are allowed.{ended}"
    )
    also = f", and poll.stale_after above it ({duration_text(need.pace.stale_after)} now)"
    above = also if need.idle_interval >= need.pace.stale_after else ""
    yield f"  They fit while all wait with poll.idle_interval at least {duration_text(need.idle_interval)}{above}."
    yield _interval(need)


def _running(need: Capacity) -> Iterator[str]:
    """Say what to do about jobs that fit only while some of them wait."""
    yield (
        f"{_name(need)}: warning: {need.running:.1f} calls a minute are needed if all jobs ({need.jobs}) run at once,"
        f" and {need.allowed:.1f} are allowed."
    )
    factor = math.ceil(100 * stretch(need.running, need.allowed)) / 100
    fit = f"at most {need.at_once} run" if need.at_once else "none of them runs"
    yield f"  They fit while {fit}; all at once are polled {factor:g} times less often than asked."
    yield _interval(need)


def _interval(need: Capacity) -> str:
    if need.interval is None:
        return (
            f"  No poll.interval lets them all run at once: those with an interval of their own need {need.own:.1f}"
            " alone. Lengthen it."
        )
    return f"  They fit even if all run at once with poll.interval at least {duration_text(need.interval)}."
