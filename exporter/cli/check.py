"""``check``: what a configuration will do, or every mistake in it."""

import argparse
from collections import Counter

from exporter.app import credentials_of
from exporter.cli.run import load_settings
from exporter.core.endpoints import endpoint
from exporter.core.needs import needs
from exporter.core.schedule import Pace
from exporter.core.services import load
from exporter.settings import Settings


def command(options: argparse.Namespace) -> int:
    """Check the configuration: every mistake at once, or a report of what it will do."""
    for line in report(load_settings(options)):
        print(line)
    return 0


def report(settings: Settings) -> list[str]:
    """Return the lines of the report: jobs by project and service, and calls a minute against each limit."""
    adapters = load()
    lines = ["The configuration is valid.", ""]
    counts = Counter((job.project, job.key.service) for job in settings.jobs)
    for (project, service), count in sorted(counts.items()):
        config = settings.projects[project]
        where = endpoint(adapters[service], config.cloud, config.region, config.endpoints)
        lines.append(f"project {project}: {count} {service} job{'s' if count > 1 else ''} at {where}")
    poll = settings.poll
    pace = Pace(poll.interval, poll.idle_interval, poll.stale_after)
    limits = {name: project.limits for name, project in settings.projects.items()}
    lines += ["", "calls a minute     jobs   all running   all waiting   allowed"]
    owners = {
        name: (credentials_of(project.credentials).identity, project.region)
        for name, project in settings.projects.items()
    }
    for need in needs(settings.jobs, pace, adapters, limits, owners):
        name = f"{'+'.join(need.projects)}/{need.limit}"
        lines.append(
            f"{name:<18} {need.jobs:>4} {need.running:>13.1f} {need.idle:>13.1f} {need.allowed:>9.1f}   {need.verdict}"
        )
    return lines
