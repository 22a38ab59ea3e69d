"""The hostile cloud itself: honest answers are the vendor's, and each misbehaviour does what it says."""

import asyncio
import contextlib
import gzip
import json
import random
import re
import time
from dataclasses import replace
from typing import Any

import pytest

from tests.hostile.callers import STRIKES, Callers, signature
from tests.hostile.exchange import Answer, Request
from tests.hostile.honest import answer, question
from tests.hostile.misbehaviours import OF_THIS_CLOUD, TABLE, Some, Table, always, honest_plan, mixture
from tests.hostile.truth import Author, Cluster, Job, Run, Script, World
from tests.hostile.wire import Cloud

START = 1_700_000_000.0
RUN = Run("77", START, START + 2, START + 12, rows=1000, late=3)
DLI = Job("dli", "nightly", (replace(RUN, ident="a85d2a19"), replace(RUN, ident="b96e3b2a", created=START + 20)))
ELSE = Job("dli", "weekly", (replace(RUN, ident="c07f4c3b", created=START - 9),))
DWS = Job("dws", "resize", (replace(RUN, ident="2c9080d0", result="failed"),))
CDM = Job("cdm", "作业 a+b", (RUN, Run("78", START + 20, START + 21, START + 30)), "c1", files=True)
OTHER = Job("cdm", "other", (RUN,), "c1")
WORLD = World("p", START, (DLI, ELSE, DWS, CDM, OTHER), (Cluster("c1", "one"),))
STATUS = "/v1.1/p/clusters/c1/cdm/job/%E4%BD%9C%E4%B8%9A%20a%2Bb/status"
PROGRESS = "/v1/p/jobs/a85d2a19/progress"


def said(target: str, after: float) -> Answer:
    request = Request("GET", target, {})
    return answer(WORLD, question(request), request, START + after)


@pytest.mark.parametrize(
    ("after", "status", "progress"),
    [(1, "BOOTING", 0), (7, "RUNNING", 50), (12, "SUCCEEDED", 100), (20, "BOOTING", 0), (25, "RUNNING", 44)],
)
def test_a_cdm_job_goes_through_its_runs(after: float, status: str, progress: int) -> None:
    (row,) = said(STATUS, after).body["submissions"]

    assert (row["status"], row["progress"], row["job-name"]) == (status, progress, CDM.name)


def test_counters_come_late_where_the_script_says_so() -> None:
    first, last = (said(STATUS, after).body["submissions"][0] for after in (13, 15))

    assert (first["counters"], first["write_rows"]) == (None, 0)
    assert (next(iter(last["counters"].values()))["ROWS_WRITTEN"], last["write_rows"]) == (1000, 1000)


def test_what_has_not_begun_is_not_there() -> None:
    assert said("/v1/p/jobs/b96e3b2a/progress", 5).status == 404
    assert said(STATUS, -1).body == {"submissions": []}


def test_lists_are_cut_into_pages_and_told_whole() -> None:
    first = said("/v1.0/p/jobs?page-size=1&current-page=1", 25).body
    second = said("/v1.0/p/jobs?page-size=1&current-page=2", 25).body

    assert (first["job_count"], [row["job_id"] for row in first["jobs"]]) == (3, ["b96e3b2a"])
    assert [row["job_id"] for row in second["jobs"]] == ["a85d2a19"]


def test_a_failed_task_tells_its_code_and_local_times() -> None:
    body = said("/v1.0/p/job/2c9080d0", 13).body

    assert (body["status"], body["failed_code"]) == ("FAIL", "CreateELBTask-fail:DWS.0114")
    assert body["begin_time"] == "2023-11-15T06:13:22"


def test_one_seed_is_one_world() -> None:
    one, same, other = (Author(random.Random(seed), START, Script()).write() for seed in (7, 7, 8))

    assert one == same
    assert one != other


def test_signatures_are_those_of_the_vendors_own_signer() -> None:
    headers = {"host": "dli.cn-north-4.myhuaweicloud.com", "x-sdk-date": "20240102T030405Z"}
    target = "/v1/0123456789abcdef0123456789abcdef/jobs/a85d2a19-6e5c-4a0d-8b4f-1a2b3c4d5e6f/progress"
    made = signature(Request("GET", target, headers), "ExampleSecretKey0000000000000000000000001", "host;x-sdk-date")

    assert made == "9e70ebeaa89b808d3c898425c8e9f79b308da85623eea2680f39d98fe3064ab3"


def test_more_than_five_wrong_signatures_in_a_row_lock_a_key() -> None:
    callers = Callers(WORLD, random.Random(1))
    headers = {"authorization": "SDK-HMAC-SHA256 Access=AKOFTHETESTS, SignedHeaders=host, Signature=00", "host": "h"}
    request = Request("GET", PROGRESS, headers)
    for _ in range(STRIKES):
        assert callers.identity(request, START) is None
        callers.refused(request, START)
    assert callers.locks == 0

    callers.refused(request, START)

    assert callers.locks == 1


async def raw(cloud: Cloud, target: str, times: int = 1, gap: float = 0.1) -> bytes:
    """Send requests on one connection and return what comes back until it closes, or until nothing comes any more."""
    service = question(Request("GET", target, {})).service
    reader, writer = await asyncio.open_connection("127.0.0.1", cloud.ports[service])
    received = b""
    with contextlib.suppress(TimeoutError, ConnectionError):
        for _ in range(times):
            writer.write(f"GET {target} HTTP/1.1\r\nHost: h\r\nX-Auth-Token: t\r\n\r\n".encode())
            patience, ends = 1.5, time.monotonic() + 1.5
            while part := await asyncio.wait_for(reader.read(1 << 20), patience):
                received += part
                patience = gap
                if times > 1 or len(received) > 2_000_000 or time.monotonic() > ends:
                    break
    writer.close()
    return received


