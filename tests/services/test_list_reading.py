"""Lists of jobs: every sample becomes what it says, odd rows cost only themselves, and paging loses nothing."""

import json
import re
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.services import name_template
from exporter.services.cdm import lists as cdm_lists
from exporter.services.list_reading import Found, Reading, read_list, read_rule
from exporter.services.listing import Lister, ListQuery, Location, Page, RowReader
from exporter.services.page_cursor import PageCursor
from exporter.services.registry import load_services
from exporter.services.request import Ask, Request
from tests import asking

ADAPTERS = load_services()
NOW = 1_760_000_000.0
CLUSTER = Location("c-1", "etl")
T = TypeVar("T")
Payload = Callable[[str], bytes]


def lister(service: str) -> Lister[Any]:
    found = ADAPTERS[service].lists
    assert found is not None
    return found


def read(service: str, body: object) -> Page:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    return lister(service).parse(raw, ListQuery(CLUSTER if service == "cdm" else Location()))


def driven(
    reading: Callable[[Ask], Coroutine[Any, Any, T]], answer: Callable[[Request], object]
) -> tuple[T, list[Request]]:
    """Run a reading to its end; an answer that is an error is raised."""

    def body(request: Request) -> bytes:
        given = answer(request)
        if isinstance(given, PollError):
            raise given
        return json.dumps(given).encode()

    return asking.driven(reading, body, NOW)


def always(body: object) -> Callable[[Request], object]:
    return lambda _: body


def dli(number: int, **fields: object) -> dict[str, object]:
    return {"job_id": f"j{number}", "status": "RUNNING", "start_time": 1_759_990_000_000 + number, **fields}


def found(service: str, rule: dict[str, object], answer: Callable[[Request], object]) -> tuple[Found, list[Request]]:
    asked_for = lister(service).rule.model_validate(rule)
    return driven(lambda ask: read_rule(lister(service), asked_for, "p", NOW, ask), answer)


def query(request: Request, name: str) -> list[str]:
    return [value for key, value in request.query if key == name]


# --- reading


def test_the_sample_of_dli_is_read(payload: Payload) -> None:
    page = read("dli", payload("dli/list_sql_jobs_page.json"))
    running, finished, failed = page.items

    assert (page.rows, page.total, page.unknown) == (3, 231, ())
    assert running.target == {"job_id": "3b0f6f57-6f1e-4f0e-9a55-0a9d3a2c7e11"}
    assert running.words == {
        "job_id": "3b0f6f57-6f1e-4f0e-9a55-0a9d3a2c7e11",
        "job_type": "QUERY",
        "queue_name": "etl_queue",
        "owner": "svc_etl",
        "database_name": "sales",
        "tags.team": "bi",
    }
    assert running.since == 1709597421
    assert running.snapshot is not None
    assert (running.snapshot.state, running.snapshot.progress) == (State.RUNNING, None)
    assert (running.snapshot.start, running.snapshot.end) == (1709597421, None)
    assert running.snapshot.run == RunId("3b0f6f57-6f1e-4f0e-9a55-0a9d3a2c7e11", 1709597421)
    assert finished.snapshot is not None
    assert (finished.snapshot.progress, finished.snapshot.end) == (1, 1709597475)
    assert failed.snapshot is not None
    assert (failed.snapshot.failure_code, failed.snapshot.end) == ("DLI.0005", 1709597421 + 48.211), "by its duration"
    assert finished.snapshot.counts == {
        **{Measure(name): 0 for name in ("rows_read", "bad_rows", "result_rows", "read_bytes")},
        Measure("written_bytes"): 904112,
        Measure("cpu_seconds"): 18.422,
    }
    assert running.snapshot.words == {
        "job_type": "QUERY",
        "queue_name": "etl_queue",
        "owner": "svc_etl",
        "database_name": "sales",
        "engine_type": "spark",
    }
    assert "database_name" not in failed.words


def test_of_a_dli_job_that_waits_no_number_is_read_and_of_one_that_runs_those_so_far(payload: Payload) -> None:
    waits, runs, ended, failed = (
        each.snapshot for each in read("dli", payload("dli/sql_list_running_and_ended.json")).items
    )

    assert waits is not None
    assert (waits.state, waits.counts, waits.start) == (State.PENDING, {}, 1761000060)
    assert runs is not None
    assert (runs.end, runs.unknown) == (None, ())
    assert runs.counts == {
        Measure("rows_read"): 52000,
        Measure("bad_rows"): 0,
        Measure("result_rows"): 0,
        Measure("read_bytes"): 73400320,
    }
    assert ended is not None
    assert (ended.start, ended.end) == (1761000000, 1761000017.731)
    assert ended.counts == {
        Measure("rows_read"): 90000,
        Measure("bad_rows"): 3,
        Measure("result_rows"): 89997,
        Measure("read_bytes"): 104857600,
        Measure("written_bytes"): 8123904,
        Measure("cpu_seconds"): 15.376,
    }
    assert failed is not None
    assert (failed.failure_code, failed.end) == ("DLI.0006", 1760999995.812)
    assert failed.counts == {Measure("result_rows"): 0, Measure("read_bytes"): 0}


def test_odd_numbers_of_a_dli_row_cost_only_themselves(payload: Payload) -> None:
    runs, odd, bare = (each.snapshot for each in read("dli", payload("dli/sql_list_odd_numbers.json")).items)

    assert runs is not None
    assert (runs.start, runs.end, runs.counts, runs.unknown) == (1761000000, None, {}, ("result_count",))
    assert odd is not None
    assert odd.counts == {
        Measure("read_bytes"): 9007199254740993,
        Measure("result_rows"): 3000000000,
        Measure("cpu_seconds"): 1500,
    }
    assert sorted(odd.unknown) == ["output_byte", "status"]
    assert bare is not None
    assert (bare.state, bare.start, bare.end, bare.counts, bare.words) == (State.CANCELLED, None, None, {}, {})


def row_reader() -> RowReader:
    reader = lister("dli").row
    assert reader is not None
    return reader


def row(name: str, payload: Payload, job_id: str) -> Snapshot:
    found = row_reader().parse(payload(f"dli/{name}.json"), {"job_id": job_id})
    assert found.target == {"job_id": job_id}
    assert found.snapshot is not None
    return found.snapshot


