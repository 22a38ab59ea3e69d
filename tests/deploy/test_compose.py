"""compose.yaml: read by a real implementation, and started but for Grafana, whose image only its maker has."""

import json
import subprocess
import sys
import urllib.parse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from exporter.services.registry import load_services
from tests.deploy.engine import Container, Engine
from tests.e2e.processes import ROOT, eventually

FILE = ROOT / "deploy/compose/compose.yaml"
COMPOSE: tuple[str | Path, ...] = (sys.executable, "-m", "podman_compose")
PROMETHEUS = """
FROM {base}
COPY prometheus /bin/prometheus
ENTRYPOINT ["/bin/prometheus"]
"""
APART = """
services:
  exporter:
    network_mode: none
    ports: !reset []
    image: {image}
  prometheus:
    image: localhost/prometheus:test
"""
"""The loopback of the container instead of the machine's ports, and images that are here."""


@pytest.fixture(scope="module")
def compose() -> dict[str, Any]:
    """Return the file as compose understands it."""
    done = subprocess.run([*COMPOSE, "-f", FILE, "config"], capture_output=True, text=True, check=True)
    found: dict[str, Any] = yaml.safe_load(done.stdout)
    return found


@pytest.fixture(scope="module")
def started(engine: Engine, image: str, base: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Container]:
    """Start the exporter and Prometheus by the file, and return the first."""
    folder = tmp_path_factory.mktemp("compose")
    (folder / "Dockerfile").write_text(PROMETHEUS.format(base=base))
    (folder / "prometheus").write_bytes(Path("/usr/bin/prometheus").read_bytes())
    (folder / "prometheus").chmod(0o755)
    engine.build("localhost/prometheus:test", folder)
    (folder / "apart.yaml").write_text(APART.format(image=image))
    line = [*COMPOSE, f"--podman-path={engine.command()}", "-f", FILE, "-f", folder / "apart.yaml", "--in-pod=false"]
    up = [*line, "up", "--detach", "--no-build", "exporter", "prometheus"]
    done = subprocess.run(up, env=engine.environ, capture_output=True, text=True, check=False)
    names = json.loads(engine.podman("ps", "--format=json"))
    assert len(names) == 2, done.stdout + done.stderr
    (name,) = (each["Names"][0] for each in names if "_exporter_" in each["Names"][0])
    yield Container(engine, name)
    subprocess.run([*line, "down", "--volumes", "--timeout=0"], env=engine.environ, capture_output=True, check=True)


def asked(container: Container, path: str, **parameters: str) -> Any:
    """Return what Prometheus answers."""
    status, body = container.fetch(f"/api/v1/{path}?{urllib.parse.urlencode(parameters)}", 9090)
    assert status == 200, body
    return json.loads(body)["data"]


def test_every_file_that_it_mounts_is_there(compose: dict[str, Any]) -> None:
    mounts = [mount for service in compose["services"].values() for mount in service.get("volumes", [])]
    files = [mount.split(":")[0] for mount in mounts if mount.startswith(".")]

    assert len(files) == 4
    for file in files:
        assert (FILE.parent / file).exists(), file
    assert (FILE.parent / compose["services"]["exporter"]["build"]["context"] / "Dockerfile").is_file()


def test_it_is_reached_from_this_machine_alone(compose: dict[str, Any]) -> None:
    ports = [port for service in compose["services"].values() for port in service.get("ports", [])]

    assert sorted(ports) == ["127.0.0.1:10926:10926", "127.0.0.1:3000:3000", "127.0.0.1:9090:9090"]


def test_prometheus_scrapes_the_demo_and_has_the_rules(started: Container) -> None:
    eventually(lambda: started.fetch("/-/ready", 9090)[0] == 200, "Prometheus is ready")
    eventually(lambda: asked(started, "query", query="huaweicloud_job_up == 1")["result"], "a job is seen", 120)
    rules = asked(started, "rules")["groups"]
    files = sorted((ROOT / "deploy/prometheus/rules").glob("*.yml"))
    written = [
        rule for file in files for group in yaml.safe_load(file.read_text())["groups"] for rule in group["rules"]
    ]

    assert sum(len(group["rules"]) for group in rules) == len(written) > 0
    assert {rule["health"] for group in rules for rule in group["rules"]} <= {"ok", "unknown"}
    jobs = asked(started, "query", query="count by (service) (huaweicloud_job_info)")["result"]
    assert {each["metric"]["service"] for each in jobs} == set(load_services())


def test_grafana_is_told_of_prometheus_and_both_dashboards(compose: dict[str, Any]) -> None:
    grafana = compose["services"]["grafana"]
    places = {inside: FILE.parent / here for here, inside, *_ in (each.split(":") for each in grafana["volumes"])}
    provisioning = places["/etc/grafana/provisioning"]
    (source,) = yaml.safe_load((provisioning / "datasources/prometheus.yaml").read_text())["datasources"]
    (provider,) = yaml.safe_load((provisioning / "dashboards/dashboards.yaml").read_text())["providers"]
    dashboards = places[provider["options"]["path"]]

    assert (source["type"], source["url"]) == ("prometheus", "http://127.0.0.1:9090")
    assert grafana["network_mode"] == compose["services"]["prometheus"]["network_mode"] == "service:exporter"
    assert sorted(each.name for each in dashboards.glob("*.json")) == ["exporter.json", "job.json", "overview.json"]
    home = grafana["environment"]["GF_DASHBOARDS_DEFAULT_HOME_DASHBOARD_PATH"]
    assert (dashboards / Path(home).name).is_file()
    assert Path(home).parent == Path(provider["options"]["path"])
