"""What is polled and how often: shared by all parts of the poll loop, so that a reload changes it for all at once."""

from dataclasses import dataclass

from exporter.cloud.projects import Projects
from exporter.polling.schedule import Pace


@dataclass(slots=True)
class Plan:
    """The projects to ask, and the intervals."""

    projects: Projects
    pace: Pace
