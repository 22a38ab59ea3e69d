"""The arithmetic of check: what is needed, what is allowed, and what would make it fit."""

import math
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from exporter.cli.capacity import capacity_plan
from exporter.model.job import Job
from exporter.polling.capacity import Capacity, stretch
from exporter.polling.schedule import Pace
from exporter.services.cdm.lists import CdmRule
from exporter.services.discovery_rule import Search
from exporter.services.dli.lists import DliRule
from exporter.services.dws.lists import DwsRule
from exporter.services.registry import load_services

PACE = Pace(interval=30, idle_interval=300, stale_after=600)
MakeJob = Callable[..., Job]


def need(jobs: int, allowed: float, own: dict[float, int] | None = None, pace: Pace = PACE) -> Capacity:
    intervals = [*([(None, jobs)] if jobs else []), *(own or {}).items()]
    return Capacity(("prod",), "cdm", dict(intervals), pace, allowed, ends=False)


@pytest.mark.parametrize(
    ("jobs", "verdict", "at_once", "interval", "idle_interval"),
    [
        (1, "fits", 1, 1, 1),
        (54, "fits", 54, 30, 1),
        (55, "fits while few run", 53, 31, 31),
        (500, "fits while few run", 4, 278, 278),
        (540, "fits while few run", 0, 300, 300),
        (541, "too many", 0, 301, 301),
    ],
)
def test_the_verdict_and_the_ways_out(jobs: int, verdict: str, at_once: int, interval: int, idle_interval: int) -> None:
    found = need(jobs, 108)

    assert (found.verdict, found.at_once) == (verdict, at_once)
    assert found.interval == interval
    assert found.idle_interval == idle_interval


def test_jobs_with_an_interval_of_their_own_count_with_it() -> None:
    found = need(100, 108, {10: 5, 600: 10})

    assert found.running == pytest.approx(200 + 30 + 1)
    assert found.idle == pytest.approx(20 + 1 + 1)
    assert found.own == pytest.approx(31)
    assert found.interval == 78  # 100 calls each 78 s are 76.9 a minute, each 77 s 77.9, and 77 are left
    assert found.at_once == 5 + (108 - 22 - 5 * 5.8) // 1.8


def test_no_common_interval_helps_where_the_jobs_own_ones_need_all() -> None:
    assert need(1, 108, {10: 18}).interval is None
    assert need(0, 108, {10: 19}).interval is None
    assert need(0, 108, {10: 19}).idle_interval == 11


def test_projects_of_one_user_share_the_least_limit_and_shards_divide_it(job: MakeJob) -> None:
    jobs = [job("cdm"), job("cdm", "daily", interval=60.0), job("dli")]
    limits = {"prod": {"cdm": 1.8, "dli": 5.0}, "test": {"cdm": 1.0, "dli": 9.0}}
    owners = {"prod": "user", "test": "user"}

    cdm, dli = capacity_plan(jobs, PACE, load_services(), limits, owners, list_interval=45)
    third, _ = capacity_plan(jobs, PACE, load_services(), limits, owners, shards=7, list_interval=45)

    assert (cdm.projects, cdm.limit, cdm.jobs, cdm.running, cdm.allowed, cdm.ends) == (
        ("prod",),
        "cdm",
        2,
        3,
        60,
        False,
    )
    assert (dli.limit, dli.jobs, dli.allowed, dli.ends) == ("dli", 1, 300, True)
    assert third.allowed == 8  # whole calls: 8 for each of 7 shards, 56 together


