"""Runs of CDM jobs that count for nobody, because the first response about a job told of no start."""

from typing import TYPE_CHECKING

from tests.world.older_runs import path_of

if TYPE_CHECKING:
    from tests.world.simulation import Simulation

TELL_NONE = {"only_what_must_be", "dates_of_zero"}


def without_untold(sim: "Simulation", missing: list[str]) -> list[str]:
    """Return what is *missing* without runs of a job whose first response after the last start told of no start.

    Lists tell that a run went on, and no id: only by its start is the run of that response known to be the same one. If
    it had ended, it is the baseline, from which on runs count.
    """
    since = max(sim.machine.starts, default=0.0)
    names = {cluster.ident: cluster.name for cluster in sim.truth.clusters}
    untold = []
    for job in sim.truth.of("cdm"):
        read = (c.did for c in sim.cloud.calls if c.at >= since and path_of(job) in c.target)
        if next((did for did in read if did in TELL_NONE | {"honest"}), "") in TELL_NONE:
            untold.append(f"cdm/{names[job.cluster]}/{job.name}: ")
    return [text for text in missing if not (text.startswith(tuple(untold)) and " counted, there were " in text)]
