"""A job of DataArts Factory: every sample becomes what it says, and an odd body says no more than it does."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.run import NAMELESS, RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.polling.list_merge import merged_record
from exporter.runs import same_run, transitions
from exporter.services import error_classes
from exporter.services.adapter import confirmed
from exporter.services.list_reading import read_rule
from exporter.services.listing import ListedJob, Lister, ListQuery, Location
from exporter.services.page_cursor import PageStart
from exporter.services.registry import load_services
from exporter.services.request import Request

ADAPTER = load_services()["dataarts"]
PLAN = 1_772_323_200
PLANNED, DELAY = Measure("planned_timestamp_seconds"), Measure("start_delay_seconds")
FORCED, IGNORED = Measure("success_override", "forced"), Measure("success_override", "ignored")


def lister() -> Lister[Any]:
    assert ADAPTER.lists is not None
    return ADAPTER.lists


def job(name: str = "orders") -> Job:
    return Job(JobKey("dataarts", name), "prod", {"workspace_id": "w-1", "job_name": name})


def read(body: object, name: str = "orders") -> Snapshot:
    return ADAPTER.parse(body if isinstance(body, bytes) else json.dumps(body).encode(), job(name), None)


def run(**fields: object) -> dict[str, object]:
    told: dict[str, object] = {"jobName": "orders", "instanceId": 7, "status": "running", "planTime": PLAN * 1000}
    return told | {"startTime": PLAN * 1000 + 2500, "instanceType": 0} | fields


def runs(*rows: object, total: object = None) -> dict[str, object]:
    return {"total": len(rows) if total is None else total, "instances": list(rows)}


def listed(body: object) -> dict[str, ListedJob]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    page = lister().parse(raw, ListQuery(Location("w-1")))
    return {each.target["job_name"]: each for each in page.items}


@pytest.mark.parametrize(
    ("word", "state"),
    [
        *[(word, State.PENDING) for word in ("waiting", "waiting-confirm", "pause")],
        ("running", State.RUNNING),
        *[(word, State.SUCCEEDED) for word in ("success", "SUCCESS", "forceSuccess", "ignoreSuccess")],
        *[(word, State.FAILED) for word in ("fail", "running-exception")],
        *[(word, State.CANCELLED) for word in ("manual-stop", "skip-by-depend", "freeze")],
        *[(word, State.UNKNOWN) for word in ("manual", "skip", "initialized")],
    ],
)
def test_each_word_means_its_state(word: str, state: State) -> None:
    seen = read(runs(run(status=word, endTime=PLAN * 1000 + 60_000)))

    assert (seen.state, seen.native_state) == (state, "other" if state is State.UNKNOWN else word)
    assert seen.progress == (1.0 if state is State.SUCCEEDED else None)
    assert seen.end == (PLAN + 60 if seen.ended else None)
    assert seen.ended == (state.ended and word not in {"running-exception", "freeze"})
    assert seen.failure_code == ("other" if state is State.FAILED else None)


@pytest.mark.parametrize(
    ("words", "counted"),
    [
        ("running-exception running success", (1, 0, 0)),
        ("running running-exception running success", (1, 0, 0)),
        ("freeze waiting running fail", (0, 1, 0)),
        ("waiting freeze waiting running success", (1, 0, 0)),
        ("running running-exception fail", (0, 1, 0)),
        ("running running-exception manual-stop", (0, 0, 1)),
        ("running running-exception", (0, 0, 0)),
        ("waiting freeze", (0, 0, 0)),
        ("fail", (0, 0, 0)),
    ],
)
def test_a_run_that_may_be_resumed_has_not_ended(words: str, counted: tuple[int, int, int]) -> None:
    record, at, word = transitions.registered(job(), ADAPTER), float(PLAN), ""
    for word in words.split():
        at += 60
        record = transitions.worked(record, read(runs(run(status=word, endTime=at * 1000 - 5000))), at, ADAPTER)

    assert record.ledger.runs == counted
    assert record.snapshot is not None
    over = word not in {"running-exception", "freeze"}
    assert record.snapshot.end == (at - 5 if over else None)
    assert (record.ledger.failed is not None) == (word == "fail")


@pytest.mark.parametrize(
    ("words", "counted"),
    [
        ("running-exception fail", (0, 1, 0)),
        ("freeze manual-stop", (0, 0, 1)),
        ("running-exception running-exception", (0, 0, 0)),
    ],
)
def test_the_end_of_a_run_that_might_have_been_resumed_may_come_by_a_list(
    words: str, counted: tuple[int, int, int]
) -> None:
    record = transitions.worked(transitions.registered(job(), ADAPTER), read(runs(run())), PLAN + 30.0, ADAPTER)
    for at, word in zip((60.0, 120.0), words.split(), strict=True):
        row = read(runs(run(status=word, endTime=(PLAN + at - 5) * 1000)))
        record, _ = merged_record(record, row, PLAN + at, ADAPTER, before=None)

    assert record.ledger.runs == counted
    assert record.snapshot is not None
    assert record.snapshot.native_state == word


def test_a_run_that_is_started_again_under_its_id_has_nothing_of_its_first_time() -> None:
    record = transitions.worked(transitions.registered(job(), ADAPTER), read(runs(run())), PLAN + 30.0, ADAPTER)
    nodes = replace(read(runs(run())), counts={Measure("tasks", "completed"): 4.0})
    record = same_run.detailed(record, nodes, PLAN + 31.0, ADAPTER)
    for at in (60.0, 90.0):
        waits = read(runs(run(status="waiting", startTime=None)))
        record = transitions.worked(record, waits, PLAN + at, ADAPTER)

        assert record.snapshot is not None
        assert (record.snapshot.start, record.snapshot.counts) == (None, {PLANNED: PLAN})


def test_a_failure_that_may_be_resumed_keeps_its_reason() -> None:
    first = read(runs(run(status="running-exception", errorMessage="DLF.3001: no such table")))
    record = transitions.worked(transitions.registered(job(), ADAPTER), first, PLAN + 60.0, ADAPTER)
    record = transitions.worked(record, read(runs(run(status="running-exception"))), PLAN + 120.0, ADAPTER)

    assert record.snapshot is not None
    assert record.snapshot.failure_code == "DLF.3001"


def test_the_plan_and_the_start_tell_how_late_a_run_is() -> None:
    seen = read(runs(run()))

    assert (seen.run, seen.start) == (RunId("7", PLAN), PLAN + 2.5)
    assert seen.counts == {PLANNED: PLAN, DELAY: 2.5}
    assert DELAY not in read(runs(run(startTime=PLAN * 1000 - 1))).counts  # before its time: nothing is late


@pytest.mark.parametrize("start", [None, 0, "", "N/A", -1, "later"])
def test_a_run_that_waits_has_a_plan_and_no_start(start: object) -> None:
    seen = read(runs(run(status="waiting", startTime=start)))

    assert (seen.state, seen.start, seen.counts) == (State.PENDING, None, {PLANNED: PLAN})
    assert seen.run.created == PLAN


def test_a_run_that_was_suspended_does_not_wait_to_begin() -> None:
    waits = transitions.worked(transitions.registered(job(), ADAPTER), read(runs(run(status="waiting"))), 1.0, ADAPTER)
    paused = transitions.worked(waits, read(runs(run(status="pause"))), 2.0, ADAPTER)

    assert (waits.pending_since, paused.pending_since) == (PLAN, None)
    assert paused.snapshot is not None
    assert (paused.snapshot.state, paused.snapshot.start) == (State.PENDING, PLAN + 2.5)


def test_the_sample_of_a_workspace_tells_of_each_job_the_newest_run(payload: Callable[[str], bytes]) -> None:
    found = listed(payload("dataarts/list_instances_mixed.json"))
    seen = {name: each.snapshot for name, each in found.items() if each.snapshot is not None}

    assert {name: each.state.value for name, each in seen.items()} == {
        "ods_orders_load": "running",
        "dws_sales_daily": "failed",
        "cdm_crm_sync": "cancelled",
    }
    orders = seen["ods_orders_load"]
    assert (orders.run.id, orders.end, orders.counts[DELAY]) == ("910004", None, 45)
    assert [(each.run.id, each.state, each.end) for each in orders.others] == [("910003", State.SUCCEEDED, 1772323560)]
    assert seen["dws_sales_daily"].failure_code == "DLI.0005"
    assert found["cdm_crm_sync"].target == {"workspace_id": "w-1", "job_name": "cdm_crm_sync"}


def test_the_sample_of_waiting_runs_knows_no_start_however_it_is_left_out(payload: Callable[[str], bytes]) -> None:
    seen = [each.snapshot for each in listed(payload("dataarts/list_instances_waiting.json")).values()]

    assert [each and (each.state, each.start, each.end, each.unknown) for each in seen] == [
        (State.PENDING, None, None, ())
    ] * 3


def test_the_sample_of_forced_runs_succeeded_and_says_so(payload: Callable[[str], bytes]) -> None:
    seen = {name: each.snapshot for name, each in listed(payload("dataarts/list_instances_flags.json")).items()}
    told = {name: (each.counts[FORCED], each.counts[IGNORED]) for name, each in seen.items() if each is not None}

    assert {each.state for each in seen.values() if each is not None} == {State.SUCCEEDED}
    assert told == {"a_forced": (1, 0), "b_ignored": (0, 1), "c_forced_word": (1, 0), "d_ignored_word": (0, 1)}


def test_the_sample_of_odd_words_takes_none_for_a_success(payload: Callable[[str], bytes]) -> None:
    seen = {name: each.snapshot for name, each in listed(payload("dataarts/list_instances_odd_statuses.json")).items()}

    states = ["failed", "pending", "cancelled", "cancelled", "unknown", "unknown", "unknown", "succeeded"]
    assert [each.state.value for each in seen.values() if each is not None] == states


def test_a_run_that_fills_in_the_past_is_not_the_newest(payload: Callable[[str], bytes]) -> None:
    body = payload("dataarts/list_instances_same_job_types.json")
    seen = read(body, "ods_orders_load")

    assert (seen.state, seen.run.id) == (State.SUCCEEDED, "910052")
    assert [each.run.id for each in seen.others] == ["910051"]
    assert read(runs(run(instanceType=5))) == Snapshot(State.UNKNOWN, idle=True)


def test_a_duration_of_two_units_is_not_read(payload: Callable[[str], bytes]) -> None:
    seen = read(payload("dataarts/list_instances_execute_time_minutes.json"), "old_region")

    assert (seen.end or 0) - (seen.start or 0) == 18
    assert seen.unknown == ()


def test_no_run_in_the_window_says_no_state_and_not_even_that_the_job_exists(payload: Callable[[str], bytes]) -> None:
    seen = read(payload("dataarts/list_instances_empty.json"))

    assert (seen.state, seen.native_state, seen.run, seen.counts) == (State.UNKNOWN, "", NAMELESS, {})
    assert (seen.idle, seen.lives) == (True, False)
    assert listed(payload("dataarts/list_instances_empty.json")) == {}


def row(name: object = "orders", **fields: object) -> dict[str, object]:
    return {"name": name, "jobType": "BATCH", "status": "SCHEDULING", **fields}


def existing(body: object, name: str = "orders") -> ListedJob:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert ADAPTER.job_reader is not None
    return ADAPTER.job_reader.parse(raw, job(name).target)


@pytest.mark.parametrize(
    ("fields", "state", "native", "schedule"),
    [
        ({}, State.PENDING, "", "scheduling"),
        ({"status": "STOPPED"}, State.PENDING, "", "stopped"),
        ({"lastInstanceStatus": None, "lastInstanceEndTime": 0}, State.PENDING, "", "scheduling"),
        ({"lastInstanceStatus": "success"}, State.UNKNOWN, "SCHEDULING", "scheduling"),
        ({"lastInstanceEndTime": PLAN * 1000, "status": "paused"}, State.UNKNOWN, "paused", "paused"),
        ({"lastInstanceStatus": "melted", "status": "odd"}, State.UNKNOWN, "other", ""),
        ({"lastInstanceStatus": "fail", "status": None}, State.UNKNOWN, "", ""),
    ],
)
def test_the_list_of_jobs_says_of_one_without_a_run_whether_it_ran_before(
    fields: dict[str, object], state: State, native: str, schedule: str
) -> None:
    seen = existing({"total": 2, "jobs": [row("orders_2"), row(**fields)]})
    answer = confirmed(read(runs()), seen)

    assert (answer.state, answer.native_state, seen.schedule) == (state, native, schedule)
    assert (answer.run, answer.end, answer.lives) == (NAMELESS, None, False)


@pytest.mark.parametrize(
    "body",
    [{"total": 0, "jobs": []}, {"total": 0, "jobs": None}, {"total": 2, "jobs": [row("orders_2"), row("order")]}],
)
def test_a_job_that_is_not_in_the_whole_list_does_not_exist(body: object) -> None:
    with pytest.raises(PollError) as raised:
        existing(body)
    assert raised.value.reason is Reason.NOT_FOUND


@pytest.mark.parametrize(
    "body",
    [
        {"total": 101, "jobs": [row(f"job-{number}") for number in range(100)]},
        {"total": None, "jobs": [row("orders_2")]},
        {"jobs": []},
        {"total": 1, "jobs": [row(None)]},
        {"total": 2, "jobs": [row("orders_2"), 7]},
        {"total": 1, "jobs": [row("x" * 5000)]},
        {"total": 1, "jobs": [row("orders_2"), row("orders_3")]},
    ],
)
def test_a_list_without_some_of_its_rows_does_not_say_that_a_job_is_missing(body: object) -> None:
    answer = confirmed(read(runs()), existing(body))

    assert (answer.state, answer.native_state, existing(body).schedule) == (State.UNKNOWN, "", "")


@pytest.mark.parametrize(
    "body", [{}, {"total": 1}, {"total": 3, "jobs": None}, {"jobs": {}}, {"error_code": "DLF.6888"}]
)
def test_a_body_without_a_list_of_jobs_is_a_failed_poll(body: object) -> None:
    with pytest.raises(PollError) as raised:
        existing(body)
    assert raised.value.reason is not Reason.NOT_FOUND


def test_of_an_answer_with_too_few_rows_the_newest_is_known_only_if_plans_fall() -> None:
    falling = [run(instanceId=9 - number, planTime=(PLAN - 60 * number) * 1000) for number in range(3)]

    assert read(runs(*falling, total=99)).run.id == "9"
    for rows in (
        falling[::-1],
        [falling[1], falling[0], falling[2]],
        falling[:1],
        [],
        [falling[0], run(planTime=None)],
    ):
        with pytest.raises(PollError) as raised:
            read(runs(*rows, total=99))
        assert raised.value.cut
    with pytest.raises(PollError):
        listed(runs(*falling[::-1], total=99))
    assert read(runs(*falling[::-1])).run.id == "9"


@pytest.mark.parametrize(
    ("fields", "unknown"),
    [
        ({"planTime": str(PLAN * 1000), "instanceId": "7"}, ()),
        ({"startTime": None}, ()),
        ({"planTime": None}, ()),
        ({"planTime": "soon"}, ("planTime",)),
        ({"instanceId": None}, ()),
        ({"instanceId": 1.5}, ("instanceId",)),
        ({"instanceId": [7]}, ("instanceId",)),
        ({"endTime": "x", "status": "success"}, ("endTime",)),
        ({"forceSuccess": "perhaps", "status": "success"}, ("forceSuccess",)),
        ({"forceSuccess": "true", "ignoreSuccess": None, "status": "success"}, ()),
        ({"forceSuccess": True, "status": "fail"}, ()),
        ({"jobName": None, "version": "3"}, ()),
        ({"errorMessage": {"a": 1}, "status": "fail"}, ("errorMessage",)),
        ({"instanceType": "new"}, ("instanceType",)),
        ({"status": "done"}, ("status",)),
        ({"executeTime": "0.3", "submitTime": -1}, ()),
    ],
)
def test_a_body_of_no_sample_gives_what_it_says_and_nothing_more(
    fields: dict[str, object], unknown: tuple[str, ...]
) -> None:
    seen, told = read(runs(run(**fields))), run(**fields)

    plan = PLAN if str(told["planTime"]) == str(PLAN * 1000) else None
    assert seen.unknown == unknown
    assert (seen.run.created, seen.counts.get(PLANNED)) == (plan, plan)
    assert seen.run.id == ("7" if str(told["instanceId"]) == "7" else "")
    assert seen.end is None
    assert (FORCED in seen.counts) == (str(told.get("forceSuccess")) == "true")
    assert (seen.state is State.SUCCEEDED) == (told["status"] == "success")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"total": 1},
        {"total": 1, "instances": None},
        {"instances": {}},
        {"instances": [7, None]},
        {"error_code": "DLF.0100", "error_msg": "no"},
        {**runs(), "errorCode": "DLF.3051"},
        runs(run(status=None)),
        runs(run(status="")),
        runs(run(jobName="orders_2", status="success")),
        runs(run(jobName=" orders", status="success")),
        runs(run(status=None), run(instanceId=6, planTime=(PLAN - 60) * 1000, status="success")),
    ],
)
def test_a_body_without_a_state_of_this_job_is_a_failed_poll(body: object) -> None:
    with pytest.raises(PollError):
        read(body)


def test_runs_of_jobs_of_like_names_are_not_this_jobs() -> None:
    later = run(jobName="orders_2", instanceId=8, planTime=(PLAN + 60) * 1000, status="success")

    assert (read(runs(later, run())).run.id, read(runs(later, run())).state) == ("7", State.RUNNING)


@pytest.mark.parametrize(
    ("name", "status", "reason"),
    [
        ("error_instance_missing_400", 400, Reason.NOT_FOUND),
        ("error_workspace_missing_400", 400, Reason.CONFIG),
        ("error_wrong_host_404", 404, Reason.CONFIG),
        ("error_camel_keys_400", 400, Reason.API),
    ],
)
def test_an_error_has_the_reason_of_its_code(
    name: str, status: int, reason: Reason, payload: Callable[[str], bytes]
) -> None:
    found = error_classes.envelope(payload(f"dataarts/{name}.json"))

    assert error_classes.refusal(status, found, ADAPTER.codes).reason is reason


def test_a_workspace_is_named_by_a_header_and_the_default_one_by_none() -> None:
    named = ADAPTER.request(job("销售 日报"), "p")
    plain = ADAPTER.request(Job(JobKey("dataarts", "x"), "prod", {"job_name": "x"}), "p")

    assert named.headers == (("workspace", "w-1"),)
    assert plain.headers == ()
    assert dict(named.query) == {"jobName": "销售 日报", "preciseQuery": "true", "limit": "1000"}
    assert dict(named.query_at(1e9)) | {"minPlanTime": "0"} == {
        **dict(named.query),
        "minPlanTime": "0",
        "maxPlanTime": str(10**12),
    }
    assert 10**12 - int(dict(named.query_at(1e9))["minPlanTime"]) <= 7 * 86_400_000


def test_each_run_counts_once_however_often_it_is_told_and_over_a_restart() -> None:
    def body(number: int, live: str = "running") -> dict[str, object]:
        ended = [
            run(instanceId=each, planTime=(PLAN + 60 * each) * 1000, status="fail" if each % 5 == 0 else "success")
            for each in range(1, number)
        ]
        newest = run(instanceId=number, planTime=(PLAN + 60 * number) * 1000, status=live)
        return runs(newest, *reversed(ended))

    record = transitions.registered(job(), ADAPTER)
    for number in range(3, 30):
        for live in ("waiting", "running", "running"):
            record = transitions.worked(record, read(body(number, live)), float(number), ADAPTER)
    assert record.ledger.runs == (21, 5, 0)  # those from the third on, the first that was seen to live
    kept, record = record.ledger, transitions.registered(job(), ADAPTER)
    record = transitions.resumed(record, kept, kept, ADAPTER)
    record = transitions.worked(record, read(body(40)), 40.0, ADAPTER)
    assert record.ledger.runs == (21 + 9, 5 + 2, 0)
    record = transitions.worked(record, read(body(40, "success")), 41.0, ADAPTER)
    record = transitions.worked(record, read(body(40, "success")), 42.0, ADAPTER)
    assert record.ledger.runs == (21 + 10, 5 + 2, 0)


def test_a_run_that_goes_on_beside_newer_ones_counts_when_it_ends() -> None:
    record = transitions.registered(job(), ADAPTER)
    old = run(instanceId=1, planTime=PLAN * 1000)
    new = run(instanceId=2, planTime=(PLAN + 60) * 1000)

    def told(*rows: object) -> None:
        nonlocal record
        record = transitions.worked(record, read(runs(*rows)), 1.0, ADAPTER)

    told(run(instanceId=0, planTime=(PLAN - 60) * 1000, status="success"))
    told(new, old)
    told(new | {"status": "success"}, old)
    told(new | {"status": "success"}, old | {"status": "fail"})
    told(new | {"status": "success"}, old | {"status": "fail"})
    assert record.ledger.runs == (1, 1, 0)
    assert record.snapshot is not None
    assert record.snapshot.run.id == "2"


def test_a_run_that_goes_on_beside_a_newer_one_at_the_first_look_counts_when_it_ends() -> None:
    record = transitions.registered(job(), ADAPTER)
    over, old, new = (run(instanceId=number, planTime=(PLAN + 60 * number) * 1000) for number in range(3))
    over |= {"status": "success"}
    waits = run(instanceId=3, planTime=(PLAN + 30) * 1000, status="waiting")
    for told in ((new, waits, old, over), (new, waits | {"status": "running"}, old | {"status": "fail"}, over)):
        record = transitions.worked(record, read(runs(*told)), 1.0, ADAPTER)
    assert record.ledger.runs == (0, 1, 0)
    kept, record = record.ledger, transitions.registered(job(), ADAPTER)
    record = transitions.resumed(record, kept, kept, ADAPTER)
    ends = (new | {"status": "success"}, waits | {"status": "success"}, old | {"status": "fail"}, over)
    for _ in range(2):
        record = transitions.worked(record, read(runs(*ends)), 2.0, ADAPTER)
    assert record.ledger.runs == (2, 1, 0)


def test_a_failure_that_was_set_to_success_counts_once_and_says_so() -> None:
    record = transitions.registered(job(), ADAPTER)
    for status, forced in (("running", False), ("fail", False), ("fail", False), ("success", True), ("success", True)):
        body = runs(run(status=status, forceSuccess=forced, endTime=PLAN * 1000 + 9000))
        record = transitions.worked(record, read(body), 1.0, ADAPTER)

    assert record.ledger.runs == (0, 1, 0)
    assert record.snapshot is not None
    assert (record.snapshot.state, record.snapshot.counts[FORCED]) == (State.SUCCEEDED, 1)


def test_the_sample_of_the_jobs_tells_whose_and_where_they_are_and_no_state(payload: Callable[[str], bytes]) -> None:
    (view,) = lister().views(lister().rule.model_validate({"workspaces": ["w-1"]}), Location(), 0.0)
    page = lister().parse(payload("dataarts/list_jobs_batch.json"), view)

    assert [each.words["job_name"] for each in page.items] == ["ods_orders_load", "dws_sales_daily", "客户同步"]
    assert [each.words.get("owner") for each in page.items] == ["etl_ops", "etl_ops", None]
    assert {each.words["path"] for each in page.items} == {"/sales/"}
    assert {each.snapshot for each in page.items} == {None}
    assert (page.total, page.unknown) == (3, ())


@pytest.mark.parametrize(
    ("rule", "found"),
    [
        ({}, True),
        ({"path": "/sales"}, True),
        ({"path": "sales/eu/"}, True),
        ({"path": "/sales/e"}, False),
        ({"path": "/"}, True),
        ({"owner": "etl"}, True),
        ({"owner": "li"}, False),
    ],
)
def test_a_rule_compares_owner_and_folder_itself(rule: dict[str, Any], found: bool) -> None:
    (view,) = lister().views(lister().rule.model_validate({"workspaces": ["w-1"]}), Location(), 0.0)
    row = {"name": "orders", "owner": "etl", "path": "/sales/eu/", "createTime": 1764547200000}
    (item,) = lister().parse(json.dumps({"total": 1, "jobs": [row]}).encode(), view).items

    assert lister().fits(lister().rule.model_validate(rule), item, 0.0) is found


def test_the_jobs_of_several_workspaces_are_named_with_theirs() -> None:
    rule = lister().rule.model_validate({"workspaces": ["w-1", "w-2"]})
    views = lister().views(rule, Location(), 0.0)
    pages = [lister().request(views[1], "p", page) for page in (PageStart(), PageStart(3, 200))]

    assert lister().template(rule, (Location(),)) == "{workspace_id}/{job_name}"
    assert [each.headers for each in pages] == [(("workspace", "w-2"),)] * 2
    assert [dict(each.query)["offset"] for each in pages] == ["0", "200"]


async def test_a_workspace_that_cannot_be_listed_is_named_and_says_nothing_of_the_others() -> None:
    rule = lister().rule.model_validate({"workspaces": ["w-1", "w-2"]})

    async def ask(request: Request, read: Callable[[bytes], Any], /) -> tuple[Any, float]:
        if dict(request.headers)["workspace"] == "w-2":
            raise PollError(Reason.CONFIG, "no such workspace")
        return read(json.dumps({"total": 1, "jobs": [row()]}).encode()), 0.0

    found = await read_rule(lister(), rule, "p", 0.0, ask)

    assert [(place.id, error.reason) for place, error in found.failures] == [("w-2", Reason.CONFIG)]
    assert [(each.name, each.place.id) for each in found.jobs] == [("w-1/orders", "w-1")]
    assert found.sure(Location("w-1"))
    assert not found.sure(Location("w-2"))


def told(body: object, name: str = "ods_orders_load", number: int = 910004) -> Snapshot:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    assert ADAPTER.run_reader is not None
    return ADAPTER.run_reader.parse(raw, job(name), Snapshot(State.RUNNING, run=RunId(str(number))), None)


def tasks(seen: Snapshot) -> dict[str, float]:
    return {measure.label: value for measure, value in seen.counts.items() if measure.name == "tasks" and value}


def test_the_sample_of_a_running_instance_tells_its_nodes_and_their_retries(payload: Callable[[str], bytes]) -> None:
    seen = told(payload("dataarts/instance_running_nodes.json"))

    assert tasks(seen) == {"completed": 1, "active": 1, "waiting": 2, "skipped": 1}
    assert (seen.counts[Measure("tasks_planned")], seen.counts[Measure("retries")]) == (5, 2)
    assert seen.unknown == ()


def test_the_sample_of_a_failed_instance_tells_which_nodes_failed_and_were_stopped(
    payload: Callable[[str], bytes],
) -> None:
    seen = told(payload("dataarts/instance_failed_nodes.json"), "dws_sales_daily", 910002)

    assert tasks(seen) == {"failed": 1, "killed": 2}
    assert (seen.state, seen.counts[Measure("retries")]) == (State.FAILED, 3)
    assert "obs://" not in repr(seen)


def test_a_run_that_failed_failed_though_all_its_nodes_succeeded(payload: Callable[[str], bytes]) -> None:
    seen = told(payload("dataarts/instance_fail_but_nodes_success.json"), "job_batch_x", 910081)

    assert (seen.state, tasks(seen)) == (State.FAILED, {"completed": 2})


def test_an_instance_without_nodes_has_none(payload: Callable[[str], bytes]) -> None:
    seen = told(payload("dataarts/instance_no_nodes.json"), "empty_job", 910091)

    assert seen.counts == {Measure("tasks_planned"): 0}


@pytest.mark.parametrize(
    ("fields", "counts", "unknown"),
    [
        ({"nodes": [{"status": "success"}, {"status": "melted"}]}, {"tasks_planned"}, ("nodes",)),
        ({"nodes": [{"status": None}, {"status": "fail"}]}, {"tasks_planned"}, ("nodes",)),
        ({"nodes": [None, {"status": "fail"}]}, {"tasks_planned"}, ("nodes", "nodes")),
        ({"nodes": [{"status": "fail"}]}, {"tasks_planned"}, ()),
        ({"nodes": []}, {"tasks_planned"}, ()),
        ({"nodes": "two"}, {"tasks_planned"}, ("nodes",)),
        ({"total": None}, {"tasks", "retries"}, ()),
        ({"total": "2"}, {"tasks_planned", "tasks", "retries"}, ()),
        ({"total": -2}, {"tasks", "retries"}, ("total",)),
        ({"nodes": [{"status": "SUCCESS", "retryTimes": "1"}, {"status": "fail"}]}, {"tasks_planned", "tasks"}, ()),
    ],
)
def test_nodes_of_no_sample_count_only_if_all_of_them_can_be_read(
    fields: dict[str, object], counts: set[str], unknown: tuple[str, ...]
) -> None:
    nodes = [{"status": "success", "retryTimes": 0}, {"status": "running", "retryTimes": 1}]
    seen = told(run(instanceId=7, total=2, nodes=nodes) | fields, "orders", 7)

    assert ({measure.name for measure in seen.counts}, seen.unknown) == (counts, unknown)


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"instanceId": 7, "nodes": []},
        run(instanceId=8, nodes=[]),
        run(jobName="orders_2", nodes=[]),
        run(nodes=[]) | {"error_code": "DLF.0137"},
    ],
)
def test_the_nodes_of_another_run_are_not_those_of_this_one(body: object) -> None:
    with pytest.raises(PollError):
        told(body, "orders", 7)


def test_what_nodes_say_is_kept_beside_the_polls_of_the_same_run_and_no_longer() -> None:
    record = transitions.registered(job(), ADAPTER)
    nodes = [{"status": "success", "retryTimes": 2}, {"status": "running", "retryTimes": 0}]
    completed, active = Measure("tasks", "completed"), Measure("tasks", "active")
    record = transitions.worked(record, read(runs(run())), 1.0, ADAPTER)
    record = same_run.detailed(record, told(run(total=2, nodes=nodes), "orders", 7), 2.0, ADAPTER)
    record = same_run.detailed(record, told(run(instanceId=6, total=0, nodes=None), "orders", 6), 2.0, ADAPTER)
    for at in (3.0, 4.0):
        record = transitions.worked(record, read(runs(run(version=at))), at, ADAPTER)
    assert record.snapshot is not None
    assert (record.snapshot.counts[completed], record.snapshot.counts[active]) == (1, 1)
    assert record.last_progress == 2.0
    record = transitions.worked(record, read(runs(run(status="fail"))), 5.0, ADAPTER)
    assert record.snapshot is not None
    assert (record.snapshot.counts[completed], active in record.snapshot.counts) == (1, False)
    later = run(instanceId=8, planTime=(PLAN + 60) * 1000)
    record = transitions.worked(record, read(runs(later, run(status="fail"))), 6.0, ADAPTER)
    assert record.snapshot is not None
    assert set(record.snapshot.counts) == {PLANNED}


def test_an_older_instance_that_is_answered_after_a_newer_one_is_no_news_until_nothing_newer_came_for_long() -> None:
    record = transitions.registered(job(), ADAPTER)
    newer = read(runs(run(), run(instanceId=6, planTime=(PLAN - 3600) * 1000, status="fail")))
    older = read(runs(run(instanceId=6, planTime=(PLAN - 3600) * 1000, status="fail", endTime=(PLAN - 60) * 1000)))
    record = transitions.worked(record, newer, PLAN + 5, ADAPTER)
    behind = transitions.worked(record, older, PLAN + 15, ADAPTER)

    assert behind.shown is not None
    assert (behind.shown.state, behind.shown.run.id, behind.polled_at) == (State.RUNNING, "7", record.polled_at)
    record = transitions.worked(transitions.aged(behind), older, PLAN + 700, ADAPTER)
    assert record.shown is not None
    assert (record.shown.state, record.runs) == (State.FAILED, (0, 0, 0))
