"""What Kubernetes would say of a manifest: its schemas, the operator's models, the Pod Security Standard."""

import re
import subprocess
import tempfile
from collections import Counter
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Any, Final

import kubernetes_validate
import yaml
from cloudcoil.models.prometheus_operator import v1 as operator
from kubernetes_validate import ValidationError

from tests.deploy.tools import ROOT, program
from tests.e2e.processes import PATIENCE

Manifest = dict[str, Any]
__all__ = ["ValidationError"]

CHART: Final = ROOT / "deploy/helm/huaweicloud-job-exporter"
OPERATOR: Final = "monitoring.coreos.com/v1"
NOTES: Final = ["install", "jobs", "--dry-run=client"]
"""Helm 4 needs no cluster for it, Helm 3 does."""
kubernetes_validate.utils.schema_contents = cache(kubernetes_validate.utils.schema_contents)  # it reads 2 MB each time
VOLUMES: Final = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected", "secret",
}  # fmt: skip
"""The types of volume that the restricted standard allows."""
_SERVICE: Final = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?")
_LABEL: Final = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_KEY: Final = re.compile(rf"({_NAME.pattern}/)?[A-Za-z0-9]([-A-Za-z0-9_.]{{0,61}}[A-Za-z0-9])?")
_QUANTITY: Final = re.compile(r"[0-9]+(\.[0-9]+)?(m|[kMGTPE]|[KMGTPE]i)?")


def template(generation: str, values: Manifest, chart: Path = CHART, verb: str = "template") -> list[Manifest]:
    """Return what a real helm makes of the chart with *values*, for a release called ``jobs``; its tests by ``all``."""
    done = helm(generation, verb, values, chart)
    assert done.returncode == 0, done.stderr
    return documents(done.stdout)


def helm(generation: str, verb: str, values: Manifest, chart: Path = CHART) -> subprocess.CompletedProcess[str]:
    """Run a command of helm on the chart; of the one that is shipped once for the same values."""
    run = _helm if chart == CHART else _helm.__wrapped__  # a test may change its copy
    return run(generation, verb, yaml.safe_dump(values, allow_unicode=True), chart)


@cache
def _helm(generation: str, verb: str, values: str, chart: Path) -> subprocess.CompletedProcess[str]:
    template = ["template", "jobs"]
    arguments = {
        "template": [*template, "--skip-tests"],
        "all": template,
        "lint": ["lint", "--strict"],
        "notes": NOTES,
    }[verb]
    command = [program(generation, "helm"), *arguments, str(chart), "--values", "-"]
    with tempfile.TemporaryDirectory() as folder:
        homes = {f"HELM_{name}_HOME": folder for name in ("CONFIG", "CACHE", "DATA")}
        return subprocess.run(
            command, env=homes, input=values, capture_output=True, text=True, timeout=PATIENCE, check=False
        )


