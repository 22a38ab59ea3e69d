"""Faults that were once in the exporter, put back one at a time: after how many seeds does a world find each?

`python -m tests.world.put_back` applies each patch of `tests/world/mutants` to a copy of the tree and lets the worlds
of the seeds 1, 2, 3 and so on happen in it until one finds something.
"""

import argparse
import json
import re
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
PATCHES: Final = Path(__file__).parent / "mutants"
FIGURES: Final = PATCHES / "found.json"
FOUND: Final = re.compile(r"^seed (\d+): \S+ ([^:]+): (.*)$", re.MULTILINE)


@dataclass(frozen=True)
class Outcome:
    """What the worlds made of a fault."""

    name: str
    fault: str
    seed: int | None
    law: str
    most: int
    seconds: int


def patches() -> list[Path]:
    """Return all faults."""
    return sorted(PATCHES.glob("*.patch"))


def fault(patch: Path) -> str:
    """Return what a fault is, in words: the first line of its patch."""
    return patch.read_text().splitlines()[0]


def tree(folder: Path, patch: Path) -> Path:
    """Return a copy of what runs, with a fault in it."""
    copy = folder / patch.stem
    for name in ("exporter", "tests/hostile", "tests/world", "tests/e2e"):
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for file in (ROOT / "tests").glob("*.py"):
        shutil.copy(file, copy / "tests")
    subprocess.run(["patch", "-p1", "--force", "--quiet", "-i", patch], cwd=copy, check=True)
    return copy


def tried(patch: Path, options: argparse.Namespace) -> Outcome:
    """Let worlds happen until one finds the fault: not one in which something is found without the fault too."""
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy = tree(Path(folder), patch)
        seed, law = _first_finding(copy, options.first, options.most, options)
        while seed is not None and _first_finding(ROOT, seed, seed, options)[0] is not None:
            seed, law = _first_finding(copy, seed + 1, options.most, options)
    return Outcome(patch.stem, fault(patch), seed, law, options.most, round(time.monotonic() - began))


def _first_finding(root: Path, first: int, last: int, options: argparse.Namespace) -> tuple[int | None, str]:
    """Let worlds happen in a tree until one finds something; return its seed and the law that was broken."""
    which = ["--seeds", f"{first}-{last}", "--only", options.only, "--cores", str(options.cores)]
    ran = subprocess.run(
        [sys.executable, "-m", "tests.world", *which, "--stop"],
        cwd=root,
        env={"PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=False,
    )
    found = sorted((int(seed), law) for seed, law, _ in FOUND.findall(ran.stdout))
    return found[0] if found else (None, "")


def main() -> None:
    """Try all faults, or those that are named, and keep what came of them."""
    parser = argparse.ArgumentParser("python -m tests.world.put_back", description=(__doc__ or "").splitlines()[0])
    parser.add_argument("names", nargs="*", help="faults, such as a9_short_page_is_last; all of them if there is none")
    parser.add_argument("--first", type=int, default=1, help="seed to begin with, if those before it found nothing")
    parser.add_argument("--only", default="", help="worlds with such an event or shape alone; see `tests.world --only`")
    parser.add_argument("--most", type=int, default=2000, help="seeds after which one counts as not found")
    parser.add_argument("--cores", type=int, default=2)
    options = parser.parse_args()
    known = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    for patch in patches():
        if options.names and patch.stem not in options.names:
            continue
        outcome = tried(patch, options)
        known[outcome.name] = asdict(outcome)
        sys.stdout.write(f"{outcome.name}: seed {outcome.seed} by {outcome.law!r} in {outcome.seconds} s\n")
        sys.stdout.flush()
        FIGURES.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n")


if __name__ == "__main__":
    main()
