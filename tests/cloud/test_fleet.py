"""Projects that the vendor counts as one user share one budget."""

from types import SimpleNamespace
from typing import Any

from exporter.cloud.fleet import Fleet
from exporter.core.model import Job, JobKey
from exporter.core.services import load


def project(owner: tuple[str, str], rate: float) -> Any:
    return SimpleNamespace(owner=owner, project_id="p", limits={"dli": rate})


def bucket(fleet: Fleet, name: str) -> Any:
    return fleet.bucket(Job(JobKey("dli", name), name, {"job_id": "j"}))


def test_projects_of_one_key_in_one_region_share_a_bucket_and_the_least_rate() -> None:
    projects = {
        "a": project(("key", "eu-de"), 2.0),
        "b": project(("key", "eu-de"), 0.5),
        "c": project(("key", "eu-nl"), 9.0),
        "d": project(("other", "eu-de"), 9.0),
    }
    fleet = Fleet(load(), projects)

    assert bucket(fleet, "a") == bucket(fleet, "b")
    assert bucket(fleet, "a")[1] == 0.5
    assert len({bucket(fleet, name)[0] for name in projects}) == 3
