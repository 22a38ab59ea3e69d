"""Reading the simulator's lists over HTTP gives what it meant, and what the vendor's own clients read."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, TypeVar

import pytest
from aiohttp import ClientSession, web
from aiohttp.test_utils import TestServer
from huaweicloudsdkcdm.v1 import CdmClient, ListClustersRequest, ShowJobsRequest
from huaweicloudsdkcore.auth.credentials import BasicCredentials
from huaweicloudsdkdgc.v1 import DgcClient, ListJobInstancesRequest, ListJobsRequest, ShowJobInstanceRequest
from huaweicloudsdkdli.v1 import (
    DliClient,
    ListFlinkJobsRequest,
    ListSparkJobsRequest,
    ListSqlJobsRequest,
    ShowFlinkJobRequest,
    ShowSparkJobRequest,
    ShowSqlJobStatusRequest,
)
from huaweicloudsdkdws.v2 import (
    DwsClient,
    ListClusterActionsRequest,
    ListClusterDetailsRequest,
    ListSnapshotsRequest,
    ShowClusterRedistributionRequest,
)
from huaweicloudsdkdws.v2 import ListClustersRequest as ListWarehousesRequest
from yarl import URL

from exporter.cloud.credentials.signing import canonical_query
from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.services import error_classes
from exporter.services.cdm.lists import COUNTS
from exporter.services.dli.words import STATES
from exporter.services.list_reading import Found, Named, read_rule
from exporter.services.listing import Lister
from exporter.services.page_cursor import PageStart
from exporter.services.registry import load_services
from exporter.services.request import Request
from exporter.simulator import CdmJob, CdmRun, Cloud, DliJob, Oddity, Step, SubJob, Volume, make_app, populate
from exporter.simulator.cdm_script import CdmCluster
from exporter.simulator.world import SHANGHAI

ADAPTERS = load_services()
T = TypeVar("T")
NOON = 1_762_228_800.0


@dataclass
class Hand:
    """A clock that only a test moves; Unix seconds."""

    now: float = NOON

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Hand:
    return Hand()


@pytest.fixture
def cloud(clock: Hand) -> Cloud:
    cloud = Cloud(clock=clock)
    cloud.limits.per_minute.clear()
    return cloud


@pytest.fixture
async def url(cloud: Cloud) -> AsyncIterator[str]:
    async with TestServer(make_app(cloud)) as server:
        yield str(server.make_url("/")).rstrip("/")


@pytest.fixture
def vendor(cloud: Cloud) -> Iterator[Callable[[Any, str], Any]]:
    """Make one of the vendor's clients for an address."""
    made: list[Any] = []

    def make(kind: Any, url: str) -> Any:
        keys = BasicCredentials(cloud.access_key, cloud.secret_key, cloud.project_id)
        made.append(kind.new_builder().with_credentials(keys).with_endpoint(url).build())
        return made[-1]

    yield make
    for client in made:  # the vendor's clients have no way to be closed
        client._http_client._session.close()


def lister(service: str) -> Lister[Any]:
    found = ADAPTERS[service].lists
    assert found is not None
    return found


async def get(cloud: Cloud, url: str, service: str, request: Request) -> bytes:
    """Make one call as the exporter writes it; a refused one is a failure."""
    address = URL(f"{url}{request.path}?{canonical_query(request.query_at(cloud.clock()))}", encoded=True)
    headers = {"X-Auth-Token": cloud.token, **dict(request.headers)}
    async with ClientSession() as session, session.get(address, headers=headers) as answer:
        body = await answer.read()
    if answer.status != 200:
        raise error_classes.refusal(answer.status, error_classes.envelope(body), ADAPTERS[service].codes)
    return body


async def discover(cloud: Cloud, url: str, service: str, **rule: object) -> Found:
    return await searched(cloud, url, service, lister(service).rule.model_validate(rule), cloud.clock())


