"""What ``poll`` says it read from a response."""

import json
from pathlib import Path

from exporter.cli.poll import snapshot_text
from exporter.model.masking import VendorText
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.web.openapi import description

ROOT = Path(__file__).parents[2]
OLDER = Snapshot(State.FAILED, "FAILED", RunId("1"), end=50.0, failure_code="Cdm.0001")
NEWEST = Snapshot(
    State.RUNNING,
    "RUNNING",
    RunId("2", 90.0),
    progress=0.5,
    start=100.0,
    counts={Measure("tasks", "active"): 3, Measure("rows_read"): 4000},
    words={"queue": "default"},
    detail={"message": "going on"},
    unknown=("end",),
    others=(OLDER,),
    digest=b"internal",
)


def test_a_snapshot_is_told_by_the_names_of_the_json_api() -> None:
    told = json.loads(snapshot_text(NEWEST, VendorText.FULL))
    more = told.keys() - description()["components"]["schemas"]["Job"]["properties"].keys()

    assert (told["run_id"], told["state"], told["progress"], told["end"]) == ("2", "running", 0.5, None)
    assert told["counts"] == {"tasks": {"active": 3}, "rows_read": 4000}
    assert told["detail"] == {"queue": "default", "message": "going on"}
    assert [(each["run_id"], each["state"], each["end"]) for each in told["other_runs"]] == [("1", "failed", 50.0)]
    assert told["unreadable"] == ["end"]
    assert "internal" not in snapshot_text(NEWEST, VendorText.FULL)
    introduction = (ROOT / "docs/troubleshooting.md").read_text().split("## ")[0]
    assert {name for name in more if f"`{name}`" not in introduction} == set()


def test_without_a_readable_response_there_is_no_snapshot() -> None:
    assert snapshot_text(None, VendorText.FULL) == "none"
