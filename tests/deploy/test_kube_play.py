"""The rendered pods for real: podman plays the very manifests, against a pretend cloud on their loopback.

Where podman 4.3 is not Kubernetes, :func:`adapted` says how and why the manifests are changed; nothing else is.
"""

import copy
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from exporter.cli.demo import settings_for
from exporter.simulator import Cloud, populate
from exporter.simulator.population import announcement
from tests.deploy import kube
from tests.deploy.engine import Container, Engine
from tests.deploy.kube import Manifest
from tests.deploy.test_chart import WEB
from tests.deploy.test_sidecar import exporter_at, last_scraped, main_at
from tests.deploy.tools import ROOT
from tests.e2e.processes import eventually
from tests.web.certificates import make

PORT: Final = 9700
URL: Final = f"http://127.0.0.1:{PORT}"
PASSWORD: Final = {"huaweicloud-pipeline": {"password": Cloud.password}}
"""The Secret of the sidecar."""
REFUSAL: Final = (
    "cannot create an init container that has either of lifecycle, livenessProbe, readinessProbe, or startupProbe"
)


@dataclass(frozen=True)
class Pod:
    """A pod that podman made of a manifest; its infra container holds the network."""

    engine: Engine
    name: str
    infra: Container

    def container(self, name: str) -> Container:
        """Return one of its containers, by its name in the manifest."""
        (found,) = (each["Id"] for each in self._told()["Containers"] if each["Name"].endswith(f"-{name}"))
        return Container(self.engine, found)

    def _told(self) -> Manifest:
        found: Manifest = json.loads(self.engine.podman("pod", "inspect", self.name))
        return found


def adapted(manifests: list[Manifest], secrets: dict[str, dict[str, str]], *, native: bool = False) -> list[Manifest]:
    """Return manifests that podman 4.3 can play.

    - It publishes every containerPort on the machine, and takes none without a bridge: the ports are left out.
    - It mounts a Secret's values still in base64: each is a ConfigMap of the same name, as are *secrets*, which the
      manifests only name.
    - It plays no Job: its pod is played.
    - It has no native sidecars: unless *native*, the sidecar is an ordinary container, and the test is the kubelet.
    """
    found = copy.deepcopy(manifests)
    for manifest in found:
        if manifest["kind"] == "Secret":
            manifest.update(kind="ConfigMap", data=manifest.pop("stringData"))
        pod = kube.pod_of(manifest)
        if pod is None:
            continue
        for container in (*pod["containers"], *pod.get("initContainers", ())):
            container.pop("ports", None)
        for volume in pod["volumes"]:
            if "secret" in volume:
                volume["configMap"] = {"name": volume.pop("secret")["secretName"]}
        if not native:
            pod["containers"] = [*pod.pop("initContainers", ()), *pod["containers"]]
        if manifest["kind"] == "Job":
            manifest.update(apiVersion="v1", kind="Pod", spec=pod)
    played = [each for each in found if each["kind"] in {"ConfigMap", "Deployment", "Pod"}]
    return played + [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}
        for name, data in secrets.items()
    ]


@contextmanager
def played(engine: Engine, manifests: list[Manifest], folder: Path) -> Iterator[Pod]:
    """Play manifests, with the pretend cloud there before any container of the pod starts."""
    path = folder / "manifests.yaml"
    path.write_text(yaml.safe_dump_all(manifests, allow_unicode=True))
    try:
        engine.podman("kube", "play", "--network=none", "--start=false", str(path))
        name = engine.podman("pod", "ps", "--quiet").strip()
        infra = json.loads(engine.podman("pod", "inspect", name))["InfraContainerID"]
        pod = Pod(engine, name, Container(engine, infra))
        engine.podman("start", infra)
        command = (sys.executable, "-m", "exporter.simulator", "--listen", f"127.0.0.1:{PORT}", "--until-eof")
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "text": True}
        with subprocess.Popen(pod.infra.inside(*command), cwd=ROOT, **pipes) as simulator:
            assert simulator.stdout is not None
            assert simulator.stdout.readline()
            engine.podman("pod", "start", name)
            yield pod
            simulator.terminate()
    finally:
        engine.podman("pod", "rm", "--all", "--force", "--time=0")
        engine.podman("volume", "rm", "--all", "--force")


@pytest.fixture
def cloud() -> Cloud:
    """Return a cloud with the ids and keys of the one that will be served: they follow from the seed."""
    cloud = Cloud(seed=0)
    populate(cloud)
    return cloud


def settings_in_a_pod(cloud: Cloud) -> dict[str, Any]:
    """Return the configuration for the pretend cloud, with the key in files."""
    settings = settings_for(announcement(cloud, URL))
    del settings["web"]
    mounted = "/run/secrets/huaweicloud"
    settings["projects"]["demo"]["credentials"] = {
        "access_key": {"key_id_file": f"{mounted}/key_id", "secret_file": f"{mounted}/secret"}
    }
    return settings


def values_of(image: str, settings: dict[str, Any]) -> Manifest:
    """Return the values of a release with this image and configuration."""
    repository, _, tag = image.rpartition(":")
    return {
        "config": yaml.safe_dump(settings, allow_unicode=True),
        "secretName": "huaweicloud",
        "image": {"repository": repository, "tag": tag},
    }