async def searched(cloud: Cloud, url: str, service: str, rule: Any, now: float, place: Any = None) -> Found:
    """Return what *rule* finds; the lists of the first place are those of another *place*, if there is one."""

    async def ask(request: Request, read: Callable[[bytes], T], /) -> tuple[T, float]:
        if place is not None and "/clusters/c-1/" in request.path:
            request = replace(request, path=request.path.replace("/c-1/", f"/{place}/"))
        return read(await get(cloud, url, service, request)), 0.0

    return await read_rule(lister(service), rule, cloud.project_id, now, ask)


def seconds(milliseconds: int | None) -> float | None:
    return None if milliseconds is None else milliseconds / 1000


@pytest.mark.parametrize("elapsed", range(0, 400, 23))
async def test_the_list_of_dli_is_read_as_the_vendors_client_reads_it(
    cloud: Cloud, clock: Hand, url: str, vendor: Callable[[Any, str], Any], elapsed: int
) -> None:
    populate(cloud)
    cloud.faults.clear()
    clock.now += elapsed
    found = await discover(cloud, url, "dli", window="3650d")
    theirs = await asyncio.to_thread(vendor(DliClient, url).list_sql_jobs, ListSqlJobsRequest(page_size=100))

    assert (found.cut, found.missing_rows, found.failures, found.unknown) == (0, 0, (), ())
    assert len(found.jobs) == theirs.job_count == len(theirs.jobs)
    mine = {each.name: each.listed for each in found.jobs}
    for row in theirs.jobs:
        listed = mine[row.job_id]
        seen = listed.snapshot
        assert seen is not None
        assert listed.target == {"job_id": row.job_id}
        names = ("job_id", "job_type", "queue_name", "owner", "database_name")
        words = {name: getattr(row, name) for name in names if getattr(row, name)}
        assert listed.words == words | {f"tags.{tag.key}": tag.value for tag in row.tags or []}
        assert (listed.since, seen.start) == (seconds(row.start_time),) * 2
        assert (seen.state.value, seen.end) == (truth(cloud, row.job_id), seconds(row.end_time))
        assert seen.native_state == (row.status if row.status.upper() in STATES else "other")
        assert seen.detail.get("message", "") == row.message.partition("\n")[0]
        assert (seen.failure_code is not None) == (row.status == "FAILED")
        assert seen.progress == (1.0 if row.status == "FINISHED" else None)
        assert seen.counts == ({} if row.status == "LAUNCHING" else counts_of(row))
        kept = ("queue_name", "owner", "job_type", "database_name", "table_name", "engine_type")
        assert seen.words == {name: getattr(row, name) for name in kept if getattr(row, name)}


@pytest.mark.parametrize("elapsed", range(0, 400, 47))
async def test_the_status_of_dli_is_read_as_the_vendors_client_reads_it(
    cloud: Cloud, clock: Hand, url: str, vendor: Callable[[Any, str], Any], elapsed: int
) -> None:
    populate(cloud)
    cloud.faults.clear()
    clock.now += elapsed
    theirs, reader = vendor(DliClient, url), lister("dli").row
    assert reader is not None
    for job in cloud.dli.values():
        request = reader.request({"job_id": job.job_id}, cloud.project_id)
        mine = reader.parse(await get(cloud, url, "dli", request), {"job_id": job.job_id}).snapshot
        row = await asyncio.to_thread(theirs.show_sql_job_status, ShowSqlJobStatusRequest(job_id=job.job_id))
        assert mine is not None
        assert (mine.state.value, mine.start) == (truth(cloud, row.job_id), seconds(row.start_time))
        assert mine.end == (seconds(row.start_time + row.duration) if mine.state.ended else None)
        assert mine.counts == ({} if row.status == "LAUNCHING" else counts_of(row))
        kept = ("queue_name", "owner", "job_type", "job_mode", "database_name", "table_name")
        assert mine.words == {name: getattr(row, name) for name in kept if getattr(row, name)}


