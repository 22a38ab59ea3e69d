"""The documents say what the code does."""

import re
from pathlib import Path

import pytest

from exporter.cli import reference
from exporter.core.catalog import FAMILIES
from exporter.core.model import Reason

ROOT = Path(__file__).parents[1]
DLI = """is_success message job_id status sub_job_id progress sub_jobs"""
SUB_JOBS = """id name description submission_time completion_time stage_ids job_group status num_tasks num_active_tasks
num_completed_tasks num_skipped_tasks num_failed_tasks num_killed_tasks num_completed_indices num_active_stages
num_completed_stages num_skipped_stages num_failed_stages killed_tasks_summary"""
DWS = """job_id job_name begin_time end_time status failed_code failed_detail progress"""
CDM = """submissions isIncrementing job-name counters isStopingIncrement is-execute-auto last-update-date
last-udpate-user last-update-user isDeleteJob creation-user creation-date external-id progress submission-id delete_rows
update_rows write_rows execute-date status error-details error-summary BYTES_WRITTEN TOTAL_FILES ROWS_READ BYTES_READ
ROWS_WRITTEN FILES_WRITTEN FILES_READ TOTAL_SIZE FILES_SKIPPED ROWS_WRITTEN_SKIPPED"""
"""The response tables of the vendor's API references."""


def section(title: str) -> str:
    text = (ROOT / "docs/fields.md").read_text()
    return text.split(f"## {title}", 1)[1].split("\n## ", 1)[0]


@pytest.mark.parametrize(
    ("title", "fields"),
    [
        ("DLI", [*DLI.split(), *(f"sub_jobs[].{field}" for field in SUB_JOBS.split())]),
        ("DWS", DWS.split()),
        ("CDM", CDM.split()),
    ],
)
def test_every_field_of_the_vendors_tables_has_its_row(title: str, fields: list[str]) -> None:
    rows = [line.split("|")[1] for line in section(title).splitlines() if line.startswith("|")]
    documented = {name for row in rows for name in re.findall(r"`([^`]+)`", row)}

    assert documented == set(fields)


def test_every_metric_named_in_the_table_of_fields_exists() -> None:
    names = set(re.findall(r"huaweicloud_job_(?!exporter)\w+", (ROOT / "docs/fields.md").read_text()))

    assert names <= {family.name for family in FAMILIES}


def test_every_reason_is_explained() -> None:
    for reason in Reason:
        assert f"| `{reason}` |" in section("Why a poll fails")


def test_the_metric_reference_is_what_the_code_says() -> None:
    assert (ROOT / "docs/metrics.md").read_text() == reference.render()


def test_no_link_in_the_documents_is_dead() -> None:
    for page in (*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md")):
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text()):
            assert (page.parent / target).exists(), f"{page.name}: {target}"
