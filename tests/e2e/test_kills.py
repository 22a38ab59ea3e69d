"""``kill -9`` at random moments: the totals on /metrics are those of the pretend cloud, and never fall.

Run n of each job writes 2 ** n rows, so a total tells which runs are in it, and how often.
"""

import asyncio
import random
import re
import signal
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from subprocess import PIPE

from aiohttp import web
from prometheus_client.parser import text_string_to_metric_families

from exporter.simulator import CdmJob, CdmRun, Cloud, Step, Volume, make_app
from tests.e2e.processes import PATIENCE, environment, eventually, fetch
from tests.fork_server import Forked

KILLS = 14
RUNS = 12
JOBS = 5
LATE = 20.0
"""Seconds after a restart in which what ended before it must be shown; the machine may be busy."""
CONFIG = """\
poll: {{interval: 1s, idle_interval: 1s, stale_after: 1m}}
projects:
  prod:
    region: cn-north-4
    project_id: {project}
    endpoints: {{cdm: {url}}}
    limits: {{cdm: 50/s, cdm_list: 50/s}}
    credentials: {{token: {token}}}
jobs:
"""
Shown = dict[str, tuple[int, int, int]]
"""Rows, runs that succeeded and runs that failed, by job."""


@contextmanager
def pretend_cloud() -> Iterator[tuple[Cloud, list[CdmJob], str]]:
    """Serve a pretend cloud from a thread of its own."""
    loop, cloud = asyncio.new_event_loop(), Cloud(clock=time.time, wall=time.time)
    cloud.limits.per_minute = dict.fromkeys(cloud.limits.per_minute)
    jobs = [CdmJob("c-1", f"job {number}", time.time()) for number in range(JOBS)]
    cloud.add(*jobs)  # none has ever run
    runner = web.AppRunner(make_app(cloud), access_log=None)
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        asyncio.run_coroutine_threadsafe(runner.setup(), loop).result()
        asyncio.run_coroutine_threadsafe(web.TCPSite(runner, "127.0.0.1", 0).start(), loop).result()
        yield cloud, jobs, f"http://127.0.0.1:{runner.addresses[0][1]}"
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result()
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


def _job(number: int, luck: random.Random) -> CdmJob:
    """Return a job that never rests for long; it runs for ever where its plan is over."""
    steps = (Step("BOOTING", 0.2), Step("RUNNING", 0.5 + luck.random(), 0.0, 1.0))
    ends = ["FAILED" if luck.random() < 0.2 else "SUCCEEDED" for _ in range(RUNS)]
    plan = [CdmRun(steps, end, luck.random(), Volume(rows_written=2**number)) for number, end in enumerate(ends)]
    last, begins = CdmRun((Step("RUNNING", float("inf"), 0.5),)), time.time() + 0.5
    return CdmJob("c-1", f"job {number}", begins, (*plan, last), repeats=False, submission_step=1 + number % 3)


def truth(jobs: list[CdmJob], at: float) -> Shown:
    """Return what all runs that had ended at a moment moved."""
    found = {}
    for job in jobs:
        ended = [each for each in job.runs(at) if each.ended_at is not None and each.ended_at <= at]
        good = [each.run.volume.rows_written for each in ended if each.run.end == "SUCCEEDED"]
        found[job.name] = (sum(good), len(good), len(ended) - len(good))
    return found


@contextmanager
def killed(config: Path) -> Iterator[tuple[Forked, str]]:
    """Run the exporter; it ends by ``kill -9``, and so it does if nobody yields to it."""
    env = environment(EXPORTER_WEB__LISTEN_ADDRESS="127.0.0.1:0", EXPORTER_LOG__FORMAT="json")
    process = Forked("-m", "exporter", "run", "--config", str(config), env=env, stdout=PIPE, stderr=PIPE)
    try:
        assert process.stderr is not None
        found = next((found for line in process.stderr if (found := re.search(r'"address": "([^"]+)"', line))), None)
        assert found is not None, process.wait()
        yield process, found[1]
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()


