"""The job store: who listens to it sees every change, and an answer changes only the job that was asked."""

from collections.abc import Callable
from dataclasses import replace

from exporter.metrics.store import JobStore
from exporter.model.job import Job, identity
from exporter.model.record import Record
from exporter.services import registry

MakeJob = Callable[..., Job]


def test_who_listens_sees_each_record_before_and_after_its_change(job: MakeJob) -> None:
    store, seen = JobStore(10**9, registry.declared()), list[tuple[Record | None, Record | None]]()
    first = Record(job("dli"), registration_id=1)
    second = replace(first, up=True)
    store.subscribe(lambda before, after: seen.append((before, after)))
    store.put(first)
    store.update(first, lambda _: second)
    store.remove(first.job.key)
    store.remove(first.job.key)

    assert seen == [(None, first), (first, second), (second, None)]


def test_a_listener_finds_the_record_that_it_is_called_for(job: MakeJob) -> None:
    store, found = JobStore(10**9, registry.declared()), list[Record | None]()
    record = Record(job("dli"))
    store.subscribe(lambda _, after: found.append(store.get(record.job.key)))
    store.put(record)
    store.remove(record.job.key)

    assert found == [record, None]


def test_an_answer_changes_what_is_known_by_now_of_the_job_that_was_asked(job: MakeJob) -> None:
    store = JobStore(10**9, registry.declared())
    asked = Record(job("dli"), registration_id=1)
    store.put(asked)
    known = replace(asked, failing=2)
    store.put(known)

    assert store.update(asked, lambda record: replace(record, up=True)) == (known, replace(known, up=True))
    assert store.get(asked.job.key) == replace(known, up=True)


def test_an_answer_about_a_job_that_is_gone_or_a_run_that_was_replaced_changes_nothing(job: MakeJob) -> None:
    store = JobStore(10**9, registry.declared())
    asked = Record(job("dli"), registration_id=1)

    assert store.update(asked, lambda _: asked) is None
    assert store.get(asked.job.key) is None

    another = Record(job("dli"), registration_id=2)
    store.put(another)
    assert store.update(asked, lambda _: asked) is None
    assert store.get(asked.job.key) is another


def test_the_jobs_that_are_one_job_of_the_cloud_are_found_in_the_order_of_registration(job: MakeJob) -> None:
    """Two names may stand for one job, and a name for another job from a reload on."""
    store = JobStore(10**9, registry.declared())
    one, other = job("dli", "one"), job("dli", "other")
    store.put(Record(one))
    store.put(Record(other))
    moved = replace(one, target={"job_id": "j-2"})

    def names(at: Job) -> list[str]:
        return [record.job.key.job for record in store.at(at.project, "dli", identity(at.target))]

    assert names(one) == ["one", "other"]
    store.put(Record(moved))
    assert (names(one), names(moved)) == (["other"], ["one"])
    store.remove(other.key)
    store.remove(moved.key)
    assert names(one) == names(moved) == []
