"""The jobs as JSON."""

import json
import random
import re
import time
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from exporter.model.job import JobKey
from exporter.model.masking import VendorText
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.model.standing import STANDINGS
from exporter.services import registry
from exporter.web.job_json import encoded, grouped, job_document
from exporter.web.order import SORTS
from exporter.web.query import nearest_jobs
from tests.web.fakes import FAULT, NOW, FakeExporter, in_state, job, running, serving

NAMES = [
    "<script>alert(1)</script>",
    "a'b\"c & d",
    "line\nbreak",
    "a/b//c",
    "c1/每日 订单+x",
    "100%2F%",
    "a?b=c#d",
    "  ",
    "..x",
    "name;v=1",
]


def test_a_job_that_was_never_polled_has_no_zeroes() -> None:
    facts = job_document(Record(job()), {}, None)

    absent = {"region", "run_id", "state", "native_state", "progress", "incremental", "start", "end", "last_progress"}
    absent |= {
        "estimated_completion",
        "last_success",
        "last_failure",
        "pending_since",
        "last_run_duration",
        "last_poll",
        "next_poll",
        "error",
        "off",
        "cluster_id",
        "job_name",
    }
    assert {facts[name] for name in absent} == {None}
    assert (facts["counts"], facts["detail"], facts["failures"], facts["labels"]) == ({}, {}, {}, {})
    assert (facts["up"], facts["stale"], facts["final"], facts["failing"]) == (None, False, False, 0)


def test_a_running_job_is_told_whole() -> None:
    counted: dict[str, Any] = {"runs": (3, 1, 0), "totals": {"rows_read": 7}}
    record = running(fault=FAULT, failing=2, failures={Reason.THROTTLED: 2}, estimate=NOW + 900, **counted)
    facts = job_document(record, {"region": "eu-de", "project_id": "p-1"}, NOW + 30)

    assert facts["counts"] == {"tasks": {"active": 3, "completed": 10}, "rows_read": 4000}
    assert (facts["region"], facts["job_id"], facts["run_id"]) == ("eu-de", "j-1", "r-1")
    assert (facts["state"], facts["progress"], facts["next_poll"]) == ("running", 0.43, NOW + 30)
    assert facts["estimated_completion"] == NOW + 900
    assert facts["runs"] == {"succeeded": 3, "failed": 1, "cancelled": 0}
    assert facts["totals"] == {"rows_read": 7}
    assert facts["error"] == {
        "reason": "throttled",
        "code": "APIGW.0308",
        "request_id": "req-1",
        "sentence": "dli asks to slow down (429)",
        "text": "over ratelimit",
        "at": NOW - 5,
    }


def test_what_is_too_old_to_be_shown_is_not_told() -> None:
    facts = job_document(
        running(stale=True, up=False, last_progress=NOW, last_success=NOW, estimate=NOW + 900), {}, None
    )

    gone = ("state", "native_state", "progress", "start", "end", "run_id", "last_progress", "estimated_completion")
    assert {facts[name] for name in gone} == {None}
    assert (facts["stale"], facts["counts"], facts["last_poll"], facts["last_success"]) == (True, {}, NOW - 12, NOW)


@pytest.mark.parametrize(
    ("how", "text"), [(VendorText.OFF, None), (VendorText.REDACTED, "password=***"), (VendorText.FULL, "password=x1")]
)
async def test_the_vendors_text_is_repeated_as_the_configuration_allows(how: VendorText, text: str | None) -> None:
    said = Fault(Reason.API, NOW, "the cloud refused the call", text="password=x1")
    failed = Snapshot(State.FAILED, failure_code="DWS.5127", detail={"failed_detail": "password=x1"})
    exporter = FakeExporter([Record(job(), failed, fault=said, failing=1, up=False)], vendor_text=how)
    async with serving(exporter) as client:
        listed = (await (await client.get("/api/v1/jobs")).json())["jobs"][0]
        alone = await (await client.get("/api/v1/jobs/dli/nightly")).json()
        pages = [await (await client.get(path)).text() for path in ("/", "/jobs/dli/nightly")]

    for facts in (listed, alone):
        assert (facts["error"]["text"], facts["complaint"], facts["detail"].get("failed_detail")) == (text,) * 3
        assert facts["error"]["sentence"] == "the cloud refused the call"
    for html in pages:
        assert (text is not None and text in html) or "password" not in html
        assert ("x1" in html) is (how is VendorText.FULL)