def scraped(address: str) -> Shown:
    status, body = fetch(f"{address}/metrics")
    assert status == 200
    rows, counted = {}, {}
    for family in text_string_to_metric_families(body.decode()):
        for sample in family.samples:
            if sample.name == "huaweicloud_job_runs_rows_written_total":
                rows[sample.labels["job"]] = int(sample.value)
            elif sample.name == "huaweicloud_job_runs_total":
                counted[sample.labels["job"], sample.labels["result"]] = int(sample.value)
    return {job: (rows[job], counted[job, "succeeded"], counted[job, "failed"]) for job in rows}


def look(address: str, jobs: list[CdmJob], before: Shown) -> Shown:
    """Scrape once: no counter has fallen, no run is in a total twice or before it ended."""
    now = scraped(address)
    most = truth(jobs, time.time())
    for job, (rows, succeeded, failed) in now.items():
        assert all(value >= then for value, then in zip(now[job], before.get(job, (0, 0, 0)), strict=True)), (
            job,
            before,
        )
        assert rows & ~most[job][0] == 0, job
        assert rows.bit_count() == succeeded <= most[job][1], job
        assert failed <= most[job][2], job
    return now


def baseline(journal: Path) -> bool:
    """Whether it is on the disk that no job has run yet."""
    return journal.exists() and journal.read_text().count('"floor":["",null]') == JOBS


def caught_up(now: Shown, then: Shown) -> bool:
    """Whether what is shown has all that was true then."""
    return all(then[job][0] & ~rows == 0 and failed >= then[job][2] for job, (rows, _, failed) in now.items())


def lives(folder: Path, head: str, jobs: list[CdmJob], seed: int, ready: threading.Barrier) -> Shown:
    """Start and kill an exporter again and again, and return what the last one shows; jobs run when all are *ready*."""
    luck, shown, config = random.Random(seed), Shown(), folder / "exporter.yaml"
    entries = [f"  - {{service: cdm, cluster_id: c-1, job_name: {job.name}}}\n" for job in jobs]
    config.write_text(f"journal: {folder}/journal.json\n{head}{''.join(entries)}")
    for kill in range(KILLS // 2):
        started = truth(jobs, time.time())
        with killed(config) as (_, address):
            if kill == 0:
                eventually(lambda: baseline(folder / "journal.json"), "written what is counted from")
                ready.wait(PATIENCE)
            shown, until = look(address, jobs, shown), time.monotonic() + luck.uniform(0, 1)
            complete = kill % 7 == 6  # these lives last until all is there that had ended when they began
            limit = time.monotonic() + LATE
            while time.monotonic() < until or (complete and not caught_up(shown, started)):
                time.sleep(0.2)
                shown = look(address, jobs, shown)
                assert time.monotonic() < limit, (shown, started)
    ends = max(job.begins_at + sum(run.seconds for run in job.plan[:-1]) for job in jobs)
    time.sleep(max(0.0, ends - time.time()))
    with killed(config) as (_, address):
        limit = time.monotonic() + LATE
        while shown != truth(jobs, time.time()):
            assert time.monotonic() < limit, (shown, truth(jobs, time.time()))
            time.sleep(0.1)
            shown = look(address, jobs, shown)
    return shown


def test_kills_lose_no_run_and_count_none_twice(tmp_path: Path) -> None:
    with pretend_cloud() as (cloud, jobs, url), ThreadPoolExecutor() as pool:
        head = CONFIG.format(project=cloud.project_id, url=url, token=cloud.token)
        luck = random.Random(3)

        def begin() -> None:
            jobs[:] = [_job(number, luck) for number in range(JOBS)]
            cloud.add(*jobs)

        ready = threading.Barrier(2, begin)
        folders = [tmp_path / name for name in ("one", "other")]
        for folder in folders:
            folder.mkdir()
        waiting = [pool.submit(lives, folder, head, jobs, seed, ready) for seed, folder in enumerate(folders)]
        for each in waiting:
            assert all(failed + succeeded == RUNS for _, succeeded, failed in each.result().values())
        assert not list(tmp_path.glob("*/*.aside"))
        assert len(cloud.asked("ShowSubmissions")) > KILLS / 2