@pytest.mark.parametrize("elapsed", range(0, 100, 11))
async def test_spark_batches_are_read_as_the_vendors_client_reads_them(
    cloud: Cloud, clock: Hand, url: str, vendor: Callable[[Any, str], Any], elapsed: int
) -> None:
    populate(cloud)
    cloud.faults.clear()
    clock.now += elapsed
    found = await discover(cloud, url, "dli_spark")
    client = vendor(DliClient, url)
    theirs = (await asyncio.to_thread(client.list_spark_jobs, ListSparkJobsRequest(size=100))).sessions

    assert (found.cut, found.missing_rows, found.failures, found.unknown) == (0, 0, (), ())
    mine = {each.name: each.listed for each in found.jobs}
    assert sorted(mine) == sorted(row.id for row in theirs)
    for row in theirs:
        words = {"job_id": row.id, "job_name": row.name, "queue_name": row.queue, "owner": row.owner}
        assert (mine[row.id].words, mine[row.id].since) == (words, seconds(row.create_time))
        alone = await asyncio.to_thread(client.show_spark_job, ShowSparkJobRequest(batch_id=row.id))
        for seen, told in ((mine[row.id].snapshot, row), (await polled(cloud, url, "dli_spark", row.id), alone)):
            assert seen is not None
            assert (seen.native_state, seen.start) == (told.state, seconds(told.create_time))
            assert seen.end == (seconds(told.update_time) if told.state in {"dead", "success"} else None)
            assert (seen.words["queue_name"], seen.words["owner"]) == (told.queue, told.owner)


@pytest.mark.parametrize("elapsed", range(0, 100, 11))
async def test_flink_jobs_are_read_as_the_vendors_client_reads_them(
    cloud: Cloud, clock: Hand, url: str, vendor: Callable[[Any, str], Any], elapsed: int
) -> None:
    populate(cloud)
    cloud.faults.clear()
    clock.now += elapsed
    found = await discover(cloud, url, "dli_flink")
    client = vendor(DliClient, url)
    theirs = (await asyncio.to_thread(client.list_flink_jobs, ListFlinkJobsRequest(limit=100))).job_list

    assert (found.cut, found.missing_rows, found.failures, found.unknown) == (0, 0, (), ())
    mine = {each.name: each.listed for each in found.jobs}
    assert len(mine) == theirs.total_count == len(theirs.jobs)
    for row in theirs.jobs:
        words = {"job_name": row.name, "queue_name": row.queue_name, "owner": row.user_name, "job_type": row.job_type}
        assert mine[str(row.job_id)].words == {"job_id": str(row.job_id), **words}
        alone = await asyncio.to_thread(client.show_flink_job, ShowFlinkJobRequest(job_id=row.job_id))
        own = await polled(cloud, url, "dli_flink", str(row.job_id))
        for seen, told in ((mine[str(row.job_id)].snapshot, row), (own, alone.job_detail)):
            assert seen is not None
            pending = seen.state.value == "pending"
            assert (seen.native_state, seen.start) == (told.status, seconds(told.start_time or None))
            assert seen.counts.get(Measure("restarts")) == (None if pending else told.restart_times)


