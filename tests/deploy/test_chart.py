"""The Helm chart, by real helms of two generations, over a matrix of values."""

import copy
import json
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, Final

import pytest
import yaml

from exporter import __version__
from tests.deploy import kube
from tests.deploy.kube import CHART, Manifest
from tests.deploy.tools import GENERATIONS, ROOT
from tests.e2e.processes import exporter

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
SMALLEST: Final = "only a configuration"
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
        "env": [
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
def test_helm_finds_no_fault(case: str, generation: str, tmp_path: Path) -> None:
    done = kube.helm(generation, "lint", values(case), tmp_path)

    assert done.returncode == 0, done.stdout + done.stderr
    assert "[WARNING]" not in done.stdout


@each_helm
@each_case
@pytest.mark.parametrize("version", VERSIONS)
def test_kubernetes_and_the_operator_know_every_key(case: str, generation: str, version: str, tmp_path: Path) -> None:
    for manifest in kube.template(generation, values(case), tmp_path):
        kube.validate(manifest, version)


@each_helm
@each_case
def test_the_pods_pass_the_restricted_standard(case: str, generation: str, tmp_path: Path) -> None:
    (pod,) = kube.pods(kube.template(generation, values(case), tmp_path))

    assert kube.violations(pod) == []
    assert pod["automountServiceAccountToken"] is False
    assert pod["enableServiceLinks"] is False
    assert pod["containers"][0]["securityContext"]["readOnlyRootFilesystem"] is True


@each_case
def test_both_helms_make_the_same(case: str, tmp_path: Path) -> None:
    old, new = (sorted(kube.template(generation, values(case), tmp_path), key=json.dumps) for generation in GENERATIONS)

    assert old == new


@each_helm
@each_case
def test_the_exporter_accepts_what_it_will_be_given(case: str, generation: str, tmp_path: Path) -> None:
    manifests = kube.template(generation, values(case), tmp_path)
    # the folders of the pod become folders of the test
    config = write(
        kube.one(manifests, "ConfigMap", kube.pods(manifests)[0]["volumes"][0]["configMap"]["name"]), tmp_path
    )
    for folder in ("/run/secrets/huaweicloud", "/run/jobs"):
        (tmp_path / folder[1:]).mkdir(parents=True)
        config.write_text(config.read_text().replace(folder, f"{tmp_path}{folder}"))
    for name in ("key_id", "secret"):
        (tmp_path / "run/secrets/huaweicloud" / name).write_text("EXAMPLE")
    if case_jobs := values(case).get("jobFiles"):
        write(kube.one(manifests, "ConfigMap", "-jobs"), tmp_path / "run/jobs")
    container = kube.pods(manifests)[0]["containers"][0]
    variables = {each["name"]: each["value"] for each in container["env"] if "value" in each}

    done = exporter("check", "--config", str(config), HOSTNAME="jobs-huaweicloud-job-exporter-0", **variables)

    assert (done.returncode, done.stderr) == (0, ""), done.stderr
    shards = values(case).get("shards", 1)
    assert (f"shard 0 of {shards}" in done.stdout) == (shards > 1)
    if shards == 1:
        assert ("1 dws job" in done.stdout) == bool(case_jobs)


def write(manifest: Manifest, folder: Path) -> Path:
    """Write the files of a ConfigMap as a mount shows them; return the path of the first."""
    for name, text in manifest["data"].items():
        (folder / name).write_text(text)
    return folder / str(next(iter(manifest["data"])))


@each_helm
def test_text_stays_text(generation: str, tmp_path: Path) -> None:
    manifests = kube.template(generation, values("everything of one replica"), tmp_path)

    assert kube.one(manifests, "ConfigMap", "exporter")["data"] == {"exporter.yaml": CONFIG}
    assert kube.one(manifests, "ConfigMap", "-jobs")["data"] == {"nightly.yaml": JOBS, "weekly.jsonl": ""}


def test_one_replica_is_a_deployment_that_never_runs_twice(tmp_path: Path) -> None:
    manifests = kube.template("helm4", values("everything of one replica"), tmp_path)
    deployment = kube.one(manifests, "Deployment")

    assert deployment["spec"]["replicas"] == 1
    assert deployment["spec"]["strategy"] == {"type": "Recreate"}
    assert {each["kind"] for each in manifests} >= {"PersistentVolumeClaim", "NetworkPolicy", "ServiceMonitor"}
    assert "PodDisruptionBudget" not in {each["kind"] for each in manifests}


def test_shards_are_a_stateful_set_whose_ordinal_is_the_shard(tmp_path: Path) -> None:
    manifests = kube.template("helm4", values("shards with journals"), tmp_path)
    shards = kube.one(manifests, "StatefulSet")
    variables = {each["name"]: each["value"] for each in kube.pods(manifests)[0]["containers"][0]["env"]}

    assert shards["spec"]["replicas"] == 2
    assert (variables["EXPORTER_SHARDING__SHARDS"], variables["EXPORTER_SHARDING__SHARD"]) == ("2", "auto")
    assert [each["metadata"]["name"] for each in shards["spec"]["volumeClaimTemplates"]] == ["journal"]
    assert shards["spec"]["serviceName"] == kube.one(manifests, "Service")["metadata"]["name"]
    assert kube.one(manifests, "PodDisruptionBudget")["spec"]["maxUnavailable"] == 1
    assert {"Deployment", "PersistentVolumeClaim"}.isdisjoint(each["kind"] for each in manifests)


@each_case
def test_everything_that_selects_the_pods_finds_them(case: str, tmp_path: Path) -> None:
    manifests = kube.template("helm4", values(case), tmp_path)
    (labels,) = (each["spec"]["template"]["metadata"]["labels"] for each in manifests if kube.pod_of(each))
    service = kube.one(manifests, "Service")
    selectors = {each["kind"]: selector(each) for each in manifests if selector(each)}

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
def test_a_monitor_keeps_the_exporters_own_labels(kind: str, tmp_path: Path) -> None:
    name = kind[0].lower() + kind[1:]
    monitor = kube.one(kube.template("helm4", values(SMALLEST, **{name: {"enabled": True}}), tmp_path), kind)
    (endpoint,) = monitor["spec"].get("endpoints") or monitor["spec"]["podMetricsEndpoints"]

    assert endpoint == {"port": "metrics", "interval": "30s", "honorLabels": True}


def test_only_where_asked_a_changed_configuration_replaces_the_pod(tmp_path: Path) -> None:
    def annotations(**more: Any) -> Any:
        manifests = kube.template("helm4", values(SMALLEST, **more), tmp_path)
        return kube.one(manifests, "Deployment")["spec"]["template"]["metadata"].get("annotations")

    assert annotations() is annotations(config="projects: {}") is None
    assert annotations(restartOnChange=True) == annotations(restartOnChange=True)
    assert annotations(restartOnChange=True) != annotations(restartOnChange=True, config="projects: {}")


def test_no_secret_is_made(tmp_path: Path) -> None:
    for case in CASES:
        assert "Secret" not in {each["kind"] for each in kube.template("helm4", values(case), tmp_path)}


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
        pytest.param({"podMonitor": {"interval": "often"}}, "interval", id="no interval"),
        pytest.param(
            {"podMonitor": {"enabled": True}, "serviceMonitor": {"enabled": True}}, "scraped twice", id="two monitors"
        ),
    ],
)
def test_a_mistake_in_the_values_is_refused_by_name(
    wrong: Manifest, told: str, generation: str, tmp_path: Path
) -> None:
    done = kube.helm(generation, "template", {"config": CONFIG, **wrong}, tmp_path)

    assert done.returncode != 0
    assert told in done.stderr


