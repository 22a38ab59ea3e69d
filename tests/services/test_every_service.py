"""What holds of every service there is, whatever its words: a new one is tested by being there."""

import re

import pytest

from exporter.config.job_entries import Reader
from exporter.config.metrics_settings import TAKEN
from exporter.metrics.catalogue import families
from exporter.model.job import Job, JobKey
from exporter.model.measures import Declared
from exporter.model.record import Record
from exporter.services import registry
from exporter.services.adapter import Adapter, RunHistory
from exporter.services.codes_in_text import failure_code
from exporter.services.discovery_rule import Rule
from exporter.services.listing import Lister, Location
from exporter.services.page_cursor import PageStart
from exporter.web.job_json import job_document

ADAPTERS = registry.load_services()
SERVICES = pytest.mark.parametrize("adapter", ADAPTERS.values(), ids=ADAPTERS)
LISTS = {name: (adapter, adapter.lists) for name, adapter in ADAPTERS.items() if adapter.lists is not None}
HISTORIES = {name: (adapter, adapter.past) for name, adapter in ADAPTERS.items() if adapter.past is not None}


def job(adapter: Adapter) -> Job:
    target = {field: f"the {field}/1" for field in adapter.entry.model_fields}
    return Job(JobKey(adapter.service, "nightly"), "prod", target)


@SERVICES
def test_a_service_is_called_as_it_may_be_written_everywhere(adapter: Adapter) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", adapter.service)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", field) for field in adapter.entry.model_fields)


@SERVICES
def test_what_tells_its_jobs_apart_clashes_with_nothing_that_every_job_has(adapter: Adapter) -> None:
    asked, fields = job(adapter), set(adapter.entry.model_fields)
    told = job_document(Record(asked), {}, None)
    labels = ["service", "job", "project", "region", *registry.declared().identity]

    assert {name: told[name] for name in fields} == asked.target
    assert not fields & {*Reader.common.model_fields, *TAKEN}
    assert len(labels) == len(set(labels))


def test_a_limit_that_services_share_is_the_same_in_all_of_them() -> None:
    rates = {(limit, rate) for adapter in ADAPTERS.values() for limit, rate in adapter.limits.items()}

    assert len(rates) == len({limit for limit, _ in rates})


@SERVICES
def test_a_poll_draws_from_the_limit_that_the_service_declares(adapter: Adapter) -> None:
    request = adapter.request(job(adapter), "the project")

    assert request.limit == adapter.limit
    assert request.path.startswith("/")
    assert " " not in request.path


@pytest.mark.parametrize(("adapter", "history"), HISTORIES.values(), ids=HISTORIES)
def test_a_history_draws_from_a_limit_of_the_service(adapter: Adapter, history: RunHistory) -> None:
    assert history.request(job(adapter), "p", 1).limit in adapter.limits


@SERVICES
def test_the_codes_of_a_service_begin_as_it_declares(adapter: Adapter) -> None:
    assert adapter.codes.prefixes
    assert all(code == code.upper() and adapter.codes.include(code) for code in adapter.codes.reasons)
    assert [failure_code(f"it failed: {prefix}.0042, see there") for prefix in adapter.codes.prefixes] == [
        f"{prefix}.0042" for prefix in adapter.codes.prefixes
    ]


@SERVICES
def test_what_is_added_up_over_the_runs_is_one_number_and_what_lives_is_among_the_labels(adapter: Adapter) -> None:
    for each in adapter.measures:
        assert not (each.total and each.label)
        assert bool(each.label) == (each.values != ("",))
        assert not each.values or set(each.live) <= set(each.values)
        assert not each.unit or each.name.endswith(f"_{each.unit}")


@SERVICES
def test_the_work_of_a_run_is_among_the_numbers_that_the_service_reads(adapter: Adapter) -> None:
    if adapter.work is not None:
        names = {each.name: each.values for each in adapter.measures}
        for measure in filter(None, (adapter.work.planned, adapter.work.done, adapter.work.skipped)):
            assert measure.label in names[measure.name]
        assert not adapter.work.parts or adapter.work.parts in names


@SERVICES
def test_help_is_given_for_metrics_that_there_are(adapter: Adapter) -> None:
    common = {family.name for family in families(Declared((), (), (), {}))}

    assert {f"huaweicloud_job_{metric}" for metric in adapter.sources} <= common


def test_no_two_metrics_of_the_jobs_have_one_name() -> None:
    names = [family.name for family in families(registry.declared())]

    assert len(names) == len(set(names))


@pytest.mark.parametrize(("adapter", "lister"), LISTS.values(), ids=LISTS)
def test_a_list_draws_from_the_limit_that_it_declares(adapter: Adapter, lister: Lister[Rule]) -> None:
    asked = job(adapter)
    places = lister.places_request("p")
    rule = lister.rule()
    views = [
        view for place in lister.chosen(rule, (Location("c-1", "a place"),)) for view in lister.views(rule, place, 1e9)
    ]
    covering = lister.covering(asked.target)

    assert lister.limit in adapter.limits
    assert places is None or places.limit == lister.limit
    assert {lister.request(view, "p", PageStart()).limit for view in [*views, *([covering] if covering else [])]} == {
        lister.limit
    }
