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
    found: list[dict[str, Any]] = json.loads(committed(name))["panels"]
    return found


def told(text: str) -> Any:
    """Return JSON without what is null, which is to Grafana as if it were not there."""
    return json.loads(text, object_hook=lambda each: {key: value for key, value in each.items() if value is not None})


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
    for panel in read.panels or []:
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
    assert set(re.findall(r"\w*service_job:\w+:\w+", text)) <= RECORDED


def test_the_overview_can_be_narrowed_to_a_project_a_service_and_a_job() -> None:
    for panel in panels("overview"):
        for target in panel.get("targets", []):
            assert all(f"${name}" in target["expr"] for name in ("project", "service", "job")), panel["title"]
