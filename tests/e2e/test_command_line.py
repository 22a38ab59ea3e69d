"""The flags of the real command: which file it takes, what wins, and how a wrong value is refused."""

import argparse
import json
import platform
import re
import shlex
import signal
from collections.abc import Sequence
from pathlib import Path
from subprocess import PIPE, CompletedProcess

import pytest

from exporter import __version__
from exporter.cli import options
from exporter.config.flags import FILES, SETTINGS
from tests.e2e.processes import PATIENCE, environment, exporter, fetch, ran, serving
from tests.fork_server import Forked
from tests.web.certificates import make

CONFIG = """\
log: {level: error, format: console}
web: {listen_address: "127.0.0.1:1"}
projects:
  prod:
    region: cn-north-4
    project_id: p
    endpoints: {dli: "http://127.0.0.1:9"}
    credentials: {token: t}
jobs:
  - {service: dli, job_id: j1, name: NAME}
"""
COMMANDS = {
    "run": (),
    "demo": (),
    "check": (),
    "discover": (),
    "poll": ("dli", "orders"),
    "metrics": (),
    "completion": ("bash",),
}


def write(path: Path, name: str = "orders") -> Path:
    path.write_text(CONFIG.replace("NAME", name))
    return path


def ran_in(folder: Path, *arguments: str, **variables: str) -> CompletedProcess[str]:
    """Run a command in *folder*."""
    env = environment(**variables)
    return ran(Forked("-m", "exporter", *arguments, cwd=folder, env=env, stdout=PIPE, stderr=PIPE))


def polled(done: CompletedProcess[str]) -> str:
    """Return the name of the job in what ``poll`` printed."""
    (name,) = re.findall(r'^huaweicloud_job_up\{job="(\w+)"', done.stdout, re.MULTILINE)
    return str(name)


def test_the_file_is_the_one_that_is_named_else_that_of_the_variable_else_the_one_here(tmp_path: Path) -> None:
    write(tmp_path / "exporter.yaml", "here")
    other, named = write(tmp_path / "other.yaml", "other"), write(tmp_path / "named.yaml", "named")

    def asked(name: str, *flags: str, **variables: str) -> tuple[str, str]:
        done = ran_in(tmp_path, "poll", "dli", name, *flags, **variables)
        return polled(done), done.stderr

    assert asked("here") == ("here", "configuration file: exporter.yaml\n")
    assert asked("other", EXPORTER_CONFIG="other.yaml") == ("other", "configuration file: other.yaml\n")
    assert asked("named", "-c", str(named), EXPORTER_CONFIG=str(other)) == ("named", "")
    assert asked("named", f"--config={named}") == ("named", "")


def test_after_the_folder_we_are_in_etc_is_looked_into(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert FILES == ("./exporter.yaml", "/etc/huaweicloud-job-exporter/exporter.yaml")
    places = [tmp_path / "here.yaml", tmp_path / "etc.yaml"]
    monkeypatch.setattr("exporter.cli.options.FILES", tuple(map(str, places)))
    monkeypatch.delenv("EXPORTER_CONFIG", raising=False)
    nothing = argparse.Namespace(config=None)

    assert options.find_config(nothing) is None
    places[1].touch()
    assert options.find_config(nothing) == places[1]
    places[0].symlink_to("gone")  # is there, and cannot be read: a mistake is told, and no other file is taken
    assert options.find_config(nothing) == places[0]


def test_without_any_file_the_environment_alone_is_enough(tmp_path: Path) -> None:
    jobs = json.dumps([{"service": "dli", "job_id": "j", "name": "orders"}])
    region, keys = {"HW_REGION_NAME": "cn-north-4"}, {"HUAWEICLOUD_SDK_AK": "a", "HUAWEICLOUD_SDK_SK": "b"}

    done = ran_in(tmp_path, "check", EXPORTER_JOBS=jobs, HUAWEICLOUD_SDK_PROJECT_ID="p", **region, **keys)

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("command", ["check", "discover"])
def test_a_command_says_which_file_it_took_unless_it_was_told(command: str, tmp_path: Path) -> None:
    config = write(tmp_path / "exporter.yaml")

    assert ran_in(tmp_path, command).stderr.startswith("configuration file: exporter.yaml\n")
    assert "configuration file" not in ran_in(tmp_path, command, "-c", str(config)).stderr


def test_the_daemon_logs_which_file_it_took_and_flags_win_over_variables_and_file(tmp_path: Path) -> None:
    config = write(tmp_path / "exporter.yaml")
    flags = ["--log.level", "info", "--log.format=json", *["--web.listen-address=127.0.0.1:0"] * 2]
    variables = {
        "EXPORTER_LOG__LEVEL": "warning",
        "EXPORTER_LOG__FORMAT": "console",
        "EXPORTER_WEB__LISTEN_ADDRESS": "127.0.0.1:2",
    }
    process = Forked("-m", "exporter", "run", "-c", str(config), *flags, env=environment(**variables), stderr=PIPE)
    try:
        assert process.stderr is not None
        started = json.loads(process.stderr.readline())
        addresses = [started["address"], *started["more_addresses"]]
        assert (started["event"], started["file"]) == ("started", str(config))
        assert [fetch(f"{each}/-/healthy")[0] for each in addresses] == [200, 200]

        config.write_text(CONFIG.replace("NAME", "orders").replace("127.0.0.1:1", "127.0.0.1:3"))
        process.send_signal(signal.SIGHUP)
        lines = (json.loads(line)["event"] for line in process.stderr)
        assert next(event for event in lines if event.startswith("configuration")) == "configuration reloaded"
    finally:
        process.terminate()
        process.communicate(timeout=PATIENCE)


def test_a_web_configuration_file_is_named_by_a_flag(tmp_path: Path) -> None:
    make(tmp_path).write("tls_server_config: {cert_file: server.crt, key_file: server.key}\n")
    with serving("demo", "--web.config.file", str(tmp_path / "web.yml")) as (_, address):
        assert address.startswith("https://")

    gone = exporter("demo", "--web.config.file", str(tmp_path / "gone.yml"))
    sentence = "there is no such file; mount it or correct web.config_file"
    assert (gone.returncode, gone.stderr) == (1, f"{tmp_path}/gone.yml: {sentence}\n")


def test_a_systemd_socket_is_asked_for_by_a_flag() -> None:
    done = exporter("demo", "--web.systemd-socket")

    assert done.returncode == 1
    assert "systemd handed over no socket" in done.stderr


def test_the_demo_needs_no_file_and_takes_only_one_that_is_named(tmp_path: Path) -> None:
    (tmp_path / "exporter.yaml").write_text("neither: {yaml: [nor\n")

    def jobs(*flags: str) -> Sequence[str]:
        with serving("demo", *flags, EXPORTER_CONFIG=str(tmp_path / "exporter.yaml")) as (_, address):
            body = json.loads(fetch(f"{address}/api/v1/jobs")[1])
        return [each["job"] for each in body["jobs"]]

    config = tmp_path / "mine.yaml"
    config.write_text("jobs: [{service: dli, job_id: j1, name: mine}]\n")

    assert len(jobs()) > 5
    assert jobs("-c", str(config)) == ["mine"]


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize(
    ("flag", "sentence"),
    [
        ("--log.level", 'expected one of debug, info, warning, error, not "loud"'),
        ("--log.format", 'expected one of json, console, not "loud"'),
    ],
)
def test_a_value_that_cannot_be_is_refused_by_every_command(command: str, flag: str, sentence: str) -> None:
    done = exporter(command, *COMMANDS[command], flag, "loud")

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1] == f"huaweicloud-job-exporter {command}: error: argument {flag}: {sentence}"


