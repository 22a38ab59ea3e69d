"""How far back a history is read."""

import json
from collections.abc import Sequence

import pytest

from exporter.model.errors import PollError
from exporter.model.job import Job, JobKey
from exporter.model.run import Ledger, RunId
from exporter.model.snapshot import Snapshot, State
from exporter.runs import run_history
from exporter.services.adapter import PastPage, RunHistory
from exporter.services.page_cursor import MOST_PAGES
from exporter.services.registry import load_services
from exporter.services.request import Request
from tests.asking import driven

JOB = Job(JobKey("cdm", "订单 a+b"), "p", {"cluster_id": "c 1", "job_name": "订单 a+b"})
CDM = load_services()["cdm"].past


class Pages(RunHistory):
    """A history of runs, so many a page; its bodies are the numbers of the runs."""

    limit = "some"

    def request(self, job: Job, project_id: str, page: int) -> Request:
        return Request("RunHistory", f"/{page}", self.limit)

    def parse(self, body: bytes, job: Job) -> PastPage:
        rows, _, total = body.partition(b"/")
        runs = tuple(Snapshot(State.SUCCEEDED, run=run(int(number))) for number in rows.split())
        return PastPage(runs, int(total) if total else None)


def run(number: int) -> RunId:
    return RunId(str(number), float(number))


def history(
    ledger: Ledger, pages: Sequence[Sequence[int]], total: int | None = None
) -> tuple[int, list[int], int | None]:
    """Return how many pages are asked for, the runs that are found, and how many are missing; after the last page there
    are empty ones.
    """

    def answer(request: Request) -> bytes:
        number = int(request.path[1:])
        rows = pages[number - 1] if number <= len(pages) else []
        return f"{' '.join(map(str, rows))}/{'' if total is None else total}".encode()

    found, asked = driven(lambda ask: run_history.read_history(Pages(), JOB, "p", ledger, ask), answer)
    return len(asked), [int(each.run.id or -1) for each in found.runs], found.missing


def read(ledger: Ledger, pages: Sequence[Sequence[int]]) -> tuple[int, list[int]]:
    return history(ledger, pages)[:2]


TENS = [list(range(40, 30, -1)), list(range(30, 20, -1)), list(range(20, 10, -1)), list(range(10, 0, -1))]


def test_it_is_read_until_the_floor_and_what_is_open_are_passed() -> None:
    assert read(Ledger(floor=run(35)), TENS)[0] == 1
    assert read(Ledger(floor=run(31)), TENS)[0] == 1
    assert read(Ledger(floor=run(30)), TENS)[0] == 2
    assert read(Ledger(floor=run(35), open=(run(15),)), TENS)[0] == 3
    assert read(Ledger(floor=run(25), open=(run(30),)), TENS) == (2, list(range(40, 20, -1)))


def test_it_is_read_to_its_end_where_there_was_no_run_before() -> None:
    asked, found = read(Ledger(floor=RunId()), TENS)

    assert (asked, found) == (5, list(range(40, 0, -1)))


def test_a_floor_that_the_vendor_has_forgotten_is_no_reason_to_ask_on() -> None:
    assert read(Ledger(floor=run(-5)), TENS)[0] == 5


def test_a_service_that_does_not_heed_the_number_of_the_page_is_not_asked_for_ever() -> None:
    assert read(Ledger(floor=run(5)), [TENS[0]] * 200)[0] == 2


def test_runs_that_begin_meanwhile_hide_none() -> None:
    moved = [list(range(40, 30, -1)), list(range(32, 22, -1)), list(range(22, 12, -1))]

    assert sorted(set(read(Ledger(floor=run(25)), moved)[1])) == list(range(23, 41))


def test_of_a_page_that_lacks_rows_before_the_last_one_the_runs_are_missing() -> None:
    short = [TENS[0], TENS[1][1:], TENS[2][2:]]

    assert history(Ledger(floor=run(25)), short, total=40) == (2, [*TENS[0], *TENS[1][1:]], 1)
    assert history(Ledger(floor=run(15)), short, total=40)[2] == 3
    assert history(Ledger(floor=run(35)), short, total=40)[2] == 0


def test_of_a_last_page_that_is_shorter_than_the_others_no_run_is_missing() -> None:
    assert history(Ledger(floor=run(25)), [TENS[0], TENS[1][:7]], total=17) == (2, [*TENS[0], *TENS[1][:7]], 0)
    assert history(Ledger(floor=run(25)), [TENS[0], TENS[1][:7]])[2] == 0


def test_a_history_in_another_order_is_read_whole() -> None:
    oldest_first = [page[::-1] for page in TENS[::-1]]

    assert read(Ledger(floor=run(35)), oldest_first)[0] == 5


def test_no_history_is_read_without_end() -> None:
    pages = [[10_000 - number] for number in range(5000)]

    assert read(Ledger(floor=run(1)), pages)[0] == MOST_PAGES


def test_of_a_history_that_is_too_long_the_newest_runs_are_read_and_the_others_are_missing() -> None:
    hundreds = [list(range(top, top - 100, -1)) for top in range(9990, 90, -100)]
    newest = list(range(9990, 9990 - run_history.MOST_RUNS, -1))

    assert history(Ledger(floor=run(1)), hundreds, total=9990) == (20, newest, 9990 - len(newest))
    assert history(Ledger(floor=run(1)), hundreds) == (20, newest, None)


def test_the_bound_holds_where_a_page_has_more_rows_than_were_asked_for() -> None:
    page = list(range(3000, 0, -1))

    assert history(Ledger(floor=run(-5)), [page], total=9000) == (1, page[: run_history.MOST_RUNS], 7000)
    asked, found, missing = history(Ledger(floor=run(1)), [page], total=3000)
    assert (asked, found, missing) == (1, page[: run_history.MOST_RUNS], 1000)