def test_the_status_of_a_dli_job_tells_its_end_by_its_duration(payload: Payload) -> None:
    ended = row("sql_status_finish_word", payload, "5d0f3a10-1c7e-4d0b-9a44-0c1f2e3d4a52")

    assert (ended.state, ended.start, ended.end) == (State.SUCCEEDED, 1761000000, 1761000002.523)
    assert ended.counts == {Measure("result_rows"): 4, Measure("read_bytes"): 22}
    assert ended.words["job_mode"] == "async"
    assert ended.words["result_path"] == "obs://example-bucket/jobs/result/x/2025/10/20/5d0f"
    runs = row("sql_status_running_insert", payload, "5d0f3a10-1c7e-4d0b-9a44-0c1f2e3d4a51")
    assert (runs.state, runs.start, runs.end) == (State.RUNNING, 1761000000, None)
    assert "shuffle" not in repr(runs)
    assert "fact_orders SELECT" not in repr(runs)


@pytest.mark.parametrize(("name", "job_id"), [("sql_status_not_success_200", "x"), ("sql_status_finish_word", "other")])
def test_a_status_that_is_a_failure_or_of_another_job_is_refused(payload: Payload, name: str, job_id: str) -> None:
    with pytest.raises(PollError) as caught:
        row(name, payload, job_id)
    assert caught.value.reason is (Reason.SERVER if job_id == "x" else Reason.PAYLOAD)


@given(
    st.binary(max_size=30) | st.builds(lambda given: json.dumps(given).encode(), st.dictionaries(st.text(), st.text()))
)
def test_any_bytes_of_a_status_become_a_row_or_a_typed_error(body: bytes) -> None:
    with suppress(PollError):
        row_reader().parse(body, {"job_id": "j"})


def test_each_field_of_a_dli_row_comes_out_at_one_place_and_none_is_crossed() -> None:
    """Every field of the list's table with a value of its own."""
    texts = [*("job_type", "queue_name", "owner", "database_name", "table_name", "engine_type", "result_path")]
    texts += ["result_format", "execution_details_path"]
    row: dict[str, object] = {name: f"the {name}" for name in texts}
    row |= {"job_id": "the id", "status": "FINISHED", "message": "the message", "tags": [{"key": "k", "value": "v"}]}
    row |= {"start_time": 1_761_000_000_000, "end_time": 1_761_000_009_000, "duration": 8_000}
    row |= {"input_row_count": 11, "bad_row_count": 12, "input_size": 13, "result_count": 14}
    row |= {"cpu_cost": "15000", "output_byte": "16"}
    row |= {"statement": "the secret", "detail": "the secret", "with_column_header": True}
    (item,) = read("dli", {"jobs": [row]}).items
    seen = item.snapshot

    assert seen is not None
    assert (seen.start, seen.end, seen.detail["message"]) == (1_761_000_000, 1_761_000_009, "the message")
    numbers = {"rows_read": 11, "bad_rows": 12, "read_bytes": 13, "result_rows": 14, "cpu_seconds": 15}
    assert seen.counts == {Measure(name): value for name, value in numbers.items()} | {Measure("written_bytes"): 16}
    assert seen.words == {name: f"the {name}" for name in texts}
    assert item.words["tags.k"] == "v"
    assert "secret" not in repr(item)


def test_the_sample_of_cdm_is_read(payload: Payload) -> None:
    page = read("cdm", payload("cdm/list_jobs_all.json"))
    running, new, legacy = page.items

    assert (page.rows, page.total, page.unknown) == (3, 3, ())
    assert running.target == {"cluster_id": "c-1", "job_name": "mysql2dws"}
    assert running.words == {
        "cluster_id": "c-1",
        "cluster_name": "etl",
        "job_name": "mysql2dws",
        "job_type": "NORMAL_JOB",
        "group_name": "DEFAULT",
    }
    assert running.since == 1709500000
    assert running.snapshot is not None
    assert (running.snapshot.state, running.snapshot.incremental) == (State.RUNNING, False)
    assert running.snapshot.counts == {Measure("rows_read"): 4000, Measure("rows_written"): 3511}
    assert (running.snapshot.start, running.snapshot.end) == (1709597421, None)
    assert (running.snapshot.run, running.snapshot.progress) == (RunId(), None)
    assert new.target["job_name"] == "新作业"
    assert new.snapshot is not None
    assert (new.snapshot.state, new.snapshot.native_state) == (State.PENDING, "NEW")
    assert (legacy.snapshot, legacy.since) == (None, None)


def test_nothing_of_statements_and_configurations_is_kept(payload: Payload) -> None:
    assert "secret" not in repr(read("dli", payload("dli/list_sql_jobs_page.json")))
    assert "Config" not in repr(read("cdm", payload("cdm/list_jobs_all.json")))


def test_an_empty_list_is_no_failure(payload: Payload) -> None:
    assert read("dli", payload("dli/list_sql_jobs_empty.json")) == Page(0, (), 0)
    assert read("dli", {"is_success": True, "job_count": 0, "jobs": None}) == Page(0, total=0)
    assert read("cdm", {"total": 0, "jobs": None}) == Page(0, total=0)
    assert read("cdm", {"jobs": [], "total": 0}) == Page(0, (), 0)


@pytest.mark.parametrize(
    ("service", "body", "reason", "code"),
    [
        ("dli", {"is_success": False, "message": "DLI.0015: token", "jobs": [dli(1)]}, Reason.AUTH, "DLI.0015"),
        ("dli", {"is_success": False, "message": "no"}, Reason.API, ""),
        ("dli", {"is_success": True}, Reason.PAYLOAD, ""),
        ("dli", {"is_success": True, "jobs": None}, Reason.PAYLOAD, ""),
        ("cdm", {"total": None, "jobs": None}, Reason.PAYLOAD, ""),
        ("cdm", {"total": 3, "jobs": None}, Reason.PAYLOAD, ""),
        ("dli", {"jobs": {"job_id": "j"}}, Reason.PAYLOAD, ""),
        ("dli", {"error_code": "DLI.0999", "jobs": []}, Reason.SERVER, "DLI.0999"),
        ("cdm", {"errCode": "Cdm.0001", "externalMessage": "gone"}, Reason.NOT_FOUND, "Cdm.0001"),
        ("cdm", {"errCode": "Cdm.0032", "jobs": None}, Reason.PERMISSION, "Cdm.0032"),
        ("cdm", {"error_code": "APIGW.0308", "error_msg": "too often"}, Reason.THROTTLED, "APIGW.0308"),
        ("cdm", {}, Reason.PAYLOAD, ""),
        ("cdm", [], Reason.PAYLOAD, ""),
        ("cdm", b"<html>", Reason.PAYLOAD, ""),
    ],
)
def test_an_answer_without_a_list_is_a_failure(service: str, body: object, reason: Reason, code: str) -> None:
    with pytest.raises(PollError) as caught:
        read(service, body)

    assert (caught.value.reason, caught.value.code) == (reason, code)