@pytest.mark.parametrize("elapsed", range(0, 320, 23))
async def test_jobs_and_instances_of_dataarts_are_read_as_the_vendors_client_reads_them(
    cloud: Cloud, clock: Hand, url: str, vendor: Callable[[Any, str], Any], elapsed: int
) -> None:
    populate(cloud)
    cloud.faults.clear()
    clock.now += elapsed
    (workspace,) = {job.workspace for job in cloud.factory.values()}
    found = await discover(cloud, url, "dataarts", workspaces=[workspace])
    client = vendor(DgcClient, url)
    jobs = await asyncio.to_thread(client.list_jobs, ListJobsRequest(workspace=workspace, job_type="BATCH", limit=100))
    window = {"min_plan_time": round((clock.now - 86_400) * 1000), "max_plan_time": round(clock.now * 1000)}
    request = ListJobInstancesRequest(workspace=workspace, limit=1000, **window)
    runs = (await asyncio.to_thread(client.list_job_instances, request)).instances

    assert (found.cut, found.missing_rows, found.failures, found.unknown) == (0, 0, (), ())
    mine = {each.name: each.listed for each in found.jobs}
    assert len(mine) == jobs.total == len(jobs.jobs)
    lists = lister("dataarts")
    view = lists.covering({"workspace_id": workspace})
    assert view is not None
    page = lists.parse(await get(cloud, url, "dataarts", lists.request(view, cloud.project_id, PageStart())), view)
    newest = {each.words["job_name"]: each.snapshot for each in page.items}
    for row in jobs.jobs:
        listed = mine[row.name]
        assert listed.words == {"workspace_id": workspace, "job_name": row.name, "owner": row.owner, "path": row.path}
        assert (listed.since, listed.schedule) == (seconds(row.create_time), row.status.lower())
        told = [each for each in runs if each.job_name == row.name]
        own = await polled(cloud, url, "dataarts", **listed.target)
        assert own.run.id == str(max(told, key=lambda each: each.plan_time).instance_id)
        for seen in [own, *([newest[row.name]] if row.name in newest else [])]:
            assert seen is not None
            for each in (seen, *seen.others):
                same_instance(each, next(one for one in told if str(one.instance_id) == each.run.id))
        named = {"job_name": row.name, "instance_id": own.run.id}
        detail = await asyncio.to_thread(client.show_job_instance, ShowJobInstanceRequest(workspace=workspace, **named))
        await same_nodes(cloud, url, listed.target, detail)


def same_instance(mine: Snapshot, row: Any) -> None:
    """Compare an instance as we have it with how the vendor's client has it."""
    assert (mine.native_state, mine.run.created) == (row.status, seconds(row.plan_time))
    assert (mine.start, mine.end) == (seconds(row.start_time), seconds(row.end_time))
    late = None if row.start_time is None else (row.start_time - row.plan_time) / 1000
    assert mine.counts.get(Measure("start_delay_seconds")) == late
    forced = mine.counts.get(Measure("success_override", "forced"))
    assert forced == (float(row.force_success) if row.status == "success" else None)
    assert mine.detail.get("error_message") == (row.error_message or None)
    assert mine.detail["version"] == row.version


async def same_nodes(cloud: Cloud, url: str, target: Mapping[str, str], detail: Any) -> None:
    """Compare the nodes of an instance as we count them with those that the vendor's client has."""
    reader, job = ADAPTERS["dataarts"].run_reader, Job(JobKey("dataarts", "j"), "p", target)
    assert reader is not None
    run = Snapshot(State.RUNNING, run=RunId(str(detail.instance_id)))
    request = reader.request(job, run, cloud.project_id)
    assert request is not None
    seen = reader.parse(await get(cloud, url, "dataarts", request), job, run, None)
    words = Counter(node.status for node in detail.nodes)
    states = {"waiting": "waiting", "active": "running", "completed": "success", "failed": "fail"}
    assert {state: seen.counts[Measure("tasks", state)] for state in states} == {
        state: words[word] for state, word in states.items()
    }
    assert seen.counts[Measure("tasks_planned")] == detail.total
    assert seen.counts[Measure("retries")] == sum(node.retry_times for node in detail.nodes)
    assert seen.native_state == detail.status


async def polled(cloud: Cloud, url: str, service: str, job_id: str = "", **target: str) -> Snapshot:
    """Return what a job's own answer says."""
    job = Job(JobKey(service, "j"), "p", target or {"job_id": job_id})
    adapter = ADAPTERS[service]
    return adapter.parse(await get(cloud, url, service, adapter.request(job, cloud.project_id)), job, None)


def counts_of(row: Any) -> dict[Measure, float]:
    """Return the numbers of a row, as the vendor's client has them."""
    fields = {"rows_read": "input_row_count", "bad_rows": "bad_row_count", "result_rows": "result_count"}
    fields |= {"read_bytes": "input_size", "written_bytes": "output_byte", "cpu_seconds": "cpu_cost"}
    told = {name: getattr(row, field, None) for name, field in fields.items()}
    numbers = {Measure(name): float(value) for name, value in told.items() if value not in {None, ""}}
    return {name: value / 1000 if name.name == "cpu_seconds" else value for name, value in numbers.items()}


