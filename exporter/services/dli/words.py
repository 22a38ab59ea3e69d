"""The words of DLI's SQL jobs."""

from collections.abc import Mapping
from typing import Final

from exporter.model.snapshot import State

STATES: Final[Mapping[str, State]] = {
    "LAUNCHING": State.PENDING,
    "RUNNING": State.RUNNING,
    "SCALING": State.RUNNING,
    "FINISHED": State.SUCCEEDED,
    "FINISH": State.SUCCEEDED,
    "FAILED": State.FAILED,
    "CANCELLED": State.CANCELLED,
}
