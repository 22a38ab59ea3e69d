"""Values as nobody should write them: each makes what a cluster takes, or is refused with its place and the remedy."""

import json
import re
from typing import Any, Final

import pytest
import yaml

from tests.deploy import kube
from tests.deploy.kube import CHART, Manifest
from tests.deploy.test_chart import CLOSED, CONFIG, FROM, SECTIONS, USERS
from tests.deploy.tools import GENERATIONS

LONG: Final = "a" * 63
TAKEN: Final[dict[str, Manifest]] = {
    "nothing in any section": dict.fromkeys(SECTIONS),
    "nothing as any name": dict.fromkeys(["existingConfigMap", "nameOverride", "priorityClassName", "dnsPolicy"]),
    "nothing as any number": dict.fromkeys(["shards", "terminationGracePeriodSeconds", "revisionHistoryLimit"]),
    "nothing within the image": {"image": dict.fromkeys(["registry", "repository", "tag", "digest", "pullPolicy"])},
    "nothing within the volume": {
        "persistence": {"enabled": True, **dict.fromkeys(["size", "storageClassName", "existingClaim", "annotations"])}
    },
    "nothing within a monitor": {
        "serviceMonitor": {"enabled": True, **dict.fromkeys(["interval", "namespace", "scheme", "sampleLimit"])}
    },
    "nothing within the rules": {
        "prometheusRule": {"enabled": True, **dict.fromkeys(["namespace", "disabled", "overrides", "alertLabels"])}
    },
    "a long name": {"fullnameOverride": LONG},
    "a long name of shards": {"fullnameOverride": LONG, "shards": 2, "persistence": {"enabled": True}},
    "a long name of the chart": {"nameOverride": "b" * 80},
    "text of other languages": {"podAnnotations": {"note": '中文 "x": {{ y }} \n # z'}},
    "names that YAML reads as numbers": {
        "secretName": "123",
        "namespaceOverride": "123",
        "priorityClassName": "456",
        "runtimeClassName": "true",
        "schedulerName": "0x1",
        "persistence": {"enabled": True, "existingClaim": "123"},
        "web": {"config": USERS, "certificates": {"45": "007"}},
        "serviceMonitor": {"enabled": True, "namespace": "123"},
        "sidecarMonitor": {"enabled": True, "namespaces": ["123"]},
    },
    "names with dots": {
        "secretName": "huawei.cloud.v1",
        "web": {"config": USERS, "certificates": {"server": "jobs.tls"}},
        "serviceAccount": {"name": "jobs.reader"},
    },
    "a variable without a value": {"extraEnv": [{"name": "A"}]},
    "job files of any text": {"jobFiles": {"a.yaml": "\n", "b": "- {service: cdm, job_name: 订单}\n\n  # x"}},
    "Windows lines": {"config": CONFIG.replace("\n", "\r\n")},
    "spaces at the end": {"config": f"{CONFIG}   \n\n"},
    "numbers as memory": {"resources": {"limits": {"memory": 268435456, "cpu": 0.5}}},
    "an interval of a day": {"serviceMonitor": {"enabled": True, "interval": "1d"}},
}
MIXED: Final = [{"name": "A", "value": "x", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}]
EMPTY: Final = {"name": "x", "emptyDir": {}}
REFUSED: Final[list[tuple[Manifest, str]]] = [
    ({"fullnameOverride": "Jobs_Exporter"}, 'fullnameOverride: "Jobs_Exporter" cannot name a Service; it takes small'),
    ({"fullnameOverride": "1jobs"}, "begins with a letter"),
    ({"nameOverride": "作业"}, "cannot name a Service"),
    ({"namespaceOverride": "Monitoring"}, "namespaceOverride"),
    ({"namespaceOverride": "a\n  b: c"}, "namespaceOverride"),
    ({"priorityClassName": "a\nhostNetwork: true"}, "priorityClassName"),
    ({"commonLabels": {"cost-center": 42}}, "commonLabels.cost-center"),
    ({"commonLabels": {"team": "数据"}}, "commonLabels.team"),
    ({"podLabels": {"a": "x" * 64}}, "podLabels.a"),
    ({"podLabels": {"my team": "x"}}, "my team"),
    ({"podAnnotations": {"prometheus.io/port": 10926}}, "podAnnotations.prometheus.io"),
    ({"service": {"annotations": {"a": True}}}, "service.annotations.a"),
    ({"extraEnv": [{"name": "EXPORTER_POLL__CONCURRENCY", "value": 8}]}, "extraEnv.0.value"),
    (
        {"extraEnv": [{"name": "A", "value": "1"}, {"name": "A", "value": "2"}]},
        'extraEnv: the variable "A" is there tw',
    ),
    ({"extraEnv": {"A": "1"}}, "extraEnv"),
    ({"extraEnv": MIXED}, "extraEnv: A has a value and a valueFrom; give one"),
    ({"extraEnv": [{"name": "A B"}]}, "extraEnv.0.name"),
    ({"extraEnv": [{"name": "EXPORTER_CONFIG", "value": "x"}]}, "EXPORTER_CONFIG is set by the chart"),
    ({"envFrom": ["cloud"]}, "envFrom.0"),
    ({"envFrom": [{"secretref": {"name": "x"}}]}, "secretref"),
    ({"secretName": "Huawei_Cloud"}, "secretName"),
    ({"web": {"config": USERS, "certificates": {"server.tls": "a"}}}, "server.tls"),
    ({"web": {"config": USERS, "certificates": {"server": "A B"}}}, "web.certificates.server"),
    ({"jobFiles": {"..a": "x"}}, "..a"),
    ({"jobFiles": {"a": [{"service": "dli"}]}}, "jobFiles.a"),
    ({"config": "\tprojects: {}\n"}, "config: not valid YAML"),
    ({"config": "- a\n"}, "config: not valid YAML"),
    ({"shards": 2.5}, "shards"),
    ({"terminationGracePeriodSeconds": "60"}, "terminationGracePeriodSeconds"),
    ({"persistence": {"enabled": "yes"}}, "persistence.enabled"),
    ({"persistence": {"enabled": True, "size": "5GB"}}, "persistence.size"),
    ({"persistence": {"enabled": True, "storageClassName": "My Class"}}, "persistence.storageClassName"),
    ({"resources": {"limits": {"memory": "256MB"}}}, "resources.limits.memory"),
    ({"image": {"tag": 1.0}}, "image.tag"),
    ({"image": {"repository": "a/b:1"}}, "image.repository"),
    ({"image": {"registry": "https://registry.example.com"}}, "image.registry"),
    ({"image": {"pullSecrets": [{}]}}, "image.pullSecrets.0"),
    ({"tolerations": {"key": "a"}}, "tolerations"),
    ({"tolerations": [{"key": "a", "tolerationSeconds": "30"}]}, "tolerations.0.tolerationSeconds"),
    ({"affinity": {"nodeafinity": {}}}, "nodeafinity"),
    ({"nodeSelector": {"a": True}}, "nodeSelector.a"),
    ({"livenessProbe": False}, "livenessProbe"),
    ({"livenessProbe": {"periodSeconds": "20"}}, "livenessProbe.periodSeconds"),
    ({"livenessProbe": {"httpGet": {"port": 1, "host": "169.254.169.254"}}}, "host"),
    ({"lifecycle": {"prestop": {}}}, "prestop"),
    ({"extraVolumes": [{"name": "config", "emptyDir": {}}]}, 'extraVolumes: the volume "config" is there twice'),
    ({"extraVolumeMounts": [{"name": "x", "mountPath": "/x"}]}, 'no volume called "x"; add it to extraVolumes'),
    (
        {"extraVolumes": [EMPTY], "extraVolumeMounts": [{"name": "x", "mountPath": "/etc/exporter"}]},
        'extraVolumeMounts: the mount at "/etc/exporter" is there twice',
    ),
    (
        {"extraVolumes": [EMPTY], "extraVolumeMounts": [{"name": "x", "mountPath": "x"}]},
        "extraVolumeMounts.0.mountPath",
    ),
    ({"extraContainers": [{"name": "exporter", "image": "a", **CLOSED}]}, 'the container "exporter" is there twice'),
    ({"extraVolumes": [{"name": "x", "emptydir": {}}]}, "emptydir"),
    ({"securityContext": {"fsGroup": 1}}, "fsGroup"),
    ({"podSecurityContext": {"enabled": True}}, "enabled"),
    ({"extraManifests": [{"a": "b"}]}, "extraManifests.0"),
    ({"extraArgs": "--log.level=debug"}, "extraArgs"),
    ({"hostAliases": [{"ip": "1.2.3.4", "hostNames": ["a"]}]}, "hostNames"),
    ({"serviceMonitor": {"enabled": True, "interval": "30"}}, "serviceMonitor.interval"),
    (
        {"serviceMonitor": {"enabled": True, "interval": "10s", "scrapeTimeout": "30s"}},
        "30s is longer than the interval",
    ),
    ({"podMonitor": {"relabelings": [{"source_labels": ["a"], "target_label": "b"}]}}, "source_labels"),
    ({"podMonitor": {"tlsConfig": {"ca_file": "x"}}}, "ca_file"),
    ({"podMonitor": {"basicAuth": {"username": "a", "password": "b"}}}, "podMonitor.basicAuth.password"),
    ({"prometheusRule": {"alertLabels": {"cost-center": "1"}}}, "cost-center"),
    ({"prometheusRule": {"enabled": True, "overrides": {"JobStuck": {}}}}, 'no alert is called "JobStuck"; there are'),
    (
        {"prometheusRule": {"enabled": True, "overrides": {"HuaweicloudJobFailed": {"threshold": 2}}}},
        "HuaweicloudJobFailed has no threshold of its own; there are those of",
    ),
    ({"networkPolicy": {"enabled": True, "from": [{}]}}, "networkPolicy.from.0"),
    ({"networkPolicy": {"enabled": True, "from": FROM, "egress": [{"port": 1}]}}, "port"),
    ({"replicaCount": 2}, "replicaCount: this chart has no such value; set shards"),
    ({"serviceMonitor": {"additionalLabels": {}}}, "this chart has no such value; set serviceMonitor.labels"),
    ({"service": {"type": "NodePort"}}, "service.type: this chart has no such value; set nothing, because"),
]


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize("name", TAKEN)
def test_what_may_be_left_out_or_looks_odd_makes_what_a_cluster_takes(name: str, generation: str) -> None:
    manifests = kube.template(generation, {"config": CONFIG, **TAKEN[name]}, verb="all")

    for manifest in manifests:
        kube.validate(manifest, "1.37")
        assert [*kube.refusals(manifest)] == []
    for pod in kube.pods(manifests):
        assert kube.violations(pod) == []
        assert all(each["image"].startswith("huaweicloud-job-exporter:") for each in pod["containers"])


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize(("wrong", "told"), [pytest.param(*each, id=json.dumps(each[0])[:60]) for each in REFUSED])
def test_what_no_cluster_would_take_is_refused_with_its_place(wrong: Manifest, told: str, generation: str) -> None:
    done = kube.helm(generation, "template", {"config": CONFIG, **wrong})

    assert done.returncode != 0
    assert told in done.stderr or told in done.stderr.replace("/", ".")