def truth(cloud: Cloud, job_id: str) -> str:
    meant = cloud.truth(cloud.dli[job_id])
    assert meant is not None
    return meant.state.value


@pytest.mark.parametrize("elapsed", range(0, 400, 23))
async def test_the_list_of_cdm_is_read_as_the_vendors_client_reads_it(
    cloud: Cloud, clock: Hand, url: str, vendor: Callable[[Any, str], Any], elapsed: int
) -> None:
    populate(cloud)
    cloud.faults.clear()
    clock.now += elapsed
    found = await discover(cloud, url, "cdm")
    client = vendor(CdmClient, url)
    clusters = (await asyncio.to_thread(client.list_clusters, ListClustersRequest())).clusters
    off = [each for each in clusters if each.status != "200"]
    words = {"900": "off", "920": "starting"}
    assert [(each.name, each.word) for each in found.skipped] == [(each.name, words[each.status]) for each in off]
    assert (found.cut, found.missing_rows, found.failures, found.unknown) == (0, 0, (), ())
    mine = {each.name: each for each in found.jobs}
    for works in [each for each in clusters if each not in off]:
        request = ShowJobsRequest(cluster_id=works.id, job_name="all", page_no=1, page_size=100)
        theirs = await asyncio.to_thread(client.show_jobs, request)
        assert theirs.total == len(theirs.jobs) > 0
        for row in theirs.jobs:
            same_cdm_job(mine.pop(f"{works.name}/{row.name}"), row, works)
    assert not mine


def same_cdm_job(named: Named, row: Any, cluster: Any) -> None:
    listed, seen = named.listed, named.listed.snapshot
    assert listed.target == {"cluster_id": cluster.id, "job_name": row.name}
    assert listed.words == {
        "cluster_id": cluster.id,
        "cluster_name": cluster.name,
        "job_name": row.name,
        "job_type": row.job_type,
        "group_name": row.group_name,
    }
    assert listed.since == seconds(int(row.creation_date))
    assert (seen is None) == (row.status is None)
    if seen is None:
        return
    counts = {measure: getattr(row, name) for name, measure in COUNTS.items()}
    assert seen.counts == {measure: value for measure, value in counts.items() if value is not None and value >= 0}
    assert (seen.native_state, seen.incremental) == (row.status, row.is_incrementing)
    assert seen.start == seconds(row.execute_start_date)
    assert seen.end == (seconds(row.execute_update_date) if seen.state.ended else None)
    assert seen.detail["enabled"] is row.enabled


@pytest.mark.parametrize("elapsed", [*range(0, 205, 17), 185, 199])
async def test_the_clusters_of_dws_are_read_as_the_vendors_client_reads_them(
    cloud: Cloud, clock: Hand, url: str, vendor: Callable[[Any, str], Any], elapsed: int
) -> None:
    populate(cloud)
    cloud.faults.clear()
    clock.now += elapsed
    found = await discover(cloud, url, "dws")
    client = vendor(DwsClient, url)
    theirs = await asyncio.to_thread(client.list_clusters, ListWarehousesRequest())

    assert (found.cut, found.missing_rows, found.failures, found.unknown) == (0, 0, (), ())
    assert len(found.jobs) == theirs.count == len(theirs.clusters) == 4
    assert found.places is not None
    mine, places = {each.name: each.listed for each in found.jobs}, {each.id: each for each in found.places}
    for row in theirs.clusters:
        listed, place = mine[row.name], places[row.id]
        assert (listed.target, place.name) == ({"cluster_id": row.id}, row.name)
        assert (place.native_state, place.available) == (row.status, row.status == "AVAILABLE")
        assert listed.snapshot is not None
        same_operation(
            listed.snapshot, row, cloud.dws_clusters[row.id].truth(clock.now) if row.name == "dwh-lake" else None
        )
        job = Job(JobKey("dws", row.name), "demo", listed.target)
        adapter = ADAPTERS["dws"].of(job.target)
        own = adapter.parse(await get(cloud, url, "dws", adapter.request(job, cloud.project_id)), job, None)
        detail = await asyncio.to_thread(client.list_cluster_details, ListClusterDetailsRequest(cluster_id=row.id))
        same_operation(own, detail.cluster, None)
        resize = detail.cluster.resize_info
        assert (own.start is not None) == (row.task_status == "GROWING" and resize is not None)
        assert own.start == (datetime.fromisoformat(resize.start_time).timestamp() if resize else None)
        assert own.detail.get("target_nodes") == (resize.target_node_num if resize else None)


