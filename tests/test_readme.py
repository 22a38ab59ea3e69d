"""What the README tells a newcomer is true: its configuration, its commands, its queries, its addresses."""

import re
from pathlib import Path

import pytest

from exporter.config import load
from tests.documents import metrics_that_are_named, metrics_that_exist
from tests.e2e.processes import exporter

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
MINIMAL = "# One project, one job of each service. The key comes from HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK in the"


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


def test_it_is_read_in_one_go() -> None:
    assert len(README.splitlines()) <= 100


def test_its_configuration_is_the_file_that_is_shipped(minimal: Path) -> None:
    assert minimal.read_text() == (ROOT / "config/minimal.yaml").read_text()


def test_the_configuration_is_accepted_as_it_stands(minimal: Path) -> None:
    done = exporter("check", "--config", str(minimal))

    assert (done.returncode, done.stderr) == (0, "")
    assert [job.key.job for job in load(minimal, {}).jobs] == ["nightly-orders", "scale-in-warehouse", "jdbc2hive"]


def test_every_command_it_shows_exists() -> None:
    commands = re.findall(r"^\$ huaweicloud-job-exporter (\w+)(.*)$", README, re.MULTILINE)

    assert [command for command, _ in commands] == ["discover", "check", "poll", "run"]
    for command, rest in commands:
        done = exporter(command, "--help")
        assert done.returncode == 0
        assert all(flag in done.stdout for flag in re.findall(r"--\w+", rest))
    targets = set(re.findall(r"make (\w+)", README))
    assert targets == {"demo", "test"}
    assert targets <= set(re.findall(r"^(\w+):", (ROOT / "Makefile").read_text(), re.MULTILINE))


def test_every_metric_it_names_exists() -> None:
    assert metrics_that_are_named(README) <= metrics_that_exist()


def test_every_picture_it_shows_exists() -> None:
    pictures = re.findall(r'<img src="([^"]+)" alt="[^"]+"', README)

    assert len(pictures) == 2
    assert all((ROOT / picture).is_file() for picture in pictures)


@pytest.mark.parametrize("name", ["exporter.yaml", "minimal.yaml", "sidecar.yaml"])
def test_every_configuration_that_is_shipped_passes_the_check(name: str) -> None:
    done = exporter("check", "--config", f"config/{name}")

    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("The configuration is valid.")
