"""One project in two regions, by the real command: each region's jobs by its own project, with one key."""

import json
import re
from pathlib import Path

from exporter.simulator import Cloud, DliJob, SubJob
from tests.e2e.processes import eventually, exporter, fetch, serving
from tests.e2e.test_short_pods import served


def test_jobs_of_both_regions_are_polled_by_the_projects_that_iam_names(tmp_path: Path) -> None:
    cloud, path = Cloud(seed=1), tmp_path / "exporter.yaml"
    cloud.projects["cn-east-3"] = cloud.new_hex()
    job = DliJob(cloud.new_uuid(), "orders", cloud.started, (SubJob("save", tasks=100, seconds=900),))
    cloud.add(job)
    with served(cloud) as url:
        key = {"key_id": cloud.access_key, "secret": cloud.secret_key}
        prod = {
            "regions": ["cn-north-4", "cn-east-3"],
            "cloud": "custom",
            "endpoints": {"dli": url, "iam": url},
            "credentials": {"access_key": key},
        }
        one = {"service": "dli", "job_id": job.job_id, "name": "by-hand", "project": "prod-cn-east-3"}
        rule = {"service": "dli", "project": "prod", "name": "{project}/{job_id}"}
        path.write_text(json.dumps({"projects": {"prod": prod}, "jobs": [one], "discovery": [rule]}))

        checked = exporter("check", "--online", "--config", str(path))
        assert (checked.returncode, checked.stderr) == (0, "")
        for project_id in cloud.projects.values():
            assert f"project id {project_id} (reported by IAM)" in checked.stdout

        found = exporter("discover", "--rules", "--config", str(path))
        assert found.returncode == 0
        assert f"prod-cn-north-4/{job.job_id}" in found.stdout

        with serving("run", "--config", str(path)) as (_, address):

            def infos() -> set[tuple[str, str, str]]:
                text = fetch(f"{address}/metrics")[1].decode()
                rows = re.findall(r"^huaweicloud_job_info\{(.*)\} 1", text, re.MULTILINE)
                labels = [dict(re.findall(r'(\w+)="([^"]*)"', row)) for row in rows]
                return {(each["job"], each["project"], each["region"]) for each in labels}

            # a job id is the service's own, so both regions of this pretend cloud have the job
            assert eventually(lambda: len(infos()) == 3, "jobs of both regions")
            assert infos() == {
                ("by-hand", "prod-cn-east-3", "cn-east-3"),
                (f"prod-cn-north-4/{job.job_id}", "prod-cn-north-4", "cn-north-4"),
                (f"prod-cn-east-3/{job.job_id}", "prod-cn-east-3", "cn-east-3"),
            }
            up = 'huaweicloud_job_up{job="by-hand",service="dli"} 1'
            assert eventually(lambda: up in fetch(f"{address}/metrics")[1].decode(), "the job of cn-east-3 is polled")
