"""What the tests of deploy/ share: the image, built once, and an engine that runs it.

They take minutes and want programs that only Linux has: `make test` leaves them out, `make test-deploy` runs them.
"""

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

from tests.conftest import require
from tests.deploy.engine import PROGRAMS, SETTINGS, Engine, build_image, make_base, quick_folder, run

BASE = "localhost/python:test"
IMAGE = "localhost/huaweicloud-job-exporter:test"
WITH_CONTAINERS = {
    *("test_image.py", "test_compose.py", "test_kube_play.py"),
    "test_the_image_is_built_and_run_by_the_documented_commands",
    "test_the_pod_of_the_cron_job_runs_in_podman",
    "test_the_archive_of_the_image_is_loaded_and_is_the_image",
}
"""Files, and tests of other files."""


class _ContainersTogether(LoadScopeScheduling):  # type: ignore[misc]
    """Gives the tests with containers to one worker, which builds the image once; the others to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        path, _, name = str(nodeid).partition("::")
        return "containers" if Path(path).name in WITH_CONTAINERS or name in WITH_CONTAINERS else str(nodeid)


def pytest_itemcollected(item: pytest.Item) -> None:
    """Refuse a test with containers that another worker would get: it would build the image a second time."""
    if "engine" in getattr(item, "fixturenames", ()):
        assert {item.path.name, item.name.partition("[")[0]} & WITH_CONTAINERS, f"{item.nodeid}: add it here"


def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> LoadScopeScheduling:
    """Return what gives tests to workers; ``--dist=loadgroup`` groups nothing with pytest 9.2."""
    return _ContainersTogether(config, log)


@pytest.fixture(scope="session", autouse=True)
def authorities() -> None:
    """Trust whom the machine trusts: packages are fetched."""


@pytest.fixture(scope="session")
def engine() -> Iterator[Engine]:
    """Return an empty store of images, which goes with all its containers when the tests are over."""
    require(*PROGRAMS)
    if os.geteuid() != 0:
        pytest.skip("needs root: containers, their limits and their network are made without a daemon")
    folder = Path(tempfile.mkdtemp(prefix="deploy-", dir=quick_folder()))
    (folder / "containers.conf").write_text(SETTINGS)
    engine = Engine(folder)
    yield engine
    engine.podman("rm", "--all", "--force", "--time=0")
    for line in Path("/proc/mounts").read_text().splitlines():
        if str(folder) in line:  # the store mounts itself and stays so
            run("umount", line.split()[1])
    shutil.rmtree(folder)


@pytest.fixture(scope="session")
def base(engine: Engine, request: pytest.FixtureRequest) -> str:
    """Return an image of Debian's Python, which stands in for the official one."""
    assert request.config.cache is not None
    make_base(engine, BASE, request.config.cache.mkdir("deploy-base"))
    return BASE


@pytest.fixture(scope="session")
def image(engine: Engine, base: str) -> str:
    """Return the exporter's image, built by its Dockerfile."""
    build_image(engine, IMAGE, base)
    return IMAGE