def test_every_value_is_in_the_schema_and_the_other_way_round() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())

    def names(node: Manifest, place: str = "") -> set[str]:
        if "$ref" in node:
            node = schema["definitions"][node["$ref"].rpartition("/")[2]]
        inner = node.get("properties", {})
        if inner and place:
            assert node["additionalProperties"] is False, place
        return {place}.union(*(names(below, f"{place}.{name}") for name, below in inner.items()))

    def written(node: Any, place: str = "") -> set[str]:
        inner = node if isinstance(node, dict) else {}
        return {place}.union(*(written(below, f"{place}.{name}") for name, below in inner.items()))

    free = re.compile(r"\.(resources\.(requests|limits)|dashboards\.labels)\..*")
    told = {
        place for place in written(yaml.safe_load((CHART / "values.yaml").read_text())) if not free.fullmatch(place)
    }
    assert schema["additionalProperties"] is False
    assert names(schema) - {".global"} == told


@each_helm
def test_rules_and_dashboards_are_taken_word_for_word(generation: str, filled: Path, tmp_path: Path) -> None:
    asked = values(
        SMALLEST,
        prometheusRule={"enabled": True, "labels": {"release": "prometheus"}},
        dashboards={"enabled": True, "annotations": {"grafana_folder": "Data"}},
    )
    manifests = kube.template(generation, asked, tmp_path, filled)
    rules, dashboard = kube.one(manifests, "PrometheusRule"), kube.one(manifests, "ConfigMap", "-dashboard-example")

    assert rules["spec"] == yaml.safe_load(RULES)
    assert rules["metadata"]["labels"]["release"] == "prometheus"
    assert dashboard["data"] == {"example.json": '{"title": "{{job}}"}\n'}
    assert dashboard["metadata"]["labels"]["grafana_dashboard"] == "1"
    assert dashboard["metadata"]["annotations"] == {"grafana_folder": "Data"}
    for manifest in manifests:
        kube.validate(manifest, "1.37")


