"""A connection on which each answer is that to the call before gets no call after the first that shows it."""

import json
import re

import pytest

from exporter.model.changes import Changes
from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.polling.schedule import Pace
from exporter.services.registry import load_services
from exporter.services.request import Request
from tests.cloud.wire import Connection, answer, serving
from tests.polling.harness import world
from tests.warp import run

RUNS = {"c-1": 11, "c-2": 22}
"""The run of a job by its cluster; its name is the same in both."""


def told(head: bytes) -> bytes:
    """Answer the call of this head."""
    cluster = re.findall(r"/clusters/([^/]+)/", head.decode())[0]
    if b"/job/all" in head:
        rows = [{"name": "move", "id": RUNS[cluster]}]
        return answer(json.dumps({"total": 1, "page_no": 1, "page_size": 100, "jobs": rows}).encode())
    return submission("move", RUNS[cluster])


def submission(name: str, number: int) -> bytes:
    row = {"job-name": name, "submission-id": number, "status": "RUNNING", "creation-date": 1_760_000_000_000}
    return answer(json.dumps({"submissions": [row]}).encode())


class OutOfStep:
    """A server's script: the first connection begins with an answer about another job, and stays one behind."""

    def __init__(self) -> None:
        self.first: Connection | None = None
        self.late = submission("another", 99)
        self.heads: list[bytes] = []

    async def __call__(self, to: Connection) -> None:
        self.first = self.first or to
        head = self.heads[-1]
        if to is not self.first:
            await to.say(told(head))
            return
        await to.say(self.late)
        self.late = told(head)


def test_a_job_does_not_show_the_run_of_its_namesake_in_another_cluster() -> None:
    async def main() -> None:
        script = OutOfStep()
        async with (
            serving(script) as server,
            world(pace=Pace(10, 300, 600), rate=1.0, elsewhere=server.url) as there,
        ):
            script.heads = server.heads
            jobs = {
                cluster: Job(JobKey("cdm", cluster), "demo", {"cluster_id": cluster, "job_name": "move"})
                for cluster in RUNS
            }
            there.poller.apply(Changes(added=tuple(jobs.values())))
            shown: dict[str, set[str]] = {cluster: set() for cluster in RUNS}
            for second in range(1, 40):
                await there.until(second)
                for cluster, job in jobs.items():
                    if (found := there.record_of(job).snapshot) is not None:
                        shown[cluster].add(found.run.id)

        assert shown == {cluster: {str(number)} for cluster, number in RUNS.items()}

    run(main())


def test_a_cluster_does_not_get_the_list_of_another() -> None:
    lists = {cluster: Request("ShowJobs", f"/v1.1/p/clusters/{cluster}/cdm/job/all", "cdm_list") for cluster in RUNS}

    def read(body: bytes) -> int:
        found = json.loads(body)
        if "jobs" not in found:
            raise PollError(Reason.PAYLOAD, "no list")
        return int(found["jobs"][0]["id"])

    async def main() -> None:
        script = OutOfStep()
        async with serving(script) as server, world(elsewhere=server.url) as there:
            script.heads = server.heads
            ask = there.poller.calls.asking("demo", load_services()["cdm"], patience=0)
            with pytest.raises(PollError):
                await ask(lists["c-1"], read)

            assert (await ask(lists["c-2"], read))[0] == RUNS["c-2"]

    run(main())


def test_the_second_call_of_a_poll_shows_it_as_well() -> None:
    async def main() -> None:
        nothing = answer(b'{"total": 0, "instances": []}')  # whatever is asked for
        async with serving(nothing) as server, world(pace=Pace(10, 10, 600), elsewhere=server.url) as there:
            job = Job(JobKey("dataarts", "j"), "demo", {"job_name": "j", "workspace_id": "w"})
            there.poller.apply(Changes(added=(job,)))
            await there.until(35)

        operations = [target.partition("?")[0].rpartition("/")[2] for target in server.targets]
        assert set(operations) == {"detail", "jobs"}
        assert server.connections == operations.count("jobs") > 1

    run(main())
