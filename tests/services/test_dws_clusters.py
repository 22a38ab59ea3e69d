"""What a DWS cluster says of the operation on it: every word, and nothing that it does not say."""

import json
from collections.abc import Callable
from typing import Any

import pytest

from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.snapshot import Snapshot, State
from exporter.services.list_reading import Found, read_rule
from exporter.services.listing import ListedJob, ListQuery, Page
from exporter.services.registry import load_services
from exporter.services.request import Request
from tests import asking

DWS = load_services()["dws"]
CLUSTER = "3b9d2f10-6a41-4c77-9e02-5d8c1f7a0b11"
JOB = Job(JobKey("dws", "warehouse"), "demo", {"cluster_id": CLUSTER})
Payload = Callable[[str], bytes]


def listed(body: object) -> Page:
    assert DWS.lists is not None
    return DWS.lists.parse(body if isinstance(body, bytes) else json.dumps(body).encode(), ListQuery())


def of_row(**fields: object) -> Snapshot:
    (item,) = listed({"clusters": [{"id": CLUSTER, "name": "dwh", **fields}], "count": 1}).items
    assert item.snapshot is not None
    return item.snapshot


def asked(**fields: object) -> Snapshot:
    """Return what the cluster's own answer says; without an id of its own it is the one that was asked for."""
    body = json.dumps({"cluster": {"id": CLUSTER, **fields}}).encode()
    return DWS.of(JOB.target).parse(body, JOB, None)


def told(page: Page) -> dict[str, tuple[str, str, float | None]]:
    return {
        each.words["cluster_name"]: (each.snapshot.state.value, each.snapshot.native_state, each.snapshot.progress)
        for each in page.items
        if each.snapshot is not None
    }


def test_the_samples_of_the_list_are_read(payload: Payload) -> None:
    assert told(listed(payload("dws/clusters_mixed.json"))) == {
        "dwh-prod": ("running", "GROWING", 0.37),
        "dwh-report": ("running", "REDISTRIBUTING", 0.31),
        "dwh-dev": ("running", "SNAPSHOTTING", 0.16),
        "dwh-restored": ("running", "RESTORING", 0.04),
        "dwh-idle": ("unknown", "AVAILABLE", None),
    }
    assert told(listed(payload("dws/clusters_otc_old_words.json"))) == {
        "dws-a": ("failed", "CREATION FAILED", None),
        "dws-b": ("running", "GROWING", 0.62),
    }
    assert told(listed(payload("dws/clusters_sticky_failures.json"))) == {
        "dwh-prod": ("failed", "RESIZE_FAILURE", None),
        "dwh-report": ("failed", "REDISTRIBUTE_FAILURE", None),
        "dwh-dev": ("failed", "ELB_SWITCHING_FAILED", None),
        "dwh-gw": ("failed", "REBOOT_FAILURE", None),
    }
    waiting = listed(payload("dws/clusters_waiting_paused.json"))
    assert told(waiting) == {
        "dwh-prod": ("pending", "WAITING_REDISTRIBUTION", None),
        "dwh-report": ("pending", "REDISTRIBUTION_PAUSED", None),
        "dwh-dev": ("pending", "ORDER_PENDING", None),
        "dwh-gw": ("running", "ACTIVE_STANDY_SWITCHOVER", 0.5),
        "dwh-new": ("unknown", "other", None),
    }
    assert [each.snapshot.unknown for each in waiting.items if each.snapshot] == [(), (), (), (), ("task_status",)]
    assert [each.snapshot.idle for each in waiting.items if each.snapshot] == [False] * 5


def test_the_samples_of_the_details_are_read(payload: Payload) -> None:
    def read(name: str, cluster: str = CLUSTER) -> Snapshot:
        job = Job(JOB.key, "demo", {"cluster_id": cluster})
        return DWS.of(job.target).parse(payload(f"dws/cluster_detail_{name}.json"), job, None)

    growing, after = read("growing"), read("after_grow")
    assert (growing.state, growing.kind, growing.progress, growing.start) == (
        State.RUNNING,
        "GROWING",
        0.58,
        1772618282,
    )
    assert growing.words == {"operation": "GROWING"}
    assert (growing.detail["target_nodes"], growing.detail["nodes_before"]) == (6, 3)
    assert (after.state, after.idle, after.progress, after.start, after.end) == (State.UNKNOWN, True, None, None, None)
    rebooting = read("rebooting", "c7e2b5a8-1d40-4b93-a6f7-9f1e0d2c3b33")
    assert (rebooting.state, rebooting.native_state, rebooting.progress) == (State.RUNNING, "REBOOTING", None)


