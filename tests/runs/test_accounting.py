"""Each run counts exactly once, whatever answers tell of it."""

from collections.abc import Sequence
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from exporter.model.job import Job, JobKey
from exporter.model.reason import Reason
from exporter.model.record import Fault, Record
from exporter.model.run import RunId
from exporter.model.snapshot import Measure, Snapshot, State
from exporter.runs import accounting, counters, transitions
from exporter.services.registry import load_services
from tests.known import examples

ADAPTERS = load_services()
CDM = ADAPTERS["cdm"]
ROWS = "rows_written"


def run(number: int, state: State = State.SUCCEEDED, rows: float | None = None, **fields: float) -> Snapshot:
    """Return what is told of the run of a number; ids of a cluster are not consecutive."""
    counts = {} if rows is None else {Measure(ROWS): rows}
    return Snapshot(state, run=RunId(str(10 * number), 1000.0 * number), counts=counts, **fields)  # type: ignore[arg-type]


def fresh(service: str = "cdm") -> Record:
    return transitions.registered(Job(JobKey(service, "j"), "p", {}), ADAPTERS[service])


def after(*answers: Snapshot | Sequence[Snapshot], record: Record | None = None) -> Record:
    """Return the record after polls, and after histories where a list stands."""
    record = record or fresh()
    for at, answer in enumerate(answers, start=100):
        if isinstance(answer, Snapshot):
            record = transitions.worked(record, answer, at, CDM)
        else:
            record = transitions.looked_back(record, answer, at)
    return record


def test_totals_are_there_as_0_before_the_first_poll() -> None:
    assert fresh().totals == dict.fromkeys(CDM.sums, 0)
    assert fresh("dli").totals == dict.fromkeys(
        ("rows_read", "bad_rows", "read_bytes", "written_bytes", "cpu_seconds"), 0
    )
    assert fresh("dws").totals == {}


def test_what_had_ended_at_first_sight_is_the_baseline_and_what_ran_then_counts() -> None:
    assert after(run(1, rows=5)).totals[ROWS] == 0
    assert after(run(1, State.RUNNING), run(1, rows=5), run(1, rows=5)).totals[ROWS] == 5


def test_a_run_of_an_unknown_state_at_first_sight_counts_only_if_it_is_seen_alive_later() -> None:
    unknown = run(1, State.UNKNOWN)
    assert after(unknown, run(1, rows=5), run(1, rows=5)).runs == (0, 0, 0)
    assert after(unknown, [run(1, rows=5)]).runs == (0, 0, 0)
    assert after(replace(unknown, run=RunId()), replace(run(1, rows=5), run=RunId())).runs == (0, 0, 0)
    assert after(replace(run(2), others=(unknown,)), run(2), [run(2), run(1)]).runs == (0, 0, 0)

    assert after(unknown, run(1, State.RUNNING), run(1, rows=5), run(1, State.RUNNING), run(1)).runs == (1, 0, 0)
    assert after(run(1, State.RUNNING), unknown, run(1, rows=5)).runs == (1, 0, 0)
    assert after(unknown, run(2, rows=7), [run(2, rows=7), run(1, rows=5)]).runs == (1, 0, 0)


@pytest.mark.parametrize("service", ["dli", "dws"])
@pytest.mark.parametrize("between", [State.UNKNOWN, State.RUNNING, State.PENDING])
def test_a_run_that_was_counted_before_a_restart_counts_once_whatever_comes_between_two_answers_of_its_end(
    service: str, between: State
) -> None:
    adapter, record = ADAPTERS[service], fresh(service)
    for at, state in enumerate([State.RUNNING, State.FAILED, State.FAILED], start=100):
        record = transitions.worked(record, run(1, state), at, adapter)
    assert record.runs == (0, 1, 0)

    record = transitions.resumed(fresh(service), record.ledger, record.ledger, adapter)
    for at, state in enumerate([State.FAILED, between, State.FAILED, State.FAILED], start=200):
        record = transitions.worked(record, run(1, state), at, adapter)

    assert record.ledger.runs == (0, 1, 0)


def test_a_run_of_a_journal_that_does_not_say_which_ended_last_counts_no_second_time() -> None:
    """Version 0.1.0 kept no such run: that one was counted, and not this one, cannot be known."""
    kept = replace(after(run(1, State.RUNNING), run(1)).ledger, ended=None)
    assert kept.runs == (1, 0, 0)

    record = transitions.resumed(fresh(), kept, kept, CDM)
    assert after(run(1, State.RUNNING), run(1), run(1), record=record).ledger.runs == (1, 0, 0)


def test_the_runs_of_a_job_that_was_gone_count_from_the_list_that_first_reported_it() -> None:
    """It went before any answer of its own came."""
    before = transitions.first_listed(fresh(), Snapshot(State.RUNNING, start=1000.0), 1200.0)
    history = [run(number, start=1000.0 * number) for number in (3, 2, 1)]
    record = after(history[0], history, record=transitions.returned(fresh(), before))

    assert record.ledger.runs == (3, 0, 0)
    assert after(history[0], history).ledger.runs == (0, 0, 0)


