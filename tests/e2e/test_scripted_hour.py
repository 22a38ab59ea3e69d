"""An hour of scrapes in time that jumps, with a restart in it, and what a real Prometheus makes of them."""

import asyncio
import subprocess
import time
from itertools import pairwise
from pathlib import Path

import pytest

from exporter.simulator import CdmJob, CdmRun, Cloud, Step, Volume
from tests.e2e.processes import prometheus, query
from tests.polling.harness import PACE, world
from tests.warp import START, WarpClock, run

TOTAL = "huaweicloud_job_runs_rows_written_total"
EVERY = 15
HOUR = 3600
DOWN = (1500, 1830)
"""Seconds of the hour between which no exporter runs; of two of the jobs whole runs go by unseen."""
QUIET = 400
"""Seconds at the end without a run: what is shown is as old as the last poll."""


def jobs() -> list[CdmJob]:
    """Return jobs whose runs begin every one, two and six minutes; each run moves another number of rows."""
    found = []
    for number, minutes in enumerate((1, 2, 6)):
        plan = tuple(
            CdmRun(
                (Step("BOOTING", 6), Step("RUNNING", 40 * minutes, 0.0, 1.0)),
                "FAILED" if count % 7 == 5 else "SUCCEEDED",
                rest=20 * minutes - 6,
                volume=Volume(rows_written=1000 + 37 * count + number),
            )
            for count in range((HOUR - QUIET) // (60 * minutes))
        )
        found.append(CdmJob("c-1", f"every {minutes} min", START + 30, plan, repeats=False, submission_step=5))
    return found


def written(job: CdmJob, until: float) -> int:
    """Return the rows that the runs which succeeded until then truly wrote."""
    ended = [each for each in job.runs(until) if each.ended_at is not None and each.run.end == "SUCCEEDED"]
    return sum(each.run.volume.rows_written for each in ended)


async def scrapes(journal: Path, clock: WarpClock, begin: int, end: int) -> list[tuple[float, str, float]]:
    """Run an exporter from one second of the hour to another; return time, labels and value of each sample."""

    def populate(cloud: Cloud) -> None:
        cloud.add(*jobs())

    found = []
    async with world(populate, pace=PACE, clock=clock, journal=journal) as there:
        there.watch(*there.cloud.cdm.values())
        for second in range(begin, end + 1, EVERY):
            await asyncio.sleep(START + second - clock.now())
            lines = [line.removeprefix(TOTAL) for line in there.lines() if line.startswith(TOTAL)]
            for labels, value in (line.rsplit(" ", 1) for line in lines):
                found.append((float(second), labels, float(value)))
    return found


async def hour(journal: Path) -> list[tuple[float, str, float]]:
    clock = WarpClock(asyncio.get_running_loop())
    return [*await scrapes(journal, clock, 0, DOWN[0]), *await scrapes(journal, clock, DOWN[1], HOUR)]


@pytest.mark.needs("promtool", "prometheus")
def test_what_prometheus_counts_over_an_hour_is_what_was_written(tmp_path: Path) -> None:
    told = run(hour(tmp_path / "journal.json"))
    began = int(time.time()) // 60 * 60 - 2 * HOUR  # as if it were lately: what is older is not kept
    name = TOTAL.removesuffix("_total")
    lines = [
        f"{TOTAL}{labels} {value} {began + second:.3f}"
        for second, labels, value in sorted(told, key=lambda each: each[1])
    ]
    (tmp_path / "scrapes").write_text("\n".join([f"# TYPE {name} counter", *lines, "# EOF", ""]))
    loaded = [
        "promtool",
        "tsdb",
        "create-blocks-from",
        "openmetrics",
        str(tmp_path / "scrapes"),
        str(tmp_path / "data"),
    ]
    subprocess.run(loaded, check=True, capture_output=True)

    with prometheus(tmp_path, "global: {}\n") as address:
        found = query(address, f"increase({TOTAL}[1h] @ {began + HOUR})")
    increase = {each["metric"]["job"]: float(each["value"][1]) for each in found}

    for job in jobs():
        mine = [(second, value) for second, labels, value in told if f'job="{job.name}"' in labels]
        assert len(mine) == (DOWN[0] + HOUR - DOWN[1]) // EVERY + 2
        assert mine[-1][1] - mine[0][1] == written(job, START + HOUR)
        assert increase[job.name] == pytest.approx(written(job, START + HOUR), rel=0.01)
        assert all(later[1] >= earlier[1] for earlier, later in pairwise(mine))
        unseen = written(job, START + DOWN[1]) - written(job, START + DOWN[0])
        assert unseen > 0
