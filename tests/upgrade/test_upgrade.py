"""From 0.1.0 to this version: its journal, its configuration and the names of its metrics, as its own code wrote them.

What is in ``data/`` was made by version 0.1.0: the journal by its daemon, which ran for 100 seconds against its
simulator, ``exporter.yaml`` is the example that it shipped, and the other files list its settings and its metrics with
their labels.
"""

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from exporter.config import load
from exporter.config.reference import reference
from exporter.runs import journal_format
from tests.e2e.processes import ROOT, eventually, exporter, fetch, serving
from tests.names import named, unknown
from tests.prometheus.test_rules import promtool

DATA = Path(__file__).parent / "data"
RESULTS = ("succeeded", "failed", "cancelled")
JOBS = json.loads((DATA / "journal.json").read_text())["jobs"]
MOVED = {
    "huaweicloud_job_info": {"run_id", "native_state"},
}
"""Labels that a metric had then and has no more; docs/upgrade.md says where they are now."""


def test_every_count_of_its_journal_is_read() -> None:
    entries = journal_format.read_journal((DATA / "journal.json").read_bytes())

    assert len(entries) == len(JOBS) == 25
    assert sum(sum(each["runs"]) for each in JOBS) > 10, "there is something to lose"
    for entry, written in zip(entries, JOBS, strict=True):
        assert (*entry.key, entry.project, entry.target) == (
            written["service"],
            written["job"],
            written["project"],
            written["target"],
        )
        assert (entry.ledger.runs, entry.ledger.totals) == (tuple(written["runs"]), written["totals"])
        assert entry.ledger.last_success == written["last_success"]
        assert [run.id for run in entry.ledger.open] == [name for name, _ in written["open"]]


def test_the_daemon_goes_on_from_its_journal(tmp_path: Path) -> None:
    """The cloud cannot be reached, so nothing but the journal has anything to say."""
    journal = tmp_path / "journal.json"
    shutil.copyfile(DATA / "journal.json", journal)
    nowhere = dict.fromkeys(("dli", "dws", "cdm", "iam"), "http://127.0.0.1:9")
    project = {"region": "cn-north-4", "project_id": "0123", "cloud": "custom", "endpoints": nowhere}
    jobs = [{"service": each["service"], "name": each["job"], **each["target"]} for each in JOBS]
    credentials = {"credentials": {"access_key": {"key_id": "AK", "secret": "SK"}}}
    settings = {"journal": str(journal), "projects": {"demo": {**project, **credentials}}, "jobs": jobs}
    (tmp_path / "exporter.yaml").write_text(json.dumps(settings))

    with serving("run", "--config", str(tmp_path / "exporter.yaml")) as (_, address):
        text = eventually(lambda: once_written(address), "the journal is written")

    for each in JOBS:
        labels = f'job="{each["job"]}",{{}}service="{each["service"]}"'
        for result, count in zip(RESULTS, each["runs"], strict=True):
            assert value(text, "huaweicloud_job_runs_total", labels.format(f'result="{result}",')) == count
        for measure, total in each["totals"].items():
            assert value(text, f"huaweicloud_job_runs_{measure}_total", labels.format("")) == total
        success = value(text, "huaweicloud_job_last_success_timestamp_seconds", labels.format(""))
        assert success == each["last_success"]
    assert value(text, "huaweicloud_job_exporter_journal_errors_total") == 0
    assert not list(tmp_path.glob("*.aside"))
    kept = json.loads(journal.read_text())["jobs"]
    assert {(each["job"], *each["runs"]) for each in kept} == {(each["job"], *each["runs"]) for each in JOBS}


def once_written(address: str) -> str:
    """Return what is scraped, if the journal has been written; empty before."""
    text = fetch(f"{address}/metrics")[1].decode()
    return text if value(text, "huaweicloud_job_exporter_journal_last_write_timestamp_seconds") else ""


def value(text: str, name: str, labels: str = "") -> float | None:
    series = re.escape(f"{name}{{{labels}}}" if labels else name)
    found = re.search(rf"^{series} (\S+)$", text, re.MULTILINE)
    return float(found[1]) if found else None


def test_its_example_of_a_configuration_is_valid(tmp_path: Path) -> None:
    result = exporter("check", "--config", str(DATA / "exporter.yaml"))

    assert (result.returncode, result.stderr) == (0, "")
    settings = load(DATA / "exporter.yaml", {})
    assert [job.key.job for job in settings.jobs] == ["nightly-orders", "resize-warehouse", "jdbc2hive"]


def test_every_setting_that_it_had_is_one() -> None:
    assert set((DATA / "settings.txt").read_text().split()) <= {row.path for row in reference()}


def test_every_metric_and_label_that_it_had_is_there_or_the_page_says_where_it_went() -> None:
    page, told = (ROOT / "docs/metrics.md").read_text(), (ROOT / "docs/upgrade.md").read_text()
    for line in (DATA / "metrics.txt").read_text().splitlines():
        name, *labels = line.split()
        (row,) = re.findall(rf"^\| `{name}` \| \w+ \| (.*?) \|", page, re.MULTILINE)
        gone = set(labels) - set(re.findall(r"`(\w+)`", row))
        assert gone == MOVED.get(name, set()), name
        assert all(f"`{label}`" in told or f"{{{label}=" in told for label in gone)


@pytest.mark.needs("promtool")
def test_prometheus_takes_each_query_of_the_page(tmp_path: Path) -> None:
    rows = re.findall(r"^\| .*? \| (.*huaweicloud_job.*) \|$", (ROOT / "docs/upgrade.md").read_text(), re.MULTILINE)
    queries = [query for row in rows for query in re.findall(r"`(huaweicloud_job[^`]*)`", row)]
    rules = [{"record": f"upgrade:{number}", "expr": query} for number, query in enumerate(queries)]
    file = tmp_path / "rules.yml"
    file.write_text(yaml.safe_dump({"groups": [{"name": "upgrade", "rules": rules}]}))

    done = promtool("check", "rules", file)

    assert len(queries) > 5
    assert done.returncode == 0, done.stderr
    assert unknown({name for query in queries for name in named(query)}) == set()
