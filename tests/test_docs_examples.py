"""The examples in docs/ work as they stand there: files that register jobs, variables, commands."""

import json
import re
import subprocess
from pathlib import Path
from subprocess import PIPE

import pytest

from exporter.config import load
from exporter.services.registry import load_services
from exporter.sources.job_files import all_jobs
from tests.documents import metrics_that_are_named, metrics_that_exist
from tests.e2e.processes import environment, exporter
from tests.fork_server import Forked

ROOT = Path(__file__).parents[1]
MINIMAL = (ROOT / "config/minimal.yaml").read_text()


def page(name: str) -> str:
    return (ROOT / f"docs/{name}.md").read_text()


@pytest.fixture
def minimal(tmp_path: Path) -> Path:
    path = tmp_path / "minimal.yaml"
    path.write_text(MINIMAL)
    return path


@pytest.mark.parametrize(
    ("name", "variables"),
    [("running", {"EXPORTER_POLL__INTERVAL", "EXPORTER_JOBS"}), ("job-files", {"EXPORTER_JOB_FILES"})],
)
def test_the_variables_are_accepted(name: str, variables: set[str], minimal: Path) -> None:
    examples = dict(re.findall(r"`(EXPORTER_\w+)=([^`]+)`", page(name)))
    assert set(examples) == variables

    settings = load(minimal, {name: value.strip("'") for name, value in examples.items()})

    if name == "running":
        assert settings.poll.interval == 15
        assert [job.key.service for job in settings.jobs] == ["dli"]
    else:
        assert [Path(pattern).name for pattern in settings.job_files] == ["*.yaml", "jobs.jsonl"]


def test_the_lines_register_a_job_and_its_next_run(minimal: Path) -> None:
    found = re.search(r"`(job_files: \[.*?\])`", page("job-files"))
    assert found is not None
    minimal.write_text(re.sub(r"jobs:\n.*", found[1], MINIMAL, flags=re.DOTALL))
    lines = re.findall(r"^\$ (echo .*)$", page("job-files"), re.MULTILINE)
    assert len(lines) == 2
    for line in lines:
        subprocess.run(["sh", "-c", line], cwd=minimal.parent, check=True)

    jobs, mistakes = all_jobs(load(minimal, {}))

    assert mistakes == ()
    assert [(job.key, dict(job.target)) for job in jobs] == [
        (("dli", "nightly"), {"job_id": "0a3b6f0e-7b0c-4a52-9d8e-5b0b0f6f1c11"})
    ]


def test_the_labels_that_replace_others_are_accepted(minimal: Path) -> None:
    found = re.search(r"`metrics: ({labels: {.*?}})`", page("troubleshooting"))
    assert found is not None
    minimal.write_text(f"{MINIMAL}metrics: {found[1]}\n")

    assert load(minimal, {}).metrics.labels.job == "cloud_job"


def test_every_command_has_its_row() -> None:
    table = page("running").partition("| command | does |")[2].partition("\n\n")[0]
    told = {name for row in table.splitlines()[2:] for name in re.findall(r"`(\w+)[^`]*`", row.split("|")[1])}
    listed = exporter("--help").stdout.partition("COMMAND\n")[2].partition("\n\n")[0]

    assert told == set(re.findall(r"^    (\w+)", listed, re.MULTILINE))


def test_every_flag_exists_where_the_page_says() -> None:
    table = page("running").partition("| flag | commands |")[2].partition("\n\n")[0]
    rows = [row.strip("|").split("|") for row in table.splitlines()[2:]]
    for flags, commands in rows:
        for command in re.findall(r"`(\w+)`", commands) or ["check", "poll", "metrics"]:
            known = exporter(command, "--help").stdout
            assert all(flag in known for flag in re.findall(r"`(--[\w.-]+)`", flags)), command
    known = exporter("poll", "--help").stdout
    assert {"--job-id", "--cluster-id"} == set(re.findall(r"`poll \w+ (--[\w-]+) ID`", page("running")))
    assert all(flag in known for flag in ("--job-id", "--cluster-id"))


@pytest.mark.parametrize("name", ["running", "job-files", "security", "credentials"])
def test_every_metric_that_a_page_names_exists(name: str) -> None:
    assert metrics_that_are_named(page(name)) <= metrics_that_exist()


def test_the_calls_and_regions_that_are_supported_are_those_that_the_services_declare() -> None:
    table = page("support").partition("| service | is | calls |")[2].partition("\n\n")[0]
    rows = [[cell.strip() for cell in row.strip("|").split("|")] for row in table.splitlines()[2:]]
    permissions = re.findall(r"^\| (\w+) \| (\w+) \|", page("permissions"), re.MULTILINE)
    services = load_services()

    assert [service.strip("`") for service, *_ in rows] == list(dict.fromkeys(each for each, _ in permissions[1:]))
    for service, _, calls, huaweicloud, otc in rows:
        hosts = services[service.strip("`")].hosts.regions
        assert calls.split(", ") == [call for each, call in permissions if f"`{each}`" == service]
        assert huaweicloud == f"documented, {len(hosts['huaweicloud'])} regions"
        assert otc == f"documented, {', '.join(sorted(hosts['otc']))}"


def test_the_rehearsal_finds_the_jobs_of_the_simulator(tmp_path: Path) -> None:
    text = page("running")
    example = re.search(r"```yaml\n(# rehearsal\.yaml\n.*?)```", text, re.DOTALL)
    command = re.search(r"^\$ python (-m exporter\.simulator --listen) 127\.0\.0\.1:8444 &$", text, re.MULTILINE)
    assert example is not None
    assert command is not None
    rehearsal = tmp_path / "rehearsal.yaml"

    arguments = (*command[1].split(), "127.0.0.1:0", "--until-eof")  # a free port; 8444 may be in use
    with Forked(*arguments, env=environment(), stdin=PIPE, stdout=PIPE) as simulator:
        assert simulator.stdout is not None
        url = json.loads(simulator.stdout.readline())["url"]
        rehearsal.write_text(example[1].replace("http://127.0.0.1:8444", url))
        done = exporter("discover", "--rules", "--config", str(rehearsal))
        simulator.terminate()

    assert done.returncode == 0, done.stderr
    for service in ("cdm", "dli", "dli_flink", "dws"):
        assert f'- {{service: "{service}", project: "prod"' in done.stdout
