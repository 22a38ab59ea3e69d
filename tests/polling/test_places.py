"""A job whose cluster is off is not asked, and says so; nothing is known of a cluster that no list tells of."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from exporter.model.snapshot import State
from exporter.simulator import CdmCluster, CdmJob, CdmRun, Cloud, Step, Volume, server_failure
from exporter.simulator.answers import gateway_error
from tests.polling.harness import World, world
from tests.polling.looking import looking
from tests.warp import START, run

CLUSTER = "6ec9a0a4-76be-4262-8697-e7af1fac7920"
LIST = "ListCdmClusters"
ON, OFF = CdmCluster(CLUSTER, "night"), CdmCluster(CLUSTER, "night", "900")


def migration(cluster: str = CLUSTER, name: str = "copy") -> CdmJob:
    plan = (CdmRun((Step("RUNNING", 100_000, 0.0, 1.0),), volume=Volume(rows_written=1000)),)
    return CdmJob(cluster, name, START - 60, plan, repeats=False)


def polls(there: World, job: CdmJob) -> int:
    return len(there.cloud.asked("ShowJobStatus", job.name))


def cluster(there: World, name: str = "available", **labels: str) -> float | None:
    labels = {"project": "demo", "cluster_id": CLUSTER, "cluster_name": "night"} | labels
    return there.telemetry.registry.get_sample_value(f"huaweicloud_job_cluster_{name}", labels)


@pytest.mark.parametrize("rules", [(), ({"service": "cdm", "name": "{job_name}"},)], ids=["registered", "found"])
def test_a_job_is_not_polled_while_its_cluster_is_off_and_at_once_when_it_is_on_again(
    rules: tuple[dict[str, object], ...],
) -> None:
    job, other = migration(), migration("c-2", "other")

    def populate(cloud: Cloud) -> None:
        cloud.cdm_clusters |= {CLUSTER: ON, "c-2": CdmCluster("c-2", "day")}
        cloud.add(job, other)

    async def main() -> None:
        async with world(populate) as there, looking(there, *rules, places=True):
            if not rules:
                there.watch(job, other)
            await there.until(1000)
            assert (cluster(there), cluster(there, "info", native_state="200", meaning="available")) == (1, 1)
            there.cloud.cdm_clusters[CLUSTER] = OFF
            await there.until(1320)
            before, others = polls(there, job), polls(there, other)
            assert (cluster(there), cluster(there, "info", native_state="900", meaning="off")) == (0, 1)
            await there.until(5000)

            record = there.record(job)
            assert polls(there, job) == before
            assert polls(there, other) > others + 100
            assert (record.off, record.stale, record.up) == ("night: off", True, False)
            assert there.poller.next_due(record.job.key) is None, "nobody knows when it is on again"
            assert (there.sample("polls_skipped_total", reason="off") or 0) > 5
            there.cloud.cdm_clusters[CLUSTER] = ON
            await there.until(5320)
            record = there.record(job)
            assert polls(there, job) > before
            assert (record.off, record.stale, record.up) == ("", False, True)
            assert there.poller.next_due(record.job.key) is not None
            assert record.shown is not None
            assert record.shown.state is State.RUNNING

    with capture_logs() as logs:
        run(main())
    told = [(entry["event"], entry["cluster"]) for entry in logs if entry["event"].startswith("cluster")]
    assert told == [("cluster off", "night"), ("cluster on again", "night")]


@pytest.mark.parametrize("rules", [(), ({"service": "cdm", "name": "{job_name}", "clusters": [CLUSTER]},)])
def test_a_list_that_writes_the_id_of_a_cluster_in_capitals_is_about_that_cluster(
    rules: tuple[dict[str, object], ...],
) -> None:
    job = migration()

    def populate(cloud: Cloud) -> None:
        cloud.cdm_clusters[CLUSTER] = CdmCluster(CLUSTER.upper(), "night", "900")
        cloud.add(job)

    async def main() -> None:
        async with world(populate) as there, looking(there, *rules, places=True):
            there.watch(job)
            await there.until(700)
            before = polls(there, job)
            await there.until(1900)
            assert polls(there, job) == before
            assert there.record(job).off == "night: off"
            assert (cluster(there), cluster(there, "info", native_state="900", meaning="off")) == (0, 1)

    run(main())


def test_a_cluster_that_failed_is_not_off_so_its_jobs_are_polled_and_one_in_an_unknown_state_is_not_known() -> None:
    job = migration()

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, places=True):
            there.watch(job)
            await there.until(500)
            there.cloud.cdm_clusters[CLUSTER] = CdmCluster(CLUSTER, "night", "300")
            await there.until(1900)
            before = polls(there, job)
            assert (cluster(there), cluster(there, "info", native_state="300", meaning="failed")) == (0, 1)
            await there.until(3000)
            assert polls(there, job) > before
            there.cloud.cdm_clusters[CLUSTER] = CdmCluster(CLUSTER, "night", "777")
            await there.until(3400)
            assert (cluster(there), cluster(there, "info", native_state="other", meaning="in an unknown state")) == (
                None,
                1,
            )

    run(main())


def test_what_no_list_told_lately_is_not_known_and_its_jobs_are_polled() -> None:
    job = migration()

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, places=True):
            there.watch(job)
            await there.until(100)
            there.cloud.cdm_clusters[CLUSTER] = OFF
            await there.until(500)
            assert cluster(there) == 0
            there.cloud.faults.plan(server_failure(), times=None, operation=LIST)
            before = polls(there, job)
            await there.until(500 + 900 + 400)
            assert cluster(there) is None
            assert polls(there, job) > before
            assert there.record(job).off == ""

    run(main())


def test_the_clusters_cost_one_call_each_idle_interval_and_none_where_a_rule_reads_them() -> None:
    job = migration()

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, places=True):
            there.watch(job)
            await there.until(3600)
            assert 10 <= len(there.cloud.asked(LIST)) <= 13
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, {"service": "cdm"}, places=True):
            await there.until(there.clock.now() - START + 3600)
            by_rule = len(there.cloud.asked(LIST))
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, {"service": "cdm"}):
            await there.until(there.clock.now() - START + 3600)
            assert abs(len(there.cloud.asked(LIST)) - by_rule) <= 2

    run(main())


def test_a_user_who_may_not_list_clusters_is_asked_for_it_once_an_hour_and_polls_go_on() -> None:
    job = migration()

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, places=True):
            there.cloud.faults.plan(gateway_error(403, "Cdm.0100", "no permission"), times=None, operation=LIST)
            there.watch(job)
            await there.until(7000)
            assert len(there.cloud.asked(LIST)) == 2
            assert cluster(there) is None
            assert polls(there, job) > 200

    run(main())


def test_one_failed_list_of_clusters_leaves_them_known() -> None:
    job = migration()

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, places=True):
            there.watch(job)
            await there.until(100)
            there.cloud.cdm_clusters[CLUSTER] = OFF
            await there.until(500)
            there.cloud.faults.plan(server_failure(), times=1, operation=LIST)
            before = polls(there, job)
            await there.until(4000)
            assert cluster(there) == 0
            assert polls(there, job) == before
            there.cloud.cdm_clusters[CLUSTER] = CdmCluster(CLUSTER, "night")
            await there.until(4400)
            assert cluster(there) == 1
            assert polls(there, job) > before

    run(main())


def test_a_cluster_on_which_no_job_runs_is_not_shown_until_one_does() -> None:
    first, second = migration(), replace(migration(), cluster_id="other", name="copy-9")
    labels = {"project": "demo", "cluster_id": "other", "cluster_name": "other"}

    async def main() -> None:
        async with world(lambda cloud: cloud.add(first, second)) as there, looking(there, places=True):
            there.cloud.cdm_clusters["other"] = CdmCluster("other", "other", "900")
            there.watch(first)
            with capture_logs() as logs:
                await there.until(400)
            assert there.telemetry.registry.get_sample_value("huaweicloud_job_cluster_available", labels) is None
            assert "cluster off" not in {line["event"] for line in logs}
            with capture_logs() as logs:
                there.watch(second)
                await there.until(800)
            assert there.telemetry.registry.get_sample_value("huaweicloud_job_cluster_available", labels) == 0
            assert [line["cluster"] for line in logs if line["event"] == "cluster off"] == ["other"]

    run(main())


def test_clusters_of_a_project_that_is_gone_go() -> None:
    job = migration()

    async def main() -> None:
        async with world(lambda cloud: cloud.add(job)) as there, looking(there, places=True):
            there.watch(job)
            await there.until(100)
            assert cluster(there, cluster_name="cdm-etl-prod") == 1
            there.poller.places.forget({})
            assert cluster(there, cluster_name="cdm-etl-prod") is None

    run(main())


def test_a_cluster_in_the_simulator_goes_off_and_on_by_its_cycle() -> None:
    cycled = replace(ON, cycle=(("200", "Normal", 60.0), ("900", "Stopped", 40.0)), begun=START)

    assert [cycled.at(START + second).status for second in (0, 59, 60, 99, 100, 165)] == [
        *("200", "200", "900", "900", "200", "900")
    ]
