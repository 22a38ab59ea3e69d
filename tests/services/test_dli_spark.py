"""A Spark batch: every sample becomes what it says, and an odd body says no more than it does."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.run import RunId
from exporter.model.snapshot import Snapshot, State
from exporter.services import error_classes
from exporter.services.list_reading import read_list
from exporter.services.listing import ListedJob, Lister, ListQuery, Location
from exporter.services.registry import load_services
from exporter.services.request import Request

ADAPTER = load_services()["dli_spark"]
BATCH = "b2000000-0000-4000-8000-000000000005"
OTHER = "b2000000-0000-4000-8000-000000000006"
NOW = 1_761_100_000.0


def lister() -> Lister[Any]:
    assert ADAPTER.lists is not None
    return ADAPTER.lists


def read(body: object, job_id: str = BATCH) -> Snapshot:
    job = Job(JobKey("dli_spark", "nightly"), "prod", {"job_id": job_id})
    return ADAPTER.parse(body if isinstance(body, bytes) else json.dumps(body).encode(), job, None)


def batch(**fields: object) -> dict[str, object]:
    told: dict[str, object] = {"id": BATCH, "state": "running", "create_time": 1761000000000}
    return told | {"update_time": 1761000600000} | fields


def listed(body: object) -> dict[str, ListedJob]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return {each.target["job_id"]: each for each in lister().parse(raw, ListQuery()).items}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        ("starting", State.PENDING),
        ("running", State.RUNNING),
        ("recovering", State.RUNNING),
        ("success", State.SUCCEEDED),
        ("Success", State.SUCCEEDED),
        ("dead", State.FAILED),
        ("idle", State.UNKNOWN),
    ],
)
def test_each_word_means_its_state_and_only_success_is_one(word: str, state: State) -> None:
    seen = read(batch(state=word))

    assert (seen.state, seen.native_state) == (state, "other" if state is State.UNKNOWN else word)
    assert seen.progress == (1.0 if state is State.SUCCEEDED else None)
    assert seen.end == (1761000600 if state.ended else None)
    assert seen.failure_code == ("other" if state is State.FAILED else None)


def test_the_sample_of_a_batch_that_waits_says_who_it_is_and_no_end(payload: Callable[[str], bytes]) -> None:
    seen = read(payload("dli_spark/show_starting.json"))

    assert (seen.state, seen.start, seen.end) == (State.PENDING, 1761000000, None)
    assert seen.run == RunId(BATCH, 1761000000)
    assert dict(seen.words) == {"queue_name": "spark_q"}
    assert seen.detail_json() == {"job_id": BATCH, "sc_type": "A", "queue_name": "spark_q"}


def test_the_sample_of_the_list_tells_of_each_batch_what_stands_there(payload: Callable[[str], bytes]) -> None:
    body = payload("dli_spark/list_mixed.json")
    found = listed(body)
    seen = {key[-1]: each.snapshot for key, each in found.items()}

    assert [each.state.value for each in seen.values() if each] == ["running", "failed", "succeeded", "running"]
    assert seen["2"] is not None
    assert (seen["2"].start, seen["2"].end, dict(seen["2"].words)) == (1760913600, None, {"queue_name": "spark_q"})
    assert seen["3"] is not None
    assert (seen["3"].start, seen["3"].end) == (1760992800, 1760996400)
    assert seen["3"].detail["ran_seconds"] == 3570.112
    words = {"job_id": "b2000000-0000-4000-8000-000000000001", "job_name": "nightly", "queue_name": "spark_q"}
    assert found[words["job_id"]].words == words | {"owner": "svc_etl"}
    assert "not-a-real-one" not in repr(found)


def test_the_sample_of_an_odd_page_costs_only_what_cannot_be_read(payload: Callable[[str], bytes]) -> None:
    page = lister().parse(payload("dli_spark/list_page_odd.json"), ListQuery())
    first, second = (each.snapshot for each in page.items)

    assert first is not None
    assert (first.state, first.start, first.end, first.unknown) == (State.SUCCEEDED, 1761000000, None, ("appId",))
    assert second is not None
    assert (second.state, second.native_state, second.unknown) == (State.UNKNOWN, "other", ("state",))
    assert (page.rows, page.total) == (2, 102)


@pytest.mark.parametrize(
    ("body", "unknown"),
    [
        (batch(create_time="1761000000000", update_time="1761000600000", state="success"), ()),
        (batch(create_time=None, update_time=None), ()),
        (batch(create_time=0, update_time=0, state="dead"), ()),
        (batch(create_time=-5), ("create_time",)),
        (batch(create_time="yesterday"), ("create_time",)),
        (batch(update_time=[1], state="success"), ("update_time",)),
        (batch(duration="N/A", queue=None, owner=""), ()),
        (batch(duration=-1), ("duration",)),
        (batch(owner={"name": "li"}), ("owner",)),
        (batch(id=None, name=7, queue="q", kind=None), ()),
        (batch(state="  dead "), ()),
        (batch(state="finished"), ("state",)),
        ({"state": "recovering"}, ()),
    ],
)
def test_a_body_of_no_sample_gives_what_it_says_and_nothing_more(
    body: dict[str, object], unknown: tuple[str, ...]
) -> None:
    seen = read(body)
    created, updated = body.get("create_time"), body.get("update_time")

    assert seen.unknown == unknown
    assert seen.start == (1761000000 if str(created) == "1761000000000" else None)
    assert seen.end == (1761000600 if str(updated) == "1761000600000" and seen.state.ended else None)
    assert dict(seen.words) == ({"queue_name": "q"} if body.get("queue") else {})
    assert seen.counts == {}


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"id": BATCH},
        batch(state=None),
        batch(state="N/A"),
        batch(state=7),
        batch(state=["success"]),
        batch(id=OTHER, state="success"),
        batch(state="success", error_code="DLI.0002", error_msg="gone"),
        {"is_success": "false", "message": "DLI.0012: busy", "state": None},
        [batch(state="success")],
    ],
)
def test_a_body_without_a_state_of_this_batch_is_a_failed_poll(body: object) -> None:
    with pytest.raises(PollError):
        read(body)


def test_a_batch_that_is_gone_is_not_found(payload: Callable[[str], bytes]) -> None:
    missing = error_classes.envelope(payload("dli_spark/not_found_400.json"))

    assert error_classes.refusal(400, missing, ADAPTER.codes).reason is Reason.NOT_FOUND


@pytest.mark.parametrize(
    ("first", "rows", "total", "whole"),
    [(0, 3, 3, 3), (0, 100, 100, None), (0, 100, 250, 250), (100, 50, 50, 150), (200, 100, 100, None), (0, 0, 0, 0)],
)
def test_a_total_counts_only_if_it_is_more_than_the_rows_so_far(
    first: int, rows: int, total: int, whole: int | None
) -> None:
    sessions = [batch(id=str(number)) for number in range(rows)]
    body = json.dumps({"from": first, "total": total, "sessions": sessions}).encode()

    assert lister().parse(body, ListQuery()).total == whole


@pytest.mark.parametrize("counted", [True, False], ids=["total is of all pages", "total is of the page"])
async def test_a_list_is_read_to_its_end_whatever_its_total_counts(counted: bool) -> None:
    everything = [batch(id=f"{number:03}") for number in range(230)]
    asked: list[int] = []

    async def ask(request: Request, parse: Callable[[bytes], Any], /) -> tuple[Any, float]:
        first = int(dict(request.query)["from"])
        asked.append(first)
        rows = everything[first : first + 100]
        body = {"from": first, "total": 230 if counted else len(rows), "sessions": rows}
        return parse(json.dumps(body).encode()), 0.0

    reading = await read_list(lister(), ListQuery(), "p", ask)

    assert (len(reading.items), reading.missing_rows, asked) == (230, 0, [0, 100, 200])


@pytest.mark.parametrize("body", [{}, {"sessions": {}}, {"total": 3, "sessions": None}, {"error_code": "DLI.0001"}])
def test_an_answer_that_holds_no_list_is_not_an_empty_one(body: dict[str, object]) -> None:
    with pytest.raises(PollError):
        listed(body)


def test_an_empty_list_is_one(payload: Callable[[str], bytes]) -> None:
    assert listed(payload("dli_spark/list_empty.json")) == {}


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({}, True),
        ({"queues": ["q1", "q2"]}, True),
        ({"queues": ["q2"]}, False),
        ({"owner": "li"}, False),
        ({"states": ["dead", "RUNNING"]}, True),
        ({"states": ["success"]}, False),
        ({"window": "1d"}, False),
        ({"window": "2d"}, True),
    ],
)
def test_what_a_rule_asks_for_holds_though_a_cloud_passes_over_a_filter(rule: dict[str, Any], found: bool) -> None:
    model = lister().rule.model_validate({"window": "30d", **rule})
    row = batch(queue="q1", owner="svc", create_time=round((NOW - 86500) * 1000))
    (job,) = listed({"from": 0, "total": 1, "sessions": [row]}).values()

    assert lister().fits(model, job, NOW) is found


def test_a_rule_asks_for_each_queue_and_state_up_to_now() -> None:
    rule = lister().rule.model_validate({"queues": ["a", "b"], "states": ["Dead"], "owner": "li"})
    views = lister().views(rule, Location(), NOW)
    now = round(NOW * 1000)

    common = (("start", str(now - 86_400_000)), ("end", str(now)), ("order", "CREATE_TIME_DESC"), ("owner", "li"))
    assert [view.query for view in views] == [
        (*common, ("queue_name", queue), ("state", "dead")) for queue in ("a", "b")
    ]