DLI_ROW = dli(1, job_type="QUERY", queue_name="q", owner="li", database_name="d", end_time=1_759_990_009_000) | {
    "status": "FINISHED",
    "message": "",
    "tags": [{"key": "team", "value": "bi"}],
    **dict.fromkeys(("input_row_count", "bad_row_count", "input_size", "result_count", "duration"), 7),
    **dict.fromkeys(("cpu_cost", "output_byte"), "7"),
    **dict.fromkeys(("table_name", "engine_type", "result_format", "result_path", "execution_details_path"), "t"),
}
CDM_ROW: dict[str, object] = {
    "name": "orders",
    "job_type": "NORMAL_JOB",
    "group_name": "g",
    "creation-date": 1_759_000_000_000,
    "status": "SUCCEEDED",
    "execute_start_date": 1_759_990_000_000,
    "execute_update_date": 1_759_990_009_000,
    "is_incrementing": False,
    "enabled": True,
    "external_id": "job_local1_0001",
    **dict.fromkeys(("rows_read", "rows_written", "write_rows", "update_rows", "delete_rows", "bytes_read"), 1),
    **dict.fromkeys(("bytes_written", "files_read", "files_written"), 1),
}
ROWS = {"dli": DLI_ROW, "cdm": CDM_ROW}
IDS = {"dli": "job_id", "cdm": "name"}
CASES = [(service, field) for service, row in ROWS.items() for field in row]


@pytest.mark.parametrize(("service", "field"), CASES)
@pytest.mark.parametrize("lost", ["missing", None, "", "N/A"])
def test_what_a_row_does_not_say_costs_only_itself(service: str, field: str, lost: object) -> None:
    row = {name: value for name, value in ROWS[service].items() if name != field}
    if lost != "missing":
        row[field] = lost
    (whole,) = read(service, {"jobs": [ROWS[service]]}).items
    page = read(service, {"jobs": [row]})

    if field == IDS[service]:
        if (service, lost) == ("cdm", "N/A"):
            assert page.items[0].target["job_name"] == "N/A"
        else:
            assert (page.rows, page.items, page.unknown) == (1, (), ("jobs",))
        return
    (less,) = page.items
    assert page.unknown == ()
    assert less.target == whole.target
    assert (less.since is None) == (field in {"start_time", "creation-date"})
    assert set(whole.words) - set(less.words) == {
        word for word in whole.words if word == field or (field == "tags" and word == "tags.team")
    }
    assert (less.snapshot is None) == (field == "status")
    if less.snapshot is not None and whole.snapshot is not None:
        assert less.snapshot.unknown == ()
        assert less.snapshot.state is whole.snapshot.state
        assert less.snapshot.counts.items() <= whole.snapshot.counts.items()


@pytest.mark.parametrize(("service", "field"), CASES)
def test_what_cannot_be_read_is_noted_by_its_name(service: str, field: str) -> None:
    page = read(service, {"jobs": [{**ROWS[service], field: {"odd": []}}]})
    noted = [*page.unknown, *(name for each in page.items if each.snapshot for name in each.snapshot.unknown)]

    if field == "message":
        assert noted == ["message"]
    assert noted == ["jobs" if field == IDS[service] else field]


@pytest.mark.parametrize(("service", "field"), CASES)
def test_a_number_sent_as_text_is_a_number(service: str, field: str) -> None:
    row = ROWS[service]
    if type(row[field]) is int:
        assert read(service, {"jobs": [{**row, field: str(row[field])}]}) == read(service, {"jobs": [row]})


def test_minus_one_is_cdms_word_for_none() -> None:
    (listed,) = read("cdm", {"jobs": [{**CDM_ROW, "bytes_read": -1, "files_read": "-1", "rows_read": -2}]}).items

    assert listed.snapshot is not None
    assert {"read_bytes", "files_read", "rows_read"}.isdisjoint(each.name for each in listed.snapshot.counts)
    assert listed.snapshot.unknown == ("rows_read",)


def test_a_word_that_nobody_knows_is_counted_and_unknown() -> None:
    for service, row in ROWS.items():
        (listed,) = read(service, {"jobs": [{**row, "status": "SUSPENDED"}]}).items

        assert listed.snapshot is not None
        assert (listed.snapshot.state, listed.snapshot.native_state) == (State.UNKNOWN, "other")
        assert listed.snapshot.unknown == ("status",)
        assert listed.snapshot.end is None


def test_a_failed_cdm_run_has_no_code_because_the_list_has_no_place_for_it() -> None:
    (listed,) = read("cdm", {"jobs": [{**CDM_ROW, "status": "FAILED"}]}).items

    assert listed.snapshot is not None
    assert (listed.snapshot.failure_code, listed.snapshot.end) == (None, 1_759_990_009)


@pytest.mark.parametrize(
    ("status", "end", "updated"), [("RUNNING", None, 1_759_990_009.0), ("FAILED", 1_759_990_009.0, None)]
)
def test_the_last_update_of_a_cdm_row_is_the_end_of_its_run_once_it_ended(
    status: str, end: float | None, updated: float | None
) -> None:
    (listed,) = read("cdm", {"jobs": [{**CDM_ROW, "status": status}]}).items

    assert listed.snapshot is not None
    assert (listed.snapshot.end, listed.snapshot.updated) == (end, updated)


def test_a_cdm_name_is_part_of_an_address_and_stays_as_it_came() -> None:
    (listed,) = read("cdm", {"jobs": [{"name": " a\tb "}, {"name": "\ud800"}, {"name": "  "}]}).items

    assert listed.target["job_name"] == " a\tb "
    assert listed.words["job_name"] == "a\tb"


