"""A release: the same bytes from any checkout, and files that pip and helm take."""

import hashlib
import json
import os
import subprocess
import sys
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter import __version__
from tests.deploy.engine import Engine, run
from tests.deploy.tools import GENERATIONS, program
from tests.e2e.processes import ROOT

NAME = f"huaweicloud-job-exporter-{__version__}"
FILES = {
    f"huaweicloud_job_exporter-{__version__}-py3-none-any.whl",
    f"huaweicloud_job_exporter-{__version__}.tar.gz",
    f"huaweicloud-job-exporter-chart-{__version__}.tgz",
    f"{NAME}.cdx.json",
    f"{NAME}.provenance.json",
}
TREE = """
import hashlib, pathlib
for each in sorted(pathlib.Path("/app").rglob("*")):
    # the archive's wheel knows its commit, and the wheel's own list of files the digest of that module
    known = {"exporter", "huaweicloud_job_exporter-VERSION.dist-info"} & {each.parent.name, each.parent.parent.name}
    if not each.is_symlink() and not (known and each.name.split(".")[0] in {"__init__", "RECORD", "direct_url"}):
        print(oct(each.stat().st_mode), hashlib.sha256(each.read_bytes() if each.is_file() else b"").hexdigest(), each)
""".replace("VERSION", __version__)


def checkout(folder: Path, umask: int) -> Path:
    """Clone the commit with another umask."""
    clone = ["git", "clone", "--quiet", "--no-hardlinks", str(ROOT), str(folder)]
    subprocess.run(clone, umask=umask, check=True, stderr=subprocess.DEVNULL)
    return folder


def commit(folder: Path) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com"]
    subprocess.run(["git", *identity, "commit", "--quiet", "--all", "--message=t"], cwd=folder, check=True)


def make(folder: Path, umask: int = 0o022, *more: str, **options: Any) -> subprocess.CompletedProcess[str]:
    sbom = folder.parent / "sbom.json"
    sbom.write_text(json.dumps({"bomFormat": "CycloneDX", "components": []}))
    command = [sys.executable, "-m", "deploy.release", f"--sbom={sbom}", *more]
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


def test_the_sbom_names_the_version(releases: list[Path]) -> None:
    document = json.loads((releases[0] / f"{NAME}.cdx.json").read_text())

    assert document["metadata"]["component"] == {"name": "huaweicloud-job-exporter", "version": __version__}


def test_the_wheel_knows_its_commit(releases: list[Path]) -> None:
    (wheel,) = releases[0].glob("*.whl")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout

    command = [sys.executable, "-c", "from exporter.metrics.build import what_runs; print(what_runs()[:2])"]
    env = {**os.environ, "PYTHONPATH": str(wheel)}
    said = subprocess.run(command, cwd="/", env=env, capture_output=True, text=True, check=True).stdout

    assert said == f"{(__version__, head.strip())}\n"


def test_the_provenance_names_every_file_and_what_it_was_made_from(releases: list[Path]) -> None:
    statement = json.loads((releases[0] / f"{NAME}.provenance.json").read_text())
    lines = [line.split("  ") for line in (releases[0] / "SHA256SUMS").read_text().splitlines()]
    sums = {name: digest for digest, name in lines}
    subjects = {each["name"]: each["digest"]["sha256"] for each in statement["subject"]}

    assert subjects == {name: digest for name, digest in sums.items() if not name.endswith(".provenance.json")}
    definition = statement["predicate"]["buildDefinition"]
    digests = [each["digest"] for each in definition["resolvedDependencies"]]
    pinned = [hashlib.sha256((ROOT / f"requirements/{name}.txt").read_bytes()) for name in ("build", "runtime")]
    assert [each["sha256"] for each in digests[1:]] == [each.hexdigest() for each in pinned]
    assert len(digests[0]["gitCommit"]) == 40
    assert definition["externalParameters"] == {"base": None}


def test_addresses_of_the_project_are_written_once_and_are_in_wheel_chart_and_provenance(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "checkout", 0o022)
    project, (home, source) = folder / "pyproject.toml", ("https://example.com/home", "https://example.com/git")
    urls = f'[project.urls]\nHomepage = "{home}"\nSource = "{source}"\n'
    project.write_text(project.read_text().replace("[project.urls]\n", urls))
    commit(folder)

    assert make(folder).returncode == 0

    (wheel,) = (folder / "dist").glob("*.whl")
    metadata = zipfile.ZipFile(wheel).read(f"huaweicloud_job_exporter-{__version__}.dist-info/METADATA").decode()
    assert f"Project-URL: Homepage, {home}\nProject-URL: Source, {source}\n" in metadata
    with tarfile.open(folder / "dist" / f"huaweicloud-job-exporter-chart-{__version__}.tgz") as archive:
        file = archive.extractfile("huaweicloud-job-exporter/Chart.yaml")
        assert file is not None
        assert yaml.safe_load(file).items() >= {"home": home, "sources": [source]}.items()
    assert f"git+{source}" in (folder / "dist" / f"{NAME}.provenance.json").read_text()


def test_the_archive_of_the_image_is_loaded_and_is_the_image(
    engine: Engine, image: str, base: str, tmp_path: Path
) -> None:
    """Made of a checkout that only its owner can read, it has the same files as the image of this checkout."""
    folder = checkout(tmp_path / "checkout", 0o077)
    path = f"{engine.command('buildah').parent}:{os.environ['PATH']}"
    done = make(folder, 0o077, f"--base={base}", env={**engine.environ, "PATH": path, "BUILDAH_ISOLATION": "chroot"})
    assert done.returncode == 0, done.stderr

    engine.podman("load", "--input", str(folder / "dist" / f"{NAME}.image.tar"))
    loaded = f"localhost/huaweicloud-job-exporter:{__version__}"

    trees = [
        engine.podman("run", "--rm", "--network=none", "--entrypoint=python", each, "-c", TREE).splitlines()
        for each in (image, loaded)
    ]
    assert len(trees[0]) > 500
    assert set(trees[0]) ^ set(trees[1]) == set()
    config = json.loads(engine.podman("inspect", loaded))[0]["Config"]
    assert config["Labels"]["org.opencontainers.image.version"] == __version__
    with engine.running(loaded, "demo") as container:
        engine.serving(container)
        assert container.healthy()


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
    commit(folder)

    done = make(folder)

    assert done.returncode == 1
    assert f"the package is {__version__}, Chart.yaml has version 9.9.9" in done.stderr
