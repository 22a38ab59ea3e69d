"""The disk of one machine, in memory: what was synced survives a power failure, all else with luck.

It stays while processes come and go. Each step may be slow, fail, or be the last of the process.
"""

import errno
import random
from collections.abc import Callable
from itertools import count
from pathlib import Path

from exporter.runs.atomic_file import Disk
from tests.world.loop import Killed
from tests.world.timepieces import HOST


class WorldDisk(Disk):
    """Written bytes are safe once they are synced, names once their folder is."""

    def __init__(self, rng: random.Random) -> None:
        self.rng = rng
        self.problem: int | None = None
        """The number of the error that writing meets."""
        self.slow = 0.0
        """Seconds that each sync takes."""
        self.dies_in: int | None = None
        """Steps until the process is killed in the middle of one."""
        self.on_death: Callable[[], None] = lambda: None
        self._spent = 0.0
        self._numbers = count(3)
        self._open: dict[int, int] = {}
        self._names: dict[Path, int] = {}
        self._safe_names: list[dict[Path, int]] = [{}]
        self._data: dict[int, bytes] = {}
        self._safe: dict[int, bytes] = {}
        self._locks: dict[Path, tuple[int, object]] = {}

    def took(self) -> float:
        """Return the seconds that the steps since the last question took."""
        spent, self._spent = self._spent, 0.0
        return spent

    def _step(self, *, writes: bool = True) -> None:
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
        """Forget what nobody had synced, but for what luck had written already."""
        names = dict(self.rng.choice(self._safe_names))
        for number in sorted(set(names.values())):
            safe, written = self._safe.get(number, b""), self._data.get(number, b"")
            if written.startswith(safe):
                safe = written[: self.rng.randint(len(safe), len(written))]
            self._data[number] = self._safe[number] = safe
        self._names, self._safe_names, self._open, self._locks = names, [dict(names)], {}, {}

    def read(self, path: Path) -> bytes:
        self._step(writes=False)
        if path not in self._names:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return self._data[self._names[path]]

    def create(self, path: Path) -> int:
        self._step()
        number, file = next(self._numbers), next(self._numbers)
        self._names[path], self._data[number], self._open[file] = number, b"", number
        self._safe_names.append(dict(self._names))
        return file

    def write(self, file: int, data: bytes) -> int:
        number = self._open[file]
        some = data[: self.rng.randint(1, 1 << 16)]
        before = self._data[number]
        self._data[number] = before + some[: self.rng.randint(0, len(some))]  # what is there if this step is the last
        self._step()
        self._data[number] = before + some
        return len(some)

    def sync(self, file: int) -> None:
        self._spent += self.slow
        self._step()
        self._safe[self._open[file]] = self._data[self._open[file]]

    def close(self, file: int) -> None:
        self._open.pop(file, None)
        for path in [path for path, (number, _) in self._locks.items() if number == file]:
            del self._locks[path]

    def rename(self, path: Path, other: Path) -> None:
        self._step()
        if path not in self._names:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        self._names[other] = self._names.pop(path)
        self._safe_names.append(dict(self._names))

    def exists(self, path: Path) -> bool:
        return path in self._names

    def remove(self, path: Path) -> None:
        self._step()
        if path not in self._names:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        del self._names[path]
        self._safe_names.append(dict(self._names))

    def sync_folder(self, path: Path) -> None:
        self._step()
        self._safe_names = [dict(self._names)]
        used = {*self._names.values(), *self._open.values()}
        for known in (self._data, self._safe):
            for number in [number for number in known if number not in used]:
                del known[number]

    def lock(self, path: Path) -> int | None:
        self._step(writes=False)
        host, held = HOST.get(), self._locks.get(path)
        if held is not None and held[1] is not host and getattr(held[1], "alive", False):
            return None
        if self.problem == errno.EROFS and path not in self._names:
            raise OSError(errno.EROFS, "Read-only file system")
        file = next(self._numbers)
        self._locks[path] = file, host
        return file
