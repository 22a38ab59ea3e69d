"""The image: what is in it, and that it runs with nothing but 96 MB of memory and files it may read."""

import json
import re
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
import yaml
from prometheus_client.parser import text_string_to_metric_families as families

from exporter import __version__
from exporter.cli.demo import settings_for
from exporter.services.registry import load_services
from tests.deploy.engine import LOCKED, REVISION, Container, Engine
from tests.e2e.processes import eventually
from tests.web.certificates import make
from tests.web.test_healthcheck import PAIR, USERS, VERIFY

SIMULATOR = ("-m", "exporter.simulator", "--listen", "127.0.0.1:9700")
LIMIT = ("memory.limit_in_bytes", "memory.max")
PEAK = ("memory.max_usage_in_bytes", "memory.peak")
"""Files of a control group, of version 1 and 2."""


def memory_cgroup(container: Container) -> Path:
    """Return the folder of the control group that bounds the container's memory, of either version."""
    line = next(
        line
        for line in Path(f"/proc/{container.state()['Pid']}/cgroup").read_text().splitlines()
        if line.split(":")[1] in {"memory", ""}
    )
    _, controller, path = line.split(":", 2)
    return Path(f"/sys/fs/cgroup/{controller}{path}")


@contextmanager
def exporter(engine: Engine, image: str, folder: Path) -> Iterator[Container]:
    """Run the image as it comes, with configuration and secrets in files, beside a pretend cloud."""
    folder.chmod(0o755)  # of pytest, for its own user alone
    with engine.running(image, *SIMULATOR, options=("--entrypoint=python",)) as cloud:
        settings = settings_for(json.loads(eventually(cloud.logs, "the cloud announces itself")))
        key = settings["projects"]["demo"]["credentials"]["access_key"]
        (folder / "key_id").write_text(key["key_id"])
        (folder / "secret").write_text(key["secret"])
        settings["projects"]["demo"]["credentials"] = {
            "access_key": {"key_id_file": "key_id", "secret_file": "/etc/exporter/secret"}
        }
        del settings["web"]  # the image's own port, on every interface
        (folder / "exporter.yaml").write_text(yaml.safe_dump(settings))
        mount = f"--volume={folder}:/etc/exporter:ro"
        with engine.running(image, options=(*LOCKED, mount), network=f"container:{cloud.name}") as container:
            engine.serving(container)
            yield container


