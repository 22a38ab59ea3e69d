"""What is polled and how often: shared by the parts of the poll loop, so that a reload changes it for all at once."""

from dataclasses import dataclass

from exporter.cloud.fleet import Fleet
from exporter.core.schedule import Pace


@dataclass(slots=True)
class Plan:
    """The projects to ask, and the intervals."""

    fleet: Fleet
    pace: Pace