@pytest.mark.parametrize("value", ["10926", "127.0.0.1:http", "vsock://1:2", ""])
def test_an_address_that_cannot_be_is_refused_as_in_the_file(value: str, tmp_path: Path) -> None:
    config = tmp_path / "exporter.yaml"
    config.write_text(CONFIG.replace("127.0.0.1:1", value))
    refused = exporter("run", "-c", str(config)).stderr.splitlines()[0].partition("web.listen_address: ")[2]

    done = exporter("run", "--web.listen-address", value)

    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].endswith(f"error: argument --web.listen-address: {refused}")


@pytest.mark.parametrize("command", ["check", "discover", "poll", "metrics", "completion"])
def test_what_serves_nothing_has_no_flags_of_the_web_side(command: str) -> None:
    for flag in (flag for flag in SETTINGS if flag.startswith("--web.")):
        assert exporter(command, *COMMANDS[command], flag, "x").returncode == 2


def test_the_version_tells_revision_and_python() -> None:
    done = exporter("--version", SOURCE_REVISION="0123abc")

    python = platform.python_version()
    assert done.stdout == f"huaweicloud-job-exporter {__version__}, revision 0123abc, Python {python}\n"
    assert "revision unknown," in exporter("--version").stdout


@pytest.mark.parametrize("command", ["", *COMMANDS])
def test_the_help_has_examples_that_can_be_read_and_the_exit_codes(command: str, tmp_path: Path) -> None:
    done = ran_in(tmp_path, *([command] if command else []), "--help")

    assert done.returncode == 0
    assert "exit codes: 0 fine, 1 refused configuration or failed command, 2 wrong usage" in done.stdout
    lines = re.findall(r"^  (?:source <\()?huaweicloud-job-exporter ([^ ].*?)\)?(?: >.*)?  ", done.stdout, re.MULTILINE)
    assert lines
    for line in lines:
        words = shlex.split(line)
        assert words[0] in ([command] if command else COMMANDS)
        if words[0] in {"check", "discover", "poll"}:  # which end by themselves, here for want of a configuration
            assert ran_in(tmp_path, *words).returncode == 1


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            (),
            f"name a command: {', '.join(COMMANDS)}; demo needs neither account nor file",
        ),
        (("chek",), 'unknown command "chek"; did you mean "check"?'),
        (("--config.file=a",), "flags follow the command, as in: huaweicloud-job-exporter run --config.file=a"),
        (("run", "--config.file=a"), 'unknown argument "--config.file=a"; did you mean "--config"?'),
        (("check", "--onlin", "--confg", "a"), 'unknown argument "--confg"; did you mean "--config"?'),
        (("check", "exporter.yaml"), 'unknown argument "exporter.yaml"'),
    ],
)
def test_wrong_usage_is_told_with_the_remedy(words: tuple[str, ...], sentence: str) -> None:
    done = exporter(*words)

    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.splitlines()[-1].endswith(f": error: {sentence}")
