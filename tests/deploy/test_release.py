"""A release: the same bytes from any checkout, and files that pip and helm take."""

import hashlib
import json
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from exporter import __version__
from tests.deploy.engine import run
from tests.deploy.tools import GENERATIONS, program
from tests.e2e.processes import ROOT

NAME = f"huaweicloud-job-exporter-{__version__}"
FILES = {
    f"huaweicloud_job_exporter-{__version__}-py3-none-any.whl",
    f"huaweicloud_job_exporter-{__version__}.tar.gz",
    f"huaweicloud-job-exporter-chart-{__version__}.tgz",
    f"{NAME}.cdx.json",
}


def checkout(folder: Path, umask: int) -> Path:
    """Clone the commit with another umask."""
    clone = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)]
    subprocess.run(clone, umask=umask, check=True, stderr=subprocess.DEVNULL)
    return folder


def make(folder: Path, umask: int = 0o022, **options: Any) -> subprocess.CompletedProcess[str]:
    sbom = folder.parent / "sbom.json"
    sbom.write_text(json.dumps({"bomFormat": "CycloneDX", "components": []}))
    command = [sys.executable, "-m", "deploy.release", f"--sbom={sbom}"]
    return subprocess.run(command, cwd=folder, umask=umask, capture_output=True, text=True, check=False, **options)


@pytest.fixture(scope="module")
def releases(tmp_path_factory: pytest.TempPathFactory) -> list[Path]:
    """Return dist/ of two checkouts, of one user who lets others read and of one who does not."""
    found = []
    for umask in (0o022, 0o077):
        folder = checkout(tmp_path_factory.mktemp(f"umask{umask:o}") / "checkout", umask)
        done = make(folder, umask)
        assert done.returncode == 0, done.stderr
        found.append(folder / "dist")
    return found


def test_two_checkouts_with_other_umasks_give_the_same_checksums(releases: list[Path]) -> None:
    sums = [(dist / "SHA256SUMS").read_text() for dist in releases]

    assert sums[0] == sums[1]
    assert {line.split("  ")[1] for line in sums[0].splitlines()} == FILES
    for line in sums[0].splitlines():
        digest, name = line.split("  ")
        assert digest == hashlib.sha256((releases[0] / name).read_bytes()).hexdigest()


def test_the_wheel_has_the_program_and_nothing_of_the_tests(releases: list[Path]) -> None:
    (wheel,) = releases[0].glob("*.whl")
    names = zipfile.ZipFile(wheel).namelist()

    assert "exporter/__main__.py" in names
    assert "exporter/web/page/templates/page.js" in names
    assert {name.split("/")[0] for name in names} == {"exporter", f"huaweicloud_job_exporter-{__version__}.dist-info"}


@pytest.mark.parametrize("generation", GENERATIONS)
def test_helm_renders_the_packed_chart_as_the_folder(releases: list[Path], generation: str) -> None:
    (chart,) = releases[0].glob("*.tgz")
    template = (program(generation, "helm"), "template", "name", f"--set-file=config={ROOT}/config/minimal.yaml")

    rendered = run(*template, chart)

    assert f"image: huaweicloud-job-exporter:{__version__}" in rendered.replace('"', "")
    assert rendered == run(*template, ROOT / "deploy/helm/huaweicloud-job-exporter")
    with tarfile.open(chart) as archive:
        assert {each.mode & 0o777 for each in archive.getmembers()} == {0o644}


def test_a_change_that_is_not_committed_is_refused(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "checkout", 0o022)
    (folder / "README.md").write_text("another")

    done = make(folder)

    assert done.returncode == 1
    assert "commit or restore them" in done.stderr
    assert "README.md" in done.stderr
    assert not (folder / "dist").exists()


def test_a_chart_of_another_version_is_refused(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "checkout", 0o022)
    chart = folder / "deploy/helm/huaweicloud-job-exporter/Chart.yaml"
    chart.write_text(chart.read_text().replace(f"\nversion: {__version__}", "\nversion: 9.9.9"))
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", *identity, "commit", "--quiet", "--all", "--message=t"], cwd=folder, check=True)

    done = make(folder)

    assert done.returncode == 1
    assert f"the package is {__version__}, Chart.yaml has version 9.9.9" in done.stderr
