"""A second exporter beside the first: with the same key and jobs, or as the other shard."""

from typing import TYPE_CHECKING

from tests.hostile.daemon import Scrape
from tests.hostile.oracle import OWN, groups
from tests.world import laws
from tests.world.disk import WorldDisk
from tests.world.left_out import LeftOut
from tests.world.machine import Machine
from tests.world.older_runs import OlderRuns

if TYPE_CHECKING:
    from tests.world.simulation import Simulation


class Neighbour:
    """A machine of its own, to which nothing happens; what it shows is compared as that of the first is."""

    def __init__(self, sim: "Simulation") -> None:
        self._sim = sim
        self.machine = Machine("neighbour", "10.0.1.2", sim.network, WorldDisk(sim.rng("neighbour")), sim.note)
        self.oracle = laws.oracle(sim.truth, sim.story, sim.now())
        self.older, self._left_out = OlderRuns(sim), LeftOut(sim, self.machine)
        self.newest: Scrape | None = None
        self._told: set[str] = set()

    async def look(self) -> None:
        """Compare what it shows with what is true."""
        scrape = await self._sim.scrape(self.machine)
        if scrape is None:
            return
        self.newest = scrape
        by_job = groups(scrape)
        found = self._left_out.without(self.older.without(self.oracle.look(scrape, by_job), by_job))
        wrong = [text for text in found if text not in self._told]
        self._told.update(wrong)
        if not self._sim.laws.strange():
            self._sim.found("truth", [f"neighbour: {text}" for text in wrong])

    def missing(self, scrape: Scrape) -> list[str]:
        """Return what should be there and is not: with shards in either of both, else in each."""
        other, oracle = self.newest, self._sim.oracle
        if other is None:
            return ["the neighbour gives no answer"]
        if self._sim.story.shape.second == "same key":
            return oracle.missing(scrape) + [f"neighbour: {text}" for text in self.oracle.missing(other)]
        first, second = groups(scrape), groups(other)
        twice = [f"{'/'.join(key)} is in both shards" for key in first if key in second]
        missed = f"{OWN}history_runs_missed_total"
        counted = {
            key: value + other.samples.get(key, 0.0) for key, value in scrape.samples.items() if key[0] == missed
        }
        both = Scrape(scrape.at, scrape.took, scrape.status, {**scrape.samples, **counted})
        return twice + oracle.missing(both, {**second, **first})
