"""The real command and its job files: another process writes a line, and the job is polled; it takes it out again."""

import json
import re
import shlex
import signal
import socket
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from exporter.cli.demo import settings_for
from exporter.model.job import JobKey
from exporter.model.sharding import shard_of
from tests.e2e.processes import eventually, exporter, fetch, serving
from tests.known import SERVICES

SOON = 2.0
"""Seconds within which a line is noticed."""
SLACK = 4.0
"""Seconds for a poll, on a machine that may be busy."""


@pytest.fixture
def config(cloud: dict[str, Any], tmp_path: Path) -> str:
    """Write a configuration without jobs that names job files."""
    settings = {**settings_for(cloud), "job_files": ["*.jsonl"]}
    del settings["jobs"], settings["web"]
    path = tmp_path / "exporter.yaml"
    path.write_text(json.dumps(settings))
    return str(path)


def series(address: str) -> list[str]:
    return re.findall(r'huaweicloud_job_up{job="([^"]*)",service="dli"} 1', fetch(f"{address}/metrics")[1].decode())


def shell(command: str) -> None:
    subprocess.run(["sh", "-c", command], check=True)


def test_another_process_registers_a_job_by_a_line_and_takes_it_out_again(
    config: str, cloud: dict[str, Any], tmp_path: Path
) -> None:
    job_id = next(job["job_id"] for job in cloud["jobs"] if job["service"] == "dli")
    jobs = shlex.quote(str(tmp_path / "jobs.jsonl"))
    with serving("run", "--config", config) as (process, address):
        assert fetch(f"{address}/-/ready")[0] == 200
        began = time.monotonic()
        for name in ("one", "two"):
            entry = json.dumps({"service": "dli", "job_id": job_id, "name": name})
            shell(f"echo {shlex.quote(entry)} >> {jobs}")
        eventually(lambda: set(series(address)) == {"one", "two"}, "both jobs are there", patience=SOON + SLACK)
        metrics = fetch(f"{address}/metrics")[1].decode()
        assert 'huaweicloud_job_progress_ratio{job="one",service="dli"}' in metrics
        assert 'huaweicloud_job_exporter_registered_jobs{service="dli",source="file"} 2.0' in metrics
        assert f'huaweicloud_job_exporter_job_file_last_read_successful{{file="{tmp_path}/jobs.jsonl"}} 1.0' in metrics

        shell(f"sed -i /one/d {jobs}")
        eventually(lambda: set(series(address)) == {"two"}, "one is gone", patience=SOON + SLACK)
        assert 'job="one"' not in fetch(f"{address}/metrics")[1].decode()
        shell(f"rm {jobs}")
        eventually(lambda: not series(address), "none is left", patience=SOON + SLACK)
        assert time.monotonic() - began < 3 * (SOON + SLACK)
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=10) == 0


def test_check_and_poll_know_the_jobs_of_files(config: str, cloud: dict[str, Any], tmp_path: Path) -> None:
    job_id = next(job["job_id"] for job in cloud["jobs"] if job["service"] == "dli")
    (tmp_path / "a.jsonl").write_text(json.dumps({"service": "dli", "job_id": job_id, "name": "one"}))
    done = exporter("check", "--config", config)
    assert (done.returncode, done.stderr) == (0, "")
    assert "project demo: 1 dli job at" in done.stdout
    assert exporter("poll", "dli", "one", "--config", config).returncode in (0, 1)  # it may be one that cannot be read

    (tmp_path / "b.jsonl").write_text('{"service": "ecs"}')
    done = exporter("check", "--config", config)
    told = f'{tmp_path}/b.jsonl:1: [0].service: unknown service "ecs"; known are {SERVICES}\n'
    assert (done.returncode, done.stdout, done.stderr) == (1, "", told)
    done = exporter("poll", "dli", "two", "--config", config)
    assert (done.returncode, done.stderr) == (
        1,
        f"no job 'two' of service 'dli' is registered; known are 'one'\n{told}",
    )


def test_it_is_ready_only_once_the_jobs_of_files_were_tried(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        endpoint = f"http://127.0.0.1:{silent.getsockname()[1]}"
        (tmp_path / "jobs.yaml").write_text("- {service: dli, job_id: j1, name: orders}")
        (tmp_path / "exporter.yaml").write_text(
            f"""\
poll: {{timeout: 4s}}
job_files: [jobs.yaml]
projects:
  prod: {{region: cn-north-4, project_id: p, endpoints: {{dli: "{endpoint}"}}, credentials: {{token: t}}}}
"""
        )
        with serving("run", "--config", str(tmp_path / "exporter.yaml")) as (_, address):
            status, body = fetch(f"{address}/-/ready")
            assert status == 503
            assert b"orders" in body
            eventually(lambda: fetch(f"{address}/-/ready")[0] == 200, "ready")


@pytest.mark.parametrize("shard", ["0", "1"])
def test_each_of_two_shards_takes_its_jobs_of_the_files(config: str, tmp_path: Path, shard: str) -> None:
    names = [f"job{number}" for number in range(8)]
    rows = [json.dumps({"service": "dli", "job_id": "x", "name": name}) for name in names]
    (tmp_path / "a.jsonl").write_text("\n".join(rows))
    variables = {"EXPORTER_SHARDING__SHARDS": "2", "EXPORTER_SHARDING__SHARD": shard}
    with serving("run", "--config", config, **variables) as (_, address):
        found = re.findall(r'huaweicloud_job_info{.*job="(\w+)"', fetch(f"{address}/metrics")[1].decode())

    assert found
    assert sorted(found) == sorted(name for name in names if shard_of(JobKey("dli", name), 2) == int(shard))
