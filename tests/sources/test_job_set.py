"""What several sources register together: ranks, next runs, refusals, and that history does not matter."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.model.changes import Changes
from exporter.model.job import Job, JobKey
from exporter.services.registry import load_services
from exporter.sources.job_set import JobSet

ORDERS = JobKey("dli", "orders")
A, B = "/etc/jobs.d/a.yaml", "/etc/jobs.d/b.yaml"


def dli(
    job_id: str, source: str = "file", project: str = "prod", interval: float | None = None, name: str = "orders"
) -> Job:
    return Job(JobKey("dli", name), project, {"job_id": job_id}, interval, source)


def cdm(cluster: str, source: str = "file") -> Job:
    return Job(JobKey("cdm", "copy"), "prod", {"cluster_id": cluster, "job_name": "copy"}, None, source)


@pytest.fixture
def job_set() -> JobSet:
    return JobSet(load_services())


def put(job_set: JobSet, source: str, jobs: Sequence[Job]) -> Changes:
    return job_set.update({source: jobs})


def test_jobs_come_and_go_with_their_source(job_set: JobSet) -> None:
    assert put(job_set, A, [dli("1")]) == Changes(added=(dli("1"),))
    assert put(job_set, A, [dli("1")]) == Changes()
    assert job_set.update({A: ()}) == Changes(removed=(ORDERS,))
    assert job_set.update({A: ()}) == Changes()
    assert job_set.jobs() == {}


def test_a_later_id_is_the_next_run(job_set: JobSet) -> None:
    put(job_set, A, [dli("1")])

    assert put(job_set, A, [dli("1"), dli("2")]) == Changes(changed=(dli("2"),))
    assert put(job_set, B, [dli("3")]) == Changes(changed=(dli("3"),))
    assert put(job_set, A, [dli("4")]) == Changes()
    assert job_set.update({B: ()}) == Changes(changed=(dli("4"),))


def test_the_same_job_said_again_counts_as_it_was_said_last(job_set: JobSet) -> None:
    assert put(job_set, A, [cdm("c1"), cdm("c1")]) == Changes(added=(cdm("c1"),))
    assert put(job_set, B, [dli("1"), dli("1", interval=5)]) == Changes(added=(dli("1", interval=5),))


@pytest.mark.parametrize(
    ("first", "other", "told"),
    [
        pytest.param(
            dli("1"),
            dli("2", project="test"),
            (
                "the dli job 'orders' of '/etc/jobs.d/b.yaml' (project 'test', job_id '2') is left out: the name is"
                " taken by that of '/etc/jobs.d/a.yaml' (project 'prod', job_id '1'); give it another"
            ),
            id="of another project",
        ),
        pytest.param(
            cdm("c1"),
            cdm("c2"),
            (
                "the cdm job 'copy' of '/etc/jobs.d/b.yaml' (project 'prod', cluster_id 'c2', job_name 'copy') is left"
                " out: the name is taken by that of '/etc/jobs.d/a.yaml' (project 'prod', cluster_id 'c1', job_name"
                " 'copy'); give it another"
            ),
            id="of another cluster",
        ),
    ],
)
def test_another_job_under_the_name_is_left_out_told_once_and_counted(
    job_set: JobSet, first: Job, other: Job, told: str
) -> None:
    put(job_set, A, [first])
    service = first.key.service

    assert put(job_set, B, [other]) == Changes(problems=(told,))
    assert put(job_set, B, [other]) == Changes()
    assert job_set.refused() == {(service, "file"): 1}
    assert job_set.update({A: ()}) == Changes(changed=(other,))
    assert job_set.refused() == {}
    assert put(job_set, A, [first]) == Changes(changed=(first,), problems=(told,))


def test_a_job_of_another_project_does_not_come_between_two_runs(job_set: JobSet) -> None:
    changes = put(job_set, A, [dli("1"), dli("9", project="test"), dli("2")])

    assert changes.added == (dli("2"),)
    assert len(changes.problems) == 1


def test_the_section_jobs_wins_over_files_and_files_over_discovery(job_set: JobSet) -> None:
    rule = "discovery: dli"
    put(job_set, rule, [dli("3", "discovery")])

    assert put(job_set, A, [dli("2")]).changed == (dli("2"),)
    assert put(job_set, "static", [dli("1", "static")]).changed == (dli("1", "static"),)
    assert job_set.refused() == {("dli", "file"): 1, ("dli", "discovery"): 1}
    assert job_set.update({"static": ()}).changed == (dli("2"),)
    assert job_set.update({A: ()}).changed == (dli("3", "discovery"),)


def test_what_says_nothing_else_is_no_problem(job_set: JobSet) -> None:
    put(job_set, "static", [dli("1", "static", interval=10)])

    assert put(job_set, A, [dli("1"), dli("1", interval=10)]) == Changes()
    (problem,) = put(job_set, A, [dli("1", interval=5)]).problems
    assert "(project 'prod', job_id '1', interval 5s)" in problem
    assert "of the section jobs (project 'prod', job_id '1', interval 10s)" in problem


def test_the_id_of_a_job_may_be_written_in_capitals_elsewhere(job_set: JobSet) -> None:
    cluster = "6ec9a0a4-76be-4262-8697-e7af1fac7920"
    put(job_set, "static", [cdm(cluster, "static")])

    assert put(job_set, "rule", [cdm(cluster.upper(), "discovery")]) == Changes()


def test_a_job_that_moves_to_another_source_is_not_gone_between(job_set: JobSet) -> None:
    put(job_set, A, [dli("1")])

    assert job_set.update({A: (), B: [dli("1")]}) == Changes()
    assert job_set.update({A: ()}) == Changes()
    assert job_set.jobs() == {ORDERS: dli("1")}


def test_a_problem_is_printable_whatever_the_names_are(job_set: JobSet) -> None:
    changes = put(
        job_set, "/a\n\udcff", [dli("1", name="x\n\x1b\ud800"), dli("2\r", project="q", name="x\n\x1b\ud800")]
    )

    assert len(changes.problems) == 1
    assert changes.problems[0].isprintable()


SOURCES = {"static": "static", A: "file", B: "file", "rule": "discovery"}
CONTENTS = {
    source: st.lists(
        st.builds(
            lambda service, name, place, project, interval, kind=kind: Job(
                JobKey(service, name), project, {"id": place}, interval, kind
            ),
            st.sampled_from(["dli", "cdm"]),
            st.sampled_from("ab"),
            st.sampled_from("123"),
            st.sampled_from("pq"),
            st.sampled_from([None, 5.0]),
        ),
        max_size=4,
    )
    for source, kind in SOURCES.items()
}
STEPS = st.lists(
    st.dictionaries(st.sampled_from(list(SOURCES)), st.just(None), min_size=1).flatmap(
        lambda chosen: st.fixed_dictionaries({source: CONTENTS[source] for source in chosen})
    ),
    max_size=8,
)


@given(steps=STEPS)
def test_only_what_the_sources_hold_now_counts_and_the_changes_tell_it_all(
    steps: list[dict[str, Sequence[Job]]],
) -> None:
    job_set, held, told = JobSet(load_services()), dict[str, Sequence[Job]](), dict[JobKey, Job]()
    for step in steps:
        changes = job_set.update(step)
        held.update(step)
        for key in changes.removed:
            del told[key]
        for job in changes.added:
            assert job.key not in told
            told[job.key] = job
        for job in changes.changed:
            assert told[job.key] != job
            told[job.key] = job
        assert job_set.jobs() == told

    anew = JobSet(load_services())
    for source in reversed(held):
        put(anew, source, held[source])
    assert anew.jobs() == job_set.jobs()
    assert anew.refused() == job_set.refused()
    assert set(job_set.jobs()) == {job.key for jobs in held.values() for job in jobs}  # no name is lost
