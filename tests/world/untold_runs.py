"""Jobs of CDM with runs that count for nobody, because nothing told of them."""

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from tests.hostile.truth import Job
from tests.world.older_runs import path_of

if TYPE_CHECKING:
    from tests.world.simulation import Simulation

TELL_NONE: Final = {"only_what_must_be", "dates_of_zero"}
LEAVES_OUT: Final = "shifting_pages"
PAGE: Final = re.compile(r"page_no=(\d+)")


def untold(sim: "Simulation") -> set[tuple[str, str]]:
    """Return the jobs of which not all runs have to be counted or reported as missed.

    Lists tell that a run went on, and no id: only by its start is the run of the first response after a start known to
    be the same one. Where that response told none and the run had ended, it is the baseline, from which on runs count.

    Where each page of a history left out its first row, an exporter cannot tell it from a whole history with smaller
    pages.
    """
    names = {cluster.ident: cluster.name for cluster in sim.truth.clusters}
    return {
        ("cdm", f"{names[job.cluster]}/{job.name}")
        for job in sim.truth.of("cdm")
        if _told_no_start(sim, job) or any(_all_short(pages) for pages in _readings(sim, job))
    }


def _told_no_start(sim: "Simulation", job: Job) -> bool:
    since = max(sim.machine.starts, default=0.0)
    read = (c.did for c in sim.cloud.calls if c.at >= since and path_of(job) in c.target)
    return next((did for did in read if did in TELL_NONE | {"honest"}), "") in TELL_NONE


def _all_short(pages: list[str]) -> bool:
    return len(pages) > 1 and set(pages) == {LEAVES_OUT}


def _readings(sim: "Simulation", job: Job) -> Iterator[list[str]]:
    """Return what the cloud did with the pages of each reading of a job's history."""
    of, pages = f"{job.cluster}/cdm/submissions?jname={quote(job.name, safe='')}&", list[str]()
    for call in sim.cloud.calls:
        number = PAGE.search(call.target) if of in call.target else None
        if number is None:
            continue
        if number[1] == "1":
            yield pages
            pages = []
        pages.append(call.did)
    yield pages