def test_only_a_run_that_succeeded_adds_and_only_what_it_tells() -> None:
    record = after(run(1), run(2, State.FAILED, rows=7), run(3, rows=4), run(4))

    assert (record.totals[ROWS], record.totals["rows_read"]) == (4, 0)
    assert record.runs == (2, 1, 0)


def test_the_history_tells_of_the_runs_between() -> None:
    polled = after(run(1, rows=1), run(5, rows=16))
    assert polled.ledger.beyond == (run(5).run,)

    record = after(
        [run(5, rows=16), run(4, rows=8), run(3, State.FAILED), run(2, rows=2), run(1, rows=1)], record=polled
    )

    assert record.totals[ROWS] == 16 + 8 + 2
    assert record.runs == (3, 1, 0)
    assert (record.ledger.floor, record.ledger.beyond, record.ledger.open) == (run(5).run, (), ())


def test_a_job_that_had_never_run_counts_from_its_first_run_on() -> None:
    record = after(Snapshot(State.PENDING), run(2, rows=2), [run(2, rows=2), run(1, rows=1)])

    assert record.totals[ROWS] == 3


def test_a_run_that_was_open_when_the_next_began_is_found_by_its_end() -> None:
    one, two = (Snapshot(State.RUNNING, run=RunId(str(number), float(number))) for number in (1, 2))
    record = after(one, two)

    assert record.ledger.beyond == (two.run,)
    record = after([two, replace(one, state=State.SUCCEEDED, counts={Measure(ROWS): 9.0})], record=record)
    assert record.totals[ROWS] == 9
    assert record.ledger.open == (two.run,)


def test_no_history_is_asked_for_where_none_can_have_been_between() -> None:
    first, second = (Snapshot(State.SUCCEEDED, run=RunId(str(number), float(number))) for number in (7, 8))

    assert after(first, second).ledger.beyond == ()
    assert after(run(1), run(1), run(1)).ledger.beyond == ()


def test_a_history_that_is_older_than_the_newest_run_leaves_the_gap_after_it() -> None:
    record = after(run(1), run(3), run(6), [run(3, rows=4), run(2, rows=2), run(1)])

    assert record.ledger.floor == run(3).run
    assert record.ledger.beyond == (run(6).run,)
    assert after([run(6), run(5, rows=8), run(3)], record=record).totals[ROWS] == 2 + 4 + 8


def test_without_its_history_a_job_counts_what_it_shows_and_remembers_little() -> None:
    record = fresh()
    for number in range(1, 500):
        record = after(run(number, rows=1), record=record)

    assert record.totals[ROWS] == 498
    assert len(record.ledger.beyond) == accounting.KEPT


def test_a_run_that_is_seen_without_its_id_at_first_is_one_run() -> None:
    waiting = Snapshot(State.PENDING, run=RunId("", 1000.0))
    record = after(waiting, run(1, State.RUNNING), run(1, rows=5), run(1, rows=5))

    assert record.totals[ROWS] == 5
    assert record.ledger.floor == run(1).run


def test_an_older_success_that_is_found_late_is_the_last_one_if_nothing_succeeded_since() -> None:
    record = after(
        run(1), run(3, State.FAILED, end=3500.0), [run(3, State.FAILED, end=3500.0), run(2, end=2500.0), run(1)]
    )

    assert record.last_success == 2500
    assert record.last_run_duration is None


def test_times_go_on_while_the_journal_cannot_be_written_and_counters_wait() -> None:
    record = after(run(1), run(2, rows=5, end=2500.0), record=replace(fresh(), journaled=True))

    assert (record.runs, record.totals[ROWS], record.last_success) == ((0, 0, 0), 0, 2500)
    shown = counters.with_ledger(record, record.ledger)
    assert (shown.runs, shown.totals[ROWS]) == ((1, 0, 0), 5)


NUMBERS = st.integers(1, 9)
TOLD = st.builds(
    lambda number, state, fall, times: run(number, state, 100**number - fall, **times),
    NUMBERS,
    st.sampled_from(State),
    st.integers(0, 5),
    st.fixed_dictionaries({}, optional={"end": st.floats(0, 1e9), "start": st.floats(0, 1e9)}),
)


def partly(answer: Snapshot, what: str) -> Snapshot:
    """Return the answer as a service tells it that leaves the run's id or its creation out."""
    kept = {"id": RunId(answer.run.id), "created": RunId("", answer.run.created), "both": answer.run}[what]
    return replace(answer, run=kept)


STEPS = st.one_of(
    st.builds(partly, TOLD, st.sampled_from(["both", "both", "id", "created"])),
    st.lists(TOLD, max_size=8),
    st.sampled_from([Reason.TIMEOUT, Reason.AUTH]),
    st.just(Snapshot(State.PENDING)),
)


