"""Every query of every panel, and every rule, against a real Prometheus that scrapes the demo.

It scrapes it twice, as if it were two exporters of one address and of the same jobs, in two clusters.
"""

import itertools
import json
import re
import urllib.parse
from collections.abc import Callable, Iterator
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
CLUSTERS = ("north", "south")
VARIABLES = {
    "cluster": ".*",
    "project": ".*",
    "service": ".*",
    "job": ".*",
    "instance": ".*",
    "top": "20",
    "__rate_interval": "30s",
}
Place = tuple[str, str]


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
        "EXPORTER_WEB__EXTERNAL_URL": "https://jobs.example.com",
    }
    with serving("demo", **variables) as (_, address):
        config = f"""
global: {{scrape_interval: 1s, evaluation_interval: 1s}}
rule_files: [{folder}/recording.yml, {folder}/alerts.yml]
scrape_configs:
"""
        for cluster in CLUSTERS:
            labels = f"{{cluster: {cluster}, instance: exporter}}"
            config += f"""
  - job_name: {cluster}
    honor_labels: true
    static_configs: [{{targets: ["{address.removeprefix("http://")}"], labels: {labels}}}]
    relabel_configs: [{{target_label: job, replacement: huaweicloud-job-exporter}}]
"""
        with prometheus(folder, config) as server:
            yield server


def ask(server: str, path: str, **parameters: str | float) -> Any:
    status, body = fetch(f"{server}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")
    answer = json.loads(body)
    assert (status, answer["status"]) == (200, "success"), (parameters, answer)
    return answer["data"]


def dashboard(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((dashboards.FOLDER / f"{name}.json").read_text())
    return found


def queries(name: str) -> dict[Place, tuple[str, bool]]:
    """Return every query of a dashboard by panel and letter, and whether it is over time."""
    return {
        (panel["title"], target["refId"]): (target["expr"], bool(target.get("range")))
        for panel in dashboards.panels(dashboard(name))
        for target in panel.get("targets", [])
    }


def filled(expr: str, variables: dict[str, str]) -> str:
    """Return a query as Grafana asks it."""
    return re.sub(r"\$(\w+)", lambda found: variables[found[1]], expr)


def shown(server: str, variables: dict[str, str]) -> dict[str, str]:
    """Return the variables, and those which Grafana asks for itself: the jobs that have lines, and rows."""
    told = dict(variables)
    for name in ("shown", "listed"):
        (variable,) = [each for each in dashboard("overview")["templating"]["list"] if each["name"] == name]
        found = re.fullmatch(r"query_result\((.+)\)", variable["query"])
        assert found is not None
        names = {each["metric"]["job"] for each in ask(server, "query", query=filled(found[1], variables))["result"]}
        pattern = "|".join(re.escape(name).replace("\\", "\\\\") for name in sorted(names))
        told[name] = f"({pattern})"
    return told


def exempt(expr: str) -> bool:
    """Whether a query asks for what the demo cannot have."""
    wanted = named(expr) | set(re.findall(r"\w*service_job:\w+:\w+", expr))
    return bool(wanted & NOT_IN_THE_DEMO.keys())


def answered(server: str, expr: str, over_time: bool) -> list[dict[str, Any]]:
    """Return the series of an answer; an error fails the test."""
    if not over_time:
        return list(ask(server, "query", query=expr)["result"])
    now = float(ask(server, "query", query="time()")["result"][1])
    found = ask(server, "query_range", query=expr, start=now - 60, end=now, step=2)["result"]
    return list(found)


def of_all_jobs(server: str, cluster: str) -> list[dict[str, str]]:
    """Return the variables of the dashboard of one job, for each job."""
    return [
        {label: each["metric"].get(label, "") for label in ("cluster", "namespace", "project", "service", "job")}
        for each in ask(server, "query", query=f'huaweicloud_job_info{{cluster="{cluster}"}}')["result"]
    ]


def await_data(
    server: str, waiting: dict[Place, tuple[str, bool]], choices: Callable[[], list[dict[str, str]]]
) -> None:
    """Wait until each query had an answer with data for some choice of the variables."""

    def all_answered() -> bool:
        for variables in choices():
            for place, (expr, over_time) in list(waiting.items()):
                if exempt(expr) or answered(server, filled(expr, variables), over_time):
                    del waiting[place]
        return not waiting

    try:
        eventually(all_answered, "data for every panel", patience=90)
    except AssertionError as error:
        raise AssertionError(f"no data: {waiting}") from error


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize("name", ["overview", "exporter"])
def test_every_query_of_every_panel_returns_data(server: str, name: str) -> None:
    waiting = queries(name)
    assert len(waiting) > 20

    await_data(server, waiting, lambda: [shown(server, VARIABLES)])


@pytest.mark.needs("prometheus")
def test_every_query_about_one_job_returns_data_of_some_job(server: str) -> None:
    waiting = queries("job")

    await_data(server, waiting, lambda: of_all_jobs(server, CLUSTERS[0]))


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize("name", ["overview", "job", "exporter"])
def test_what_is_asked_of_one_cluster_is_never_told_of_another(server: str, name: str) -> None:
    cluster, other = CLUSTERS
    jobs = eventually(lambda: of_all_jobs(server, cluster), "jobs")
    variables = shown(server, {**VARIABLES, "cluster": cluster}) | (jobs[0] if name == "job" else {})
    for place, (expr, over_time) in queries(name).items():
        told = answered(server, filled(expr, variables), over_time)
        assert not any(each["metric"].get("cluster") == other for each in told), place
        assert not any("instance" in each["metric"] and "cluster" not in each["metric"] for each in told), place


@pytest.mark.needs("prometheus")
@pytest.mark.parametrize("name", ["overview", "job", "exporter"])
def test_every_annotation_is_marked_at_a_time(server: str, name: str) -> None:
    def marked(expr: str) -> set[str]:
        told = (answered(server, filled(expr, each), over_time=True) for each in all_variables)
        return {value for series in itertools.chain(*told) for _, value in series["values"]}

    variables = shown(server, VARIABLES)
    all_variables = of_all_jobs(server, CLUSTERS[0]) if name == "job" else [variables]
    now = float(ask(server, "query", query="time()")["result"][1])
    for each in dashboard(name)["annotations"]["list"]:
        times = eventually(lambda each=each: marked(each["target"]["expr"]), each["name"], patience=90)
        assert all(abs(float(time) / 1000 - now) < 86400 for time in times)


@pytest.mark.needs("prometheus")
def test_the_values_of_every_variable_are_found(server: str) -> None:
    chosen: dict[str, str] = {}
    for name in dashboards.BUILDERS:
        for variable in dashboard(name)["templating"]["list"]:
            found = re.fullmatch(r"label_values\((.+), (\w+)\)", str(variable.get("query")))
            if variable["type"] != "query" or variable["name"] in {"shown", "listed"}:
                continue
            assert found is not None
            selector, label = filled(found[1], {**VARIABLES, **chosen}), found[2]
            if label == "namespace":  # the demo has none: its targets have no such label
                chosen[label] = ""
                continue
            values = eventually(
                lambda selector=selector, label=label: ask(server, f"label/{label}/values", **{"match[]": selector}),
                f"values of {variable['name']}",
            )
            assert all(values)
            chosen |= {label: values[0]} if name == "job" else {}


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
