"""docs/permissions.md: every call of the exporter has its row, and the policies allow what the rows say, no more."""

import json
import re
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from exporter.services.registry import load_services

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/permissions.md").read_text()
ACTION = re.compile(r"[a-z]+:[A-Za-z]+:[A-Za-z]+")


class Row(NamedTuple):
    """A call, and the action that each kind of policy needs for it."""

    service: str
    call: str
    identity: str
    older: str
    made: str


ROWS = [
    Row(*(cell.strip() for cell in line.strip("|").split("|")))
    for line in PAGE.partition("\n| service | call |")[2].partition("\n\n")[0].splitlines()[2:]
]


def policies(title: str) -> dict[str, set[str]]:
    """Return the actions that the policies of a section allow, by the policies' version."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    read: list[dict[str, Any]] = [json.loads(text) for text in re.findall(r"```json\n(.*?)```", section, re.DOTALL)]
    for policy in read:
        (statement,) = policy["Statement"]
        assert statement["Effect"] == "Allow"
        assert statement.keys() - {"Effect", "Action"} == ({"Resource"} if policy["Version"] == "5.0" else set())
        assert len(set(statement["Action"])) == len(statement["Action"])
    assert len({policy["Version"] for policy in read}) == len(read)
    return {policy["Version"]: set(policy["Statement"][0]["Action"]) for policy in read}


def needed(rows: list[Row]) -> dict[str, set[str]]:
    columns = {"5.0": [row.identity for row in rows], "1.1": [row.older for row in rows]}
    found = {version: {name for cell in cells for name in ACTION.findall(cell)} for version, cells in columns.items()}
    return {version: actions for version, actions in found.items() if actions}


def calls(service: str) -> set[str]:
    """Return the calls that the modules of a service make."""
    here = ROOT / "exporter/services"
    modules = [here / f"{service}.py", *(here / service).glob("*.py")]
    return {name for each in modules if each.exists() for name in re.findall(r'Request\(\s*"(\w+)"', each.read_text())}


@pytest.mark.parametrize("service", load_services())
def test_every_call_of_a_service_has_its_row(service: str) -> None:
    told = [row.call for row in ROWS if row.service == service]

    assert sorted(told) == sorted(calls(service))


@pytest.mark.parametrize("service", load_services())
def test_the_policies_of_a_service_allow_what_its_calls_need(service: str) -> None:
    rows = [row for row in ROWS if row.service == service]

    assert policies(service) == needed(rows)
    assert policies(service) or "No JSON can be given" in PAGE.partition(f"\n## {service}\n")[2].partition("\n## ")[0]


def test_the_first_policies_are_those_of_all_services_together() -> None:
    assert {row.service for row in ROWS} == set(load_services())
    assert policies("All services") == needed(ROWS)


def test_every_cell_names_an_action_or_says_that_there_is_none() -> None:
    for row in ROWS:
        assert re.fullmatch(r"`[\w:]+`|none needed|none documented", row.identity), row
        assert re.fullmatch(r"`[\w:]+`|none documented", row.older), row
        assert row.made
