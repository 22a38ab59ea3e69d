"""Containers without a daemon: buildah builds and podman runs them, in a store of their own that goes with the tests.

It wants root, but neither systemd nor a container engine that runs already. Containers get no network but a loopback of
their own, where ports are free and what listens on every interface is reached by nobody else; tests go in to scrape.
"""

import json
import os
import shutil
import ssl
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.processes import ROOT, eventually

REVISION = "0123456789abcdef0123456789abcdef01234567"
"""What the image is told of where it comes from."""
SUITE = "trixie"
"""The Debian whose Python stands in for the one of the official image: both are 3.13."""
PROGRAMS = ("podman", "buildah", "runc", "mmdebstrap", "nsenter", "curl")
LOCKED = (
    "--read-only",
    "--read-only-tmpfs=false",
    "--cap-drop=all",
    "--security-opt=no-new-privileges",
    "--memory=96m",
)
"""What the image must be content with."""
ROOM = 4 << 30
"""Bytes that all images, and a Debian that is being made, have room in."""
BARRED = os.ST_NOEXEC | os.ST_NODEV | os.ST_NOSUID
"""How a file system may be mounted that cannot hold a whole machine's files."""
SETTINGS = """
[containers]
default_ulimits = ["nofile=1024:1024", "nproc=1000:1000"]  # no more than a machine without CAP_SYS_RESOURCE allows
[engine]
cgroup_manager = "cgroupfs"  # there may be no systemd to ask
runtime = "runc"
events_logger = "file"
"""
BASE = """
FROM scratch
ADD {archive} /
COPY authorities.pem /etc/ssl/certs/ca-certificates.crt
RUN ln -s python3 /usr/bin/python
CMD ["python"]
"""


def run(*command: str | Path, **options: Any) -> str:
    """Run a command to its end and return what it wrote to standard output; its error output comes with a failure."""
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False, **options)
    assert done.returncode == 0, (
        f"{command[0]} ended with {done.returncode}:\n{done.stdout[-2000:]}\n{done.stderr[-4000:]}"
    )
    return str(done.stdout)


@dataclass(frozen=True)
class Container:
    """One that runs, or ran."""

    engine: "Engine"
    name: str

    def state(self) -> dict[str, Any]:
        """Return what podman knows of its process: ``Pid``, ``ExitCode``, ``OOMKilled``, ``CgroupPath``, ..."""
        found: dict[str, Any] = json.loads(self.engine.podman("inspect", self.name))[0]["State"]
        return found

    def inside(self, *command: str) -> list[str]:
        """Return the command line of a program of this machine that shall see the container's network."""
        return ["nsenter", f"--target={self.state()['Pid']}", "--net", *command]

    def fetch(self, path: str, port: int = 10926, *options: str, scheme: str = "http") -> tuple[int, str]:
        """Return status and body of a GET on the container's loopback; status 0 if nobody answers."""
        address = f"{scheme}://127.0.0.1:{port}{path}"
        curl = self.inside("curl", "--silent", "--max-time", "10", "--write-out", "\n%{http_code}", *options, address)
        said = subprocess.run(curl, capture_output=True, text=True, check=False).stdout
        body, _, status = said.rpartition("\n")
        return int(status or 0), body

    def execute(self, *command: str, options: tuple[str, ...] = ()) -> subprocess.CompletedProcess[str]:
        """Run a command in the container, with its user, its files and its limits."""
        line = self.engine.line("podman", "exec", *options, self.name, *command)
        return subprocess.run(line, env=self.engine.environ, capture_output=True, text=True, check=False)

    def logs(self) -> str:
        """Return all it wrote, standard error included."""
        line = self.engine.line("podman", "logs", self.name)
        return subprocess.run(
            line, env=self.engine.environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=True
        ).stdout

    def healthy(self) -> bool:
        """Run the health check of the image."""
        return self._checked().returncode == 0

    def why(self) -> str:
        """Return what the health check says, what podman keeps of the last ones, and all the container wrote."""
        return f"{self._checked()}; {json.dumps(self.state(), indent=1)}; {self.logs()}"

    def _checked(self) -> subprocess.CompletedProcess[str]:
        line = self.engine.line("podman", "healthcheck", "run", self.name)
        return subprocess.run(line, env=self.engine.environ, capture_output=True, text=True, check=False)

    def ended(self) -> int:
        """Wait until it ended and return its exit code."""
        return int(self.engine.podman("wait", self.name))


