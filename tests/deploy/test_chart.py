"""The Helm chart, by real helms of two generations, over a matrix of values."""

import copy
import json
import re
import shutil
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from deploy.helm.reference import render_readme
from exporter import __version__
from tests.deploy import kube
from tests.deploy.kube import CHART, Manifest
from tests.deploy.tools import GENERATIONS, ROOT
from tests.e2e.processes import exporter
from tests.web.certificates import make

CONFIG: Final = """\
  # a first line that begins with spaces, {{ braces }} that are no template, and 中文
  projects:
    prod:
      region: cn-north-4
      project_id: "0123"
      credentials:
        access_key: {key_id_file: /run/secrets/huaweicloud/key_id, secret_file: /run/secrets/huaweicloud/secret}

  job_files: [/run/jobs/*]
  jobs:
    - {service: dli, job_id: 0123, name: on}
    - {service: cdm, cluster_id: 1e5, job_name: 订单 a+b}
"""
JOBS: Final = '- {service: dws, job_id: 0o17, name: "resize {{ warehouse }}"}\n'
FROM: Final = [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}]
WEB: Final = """\
  # two spaces first, {{ braces }} and 中文
  tls_server_config:
    cert_file: /run/certificates/server/tls.crt
    key_file: /run/certificates/server/tls.key
    client_auth_type: RequireAndVerifyClientCert
    client_ca_file: /run/certificates/clients/ca.crt
  basic_auth_users:
    prometheus: $2y$10$qRTBuFoULoYNA7AQ/F3ck.trZBPyjV64.oA4ZsSBCIWvXuvQlQTuu
"""
USERS: Final = "basic_auth_users: {prometheus: $2y$10$qRTBuFoULoYNA7AQ/F3ck.trZBPyjV64.oA4ZsSBCIWvXuvQlQTuu}\n"
LOGIN: Final = {name: {"name": "scraper", "key": name} for name in ("username", "password")}
CLOSED: Final[Manifest] = {"securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
"""A container of theirs that the restricted standard lets in."""
SCRAPES: Final[Manifest] = {
    "interval": "1m",
    "scrapeTimeout": "20s",
    "namespace": "prometheus",
    "labels": {"release": "prometheus"},
    "annotations": {"a": "b"},
    "relabelings": [{"sourceLabels": ["__meta_kubernetes_pod_node_name"], "targetLabel": "node"}],
    "metricRelabelings": [{"action": "labeldrop", "regex": "instance"}],
    "sampleLimit": 10000,
}
SECTIONS: Final = tuple(
    name
    for name, value in yaml.safe_load((CHART / "values.yaml").read_text()).items()
    if isinstance(value, dict | list) and name not in {"podSecurityContext", "securityContext"}
)
"""Values that are more than a word: whoever comments out what is in them leaves null."""
SMALLEST: Final = "only a configuration"
SERVICE_NAMES: Final = ",".join(
    f"jobs-huaweicloud-job-exporter{rest}" for rest in ("", ".default", ".default.svc", ".default.svc.cluster.local")
)
CASES: Final[dict[str, Manifest]] = {
    SMALLEST: {},
    "everything of one replica": {
        "secretName": "huaweicloud",
        "jobFiles": {"nightly.yaml": JOBS, "weekly.jsonl": ""},
        "persistence": {"enabled": True, "storageClassName": "csi-disk", "size": "512Mi"},
        "image": {"repository": "registry.example.com/x", "tag": "1", "pullSecrets": [{"name": "pull"}]},
        "serviceAccount": {"annotations": {"example.com/agency": "dli-reader"}},
        "serviceMonitor": {"enabled": True, "interval": "1m30s", "labels": {"release": "prometheus"}},
        "networkPolicy": {"enabled": True, "from": FROM, "egress": [{"ports": [{"port": 3128, "protocol": "TCP"}]}]},
        "restartOnChange": True,
        "podAnnotations": {"a": "b"},
        "podLabels": {"team": "data"},
        "terminationGracePeriodSeconds": 60,
    },
    "shards": {"shards": 3, "podMonitor": {"enabled": True}, "secretName": "huaweicloud"},
    "shards with journals": {"shards": 2, "persistence": {"enabled": True}, "jobFiles": {"a": JOBS}},
    "TLS and users by text": {
        "web": {"config": WEB, "certificates": {"server": "jobs-tls", "clients": "client-ca"}},
        "serviceMonitor": {
            "enabled": True,
            "tlsConfig": {
                "ca": {"secret": {"name": "jobs-tls", "key": "ca.crt"}},
                "cert": {"secret": {"name": "scraper", "key": "tls.crt"}},
                "keySecret": {"name": "scraper", "key": "tls.key"},
            },
            "basicAuth": LOGIN,
        },
    },
    "TLS by a Secret, of shards": {
        "web": {"secretName": "jobs-web"},
        "shards": 2,
        "podMonitor": {"enabled": True, "scheme": "https", "tlsConfig": {"insecureSkipVerify": True}},
    },
    "what users of other charts set": {
        "global": {"imageRegistry": "registry.example.com", "imagePullSecrets": ["pull", {"name": "pull-too"}]},
        "image": {"registry": "docker.io", "digest": f"sha256:{'0' * 64}", "pullSecrets": [{"name": "mine"}]},
        "nameOverride": "cloud-jobs",
        "namespaceOverride": "monitoring",
        "commonLabels": {"team": "data", "app.kubernetes.io/name": "mine", "app.kubernetes.io/version": "2"},
        "annotations": {"reloader.example.com/auto": "true"},
        "podAnnotations": {"checksum/config": "mine"},
        "podLabels": {"app.kubernetes.io/instance": "mine", "sidecar.istio.io/inject": "false"},
        "restartOnChange": True,
        "envFrom": [{"secretRef": {"name": "cloud"}}],
        "initContainers": [{"name": "wait", "image": "busybox", **CLOSED}],
        "extraContainers": [{"name": "proxy", "image": "oauth2-proxy", **CLOSED}],
        "extraManifests": [{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "mine"}, "data": {"a": "1"}}],
        "livenessProbe": {"periodSeconds": 60},
        "readinessProbe": None,
        "startupProbe": {"failureThreshold": 60},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", "5"]}}},
        "podSecurityContext": {"runAsUser": None, "runAsGroup": None, "fsGroup": None},
        "securityContext": {"capabilities": {"drop": ["ALL", "NET_RAW"]}},
        "revisionHistoryLimit": 2,
        "priorityClassName": "system-cluster-critical",
        "runtimeClassName": "gvisor",
        "schedulerName": "mine",
        "extraArgs": ["--log.level=debug"],
        "topologySpreadConstraints": [
            {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "ScheduleAnyway", "labelSelector": {}}
        ],
        "tolerations": [{"operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300}],
        "hostAliases": [{"ip": "10.0.0.1", "hostnames": ["iam.example.com"]}],
        "dnsPolicy": "None",
        "dnsConfig": {"nameservers": ["10.0.0.2"], "options": [{"name": "ndots", "value": "2"}]},
        "service": {"annotations": {"prometheus.io/scrape": "true"}, "labels": {"scraped-by": "mine"}},
        "serviceMonitor": {"enabled": True, **SCRAPES},
        "sidecarMonitor": {"enabled": True, "namespaces": ["etl"], **SCRAPES},
        "prometheusRule": {"enabled": True, "namespace": "prometheus", "annotations": {"a": "b"}},
        "dashboards": {"enabled": True, "namespace": "grafana"},
        "persistence": {"enabled": True, "existingClaim": "mine"},
    },
    "empty sections": dict.fromkeys(SECTIONS),
    "shards whose volumes somebody made by hand": {
        "shards": 2,
        "persistence": {"enabled": True, "storageClassName": "-", "annotations": {"backup.example.com/keep": "1w"}},
        "podMonitor": {"enabled": True, **SCRAPES},
    },
    "an account that exists, and where to run": {
        "serviceAccount": {"create": False, "name": "data-jobs"},
        "fullnameOverride": "x" * 60,
        "nodeSelector": {"kubernetes.io/arch": "amd64"},
        "tolerations": [{"key": "dedicated", "operator": "Exists"}],
        "affinity": {
            "nodeAffinity": {
                "requiredDuringSchedulingIgnoredDuringExecution": {
                    "nodeSelectorTerms": [{"matchExpressions": [{"key": "zone", "operator": "In", "values": ["a"]}]}]
                }
            }
        },
        "extraEnv": [
            {"name": "EXPORTER_POLL__INTERVAL", "value": "15s"},
            {"name": "HUAWEICLOUD_SDK_AK", "valueFrom": {"secretKeyRef": {"name": "cloud", "key": "ak"}}},
        ],
        "extraVolumes": [{"name": "ca", "configMap": {"name": "private-ca"}}],
        "extraVolumeMounts": [{"name": "ca", "mountPath": "/etc/ssl/private"}],
        "global": {"of": "the chart around this one"},
    },
}
"""The configuration is added to each."""
VERSIONS: Final = ("1.25", "1.32", "1.37")
"""The oldest Kubernetes that the chart asks for, one between and the newest whose schemas there are."""
RULES: Final = """\
# a comment
groups:
  - name: example
    rules:
      - alert: JobFailed
        expr: huaweicloud_job_state{state="failed"} == 1
        for: 1m
        annotations: {summary: "{{ $labels.job }} failed"}
"""

each_case = pytest.mark.parametrize("case", CASES)
each_helm = pytest.mark.parametrize("generation", GENERATIONS)


def values(case: str, **more: Any) -> Manifest:
    return {"config": CONFIG, **CASES[case], **more}


@pytest.fixture
def filled(tmp_path: Path) -> Path:
    """Return a copy of the chart with one rule file and one dashboard."""
    chart = tmp_path / "chart"
    shutil.copytree(CHART, chart)
    shutil.rmtree(chart / "files", ignore_errors=True)
    for name, text in (("rules/example.yml", RULES), ("dashboards/example.json", '{"title": "{{job}}"}\n')):
        (chart / "files" / name).parent.mkdir(parents=True)
        (chart / "files" / name).write_text(text)
    return chart


@each_helm
@each_case
def test_helm_finds_no_fault(case: str, generation: str) -> None:
    done = kube.helm(generation, "lint", values(case))

    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@each_helm
@each_case
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_and_the_operator_know_every_key(case: str, generation: str, version: str) -> None:
    for manifest in kube.template(generation, values(case)):
        kube.validate(manifest, version)


@each_helm
@each_case
def test_the_pods_pass_the_restricted_standard(case: str, generation: str) -> None:
    (pod,) = kube.pods(kube.template(generation, values(case)))

    assert kube.violations(pod) == []
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


@each_case
def test_both_helms_make_the_same(case: str) -> None:
    old, new = (sorted(kube.template(generation, values(case)), key=json.dumps) for generation in GENERATIONS)

    assert old == new


@each_case
def test_the_exporter_accepts_what_it_will_be_given(case: str, tmp_path: Path) -> None:
    manifests = kube.template("helm4", values(case))
    # the folders of the pod become folders of the test
    config = write(
        kube.one(manifests, "ConfigMap", kube.pods(manifests)[0]["volumes"][0]["configMap"]["name"]), tmp_path
    )
    for folder in ("/run/secrets/huaweicloud", "/run/jobs"):
        (tmp_path / folder[1:]).mkdir(parents=True)
        config.write_text(config.read_text().replace(folder, f"{tmp_path}{folder}"))
    for name in ("key_id", "secret"):
        (tmp_path / "run/secrets/huaweicloud" / name).write_text("EXAMPLE")
    web_files(manifests, tmp_path)
    if case_jobs := values(case).get("jobFiles"):
        write(kube.one(manifests, "ConfigMap", "-jobs"), tmp_path / "run/jobs")
    container = kube.pods(manifests)[0]["containers"][0]
    variables = {each["name"]: each["value"] for each in container["env"] if "value" in each}
    if named := variables.get("EXPORTER_WEB__CONFIG_FILE"):
        variables["EXPORTER_WEB__CONFIG_FILE"] = f"{tmp_path}{named}"

    done = exporter("check", "--config", str(config), HOSTNAME="jobs-huaweicloud-job-exporter-0", **variables)

    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    shards = values(case).get("shards", 1)
    assert (f"shard 0 of {shards}" in done.stdout) == (shards > 1)
    if shards == 1:
        assert ("1 dws job" in done.stdout) == bool(case_jobs)


def web_files(manifests: list[Manifest], folder: Path) -> None:
    """Write into *folder* what the pod mounts of Secrets for TLS and users, those of others too."""
    (pod,) = kube.pods(manifests)
    made = {each["metadata"]["name"]: each["stringData"] for each in manifests if each["kind"] == "Secret"}
    secrets = {each["name"]: each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each}
    (folder / "files").mkdir()
    files = make(folder / "files")
    pair = {f"tls.{part}": (files.folder / f"server.{part}").read_text() for part in ("crt", "key")}
    theirs = {
        "jobs-web": {"web.yml": USERS},
        "jobs-tls": pair,
        "client-ca": {"ca.crt": (files.folder / "client_ca.pem").read_text()},
    }
    for mount in pod["containers"][0]["volumeMounts"]:
        there = folder / mount["mountPath"][1:]
        for name, text in ({**theirs, **made}.get(secrets.get(mount["name"], ""), {})).items():
            there.mkdir(parents=True, exist_ok=True)
            (there / name).write_text(text.replace("/run/certificates", f"{folder}/run/certificates"))


def write(manifest: Manifest, folder: Path) -> Path:
    """Write the files of a ConfigMap as a mount shows them; return the path of the first."""
    for name, text in manifest["data"].items():
        (folder / name).write_text(text)
    return folder / str(next(iter(manifest["data"])))


@each_helm
def test_text_stays_text(generation: str) -> None:
    manifests = kube.template(generation, values("everything of one replica"))

    assert kube.one(manifests, "ConfigMap", "exporter")["data"] == {"exporter.yaml": CONFIG}
    assert kube.one(manifests, "ConfigMap", "-jobs")["data"] == {"nightly.yaml": JOBS, "weekly.jsonl": ""}
    secret = kube.one(kube.template(generation, values("TLS and users by text")), "Secret")
    assert secret["stringData"] == {"web.yml": WEB}


def test_one_replica_is_a_deployment_that_never_runs_twice() -> None:
    manifests = kube.template("helm4", values("everything of one replica"))
    deployment = kube.one(manifests, "Deployment")

    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert {each["kind"] for each in manifests} >= {"PersistentVolumeClaim", "NetworkPolicy", "ServiceMonitor"}
    assert "PodDisruptionBudget" not in {each["kind"] for each in manifests}


def test_shards_are_a_stateful_set_whose_ordinal_is_the_shard() -> None:
    manifests = kube.template("helm4", values("shards with journals"))
    shards = kube.one(manifests, "StatefulSet")
    variables = {each["name"]: each["value"] for each in kube.pods(manifests)[0]["containers"][0]["env"]}

    assert shards["spec"]["replicas"] == 2
    assert (variables["EXPORTER_SHARDING__SHARDS"], variables["EXPORTER_SHARDING__SHARD"]) == ("2", "auto")
    assert [each["metadata"]["name"] for each in shards["spec"]["volumeClaimTemplates"]] == ["journal"]
    assert shards["spec"]["serviceName"] == kube.one(manifests, "Service")["metadata"]["name"]
    assert kube.one(manifests, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert {"Deployment", "PersistentVolumeClaim"}.isdisjoint(each["kind"] for each in manifests)


@each_case
def test_everything_that_selects_the_pods_finds_them(case: str) -> None:
    manifests = kube.template("helm4", values(case))
    (labels,) = (each["spec"]["template"]["metadata"]["labels"] for each in manifests if kube.pod_of(each))
    service = kube.one(manifests, "Service")
    ours = [each for each in manifests if not each["metadata"]["name"].endswith("-sidecars")]
    selectors = {each["kind"]: selector(each) for each in ours if selector(each)}

    for kind, wanted in selectors.items():
        offered = service["metadata"]["labels"] if kind == "ServiceMonitor" else labels
        assert wanted.items() <= offered.items(), kind
    assert {"Service"} < selectors.keys()


def selector(manifest: Manifest) -> dict[str, str]:
    spec = manifest.get("spec", {})
    found = spec.get("selector") or spec.get("podSelector") or {}
    labels: dict[str, str] = found.get("matchLabels", found)
    return labels


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor"])
def test_a_monitor_keeps_the_exporters_own_labels(kind: str) -> None:
    name = kind[0].lower() + kind[1:]
    monitor = kube.one(kube.template("helm4", values(SMALLEST, **{name: {"enabled": True}})), kind)
    (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]

    assert endpoint == {"port": "metrics", "interval": "30s", "honorLabels": True}


@pytest.mark.parametrize(
    ("more", "guarded"),
    [
        pytest.param({}, False, id="nobody is asked for anything"),
        pytest.param({"web": {"config": USERS}}, True, id="a file as text"),
        pytest.param({"web": {"secretName": "jobs-web"}}, True, id="a file in a Secret"),
        pytest.param({"config": f"{CONFIG}  web: {{config_file: /mine/web.yml}}\n"}, True, id="a file of theirs"),
        pytest.param({"config": f"{CONFIG}  web: {{linger: 1s}}\n"}, False, id="other settings of the web side"),
        pytest.param({"config": f"{CONFIG}  web:\n"}, False, id="an empty section"),
        pytest.param({"extraEnv": [{"name": "EXPORTER_WEB__CONFIG_FILE", "value": "/x"}]}, True, id="a variable"),
    ],
)
def test_probes_need_neither_password_nor_certificate(more: Manifest, guarded: bool) -> None:
    (pod,) = kube.pods(kube.template("helm4", values(SMALLEST, **more)))
    (container,) = pod["containers"]
    live, ready = container["livenessProbe"], container["readinessProbe"]

    if not guarded:
        assert (live["httpGet"]["path"], ready["httpGet"]["path"]) == ("/-/healthy", "/-/ready")
        return
    (check,) = re.findall(r"^HEALTHCHECK .*CMD (\[.*\])$", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert {"httpGet", "tcpSocket"}.isdisjoint(live | ready)
    assert live["exec"]["command"] == [*json.loads(check), "/-/healthy"]
    assert ready["exec"]["command"] == [*json.loads(check), "/-/ready"]


@pytest.mark.parametrize(
    ("web", "asked", "told"),
    [
        pytest.param({}, {}, {}, id="http"),
        pytest.param({"config": USERS}, {"basicAuth": LOGIN}, {"basicAuth": LOGIN}, id="users, and no TLS"),
        pytest.param(
            {"config": WEB, "certificates": {"server": "jobs-tls"}},
            {"tlsConfig": {"ca": {"secret": {"name": "jobs-tls", "key": "ca.crt"}}}},
            {
                "scheme": "https",
                "tlsConfig": {
                    "ca": {"secret": {"name": "jobs-tls", "key": "ca.crt"}},
                    "serverName": "jobs-huaweicloud-job-exporter.default.svc",
                },
            },
            id="TLS by the text",
        ),
        pytest.param(
            {"secretName": "jobs-web", "certificates": {"server": "jobs-tls"}},
            {"tlsConfig": {"serverName": "jobs.example.com"}},
            {"scheme": "https", "tlsConfig": {"serverName": "jobs.example.com"}},
            id="TLS by the certificates, of another name",
        ),
        pytest.param({"secretName": "jobs-web"}, {"scheme": "http"}, {}, id="as told"),
    ],
)
@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor"])
def test_a_monitor_asks_as_the_pods_answer(kind: str, web: Manifest, asked: Manifest, told: Manifest) -> None:
    name = kind[0].lower() + kind[1:]
    manifests = kube.template("helm4", values(SMALLEST, web=web, **{name: {"enabled": True, **asked}}))
    monitor = kube.one(manifests, kind)
    (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]

    assert endpoint == {"port": "metrics", "interval": "30s", "honorLabels": True, **told}
    kube.validate(monitor, "1.37")


def test_the_secrets_of_the_web_side_are_whole_folders_so_that_a_rotation_is_seen() -> None:
    (pod,) = kube.pods(kube.template("helm4", values("TLS and users by text")))
    mounts = {each["name"]: each for each in pod["containers"][0]["volumeMounts"]}
    folders = {each["secret"]["secretName"]: mounts[each["name"]] for each in pod["volumes"] if "secret" in each}

    assert {name: mount["mountPath"] for name, mount in folders.items()} == {
        "jobs-huaweicloud-job-exporter-web": "/run/web",
        "jobs-tls": "/run/certificates/server",
        "client-ca": "/run/certificates/clients",
    }
    assert all("subPath" not in mount for mount in folders.values())


@pytest.mark.parametrize(
    ("image", "shared", "reference"),
    [
        ({}, {}, f"huaweicloud-job-exporter:{__version__}"),
        ({"registry": "r.example.com:5000/"}, {}, f"r.example.com:5000/huaweicloud-job-exporter:{__version__}"),
        ({"registry": "r"}, {"imageRegistry": "g"}, f"g/huaweicloud-job-exporter:{__version__}"),
        ({"repository": "a/b", "tag": "2"}, {}, "a/b:2"),
        ({"repository": "a", "digest": f"sha256:{'0' * 64}"}, {}, f"a@sha256:{'0' * 64}"),
        ({"repository": "a", "tag": "2", "digest": f"sha256:{'0' * 64}"}, {}, f"a:2@sha256:{'0' * 64}"),
    ],
)
def test_the_image_is_named_by_registry_repository_tag_and_digest(
    image: Manifest, shared: Manifest, reference: str
) -> None:
    manifests = kube.template("helm4", values(SMALLEST, image=image, **{"global": shared}), verb="all")

    assert {each["containers"][0]["image"] for each in kube.pods(manifests)} == {reference}


def test_the_knobs_of_other_charts_are_where_they_belong() -> None:
    case = CASES["what users of other charts set"]
    manifests = kube.template("helm4", values("what users of other charts set"))
    deployment = kube.one(manifests, "Deployment")
    template = deployment["spec"]["template"]
    pod, (container, beside) = template["spec"], template["spec"]["containers"]

    assert exporter(*container["args"], "--help").returncode == 0
    for name in (
        "runtimeClassName",
        "schedulerName",
        "priorityClassName",
        "topologySpreadConstraints",
        "tolerations",
        "hostAliases",
        "dnsPolicy",
        "dnsConfig",
    ):
        assert pod[name] == case[name]
    assert (pod["initContainers"], [beside]) == (case["initContainers"], case["extraContainers"])
    assert (container["envFrom"], container["lifecycle"]) == (case["envFrom"], case["lifecycle"])
    assert [each["name"] for each in pod["imagePullSecrets"]] == ["mine", "pull", "pull-too"]
    assert {"runAsUser", "runAsGroup", "fsGroup"}.isdisjoint(pod["securityContext"])
    assert deployment["spec"]["revisionHistoryLimit"] == 2
    assert deployment["metadata"]["annotations"] == case["annotations"]
    assert kube.one(manifests, "Service")["metadata"]["annotations"] == case["service"]["annotations"]
    assert "PersistentVolumeClaim" not in {each["kind"] for each in manifests}
    (journal,) = (each for each in pod["volumes"] if each["name"] == "journal")
    assert journal["persistentVolumeClaim"]["claimName"] == "mine"
    assert kube.one(manifests, "ConfigMap", "mine") == case["extraManifests"][0]
    elsewhere = {"ServiceMonitor": "prometheus", "PodMonitor": "prometheus", "PrometheusRule": "prometheus"}
    for each in manifests:
        if each["metadata"]["name"] != "mine":
            dashboard = "-dashboard-" in each["metadata"]["name"]
            expected = "grafana" if dashboard else elsewhere.get(each["kind"], "monitoring")
            assert each["metadata"]["namespace"] == expected, each["kind"]
            assert each["metadata"]["labels"]["team"] == "data"


def test_labels_of_theirs_are_added_and_never_take_the_place_of_what_is_selected_by() -> None:
    manifests = kube.template("helm4", values("what users of other charts set"))
    template = kube.one(manifests, "Deployment")["spec"]["template"]["metadata"]

    assert (
        template["labels"].items()
        >= {
            "app.kubernetes.io/name": "cloud-jobs",
            "app.kubernetes.io/instance": "jobs",
            "app.kubernetes.io/version": "2",
            "sidecar.istio.io/inject": "false",
        }.items()
    )
    assert len(template["annotations"]["checksum/config"]) == 64, "the chart's own"


def test_a_probe_of_which_only_the_timing_is_said_keeps_what_it_asks() -> None:
    def probes(**more: Any) -> Manifest:
        (pod,) = kube.pods(kube.template("helm4", values(SMALLEST, **more)))
        return {name: probe for name, probe in pod["containers"][0].items() if name.endswith("Probe")}

    asked = {"httpGet": {"path": "/-/healthy", "port": "metrics"}}
    mine = {"tcpSocket": {"port": "metrics"}}

    assert probes().keys() == {"livenessProbe", "readinessProbe"}
    changed = probes(livenessProbe={"periodSeconds": 60}, readinessProbe=None, startupProbe={"failureThreshold": 9})
    assert changed["livenessProbe"] == {**asked, "periodSeconds": 60, "timeoutSeconds": 5}
    assert changed["startupProbe"] == {**asked, "periodSeconds": 2, "timeoutSeconds": 5, "failureThreshold": 9}
    assert "readinessProbe" not in changed
    guarded = probes(livenessProbe=mine, web={"config": USERS})["livenessProbe"]
    assert guarded == {**mine, "periodSeconds": 20, "timeoutSeconds": 5}


@pytest.mark.parametrize("kind", ["ServiceMonitor", "PodMonitor"])
def test_a_monitor_elsewhere_finds_the_pods_and_changes_labels(kind: str) -> None:
    name = kind[0].lower() + kind[1:]
    monitor = kube.one(kube.template("helm4", values(SMALLEST, **{name: {"enabled": True, **SCRAPES}})), kind)
    (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]

    told = ("interval", "scrapeTimeout", "relabelings", "metricRelabelings")
    assert endpoint == {"port": "metrics", "honorLabels": True, **{key: SCRAPES[key] for key in told}}
    assert monitor["spec"]["sampleLimit"] == 10000
    assert monitor["metadata"]["namespace"] == "prometheus"
    assert monitor["spec"]["namespaceSelector"] == {"matchNames": ["default"]}


@pytest.mark.parametrize(
    ("namespaces", "selected"), [([], {"any": True}), (["etl", "ml"], {"matchNames": ["etl", "ml"]})]
)
def test_one_monitor_finds_the_sidecars_of_all_namespaces(namespaces: list[str], selected: Manifest) -> None:
    monitors = {"sidecarMonitor": {"enabled": True, "namespaces": namespaces}, "serviceMonitor": {"enabled": True}}
    manifests = kube.template("helm4", values(SMALLEST, **monitors))
    monitor = kube.one(manifests, "PodMonitor")["spec"]
    job = kube.one(kube.kustomize("helm4", ROOT / "deploy/kustomize/overlays/sidecar"), "Job")["spec"]["template"]
    (pod,) = (each["spec"]["template"] for each in manifests if kube.pod_of(each))
    wanted = monitor["selector"]["matchLabels"].items()

    assert monitor["namespaceSelector"] == selected
    assert wanted <= job["metadata"]["labels"].items()
    assert not wanted <= pod["metadata"]["labels"].items(), "the chart's own are scraped by the other"
    ports = {port["name"] for each in job["spec"]["initContainers"] for port in each["ports"]}
    assert monitor["podMetricsEndpoints"][0]["port"] in ports
    assert monitor["podMetricsEndpoints"][0]["honorLabels"] is True


def test_an_alert_can_be_left_out_and_all_can_have_labels_and_a_runbook() -> None:
    def alerts(**more: Any) -> dict[str, Manifest]:
        manifests = kube.template("helm4", values(SMALLEST, prometheusRule={"enabled": True, **more}))
        groups = [group for each in manifests if each["kind"] == "PrometheusRule" for group in each["spec"]["groups"]]
        assert all(group["rules"] for group in groups)
        return {rule["alert"]: rule for group in groups for rule in group["rules"] if "alert" in rule}

    every = alerts()
    some = alerts(disabled=["HuaweicloudJobExporterAbsent", "HuaweicloudJobFailed"])
    labelled = alerts(alertLabels={"team": "data", "severity": "page"}, runbookUrl="https://wiki.example.com/#")

    assert every.keys() - some.keys() == {"HuaweicloudJobExporterAbsent", "HuaweicloudJobFailed"}
    assert labelled.keys() == every.keys()
    for name, rule in labelled.items():
        assert rule["labels"] == {**every[name]["labels"], "team": "data", "severity": "page"}
        assert rule["annotations"]["runbook_url"] == f"https://wiki.example.com/#{name.lower()}"
        assert rule["expr"] == every[name]["expr"]


@each_helm
def test_its_own_test_asks_the_service_and_is_no_exporter(generation: str) -> None:
    manifests = kube.template(generation, values("TLS and users by text"), verb="all")
    (test,) = (each for each in manifests if each["kind"] == "Pod")
    (container,) = test["spec"]["containers"]
    service = kube.one(manifests, "Service")
    (address,) = (each["value"] for each in container["env"])

    assert test["metadata"]["annotations"]["helm.sh/hook"] == "test"
    assert kube.violations(test["spec"]) == []
    kube.validate(test, "1.37")
    assert container["command"][-2:] == ["/app/healthcheck.py", "/-/ready"]
    assert address == f"{service['metadata']['name']}.default.svc:{service['spec']['ports'][0]['port']}"
    labels = test["metadata"]["labels"].items()
    assert not service["spec"]["selector"].items() <= labels

    policy = kube.one(kube.template(generation, values("everything of one replica")), "NetworkPolicy")
    *theirs, tester = policy["spec"]["ingress"][0]["from"]
    assert theirs == FROM
    assert tester["podSelector"]["matchLabels"].items() <= labels


@pytest.mark.parametrize("generation", GENERATIONS)
@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, SERVICE_NAMES),
        ({"shards": 3}, SERVICE_NAMES),
        ({"config": f"{CONFIG}  web: {{allowed_hosts: [jobs.example.com]}}\n"}, f"jobs.example.com,{SERVICE_NAMES}"),
        ({"fullnameOverride": "x"}, "x,x.default,x.default.svc,x.default.svc.cluster.local"),
        ({"extraEnv": [{"name": "EXPORTER_WEB__ALLOWED_HOSTS", "value": "mine.example.com"}]}, "mine.example.com"),
        ({"config": "", "existingConfigMap": "mine"}, None),
    ],
)
def test_page_and_json_are_reached_by_the_names_of_the_service(
    generation: str, more: Manifest, expected: str | None
) -> None:
    manifests = kube.template(generation, values(SMALLEST, **more))
    (container,) = kube.pods(manifests)[0]["containers"]
    set_to = [each["value"] for each in container["env"] if each["name"] == "EXPORTER_WEB__ALLOWED_HOSTS"]

    assert set_to == ([] if expected is None else [expected])
    if "fullnameOverride" not in more:
        assert kube.one(manifests, "Service")["metadata"]["name"] == SERVICE_NAMES.split(",")[0]


@pytest.mark.parametrize(
    ("linger", "grace", "fits"),
    [
        ("45s", 30, False),
        ("30s", 30, False),
        ("29s", 30, True),
        ("1m30s", 90, False),
        ("1m30s", 100, True),
        ("1d", 9, False),
    ],
)
@pytest.mark.parametrize("by_variable", [False, True])
def test_the_pod_is_not_killed_while_it_lingers(linger: str, grace: int, fits: bool, by_variable: bool) -> None:
    variable = [{"name": "EXPORTER_WEB__LINGER", "value": linger}]
    written = {"extraEnv": variable} if by_variable else {"config": f"{CONFIG}  web: {{linger: {linger}}}\n"}
    given = values(SMALLEST, terminationGracePeriodSeconds=grace, **written)

    done = kube.helm("helm4", "template", given)

    assert (done.returncode == 0) == fits
    assert fits or f"{grace} s are not longer than web.linger, {linger}; give more" in done.stderr


@pytest.mark.parametrize(
    ("push", "grace", "said"),
    [
        ("{otlp: https://otlp.example.com}", 31, ""),
        ("{otlp: https://otlp.example.com}", 30, "web.linger, 25s, and push.timeout, 5s, together"),
        ("{pushgateway: https://push.example.com, timeout: 20s}", 45, "push.timeout, 20s, together"),
        ("{timeout: 20s}", 26, ""),
    ],
)
def test_nor_while_it_pushes(push: str, grace: int, said: str) -> None:
    written = {"config": f"{CONFIG}  web: {{linger: 25s}}\n  push: {push}\n"}

    done = kube.helm("helm4", "template", values(SMALLEST, terminationGracePeriodSeconds=grace, **written))

    assert (done.returncode == 0) == (not said), done.stderr
    assert said in done.stderr


@pytest.mark.parametrize(
    ("context", "value"),
    [
        ("podSecurityContext", {"runAsNonRoot": False}),
        ("podSecurityContext", {"runAsNonRoot": None}),
        ("podSecurityContext", {"runAsUser": 0}),
        ("podSecurityContext", {"seccompProfile": {"type": "Unconfined"}}),
        ("securityContext", {"privileged": True}),
        ("securityContext", {"allowPrivilegeEscalation": True}),
        ("securityContext", {"capabilities": {"drop": ["NET_RAW"]}}),
        ("securityContext", {"capabilities": {"add": ["SYS_ADMIN"]}}),
        ("securityContext", None),
    ],
)
def test_security_contexts_stay_within_the_restricted_standard(context: str, value: Manifest | None) -> None:
    done = kube.helm("helm4", "template", values(SMALLEST, **{context: value}))

    assert done.returncode != 0
    assert (next(iter(value)) if value else context) in done.stderr


def test_job_files_may_be_named_by_a_variable() -> None:
    variable = [{"name": "EXPORTER_JOB_FILES", "value": "/run/jobs/*"}]
    done = kube.helm("helm4", "template", {"config": "jobs: []", "jobFiles": {"a": JOBS}, "extraEnv": variable})

    assert done.returncode == 0, done.stderr


def test_a_configuration_that_exists_is_mounted_and_none_is_made() -> None:
    manifests = kube.template("helm4", {"existingConfigMap": "mine"})
    (pod,) = kube.pods(manifests)

    assert "ConfigMap" not in {each["kind"] for each in manifests}
    assert pod["volumes"][0]["configMap"] == {"name": "mine"}


def test_a_volume_made_by_hand_is_of_no_class() -> None:
    case = "shards whose volumes somebody made by hand"
    (claim,) = kube.one(kube.template("helm4", values(case)), "StatefulSet")["spec"]["volumeClaimTemplates"]

    assert claim["spec"]["storageClassName"] == ""
    assert claim["metadata"]["annotations"] == {"backup.example.com/keep": "1w"}


def test_only_where_asked_a_changed_configuration_replaces_the_pod() -> None:
    def annotations(**more: Any) -> Any:
        manifests = kube.template("helm4", values(SMALLEST, **more))
        return kube.one(manifests, "Deployment")["spec"]["template"]["metadata"].get("annotations")

    assert annotations() is annotations(config="projects: {}") is None
    assert annotations(restartOnChange=True) == annotations(restartOnChange=True)
    assert annotations(restartOnChange=True) != annotations(restartOnChange=True, config="projects: {}")


def test_no_secret_is_made_but_of_the_web_configuration_that_is_given() -> None:
    for case in CASES:
        kinds = {each["kind"] for each in kube.template("helm4", values(case))}
        assert ("Secret" in kinds) == bool((CASES[case].get("web") or {}).get("config")), case


@each_helm
@pytest.mark.parametrize(
    ("wrong", "told"),
    [
        pytest.param({"config": ""}, "--set-file config=exporter.yaml", id="no configuration"),
        pytest.param({"config": {"jobs": []}}, "config", id="a configuration that is a map"),
        pytest.param({"shard": 2}, "shard", id="a name that is not known"),
        pytest.param({"image": {"tags": "1"}}, "tags", id="a name within that is not known"),
        pytest.param({"shards": 0}, "shards", id="no shard"),
        pytest.param({"shards": "2"}, "shards", id="text for a number"),
        pytest.param({"jobFiles": {"../a": "x"}}, "../a", id="a job file elsewhere"),
        pytest.param({"jobFiles": {"a": "x"}, "config": "jobs: []"}, "job_files: [/run/jobs/*]", id="files not named"),
        pytest.param({"serviceAccount": {"create": False}}, "serviceAccount.name", id="no account"),
        pytest.param({"networkPolicy": {"enabled": True}}, "networkPolicy.from", id="a policy for everybody"),
        pytest.param({"existingConfigMap": "x"}, "give one of them", id="two configurations"),
        pytest.param(
            {"extraEnv": [{"name": "EXPORTER_SHARDING__SHARDS", "value": "2"}]},
            "EXPORTER_SHARDING__SHARDS is set by the chart",
            id="a variable of the chart",
        ),
        pytest.param({"extraArgs": ["-c", "x"]}, "-c is set by the chart", id="another configuration"),
        pytest.param(
            {"extraArgs": ["--web.listen-address=:1"]}, "--web.listen-address=:1 is set", id="a flag of the chart"
        ),
        pytest.param(
            {"shards": 2, "persistence": {"enabled": True, "existingClaim": "x"}}, "a volume each", id="a claim for two"
        ),
        pytest.param({"image": {"digest": "0123"}}, "digest", id="no digest"),
        pytest.param(
            {"prometheusRule": {"enabled": True, "disabled": ["JobFailed"]}},
            'no alert is called "JobFailed"; there are HuaweicloudJob',
            id="an alert that is not there",
        ),
        pytest.param({"web": {"config": USERS, "secretName": "x"}}, "give one of them", id="two web configurations"),
        pytest.param({"web": {"config": "{"}}, "web.config: not valid YAML", id="a web configuration that is none"),
        pytest.param({"web": {"certificates": {"a": "b"}}}, "no file names them", id="certificates for nothing"),
        pytest.param({"web": {"certificates": {"../a": "b"}}}, "../a", id="certificates elsewhere"),
        pytest.param({"podMonitor": {"interval": "often"}}, "interval", id="no interval"),
        pytest.param(
            {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}, "scraped twice", id="two monitors"
        ),
    ],
)
def test_a_mistake_in_the_values_is_refused_by_name(wrong: Manifest, told: str, generation: str) -> None:
    done = kube.helm(generation, "template", {"config": CONFIG, **wrong})

    assert done.returncode != 0
    assert told in done.stderr


OPEN: Final = (".resources.requests", ".resources.limits", ".global", ".podSecurityContext", ".securityContext")
"""Values that Kubernetes or other charts define, as far as they are not forbidden."""


def test_every_value_is_in_the_schema_and_the_other_way_round() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def names(node: Manifest, place: str = "") -> set[str]:
        inner = {} if place in OPEN else node.get("properties", {})
        if inner and place:
            assert node["additionalProperties"] is False, place
        assert not place or node["description"].endswith("."), place
        return {place}.union(*(names(below, f"{place}.{name}") for name, below in inner.items()))

    def written(node: Any, place: str = "") -> set[str]:
        inner = node if isinstance(node, dict) else {}
        return {place}.union(*(written(below, f"{place}.{name}") for name, below in inner.items()))

    free = re.compile(rf"({'|'.join(map(re.escape, OPEN))}|\.dashboards\.labels)\..*")
    told = {
        place for place in written(yaml.safe_load((CHART / "values.yaml").read_text())) if not free.fullmatch(place)
    }
    assert schema["additionalProperties"] is False
    assert names(schema) == told


def test_the_readme_of_the_chart_is_made_of_its_schema_and_defaults() -> None:
    assert (CHART / "README.md").read_text() == render_readme(), "run make docs"


@each_helm
def test_rules_and_dashboards_are_taken_word_for_word(generation: str, filled: Path) -> None:
    asked = values(
        SMALLEST,
        prometheusRule={"enabled": True, "labels": {"release": "prometheus"}},
        dashboards={"enabled": True, "annotations": {"grafana_folder": "Data"}},
    )
    manifests = kube.template(generation, asked, filled)
    rules, dashboard = kube.one(manifests, "PrometheusRule"), kube.one(manifests, "ConfigMap", "-dashboard-example")

    assert rules["spec"] == yaml.safe_load(RULES)
    assert rules["metadata"]["labels"]["release"] == "prometheus"
    assert dashboard["data"] == {"example.json": '{"title": "{{job}}"}\n'}
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard["metadata"]["annotations"] == {"grafana_folder": "Data"}
    for manifest in manifests:
        kube.validate(manifest, "1.37")


@pytest.mark.parametrize("value", ["prometheusRule", "dashboards"])
def test_a_chart_that_lost_its_files_says_so(value: str, filled: Path) -> None:
    shutil.rmtree(filled / "files")

    done = kube.helm("helm4", "template", values(SMALLEST, **{value: {"enabled": True}}), filled)

    assert done.returncode != 0
    assert "packaged without files/" in done.stderr


@pytest.mark.parametrize(("ours", "source"), [("rules/*.yml", "prometheus"), ("dashboards/*.json", "grafana")])
def test_the_copies_in_the_chart_are_what_deploy_has(ours: str, source: str) -> None:
    copies = {path.name: path.read_text() for path in (CHART / "files").glob(ours)}
    there = {path.name: path.read_text() for path in (ROOT / "deploy" / source).glob(ours)}

    assert copies == there


@each_helm
def test_the_operator_takes_the_rules_and_the_dashboards_that_are_shipped(generation: str) -> None:
    shipped = {"prometheusRule": "files/rules/*.yml", "dashboards": "files/dashboards/*.json"}
    enabled = {value: {"enabled": True} for value, pattern in shipped.items() if [*CHART.glob(pattern)]}
    manifests = kube.template(generation, values(SMALLEST, **enabled))

    for manifest in manifests:
        kube.validate(manifest, "1.37")
        for name, text in manifest.get("data", {}).items():
            if name.endswith(".json"):
                assert json.loads(text)["title"]


@each_helm
def test_a_chart_around_it_may_turn_it_on_and_call_it_otherwise(generation: str, tmp_path: Path) -> None:
    needs = {"name": "huaweicloud-job-exporter", "version": ">=0.0.0", "repository": f"file://{CHART}"}
    both = [
        {**needs, "condition": f"{needs['name']}.enabled"},
        {**needs, "alias": "sales", "condition": "sales.enabled"},
    ]
    chart = {"apiVersion": "v2", "name": "data", "version": "1.0.0", "dependencies": both}
    (tmp_path / "Chart.yaml").write_text(yaml.safe_dump(chart))
    (tmp_path / "templates").mkdir()
    (tmp_path / "templates/theirs.tpl").write_text('{{ define "exporter.fullname" }}theirs{{ end }}')
    shutil.copytree(CHART, tmp_path / "charts/huaweicloud-job-exporter")

    def names(**given: Any) -> set[str]:
        manifests = kube.template(generation, {"global": {"imageRegistry": "r", "of": "theirs"}, **given}, tmp_path)
        assert {each["image"] for pod in kube.pods(manifests) for each in pod["containers"]} == {
            f"r/huaweicloud-job-exporter:{__version__}"
        }
        return {each["metadata"]["name"] for each in manifests if each["kind"] == "Deployment"}

    one = {"enabled": True, "config": CONFIG, "sidecarMonitor": {"enabled": True}, "image": {"repository": None}}
    assert names(**{"huaweicloud-job-exporter": one, "sales": {"enabled": False}}) == {"jobs-huaweicloud-job-exporter"}
    assert names(**{"huaweicloud-job-exporter": one, "sales": {"config": CONFIG}}) == {
        "jobs-huaweicloud-job-exporter",
        "jobs-sales",
    }


@pytest.mark.parametrize(
    ("case", "told"),
    [
        pytest.param(SMALLEST, ["deployment/jobs-huawei", "Nothing scrapes it", "honor_labels"], id="one"),
        pytest.param("TLS by a Secret, of shards", ["https://127.0.0.1:10926"], id="TLS as the monitor has it"),
        pytest.param("TLS and users by text", ["https://127.0.0.1:10926"], id="TLS"),
        pytest.param("shards with journals", ["statefulset/jobs-huawei", "2 shards", "begin at 0"], id="shards"),
    ],
)
def test_the_notes_tell_what_to_do_next(case: str, told: list[str]) -> None:
    done = kube.helm("helm4", "notes", values(case))

    assert done.returncode == 0, done.stderr
    for words in told:
        assert words in done.stdout.partition("NOTES:")[2]


def test_the_chart_is_of_this_version() -> None:
    chart = yaml.safe_load((CHART / "Chart.yaml").read_text())

    assert chart["appVersion"] == __version__


FINE: Final[Manifest] = {
    "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
    "containers": [
        {"name": "c", "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}}
    ],
}


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (("hostNetwork",), True, "hostNetwork"),
        (("hostPID",), True, "hostPID"),
        (("volumes",), [{"name": "v", "hostPath": {"path": "/"}}], "volume v"),
        (("securityContext", "runAsNonRoot"), None, "c: runAsNonRoot"),
        (("securityContext", "runAsUser"), 0, "pod: runAsUser"),
        (("securityContext", "sysctls"), [{"name": "net.core.somaxconn", "value": "1"}], "sysctls"),
        (("securityContext", "seccompProfile"), {}, "c: seccompProfile"),
        (("containers", 0, "securityContext", "seccompProfile"), {"type": "Unconfined"}, "c: seccompProfile"),
        (("containers", 0, "securityContext", "runAsUser"), 0, "c: runAsUser"),
        (("containers", 0, "securityContext", "runAsNonRoot"), False, "c: runAsNonRoot"),
        (("containers", 0, "securityContext", "privileged"), True, "c: privileged"),
        (("containers", 0, "securityContext", "allowPrivilegeEscalation"), None, "c: allowPrivilegeEscalation"),
        (("containers", 0, "securityContext", "capabilities"), {}, "c: capabilities.drop"),
        (
            ("containers", 0, "securityContext", "capabilities"),
            {"drop": ["ALL"], "add": ["SYS_TIME"]},
            "c: capabilities.add",
        ),
        (("containers", 0, "ports"), [{"containerPort": 1, "hostPort": 1}], "c: hostPort"),
        (("containers", 0, "livenessProbe"), {"httpGet": {"host": "169.254.169.254"}}, "c: host of a probe"),
        (("initContainers",), [{"name": "i"}], "i: allowPrivilegeEscalation"),
    ],
)
def test_the_restricted_standard_sees_each_fault(path: tuple[Any, ...], value: Any, told: str) -> None:
    assert kube.violations(FINE) == []
    pod = copy.deepcopy(FINE)
    place: Any = pod
    for part in path[:-1]:
        place = place[part]
    place[path[-1]] = value

    assert told in kube.violations(pod)
