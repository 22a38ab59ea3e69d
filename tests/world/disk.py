"""The disk of one machine, which stays while processes come and go.

Each step may be slow, fail, or be the last of the process.
"""

import errno
import random
from collections.abc import Callable
from pathlib import Path

from tests.disks import MemoryDisk
from tests.world.loop import Killed
from tests.world.timepieces import HOST


class WorldDisk(MemoryDisk):
    """A disk that knows which process uses it."""

    def __init__(self, rng: random.Random) -> None:
        super().__init__(rng)
        self.problem: int | None = None
        """The number of the error that writing meets."""
        self.slow = 0.0
        """Seconds that each sync takes."""
        self.dies_in: int | None = None
        """Steps until the process is killed in the middle of one."""
        self.on_death: Callable[[], None] = lambda: None
        self._spent = 0.0
        self._locks: dict[Path, tuple[int, object]] = {}

    def took(self) -> float:
        """Return the seconds that the steps since the last question took."""
        spent, self._spent = self._spent, 0.0
        return spent

    def step(self, *, writes: bool = True) -> None:
        host = HOST.get()
        if host is not None and not host.alive:
            raise Killed
        self._spent += self.rng.uniform(0.00001, 0.001)
        if self.dies_in is not None:
            self.dies_in -= 1
            if self.dies_in <= 0:
                self.dies_in = None
                self.on_death()
                raise Killed
        if writes and self.problem is not None:
            raise OSError(self.problem, "the disk of this world")

    def power_failure(self) -> None:
        super().power_failure()
        self._locks = {}

    def sync(self, file: int) -> None:
        self._spent += self.slow
        super().sync(file)

    def close(self, file: int) -> None:
        super().close(file)
        for path in [path for path, (number, _) in self._locks.items() if number == file]:
            del self._locks[path]

    def lock(self, path: Path) -> int | None:
        host, held, file = HOST.get(), self._locks.get(path), super().lock(path)
        if file is None or (held is not None and held[1] is not host and getattr(held[1], "alive", False)):
            return None
        if self.problem == errno.EROFS and path not in self._names:
            raise OSError(errno.EROFS, "Read-only file system")
        self._locks[path] = file, host
        return file
