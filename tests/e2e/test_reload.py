"""Another configuration for the running command: by request, by signal and by the file itself."""

import asyncio
import json
import re
import signal
import threading
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from exporter.cli.demo import settings_for
from exporter.clock import SystemClock
from exporter.config import Settings, load
from exporter.local_files import digest
from exporter.metrics.telemetry import Telemetry
from exporter.model.changes import Changes
from exporter.reload import Reloader
from exporter.supervise import keep_running
from tests.e2e.processes import eventually, fetch, serving

COUNTER = re.compile(r"^(huaweicloud_job_exporter_\w+_total(?:{.*})?) (\S+)$", re.MULTILINE)


class Config:
    """The configuration file, and the cloud that its jobs are in."""

    def __init__(self, path: Path, announced: dict[str, Any]) -> None:
        self.path = path
        self.settings = settings_for(announced)
        self.jobs = self.settings["jobs"]
        self.settings["web"] = {"listen_address": "127.0.0.1:0", "enable_lifecycle": "true"}

    def write(self, jobs: list[dict[str, Any]], **changes: Any) -> None:
        text = json.dumps({**self.settings, "jobs": jobs, **changes})
        aside = self.path.with_suffix(".new")
        aside.write_text(text)
        aside.replace(self.path)


@pytest.fixture
def config(cloud: dict[str, Any], tmp_path: Path) -> Config:
    """Write a configuration with the first jobs of the cloud."""
    found = Config(tmp_path / "exporter.yaml", cloud)
    found.write(found.jobs[:6])
    return found


def reload(address: str) -> tuple[int, dict[str, Any]]:
    request = urllib.request.Request(f"{address}/-/reload", method="POST")
    try:
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def metrics(address: str) -> str:
    return fetch(f"{address}/metrics")[1].decode()


def up(address: str) -> int:
    return len(re.findall(r"^huaweicloud_job_up{.*} 1.0$", metrics(address), re.MULTILINE))


def own(address: str, name: str) -> float:
    found = re.search(rf"^huaweicloud_job_exporter_{name} (.*)$", metrics(address), re.MULTILINE)
    assert found is not None
    return float(found[1])


def names(jobs: list[dict[str, str]]) -> set[str]:
    return {f"{job['service']}/{job.get('name') or job.get('job_name') or job['job_id']}" for job in jobs}


def test_a_request_adds_and_removes_jobs_and_tells_the_difference(config: Config) -> None:
    with serving("run", "--config", str(config.path)) as (_, address):
        eventually(lambda: up(address) >= 5, "the first jobs are up")
        config.write(config.jobs[2:9])

        status, answer = reload(address)

        assert status == 200
        assert set(answer["added"]) == names(config.jobs[6:9])
        assert set(answer["removed"]) == names(config.jobs[:2])
        assert answer["changed"] == []
        assert own(address, "config_last_reload_successful") == 1
        eventually(lambda: up(address) >= 6, "the new jobs are up")


def test_what_is_left_out_is_told_each_time(config: Config, tmp_path: Path) -> None:
    """A job file's entry whose name is taken was left out before, and still is."""
    taken = {"service": "dli", "job_id": "another", "name": "taken"}
    (tmp_path / "more.jsonl").write_text(json.dumps(taken) + "\n")
    jobs = [*config.jobs[:2], taken | {"job_id": "one"}]
    config.write(jobs, job_files=[str(tmp_path / "*.jsonl")])
    with serving("run", "--config", str(config.path)) as (_, address):
        for _ in range(2):
            status, answer = reload(address)
            assert status == 200
            assert len(answer["left_out"]) == 1


def test_a_mistake_changes_nothing_and_is_told(config: Config) -> None:
    with serving("run", "--config", str(config.path)) as (_, address):
        eventually(lambda: up(address) >= 5, "the jobs are up")
        config.write([*config.jobs, {"service": "nothing"}], poll={"interval": "soon"})

        status, answer = reload(address)

        assert status == 400
        assert len(answer["mistakes"]) >= 2
        assert all(str(config.path) in mistake for mistake in answer["mistakes"])
        assert own(address, "config_last_reload_successful") == 0
        assert len(json.loads(fetch(f"{address}/api/v1/jobs")[1])["jobs"]) == 6


