"""Everything at once, at random: what is shown stays right or absent, and the exporter is as it was when it is over."""

from pathlib import Path

import pytest

from tests.hostile.storm import LIMITS, Report, storm


def check(report: Report) -> None:
    """Say all that is wrong at once: a storm is long."""
    wrong = {
        "untrue": report.faults[:20],
        "not back": report.missing[:20],
        "unanswered": report.unanswered[:20],
        "slow": report.p99 if report.p99 >= 1 else 0,
        "crashes": report.crashes,
        "calls": {name: most for name, most in report.busiest.items() if most > 60 * LIMITS.get(name, 1)},
        "memory": report.after[0] if report.after[0] > report.before[0] + 64 else 0,
        "sockets": report.after[1] if report.after[1] > report.before[1] + 4 else 0,
        "threads": report.after[2] if report.after[2] > report.before[2] + 4 else 0,
    }

    assert {what: figure for what, figure in wrong.items() if figure} == {}
    assert report.compared > 1000


@pytest.mark.long
async def test_a_storm_over_sixty_jobs_leaves_no_trace(tmp_path: Path) -> None:
    check(await storm(tmp_path, seed=11, jobs=60, seconds=15, share=0.4, without=("unauthorized_for_a_while",)))


@pytest.mark.long
@pytest.mark.parametrize("seed", [1, 2])
async def test_a_storm_of_two_minutes_over_three_hundred_jobs_leaves_no_trace(seed: int, tmp_path: Path) -> None:
    check(await storm(tmp_path, seed=seed, jobs=300, seconds=120))
