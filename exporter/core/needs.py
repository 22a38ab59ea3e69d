"""How many calls a configuration needs, against what each limit allows: the arithmetic of ``check``."""

from collections.abc import Hashable, Iterable, Mapping
from dataclasses import dataclass

from exporter.core.adapter import Adapter
from exporter.core.budget import per_minute
from exporter.core.model import Job
from exporter.core.schedule import Pace


@dataclass(frozen=True, slots=True)
class Need:
    """One limit class of all projects that share it, in calls a minute."""

    projects: tuple[str, ...]
    limit: str
    jobs: int
    running: float
    """If all jobs run at once."""
    idle: float
    """If all jobs wait."""
    allowed: float

    @property
    def verdict(self) -> str:
        """What the numbers mean, in a word."""
        if self.idle > self.allowed:
            return "too many"
        return "fits" if self.running <= self.allowed else "fits while few run"


def needs(
    jobs: Iterable[Job],
    pace: Pace,
    adapters: Mapping[str, Adapter],
    limits: Mapping[str, Mapping[str, float]],
    owners: Mapping[str, Hashable],
) -> list[Need]:
    """Return what each limit class needs.

    *limits* are calls a second by project and class; *owners* tells, by project, whose calls the vendor counts:
    projects with the same owner share a limit, and the least of theirs counts.
    """
    found: dict[tuple[Hashable, str], list[Job]] = {}
    for job in jobs:
        limit = adapters[job.key.service].request(job, "").limit
        found.setdefault((owners[job.project], limit), []).append(job)
    return sorted(
        (
            Need(
                tuple(sorted({job.project for job in group})),
                limit,
                len(group),
                sum(60 / (job.interval or pace.interval) for job in group),
                sum(60 / max(job.interval or pace.interval, pace.idle_interval) for job in group),
                per_minute(min(limits[project][limit] for project in owners if owners[project] == owner)),
            )
            for (owner, limit), group in found.items()
        ),
        key=lambda need: (need.projects, need.limit),
    )
