"""The past as JSON, and the description of all JSON."""

from pathlib import Path
from typing import Any
from urllib.parse import quote

import jsonschema
import pytest

from exporter.model.job import JobKey
from exporter.model.record import Record
from exporter.model.standing import STANDINGS
from exporter.runs.past import Change, Failure, JobPast, PastRun, Turn
from exporter.web.openapi import description
from exporter.web.query import PARAMETERS
from tests.web.fakes import NOW, FakeExporter, job, running, serving

PAST = JobPast(
    NOW - 9000,
    (
        PastRun("succeeded", NOW - 5000, False, NOW - 5600, 600.5, 4.0, 1234.0, ""),
        PastRun("failed", NOW - 900, True, None, None, None, None, "DWS.5127"),
    ),
    ((NOW - 600, 0.0), (NOW - 300, 0.4)),
    (Turn(NOW - 9000, "waiting", "succeeded", ""), Turn(NOW - 900, "succeeded", "failed", "DWS.5127")),
    (Failure(NOW - 100, "server", "", "req-1"), Failure(NOW - 50, "api", "APIG.0308", "")),
)
CHANGES = (
    Change(NOW - 900, JobKey("dli", "nightly"), "prod", "running", "failed", "DWS.5127", None),
    Change(NOW - 30, JobKey("dli", "nightly"), "prod", "running", "stale", "auth", None, 12),
)


def exporter(*records: Record) -> FakeExporter:
    return FakeExporter(list(records), pasts={record.job.key: PAST for record in records}, changes=CHANGES)


async def answered(path: str, there: FakeExporter, status: int = 200) -> Any:
    async with serving(there) as client:
        answer = await client.get(path)
        assert answer.status == status
        return await answer.json()


async def test_the_runs_of_a_job_are_told_the_newest_first() -> None:
    told = await answered("/api/v1/jobs/dli/nightly/runs", exporter(running()))

    assert (told["now"], told["service"], told["job"], told["since"]) == (NOW, "dli", "nightly", NOW - 9000)
    assert told["runs"] == [
        {
            "result": "failed", "start": None, "end": None, "seen_ended": NOW - 900, "ended_before": None, "took": None,
            "waited": None, "rows_written": None, "code": "DWS.5127",
        },
        {
            "result": "succeeded", "start": NOW - 5600, "end": NOW - 5000, "seen_ended": None, "ended_before": None,
            "took": 600.5, "waited": 4.0, "rows_written": 1234.0, "code": None,
        },
    ]  # fmt: skip
    assert told["progress"] == [{"at": NOW - 600, "ratio": 0.0}, {"at": NOW - 300, "ratio": 0.4}]
    assert told["turns"][0] == {"at": NOW - 900, "was": "succeeded", "now": "failed", "code": "DWS.5127"}
    assert [each["request_id"] for each in told["failures"]] == [None, "req-1"]


async def test_a_run_that_was_over_at_first_sight_has_no_end() -> None:
    over = PastRun("failed", NOW - 900, True, None, None, None, None, "", over=True)
    there = FakeExporter([running()], pasts={running().job.key: JobPast(NOW - 900, (over,))})

    (run,) = (await answered("/api/v1/jobs/dli/nightly/runs", there))["runs"]
    assert (run["end"], run["seen_ended"], run["ended_before"]) == (None, None, NOW - 900)


async def test_what_is_not_kept_of_a_job_is_not_told() -> None:
    told = await answered("/api/v1/jobs/dli/nightly/runs", FakeExporter([running()]))

    assert (told["since"], told["runs"], told["progress"], told["turns"], told["failures"]) == (None, [], [], [], [])


async def test_the_changes_of_all_jobs_are_told_the_newest_first() -> None:
    told = await answered("/api/v1/changes", exporter(running()))

    assert (told["since"], told["away"]) == (NOW - 7200, None)
    assert [(each["now"], each["code"], each["jobs"]) for each in told["changes"]] == [
        ("stale", "auth", 12),
        ("failed", "DWS.5127", 1),
    ]


