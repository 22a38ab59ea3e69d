"""The vendor's own clients read every answer, over HTTP and signed, and find what the world means."""

import json
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from huaweicloudsdkcdm.v1 import (
    ListClustersRequest,
    ShowJobsRequest,
    ShowJobStatusRequest,
    ShowSubmissionsRequest,
)
from huaweicloudsdkcore.exceptions.exceptions import ServiceResponseException
from huaweicloudsdkdli.v1 import (
    CreateSqlJobRequest,
    CreateSqlJobRequestBody,
    ListSqlJobsRequest,
    ShowSqlJobProgressRequest,
    ShowSqlJobStatusRequest,
)
from huaweicloudsdkdws.v2 import ListClustersRequest as ListWarehousesRequest
from huaweicloudsdkdws.v2 import ListJobDetailsRequest

from exporter.simulator import CdmJob, CdmRun, Cloud, DliJob, Oddity, Step, SubJob, Truth, Volume, populate
from exporter.simulator.answers import Call
from exporter.simulator.gateway import handle

CLUSTER = "6ec9a0a4-76be-4262-8697-e7af1fac7920"
ROUNDS = range(10)


@pytest.fixture
def demo(cloud: Cloud) -> Cloud:
    populate(cloud)
    cloud.faults.clear()
    cloud.limits.per_minute.clear()
    return cloud


def seconds(text: str | None) -> float | None:
    """Read a DWS time, either form, as the region's local time."""
    if text is None:
        return None
    naive = datetime.fromisoformat(text.replace(" ", "T").removesuffix(".0"))
    return naive.replace(tzinfo=ZoneInfo("Asia/Shanghai")).timestamp()


def milliseconds(value: int | None) -> float | None:
    return None if value is None else value / 1000


def tasks(answer: Any) -> dict[str, int]:
    names = ("active", "completed", "skipped", "failed", "killed")
    listed = answer.sub_jobs or []
    if not listed:
        return {}
    sums = {name: sum(getattr(each, f"num_{name}_tasks") for each in listed) for name in names}
    return {"total": sum(each.num_tasks for each in listed), **sums}


async def test_the_sdk_reads_every_sql_job_as_the_world_means_it(demo: Cloud, clock: Any, vendor: Any) -> None:
    for _ in ROUNDS:
        clock.now += 9
        for job in demo.dli.values():
            seen = await vendor.ask(vendor.dli.show_sql_job_progress, ShowSqlJobProgressRequest(job_id=job.job_id))
            meant = demo.truth(job)
            assert meant is not None
            assert (seen.status, seen.progress, seen.message) == (meant.status, meant.progress, meant.message)
            assert tasks(seen) == meant.tasks


async def test_the_sdk_reads_every_warehouse_task_as_the_world_means_it(demo: Cloud, clock: Any, vendor: Any) -> None:
    for _ in ROUNDS:
        clock.now += 9
        for job in demo.dws.values():
            seen = await vendor.ask(vendor.dws.list_job_details, ListJobDetailsRequest(job_id=job.job_id))
            meant = demo.truth(job)
            assert meant is not None
            assert (seen.job_id, seen.status) == (job.job_id, meant.status)
            assert int(seen.progress.removesuffix("%")) / 100 == meant.progress
            assert (seconds(seen.begin_time), seconds(seen.end_time)) == (meant.started_at, meant.ended_at)
            assert (seen.failed_detail or "") == meant.message


async def test_the_sdk_reads_every_migration_as_the_world_means_it(demo: Cloud, clock: Any, vendor: Any) -> None:
    for _ in ROUNDS:
        clock.now += 9
        for job in demo.cdm.values():
            if demo.cdm_clusters[job.cluster_id].at(clock.now).status != "200":
                continue
            request = ShowJobStatusRequest(cluster_id=job.cluster_id, job_name=job.name)
            seen = await vendor.ask(vendor.cdm.show_job_status, request)
            meant = demo.truth(job)
            assert isinstance(meant, Truth)
            if not seen.submissions:
                assert meant.status is None
                continue
            _same_run(job, max(seen.submissions, key=lambda each: int(each.creation_date)), meant)


def _same_run(job: CdmJob, seen: Any, meant: Truth) -> None:
    assert (seen.job_name, seen.status) == (job.name, meant.status)
    assert int(seen.creation_date) / 1000 == meant.submitted_at
    if not (seen.status == "SUCCEEDED" and Oddity.ZERO_WHEN_DONE in job.oddities):
        assert (None if seen.progress == -1 else seen.progress / 100) == meant.progress
    if seen.submission_id is None:  # one of the short answers
        return
    assert (seen.submission_id, milliseconds(seen.execute_date)) == (meant.run, meant.started_at)
    counted = {name: getattr(seen, name) for name in ("write_rows", "update_rows", "delete_rows")}
    if seen.counters is not None:
        figures = seen.counters.org_apache_sqoop_submission_counter_sqoop_counters
        named = {name: getattr(figures, attribute) for attribute, name in figures.attribute_map.items()}
        counted |= {name: value for name, value in named.items() if value is not None and value >= 0}
    assert counted == meant.counters


