"""The alert and recording rules: each alert fires where it should and nowhere else, and speaks of things that exist."""

import re
import subprocess
from collections import Counter
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from deploy.prometheus import reference
from exporter.services import registry
from tests.names import named, unknown

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "deploy/prometheus"
FILES = sorted((FOLDER / "tests").glob("*.yml"))
ALERTS = {rule["alert"]: rule for rule in reference.load("alerts.yml")}
RECORDED = {rule["record"] for rule in reference.load("recording.yml")}
SEVERITIES = {"critical", "warning", "info"}


@cache
def checks(*paths: Path) -> list[tuple[str, list[Any]]]:
    """Return the alert that each check looks for, and what it expects of it."""
    return [
        (found[1], check["exp_samples"])
        for path in paths or FILES
        for case in yaml.load(path.read_text(), yaml.CSafeLoader)["tests"]
        for check in case["promql_expr_test"]
        if (found := re.search(r'ALERTS\{alertname="(\w+)", alertstate="firing"', check["expr"]))
    ]


def promtool(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["promtool", *map(str, arguments)], capture_output=True, text=True, check=False)


@pytest.mark.needs("promtool")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_the_alerts_fire_and_keep_silent_as_their_cases_say_and_their_texts_are_filled_in(
    path: Path, tmp_path: Path
) -> None:
    """Ask promtool for the texts of what fires too, by expecting that nothing does: those failures alone are right."""
    cases = yaml.load(path.read_text(), yaml.CBaseLoader)  # `0x40` is no number here
    cases["rule_files"] = [str((path.parent / each).resolve()) for each in cases["rule_files"]]
    for case in cases["tests"]:
        for sample in (each for check in case["promql_expr_test"] for each in check["exp_samples"]):
            sample["value"] = float(sample["value"])
        case["alert_rule_test"] = [
            {"eval_time": check["eval_time"], "alertname": found[1], "exp_alerts": []}
            for check in case["promql_expr_test"]
            if check["exp_samples"] and (found := re.search(r'alertname="(\w+)"', check["expr"]))
        ]
    (tmp_path / "texts.yml").write_text(yaml.safe_dump(cases))

    done = promtool("test", "rules", tmp_path / "texts.yml")

    said = done.stdout + done.stderr
    kinds = Counter(re.findall(r"^ +(alertname|expr|err\w*): ", said, re.MULTILINE))
    assert kinds == +Counter(alertname=sum(len(case["alert_rule_test"]) for case in cases["tests"])), said
    texts = re.findall(r"Annotations:\{(.*)\}", said)
    assert len(texts) >= len({name for name, samples in checks(path) if samples})
    for text in texts:
        assert 'summary="' in text
        assert not re.search(r"error expanding|no value|\{\{|%!|NaN|Inf", text), text


@pytest.mark.needs("promtool")
def test_what_an_alert_links_to_and_says_is_of_its_own_cluster_and_project(tmp_path: Path) -> None:
    """Two clusters have exporters of one address, and jobs of one name; a third exporter has it in another project."""
    own = {
        "east": ("a:1", "prod", "CDM.0001"),
        "west": ("a:1", "prod", "CDM.0002"),
        "north": ("b:1", "test", "CDM.0003"),
    }
    series: list[dict[str, str]] = []
    for cluster, (instance, project, code) in own.items():
        target = f'cluster="{cluster.replace("north", "east")}",instance="{instance}"'
        job = f'{target},service="cdm",job="orders"'
        for name, labels in (
            ("info", f'{job},project="{project}",region="r"'),
            ("state", f'{job},state="failed"'),
            ("failure_info", f'{job},code="{code}"'),
            ("exporter_page_info", f'{target},job="exporter",url="https://{cluster}"'),
        ):
            series.append({"series": f"huaweicloud_job_{name}{{{labels}}}", "values": "1x20"})
    asked = {"eval_time": "10m", "alertname": "HuaweicloudJobFailed", "exp_alerts": []}
    case = {"interval": "1m", "input_series": series, "alert_rule_test": [asked]}
    rules = [str(FOLDER / "rules" / name) for name in ("recording.yml", "alerts.yml")]
    (tmp_path / "case.yml").write_text(
        yaml.safe_dump({"rule_files": rules, "evaluation_interval": "1m", "tests": [case]})
    )

    done = promtool("test", "rules", tmp_path / "case.yml")

    texts = re.findall(r"Annotations:\{(.*)\}", done.stdout + done.stderr)
    told = {(re.findall(r"https://\w+", text)[0], re.findall(r"CDM\.\d+", text)[0]) for text in texts}
    assert told == {(f"https://{cluster}", code) for cluster, (_, _, code) in own.items()}, done.stderr


@pytest.mark.parametrize("alert", ALERTS)
def test_every_alert_has_a_case_in_which_it_fires_and_one_in_which_it_does_not(alert: str) -> None:
    expected = [samples for name, samples in checks() if name == alert]

    assert any(expected)
    assert not all(expected)


@pytest.mark.needs("promtool")
def test_prometheus_takes_the_configuration_with_all_rules() -> None:
    done = promtool("check", "config", FOLDER / "prometheus.yml")

    assert done.returncode == 0, done.stdout + done.stderr
    assert "2 rule files found" in done.stdout


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_says_how_bad_it_is_and_what_to_do(alert: str) -> None:
    rule = ALERTS[alert]

    assert rule["labels"]["severity"] in SEVERITIES
    assert set(rule["annotations"]) - {"page"} == {"summary", "description", "runbook", "runbook_url"}
    assert rule["annotations"]["runbook_url"] == f"alerts.md#{alert.lower()}"
    assert len(rule["annotations"]["runbook"]) > 80


@pytest.mark.parametrize("alert", ALERTS)
def test_an_alert_tells_jobs_apart_by_no_label_of_pod_or_node_and_links_to_the_page(alert: str) -> None:
    rule = ALERTS[alert]

    assert " without (instance" not in rule["expr"]
    of_one_job = "{{ $labels.service }} job {{ $labels.job }}" in rule["annotations"]["summary"]
    assert ("page" in rule["annotations"]) == of_one_job


def test_every_name_in_the_rules_exists() -> None:
    for path in (*(FOLDER / "rules").glob("*.yml"), *FILES):
        text = path.read_text()
        assert unknown(named(text)) == set(), path.name
        assert set(re.findall(r"\w*service_job:\w+:\w+", text)) <= RECORDED, path.name


def test_the_alert_reference_is_what_the_rules_say() -> None:
    assert (ROOT / "docs/alerts.md").read_text() == reference.render()


def test_troubleshooting_names_only_alerts_and_metrics_that_exist() -> None:
    text = (ROOT / "docs/troubleshooting.md").read_text()

    assert set(re.findall(r"HuaweicloudJob\w+", text)) <= set(ALERTS)
    assert unknown(named(text)) == set()


def test_recording_rules_leave_out_every_label_that_tells_which_run_or_target_a_job_has() -> None:
    rules = (FOLDER / "rules/recording.yml").read_text()

    assert f"max without ({', '.join(sorted(registry.declared().identity))}) (huaweicloud_job_info)" in rules