@pytest.mark.parametrize("service", ["dli", "dws"])
@pytest.mark.parametrize(("first", "second"), [("20", "3"), ("3", "20"), ("0123", "123"), ("2c90", "1b80")])
def test_ids_that_look_like_numbers_tell_no_order_where_they_are_opaque(service: str, first: str, second: str) -> None:
    adapter = ADAPTERS[service]
    ended = {"dli": b"FINISHED", "dws": b"SUCCESS"}[service]
    record = None
    for number, target in enumerate((first, second), 1):
        job = Job(JobKey(service, "nightly"), "p", {"job_id": target})
        record = transitions.registered(job, adapter) if record is None else transitions.next_run(record, job, number)
        for at, word in enumerate((b"RUNNING", ended, ended), 100 * number):
            record = transitions.worked(record, adapter.parse(b'{"status": "%s"}' % word, job, None), at, adapter)
    assert record is not None
    assert record.runs == (2, 0, 0)
    assert record.last_success is not None
    assert record.last_success >= 200


def test_a_run_told_by_its_id_alone_and_then_by_its_creation_alone_counts_once() -> None:
    """Also where there was no run at first, so that nothing but both names is known of it."""
    told = run(2, rows=100)
    record = after(Snapshot(State.PENDING), partly(told, "id"), partly(told, "created"))
    assert record.ledger.totals[ROWS] == 100
    assert after(told, record=record).ledger.totals[ROWS] == 100
    assert after(run(3, rows=7), record=record).ledger.totals[ROWS] == 107


@given(steps=st.lists(STEPS, max_size=25), journaled=st.booleans())
@examples(10)
def test_whatever_comes_no_counter_falls_and_no_run_counts_twice(
    steps: list[Snapshot | list[Snapshot] | Reason], journaled: bool
) -> None:
    """Any order, gaps, repeats, answers that say less, histories with holes, ends that are taken back."""
    record = replace(fresh(), journaled=journaled)
    for at, step in enumerate(steps, start=100):
        before = record
        if isinstance(step, Reason):
            record = transitions.failed(record, Fault(step, at, "no"))
            assert (record.ledger, record.last_success) == (before.ledger, before.last_success)
        elif isinstance(step, Snapshot):
            record = transitions.worked(record, step, at, CDM)
            assert still_the_last(before, record, [step])
        else:
            record = transitions.looked_back(record, step, at)
            assert still_the_last(before, record, step)
        assert all(now >= then for now, then in zip(record.ledger.runs, before.ledger.runs, strict=True))
        assert all(record.ledger.totals[name] >= total for name, total in before.ledger.totals.items())
        assert all(record.totals[name] >= total for name, total in before.totals.items())
        assert len(record.ledger.beyond) + len(record.ledger.open) <= 2 * accounting.KEPT
    assert sum(record.ledger.runs) <= 9
    assert once(record.ledger.totals[ROWS])


def still_the_last(before: Record, record: Record, told: Sequence[Snapshot]) -> bool:
    """Whether the last success stands, unless one is told or taken back."""
    last = before.ledger.succeeded
    news = any(each.state is State.SUCCEEDED or (last is not None and last.same(each.run)) for each in told)
    return news or record.last_success == before.last_success


def once(rows: float) -> bool:
    """Whether each run is in the sum at most once: run n wrote nearly 100 ** n rows."""
    rest = round(rows) + 45
    for number in range(9, 0, -1):
        times, rest = divmod(rest, 100**number)
        if times > 1:
            return False
    return True


@given(
    number=st.integers(1, 12),
    polls=st.lists(st.integers(0, 12 * 4 - 1), min_size=1, max_size=20).map(sorted),
    failing=st.lists(st.booleans(), min_size=20, max_size=20),
    step=st.sampled_from([1, 3]),
)
@examples(5)
def test_with_a_history_that_works_in_the_end_no_run_is_lost(
    number: int, polls: list[int], failing: list[bool], step: int
) -> None:
    """Runs of four moments: pending without an id, running, ended, ended."""

    def seen(index: int, moment: int) -> Snapshot:
        age = moment - 4 * index
        state = [State.PENDING, State.RUNNING][age] if age < 2 else State.SUCCEEDED if index % 3 else State.FAILED
        rows = {Measure(ROWS): 2.0**index} if state is State.SUCCEEDED else {}
        return Snapshot(state, run=RunId("" if age == 0 else str(step * index + 1), 50.0 * index), counts=rows)

    record, begun = fresh(), [index for index in range(number) if 4 * index <= polls[0]]
    for at, moment in enumerate([*polls, 60, 60]):
        there = [seen(index, moment) for index in range(number) if 4 * index <= moment]
        record = transitions.worked(record, there[-1], at, CDM)
        if record.ledger.beyond and (moment == 60 or not failing[at]):
            record = transitions.looked_back(record, there[::-1], at)

    baseline = seen(begun[-1], polls[0])
    counted = [
        index for index in range(number) if index > begun[-1] or (index == begun[-1] and not baseline.state.ended)
    ]
    assert record.totals[ROWS] == sum(2.0**index for index in counted if index % 3)
    assert record.runs == (sum(1 for i in counted if i % 3), sum(1 for i in counted if not i % 3), 0)