def test_of_a_long_history_in_another_order_the_newest_runs_are_kept() -> None:
    pages = [list(range(first, first + 100)) for first in range(1, 4901, 100)]
    _, found, missing = history(Ledger(floor=run(-5)), pages, total=4900)

    assert found == list(range(4900, 4900 - run_history.MOST_RUNS, -1))
    assert missing == 4900 - run_history.MOST_RUNS


def test_the_effort_for_a_row_does_not_grow_with_the_rows_before(monkeypatch: pytest.MonkeyPatch) -> None:
    compared, newer = [0], RunId.newer

    def counting(self: RunId, other: RunId) -> bool:
        compared[0] += 1
        return newer(self, other)

    monkeypatch.setattr(RunId, "newer", counting)
    goals = tuple(run(number) for number in range(1, 65))
    hundreds = [list(range(top, top - 100, -1)) for top in range(1900, 0, -100)]

    assert history(Ledger(floor=run(64), open=goals), hundreds)[2] == 0
    assert compared[0] <= 1900 + len(goals) + 1


def test_the_call_names_job_and_page() -> None:
    assert CDM is not None
    request = CDM.request(JOB, "p", 3)

    assert request.path == "/v1.1/p/clusters/c%201/cdm/submissions"
    assert request.query == (("jname", "订单 a+b"), ("page_no", "3"), ("page_size", "100"))
    assert request.limit == "cdm_list"


def test_a_history_is_read_on_while_its_total_says_more_though_the_pages_are_short() -> None:
    assert history(Ledger(floor=run(-5)), TENS, total=40) == (4, list(range(40, 0, -1)), 0)
    assert history(Ledger(floor=run(12)), TENS, total=58) == (3, list(range(40, 10, -1)), 0)


def test_runs_that_a_history_tells_of_and_does_not_give_are_missing() -> None:
    """The number of the page is not heeded, or there are no further pages though the total says so."""
    assert history(Ledger(floor=run(5)), [TENS[0]] * 200, total=58) == (2, TENS[0] * 2, 48)
    assert history(Ledger(floor=run(5)), TENS[:1], total=58)[2] == 48
    assert history(Ledger(floor=run(35)), TENS[:1], total=58)[2] == 0  # all since the floor are there


def test_a_history_that_repeats_itself_and_tells_no_total_may_lack_some() -> None:
    assert history(Ledger(floor=run(5)), [TENS[0]] * 200)[2] is None
    assert history(Ledger(floor=run(5)), TENS)[2] == 0


@pytest.mark.parametrize("floor", [-5, 25])
def test_a_first_page_that_alone_has_no_total_is_read_again_because_it_may_answer_another_call(floor: int) -> None:
    asked: list[int] = []

    def answer(request: Request) -> bytes:
        asked.append(int(request.path[1:]))
        if len(asked) == 1:
            return b"40/"  # a status that came twice has the newest run alone
        return f"{' '.join(map(str, TENS[asked[-1] - 1]))}/40".encode()

    found, _ = driven(lambda ask: run_history.read_history(Pages(), JOB, "p", Ledger(floor=run(floor)), ask), answer)

    assert asked[:4] == [1, 2, 1, 2]
    assert {int(each.run.id) for each in found.runs} >= set(range(max(floor, 1), 41))
    assert found.missing == 0


def test_a_first_page_that_never_has_a_total_is_read_again_once() -> None:
    asked: list[int] = []

    def answer(request: Request) -> bytes:
        asked.append(int(request.path[1:]))
        return f"{' '.join(map(str, TENS[asked[-1] - 1]))}/{'' if asked[-1] == 1 else 40}".encode()

    driven(lambda ask: run_history.read_history(Pages(), JOB, "p", Ledger(floor=run(-5)), ask), answer)

    assert asked == [1, 2, 1, 2, 3, 4]


def test_a_row_that_cannot_be_read_is_missing_if_it_may_be_newer_than_what_is_known() -> None:
    assert CDM is not None
    rows = [{"submission-id": 9, "status": "FAILED"}, 7, {"submission-id": 8, "status": "FAILED"}, {"status": "NEW"}]

    def missing(floor: int, rows: list[object]) -> int | None:
        assert CDM is not None
        past, ledger = CDM, Ledger(floor=RunId(str(floor)))
        body = json.dumps({"submissions": rows, "total": len(rows)}).encode()
        return driven(lambda ask: run_history.read_history(past, JOB, "p", ledger, ask), lambda _: body)[0].missing

    assert missing(9, [*rows]) == 0
    assert missing(8, [*rows]) == 1
    assert missing(1, [*rows]) == 2
    with pytest.raises(PollError):
        missing(1, [7, None])


def test_a_run_that_tells_no_state_does_not_hide_the_others() -> None:
    assert CDM is not None
    body = b'{"submissions": [{"submission-id": 2}, {"submission-id": 1, "status": "FAILED"}, null, 7]}'

    states = [(each.run.id, each.state) for each in CDM.parse(body, JOB).runs]
    nothing = ("", State.UNKNOWN)
    assert states == [("2", State.UNKNOWN), ("1", State.FAILED), nothing, nothing]


@pytest.mark.parametrize("body", [b"", b"[]", b"{}", b'{"submissions": 3}', b'{"errCode": "Cdm.0100"}'])
def test_an_answer_without_runs_is_a_failure(body: bytes) -> None:
    assert CDM is not None
    with pytest.raises(PollError):
        CDM.parse(body, JOB)