def test_a_count_with_and_without_a_label_is_one_group() -> None:
    counts = {Measure("tasks", "active"): 1.0, Measure("tasks"): 2.5, Measure("files"): 3.0}

    assert grouped(counts) == {"tasks": {"active": 1, "": 2.5}, "files": 3}


def test_json_has_no_nan_and_no_broken_text() -> None:
    value = {"a": float("nan"), "b": [float("inf"), {"c": -float("inf")}], "d": "\ud800 每日", "e": (1, 2.5)}

    assert encoded(value) == '{"a":null,"b":[null,{"c":null}],"d":"? 每日","e":[1,2.5]}'.encode()


async def listed(query: str, *records: Record, due: dict[JobKey, float] | None = None) -> Any:
    async with serving(FakeExporter(list(records), due or {})) as client:
        answer = await client.get("/api/v1/jobs" + query)
        assert answer.headers["Content-Type"] == "application/json; charset=utf-8"
        return json.loads(await answer.read())


MANY = (
    running("Beta", progress=0.5, polled_at=NOW - 1),
    running("alpha", "cdm", progress=0.1, polled_at=NOW - 3, fault=FAULT, failing=2),
    in_state(State.FAILED, "gamma"),
    Record(job("delta", project="staging")),
    running("epsilon", stale=True, up=False, failing=9, fault=FAULT),
    Record(job("zeta"), fault=FAULT, failing=1),
)


def test_every_field_is_told_in_the_documents() -> None:
    text = (Path(__file__).parents[2] / "docs/api.md").read_text()
    fields = text.partition("## A job")[2].partition("## The past of a job")[0]
    told = {name for row in re.findall(r"^\| (`.*?) \|", fields, re.MULTILINE) for name in re.findall(r"`(\w+)`", row)}

    of_services = set(registry.declared().identity)
    assert told - of_services == set(job_document(running(), {}, None)) - of_services
    for word in (*STANDINGS, *SORTS):
        assert f"`{word}`" in text or word in {state.value for state in State}


async def test_the_list_says_when_and_how_many() -> None:
    answer = await listed("", *MANY)

    assert (answer["now"], answer["total"], len(answer["jobs"])) == (NOW, 6, 6)
    assert answer["jobs"][0]["job"] == "alpha"
    assert await listed("") == {"now": NOW, "total": 0, "jobs": []}


@pytest.mark.parametrize(
    ("query", "names"),
    [
        pytest.param("?q=ALPHA", ["alpha"], id="name, any case"),
        pytest.param("?q=stag", ["delta"], id="project"),
        pytest.param("?q=" + "+".join(25 * ["alpha", "ALPHA"])[:256], ["alpha"], id="a word many times is one"),
        pytest.param("?q=cdm", ["alpha"], id="service in q"),
        pytest.param("?service=cdm", ["alpha"], id="service"),
        pytest.param("?service=dws", [], id="a service without jobs"),
        pytest.param("?state=running", ["alpha", "Beta"], id="state"),
        pytest.param("?state=failed&state=stale", ["epsilon", "gamma"], id="two states"),
        pytest.param("?state=waiting", ["delta"], id="not polled yet"),
        pytest.param("?state=unanswered", ["zeta"], id="never answered"),
        pytest.param("?error=1", ["alpha", "epsilon", "zeta"], id="errors only"),
        pytest.param("?q=&service=&state=&sort=&order=&limit=2", ["alpha", "Beta"], id="empty means not said"),
        pytest.param("?limit=2&offset=2", ["delta", "epsilon"], id="a part"),
        pytest.param("?offset=99", [], id="beyond the end"),
        pytest.param("?limit=0", [], id="none"),
        pytest.param("?sort=name&order=desc&limit=2", ["zeta", "gamma"], id="by name, down"),
        pytest.param("?sort=progress", ["alpha", "Beta", "delta", "epsilon", "gamma", "zeta"], id="unknown comes last"),
        pytest.param("?sort=progress&order=desc&limit=3", ["Beta", "alpha", "delta"], id="last when down too"),
        pytest.param("?sort=state&limit=3", ["gamma", "zeta", "epsilon"], id="what needs a person first"),
        pytest.param("?sort=failing&order=desc&limit=1", ["epsilon"], id="by failures"),
        pytest.param("?sort=next_poll&limit=2", ["gamma", "alpha"], id="by next poll"),
        pytest.param("?sort=last_poll&order=desc&limit=1", ["Beta"], id="by last poll"),
    ],
)
async def test_the_list_is_filtered_and_sorted(query: str, names: list[str]) -> None:
    answer = await listed(query, *MANY, due={JobKey("dli", "gamma"): 1.0, JobKey("cdm", "alpha"): 2.0})

    assert [entry["job"] for entry in answer["jobs"]] == names