def test_an_answer_about_another_cluster_counts_for_nothing(payload: Payload) -> None:
    with pytest.raises(PollError, match="another job"):
        DWS.of(JOB.target).parse(payload("dws/cluster_detail_rebooting.json"), JOB, None)


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        ({}, Reason.PAYLOAD),
        ({"cluster": None}, Reason.PAYLOAD),
        ({"cluster": [CLUSTER]}, Reason.PAYLOAD),
        ({"cluster": {"id": CLUSTER}}, Reason.PAYLOAD),
        ({"error_code": "DWS.0047", "error_msg": "gone"}, Reason.NOT_FOUND),
        ({"cluster": {"id": CLUSTER, "status": "AVAILABLE"}, "error_code": "DWS.9999"}, Reason.SERVER),
    ],
)
def test_an_answer_without_a_cluster_is_a_failure(body: object, reason: Reason) -> None:
    with pytest.raises(PollError) as failed:
        DWS.of(JOB.target).parse(json.dumps(body).encode(), JOB, None)
    assert failed.value.reason is reason


@pytest.mark.parametrize("read", [of_row, asked])
def test_a_cluster_on_which_nothing_is_under_way_does_not_say_how_the_last_operation_ended(
    read: Callable[..., Snapshot],
) -> None:
    for fields in ({}, {"task_status": None}, {"task_status": "", "action_progress": {}}, {"sub_status": "READONLY"}):
        answer = read(status="AVAILABLE", **fields)
        assert (answer.state, answer.idle, answer.native_state, answer.kind) == (
            State.UNKNOWN,
            True,
            "AVAILABLE",
            "",
        ), fields
        assert (answer.progress, answer.start, answer.end, answer.failure_code) == (None,) * 4
        assert answer.unknown == ()


@pytest.mark.parametrize(
    ("fields", "expected"),
    [
        ({"status": "CREATING", "action_progress": {"CREATING": "8%"}}, ("running", "CREATING", 0.08)),
        ({"status": "CREATE_FAILED"}, ("failed", "CREATING", None)),
        ({"status": "DELETING"}, ("running", "DELETING", None)),
        ({"status": "AVAILABLE", "sub_status": "UNBALANCED | REDISTRIBUTING"}, ("running", "REDISTRIBUTING", None)),
        ({"status": "ACTIVE", "sub_status": "REDISTRIBUTION-FAILURE"}, ("failed", "REDISTRIBUTING", None)),
        ({"status": "AVAILABLE", "action_progress": {"SNAPSHOTTING": "16%"}}, ("running", "SNAPSHOTTING", 0.16)),
        ({"status": "AVAILABLE", "action_progress": {"SNAPSHOTTING": "100%"}}, ("unknown", "", None)),
        ({"status": "AVAILABLE", "action_progress": {"GROWING": "1%", "RESTORING": "2%"}}, ("unknown", "", None)),
        (
            {"status": "AVAILABLE", "task_status": "SNAPSHOTTING", "sub_status": "REDISTRIBUTION-FAILURE"},
            ("running", "SNAPSHOTTING", None),
        ),
        (
            {"status": "available", "task_status": "growing", "action_progress": {"Growing": 5}},
            ("running", "GROWING", 0.05),
        ),
        ({"task_status": "GROWING"}, ("running", "GROWING", None)),
        ({"status": "AVAILABLE", "task_status": "DR_FAILED"}, ("unknown", "", None)),
        ({"status": "AVAILABLE", "task_status": ["GROWING"]}, ("unknown", "", None)),
        ({"status": "MOVED"}, ("unknown", "", None)),
        ({"status": {}}, ("unknown", "", None)),
        ({"status": "AVAILABLE", "sub_status": 1.5}, ("unknown", "", None)),
        ({"status": "AVAILABLE", "sub_status": ["REDISTRIBUTING"]}, ("unknown", "", None)),
    ],
)
def test_each_word_says_what_it_says_and_no_more(fields: dict[str, Any], expected: tuple[object, ...]) -> None:
    answer = of_row(**fields)
    assert (answer.state.value, answer.kind, answer.progress) == expected
    assert answer.state is not State.SUCCEEDED


def test_a_word_that_is_not_known_is_not_taken_for_rest_and_is_counted() -> None:
    for fields, noted in (
        ({"status": "AVAILABLE", "task_status": "DR_FAILED"}, "task_status"),
        ({"status": "MOVED"}, "status"),
        ({"status": "AVAILABLE", "task_status": {"a": 1}}, "task_status"),
        ({"status": "AVAILABLE", "sub_status": ["NORMAL"]}, "sub_status"),
    ):
        answer = of_row(**fields)
        assert (answer.native_state, answer.idle, answer.unknown) == ("other", False, (noted,)), fields
    odd = of_row(status="AVAILABLE", sub_status="NORMAL | UPSIDE_DOWN")
    assert (odd.idle, odd.unknown) == (True, ("sub_status",))


def test_the_start_of_a_scale_out_is_not_that_of_what_follows_or_of_one_before() -> None:
    resize = {"resize_status": "GROWING", "start_time": "2026-03-04T09:58:02Z", "target_node_num": "6"}
    for task, start in (("GROWING", 1772618282), ("SNAPSHOTTING", None), ("RESIZE_FAILURE", None), (None, None)):
        answer = asked(status="AVAILABLE", task_status=task, resize_info=resize)
        assert (answer.start, answer.detail.get("target_nodes")) == (start, 6 if start else None), task


