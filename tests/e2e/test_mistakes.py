"""Every mistake of an operator, made with the real command: its exact message, its exit code, no traceback."""

import json
import os
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from exporter.config import load
from exporter.model.errors import SettingsError
from tests.e2e.processes import ONE_JOB, eventually, exporter, fetch, serving
from tests.known import SERVICES

NOBODY = 65534


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """Return the path of a configuration that is fine."""
    path = tmp_path / "exporter.yaml"
    path.write_text(ONE_JOB)
    return path


@pytest.mark.parametrize("command", ["check", "run"])
@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(
            ONE_JOB + "polling: {}\n", 'FILE:9: polling: unknown key; did you mean "poll"?', id="an unknown key"
        ),
        pytest.param(
            ONE_JOB + "  - {service: dli, job_id: j2, name: orders}\n",
            'FILE:9: jobs[1].name: the name "orders" is taken among the dli jobs by FILE:8: jobs[0]; give it another',
            id="a doubled job",
        ),
        pytest.param(
            ONE_JOB + "jobs: []\n", 'FILE:9: the key "jobs" stands twice, first in line 7', id="a doubled key"
        ),
        pytest.param(
            ONE_JOB.replace("secret: b", "secret_file: gone"),
            "FILE:6: projects.prod.credentials.access_key.secret_file: there is no such file; mount it or correct the"
            " path",
            id="a missing secret file",
        ),
        pytest.param(
            ONE_JOB.replace("secret: b", "secret_file: ."),
            "FILE:6: projects.prod.credentials.access_key.secret_file: this is a directory; name the file in it",
            id="a secret that is a directory",
        ),
        pytest.param(
            "jobs: [\n",
            "FILE:1: not valid YAML: a list or mapping does not end; close its ] or }, or give the value",
            id="bad YAML",
        ),
        pytest.param("", "FILE: the file is empty; config/minimal.yaml is a place to start", id="an empty file"),
        pytest.param(
            ONE_JOB.replace("service: dli", "service: ecs"),
            f'FILE:8: jobs[0].service: unknown service "ecs"; known are {SERVICES}',
            id="a job of an unknown service",
        ),
    ],
)
def test_a_refused_configuration_says_where_and_what(text: str, message: str, command: str, config: Path) -> None:
    config.write_text(text)

    done = exporter(command, "--config", str(config))

    assert (done.returncode, done.stdout, done.stderr) == (1, "", message.replace("FILE", str(config)) + "\n")


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file(config: Path) -> None:
    config.write_text(ONE_JOB.replace("region:", "regoin:") + "poll: {interval: fast, concurrency: 0}\n")

    done = exporter("check", "--config", str(config), EXPORTER_POLL__TIMOUT="3s")

    lines = done.stderr.replace(str(config), "FILE").splitlines()
    assert lines == [
        'FILE:3: projects.prod.regoin: unknown key; did you mean "region"?',
        'FILE:9: poll.interval: expected a duration such as 30s or 5m, not "fast"',
        "FILE:9: poll.concurrency: expected at least 1, not 0",
        'environment: EXPORTER_POLL__TIMOUT: unknown variable; did you mean "EXPORTER_POLL__TIMEOUT"?',
    ]


def test_a_secret_file_without_the_right_to_read_it_is_told() -> None:
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        secret, config = Path(folder, "secret"), Path(folder, "exporter.yaml")
        secret.write_text("b")
        config.write_text(ONE_JOB.replace("secret: b", "secret_file: secret"))
        load(config, {})  # brings in all modules while this process may read them
        secret.chmod(0)
        root = os.geteuid() == 0
        if root:  # for whom every file is readable
            os.seteuid(NOBODY)
        try:
            with pytest.raises(SettingsError) as caught:
                load(config, {})
        finally:
            if root:
                os.seteuid(0)

    place = f"{config}:6: projects.prod.credentials.access_key.secret_file"
    assert str(caught.value) == f"{place}: no permission to read the file; let the exporter's user read it"


