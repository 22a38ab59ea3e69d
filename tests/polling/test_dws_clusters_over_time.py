"""A DWS cluster as a job, over time: its operations are its runs, and its own answers say of none that it succeeded."""

from dataclasses import replace

from exporter.model.job import Job, JobKey
from exporter.model.snapshot import State
from exporter.simulator import Cloud, ClusterStep, DwsCluster, DwsJob, Step, server_failure
from tests.polling.harness import SimulatedJob, World, world
from tests.polling.looking import looking
from tests.warp import START, run

LIST, DETAILS = "ListDwsClusters", "ListClusterDetails"
CLUSTER = "3b9d2f10-6a41-4c77-9e02-5d8c1f7a0b11"
GROW = ClusterStep("GROWING", 1000, low=0.0, nodes=(3, 6))
MOVE = ClusterStep("REDISTRIBUTING", 1000, sub_status="UNBALANCED | REDISTRIBUTING", low=0.0)
IDLE = ClusterStep(None, 1000)


def warehouse(*script: ClusterStep, cluster_id: str = CLUSTER, name: str = "dwh") -> DwsCluster:
    return DwsCluster(cluster_id, name, script=script, begun=START)


def put(cloud: Cloud, *clusters: DwsCluster) -> None:
    cloud.add(*clusters)


def calls(there: World, operation: str) -> int:
    return len(there.cloud.asked(operation))


def shown(there: World, cluster: SimulatedJob) -> tuple[str, str, float | None]:
    known = there.record(cluster).shown
    assert known is not None
    return known.state.value, known.native_state, known.progress


def test_operations_are_runs_and_one_whose_end_no_call_tells_is_unknown_and_not_a_success() -> None:
    cluster = warehouse(IDLE, GROW, MOVE, replace(IDLE, seconds=100_000))

    async def main() -> None:
        async with world(lambda cloud: put(cloud, cluster)) as there, looking(there):
            there.watch(cluster)
            there.cloud.faults.plan(server_failure(), times=None, operation="ShowClusterRedistribution")
            await there.until(900)
            assert shown(there, cluster) == ("unknown", "AVAILABLE", None)
            await there.until(1500)
            state, word, progress = shown(there, cluster)
            assert (state, word) == ("running", "GROWING")
            assert 0.4 < (progress or 0) < 0.52
            record = there.record(cluster)
            assert record.shown is not None
            assert record.shown.start == START + 1000
            await there.until(2500)
            record, (state, word, progress) = there.record(cluster), shown(there, cluster)
            assert (state, word) == ("running", "REDISTRIBUTING")
            assert 0.4 < (progress or 0) < 0.52
            assert record.shown is not None
            assert record.shown.start is None, "it is not that of the scale-out"
            await there.until(3200)

            record = there.record(cluster)
            assert shown(there, cluster) == ("unknown", "AVAILABLE", None)
            assert (record.runs, record.last_success, record.last_failure) == ((0, 0, 0), None, None)
            assert (record.up, record.final, record.fault) == (True, False, None)
            lines = there.lines()
            assert 'huaweicloud_job_state{job="dwh",service="dws",state="unknown"} 1.0' in lines
            assert not [line for line in lines if "run_labels" in line]

    run(main())


def test_a_failure_counts_once_however_long_the_cluster_says_so() -> None:
    failed = ClusterStep("RESIZE_FAILURE", 4000, failed_code="DWS.6001", failed_message="Rolled back.")
    cluster = warehouse(IDLE, GROW, failed, IDLE, GROW, replace(IDLE, seconds=100_000))

    async def main() -> None:
        async with world(lambda cloud: put(cloud, cluster)) as there, looking(there):
            there.watch(cluster)
            await there.until(5000)
            record = there.record(cluster)
            assert (record.runs, record.up) == ((0, 1, 0), True)
            assert record.shown is not None
            assert (record.shown.state, record.shown.failure_code) == (State.FAILED, "DWS.6001")
            assert record.shown.start is None or record.shown.start == START + 1000
            await there.until(9500)
            record = there.record(cluster)
            assert record.runs == (0, 1, 0)
            assert record.shown is not None
            assert (record.shown.state, record.shown.failure_code) == (State.UNKNOWN, None)

    run(main())


