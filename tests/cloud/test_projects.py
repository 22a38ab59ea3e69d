"""Projects that the vendor counts as one user share one budget; an answer that came before is not read again."""

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from exporter.cloud.projects import Projects
from exporter.model.job import Job, JobKey
from exporter.services.registry import load_services


def project(owner: tuple[str, str], rate: float) -> Any:
    return SimpleNamespace(owner=owner, project_id="p", limits={"dli": rate})


def bucket(projects: Projects, name: str) -> Any:
    return projects.bucket(Job(JobKey("dli", name), name, {"job_id": "j"}))


def test_projects_of_one_key_in_one_region_share_a_bucket_and_the_least_rate() -> None:
    each = {
        "a": project(("key", "eu-de"), 2.0),
        "b": project(("key", "eu-de"), 0.5),
        "c": project(("key", "eu-nl"), 9.0),
        "d": project(("other", "eu-de"), 9.0),
    }
    projects = Projects(load_services(), each)

    assert bucket(projects, "a") == bucket(projects, "b")
    assert bucket(projects, "a")[1] == 0.5
    assert len({bucket(projects, name)[0] for name in each}) == 3


class Saying:
    """A project whose cloud answers what it is told."""

    zone = None

    def __init__(self, now: float = 1_800_000_000.0) -> None:
        self.body = b""
        self.now = now

    def cloud_time(self) -> float:
        return self.now

    async def project_id_of(self) -> str:
        return "p"

    async def ask(self, *_: object) -> bytes:
        return self.body


async def test_the_same_bytes_are_the_same_answer_and_other_bytes_are_read() -> None:
    saying: Any = Saying()
    projects = Projects(load_services(), {"p": saying})
    job = Job(JobKey("dli", "nightly"), "p", {"job_id": "j"})
    saying.body = b'{"status": "RUNNING", "progress": 0.5, "sub_job_id": true}'

    first = await projects.ask(job)
    again = await projects.ask(job, first)
    saying.body = b'{"status": "RUNNING", "progress": 0.75}'
    other = await projects.ask(job, first)

    assert again is first
    assert first.unknown == ("sub_job_id",)
    assert (first.progress, other.progress, other.unknown) == (0.5, 0.75, ())


async def test_the_end_of_a_run_is_read_anew_because_more_is_kept_of_it_than_it_says() -> None:
    saying: Any = Saying()
    projects = Projects(load_services(), {"p": saying})
    job = Job(JobKey("dli", "nightly"), "p", {"job_id": "j"})
    saying.body = b'{"status": "FINISHED"}'

    first = await projects.ask(job)
    again = await projects.ask(job, first)

    assert again is not first
    assert again == first


async def test_the_same_bytes_are_read_anew_in_another_time_zone() -> None:
    saying: Any = Saying()
    projects = Projects(load_services(), {"p": saying})
    job = Job(JobKey("dws", "resize"), "p", {"job_id": "j"})
    saying.body = b'{"status": "RUNNING", "begin_time": "2026-01-01T00:00:00"}'

    first = await projects.ask(job)
    saying.zone = ZoneInfo("Asia/Shanghai")
    second = await projects.ask(job, first)
    saying.zone = UTC
    third = await projects.ask(job, second)

    assert (first.start, second.start, third.start) == (None, 1767196800, 1767225600)


def ended(service: str, start: float, end: float) -> bytes:
    """Return how a service tells of a run that succeeded."""
    if service == "dws":
        begin, over = (datetime.fromtimestamp(each, UTC).isoformat() for each in (start, end))
        return f'{{"status": "SUCCESS", "begin_time": "{begin}", "end_time": "{over}"}}'.encode()
    run = f'"creation-date": {start * 1000:.0f}, "last-update-date": {end * 1000:.0f}'
    return f'{{"submissions": [{{"status": "SUCCEEDED", "submission-id": 5, {run}}}]}}'.encode()


@pytest.mark.parametrize("service", ["dws", "cdm"])
@pytest.mark.parametrize(
    ("after_start", "known"),
    [(600, True), (0, True), (602, True), (660, False), (365 * 86400, False), (-5, False), (-5 * 86400, False)],
)
async def test_an_end_later_than_its_answer_or_before_its_start_is_not_known_and_counted(
    service: str, after_start: float, known: bool
) -> None:
    start = 1_800_000_000.0
    saying: Any = Saying(start + 600)
    saying.zone = UTC
    projects = Projects(load_services(), {"p": saying})
    job = Job(JobKey(service, "j"), "p", {"job_id": "j"} if service == "dws" else {"cluster_id": "c", "job_name": "j"})
    saying.body = ended(service, start, start + after_start)

    answer = await projects.ask(job)

    assert (answer.state.value, answer.start) == ("succeeded", start)
    assert (answer.end, answer.unknown) == ((start + after_start, ()) if known else (None, ("end",)))
