"""The jobs of a world and their runs, which may be far apart."""

import random

from tests.hostile.truth import RESULTS, Author, Run, Script
from tests.world.story import Shape

KEPT = 40
"""Runs of a job at most."""


class WorldAuthor(Author):
    """Writes the truth."""

    def __init__(self, rng: random.Random, start: float, shape: Shape) -> None:
        script = Script(shape.dli, shape.dws, shape.cdm, shape.clusters, shape.length, shape.shortest, shape.longest)
        super().__init__(rng, start, script)
        self._shape = shape

    def _runs(self, service: str, most: int) -> tuple[Run, ...]:
        if service == "dws":
            return super()._runs(service, most)
        shape, rng, runs = self._shape, self._rng, list[Run]()
        gap = int(rng.choice(shape.gaps))
        began, over = self._start + rng.randint(-gap - 40, 20), self._start + shape.length
        while len(runs) < KEPT:
            created = began + rng.randint(0, 6)
            started = created + rng.randint(0, 3)
            ended = started + rng.randint(int(shape.shortest), int(shape.longest))
            if ended > over:
                break
            late = rng.choice((0.0, 0.0, 3.0, 30.0)) if service == "cdm" else 0.0
            result = rng.choice(RESULTS[service])
            runs.append(Run(self._ident(service), created, started, ended, result, rng.randint(100, 99_999), late))
            began = ended + rng.randint(1, gap)
        return tuple(runs)