KUBERNETES_OWN = {"lifecycle.", "podSecurityContext.", "securityContext."}
"""Sections in which the names that the schema lets through are those of Kubernetes, not of other charts."""


def test_names_of_other_charts_are_let_through_by_the_schema_and_refused_with_the_name_here() -> None:
    template = (CHART / "templates/_elsewhere.tpl").read_text()
    table = template.partition('job-exporter.elsewhere" -}}')[2].partition("{{- end")[0]
    schema = json.loads((CHART / "values.schema.json").read_text())
    sections = {"": schema, **{f"{name}.": node for name, node in schema["properties"].items()}}
    let_through = {
        f"{prefix}{name}"
        for prefix, node in sections.items()
        for pattern in node.get("patternProperties", {})
        if node["patternProperties"][pattern] == {}
        for name in re.findall(r"\w+", pattern)
        if prefix not in KUBERNETES_OWN
    }
    here: Any = yaml.safe_load((CHART / "values.yaml").read_text())

    assert yaml.safe_load(table).keys() == let_through
    for instead in yaml.safe_load(table).values():
        first, *rest = instead.partition(",")[0].partition(";")[0].split()[0].split(".")
        assert first == "nothing" or first in here, instead
        assert not rest or first == "global" or rest[0] in here[first], instead


