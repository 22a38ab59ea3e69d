"""A disk in memory that forgets what it was not told to keep, as a real one does when the power goes."""

import errno
import random
from itertools import count
from pathlib import Path

from exporter.runs.atomic_file import Disk


class MemoryDisk(Disk):
    """Written bytes are safe once they are synced, names once their folder is; *rng* decides what else is kept."""

    def __init__(self, rng: random.Random, most: int = 1 << 16) -> None:
        self.rng = rng
        self._most = most  # bytes that one write takes at most
        self._numbers = count(3)
        self._open: dict[int, int] = {}
        self._names: dict[Path, int] = {}  # as programs see them
        self._safe_names: list[dict[Path, int]] = [{}]  # what a folder may be after a failure: any of these
        self._data: dict[int, bytes] = {}
        self._safe: dict[int, bytes] = {}

    def step(self, *, writes: bool = True) -> None:
        """Called in the middle of each step: it may raise, and what was written then is there in part."""

    def power_failure(self) -> None:
        """Forget what nobody had synced, but for what luck had written already."""
        names = dict(self.rng.choice(self._safe_names))
        for number in sorted(set(names.values())):
            safe, written = self._safe.get(number, b""), self._data.get(number, b"")
            if written.startswith(safe):
                safe = written[: self.rng.randint(len(safe), len(written))]
            self._data[number] = self._safe[number] = safe
        self._names, self._safe_names, self._open = names, [dict(names)], {}

    def read(self, path: Path) -> bytes:
        self.step(writes=False)
        return self._data[self._number(path)]

    def _number(self, path: Path) -> int:
        if path not in self._names:
            raise FileNotFoundError(errno.ENOENT, "No such file or directory")
        return self._names[path]

    def create(self, path: Path) -> int:
        self.step()
        number, file = next(self._numbers), next(self._numbers)
        self._names[path], self._data[number], self._open[file] = number, b"", number
        self._safe_names.append(dict(self._names))
        return file

    def write(self, file: int, data: bytes) -> int:
        number = self._open[file]
        some = data[: self.rng.randint(1, self._most)]
        before = self._data[number]
        self._data[number] = before + some[: self.rng.randint(0, len(some))]  # what is there if this step is the last
        self.step()
        self._data[number] = before + some
        return len(some)

    def sync(self, file: int) -> None:
        self.step()
        self._safe[self._open[file]] = self._data[self._open[file]]

    def close(self, file: int) -> None:
        self._open.pop(file, None)

    def rename(self, path: Path, other: Path) -> None:
        self.step()
        self._names[other] = self._number(path)
        del self._names[path]
        self._safe_names.append(dict(self._names))

    def exists(self, path: Path) -> bool:
        return path in self._names

    def remove(self, path: Path) -> None:
        self.step()
        self._number(path)
        del self._names[path]
        self._safe_names.append(dict(self._names))

    def sync_folder(self, path: Path) -> None:
        self.step()
        self._safe_names = [dict(self._names)]
        used = {*self._names.values(), *self._open.values()}
        for known in (self._data, self._safe):
            for number in [number for number in known if number not in used]:
                del known[number]

    def lock(self, path: Path) -> int | None:
        self.step(writes=False)
        return next(self._numbers)
