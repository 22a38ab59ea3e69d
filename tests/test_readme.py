"""What the README tells a newcomer is true: its configuration, its commands, its queries, its addresses."""

import re
from pathlib import Path

import pytest

from exporter.core.catalog import FAMILIES
from exporter.settings import load
from tests.e2e.processes import exporter

README = (Path(__file__).parents[1] / "README.md").read_text()


def block(first_line: str) -> str:
    """Return the fenced block that begins with a line."""
    found = re.search(rf"```\w*\n({re.escape(first_line)}\n.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    """Write the README's configuration, with its secrets in a folder of ours."""
    text = block("# minimal.yaml")
    for name in ("ak", "sk"):
        assert f"/run/secrets/{name}" in text
        (tmp_path / name).write_text("EXAMPLE")
        text = text.replace(f"/run/secrets/{name}", name)
    path = tmp_path / "minimal.yaml"
    path.write_text(text)
    return path


def test_the_configuration_is_accepted_as_it_stands(minimal: Path) -> None:
    done = exporter("check", "--config", str(minimal))

    assert (done.returncode, done.stderr) == (0, "")
    assert [job.key.job for job in load(minimal, {}).jobs] == ["nightly-orders", "resize-warehouse", "jdbc2hive"]


def test_every_command_it_shows_exists(minimal: Path) -> None:
    commands = set(re.findall(r"huaweicloud-job-exporter (\w+)", README))

    assert commands == {"check", "poll", "run"}
    for command in commands:
        assert exporter(command, "--help").returncode == 0
    targets = set(re.findall(r"make (\w+)", README))
    assert targets <= set(re.findall(r"^(\w+):", (Path(__file__).parents[1] / "Makefile").read_text(), re.MULTILINE))


def test_every_metric_it_names_exists() -> None:
    names = set(re.findall(r"huaweicloud_job_\w+", README))

    assert names <= {family.name for family in FAMILIES}


def test_the_variables_it_shows_are_accepted(minimal: Path) -> None:
    examples = dict(re.findall(r"`(EXPORTER_\w+)=([^`]+)`", README))
    assert set(examples) == {"EXPORTER_POLL__INTERVAL", "EXPORTER_JOBS"}

    settings = load(minimal, {name: value.strip("'") for name, value in examples.items()})

    assert settings.poll.interval == 15
    assert [job.key.service for job in settings.jobs] == ["dli"]


def test_the_labels_it_renames_are_accepted(minimal: Path) -> None:
    found = re.search(r"`metrics: ({labels: {.*?}})`", README)
    assert found is not None
    minimal.write_text(minimal.read_text() + f"metrics: {found[1]}\n")

    assert load(minimal, {}).metrics.labels.job == "cloud_job"


@pytest.mark.parametrize("name", ["exporter.yaml", "minimal.yaml", "sidecar.yaml"])
def test_every_configuration_that_is_shipped_passes_the_check(name: str) -> None:
    done = exporter("check", "--config", f"config/{name}")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("The configuration is valid.")