async def test_the_lists_tell_what_the_single_answers_tell(demo: Cloud, clock: Any, vendor: Any) -> None:
    clock.now += 50
    listed = await vendor.ask(vendor.dli.list_sql_jobs, ListSqlJobsRequest(page_size=100))
    meant = {job.job_id: job.truth(clock.now) for job in demo.dli.values()}
    assert {each.job_id: each.status for each in listed.jobs} == {
        job_id: truth.status for job_id, truth in meant.items() if truth is not None
    }
    assert listed.job_count == len(meant)
    assert any("insert overwrite" in each.statement for each in listed.jobs)
    for each in listed.jobs:
        single = await vendor.ask(vendor.dli.show_sql_job_status, ShowSqlJobStatusRequest(job_id=each.job_id))
        assert (single.status, single.start_time, single.job_mode) == (each.status, each.start_time, "async")


@pytest.mark.parametrize(
    ("query", "names"),
    [
        pytest.param({"queue_name": "q1"}, ["c", "a"], id="queue, newest first"),
        pytest.param({"queue_name": "q1", "order": "start_time_asc"}, ["a", "c"], id="oldest first"),
        pytest.param({"tags": "team=bi"}, ["b"], id="tag"),
        pytest.param({"tags": "team%3Dbi"}, ["b"], id="tag in the documented form, encoded once more"),
        pytest.param({"job_types": ["DDL", "INSERT"]}, ["c", "b"], id="a repeated key"),
        pytest.param({"owner": "li"}, ["c"], id="owner"),
        pytest.param({"job_status": "RUNNING"}, ["c", "b", "a"], id="status"),
        pytest.param({"page_size": 2, "current_page": 2}, ["a"], id="the second page"),
        pytest.param({"start": 1_762_228_800_000}, ["c"], id="submitted since"),
        pytest.param({"sql_pattern": "SELECT 1"}, ["c", "b", "a"], id="text of the statement"),
    ],
)
async def test_the_sql_list_filters(cloud: Cloud, vendor: Any, query: dict[str, Any], names: list[str]) -> None:
    script = (SubJob("save", 10, 1000),)
    begun = cloud.started
    cloud.add(
        DliJob("1", "a", begun - 20, script, queue="q1"),
        DliJob("2", "b", begun - 10, script, job_type="DDL", tags={"team": "bi"}),
        DliJob("3", "c", begun, script, queue="q1", owner="li", job_type="INSERT"),
    )
    listed = await vendor.ask(vendor.dli.list_sql_jobs, ListSqlJobsRequest(**query))
    assert [cloud.dli[each.job_id].name for each in listed.jobs] == names


async def test_the_migration_list_and_history_are_paged(cloud: Cloud, clock: Any, vendor: Any) -> None:
    run = CdmRun((Step("BOOTING", 2), Step("RUNNING", 5, 0.0, 1.0)), rest=3, volume=Volume(rows_written=9))
    cloud.add(*(CdmJob(CLUSTER, f"orders_{n:02}", cloud.started, (run,)) for n in range(25)))
    clock.now += 129
    page = ShowJobsRequest(cluster_id=CLUSTER, job_name="all", page_no=3, page_size=10)
    listed = await vendor.ask(vendor.cdm.show_jobs, page)
    assert (listed.total, [each.name for each in listed.jobs]) == (25, [f"orders_{n:02}" for n in range(20, 25)])
    assert {each.status for each in listed.jobs} == {"SUCCEEDED"}
    history = await vendor.ask(
        vendor.cdm.show_submissions, ShowSubmissionsRequest(cluster_id=CLUSTER, jname="orders_01")
    )
    assert history.total == 13
    assert [each.submission_id for each in history.submissions] == list(range(13, 3, -1))


async def test_cluster_lists_are_read(demo: Cloud, vendor: Any) -> None:
    migration = await vendor.ask(vendor.cdm.list_clusters, ListClustersRequest())
    warehouses = await vendor.ask(vendor.dws.list_clusters, ListWarehousesRequest())
    assert [each.status for each in migration.clusters] == ["200", "900", "200"]
    assert warehouses.clusters[0].action_progress == {"GROWING": "9%"}


async def test_the_sdk_sees_the_vendors_error(cloud: Cloud, vendor: Any) -> None:
    with pytest.raises(ServiceResponseException) as caught:
        await vendor.ask(vendor.dli.show_sql_job_progress, ShowSqlJobProgressRequest(job_id="nobody"))
    assert (caught.value.status_code, caught.value.error_code) == (404, "DLI.0023")


async def test_a_job_that_the_sdk_submits_runs_and_ends(cloud: Cloud, clock: Any, vendor: Any) -> None:
    body = CreateSqlJobRequestBody(sql="insert into t select 1", queue_name="nightly")
    submitted = await vendor.ask(vendor.dli.create_sql_job, CreateSqlJobRequest(body=body))
    assert submitted.is_success

    statuses = []
    for _ in range(3):
        request = ShowSqlJobStatusRequest(job_id=submitted.job_id)
        seen = await vendor.ask(vendor.dli.show_sql_job_status, request)
        assert (seen.statement, seen.queue_name) == ("insert into t select 1", "nightly")
        statuses.append(seen.status)
        clock.now += 5

    assert statuses == ["LAUNCHING", "RUNNING", "FINISHED"]


@pytest.mark.parametrize("body", [{}, {"sql": " "}, {"sql": 1}])
async def test_a_submission_without_a_statement_is_refused(body: dict[str, Any], cloud: Cloud) -> None:
    path = f"/v1.0/{cloud.project_id}/jobs/submit-job"
    call = Call("POST", path, headers={"x-auth-token": cloud.token}, body=json.dumps(body).encode())
    answer, _ = handle(cloud, call)

    assert answer.status == 400
    assert b"DLI.0001" in answer.body
    assert cloud.dli == {}
