"""``discover`` against the simulator: what it prints can be pasted, and is what the cloud has."""

import json
from pathlib import Path
from typing import Any

import yaml

from exporter.cli.demo import settings_for
from tests.e2e.processes import exporter


def written(cloud: dict[str, Any], path: Path, **changes: Any) -> str:
    settings = settings_for(cloud)
    del settings["jobs"], settings["web"]
    path.write_text(json.dumps({**settings, **changes}))
    return str(path)


def test_what_it_prints_is_what_the_cloud_has_and_can_be_pasted(cloud: dict[str, Any], tmp_path: Path) -> None:
    result = exporter("discover", "--config", written(cloud, tmp_path / "exporter.yaml"))

    assert (result.returncode, result.stderr) == (0, "")
    jobs = yaml.load(result.stdout, yaml.BaseLoader)["jobs"]
    assert {job["job_id"] for job in jobs if job["service"] == "dli"} == {
        job["job_id"] for job in cloud["jobs"] if job["service"] == "dli"
    }
    listed = {(job["cluster_id"], job["job_name"]) for job in jobs if job["service"] == "cdm"}
    known = {(job["cluster_id"], job["job_name"]) for job in cloud["jobs"] if job["service"] == "cdm"}
    assert listed
    assert listed <= known
    assert "dws of project" in result.stdout
    (tmp_path / "pasted.yaml").write_text(
        (tmp_path / "exporter.yaml").read_text().rstrip().removesuffix("}") + ', "jobs": ' + json.dumps(jobs) + "}"
    )
    checked = exporter("check", "--config", str(tmp_path / "pasted.yaml"))
    assert "The configuration is valid." in checked.stdout or "asks for more than its limits" in checked.stdout


def test_a_cloud_that_refuses_is_told_and_the_exit_code_says_so(cloud: dict[str, Any], tmp_path: Path) -> None:
    wrong = settings_for(cloud)["projects"]
    name = next(iter(wrong))
    wrong[name]["credentials"] = {"access_key": {"key_id": "nobody", "secret": "wrong"}}
    result = exporter("discover", "--config", written(cloud, tmp_path / "exporter.yaml", projects=wrong))

    assert result.returncode == 1
    assert "the cloud refused the credentials" in result.stderr
    assert yaml.safe_load(result.stdout) == {"jobs": None}


def test_without_jobs_only_discover_takes_the_configuration(cloud: dict[str, Any], tmp_path: Path) -> None:
    result = exporter("check", "--config", written(cloud, tmp_path / "exporter.yaml"))

    assert result.returncode == 1
    assert "no job is registered" in result.stderr


def test_a_job_that_a_rule_would_find_is_not_known_to_poll(cloud: dict[str, Any], tmp_path: Path) -> None:
    config = written(cloud, tmp_path / "exporter.yaml", discovery=[{"service": "cdm"}])
    result = exporter("poll", "cdm", "orders", "--config", config)

    assert result.returncode == 1
    assert "what rules find only a running exporter knows" in result.stderr


def test_rules_are_tried_without_being_run(cloud: dict[str, Any], tmp_path: Path) -> None:
    rules = [{"service": "cdm", "match": "^nothing"}, {"service": "dli", "name": "all"}]
    result = exporter("discover", "--rules", "--config", written(cloud, tmp_path / "exporter.yaml", discovery=rules))

    assert (result.returncode, result.stderr) == (0, "")
    assert "# a rule for cdm of project demo: 0 jobs\n" in result.stdout
    found = yaml.load(result.stdout, yaml.BaseLoader)["jobs"]
    assert {job["name"] for job in found} == {"all"}
    assert f"# all: {len(found)} jobs have this name: they count as runs of one" in result.stdout

    without = exporter("discover", "--rules", "--config", written(cloud, tmp_path / "exporter.yaml"))
    assert (without.returncode, without.stdout) == (1, "")
    assert "there is no rule under discovery" in without.stderr