def keys(cloud: Cloud) -> dict[str, dict[str, str]]:
    """Return the Secret that the values name."""
    return {"huaweicloud": {"key_id": cloud.access_key, "secret": cloud.secret_key}}


def test_the_deployment_of_the_chart_runs_and_is_scraped(
    engine: Engine, image: str, cloud: Cloud, tmp_path: Path
) -> None:
    settings = settings_in_a_pod(cloud)
    *static, last = settings["jobs"]
    settings |= {"jobs": static, "job_files": ["/run/jobs/*"]}
    values = values_of(image, settings) | {"jobFiles": {"last.jsonl": json.dumps(last)}}
    manifests = kube.template("helm4", values)
    with played(engine, adapted(manifests, keys(cloud)), tmp_path) as pod:
        container = pod.container("exporter")
        eventually(lambda: pod.infra.fetch("/-/ready")[0] == 200, container.why)
        status, body = pod.infra.fetch("/metrics")
        up = [float(line.rpartition(" ")[2]) for line in body.splitlines() if line.startswith("huaweicloud_job_up{")]

        assert (status, len(up)) == (200, len(static) + 1)
        assert sum(up) > len(up) / 2  # the pretend cloud refuses a few
        assert container.execute("id", "-u").stdout.strip() == "65532"
        assert "Read-only file system" in container.execute("touch", "/tmp/x").stderr
        assert "CapEff:\t0000000000000000" in container.execute("cat", "/proc/self/status").stdout

        engine.podman("pod", "stop", "--time=20", pod.name)
        assert container.state()["ExitCode"] == 0


def test_with_tls_and_users_its_own_probes_pass_and_only_who_may_is_answered(
    engine: Engine, image: str, cloud: Cloud, tmp_path: Path
) -> None:
    (tmp_path / "tls").mkdir()
    files = make(tmp_path / "tls")
    files.authority.cert_pem.write_to_path(str(files.folder / "ca.pem"))
    web = {"config": WEB, "certificates": {"server": "jobs-tls", "clients": "client-ca"}}
    values = values_of(image, settings_in_a_pod(cloud)) | {"web": web}
    secrets = {
        **keys(cloud),
        "jobs-tls": {f"tls.{part}": (files.folder / f"server.{part}").read_text() for part in ("crt", "key")},
        "client-ca": {"ca.crt": (files.folder / "client_ca.pem").read_text()},
    }
    manifests = kube.template("helm4", values)
    ready = kube.pods(manifests)[0]["containers"][0]["readinessProbe"]["exec"]["command"]
    authority, certificate = ("--cacert", f"{files.folder}/ca.pem"), ("--cert", f"{files.folder}/client.pem")
    with played(engine, adapted(manifests, secrets), tmp_path) as pod:
        container = pod.container("exporter")

        def scraped(*options: str) -> int:
            return pod.infra.fetch("/metrics", 10926, *authority, *options, scheme="https")[0]

        eventually(lambda: scraped(*certificate, "--user", "prometheus:carol123") == 200, container.why)
        eventually(container.healthy, container.why)
        eventually(lambda: container.execute(*ready).returncode == 0, container.why)
        assert scraped(*certificate) == 401
        assert scraped(*certificate, "--user", "prometheus:carol124") == 401
        assert scraped("--user", "prometheus:carol123") == 0
        assert pod.infra.fetch("/metrics")[0] == 0

        engine.podman("kill", "--signal=STOP", container.name)  # it hangs: what listens goes on to accept connections
        assert not container.healthy()
        assert container.execute(*ready).returncode == 1
        engine.podman("kill", "--signal=CONT", container.name)


def sidecar(image: str, base: str, project_id: str) -> list[Manifest]:
    """Return the rendered overlay, with this test's images and with the variables that lead to the pretend cloud."""
    manifests = kube.kustomize("helm4", ROOT / "deploy/kustomize/overlays/sidecar")
    pod = kube.pods(manifests)[0]
    (exporter,), (main,) = pod["initContainers"], pod["containers"]
    added = exporter_at(URL, project_id)
    exporter |= {"image": image, "env": [{"name": name, "value": value} for name, value in added.items()]}
    main["image"] = base
    for variable in main["env"]:
        variable["value"] = main_at(URL, project_id).get(variable["name"], variable["value"])
    return manifests


def test_the_sidecar_sees_the_end_of_the_main_container_and_ends(
    engine: Engine, image: str, base: str, cloud: Cloud, tmp_path: Path
) -> None:
    manifests = adapted(sidecar(image, base, cloud.project_id), PASSWORD)
    with played(engine, manifests, tmp_path) as pod:
        exporter, main = pod.container("exporter"), pod.container("main")
        assert main.ended() == 0, main.logs()
        assert exporter.state()["Running"], exporter.logs()

        engine.podman("kill", "--signal=TERM", exporter.name)  # as the kubelet does now
        assert last_scraped(lambda: pod.infra.fetch("/metrics")) == "succeeded"
        assert exporter.ended() == 0


def test_this_podman_has_no_native_sidecars(
    engine: Engine, image: str, base: str, cloud: Cloud, tmp_path: Path
) -> None:
    """Fails once podman learns them; then the test above shall play the manifest as it is."""
    manifests = adapted(sidecar(image, base, cloud.project_id), PASSWORD, native=True)

    with pytest.raises(AssertionError, match=REFUSAL), played(engine, manifests, tmp_path):
        pass
