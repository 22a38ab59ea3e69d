"""Pods of one job each that live for about one scrape interval, and two real Prometheus servers beside them."""

import asyncio
import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from threading import Thread
from typing import NamedTuple

import pytest
from aiohttp import web

from exporter.simulator import Cloud
from exporter.simulator.dli import DliJob, SubJob
from exporter.simulator.server import make_app
from tests.e2e.processes import PATIENCE, eventually, fetch, prometheus, query, serving

CONFIG = """\
log: {{level: info}}
web: {{linger: {linger}s, linger_scrapes: {scrapes}}}
poll: {{interval: {poll}s, idle_interval: {poll}s}}
push: {{pushgateway: {gateway}}}
projects:
  prod:
    cloud: custom
    region: cn-north-4
    project_id: {cloud.project_id}
    endpoints: {{dli: "{url}", iam: "{url}"}}
    credentials: {{access_key: {{key_id: {cloud.access_key}, secret: {cloud.secret_key}}}}}
job_files: [{jobs}]
"""
SCRAPES = """\
global: {{scrape_interval: {interval}s, scrape_timeout: {interval}s}}
scrape_configs:
  - job_name: pods
    honor_labels: true
    file_sd_configs: [{{files: ["{pods}/*.json"]}}]
  - job_name: pushgateway
    honor_labels: true
    static_configs: [{{targets: ["{gateway}"]}}]
"""


class Pod(NamedTuple):
    """A pod: for how long its job runs, in seconds, and by which word it ends."""

    job: str
    seconds: float
    end: str = "FINISHED"
    scraped: bool = True

    @property
    def result(self) -> str:
        """Return how the exporter is to name that end."""
        return "succeeded" if self.end == "FINISHED" else "failed"


@dataclass(frozen=True)
class Site:
    """Where the pods run."""

    folder: Path
    cloud: Cloud
    url: str
    gateway: str
    interval: int

    def run(self, pod: Pod) -> None:
        """Run a pod from its start until it is gone, as the kubelet does."""
        jobs, target = self.folder / f"{pod.job}.jsonl", self.folder / "pods" / f"{pod.job}.json"
        config = self.folder / f"{pod.job}.yaml"
        told = {"poll": self.interval / 3, "gateway": "null" if pod.scraped else f"http://{self.gateway}"}
        if pod.scraped:
            told |= {"linger": 3 * self.interval, "scrapes": 2}
        else:
            told |= {"linger": 0, "scrapes": "null"}
        config.write_text(CONFIG.format(cloud=self.cloud, url=self.url, jobs=jobs, **told))
        with serving("run", "--config", str(config)) as (process, address):
            if pod.scraped:
                target.write_text(json.dumps([{"targets": [address.removeprefix("http://")]}]))
            began = float(int(self.cloud.clock()))
            job = DliJob(self.cloud.new_uuid(), pod.job, began, (SubJob("Hive", 100, 3600),), pod.end)
            self.cloud.add(job)
            jobs.write_text(json.dumps({"service": "dli", "job_id": job.job_id, "name": pod.job}) + "\n")
            # a run that had ended when it was first seen is shown, and not counted
            eventually(lambda: self.cloud.asked(job=job.job_id), "the job is polled while it runs")
            self.cloud.add(replace(job, cut=self.cloud.clock() - began + pod.seconds))
            time.sleep(pod.seconds + 1)  # whole seconds are what the service tells
            process.send_signal(signal.SIGTERM)
            assert process.wait(timeout=4 * self.interval + PATIENCE) == 0
        target.unlink(missing_ok=True)


@contextmanager
def served(cloud: Cloud) -> Iterator[str]:
    """Serve a pretend cloud in a thread."""
    loop = asyncio.new_event_loop()
    thread = Thread(target=loop.run_forever)
    thread.start()
    runner = web.AppRunner(make_app(cloud), access_log=None)

    async def listen() -> str:
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        return f"http://127.0.0.1:{runner.addresses[0][1]}"

    try:
        yield asyncio.run_coroutine_threadsafe(listen(), loop).result(PATIENCE)
    finally:
        asyncio.run_coroutine_threadsafe(runner.cleanup(), loop).result(PATIENCE)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


@contextmanager
def pushgateway() -> Iterator[str]:
    """Run a real Pushgateway and yield where it listens."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    command = ["prometheus-pushgateway", f"--web.listen-address={address}"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            eventually(lambda: fetch(f"http://{address}/-/ready")[0] == 200, "the Pushgateway is ready")
            yield address
        finally:
            process.terminate()


def known(server: str, pod: Pod) -> tuple[set[str], dict[str, float]]:
    """Return in which states a server saw the job last, and how many runs it counted by result."""
    states = query(server, f'last_over_time(huaweicloud_job_state{{job="{pod.job}"}}[1h]) == 1')
    runs = query(server, f'last_over_time(huaweicloud_job_runs_total{{job="{pod.job}"}}[1h]) > 0')
    return (
        {each["metric"]["state"] for each in states},
        {each["metric"]["result"]: float(each["value"][1]) for each in runs},
    )


FEW = (3, (Pod("quick", 1), Pod("fails", 3, "FAILED"), Pod("slow", 5), Pod("unseen", 1, scraped=False)))
EIGHT = (
    30,
    (
        *(Pod(f"nightly-{seconds}", seconds) for seconds in (20, 27, 33, 46, 60)),
        *(Pod(f"broken-{seconds}", seconds, "FAILED") for seconds in (22, 38, 55)),
        Pod("unseen", 5, scraped=False),
        Pod("unseen-broken", 5, "FAILED", scraped=False),
    ),
)


@pytest.mark.slow
@pytest.mark.needs("prometheus", "prometheus-pushgateway")
@pytest.mark.parametrize(("interval", "pods"), [FEW, pytest.param(*EIGHT, marks=pytest.mark.long)])
def test_two_servers_know_each_end_and_each_count(tmp_path: Path, interval: int, pods: tuple[Pod, ...]) -> None:
    """By linger where they scrape the pods, and by a push from a pod that nobody scraped."""
    cloud = Cloud(seed=1)
    (tmp_path / "pods").mkdir()
    with ExitStack() as stack:
        url, gateway = stack.enter_context(served(cloud)), stack.enter_context(pushgateway())
        scrapes = SCRAPES.format(interval=interval, pods=tmp_path / "pods", gateway=gateway)
        servers = []
        for name in ("one", "other"):
            (tmp_path / name).mkdir()
            servers.append(stack.enter_context(prometheus(tmp_path / name, scrapes)))
        site = Site(tmp_path, cloud, url, gateway, interval)
        with ThreadPoolExecutor(len(pods)) as threads:
            list(threads.map(site.run, pods))
        time.sleep(2 * interval)  # so the Pushgateway is scraped

        for server in servers:
            found = {pod.job: known(server, pod) for pod in pods}
            assert found == {pod.job: ({pod.result}, {pod.result: 1.0}) for pod in pods}
