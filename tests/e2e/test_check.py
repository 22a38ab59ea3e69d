"""What check says of a configuration whose calls do not fit, word for word, by the real command."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.processes import exporter, fetch, serving

Config = Callable[..., tuple[str, str]]
PROJECTS = """\
projects:
  prod:
    region: cn-north-4
    project_id: 05f2cff45100d5112f4bc00b794ea08e
    endpoints: {cdm: "http://127.0.0.1:9", dws: "http://127.0.0.1:9"}
    credentials: {access_key: {key_id: a, secret: b}}
"""
WAYS_OUT = """\
Otherwise: fewer jobs; some under another user or in another region, since the vendor counts by both;
or a higher LIMITS in every project of the user, if the vendor allows more.
Sharding does not help: shards divide the user's limit among them.
"""


@pytest.fixture
def config(tmp_path: Path) -> Config:
    """Return a function that writes a configuration with jobs, and returns the options that name it."""

    def write(found: list[dict[str, str]], more: str = "") -> tuple[str, str]:
        path = tmp_path / "exporter.yaml"
        path.write_text(f"{PROJECTS}{more}\njobs: {json.dumps(found)}\n")
        return "--config", str(path)

    return write


def jobs(service: str, number: int, **fields: str) -> list[dict[str, str]]:
    target = {"cdm": {"cluster_id": "c %", "job_name": "copy %"}, "dws": {"job_id": "j %"}}[service]
    return [
        {"service": service, **{key: text.replace("%", str(each)) for key, text in target.items()}, **fields}
        for each in range(number)
    ]


def ways_out(limits: str) -> str:
    return WAYS_OUT.replace("LIMITS", limits)


def test_jobs_that_fit_only_while_few_run_are_a_warning(config: Config) -> None:
    done = exporter("check", *config(jobs("cdm", 500)))

    table, _, sentences = done.stdout.partition("\n\nprod/cdm: ")
    assert (done.returncode, done.stderr) == (0, "")
    assert table.startswith("The configuration is valid.\n\nproject prod: 500 cdm jobs at http://127.0.0.1:9\n")
    assert table.endswith("prod/cdm            500        1000.0         100.0     108.0   fits while few run")
    assert f"prod/cdm: {sentences}" == (
        "prod/cdm: warning: 1000.0 calls a minute are needed if all jobs (500) run at once, and 108.0 are allowed.\n"
        "  They fit while at most 4 run; all at once are polled 9.26 times less often than asked.\n"
        "  They fit even if all run at once with poll.interval at least 4m38s.\n" + ways_out("limits.cdm")
    )


@pytest.mark.parametrize("interval", ["4m38s", "4m37s"])
def test_the_interval_that_it_tells_fits_and_a_shorter_one_does_not(config: Config, interval: str) -> None:
    done = exporter("check", *config(jobs("cdm", 500), f"poll: {{interval: {interval}}}"))

    assert ("prod/cdm: warning" in done.stdout) == (interval == "4m37s")
    assert done.returncode == 0


def test_jobs_that_do_not_fit_even_if_they_wait_are_refused_every_limit_at_once(config: Config) -> None:
    many = [*jobs("cdm", 1500), *jobs("dws", 2000, interval="10s")]

    done = exporter("check", *config(many))

    assert done.returncode == 1
    assert done.stdout.splitlines()[0] == "The configuration asks for more than its limits allow."
    assert [line.split("   ")[-1] for line in done.stdout.splitlines()[-2:]] == ["too many", "too many"]
    assert done.stderr == (
        "\nprod/cdm: too many jobs. 300.0 calls a minute are needed even if all of them (1500) wait, and 108.0 are"
        " allowed.\n"
        "  They fit while all wait with poll.idle_interval at least 13m54s, and poll.stale_after above it (10m now).\n"
        "  They fit even if all run at once with poll.interval at least 13m54s.\n"
        "\nprod/dws: too many jobs. 400.0 calls a minute are needed even if all of them (2000) wait, and 300.0 are"
        " allowed. A job that ended for good needs none.\n"
        "  They fit while all wait with poll.idle_interval at least 6m40s.\n"
        "  No poll.interval lets them all run at once: those with an interval of their own need 12000.0 alone."
        " Lengthen it.\n" + ways_out("limits.cdm and limits.dws")
    )


def test_jobs_of_one_cluster_wait_on_the_lists(config: Config) -> None:
    together = [each | {"cluster_id": "c"} for each in jobs("cdm", 600)]
    rule = "discovery: [{service: cdm}]"

    done = exporter("check", *config(together, rule))

    assert (done.returncode, done.stderr) == (0, "")
    assert "project prod: 1 rule for cdm jobs; discover --rules shows how many jobs they find\n" in done.stdout
    assert "prod/cdm            600        1200.0           0.0     108.0   fits while few run\n" in done.stdout
    assert "prod/cdm_list         0          10.7          10.7     108.0   fits\n" in done.stdout
    assert done.stdout.endswith(
        "\nLists report waiting jobs as long as they hold few other jobs; otherwise these are polled one by one.\n"
    )


def test_run_starts_anyway(config: Config) -> None:
    with serving("run", *config(jobs("cdm", 600))) as (_, address):
        assert fetch(f"{address}/-/healthy")[0] == 200


def test_a_shard_is_checked_with_its_jobs_and_its_part_of_the_limit(config: Config) -> None:
    found = []
    for shard in range(3):
        done = exporter("check", *config(jobs("cdm", 300), f"sharding: {{shards: 3, shard: {shard}}}"))
        lines = done.stdout.splitlines()
        (mine,) = [line for line in lines if line.startswith("shard ")]
        number = int(mine.split()[4])
        found.append(number)
        assert mine == f"shard {shard} of 3: {number} of 300 jobs, 1/3 of each limit"
        (row,) = [line for line in lines if line.startswith("prod/cdm  ")]
        assert row.split()[1:5] == [str(number), f"{2 * number:.1f}", f"{number / 5:.1f}", "36.0"]

    assert sum(found) == 300


def test_what_may_not_be_meant_is_noted(tmp_path: Path) -> None:
    (tmp_path / "exporter.yaml").write_text(
        """\
projects:
  prod: {region: eu-de, project_id: p, credentials: {token: t}}
  test: {region: cn-north-4, cloud: otc, project_id: p, credentials: {token: t}, endpoints: {dws: "http://127.0.0.1:9"}}
job_files: ["*.jsonl", "b.jsnl"]
journal: nowhere/journal.json
jobs:
  - {service: dli, job_id: 1, project: prod}
"""
    )
    (tmp_path / "a.jsonl").write_text('{"service": "dws", "job_id": "1", "project": "test"}\n')

    done = exporter("check", "--config", str(tmp_path / "exporter.yaml"))

    assert (done.returncode, done.stderr) == (0, "")
    for told in (
        "project prod: warning: eu-de is a region of cloud otc; set projects.prod.cloud: otc",
        "project test: warning: cn-north-4 is no region of cloud otc",
        "project test: no time_zone is set",
        f"job_files: {tmp_path}/*.jsonl: 1 file\n",
        f"job_files: {tmp_path}/b.jsnl: no files\n",
        f"journal: warning: there is no folder {tmp_path}/nowhere here",
    ):
        assert told in done.stdout
