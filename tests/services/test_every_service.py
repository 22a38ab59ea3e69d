"""What holds of every service there is, whatever its words: a new one is tested by being there."""

import re

import pytest

from exporter.model.job import Job, JobKey
from exporter.services import registry
from exporter.services.adapter import Adapter
from exporter.services.discovery_rule import Rule
from exporter.services.listing import Lister, Location

SERVICES = pytest.mark.parametrize("adapter", registry.load().values(), ids=registry.load())


def job(adapter: Adapter) -> Job:
    target = {field: f"the {field}/1" for field in adapter.entry.model_fields}
    return Job(JobKey(adapter.service, "nightly"), "prod", target)


def lists(adapter: Adapter) -> Lister[Rule]:
    if adapter.lists is None:
        pytest.skip("it has no lists")
    return adapter.lists


@SERVICES
def test_a_service_is_called_as_it_may_be_written_everywhere(adapter: Adapter) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", adapter.service)
    assert all(re.fullmatch(r"[a-z][a-z0-9_]*", field) for field in adapter.entry.model_fields)


@SERVICES
def test_a_poll_draws_from_the_limit_that_the_service_declares(adapter: Adapter) -> None:
    request = adapter.request(job(adapter), "the project")

    assert request.limit == adapter.limit
    assert request.path.startswith("/")
    assert " " not in request.path


@SERVICES
def test_a_history_draws_from_a_limit_of_the_service(adapter: Adapter) -> None:
    if adapter.past is None:
        pytest.skip("it has no history")
    assert adapter.past.request(job(adapter), "p", 1).limit in adapter.limits


@SERVICES
def test_a_list_draws_from_the_limit_that_it_declares(adapter: Adapter) -> None:
    lister, asked = lists(adapter), job(adapter)
    places = lister.places_request("p")
    rule = lister.rule()
    views = [
        view for place in lister.chosen(rule, (Location("c-1", "a place"),)) for view in lister.views(rule, place, 1e9)
    ]
    covering = lister.covering(asked.target)

    assert lister.limit in adapter.limits
    assert places is None or places.limit == lister.limit
    assert {lister.request(view, "p", 1).limit for view in [*views, *([covering] if covering else [])]} == {
        lister.limit
    }