@pytest.mark.parametrize("elapsed", [10, 45, 70, 95, 101, 130, 160, 190, 215, 240, 300, 340, 400])
async def test_operations_on_a_cluster_of_dws_are_read_as_the_vendors_client_reads_them(
    cloud: Cloud, clock: Hand, url: str, vendor: Callable[[Any, str], Any], elapsed: int
) -> None:
    populate(cloud)
    cloud.faults.clear()
    clock.now += elapsed
    (lake,) = [each for each in cloud.dws_clusters.values() if each.name == "dwh-lake"]
    client, job = vendor(DwsClient, url), Job(JobKey("dws", "lake"), "demo", {"cluster_id": lake.cluster_id})
    reader = ADAPTERS["dws"].of(job.target).run_reader
    assert reader is not None

    async def mine(kind: str, **marks: str) -> Snapshot:
        run = Snapshot(State.RUNNING, kind, kind=kind, detail=marks)
        request = reader.request(job, run, cloud.project_id)
        assert request is not None
        return reader.parse(await get(cloud, url, "dws", request), job, run, SHANGHAI)

    moves = (await asyncio.to_thread(client.show_cluster_redistribution, moves_of(lake.cluster_id))).redis_info
    if moves is None:
        with pytest.raises(PollError):
            await mine("REDISTRIBUTING")
    else:
        same_redistribution(await mine("REDISTRIBUTING", redistribution_id=moves.id), moves)
    for row in (await asyncio.to_thread(client.list_snapshots, ListSnapshotsRequest())).snapshots:
        same_snapshot(await mine("SNAPSHOTTING", snapshot_id=row.id), row)
    if lake.at(clock.now).step.task == "GROWING":
        asked = ListClusterActionsRequest(cluster_id=lake.cluster_id, action_name="GROWING")
        same_steps(await mine("GROWING"), await asyncio.to_thread(client.list_cluster_actions, asked))


def moves_of(cluster: str) -> ShowClusterRedistributionRequest:
    return ShowClusterRedistributionRequest(cluster_id=cluster, limit=10, offset=0, type="i")


def there(text: str | None) -> float | None:
    """Return a time of the region, as Python reads it."""
    return datetime.fromisoformat(text).replace(tzinfo=SHANGHAI).timestamp() if text else None


def same_redistribution(mine: Snapshot, row: Any) -> None:
    told = row.redis_progress
    words = {"RUNNING": "running", "SUCCESS": "succeeded", "FAIL": "failed"}
    assert (mine.state.value, mine.native_state) == (words[row.status], row.status)
    assert mine.progress == told.total_progress / 100
    assert (mine.start, mine.end) == (there(row.start_time), there(row.end_time))
    assert mine.counts[Measure("tasks", "completed")] == told.tables_done
    assert mine.counts[Measure("tasks", "waiting")] == told.tables_left
    assert (mine.detail["bytes_done"], mine.detail["bytes_left"]) == (told.bytes_done, told.byte_left)
    assert mine.detail.get("estimated_time", "") == told.estimated_time
    tables = mine.detail["tables"].dicts() if "tables" in mine.detail else []
    assert [each["table"] for each in tables] == [each.table_name for each in row.redis_table_detail.data]


