"""Worlds of fixed seeds: nothing is found in them, and the same seed is the same world to the last byte."""

import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from exporter.model.units import seconds
from tests.world.loop import WorldLoop
from tests.world.put_back import patches

ROOT = Path(__file__).parents[2]
SEEDS = "1-12"


def world(*options: str) -> subprocess.CompletedProcess[str]:
    """Run the command in a process of its own, whose clocks it replaces."""
    return subprocess.run(
        [sys.executable, "-m", "tests.world", *options],
        cwd=ROOT,
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )


@pytest.mark.slow
def test_nothing_is_found_in_worlds_of_fixed_seeds() -> None:
    ran = world("--seeds", SEEDS, "--cores", "2")

    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "hours"), [("3", "0.05"), ("40020", "0.01")], ids=["discovery", "job file"])
def test_the_same_seed_is_the_same_world_to_the_last_byte(seed: str, hours: str) -> None:
    first, second = (world("--seed", seed, "--hours", hours) for _ in range(2))

    assert len(first.stdout) > 5_000, first.stderr
    assert first.stdout == second.stdout


@pytest.mark.needs("patch")
@pytest.mark.parametrize("patch", patches(), ids=lambda path: path.stem)
def test_each_fault_that_was_mended_can_be_put_back(patch: Path) -> None:
    command = ["patch", "-p1", "--dry-run", "--force", "-i", str(patch)]

    assert subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False).returncode == 0


@pytest.mark.slow
def test_another_seed_is_another_world() -> None:
    assert world("--seed", "3", "--hours", "0.01").stdout != world("--seed", "4", "--hours", "0.01").stdout


@pytest.mark.slow
def test_each_run_is_counted_once_while_jobs_come_and_go() -> None:
    ran = world("--soak", "400", "--interval", "300")

    assert ran.returncode == 0, ran.stdout[-6000:] + ran.stderr[-2000:]
    assert "halves" in ran.stdout


def test_a_timer_is_due_in_the_second_half_of_a_year_too() -> None:
    """From 2^24 seconds on two times that follow each other are further apart than the loop's resolution."""
    loop, fired = WorldLoop(random.Random(1)), list[float]()
    for when in (2.0**24, 2.0**25 + 0.1):
        loop.call_at(when, fired.append, when)
        loop._run_once()
    loop.close()
    assert fired == [2.0**24, 2.0**25 + 0.1]


def test_a_thread_that_stands_still_does_so_in_the_middle_of_its_call() -> None:
    loop, seen = WorldLoop(random.Random(1)), set[int]()
    loop.preempted, loop.stalls = 1.0, 2.0
    read: list[float] = []

    def call() -> None:
        read.clear()
        for number in range(100):
            read.append(seconds(f"{number}s"))  # noqa: PERF401 - one at a time

    def look() -> None:
        seen.add(len(read))
        loop.call_later(0.01, look)

    look()
    for _ in range(10):
        loop.run_until_complete(loop.run_in_executor(None, call))
        assert len(read) == 100
    loop.close()
    assert seen - {0, 100}, seen
