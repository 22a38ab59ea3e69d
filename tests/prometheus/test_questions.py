"""docs/questions.md: each query is one that Prometheus takes, of metrics, labels, alerts and panels that exist."""

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
import yaml

from exporter.metrics.catalogue import families
from exporter.services import registry
from tests.names import named, unknown
from tests.prometheus.test_rules import ALERTS, RECORDED, promtool

ROOT = Path(__file__).parents[2]
FOLDERS = {"the overview": "overview", "the job's dashboard": "job", "the exporter's dashboard": "exporter"}
LABELS = {family.name: {"service", "job", *family.labels} for family in families(registry.declared())}


class Row(NamedTuple):
    """A question and what answers it."""

    question: str
    query: str
    alert: str
    panel: str


def rows() -> Iterator[Row]:
    questions = (ROOT / "docs/questions.md").read_text().partition("\n## ")[2]  # the demo answers those before
    for line in questions.splitlines():
        if line.startswith("| ") and not line.startswith("| question"):
            yield Row(*(each.strip() for each in line.strip("|").split("|")))


QUESTIONS = list(rows())


def test_there_are_questions_and_none_twice() -> None:
    assert len({each.question for each in QUESTIONS}) == len(QUESTIONS) > 25


@pytest.mark.needs("promtool")
def test_prometheus_takes_each_query(tmp_path: Path) -> None:
    rules = [{"record": f"question:{number}", "expr": each.query.strip("`")} for number, each in enumerate(QUESTIONS)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "questions", "rules": rules}]}))

    done = promtool("check", "rules", file)

    assert done.returncode == 0, done.stderr
    assert f"{len(QUESTIONS)} rules found" in done.stdout


@pytest.mark.parametrize("row", QUESTIONS, ids=lambda row: row.question)
def test_its_metrics_labels_alert_and_panel_exist(row: Row) -> None:
    recorded = set(re.findall(r"\w+:huaweicloud\w+:\w+", row.query))
    assert recorded | named(row.query) or row.query.startswith("`up{")
    assert recorded <= RECORDED
    assert unknown(named(row.query)) == set()
    for name, matchers in re.findall(r"(huaweicloud\w+)\{([^}]*)\}", row.query):
        assert set(re.findall(r"(\w+)!?=", matchers)) <= LABELS[name]
    assert set(re.findall(r"Huaweicloud\w+", row.alert)) <= ALERTS.keys()
    found = re.fullmatch(r'"(?P<title>.+)" of (?P<of>the [a-z\']+ dashboard)(, and .*)?|(?P<plain>.+)?', row.panel)
    assert found
    title = found["title"] or found["plain"]
    if title:
        text = (ROOT / f"deploy/grafana/dashboards/{FOLDERS[found['of'] or 'the overview']}.json").read_text()
        assert title in [panel.get("title") for panel in json.loads(text)["panels"]]
