"""What lists spare: the calls, and how soon /metrics knows, for many migrations of which few run.

Time is scripted: an hour against the simulator over real sockets, in a few minutes.
"""

import logging
from collections.abc import Iterator
from typing import Final

import structlog

from benchmarks.table import Row
from benchmarks.upstream import Upstream
from exporter.simulator import CDM_LISTS, CDM_STATUS
from tests.polling.thousand import INTERVAL, JOBS, Watched, watch
from tests.warp import run as scripted

HOUR: Final = 3600.0
CALLS: Final = 7200
"""The goal for all calls of an hour."""
MINUTE: Final = 120
"""The vendor's limit for the calls of a class in any minute."""
SEEN: Final = 60
"""The goal for a change of state, in seconds."""
AGE: Final = 35
"""The goal for the progress of a job that runs, in seconds."""


def run(upstream: Upstream, *, quick: bool) -> Iterator[Row]:
    """Yield the rows of the exporter with its lists, without them, and of one that polls every job alike."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    seconds = HOUR / 6 if quick else HOUR
    yield from _rows("with lists", scripted(watch(seconds, lists=True)), seconds, goals=True)
    yield from _rows("without lists", scripted(watch(seconds, lists=False)), seconds)
    alike = scripted(watch(seconds, lists=False, idle_interval=INTERVAL))
    yield from _rows(f"every job each {INTERVAL:g} s, limited", alike, seconds)
    for span, unit in ((HOUR, "calls/h"), (60.0, "calls/min")):
        yield Row(
            "lists", f"every job each {INTERVAL:g} s, unlimited: calls", JOBS * span / INTERVAL, unit, note="computed"
        )


def _rows(who: str, seen: Watched, seconds: float, *, goals: bool = False) -> Iterator[Row]:
    """Yield what one of them did; goals are for what is ours."""

    def goal(value: float) -> float | None:
        return value if goals else None

    hours = seconds / HOUR
    for limit, name in ((CDM_STATUS, "single calls"), (CDM_LISTS, "list calls")):
        yield Row("lists", f"{who}: {name}", seen.calls[limit] / hours, "calls/h")
        yield Row("lists", f"{who}: {name}, most in any minute", seen.busiest[limit], "calls", goal(MINUTE))
    yield Row("lists", f"{who}: all calls", seen.calls.total() / hours, "calls/h", goal(CALLS))
    note = f"{seen.changes} runs began or ended"
    yield Row("lists", f"{who}: a change of state is on /metrics after at most", seen.latest, "s", goal(SEEN), note)
    yield Row("lists", f"{who}: progress shown of a running job is at most so old", seen.oldest, "s", goal(AGE))
    yield Row("lists", f"{who}: jobs whose state is shown, at least", seen.fewest, "", note=f"of {JOBS:,}")