def test_a_failure_tells_its_code_and_its_text() -> None:
    reasons = {"error_code": "DWS.6001", "error_msg": "Scale-out was rolled back.\nmore"}
    failed = of_row(status="AVAILABLE", task_status="RESIZE_FAILURE", failed_reasons=reasons)
    assert (failed.failure_code, failed.detail["failed_detail"]) == ("DWS.6001", "Scale-out was rolled back.")
    odd = of_row(status="AVAILABLE", task_status="RESIZE_FAILURE", failed_reasons=[reasons])
    assert (odd.state, odd.failure_code, odd.unknown) == (State.FAILED, "other", ("failed_reasons",))
    running = of_row(status="AVAILABLE", task_status="GROWING", failed_reasons=reasons)
    assert running.failure_code is None


def test_the_list_tells_how_each_cluster_is_and_costs_a_row_that_has_no_id() -> None:
    words = ("AVAILABLE", "ACTIVE", "UNAVAILABLE", "FROZEN", "SOMETHING", None)
    rows: list[Any] = [{"id": f"c{number}", "status": word} for number, word in enumerate(words)]
    page = listed({"clusters": [*rows, {"status": "AVAILABLE"}, "no row"], "count": "8"})
    assert page.places is not None
    assert [(each.id, each.available, each.native_state, each.word, each.off) for each in page.places] == [
        ("c0", True, "AVAILABLE", "", False),
        ("c1", True, "ACTIVE", "", False),
        ("c2", False, "UNAVAILABLE", "unavailable", False),
        ("c3", False, "FROZEN", "frozen", True),
        ("c4", None, "other", "in an unknown state", False),
        ("c5", None, "", "", False),
        ("", None, "", "not readable", False),
        ("", None, "", "not readable", False),
    ]
    assert (page.rows, len(page.items), page.total) == (8, 6, 8)
    assert page.items[5].snapshot is None
    assert page.unknown.count("clusters.id") == 2


def test_a_cluster_that_is_switched_says_so() -> None:
    page = listed({"clusters": [{"id": "c", "status": "UNAVAILABLE", "task_status": "STOPPING"}]})
    assert page.places is not None
    assert [(each.word, each.off, each.available) for each in page.places] == [("stopping", True, False)]


ROWS: list[dict[str, object]] = [
    {"id": f"c-{name}", "name": name, "status": "AVAILABLE", "task_status": None}
    for name in ("prod", "prod_tmp", "dev")
]


@pytest.mark.parametrize(
    ("rule", "names", "missing"),
    [
        ({}, ["dev", "prod", "prod_tmp"], []),
        ({"clusters": "all"}, ["dev", "prod", "prod_tmp"], []),
        ({"clusters": ["dev", "c-prod", "gone"]}, ["dev", "prod"], ["gone"]),
        ({"match": "^prod", "exclude": "_tmp$"}, ["prod"], []),
        ({"clusters": ["prod", "dev"], "match": "^d", "name": "dwh/{cluster_name}"}, ["dwh/dev"], []),
    ],
)
def test_a_rule_finds_clusters_by_one_call(rule: dict[str, object], names: list[str], missing: list[str]) -> None:
    found, requests = searched(rule, {"clusters": ROWS, "count": 3})
    assert sorted(each.name for each in found.jobs) == names
    assert [each.name for each in found.skipped] == missing
    assert [request.path for request in requests] == ["/v1.0/p/clusters"]
    assert found.places is not None
    assert len(found.places) == 3


def searched(rule: dict[str, object], body: object) -> tuple[Found, list[Request]]:
    lister = DWS.lists
    assert lister is not None
    asked_for = lister.rule.model_validate(rule)
    return asking.driven(
        lambda ask: read_rule(lister, asked_for, "p", 0.0, ask), lambda _: json.dumps(body).encode(), 1e9
    )


def test_a_list_that_holds_fewer_than_it_says_leaves_nobody_known_to_be_gone() -> None:
    found, _ = searched({}, {"clusters": ROWS, "count": 4})
    assert len(found.jobs) == 3
    assert found.missing_rows == 1
    assert not found.sure(found.jobs[0].place)


def test_no_list_tells_of_a_task() -> None:
    lister = DWS.lists
    assert lister is not None
    assert lister.covering({"job_id": CLUSTER}) is None
    assert lister.covering({"cluster_id": CLUSTER}) is not None
    assert DWS.of({"job_id": CLUSTER}).final
    assert not DWS.of({"cluster_id": CLUSTER}).final
    assert not DWS.same_job({"job_id": CLUSTER}, {"cluster_id": CLUSTER})
    assert DWS.same_job({"job_id": "a"}, {"job_id": "b"})
    assert not DWS.same_job({"cluster_id": "a"}, {"cluster_id": "b"})


def test_the_age_of_a_cluster_orders_it() -> None:
    (item,) = listed({"clusters": [{"id": "c", "status": "AVAILABLE", "created": "2024-05-02T07:11:40Z"}]}).items
    assert isinstance(item, ListedJob)
    assert item.since == 1714633900
