"""How many calls a configuration needs, against what each limit allows: the arithmetic of ``check``."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from exporter.core.adapter import Adapter
from exporter.core.model import Job
from exporter.core.schedule import Pace


@dataclass(frozen=True, slots=True)
class Need:
    """One limit class of one project, in calls a minute."""

    project: str
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
    jobs: Iterable[Job], pace: Pace, adapters: Mapping[str, Adapter], limits: Mapping[str, Mapping[str, float]]
) -> list[Need]:
    """Return what each limit class of each project needs; *limits* are calls a second by project and class."""
    found: dict[tuple[str, str], list[Job]] = {}
    for job in jobs:
        limit = adapters[job.key.service].request(job, "").limit
        found.setdefault((job.project, limit), []).append(job)
    return [
        Need(
            project,
            limit,
            len(group),
            sum(60 / (job.interval or pace.interval) for job in group),
            sum(60 / max(job.interval or pace.interval, pace.idle_interval) for job in group),
            60 * limits[project][limit],
        )
        for (project, limit), group in sorted(found.items())
    ]
