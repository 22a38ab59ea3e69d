"""``discover`` against the simulator: what it prints can be pasted, and is what the cloud has."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import yaml

from exporter.cli.demo import settings_for
from tests.e2e.processes import exporter


def written(cloud: dict[str, Any], path: Path, **changes: Any) -> str:
    settings = settings_for(cloud)
    del settings["jobs"], settings["web"]
    path.write_text(json.dumps({**settings, **changes}))
    return str(path)


def test_what_it_prints_is_what_the_cloud_has_and_can_be_pasted(cloud: dict[str, Any], tmp_path: Path) -> None:
    result = exporter("discover", "--config", written(cloud, tmp_path / "exporter.yaml"))

    assert (result.returncode, result.stderr) == (0, "")
    jobs = yaml.load(result.stdout, yaml.BaseLoader)["jobs"]
    assert {job["job_id"] for job in jobs if job["service"] == "dli"} == {
        job["job_id"] for job in cloud["jobs"] if job["service"] == "dli"
    }
    listed = {(job["cluster_id"], job["job_name"]) for job in jobs if job["service"] == "cdm"}
    known = {(job["cluster_id"], job["job_name"]) for job in cloud["jobs"] if job["service"] == "cdm"}
    assert listed
    assert listed <= known
    assert "dws of project" in result.stdout
    (tmp_path / "pasted.yaml").write_text(
        (tmp_path / "exporter.yaml").read_text().rstrip().removesuffix("}") + ', "jobs": ' + json.dumps(jobs) + "}"
    )
    checked = exporter("check", "--config", str(tmp_path / "pasted.yaml"))
    assert "The configuration is valid." in checked.stdout or "asks for more than its limits" in checked.stdout


def test_a_cloud_that_refuses_is_told_and_the_exit_code_says_so(cloud: dict[str, Any], tmp_path: Path) -> None:
    wrong = settings_for(cloud)["projects"]
    name = next(iter(wrong))
    wrong[name]["credentials"] = {"access_key": {"key_id": "nobody", "secret": "wrong"}}
    result = exporter("discover", "--config", written(cloud, tmp_path / "exporter.yaml", projects=wrong))

    assert result.returncode == 1
    assert "the cloud refused the credentials" in result.stderr
    assert yaml.safe_load(result.stdout) == {"jobs": None}
    assert f"# project {name}: not known, auth" in result.stdout


def test_without_jobs_only_discover_takes_the_configuration(cloud: dict[str, Any], tmp_path: Path) -> None:
    result = exporter("check", "--config", written(cloud, tmp_path / "exporter.yaml"))

    assert result.returncode == 1
    assert "no job is registered" in result.stderr


def test_a_job_that_a_rule_finds_can_be_polled(cloud: dict[str, Any], tmp_path: Path) -> None:
    config = written(cloud, tmp_path / "exporter.yaml", discovery=[{"service": "cdm"}])
    listed = yaml.load(exporter("discover", "--rules", "--config", config).stdout, yaml.BaseLoader)["jobs"]
    name = listed[0].get("name", listed[0]["job_name"])
    result = exporter("poll", "cdm", name, "--config", config)

    assert "found:    by a rule of discovery, in project " in result.stdout
    assert f"/clusters/{listed[0]['cluster_id']}/cdm/job/" in result.stdout
    assert "snapshot: {" in result.stdout


def test_a_job_that_no_rule_finds_is_told_with_the_nearest_that_one_does(cloud: dict[str, Any], tmp_path: Path) -> None:
    config = written(cloud, tmp_path / "exporter.yaml", discovery=[{"service": "cdm"}])
    listed = yaml.load(exporter("discover", "--rules", "--config", config).stdout, yaml.BaseLoader)["jobs"]
    name = listed[0].get("name", listed[0]["job_name"])
    result = exporter("poll", "cdm", f"{name}x", "--config", config)

    assert result.returncode == 1
    assert f"no job '{name}x' of service 'cdm' is registered, and no rule of discovery finds one" in result.stderr
    assert repr(name) in result.stderr


def test_a_job_can_be_polled_by_its_ids_without_being_registered(cloud: dict[str, Any], tmp_path: Path) -> None:
    config = written(cloud, tmp_path / "exporter.yaml")
    dli = next(job for job in cloud["jobs"] if job["service"] == "dli")
    cdm = next(job for job in cloud["jobs"] if job["service"] == "cdm")
    by_id = exporter("poll", "dli", "--job-id", dli["job_id"], "--config", config)
    by_two = exporter(
        "poll", "cdm", "--cluster-id", cdm["cluster_id"], "--job-name", cdm["job_name"], "--config", config
    )
    half = exporter("poll", "cdm", "--cluster-id", cdm["cluster_id"], "--config", config)

    assert f"/jobs/{dli['job_id']}/progress" in by_id.stdout
    assert f"/clusters/{cdm['cluster_id']}/cdm/job/" in by_two.stdout
    assert (half.returncode, half.stderr) == (1, "a cdm job needs --job-name too\n")


def test_an_unknown_service_is_told_with_those_that_are_known(cloud: dict[str, Any], tmp_path: Path) -> None:
    result = exporter("poll", "dly", "orders", "--config", written(cloud, tmp_path / "exporter.yaml"))

    assert (result.returncode, result.stderr) == (1, 'unknown service "dly"; did you mean "dli"?\n')


def test_what_is_zero_is_folded_and_a_single_value_is_shown(cloud: dict[str, Any], tmp_path: Path) -> None:
    dli = next(job for job in cloud["jobs"] if job["service"] == "dli")
    config = written(cloud, tmp_path / "exporter.yaml")
    samples = exporter("poll", "dli", "--job-id", dli["job_id"], "--config", config).stdout.partition("samples:\n")[2]

    assert "huaweicloud_job_up{" in samples
    assert "huaweicloud_job_state{" in samples
    zeros = [line for line in samples.splitlines() if line.endswith(" 0.0")]
    assert not [line for line in zeros if "_total{" in line or "_state{" in line]
    assert "and 0: " in samples.splitlines()[-1]
    assert "huaweicloud_job_runs_total (3)" in samples.splitlines()[-1]


def test_rules_are_tried_without_being_run(cloud: dict[str, Any], tmp_path: Path) -> None:
    rules = [{"service": "cdm", "match": "^nothing"}, {"service": "dli", "name": "all"}]
    result = exporter("discover", "--rules", "--config", written(cloud, tmp_path / "exporter.yaml", discovery=rules))

    assert (result.returncode, result.stderr) == (0, "")
    assert "# a rule for cdm of project demo: 0 jobs\n" in result.stdout
    found = yaml.load(result.stdout, yaml.BaseLoader)["jobs"]
    assert {job["name"] for job in found} == {"all"}
    assert f"# all: {len(found)} jobs have this name: they count as runs of one" in result.stdout

    without = exporter("discover", "--rules", "--config", written(cloud, tmp_path / "exporter.yaml"))
    assert (without.returncode, without.stdout) == (1, "")
    assert "there is no rule under discovery" in without.stderr


@contextmanager
def answering(bodies: dict[str, object]) -> Iterator[str]:
    """Serve the body whose key is in the path, and 500 for any other; yield the settings of a project there."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = next((body for part, body in bodies.items() if part in self.path), None)
            text = json.dumps({"error_code": "X.1"} if found is None else found).encode()
            self.send_response(500 if found is None else 200)
            self.send_header("Content-Length", str(len(text)))
            self.end_headers()
            self.wfile.write(text)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def discovered(address: str, path: Path) -> tuple[int, str]:
    project = {
        "region": "cn-north-4",
        "project_id": "p",
        "credentials": {"token": "t"},
        "endpoints": dict.fromkeys(("dli", "dws", "cdm", "iam"), address),
    }
    path.write_text(json.dumps({"projects": {"demo": project}}))
    result = exporter("discover", "--config", str(path))
    return result.returncode, result.stdout


