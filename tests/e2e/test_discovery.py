"""Rules against the simulator, by the real commands: what they find is on /metrics, and what the docs show works."""

import json
import re
import time
from pathlib import Path
from typing import Any

import yaml

from exporter.cli.demo import settings_for
from exporter.config import load
from exporter.model.job import JobKey
from exporter.services.registry import load_services as services
from tests.e2e.processes import ROOT, eventually, exporter, fetch, serving

PAGE = (ROOT / "docs/discovery.md").read_text()
(EXAMPLE,) = re.findall(r"```yaml\n(# exporter.yaml.*?)```", PAGE, re.DOTALL)


def written(cloud: dict[str, Any], path: Path, rules: list[dict[str, Any]]) -> str:
    settings = settings_for(cloud) | {"discovery": rules}
    del settings["jobs"], settings["web"]
    settings["poll"]["list_interval"] = "2s"
    path.write_text(yaml.safe_dump(settings))
    return str(path)


def jobs_on(address: str) -> set[JobKey]:
    text = fetch(f"{address}/metrics")[1].decode()
    found = re.findall(r'^huaweicloud_job_up\{job="([^"]+)",service="(\w+)"\} 1', text, re.MULTILINE)
    return {JobKey(service, job) for job, service in found}


def test_what_the_rules_of_the_page_find_is_on_metrics(cloud: dict[str, Any], tmp_path: Path) -> None:
    rules = yaml.safe_load(EXAMPLE)["discovery"]
    path = written(cloud, tmp_path / "exporter.yaml", [{"service": "dli", "window": "1d"}, {"service": "cdm"}, *rules])

    with serving("run", "--config", path) as (process, address):
        eventually(lambda: {"dli", "cdm"} <= {key.service for key in jobs_on(address)}, "jobs of both are found")
        assert eventually(lambda: fetch(f"{address}/-/ready")[0] == 200, "every rule has looked")
        text = fetch(f"{address}/metrics")[1].decode()
        assert 'registered_jobs{service="cdm",source="discovery"}' in text
        assert 'discovery_last_success_timestamp_seconds{project="demo",service="cdm"}' in text
        process.terminate()
        assert process.wait(timeout=10) == 0


def test_a_restart_while_the_lists_are_down_for_longer_than_the_retention_loses_no_total(
    cloud: dict[str, Any], tmp_path: Path
) -> None:
    path, journal = tmp_path / "exporter.yaml", tmp_path / "journal.json"
    written(cloud, path, [{"service": "cdm"}])
    settings = yaml.safe_load(path.read_text()) | {"journal": str(journal)}
    settings["poll"]["retention"] = "1s"
    path.write_text(yaml.safe_dump(settings))
    with serving("run", "--config", str(path)) as (process, address):
        eventually(lambda: journal.exists() and len(jobs_on(address)) > 3, "jobs are found and kept")
        process.terminate()
        assert process.wait(timeout=10) == 0
    before = _jobs_in(journal)
    assert len(before) > 3

    settings["projects"]["demo"]["endpoints"]["cdm"] = "http://127.0.0.1:9"  # where nobody listens
    path.write_text(yaml.safe_dump(settings))
    with serving("run", "--config", str(path)) as (process, address):
        time.sleep(4)
        process.terminate()
        assert process.wait(timeout=10) == 0

    assert _jobs_in(journal) == before


def _jobs_in(journal: Path) -> set[str]:
    return {each["job"] for each in json.loads(journal.read_text())["jobs"]}


def test_check_tells_what_rules_there_are(cloud: dict[str, Any], tmp_path: Path) -> None:
    path = written(cloud, tmp_path / "exporter.yaml", [{"service": "dli"}, {"service": "cdm"}])

    done = exporter("check", "--config", path)

    assert (done.returncode, done.stderr) == (0, "")
    assert "project demo: 1 rule for cdm jobs; discover --rules shows how many jobs they find" in done.stdout


def test_the_example_of_the_page_is_valid(tmp_path: Path) -> None:
    for name in ("ak", "sk"):
        (tmp_path / name).write_text("EXAMPLE")
    path = tmp_path / "exporter.yaml"
    path.write_text(EXAMPLE.replace("/run/secrets/", ""))

    assert len(load(path, {}).discovery) == len(yaml.safe_load(EXAMPLE)["discovery"])


def test_the_page_names_every_key_and_every_word() -> None:
    rules = [each.lists.rule for each in services().values() if each.lists is not None]

    for rule in rules:
        assert all(f"`{key}`" in PAGE for key in rule.model_fields)
        assert all(f"{{{word}" in PAGE for word in rule.words)