@pytest.mark.parametrize("service", ["dli", "dws"])
def test_a_name_that_goes_back_to_an_earlier_run_counts_it_no_second_time(service: str) -> None:
    adapter, record = ADAPTERS[service], fresh(service)
    for at, name in enumerate("abcabacb"):
        record = transitions.next_run(record, record.job, at)
        for state in (State.RUNNING, State.SUCCEEDED, State.SUCCEEDED) if at < 3 else (State.SUCCEEDED,) * 2:
            end = 100.0 * "abc".index(name) if state.ended else None
            record = transitions.worked(record, Snapshot(state, run=RunId(name), end=end), 1000.0 + at, adapter)

    assert (record.runs, record.ledger.open, record.last_success) == ((3, 0, 0), (), 200)


def test_a_run_that_goes_on_when_its_name_comes_back_to_it_is_counted_by_its_end() -> None:
    adapter, record = ADAPTERS["dli"], fresh("dli")
    told = [("a", State.RUNNING), ("b", State.RUNNING), ("b", State.FAILED), ("a", State.RUNNING), ("a", State.FAILED)]
    for name, state in told:
        record = transitions.worked(record, Snapshot(state, run=RunId(name)), 1.0, adapter)
        record = transitions.worked(record, Snapshot(state, run=RunId(name)), 2.0, adapter)

    assert record.runs == (0, 2, 0)


@pytest.mark.parametrize("service", ["dli", "dws"])
def test_a_service_without_a_history_has_no_gaps(service: str) -> None:
    record = fresh(service)
    for number in (1, 5, 9):
        for at in (1, 2):
            record = transitions.worked(record, run(number), 10 * number + at, ADAPTERS[service])

    assert (record.ledger.beyond, record.ledger.open) == ((), ())
    assert record.runs == (2, 0, 0)


PAIRS = [
    ("both", "both"),
    ("id", "id"),
    ("created", "created"),
    ("both", "id"),
    ("both", "created"),
    ("id", "both"),
    ("created", "both"),
]
"""What a status answer and a history say of each run, where together they leave no doubt which one it is."""


def dated(number: int, back: int = 99, state: State = State.SUCCEEDED) -> Snapshot:
    """Return the run of a number, as of a service whose clock was set back by three and a half runs before *back*."""
    created = 1000.0 * number - (3500.0 if number >= back else 0.0)
    counts = {Measure(ROWS): 100**number} if state is State.SUCCEEDED else {}
    return Snapshot(state, run=RunId(str(10 * number), created), counts=counts)


def lived(number: int, moment: int, back: int = 99) -> Snapshot:
    """Return a run at a moment: each begins two moments after the one before, and takes one."""
    return dated(number, back, State.RUNNING if moment <= 2 * number else State.SUCCEEDED)


LIFE = st.lists(st.integers(2, 17), min_size=2, max_size=12).map(sorted)