def test_each_workspace_that_the_configuration_names_is_listed(cloud: dict[str, Any], tmp_path: Path) -> None:
    settings = settings_for(cloud)
    workspace = next(job["workspace_id"] for job in settings["jobs"] if job["service"] == "dataarts")
    names = {job["job_name"] for job in settings["jobs"] if job["service"] == "dataarts"}
    rule = {"service": "dataarts", "workspaces": [workspace], "match": "^refund"}
    job = {"service": "dataarts", "job_name": "of the default workspace"}
    ruled = exporter("discover", "--config", written(cloud, tmp_path / "rule.yaml", discovery=[rule]))
    named = exporter("discover", "--config", written(cloud, tmp_path / "job.yaml", discovery=[rule], jobs=[job]))
    plain = exporter("discover", "--config", written(cloud, tmp_path / "plain.yaml"))

    def found(result: Any) -> dict[str, dict[str, str]]:
        jobs = yaml.load(result.stdout, yaml.BaseLoader)["jobs"]
        return {job["job_name"]: job for job in jobs if job["service"] == "dataarts"}

    assert (ruled.returncode, named.returncode, plain.returncode) == (0, 0, 0)
    assert {*found(ruled)} == {*found(named)} == names
    assert {job["workspace_id"] for job in found(ruled).values()} == {workspace}
    assert {job.get("name") for job in found(ruled).values()} == {None}
    assert {job["name"] for job in found(named).values()} == {f"{workspace}/{name}" for name in names}
    assert found(plain) == {}
    assert "# dataarts of project demo: 0 jobs\n" in plain.stdout
    assert "schedule stopped" in ruled.stdout