@pytest.mark.parametrize(
    ("query", "mistake"),
    [
        ("?sort=nam", "unknown sort 'nam'; did you mean name?"),
        ("?stat=running", "unknown parameter 'stat'; did you mean state?"),
        ("?service=dlii", "unknown service 'dlii'; did you mean dli?"),
        ("?state=runing", "unknown state 'runing'; did you mean running?"),
        (
            "?q=" + "+".join(map(str, range(17))),
            "q has 40 letters and 17 different words; search for at most 256 letters and 16 words",
        ),
        ("?q=" + 257 * "x", "q has 257 letters and 1 different words; search for at most 256 letters and 16 words"),
        ("?order=up", "unknown order 'up'; known are asc, desc"),
        ("?limit=-1", "limit '-1' is not a whole number from 0 to 999999999"),
        ("?limit=1e3", "limit '1e3' is not a whole number from 0 to 999999999"),
        ("?offset=%D9%A3", "offset '٣' is not a whole number from 0 to 999999999"),
        ("?limit=99999999999999999999", "limit '99999999999999999999' is not a whole number from 0 to 999999999"),
    ],
)
async def test_a_mistake_in_the_query_is_named(query: str, mistake: str) -> None:
    async with serving() as client:
        answer = await client.get("/api/v1/jobs" + query)

        assert (answer.status, await answer.json()) == (400, {"error": mistake})


@pytest.mark.parametrize("name", NAMES)
async def test_any_name_is_found_by_its_encoded_path(name: str) -> None:
    async with serving(FakeExporter([running(name)])) as client:
        answer = await client.get(f"/api/v1/jobs/dli/{quote(name, safe='')}")

        assert (answer.status, (await answer.json())["job"]) == (200, name)


async def test_slashes_in_a_name_need_no_encoding() -> None:
    async with serving(FakeExporter([running("a/b")])) as client:
        assert (await client.get("/api/v1/jobs/dli/a/b")).status == 200


async def test_an_unknown_job_is_told_the_nearest() -> None:
    async with serving(FakeExporter([running("nightly-orders"), running("x"), running("nightly", "cdm")])) as client:
        answer = await client.get("/api/v1/jobs/dli/nightly")
        nobody = await client.get("/api/v1/jobs/dws/%3Cscript%3E")

        assert answer.status == 404
        assert await answer.json() == {
            "error": "no job 'nightly' of service 'dli' is registered",
            "nearest": [{"service": "cdm", "job": "nightly"}, {"service": "dli", "job": "nightly-orders"}],
        }
        assert (await nobody.json())["nearest"] == []


async def test_a_thousand_jobs_are_all_told() -> None:
    answer = await listed("", *(Record(job(f"j{number}"), Snapshot(State.RUNNING)) for number in range(1203)))

    assert len(answer["jobs"]) == 1203


@pytest.mark.parametrize("length", [190, 240])  # from 200 letters on difflib passes over frequent ones
def test_the_nearest_of_many_long_names_is_found_in_milliseconds(length: int) -> None:
    letters = random.Random(1)
    names = ["".join(letters.choices("abcdef", k=length)) for _ in range(2000)]
    records = [running(name) for name in names]
    began = time.process_time()

    assert len(nearest_jobs(records, "dli", "x" + names[7][1:])) == 3
    assert time.process_time() - began < 1.0  # seconds were what it took to compare letter by letter
