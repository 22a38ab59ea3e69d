"""The report of ``check`` about promises: their number, the next deadline, and promises too short for the poll
intervals.
"""

from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from zoneinfo import ZoneInfo

from exporter.config import Settings
from exporter.model.job import Job
from exporter.model.messages import quoted
from exporter.model.promises import NO_PROMISES, Promises
from exporter.model.units import duration_text

_MOST: Final = 10
"""Jobs that are named for one slip."""


def promise_notes(settings: Settings, now: float) -> Iterator[str]:
    """Yield sentences on what is promised; *now* is in Unix seconds."""
    promised = [job for job in settings.jobs if job.promises != NO_PROMISES]
    of_rules = [search.promises for search in settings.discovery if search.promises != NO_PROMISES]
    numbers = Counter(name for each in (*(job.promises for job in promised), *of_rules) for name in _names(each))
    if numbers:
        kinds = ", ".join(f"{number} {name}" for name, number in numbers.items())
        rules = f" and {_counted(len(of_rules), 'rule')}" if of_rules else ""
        yield f"promises of {_counted(len(promised), 'job')}{rules}: {kinds}"
    yield from _next_deadline(promised, now)
    yield from _unseen(settings, promised)


def _names(promises: Promises) -> Iterator[str]:
    yield from promises.seconds
    if promises.deadline is not None:
        yield "deadline"
    if promises.rows_match:
        yield "rows_match"


def _counted(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}"


def _next_deadline(promised: Sequence[Job], now: float) -> Iterator[str]:
    found = [(deadline.after(now), job, deadline) for job in promised if (deadline := job.promises.deadline)]
    if found:
        at, job, deadline = min(found, key=lambda each: each[0])
        moment = datetime.fromtimestamp(at, ZoneInfo(deadline.zone)).isoformat(timespec="minutes")
        yield f"the next deadline is that of {job.key.service} job {quoted(job.key.job)}: {moment} ({deadline.zone})"


def _unseen(settings: Settings, promised: Sequence[Job]) -> Iterator[str]:
    """Say of promises that are shorter than the time between two polls: what breaks them is seen too late."""
    poll = settings.poll
    slips = []
    for job in promised:
        for name, key, interval in (
            ("max_wait", "poll.idle_interval", poll.idle_interval),
            ("max_run", "poll.interval", job.interval or poll.interval),
            ("stuck_after", "poll.interval", job.interval or poll.interval),
        ):
            if (value := job.promises.seconds.get(name)) is not None and value < interval:
                who, usual = f"{job.key.service} job {quoted(job.key.job)}", duration_text(interval)
                slips.append(
                    f"promises: warning: {who}: {name} {duration_text(value)} is shorter than {key} ({usual}), so it"
                    " is seen late; poll more often or lengthen it"
                )
    yield from slips[:_MOST]
    if len(slips) > _MOST:
        yield f"promises: warning: {len(slips) - _MOST} more promises are shorter than the time between two polls"
