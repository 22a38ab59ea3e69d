"""What is left of a call that failed, or of a poll that needs another call."""

from dataclasses import dataclass

from exporter.model.errors import PollError
from exporter.model.snapshot import Snapshot
from exporter.services.request import MOST_NARROWED


@dataclass(slots=True)
class Tries:
    """Why a call may be made once more, or a poll needs a second call; each has a permit of its own."""

    refusals: int
    """How many refusals are left that do not fail it: the credentials were renewed since."""
    drops: int = 1
    """How many dead connections it may still go into."""
    narrowed: int = 0
    """How often the time that it asks for was made shorter, because an answer had not all rows of it."""
    idle: Snapshot | None = None
    """The first answer of a poll that needs a second call, because it does not say whether the job exists."""

    def once_more(self, error: PollError) -> bool:
        """Whether a call that failed by *error* is to be made once more."""
        if error.dropped and self.drops:
            self.drops -= 1
            return True
        if error.refused and self.refusals:
            self.refusals -= 1
            return True
        if error.cut and self.narrowed < MOST_NARROWED:
            self.narrowed += 1
            return True
        return False