@pytest.mark.parametrize("generation", GENERATIONS)
def test_single_alerts_have_another_threshold_time_and_labels(generation: str) -> None:
    def alerts(**more: Any) -> dict[str, Manifest]:
        values = {"config": CONFIG, "prometheusRule": {"enabled": True, **more}}
        manifests = kube.template(generation, values)
        groups = [group for each in manifests if each["kind"] == "PrometheusRule" for group in each["spec"]["groups"]]
        return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}

    template = (CHART / "templates/prometheusrule.yaml").read_text()
    usual = yaml.safe_load(template.partition('job-exporter.thresholds" -}}')[2].partition("{{- end")[0])
    every = alerts()
    changed = alerts(
        alertLabels={"severity": "info"},
        overrides={
            **{name: {"threshold": 12345} for name in usual},
            "HuaweicloudJobFailed": {"for": "7m", "keep_firing_for": "1h", "labels": {"severity": "page"}},
        },
    )

    for name, number in usual.items():
        old, new = every[name]["expr"], changed[name]["expr"]
        assert re.sub(rf"([<>]=? ){re.escape(number)}\b", r"\g<1>12345", old) == new != old, name
        assert {**changed[name], "expr": old, "labels": every[name]["labels"]} == every[name]
    failed = changed["HuaweicloudJobFailed"]
    assert (failed["for"], failed["keep_firing_for"], failed["labels"]) == ("7m", "1h", {"severity": "page"})
    others = every.keys() - usual.keys() - {"HuaweicloudJobFailed"}
    assert all(
        changed[name] == {**every[name], "labels": {**every[name]["labels"], "severity": "info"}} for name in others
    )