@pytest.mark.parametrize("value", ["prometheusRule", "dashboards"])
def test_a_chart_that_lost_its_files_says_so(value: str, filled: Path, tmp_path: Path) -> None:
    shutil.rmtree(filled / "files")

    done = kube.helm("helm4", "template", values(SMALLEST, **{value: {"enabled": True}}), tmp_path, filled)

    assert done.returncode != 0
    assert "packaged without files/" in done.stderr


@pytest.mark.parametrize(("ours", "source"), [("rules/*.yml", "prometheus"), ("dashboards/*.json", "grafana")])
def test_the_copies_in_the_chart_are_what_deploy_has(ours: str, source: str) -> None:
    copies = {path.name: path.read_text() for path in (CHART / "files").glob(ours)}
    there = {path.name: path.read_text() for path in (ROOT / "deploy" / source).glob(ours)}

    there.pop("periods.yml", None)  # are values of the chart
    assert copies == there


@each_helm
def test_the_operator_takes_the_rules_and_the_dashboards_that_are_shipped(generation: str, tmp_path: Path) -> None:
    shipped = {"prometheusRule": "files/rules/*.yml", "dashboards": "files/dashboards/*.json"}
    enabled = {value: {"enabled": True} for value, pattern in shipped.items() if [*CHART.glob(pattern)]}
    manifests = kube.template(generation, values(SMALLEST, **enabled), tmp_path)

    for manifest in manifests:
        kube.validate(manifest, "1.37")
        for name, text in manifest.get("data", {}).items():
            if name.endswith(".json"):
                assert json.loads(text)["title"]


@each_helm
def test_periods_of_the_jobs_are_values(generation: str, tmp_path: Path) -> None:
    periods = [
        {"service": "dli", "job": "nightly-orders", "seconds": 86400, "stuckSeconds": 7200},
        {"service": "cdm", "job": "订单 {{ a }}: 'b' \"c\"", "seconds": 31536000},
        {"service": "dws", "job": "on", "stuckSeconds": 60},
    ]
    rule = {"enabled": True, "periods": periods, "labels": {"release": "prometheus"}}
    manifests = kube.template(generation, values(SMALLEST, prometheusRule=rule), tmp_path)

    made = kube.one(manifests, "PrometheusRule", "-periods")
    declared = "service_job:huaweicloud_job_{}_seconds:declared"
    assert made["metadata"]["labels"]["release"] == "prometheus"
    assert [(each["record"], each["labels"]["job"], each["expr"]) for each in made["spec"]["groups"][0]["rules"]] == [
        (declared.format("period"), periods[0]["job"], "vector(86400)"),
        (declared.format("stuck"), periods[0]["job"], "vector(7200)"),
        (declared.format("period"), periods[1]["job"], "vector(31536000)"),
        (declared.format("stuck"), periods[2]["job"], "vector(60)"),
    ]
    kube.validate(made, "1.37")
    (tmp_path / "periods.yml").write_text(yaml.safe_dump(made["spec"]))
    done = subprocess.run(["promtool", "check", "rules", tmp_path / "periods.yml"], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize(
    ("case", "told"),
    [
        pytest.param(SMALLEST, ["deployment/jobs-huawei", "Nothing scrapes it", "honor_labels"], id="one"),
        pytest.param("shards with journals", ["statefulset/jobs-huawei", "2 shards", "start anew"], id="shards"),
    ],
)
def test_the_notes_tell_what_to_do_next(case: str, told: list[str], tmp_path: Path) -> None:
    done = kube.helm("helm4", "notes", values(case), tmp_path)

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