def test_a_list_that_failed_is_not_known_and_not_empty(tmp_path: Path) -> None:
    clusters = {"clusters": [{"id": "c-1", "name": "etl", "status": "200"}]}
    with answering({"/v1.1/p/clusters/": None, "/v1.1/p/clusters": clusters}) as address:
        code, text = discovered(address, tmp_path / "exporter.yaml")
    assert code == 1
    assert "  # dli of project demo: not known, server\n" in text
    assert "  # cdm of project demo, etl: not known, server\n" in text
    assert "0 jobs" not in text

    with answering({"/v1.0/p/jobs": {"is_success": True, "job_count": 0, "jobs": []}}) as address:
        code, text = discovered(address, tmp_path / "exporter.yaml")
    assert code == 1
    assert "  # dli of project demo: 0 jobs\n" in text
    assert "  # cdm of project demo: not known, server\n" in text


def test_since_is_when_the_run_began_and_not_when_its_job_was_made(tmp_path: Path) -> None:
    run = {"name": "orders", "status": "RUNNING", "creation-date": 1_600_000_000_000}
    bodies = {
        "cdm/job/all": {"total": 2, "jobs": [{**run, "execute_start_date": 1_700_000_000_000}, {**run, "name": "new"}]},
        "/v1.1/p/clusters": {"clusters": [{"id": "c-1", "name": "etl", "status": "200"}]},
    }
    with answering(bodies) as address:
        _, text = discovered(address, tmp_path / "exporter.yaml")

    assert "since 2023-11-14 22:13:20 UTC" in text
    assert text.count("since") == 1


def test_a_name_that_no_configuration_takes_is_left_out_and_told(tmp_path: Path) -> None:
    bodies = {
        "cdm/job/all": {"total": 3, "jobs": [{"name": name, "status": "NEW"} for name in ("..", "...", ".")]},
        "/v1.1/p/clusters": {"clusters": [{"id": "c-1", "name": "etl", "status": "200"}]},
    }
    with answering(bodies) as address:
        _, text = discovered(address, tmp_path / "exporter.yaml")

    assert [job["job_name"] for job in yaml.safe_load(text)["jobs"]] == ["..."]
    assert "  # left out: .., a name that means a folder in a URL\n" in text


def test_what_a_run_came_to_that_ended_is_polled_too(tmp_path: Path) -> None:
    progress = {"is_success": True, "job_id": "j-1", "status": "FINISHED", "progress": 1}
    status = {"is_success": True, "job_id": "j-1", "status": "FINISHED", "queue_name": "etl", "input_size": 22}
    status |= {"start_time": 1761000000000, "duration": 2500}
    with answering({"/jobs/j-1/progress": progress, "/jobs/j-1/status": status}) as address:
        discovered(address, tmp_path / "exporter.yaml")
        options = ("--job-id", "j-1", "--config", str(tmp_path / "exporter.yaml"))
        whole = exporter("poll", "dli", *options)
    with answering({"/jobs/j-1/progress": progress}) as address:
        discovered(address, tmp_path / "exporter.yaml")
        half = exporter("poll", "dli", *options)

    assert "/v1.0/p/jobs/j-1/status  (ShowSqlJobStatus)" in whole.stdout
    assert 'huaweicloud_job_last_run_duration_seconds{job="j-1",service="dli"} 2.5' in whole.stdout
    assert 'huaweicloud_job_read_bytes{job="j-1",service="dli"} 22.0' in whole.stdout
    assert '"queue_name": "etl"' in whole.stdout
    assert (whole.returncode, half.returncode) == (0, 0)
    assert "the final values of the run are not known" in half.stdout
    assert "last_run_duration" not in half.stdout
