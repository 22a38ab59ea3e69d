"""Which jobs a list is to report, as they come, go and end."""

from dataclasses import replace

from exporter.metrics.store import JobStore
from exporter.model.job import Job, JobKey
from exporter.model.record import Record
from exporter.model.snapshot import Snapshot, State
from exporter.polling.list_coverage import ListCoverage, ListKey
from exporter.services import registry
from exporter.services.registry import load_services

ADAPTERS = load_services()


def cdm(name: str, cluster: str = "c-1", project: str = "p") -> Record:
    return Record(Job(JobKey("cdm", name), project, {"cluster_id": cluster, "job_name": name}))


def dli(name: str, state: State) -> Record:
    return Record(Job(JobKey("dli", name), "p", {"job_id": name}), Snapshot(state))


def names(coverage: ListCoverage) -> dict[tuple[str, str, str], list[str]]:
    """Return the jobs of each list, by its project, service and cluster."""

    def short(place: ListKey) -> tuple[str, str, str]:
        return (place[0], place[1], place[2].place.id)

    return {short(each): sorted(record.job.key.job for record, _ in coverage.jobs(each)) for each in coverage.lists()}


def test_each_job_is_at_the_list_that_reports_it_until_it_goes_moves_or_is_polled_no_more() -> None:
    store = JobStore(10**9, registry.declared())
    store.put(cdm("early"))
    coverage = ListCoverage(store, ADAPTERS)
    for record in (cdm("a"), cdm("b"), cdm("c", cluster="c-2"), cdm("d", project="q")):
        store.put(record)
    assert names(coverage) == {
        ("p", "cdm", "c-1"): ["a", "b", "early"],
        ("p", "cdm", "c-2"): ["c"],
        ("q", "cdm", "c-1"): ["d"],
    }

    store.remove(JobKey("cdm", "c"))
    store.put(cdm("d"))
    store.put(replace(cdm("a"), final=True))
    assert names(coverage) == {("p", "cdm", "c-1"): ["b", "d", "early"]}

    store.put(cdm("a"))
    assert names(coverage) == {("p", "cdm", "c-1"): ["a", "b", "d", "early"]}


def test_a_job_that_runs_is_left_to_its_own_polls_where_the_list_tells_no_more() -> None:
    store = JobStore(10**9, registry.declared())
    coverage = ListCoverage(store, ADAPTERS)
    store.put(dli("waits", State.PENDING))
    store.put(dli("runs", State.RUNNING))
    store.put(replace(cdm("moves"), snapshot=Snapshot(State.RUNNING)))

    assert names(coverage) == {("p", "dli", ""): ["waits"], ("p", "cdm", "c-1"): ["moves"]}
    assert [runs for place in coverage.lists() for _, runs in coverage.jobs(place)] == [False, True]