@given(
    moments=LIFE,
    kinds=st.lists(st.sampled_from(["both", "id", "created"]), min_size=24, max_size=24),
    read=st.lists(st.booleans(), min_size=12, max_size=12),
)
@examples(10)
def test_each_run_counts_at_most_once_whichever_of_its_names_each_answer_has(
    moments: list[int], kinds: list[str], read: list[bool]
) -> None:
    record = fresh()
    for at, moment in enumerate(moments):
        there = [lived(number, moment) for number in range(1, moment // 2 + 1)]
        record = transitions.worked(record, partly(there[-1], kinds[at]), at, CDM)
        if record.ledger.beyond and read[at]:
            record = transitions.looked_back(record, [partly(each, kinds[-1 - at]) for each in there[::-1]], at)
    assert once(record.ledger.totals[ROWS])
    assert sum(record.ledger.runs) <= moments[-1] // 2


def test_a_history_that_tells_creations_alone_after_one_that_told_ids_too_is_not_read_for_ever() -> None:
    there = [run(number) for number in (4, 3, 2, 1)]
    some = [partly(there[0], "created"), there[1], partly(there[2], "created"), there[3]]

    record = after(run(2), run(4), some, run(4), [partly(each, "created") for each in there])

    assert (record.ledger.beyond, record.runs) == ((), (2, 0, 0))


@given(
    moments=LIFE,
    kinds=st.lists(st.sampled_from(["both", "both", "id", "created"]), min_size=120, max_size=120),
    read=st.lists(st.booleans(), min_size=12, max_size=12),
)
@examples(10)
def test_each_run_counts_at_most_once_whichever_of_its_names_each_row_has(
    moments: list[int], kinds: list[str], read: list[bool]
) -> None:
    """Pages of one history may come from copies that tell more or less of a run."""
    record, names = fresh(), iter(kinds)
    for at, moment in enumerate(moments):
        there = [lived(number, moment) for number in range(1, moment // 2 + 1)]
        record = transitions.worked(record, partly(there[-1], next(names)), at, CDM)
        if record.ledger.beyond and read[at]:
            record = transitions.looked_back(record, [partly(each, next(names)) for each in there[::-1]], at)
    assert once(record.ledger.totals[ROWS])
    assert sum(record.ledger.runs) <= moments[-1] // 2


@given(
    moments=LIFE, kinds=st.sampled_from(PAIRS), read=st.lists(st.booleans(), min_size=12, max_size=12), back=st.data()
)
@examples(10)
def test_each_run_counts_exactly_once_where_no_answer_leaves_a_doubt_which_it_is(
    moments: list[int], kinds: tuple[str, str], read: list[bool], back: st.DataObject
) -> None:
    """Also where the service's clock is set back, as long as it numbers its runs."""
    numbered = "created" not in kinds
    behind = back.draw(st.integers(2, 9)) if numbered else 99
    record = fresh()
    for at, moment in enumerate([*moments, 30]):
        there = [lived(number, moment, behind) for number in range(1, min(moment, 18) // 2 + 1)]
        record = transitions.worked(record, partly(there[-1], kinds[0]), at, CDM)
        if record.ledger.beyond and (moment == 30 or read[at]):
            record = transitions.looked_back(record, [partly(each, kinds[1]) for each in there[::-1]], at)
    first = moments[0] // 2
    begun = first if lived(first, moments[0]).state is State.RUNNING else first + 1
    assert record.ledger.totals[ROWS] == sum(100**number for number in range(begun, 10))
    assert sum(record.ledger.runs) == 10 - begun


@given(steps=st.lists(st.tuples(st.integers(1, 9), st.sampled_from(["both", "id"]), st.booleans()), max_size=25))
@settings(examples(7), derandomize=True)
def test_a_clock_that_is_set_back_lets_no_run_count_twice(steps: list[tuple[int, str, bool]]) -> None:
    """The same examples each time: of some thousand lives one has runs that are told again, from before and after the
    clock was set back, in an order in which nobody can tell them from those of numbers that started again.
    """
    record = fresh()
    for at, (number, kind, history) in enumerate(steps):
        if history:
            record = transitions.looked_back(
                record, [partly(dated(each, 5), kind) for each in range(number, 0, -1)], at
            )
        else:
            record = transitions.worked(record, partly(dated(number, 5), kind), at, CDM)
    assert once(record.ledger.totals[ROWS])


def test_a_history_of_which_some_rows_tell_no_creation_hides_no_run() -> None:
    record = fresh()
    for at, run in enumerate((RunId("5", 50.0), RunId("", 90.0))):
        record = transitions.worked(record, Snapshot(State.SUCCEEDED, run=run), at, CDM)
    runs = [RunId("9", 90.0), RunId("8", 80.0), RunId("7"), RunId("6"), RunId("5", 50.0)]

    record = transitions.looked_back(record, [Snapshot(State.FAILED, run=run) for run in runs], 3.0)

    assert record.runs == (1, 3, 0)


def test_a_history_of_ids_alone_hides_no_run_from_the_next_reading() -> None:
    """The newest run was told by its creation alone: which of the ids is its own, and which another's, is not known."""
    there = [run(3, rows=4), run(2, rows=2), run(1, rows=1)]
    ids = [partly(each, "id") for each in there]

    record = after(run(1, rows=1), partly(there[0], "created"), ids, there[0], there)

    assert (record.runs, record.totals[ROWS]) == ((2, 0, 0), 4 + 2)


def test_a_run_after_the_clock_of_the_service_was_set_back_is_counted() -> None:
    first, second = dated(1), replace(dated(2), run=RunId("20", 500.0))
    assert after(first, second, second).runs == (1, 0, 0)


def test_a_run_from_before_the_clock_was_set_back_that_is_told_once_more_counts_no_second_time() -> None:
    def told(number: int, created: float, state: State = State.SUCCEEDED) -> Snapshot:
        return Snapshot(state, run=RunId(str(number), created))

    first, second = (4, 4000.0), (5, 500.0)
    record = after(told(*first, State.RUNNING), told(*first), told(*second, State.RUNNING), told(*second))
    for _ in range(3):
        record = after(told(*second), told(*first, State.RUNNING), told(*first), record=record)
    assert record.runs == (2, 0, 0)


def renumbered(number: int, state: State = State.SUCCEEDED) -> Snapshot:
    """Return a run after the service began to count anew: a lower id than all before, a later creation."""
    end = 2.5 * number if state.ended else None
    return replace(
        dated(number, state=state), run=RunId(str(10_000 - number), 1000.0 * number), start=2.0 * number, end=end
    )


def test_runs_whose_numbers_fall_while_they_are_created_later_count_once_each() -> None:
    record = after(renumbered(1))
    for number in range(2, 6):
        record = after(renumbered(number, State.RUNNING), renumbered(number), renumbered(number), record=record)
        record = after([renumbered(each) for each in range(number, 0, -1)], renumbered(number), record=record)
    assert record.runs == (4, 0, 0)
    assert (record.last_success, record.last_run_duration) == (12.5, 2.5)


def test_runs_of_the_history_with_lower_numbers_do_not_count_though_their_clock_was_ahead() -> None:
    """They may have ended before the first poll, as far as anybody knows."""
    ahead = [replace(dated(each), run=RunId(str(each), 9000.0 + each)) for each in (1, 2)]
    assert after(dated(3), [dated(3), *ahead], dated(3)).runs == (0, 0, 0)


def after_a_rebuild(number: int, state: State = State.SUCCEEDED) -> Snapshot:
    """Return a run of a cluster whose runs had come to number 500 before it was made anew."""
    return replace(dated(number, state=state), run=RunId(str(number), 9000.0 + number))


BEFORE = replace(dated(5), run=RunId("500", 5000.0))


@pytest.mark.parametrize("last", [State.RUNNING, State.FAILED])
@pytest.mark.parametrize("old", [(), (BEFORE,)])
def test_runs_whose_numbers_began_anew_count_though_no_poll_saw_them_run(
    last: State, old: tuple[Snapshot, ...]
) -> None:
    seen = after_a_rebuild(3, last)
    record = after(BEFORE, seen)
    assert accounting.incomplete(record.ledger, seen.run)
    history = [seen, after_a_rebuild(2, State.FAILED), after_a_rebuild(1), *old]
    record = after(history, seen, history, record=record)
    assert record.runs == (1, 1 + (last is State.FAILED), 0)
    assert record.ledger.lost == 0

    record = after(after_a_rebuild(3), after_a_rebuild(4), history, after_a_rebuild(4), BEFORE, record=record)
    assert sum(record.runs) == 4


def test_numbers_that_began_anew_and_pass_the_last_one_before_lose_no_run() -> None:
    """Nor do runs from before that, which the history still has, count again."""
    old = [replace(dated(each), run=RunId(str(each), 5000.0 + each)) for each in (14, 15)]
    told = [after_a_rebuild(each, State.FAILED) for each in range(1, 22)]
    record = after(old[0], old[1], told[9], told[17])
    for last in (18, 18, 21, 21):
        record = after([*told[:last][::-1], *old[::-1]], told[last - 1], record=record)
    assert (record.runs, record.ledger.lost, record.ledger.beyond) == ((1, 21, 0), 0, ())


def test_a_run_of_before_numbers_that_began_anew_counts_once_though_a_copy_that_is_behind_tells_it_again() -> None:
    """The new numbers have an empty history, as in a cluster that was created again."""
    late = replace(dated(6), run=RunId("501", 5500.0))
    new = after_a_rebuild(1)
    record = after(BEFORE, new)
    for _ in range(3):
        record = after(late, [new], new, [new], record=record)
    assert (record.runs, record.ledger.lost) == ((2, 0, 0), 1)


def test_runs_of_before_the_clock_was_set_back_count_once_though_they_are_the_newest_by_creation() -> None:
    """The answer's newest run is the one created last, and the history knows all of them."""
    ahead = [replace(dated(each), run=RunId(str(each), 5000.0 + each)) for each in (25, 26, 27)]
    back = [replace(dated(each), run=RunId(str(each), 1000.0 + each)) for each in (28, 29)]
    last = replace(dated(30, state=State.RUNNING), run=RunId("30", 1030.0))
    answer = replace(ahead[2], others=(*back, *ahead[:2]))
    record = after(replace(dated(24), run=RunId("24", 4000.0)), answer)
    for _ in range(3):
        record = after([last, *back[::-1], *ahead[::-1]], answer, record=record)
    assert record.runs == (5, 0, 0)


def test_a_run_that_was_going_on_when_the_numbers_began_anew_is_counted_or_reported() -> None:
    running, first = replace(BEFORE, state=State.RUNNING), after_a_rebuild(1)
    record = after(running, first, first)
    assert accounting.incomplete(record.ledger, first.run)
    assert after([first, BEFORE], record=record).runs == (2, 0, 0)
    record = after([first], record=record)
    assert (record.runs, record.ledger.lost, record.ledger.open) == ((1, 0, 0), 1, ())


def test_a_run_of_before_the_numbers_began_anew_is_followed_until_its_end_and_its_counters_are_known() -> None:
    first, ended = (replace(each, counts={}) for each in (after_a_rebuild(1), BEFORE))
    running = replace(ended, state=State.RUNNING)
    record = after(running, first, [first, running], [first, ended])
    assert (record.runs, record.totals[ROWS]) == ((2, 0, 0), 0)
    record = after([first, replace(ended, counts={Measure(ROWS): 7.0})], record=record)
    assert (record.runs, record.totals[ROWS]) == ((2, 0, 0), 7)


def test_a_history_from_before_the_numbers_began_anew_takes_no_run_away() -> None:
    running = after_a_rebuild(1, State.RUNNING)
    record = after(BEFORE, running, [BEFORE], running, [BEFORE])
    assert (record.ledger.open, record.ledger.lost) == ((running.run,), 0)
    assert after(after_a_rebuild(1), record=record).runs == (1, 0, 0)


def test_a_run_from_before_the_numbers_began_anew_does_not_end_the_one_that_has_its_number_now() -> None:
    old = [replace(dated(each, state=State.FAILED), run=RunId(str(each), 5000.0 + each)) for each in (18, 22)]
    running = after_a_rebuild(18, State.RUNNING)
    record = after(old[1], after_a_rebuild(3), running)
    for _ in range(2):
        record = after([old[1], running, old[0], after_a_rebuild(3)], running, record=record)
    assert (record.runs, record.ledger.open) == ((1, 0, 0), (running.run,))
    assert after(after_a_rebuild(18), record=record).runs == (2, 0, 0)


def test_runs_from_before_the_numbers_began_anew_do_not_count_where_the_first_look_was_after_that() -> None:
    old = [replace(dated(each), run=RunId(str(each), 5000.0 + each)) for each in (267, 268)]
    record = after(after_a_rebuild(3, State.RUNNING), after_a_rebuild(5))
    for _ in range(2):
        history = [*old[::-1], *(after_a_rebuild(each) for each in (5, 4, 3))]
        record = after(history, after_a_rebuild(5), record=record)
    assert (record.runs, record.ledger.lost, record.ledger.beyond) == ((3, 0, 0), 0, ())
    assert after(after_a_rebuild(6), record=record).runs == (4, 0, 0)


def test_runs_that_went_by_unread_before_the_numbers_began_anew_are_reported() -> None:
    """The history has none of them any more: that there was one between the two that polls saw is not excluded."""
    record = after(BEFORE, replace(dated(6), run=RunId("503", 5003.0)), after_a_rebuild(1))
    record = after([after_a_rebuild(1)], after_a_rebuild(1), [after_a_rebuild(1)], record=record)
    assert (record.runs, record.ledger.lost) == ((2, 0, 0), 1)


def test_the_history_does_not_move_the_end_of_the_last_run_where_the_clock_was_set_back() -> None:
    """Somebody changes the job meanwhile, so each answer tells another end: that of the first one holds."""
    before = [replace(dated(each), run=RunId(str(each), 4000.0 + each), end=4100.0 + each) for each in (4, 5)]
    last = replace(dated(6), run=RunId("6", 1006.0), start=1007.0, end=1010.0)
    edited = replace(last, end=1009.0)
    record = after(before[1], last, [edited, *before[::-1]], last)
    assert (record.ledger.ended, record.ledger.ended_end) == (last.run, last.end)
    assert record.last_run_duration == 3.0


def test_without_a_history_the_runs_that_polls_see_count_though_their_numbers_began_anew() -> None:
    record = after(BEFORE, *[after_a_rebuild(number) for number in (2, 4, 4, 7)])
    assert record.runs == (3, 0, 0)


@pytest.mark.parametrize("began", [1000.0, None])
def test_runs_of_a_list_that_began_with_the_first_one_do_not_count(began: float | None) -> None:
    """Nobody knows which of them came after the other; all had ended before the first look, or may have."""
    record = replace(fresh("dli"), job=Job(JobKey("dli", "j"), "p", {"job_id": "e2"}))
    live = Snapshot(State.RUNNING, run=RunId("e2", opaque=True))
    record = transitions.worked(record, live, 2000.0, ADAPTERS["dli"])

    def listed(ident: str, start: float | None, state: State = State.FAILED) -> Snapshot:
        return Snapshot(state, run=RunId(ident, start, opaque=True), start=start)

    rows = [listed("e1", began), listed("e2", began, State.RUNNING), listed("e3", began)]
    for _ in range(3):
        record = transitions.listed_runs(record, rows, 2000.0, 2001.0, [], None)
    assert record.runs == (0, 0, 0)
    for _ in range(3):
        record = transitions.listed_runs(record, [*rows, listed("e4", 2005.0)], 2000.0, 2010.0, [], None)
    assert record.runs == (0, 1, 0)


def test_a_run_of_the_history_that_tells_no_number_counts_once_by_its_creation() -> None:
    unnumbered = partly(run(6, State.FAILED), "created")
    history = [run(8, State.RUNNING), unnumbered, run(5, rows=5)]
    record = after(run(5, State.RUNNING), run(8, State.RUNNING), history, history)
    assert (record.runs, record.totals[ROWS]) == ((1, 1, 0), 5)
    assert after([run(8), run(6, State.FAILED), run(5)], run(8), record=record).runs == (2, 1, 0)

    late = [run(8, State.RUNNING), partly(run(7), "created"), run(6, State.FAILED), run(5)]
    record = after(run(5), run(8, State.RUNNING), [partly(late[0], "created"), unnumbered, run(5)], late)
    assert after(run(8), [run(8), *late[1:]], record=record).runs == (2, 1, 0)

    page = [partly(run(8, State.RUNNING), "created"), unnumbered]
    record = after(run(5), run(8, State.RUNNING), [*page, run(5)], page)
    assert after(run(8), [run(8), run(6, State.FAILED), run(5)], record=record).runs == (1, 1, 0)

    newest = replace(dated(9), run=RunId("90", 500.0))  # the clock of the service was set back
    record = after(run(5), replace(newest, others=(run(8),)), [newest, partly(run(8), "created"), run(5)])
    assert after(newest, [newest, partly(run(8), "created"), run(5)], newest, record=record).runs == (2, 0, 0)


# --- other runs of the same answer


def test_the_ends_of_other_runs_that_the_answer_tells_of_count_though_no_history_can_be_read() -> None:
    five, six = run(5, State.FAILED, end=5500.0), run(6, State.RUNNING)
    record = after(run(5, State.RUNNING), replace(six, others=(five,)), replace(six, others=(five,)))
    assert (record.runs, record.last_failure, record.ledger.open) == ((0, 1, 0), 5500, (six.run,))

    record = after(replace(run(8, rows=8), others=(five, run(6, rows=6), run(7, State.FAILED))), record=record)
    assert (record.runs, record.totals[ROWS]) == ((2, 2, 0), 14)
    assert record.snapshot is not None
    assert record.snapshot.others == ()


def test_other_runs_of_the_first_answer_are_before_the_baseline_in_whatever_order_they_are() -> None:
    """The clock of the service was ahead when the newest one by its creation was made."""
    newest, others = replace(dated(3), run=RunId("30", 9000.0)), (dated(4), dated(5))
    record = after(replace(newest, others=others))
    record = after(replace(run(99), others=(*others, newest)), record=record)
    assert record.runs == (1, 0, 0)


def test_runs_between_two_that_one_answer_tells_of_are_looked_up() -> None:
    record = after(run(4), replace(run(8, State.RUNNING), others=(run(6),)))
    assert accounting.incomplete(record.ledger, run(8).run)
    history = [run(8, State.RUNNING), run(7, State.FAILED), run(6), run(5), run(4)]
    assert after(history, record=record).runs == (2, 1, 0)


@pytest.mark.parametrize("kinds", [("id", "created"), ("created", "id")])
def test_names_that_cannot_be_compared_count_what_the_job_itself_shows(kinds: tuple[str, str]) -> None:
    record = fresh()
    for number in range(1, 9):
        record = after(partly(dated(number), kinds[0]), record=record)
        for _ in range(5):
            record = after([partly(dated(each), kinds[1]) for each in range(number, 0, -1)], record=record)
            record = after(partly(dated(number), kinds[0]), record=record)
    assert record.runs == (7, 0, 0)


def test_a_run_that_gets_its_name_when_it_ends_sets_the_last_success() -> None:
    record = after(Snapshot(State.RUNNING, native_state="RUNNING"), dated(3))
    assert (record.runs, record.last_success) == ((1, 0, 0), 101)


def test_runs_of_the_history_do_not_count_again_for_runs_without_a_name() -> None:
    """Which of them came before the first poll, and which were counted without a name, nobody knows."""
    live, done = Snapshot(State.RUNNING, native_state="RUNNING"), Snapshot(State.SUCCEEDED, native_state="SUCCEEDED")
    record = after(live, done, live, dated(3, state=State.RUNNING))
    record = after([dated(3, state=State.RUNNING), dated(2), dated(1)], record=record)
    assert after(dated(3), record=record).runs == (2, 0, 0)


@pytest.mark.parametrize("known", ["a run of a list", "a run of a poll", "a run from before a restart"])
def test_an_answer_that_is_behind_the_newest_known_run_hides_no_run_before_its_own(known: str) -> None:
    first, second, third, newest = (run(n, start=1000.0 * n, end=1000.0 * n + 5) for n in (1, 2, 3, 9))
    before = after(first)
    if known == "a run of a list":
        before = replace(before, listed=Snapshot(State.RUNNING, start=9000.0))
    else:
        before = after(newest, record=before)
    if known == "a run from before a restart":
        before = replace(fresh(), ledger=before.ledger)

    told = after(third, record=before)
    assert told.snapshot is before.snapshot  # it is behind
    assert (told.ledger.floor, sum(told.ledger.runs)) == (first.run, sum(before.ledger.runs) + 1)
    assert accounting.gap(told.ledger, newest.run)

    assert sum(after([third, second, first], record=told).ledger.runs) == sum(told.ledger.runs) + 1
