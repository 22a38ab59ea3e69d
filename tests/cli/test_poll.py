"""What ``poll`` says it read from a response."""

import json
from dataclasses import replace
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
    incremental=True,
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

    assert told == {
        "run_id": "2",
        "state": "running",
        "native_state": "RUNNING",
        "progress": 0.5,
        "created": 90.0,
        "start": 100.0,
        "end": None,
        "failure_code": None,
        "incremental": True,
        "counts": {"tasks": {"active": 3}, "rows_read": 4000},
        "detail": {"queue": "default", "message": "going on"},
        "other_runs": [
            {
                "run_id": "1",
                "state": "failed",
                "native_state": "FAILED",
                "progress": None,
                "created": None,
                "start": None,
                "end": 50.0,
                "failure_code": "Cdm.0001",
            }
        ],
        "idle": False,
        "unreadable": ["end"],
    }
    introduction = (ROOT / "docs/troubleshooting.md").read_text().split("## ")[0]
    assert {name for name in more if f"`{name}`" not in introduction} == set()


def test_a_snapshot_of_a_run_without_a_name_has_none() -> None:
    told = json.loads(snapshot_text(Snapshot(State.PENDING, idle=True), VendorText.FULL))

    assert (told["run_id"], told["native_state"], told["idle"]) == (None, None, True)


def test_a_run_without_an_id_is_told_as_its_label_tells_it() -> None:
    told = json.loads(snapshot_text(Snapshot(State.PENDING, run=RunId("", 90.0)), VendorText.FULL))

    assert told["run_id"] == "90000"


def test_the_detail_of_a_snapshot_repeats_as_much_of_the_vendors_text_as_the_settings_allow() -> None:
    told = json.loads(snapshot_text(replace(NEWEST, detail={"message": "größer", "number": 3}), VendorText.OFF))

    assert told["detail"] == {"number": 3}
    assert "größer" in snapshot_text(replace(NEWEST, detail={"message": "größer"}), VendorText.FULL)


def test_without_a_readable_response_there_is_no_snapshot() -> None:
    assert snapshot_text(None, VendorText.FULL) == "none"
