"""docs/install.md: its very commands, one section after the other, take a newcomer to an exporter that is scraped.

Each section runs as one script in a copy of the checkout. Root's commands see this machine through an overlay, so that
nothing of it changes; `docker` is podman or buildah with the tests' own store.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.deploy.engine import Engine, run
from tests.e2e.processes import ROOT, environment, eventually, fetch

UNIT = "/etc/systemd/system/huaweicloud-job-exporter.service"
DOCKER = """#!/bin/sh
# This machine's own network is for building alone: containers, and who asks them, are in one without a way out.
command=$1
shift
case $command in
build) exec nsenter --target {outside} --net {build} --build-arg=BASE={base} "$@" ;;
run) exec {podman} run --network=host --pull=never "$@" ;;
*) exec {podman} "$command" "$@" ;;
esac
"""
SYSTEMCTL = f"""#!/bin/sh
[ "$1" = daemon-reload ] || exec systemd-analyze verify --man=no {UNIT}
"""
"""What a test has of systemd: its judgement."""
SEEMINGLY_INSTALLED = """
for each in etc opt; do
    mkdir -p {folder}/$each/upper {folder}/$each/work
    mount -t overlay overlay -o lowerdir=/$each,upperdir={folder}/$each/upper,workdir={folder}/$each/work /$each
done
"""


def commands(section: str) -> str:
    """Return the script that a section's commands make."""
    text = (ROOT / "docs/install.md").read_text().split(f"\n## {section}\n", 1)[1].split("\n## ", 1)[0]
    blocks = re.findall(r"```console\n(.*?)```", text, re.DOTALL)
    lines = [line for block in blocks for line in block.splitlines()]
    assert lines
    assert all(line.startswith("$ ") for line in lines)
    return "".join(f"{line.removeprefix('$ ')}\n" for line in lines)


def checkout(folder: Path) -> Path:
    """Copy what a clone would have, as it is now."""
    for name in run("git", "ls-files", "--cached", "--others", "--exclude-standard", cwd=ROOT).splitlines():
        if (ROOT / name).is_file():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(ROOT / name, folder / name)
    (folder / ".git").symlink_to(ROOT / ".git")
    return folder


def shims(folder: Path, **programs: str) -> dict[str, str]:
    """Return an environment in which these programs come first, and ``python3`` is the one that runs the tests."""
    folder.mkdir()
    for name, text in programs.items():
        (folder / name).write_text(text)
        (folder / name).chmod(0o755)
    (folder / "python3").symlink_to(Path(sys.executable).resolve())
    return environment(PATH=f"{folder}:{os.environ['PATH']}")


@contextmanager
def done(script: str, folder: Path, environ: dict[str, str], *within: str) -> Iterator[str]:
    """Run a script to its end, and yield its output while what it left in the background goes on."""
    with (folder / "said").open("w+") as said:
        line = [*within, "sh", "-eux", "-c", script]
        process = subprocess.Popen(
            line, cwd=folder, env=environ, stdout=said, stderr=subprocess.STDOUT, start_new_session=True
        )
        try:
            status = process.wait(600)
            said.seek(0)
            text = said.read()
            assert status == 0, text[-4000:]
            yield text
        finally:
            with suppress(ProcessLookupError):  # most leave nothing behind
                os.killpg(process.pid, signal.SIGTERM)


def free_ports(count: int) -> list[str]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [str(each.getsockname()[1]) for each in sockets]
    for each in sockets:
        each.close()
    return ports


@pytest.mark.needs("prometheus", "promtool", "curl")
def test_with_pip_and_prometheus_a_newcomer_has_a_scraped_and_alerting_exporter(tmp_path: Path) -> None:
    folder = checkout(tmp_path / "checkout")
    script = commands("pip") + commands("Prometheus")
    ours, theirs = free_ports(2)  # the documented ones may be in use on this machine
    scrape = folder / "deploy/prometheus/prometheus.yml"
    often = re.sub(r"(?<=_interval: )\d+s", "2s", scrape.read_text())  # nobody wants to wait for an alert here
    scrape.write_text(often.replace("10926", ours))
    script = script.replace("10926", ours).replace("9090", theirs)
    environ = {**shims(tmp_path / "bin"), "EXPORTER_WEB__LISTEN_ADDRESS": f"127.0.0.1:{ours}"}

    def asked(path: str, **parameters: str) -> Any:
        return json.loads(fetch(f"http://127.0.0.1:{theirs}/api/v1/{path}?{urllib.parse.urlencode(parameters)}")[1])

    with done(script, folder, environ) as said:
        assert "huaweicloud_job_info{" in said  # there before the first poll ended
        eventually(lambda: asked("query", query="huaweicloud_job_up == 1")["data"]["result"], "a job is seen")
        alerts = eventually(lambda: asked("alerts")["data"]["alerts"], "an alert is pending or fires", 150)

    assert {each["state"] for each in alerts} <= {"pending", "firing"}
    assert all(each["annotations"] for each in alerts)


def test_the_image_is_built_and_run_by_the_documented_commands(engine: Engine, base: str, tmp_path: Path) -> None:
    folder = checkout(tmp_path / "checkout")
    build = engine.line("buildah", "bud", "--isolation=chroot", "--pull-never", "--format=docker", "--layers")
    docker = DOCKER.format(
        outside=os.getpid(), build=" ".join(build), base=base, podman=" ".join(engine.line("podman"))
    )
    environ = {**shims(tmp_path / "bin", docker=docker), "CONTAINERS_CONF": engine.environ["CONTAINERS_CONF"]}
    alone = ("unshare", "--net", "sh", "-c", 'ip link set lo up; exec "$@"', "sh")

    with done(commands("Image"), folder, environ, *alone) as said:
        assert "huaweicloud_job_info{" in said  # there before the first poll ended
        assert "The configuration is valid." in said
    assert json.loads(engine.podman("ps", "--all", "--format=json")) == []


def test_the_documented_compose_command_names_the_file() -> None:
    lines = commands("Compose").splitlines()
    file = ROOT / lines[0].split(" -f ")[1].split()[0]

    assert {line.split(" -f ")[0] for line in lines} == {"docker compose"}
    assert set(yaml.safe_load(file.read_text())["services"]) == {"exporter", "prometheus", "grafana"}


@pytest.mark.needs("systemd-analyze")
def test_the_documented_commands_install_what_the_unit_starts(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root: the commands write to /opt and /etc, through an overlay")
    folder = checkout(tmp_path / "checkout")
    environ = shims(tmp_path / "bin", sudo='#!/bin/sh\nexec "$@"\n', systemctl=SYSTEMCTL)
    script = SEEMINGLY_INSTALLED.format(folder=tmp_path) + commands("systemd")

    with done(script, folder, environ, "unshare", "--mount") as said:
        assert said.splitlines()[-1].startswith("+ sudo systemctl enable")  # and no complaint after it
    installed = tmp_path / "etc/upper/huaweicloud-job-exporter"

    assert sorted(each.name for each in installed.iterdir()) == ["exporter.yaml", "key_id", "secret"]
    assert (installed / "secret").stat().st_mode & 0o777 == 0o600
    assert not Path(UNIT).exists()
