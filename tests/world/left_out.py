"""Runs of DLI that no list told, because each left out rows and gave the same total as if it had not."""

import re
from typing import TYPE_CHECKING

from tests.hostile.truth import Job
from tests.world.machine import Machine
from tests.world.timepieces import START

if TYPE_CHECKING:
    from tests.world.simulation import Simulation

SHOWN = re.compile(r"dli/(.+): run \S+ is shown, but (\S+) began ")
COUNTED = re.compile(r"dli/(.+): (\d+) runs (\w+), there were (\d+)")


class LeftOut:
    """What the lists told the exporter on one machine, which finds runs of DLI by them alone."""

    def __init__(self, sim: "Simulation", machine: Machine) -> None:
        self._sim, self._machine = sim, machine
        self._jobs = {job.name: job for job in sim.truth.of("dli")}

    def without(self, wrong: list[str]) -> list[str]:
        """Return what is *wrong* without that a run is shown after which no list told another, or that one counts.

        A run that the first lists left out began for all that an exporter can know after it looked first.
        """
        return [text for text in wrong if not (self._untold(text) or self._found_late(text))]

    def _untold(self, text: str) -> bool:
        found = SHOWN.match(text)
        run = self._jobs[found[1]].run(found[2]) if found else None
        return run is not None and self._left_out(max(run.created, self._began), self._sim.now())

    def _found_late(self, text: str) -> bool:
        found = COUNTED.match(text)
        if not found:
            return False
        job, result = self._jobs[found[1]], found[3]
        return int(found[2]) - int(found[4]) <= self._unseen(job, result)

    def _unseen(self, job: Job, result: str) -> int:
        """Return how many runs ended before a list told them, since the exporter was started last."""
        began = self._began
        return sum(run.result == result and run.ended < began and self._left_out(began, None) for run in job.runs)

    @property
    def _began(self) -> float:
        return START + max(self._machine.starts, default=0.0)

    def _left_out(self, since: float, until: float | None) -> bool:
        """Whether no list that was read meanwhile, or else the first one, was read whole."""
        whole: dict[str, bool] = {}
        for call in self._sim.cloud.calls:
            at = START + call.at
            if call.limit == "dli" and "/jobs?" in call.target and at >= since and (until is None or at <= until):
                reading = re.sub(r"current-page=\d+", "", call.target)
                whole[reading] = whole.get(reading, True) and call.did == "honest"
        readings = list(whole.values()) if until is not None else list(whole.values())[:1]
        return bool(readings) and not any(readings)
