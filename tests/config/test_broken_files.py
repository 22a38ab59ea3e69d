"""A hundred ways in which operators break a configuration: `check` names the place of each, and the remedy."""

from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from exporter.cli import main

GOOD: Final = """\
log: {level: info, format: json}
web:
  listen_address: 0.0.0.0:10926
  config_file: web.yml
  linger: 45s
poll:
  interval: 30s
  idle_interval: 5m
  stale_after: 10m
metrics:
  job_labels: [team]
push: {pushgateway: "https://push.example.com"}
projects:
  prod:
    region: cn-north-4
    project_id: 05f2cff45100d5112f4bc00b794ea08e
    time_zone: Asia/Shanghai
    limits: {cdm: 1.8/s}
    credentials:
      access_key: {key_id: EXAMPLE, secret_file: secret}
  test:
    region: cn-south-1
    project_id: 1a2b3c
    credentials: {token_file: token}
jobs:
  - {service: dli, project: prod, job_id: 85798b38-ae44-48eb-bb90-7cf0dcdafe7b, name: nightly, interval: 10s}
  - service: cdm
    project: prod
    cluster_id: 6ec9a0a4-76be-4262-8697-e7af1fac7920
    job_name: jdbc2hive
    labels: {team: sales}
    promises:
      period: 1d
      max_run: 2h
      deadline: {at: "06:00", days: mon-fri}
  - {service: dws, project: test, cluster_id: 2c9080e8, name: warehouse}
job_files: [jobs.d/*.yaml]
discovery:
  - {service: dli, project: prod, queues: [default], name: "{tags.pipeline}", types: [QUERY], window: 1d}
  - {service: cdm, project: prod, clusters: all, match: "^prod_"}
"""
FILES: Final = {
    "web.yml": "basic_auth_users: {prometheus: $2y$10$qRTBuFoULoYNA7AQ/F3ck.trZBPyjV64.oA4ZsSBCIWvXuvQlQTuu}\n",
    "secret": "example\n",
    "token": "example\n",
    "jobs.d/a.yaml": "- {service: dws, project: test, job_id: 2c90, name: resize}\n",
}
CASES: Final[list[dict[str, Any]]] = yaml.safe_load(Path(__file__).with_name("broken_files.yaml").read_text())


def check(
    folder: Path, monkeypatch: pytest.MonkeyPatch, files: dict[str, str], variables: dict[str, str] | None = None
) -> int:
    """Run the command in a folder with those files."""
    monkeypatch.chdir(folder)
    for name, value in (variables or {}).items():
        monkeypatch.setenv(name, value)
    for name, text in {"exporter.yaml": GOOD, **FILES, **files}.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)
    return main(["check", "-c", "exporter.yaml"])


@pytest.mark.parametrize("case", [pytest.param(case, id=case["title"]) for case in CASES])
def test_the_place_and_the_remedy_are_told(
    case: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    right, written = case.get("instead of", ""), case.get("written", "")
    assert right in GOOD
    files = {"exporter.yaml": GOOD.replace(right, written, 1), **case.get("files", {})}

    code = check(tmp_path, monkeypatch, files, case.get("variables"))

    told = capsys.readouterr().err.replace(f"{tmp_path}/", "").splitlines()
    assert (code, told) == (1, case["told"])


def test_they_are_broken_by_nothing_else(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check(tmp_path, monkeypatch, {}) == 0
    assert len({str({**case, "title": "", "told": ""}) for case in CASES}) == len(CASES) > 90
