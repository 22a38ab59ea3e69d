"""What the README tells a newcomer is true: its configuration, its commands, its queries, its addresses."""

import re
import subprocess
from pathlib import Path

import pytest

from exporter.cli import reference
from exporter.config import load
from exporter.metrics.catalogue import families
from exporter.services import registry
from exporter.sources.job_files import all_jobs
from tests.e2e.processes import exporter

MINIMAL = "# One project, one job of each service. The key comes from HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK in the"
README = (Path(__file__).parents[1] / "README.md").read_text()


def block(first_line: str) -> str:
    """Return the fenced block that begins with a line."""
    found = re.search(rf"```\w*\n({re.escape(first_line)}\n.*?)```", README, re.DOTALL)
    assert found is not None
    return found[1]


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    """Write the README's configuration as it stands there."""
    path = tmp_path / "minimal.yaml"
    path.write_text(block(MINIMAL))
    return path


def test_its_configuration_is_the_file_that_is_shipped(minimal: Path) -> None:
    assert minimal.read_text() == (Path(__file__).parents[1] / "config/minimal.yaml").read_text()


def test_the_configuration_is_accepted_as_it_stands(minimal: Path) -> None:
    done = exporter("check", "--config", str(minimal))

    assert (done.returncode, done.stderr) == (0, "")
    assert [job.key.job for job in load(minimal, {}).jobs] == ["nightly-orders", "scale-in-warehouse", "jdbc2hive"]


def test_every_command_it_shows_exists(minimal: Path) -> None:
    commands = set(re.findall(r"huaweicloud-job-exporter (\w+)", README))

    assert commands == {"check", "completion", "poll", "run"}
    for command in commands:
        assert exporter(command, "--help").returncode == 0
    targets = set(re.findall(r"make (\w+)", README))
    assert targets <= set(re.findall(r"^(\w+):", (Path(__file__).parents[1] / "Makefile").read_text(), re.MULTILINE))


def test_every_metric_it_names_exists() -> None:
    names = set(re.findall(r"huaweicloud_job_\w+", README))
    own = set(re.findall(r"`(huaweicloud_job_exporter_\w+)`", reference.render_metrics()))

    assert names <= {family.name for family in families(registry.declared())} | own


def test_the_variables_it_shows_are_accepted(minimal: Path) -> None:
    examples = dict(re.findall(r"`(EXPORTER_\w+)=([^`]+)`", README))
    assert set(examples) == {"EXPORTER_POLL__INTERVAL", "EXPORTER_JOBS", "EXPORTER_JOB_FILES"}

    settings = load(minimal, {name: value.strip("'") for name, value in examples.items()})

    assert settings.poll.interval == 15
    assert [job.key.service for job in settings.jobs] == ["dli"]
    assert [Path(pattern).name for pattern in settings.job_files] == ["*.yaml", "jobs.jsonl"]


def test_the_lines_it_writes_register_a_job_and_its_next_run(minimal: Path) -> None:
    found = re.search(r"`(job_files: \[.*?\])`", README)
    assert found is not None
    minimal.write_text(re.sub(r"jobs:\n.*", found[1], minimal.read_text(), flags=re.DOTALL))
    lines = re.findall(r"^\$ (echo .*)$", README, re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        subprocess.run(["sh", "-c", line], cwd=minimal.parent, check=True)

    jobs, mistakes = all_jobs(load(minimal, {}))

    assert mistakes == ()
    assert [(job.key, dict(job.target)) for job in jobs] == [
        (("dli", "nightly"), {"job_id": "0a3b6f0e-7b0c-4a52-9d8e-5b0b0f6f1c11"})
    ]


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