@pytest.fixture(scope="module")
def running(engine: Engine, image: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    with exporter(engine, image, tmp_path_factory.mktemp("etc")) as container:
        yield container


def samples(container: Container) -> dict[str, dict[tuple[tuple[str, str], ...], float]]:
    status, body = container.fetch("/metrics")
    assert status == 200
    found: dict[str, dict[tuple[tuple[str, str], ...], float]] = {}
    for family in families(body):
        for sample in family.samples:
            found.setdefault(sample.name, {})[tuple(sorted(sample.labels.items()))] = sample.value
    return found


def test_the_image_says_what_it_is(engine: Engine, image: str, base: str) -> None:
    config = json.loads(engine.podman("inspect", image))[0]["Config"]

    assert config["User"] == "65532:65532"
    assert config["Entrypoint"] == ["huaweicloud-job-exporter"]
    assert list(config["ExposedPorts"]) == ["10926/tcp"]
    assert (
        config["Labels"].items()
        >= {
            "org.opencontainers.image.title": "huaweicloud-job-exporter",
            "org.opencontainers.image.licenses": "Apache-2.0",
            "org.opencontainers.image.revision": REVISION,
            "org.opencontainers.image.base.name": base,
        }.items()
    )


def test_the_image_adds_little_to_its_base(
    engine: Engine, image: str, base: str, capsys: pytest.CaptureFixture[str]
) -> None:
    size, below = (json.loads(engine.podman("inspect", each))[0]["Size"] / 1e6 for each in (image, base))
    with capsys.disabled():
        print(f"\nthe image has {size:.0f} MB, {size - below:.0f} MB of them are ours")  # noqa: T201 - for whoever reads the log

    assert size - below < 50


def test_it_holds_the_wheel_and_neither_its_sources_nor_what_installed_it(engine: Engine, image: str) -> None:
    script = """
import importlib.metadata, importlib.util, pathlib
print(importlib.metadata.version("huaweicloud-job-exporter"), importlib.util.find_spec("exporter").origin)
print([name for name in ("/src", "/build", "/wheel", "/app/bin/pip") if pathlib.Path(name).exists()])
print([str(each) for each in pathlib.Path("/app/lib").rglob("*.py") if not list(each.parent.glob("__pycache__/*.pyc"))])
print({each.read_bytes()[4] for each in pathlib.Path("/app").rglob("*.pyc")})
"""
    said = engine.podman("run", "--rm", "--network=none", "--entrypoint=python", image, "-c", script).splitlines()

    version, origin = said[0].split()
    assert version == __version__
    assert re.fullmatch(r"/app/lib/python3\.\d+/site-packages/exporter/__init__\.py", origin)
    assert said[1:] == ["[]", "[]", "{1}"], "the last are modules that are compiled, and not compared with files' times"


def test_the_running_image_is_scraped(running: Container) -> None:
    def all_polled() -> bool:
        found = samples(running)
        up = found.get("huaweicloud_job_up", {}).values()
        return len(up) == len(found["huaweicloud_job_info"]) and set(up) == {1.0}

    eventually(all_polled, "every job was polled")
    found = samples(running)

    assert {dict(labels)["service"] for labels in found["huaweicloud_job_up"]} == set(load_services())
    ((build, _),) = found["huaweicloud_job_exporter_build_info"].items()
    assert dict(build).items() >= {"version": __version__, "revision": REVISION}.items()
    assert running.fetch("/")[0] == 200


def test_it_runs_with_no_rights_at_all(running: Container) -> None:
    status = dict(
        line.split(":\t", 1) for line in running.execute("cat", "/proc/1/status").stdout.splitlines() if ":\t" in line
    )
    written = running.execute("python", "-c", "open('/tmp/x', 'w')")

    assert status["Uid"].split() == ["65532"] * 4
    assert {status[name] for name in ("CapPrm", "CapEff", "CapBnd")} == {"0" * 16}
    assert status["NoNewPrivs"] == "1"
    assert written.returncode == 1
    assert "Read-only file system" in written.stderr


def test_it_stays_within_96_mb(running: Container, capsys: pytest.CaptureFixture[str]) -> None:
    cgroup = memory_cgroup(running)
    limit, peak = (
        int(next(cgroup / name for name in names if (cgroup / name).exists()).read_text()) for names in (LIMIT, PEAK)
    )
    with capsys.disabled():
        print(f"\nthe exporter used at most {peak / 2**20:.0f} MiB of {limit / 2**20:.0f}")  # noqa: T201

    assert limit == 96 * 2**20
    assert peak < limit
    assert running.state()["OOMKilled"] is False


def test_its_health_check_tells_whether_it_answers(running: Container) -> None:
    elsewhere = ("--env=EXPORTER_WEB__LISTEN_ADDRESS=127.0.0.1:9",)
    check = json.loads(running.engine.podman("inspect", running.name))[0]["Config"]["Healthcheck"]["Test"]
    refused = running.execute(*check[1:], options=elsewhere)

    assert running.healthy()
    assert (refused.returncode, refused.stderr) == (1, "not healthy: [Errno 111] Connection refused\n")


WEB_FILES = {
    "users": USERS,
    "TLS": PAIR,
    "TLS, users and client certificates": VERIFY + USERS,
}


@pytest.mark.parametrize("text", WEB_FILES.values(), ids=WEB_FILES)
def test_its_health_check_needs_neither_password_nor_certificate(
    text: str, engine: Engine, image: str, tmp_path: Path
) -> None:
    files = make(tmp_path)
    files.write(text)
    for each in (tmp_path, *tmp_path.iterdir()):
        each.chmod(0o755)  # of pytest, for its own user alone
    options = (f"--volume={tmp_path}:/etc/exporter:ro", "--env=EXPORTER_WEB__CONFIG_FILE=/etc/exporter/web.yml")
    with engine.running(image, "demo", options=(*LOCKED, *options)) as container:
        eventually(container.healthy, container.why)
        unknown = container.fetch("/-/healthy", 10926, "--insecure", scheme="https" if PAIR in text else "http")[0]
        assert unknown == {USERS: 401, PAIR: 200}.get(text, 0)

        engine.podman("kill", "--signal=STOP", container.name)  # it hangs: what listens goes on to accept connections
        assert not container.healthy()


def test_sigterm_ends_it_with_0(engine: Engine, image: str, tmp_path: Path) -> None:
    with exporter(engine, image, tmp_path) as container:
        engine.podman("stop", "--time=5", container.name)

        assert container.ended() == 0
        assert '"event": "stopped"' in container.logs() or "stopped" in container.logs().splitlines()[-1]


@pytest.mark.parametrize("after", [0.1, 0.4, 0.8])
def test_sigterm_ends_it_with_0_while_it_starts(engine: Engine, image: str, after: float) -> None:
    with engine.running(image, "demo", options=LOCKED) as container:
        time.sleep(after)
        engine.podman("stop", "--time=5", container.name)

        assert container.ended() == 0


@pytest.mark.parametrize("listen", ["0.0.0.0:9999", "[::]:9999", ":9999", "127.0.0.1:9999"])
def test_the_demo_runs_in_it_on_another_port(engine: Engine, image: str, listen: str) -> None:
    variable = f"--env=EXPORTER_WEB__LISTEN_ADDRESS={listen}"
    with engine.running(image, "demo", options=(*LOCKED, variable)) as container:
        eventually(container.healthy, container.why)


def test_a_mistake_ends_it_with_a_sentence(engine: Engine, image: str) -> None:
    with engine.running(image, options=LOCKED) as container:
        assert container.ended() == 1
        assert "/etc/exporter/exporter.yaml" in container.logs()
        assert "Traceback" not in container.logs()