@pytest.mark.parametrize("half", ["\ud800", b"\xe5\x90".decode("utf-8", "surrogateescape")])
def test_what_cannot_be_asked_for_by_its_exact_name_is_no_job(half: str) -> None:
    def listed(service: str, rows: object, name: str = "jobs") -> bytes:
        return json.dumps({name: rows}, ensure_ascii=False).encode(
            "utf-8", "surrogateescape" if half > "\udbff" else "surrogatepass"
        )

    queries = read(
        "dli", listed("dli", [dli(1), dli(2, job_id=f"j{half}"), dli(3, queue_name=f"q{half}", message=half)])
    )
    migrations = read("cdm", listed("cdm", [{**CDM_ROW, "name": f"a{half}"}, {**CDM_ROW, "name": "b"}]))
    clusters = lister("cdm").places(listed("cdm", [{"id": f"c{half}"}, {"id": "d", "name": half}], "clusters"))

    assert [each.target["job_id"] for each in queries.items] == ["j1", "j3"]
    assert (queries.rows, queries.unknown, "queue_name" in queries.items[1].words) == (3, ("jobs",), False)
    assert ([each.target["job_name"] for each in migrations.items], migrations.unknown) == (["b"], ("jobs",))
    assert [each.id for each in clusters] == ["", "d"]


def test_clusters_are_read_and_those_that_are_off_are_not_usable(payload: Payload) -> None:
    odd = [
        {"id": "f", "name": "frozen", "status": 200, "isFrozen": "1"},
        {"id": "s", "status": "900"},
        {"id": "n", "status": 777},
        {"id": "m"},
        {"name": "no id"},
        5,
    ]
    places = lister("cdm").places

    assert places(payload("cdm/list_clusters.json")) == (
        Location("6ec9a0a4-76be-4262-8697-e7af1fac7920", "cdm-prod", True, "", "200", True),
        Location("c2db1191-eb6c-464a-a0d3-b434e6c6df26", "cdm-new", False, "creating", "100", False),
    )
    assert places(json.dumps({"clusters": odd}).encode()) == (
        Location("f", "frozen", False, "frozen", "200", False, off=True),
        Location("s", "s", False, "off", "900", False, off=True),
        Location("n", "n", False, "in an unknown state", "other"),
        Location("m", "m", True, ""),
        cdm_lists.UNREADABLE,
        cdm_lists.UNREADABLE,
    )
    with pytest.raises(PollError):
        places(b"{}")


KEYS = [*DLI_ROW, *CDM_ROW, "key", "value", "is_success", "job_count", "jobs", "total", "clusters", "id", "isFrozen"]
SCALARS = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.integers(10**300, 10**320)
    | st.floats()
    | st.text(max_size=9)
    | st.sampled_from(["RUNNING", "FAILED", "FINISHED", "-1", "Cdm.0100", "\ud800", "\x00", "N/A"])
)
OBJECTS = st.dictionaries(
    st.sampled_from([*KEYS, "errCode", "error_code", "message"]) | st.text(max_size=3),
    st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(KEYS), inner)),
    max_size=12,
)
BODIES = (
    st.binary(max_size=60)
    | OBJECTS.map(lambda data: json.dumps(data).encode())
    | st.tuples(OBJECTS, st.lists(OBJECTS, max_size=4)).map(
        lambda parts: json.dumps({**parts[0], "is_success": True, "jobs": parts[1], "clusters": parts[1]}).encode()
    )
)


@given(body=BODIES, service=st.sampled_from(sorted(ROWS)))
def test_any_bytes_become_a_page_or_a_typed_error(body: bytes, service: str) -> None:
    for parse in (lambda: read(service, body), lambda: lister(service).places(body)):
        try:
            page = parse()
        except PollError:
            continue
        for listed in page.items if isinstance(page, Page) else ():
            assert ADAPTERS[service].request(Job(JobKey(service, "j"), "p", listed.target), "p").path.isascii()
            name = name_template.filled(lister(service).template(None, ()), listed.words)
            assert name
            name.encode()
            if listed.snapshot is not None:
                json.dumps(listed.snapshot.detail_json(), allow_nan=False, ensure_ascii=False).encode()
                assert all(0 <= value < float("inf") for value in listed.snapshot.counts.values())


# --- paging


class Service:
    """A list that changes between two pages, as *before* says."""

    def __init__(self, jobs: list[dict[str, object]], before: Callable[["Service", int], None] | None = None) -> None:
        self.jobs = jobs
        self.before = before
        self.calls = 0
        self.totals = True
        self.size = 100

    def __call__(self, request: Request) -> object:
        self.calls += 1
        if self.before:
            self.before(self, self.calls)
        (size,), (page,) = query(request, "page-size"), query(request, "current-page")
        rows = min(int(size), self.size)
        first = rows * (int(page) - 1)
        count = {"job_count": len(self.jobs)} if self.totals else {}
        return {"is_success": True, **count, "jobs": self.jobs[first : first + rows]}


def listed(service: Service, most: float = float("inf")) -> tuple[Reading, list[str]]:
    reading, _ = driven(lambda ask: read_list(lister("dli"), ListQuery(), "p", ask, most=most), service)
    return reading, [each.target["job_id"] for each in reading.items]


@pytest.mark.parametrize(
    ("jobs", "calls", "without_total"),
    [(0, 1, 1), (99, 1, 2), (100, 2, 2), (101, 2, 3), (250, 3, 4), (9_999, 100, 100), (10_000, 100, 100)],
)
def test_every_job_of_every_page_is_listed_once(jobs: int, calls: int, without_total: int) -> None:
    """Where no total is told, only an empty page says that there are no more: a cloud may give less than is asked."""
    for totals in (True, False):
        service = Service([dli(number) for number in range(jobs)])
        service.totals = totals
        reading, ids = listed(service)

        assert ids == [f"j{number}" for number in range(jobs)]
        assert service.calls == (calls if totals else without_total)
        assert reading.missing_rows == (None if jobs > 9_900 and not totals else 0)