def same_snapshot(mine: Snapshot, row: Any) -> None:
    words = {"CREATING": "running", "AVAILABLE": "succeeded", "UNAVAILABLE": "failed"}
    assert (mine.state.value, mine.native_state) == (words[row.status], row.status)
    times = [datetime.fromisoformat(each).timestamp() if each else None for each in (row.started, row.finished)]
    assert [mine.start, mine.end] == times
    assert (mine.detail["snapshot_name"], mine.detail["snapshot_type"]) == (row.name, row.type)
    assert mine.detail.get("size_gb") == (row.size if row.status == "AVAILABLE" else None)


def same_steps(mine: Snapshot, row: Any) -> None:
    steps = [(item, each) for item in row.items for each in item.sub_items]
    assert (mine.state.value, mine.native_state) == ("running", row.status)
    assert mine.detail["submit_time"] == row.submit_time
    assert mine.start == there(steps[0][1].begin_time)
    assert [(each["phase"], each["sub_item_name"], each["status"]) for each in mine.detail["steps"].dicts()] == [
        (item.item_name, each.sub_item_name, each.status) for item, each in steps
    ]
    assert mine.counts[Measure("tasks", "completed")] == sum(each.status == "SUCCESS" for _, each in steps)


def same_operation(mine: Snapshot, row: Any, truth: Any) -> None:
    """Compare what we read of a cluster with how the vendor's client has it, and with what was meant."""
    assert mine.native_state == (row.task_status or row.status)
    assert mine.idle == (row.task_status is None)
    figures = {word: int(text.removesuffix("%")) / 100 for word, text in row.action_progress.items()}
    assert mine.progress == figures.get(row.task_status)
    reasons = row.failed_reasons
    assert mine.failure_code == (reasons.error_code if reasons else None)
    assert mine.detail.get("failed_detail") == (reasons.error_msg if reasons else None)
    assert mine.detail["nodes"] == row.number_of_node
    if truth is not None:
        assert (mine.state.value, mine.progress) == (truth.state.value, truth.progress)


@pytest.mark.parametrize(
    ("rule", "theirs"),
    [
        ({}, {}),
        ({"queues": ["q1"]}, {"queue_name": "q1"}),
        ({"owner": "l i+"}, {"owner": "l i+"}),
        ({"states": ["RUNNING"]}, {"job_status": "RUNNING"}),
        ({"types": ["DDL"]}, {"job_type": "DDL"}),
        ({"types": ["DDL", "INSERT"]}, {"job_types": ["DDL", "INSERT"]}),
        ({"tags": {"team": "bi", "k 1": "v=1+中"}}, {"tags": "team=bi,k 1=v=1+中"}),
    ],
)
async def test_the_query_is_written_as_the_vendors_client_writes_it(
    cloud: Cloud, vendor: Callable[[Any, str], Any], rule: dict[str, object], theirs: dict[str, object]
) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(request.rel_url.raw_query_string)
        return web.json_response({"is_success": True, "jobs": []})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        url = str(server.make_url("/")).rstrip("/")
        await discover(cloud, url, "dli", **rule)
        now = round(NOON * 1000)
        whole = {"page_size": 100, "current_page": 1, "order": "start_time_desc", "start": now - 86_400_000, "end": now}
        await asyncio.to_thread(vendor(DliClient, url).list_sql_jobs, ListSqlJobsRequest(**whole, **theirs))

    assert asked[0] == asked[1]


async def test_the_jobs_page_of_cdm_is_asked_for_as_the_vendors_client_asks(
    cloud: Cloud, vendor: Callable[[Any, str], Any]
) -> None:
    asked: list[str] = []

    async def answer(request: web.Request) -> web.Response:
        asked.append(str(request.rel_url))
        return web.json_response({"jobs": []})

    app = web.Application()
    app.router.add_get("/{path:.*}", answer)
    async with TestServer(app) as server:
        url = str(server.make_url("/")).rstrip("/")
        places = lister("cdm").places(b'{"clusters": [{"id": "c-1", "status": "200"}]}')
        (view,) = lister("cdm").views(lister("cdm").rule(), places[0], NOON)
        await get(cloud, url, "cdm", lister("cdm").request(view, cloud.project_id, PageStart(3, 200)))
        request = ShowJobsRequest("c-1", "all", page_no=3, page_size=100, job_type="NORMAL_JOB")
        await asyncio.to_thread(vendor(CdmClient, url).show_jobs, request)

    assert asked[0] == asked[1]


