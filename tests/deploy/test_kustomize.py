"""The plain manifests, made by a real kustomize of two generations."""

from functools import cache
from pathlib import Path
from typing import Final

import pytest

from tests.deploy import kube
from tests.deploy.kube import Manifest
from tests.deploy.tools import GENERATIONS, ROOT
from tests.e2e.processes import exporter

OVERLAYS: Final = {"single": ("1.25", "1.37"), "tls": ("1.25", "1.37"), "sidecar": ("1.29", "1.37")}
"""Each overlay, with the oldest Kubernetes that runs it and the newest whose schemas there are."""
NAME: Final = "app.kubernetes.io/name"

each_overlay = pytest.mark.parametrize("overlay", OVERLAYS)
each_kustomize = pytest.mark.parametrize("generation", GENERATIONS)


@cache
def render(overlay: str, generation: str = "helm4") -> list[Manifest]:
    return kube.kustomize(generation, ROOT / "deploy/kustomize/overlays" / overlay)


@each_kustomize
@each_overlay
def test_kubernetes_and_the_operator_know_every_key(overlay: str, generation: str) -> None:
    manifests = render(overlay, generation)

    for manifest in manifests:
        for version in OVERLAYS[overlay]:
            kube.validate(manifest, version)
    assert manifests == render(overlay)


def test_a_kubernetes_without_native_sidecars_does_not_know_the_sidecar() -> None:
    with pytest.raises(kube.ValidationError, match="restartPolicy"):
        kube.validate(kube.one(render("sidecar"), "Job"), "1.27")


@each_overlay
def test_the_pods_pass_the_restricted_standard(overlay: str) -> None:
    (pod,) = kube.pods(render(overlay))

    assert kube.violations(pod) == []
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    for container in (*pod["containers"], *pod.get("initContainers", ())):
        assert container["securityContext"]["readOnlyRootFilesystem"] is True
        assert container["resources"]["limits"]["memory"]


@each_overlay
def test_what_a_pod_mounts_is_made_or_told(overlay: str) -> None:
    manifests = render(overlay)
    (pod,) = kube.pods(manifests)
    made = {each["metadata"]["name"] for each in manifests if each["kind"] == "ConfigMap"}

    assert {volume["configMap"]["name"] for volume in pod["volumes"] if "configMap" in volume} == made
    assert not made & {volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume}
    assert pod["serviceAccountName"] == kube.one(manifests, "ServiceAccount")["metadata"]["name"]


@each_overlay
def test_prometheus_finds_the_exporter_and_keeps_its_labels(overlay: str) -> None:
    manifests = render(overlay)
    monitor = kube.one(manifests, "PodMonitor")["spec"]
    (labels,) = (each["spec"]["template"]["metadata"]["labels"] for each in manifests if kube.pod_of(each))
    (endpoint,) = monitor["podMetricsEndpoints"]

    assert monitor["selector"]["matchLabels"].items() <= labels.items()
    assert endpoint["honorLabels"] is True
    assert endpoint["port"] in {port["name"] for port in the_exporter(overlay)["ports"]}


def the_exporter(overlay: str) -> Manifest:
    (pod,) = kube.pods(render(overlay))
    (found,) = (each for each in (*pod["containers"], *pod.get("initContainers", ())) if each["name"] == "exporter")
    container: Manifest = found
    return container


@each_overlay
def test_the_exporter_accepts_its_configuration(overlay: str, tmp_path: Path) -> None:
    (text,) = (each["data"]["exporter.yaml"] for each in render(overlay) if "exporter.yaml" in each.get("data", {}))
    for name in ("key_id", "secret", "password"):
        (tmp_path / name).write_text("EXAMPLE")
    config = tmp_path / "exporter.yaml"
    config.write_text(text.replace("/run/secrets/huaweicloud", str(tmp_path)))

    done = exporter("check", "--config", str(config))

    assert (done.returncode, done.stderr) == (0, "")


def test_a_single_exporter_never_runs_twice() -> None:
    deployment = kube.one(render("single"), "Deployment")["spec"]

    assert (deployment["replicas"], deployment["strategy"]) == (1, {"type": "Recreate"})
    assert kube.one(render("single"), "Service")["spec"]["selector"] == deployment["selector"]["matchLabels"]


def test_the_sidecar_is_native_and_outlives_the_main_container_by_less_than_the_grace_period() -> None:
    manifests = render("sidecar")
    job = kube.one(manifests, "Job")["spec"]
    pod = job["template"]["spec"]
    linger = kube.settings(manifests)["web"]["linger"]

    assert the_exporter("sidecar") in pod["initContainers"]
    assert the_exporter("sidecar")["restartPolicy"] == "Always"
    assert job["backoffLimit"] == 0
    interval = kube.one(manifests, "PodMonitor")["spec"]["podMetricsEndpoints"][0]["interval"]
    assert seconds(interval) * 2 < seconds(linger) < pod["terminationGracePeriodSeconds"]


def seconds(text: str) -> int:
    return int(text.removesuffix("s"))


def test_with_tls_probes_and_monitor_ask_as_the_pod_answers() -> None:
    plain, guarded = the_exporter("single"), the_exporter("tls")
    (endpoint,) = kube.one(render("tls"), "PodMonitor")["spec"]["podMetricsEndpoints"]
    mounts = {each["mountPath"] for each in guarded["volumeMounts"]}
    (variable,) = guarded["env"]

    for name, more in (("livenessProbe", []), ("readinessProbe", ["/-/ready"])):
        assert guarded[name].keys() == {"exec", "periodSeconds", "timeoutSeconds"}
        assert guarded[name]["exec"]["command"] == ["python", "-I", "-S", "/app/healthcheck.py", *more]
    assert mounts - {each["mountPath"] for each in plain["volumeMounts"]} == {"/run/web", "/run/certificates/server"}
    assert variable == {"name": "EXPORTER_WEB__CONFIG_FILE", "value": "/run/web/web.yml"}
    assert endpoint["scheme"] == "https"
    assert (
        endpoint["tlsConfig"]["serverName"] == f"{kube.one(render('tls'), 'Service')['metadata']['name']}.default.svc"
    )
    assert endpoint["honorLabels"] is True


def test_both_overlays_can_share_a_namespace() -> None:
    single, sidecar = render("single"), render("sidecar")

    for mine in single:
        for theirs in sidecar:
            if (mine["kind"], mine["metadata"]["name"]) == (theirs["kind"], theirs["metadata"]["name"]):
                assert mine == theirs
    chosen = kube.one(single, "Deployment")["spec"]["selector"]["matchLabels"]
    assert not chosen.items() <= kube.one(sidecar, "Job")["spec"]["template"]["metadata"]["labels"].items()
