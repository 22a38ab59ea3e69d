"""Everything at once, at random: what is shown stays right or absent, and the exporter is as it was when it is over."""

from pathlib import Path

import pytest

from tests.hostile.storm import LIMITS, Report, storm

HIDING = ("unauthorized_for_a_while",)
"""After this the exporter rightly waits longer than a test of the ordinary suite does."""


def check(report: Report) -> None:
    """Say all that is wrong at once: a storm is long. What other processes cost on a busy machine is not judged."""
    before, after = report.before, report.after
    wrong = {
        "untrue": report.faults[:20],
        "not back": report.missing[:20],
        "unanswered": report.unanswered[:20],
        "slow": {path: times for path, times in report.own.items() if times[1] >= 1},
        "crashes": report.crashes,
        "calls": {name: most for name, most in report.busiest.items() if most > 60 * LIMITS.get(name, 1)},
        "memory": after.memory if after.memory > before.memory + 64 else 0,
        "sockets": after.sockets if after.sockets > before.sockets + 4 else 0,
        "threads": after.threads if after.threads > before.threads + 4 else 0,
        "tasks": after.tasks if after.tasks > before.tasks + 4 else 0,
    }

    assert {what: figure for what, figure in wrong.items() if figure} == {}
    assert report.compared > 100_000
    assert len(report.did) > 30


async def test_a_storm_over_three_hundred_jobs_leaves_no_trace(tmp_path: Path) -> None:
    check(await storm(tmp_path, seed=11, jobs=300, seconds=40, share=0.4, without=HIDING))


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_storm_of_two_minutes_over_three_hundred_jobs_leaves_no_trace(seed: int, tmp_path: Path) -> None:
    check(await storm(tmp_path, seed=seed, jobs=300, seconds=120, share=0.4, quiet=180))