def test_what_needs_a_restart_is_refused_by_name(config: Config) -> None:
    with serving("run", "--config", str(config.path)) as (_, address):
        config.write(config.jobs[:6], metrics={"labels": {"service": "cloud_service"}})

        assert reload(address) == (400, {"mistakes": ["metrics.labels: another value needs a restart"]})


def test_a_web_configuration_file_comes_into_force_with_the_settings_that_name_it(config: Config) -> None:
    web = config.path.with_name("web.yml")
    with serving("run", "--config", str(config.path)) as (_, address):
        named = {"web": config.settings["web"] | {"config_file": "web.yml"}}
        web.write_text("basic_auth_users: {joe: secret}")
        config.write(config.jobs[:6], **named)
        status, answer = reload(address)

        assert (status, [each.partition(": ")[0] for each in answer["mistakes"]]) == (400, [f"{web}:1"])
        assert "\nhuaweicloud_job_exporter_web_config" not in metrics(address)
        assert fetch(f"{address}/-/healthy")[0] == 200

        web.write_text("basic_auth_users: {joe: $2y$10$qRTBuFoULoYNA7AQ/F3ck.trZBPyjV64.oA4ZsSBCIWvXuvQlQTuu}")
        assert reload(address)[0] == 200
        assert fetch(f"{address}/-/healthy")[0] == 401
        web.write_text("")
        eventually(lambda: fetch(f"{address}/-/healthy")[0] == 200, "the change of the file alone is heeded")
        assert own(address, "web_config_last_reload_successful") == 1
        config.write(config.jobs[:6])
        assert reload(address)[0] == 200
        assert "\nhuaweicloud_job_exporter_web_config" not in metrics(address)


def test_the_file_and_the_signal_reload_too_and_a_request_only_where_it_may(config: Config) -> None:
    config.settings["web"] = {"listen_address": "127.0.0.1:0"}
    config.write(config.jobs[:3])
    with serving("run", "--config", str(config.path)) as (process, address):
        request = urllib.request.Request(f"{address}/-/reload", method="POST")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            urllib.request.urlopen(request, timeout=20)
        config.write(config.jobs[:5])
        eventually(lambda: len(json.loads(fetch(f"{address}/api/v1/jobs")[1])["jobs"]) == 5, "the file was read")
        before = own(address, "config_last_reload_success_timestamp_seconds")
        time.sleep(0.01)
        process.send_signal(signal.SIGHUP)
        eventually(
            lambda: own(address, "config_last_reload_success_timestamp_seconds") > before, "the signal was heeded"
        )


def test_scrapes_are_answered_and_no_counter_falls_while_the_configuration_changes_all_the_time(
    config: Config,
) -> None:
    failed: list[str] = []
    done = threading.Event()
    scrapes: list[float] = []

    def scrape(address: str) -> None:
        seen: dict[str, float] = {}
        while not done.wait(0.05):
            status, body = fetch(f"{address}/metrics?name[]=huaweicloud_job_exporter_api_requests_total")[:2]
            scrapes.append(time.monotonic())
            if status != 200:
                failed.append(f"status {status}")
            for name, value in COUNTER.findall(body.decode()):
                if float(value) < seen.get(name, 0.0):
                    failed.append(f"{name} fell")
                seen[name] = float(value)

    with serving("run", "--config", str(config.path)) as (_, address):
        threads = [threading.Thread(target=scrape, args=(address,)) for _ in range(4)]
        for thread in threads:
            thread.start()
        try:
            for turn in range(100):
                time.sleep(0.05)
                if turn % 3 == 2:
                    config.write([{"service": "nothing"}])
                    assert reload(address)[0] == 400
                else:
                    config.write(config.jobs[turn % 5 : 10 + turn % 7])
                    assert reload(address)[0] == 200
        finally:
            done.set()
            for thread in threads:
                thread.join()
        assert failed == []
        assert len(scrapes) / (scrapes[-1] - scrapes[0]) > 25
        assert own(address, "config_last_reload_successful") == 1