def kustomize(generation: str, folder: Path) -> list[Manifest]:
    """Return what a real kustomize makes of a folder."""
    command = [program(generation, "kubectl"), "kustomize", str(folder)]
    done = subprocess.run(command, env={}, capture_output=True, text=True, timeout=PATIENCE, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return documents(done.stdout)


def documents(text: str) -> list[Manifest]:
    """Return the manifests of a stream."""
    loader = yaml.CSafeLoader  # ten times faster than the one that is written in Python
    return [document for document in yaml.load_all(text, loader) if document]


def one(manifests: list[Manifest], kind: str, ending: str = "") -> Manifest:
    """Return the only manifest of a kind, or of those whose name has that ending."""
    (found,) = (each for each in manifests if each["kind"] == kind and each["metadata"]["name"].endswith(ending))
    return found


def settings(manifests: list[Manifest]) -> Manifest:
    """Return the exporter's configuration as YAML reads it."""
    (text,) = (each["data"]["exporter.yaml"] for each in manifests if "exporter.yaml" in each.get("data", {}))
    found: Manifest = yaml.safe_load(text)
    return found


def validate(manifest: Manifest, version: str) -> None:
    """Raise unless Kubernetes *version* with the Prometheus operator knows every key of *manifest* and its type."""
    if manifest["apiVersion"] == OPERATOR:
        model = getattr(operator, manifest["kind"]).model_validate(manifest)
        # the models drop a key that they do not know
        kept = model.model_dump(mode="json", by_alias=True, exclude_unset=True)
        assert kept == manifest
    else:
        kubernetes_validate.validate(manifest, version, strict=True)


def refusals(manifest: Manifest) -> Iterator[str]:
    """Yield what the API server would refuse of a manifest that fits its schema: names, labels, what is there twice."""
    metadata, spec = manifest["metadata"], manifest.get("spec") or {}
    name = _SERVICE if manifest["kind"] == "Service" else _NAME
    if not name.fullmatch(metadata["name"]) or not _SERVICE.fullmatch(f"a{metadata.get('namespace', '')}"):
        yield f"name of {manifest['kind']}: {metadata['name']} in {metadata.get('namespace')}"
    for place in (metadata, (spec.get("template") or {}).get("metadata") or {}):
        for key, value in (place.get("labels") or {}).items():
            if not _KEY.fullmatch(key) or not _LABEL.fullmatch(value):
                yield f"label {key}: {value}"
    if (pod := pod_of(manifest)) is not None:
        volumes = [each["name"] for each in pod.get("volumes", ())]
        volumes += [each["metadata"]["name"] for each in spec.get("volumeClaimTemplates", ())]
        containers = [each["name"] for each in _containers(pod)]
        yield from (f"twice: {each}" for each in [*_twice(volumes), *_twice(containers)])
        for container in _containers(pod):
            mounts = container.get("volumeMounts", ())
            yield from (f"twice: {each}" for each in _twice(each["mountPath"] for each in mounts))
            yield from (f"twice: {each}" for each in _twice(each["name"] for each in container.get("env", ())))
            yield from (f"no volume: {each['name']}" for each in mounts if each["name"] not in volumes)
            quantities = [value for part in container.get("resources", {}).values() for value in part.values()]
            yield from (f"quantity: {each}" for each in quantities if not _QUANTITY.fullmatch(str(each)))


def _twice(names: Iterable[str]) -> list[str]:
    return [name for name, count in Counter(names).items() if count > 1]


def pod_of(manifest: Manifest) -> Manifest | None:
    """Return the pod's specification that a manifest holds, if it does."""
    spec = manifest.get("spec") or {}
    found: Manifest | None = spec if manifest["kind"] == "Pod" else (spec.get("template") or {}).get("spec")
    return found


def pods(manifests: list[Manifest]) -> list[Manifest]:
    """Return the specifications of all pods."""
    return [pod for manifest in manifests if (pod := pod_of(manifest)) is not None]


def violations(pod: Manifest) -> list[str]:
    """Return what of a pod's specification the restricted Pod Security Standard forbids."""
    return [*_of_pod(pod), *(sentence for container in _containers(pod) for sentence in _of_container(pod, container))]


def _containers(pod: Manifest) -> Iterator[Manifest]:
    for kind in ("initContainers", "containers", "ephemeralContainers"):
        yield from pod.get(kind, ())


def _of_pod(pod: Manifest) -> Iterator[str]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.get(name):
            yield name
    context = pod.get("securityContext", {})
    yield from _of_context(context, "pod")
    if context.get("sysctls"):
        yield "sysctls"
    for volume in pod.get("volumes", ()):
        if not volume.keys() - {"name"} <= VOLUMES:
            yield f"volume {volume['name']}"


def _of_context(context: Manifest, where: str) -> Iterator[str]:
    """What pod and container have in common."""
    if context.get("runAsUser") == 0:
        yield f"{where}: runAsUser"
    if context.get("runAsNonRoot") is False:
        yield f"{where}: runAsNonRoot"
    if context.get("windowsOptions", {}).get("hostProcess"):
        yield f"{where}: hostProcess"
    if context.get("seccompProfile", {}).get("type") == "Unconfined":
        yield f"{where}: seccompProfile"
    if context.get("appArmorProfile", {}).get("type") == "Unconfined":
        yield f"{where}: appArmorProfile"
    if context.get("seLinuxOptions"):
        yield f"{where}: seLinuxOptions"


def _of_container(pod: Manifest, container: Manifest) -> Iterator[str]:
    name, context, pods_own = container["name"], container.get("securityContext", {}), pod.get("securityContext", {})
    yield from _of_context(context, name)
    capabilities = context.get("capabilities", {})
    rules = {
        "privileged": not context.get("privileged"),
        "procMount": context.get("procMount", "Default") == "Default",
        "allowPrivilegeEscalation": context.get("allowPrivilegeEscalation") is False,
        "capabilities.drop": "ALL" in capabilities.get("drop", ()),
        "capabilities.add": set(capabilities.get("add", ())) <= {"NET_BIND_SERVICE"},
        "runAsNonRoot": context.get("runAsNonRoot", pods_own.get("runAsNonRoot")) is True,
        "seccompProfile": context.get("seccompProfile", pods_own.get("seccompProfile", {})).get("type")
        in {"RuntimeDefault", "Localhost"},
        "hostPort": not any(port.get("hostPort") for port in container.get("ports", ())),
        "host of a probe": not any("host" in action for action in _actions(container)),
    }
    yield from (f"{name}: {rule}" for rule, kept in rules.items() if not kept)


def _actions(container: Manifest) -> Iterator[Manifest]:
    """Yield what the probes and the hooks of a container do."""
    places = [container.get(f"{name}Probe", {}) for name in ("liveness", "readiness", "startup")]
    places += container.get("lifecycle", {}).values()
    for place in places:
        yield from (place[kind] for kind in ("httpGet", "tcpSocket") if kind in place)