def test_a_missing_configuration_is_told() -> None:
    done = exporter("run", "--config", "gone.yaml")

    assert done.returncode == 1
    assert done.stderr == "gone.yaml: there is no such file; correct --config or EXPORTER_CONFIG\n"


@pytest.mark.parametrize("arguments", [(), ("chekc",), ("run", "--confg", "x"), ("poll", "dli")])
def test_wrong_usage_is_exit_code_2(arguments: tuple[str, ...]) -> None:
    done = exporter(*arguments)

    assert done.returncode == 2
    assert done.stderr.startswith("usage: huaweicloud-job-exporter")


def test_a_port_in_use_is_told(config: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"

        done = exporter("run", "--config", str(config), EXPORTER_WEB__LISTEN_ADDRESS=address)

    assert done.returncode == 1
    assert done.stderr == (
        f"cannot listen on {address}: Address already in use; end the program that does, or set web.listen_address"
        " (EXPORTER_WEB__LISTEN_ADDRESS)\n"
    )


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("203.0.113.5:10926", "Cannot assign requested address; give an address that this machine has"),
        ("nohost.invalid:10926", "no machine of that name is known; give an address of this machine"),
    ],
)
def test_an_address_that_is_not_here_is_told(config: Path, address: str, told: str) -> None:
    done = exporter("run", "--config", str(config), EXPORTER_WEB__LISTEN_ADDRESS=address)

    assert done.returncode == 1
    assert f"cannot listen on {address}: {told}, or set web.listen_address" in done.stderr


def test_without_a_configuration_file_it_is_told_how_to_name_one() -> None:
    done = exporter("check")

    assert done.returncode == 1
    assert done.stderr.splitlines()[0] == (
        "environment: projects: none is given, and there is no configuration file; name it by --config FILE or"
        " EXPORTER_CONFIG, write ./exporter.yaml or /etc/huaweicloud-job-exporter/exporter.yaml, or set"
        " HUAWEICLOUD_SDK_AK and HUAWEICLOUD_SDK_SK"
    )


def test_a_job_that_is_not_registered_is_told(config: Path) -> None:
    done = exporter("poll", "dli", "order", "--config", str(config))

    assert (done.returncode, done.stderr) == (
        1,
        "no job 'order' of service 'dli' is registered; did you mean 'orders'?\n",
    )


@pytest.fixture
def blind(config: Path) -> Iterator[str]:
    """Run the daemon with an endpoint that nobody answers at, and yield its address."""
    with serving("run", "--config", str(config)) as (_, address):
        yield address


def test_an_endpoint_that_is_down_is_shown_and_the_daemon_runs_on(blind: str) -> None:
    def failed() -> bytes:
        _, body = fetch(f"{blind}/metrics")
        return body if b'reason="unreachable",service="dli"} 1.0' in body else b""

    body = eventually(failed, "a failed poll")

    assert b'huaweicloud_job_up{job="orders",service="dli"} 0.0' in body
    assert b"huaweicloud_job_state{" not in body
    assert fetch(f"{blind}/-/healthy")[0] == 200
    assert fetch(f"{blind}/-/ready")[0] == 200
    error = json.loads(fetch(f"{blind}/api/v1/jobs/dli/orders")[1])["error"]
    assert error["reason"] == "unreachable"
    assert error["sentence"].startswith("cannot connect to 127.0.0.1: ")
    assert error["sentence"].endswith("; check the network and projects.<name>.endpoints")


def test_polling_once_an_endpoint_that_is_down_is_a_failed_command(config: Path) -> None:
    done = exporter("poll", "dli", "orders", "--config", str(config))

    assert done.returncode == 1
    assert "request:  GET http://127.0.0.1:9/v1/p/jobs/j1/progress  (ShowJobProgress)" in done.stdout
    assert "answer:   unreachable" in done.stdout
    assert 'huaweicloud_job_up{job="orders",service="dli"} 0.0' in done.stdout
