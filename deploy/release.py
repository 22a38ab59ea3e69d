"""``python -m deploy.release``: what a release consists of, in dist/, from the commit that is checked out.

Wheel, sdist, chart, SBOM, the archive of the image, a provenance statement, and the checksums of them all. Everything
is made from an export of the commit, with its time, so two checkouts with different umasks give the same bytes. The
image has the same bytes only with the same base: name it by digest. The addresses of the project stand in
``[project.urls]`` of pyproject.toml alone; chart and image get theirs here.
"""

import argparse
import gzip
import hashlib
import io
import json
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import tomllib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import IO, Any, Final

import yaml

_ROOT: Final = Path(__file__).parents[1]
_NAME: Final = "huaweicloud-job-exporter"
_CHART: Final = f"deploy/helm/{_NAME}"
_SUMS: Final = "SHA256SUMS"
_BUILDERS: Final = ("buildah", "podman")
_LABELS: Final = {"Homepage": "url", "Source": "source", "Documentation": "documentation"}
"""Addresses of the project, and their labels of the image."""
_PINNED: Final = ("requirements/build.txt", "requirements/runtime.txt")


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
        version, urls = _version(source), _urls(source)
        environ = {**os.environ, "SOURCE_DATE_EPOCH": seconds}
        build = [sys.executable, "-m", "build", "--no-isolation", "--outdir", str(dist), str(source)]
        subprocess.run(build, env=environ, check=True, stdout=sys.stderr)
        _address_chart(source / _CHART / "Chart.yaml", urls)
        _pack_chart(source / _CHART, dist / f"{_NAME}-chart-{version}.tgz", int(seconds))
        document = json.loads(sbom.read_text())  # its tool does not know where our version stands
        document.setdefault("metadata", {}).setdefault("component", {"name": _NAME})["version"] = version
        (dist / f"{_NAME}-{version}.cdx.json").write_text(json.dumps(document, indent=2) + "\n")
        if base is not None:
            labels = {_LABELS[name]: url for name, url in urls.items() if name in _LABELS} | {"version": version}
            _build_image(source, dist / f"{_NAME}-{version}.image.tar", base, commit, seconds, labels)
        provenance = _provenance(sorted(dist.iterdir()), source, base, commit, urls)
        (dist / f"{_NAME}-{version}.provenance.json").write_text(json.dumps(provenance, indent=2) + "\n")
    files = sorted(dist.iterdir())
    lines = [f"{_sha256(path)}  {path.name}\n" for path in files]
    (dist / _SUMS).write_text("".join(lines))
    return [*files, dist / _SUMS]


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


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


def _urls(source: Path) -> Mapping[str, str]:
    """Return the addresses of the project, by name; none before it has any."""
    urls: dict[str, str] = tomllib.loads((source / "pyproject.toml").read_text())["project"].get("urls", {})
    return urls


def _address_chart(file: Path, urls: Mapping[str, str]) -> None:
    more = {"home": urls.get("Homepage"), "sources": [urls["Source"]] if "Source" in urls else None}
    given = {key: value for key, value in more.items() if value is not None}
    if given:
        file.write_text(file.read_text() + yaml.safe_dump(given))


def _provenance(
    files: Iterable[Path], source: Path, base: str | None, commit: str, urls: Mapping[str, str]
) -> Mapping[str, Any]:
    """Return what the files were made from, as an in-toto statement with SLSA's predicate; nobody signed it yet."""
    pinned = [{"uri": f"file:{name}", "digest": {"sha256": _sha256(source / name)}} for name in _PINNED]
    image = [] if base is None else [{"uri": f"docker://{base}"}]
    definition = {
        "buildType": f"urn:{_NAME}:make-release:1",
        "externalParameters": {"base": base},
        "resolvedDependencies": [
            {"uri": f"git+{urls.get('Source', _NAME)}", "digest": {"gitCommit": commit}},
            *pinned,
            *image,
        ],
    }
    return {
        "_type": "https://in-toto.io/Statement/v1",
        "subject": [{"name": path.name, "digest": {"sha256": _sha256(path)}} for path in files],
        "predicateType": "https://slsa.dev/provenance/v1",
        "predicate": {
            "buildDefinition": definition,
            "runDetails": {"builder": {"id": f"urn:{_NAME}:make-release"}},
        },
    }


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


def _build_image(source: Path, file: Path, base: str, commit: str, seconds: str, labels: Mapping[str, str]) -> None:
    """Build the image and pack it for ``docker load`` and ``podman load``, with its health check and its name."""
    builder = next((each for each in map(shutil.which, _BUILDERS) if each), None)
    if builder is None:
        raise _ReleaseError(f"an image needs {' or '.join(_BUILDERS)}; install one, or leave the base out")
    name = f"{_NAME}:{labels['version']}"
    arguments = [f"--build-arg=BASE={base}", f"--build-arg=REVISION={commit}", f"--timestamp={seconds}"]
    arguments += [f"--label=org.opencontainers.image.{label}={text}" for label, text in labels.items()]
    archive = source / "image.tar"
    for line in (
        ["build", "--format=docker", *arguments, f"--tag=localhost/{name}", str(source)],
        ["push", "--quiet", f"localhost/{name}", f"docker-archive:{archive}"],
        ["rmi", f"localhost/{name}"],
    ):
        subprocess.run([builder, *line], check=True, stdout=sys.stderr)
    _repack_image(archive, file, name, int(seconds))


def _repack_image(archive: Path, file: Path, name: str, seconds: int) -> None:
    """Write the image once more without the id of the container that built it, which is another one each time."""
    with tarfile.open(archive) as built, tarfile.open(file, "w", format=tarfile.PAX_FORMAT) as packed:
        manifest = json.loads(_member(built, "manifest.json").read())[0]
        config = json.loads(_member(built, manifest["Config"]).read())
        config.pop("container", None)
        text = json.dumps(config, separators=(",", ":"), sort_keys=True).encode()
        named = f"{hashlib.sha256(text).hexdigest()}.json"
        said = {"Config": named, "RepoTags": [name], "Layers": manifest["Layers"]}
        for member, data in ((named, text), ("manifest.json", json.dumps([said]).encode())):
            packed.addfile(_plain(member, len(data), seconds), io.BytesIO(data))
        for layer in manifest["Layers"]:
            packed.addfile(_plain(layer, built.getmember(layer).size, seconds), _member(built, layer))


def _member(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    member = archive.extractfile(name)
    if member is None:
        raise _ReleaseError(f"the archive of the image has no file {name}; use another version of the builder")
    return member


def _plain(name: str, size: int, seconds: int) -> tarfile.TarInfo:
    """Return the header of a file that belongs to root."""
    header = tarfile.TarInfo(name)
    header.size, header.mtime, header.mode = size, seconds, 0o644
    return header


if __name__ == "__main__":
    main()