def test_lists_stand_for_the_calls_of_jobs_that_wait_where_that_is_cheaper(job: MakeJob) -> None:
    limits = {"prod": {"cdm": 1.8, "cdm_list": 1.8, "dli": 5.0}}
    jobs = [*(job("cdm", f"copy-{number}") for number in range(150)), *(job("dli", f"q-{n}") for n in range(6))]

    cdm, lists, dli = capacity_plan(jobs, PACE, load_services(), limits, {"prod": "user"}, list_interval=45)

    assert (cdm.jobs, cdm.running, cdm.idle, cdm.at_once) == (150, 300, 0, 54)
    assert (lists.limit, lists.jobs, lists.running) == ("cdm_list", 0, lists.idle)
    assert lists.idle == pytest.approx(2 * 60 / 45)
    assert dli.idle == pytest.approx(6 / 5)  # a list each 45 s would cost more


def test_a_rule_costs_its_lists_at_least() -> None:
    services = load_services()
    rules = [
        Search("cdm", "prod", CdmRule(types=("NORMAL_JOB", "BATCH_JOB"))),
        Search("dli", "prod", DliRule(queues=("a", "b", "c")), interval=60.0),
    ]
    limits = {"prod": {"cdm_list": 1.8, "dli": 5.0}}

    lists, dli = capacity_plan([], PACE, services, limits, {"prod": "user"}, list_interval=45, searches=rules)

    assert lists.idle == pytest.approx(3 * 60 / 45)
    assert dli.idle == 3
    assert (lists.jobs, dli.jobs, lists.verdict) == (0, 0, "fits")


@pytest.mark.parametrize(
    ("rule", "interval", "lists"),
    [
        ({}, None, 1),
        ({"clusters": "all", "max_jobs": "7"}, 45.0, 1),
        ({"exclude": "-test$"}, None, 2),
        ({"clusters": ["dwh"]}, None, 2),
        ({}, 600.0, 1 + 45 / 600),
    ],
    ids=["all", "all, said", "not all", "by name", "rarely"],
)
def test_a_list_that_a_rule_reads_whole_is_not_read_for_registered_jobs_too(
    job: MakeJob, rule: dict[str, object], interval: float | None, lists: float
) -> None:
    cluster = replace(job("dws", "warehouse"), target={"cluster_id": "3b9d2f10-6a41-4c77-9e02-5d8c1f7a0b11"})
    rules = [Search("dws", "prod", DwsRule.model_validate(rule), interval=interval)]
    limits, owners = {"prod": {"dws": 5.0}}, {"prod": "user"}

    (found,) = capacity_plan([cluster], PACE, load_services(), limits, owners, list_interval=45, searches=rules)

    assert found.jobs == 1
    assert found.idle == pytest.approx(lists * 60 / 45)


def test_intervals_grow_only_where_calls_do_not_fit() -> None:
    assert stretch(1000, 100) == 10
    assert stretch(100, 100) == stretch(0, 100) == stretch(0.1 + 0.2, 0.3) == 1.0


@given(
    jobs=st.integers(0, 2000),
    own=st.dictionaries(st.floats(1, 3600), st.integers(1, 50), max_size=4),
    allowed=st.integers(1, 600),
    interval=st.floats(1, 600),
    idle_interval=st.floats(1, 3600),
)
def test_what_it_advises_fits_and_a_second_less_does_not(
    jobs: int, own: dict[float, int], allowed: int, interval: float, idle_interval: float
) -> None:
    if not jobs and not own:
        return
    found = need(jobs, allowed, own, Pace(interval, idle_interval, 7200))
    fewer = found.interval and found.interval - 1

    if found.interval is None:
        assert not jobs or found.own >= allowed
    else:
        assert need(jobs, allowed, own, Pace(found.interval, idle_interval, 7200)).fits_running
    if fewer:
        assert not need(jobs, allowed, own, Pace(fewer, idle_interval, 7200)).fits_running
    assert need(jobs, allowed, own, Pace(interval, found.idle_interval, 7200)).fits_idle
    if found.idle_interval > 1:
        assert not need(jobs, allowed, own, Pace(interval, found.idle_interval - 1, 7200)).fits_idle
    assert 0 <= found.at_once <= found.jobs
    assert (found.at_once == found.jobs) == found.fits_running
    assert math.isfinite(found.running)