@pytest.mark.parametrize(
    ("path", "job_found", "past"),
    [
        ("x%2Fruns", "x/runs", False),
        ("x%2Fruns/runs", "x/runs", True),
        ("x/runs", "x", True),
        ("x/runs/runs", "x/runs", True),
        ("x", "x", False),
    ],
)
async def test_a_job_whose_name_ends_like_the_path_of_runs_is_reached(path: str, job_found: str, past: bool) -> None:
    told = await answered(f"/api/v1/jobs/dli/{path}", exporter(running("x"), running("x/runs")))

    assert (told["job"], isinstance(told["runs"], list)) == (job_found, past)


async def test_without_the_shorter_name_the_longer_one_needs_no_encoding() -> None:
    told = await answered("/api/v1/jobs/dli/x/runs", exporter(running("x/runs")))

    assert told["job"] == "x/runs"
    assert not isinstance(told["runs"], list)


async def test_the_runs_of_an_unknown_job_are_not_found() -> None:
    told = await answered("/api/v1/jobs/dli/nightl/runs", exporter(running()), 404)

    assert told["error"] == "no job 'nightl' of service 'dli' is registered"
    assert told["nearest"] == [{"service": "dli", "job": "nightly"}]


@pytest.mark.parametrize("name", ["每日 订单+x", "runs", "/runs", "line\nbreak/runs", "a?b=c#d"])
async def test_the_runs_of_any_name_are_found_by_its_encoded_path(name: str) -> None:
    told = await answered(f"/api/v1/jobs/dli/{quote(name, safe='')}/runs", exporter(running(name)))

    assert (told["job"], len(told["runs"])) == (name, 2)


@pytest.mark.parametrize("there", [exporter(running(), Record(job("never"))), FakeExporter([running()])])
async def test_every_answer_is_as_it_is_described(there: FakeExporter) -> None:
    description = await answered("/api/v1/openapi.json", there)
    assert description["openapi"] == "3.1.0"
    paths = {
        "/api/v1/jobs": "/api/v1/jobs?limit=5",
        "/api/v1/jobs/{service}/{job}": "/api/v1/jobs/dli/nightly",
        "/api/v1/jobs/{service}/{job}/runs": "/api/v1/jobs/dli/nightly/runs",
        "/api/v1/job": "/api/v1/job?service=dli&job=nightly",
        "/api/v1/job/runs": "/api/v1/job/runs?service=dli&job=nightly",
        "/api/v1/changes": "/api/v1/changes",
        "/api/v1/openapi.json": "/api/v1/openapi.json",
    }
    assert paths.keys() == description["paths"].keys()
    for described, path in paths.items():
        answers = description["paths"][described]["get"]["responses"]
        for status, asked in (("200", path), ("400", f"{path}&sort=x"), ("404", path.replace("nightly", "none"))):
            if status in answers:
                schema = {**answers[status]["content"]["application/json"]["schema"], **components(description)}
                jsonschema.validate(await answered(asked, there, int(status)), schema)


def components(description: dict[str, Any]) -> dict[str, Any]:
    return {"components": description["components"]}


def test_every_field_of_the_past_is_in_the_documents() -> None:
    text = (Path(__file__).parents[2] / "docs/api.md").read_text()
    past = text.partition("## The past of a job")[2].partition("## Reload")[0]
    answers = description()["paths"]
    for path, key in (("/api/v1/jobs/{service}/{job}/runs", "runs"), ("/api/v1/changes", "changes")):
        schema = answers[path]["get"]["responses"]["200"]["content"]["application/json"]["schema"]
        fields = {*schema["properties"], *schema["properties"][key]["items"]["properties"]}
        for name in fields - {"service", "job", "now"}:
            assert f"`{name}`" in past or f"/{name}`" in past, name


async def test_every_parameter_of_the_list_is_described_and_documented() -> None:
    described = {each["name"]: each["schema"] for each in description()["paths"]["/api/v1/jobs"]["get"]["parameters"]}
    text = (Path(__file__).parents[2] / "docs/api.md").read_text().partition("## Parameters of the list")[2]

    assert set(described) == set(PARAMETERS)
    async with serving(exporter(running())) as client:
        for name, schema in described.items():
            assert f"`{name}`" in text, name
            for word in schema.get("enum", [schema.get("example", 0)]):
                assert (await client.get(f"/api/v1/jobs?{name}={word}")).status == 200, (name, word)


async def test_every_word_for_what_a_job_is_is_described() -> None:
    description = await answered("/api/v1/openapi.json", FakeExporter())

    assert description["components"]["schemas"]["Job"]["properties"]["standing"]["enum"] == list(STANDINGS)
