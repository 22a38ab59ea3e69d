"""What the operator says of a job, as labels."""

from dataclasses import replace

from exporter.metrics.store import JobStore
from exporter.model.job import Job, JobKey
from exporter.model.record import Record
from exporter.services import registry
from exporter.services.registry import load_services

NAME = "huaweicloud_job_labels"


def shown(store: JobStore) -> list[str]:
    """Return the lines of the metric."""
    (section,) = store.sections(False, frozenset({NAME}))
    return b"".join(section[1:]).decode().splitlines()


def store_of(*keys: str, **labels: str) -> JobStore:
    store = JobStore(100, registry.declared_by([load_services()["dws"]]))
    store.show(keys)
    store.put(Record(Job(JobKey("dws", "resize"), "p", {"job_id": "1"}, labels=labels)))
    return store


def test_only_the_keys_that_were_chosen_are_shown_each_as_a_label() -> None:
    labels = {"team": "sales", "cost-center": "42", "other": "x"}

    line = f'{NAME}{{job="resize",label_cost_center="42",label_team="sales",service="dws"}} 1.0'
    assert shown(store_of("team", "cost-center", **labels)) == [line]


def test_a_label_is_any_text() -> None:
    line = f'{NAME}{{job="resize",label_team="a \\"b\\"\\\\\\n订单",service="dws"}} 1.0'
    assert shown(store_of("team", team='a "b"\\\n订单')) == [line]


def test_without_chosen_keys_or_without_one_of_them_there_is_no_series() -> None:
    assert shown(store_of(team="sales")) == []
    assert shown(store_of("team", other="x")) == []
    assert shown(store_of("team", "other", other="x")) == [
        f'{NAME}{{job="resize",label_other="x",label_team="",service="dws"}} 1.0'
    ]


def test_other_keys_and_other_labels_are_shown_at_once_and_counted() -> None:
    store = store_of(team="sales", other="x")
    before = store.series

    store.show(("team",))
    assert (len(shown(store)), store.series) == (1, before + 1)
    record = next(iter(store.records()))
    store.put(replace(record, job=replace(record.job, labels={"team": "ops"})))
    assert shown(store) == [f'{NAME}{{job="resize",label_team="ops",service="dws"}} 1.0']
    store.show(())
    assert (shown(store), store.series) == ([], before)


def test_a_job_that_does_not_fit_shows_no_labels() -> None:
    store = store_of("team", team="sales")
    store.limit(1)
    store.show(("team", "other"))

    assert shown(store) == []
