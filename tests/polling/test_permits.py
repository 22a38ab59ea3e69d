"""Every call that leaves the process has a permit of the limiter, whatever becomes of connections."""

import asyncio
import math
from collections.abc import Callable
from itertools import count

import pytest

from exporter.cloud import client
from exporter.model.changes import Changes
from exporter.model.job import Job, JobKey
from exporter.polling.schedule import Pace
from exporter.services.registry import load_services
from exporter.services.request import Request
from tests.cloud.wire import Connection, answer, serving
from tests.polling.harness import world
from tests.warp import run

RATE = 5.0


def status(head: bytes) -> bytes:
    """Answer for the job that a call asks for."""
    job_id = head.split(b"/jobs/")[1].split(b"/")[0]
    return answer(b'{"is_success": true, "job_id": "%s", "status": "RUNNING", "progress": 0.5}' % job_id)


class HangsUp:
    """A server's script that answers once on each connection, and closes it when it is used again."""

    def __init__(self, say: Callable[[], bytes]) -> None:
        self._say = say
        self.used: set[Connection] = set()
        self.times: list[float] = []
        """When calls came."""

    async def __call__(self, to: Connection) -> None:
        self.times.append(asyncio.get_running_loop().time())
        if to in self.used:
            to.writer.close()
            return
        self.used.add(to)
        await to.say(self._say())


def most_in_a_minute(times: list[float]) -> int:
    return max(sum(begin <= each < begin + 60 for each in times) for begin in times)


@pytest.mark.parametrize("distrust", [0.0, client.DISTRUST])
def test_a_server_that_hangs_up_on_used_connections_gets_no_more_calls_than_allowed(
    distrust: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(client, "DISTRUST", distrust)

    async def main() -> None:
        script = HangsUp(lambda: status(server.heads[-1]))

        async with (
            serving(script) as server,
            world(pace=Pace(1, 60, 600), rate=RATE, elsewhere=server.url) as there,
        ):
            jobs = tuple(Job(JobKey("dli", f"j{n}"), "demo", {"job_id": f"id-{n}"}) for n in range(20))
            there.poller.apply(Changes(added=jobs))
            await there.until(150)
            records = [there.record_of(job) for job in jobs]

        times, used = script.times, script.used
        assert len(times) > 2 * 60 * RATE * 0.9, "the limit was used"
        assert most_in_a_minute(times) <= 60 * RATE
        assert len(used) < len(times), "connections were used again, and dropped"
        if (
            distrust
        ):  # then the second call goes out on a new connection, and is no failed poll; else both may be dropped
            assert all(record.snapshot is not None for record in records)
            assert not any(record.failures for record in records)

    run(main())


def test_a_server_that_hangs_up_always_is_told_after_the_second_try() -> None:
    async def main() -> None:
        numbers = count()

        async def script(to: Connection) -> None:
            if next(numbers) == 0:
                await to.say(status(server.heads[-1]))
            else:
                to.writer.close()

        async with (
            serving(script) as server,
            world(pace=Pace(10, 300, 600), rate=RATE, elsewhere=server.url) as there,
        ):
            job = Job(JobKey("dli", "j"), "demo", {"job_id": "id"})
            there.poller.apply(Changes(added=(job,)))
            await there.until(11)
            while (record := there.store.get(job.key)) is None or not record.failures:
                await asyncio.sleep(0.1)

        assert len(server.heads) == 3
        assert sum(record.failures.values()) == 1

    run(main())


LIST = Request("ListSqlJobs", "/v1.0/p/jobs", "dli")
HISTORY = Request("ShowSubmissions", "/v1.1/p/clusters/c/cdm/submissions", "cdm_list")


@pytest.mark.parametrize(("service", "request_"), [("dli", LIST), ("cdm", HISTORY)])
def test_a_list_or_history_whose_connection_was_dropped_waits_for_a_second_permit(
    service: str, request_: Request
) -> None:
    """With one call each two seconds, the second try of a dropped call comes two seconds after the first."""

    async def main() -> None:
        script = HangsUp(answer)
        async with serving(script) as server, world(rate=0.5, elsewhere=server.url) as there:
            for _ in range(2):
                ask = there.poller.calls.asking("demo", load_services()[service], patience=0)
                body, _ = await ask(request_, bytes)
                assert body == b"{}"

        times = script.times
        assert len(times) == 3, "the second call was dropped once, and made again"
        assert math.isclose(times[2] - times[1], 2, abs_tol=1e-3)

    run(main())
