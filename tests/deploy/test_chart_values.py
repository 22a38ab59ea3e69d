"""What users of other charts would write, one thing at a time: each is taken, and makes what a cluster takes."""

from typing import Final

import pytest

from tests.deploy import kube
from tests.deploy.kube import Manifest
from tests.deploy.test_chart import CLOSED, CONFIG, FROM, LOGIN, USERS, WEB
from tests.deploy.tools import GENERATIONS

TOKEN: Final = {"serviceAccountToken": {"path": "token", "audience": "iam", "expirationSeconds": 3600}}
NODES: Final = [{"matchExpressions": [{"key": "pool", "operator": "In", "values": ["tools"]}]}]
SPREAD: Final = {"maxSkew": 1, "topologyKey": "topology.kubernetes.io/zone", "whenUnsatisfiable": "DoNotSchedule"}
CA: Final = {"ca": {"configMap": {"name": "ca", "key": "ca.crt"}}}
RULE: Final = {
    "apiVersion": "monitoring.coreos.com/v1",
    "kind": "PrometheusRule",
    "metadata": {"name": "mine"},
    "spec": {"groups": [{"name": "mine", "rules": [{"alert": "Slow", "expr": "huaweicloud_job_up == 0"}]}]},
}
BACKEND: Final = {"service": {"name": "jobs-huaweicloud-job-exporter", "port": {"name": "metrics"}}}
INGRESS: Final = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"name": "page"},
    "spec": {"rules": [{"host": "a.b", "http": {"paths": [{"path": "/", "pathType": "Prefix", "backend": BACKEND}]}}]},
}
APART: Final = {
    "weight": 100,
    "podAffinityTerm": {
        "topologyKey": "kubernetes.io/hostname",
        "labelSelector": {"matchLabels": {"app.kubernetes.io/name": "huaweicloud-job-exporter"}},
    },
}
SMALL: Final = {"limits": {"cpu": "100m", "memory": "128Mi"}, "requests": {"cpu": "100m", "memory": "128Mi"}}
USER: Final = {
    "runAsUser": 1000,
    "runAsGroup": 1000,
    "readOnlyRootFilesystem": True,
    "runAsNonRoot": True,
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
}
POSTGRES: Final[Manifest] = {
    "image": {
        "repository": "quay.io/data/exporter",
        "tag": "v0.11.1",
        "pullSecrets": ["registry-key"],
    },
    "service": {"labels": {}, "annotations": {}},
    "serviceMonitor": {"enabled": True, "namespace": "monitoring", "interval": "30s", "labels": {"release": "kps"}},
    "prometheusRule": {"enabled": True, "namespace": ""},
    "resources": SMALL,
    "serviceAccount": {"create": True, "name": None, "annotations": {}},
    "podSecurityContext": {"runAsUser": 1001, "runAsGroup": 1001, "runAsNonRoot": True},
    "securityContext": {**USER, "seccompProfile": {"type": "RuntimeDefault"}},
    "hostAliases": [{"ip": "127.0.0.1", "hostnames": ["foo.local", "bar.local"]}],
    "nodeSelector": {},
    "tolerations": [],
    "affinity": {},
    "podLabels": {},
    "annotations": {},
}
BLACKBOX: Final[Manifest] = {
    "global": {"imageRegistry": ""},
    "namespaceOverride": "",
    "image": {"registry": "quay.io", "tag": "", "pullPolicy": "IfNotPresent", "digest": ""},
    "extraVolumes": [{"name": "oauth", "secret": {"defaultMode": 420, "secretName": "blackbox-oauth-htpasswd"}}],
    "extraVolumeMounts": [{"name": "oauth", "mountPath": "/etc/oauth"}],
    "initContainers": [],
    "extraContainers": [{"name": "oauth2-proxy", "image": "openshift/oauth-proxy:v1.1.0", **CLOSED}],
    "revisionHistoryLimit": 10,
    "podSecurityContext": {"fsGroup": 1000},
    "securityContext": USER,
    "livenessProbe": {"httpGet": {"path": "/-/healthy", "port": "metrics"}, "failureThreshold": 3},
    "readinessProbe": {"httpGet": {"path": "/-/healthy", "port": "metrics"}},
    "topologySpreadConstraints": [],
    "priorityClassName": "",
    "service": {"annotations": {}, "labels": {}},
    "podAnnotations": {},
    "extraArgs": [],
    "serviceMonitor": {"enabled": True, "labels": {}, "scheme": "http", "tlsConfig": {}, "scrapeTimeout": "30s"},
    "dnsPolicy": None,
    "dnsConfig": None,
    "extraManifests": [],
    "commonLabels": {},
}
KUBE_STATE: Final[Manifest] = {
    "image": {"registry": "registry.k8s.io", "repository": "exporter/jobs", "tag": "v2.2.4"},
    "service": {"annotations": {"prometheus.io/scrape": "true"}},
    "commonLabels": {"app": "kube-state-metrics"},
    "serviceAccount": {"create": True, "name": None, "annotations": {}},
    "podMonitor": {"enabled": True, "interval": "", "scrapeTimeout": "", "labels": {"release": "kps"}},
    "podSecurityContext": {"runAsGroup": 65534, "runAsUser": 65534, "fsGroup": 65534},
    "securityContext": {"readOnlyRootFilesystem": True},
    "networkPolicy": {"enabled": True, "from": FROM},
    "resources": {"limits": {"cpu": "100m", "memory": "64Mi"}, "requests": {"cpu": "10m", "memory": "32Mi"}},
}
SETS: Final[dict[str, Manifest]] = {
    "a repository and a tag": {"image": {"repository": "swr.cn-north-4.myhuaweicloud.com/data/exporter", "tag": "1.0"}},
    "a registry": {"image": {"registry": "registry.example.com:5000"}},
    "a registry of all charts": {"global": {"imageRegistry": "registry.example.com"}},
    "pull secrets of all charts": {"global": {"imagePullSecrets": [{"name": "pull"}]}},
    "pull secrets by name": {"image": {"pullSecrets": ["pull"]}},
    "a digest": {"image": {"digest": f"sha256:{'ab' * 32}", "pullPolicy": "Always"}},
    "a name": {"nameOverride": "jobs"},
    "a whole name": {"fullnameOverride": "cloud-jobs"},
    "a namespace": {"namespaceOverride": "monitoring"},
    "limits alone": {
        "resources": {"requests": None, "limits": {"cpu": 1, "memory": "128Mi", "ephemeral-storage": "1Gi"}}
    },
    "no resources": {"resources": {"requests": None, "limits": None}},
    "nodes": {"nodeSelector": {"kubernetes.io/os": "linux"}},
    "an arm node": {"tolerations": [{"key": "arch", "operator": "Equal", "value": "arm64", "effect": "NoSchedule"}]},
    "a short stay on lost nodes": {
        "tolerations": [{"key": "node.kubernetes.io/unreachable", "operator": "Exists", "tolerationSeconds": 30}]
    },
    "nodes that it wants": {
        "affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": NODES}}}
    },
    "shards in zones": {"shards": 3, "topologySpreadConstraints": [{**SPREAD, "labelSelector": {"matchLabels": {}}}]},
    "a priority": {"priorityClassName": "monitoring"},
    "a runtime": {"runtimeClassName": "kata"},
    "the default account": {"serviceAccount": {"create": False, "name": "default"}},
    "an account of another name": {
        "serviceAccount": {"name": "dli-reader", "annotations": {"example.com/agency": "a"}}
    },
    "a group for files": {"podSecurityContext": {"fsGroup": 2000, "supplementalGroups": [3000]}},
    "a user": {"securityContext": {"runAsUser": 1000, "runAsNonRoot": True}},
    "users that OpenShift chooses": {"podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None}},
    "a slow start": {"livenessProbe": {"initialDelaySeconds": 30}, "startupProbe": {"failureThreshold": 30}},
    "no readiness": {"readinessProbe": None},
    "a probe of their own": {"livenessProbe": {"tcpSocket": {"port": "metrics"}, "periodSeconds": 60}},
    "a pause before the end": {"lifecycle": {"preStop": {"sleep": {"seconds": 5}}}},
    "a long linger": {"config": f"{CONFIG}  web: {{linger: 90s}}\n", "terminationGracePeriodSeconds": 120},
    "a proxy": {
        "extraEnv": [{"name": "HTTPS_PROXY", "value": "http://proxy:3128"}, {"name": "NO_PROXY", "value": "x"}]
    },
    "the node's name": {
        "extraEnv": [{"name": "NODE", "valueFrom": {"fieldRef": {"fieldPath": "spec.nodeName"}}}],
    },
    "a Secret as variables": {
        "envFrom": [{"secretRef": {"name": "cloud", "optional": True}, "prefix": "HUAWEICLOUD_"}]
    },
    "a private CA": {
        "extraVolumes": [{"name": "ca", "configMap": {"name": "ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ssl/private", "readOnly": True}],
    },
    "a token of the pod": {
        "extraVolumes": [{"name": "token", "projected": {"sources": [TOKEN]}}],
        "extraVolumeMounts": [{"name": "token", "mountPath": "/var/run/secrets/tokens"}],
    },
    "keys by a CSI driver": {
        "extraVolumes": [{"name": "keys", "csi": {"driver": "secrets-store.csi.k8s.io", "readOnly": True}}],
        "extraVolumeMounts": [{"name": "keys", "mountPath": "/run/keys", "readOnly": True}],
    },
    "what waits before": {
        "initContainers": [{"name": "wait", "image": "busybox", "command": ["sleep", "1"], **CLOSED}]
    },
    "a proxy beside": {"extraContainers": [{"name": "auth", "image": "oauth2-proxy", "args": ["--help"], **CLOSED}]},
    "another manifest": {
        "extraManifests": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "x"}, "data": {"a": "b"}}]
    },
    "a hosts file": {"hostAliases": [{"ip": "10.0.0.1", "hostnames": ["dli.example.com"]}]},
    "a name server": {"dnsPolicy": "None", "dnsConfig": {"nameservers": ["10.0.0.2"], "searches": ["example.com"]}},
    "labels for the bill": {"commonLabels": {"cost-center": "42"}, "podLabels": {"app": "jobs"}},
    "annotations": {"annotations": {"a/b": "c"}, "podAnnotations": {"vault.hashicorp.com/agent-inject": "true"}},
    "a scrape by annotations": {
        "service": {"annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "10926"}}
    },
    "kube-prometheus-stack": {"serviceMonitor": {"enabled": True, "labels": {"release": "kube-prometheus-stack"}}},
    "a slow scrape": {"serviceMonitor": {"enabled": True, "interval": "2m", "scrapeTimeout": "1m"}},
    "a monitor elsewhere": {"podMonitor": {"enabled": True, "namespace": "monitoring"}},
    "the cluster's name on every sample": {
        "serviceMonitor": {"enabled": True, "metricRelabelings": [{"targetLabel": "cluster", "replacement": "a"}]}
    },
    "the node on every target": {
        "podMonitor": {
            "enabled": True,
            "relabelings": [{"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}],
        }
    },
    "a bound for samples": {"serviceMonitor": {"enabled": True, "sampleLimit": 50000}},
    "sidecars everywhere": {"sidecarMonitor": {"enabled": True, "labels": {"release": "prometheus"}}},
    "alerts": {
        "prometheusRule": {"enabled": True, "labels": {"release": "prometheus"}, "alertLabels": {"team": "data"}}
    },
    "alerts but one": {"prometheusRule": {"enabled": True, "disabled": ["HuaweicloudJobExporterAbsent"]}},
    "runbooks": {"prometheusRule": {"enabled": True, "runbookUrl": "https://wiki.example.com/alerts#"}},
    "dashboards in a folder": {"dashboards": {"enabled": True, "annotations": {"grafana_folder": "Data"}}},
    "a closed network": {"networkPolicy": {"enabled": True, "from": FROM}},
    "a journal": {"persistence": {"enabled": True, "storageClassName": "csi-disk", "size": "2Gi"}},
    "a journal on a volume made by hand": {"persistence": {"enabled": True, "storageClassName": "-"}},
    "a journal on a claim that exists": {"persistence": {"enabled": True, "existingClaim": "jobs"}},
    "a journal that is backed up": {"persistence": {"enabled": True, "annotations": {"k8up.io/backup": "true"}}},
    "users": {"web": {"config": USERS}, "serviceMonitor": {"enabled": True, "basicAuth": LOGIN}},
    "TLS": {
        "web": {"config": WEB, "certificates": {"server": "jobs-tls", "clients": "ca"}},
        "podMonitor": {"enabled": True, "tlsConfig": CA},
    },
    "a flag": {"extraArgs": ["--log.format=console"]},
    "more of the log": {"extraEnv": [{"name": "EXPORTER_LOG__LEVEL", "value": "debug"}]},
    "few old revisions": {"revisionHistoryLimit": 0},
    "a slower alert": {
        "prometheusRule": {"enabled": True, "overrides": {"HuaweicloudJobStuck": {"threshold": 3600, "for": "10m"}}}
    },
    "an alert that wakes somebody": {
        "prometheusRule": {"enabled": True, "overrides": {"HuaweicloudJobFailed": {"labels": {"severity": "page"}}}}
    },
    "rules of their own": {"extraManifests": [RULE]},
    "an ingress to the page": {"extraManifests": [INGRESS]},
    "a Secret whose name is a number": {"secretName": "2024", "fullnameOverride": "jobs"},
    "a scheduler for spot nodes": {
        "tolerations": [{"key": "spot", "operator": "Exists"}],
        "affinity": {"podAntiAffinity": {"preferredDuringSchedulingIgnoredDuringExecution": [APART]}},
    },
    "a mesh": {
        "podAnnotations": {
            "sidecar.istio.io/inject": "true",
            "proxy.istio.io/config": "{holdApplicationUntilProxyStarts: true}",
        },
        "podLabels": {"version": "v1"},
    },
    "a reloader": {"annotations": {"reloader.stakater.com/auto": "true"}},
    "a postgres exporter's file": POSTGRES,
    "a blackbox exporter's file": BLACKBOX,
    "kube-state-metrics' file": KUBE_STATE,
    "commented out": {
        "nodeSelector": None,
        "tolerations": None,
        "affinity": None,
        "podAnnotations": None,
        "extraEnv": None,
    },
}
NEWEST: Final = "1.37"


@pytest.mark.parametrize("name", SETS)
@pytest.mark.parametrize("generation", GENERATIONS)
def test_what_users_of_other_charts_write_is_taken(name: str, generation: str) -> None:
    values = {"config": CONFIG, **SETS[name]}
    linted, manifests = kube.helm(generation, "lint", values), kube.template(generation, values, verb="all")

    assert linted.returncode == 0, linted.stdout

    for manifest in manifests:
        kube.validate(manifest, NEWEST)
        assert [*kube.refusals(manifest)] == []
    for pod in kube.pods(manifests):
        assert kube.violations(pod) == []


def test_each_of_them_changes_something() -> None:
    plain = kube.template("helm4", {"config": CONFIG})
    alike = [name for name, more in SETS.items() if kube.template("helm4", {"config": CONFIG, **more}) == plain]

    assert alike == ["commented out"]