def test_job_files_that_are_not_named_any_more_lose_their_jobs(config: Config) -> None:
    lines = config.path.with_name("more.jsonl")
    lines.write_text("".join(json.dumps(job) + "\n" for job in config.jobs[6:8]))
    config.write(config.jobs[:6], job_files=["*.jsonl"])
    with serving("run", "--config", str(config.path)) as (_, address):
        eventually(lambda: len(json.loads(fetch(f"{address}/api/v1/jobs")[1])["jobs"]) == 8, "all jobs are there")
        config.write(config.jobs[:6])

        assert reload(address)[0] == 200

        eventually(lambda: len(json.loads(fetch(f"{address}/api/v1/jobs")[1])["jobs"]) == 6, "those of the file went")


@pytest.mark.parametrize("asked", [True, False])
def test_a_file_that_is_gone_is_refused_and_back_as_it_was_no_longer(config: Config, *, asked: bool) -> None:
    refused = "huaweicloud_job_exporter_config_last_reload_successful 0.0"
    with serving("run", "--config", str(config.path)) as (process, address):
        elsewhere = config.path.rename(config.path.with_suffix(".away"))
        if asked:
            process.send_signal(signal.SIGHUP)
        eventually(lambda: refused in metrics(address), "the refusal")
        elsewhere.rename(config.path)

        assert eventually(lambda: refused not in metrics(address), "the file as it was")


def test_a_change_before_the_first_look_is_seen(config: Config) -> None:
    """What counts is what the file held when it was read, not what it holds when it is first looked at."""
    settings = json.loads(config.path.read_text())

    async def take(changed: Settings) -> Changes:
        taken.append(len(changed.jobs))
        return Changes()

    async def main() -> None:
        before, written = load(None, {}, settings), digest(config.path)
        config.write(config.jobs[:2])
        now = lambda: load(None, {}, json.loads(config.path.read_text()))  # noqa: E731
        reloader = Reloader(before, now, take, SystemClock(), Telemetry(), config.path, written)
        watching = asyncio.create_task(reloader.watch())
        while not taken:
            await asyncio.sleep(0.05)
        watching.cancel()

    taken: list[int] = []
    asyncio.run(asyncio.wait_for(main(), 30))
    assert taken == [2]


def test_a_reload_that_crashes_is_tried_again_and_not_told_as_good(config: Config) -> None:
    settings = json.loads(config.path.read_text())

    async def take(changed: Settings) -> Changes:
        tries.append(len(changed.jobs))
        if len(tries) == 1:
            raise RuntimeError
        return Changes()

    async def main() -> None:
        telemetry, written = Telemetry(), digest(config.path)
        good = "huaweicloud_job_exporter_config_last_reload_successful"
        now = lambda: load(None, {}, json.loads(config.path.read_text()))  # noqa: E731
        reloader = Reloader(load(None, {}, settings), now, take, SystemClock(), telemetry, config.path, written)
        config.write(config.jobs[:2])
        watching = asyncio.create_task(keep_running(reloader.watch, lambda: None, "watch"))
        while not tries:
            await asyncio.sleep(0.01)
        await asyncio.sleep(0)
        assert telemetry.registry.get_sample_value(good) == 0
        while len(tries) < 2:
            await asyncio.sleep(0.05)
        await asyncio.sleep(0)
        assert telemetry.registry.get_sample_value(good) == 1
        watching.cancel()

    tries: list[int] = []
    asyncio.run(asyncio.wait_for(main(), 30))
    assert tries == [2, 2]


def test_another_choice_of_labels_is_shown_from_the_next_scrape_on(config: Config) -> None:
    said: list[dict[str, Any]] = [{**job, "labels": {"team": "sales"}} for job in config.jobs[:2]]
    config.write(said)
    with serving("run", "--config", str(config.path)) as (_, address):
        assert 'label_team="sales"' not in metrics(address)

        config.write(said, metrics={"job_labels": ["team"]})
        reload(address)
        assert metrics(address).count('label_team="sales"') == 2
        config.write([{**said[0], "labels": {"team": "ops"}}], metrics={"job_labels": ["team"]})
        reload(address)
        text = metrics(address)
        assert (text.count('label_team="ops"'), text.count('label_team="sales"')) == (1, 0)