def test_one_call_tells_of_all_clusters_of_a_project_and_of_how_they_are() -> None:
    clusters = [warehouse(IDLE, cluster_id=f"c-{number}", name=f"d{number}") for number in range(20)]

    async def main() -> None:
        async with world(lambda cloud: put(cloud, *clusters)) as there, looking(there, places=True):
            there.watch(*clusters)
            await there.until(600)
            lists, own = calls(there, LIST), calls(there, DETAILS)
            await there.until(600 + 3600)
            assert calls(there, LIST) - lists in range(79, 82), "one in list_interval"
            assert calls(there, DETAILS) == own, "nothing is under way on any"
            assert all(there.record(each).up for each in clusters)
            labels = {"project": "demo", "cluster_id": "c-7", "cluster_name": "d7"}
            value = there.telemetry.registry.get_sample_value("huaweicloud_job_cluster_available", labels)
            assert value == 1

    run(main())


def test_a_rule_finds_clusters_and_the_list_is_not_read_twice() -> None:
    clusters = [warehouse(IDLE, GROW, cluster_id=f"c-{number}", name=f"d{number}") for number in range(3)]

    async def main() -> None:
        async with (
            world(lambda cloud: put(cloud, *clusters)) as there,
            looking(there, {"service": "dws", "exclude": "2$"}, places=True),
        ):
            await there.until(600)
            assert sorted(each.job.key.job for each in there.store.records()) == ["d0", "d1"]
            lists = calls(there, LIST)
            await there.until(600 + 900)
            assert calls(there, LIST) - lists in range(19, 22)
            assert shown(there, clusters[0])[:2] == ("running", "GROWING")
            del there.cloud.dws_clusters["c-1"]
            await there.until(1700)
            assert [each.job.key.job for each in there.store.records()] == ["d0"]

    run(main())


def test_a_short_operation_between_two_polls_of_an_idle_cluster_is_seen() -> None:
    cluster = warehouse(IDLE, ClusterStep("REBOOTING", 100), replace(IDLE, seconds=100_000))

    async def main() -> None:
        async with world(lambda cloud: put(cloud, cluster)) as there, looking(there):
            there.watch(cluster)
            await there.until(1090)
            assert shown(there, cluster) == ("running", "REBOOTING", None)
            await there.until(1200)
            assert shown(there, cluster)[0] == "unknown"

    run(main())


def test_the_list_is_about_a_registered_cluster_in_whichever_case_both_write_the_id() -> None:
    cluster = warehouse(IDLE, cluster_id=CLUSTER.upper())
    registered = replace(cluster, cluster_id=CLUSTER)

    def populate(cloud: Cloud) -> None:
        cloud.dws_clusters[CLUSTER] = cluster

    async def main() -> None:
        async with world(populate) as there, looking(there, places=True):
            there.watch(registered)
            await there.until(900)
            assert there.record(registered).up
            labels = {"project": "demo", "cluster_id": CLUSTER, "cluster_name": "dwh"}
            value = there.telemetry.registry.get_sample_value("huaweicloud_job_cluster_available", labels)
            assert value == 1, "as the entry writes it"
            own = calls(there, DETAILS)
            await there.until(2700)
            assert calls(there, DETAILS) == own

    run(main())


def test_without_its_list_a_cluster_is_asked_alone_and_a_cluster_that_is_gone_is_not_found() -> None:
    cluster = warehouse(GROW, replace(GROW, seconds=100_000))

    async def main() -> None:
        async with world(lambda cloud: put(cloud, cluster)) as there, looking(there):
            there.cloud.faults.plan(server_failure(), times=None, operation=LIST)
            there.watch(cluster)
            await there.until(500)
            assert shown(there, cluster)[:2] == ("running", "GROWING")
            del there.cloud.dws_clusters[CLUSTER]
            await there.until(700)
            fault = there.record(cluster).fault
            assert fault is not None
            assert fault.reason.value == "not_found"
            assert there.sample("project_paused", project="demo", reason="auth") in {None, 0}

    run(main())


def test_a_task_and_a_cluster_of_one_id_are_two_jobs() -> None:
    same = "2c9080e88459fa44018459fbeb600001"
    cluster = warehouse(GROW, replace(GROW, seconds=100_000), cluster_id=same)
    task = DwsJob(same, "task", START, (Step("RUNNING", 10_000, 0.0, 0.5),))

    def populate(cloud: Cloud) -> None:
        cloud.add(task)
        put(cloud, cluster)

    async def main() -> None:
        async with world(populate) as there, looking(there):
            there.watch(task, cluster)
            await there.until(500)
            assert shown(there, task)[1] == "RUNNING"
            assert shown(there, cluster)[1] == "GROWING"
            job = Job(JobKey("dws", "task"), "demo", {"job_id": same})
            assert there.record_of(job).job == job

    run(main())
