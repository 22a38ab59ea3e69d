"""A disk that forgets what it was not told to keep, as a real one does when the power goes."""

import random
from itertools import count
from pathlib import Path

from exporter.runs.atomic_file import Disk


class PowerFailure(BaseException):
    """The machine stopped here."""


class FlakyDisk(Disk):
    """A disk in memory that stops at a step; *luck* decides what of the unsynced is on the platter then.

    Written bytes are safe once they are synced, names once their folder is.
    """

    def __init__(self, luck: random.Random, most: int = 1 << 16) -> None:
        self.luck = luck
        self.most = most
        self.steps = 0
        self.stops_at: int | None = None
        self.full: OSError | None = None
        self._numbers = count(3)
        self._open: dict[int, int] = {}
        self._names: dict[Path, int] = {}  # as programs see them
        self._safe_names: list[dict[Path, int]] = [{}]  # what the folder may be after a failure: any of these
        self._data: dict[int, bytes] = {}
        self._safe_data: dict[int, bytes] = {}

    def _step(self) -> None:
        if self.full is not None:
            raise self.full
        self.steps += 1
        if self.stops_at is not None and self.steps >= self.stops_at:
            raise PowerFailure

    def restart(self) -> None:
        """Go on after a power failure with what is safe, and with luck some of the rest."""
        names = dict(self.luck.choice(self._safe_names))
        for number in set(names.values()):
            safe, written = self._safe_data.get(number, b""), self._data[number]
            kept = self.luck.randint(len(safe), len(written)) if written.startswith(safe) else len(safe)
            self._data[number] = self._safe_data[number] = written[:kept] if written.startswith(safe) else safe
        self._names, self._safe_names, self._open = names, [dict(names)], {}
        self.stops_at = None

    def read(self, path: Path) -> bytes:
        if path not in self._names:
            raise FileNotFoundError(2, "No such file or directory")
        return self._data[self._names[path]]

    def create(self, path: Path) -> int:
        self._step()
        number, file = next(self._numbers), next(self._numbers)
        self._names[path], self._data[number], self._open[file] = number, b"", number
        self._safe_names.append(dict(self._names))
        return file

    def write(self, file: int, data: bytes) -> int:
        some = data[: self.most]
        try:
            self._step()
        except PowerFailure:
            self._data[self._open[file]] += some[: self.luck.randint(0, len(some))]
            raise
        self._data[self._open[file]] += some
        return len(some)

    def sync(self, file: int) -> None:
        self._step()
        self._safe_data[self._open[file]] = self._data[self._open[file]]

    def close(self, file: int) -> None:
        self._open.pop(file, None)

    def rename(self, path: Path, other: Path) -> None:
        self._step()
        self._names[other] = self._names.pop(path)
        self._safe_names.append(dict(self._names))

    def exists(self, path: Path) -> bool:
        return path in self._names

    def remove(self, path: Path) -> None:
        self._names.pop(path, None)
        self._safe_names.append(dict(self._names))

    def sync_folder(self, path: Path) -> None:
        self._step()
        self._safe_names = [dict(self._names)]

    def lock(self, path: Path) -> int | None:
        return next(self._numbers)
