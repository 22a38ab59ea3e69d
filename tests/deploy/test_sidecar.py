"""The sidecar's own configuration and the main container's own script, as processes, against the pretend cloud."""

import json
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from exporter.simulator import Cloud
from tests.deploy import kube
from tests.deploy.tools import ROOT
from tests.e2e.processes import PATIENCE, environment, eventually, fetch, prometheus, query, serving
from tests.fork_server import Forked

SCRAPES = """\
scrape_configs:
  - job_name: pods
    honor_labels: true
    scrape_interval: 1s
    static_configs: [{{targets: ["{}"]}}]
"""


def exporter_at(url: str, project_id: str) -> dict[str, str]:
    """Return the variables that lead the sidecar to the pretend cloud."""
    project = "EXPORTER_PROJECTS__PROD__"
    return {
        f"{project}CLOUD": "custom",
        f"{project}PROJECT_ID": project_id,
        f"{project}ENDPOINTS": json.dumps({"dli": url, "iam": url}),
        f"{project}CREDENTIALS__PASSWORD__DOMAIN": Cloud.domain,
        f"{project}CREDENTIALS__PASSWORD__USER": Cloud.user,
    }


def main_at(url: str, project_id: str) -> dict[str, str]:
    """Return the variables of the main container, of the names in its manifest."""
    return {"IAM_URL": url, "DLI_URL": url, "PROJECT_ID": project_id, "DOMAIN": Cloud.domain, "USER": Cloud.user}


@dataclass(frozen=True)
class Sidecar:
    """The files of the rendered overlay, and where the pretend cloud is instead of the real one."""

    folder: Path
    cloud: Mapping[str, Any]

    @property
    def exporter(self) -> dict[str, str]:
        """Return the variables that lead the exporter to the pretend cloud."""
        # info, because the test reads in the log where it listens
        return {"EXPORTER_LOG__LEVEL": "info", **exporter_at(self.cloud["url"], self.cloud["project_id"])}

    @property
    def main(self) -> dict[str, str]:
        """Return the variables of the main container, of the same names as in the manifest."""
        python = Path(sys.executable).parent
        return environment(
            PATH=f"{python}:{os.environ['PATH']}",
            **main_at(self.cloud["url"], self.cloud["project_id"]),
            PASSWORD_FILE=str(self.folder / "password"),
        )

    def run(self, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command of the main container to its end."""
        return subprocess.run(command, env=self.main, capture_output=True, text=True, timeout=PATIENCE, check=False)


@pytest.fixture
def cloud(request: pytest.FixtureRequest) -> Iterator[dict[str, Any]]:
    """Run the simulator, faster if the test says so, and return what it announced."""
    speed = str(getattr(request, "param", 1))
    command = ("-m", "exporter.simulator", "--until-eof", "--speed", speed)
    with Forked(*command, env=environment(), stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout is not None
        yield json.loads(process.stdout.readline())
        process.terminate()


@pytest.fixture
def sidecar(cloud: dict[str, Any], tmp_path: Path) -> Sidecar:
    """Write the files that the pod mounts, with this test's folders for those of the pod."""
    places = {"/opt/pipeline": tmp_path, "/run/jobs": tmp_path / "jobs", "/run/secrets/huaweicloud": tmp_path}
    (tmp_path / "jobs").mkdir()
    (tmp_path / "password").write_text(f"{Cloud.password}\n")
    for manifest in kube.kustomize("helm4", ROOT / "deploy/kustomize/overlays/sidecar"):
        for name, text in manifest.get("data", {}).items():
            for old, new in places.items():
                text = text.replace(old, str(new))
            (tmp_path / name).write_text(text)
    return Sidecar(tmp_path, cloud)


def state(body: str) -> str:
    """Return the state that an exposition tells of the one job; empty if it has none."""
    lines = [line for line in body.splitlines() if line.startswith("huaweicloud_job_state{")]
    return "".join(line.partition('state="')[2].partition('"')[0] for line in lines if float(line.split()[-1]) == 1)


def last_scraped(scrape: Callable[[], tuple[int, bytes | str]]) -> str:
    """Scrape again and again, as Prometheus does, until nobody answers; return the state that was seen last."""
    bodies: list[bytes | str] = []

    def gone() -> bool:
        status, body = scrape()
        bodies.extend([body] if status == 200 else [])
        return status == 0

    eventually(gone, "the exporter has ended", 15)
    last = bodies[-1]
    return state(last if isinstance(last, str) else last.decode())


def test_the_last_scrape_sees_the_end_and_nothing_waits_longer(sidecar: Sidecar) -> None:
    config = str(sidecar.folder / "exporter.yaml")
    often = {"EXPORTER_POLL__INTERVAL": "1s", "EXPORTER_POLL__IDLE_INTERVAL": "1s"}  # the pretend job is a short one
    with serving("run", "--config", config, **sidecar.exporter, **often) as (exporter, address):
        with subprocess.Popen(["sh", str(sidecar.folder / "main.sh")], env=sidecar.main) as main:
            eventually(
                lambda: state(fetch(f"{address}/metrics")[1].decode()) == "running", "the job is seen to run", 15
            )
            assert main.wait(PATIENCE) == 0
        (line,) = (sidecar.folder / "jobs/jobs.jsonl").read_text().splitlines()
        assert json.loads(line)["job_id"] not in {job.get("job_id") for job in sidecar.cloud["jobs"]}
        exporter.send_signal(signal.SIGTERM)  # as the kubelet does when the main container is over
        assert last_scraped(lambda: fetch(f"{address}/metrics")) == "succeeded"
        assert exporter.wait(timeout=PATIENCE) == 0


@pytest.mark.needs("prometheus")
def test_prometheus_keeps_the_end_of_a_pod_that_is_gone(sidecar: Sidecar) -> None:
    config = str(sidecar.folder / "exporter.yaml")
    with (
        serving("run", "--config", config, **sidecar.exporter) as (exporter, address),
        prometheus(sidecar.folder, SCRAPES.format(address.removeprefix("http://"))) as server,
    ):
        assert sidecar.run("sh", str(sidecar.folder / "main.sh")).returncode == 0
        exporter.send_signal(signal.SIGTERM)
        assert exporter.wait(timeout=PATIENCE) == 0
        (found,) = query(server, 'last_over_time(huaweicloud_job_state{service="dli", job="nightly-orders"}[5m]) == 1')

    assert found["metric"]["state"] == "succeeded"


@pytest.mark.parametrize("cloud", [20], indirect=True)
def test_the_main_container_fails_as_its_job_fails(sidecar: Sidecar) -> None:
    failing = next(job["job_id"] for job in sidecar.cloud["jobs"] if job.get("name") == "ods_app_log_import")

    done = sidecar.run("python", str(sidecar.folder / "dli.py"), "wait", failing)

    assert done.returncode == 1
    assert "DLI.0999" in done.stderr


def test_without_a_right_password_nothing_is_registered(sidecar: Sidecar) -> None:
    (sidecar.folder / "password").write_text("wrong")

    done = sidecar.run("sh", str(sidecar.folder / "main.sh"))

    assert done.returncode != 0
    assert "401" in done.stderr
    assert list((sidecar.folder / "jobs").iterdir()) == []
