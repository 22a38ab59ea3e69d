"""deploy/examples: a pipeline by cron, by Argo, by Airflow and by a shell, each with a sidecar and a central exporter.

Argo and Airflow are not here: of their manifests the pods are held against Kubernetes, and the DAG is run with
stand-ins for the two names that it imports. The shell scripts run for real, against the pretend cloud.
"""

import json
import re
import shlex
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import pytest
import yaml

from exporter import __version__
from exporter.simulator import Cloud
from tests.deploy import kube
from tests.deploy.engine import Engine
from tests.deploy.kube import Manifest
from tests.deploy.test_kube_play import PASSWORD, URL, adapted, cloud, played
from tests.deploy.test_sidecar import cloud as process
from tests.deploy.test_sidecar import exporter_at, last_scraped, main_at, state
from tests.deploy.tools import ROOT, program
from tests.e2e.processes import PATIENCE, environment, eventually, fetch, serving

__all__ = ["cloud", "process"]
FOLDER: Final = ROOT / "deploy/examples"
PAGE: Final = (ROOT / "docs/examples.md").read_text()
OVERLAY: Final = ROOT / "deploy/kustomize/overlays/sidecar"
OLDEST: Final = {"sidecar": "1.29", "central": "1.25"}
SQL: Final = "select '\"x\\y\"\t' as a\n  from t\n"

each_way = pytest.mark.parametrize("way", OLDEST)
each_tool = pytest.mark.parametrize("tool", ["cronjob", "argo", "airflow"])


def read(name: str) -> Manifest:
    (found,) = kube.documents((FOLDER / name).read_text())
    return found


def pod(tool: str, way: str) -> Manifest:
    """Return the pod that a manifest describes, as one that Kubernetes knows."""
    manifest = read(f"{tool}-{way}.yaml")
    if tool == "airflow":
        return manifest
    if tool == "cronjob":
        template = manifest["spec"]["jobTemplate"]["spec"]["template"]
        metadata, spec = template["metadata"], template["spec"]
    else:
        (step,) = manifest["spec"]["templates"]
        spec = {
            "securityContext": manifest["spec"]["securityContext"],
            "volumes": manifest["spec"]["volumes"],
            "containers": [{"name": "main", **step["container"]}, *step.get("sidecars", ())],
            **json.loads(manifest["spec"].get("podSpecPatch", "{}")),
        }
        metadata = step["metadata"]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "nightly-orders", **metadata}, "spec": spec}


def main_of(spec: Manifest) -> Manifest:
    found: Manifest = next(each for each in spec["containers"] if each["name"] != "exporter")
    return found


@each_way
@each_tool
def test_kubernetes_knows_every_key_of_its_pod_and_the_restricted_standard_allows_it(tool: str, way: str) -> None:
    manifest = pod(tool, way)

    for version in (OLDEST[way], "1.37"):
        kube.validate(manifest, version)
        if tool == "cronjob":
            kube.validate(read(f"{tool}-{way}.yaml"), version)
    assert kube.violations(manifest["spec"]) == []


@each_way
@each_tool
def test_it_runs_the_script_that_the_page_makes_a_config_map_of(tool: str, way: str) -> None:
    spec = pod(tool, way)["spec"]
    main = main_of(spec)

    assert main["command"] == ["sh", "/opt/pipeline/main.sh"]
    assert {each["name"] for each in main["env"]} - {"JOB_FILE"} == set(main_at("", "").keys() | {"PASSWORD_FILE"})
    made = {each["metadata"]["name"]: set(each.get("data", ())) for each in created()}
    named = {each["configMap"]["name"] for each in spec["volumes"] if "configMap" in each}
    named |= {each["secret"]["secretName"] for each in spec["volumes"] if "secret" in each}
    assert named <= made.keys()
    assert made["nightly-orders"] == {"main.sh", "dli.py", "orders.sql"}
    assert made["nightly-orders-exporter"] == {"exporter.yaml"}
    assert made["huaweicloud-pipeline"] == {"password"}


