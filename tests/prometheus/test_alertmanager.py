"""The configurations of Alertmanager in the documents: it takes them, and they do what the text says."""

import json
import re
import socket
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from tests.e2e.processes import PATIENCE, ROOT, eventually, fetch


def examples(page: str) -> list[str]:
    """Return the configurations of Alertmanager on a page."""
    blocks = re.findall(r"```yaml\n(.*?)```", (ROOT / "docs" / page).read_text(), re.DOTALL)
    return [block for block in blocks if re.search(r"^route:", block, re.MULTILINE)]


@pytest.mark.needs("amtool")
@pytest.mark.parametrize("page", ["alerts.md", "promises.md"])
def test_alertmanager_takes_the_configuration_in_the_documents(page: str, tmp_path: Path) -> None:
    (example,) = examples(page)
    (tmp_path / "alertmanager.yml").write_text(example)

    done = subprocess.run(["amtool", "check-config", tmp_path / "alertmanager.yml"], capture_output=True, text=True)

    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.needs("prometheus-alertmanager")
def test_what_follows_from_another_alert_of_the_same_exporter_or_project_is_inhibited(tmp_path: Path) -> None:
    """One crash is told once, and so is what blinds a project; those of another cluster are not hidden by it."""
    (example,) = examples("alerts.md")
    (tmp_path / "alertmanager.yml").write_text(example)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    process = subprocess.Popen(
        [
            "prometheus-alertmanager",
            f"--config.file={tmp_path}/alertmanager.yml",
            f"--storage.path={tmp_path}/data",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    try:
        eventually(lambda: fetch(f"http://{address}/-/ready")[0] == 200, "Alertmanager is ready")
        east, west = ({"cluster": cluster, "namespace": "n"} for cluster in ("east", "west"))
        job = {"project": "prod", "service": "cdm", "job": "orders"}
        sent = [
            {"alertname": "HuaweicloudJobExporterDown", **east, "job": "exporter", "instance": "a:1"},
            {"alertname": "HuaweicloudJobExporterShardMissing", **east, "job": "exporter"},
            {"alertname": "HuaweicloudJobExporterShardMissing", **west, "job": "exporter"},
            {"alertname": "HuaweicloudJobProjectBlind", **east, "project": "prod"},
            {"alertname": "HuaweicloudJobUnseen", **east, **job},
            {"alertname": "HuaweicloudJobUnseen", **west, **job},
            {"alertname": "HuaweicloudJobDeadlineMissed", **west, **job},
            {"alertname": "HuaweicloudJobNotSucceeded", **west, **job},
        ]
        post(f"http://{address}/api/v2/alerts", [{"labels": labels} for labels in sent])

        def suppressed() -> set[tuple[str, str]] | None:
            told: list[dict[str, Any]] = json.loads(fetch(f"http://{address}/api/v2/alerts")[1])
            if len(told) < len(sent) or any(each["status"]["state"] == "unprocessed" for each in told):
                return None
            hidden = [each for each in told if each["status"]["state"] == "suppressed"]
            return {
                (each["labels"]["alertname"].removeprefix("HuaweicloudJob"), each["labels"]["cluster"])
                for each in hidden
            }

        assert eventually(suppressed, "all alerts are known") == {
            ("ExporterShardMissing", "east"),
            ("Unseen", "east"),
            ("NotSucceeded", "west"),
        }
    finally:
        process.terminate()
        process.wait(timeout=PATIENCE)


def post(url: str, told: object) -> None:
    request = urllib.request.Request(url, json.dumps(told).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        assert answer.status == 200
