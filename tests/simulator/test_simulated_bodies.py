"""The bodies themselves: refusals in the vendor's words, and the oddities that a model would smooth over."""

import json
import re
from typing import Any

import aiohttp
import pytest

from exporter.simulator import CdmCluster, CdmJob, CdmRun, Cloud, DliJob, DwsJob, Oddity, Step, SubJob, Volume

CLUSTER = "6ec9a0a4-76be-4262-8697-e7af1fac7920"


async def get(cloud: Cloud, url: str, path: str) -> tuple[int, Any]:
    headers = {"X-Auth-Token": cloud.token}
    async with aiohttp.ClientSession() as session, session.get(url + path, headers=headers) as answer:
        return answer.status, await answer.json()


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        pytest.param("/v1/{p}/jobs/nobody/progress", 404, "DLI.0023", id="sql progress"),
        pytest.param("/v1.0/{p}/jobs/nobody/status", 400, "DLI.0002", id="sql status"),
        pytest.param("/v1.0/{p}/jobs?page-size=101", 400, "DLI.0001", id="page too large"),
        pytest.param("/v1.0/{p}/jobs?start=monday", 400, "DLI.0001", id="no time"),
        pytest.param("/v1.0/{p}/job/2c9080e88459fa44018459fbeb600001", 404, "DWS.3027", id="warehouse task"),
        pytest.param("/v1.0/{p}/job/nobody", 400, "DWS.5064", id="not even an id"),
        pytest.param(f"/v1.1/{{p}}/clusters/{CLUSTER}/cdm/job/nobody/status", 400, "Cdm.0100", id="migration"),
        pytest.param(f"/v1.1/{{p}}/clusters/{CLUSTER}/cdm/submissions?jname=x", 400, "Cdm.0100", id="history"),
        pytest.param("/v1.1/{p}/clusters/nowhere/cdm/job/all", 400, "Cdm.0001", id="cluster"),
        pytest.param("/v1.1/{p}/clusters/off/cdm/job/all", 400, "Cdm.0000", id="a cluster that is off"),
        pytest.param("/v1/{p}/job/x", 404, "APIG.0101", id="wrong version"),
        pytest.param("/v1/wrong/jobs/x/progress", 403, "APIGW.0310", id="another project"),
    ],
)
async def test_what_is_not_there_is_refused_in_the_vendors_words(
    cloud: Cloud, url: str, path: str, status: int, code: str
) -> None:
    cloud.cdm_clusters = {CLUSTER: CdmCluster(CLUSTER, "c"), "off": CdmCluster("off", "c", "900")}
    seen, body = await get(cloud, url, path.format(p=cloud.project_id))
    assert (seen, body.get("error_code") or body["errCode"]) == (status, code)


async def test_odd_answers_are_odd_on_the_wire(cloud: Cloud, clock: Any, url: str) -> None:
    odd = {Oddity.TEXT_DATES, Oddity.BOTH_USER_KEYS, Oddity.BOOLEAN_STOPPING, Oddity.ZERO_WHEN_DONE}
    run = CdmRun((Step("RUNNING", 10, 0.0, 1.0),), rest=60, volume=Volume(rows_read=5))
    cloud.add(CdmJob(CLUSTER, "odd", cloud.started, (run,), oddities=frozenset(odd)))
    clock.now += 20
    _, body = await get(cloud, url, f"/v1.1/{cloud.project_id}/clusters/{CLUSTER}/cdm/job/odd/status")
    seen = body["submissions"][0]
    assert seen["creation-date"] == str(int(cloud.started * 1000))
    assert (seen["last-udpate-user"], seen["last-update-user"]) == ("svc_etl", "svc_etl")
    assert (seen["isStopingIncrement"], seen["progress"]) == (False, 0)
    figures = seen["counters"]["org.apache.sqoop.submission.counter.SqoopCounters"]
    assert (figures["ROWS_READ"], figures["BYTES_READ"], "FILES_SKIPPED" in figures) == (5, -1, False)


async def test_sub_jobs_carry_java_dates_and_whole_progress_is_an_integer(cloud: Cloud, clock: Any, url: str) -> None:
    cloud.add(DliJob("j", "orders", cloud.started, (SubJob("save", 10, 100), SubJob("save", 10, 100))))
    clock.now += 100
    _, body = await get(cloud, url, f"/v1/{cloud.project_id}/jobs/j/progress")
    first, second = body["sub_jobs"]
    assert first["submission_time"] == "Tue Nov 04 12:00:00 CST 2025"
    assert (first["status"], second["status"], "completion_time" in second) == ("SUCCEEDED", "RUNNING", False)
    assert re.search(r'"progress": 0[,}]', json.dumps(body))
    assert (body["sub_job_id"], second["stage_ids"]) == (1, [2, 3])


async def test_a_bare_task_leaves_out_what_another_sends_as_null(cloud: Cloud, url: str) -> None:
    plain, bare = "0" * 32, "1" * 32
    script = (Step("WAITING", 60),)
    cloud.add(DwsJob(plain, "a", cloud.started, script), DwsJob(bare, "b", cloud.started, script, bare=True))
    bodies = [(await get(cloud, url, f"/v1.0/{cloud.project_id}/job/{each}"))[1] for each in (plain, bare)]
    assert bodies[0]["begin_time"] is None
    assert set(bodies[1]) == {"status", "progress", "job_id", "job_name"}
