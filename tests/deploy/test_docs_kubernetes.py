"""The commands of docs/kubernetes.md, one by one and as they stand there.

There is no cluster: what would change one is rendered instead, by the same program from the same arguments, and what
would look at one is held against what was rendered.
"""

import re
import shlex
import subprocess
from pathlib import Path
from typing import Final

import pytest
import yaml

from exporter import __version__
from tests.deploy import kube
from tests.deploy.kube import Manifest
from tests.deploy.tools import ROOT, program
from tests.e2e.processes import exporter

PAGE: Final = (ROOT / "docs/kubernetes.md").read_text()
IMAGE: Final = f"registry.example.com/huaweicloud-job-exporter:{__version__}"
OPTIONS: Final = ("--dry-run=client", "--output=yaml")


def section(title: str) -> str:
    return PAGE.partition(f"\n## {title}\n")[2].partition("\n## ")[0]


def commands(title: str) -> list[list[str]]:
    return [shlex.split(line) for line in re.findall(r"^\$ (.*)$", section(title), re.MULTILINE)]


def run(*command: str, folder: Path = ROOT) -> list[Manifest]:
    done = subprocess.run(
        [program("helm4", command[0]), *command[1:]],
        cwd=folder,
        env={"HOME": str(folder)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return kube.documents(done.stdout)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a folder with the files that the page has one write, and with the chart."""
    for name, text in re.findall(r"```yaml\n# (\S+)\n(.*?)```", PAGE, re.DOTALL):
        (tmp_path / name).write_text(text)
    (tmp_path / "deploy").symlink_to(ROOT / "deploy")
    return tmp_path


def names(manifests: list[Manifest]) -> set[str]:
    return {f"{each['kind'].lower()}/{each['metadata']['name']}" for each in manifests}


def test_every_command_is_looked_at() -> None:
    titles = ("The image", "The key", "Helm", "TLS and users", "Upgrade", "Kustomize", "Sidecar")

    assert re.findall(r"^## (.*)$", PAGE, re.MULTILINE) == list(titles)
    assert sum(len(commands(title)) for title in titles) == PAGE.count("\n$ ")
    for title in titles:
        for command in commands(title):
            known = {
                "docker": "build push",
                "helm": "upgrade",
                "kubectl": "create apply rollout exec port-forward wait",
            }
            assert command[1] in known[command[0]].split()


def test_the_image_is_the_one_that_is_installed(folder: Path) -> None:
    build, push = commands("The image")

    assert build[1:4] == ["build", "--build-arg", "REVISION=$(git"]
    assert IMAGE in build
    assert push == ["docker", "push", IMAGE]
    (pod,) = kube.pods(installed(folder))
    assert pod["containers"][0]["image"] == IMAGE


def installed(folder: Path, title: str = "Helm") -> list[Manifest]:
    install = next(command for command in commands(title) if command[0] == "helm")
    assert install[1:3] == ["upgrade", "--install"]
    return run("helm", "template", "--skip-tests", *install[3:], folder=folder)


def test_the_secret_has_the_keys_that_the_configuration_names(folder: Path) -> None:
    (create,) = commands("The key")
    (secret,) = run(*create, *OPTIONS)
    (pod,) = kube.pods(installed(folder))
    mounted = next(each["mountPath"] for each in pod["containers"][0]["volumeMounts"] if each["name"] == "secret")

    assert secret["metadata"]["name"] in {
        volume["secret"]["secretName"] for volume in pod["volumes"] if "secret" in volume
    }
    told = set(re.findall(rf"{mounted}/(\w+)", (folder / "exporter.yaml").read_text()))
    assert told == set(secret["data"])


def test_what_helm_installs_is_what_the_other_commands_look_at(folder: Path) -> None:
    manifests = installed(folder)
    for manifest in manifests:
        kube.validate(manifest, "1.37")
    _, rollout, execute, forward = commands("Helm")

    assert {rollout[3], execute[2], forward[2]} <= names(manifests)
    (container,) = kube.pods(manifests)[0]["containers"]
    assert forward[3] == str(container["ports"][0]["containerPort"])
    inside = execute[execute.index("--") + 1 :]
    assert inside == ["huaweicloud-job-exporter", "check", *container["args"][1:]]


def test_the_configuration_passes_the_check(folder: Path) -> None:
    config = folder / "exporter.yaml"
    for name in ("key_id", "secret"):
        (folder / name).write_text("EXAMPLE")
    config.write_text(config.read_text().replace("/run/secrets/huaweicloud", str(folder)))

    done = exporter("check", "--config", str(config))

    assert (done.returncode, done.stderr) == (0, "")


def test_its_tls_and_users_are_those_of_the_pod_and_of_the_monitor(folder: Path) -> None:
    manifests = installed(folder, "TLS and users")
    for manifest in manifests:
        kube.validate(manifest, "1.37")
    secret, monitor = kube.one(manifests, "Secret"), kube.one(manifests, "ServiceMonitor")
    (endpoint,) = monitor["spec"]["endpoints"]
    (container,) = kube.pods(manifests)[0]["containers"]
    mounts = {each["mountPath"] for each in container["volumeMounts"]}

    assert secret["stringData"]["web.yml"] == (folder / "web.yml").read_text()
    assert {str(Path(file).parent) for file in re.findall(r"/run/\S+", (folder / "web.yml").read_text())} <= mounts
    name = f"{kube.one(manifests, 'Service')['metadata']['name']}.default.svc"
    assert name.replace("default", "NAMESPACE") in section("TLS and users")
    assert (endpoint["scheme"], endpoint["tlsConfig"]["serverName"]) == ("https", name)
    assert "exec" in container["livenessProbe"]


@pytest.mark.parametrize(("title", "ending"), [("Kustomize", 3), ("Sidecar", -1)])
def test_what_is_applied_is_what_is_waited_for(title: str, ending: int) -> None:
    apply, wait = commands(title)[-2:]
    assert apply[1:3] == ["apply", "-k"]
    manifests = run("kubectl", "kustomize", apply[3])

    for manifest in manifests:
        kube.validate(manifest, "1.37")
    assert wait[ending] in names(manifests)


def test_the_secret_of_the_sidecar_has_the_password_that_both_containers_read() -> None:
    create = next(command for command in commands("Sidecar") if command[1] == "create")
    (secret,) = run(*create, *OPTIONS)
    manifests = kube.kustomize("helm4", ROOT / "deploy/kustomize/overlays/sidecar")
    (pod,) = kube.pods(manifests)

    assert [each["secret"]["secretName"] for each in pod["volumes"] if "secret" in each] == [secret["metadata"]["name"]]
    told = set(re.findall(r"/run/secrets/huaweicloud/(\w+)", yaml.safe_dump_all(manifests)))
    assert told == set(secret["data"]) == {"password"}


def test_the_files_to_edit_are_where_the_page_says() -> None:
    for path in re.findall(r"`(deploy/\S+)`", PAGE):
        assert (ROOT / path).is_file(), path
    assert "newName" in (ROOT / "deploy/kustomize/overlays/single/kustomization.yaml").read_text()
    assert "  - podmonitor.yaml" in (ROOT / "deploy/kustomize/base/kustomization.yaml").read_text()


def test_every_value_it_names_exists() -> None:
    defaults = yaml.safe_load((kube.CHART / "values.yaml").read_text())
    for row in re.findall(r"^\| .* \|$", section("Helm"), re.MULTILINE)[2:]:
        for name in re.findall(r"`(\w+)(?:\.(\w+))?(?:: [^`]*)?`", row.rpartition(" | ")[2] + row.split(" | ")[1]):
            if name[0] in {"helm", "labels", "job_files"}:
                continue
            assert name[0] in defaults, row
            assert not name[1] or name[1] in defaults[name[0]], row