def test_every_file_in_the_commands_exists_and_helm_takes_its_own() -> None:
    commands = re.findall(r"^\$ (.*)$", PAGE, re.MULTILINE)
    paths = {path for command in commands for path in re.findall(r"\bdeploy/[\w./-]+", command)}
    assert len(paths) >= 8
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
    (install,) = (shlex.split(command) for command in commands if command.startswith("helm "))
    assert install[1:3] == ["upgrade", "--install"]

    line = [program("helm4", "helm"), "template", "--skip-tests", *install[3:]]
    done = subprocess.run(line, cwd=ROOT, env={}, capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert done.returncode == 0, done.stderr
    (spec,) = kube.pods(kube.documents(done.stdout))
    assert spec["containers"][0]["image"] == f"registry.example.com/huaweicloud-job-exporter:{__version__}"


def created() -> Iterator[Manifest]:
    """Yield what the commands of the page would create."""
    for line in re.findall(r"^\$ (kubectl create (?!-f).*)$", PAGE, re.MULTILINE):
        done = subprocess.run(
            [program("helm4", "kubectl"), *shlex.split(line)[1:], "--dry-run=client", "--output=yaml"],
            cwd=ROOT,
            env={},
            capture_output=True,
            text=True,
            timeout=PATIENCE,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        yield from kube.documents(done.stdout)


@each_tool
def test_the_exporter_beside_it_outlives_the_main_container_by_its_linger(tool: str) -> None:
    manifest = pod(tool, "sidecar")
    spec = manifest["spec"]
    containers = (*spec["containers"], *spec.get("initContainers", ()))
    (exporter,) = (each for each in containers if each["name"] == "exporter")
    linger = int(yaml.safe_load((OVERLAY / "exporter.yaml").read_text())["web"]["linger"].removesuffix("s"))
    monitor = kube.one(kube.kustomize("helm4", OVERLAY), "PodMonitor")

    assert linger < spec["terminationGracePeriodSeconds"]
    assert exporter["image"] == f"registry.example.com/huaweicloud-job-exporter:{__version__}"
    selector = monitor["spec"]["selector"]
    assert selector["matchLabels"].items() <= manifest["metadata"]["labels"].items()
    assert manifest["metadata"]["labels"]["app.kubernetes.io/component"] in selector["matchExpressions"][0]["values"]
    assert monitor["spec"]["podMetricsEndpoints"][0]["port"] in {port["name"] for port in exporter["ports"]}


@each_tool
def test_it_writes_where_the_central_exporter_reads(tool: str) -> None:
    values = read("exporter-values.yaml")
    manifests = kube.template("helm4", values)
    for manifest in manifests:
        kube.validate(manifest, "1.37")
    (exporter,) = kube.pods(manifests)
    spec = pod(tool, "central")["spec"]
    (job_file,) = [each["value"] for each in main_of(spec)["env"] if each["name"] == "JOB_FILE"]
    (pattern,) = yaml.safe_load(values["config"])["job_files"]
    claim = read("jobs-volume.yaml")
    kube.validate(claim, "1.25")

    assert Path(job_file).match(pattern)
    for mounted, container in ((spec, main_of(spec)), (exporter, exporter["containers"][0])):
        (volume,) = [each for each in mounted["volumes"] if "persistentVolumeClaim" in each]
        assert volume["persistentVolumeClaim"]["claimName"] == claim["metadata"]["name"]
        assert {"/run/jobs"} == {
            each["mountPath"] for each in container["volumeMounts"] if each["name"] == volume["name"]
        }


def test_the_dags_start_the_pods_beside_them(monkeypatch: pytest.MonkeyPatch) -> None:
    started: dict[str, dict[str, Any]] = {}
    dags: list[str] = []

    class Dag:
        def __init__(self, name: str, **options: Any) -> None:
            assert options.keys() == {"schedule", "start_date", "catchup"}
            dags.append(name)

        def __enter__(self) -> None: ...

        def __exit__(self, *_: object) -> None: ...

    operators = "airflow.providers.cncf.kubernetes.operators.pod"
    parts = operators.split(".")
    for name in ("airflow.sdk", *(".".join(parts[:count]) for count in range(1, len(parts) + 1))):
        monkeypatch.setitem(sys.modules, name, ModuleType(name))
    monkeypatch.setattr(sys.modules["airflow.sdk"], "DAG", Dag, raising=False)
    monkeypatch.setattr(
        sys.modules[operators], "KubernetesPodOperator", lambda **each: started.update({dags[-1]: each}), raising=False
    )

    path = FOLDER / "airflow_dag.py"
    exec(compile(path.read_text(), path, "exec"), {"__file__": str(path)})

    assert dags == list(started) == ["nightly_orders_sidecar", "nightly_orders_central"]
    for each in started.values():
        template = yaml.safe_load(Path(each["pod_template_file"]).read_text())
        assert template["spec"]["containers"][0]["name"] == "base"  # the one that the operator waits for
        assert each["retries"] == 0


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port: int = server.getsockname()[1]
        return port


def shell_at(cloud: dict[str, Any], folder: Path) -> dict[str, str]:
    """Return the variables of the shell script, for the pretend cloud."""
    (folder / "password").write_text(f"{Cloud.password}\n")
    (folder / "orders.sql").write_text(SQL)
    (folder / "jobs").mkdir()
    told = main_at(cloud["url"], cloud["project_id"])
    told["IAM_USER"] = told.pop("USER")
    own = {
        "PASSWORD_FILE": str(folder / "password"),
        "SQL_FILE": str(folder / "orders.sql"),
        "JOB_NAME": "nightly-orders",
        "JOB_FILE": str(folder / "jobs/nightly-orders.jsonl"),
        "EVERY": "1",
    }
    assert set(re.findall(r"\b([A-Z]+_[A-Z]+|DOMAIN)\b", script().partition("set -eu")[0])) == {*told, *own} - {"EVERY"}
    return environment(**told, **own)


def script() -> str:
    return (FOLDER / "pipeline.sh").read_text()


def config_at(cloud: dict[str, Any], folder: Path, original: Path) -> dict[str, str]:
    """Write a shipped configuration for this test's folders, and return the variables that lead to the cloud."""
    text = original.read_text()
    if original.name == "exporter-values.yaml":
        text = yaml.safe_load(text)["config"]
    text = text.replace("/run/jobs", str(folder / "jobs")).replace("/run/secrets/huaweicloud", str(folder))
    (folder / "exporter.yaml").write_text(text)
    often = {"EXPORTER_POLL__INTERVAL": "1s", "EXPORTER_POLL__IDLE_INTERVAL": "1s", "EXPORTER_LOG__LEVEL": "info"}
    return often | exporter_at(cloud["url"], cloud["project_id"])


def total(body: str, result: str) -> float:
    pattern = rf'^huaweicloud_job_runs_total{{job="nightly-orders",result="{result}",service="dli"}} (\S+)$'
    found = re.search(pattern, body, re.MULTILINE)
    return float(found[1]) if found else -1


@pytest.mark.needs("curl")
def test_the_shell_script_registers_run_after_run_with_a_central_exporter(
    process: dict[str, Any], tmp_path: Path
) -> None:
    environ = shell_at(process, tmp_path)
    settings = config_at(process, tmp_path, FOLDER / "exporter-values.yaml")
    with serving("run", "--config", str(tmp_path / "exporter.yaml"), **settings) as (_, address):
        for count in (1, 2):
            line = ["sh", str(FOLDER / "pipeline.sh")]
            done = subprocess.run(line, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False)
            assert (done.returncode, done.stderr) == (0, "")
            eventually(
                lambda count=count: total(fetch(f"{address}/metrics")[1].decode(), "succeeded") == count,
                f"run {count} is counted",
            )
    assert [each.name for each in (tmp_path / "jobs").iterdir()] == ["nightly-orders.jsonl"]


@pytest.mark.needs("curl")
def test_without_a_right_password_the_shell_script_registers_nothing(process: dict[str, Any], tmp_path: Path) -> None:
    environ = shell_at(process, tmp_path)
    (tmp_path / "password").write_text("wrong")

    line = ["sh", str(FOLDER / "pipeline.sh")]
    done = subprocess.run(line, env=environ, capture_output=True, text=True, timeout=PATIENCE, check=False)

    assert done.returncode != 0
    assert "401" in done.stderr
    assert list((tmp_path / "jobs").iterdir()) == []


@pytest.mark.needs("curl")
def test_with_an_exporter_of_its_own_the_shell_script_ends_after_the_last_scrape(
    process: dict[str, Any], tmp_path: Path
) -> None:
    environ = shell_at(process, tmp_path) | config_at(process, tmp_path, OVERLAY / "exporter.yaml")
    python = Path(sys.executable).parent
    port = free_port()
    environ |= {"PATH": f"{python}:{environ['PATH']}", "EXPORTER_WEB__LISTEN_ADDRESS": f"127.0.0.1:{port}"}
    scripts = [str(FOLDER / name) for name in ("with-exporter.sh", "pipeline.sh")]
    command = ["sh", scripts[0], str(tmp_path / "exporter.yaml"), "sh", scripts[1]]
    with subprocess.Popen(command, env=environ) as both:
        address = f"http://127.0.0.1:{port}"
        eventually(lambda: state(fetch(f"{address}/metrics")[1].decode()) == "running", "the job is seen to run")
        eventually((tmp_path / "jobs/nightly-orders.jsonl").exists, "registered")
        assert last_scraped(lambda: fetch(f"{address}/metrics")) == "succeeded"
        assert both.wait(PATIENCE) == 0


def test_the_pod_of_the_cron_job_runs_in_podman(
    engine: Engine, image: str, base: str, cloud: Cloud, tmp_path: Path
) -> None:
    manifest = pod("cronjob", "sidecar")
    (exporter,), (main,) = manifest["spec"]["initContainers"], manifest["spec"]["containers"]
    exporter |= {
        "image": image,
        "env": [{"name": k, "value": v} for k, v in exporter_at(URL, cloud.project_id).items()],
    }
    main["image"] = base
    for variable in main["env"]:
        variable["value"] = main_at(URL, cloud.project_id).get(variable["name"], variable["value"])
    maps = [each for each in created() if each["kind"] == "ConfigMap"]
    with played(engine, adapted([*maps, manifest], PASSWORD), tmp_path) as running:
        beside, pipeline = running.container("exporter"), running.container("main")
        assert pipeline.ended() == 0, pipeline.logs()
        assert beside.state()["Running"], beside.logs()

        engine.podman("kill", "--signal=TERM", beside.name)  # as the kubelet does now
        assert last_scraped(lambda: running.infra.fetch("/metrics")) == "succeeded"
        assert beside.ended() == 0
