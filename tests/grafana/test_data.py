"""Every query of every panel, and every rule, against a real Prometheus that scrapes the demo."""

import json
import re
import urllib.parse
from collections.abc import Iterator
from typing import Any

import pytest

from deploy.grafana import dashboards
from deploy.prometheus import reference
from tests.e2e.processes import ROOT, eventually, fetch, prometheus, serving
from tests.names import named

RULES = ROOT / "deploy/prometheus/rules"
NOT_IN_THE_DEMO = {
    "huaweicloud_job_exporter_api_throttled_total": "its cloud refuses a call only every few minutes",
    "huaweicloud_job_exporter_credentials_expiry_timestamp_seconds": "its key is permanent, so nobody tells an end",
    "service_job:huaweicloud_job_written_bytes:rate5m": "of a job that runs, its list tells rows alone",
}
VARIABLES = {
    "$project": ".*",
    "$service": ".*",
    "$job": ".*",
    "$instance": ".*",
    "$__rate_interval": "30s",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """Run the demo with a job file, and Prometheus with all rules that scrapes it."""
    folder = tmp_path_factory.mktemp("prometheus")
    (folder / "jobs.yaml").write_text("[]\n")
    for path in RULES.glob("*.yml"):  # those that are evaluated seldom too soon enough for a test
        (folder / path.name).write_text(re.sub(r"^    interval: .*\n", "", path.read_text(), flags=re.MULTILINE))
    variables = {
        "EXPORTER_JOB_FILES": str(folder / "jobs.yaml"),
        "EXPORTER_JOURNAL": str(folder / "journal.json"),
        "EXPORTER_DISCOVERY": '[{"service": "dli", "max_jobs": "3"}]',
    }
    with serving("demo", **variables) as (_, address):
        config = f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{folder}/recording.yml, {folder}/alerts.yml]
scrape_configs:
  - job_name: huaweicloud-job-exporter
    honor_labels: true
    static_configs: [{{targets: ["{address.removeprefix("http://")}"]}}]
"""
        with prometheus(folder, config) as server:
            yield server


def ask(server: str, path: str, **parameters: str | float) -> Any:
    status, body = fetch(f"{server}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
    answer = json.loads(body)
    assert (status, answer["status"]) == (200, "success"), (parameters, answer)
    return answer["data"]


def queries() -> dict[str, tuple[str, bool]]:
    """Return every query by dashboard, panel and letter, and whether it is over time."""
    found = {}
    for name in dashboards.BUILDERS:
        for panel in json.loads((dashboards.FOLDER / f"{name}.json").read_text())["panels"]:
            for target in panel.get("targets", []):
                expr = target["expr"]
                for variable, value in VARIABLES.items():
                    expr = expr.replace(variable, value)
                found[f"{name} / {panel['title']} / {target['refId']}"] = (expr, bool(target.get("range")))
    return found


def exempt(expr: str) -> bool:
    """Whether a query asks for what the demo cannot have."""
    wanted = named(expr) | set(re.findall(r"\w*service_job:\w+:\w+", expr))
    return bool(wanted & NOT_IN_THE_DEMO.keys())


def answered(server: str, expr: str, over_time: bool) -> bool:
    if not over_time:
        return bool(ask(server, "query", query=expr)["result"])
    now = float(ask(server, "query", query="time()")["result"][1])
    return bool(ask(server, "query_range", query=expr, start=now - 60, end=now, step=2)["result"])


@pytest.mark.needs("prometheus")
def test_every_query_of_every_panel_returns_data(server: str) -> None:
    waiting = queries()
    assert len(waiting) > 40

    def all_answered() -> bool:
        for place, (expr, over_time) in list(waiting.items()):
            if answered(server, expr, over_time) or exempt(expr):
                del waiting[place]
        return not waiting

    try:
        eventually(all_answered, "data for every panel", patience=90)
    except AssertionError as error:
        raise AssertionError(f"no data: {waiting}") from error


@pytest.mark.needs("prometheus")
def test_the_values_of_every_variable_are_found(server: str) -> None:
    for name in dashboards.BUILDERS:
        for variable in json.loads((dashboards.FOLDER / f"{name}.json").read_text())["templating"]["list"]:
            if variable["type"] != "query":
                continue
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", variable["query"])
            assert found is not None
            selector, label = found[1], found[2]
            for each, value in VARIABLES.items():
                selector = selector.replace(each, value)
            values = eventually(
                lambda selector=selector, label=label: ask(server, f"label/{label}/values", **{"match[]": selector}),
                f"values of {variable['name']}",
            )
            assert all(values)


@pytest.mark.needs("prometheus")
def test_every_rule_is_evaluated_and_the_demos_failed_jobs_fire(server: str) -> None:
    def fired() -> list[Any]:
        groups = ask(server, "rules")["groups"]
        rules = [rule for group in groups for rule in group["rules"]]
        assert len(rules) == sum(len(reference.load(path.name)) for path in RULES.glob("[ar]*.yml"))
        assert [(rule["name"], rule.get("lastError")) for rule in rules if rule["health"] == "err"] == []
        return [
            alert
            for alert in ask(server, "alerts")["alerts"]
            if alert["labels"]["alertname"] == "HuaweicloudJobFailed"
            and "with code" in alert["annotations"]["description"]
        ]

    alerts = eventually(fired, "HuaweicloudJobFailed fires with a code", patience=90)

    assert {alert["labels"]["project"] for alert in alerts} == {"demo"}
    assert all(alert["state"] == "firing" for alert in alerts)
    quiet = {"HuaweicloudJobUnseen", "HuaweicloudJobProjectPaused", "HuaweicloudJobStuck", "HuaweicloudJobPolledTwice"}
    firing = [alert["labels"]["alertname"] for alert in ask(server, "alerts")["alerts"] if alert["state"] == "firing"]
    assert not quiet & set(firing)
