"""docs/environment.md has the variables that the program reads, in the order in which they count."""

import re
from pathlib import Path

from exporter.config import pod_env, vendor_env
from exporter.config.vendor_env import _IAM
from exporter.config.vendor_unused import _REGION_ENDPOINTS, _WITHOUT_EFFECT

PAGE = (Path(__file__).parents[1] / "docs/environment.md").read_text()
VARIABLE = re.compile(r"`([A-Z][A-Z_]+)`")
TOOLS = {"HU": "SDK", "HW": "Terraform", "OS": "OpenStack"}


def cells(title: str) -> list[list[str]]:
    """Return the table of a section, without its head."""
    section = PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


def test_the_families_of_credentials_are_told_in_their_order() -> None:
    told = [
        (tool, kind.strip("`"), [VARIABLE.findall(part) for part in needed.split(";")], VARIABLE.findall(optional))
        for tool, kind, needed, optional in cells("Credentials")
    ]

    read = [
        (
            TOOLS[next(iter(each.signs.values()))[0][:2]],
            next(iter(each.signs)).partition(".")[0],
            [list(names) for names in (*each.signs.values(), *each.needed.values())],
            [name for names in each.optional.values() for name in names],
        )
        for each in vendor_env.FAMILIES
    ]
    assert told == read


def test_the_variables_of_region_project_and_cloud_are_told_in_their_order() -> None:
    told = [(sets.strip("`"), tuple(VARIABLE.findall(names))) for names, sets, _ in cells("Region, project and cloud")]

    assert told == [
        *vendor_env.PLACES.items(),
        *vendor_env.PROJECTS,
        ("cloud", (vendor_env.CLOUD,)),
        ("endpoints.iam", _IAM),
    ]


def test_the_variables_without_effect_are_told() -> None:
    told = {name for names, _ in cells("Without effect") for name in VARIABLE.findall(names)}

    assert told == {*_WITHOUT_EFFECT, _REGION_ENDPOINTS}


def test_the_variables_of_a_pod_are_told() -> None:
    told = {name for names, *_ in cells("System and Kubernetes") for name in VARIABLE.findall(names)}

    assert {pod_env.URI, pod_env.TOKEN_FILE, "HTTPS_PROXY", "NO_PROXY", "SOURCE_REVISION"} <= told
