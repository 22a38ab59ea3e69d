"""The dashboards that are shipped: made from the code, whole by Grafana's own reading, of things that exist."""

import itertools
import json
import re
from pathlib import Path
from typing import Any

import pytest
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.cog.plugins import register_default_plugins
from grafana_foundation_sdk.models.dashboard import Dashboard, Panel
from grafana_foundation_sdk.models.prometheus import Dataquery

from deploy.grafana import dashboards
from deploy.prometheus import reference
from tests.names import named, unknown

NAMES = sorted(dashboards.BUILDERS)
RECORDED = {rule["record"] for rule in reference.load("recording.yml")}
WIDTH = 24


def committed(name: str) -> str:
    return (dashboards.FOLDER / f"{name}.json").read_text()


def panels(name: str) -> list[dict[str, Any]]:
    return list(dashboards.panels(json.loads(committed(name))))


def exprs(name: str) -> dict[str, str]:
    """Return every query by its panel and letter."""
    return {
        f"{panel['title']} / {target['refId']}": target["expr"]
        for panel in panels(name)
        for target in panel.get("targets", [])
    }


def told(text: str) -> Any:
    """Return JSON without what is null, which is to Grafana as if it were not there, and without the annotations.

    These are as the Prometheus data source reads them, of which the model has a part.
    """
    read = json.loads(text, object_hook=lambda each: {key: value for key, value in each.items() if value is not None})
    return {key: value for key, value in read.items() if key != "annotations"}


@pytest.mark.parametrize("name", NAMES)
def test_what_is_committed_is_what_the_code_makes(name: str) -> None:
    assert committed(name) == dashboards.render(name), "make docs"


def test_every_committed_dashboard_has_its_code() -> None:
    assert {path.name for path in Path(dashboards.FOLDER).iterdir()} == {f"{name}.json" for name in NAMES}


@pytest.mark.parametrize("name", NAMES)
def test_grafanas_own_model_reads_all_of_it(name: str) -> None:
    register_default_plugins()

    read = Dashboard.from_json(json.loads(committed(name)))

    assert told(JSONEncoder().encode(read)) == told(committed(name))
    rows = read.panels or []
    for panel in (*rows, *(each for row in rows for each in getattr(row, "panels", None) or ())):
        if isinstance(panel, Panel):
            assert panel.type_val == "table" or panel.options is not None
            assert all(isinstance(target, Dataquery) for target in panel.targets or [])


@pytest.mark.parametrize("name", NAMES)
def test_panels_have_their_own_place(name: str) -> None:
    places = [panel["gridPos"] for panel in panels(name)]

    assert all(place["x"] + place["w"] <= WIDTH for place in places)
    for one, other in itertools.combinations(places, 2):
        beside = one["x"] + one["w"] <= other["x"] or other["x"] + other["w"] <= one["x"]
        above = one["y"] + one["h"] <= other["y"] or other["y"] + other["h"] <= one["y"]
        assert beside or above, (one, other)


@pytest.mark.parametrize("name", NAMES)
def test_every_panel_says_what_it_shows(name: str) -> None:
    for panel in panels(name):
        if panel["type"] != "row":
            assert len(panel["description"]) > 20, panel["title"]
            assert panel["targets"], panel["title"]
            assert panel["fieldConfig"]["defaults"]["unit"], panel["title"]


@pytest.mark.parametrize("name", NAMES)
def test_every_name_in_a_dashboard_exists(name: str) -> None:
    text = committed(name)

    assert unknown(named(text)) == set()
    assert set(re.findall(r"\w+:huaweicloud\w+:\w+", text)) <= RECORDED


def test_the_overview_can_be_narrowed_to_a_cluster_a_project_a_service_and_a_job() -> None:
    counted = {
        "Jobs by state / A",
        "Runs that ended, an hour / A",
        "Spark batches that ended, an hour / A",
    }  # by a rule, for all jobs of a service
    for place, expr in exprs("overview").items():
        assert all(re.search(rf"\${name}\b", expr) for name in ("cluster", "project", "service")), place
        assert place in counted or re.search(r"\$(job|shown|listed)\b", expr), place


def test_the_other_dashboards_are_of_the_cluster_that_is_chosen() -> None:
    for name in ("job", "exporter"):
        for place, expr in exprs(name).items():
            for selector in re.findall(r"\{.*?\}", expr):
                assert "$cluster" in selector, (name, place)


@pytest.mark.parametrize("name", NAMES)
def test_no_query_joins_series_of_two_clusters(name: str) -> None:
    for place, expr in exprs(name).items():
        for labels in re.findall(r"\b(?:on|by) \((.*?)\)", expr.replace("sum by (service)", "")):
            told = set(labels.split(", "))
            assert "cluster" in told or not told & {"instance", "job", "project"}, (place, labels)


def test_tables_and_bars_of_jobs_have_at_most_so_many_rows() -> None:
    for panel in panels("overview"):
        if panel["type"] in {"table", "bargauge"}:
            for target in panel["targets"]:
                assert re.search(r"\b(topk|bottomk)\((100|10|\$top), ", target["expr"]), panel["title"]


def test_lines_of_jobs_are_of_few_jobs_and_read_no_others() -> None:
    for panel in panels("overview"):
        if panel["type"] in {"timeseries", "state-timeline"}:
            assert panel["maxDataPoints"] <= 300
            for target in panel["targets"]:
                counted = re.search(r"sum by \((state|result)\) \(project_service:", target["expr"])
                bounded = "topk($top, " in target["expr"] and "$job" not in target["expr"]
                assert counted or bounded, panel["title"]


def test_a_row_leads_to_its_job_on_the_other_dashboard_and_on_the_page() -> None:
    job = json.loads(committed("job"))
    variables = [each["name"] for each in job["templating"]["list"]]
    tables = [panel for panel in panels("overview") if panel["type"] == "table"]
    links = {
        (panel["title"], link["url"])
        for panel in tables
        for override in panel["fieldConfig"]["overrides"]
        for each in override["properties"]
        if each["id"] == "links"
        for link in each["value"]
    }

    assert len(tables) == 6
    for panel in tables:
        (url,) = {link for title, link in links if title == panel["title"] and link.startswith("/d/")}
        assert url.startswith(f"/d/{job['uid']}?")
        assert re.findall(r"var-(\w+)=\$", url) == [name for name in variables if name != "datasource"]
        assert set(re.findall(r"__data\.fields\.(\w+)", url)) <= set(variables)
    pages = {title for title, link in links if "/job?service=${__data.fields.service" in link}
    assert pages == {"Failed jobs", "Jobs that changed last"}


def test_runs_restarts_and_reloads_are_marked() -> None:
    for name, words in {
        "overview": {"Run failed", "Run succeeded", "Exporter restarted", "Configuration read"},
        "job": {"Run failed", "Run succeeded", "Deadline", "Exporter restarted", "Configuration read"},
        "exporter": {"Exporter restarted", "Configuration read"},
    }.items():
        events = json.loads(committed(name))["annotations"]["list"]
        assert {each["name"] for each in events} == words
        assert all(each["useValueForTime"] == "on" and "$cluster" in each["target"]["expr"] for each in events)


def test_what_is_nightly_is_in_view() -> None:
    assert {name: json.loads(committed(name))["time"]["from"] for name in NAMES} == {
        "overview": "now-24h",
        "job": "now-24h",
        "exporter": "now-6h",
    }


def test_counts_of_what_happened_are_whole_numbers() -> None:
    for name in NAMES:
        for place, expr in exprs(name).items():
            assert "increase" not in expr or expr.startswith("round("), place