@pytest.mark.parametrize("totals", [True, False])
@pytest.mark.parametrize("size", [1, 7, 50, 99])
def test_a_cloud_that_gives_fewer_rows_than_were_asked_for_is_read_to_its_end(size: int, totals: bool) -> None:
    service = Service([dli(number) for number in range(12 * size // 10 * 2)])
    service.totals, service.size = totals, size
    reading, ids = listed(service)

    assert ids == [f"j{number}" for number in range(len(service.jobs))]
    assert reading.missing_rows == 0


def test_pages_of_any_length_are_read_until_the_total_is_reached() -> None:
    lengths = [98, 0, 100, 95, 1, 56]
    rows = [dli(number) for number in range(sum(lengths))]

    def answer(request: Request) -> object:
        page = int(query(request, "current-page")[0])
        first = sum(lengths[: page - 1])
        return {"job_count": len(rows), "jobs": rows[first : first + lengths[page - 1]]}

    reading, asked = driven(lambda ask: read_list(lister("dli"), ListQuery(), "p", ask), answer)

    assert [each.target["job_id"] for each in reading.items] == [f"j{number}" for number in range(350)]
    assert (len(asked), reading.missing_rows) == (6, 0)


BY_ROWS: list[tuple[str, str, Callable[[int], dict[str, object]], Callable[[int, int, list[object]], object]]] = [
    (
        "dli_spark",
        "from",
        lambda number: {"id": f"j{number}", "state": "running"},
        lambda first, total, rows: {"from": first, "total": total, "sessions": rows},
    ),
    (
        "dli_flink",
        "offset",
        lambda number: {"job_id": f"j{number}", "status": "job_running"},
        lambda _, total, rows: {"is_success": "true", "job_list": {"total_count": total, "jobs": rows}},
    ),
    (
        "dataarts",
        "offset",
        lambda number: {"name": f"j{number}", "status": "SCHEDULING"},
        lambda _, total, rows: {"total": total, "jobs": rows},
    ),
]


Rows = Callable[[list[int], Callable[[list[object], int], list[object]]], tuple[Reading, list[Request]]]


@pytest.fixture(params=BY_ROWS, ids=[each[0] for each in BY_ROWS])
def read_by_rows(request: pytest.FixtureRequest) -> Rows:
    """Return what reads a list of rows with these numbers, of which a function cuts the page from an offset on."""
    service, first, row, body = request.param

    def read(numbers: list[int], page: Callable[[list[object], int], list[object]]) -> tuple[Reading, list[Request]]:
        rows: list[object] = [row(number) for number in numbers]

        def answer(asked: Request) -> object:
            return body(int(query(asked, first)[0]), len(rows), page(rows, int(query(asked, first)[0])))

        view = lister(service).views(lister(service).rule(), Location(), 1e9)[0]
        return driven(lambda ask: read_list(lister(service), view, "p", ask), answer)

    return read


@pytest.mark.parametrize("size", [1, 30, 99, 100])
def test_a_list_that_is_read_by_rows_goes_on_after_those_that_came(read_by_rows: Rows, size: int) -> None:
    numbers = list(range(min(130, 60 * size)))
    reading, asked = read_by_rows(numbers, lambda rows, offset: rows[offset : offset + size])

    assert [list(each.target.values()) for each in reading.items] == [[f"j{number}"] for number in numbers]
    assert (len(asked), reading.missing_rows) == (-(-len(numbers) // size), 0)


@pytest.mark.parametrize("size", [30, 100])
def test_an_empty_page_of_a_list_that_is_read_by_rows_costs_only_itself(read_by_rows: Rows, size: int) -> None:
    reading, _ = read_by_rows(
        list(range(4 * size)), lambda rows, offset: [] if offset == size else rows[offset : offset + size]
    )

    assert len(reading.items) == 3 * size
    assert (reading.missing_rows or 0) >= size


def test_what_follows_an_empty_page_is_asked_for_by_the_pages_before_it() -> None:
    cursor = PageCursor(100)
    starts = []
    for number, rows in enumerate((30, 0, 100)):
        cursor.take([f"{number}-{row}" for row in range(rows)], rows, 400)
        starts.append(cursor.start.offset)

    assert starts == [30, 60, 160]


@pytest.mark.parametrize("total", [4, 100, 10**9, 2**63 - 1])
def test_a_total_that_the_pages_never_reach_ends_at_two_empty_ones_and_is_told(total: int) -> None:
    service = Service([dli(number) for number in range(3)])
    reading, asked = driven(
        lambda ask: read_list(lister("dli"), ListQuery(), "p", ask),
        lambda request: {**service(request), "job_count": total},  # type: ignore[dict-item]
    )

    assert (len(reading.items), len(asked), reading.missing_rows) == (3, 3, total - 3)


@pytest.mark.parametrize("total", [0, 2, -1, "many", None, [], 1e400, True])
def test_a_total_that_is_less_than_its_rows_or_cannot_be_read_says_nothing(total: object) -> None:
    service = Service([dli(number) for number in range(120)])
    reading, asked = driven(
        lambda ask: read_list(lister("dli"), ListQuery(), "p", ask),
        lambda request: {**service(request), "job_count": total},  # type: ignore[dict-item]
    )

    assert (len(reading.items), len(asked), reading.missing_rows) == (120, 3, 0)
    assert set(reading.unknown) == ({"job_count"} if total is not None else set())


def test_one_page_whose_rows_cannot_be_read_ends_no_list_and_may_hide_any_job() -> None:
    for row in ("j", None, 7, {"status": "RUNNING"}):
        service = Service([dli(number) for number in range(200)] + [row])  # type: ignore[list-item]
        reading, ids = listed(service)
        result, _ = found("dli", {}, Service(service.jobs))

        assert (len(ids), service.calls, reading.missing_rows, reading.broken) == (200, 3, 0, 1)
        assert not result.sure(Location())
        assert result.broken == 1


def test_a_list_of_which_no_row_can_be_read_is_a_failure() -> None:
    for body in ({"jobs": ["j"]}, {"jobs": [{}], "job_count": 1}, {"jobs": [{"job_id": None}]}):
        with pytest.raises(PollError) as caught:
            driven(lambda ask: read_list(lister("dli"), ListQuery(), "p", ask), always(body))
        assert caught.value.reason is Reason.PAYLOAD


def test_a_cluster_that_cannot_be_read_may_be_that_of_any_job() -> None:
    place: dict[str, object] = {"id": "c-1", "name": "etl", "status": "200"}
    rules: list[dict[str, object]] = [{}, {"clusters": ["etl"]}]
    for row in (7, {"name": "no id"}, None):
        for rule in rules:
            result, _ = found("cdm", rule, cdm([place, row], {"c-1": [{"name": "a"}]}))  # type: ignore[list-item]

            assert [each.listed.target["job_name"] for each in result.jobs] == ["a"]
            assert not result.sure(CLUSTER)
    assert found("cdm", {}, cdm([place], {"c-1": []}))[0].sure(CLUSTER)


def test_what_lies_beyond_a_hundred_pages_is_told() -> None:
    service = Service([dli(number) for number in range(10_250)])
    reading, ids = listed(service)

    assert (len(ids), len(set(ids)), service.calls, reading.missing_rows) == (10_000, 10_000, 100, 250)


CHANGES = st.lists(st.tuples(st.booleans(), st.integers(0, 130), st.integers(0, 9999)), max_size=12)


@given(changes=CHANGES)
def test_none_twice_and_none_lost_while_the_list_changes(changes: list[tuple[bool, int, int]]) -> None:
    """Jobs are added at the front, or others leave from anywhere; those that stay all the time are all listed."""
    start = [dli(number) for number in range(640)]
    left: set[str] = set()
    coming = iter(changes)

    def change(service: Service, call: int) -> None:
        adds, many, place = next(coming, (True, 0, 0)) if call > 1 else (True, 0, 0)
        if adds:
            service.jobs = [dli(1000 * call + each) for each in range(many)] + service.jobs
        else:
            place %= max(1, len(service.jobs))
            left.update(str(job["job_id"]) for job in service.jobs[place : place + many])
            service.jobs = service.jobs[:place] + service.jobs[place + many :]

    _, ids = listed(Service(start, change))

    assert len(ids) == len(set(ids))
    assert {str(job["job_id"]) for job in start} - left <= set(ids)


def test_an_answer_that_repeats_itself_ends_the_list() -> None:
    rows = [dli(number) for number in range(100)]

    bodies: list[dict[str, object]] = [{"jobs": rows}, {"jobs": rows, "job_count": 100_000}]
    for body in bodies:
        reading, asked = driven(lambda ask: read_list(lister("dli"), ListQuery(), "p", ask), always(body))

        assert (len(reading.items), len(asked)) == (100, 2)
        assert reading.missing_rows == (99_900 if "job_count" in body else None)


def test_a_list_whose_total_never_rests_ends_all_the_same() -> None:
    totals = iter(range(10_000, 0, -7))
    rows = [dli(number) for number in range(100)]
    _, asked = driven(
        lambda ask: read_list(lister("dli"), ListQuery(), "p", ask), lambda _: {"job_count": next(totals), "jobs": rows}
    )

    assert len(asked) == 100


def test_rows_that_cannot_be_read_are_rows_all_the_same() -> None:
    service = Service([{"status": "RUNNING"} if number % 2 else dli(number) for number in range(150)])
    reading, ids = listed(service)

    assert (len(ids), service.calls, reading.missing_rows) == (75, 2, 0)
    assert reading.unknown == ("jobs",) * 75


# --- rules


def test_the_query_of_dli_is_what_the_rule_asks_for() -> None:
    rule = {"queues": ["a", "b"], "states": ["running", "LAUNCHING"], "tags": {"k1": "v1", "k2": "v 2"}, "owner": "li"}
    _, asked = found("dli", {**rule, "types": ["query"], "window": "1h30m"}, lambda _: {"jobs": []})

    assert [request.query for request in asked] == [
        (
            ("page-size", "100"),
            ("current-page", "1"),
            ("start", "1759994600000"),
            ("end", "1760000000000"),
            ("order", "start_time_desc"),
            ("owner", "li"),
            ("tags", "k1=v1,k2=v 2"),
            ("job-type", "QUERY"),
            ("queue_name", queue),
            ("job-status", state),
        )
        for queue in "ab"
        for state in ("RUNNING", "LAUNCHING")
    ]
    assert {(request.operation, request.path, request.limit) for request in asked} == {
        ("ListSqlJobs", "/v1.0/p/jobs", "dli")
    }


def test_all_pages_end_at_the_moment_of_the_first() -> None:
    _, asked = found("dli", {}, Service([dli(number) for number in range(250)]))

    assert {(*query(request, "start"), *query(request, "end")) for request in asked} == {
        ("1759913600000", "1760000000000")
    }


def test_of_many_dli_jobs_the_newest_are_kept_and_no_further_page_is_read() -> None:
    jobs = [dli(number) for number in range(1000, 0, -1)]
    result, asked = found("dli", {"max_jobs": "120"}, Service(jobs))

    assert [each.name for each in result.jobs] == [f"j{number}" for number in range(881, 1001)]
    assert (result.cut, result.missing_rows, len(asked)) == (80, 800, 2)


def test_several_types_are_asked_for_at_once_and_looked_at_again() -> None:
    jobs = [dli(1, job_type="DDL"), dli(2, job_type="QUERY"), dli(3), dli(4, job_type="insert")]
    result, (asked,) = found("dli", {"types": ["DDL", "INSERT"]}, Service(jobs))

    assert query(asked, "job_types") == ["DDL", "INSERT"]
    assert [each.name for each in result.jobs] == ["j1", "j3", "j4"]


START = 1_759_990_000_000


@pytest.mark.parametrize(
    ("rule", "told", "taken"),
    [
        ({"queues": ["q1", "Q2"]}, {"queue_name": "q2"}, True),
        ({"queues": ["q1", "Q2"]}, {"queue_name": "q3"}, False),
        ({"queues": ["q1"]}, {"queue_name": None}, True),
        ({"owner": "etl"}, {"owner": "ETL"}, True),
        ({"owner": "etl"}, {"owner": "etl2"}, False),
        ({"owner": "etl"}, {}, True),
        ({"types": ["DDL"]}, {"job_type": "QUERY"}, False),
        ({"states": ["RUNNING"]}, {"status": "running"}, True),
        ({"states": ["RUNNING"]}, {"status": "FINISHED"}, False),
        ({"states": ["RUNNING"]}, {"status": "SCALING"}, False),
        ({"states": ["RUNNING"]}, {"status": "SUSPENDED"}, False),
        ({"states": ["RUNNING"]}, {"status": None}, True),
        ({"states": ["FINISHED"]}, {"status": "FINISH"}, True),
        ({"states": ["RUNNING", "SUSPENDED"]}, {"status": "SUSPENDED"}, True),
        ({"states": ["RUNNING", "SUSPENDED"]}, {"status": "FAILED"}, False),
        ({"tags": {"team": "sales"}}, {"tags": [{"key": "team", "value": "sales"}, {"key": "x", "value": "y"}]}, True),
        ({"tags": {"team": "sales"}}, {"tags": [{"key": "team", "value": "SALES"}]}, False),
        ({"tags": {"team": "sales"}}, {"tags": [{"key": "x", "value": "sales"}]}, False),
        ({"tags": {"team": "sales", "x": "y"}}, {"tags": [{"key": "team", "value": "sales"}]}, False),
        ({"tags": {"team": "sales"}}, {"tags": []}, False),
        ({"tags": {"team": "sales"}}, {"tags": None}, True),
        ({"tags": {"team": "sales"}}, {}, True),
        ({"tags": {"team": "sales"}}, {"tags": "odd"}, True),
        ({"tags": {"team": "sales"}}, {"tags": [{"key": "x", "value": "y"}, "odd"]}, True),
        ({"tags": {"team": "sales"}}, {"tags": [{"key": "team", "value": "bi"}, "odd"]}, False),
        ({"tags": {"team": ""}}, {"tags": [{"key": "team", "value": ""}]}, True),
        ({"window": "10000s"}, {"start_time": START}, True),
        ({"window": "10000s"}, {"start_time": START - 1}, False),
        ({"window": "10000s"}, {"start_time": START + 20_000_000}, True),
        ({"window": "10000s"}, {"start_time": None}, True),
        ({}, {"start_time": START - 10 * 86_400_000}, False),
    ],
)
def test_a_dli_job_that_its_rule_does_not_ask_for_is_left_out_though_the_cloud_lists_it(
    rule: dict[str, object], told: dict[str, object], taken: bool
) -> None:
    row = {"job_id": "j1", "status": "RUNNING", "start_time": START, **told}
    result, _ = found("dli", rule, Service([row]))

    assert [each.name for each in result.jobs] == ["j1"] * taken


def test_a_list_of_all_times_is_read_as_far_as_the_window_and_not_beyond() -> None:
    jobs = [dli(number, start_time=START - 60_000 * number) for number in range(1000)]
    result, asked = found("dli", {"window": f"{10_000 + 150 * 60}s"}, Service(jobs))

    assert [each.name for each in result.jobs] == [f"j{number}" for number in range(150, -1, -1)]
    assert (result.missing_rows, result.unsure, len(asked)) == (0, frozenset(), 3)
    oldest_first, asked = found("dli", {"window": f"{10_000 + 150 * 60}s"}, Service(jobs[::-1]))
    assert (oldest_first.jobs, len(asked) >= 10) == (result.jobs, True)


@pytest.mark.parametrize(
    ("types", "told", "taken"),
    [
        (["NORMAL_JOB"], {"job_type": "normal_job"}, True),
        (["NORMAL_JOB"], {"job_type": "BATCH_JOB"}, False),
        (["NORMAL_JOB", "BATCH_JOB"], {"job_type": "BATCH_JOB"}, True),
        (["NORMAL_JOB"], {"job_type": "A_WORD_OF_ITS_OWN"}, True),
        (["NORMAL_JOB"], {}, True),
    ],
)
def test_a_cdm_job_of_another_type_than_its_rule_asks_for_is_left_out_though_the_cloud_lists_it(
    types: list[str], told: dict[str, object], taken: bool
) -> None:
    rows = {"total": 1, "jobs": [{"name": "a", **told}]}
    result, _ = found("cdm", {"types": types}, lambda asked: rows if "/job/" in asked.path else {"clusters": [ONE]})

    assert [each.name for each in result.jobs] == ["a"] * taken


def test_names_of_dli_come_from_the_template_and_later_runs_come_later() -> None:
    jobs: list[dict[str, object]] = [
        dli(3, tags=[{"key": "pipeline", "value": "nightly"}]),
        dli(2),
        dli(1, tags=[{"key": "pipeline", "value": "nightly"}, {"key": "x", "value": 5}, "odd"]),
        dli(4, tags=[{"key": "pipeline", "value": "hourly"}]),
        {"job_id": "j0"},
    ]
    result, _ = found("dli", {"name": "{tags.pipeline}", "exclude": "^hour"}, Service(jobs))

    assert [(each.name, each.listed.target["job_id"]) for each in result.jobs] == [
        ("j0", "j0"),
        ("nightly", "j1"),
        ("j2", "j2"),
        ("nightly", "j3"),
    ]
    assert result.unknown == ()
    assert result.jobs[1].listed.snapshot is not None
    assert result.jobs[1].listed.snapshot.unknown == ("tags",)


def cdm(clusters: list[dict[str, object]], jobs: dict[str, list[dict[str, object]]]) -> Callable[[Request], object]:
    def answer(request: Request) -> object:
        if request.operation == "ListClusters":
            return {"clusters": clusters}
        cluster = request.path.split("/")[4]
        if cluster not in jobs:
            return PollError(Reason.SERVER, "it failed")
        assert query(request, "page_size") == ["100"]
        first = 100 * (int(query(request, "page_no")[0]) - 1)
        rows = [row for row in jobs[cluster] if row.get("job_type", "NORMAL_JOB") in query(request, "jobType")]
        return {"total": len(rows), "jobs": rows[first : first + 100]}

    return answer


ONE: dict[str, object] = {"id": "c1", "name": "etl", "status": "200"}
TWO: dict[str, object] = {"id": "c2", "name": "bi", "status": "200"}
OFF: dict[str, object] = {"id": "c3", "name": "test", "status": "900"}


def test_cdm_asks_for_the_clusters_and_then_for_each_type_of_job() -> None:
    rows: list[dict[str, object]] = [{"name": "a"}, {"name": "b", "job_type": "BATCH_JOB"}]
    result, asked = found("cdm", {"types": ["NORMAL_JOB", "batch_job"]}, cdm([ONE], {"c1": rows}))

    assert [(request.operation, request.path, request.limit) for request in asked] == [
        ("ListClusters", "/v1.1/p/clusters", "cdm_list"),
        ("ShowJobs", "/v1.1/p/clusters/c1/cdm/job/all", "cdm_list"),
        ("ShowJobs", "/v1.1/p/clusters/c1/cdm/job/all", "cdm_list"),
    ]
    assert [each.name for each in result.jobs] == ["a", "b"]


def test_with_several_clusters_a_job_is_named_after_its_cluster_too() -> None:
    jobs: dict[str, list[dict[str, object]]] = {"c1": [{"name": "a"}], "c2": [{"name": "a"}]}
    result, asked = found("cdm", {"match": "^a$"}, cdm([ONE, TWO, OFF], jobs))

    assert [each.name for each in result.jobs] == ["etl/a", "bi/a"]
    assert result.skipped == (Location("c3", "test", False, "off", "900", False, off=True),)
    assert len(asked) == 3
    named, _ = found("cdm", {"name": "{job_name}"}, cdm([ONE, TWO], jobs))
    assert [each.name for each in named.jobs] == ["a", "a"]


def test_clusters_are_chosen_by_name_or_id_and_one_that_is_not_there_is_told() -> None:
    result, asked = found("cdm", {"clusters": ["c1", "gone"]}, cdm([ONE, TWO], {"c1": [{"name": "a"}]}))

    assert len(asked) == 2
    assert result.skipped == (Location("", "gone", usable=False),)
    only, _ = found("cdm", {"clusters": ["etl"]}, cdm([ONE, TWO], {"c1": [{"name": "a"}]}))
    assert [each.name for each in only.jobs] == ["a"]


def test_a_cluster_that_fails_does_not_hide_the_others() -> None:
    result, _ = found("cdm", {}, cdm([ONE, TWO], {"c2": [{"name": "a"}]}))

    assert [each.name for each in result.jobs] == ["bi/a"]
    assert [(place.id, error.reason) for place, error in result.failures] == [("c1", Reason.SERVER)]
    with pytest.raises(PollError):
        found("cdm", {}, lambda _: PollError(Reason.AUTH, "refused"))


def test_of_many_cdm_jobs_those_created_last_are_kept_wherever_they_stand() -> None:
    rows: list[dict[str, object]] = [
        {"name": f"{number:03}", "creation-date": 1709597421000 + 1000 * (number * 7 % 250)} for number in range(250)
    ]
    result, asked = found("cdm", {"max_jobs": "10"}, cdm([ONE], {"c1": rows}))

    assert [each.listed.since for each in result.jobs] == list(range(1709597421 + 240, 1709597421 + 250))
    assert (result.cut, result.missing_rows, len(asked)) == (240, 0, 4)


@pytest.mark.parametrize(
    ("service", "given", "sentence"),
    [
        ("dli", {"queues": "default"}, None),
        ("dli", {"queues": [""]}, "expected text; this is empty"),
        ("dli", {"types": ["QUERRY"]}, 'unknown word "QUERRY"; did you mean "QUERY"?'),
        ("dli", {"states": ["DONE"]}, 'unknown word "DONE"; known are ACTIVE, CANCELLED,'),
        ("dli", {"tags": {"a": "x,y"}}, "expected tags without commas"),
        ("dli", {"window": "1"}, "expected a duration with its unit, such as 1s"),
        ("dli", {"window": "10ms"}, "expected at least 1s, not 10ms"),
        ("dli", {"max_jobs": "0"}, "expected at least 1, not 0"),
        ("dli", {"max_jobs": "many"}, 'expected a whole number, not "many"'),
        ("dli", {"match": "["}, 'expected a regular expression, not "[": unterminated'),
        ("dli", {"name": "{job_name}"}, 'unknown word "job_name" in the name; known are database_name, job_id,'),
        ("dli", {"clusters": "all"}, None),
        ("cdm", {"clusters": "prod"}, 'expected all, or a list of names or ids of clusters, not "prod"'),
        ("cdm", {"clusters": []}, "expected at least one; this list is empty"),
        ("cdm", {"types": []}, "expected at least one; this list is empty"),
        ("cdm", {"types": ["JOB"]}, 'unknown word "JOB"'),
        ("cdm", {"name": "{tags.a}"}, 'unknown word "tags.a" in the name; known are cluster_id,'),
    ],
)
def test_a_mistake_in_a_rule_is_one_sentence(service: str, given: dict[str, object], sentence: str | None) -> None:
    with pytest.raises(ValidationError) as caught:
        lister(service).rule.model_validate(given)

    (error,) = caught.value.errors()
    if sentence:
        assert str(error["ctx"]["error"]).startswith(sentence)


def test_a_rule_is_read_from_text() -> None:
    rule: Any = lister("dli").rule.model_validate({"window": "2h", "max_jobs": "7", "match": "^a", "exclude": "b$"})

    assert (rule.window, rule.max_jobs, rule.match) == (7200, 7, re.compile("^a"))
    assert [rule.wants(text) for text in ("ac", "ab", "ca")] == [True, False, False]
    assert lister("cdm").rule.model_validate({"clusters": "all"}) == lister("cdm").rule()
    assert lister("dws").rule.model_validate({"clusters": "all"}) == lister("dws").rule()


@pytest.mark.parametrize(
    ("template", "sentence"),
    [
        ("{job_id}", None),
        ("run of {tags.team name}", None),
        ("nightly", None),
        (" ", "expected text; this is empty"),
        ("{job_id", "expected each { to have its } and a word between them"),
        ("{{job_id}}", "expected each { to have its } and a word between them"),
        ("{}", 'unknown word ""'),
        ("{tags.}", 'unknown word "tags."'),
        ("{job}", 'unknown word "job" in the name; did you mean "job_id"?'),
        ("{job_id!r}", 'unknown word "job_id!r" in the name; did you mean "job_id"?'),
        ("{secret}", 'unknown word "secret" in the name; known are job_id, tags.<key>'),
    ],
)
def test_a_template_uses_known_words_only(template: str, sentence: str | None) -> None:
    mistake = name_template.mistake(template, ("job_id", "tags."))

    assert mistake is None if sentence is None else (mistake or "").startswith(sentence)


@pytest.mark.parametrize(
    ("template", "words", "name"),
    [
        ("{a}/{b}", {"a": "x", "b": "同步 y"}, "x/同步 y"),
        ("{a}/{b}", {"a": "x"}, ""),
        (" {a} ", {"a": " "}, ""),
        ("{a}", {"a": "{b}", "b": "y"}, "{b}"),
        ("{a}", {"a": "x\ny\ud800"}, "x\ufffdy?"),
        ("{a}", {"a": "x" * 399 + " " + "y"}, "x" * 399),
    ],
)
def test_a_name_is_fit_for_a_label(template: str, words: dict[str, str], name: str) -> None:
    assert name_template.filled(template, words) == name