def hostile(plan: Some, after: float = 7.0) -> Cloud:
    cloud = Cloud(WORLD, plan, Table(), random.Random(3), clock=lambda: START + after)
    cloud.callers.tokens["t"] = "exporter"
    return cloud


def body(received: bytes) -> Any:
    return json.loads(received.partition(b"\r\n\r\n")[2])


async def test_without_a_plan_it_tells_the_truth_and_notes_who_asked() -> None:
    async with hostile(honest_plan()) as cloud:
        assert body(await raw(cloud, PROGRESS)) == said(PROGRESS, 7).body
        assert [(call.limit, call.identity, call.did) for call in cloud.calls] == [("dli", "exporter", "honest")]


async def test_who_may_not_ask_hears_it_from_the_gateway() -> None:
    async with hostile(honest_plan()) as cloud:
        cloud.callers.tokens.clear()
        assert body(await raw(cloud, PROGRESS))["error_code"] == "APIGW.0307"


HONEST_HERE = {"older_submission", "close_when_reused", "wrong_date"}
"""What tells the truth of a first call, or of one that no newer run was told of, or errs in the date alone."""
TARGETS = {
    "dli.list": "/v1.0/p/jobs?page-size=2&current-page=1",
    "cdm.submissions": "/v1.1/p/clusters/c1/cdm/submissions?jname=other",
    "cdm.status": STATUS,
}


def target_of(name: str) -> str:
    return next((each for operation, each in TARGETS.items() if TABLE[name].calls.fullmatch(operation)), PROGRESS)


@pytest.mark.parametrize("name", OF_THIS_CLOUD)
async def test_each_misbehaviour_says_something_else(name: str) -> None:
    target = PROGRESS if TABLE[name].calls.fullmatch("dli.progress") else target_of(name)
    async with hostile(always(name, random.Random(5))) as cloud:
        received = await raw(cloud, target, gap=0.5 if name == "second_answer_later" else 0.1)

    truth = said(target, 7).encoded()
    undated = re.sub(rb"Date: [^\r]*\r\n", b"", received)
    right = (
        f"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {len(truth)}\r\n\r\n".encode() + truth
    )
    assert (undated == right) == (name in HONEST_HERE)


async def test_a_sour_connection_stays_sour_and_a_new_one_is_fine() -> None:
    plan = always("sour", random.Random(1))
    async with hostile(plan) as cloud:
        assert (await raw(cloud, PROGRESS, times=3)).count(b"HTTP/1.1 503") == 3
        plan.until = 0

        assert (await raw(cloud, PROGRESS)).startswith(b"HTTP/1.1 200")


async def test_a_second_answer_is_for_another_job_and_does_not_say_so() -> None:
    async with hostile(always("second_answer_at_once", random.Random(1)), after=25) as cloud:
        received = await raw(cloud, STATUS)

        _, first, second = received.split(b"HTTP/1.1 200 OK")
        assert body(first) == said(STATUS, 25).body
        assert "job-name" not in body(second)["submissions"][0]


async def test_a_later_second_answer_is_for_no_job_whose_name_another_one_has() -> None:
    async with hostile(always("second_answer_later", random.Random(1)), after=25) as cloud:
        cloud.world = replace(WORLD, jobs=(*WORLD.jobs, replace(OTHER, cluster="c2")))
        assert (await raw(cloud, STATUS, gap=0.5)).count(b"HTTP/1.1 200 OK") == 1

        cloud.world = WORLD
        _, first, second = (await raw(cloud, STATUS, gap=0.5)).split(b"HTTP/1.1 200 OK")
        assert [body(each)["submissions"][0]["job-name"] for each in (first, second)] == [CDM.name, OTHER.name]


async def test_an_older_run_is_told_only_after_the_newer_one() -> None:
    plan = honest_plan()
    async with hostile(plan, after=25) as cloud:
        await raw(cloud, STATUS)
        cloud.told = {path: (run, at - 10) for path, (run, at) in cloud.told.items()}
        cloud.plan = always("older_submission", random.Random(1))

        assert body(await raw(cloud, STATUS))["submissions"][0]["submission-id"] == 77


async def test_a_bomb_is_small_until_it_is_opened() -> None:
    async with hostile(always("gzip_bomb", random.Random(1))) as cloud:
        received = (await raw(cloud, PROGRESS)).partition(b"\r\n\r\n")[2]

        assert len(received) < 200_000
        assert len(gzip.decompress(received)) > 99_000_000


async def test_refusing_lasts_a_moment() -> None:
    async with hostile(honest_plan()) as cloud:
        task = asyncio.create_task(cloud.refuse(0.2))
        await asyncio.sleep(0.05)
        with pytest.raises(ConnectionRefusedError):
            await raw(cloud, PROGRESS)
        await task

        assert (await raw(cloud, PROGRESS)).startswith(b"HTTP/1.1 200")


def test_a_mixture_is_the_same_for_one_seed() -> None:
    request = question(Request("GET", PROGRESS, {}))
    plans = [Some(random.Random(9), 0.5, mixture()) for _ in range(2)]

    first, second = ([plan.choose("call", request, START) for _ in range(50)] for plan in plans)

    assert first == second
    assert len({name for name in first if name}) > 10