@pytest.mark.parametrize(
    ("rule", "names"),
    [
        ({}, ["1", "2", "3", "4"]),
        ({"queues": ["q1", "q2"]}, ["1", "3", "4"]),
        ({"tags": {"team": "b i"}}, ["2"]),
        ({"types": ["DDL", "INSERT"]}, ["2", "3"]),
        ({"owner": "li"}, ["3"]),
        ({"states": ["RUNNING", "FINISHED"]}, ["1", "2", "3", "4"]),
        ({"states": ["FINISHED"]}, ["1"]),
        ({"window": "30s"}, ["3", "4"]),
        ({"max_jobs": "2"}, ["3", "4"]),
        ({"name": "{owner}-{tags.team}"}, ["1", "svc_etl-b i", "3", "4"]),
    ],
)
async def test_rules_find_the_simulators_dli_jobs(
    cloud: Cloud, clock: Hand, url: str, rule: dict[str, object], names: list[str]
) -> None:
    script = (SubJob("save", 10, 1000),)
    cloud.add(
        DliJob("1", "a", NOON - 50, (SubJob("save", 10, 10),), queue="q1"),
        DliJob("2", "b", NOON - 40, script, job_type="DDL", tags={"team": "b i"}),
        DliJob("3", "c", NOON - 20, script, queue="q1", owner="li", job_type="INSERT"),
        DliJob("4", "d", NOON, script, queue="q2"),
    )

    assert [each.name for each in (await discover(cloud, url, "dli", **rule)).jobs] == names


async def test_pages_of_the_simulator_are_read_to_the_end(cloud: Cloud, url: str) -> None:
    cluster = cloud.new_uuid()
    cloud.add(*(CdmJob(cluster, f"订单 {number:03}+", NOON, (CdmRun((Step("RUNNING", 5),)),)) for number in range(230)))
    cloud.add(*(DliJob(str(number), "j", NOON - number, (SubJob("s", 1, 9),)) for number in range(1, 351)))

    migrations = await discover(cloud, url, "cdm")
    queries = await discover(cloud, url, "dli")

    assert {each.name for each in migrations.jobs} == {f"订单 {number:03}+" for number in range(230)}
    assert [each.name for each in queries.jobs] == [str(number) for number in range(350, 0, -1)]


async def test_a_running_cdm_job_tells_its_rows_and_an_odd_one_no_state(cloud: Cloud, clock: Hand, url: str) -> None:
    cluster = cloud.new_uuid()
    run = CdmRun((Step("RUNNING", 100, 0.0, 1.0),), volume=Volume(rows_written=1000))
    odd = frozenset({Oddity.NO_LIST_STATUS, Oddity.TEXT_DATES})
    cloud.add(CdmJob(cluster, "orders", NOON, (run,)), CdmJob(cluster, "odd", NOON, (run,), oddities=odd))
    clock.now += 50
    listed = {each.name: each.listed for each in (await discover(cloud, url, "cdm")).jobs}

    assert listed["odd"].snapshot is None
    assert listed["odd"].since == NOON - 86400
    assert listed["orders"].snapshot is not None
    assert listed["orders"].snapshot.counts[Measure("rows_written")] == 500


async def test_a_cluster_that_fails_is_told_with_its_reason(cloud: Cloud, url: str) -> None:
    cloud.add(CdmJob("c-1", "orders", NOON, (CdmRun((Step("RUNNING", 100),)),)))
    cloud.cdm_clusters["c-2"] = CdmCluster("c-2", "second")
    found = await searched(cloud, url, "cdm", lister("cdm").rule(), NOON, place="gone")

    assert [(place.id, error.reason.value) for place, error in found.failures] == [("c-1", "not_found")]
    assert found.jobs == ()
