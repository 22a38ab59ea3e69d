"""The promises of a job: how often it succeeds, how long it may wait and run, and its deadline."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from functools import cached_property
from typing import Any, Final, NamedTuple
from zoneinfo import ZoneInfo

DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")


@dataclass(frozen=True)
class Deadline:
    """A time of day, on some days of the week, by which a run has to have succeeded."""

    hour: int
    minute: int
    days: frozenset[int]
    """Days of the week, counted from 0 for Monday."""
    zone: str
    """The name of a time zone."""

    def __str__(self) -> str:
        return f"{self.at} {self.day_words} {self.zone}"

    @cached_property
    def text(self) -> str:
        """What tells one deadline from another."""
        return str(self)

    @property
    def at(self) -> str:
        """The time of day as it is written."""
        return f"{self.hour:02}:{self.minute:02}"

    @property
    def day_words(self) -> str:
        """The days as they are written."""
        chosen = sorted(self.days)
        if len(chosen) > 2 and chosen == list(range(chosen[0], chosen[-1] + 1)):
            return f"{DAYS[chosen[0]]}-{DAYS[chosen[-1]]}"
        return ",".join(DAYS[day] for day in chosen)

    def after(self, when: float) -> float:
        """Return the first deadline later than *when*, both in Unix seconds."""
        return next(each for each in self._around(when, range(-1, 15)) if each > when)

    def last(self, when: float) -> float:
        """Return the last deadline that is not later than *when*."""
        return next(each for each in self._around(when, range(1, -15, -1)) if each <= when)

    def _around(self, when: float, days: range) -> Iterator[float]:
        """Yield the deadlines of some days, counted from the day of *when*.

        A time of day that a change of the clocks skips counts as that much later, and of one that comes twice the
        first counts.
        """
        zone = ZoneInfo(self.zone)
        today = datetime.fromtimestamp(when, zone).date()
        for number in days:
            day = today + timedelta(number)
            if day.weekday() in self.days:
                yield datetime.combine(day, time(self.hour, self.minute), zone).timestamp()


class MetDeadlines(NamedTuple):
    """Which deadlines of a job are settled."""

    deadline: str
    """The deadline's text: of another one nothing is settled."""
    until: float
    """Up to this one, in Unix seconds, every deadline was met, or missed and made up for."""
    success: float | None
    """The success that was last taken into account."""
    before: tuple[float, float | None] | None = None
    """The two values above before that success: the service may take it back."""


class DueTime(NamedTuple):
    """The deadline that is shown."""

    at: float
    """The next one, or the first that was missed, until a run succeeds."""
    met: bool
    """Whether a run succeeded for it already."""


@dataclass(frozen=True)
class Promises:
    """What the operator promises of a job; what was not said is ``None``. Durations are in seconds."""

    period: float | None = None
    max_wait: float | None = None
    max_run: float | None = None
    stuck_after: float | None = None
    deadline: Deadline | None = None
    rows_match: bool = False

    @cached_property
    def seconds(self) -> Mapping[str, float]:
        """The durations that were said, by their names in the configuration."""
        said = {name: getattr(self, name) for name in DURATIONS}
        return {name: value for name, value in said.items() if value is not None}

    def plain(self) -> dict[str, Any]:
        """Return what was said, ready for JSON."""
        deadline = self.deadline
        words: dict[str, Any] = dict(self.seconds)
        if deadline is not None:
            words["deadline"] = {"at": deadline.at, "days": deadline.day_words, "time_zone": deadline.zone}
        return {**words, "rows_match": True} if self.rows_match else words


DURATIONS: Final = ("period", "max_wait", "max_run", "stuck_after")
NO_PROMISES: Final = Promises()
