"""``python -m deploy.release``: what a release consists of, in dist/, from the commit that is checked out.

Wheel, sdist, chart, SBOM, the archive of the image, and the checksums of them all. Everything is made from an export of
the commit, with its time, so two checkouts with different umasks give the same bytes. The image has the same bytes only
with the same base: name it by digest.
"""

import argparse
import gzip
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import yaml

_ROOT: Final = Path(__file__).parents[1]
_NAME: Final = "huaweicloud-job-exporter"
_CHART: Final = f"deploy/helm/{_NAME}"
_SUMS: Final = "SHA256SUMS"
_BUILDERS: Final = ("buildah", "podman")


class _ReleaseError(Exception):
    """Why no release is made, with the remedy."""


def main() -> None:
    """Make the release that the command line asks for."""
    parser = argparse.ArgumentParser(prog="python -m deploy.release", description="Make dist/ from this commit.")
    parser.add_argument("--sbom", type=Path, required=True, metavar="FILE", help="its CycloneDX document")
    parser.add_argument("--base", metavar="IMAGE", help="base of the image, by digest; without it no image is built")
    parser.add_argument("--dist", type=Path, default=_ROOT / "dist", metavar="FOLDER", help="where to put it: dist/")
    options = parser.parse_args()
    try:
        for path in release(options.dist, options.sbom, options.base):
            print(path.name)
    except _ReleaseError as error:
        sys.exit(f"release: {error}")


def release(dist: Path, sbom: Path, base: str | None) -> Iterable[Path]:
    """Fill the folder *dist* and return its files; raises ``_ReleaseError``."""
    if changed := _git("status", "--porcelain", "--untracked-files=no"):
        raise _ReleaseError(f"files differ from the commit; commit or restore them:\n{changed}")
    commit, seconds = _git("rev-parse", "HEAD"), _git("log", "-1", "--format=%ct")
    shutil.rmtree(dist, ignore_errors=True)
    dist.mkdir(parents=True)
    with tempfile.TemporaryDirectory() as name:
        source = Path(name)
        _export(source)
        version = _version(source)
        environ = {**os.environ, "SOURCE_DATE_EPOCH": seconds}
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(source)]
        subprocess.run(build, env=environ, check=True, stdout=sys.stderr)
        _pack_chart(source / _CHART, dist / f"{_NAME}-chart-{version}.tgz", int(seconds))
        shutil.copyfile(sbom, dist / f"{_NAME}-{version}.cdx.json")
        if base is not None:
            _build_image(source, dist / f"{_NAME}-{version}.oci.tar", base, commit, seconds)
    files = sorted(dist.iterdir())
    lines = [f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n" for path in files]
    (dist / _SUMS).write_text("".join(lines))
    return [*files, dist / _SUMS]


def _git(*arguments: str) -> str:
    return subprocess.run(["git", *arguments], cwd=_ROOT, check=True, capture_output=True, text=True).stdout.strip()


def _export(into: Path) -> None:
    """Unpack the commit with modes that do not depend on the umask."""
    command = ["git", "-c", "tar.umask=0022", "archive", "HEAD"]
    archive = subprocess.run(command, cwd=_ROOT, check=True, stdout=subprocess.PIPE).stdout
    subprocess.run(["tar", "--extract", "--preserve-permissions"], cwd=into, input=archive, check=True)


def _version(source: Path) -> str:
    """Return the version, which package and chart have in common."""
    text = (source / "exporter/__init__.py").read_text()
    package = text.split('__version__ = "', 1)[1].split('"', 1)[0]
    chart = yaml.safe_load((source / _CHART / "Chart.yaml").read_text())
    if {chart["version"], chart["appVersion"]} != {package}:
        said = f"version {chart['version']} and appVersion {chart['appVersion']}"
        raise _ReleaseError(f"the package is {package}, Chart.yaml has {said}: set all three to the new version")
    return package


def _pack_chart(folder: Path, file: Path, seconds: int) -> None:
    """Pack a chart as ``helm package`` does, but always to the same bytes: helm writes the time of packing."""

    def plain(each: tarfile.TarInfo) -> tarfile.TarInfo:
        each.uid = each.gid = 0
        each.uname = each.gname = ""
        each.mtime = seconds
        return each

    with (
        file.open("wb") as raw,
        gzip.GzipFile(filename="", fileobj=raw, mode="wb", mtime=seconds) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as archive,
    ):
        for path in sorted(each for each in folder.rglob("*") if each.is_file()):
            archive.add(path, f"{folder.name}/{path.relative_to(folder)}", recursive=False, filter=plain)


def _build_image(source: Path, file: Path, base: str, commit: str, seconds: str) -> None:
    builder = next((each for each in map(shutil.which, _BUILDERS) if each), None)
    if builder is None:
        raise _ReleaseError(f"an image needs {' or '.join(_BUILDERS)}; install one, or leave the base out")
    name = f"localhost/{_NAME}:release"
    arguments = [f"--build-arg=BASE={base}", f"--build-arg=REVISION={commit}", f"--timestamp={seconds}"]
    subprocess.run([builder, "build", *arguments, f"--tag={name}", str(source)], check=True, stdout=sys.stderr)
    subprocess.run([builder, "push", "--quiet", name, f"oci-archive:{file}"], check=True, stdout=sys.stderr)
    subprocess.run([builder, "rmi", name], check=True, stdout=sys.stderr)


if __name__ == "__main__":
    main()