@dataclass(frozen=True)
class Engine:
    """A store of images and containers in *folder*."""

    folder: Path

    @property
    def environ(self) -> dict[str, str]:
        """What podman and buildah, and what calls them, must be started with."""
        return {**os.environ, "CONTAINERS_CONF": str(self.folder / "containers.conf")}

    def line(self, program: str, *arguments: str) -> list[str]:
        """Return a command line of podman or buildah that uses this store."""
        store = f"--root={self.folder}/store", f"--runroot={self.folder}/run", "--storage-driver=overlay"
        return [program, *store, *arguments]

    def podman(self, *arguments: str) -> str:
        """Run podman to its end and return its output."""
        return run(*self.line("podman", *arguments), env=self.environ)

    def command(self, name: str = "podman") -> Path:
        """Return podman or buildah with this store, for those who call it by its name."""
        real, program = shutil.which(name), self.folder / "bin" / name
        assert real is not None
        program.parent.mkdir(exist_ok=True)
        program.write_text(f'#!/bin/sh\nexec {" ".join(self.line(real))} "$@"\n')
        program.chmod(0o755)
        return program

    def build(self, tag: str, context: Path, *arguments: str) -> None:
        """Build an image from the Dockerfile of *context*; nothing is pulled."""
        options = "--isolation=chroot", "--pull-never", "--format=docker", "--layers", f"--tag={tag}"
        run(*self.line("buildah", "bud", *options, *arguments, str(context)), env=self.environ)

    @contextmanager
    def running(
        self, image: str, *command: str, options: tuple[str, ...] = (), network: str = "none"
    ) -> Iterator[Container]:
        """Run a container while the block runs."""
        started = self.podman("run", "--detach", f"--network={network}", *options, image, *command)
        container = Container(self, started.strip())
        try:
            yield container
        finally:
            self.podman("rm", "--force", "--time=0", container.name)

    def serving(self, container: Container, port: int = 10926) -> None:
        """Wait until the exporter of a container answers, or say what it wrote instead."""

        def answers() -> bool:
            assert container.state()["Running"], container.logs()
            return container.fetch("/-/healthy", port)[0] == 200

        eventually(answers, "the exporter answers")


def quick_folder() -> Path:
    """Return where to put gigabytes that nobody keeps: in memory if there is room, because package managers sync.

    A container's own /dev/shm often runs no programs.
    """
    memory = Path("/dev/shm")
    if memory.is_dir() and shutil.disk_usage(memory).free > ROOM and not os.statvfs(memory).f_flag & BARRED:
        return memory
    return Path(tempfile.gettempdir())


def make_base(engine: Engine, tag: str, kept: Path) -> None:
    """Make what stands in for the official Python image, from Debian's own packages.

    *kept* is a folder in which the file system is kept from one run to the next, for a day's work.
    """
    archive = kept / f"{SUITE}-{run('date', '+%F').strip()}.tar"
    if not archive.exists():
        for old in kept.iterdir():
            old.unlink()
        _bootstrap(archive)
    (kept / "Dockerfile").write_text(BASE.format(archive=archive.name))
    authorities = os.environ.get("SSL_CERT_FILE") or ssl.get_default_verify_paths().cafile
    assert authorities is not None
    (kept / "authorities.pem").write_bytes(Path(authorities).read_bytes())
    engine.build(tag, kept)


def _bootstrap(archive: Path) -> None:
    """Pack Debian with Python into *archive*, from the mirror that apt uses here."""
    mirrors = run("apt-get", "indextargets", "--format=$(REPO_URI)", "Created-By: Packages", "Origin: Debian").split()
    assert mirrors, "needs a Debian whose package lists are there: apt-get update"
    options = ("--mode=root", "--variant=minbase", "--format=tar", "--skip=output/dev")
    include = "--include=ca-certificates,python3,python3-venv"
    made = archive.with_suffix(".new")
    run("mmdebstrap", *options, include, SUITE, made, mirrors[0], env={**os.environ, "TMPDIR": str(quick_folder())})
    made.rename(archive)


def build_image(engine: Engine, tag: str, base: str, *arguments: str) -> None:
    """Build the exporter's image as its Dockerfile says, on another base."""
    engine.build(tag, ROOT, f"--build-arg=BASE={base}", f"--build-arg=REVISION={REVISION}", *arguments)
