"""The numbers of docs/sizing.md are those of the real check."""

import re
from pathlib import Path

import pytest

from exporter.config.project import limit_defaults
from exporter.model.units import seconds
from exporter.services.registry import load_services
from tests.e2e.processes import exporter

PAGE = (Path(__file__).parents[1] / "docs/sizing.md").read_text()
YAML = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
OUTPUT = re.findall(r"```console\n\$ huaweicloud-job-exporter check --config exporter.yaml\n(.*?)```", PAGE, re.DOTALL)


def table(title: str) -> list[list[str]]:
    """Return the cells of the table below a line that begins with *title*, its head left out."""
    rows = PAGE.split(f"\n| {title} |", 1)[1].split("\n\n", 1)[0].splitlines()[2:]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows]


@pytest.mark.parametrize(
    ("output", "jobs", "poll", "code"),
    [(0, 500, "", 0), (1, 500, YAML[1], 0), (2, 600, "", 1)],
    ids=["defaults", "longer interval", "too many"],
)
def test_check_prints_what_the_page_shows(output: int, jobs: int, poll: str, code: int, tmp_path: Path) -> None:
    path, (first,) = tmp_path / "exporter.yaml", re.findall(r"  - \{.*table-1\}\n", YAML[0])
    assert "  # and so on to table-500\n" in YAML[0]
    entries = [first.replace("table-1}", f"table-{number}}}") for number in range(1, jobs + 1)]
    if code:  # each in a cluster of its own
        entries = [each.replace("e7af1fac", f"{number:08x}") for number, each in enumerate(entries)]
    path.write_text(YAML[0].replace(first, "".join(entries)) + poll)

    done = exporter("check", "--config", str(path))

    assert (done.stdout + done.stderr, done.returncode) == (OUTPUT[output], code)


def test_every_example_is_tried() -> None:
    assert (len(YAML), len(OUTPUT)) == (3, 3)


def test_the_calls_a_minute_are_right() -> None:
    for every, calls, jobs in table("every"):
        assert 60 / seconds(every) == pytest.approx(float(calls))
        assert int(jobs) == 108 * seconds(every) // 60


def test_every_limit_has_its_row_with_its_default() -> None:
    limits = {limit: f"{rate:g}/s" for limit, rate in limit_defaults(load_services()).items()}

    assert {limit.strip("`"): default.split(",")[0].split(";")[0] for limit, _, default in table("limit")} == limits


def test_the_shards_have_the_parts_that_it_tells() -> None:
    assert YAML[2] == "sharding: {shards: 3, shard: auto}\n"
    assert "36 of CDM's 108 calls a minute for three" in PAGE
